//! What will Envoy, the upstream and the client see?

pub mod challenge;
pub mod error_body;
pub mod identity_headers;
pub mod settings;
pub mod source;

pub use settings::Settings;

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};

use crate::access::Permit;
use crate::credential;
use crate::decision::{Decision, Denial, Outage};
use crate::request::RequestView;
use identity_headers::IdentityHeaders;
use settings::OutageAnswer;

/// The whole answer to one request, before it is put into Envoy's words.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Let it pass, edited. Made from a [`Permit`] only.
    Pass(Pass),
    /// Refuse it: Envoy answers the client with this.
    Refuse(Refusal),
    /// Tell Envoy that there is no verdict: `failure_mode_allow` decides, this is what the client sees if it does not.
    Error(Refusal),
}

/// The edits of a request that passes.
///
/// INVARIANT: every managed header is either set or removed, never both and never neither (T-18, T-41).
#[derive(Debug, Clone)]
pub struct Pass {
    /// Headers that replace whatever the client sent.
    pub set: Vec<(HeaderName, String)>,
    /// Names that are removed: managed headers without a value, forgeable spellings of managed headers, the credential.
    pub remove: Vec<String>,
    /// Query parameters that are removed.
    pub remove_query_parameters: Vec<String>,
    /// Headers for the client.
    pub response_headers: Vec<(HeaderName, String)>,
    /// What later filters may read.
    pub metadata: Metadata,
}

/// What a client is told that may not pass.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Never a success: made of a [`crate::decision::DenialStatus`] or an [`settings::OutageStatus`].
    pub status: StatusCode,
    /// Headers for the client.
    pub headers: Vec<(HeaderName, String)>,
    /// IDM's JSON error body (F1).
    pub body: String,
    /// What later filters and the access log may read.
    pub metadata: Metadata,
}

/// What later filters and the access log may read about a decision. Holds no credential.
#[derive(Debug, Clone)]
pub enum Metadata {
    /// `decision: allow`, the filter, the rule that granted, and the security context.
    Allowed {
        /// Which filter decided.
        filter: Arc<str>,
        /// What was granted, to whom, by which rule.
        permit: Permit,
    },
    /// `decision: deny` or `outage`, the filter, and the reason.
    Refused {
        /// The decision's word.
        decision: &'static str,
        /// Which filter decided; empty where none was found.
        filter: Arc<str>,
        /// The reason's word.
        reason: &'static str,
    },
}

/// Makes replies as one filter is configured.
#[derive(Debug, Clone)]
pub struct Responder {
    filter: Arc<str>,
    identity_headers: IdentityHeaders,
    error_detail: bool,
    outage: OutageAnswer,
}

impl Responder {
    /// A responder for the filter `filter`; `credential` says what `removeCredential` has to remove.
    #[must_use]
    pub fn new(filter: &str, settings: Settings, credential: &credential::Settings) -> Self {
        let (error_detail, outage) = (settings.error_detail, settings.outage);
        let identity_headers = IdentityHeaders::new(settings, credential);
        Self { filter: filter.into(), identity_headers, error_detail, outage }
    }

    /// A responder for requests that no filter was found for: strict defaults, no identity.
    #[must_use]
    pub fn without_filter() -> Self {
        Self::new("", Settings::default(), &credential::Settings::default())
    }

    /// The reply to `request`.
    #[must_use]
    pub fn reply(&self, decision: &Decision, request: &RequestView<'_>) -> Reply {
        match decision {
            Decision::Allow(permit) => Reply::Pass(self.pass(permit, request)),
            Decision::Deny(denial) => Reply::Refuse(self.deny(denial)),
            Decision::Outage(outage) => self.outage(outage),
        }
    }

    /// The reply for a question that holds no request.
    #[must_use]
    pub fn refuse(&self, denial: &Denial) -> Reply {
        Reply::Refuse(self.deny(denial))
    }

    /// The reply where something in Keyward itself broke.
    #[must_use]
    pub fn unavailable(&self) -> Reply {
        self.outage(&Outage::Internal)
    }

    fn pass(&self, permit: &Permit, request: &RequestView<'_>) -> Pass {
        let metadata = Metadata::Allowed { filter: Arc::clone(&self.filter), permit: permit.clone() };
        self.identity_headers.edit(permit, request, metadata)
    }

    fn deny(&self, denial: &Denial) -> Refusal {
        let status = denial.status().code();
        let mut headers = client_headers();
        if let Some(challenge) = denial.challenge() {
            headers.push((WWW_AUTHENTICATE, challenge::header_value(&challenge)));
        }
        let failure = denial.failure_reason().filter(|_| self.error_detail);
        let body = error_body::error_body(status, &denial.message(), failure.as_deref());
        Refusal { status, headers, body, metadata: self.refused("deny", denial.as_str()) }
    }

    fn outage(&self, outage: &Outage) -> Reply {
        let refusal = |status: StatusCode| Refusal {
            status,
            headers: client_headers(),
            body: error_body::error_body(status, "Authorization is not available", None),
            metadata: self.refused("outage", outage.as_str()),
        };
        match self.outage {
            OutageAnswer::Deny(status) => Reply::Refuse(refusal(status.code())),
            OutageAnswer::Error(status) => Reply::Error(refusal(status.code())),
        }
    }

    fn refused(&self, decision: &'static str, reason: &'static str) -> Metadata {
        Metadata::Refused { decision, filter: Arc::clone(&self.filter), reason }
    }
}

fn client_headers() -> Vec<(HeaderName, String)> {
    vec![(CONTENT_TYPE, "application/json".to_owned()), (CACHE_CONTROL, "no-store".to_owned())]
}

#[cfg(test)]
mod tests;
