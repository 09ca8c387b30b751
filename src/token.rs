//! What is a token, before and after the authorization server has been asked about it?

use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::user::User;

/// An access token as the client sent it, checked to be a `b64token` (RFC 6750 section 2.1).
///
/// INVARIANT: non-empty, ASCII, `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
#[derive(Clone)]
pub struct BearerToken(Zeroizing<String>);

impl BearerToken {
    /// Checks the syntax of RFC 6750; `None` where the text can be no token, so that nobody needs to be asked.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.trim_end_matches('=');
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
        (!body.is_empty() && body.bytes().all(legal)).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The token itself, for the introspection request and the cache key; never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// What the authorization server says of a token (RFC 7662 section 2.2).
#[derive(Debug, Clone)]
pub enum TokenState {
    /// `active` is exactly `true`.
    Active(Arc<ActiveToken>),
    /// Anything else: unknown, expired, revoked, or not for us.
    Inactive,
}

/// The introspection answer for an active token. Members that Keyward reads are typed; the rest is kept as it came.
#[derive(Debug, Clone, Default)]
pub struct ActiveToken {
    /// Every member of the answer, unknown ones too.
    pub claims: Map<String, Value>,
    /// `sub`; an empty text counts as absent.
    pub subject: Option<String>,
    /// `realm`; an empty text counts as absent (B6).
    pub realm: Option<String>,
    /// `scope`, split at spaces or as a list; absent means none (H13).
    pub scopes: Vec<String>,
    /// `client_id`.
    pub client_id: Option<String>,
    /// `username`.
    pub username: Option<String>,
    /// `token_type`.
    pub token_type: Option<String>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`, as text or list.
    pub audience: Vec<String>,
    /// `exp`.
    pub expires_at: Option<Timestamp>,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// What the directory that has nothing but the token made of it: made once for a token that is asked about often.
    pub as_user: OnceLock<Arc<User>>,
}

impl ActiveToken {
    /// Whether the token carries `scope`, letter for letter (A8: a `*` in a scope is an ordinary character).
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held == scope)
    }
}

#[cfg(test)]
mod tests {
    use super::BearerToken;

    #[test]
    fn a_token_is_a_b64token_and_nothing_else() {
        for good in ["a", "a.b-c_d~e+f/g==", "0="] {
            assert!(BearerToken::parse(good).is_some(), "{good}");
        }
        for bad in ["", "=", "a b", "a,b", "a=b", "ä", "a\n", "\"a\""] {
            assert!(BearerToken::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let token = BearerToken::parse("s3cret").map(|t| format!("{t:?}"));
        assert_eq!(token.as_deref(), Some("[REDACTED]"));
    }
}
