//! What does `WWW-Authenticate` say? The challenge of RFC 6750 section 3.

use crate::decision::Challenge;

/// The protection space, always the same word: one Keyward guards one mesh.
const REALM: &str = "keyward";

/// The header's value; each parameter at most once, no `error` where no credential was sent (F8).
#[must_use]
pub fn header_value(challenge: &Challenge<'_>) -> String {
    let mut value = format!("Bearer realm=\"{REALM}\"");
    if let Some(error) = challenge.error {
        value.push_str(&format!(", error=\"{}\"", error.as_str()));
    }
    let scopes: Vec<&str> = challenge.scopes.iter().map(String::as_str).filter(|scope| is_scope_token(scope)).collect();
    if !scopes.is_empty() {
        value.push_str(&format!(", scope=\"{}\"", scopes.join(" ")));
    }
    value
}

/// `scope-token` of RFC 6749 section 3.3: what may stand in a quoted parameter unescaped.
fn is_scope_token(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::header_value;
    use crate::decision::{Challenge, ChallengeError};

    #[test]
    fn no_error_where_no_credential_was_sent() {
        assert_eq!(header_value(&Challenge { error: None, scopes: &[] }), "Bearer realm=\"keyward\"");
    }

    #[test]
    fn missing_scopes_are_named_and_cannot_break_out_of_their_quotes() {
        let scopes = ["fr:idm:*".to_owned(), "a\" x=\"".to_owned(), "b".to_owned()];
        let challenge = Challenge { error: Some(ChallengeError::InsufficientScope), scopes: &scopes };
        let expected = "Bearer realm=\"keyward\", error=\"insufficient_scope\", scope=\"fr:idm:* b\"";
        assert_eq!(header_value(&challenge), expected);
    }
}
