//! Is the token active? The question, and who can answer it.

pub mod answer;
pub mod cache;
#[cfg(test)]
mod conformance;
pub mod endpoint;
pub mod policy;
pub mod settings;
#[cfg(test)]
mod testing;
pub mod token_binding;

pub use cache::{CacheCounts, CacheOptions, Cached, NoObserver, Observer};
pub use endpoint::{Endpoint, EndpointError};
pub use policy::{TokenPolicy, TokenRefusal};
pub use settings::Settings;

use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::token::{BearerToken, TokenState};

/// Someone who knows whether a token is active.
///
/// `Ok` is the authorization server's word; `Err` is the lack of it and never a verdict.
#[async_trait]
pub trait Introspector: Send + Sync + 'static {
    /// Asks about `token` and waits no longer than `deadline`.
    async fn introspect(&self, token: &BearerToken, deadline: Deadline) -> Result<Introspection, IntrospectionError>;
}

/// An answer and where it came from.
#[derive(Debug, Clone)]
pub struct Introspection {
    /// What the authorization server says.
    pub state: TokenState,
    /// How the answer reached us; for audit and metrics.
    pub source: AnswerSource,
}

/// How an answer reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerSource {
    /// The authorization server was asked for this check.
    Asked,
    /// Another check had asked already; this one waited for the same answer.
    Joined,
    /// From the cache, fresh.
    Hit,
    /// From the cache of negative answers.
    NegativeHit,
    /// From the cache, past its lifetime, because the authorization server could not be asked (`staleIfError`).
    Stale,
}

impl AnswerSource {
    /// The word used in audit lines and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Joined => "joined",
            Self::Hit => "hit",
            Self::NegativeHit => "negative",
            Self::Stale => "stale",
        }
    }

    /// The same for people.
    #[must_use]
    pub fn for_people(self) -> &'static str {
        match self {
            Self::Asked => "asked for this request",
            Self::Joined => "asked for another request at the same time",
            Self::Hit | Self::NegativeHit => "from the cache",
            Self::Stale => "from the cache, past its lifetime",
        }
    }
}

/// Why there is no word from the authorization server: an outage, never a verdict, never cached.
///
/// The texts are for logs and audit; clients are told nothing of them (T-47).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntrospectionError {
    /// No answer in time.
    #[error("the authorization server did not answer in time")]
    Timeout,
    /// No connection, or it broke.
    #[error("the authorization server could not be reached: {0}")]
    Unreachable(String),
    /// A status other than 200; 400 and 401 mean our own credentials or request are wrong (H7).
    #[error("the authorization server answered {status}: {detail}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What the body says, cut short and stripped of control characters.
        detail: String,
    },
    /// Not JSON, too large, a duplicate key, or a member of the wrong type (J12).
    #[error("the authorization server's answer cannot be read: {0}")]
    Unreadable(String),
    /// Too many introspections at once, or the flight ended without an answer.
    #[error("the introspection was given up: {0}")]
    GivenUp(&'static str),
}

impl IntrospectionError {
    /// The word used in metrics and audit lines.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unreachable(_) => "unreachable",
            Self::Status { .. } => "status",
            Self::Unreadable(_) => "unreadable",
            Self::GivenUp(_) => "given_up",
        }
    }
}

/// Why no introspector can be made of settings; found at load.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The endpoint cannot be asked as configured.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The cache needs random bytes and the system has none.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// The endpoint of `settings` behind its cache; `issuers` are those that the token policy accepts.
///
/// Does not connect yet.
///
/// # Errors
/// [`SetupError`]: the settings cannot work.
pub fn connect(
    settings: &Settings,
    issuers: &[String],
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Cached<Endpoint>, SetupError> {
    let endpoint = Endpoint::new(settings)?;
    let mut segment: Vec<&str> = issuers.iter().map(String::as_str).collect();
    // Whatever the order in the configuration, it is one segment (T-44).
    segment.sort_unstable();
    segment.extend([settings.endpoint.as_str(), &settings.client_id]);
    let options =
        CacheOptions { segment: &segment, cache: &settings.cache, timeout: settings.timeout, clock, observer };
    Ok(Cached::new(endpoint, options)?)
}
