//! What do other parts count for themselves? Their counters are read when somebody looks at the metrics.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;

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

/// What the audit has done since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditCounts {
    /// Events that were written.
    pub written: u64,
    /// Events that were lost because nobody read them, or not fast enough.
    pub dropped: u64,
}

/// The parts that are shown now.
#[derive(Clone, Default)]
pub(super) struct Collected {
    caches: Arc<Mutex<Vec<CacheSource>>>,
    audit: Arc<Mutex<Option<Read<AuditCounts>>>>,
    log: Arc<Mutex<Option<Read<u64>>>>,
    readiness: Arc<Mutex<Option<Read<bool>>>>,
}

type Read<T> = Box<dyn Fn() -> T + Send + Sync>;

impl Collected {
    pub(super) fn watch_caches(&self, caches: Vec<CacheSource>) {
        *self.caches.lock().unwrap_or_else(PoisonError::into_inner) = caches;
    }

    pub(super) fn watch_audit(&self, read: impl Fn() -> AuditCounts + Send + Sync + 'static) {
        *self.audit.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(read));
    }

    pub(super) fn watch_log(&self, read: impl Fn() -> u64 + Send + Sync + 'static) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(read));
    }

    pub(super) fn watch_readiness(&self, read: impl Fn() -> bool + Send + Sync + 'static) {
        *self.readiness.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(read));
    }

    fn encode_process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let readiness = self.readiness.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(is_ready) = readiness.as_ref().map(|read| read()) {
            let help = "Whether it is ready (1), as /readyz says, or starting or draining (0)";
            let mut metric = encoder.encode_descriptor("ready", help, None, MetricType::Gauge)?;
            metric.encode_gauge(&i64::from(is_ready))?;
        }
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dropped) = log.as_ref().map(|read| read()) {
            let help = "Lines of the log that were lost because nobody read them, or not fast enough";
            let mut metric = encoder.encode_descriptor("log_dropped", help, None, MetricType::Counter)?;
            metric.encode_counter::<[(&str, &str); 0], u64, u64>(&dropped, None)?;
        }
        Ok(())
    }

    fn encode_audit(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let audit = self.audit.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(counts) = audit.as_ref().map(|read| read()) else { return Ok(()) };
        for (name, help, count) in [
            ("audit_written", "Audit events that were written", counts.written),
            (
                "audit_dropped",
                "Audit events that were lost because nobody read them, or not fast enough",
                counts.dropped,
            ),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            metric.encode_counter::<[(&str, &str); 0], u64, u64>(&count, None)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collected").field("caches", &self.caches).finish_non_exhaustive()
    }
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

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_process(&mut encoder)?;
        self.encode_audit(&mut encoder)?;
        let sources = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
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
