//! What is counted and timed? Everything in one registry, every label a word fixed at compile time or configured.
//!
//! The path, the subject, the client's address and the token are never labels.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::build_info;

/// What `/metrics` answers with.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds; a cached decision takes tens of microseconds, Envoy's default timeout is 0.2 s.
const CHECK_BUCKETS: [f64; 16] =
    [0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0];

/// Seconds; a question over the network.
const REMOTE_BUCKETS: [f64; 13] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The instruments of the process. Cheap to share behind an `Arc`; every method takes `&self`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    decisions: Family<Decision, Counter>,
    check: Histogram,
    introspection: Family<Outcome, Histogram, Buckets>,
    directory: Family<Outcome, Histogram, Buckets>,
    reload: Gauge,
    tls_reload: Family<[(&'static str, String); 1], Gauge>,
    caches: Caches,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    decision: Word,
    reason: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: Word,
}

/// A label's value: fixed at compile time, so that no request can make new series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Word(&'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(self.0)
    }
}

#[derive(Debug, Clone)]
struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(REMOTE_BUCKETS)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All instruments at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("keyward");
        let decisions = Family::default();
        registry.register("decisions", "Decisions, by verdict and reason", decisions.clone());
        let check = Histogram::new(CHECK_BUCKETS);
        registry.register_with_unit("check_duration", "Time from question to answer", Unit::Seconds, check.clone());
        let introspection = Family::new_with_constructor(Buckets);
        registry.register_with_unit(
            "introspection_duration",
            "Time the authorization server took to answer, by outcome",
            Unit::Seconds,
            introspection.clone(),
        );
        let directory = Family::new_with_constructor(Buckets);
        registry.register_with_unit(
            "directory_duration",
            "Time the user directory took to answer, by outcome",
            Unit::Seconds,
            directory.clone(),
        );
        let reload = Gauge::default();
        reload.set(1);
        registry.register(
            "config_reload_success",
            "Whether the configuration was usable when last read (1) or not (0)",
            reload.clone(),
        );
        let tls_reload = Family::default();
        registry.register(
            "tls_reload_success",
            "Whether the TLS files of a listener were usable when they last changed (1) or not (0)",
            tls_reload.clone(),
        );
        let build = Family::<[(&str, &str); 2], Gauge>::default();
        build.get_or_create(&[("version", build_info::VERSION), ("commit", build_info::COMMIT)]).set(1);
        registry.register("build_info", "Always 1; the labels tell which build this is", build);
        let caches = Caches::default();
        registry.register_collector(Box::new(caches.clone()));
        Self { registry, decisions, check, introspection, directory, reload, tls_reload, caches }
    }

    /// A check was answered. `decision` and `reason` are the words of the audit.
    pub fn decided(&self, decision: &'static str, reason: &'static str, took: Duration) {
        self.decisions.get_or_create(&Decision { decision: Word(decision), reason: Word(reason) }).inc();
        self.check.observe(took.as_secs_f64());
    }

    /// The authorization server was asked, and it or the lack of it answered.
    pub fn introspected(&self, outcome: &'static str, took: Duration) {
        self.introspection.get_or_create(&Outcome { outcome: Word(outcome) }).observe(took.as_secs_f64());
    }

    /// The user directory was asked, and it or the lack of it answered.
    pub fn directory_asked(&self, outcome: &'static str, took: Duration) {
        self.directory.get_or_create(&Outcome { outcome: Word(outcome) }).observe(took.as_secs_f64());
    }

    /// The TLS files of a listener changed: were they usable?
    pub fn tls_reloaded(&self, listener: &str, success: bool) {
        self.tls_reload.get_or_create(&[("listener", listener.to_owned())]).set(i64::from(success));
    }

    /// The configuration was read again while running: was it usable?
    pub fn reloaded(&self, success: bool) {
        self.reload.set(i64::from(success));
    }

    /// Shows `caches` from now on, and no others. Their counters are read when somebody looks at the metrics.
    pub fn watch_caches(&self, caches: Vec<CacheSource>) {
        *self.caches.sources.lock().unwrap_or_else(PoisonError::into_inner) = caches;
    }

    /// All of it in the OpenMetrics text format.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a `String` cannot fail; a metric that cannot be written must not take the others' place.
            Err(fmt::Error) => String::new(),
        }
    }
}

/// What a cache has done since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Answers given from the cache.
    pub hits: u64,
    /// Questions that had to be asked.
    pub misses: u64,
    /// Answers given past their lifetime because nobody could be asked (`staleIfError`).
    pub stale: u64,
    /// Answers given from the cache of negative answers.
    pub negative: u64,
    /// Callers that waited for a question another had already asked.
    pub joined: u64,
    /// Answers that were too large to be kept.
    pub too_large: u64,
    /// How much is kept now.
    pub entries: u64,
    /// How many negative answers are kept now.
    pub negative_entries: u64,
    /// How many questions are under way now.
    pub in_flight: u64,
}

#[derive(Debug, Clone, Default)]
struct Caches {
    sources: Arc<Mutex<Vec<CacheSource>>>,
}

/// A cache and how to read its counters.
pub struct CacheSource {
    cache: &'static str,
    filter: String,
    read: Box<dyn Fn() -> CacheCounts + Send + Sync>,
}

impl CacheSource {
    /// A cache that keeps `cache` (`token`, `user`) for the filter of this name.
    #[must_use]
    pub fn new(cache: &'static str, filter: &str, read: impl Fn() -> CacheCounts + Send + Sync + 'static) -> Self {
        Self { cache, filter: filter.to_owned(), read: Box::new(read) }
    }
}

impl fmt::Debug for CacheSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheSource").field("cache", &self.cache).field("filter", &self.filter).finish_non_exhaustive()
    }
}

/// Name, help, and which of the counts.
type CounterOf = (&'static str, &'static str, fn(&CacheCounts) -> u64);

const CACHE_COUNTERS: [CounterOf; 6] = [
    ("cache_hits", "Answers given from a cache", |counts| counts.hits),
    ("cache_misses", "Questions that no cache could answer", |counts| counts.misses),
    ("cache_stale", "Answers given past their lifetime because nobody could be asked", |counts| counts.stale),
    ("cache_negative", "Answers given from a cache of negative answers", |counts| counts.negative),
    ("cache_joined", "Callers that waited for a question already asked by another", |counts| counts.joined),
    ("cache_too_large", "Answers that were too large to be kept", |counts| counts.too_large),
];

const CACHE_GAUGES: [CounterOf; 3] = [
    ("cache_entries", "Answers kept now", |counts| counts.entries),
    ("cache_negative_entries", "Negative answers kept now", |counts| counts.negative_entries),
    ("cache_in_flight", "Questions under way now", |counts| counts.in_flight),
];

impl Collector for Caches {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let read: Vec<_> = sources.iter().map(|source| (source, (source.read)())).collect();
        if read.is_empty() {
            return Ok(());
        }
        for (name, help, count) in CACHE_COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (source, counts) in &read {
                labelled(&mut metric, source, |mut metric| {
                    metric.encode_counter::<[(&str, &str); 0], u64, u64>(&count(counts), None)
                })?;
            }
        }
        for (name, help, count) in CACHE_GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (source, counts) in &read {
                labelled(&mut metric, source, |mut metric| {
                    metric.encode_gauge(&i64::try_from(count(counts)).unwrap_or(i64::MAX))
                })?;
            }
        }
        Ok(())
    }
}

fn labelled(
    metric: &mut MetricEncoder<'_>,
    source: &CacheSource,
    write: impl FnOnce(MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    write(metric.encode_family(&[("cache", source.cache), ("filter", source.filter.as_str())])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_counted_by_verdict_and_reason_and_timed() {
        let metrics = Metrics::new();

        metrics.decided("allow", "granted", Duration::from_micros(60));
        metrics.decided("deny", "token_inactive", Duration::from_micros(40));
        metrics.decided("deny", "token_inactive", Duration::from_millis(3));

        let text = metrics.encode();
        assert!(text.contains("keyward_decisions_total{decision=\"allow\",reason=\"granted\"} 1\n"), "{text}");
        assert!(text.contains("keyward_decisions_total{decision=\"deny\",reason=\"token_inactive\"} 2\n"), "{text}");
        assert!(text.contains("keyward_check_duration_seconds_bucket{le=\"0.00005\"} 1\n"), "{text}");
        assert!(text.contains("keyward_check_duration_seconds_bucket{le=\"0.005\"} 3\n"), "{text}");
        assert!(text.contains("keyward_check_duration_seconds_count 3\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn questions_to_others_are_timed_by_outcome() {
        let metrics = Metrics::new();

        metrics.introspected("active", Duration::from_millis(4));
        metrics.directory_asked("timeout", Duration::from_secs(1));

        let text = metrics.encode();
        assert!(
            text.contains("keyward_introspection_duration_seconds_bucket{le=\"0.005\",outcome=\"active\"} 1\n"),
            "{text}"
        );
        assert!(text.contains("keyward_directory_duration_seconds_count{outcome=\"timeout\"} 1\n"), "{text}");
    }

    #[test]
    fn a_cache_is_read_when_somebody_looks() {
        let metrics = Metrics::new();
        assert!(!metrics.encode().contains("keyward_cache"));
        let counts = Arc::new(Mutex::new(CacheCounts::default()));
        let read = Arc::clone(&counts);
        metrics.watch_caches(vec![CacheSource::new("former", "default", CacheCounts::default)]);
        metrics.watch_caches(vec![
            CacheSource::new("token", "default", move || *read.lock().unwrap()),
            CacheSource::new("user", "default", CacheCounts::default),
        ]);

        *counts.lock().unwrap() = CacheCounts {
            hits: 7,
            misses: 2,
            stale: 1,
            negative: 3,
            joined: 4,
            too_large: 8,
            entries: 5,
            negative_entries: 6,
            in_flight: 9,
        };

        let text = metrics.encode();
        for (name, value) in [
            ("hits_total", 7),
            ("misses_total", 2),
            ("stale_total", 1),
            ("negative_total", 3),
            ("joined_total", 4),
            ("too_large_total", 8),
            ("entries", 5),
            ("negative_entries", 6),
            ("in_flight", 9),
        ] {
            let line = format!("keyward_cache_{name}{{cache=\"token\",filter=\"default\"}} {value}\n");
            assert!(text.contains(&line), "{line} in {text}");
        }
        assert!(!text.contains("former"), "{text}");
        assert_eq!(text.matches("# TYPE keyward_cache_hits counter").count(), 1, "{text}");
        assert!(text.contains("keyward_cache_hits_total{cache=\"user\",filter=\"default\"} 0\n"), "{text}");
    }

    #[test]
    fn a_failed_reload_shows_until_one_succeeds() {
        let metrics = Metrics::new();
        assert!(metrics.encode().contains("keyward_config_reload_success 1\n"));
        metrics.reloaded(false);
        assert!(metrics.encode().contains("keyward_config_reload_success 0\n"));
        metrics.reloaded(true);
        assert!(metrics.encode().contains("keyward_config_reload_success 1\n"));
    }

    #[test]
    fn the_build_is_named() {
        let expected = format!("keyward_build_info{{version=\"{}\",commit=\"", build_info::VERSION);
        assert!(Metrics::new().encode().contains(&expected));
    }
}
