//! Which events are written down, and how, without a check ever waiting for it?

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::AuditEvent;
use super::pseudonym::Pseudonyms;
use super::settings::{AuditTarget, Settings};
use crate::decision::Decision;
use crate::telemetry::lines::{Bounds, LineWriter, Tally};

/// Bytes that may wait for a slow reader: some ten thousand events.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Bytes that most lines fit into.
const USUAL_LINE: usize = 1024;

const BOUNDS: Bounds =
    Bounds { name: "audit", most_bytes: MOST_BYTES, gather: Duration::from_millis(20), lost: warn_of_loss };

fn warn_of_loss(why: &str) {
    tracing::warn!(
        "audit events are being dropped: {why}; this is said once, `keyward_audit_dropped_total` counts them"
    );
}

/// Writes audit events as JSON lines on a thread of its own. Clones share it; the last one gone, the rest is written.
#[derive(Debug, Clone)]
pub struct AuditWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: ArcSwap<Settings>,
    lines: LineWriter,
    /// One key from start to end, whatever the settings become: a user's pseudonym stays.
    pseudonyms: Pseudonyms,
    seen: AtomicU64,
}

impl AuditWriter {
    /// A writer as configured, on standard output.
    ///
    /// # Errors
    /// Where the system gives no thread, or no random bytes.
    pub fn start(settings: Settings) -> std::io::Result<Self> {
        Self::start_with(settings, std::io::stdout())
    }

    /// The same, writing to `out`.
    ///
    /// # Errors
    /// Where the system gives no thread, or no random bytes.
    pub fn start_with(settings: Settings, out: impl Write + Send + 'static) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Shared {
            settings: ArcSwap::from_pointee(settings),
            lines: LineWriter::start(BOUNDS, out)?,
            pseudonyms: Pseudonyms::random()?,
            seen: AtomicU64::new(0),
        })))
    }

    /// Goes by `settings` from the next decision on.
    pub fn follow(&self, settings: Settings) {
        self.0.settings.store(Arc::new(settings));
    }

    /// Whether `decision` is one of the share that is written down. Asked once a decision.
    #[must_use]
    pub fn wants(&self, decision: &Decision) -> bool {
        let settings = self.0.settings.load();
        let share = match decision {
            Decision::Allow(_) => settings.allows,
            Decision::Deny(_) | Decision::Outage(_) => settings.denials,
        };
        match settings.to {
            AuditTarget::Off => false,
            AuditTarget::Stdout => is_sampled(share, self.0.seen.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Hands `event` to the writing thread; never waits for it. With too much waiting the event is dropped and counted.
    pub fn write(&self, event: AuditEvent<'_>) {
        let redact = self.0.settings.load().redact;
        let event = if redact { self.0.pseudonyms.hide(event) } else { event };
        let mut line = Vec::with_capacity(USUAL_LINE);
        // Before the lock: whoever else has an event waits for no more than a copy.
        if serde_json::to_writer(&mut line, &event).is_err() {
            return;
        }
        line.push(b'\n');
        self.0.lines.push(&line);
    }

    /// What became of the events so far.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(self.0.lines.tally())
    }
}

/// Spreads the sequence number over the unit interval, so that a share is met without a source of randomness.
fn is_sampled(share: f64, sequence: u64) -> bool {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = sequence.wrapping_add(1).wrapping_mul(GOLDEN);
    #[expect(clippy::cast_precision_loss, reason = "a share needs no 64 bits")]
    let place = (mixed >> 11) as f64 / (1_u64 << 53) as f64;
    place < share
}

#[cfg(test)]
mod tests;
