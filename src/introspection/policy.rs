//! May an active token be used here? Asked on every request, of fresh and cached answers alike (T-04, T-05, T-45).

use jiff::{SignedDuration, Timestamp};

use crate::token::ActiveToken;

/// What a token must be beyond "active".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// It is bound to a key (`cnf`) that this client does not show (T-35).
    #[error("the token is bound to a key that the client does not show")]
    Binding,
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
        if !token.token_type.as_ref().is_none_or(accepted) || is_of_another_class(token) {
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

/// Whether members beside `token_type` say that this is a refresh, id or logout token (T-32): `typ` as Keycloak writes it,
/// `token_use` as others do. Words that are not known say nothing.
fn is_of_another_class(token: &ActiveToken) -> bool {
    const OTHERS: [&str; 8] =
        ["refresh", "offline", "id", "logout", "refresh_token", "id_token", "refresh+jwt", "logout+jwt"];
    ["typ", "token_use"]
        .into_iter()
        .filter_map(|name| token.claims.get(name)?.as_str())
        .any(|class| OTHERS.iter().any(|other| other.eq_ignore_ascii_case(class)))
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{TokenPolicy, TokenRefusal};
    use crate::token::ActiveToken;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn strict() -> TokenPolicy {
        TokenPolicy {
            scopes: texts(&["fr:idm:*", "read"]),
            token_types: texts(&["Bearer", "access_token"]),
            issuers: texts(&["https://a", "https://b"]),
            audiences: texts(&["me", "us"]),
            clock_skew: SignedDuration::ZERO,
        }
    }

    fn good() -> ActiveToken {
        ActiveToken {
            scopes: texts(&["read", "profile", "fr:idm:*"]),
            token_type: Some("bearer".to_owned()),
            issuer: Some("https://b".to_owned()),
            audience: texts(&["them", "us"]),
            expires_at: Some(at(1000)),
            not_before: Some(at(100)),
            ..ActiveToken::default()
        }
    }

    #[test]
    fn each_thing_wrong_is_refused_for_what_it_is() {
        assert_eq!(strict().check(&good(), at(500)), Ok(()));
        type Spoil = fn(&mut ActiveToken);
        let wrongs: &[(&str, Spoil, TokenRefusal)] = &[
            ("expired", |t| t.expires_at = Some(at(499)), TokenRefusal::Expired),
            ("expired before time began", |t| t.expires_at = Some(Timestamp::MIN), TokenRefusal::Expired),
            ("not yet valid", |t| t.not_before = Some(at(501)), TokenRefusal::NotYetValid),
            ("never valid", |t| t.not_before = Some(Timestamp::MAX), TokenRefusal::NotYetValid),
            ("refresh token", |t| t.token_type = Some("refresh_token".to_owned()), TokenRefusal::Type),
            ("id token", |t| t.token_type = Some("ID".to_owned()), TokenRefusal::Type),
            ("empty type", |t| t.token_type = Some(String::new()), TokenRefusal::Type),
            ("Keycloak's refresh token", |t| claim(t, "typ", "Refresh"), TokenRefusal::Type),
            ("Keycloak's id token", |t| claim(t, "typ", "ID"), TokenRefusal::Type),
            ("an id token by its use", |t| claim(t, "token_use", "id"), TokenRefusal::Type),
            ("another issuer", |t| t.issuer = Some("https://c".to_owned()), TokenRefusal::Issuer),
            ("issuer with a slash more", |t| t.issuer = Some("https://a/".to_owned()), TokenRefusal::Issuer),
            ("no issuer", |t| t.issuer = None, TokenRefusal::Issuer),
            ("another audience", |t| t.audience = texts(&["them"]), TokenRefusal::Audience),
            ("no audience", |t| t.audience.clear(), TokenRefusal::Audience),
            ("no scope", |t| t.scopes.clear(), TokenRefusal::Scopes),
            ("one scope of two", |t| t.scopes = texts(&["read"]), TokenRefusal::Scopes),
            ("a scope in capitals", |t| t.scopes = texts(&["READ", "fr:idm:*"]), TokenRefusal::Scopes),
            ("a scope that a `*` would match", |t| t.scopes = texts(&["read", "fr:idm:x"]), TokenRefusal::Scopes),
            ("a `*` for a scope", |t| t.scopes = texts(&["*"]), TokenRefusal::Scopes),
        ];
        for (name, spoil, refusal) in wrongs {
            let mut token = good();
            spoil(&mut token);
            assert_eq!(strict().check(&token, at(500)), Err(refusal.clone()), "{name}");
        }
    }

    fn claim(token: &mut ActiveToken, name: &str, value: &str) {
        token.claims.insert(name.to_owned(), value.into());
    }

    #[test]
    fn the_class_of_an_access_token_may_be_told_in_any_words() {
        for (name, class) in [("typ", "Bearer"), ("typ", "JWT"), ("typ", "at+jwt"), ("token_use", "access")] {
            let mut token = good();
            claim(&mut token, name, class);
            assert_eq!(strict().check(&token, at(500)), Ok(()), "{class}");
        }
    }

    #[test]
    fn a_missing_scope_is_told_last() {
        let mut token = good();
        token.scopes.clear();
        token.audience.clear();
        assert_eq!(strict().check(&token, at(500)), Err(TokenRefusal::Audience));
        token.expires_at = Some(at(1));
        assert_eq!(strict().check(&token, at(500)), Err(TokenRefusal::Expired));
    }

    #[test]
    fn what_is_absent_and_not_asked_for_is_accepted() {
        assert_eq!(TokenPolicy::default().check(&ActiveToken::default(), at(500)), Ok(()));
        let types = TokenPolicy { token_types: texts(&["Bearer"]), ..TokenPolicy::default() };
        assert_eq!(types.check(&ActiveToken::default(), at(500)), Ok(()), "an absent `token_type` is accepted (J11)");
        let eternal = ActiveToken { expires_at: Some(Timestamp::MAX), ..ActiveToken::default() };
        assert_eq!(types.check(&eternal, at(500)), Ok(()));
    }

    #[test]
    fn a_token_is_refused_the_second_it_expires_and_accepted_the_second_it_becomes_valid() {
        for (now, expected) in [
            (99, Err(TokenRefusal::NotYetValid)),
            (100, Ok(())),
            (999, Ok(())),
            (1000, Err(TokenRefusal::Expired)),
            (1001, Err(TokenRefusal::Expired)),
        ] {
            assert_eq!(strict().check(&good(), at(now)), expected, "{now}");
        }
        let last_moment = at(1000) - SignedDuration::from_nanos(1);
        assert_eq!(strict().check(&good(), last_moment), Ok(()));
    }

    #[test]
    fn clock_skew_stretches_both_ends() {
        let policy = TokenPolicy { clock_skew: SignedDuration::from_secs(30), ..strict() };
        for (now, expected) in
            [(69, Err(TokenRefusal::NotYetValid)), (70, Ok(())), (1029, Ok(())), (1030, Err(TokenRefusal::Expired))]
        {
            assert_eq!(policy.check(&good(), at(now)), expected, "{now}");
        }
    }

    #[test]
    fn skew_at_the_ends_of_time_changes_no_verdict() {
        let policy = TokenPolicy { clock_skew: SignedDuration::from_secs(30), ..TokenPolicy::default() };
        let token = |exp, nbf| ActiveToken { expires_at: exp, not_before: nbf, ..ActiveToken::default() };
        assert_eq!(policy.check(&token(Some(Timestamp::MAX), Some(Timestamp::MIN)), at(500)), Ok(()));
        assert_eq!(policy.check(&token(Some(Timestamp::MIN), None), at(500)), Err(TokenRefusal::Expired));
    }
}
