//! What do the tests need around Keyward? Servers, clients, and where the real parts are.

pub mod case;
pub mod certificates;
pub mod check;
pub mod directory;
pub mod echo;
pub mod envoy;
pub mod grpcurl;
pub mod judges;
pub mod manifests;
pub mod oidc;
pub mod pods;
pub mod program;
pub mod prometheus;
pub mod promql;
pub mod provider;
pub mod raw_grpc;
pub mod raw_http;
pub mod server;
pub mod serving;
pub mod yaml;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

/// A file below the clone.
pub fn clone_path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// A real part below `target/parts` (or `KEYWARD_PARTS`). Fails with the remedy where it is not installed.
pub fn part(relative: &str) -> PathBuf {
    let parts = std::env::var_os("KEYWARD_PARTS").map_or_else(|| clone_path("target/parts"), PathBuf::from);
    let path = parts.join(relative);
    assert!(path.exists(), "`{}` is not installed: run `make parts`", path.display());
    path
}

/// A loopback address on which nobody listens.
pub fn unused_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Runs blocking code of a test beside the servers of the same test.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
