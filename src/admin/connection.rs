//! How many may look at once? A few connections, and none that falls silent: whoever reaches the admin listener must not be
//! able to use up what checks need.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, Sleep, sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::telemetry::metrics::{Limit, Metrics};

/// How many connections may be open at once. Probes, a scraper or two and people need a handful.
pub(super) const MOST: usize = 256;

/// How long nothing may come and go over a connection; a scraper that asks every minute keeps its own.
const SILENCE: Duration = Duration::from_secs(90);

/// How long to wait when the machine refuses to accept, as with too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// The label of the metric.
const KIND: &str = "admin";

/// Hands every new connection to `connections` until nobody takes them; hangs up on those too many.
pub(super) async fn accept(
    listener: TcpListener,
    connections: mpsc::Sender<Connection<TcpStream>>,
    metrics: Arc<Metrics>,
) {
    let slots = Arc::new(Semaphore::new(MOST));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _peer)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the admin listener cannot accept a connection");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&slots).try_acquire_owned() else {
            metrics.limited(Limit::Connections);
            continue;
        };
        let connection = Connection::new(stream, Slot::new(permit, Arc::clone(&metrics)));
        if connections.send(connection).await.is_err() {
            return;
        }
    }
}

/// A connection that ends when nothing has come and gone over it for a while.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    silence: Pin<Box<Sleep>>,
    _slot: Slot,
}

/// The place of one connection, free again when this is dropped.
#[derive(Debug)]
struct Slot {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Slot {
    fn new(permit: OwnedSemaphorePermit, metrics: Arc<Metrics>) -> Self {
        metrics.connection_opened(KIND);
        Self { _permit: permit, metrics }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.metrics.connection_closed(KIND);
    }
}

impl<S> Connection<S> {
    fn new(stream: S, slot: Slot) -> Self {
        Self { stream, silence: Box::pin(sleep(SILENCE)), _slot: slot }
    }

    /// The outcome of an attempt to read or write, with the silence begun anew where there was one, or ended where it is long.
    fn heard<T>(&mut self, attempt: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if attempt.is_ready() {
            self.silence.as_mut().reset(Instant::now() + SILENCE);
        } else if self.silence.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        attempt
    }
}

impl Connected for Connection<TcpStream> {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.heard(read, cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.heard(written, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    fn slot(slots: &Arc<Semaphore>) -> Slot {
        Slot::new(Arc::clone(slots).try_acquire_owned().unwrap(), Arc::new(Metrics::new()))
    }

    #[tokio::test(start_paused = true)]
    async fn who_falls_silent_is_hung_up_on_and_who_speaks_is_not() {
        let slots = Arc::new(Semaphore::new(1));
        let (mut client, server) = duplex(64);
        let mut connection = Connection::new(server, slot(&slots));
        let began = Instant::now();
        for _ in 0..3 {
            sleep(SILENCE / 2).await;
            client.write_all(b"x").await.unwrap();
            connection.read_exact(&mut [0]).await.unwrap();
        }
        let silent = connection.read_exact(&mut [0]).await.unwrap_err();
        assert_eq!((silent.kind(), began.elapsed()), (io::ErrorKind::TimedOut, SILENCE * 5 / 2));
        drop(connection);
        assert_eq!(slots.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_and_never_reads_is_hung_up_on() {
        let (_client, server) = duplex(64);
        let mut connection = Connection::new(server, slot(&Arc::new(Semaphore::new(1))));
        let stuck = connection.write_all(&[0; 65]).await.unwrap_err();
        assert_eq!(stuck.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_too_many_is_closed_and_told_and_its_place_is_free_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, metrics) = (listener.local_addr().unwrap(), Arc::new(Metrics::new()));
        let (connections, mut incoming) = mpsc::channel(1);
        tokio::spawn(accept(listener, connections, Arc::clone(&metrics)));
        let (mut clients, mut held) = (Vec::new(), Vec::new());
        for _ in 0..MOST {
            clients.push(TcpStream::connect(address).await.unwrap());
            held.push(incoming.recv().await.unwrap());
        }
        let mut refused = TcpStream::connect(address).await.unwrap();
        assert!(matches!(refused.read(&mut [0]).await, Ok(0) | Err(_)));
        let told = |metrics: &Metrics, line: &str| assert!(metrics.encode().contains(line), "{}", metrics.encode());
        told(&metrics, &format!("keyward_connections{{kind=\"admin\"}} {MOST}\n"));
        told(&metrics, "keyward_limited_total{limit=\"connections\"} 1\n");
        held.pop();
        let _next = TcpStream::connect(address).await.unwrap();
        assert!(incoming.recv().await.is_some());
    }
}
