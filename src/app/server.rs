//! How does the server live and end? Bind, say where, serve, and at the end leave nobody without an answer.

use std::convert::Infallible;
use std::future::{self, Future};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::Service;

use super::connection::Connection;
use super::listener::{BindError, Listener};
use super::reflection;
use super::tls::TlsFiles;
use crate::admin::Admin;
use crate::admin::readiness::{Pending, Readiness};
use crate::listen::{Address, Settings};
use crate::telemetry::metrics::Metrics;

/// How many checks Envoy may have open on one connection before it must open another.
const MAX_CONCURRENT_STREAMS: u32 = 4_096;

/// How many checks Envoy may give up on before we have looked at them; a burst of its timeouts is no attack.
const MAX_PENDING_RESETS: usize = 256;

/// A connection that is silent for this long is asked whether anybody is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How the server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// How long it goes on accepting after it has said that it is not serving any more, so that others notice.
    pub grace: Duration,
    /// How long what is in flight then may take.
    pub deadline: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { grace: Duration::from_secs(1), deadline: Duration::from_secs(10) }
    }
}

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everybody was answered.
    Completely,
    /// The deadline passed with checks or connections still open.
    Cut,
}

/// A server whose listeners are open: whoever connects now is served as soon as it runs.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<Listener>,
    admin: Option<Admin>,
    routes: Routes,
    service: &'static str,
    health: HealthReporter,
    readiness: Readiness,
    starting: Pending,
    metrics: Arc<Metrics>,
    drain: Drain,
}

impl Bound {
    /// Opens all listeners; `authorization` answers the checks.
    ///
    /// # Errors
    /// [`BindError`], for the first address at which nothing can listen.
    pub async fn bind<S>(settings: &Settings, authorization: S, metrics: Arc<Metrics>) -> Result<Self, BindError>
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let readiness = Readiness::default();
        let starting = readiness.expect("listeners");
        let mut listeners = Vec::with_capacity(settings.ext_authz.len());
        for listen in &settings.ext_authz {
            listeners.push(Listener::bind(listen).await?);
        }
        let admin = match settings.admin {
            Some(address) => {
                let admin = Admin::bind(address, readiness.clone(), Arc::clone(&metrics)).await;
                Some(admin.map_err(|source| BindError::from_io(&Address::Tcp(address), source))?)
            }
            None => None,
        };
        let health = HealthReporter::new();
        let routes = Routes::new(authorization)
            .add_service(HealthServer::new(HealthService::from_health_reporter(health.clone())));
        let routes = reflection::add_to(routes).map_err(BindError::Descriptors)?;
        let (service, drain) = (S::NAME, Drain::default());
        Ok(Self { listeners, admin, routes, service, health, readiness, starting, metrics, drain })
    }

    /// Changes how the server ends.
    #[must_use]
    pub fn with_drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// Where checks are answered, in the order of the settings, with the ports the system chose.
    #[must_use]
    pub fn ext_authz_addresses(&self) -> Vec<Address> {
        self.listeners.iter().map(Listener::address).collect()
    }

    /// Where the admin listener is.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::address)
    }

    /// Serves until `shutdown`, then drains: not serving, grace, no new connections, what is in flight, end.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let Self { listeners, admin, routes, service, health, readiness, starting, metrics, drain } = self;
        // Dropped at the end, and everything in it with it.
        let mut background = JoinSet::new();
        for listener in &listeners {
            if let Some(files) = listener.tls() {
                let (files, metrics, address) =
                    (Arc::clone(files), Arc::clone(&metrics), listener.address().to_string());
                show_expiry(&files, &metrics, &address);
                background.spawn(async move {
                    let reloaded = |usable| {
                        metrics.tls_reloaded(&address, usable);
                        show_expiry(&files, &metrics, &address);
                    };
                    files.keep_fresh(reloaded).await;
                });
            }
        }
        if let Some(admin) = admin {
            background.spawn(admin.serve());
        }

        let (connections, incoming) = mpsc::channel(64);
        let (stop, stopped) = watch::channel(false);
        let mut acceptors = JoinSet::new();
        for listener in listeners {
            acceptors.spawn(listener.accept(connections.clone(), stopped.clone()));
        }
        drop(connections);
        let serving = tokio::spawn(serve(routes, incoming));
        health.set_service_status(service, ServingStatus::Serving).await;
        drop(starting);

        shutdown.await;
        tracing::info!(grace = ?drain.grace, deadline = ?drain.deadline, "draining");
        let _ending = readiness.expect("the end: draining");
        for name in ["", service] {
            health.set_service_status(name, ServingStatus::NotServing).await;
        }
        time::sleep(drain.grace).await;
        // The server ends by itself once the acceptors are gone and the last connection has been closed.
        stop.send_replace(true);
        acceptors.join_all().await;
        end_watches(health, service).await;
        match time::timeout(drain.deadline, serving).await {
            Ok(_) => Drained::Completely,
            Err(_elapsed) => Drained::Cut,
        }
    }
}

fn show_expiry(files: &TlsFiles, metrics: &Metrics, listener: &str) {
    for (file, at) in files.expiries().iter() {
        metrics.certificate_expires(listener, &file.display().to_string(), at.as_second());
    }
}

/// Serves what comes in; when nothing more can come, asks every connection to end and waits for the last.
async fn serve(routes: Routes, incoming: mpsc::Receiver<Connection>) {
    let incoming = ReceiverStream::new(incoming).map(Ok::<_, Infallible>);
    let served = Server::builder()
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_keepalive_interval(Some(KEEPALIVE))
        .serve_with_incoming_shutdown(routes.prepare(), incoming, future::pending())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the server has ended");
    }
}

/// Ends the streams of those who watch our health, which otherwise would hold their connections open to the deadline.
async fn end_watches(mut health: HealthReporter, service: &'static str) {
    for name in ["", service] {
        health.clear_service_status(name).await;
    }
}
