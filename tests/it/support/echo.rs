//! What did the upstream see? A server that answers with the request it was sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Json};
use serde_json::json;
use tokio::task::JoinHandle;

/// The upstream. Its answers carry `x-echo: yes` and a body `{method, target, headers: [[name, value], …]}`.
pub struct EchoUpstream {
    pub address: SocketAddr,
    count: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl EchoUpstream {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let app = Router::new().fallback(echo).with_state(Arc::clone(&count));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, count, task }
    }

    /// How many requests have arrived.
    pub fn requests(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Drop for EchoUpstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn echo(State(count): State<Arc<AtomicUsize>>, request: Request) -> impl IntoResponse {
    count.fetch_add(1, Ordering::SeqCst);
    let headers: Vec<_> =
        request.headers().iter().map(|(n, v)| json!([n.as_str(), String::from_utf8_lossy(v.as_bytes())])).collect();
    let seen = json!({ "method": request.method().as_str(), "target": request.uri().to_string(), "headers": headers });
    ([("x-echo", "yes")], Json(seen))
}
