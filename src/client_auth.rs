//! How does Keyward prove to an authorization server which client it is (RFC 6749 section 2.3.1)?

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::{Serializer, byte_serialize};
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// `clientAuthentication` and `basicEncoding` (facts G1–G5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic` with id and secret form-urlencoded before they are joined: RFC 6749, AM since 6.5, Keycloak.
    BasicForm,
    /// `client_secret_basic` with id and secret as they are: AM before 6.5 and OpenAM 16 (G2).
    BasicRaw,
    /// `client_secret_post`: both in the form body.
    Post,
}

/// A client's credentials, in the shape in which they are sent.
///
/// Made once at load; its `Debug` shows no secret.
#[derive(Clone)]
pub struct ClientCredentials(Shape);

#[derive(Clone)]
enum Shape {
    Basic(HeaderValue),
    Post { id: String, secret: Secret },
}

/// Why a client's id and secret cannot be sent as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientAuthError {
    /// RFC 7617 section 2: the first colon ends the id.
    #[error("a `clientId` with a colon cannot be sent with `basicEncoding: raw`; use `form` or `client_secret_post`")]
    ColonInId,
    /// Base64 is always a legal header value, so this cannot be reached; it stands in for a panic.
    #[error("the client's id and secret make no header value")]
    NoHeaderValue,
}

impl ClientCredentials {
    /// Prepares `id` and `secret` for `method`.
    ///
    /// `BasicRaw` sends ISO-8859-1 where every character has a place there, as OpenAM reads it (G2), else UTF-8.
    ///
    /// # Errors
    /// [`ClientAuthError::ColonInId`] if `BasicRaw` could not tell the id from the secret.
    pub fn new(method: ClientAuthentication, id: &str, secret: &Secret) -> Result<Self, ClientAuthError> {
        let joined = match method {
            ClientAuthentication::Post => {
                return Ok(Self(Shape::Post { id: id.to_owned(), secret: secret.clone() }));
            }
            ClientAuthentication::BasicForm => {
                let encoded =
                    byte_serialize(id.as_bytes()).chain([":"]).chain(byte_serialize(secret.expose().as_bytes()));
                encoded.collect::<String>().into_bytes()
            }
            ClientAuthentication::BasicRaw if id.contains(':') => return Err(ClientAuthError::ColonInId),
            ClientAuthentication::BasicRaw => {
                let text = Zeroizing::new(format!("{id}:{}", secret.expose()));
                let latin1: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
                latin1.unwrap_or_else(|| text.as_bytes().to_vec())
            }
        };
        let joined = Zeroizing::new(joined);
        let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(joined.as_slice())));
        let mut value = HeaderValue::from_str(&text).map_err(|_| ClientAuthError::NoHeaderValue)?;
        // SECURITY: hides the value from every `Debug` and from HPACK's index.
        value.set_sensitive(true);
        Ok(Self(Shape::Basic(value)))
    }

    /// The `Authorization` header to send; `None` with `client_secret_post`.
    #[must_use]
    pub fn authorization(&self) -> Option<HeaderValue> {
        match &self.0 {
            Shape::Basic(value) => Some(value.clone()),
            Shape::Post { .. } => None,
        }
    }

    /// An `application/x-www-form-urlencoded` body of `parameters`, with id and secret where they belong into the body.
    #[must_use]
    pub fn form(&self, parameters: &[(&str, &str)]) -> String {
        let mut form = Serializer::new(String::new());
        form.extend_pairs(parameters);
        if let Shape::Post { id, secret } = &self.0 {
            form.append_pair("client_id", id).append_pair("client_secret", secret.expose());
        }
        form.finish()
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Shape::Basic(_) => "Basic([REDACTED])",
            Shape::Post { .. } => "Post([REDACTED])",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientAuthError, ClientAuthentication, ClientCredentials};
    use crate::secret::Secret;

    fn credentials(method: ClientAuthentication, id: &str, secret: &str) -> Result<ClientCredentials, ClientAuthError> {
        ClientCredentials::new(method, id, &Secret::new(secret.to_owned()))
    }

    fn header(method: ClientAuthentication, id: &str, secret: &str) -> String {
        let header = credentials(method, id, secret).unwrap().authorization().unwrap();
        header.to_str().unwrap().to_owned()
    }

    #[test]
    fn basic_form_is_what_g4_computed() {
        for (id, secret, expected) in [
            ("example.com", "s=cr%t", "ZXhhbXBsZS5jb206cyUzRGNyJTI1dA=="),
            ("idm-resource-server", "password", "aWRtLXJlc291cmNlLXNlcnZlcjpwYXNzd29yZA=="),
            ("my client:1", "p+w d@$~*ü", "bXkrY2xpZW50JTNBMTpwJTJCdytkJTQwJTI0JTdFKiVDMyVCQw=="),
            ("cli&ent", "100%", "Y2xpJTI2ZW50OjEwMCUyNQ=="),
        ] {
            assert_eq!(header(ClientAuthentication::BasicForm, id, secret), format!("Basic {expected}"), "{id}");
        }
    }

    #[test]
    fn basic_raw_is_what_openam_accepted() {
        for (id, secret, expected) in [
            ("example.com", "s=cr%t", "ZXhhbXBsZS5jb206cz1jciV0"),
            ("cli&ent", "100%", "Y2xpJmVudDoxMDAl"),
            ("plain", "pa:ss", "cGxhaW46cGE6c3M="),
            ("umlaut", "pä", "dW1sYXV0OnDk"),
            ("a", "ü€", "YTrDvOKCrA=="),
        ] {
            assert_eq!(header(ClientAuthentication::BasicRaw, id, secret), format!("Basic {expected}"), "{id}");
        }
    }

    #[test]
    fn basic_raw_refuses_an_id_with_a_colon() {
        let refused = credentials(ClientAuthentication::BasicRaw, "my client:1", "s");
        assert_eq!(refused.map(|_| ()), Err(ClientAuthError::ColonInId));
    }

    #[test]
    fn post_puts_both_into_the_body_and_basic_neither() {
        let post = credentials(ClientAuthentication::Post, "my client:1", "p+w d&ü").unwrap();
        assert!(post.authorization().is_none());
        assert_eq!(
            post.form(&[("token", "a+b/=")]),
            "token=a%2Bb%2F%3D&client_id=my+client%3A1&client_secret=p%2Bw+d%26%C3%BC"
        );
        let basic = credentials(ClientAuthentication::BasicForm, "c", "s").unwrap();
        assert_eq!(basic.form(&[("token", "a")]), "token=a");
    }

    #[test]
    fn debug_shows_nothing() {
        for method in [ClientAuthentication::BasicForm, ClientAuthentication::BasicRaw, ClientAuthentication::Post] {
            let made = credentials(method, "id", "hunter2").unwrap();
            let shown = format!("{made:?} {:?}", made.authorization());
            assert!(!shown.contains("hunter2") && !shown.contains("aWQ6aHVudGVyMg"), "{shown}");
        }
    }
}
