//! What is counted and timed? Everything in one registry, every label a word fixed at compile time or configured.
//!
//! The path, the subject, the client's address and the token are never labels.

mod collected;
#[cfg(test)]
mod tests;

pub use collected::{AuditCounts, CacheCounts, CacheSource};

use std::fmt::{self, Write as _};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::build_info;
use collected::Collected;

/// What `/metrics` answers with.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds; a cached decision takes tens of microseconds, Envoy's default timeout is 0.2 s.
const CHECK_BUCKETS: [f64; 16] =
    [0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0];

/// Seconds; a question over the network.
const REMOTE_BUCKETS: [f64; 13] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The words of an allow.
const GRANTED: (&str, &str) = ("allow", "granted");

/// The instruments of the process. Cheap to share behind an `Arc`; every method takes `&self`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    decisions: Family<Decision, Counter>,
    /// The one of them that nearly every check counts in: found without a look-up.
    granted: Counter,
    check: Histogram,
    in_flight: Gauge,
    introspection: Family<Outcome, Histogram, Buckets>,
    directory: Family<Outcome, Histogram, Buckets>,
    scripts: Family<Run, Histogram, Buckets>,
    reload: Gauge,
    reloaded_at: Gauge,
    tls_reload: Family<[(&'static str, String); 1], Gauge>,
    certificates: Family<[(&'static str, String); 2], Gauge>,
    connections: Family<[(&'static str, &'static str); 1], Gauge>,
    streams: Gauge,
    limited: Family<[(&'static str, &'static str); 1], Counter>,
    collected: Collected,
}

/// What the server does not take on without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// One connection too many; it was closed.
    Connections,
    /// A connection has as many checks open as it may; more of them wait.
    Streams,
    /// A message was too large; it was refused.
    MessageSize,
    /// A message did not arrive in time; it was refused.
    MessageTime,
    /// One check too many was to be decided; it was answered as an outage.
    InFlight,
    /// A connection took too long until it spoke; it was closed.
    HandshakeTime,
}

impl Limit {
    const ALL: [Self; 6] =
        [Self::Connections, Self::Streams, Self::MessageSize, Self::MessageTime, Self::InFlight, Self::HandshakeTime];

    fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Streams => "streams",
            Self::MessageSize => "message_size",
            Self::MessageTime => "message_time",
            Self::InFlight => "in_flight",
            Self::HandshakeTime => "handshake_time",
        }
    }
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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Run {
    script: Word,
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
        let decisions = Family::<Decision, Counter>::default();
        let granted = decisions.get_or_create_owned(&Decision { decision: Word(GRANTED.0), reason: Word(GRANTED.1) });
        registry.register("decisions", "Decisions, by verdict and reason", decisions.clone());
        let check = Histogram::new(CHECK_BUCKETS);
        registry.register_with_unit("check_duration", "Time from question to answer", Unit::Seconds, check.clone());
        let in_flight = Gauge::default();
        registry.register("checks_in_flight", "Checks under way now", in_flight.clone());
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
        let scripts = Family::new_with_constructor(Buckets);
        registry.register_with_unit(
            "script_duration",
            "Time a script took, the wait for its turn included, by kind of script and outcome",
            Unit::Seconds,
            scripts.clone(),
        );
        let (reload, reloaded_at) = (Gauge::default(), Gauge::default());
        reload.set(1);
        registry.register(
            "config_reload_success",
            "Whether the configuration was usable when last read (1) or not (0)",
            reload.clone(),
        );
        registry.register_with_unit(
            "config_last_reload_timestamp",
            "When the configuration that decides now was read, in Unix time",
            Unit::Seconds,
            reloaded_at.clone(),
        );
        let tls_reload = Family::default();
        registry.register(
            "tls_reload_success",
            "Whether the TLS files of a listener were usable when they last changed (1) or not (0)",
            tls_reload.clone(),
        );
        let certificates = Family::default();
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When the first of the certificates in a TLS file of a listener expires, in Unix time",
            Unit::Seconds,
            certificates.clone(),
        );
        let build = Family::<[(&str, &str); 2], Gauge>::default();
        build.get_or_create(&[("version", build_info::VERSION), ("commit", build_info::COMMIT)]).set(1);
        registry.register("build_info", "Always 1; the labels tell which build this is", build);
        let (connections, streams) = (Family::default(), Gauge::default());
        registry.register("connections", "Connections open now, by what they are for", connections.clone());
        registry.register(
            "streams",
            "Streams of checks open now, also those whose message is still to come",
            streams.clone(),
        );
        let limited = Family::<_, Counter>::default();
        for limit in Limit::ALL {
            let _from_zero = limited.get_or_create(&[("limit", limit.as_str())]);
        }
        registry.register("limited", "How often a limit of the server was reached, by limit", limited.clone());
        let collected = Collected::default();
        registry.register_collector(Box::new(collected.clone()));
        Self {
            registry,
            decisions,
            granted,
            check,
            in_flight,
            introspection,
            directory,
            scripts,
            reload,
            reloaded_at,
            tls_reload,
            certificates,
            connections,
            streams,
            limited,
            collected,
        }
    }

    /// A check has begun.
    pub fn began(&self) {
        self.in_flight.inc();
    }

    /// A check that had begun was answered. `decision` and `reason` are the words of the audit.
    pub fn decided(&self, decision: &'static str, reason: &'static str, took: Duration) {
        self.in_flight.dec();
        if (decision, reason) == GRANTED {
            self.granted.inc();
        } else {
            self.decisions.get_or_create(&Decision { decision: Word(decision), reason: Word(reason) }).inc();
        }
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

    /// A script ran to its end, or to the end of its time.
    pub fn script_ran(&self, script: &'static str, outcome: &'static str, took: Duration) {
        self.scripts.get_or_create(&Run { script: Word(script), outcome: Word(outcome) }).observe(took.as_secs_f64());
    }

    /// The TLS files of a listener changed: were they usable?
    pub fn tls_reloaded(&self, listener: &str, success: bool) {
        self.tls_reload.get_or_create(&[("listener", listener.to_owned())]).set(i64::from(success));
    }

    /// The first of the certificates in a listener's `file` expires at this second of Unix time.
    pub fn certificate_expires(&self, listener: &str, file: &str, at: i64) {
        self.certificates.get_or_create(&[("listener", listener.to_owned()), ("file", file.to_owned())]).set(at);
    }

    /// A configuration decides from this second of Unix time on.
    pub fn configured(&self, at: i64) {
        self.reloaded_at.set(at);
    }

    /// The configuration was read again while running: was it usable?
    pub fn reloaded(&self, success: bool) {
        self.reload.set(i64::from(success));
    }

    /// A connection for `kind` (`checks`, `health`, `admin`) was opened.
    pub fn connection_opened(&self, kind: &'static str) {
        self.connections.get_or_create(&[("kind", kind)]).inc();
    }

    /// A connection for `kind` was closed.
    pub fn connection_closed(&self, kind: &'static str) {
        self.connections.get_or_create(&[("kind", kind)]).dec();
    }

    /// A stream with a check was opened.
    pub fn stream_opened(&self) {
        self.streams.inc();
    }

    /// The check was answered, or nobody waits for the answer any more.
    pub fn stream_closed(&self) {
        self.streams.dec();
    }

    /// A limit was reached.
    pub fn limited(&self, limit: Limit) {
        self.limited.get_or_create(&[("limit", limit.as_str())]).inc();
    }

    /// Shows `caches` from now on, and no others. Their counters are read when somebody looks at the metrics.
    pub fn watch_caches(&self, caches: Vec<CacheSource>) {
        self.collected.watch_caches(caches);
    }

    /// Shows what `read` tells of the audit from now on.
    pub fn watch_audit(&self, read: impl Fn() -> AuditCounts + Send + Sync + 'static) {
        self.collected.watch_audit(read);
    }

    /// Shows how many lines of the log `dropped` says were lost.
    pub fn watch_log(&self, dropped: impl Fn() -> u64 + Send + Sync + 'static) {
        self.collected.watch_log(dropped);
    }

    /// Shows what `is_ready` says from now on.
    pub fn watch_readiness(&self, is_ready: impl Fn() -> bool + Send + Sync + 'static) {
        self.collected.watch_readiness(is_ready);
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
