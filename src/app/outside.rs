//! Whom does a running server ask? The authorization server and the directory that the configuration names.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::assemble::Outside;
use super::traced::Traced;
use crate::clock::Clock;
use crate::config::Filter;
use crate::deadline::Deadline;
use crate::directory::settings::IdmSettings;
use crate::directory::{
    self, Cacheable, DirectoryError, FileDirectory, Found, IdmDirectory, TokenClaims, UserDirectory, UserQuery,
};
use crate::ext_authz::service::DecisionMetrics;
use crate::introspection::{self, Endpoint, Introspector, Observer, TokenPolicy};
use crate::script::{RunObserver, Turns};
use crate::telemetry::metrics::{CacheCounts, CacheSource, Limit, Metrics};
use crate::telemetry::trace;

/// Real servers, asked over the network, timed and counted.
#[derive(Debug)]
pub struct RealServers {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    former: Arc<Kept>,
    made: Mutex<Kept>,
}

/// Whom a configuration asks, with what each knows already, so that the next configuration need not ask again.
#[derive(Default)]
pub struct Kept {
    introspectors: Vec<KeptIntrospector>,
    directories: Vec<KeptDirectory>,
}

struct KeptIntrospector {
    filter: String,
    settings: introspection::Settings,
    policy: TokenPolicy,
    introspector: Arc<introspection::Cached<Endpoint>>,
}

struct KeptDirectory {
    filter: String,
    settings: IdmSettings,
    directory: Arc<directory::Cached<Timed<IdmDirectory>>>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.introspectors.iter().map(|kept| &kept.filter))
            .entries(self.directories.iter().map(|kept| &kept.filter))
            .finish()
    }
}

impl Kept {
    fn sources(&self) -> Vec<CacheSource> {
        let tokens = self.introspectors.iter().map(|kept| {
            let counted = Arc::clone(&kept.introspector);
            CacheSource::new("token", &kept.filter, move || token_cache(counted.counts()))
        });
        let users = self.directories.iter().map(|kept| {
            let counted = Arc::clone(&kept.directory);
            CacheSource::new("user", &kept.filter, move || counted.counts())
        });
        tokens.chain(users).collect()
    }
}

impl RealServers {
    /// Servers whose caches measure age by `clock`, and whose answers are counted in `metrics`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self { clock, metrics, former: Arc::default(), made: Mutex::default() }
    }

    /// The same, going on with those of `former` that the new configuration does not change.
    ///
    /// SECURITY: what another server said, or the same server to another client or with another secret, is forgotten:
    /// only settings that are equal in everything keep their answers.
    #[must_use]
    pub fn after(mut self, former: Arc<Kept>) -> Self {
        self.former = former;
        self
    }

    /// Makes the caches of these servers the ones that the metrics show, and hands the servers over to the next.
    ///
    /// To be called when all of them have been made and are going to be used: a configuration that fails half way must
    /// not take the former one's place in the metrics.
    pub fn show_caches(self) -> Kept {
        let made = self.made.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.metrics.watch_caches(made.sources());
        made
    }

    fn made(&self) -> MutexGuard<'_, Kept> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self, filter: &Filter) -> Result<Arc<introspection::Cached<Endpoint>>, String> {
        let (settings, policy) = (&filter.introspection, &filter.token_policy);
        let same = |kept: &&KeptIntrospector| {
            kept.filter == filter.name && kept.settings == *settings && kept.policy == *policy
        };
        if let Some(kept) = self.former.introspectors.iter().find(same) {
            return Ok(Arc::clone(&kept.introspector));
        }
        let observer: Arc<dyn Observer> = Arc::<Metrics>::clone(&self.metrics);
        let connected = introspection::connect(settings, &policy.issuers, Arc::clone(&self.clock), observer);
        connected.map(Arc::new).map_err(|error| error.to_string())
    }

    fn idm(&self, filter: &str, settings: &IdmSettings) -> Result<Arc<directory::Cached<Timed<IdmDirectory>>>, String> {
        let same = |kept: &&KeptDirectory| kept.filter == filter && kept.settings == *settings;
        if let Some(kept) = self.former.directories.iter().find(same) {
            return Ok(Arc::clone(&kept.directory));
        }
        let inner = IdmDirectory::new(settings, Arc::clone(&self.clock)).map_err(|error| error.to_string())?;
        let cache = directory::CacheSettings {
            max_timeout: settings.max_timeout,
            max_users: settings.max_users,
            timeout: settings.timeout,
        };
        let timed = Timed { inner, metrics: Arc::clone(&self.metrics) };
        Ok(Arc::new(directory::Cached::new(timed, cache, Arc::clone(&self.clock))))
    }
}

impl Outside for RealServers {
    fn introspector(&self, filter: &Filter) -> Result<Arc<dyn Introspector>, String> {
        let introspector = self.connect(filter)?;
        self.made().introspectors.push(KeptIntrospector {
            filter: filter.name.clone(),
            settings: filter.introspection.clone(),
            policy: filter.token_policy.clone(),
            introspector: Arc::clone(&introspector),
        });
        Ok(if trace::is_on() { Arc::new(Traced(introspector)) } else { introspector })
    }

    fn script_turns(&self, script: &'static str) -> Turns {
        Turns::observed(script, Arc::<Metrics>::clone(&self.metrics))
    }

    fn directory(&self, filter: &Filter) -> Result<Arc<dyn UserDirectory>, String> {
        match &filter.directory {
            directory::Settings::Token => Ok(Arc::new(TokenClaims)),
            directory::Settings::File(users) => Ok(Arc::new(FileDirectory::new(users))),
            directory::Settings::Idm(settings) => {
                let directory = self.idm(&filter.name, settings)?;
                self.made().directories.push(KeptDirectory {
                    filter: filter.name.clone(),
                    settings: (**settings).clone(),
                    directory: Arc::clone(&directory),
                });
                Ok(if trace::is_on() { Arc::new(Traced(directory)) } else { directory })
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
            Ok(found) => found.as_str(),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config;

    const CONFIGURATION: &str = r#"
rsFilter:
  clientId: mesh-rs
  clientSecret: "first-secret"
  tokenIntrospectUrl: http://as.test/introspect
  scopes: [openid]
  subjectMapping:
    - { resourceTypeMapping: { usr: managed/user }, propertyMapping: { sub: _id }, userRoles: "authzRoles/*" }
directory: { idm: { url: "http://idm.test/openidm", auth: { headers: { username: keyward, password: "a-password" } } } }
access: { style: http, rules: [ { pattern: /orders/*, roles: clerk, methods: "*" } ] }
"#;

    fn made(text: &str, former: Kept) -> Kept {
        let environment = BTreeMap::<String, String>::new();
        let loaded = config::parse(text, "keyward.yaml", Path::new(""), &environment).unwrap();
        let servers = RealServers::new(Arc::new(SystemClock), Arc::default()).after(Arc::new(former));
        for filter in &loaded.config.filters {
            servers.introspector(filter).unwrap();
            servers.directory(filter).unwrap();
        }
        servers.show_caches()
    }

    /// Whether introspector and directory are still those of `CONFIGURATION` after `from` became `to`.
    fn kept(from: &str, to: &str) -> (bool, bool) {
        assert!(CONFIGURATION.contains(from), "{from}");
        let former = made(CONFIGURATION, Kept::default());
        let introspector = Arc::clone(&former.introspectors[0].introspector);
        let directory = Arc::clone(&former.directories[0].directory);
        let next = made(&CONFIGURATION.replace(from, to), former);
        (
            Arc::ptr_eq(&introspector, &next.introspectors[0].introspector),
            Arc::ptr_eq(&directory, &next.directories[0].directory),
        )
    }

    /// SECURITY: what is known is known of one server, as one client, under one policy.
    #[test]
    fn what_is_known_is_kept_only_while_all_that_it_hangs_on_is_equal() {
        for (from, to, expected) in [
            ("roles: clerk", "roles: manager", (true, true)),
            ("usr: managed/user", "usr: managed/other", (true, true)),
            ("first-secret", "other-secret", (false, true)),
            ("mesh-rs", "other-rs", (false, true)),
            ("as.test", "other.test", (false, true)),
            ("scopes: [openid]", "scopes: []", (false, true)),
            ("scopes: [openid]", "clientAuthentication: client_secret_post", (false, true)),
            ("scopes: [openid]", "scopes: [openid]\n  cache: { maxTimeout: 1 second }", (false, true)),
            ("scopes: [openid]", "scopes: [openid]\n  issuer: https://as.test", (false, true)),
            ("a-password", "b-password", (true, false)),
            ("username: keyward", "username: other", (true, false)),
            ("idm.test", "other.test", (true, false)),
        ] {
            assert_eq!(kept(from, to), expected, "{from} → {to}");
        }
    }

    #[test]
    fn another_filter_of_the_same_settings_has_its_own() {
        let filters = "filters:\n  - { name: default, hosts: [a.test] }\n  - { name: b, hosts: [b.test] }\n";
        let next = made(&format!("{filters}{CONFIGURATION}"), made(CONFIGURATION, Kept::default()));
        let [first, second] = next.introspectors.as_slice() else { panic!("two filters") };
        assert!(!Arc::ptr_eq(&first.introspector, &second.introspector));
    }
}
