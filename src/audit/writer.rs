//! How does an audit line leave the process without a check ever waiting for it?

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::AuditEvent;
use super::settings::{AuditTarget, Settings};
use crate::decision::Decision;

/// Lines that may wait for a slow reader before further ones are dropped and counted.
const QUEUE: usize = 8192;

/// Writes audit events as JSON lines on a thread of its own.
#[derive(Debug, Clone)]
pub struct AuditWriter {
    settings: Settings,
    lines: Option<SyncSender<String>>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    seen: AtomicU64,
    dropped: AtomicU64,
}

impl AuditWriter {
    /// A writer as configured; the thread ends when the last clone is dropped.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(settings: Settings) -> std::io::Result<Self> {
        Self::start_with(settings, std::io::stdout())
    }

    /// The same, writing to `out`.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start_with(settings: Settings, out: impl Write + Send + 'static) -> std::io::Result<Self> {
        let lines = match settings.to {
            AuditTarget::Off => None,
            AuditTarget::Stdout => {
                let (sender, receiver) = sync_channel(QUEUE);
                std::thread::Builder::new().name("audit".to_owned()).spawn(move || write_lines(&receiver, out))?;
                Some(sender)
            }
        };
        Ok(Self { settings, lines, counts: Arc::default() })
    }

    /// Whether `decision` is one of the share that is written down. Asked once a decision.
    #[must_use]
    pub fn wants(&self, decision: &Decision) -> bool {
        let share = match decision {
            Decision::Allow(_) => self.settings.allows,
            Decision::Deny(_) | Decision::Outage(_) => self.settings.denials,
        };
        self.lines.is_some() && is_sampled(share, self.counts.seen.fetch_add(1, Ordering::Relaxed))
    }

    /// Hands `event` to the writing thread; never waits. A full queue drops it and counts that.
    pub fn write(&self, event: &AuditEvent<'_>) {
        let Some(lines) = &self.lines else { return };
        let Ok(line) = serde_json::to_string(event) else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = lines.try_send(line) {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many events were dropped because nobody read fast enough.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
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

fn write_lines(lines: &Receiver<String>, mut out: impl Write) {
    while let Ok(line) = lines.recv() {
        let mut written = writeln!(out, "{line}");
        // One flush for all that is waiting.
        while let (Ok(()), Ok(line)) = (&written, lines.try_recv()) {
            written = writeln!(out, "{line}");
        }
        if written.and_then(|()| out.flush()).is_err() {
            // Nobody reads any more; keep taking lines so that the queue never fills.
            while lines.recv().is_ok() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_sampled;

    #[test]
    fn a_share_is_met() {
        for (share, expected) in [(0.0, 0), (1.0, 10_000), (0.25, 2_500)] {
            let hits = (0..10_000).filter(|sequence| is_sampled(share, *sequence)).count();
            assert!(hits.abs_diff(expected) < 20, "{share}: {hits}");
        }
    }
}
