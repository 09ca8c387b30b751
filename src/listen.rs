//! Where does the server listen, how is it reached, how much does it take on, and how does it end?

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where Envoy's questions come in. INVARIANT: at least one.
    pub ext_authz: Vec<Listen>,
    /// `/livez`, `/readyz`, `/metrics`; `None`: no admin listener.
    pub admin: Option<SocketAddr>,
    /// gRPC health and nothing else, without TLS: for probes that speak none. `None`: no such listener.
    pub health: Option<SocketAddr>,
    /// `grace` and `drainDeadline`.
    pub drain: Drain,
    /// `limits`.
    pub limits: Limits,
}

/// How the server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// How long it goes on accepting after it has said that it is not serving any more, so that others notice.
    pub grace: Duration,
    /// How long what is in flight then may take.
    pub deadline: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { grace: Duration::from_secs(5), deadline: Duration::from_secs(10) }
    }
}

/// How much the server takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once, over all listeners for checks; one more is closed at once.
    pub max_connections: usize,
    /// Checks open at once on one connection; HTTP/2 makes the other side wait with one more.
    pub max_streams: u32,
    /// A check's message may have so many bytes; a larger one is refused.
    pub max_message_bytes: usize,
    /// Checks being decided at once; one more is an outage at once.
    pub max_in_flight: usize,
    /// How long a new connection may take until it speaks: over TLS, and again over HTTP/2.
    pub handshake_timeout: Duration,
    /// How long a check's message may take to arrive.
    pub message_timeout: Duration,
    /// How long a connection may be silent until it is asked whether anybody is still there.
    pub keepalive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            max_streams: 4_096,
            max_message_bytes: 4 << 20,
            max_in_flight: 10_000,
            handshake_timeout: Duration::from_secs(10),
            message_timeout: Duration::from_secs(10),
            keepalive: Duration::from_secs(60),
        }
    }
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// TCP or Unix socket.
    pub address: Address,
    /// TLS, where configured.
    pub tls: Option<TlsSettings>,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `127.0.0.1:9191`.
    Tcp(SocketAddr),
    /// `unix:/run/keyward/ext_authz.sock`.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Files of a TLS listener; read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM certificate chain, leaf first.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
    /// PEM roots that client certificates must lead to: mTLS. `None`: clients need no certificate.
    pub client_ca: Option<PathBuf>,
}
