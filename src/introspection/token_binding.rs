//! Does the client show the key that its token is bound to? (RFC 8705 section 3.1, T-35)

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;

use super::policy::TokenRefusal;
use crate::token::ActiveToken;

/// Checks the `cnf` of an introspection answer against the certificate that the proxy saw.
///
/// SECURITY: a token that is bound to a key must not pass as a plain bearer token. A confirmation that Keyward cannot
/// check (`jkt` and others) is refused, and so is one beside others that it can.
///
/// # Errors
/// [`TokenRefusal::Binding`].
pub fn check(token: &ActiveToken, certificate: Option<&str>) -> Result<(), TokenRefusal> {
    let confirmation = match token.claims.get("cnf") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(confirmation)) => confirmation,
        Some(_) => return Err(TokenRefusal::Binding),
    };
    let mut members = confirmation.iter();
    match (members.next(), members.next()) {
        (Some((method, Value::String(expected))), None) if method == "x5t#S256" => {
            let shown = certificate.and_then(thumbprint).ok_or(TokenRefusal::Binding)?;
            if shown == expected.trim_end_matches('=') { Ok(()) } else { Err(TokenRefusal::Binding) }
        }
        _ => Err(TokenRefusal::Binding),
    }
}

/// `x5t#S256` of the first certificate in URL-encoded PEM; `None` where there is none.
fn thumbprint(url_encoded_pem: &str) -> Option<String> {
    let pem: Vec<u8> = percent_decode_str(url_encoded_pem).collect();
    let certificate = CertificateDer::from_pem_slice(&pem).ok()?;
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate)))
}

#[cfg(test)]
mod tests {
    use super::{check, thumbprint};
    use crate::introspection::TokenRefusal;
    use crate::token::ActiveToken;
    use serde_json::{Value, json};

    fn url_encoded_certificate() -> String {
        let certificate = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
        percent_encoding::utf8_percent_encode(&certificate.cert.pem(), percent_encoding::NON_ALPHANUMERIC).to_string()
    }

    fn token(cnf: Value) -> ActiveToken {
        ActiveToken { claims: json!({ "cnf": cnf }).as_object().unwrap().clone(), ..ActiveToken::default() }
    }

    #[test]
    fn a_bound_token_needs_its_certificate() {
        let (mine, other) = (url_encoded_certificate(), url_encoded_certificate());
        let bound = token(json!({ "x5t#S256": thumbprint(&mine).unwrap() }));
        assert_eq!(check(&bound, Some(&mine)), Ok(()));
        for shown in [None, Some(other.as_str()), Some(""), Some("no%20pem"), Some("%ff%zz")] {
            assert_eq!(check(&bound, shown), Err(TokenRefusal::Binding), "{shown:?}");
        }
    }

    #[test]
    fn a_confirmation_that_cannot_be_checked_is_refused() {
        let certificate = url_encoded_certificate();
        let thumbprint = thumbprint(&certificate).unwrap();
        for cnf in [
            json!({}),
            json!("x"),
            json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
            json!({ "x5t#S256": 1 }),
            json!({ "x5t#S256": "" }),
            json!({ "x5t#S256": thumbprint, "jkt": "x" }),
        ] {
            assert_eq!(check(&token(cnf.clone()), Some(&certificate)), Err(TokenRefusal::Binding), "{cnf}");
        }
    }

    #[test]
    fn an_unbound_token_needs_none() {
        assert_eq!(check(&ActiveToken::default(), None), Ok(()));
        assert_eq!(check(&token(Value::Null), None), Ok(()));
    }
}
