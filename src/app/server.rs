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

use super::admission::{Admission, Limited};
use super::connection::Connection;
use super::listener::{BindError, Listener};
use super::reflection;
use super::tls::TlsFiles;
use crate::admin::Admin;
use crate::admin::api::AdminApi;
use crate::admin::readiness::{Pending, Readiness};
use crate::explain::Recent;
pub use crate::listen::Drain;
use crate::listen::{Address, Limits, Listen, Settings};
use crate::telemetry::metrics::Metrics;

/// How many checks Envoy may give up on before we have looked at them; a burst of its timeouts is no attack.
const MAX_PENDING_RESETS: usize = 256;

/// How long a connection that was asked whether anybody is still there may take to say so.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How many probes may ask for health at once, on the listener that tells nothing else.
const MAX_HEALTH_CONNECTIONS: usize = 64;

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
    probes: Option<Listener>,
    routes: Routes,
    service: &'static str,
    health: HealthReporter,
    readiness: Readiness,
    starting: Pending,
    metrics: Arc<Metrics>,
    drain: Drain,
    limits: Limits,
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
        let shown = readiness.clone();
        metrics.watch_readiness(move || shown.pending().is_empty());
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
        let probes = match settings.health {
            Some(address) => Some(Listener::bind(&Listen { address: Address::Tcp(address), tls: None }).await?),
            None => None,
        };
        let health = HealthReporter::new();
        let (service, drain, limits) = (S::NAME, settings.drain, settings.limits);
        let routes = Routes::new(Limited::new(authorization, limits, Arc::clone(&metrics)))
            .add_service(HealthServer::new(HealthService::from_health_reporter(health.clone())));
        let routes = reflection::add_to(routes).map_err(BindError::Descriptors)?;
        Ok(Self { listeners, admin, probes, routes, service, health, readiness, starting, metrics, drain, limits })
    }

    /// Tells of decisions on the admin listener.
    ///
    /// # Errors
    /// [`BindError::Descriptors`]: a broken build.
    pub fn with_decisions(mut self, recent: Arc<Recent>) -> Result<Self, BindError> {
        let add = |routes: Routes| reflection::add_to_admin(routes.add_service(AdminApi::new(recent)));
        self.admin = self.admin.map(|admin| admin.serving(add)).transpose().map_err(BindError::Descriptors)?;
        Ok(self)
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

    /// What `/readyz` tells.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Where health is told without TLS, and nothing else.
    #[must_use]
    pub fn health_address(&self) -> Option<Address> {
        self.probes.as_ref().map(Listener::address)
    }

    /// Serves until `shutdown`, then drains: not serving, grace, no new connections, what is in flight, end.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let Self { listeners, admin, probes, routes, service, health, readiness, starting, metrics, drain, limits } =
            self;
        // Dropped at the end, and everything in it with it.
        let mut background = JoinSet::new();
        for listener in &listeners {
            if let Some(files) = listener.tls() {
                let (files, metrics, address) =
                    (Arc::clone(files), Arc::clone(&metrics), listener.address().to_string());
                show_expiry(&files, &metrics, &address);
                let (readiness, about) = (readiness.clone(), format!("tls of {address}"));
                background.spawn(async move {
                    let reloaded = |usable| {
                        metrics.tls_reloaded(&address, usable);
                        let what = "the changed files cannot be used and the former ones serve; the log says why";
                        readiness.note(&about, (!usable).then(|| what.to_owned()));
                        show_expiry(&files, &metrics, &address);
                    };
                    files.keep_fresh(reloaded).await;
                });
            }
        }
        if let Some(admin) = admin {
            background.spawn(admin.serve());
        }
        // Probes are answered to the very end.
        let (never_stopped, until_the_end) = watch::channel(false);
        if let Some(probes) = probes {
            let admission =
                Admission::new(MAX_HEALTH_CONNECTIONS, "health", limits.handshake_timeout, Arc::clone(&metrics));
            let (connections, incoming) = mpsc::channel(1);
            let routes = Routes::new(HealthServer::new(HealthService::from_health_reporter(health.clone())));
            background.spawn(probes.accept(connections, admission, until_the_end));
            background.spawn(serve(routes, incoming, limits));
        }

        let admission =
            Admission::new(limits.max_connections, "checks", limits.handshake_timeout, Arc::clone(&metrics));
        let (connections, incoming) = mpsc::channel(64);
        let (stop, stopped) = watch::channel(false);
        let mut acceptors = JoinSet::new();
        for listener in listeners {
            acceptors.spawn(listener.accept(connections.clone(), admission.clone(), stopped.clone()));
        }
        drop(connections);
        let serving = tokio::spawn(serve(routes, incoming, limits));
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
        let drained = match time::timeout(drain.deadline, serving).await {
            Ok(_) => Drained::Completely,
            Err(_elapsed) => Drained::Cut,
        };
        drop(never_stopped);
        drained
    }
}

fn show_expiry(files: &TlsFiles, metrics: &Metrics, listener: &str) {
    for (file, at) in files.expiries().iter() {
        metrics.certificate_expires(listener, &file.display().to_string(), at.as_second());
    }
}

/// Serves what comes in; when nothing more can come, asks every connection to end and waits for the last.
async fn serve(routes: Routes, incoming: mpsc::Receiver<Connection>, limits: Limits) {
    let incoming = ReceiverStream::new(incoming).map(Ok::<_, Infallible>);
    let served = Server::builder()
        .max_concurrent_streams(limits.max_streams)
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_keepalive_interval(Some(limits.keepalive))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
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
