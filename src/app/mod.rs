//! How do the parts become a running server?

pub mod admission;
pub mod assemble;
pub mod connection;
mod expiry;
pub mod listener;
pub mod outside;
pub mod reflection;
pub mod reload;
pub mod server;
pub mod snapshot;
pub mod tls;
mod traced;
pub mod watch;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::audit::AuditWriter;
use crate::authorizer::Authorizer;
use crate::clock::Clock;
use crate::config::Config;
use crate::explain::Recent;
use crate::ext_authz::AuthorizationService;
use crate::giving_way::giving_way;
use crate::listen::Settings;
use crate::telemetry::metrics::{AuditCounts, Metrics};
use assemble::{AssemblyProblem, assemble};
use listener::{BindError, Listener};
use outside::{Kept, RealServers};
use server::Bound;

/// A configuration brought to life, but for its listeners.
#[derive(Debug)]
pub struct App {
    listen: Settings,
    authorizer: Arc<ArcSwap<Authorizer>>,
    kept: Mutex<Arc<Kept>>,
    audit: AuditWriter,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    recent: Arc<Recent>,
}

impl App {
    /// Builds everything that `config` names. Asks nobody yet: whether the authorization server is there does not matter.
    ///
    /// # Errors
    /// [`StartError`], with every problem of every filter.
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new());
        let (authorizer, kept) = build(config, &clock, &metrics, Arc::default())?;
        let audit = AuditWriter::start(config.audit).map_err(StartError::Audit)?;
        let tally = audit.tally();
        metrics.watch_audit(move || AuditCounts { written: tally.written(), dropped: tally.dropped() });
        metrics.configured(clock.now().as_second());
        let authorizer = Arc::new(ArcSwap::from_pointee(authorizer));
        let (kept, recent) = (Mutex::new(Arc::new(kept)), Arc::new(Recent::new(config.explain)));
        Ok(Self { listen: config.listen.clone(), authorizer, kept, audit, clock, metrics, recent })
    }

    /// Everything for which `config` could not be served from here, but for what only opening its listeners tells: builds
    /// all of it, reads all that it reads, and throws it away.
    pub async fn check(config: &Config, clock: Arc<dyn Clock>) -> Vec<StartError> {
        let built = build(config, &clock, &Arc::new(Metrics::new()), Arc::default());
        let mut found: Vec<StartError> = built.err().map(StartError::Assembly).into_iter().collect();
        for listen in &config.listen.ext_authz {
            found.extend(Listener::check(listen).await.err().map(StartError::Bind));
        }
        found
    }

    /// Builds everything and opens the listeners.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind(config: Config, clock: Arc<dyn Clock>) -> Result<Bound, StartError> {
        Ok(Self::new(&config, clock)?.open().await?)
    }

    /// Opens the listeners.
    ///
    /// # Errors
    /// [`BindError`], for the first address at which nothing can listen.
    pub async fn open(&self) -> Result<Bound, BindError> {
        let service = AuthorizationService::new(
            Arc::clone(&self.authorizer),
            Arc::clone(&self.clock),
            self.audit.clone(),
            Arc::<Metrics>::clone(&self.metrics),
        )
        .keeping(Arc::clone(&self.recent))
        .with_limits(&self.listen.limits);
        let bound = Bound::bind(&self.listen, service.into_server(), Arc::clone(&self.metrics)).await?;
        bound.with_decisions(Arc::clone(&self.recent))
    }

    /// Decides by `config` from now on; checks under way end as they began. Listeners stay as they are.
    ///
    /// Takes its time: not to be called where checks are answered.
    ///
    /// # Errors
    /// Every problem of every filter; then nothing has changed.
    pub fn replace(&self, config: &Config) -> Result<Former, AssemblyProblems> {
        // Held until the end: one replacement at a time.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (authorizer, next) = build(config, &self.clock, &self.metrics, Arc::clone(&kept))?;
        self.audit.follow(config.audit);
        self.recent.follow(config.explain);
        *kept = Arc::new(next);
        let former = self.authorizer.swap(Arc::new(authorizer));
        self.metrics.configured(self.clock.now().as_second());
        // What is kept of earlier decisions lets go of the rules that made them.
        self.recent.settle();
        Ok(Former(former))
    }

    /// What of `config` is other than what this app was started with and does not follow.
    fn stays(&self, config: &Config) -> Vec<&'static str> {
        let (old, new) = (&self.listen, &config.listen);
        let keys = [
            ("listen.extAuthz", old.ext_authz == new.ext_authz),
            ("listen.admin", old.admin == new.admin),
            ("listen.health", old.health == new.health),
            ("listen.grace", old.drain.grace == new.drain.grace),
            ("listen.drainDeadline", old.drain.deadline == new.drain.deadline),
            ("listen.limits", old.limits == new.limits),
        ];
        keys.into_iter().filter_map(|(key, same)| (!same).then_some(key)).collect()
    }

    /// What is counted and timed.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}

/// A version that decides no more but for the checks that began with it.
#[derive(Debug)]
pub struct Former(Arc<Authorizer>);

impl Former {
    /// Takes it apart once the last check that began with it has ended, where checks do not have to wait for that:
    /// thousands of rules and a full cache are not dropped in no time.
    pub async fn retire(self) {
        while Arc::strong_count(&self.0) > 1 {
            tokio::time::sleep(RETIRE_PAUSE).await;
        }
        let _gone = tokio::task::spawn_blocking(move || giving_way(|| drop(self))).await;
    }
}

/// How often to look whether a former version is still needed.
const RETIRE_PAUSE: Duration = Duration::from_millis(50);

/// Everything that `config` names, and whom it asks; its caches are in the metrics only if all of it works.
fn build(
    config: &Config,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    former: Arc<Kept>,
) -> Result<(Authorizer, Kept), AssemblyProblems> {
    let servers = RealServers::new(Arc::clone(clock), Arc::clone(metrics)).after(former);
    let authorizer = assemble(config, &servers).map_err(AssemblyProblems)?;
    Ok((authorizer, servers.show_caches()))
}

/// Everything that keeps a configuration from deciding. INVARIANT: not empty.
#[derive(Debug)]
pub struct AssemblyProblems(pub Vec<AssemblyProblem>);

impl fmt::Display for AssemblyProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for AssemblyProblems {}

/// Why a configuration that could be read cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot decide.
    #[error(transparent)]
    Assembly(#[from] AssemblyProblems),
    /// Nothing can listen where it says.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// There is no thread for the audit.
    #[error("cannot start the audit: {0}")]
    Audit(io::Error),
}
