//! What does each failure mean for the client? The one table from every stage's error to a denial or an outage.

use crate::access::{AccessError, Permit};
use crate::credential::CredentialError;
use crate::directory::DirectoryError;
use crate::introspection::{IntrospectionError, TokenRefusal};
use crate::principal::ContextIncomplete;
use crate::request::PathRefusal;
use crate::script::{AugmentError, ScriptError};
use crate::subject::SubjectError;

/// What becomes of a request. There is no default and no conversion from a truth value:
/// an allow needs the [`Permit`] that only the access check makes.
#[derive(Debug, Clone)]
pub enum Decision {
    /// An access rule granted.
    Allow(Permit),
    /// Refused, with a reason a person can act on.
    Deny(Denial),
    /// No verdict could be had.
    Outage(Outage),
}

impl Decision {
    /// `allow`, `deny` or `outage`: the word used in audit, metrics and metadata.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Deny(_) => "deny",
            Self::Outage(_) => "outage",
        }
    }

    /// Why: the denial's or outage's word; `granted` for an allow.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Allow(_) => "granted",
            Self::Deny(denial) => denial.as_str(),
            Self::Outage(outage) => outage.as_str(),
        }
    }
}

/// Why a request is refused. The names are a stable vocabulary: log field, metric label, case files.
/// What the client reads is separate and says less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// The question holds no HTTP request (J17).
    RequestMissing,
    /// The authority could be read as several (T-03).
    HostRefused,
    /// The path is refused (J10).
    PathRefused(PathRefusal),
    /// The route names a filter that is not configured, or none fits.
    FilterUnknown,
    /// No credential, and no anonymous mapping.
    CredentialMissing,
    /// More than one credential (J11).
    CredentialRepeated,
    /// Another scheme than Bearer.
    CredentialScheme,
    /// No well-formed token.
    CredentialMalformed,
    /// The authorization server says the token is not active.
    TokenInactive,
    /// The token is active but not acceptable here.
    TokenRefused(TokenRefusal),
    /// The token lacks scopes that every request needs.
    ScopeMissing(Vec<String>),
    /// The token leads to no user.
    SubjectUnmapped(SubjectError),
    /// The directory has no such record; the collection it was looked for in.
    UserUnknown(String),
    /// The directory has several such records.
    UserAmbiguous,
    /// The account's status is not accepted.
    UserInactive,
    /// The script of `augmentSecurityContext` threw a 4xx (C8); its message, word for word.
    ScriptRefused(String),
    /// The request means nothing to CREST, or two things (J19).
    RequestMalformed(&'static str),
    /// The CSRF gate (E15).
    Csrf,
    /// Outside the context path (J19).
    OutsideContextPath,
    /// A method the access rules do not know (E23).
    MethodUnknown,
    /// No rule grants.
    NoRule,
    /// A rule lacked nothing but these scopes, and there was a token.
    RuleScopeMissing(Vec<String>),
    /// A rule lacked nothing but these scopes, and there was no credential: a token could help (J22).
    RuleScopeNeedsCredential(Vec<String>),
    /// A rule's condition failed while it ran (J20).
    ConditionFailed,
}

/// The status of a denial: none of these can be a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialStatus {
    /// 400
    BadRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
}

impl DenialStatus {
    /// The status code.
    #[must_use]
    pub fn code(self) -> http::StatusCode {
        match self {
            Self::BadRequest => http::StatusCode::BAD_REQUEST,
            Self::Unauthorized => http::StatusCode::UNAUTHORIZED,
            Self::Forbidden => http::StatusCode::FORBIDDEN,
        }
    }
}

/// The error code of an RFC 6750 challenge (section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeError {
    /// `invalid_request`
    InvalidRequest,
    /// `invalid_token`
    InvalidToken,
    /// `insufficient_scope`
    InsufficientScope,
}

impl ChallengeError {
    /// The code as it stands in the challenge.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }
}

/// What a denial says in `WWW-Authenticate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// No code where no credential was sent (F8).
    pub error: Option<ChallengeError>,
    /// The scopes the request needs.
    pub scopes: &'a [String],
}

impl Denial {
    /// The word used in audit, metrics, metadata and case files.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::RequestMissing => "request_missing",
            Self::HostRefused => "host_refused",
            Self::PathRefused(_) => "path_refused",
            Self::FilterUnknown => "filter_unknown",
            Self::CredentialMissing => "credential_missing",
            Self::CredentialRepeated => "credential_repeated",
            Self::CredentialScheme => "credential_scheme",
            Self::CredentialMalformed => "credential_malformed",
            Self::TokenInactive => "token_inactive",
            Self::TokenRefused(TokenRefusal::Expired) => "token_expired",
            Self::TokenRefused(TokenRefusal::NotYetValid) => "token_not_yet_valid",
            Self::TokenRefused(TokenRefusal::Type) => "token_type",
            Self::TokenRefused(TokenRefusal::Issuer) => "token_issuer",
            Self::TokenRefused(TokenRefusal::Audience) => "token_audience",
            Self::TokenRefused(TokenRefusal::Binding) => "token_binding",
            Self::TokenRefused(TokenRefusal::Scopes) | Self::ScopeMissing(_) => "scope_missing",
            Self::SubjectUnmapped(_) => "subject_unmapped",
            Self::UserUnknown(_) => "user_unknown",
            Self::UserAmbiguous => "user_ambiguous",
            Self::UserInactive => "user_inactive",
            Self::ScriptRefused(_) => "script_refused",
            Self::RequestMalformed(_) => "request_malformed",
            Self::Csrf => "csrf",
            Self::OutsideContextPath => "outside_context_path",
            Self::MethodUnknown => "method_unknown",
            Self::NoRule => "no_rule",
            Self::RuleScopeMissing(_) | Self::RuleScopeNeedsCredential(_) => "rule_scope_missing",
            Self::ConditionFailed => "condition_failed",
        }
    }

    /// The HTTP status the client sees.
    #[must_use]
    pub fn status(&self) -> DenialStatus {
        match self {
            Self::RequestMissing
            | Self::HostRefused
            | Self::PathRefused(_)
            | Self::CredentialRepeated
            | Self::RequestMalformed(_) => DenialStatus::BadRequest,
            Self::CredentialMissing
            | Self::CredentialScheme
            | Self::CredentialMalformed
            | Self::TokenInactive
            | Self::TokenRefused(
                TokenRefusal::Expired
                | TokenRefusal::NotYetValid
                | TokenRefusal::Type
                | TokenRefusal::Issuer
                | TokenRefusal::Audience
                | TokenRefusal::Binding,
            )
            | Self::SubjectUnmapped(_)
            | Self::UserUnknown(_)
            | Self::UserAmbiguous
            | Self::UserInactive
            | Self::ScriptRefused(_)
            | Self::RuleScopeNeedsCredential(_) => DenialStatus::Unauthorized,
            Self::FilterUnknown
            | Self::TokenRefused(TokenRefusal::Scopes)
            | Self::ScopeMissing(_)
            | Self::Csrf
            | Self::OutsideContextPath
            | Self::MethodUnknown
            | Self::NoRule
            | Self::RuleScopeMissing(_)
            | Self::ConditionFailed => DenialStatus::Forbidden,
        }
    }

    /// The challenge of RFC 6750, where a token or another token would help (F8, F9).
    #[must_use]
    pub fn challenge(&self) -> Option<Challenge<'_>> {
        let challenge = |error, scopes| Some(Challenge { error, scopes });
        match self {
            Self::CredentialMissing | Self::CredentialScheme => challenge(None, &[]),
            Self::RuleScopeNeedsCredential(scopes) => challenge(None, scopes),
            Self::CredentialRepeated => challenge(Some(ChallengeError::InvalidRequest), &[]),
            Self::CredentialMalformed
            | Self::TokenInactive
            | Self::TokenRefused(
                TokenRefusal::Expired
                | TokenRefusal::NotYetValid
                | TokenRefusal::Type
                | TokenRefusal::Issuer
                | TokenRefusal::Audience
                | TokenRefusal::Binding,
            )
            | Self::SubjectUnmapped(_)
            | Self::UserUnknown(_)
            | Self::UserAmbiguous
            | Self::UserInactive
            | Self::ScriptRefused(_) => challenge(Some(ChallengeError::InvalidToken), &[]),
            Self::TokenRefused(TokenRefusal::Scopes) => challenge(Some(ChallengeError::InsufficientScope), &[]),
            Self::ScopeMissing(scopes) | Self::RuleScopeMissing(scopes) => {
                challenge(Some(ChallengeError::InsufficientScope), scopes)
            }
            Self::RequestMissing
            | Self::HostRefused
            | Self::PathRefused(_)
            | Self::FilterUnknown
            | Self::RequestMalformed(_)
            | Self::Csrf
            | Self::OutsideContextPath
            | Self::MethodUnknown
            | Self::NoRule
            | Self::ConditionFailed => None,
        }
    }

    /// The `message` of the body (F2, F3): IDM's words for 401 and 403, our own for a request that means nothing.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::RequestMissing => "The authorization question holds no HTTP request".to_owned(),
            Self::HostRefused => "Bad request: the host could be read as several".to_owned(),
            Self::PathRefused(refusal) => format!("Bad request: {refusal}"),
            Self::CredentialRepeated => format!("Bad request: {}", CredentialError::Repeated),
            Self::RequestMalformed(why) => format!("Bad request: {why}"),
            _ if self.status() == DenialStatus::Unauthorized => "Access Denied".to_owned(),
            _ => "Access denied".to_owned(),
        }
    }

    /// The `message` of a 401's `detail.failureReasons` entry (F2, F4); `None` where nothing failed: no credential came.
    #[must_use]
    pub fn failure_reason(&self) -> Option<String> {
        let reason = match self {
            Self::CredentialScheme => "the credential is of a scheme that is not accepted".to_owned(),
            Self::CredentialMalformed => "the credential is no well-formed token".to_owned(),
            Self::TokenInactive => "token inactive".to_owned(),
            Self::TokenRefused(refusal) => refusal.to_string(),
            Self::SubjectUnmapped(error) => error.to_string(),
            Self::UserUnknown(component) => format!("{component} entry is not found"),
            Self::UserAmbiguous => "user detail retrieved was ambiguous.".to_owned(),
            Self::UserInactive => "user inactive".to_owned(),
            Self::ScriptRefused(message) if message.is_empty() => "refused by a script".to_owned(),
            Self::ScriptRefused(message) => return Some(message.clone()),
            _ => return None,
        };
        Some(format!("Access denied, {reason}"))
    }
}

/// Why no verdict could be had. The client learns nothing of it but the status (T-47).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outage {
    /// The authorization server gave no word.
    Introspection(IntrospectionError),
    /// The directory gave no word.
    Directory(DirectoryError),
    /// The security context is incomplete (C5).
    ContextIncomplete(ContextIncomplete),
    /// The script of `augmentSecurityContext` threw a 5xx, or failed (C8).
    Script(ScriptError),
    /// The caller's deadline passed.
    Deadline,
    /// More checks at once than Keyward takes on.
    Overloaded,
    /// Something in Keyward itself broke.
    Internal,
}

impl Outage {
    /// The word used in audit, metrics, metadata and case files.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Introspection(IntrospectionError::Timeout) => "introspection_timeout",
            Self::Introspection(IntrospectionError::Unreachable(_)) => "introspection_unreachable",
            Self::Introspection(IntrospectionError::Status { .. }) => "introspection_status",
            Self::Introspection(IntrospectionError::Unreadable(_)) => "introspection_unreadable",
            Self::Introspection(IntrospectionError::GivenUp(_)) => "introspection_given_up",
            Self::Directory(DirectoryError::Timeout) => "directory_timeout",
            Self::Directory(DirectoryError::Unreachable(_)) => "directory_unreachable",
            Self::Directory(DirectoryError::Status { .. }) => "directory_status",
            Self::Directory(DirectoryError::Unreadable(_)) => "directory_unreadable",
            Self::Directory(DirectoryError::Unauthorized(_)) => "directory_unauthorized",
            Self::ContextIncomplete(_) => "context_incomplete",
            Self::Script(ScriptError::Thrown { .. }) => "script_threw",
            Self::Script(ScriptError::Deadline) => "script_timeout",
            Self::Script(ScriptError::Memory) => "script_memory",
            Self::Script(ScriptError::Syntax { .. } | ScriptError::Other(_)) => "script_failed",
            Self::Deadline => "deadline",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
        }
    }

    /// What an operator needs to know; for the log and the audit, never for the client.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Introspection(error) => error.to_string(),
            Self::Directory(error) => error.to_string(),
            Self::ContextIncomplete(error) => error.to_string(),
            Self::Script(error) => error.to_string(),
            Self::Deadline => "the caller's deadline passed".to_owned(),
            Self::Overloaded => "as many checks are being decided as `listen.limits.maxInFlight` allows".to_owned(),
            Self::Internal => "an internal error; the log has it".to_owned(),
        }
    }
}

/// What ends the way of a request early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A verdict: no.
    Denied(Denial),
    /// No verdict.
    Outage(Outage),
}

impl From<Result<Permit, Stop>> for Decision {
    fn from(way: Result<Permit, Stop>) -> Self {
        match way {
            Ok(permit) => Self::Allow(permit),
            Err(Stop::Denied(denial)) => Self::Deny(denial),
            Err(Stop::Outage(outage)) => Self::Outage(outage),
        }
    }
}

impl From<Denial> for Stop {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<PathRefusal> for Stop {
    fn from(refusal: PathRefusal) -> Self {
        Self::Denied(Denial::PathRefused(refusal))
    }
}

impl From<CredentialError> for Stop {
    fn from(error: CredentialError) -> Self {
        Self::Denied(match error {
            CredentialError::Repeated => Denial::CredentialRepeated,
            CredentialError::OtherScheme => Denial::CredentialScheme,
            CredentialError::Malformed => Denial::CredentialMalformed,
        })
    }
}

impl From<SubjectError> for Stop {
    fn from(error: SubjectError) -> Self {
        Self::Denied(Denial::SubjectUnmapped(error))
    }
}

impl From<IntrospectionError> for Stop {
    fn from(error: IntrospectionError) -> Self {
        Self::Outage(Outage::Introspection(error))
    }
}

impl From<DirectoryError> for Stop {
    fn from(error: DirectoryError) -> Self {
        Self::Outage(Outage::Directory(error))
    }
}

impl From<ContextIncomplete> for Stop {
    fn from(error: ContextIncomplete) -> Self {
        Self::Outage(Outage::ContextIncomplete(error))
    }
}

impl From<AugmentError> for Stop {
    fn from(error: AugmentError) -> Self {
        match error {
            AugmentError::Refused(message) => Self::Denied(Denial::ScriptRefused(message)),
            AugmentError::Incomplete(incomplete) => incomplete.into(),
            AugmentError::Failed(error) => Self::Outage(Outage::Script(error)),
        }
    }
}

impl Stop {
    /// What an access error means; `has_credential` decides whether a token could still help (J22).
    #[must_use]
    pub fn from_access(error: AccessError, has_credential: bool) -> Self {
        Self::Denied(match error {
            AccessError::BadRequest(why) => Denial::RequestMalformed(why),
            AccessError::UnknownMethod => Denial::MethodUnknown,
            AccessError::Csrf => Denial::Csrf,
            AccessError::OutsideContextPath => Denial::OutsideContextPath,
            AccessError::NoRule => Denial::NoRule,
            AccessError::MissingScopes(scopes) if has_credential => Denial::RuleScopeMissing(scopes),
            AccessError::MissingScopes(scopes) => Denial::RuleScopeNeedsCredential(scopes),
            AccessError::ConditionFailed { .. } => Denial::ConditionFailed,
            AccessError::NoWord { error, .. } => return error.into(),
        })
    }
}
