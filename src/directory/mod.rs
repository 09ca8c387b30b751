//! Which user is it? The question, and who can answer it.

pub mod cache;
#[cfg(test)]
mod conformance;
pub mod file_users;
pub mod idm;
pub mod settings;
pub mod token_claims;

pub use cache::{CacheSettings, Cached};
pub use file_users::FileDirectory;
pub use idm::{IdmDirectory, IdmSetupError};
pub use settings::Settings;
pub use token_claims::TokenClaims;

use std::sync::Arc;

use async_trait::async_trait;

use crate::deadline::Deadline;
use crate::principal::User;
use crate::token::ActiveToken;

/// Where user records live.
///
/// `Ok` is the directory's word, also when it is "nobody"; `Err` means we could not find out and is an outage.
#[async_trait]
pub trait UserDirectory: Send + Sync + 'static {
    /// Finds the one user that `query` describes, and waits no longer than `deadline`.
    async fn find(&self, query: &UserQuery, deadline: Deadline) -> Result<Found, DirectoryError>;
}

/// A directory whose word depends on the question alone and not on the token that asks it, so that it may be remembered.
///
/// SECURITY: [`TokenClaims`] is none: two tokens of one subject have different claims.
pub trait Cacheable: UserDirectory {}

/// What is asked of a directory: all conditions must hold (B11).
#[derive(Debug, Clone)]
pub struct UserQuery {
    /// The collection, e.g. `managed/user`. INVARIANT: a safe path (B13).
    pub component: Arc<str>,
    /// User property and the text it must equal. INVARIANT: at least one; no control characters in a value.
    pub conditions: Vec<(Arc<str>, String)>,
    /// Paths of fields that must be in the record beside the directory's defaults: roles, additional fields, groups.
    pub fields: Arc<[String]>,
    /// The token the question is about, for the directory that has nothing else.
    pub token: Arc<ActiveToken>,
}

/// The directory's word.
#[derive(Debug, Clone)]
pub enum Found {
    /// Exactly one record.
    One(Arc<User>),
    /// No record: 401 (B19).
    Nobody,
    /// More than one record: 401 (B19).
    Ambiguous,
}

impl Found {
    /// The word used in metrics and traces.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::One(_) => "found",
            Self::Nobody => "nobody",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// Why the directory gave no word: an outage, never "no such user".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// No answer in time.
    #[error("the directory did not answer in time")]
    Timeout,
    /// No connection, or it broke.
    #[error("the directory could not be reached: {0}")]
    Unreachable(String),
    /// A status that is neither a record nor a plain "not found".
    #[error("the directory answered {status}: {detail}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What the body says, cut short and stripped of control characters.
        detail: String,
    },
    /// Not JSON, too large, or without what a record must have.
    #[error("the directory's answer cannot be read: {0}")]
    Unreadable(String),
    /// The directory's own access token could not be had.
    #[error("no token for the directory: {0}")]
    Unauthorized(String),
}

impl DirectoryError {
    /// The word used in metrics and audit lines.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unreachable(_) => "unreachable",
            Self::Status { .. } => "status",
            Self::Unreadable(_) => "unreadable",
            Self::Unauthorized(_) => "unauthorized",
        }
    }
}
