//! May they? The access rules, and the proof that one of them granted (section E).

pub mod settings;

pub use settings::Settings;

use std::sync::Arc;

use crate::principal::Principal;
use crate::request::{RequestPath, RequestView};

/// The compiled access rules of one filter.
#[derive(Debug)]
pub struct AccessRules {}

/// Proof that an access rule granted a request to a principal.
///
/// INVARIANT: only [`AccessRules::admit`] makes one; nothing else in the program can build an allow.
#[derive(Debug, Clone)]
pub struct Permit {
    principal: Arc<Principal>,
    rule: Arc<str>,
}

impl Permit {
    /// Who was admitted.
    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The rule that granted: its `name`, or its place such as `rules[3]`; several, joined by `+`, where a PUT needed two.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

/// Why the access stage did not admit a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The HTTP request has no CREST meaning, or two (E.5): 400.
    #[error("{0}")]
    BadRequest(&'static str),
    /// A method that CREST does not know (E23): 403.
    #[error("the method is none of the access rules'")]
    UnknownMethod,
    /// The CSRF gate (E15): 403.
    #[error("a request that changes something needs a header that no foreign page can set")]
    Csrf,
    /// The path lies outside `contextPath` (J19): 403.
    #[error("the path lies outside the context path")]
    OutsideContextPath,
    /// No rule grants: 403.
    #[error("no access rule grants this request")]
    NoRule,
    /// A rule lacked nothing but these scopes: 403 `insufficient_scope`, or 401 where no credential was sent (J22).
    #[error("the token lacks scopes that a rule requires")]
    MissingScopes(Vec<String>),
    /// A `when` or `customAuthz` failed while it ran; the walk ends with a denial (J20).
    #[error("the condition of {rule} failed: {message}")]
    ConditionFailed {
        /// Which rule.
        rule: String,
        /// What went wrong; for the audit, not for the client.
        message: String,
    },
}

/// What one rule said about a request: for `check` and `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStep {
    /// The rule's name or place.
    pub rule: String,
    /// The CREST or HTTP request it was asked about, e.g. `create managed/user`.
    pub asked: String,
    /// `None`: it grants. Else the first thing it lacked, in the order of E6, for people.
    pub lacked: Option<String>,
}

impl AccessRules {
    /// Admits the request, or says why not.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn admit(
        &self,
        _request: &RequestView<'_>,
        _path: &RequestPath<'_>,
        _principal: &Arc<Principal>,
    ) -> Result<Permit, AccessError> {
        Err(AccessError::NoRule)
    }

    /// What each rule says about the request, in order, up to the one that grants.
    #[must_use]
    pub fn explain(
        &self,
        _request: &RequestView<'_>,
        _path: &RequestPath<'_>,
        _principal: &Arc<Principal>,
    ) -> Vec<RuleStep> {
        Vec::new()
    }
}
