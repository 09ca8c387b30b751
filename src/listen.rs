//! Where does the server listen, and how is it reached?

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where Envoy's questions come in. INVARIANT: at least one.
    pub ext_authz: Vec<Listen>,
    /// `/livez`, `/readyz`, `/metrics`; `None`: no admin listener.
    pub admin: Option<SocketAddr>,
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
