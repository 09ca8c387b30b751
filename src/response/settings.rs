//! What did the operator ask the answer to look like?

use http::{HeaderName, StatusCode};

use super::source::ContextSource;

/// `identityHeaders`, `responseHeaders`, `removeCredential`, `errorDetail`, `outage`.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Header for the upstream → where its value comes from. INVARIANT: no name twice; none that routes or authenticates.
    pub identity_headers: Vec<(HeaderName, ContextSource)>,
    /// Header for the client on an allow → where its value comes from.
    pub response_headers: Vec<(HeaderName, ContextSource)>,
    /// Take the credential out of the upstream request.
    pub remove_credential: bool,
    /// Put `detail.failureReasons` into a 401's body (J15).
    pub error_detail: bool,
    /// What an outage looks like.
    pub outage: OutageAnswer,
}

/// `outage`: how the lack of a verdict is told to Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageAnswer {
    /// A denial with this status: fails closed whatever Envoy's `failure_mode_allow` says.
    Deny(OutageStatus),
    /// Envoy's `error_response` with this status; `failure_mode_allow` then applies.
    Error(OutageStatus),
}

impl Default for OutageAnswer {
    fn default() -> Self {
        Self::Deny(OutageStatus::default())
    }
}

/// The status of an outage. INVARIANT: 500 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutageStatus(StatusCode);

impl OutageStatus {
    /// `None` unless `status` is a server error: an outage can never look like a success.
    #[must_use]
    pub fn new(status: u16) -> Option<Self> {
        StatusCode::from_u16(status).ok().filter(StatusCode::is_server_error).map(Self)
    }

    /// The status code.
    #[must_use]
    pub fn code(self) -> StatusCode {
        self.0
    }
}

impl Default for OutageStatus {
    fn default() -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE)
    }
}
