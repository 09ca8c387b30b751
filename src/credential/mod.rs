//! Where does the credential come from? Absent, present once, or there and unusable.

pub mod settings;

pub use settings::{OtherSchemes, Settings};

use std::borrow::Cow;

use crate::request::{RequestPath, RequestView};
use crate::token::BearerToken;

/// Why a credential that is there cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Two credentials: two headers, two values in one, or two places (J11, T-19): 400.
    #[error("the request carries more than one credential")]
    Repeated,
    /// An `Authorization` header of another scheme than Bearer: 401.
    #[error("the credential is of a scheme that is not accepted")]
    OtherScheme,
    /// Empty, or no `b64token` of RFC 6750: 401 without asking anyone.
    #[error("the credential is no well-formed token")]
    Malformed,
}

/// The word used in audit lines for where a credential stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialPlace {
    /// The `Authorization` header (RFC 6750 section 2.1).
    Authorization,
    /// The configured cookie.
    Cookie,
    /// The configured header.
    Header,
    /// The configured query parameter (RFC 6750 section 2.3).
    QueryParameter,
}

impl CredentialPlace {
    /// The word used in audit lines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Cookie => "cookie",
            Self::Header => "header",
            Self::QueryParameter => "query_parameter",
        }
    }
}

/// A token and where it stood.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The token.
    pub token: BearerToken,
    /// Where it stood.
    pub place: CredentialPlace,
}

impl Settings {
    /// The one credential of a request; `None` where it carries none.
    ///
    /// # Errors
    /// [`CredentialError`] where a credential is there and cannot be used: it is refused even on a path anyone may read.
    pub fn extract(
        &self,
        request: &RequestView<'_>,
        path: &RequestPath<'_>,
    ) -> Result<Option<Credential>, CredentialError> {
        let mut found = self.authorization_header(request)?;
        let others = [
            (CredentialPlace::Cookie, self.cookie(request)),
            (CredentialPlace::Header, self.header(request)),
            (CredentialPlace::QueryParameter, self.query_parameter(path)),
        ];
        for (place, token) in others {
            if let Some(token) = token? {
                if found.is_some() {
                    return Err(CredentialError::Repeated);
                }
                found = Some(Credential { token, place });
            }
        }
        Ok(found)
    }

    fn authorization_header(&self, request: &RequestView<'_>) -> Result<Option<Credential>, CredentialError> {
        let Some(value) = only(request.headers.values("authorization").map(Cow::Borrowed))? else { return Ok(None) };
        let value = std::str::from_utf8(&value).map_err(|_| CredentialError::Malformed)?.trim_matches(' ');
        let (scheme, parameter) = value.split_once(' ').unwrap_or((value, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return self.other_scheme(scheme, value);
        }
        if parameter.contains(',') {
            return Err(CredentialError::Repeated);
        }
        let token = BearerToken::parse(parameter.trim_matches(' ')).ok_or(CredentialError::Malformed)?;
        Ok(Some(Credential { token, place: CredentialPlace::Authorization }))
    }

    fn other_scheme(&self, scheme: &str, value: &str) -> Result<Option<Credential>, CredentialError> {
        // SECURITY: proxies join repeated headers with a comma; a Bearer behind it is a second credential (T-19).
        let hides_bearer = value.split(',').any(|part| {
            let (scheme, _) = part.trim_matches(' ').split_once(' ').unwrap_or((part.trim_matches(' '), ""));
            scheme.eq_ignore_ascii_case("bearer")
        });
        if hides_bearer {
            return Err(CredentialError::Repeated);
        }
        if scheme.is_empty() {
            return Err(CredentialError::Malformed);
        }
        match self.other_schemes {
            OtherSchemes::Refuse => Err(CredentialError::OtherScheme),
            OtherSchemes::Anonymous => Ok(None),
        }
    }

    fn cookie(&self, request: &RequestView<'_>) -> Result<Option<BearerToken>, CredentialError> {
        let Some(name) = &self.cookie else { return Ok(None) };
        // Cookies arrive as one header with `;`, as several, or several joined by the proxy with `,`;
        // a b64token holds none of the two, so splitting at both finds each pair and no false one.
        let pairs = request.headers.values("cookie").flat_map(|value| value.split(|byte| matches!(byte, b';' | b',')));
        let values = pairs.filter_map(|pair| {
            let pair = pair.trim_ascii();
            let at = pair.iter().position(|byte| *byte == b'=')?;
            let (held, value) = pair.split_at_checked(at)?;
            (held == name.as_bytes()).then(|| Cow::Borrowed(value.get(1..).unwrap_or_default()))
        });
        only(values)?.map(|value| token(&value)).transpose()
    }

    fn header(&self, request: &RequestView<'_>) -> Result<Option<BearerToken>, CredentialError> {
        let Some(name) = &self.header else { return Ok(None) };
        let Some(value) = only(request.headers.values(name.as_str()).map(Cow::Borrowed))? else { return Ok(None) };
        if value.contains(&b',') {
            return Err(CredentialError::Repeated);
        }
        token(&value).map(Some)
    }

    fn query_parameter(&self, path: &RequestPath<'_>) -> Result<Option<BearerToken>, CredentialError> {
        let Some(name) = &self.query_parameter else { return Ok(None) };
        let values = path.parameters().filter(|(held, _)| held == name).map(|(_, value)| match value {
            Cow::Borrowed(value) => Cow::Borrowed(value.as_bytes()),
            Cow::Owned(value) => Cow::Owned(value.into_bytes()),
        });
        only(values)?.map(|value| token(&value)).transpose()
    }
}

/// The only one of `values`.
fn only<'a>(mut values: impl Iterator<Item = Cow<'a, [u8]>>) -> Result<Option<Cow<'a, [u8]>>, CredentialError> {
    let first = values.next();
    if values.next().is_some() { Err(CredentialError::Repeated) } else { Ok(first) }
}

fn token(value: &[u8]) -> Result<BearerToken, CredentialError> {
    std::str::from_utf8(value.trim_ascii()).ok().and_then(BearerToken::parse).ok_or(CredentialError::Malformed)
}

#[cfg(test)]
mod tests;
