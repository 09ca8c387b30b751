//! A server of ours in this process, with an authorization that says what the test wants.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use envoy_types::pb::envoy::service::auth::v3::authorization_server::{Authorization, AuthorizationServer};
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use envoy_types::pb::google::rpc;
use keyward::app::server::{Bound, Drain, Drained};
use keyward::listen::{Address, Limits, Listen, Settings, TlsSettings};
use keyward::telemetry::metrics::Metrics;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Refuses everything with code 7, counts the questions, and answers only while it is allowed to.
#[derive(Debug, Clone)]
pub struct Scripted {
    pub asked: Arc<AtomicUsize>,
    pub may_answer: Arc<Semaphore>,
}

impl Default for Scripted {
    fn default() -> Self {
        Self { asked: Arc::default(), may_answer: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)) }
    }
}

impl Scripted {
    /// One that keeps everybody waiting until permits are added.
    pub fn held() -> Self {
        Self { asked: Arc::default(), may_answer: Arc::new(Semaphore::new(0)) }
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tonic::async_trait]
impl Authorization for Scripted {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _permit = self.may_answer.acquire().await.unwrap();
        let status = rpc::Status { code: 7, message: "scripted".to_owned(), details: Vec::new() };
        Ok(Response::new(CheckResponse { status: Some(status), ..CheckResponse::default() }))
    }
}

/// A running server.
pub struct Running {
    pub addresses: Vec<Address>,
    pub admin: std::net::SocketAddr,
    pub health: Option<Address>,
    pub metrics: Arc<Metrics>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

/// A listener on any free port.
pub fn tcp(tls: Option<TlsSettings>) -> Listen {
    Listen { address: Address::Tcp("127.0.0.1:0".parse().unwrap()), tls }
}

/// A listener on a Unix socket.
pub fn unix(path: &Path) -> Listen {
    Listen { address: Address::Unix(path.to_owned()), tls: None }
}

/// Settings with these listeners and an admin listener.
pub fn settings(ext_authz: Vec<Listen>) -> Settings {
    Settings {
        ext_authz,
        admin: Some("127.0.0.1:0".parse().unwrap()),
        health: None,
        drain: Drain::default(),
        limits: Limits::default(),
    }
}

impl Running {
    pub async fn start(listeners: Vec<Listen>, authorization: Scripted) -> Self {
        Self::start_with(listeners, authorization, Drain { grace: Duration::ZERO, deadline: PATIENCE }).await
    }

    pub async fn start_with(listeners: Vec<Listen>, authorization: Scripted, drain: Drain) -> Self {
        Self::start_as(&Settings { drain, ..settings(listeners) }, authorization).await
    }

    pub async fn start_as(settings: &Settings, authorization: Scripted) -> Self {
        let metrics = Arc::new(Metrics::new());
        let service = AuthorizationServer::new(authorization);
        let bound = Bound::bind(settings, service, Arc::clone(&metrics)).await.unwrap();
        let (addresses, admin) = (bound.ext_authz_addresses(), bound.admin_address().unwrap());
        let health = bound.health_address();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(bound.run(async {
            let _ = stopped.await;
        }));
        Self { addresses, admin, health, metrics, stop, ended }
    }

    /// What a tonic client connects to for the first listener.
    pub fn url(&self) -> String {
        match &self.addresses[0] {
            Address::Tcp(address) => format!("http://{address}"),
            Address::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// The port of the first listener.
    pub fn port(&self) -> u16 {
        match &self.addresses[0] {
            Address::Tcp(address) => address.port(),
            Address::Unix(path) => panic!("`{}` has no port", path.display()),
        }
    }

    /// Tells it to end; what comes back becomes ready when it has.
    pub fn shut_down(self) -> JoinHandle<Drained> {
        self.stop.send(()).unwrap();
        self.ended
    }
}
