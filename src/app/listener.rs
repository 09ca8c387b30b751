//! How do connections come in? TCP and Unix listeners, with or without TLS, all feeding one server.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::admission::{Admission, Slot};
use super::connection::{Connection, Transport};
use super::tls::{TlsError, TlsFiles};
use crate::listen::{Address, Listen};

/// How long to wait when the machine refuses to accept, as with too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who may connect to a Unix socket: its owner and its group.
const SOCKET_MODE: u32 = 0o660;

/// Why nothing can listen at an address.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error("cannot listen on `{0}`: somebody already does; end that process, or change `listen`")]
    InUse(Address),
    /// The operating system says no.
    #[error("cannot listen on `{address}`: {source}")]
    Refused {
        /// Where.
        address: Address,
        /// What it says.
        source: io::Error,
    },
    /// The path of a Unix socket is taken by something that is no socket; it is left alone.
    #[error("cannot listen on `unix:{}`: a file that is no socket stands there; remove it, or change `listen`", .0.display())]
    NotASocket(PathBuf),
    /// The files for TLS cannot be used.
    #[error("cannot listen on `{address}` with TLS: {source}")]
    Tls {
        /// Where.
        address: Address,
        /// What is wrong with them.
        source: TlsError,
    },
    /// The descriptors that reflection tells of are broken: so is the build.
    #[error("cannot serve reflection: {0}")]
    Descriptors(tonic_reflection::server::Error),
}

impl BindError {
    /// What the operating system said about an address.
    #[must_use]
    pub fn from_io(address: &Address, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::InUse(address.clone())
        } else {
            Self::Refused { address: address.clone(), source }
        }
    }
}

/// An open listener.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    tls: Option<Arc<TlsFiles>>,
}

#[derive(Debug)]
enum Socket {
    Tcp { listener: TcpListener, address: SocketAddr },
    Unix { listener: UnixListener, file: SocketFile },
}

impl Listener {
    /// Reads what a listener needs, as opening it would, without opening it.
    ///
    /// # Errors
    /// [`BindError`]: it could not be opened, whoever else listens.
    pub async fn check(listen: &Listen) -> Result<(), BindError> {
        tls_of(listen).await?;
        let Address::Unix(path) = &listen.address else { return Ok(()) };
        if fs::symlink_metadata(path).is_ok_and(|there| !there.file_type().is_socket()) {
            return Err(BindError::NotASocket(path.clone()));
        }
        let address = std::os::unix::net::SocketAddr::from_pathname(path);
        address.map(drop).map_err(|source| BindError::from_io(&listen.address, source))
    }

    /// The folder of a Unix socket, if it is not there. It may come with a volume that only the serving container has.
    #[must_use]
    pub fn missing_folder(listen: &Listen) -> Option<&Path> {
        let Address::Unix(path) = &listen.address else { return None };
        path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
    }

    /// Opens a listener; connections wait in the kernel until [`Listener::accept`] takes them.
    ///
    /// # Errors
    /// [`BindError`], also when the files for TLS cannot be used.
    pub async fn bind(listen: &Listen) -> Result<Self, BindError> {
        let address = &listen.address;
        let tls = tls_of(listen).await?.map(Arc::new);
        let socket = match address {
            Address::Tcp(wanted) => {
                let listener = TcpListener::bind(wanted).await.map_err(|source| BindError::from_io(address, source))?;
                let address = listener.local_addr().map_err(|source| BindError::from_io(address, source))?;
                Socket::Tcp { listener, address }
            }
            Address::Unix(path) => {
                remove_stale_socket(path).await?;
                let listener = UnixListener::bind(path).map_err(|source| BindError::from_io(address, source))?;
                fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))
                    .map_err(|source| BindError::from_io(address, source))?;
                Socket::Unix { listener, file: SocketFile::of(path) }
            }
        };
        Ok(Self { socket, tls })
    }

    /// Where it listens, with the port the system chose if `0` was asked for.
    #[must_use]
    pub fn address(&self) -> Address {
        match &self.socket {
            Socket::Tcp { address, .. } => Address::Tcp(*address),
            Socket::Unix { file, .. } => Address::Unix(file.path.clone()),
        }
    }

    /// The files of its TLS, if it has any.
    #[must_use]
    pub fn tls(&self) -> Option<&Arc<TlsFiles>> {
        self.tls.as_ref()
    }

    /// Hands every new connection that `admission` lets in to `connections` until `stop` becomes true; then closes the
    /// listener.
    ///
    /// A TLS handshake runs on a task of its own: a client that is slow about it delays nobody. Who is not let in is hung
    /// up on at once: Envoy then knows where it stands, whereas in the kernel's queue it would wait for nothing.
    pub async fn accept(
        self,
        connections: mpsc::Sender<Connection>,
        admission: Admission,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut handshakes = JoinSet::new();
        let mut full = false;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                Some(_) = handshakes.join_next() => continue,
                accepted = self.socket.accept() => accepted,
            };
            let stream = match accepted {
                Ok(stream) => stream,
                // Whoever hangs up before being accepted must not make others wait.
                Err(error) if is_of_the_client(&error) => continue,
                Err(error) => {
                    tracing::warn!(address = %self.address(), %error, "cannot accept a connection");
                    time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(slot) = admission.admit() else {
                if !std::mem::replace(&mut full, true) {
                    tracing::warn!(address = %self.address(), "`listen.limits.maxConnections` is reached: hanging up");
                }
                continue;
            };
            full = false;
            let patience = admission.handshake_timeout;
            let Some(tls) = &self.tls else {
                if connections.send(Connection::new(stream.into(), slot, patience)).await.is_err() {
                    return;
                }
                continue;
            };
            let acceptor = TlsAcceptor::from(tls.current());
            let connections = connections.clone();
            handshakes.spawn(async move {
                if let Some(transport) = stream.handshake(&acceptor, patience, &slot).await {
                    let _server_is_gone = connections.send(Connection::new(transport, slot, patience)).await;
                }
            });
        }
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp { listener, .. } => {
                let (stream, _peer) = listener.accept().await?;
                let _only_a_matter_of_speed = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            Self::Unix { listener, .. } => listener.accept().await.map(|(stream, _peer)| Stream::Unix(stream)),
        }
    }
}

impl From<Stream> for Transport {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Tcp(stream) => Self::Tcp(stream),
            Stream::Unix(stream) => Self::Unix(stream),
        }
    }
}

impl Stream {
    async fn handshake(self, acceptor: &TlsAcceptor, patience: Duration, slot: &Slot) -> Option<Transport> {
        let tcp = |stream| Transport::TlsOverTcp(Box::new(stream));
        let unix = |stream| Transport::TlsOverUnix(Box::new(stream));
        match self {
            Self::Tcp(stream) => handshake(acceptor, stream, patience, slot).await.map(tcp),
            Self::Unix(stream) => handshake(acceptor, stream, patience, slot).await.map(unix),
        }
    }
}

async fn handshake<S>(acceptor: &TlsAcceptor, stream: S, patience: Duration, slot: &Slot) -> Option<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match time::timeout(patience, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::info!(%error, "a client failed the TLS handshake");
            None
        }
        Err(_elapsed) => {
            slot.was_silent();
            tracing::info!("a client did not finish the TLS handshake in time");
            None
        }
    }
}

async fn tls_of(listen: &Listen) -> Result<Option<TlsFiles>, BindError> {
    let Some(settings) = &listen.tls else { return Ok(None) };
    let loaded = TlsFiles::load(settings).await;
    loaded.map(Some).map_err(|source| BindError::Tls { address: listen.address.clone(), source })
}

/// Whether a connection could not be accepted because it is gone, and not because we have no means to.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// Takes away the socket file of a process that is gone, and nothing else.
async fn remove_stale_socket(path: &Path) -> Result<(), BindError> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    let address = || Address::Unix(path.to_owned());
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|source| BindError::from_io(&address(), source))
        }
        // Somebody answers, or is too busy to, or may not be asked by us: the socket is theirs.
        Ok(_) | Err(_) => Err(BindError::InUse(address())),
    }
}

/// The file of a Unix socket, removed with the listener unless a successor has already put its own there.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), identity: identity(path) }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _already_gone = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_machine_that_has_no_means_makes_others_wait() {
        for (number, expected) in [
            (103, true),  // ECONNABORTED
            (104, true),  // ECONNRESET
            (24, false),  // EMFILE
            (23, false),  // ENFILE
            (12, false),  // ENOMEM
            (105, false), // ENOBUFS
        ] {
            assert_eq!(is_of_the_client(&io::Error::from_raw_os_error(number)), expected, "{number}");
        }
    }
}
