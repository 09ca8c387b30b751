//! Is the process alive, is it ready, what has it done and decided? HTTP and gRPC on a listener of its own.

pub mod api;
mod connection;
pub mod readiness;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpConnectInfo;

use crate::telemetry::metrics::{self, Metrics};
use readiness::Readiness;

/// How many questions one connection may have open at once.
const MOST_STREAMS: u32 = 32;

/// What the answers are made of.
#[derive(Debug, Clone)]
struct Instruments {
    readiness: Readiness,
    metrics: Arc<Metrics>,
}

/// An open admin listener.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    routes: Routes,
    metrics: Arc<Metrics>,
}

impl Admin {
    /// Opens the listener.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn bind(address: SocketAddr, readiness: Readiness, metrics: Arc<Metrics>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let routes = Routes::from(router(Instruments { readiness, metrics: Arc::clone(&metrics) }));
        Ok(Self { listener, address, routes, metrics })
    }

    /// Serves gRPC beside the pages, as `add` says.
    ///
    /// # Errors
    /// Those of `add`.
    pub fn serving<E>(self, add: impl FnOnce(Routes) -> Result<Routes, E>) -> Result<Self, E> {
        Ok(Self { routes: add(self.routes)?, ..self })
    }

    /// Where it listens, with the port the system chose if `0` was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is dropped.
    pub async fn serve(self) {
        let (connections, incoming) = mpsc::channel(1);
        let incoming = ReceiverStream::new(incoming).map(Ok::<_, Infallible>);
        // Both on one port: pages by HTTP/1.1 or HTTP/2, services by HTTP/2.
        let server = Server::builder().accept_http1(true).max_concurrent_streams(MOST_STREAMS);
        let serving = server.serve_with_incoming(self.routes, incoming);
        let ((), served) = tokio::join!(connection::accept(self.listener, connections, self.metrics), serving);
        if let Err(error) = served {
            tracing::error!(%error, "the admin listener has ended");
        }
    }
}

/// Where a request came from.
fn peer<B>(request: &axum::http::Request<B>) -> Option<IpAddr> {
    let connection = request.extensions().get::<TcpConnectInfo>()?;
    connection.remote_addr().map(|address| address.ip())
}

fn router(instruments: Instruments) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(exposition))
        .with_state(instruments)
}

/// Alive is whoever can say so: neither the authorization server nor the directory is asked, for a restart helps neither.
async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(instruments): State<Instruments>) -> Response {
    let (pending, notes) = (instruments.readiness.pending(), instruments.readiness.notes());
    if pending.is_empty() {
        return format!("ready\n{notes}").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready, pending: {}\n{notes}", pending.join(", "))).into_response()
}

async fn exposition(State(instruments): State<Instruments>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], instruments.metrics.encode()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    async fn answer(instruments: &Instruments, path: &str) -> (StatusCode, String, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router(instruments.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let content_type = response.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, content_type.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    }

    fn instruments() -> Instruments {
        Instruments { readiness: Readiness::default(), metrics: Arc::new(Metrics::new()) }
    }

    #[tokio::test]
    async fn readiness_names_what_is_pending_and_liveness_does_not_care() {
        let instruments = instruments();
        let listeners = instruments.readiness.expect("listeners");

        let (status, _, body) = answer(&instruments, "/readyz").await;
        assert_eq!((status.as_u16(), body.as_str()), (503, "not ready, pending: listeners\n"));
        assert_eq!(answer(&instruments, "/livez").await.0, StatusCode::OK);

        drop(listeners);
        let (status, _, body) = answer(&instruments, "/readyz").await;
        assert_eq!((status.as_u16(), body.as_str()), (200, "ready\n"));
    }

    #[tokio::test]
    async fn metrics_are_openmetrics_text() {
        let instruments = instruments();
        instruments.metrics.reloaded(true);

        let (status, content_type, body) = answer(&instruments, "/metrics").await;

        assert_eq!(status, StatusCode::OK);
        assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
        assert!(body.contains("keyward_build_info{") && body.ends_with("# EOF\n"), "{body}");
    }

    #[tokio::test]
    async fn nothing_else_is_answered() {
        let (status, _, _) = answer(&instruments(), "/").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
}
