//! What does the HTTP/2 server read from and write to? Any accepted stream, with its writes kept whole.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::admission::{OpenStreams, Slot};

/// What an HTTP/2 client says first, in bytes (RFC 9113 section 3.4).
const PREFACE: usize = 24;

/// An accepted connection, ready for HTTP/2.
///
/// It says of itself that it cannot write vectored, although it could: only then does h2 gather HEADERS, DATA and
/// trailers of an answer into one buffer and one write, which wakes Envoy once and costs a fifth less CPU.
#[derive(Debug)]
pub struct Connection {
    transport: Transport,
    /// Until the preface is there; then keepalive finds out who has gone.
    silence: Option<Silence>,
    streams: OpenStreams,
    slot: Slot,
}

/// How long a client may still take over its preface, and what of it is there.
#[derive(Debug)]
struct Silence {
    timer: Pin<Box<Sleep>>,
    heard: usize,
}

/// What bytes come and go over.
#[derive(Debug)]
pub enum Transport {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TLS over TCP.
    TlsOverTcp(Box<TlsStream<TcpStream>>),
    /// TLS over a Unix socket.
    TlsOverUnix(Box<TlsStream<UnixStream>>),
}

impl Connection {
    /// A connection that takes `slot` until it is closed, and fails unless HTTP/2 begins within `patience`.
    #[must_use]
    pub fn new(transport: Transport, slot: Slot, patience: Duration) -> Self {
        let silence = Silence { timer: Box::pin(tokio::time::sleep(patience)), heard: 0 };
        Self { transport, silence: Some(silence), streams: OpenStreams::default(), slot }
    }
}

/// Nothing about the peer reaches a handler: a decision is about what Envoy says, not about who Envoy is.
impl Connected for Connection {
    type ConnectInfo = OpenStreams;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.streams.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(silence) = &mut this.silence else { return Pin::new(&mut this.transport).poll_read(cx, buf) };
        let before = buf.filled().len();
        let read = Pin::new(&mut this.transport).poll_read(cx, buf);
        silence.heard += buf.filled().len() - before;
        if silence.heard >= PREFACE {
            this.silence = None;
            return read;
        }
        if read.is_pending() && silence.timer.as_mut().poll(cx).is_ready() {
            this.slot.was_silent();
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().transport).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        false
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::TlsOverTcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::TlsOverUnix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::TlsOverTcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::TlsOverUnix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Transport::TlsOverTcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::TlsOverUnix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::TlsOverTcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::TlsOverUnix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
