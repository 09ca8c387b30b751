//! What does the HTTP/2 server read from and write to? Any accepted stream, with its writes kept whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// An accepted connection, ready for HTTP/2.
///
/// It says of itself that it cannot write vectored, although it could: only then does h2 gather HEADERS, DATA and
/// trailers of an answer into one buffer and one write, which wakes Envoy once and costs a fifth less CPU.
#[derive(Debug)]
pub struct Connection(Transport);

#[derive(Debug)]
enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    TlsOverTcp(Box<TlsStream<TcpStream>>),
    TlsOverUnix(Box<TlsStream<UnixStream>>),
}

impl From<TcpStream> for Connection {
    fn from(stream: TcpStream) -> Self {
        Self(Transport::Tcp(stream))
    }
}

impl From<UnixStream> for Connection {
    fn from(stream: UnixStream) -> Self {
        Self(Transport::Unix(stream))
    }
}

impl From<TlsStream<TcpStream>> for Connection {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self(Transport::TlsOverTcp(Box::new(stream)))
    }
}

impl From<TlsStream<UnixStream>> for Connection {
    fn from(stream: TlsStream<UnixStream>) -> Self {
        Self(Transport::TlsOverUnix(Box::new(stream)))
    }
}

/// Nothing about the peer reaches a handler: a decision is about what Envoy says, not about who Envoy is.
impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::TlsOverTcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::TlsOverUnix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::TlsOverTcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::TlsOverUnix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Transport::TlsOverTcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::TlsOverUnix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::TlsOverTcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::TlsOverUnix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        false
    }
}
