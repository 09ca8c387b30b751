//! Where may a credential stand, and what happens to credentials that are not ours?

use http::HeaderName;

/// The places a token is read from. The `Authorization` header is always one; the others only where configured (T-49).
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `credential.cookie`: name of a cookie.
    pub cookie: Option<String>,
    /// `credential.header`: name of a header whose whole value is the token.
    pub header: Option<HeaderName>,
    /// `credential.queryParameter`: name of a query parameter (RFC 6750 section 2.3).
    pub query_parameter: Option<String>,
    /// `otherSchemes` (J23).
    pub other_schemes: OtherSchemes,
}

/// What an `Authorization` header of another scheme than Bearer means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OtherSchemes {
    /// 401: a credential that is there and unusable is refused.
    #[default]
    Refuse,
    /// As if no credential had been sent.
    Anonymous,
}
