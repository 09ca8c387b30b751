//! May an active token be used here? Asked on every request, of fresh and cached answers alike (T-04, T-05, T-45).

use jiff::{SignedDuration, Timestamp};

use crate::token::ActiveToken;

/// What a token must be beyond "active".
#[derive(Debug, Clone, Default)]
pub struct TokenPolicy {
    /// `scopes`: all of them must be in the token (A8).
    pub scopes: Vec<String>,
    /// `tokenTypes`: accepted `token_type`, case ignored; an absent one is accepted (J11).
    pub token_types: Vec<String>,
    /// `issuer`: accepted `iss`; empty: any, also none.
    pub issuers: Vec<String>,
    /// `audience`: one of these must be in `aud`; empty: any, also none.
    pub audiences: Vec<String>,
    /// `clockSkew`, applied to `exp` and `nbf`.
    pub clock_skew: SignedDuration,
}

/// What is wrong with an active token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// `exp` is not in the future.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `token_type` is not accepted, e.g. a refresh token (T-32).
    #[error("the token is of a type that is not accepted")]
    Type,
    /// `iss` is not accepted.
    #[error("the token is of another issuer")]
    Issuer,
    /// `aud` names others only.
    #[error("the token is for another audience")]
    Audience,
    /// Required scopes are missing: 403 `insufficient_scope`.
    #[error("the token lacks a required scope")]
    Scopes,
}

impl TokenPolicy {
    /// Checks `token` at `now`.
    ///
    /// # Errors
    /// The first [`TokenRefusal`] that applies, scopes last.
    pub fn check(&self, token: &ActiveToken, now: Timestamp) -> Result<(), TokenRefusal> {
        let at = |time: Timestamp, skew| time.checked_add(skew).unwrap_or(time);
        if token.expires_at.is_some_and(|exp| at(exp, self.clock_skew) <= now) {
            return Err(TokenRefusal::Expired);
        }
        if token.not_before.is_some_and(|nbf| at(nbf, -self.clock_skew) > now) {
            return Err(TokenRefusal::NotYetValid);
        }
        let accepted = |held: &String| self.token_types.iter().any(|ok| ok.eq_ignore_ascii_case(held));
        if !token.token_type.as_ref().is_none_or(accepted) {
            return Err(TokenRefusal::Type);
        }
        if !self.issuers.is_empty() && !token.issuer.as_ref().is_some_and(|iss| self.issuers.contains(iss)) {
            return Err(TokenRefusal::Issuer);
        }
        if !self.audiences.is_empty() && !token.audience.iter().any(|aud| self.audiences.contains(aud)) {
            return Err(TokenRefusal::Audience);
        }
        if !self.scopes.iter().all(|scope| token.has_scope(scope)) {
            return Err(TokenRefusal::Scopes);
        }
        Ok(())
    }
}
