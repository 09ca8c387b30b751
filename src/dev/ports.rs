//! Where does everything listen? On its usual port, or on a free one where that is taken.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use super::{Arguments, DevError};

/// Loopback addresses for all parts. Those that other programs will open are only known to have been free.
#[derive(Debug)]
pub struct Ports {
    /// For Keyward's checks.
    pub ext_authz: SocketAddr,
    /// For Keyward's admin listener.
    pub admin: SocketAddr,
    /// For Envoy, if there is to be one.
    pub envoy: Option<SocketAddr>,
    /// For the embedded authorization server.
    pub authorization_server: TcpListener,
    /// For the echo upstream.
    pub upstream: TcpListener,
    /// Which ports are not the usual ones.
    pub notes: Vec<String>,
}

impl Ports {
    /// Chooses all of them; those asked for by `arguments` or not at all.
    ///
    /// # Errors
    /// [`DevError::Port`] for a port that was asked for and is taken.
    pub async fn choose(arguments: &Arguments, with_envoy: bool) -> Result<Self, DevError> {
        let mut notes = Vec::new();
        // All are held open until the last is chosen, so that none is chosen twice.
        let ext_authz = open("--ext-authz-port", arguments.ext_authz_port, 9191, &mut notes).await?;
        let admin = open("--admin-port", arguments.admin_port, 9902, &mut notes).await?;
        let envoy = match with_envoy {
            true => Some(open("--envoy-port", arguments.envoy_port, 10000, &mut notes).await?),
            false => None,
        };
        let authorization_server =
            open("--authorization-server-port", arguments.authorization_server_port, 9400, &mut notes).await?;
        let upstream = open("--upstream-port", arguments.upstream_port, 0, &mut notes).await?;
        let address = |listener: TcpListener| listener.local_addr().map_err(DevError::Address);
        Ok(Self {
            ext_authz: address(ext_authz)?,
            admin: address(admin)?,
            envoy: envoy.map(address).transpose()?,
            authorization_server,
            upstream,
            notes,
        })
    }
}

async fn open(
    flag: &'static str,
    asked: Option<u16>,
    usual: u16,
    notes: &mut Vec<String>,
) -> Result<TcpListener, DevError> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let port = asked.unwrap_or(usual);
    match bind(port).await {
        Ok(listener) => Ok(listener),
        Err(source) if asked.is_none() && source.kind() == io::ErrorKind::AddrInUse => {
            let listener = bind(0).await.map_err(DevError::Address)?;
            let free = listener.local_addr().map_err(DevError::Address)?.port();
            notes.push(format!("port {port} is taken, so {free} is used instead (`{flag}` chooses another)"));
            Ok(listener)
        }
        Err(source) => Err(DevError::Port { flag, port, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::open;
    use crate::dev::DevError;

    #[tokio::test]
    async fn a_usual_port_that_is_taken_is_replaced_and_one_asked_for_is_not() {
        let mut notes = Vec::new();
        let taken = open("--a", None, 0, &mut notes).await.unwrap().local_addr().unwrap();
        let holder = open("--a", Some(taken.port()), 0, &mut notes).await.unwrap();
        assert!(notes.is_empty());
        let other = open("--a", None, taken.port(), &mut notes).await.unwrap().local_addr().unwrap();
        assert_ne!(other.port(), taken.port());
        assert!(notes.iter().all(|note| note.contains(&other.port().to_string()) && note.contains("--a")), "{notes:?}");
        assert_eq!(notes.len(), 1);
        let refused = open("--a", Some(taken.port()), 0, &mut notes).await;
        assert!(matches!(refused, Err(DevError::Port { flag: "--a", .. })));
        drop(holder);
    }
}
