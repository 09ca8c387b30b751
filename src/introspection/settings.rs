//! What must be known to ask an authorization server, and for how long its answers are kept?

use std::time::Duration;

use url::Url;

pub use crate::client_auth::ClientAuthentication;
use crate::secret::Secret;

/// How to ask (RFC 7662) and how to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `tokenIntrospectUrl`, used as it is, query string included (A7).
    pub endpoint: Url,
    /// `clientId`.
    pub client_id: String,
    /// `clientSecret`.
    pub client_secret: Secret,
    /// `clientAuthentication` and `basicEncoding`.
    pub client_authentication: ClientAuthentication,
    /// The longest an introspection may take, whoever waits for it. Default 5 seconds.
    pub timeout: Duration,
    /// An answer larger than this is an outage. Bytes; default 1 MiB.
    pub max_answer_bytes: usize,
    /// How many introspections may be under way at once. Default 256.
    pub max_in_flight: usize,
    /// PEM bundle to trust instead of the system's roots.
    pub trusted_roots: Option<Vec<u8>>,
    /// The token cache.
    pub cache: CacheSettings,
}

/// The token cache (A25, J16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// `cache.maxTimeout`.
    pub max_timeout: MaxTimeout,
    /// `cache.negative`: how long "inactive" is remembered; zero: not at all.
    pub negative: Duration,
    /// `cache.staleIfError`: how long past its lifetime an answer may still serve while there is an outage; never past `exp`.
    pub stale_if_error: Duration,
    /// `cache.maxTokens`: bound of the positive cache.
    pub max_tokens: u64,
    /// Bound of the negative cache. Default 10 000.
    pub max_negative: u64,
}

/// `maxTimeout`, whose special words are values of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxTimeout {
    /// `zero`, `disabled`: every request asks; the negative cache is off too (J16).
    Off,
    /// At most this long, and never past `exp`.
    AtMost(Duration),
    /// `unlimited`: until `exp`; a token without `exp` is not kept (A25).
    UntilExpiry,
}
