//! How does an audit line leave the process without a check ever waiting for it?

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::AuditEvent;
use super::pseudonym::Pseudonyms;
use super::settings::{AuditTarget, Settings};
use crate::decision::Decision;

/// Bytes that may wait for a slow reader before further lines are dropped and counted.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Bytes that most lines fit into.
const USUAL_LINE: usize = 1024;

/// How long lines are gathered before they are written: waking a thread costs more than a line does.
const GATHER: Duration = Duration::from_millis(20);

/// How long the end of the process waits for the last lines to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Writes audit events as JSON lines on a thread of its own. Clones share it; the last one gone, the rest is written.
#[derive(Debug, Clone)]
pub struct AuditWriter {
    settings: Settings,
    outlet: Option<Arc<Outlet>>,
    /// `None`: users are named.
    pseudonyms: Option<Arc<Pseudonyms>>,
    seen: Arc<AtomicU64>,
    tally: Arc<Tally>,
}

/// What became of the events. It may outlive the writer, and keeps no line waiting.
#[derive(Debug, Default)]
pub struct Tally {
    written: AtomicU64,
    dropped: AtomicU64,
}

impl Tally {
    /// How many events were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// How many events were dropped because nobody read them, or not fast enough.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Counts `events` that are lost; the first of all is told in the log.
    fn lose(&self, events: u64, why: &'static str) {
        if events > 0 && self.dropped.fetch_add(events, Ordering::Relaxed) == 0 {
            // On a thread of its own: the log may lead into the very pipe that nobody reads.
            let told = std::thread::Builder::new().name("audit-alarm".to_owned()).spawn(move || {
                tracing::warn!(
                    "audit events are being dropped: {why}; this is said once, `keyward_audit_dropped_total` counts them"
                );
            });
            drop(told);
        }
    }
}

/// The writing side: what is dropped when the last writer is.
#[derive(Debug)]
struct Outlet(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    lines: Mutex<Lines>,
    /// Told when the first line comes, when nobody writes any more, and when the thread has ended.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    events: u64,
    closed: bool,
    ended: bool,
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
        let tally = Arc::<Tally>::default();
        let outlet = match settings.to {
            AuditTarget::Off => None,
            AuditTarget::Stdout => {
                let waiting = Arc::new(Waiting::default());
                let (reader, tally) = (Arc::clone(&waiting), Arc::clone(&tally));
                std::thread::Builder::new().name("audit".to_owned()).spawn(move || reader.write_all_to(out, &tally))?;
                Some(Arc::new(Outlet(waiting)))
            }
        };
        let pseudonyms = settings.redact.then(Pseudonyms::random).transpose()?.map(Arc::new);
        Ok(Self { settings, outlet, pseudonyms, seen: Arc::default(), tally })
    }

    /// What it was started with.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Whether `decision` is one of the share that is written down. Asked once a decision.
    #[must_use]
    pub fn wants(&self, decision: &Decision) -> bool {
        let share = match decision {
            Decision::Allow(_) => self.settings.allows,
            Decision::Deny(_) | Decision::Outage(_) => self.settings.denials,
        };
        self.outlet.is_some() && is_sampled(share, self.seen.fetch_add(1, Ordering::Relaxed))
    }

    /// Hands `event` to the writing thread; never waits for it. With too much waiting the event is dropped and counted.
    pub fn write(&self, event: AuditEvent<'_>) {
        let Some(Outlet(waiting)) = self.outlet.as_deref() else { return };
        let event = match &self.pseudonyms {
            Some(pseudonyms) => pseudonyms.hide(event),
            None => event,
        };
        let mut line = Vec::with_capacity(USUAL_LINE);
        // Before the lock: whoever else has an event waits for no more than a copy.
        if serde_json::to_writer(&mut line, &event).is_err() {
            return;
        }
        line.push(b'\n');
        let mut lines = waiting.lock();
        if lines.bytes.len() + line.len() > MOST_BYTES {
            drop(lines);
            self.tally.lose(1, "nobody reads them fast enough");
            return;
        }
        let first = lines.bytes.is_empty();
        lines.bytes.append(&mut line);
        lines.events += 1;
        drop(lines);
        if first {
            waiting.changed.notify_all();
        }
    }

    /// What became of the events so far.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `done`, at most `for_at_most`.
    fn wait(&self, for_at_most: Duration, done: impl Fn(&Lines) -> bool) -> MutexGuard<'_, Lines> {
        let waited = self.changed.wait_timeout_while(self.lock(), for_at_most, |lines| !done(lines));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes whatever comes until nobody writes any more. Where nobody reads any more, lines are taken and thrown away,
    /// so that the buffer never fills.
    fn write_all_to(&self, mut out: impl Write, tally: &Tally) {
        let (mut taken, mut is_read) = (Vec::new(), true);
        loop {
            drop(self.wait(Duration::MAX, |lines| lines.closed || !lines.bytes.is_empty()));
            let mut lines = self.wait(GATHER, |lines| lines.closed);
            std::mem::swap(&mut lines.bytes, &mut taken);
            let events = std::mem::take(&mut lines.events);
            let last = lines.closed;
            drop(lines);
            is_read = is_read && out.write_all(&taken).and_then(|()| out.flush()).is_ok();
            if is_read {
                tally.written.fetch_add(events, Ordering::Relaxed);
            } else {
                tally.lose(events, "nobody reads them any more");
            }
            taken.clear();
            if last {
                break;
            }
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
        // A reader that has stopped reading must not keep the process from ending.
        drop(self.0.wait(LAST_WORDS, |lines| lines.ended));
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
