//! Whom does a running server ask? The authorization server and the directory that the configuration names.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::assemble::Outside;
use crate::clock::Clock;
use crate::config::Filter;
use crate::deadline::Deadline;
use crate::directory::{
    self, Cacheable, DirectoryError, FileDirectory, Found, IdmDirectory, TokenClaims, UserDirectory, UserQuery,
};
use crate::ext_authz::service::DecisionMetrics;
use crate::introspection::{self, Introspector, Observer};
use crate::script::{RunObserver, Turns};
use crate::telemetry::metrics::{CacheCounts, CacheSource, Limit, Metrics};

/// Real servers, asked over the network, timed and counted.
#[derive(Debug)]
pub struct RealServers {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    caches: Mutex<Vec<CacheSource>>,
}

impl RealServers {
    /// Servers whose caches measure age by `clock`, and whose answers are counted in `metrics`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self { clock, metrics, caches: Mutex::default() }
    }

    /// Makes the caches of these servers the ones that the metrics show.
    ///
    /// To be called when all of them have been made and are going to be used: a configuration that fails half way must
    /// not take the former one's place in the metrics.
    pub fn show_caches(self) {
        self.metrics.watch_caches(self.caches.into_inner().unwrap_or_else(PoisonError::into_inner));
    }

    fn watch(&self, cache: CacheSource) {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner).push(cache);
    }
}

impl Outside for RealServers {
    fn introspector(&self, filter: &Filter) -> Result<Arc<dyn Introspector>, String> {
        let observer: Arc<dyn Observer> = Arc::<Metrics>::clone(&self.metrics);
        let issuers = &filter.token_policy.issuers;
        let connected = introspection::connect(&filter.introspection, issuers, Arc::clone(&self.clock), observer);
        let introspector = Arc::new(connected.map_err(|error| error.to_string())?);
        let counted = Arc::clone(&introspector);
        self.watch(CacheSource::new("token", &filter.name, move || token_cache(counted.counts())));
        Ok(introspector)
    }

    fn script_turns(&self, script: &'static str) -> Turns {
        Turns::observed(script, Arc::<Metrics>::clone(&self.metrics))
    }

    fn directory(&self, filter: &Filter) -> Result<Arc<dyn UserDirectory>, String> {
        match &filter.directory {
            directory::Settings::Token => Ok(Arc::new(TokenClaims)),
            directory::Settings::File(users) => Ok(Arc::new(FileDirectory::new(users))),
            directory::Settings::Idm(settings) => {
                let inner = IdmDirectory::new(settings, Arc::clone(&self.clock)).map_err(|error| error.to_string())?;
                let cache = directory::CacheSettings {
                    max_timeout: settings.max_timeout,
                    max_users: settings.max_users,
                    timeout: settings.timeout,
                };
                let timed = Timed { inner, metrics: Arc::clone(&self.metrics) };
                let cached = Arc::new(directory::Cached::new(timed, cache, Arc::clone(&self.clock)));
                let counted = Arc::clone(&cached);
                self.watch(CacheSource::new("user", &filter.name, move || counted.counts()));
                Ok(cached)
            }
        }
    }
}

/// A directory whose answers are timed: each is one that the directory itself was asked for, not its cache.
struct Timed<D> {
    inner: D,
    metrics: Arc<Metrics>,
}

#[async_trait]
impl<D: UserDirectory> UserDirectory for Timed<D> {
    async fn find(&self, query: &UserQuery, deadline: Deadline) -> Result<Found, DirectoryError> {
        let started = Instant::now();
        let answer = self.inner.find(query, deadline).await;
        let outcome = match &answer {
            Ok(Found::One(_)) => "found",
            Ok(Found::Nobody) => "nobody",
            Ok(Found::Ambiguous) => "ambiguous",
            Err(error) => error.as_str(),
        };
        self.metrics.directory_asked(outcome, started.elapsed());
        answer
    }
}

impl<D: Cacheable> Cacheable for Timed<D> {}

fn token_cache(counts: introspection::CacheCounts) -> CacheCounts {
    CacheCounts {
        hits: counts.hits,
        misses: counts.misses,
        stale: counts.stale,
        negative: counts.negative,
        joined: counts.joined,
        too_large: counts.too_large,
        entries: counts.tokens,
        negative_entries: counts.negatives,
        in_flight: counts.in_flight,
    }
}

impl Observer for Metrics {
    fn introspected(&self, outcome: &'static str, took: Duration) {
        Metrics::introspected(self, outcome, took);
    }
}

impl RunObserver for Metrics {
    fn ran(&self, script: &'static str, outcome: &'static str, took: Duration) {
        self.script_ran(script, outcome, took);
    }
}

impl DecisionMetrics for Metrics {
    fn began(&self) {
        Metrics::began(self);
    }

    fn decided(&self, decision: &'static str, reason: &'static str, took: Duration) {
        Metrics::decided(self, decision, reason, took);
    }

    fn cancelled(&self, took: Duration) {
        Metrics::decided(self, "cancelled", "cancelled", took);
    }

    fn overloaded(&self) {
        self.limited(Limit::InFlight);
    }

    fn too_large(&self) {
        self.limited(Limit::MessageSize);
    }
}
