//! How do introspection and its cache fare? Numbers for metrics, and a warning that only the sum of answers can give.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::token::TokenState;

/// Hears of every introspection that was made; for a histogram.
pub trait Observer: Send + Sync + 'static {
    /// One introspection ended with `outcome`: `active`, `inactive`, or the word of its error.
    fn introspected(&self, outcome: &'static str, took: Duration);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn introspected(&self, _: &'static str, _: Duration) {}
}

/// What a cache did since it was made, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Checks answered from a fresh answer.
    pub hits: u64,
    /// Checks that had to ask.
    pub misses: u64,
    /// Checks that waited for an answer another check had asked for.
    pub joined: u64,
    /// Checks answered from the cache of negative answers.
    pub negative: u64,
    /// Checks answered past an answer's lifetime because nobody could be asked.
    pub stale: u64,
    /// Introspections without an answer.
    pub failures: u64,
    /// Answers too large to be kept (T-52).
    pub too_large: u64,
    /// Active tokens held, about.
    pub tokens: u64,
    /// Inactive tokens held, about.
    pub negatives: u64,
    /// Introspections under way.
    pub in_flight: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub hits: Counter,
    pub misses: Counter,
    pub joined: Counter,
    pub negative: Counter,
    pub stale: Counter,
    pub failures: Counter,
    pub too_large: Counter,
    pub suspicion: Suspicion,
    pub alarm: Alarm,
}

#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Counts one, and says how many there had been before.
    pub fn count(&self) -> u64 {
        self.0.fetch_add(1, Relaxed)
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Whether every answer so far was "inactive": likely this client may not introspect others' tokens (H8).
#[derive(Default)]
pub(super) struct Suspicion {
    active: Counter,
    inactive: Counter,
}

/// So many inactive answers and no active one are worth a warning.
const SUSPICIOUS: u64 = 20;

impl Suspicion {
    /// Takes note of an answer; `true` once, when suspicion arises.
    pub fn arises(&self, state: &TokenState) -> bool {
        match state {
            TokenState::Active(_) => {
                self.active.count();
                false
            }
            TokenState::Inactive => self.inactive.count() + 1 == SUSPICIOUS && self.active.get() == 0,
        }
    }
}

/// When an outage was last logged: often enough to be seen, too seldom for a client to fill the log with.
#[derive(Default)]
pub(super) struct Alarm(Mutex<Option<Instant>>);

/// The shortest time between two lines about failing introspections.
const QUIET: Duration = Duration::from_secs(10);

impl Alarm {
    /// Whether a failure at `now` is to be logged.
    pub fn rings(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.saturating_duration_since(last) >= QUIET);
        if due {
            *last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Alarm, QUIET, Suspicion};
    use crate::token::TokenState;

    #[test]
    fn twenty_inactive_answers_and_none_active_arise_suspicion_once() {
        let suspicion = Suspicion::default();
        let arisen: Vec<usize> = (1..=60).filter(|_| suspicion.arises(&TokenState::Inactive)).collect();
        assert_eq!(arisen, [20]);
    }

    #[test]
    fn one_active_answer_ends_all_suspicion() {
        let suspicion = Suspicion::default();
        assert!(!suspicion.arises(&TokenState::Active(std::sync::Arc::default())));
        assert!((0..60).all(|_| !suspicion.arises(&TokenState::Inactive)));
    }

    #[test]
    fn failures_are_logged_at_once_and_then_seldom() {
        let (alarm, start) = (Alarm::default(), Instant::now());
        let seconds = |s| start + Duration::from_secs(s);
        let rung: Vec<u64> = (0..=2 * QUIET.as_secs()).filter(|&s| alarm.rings(seconds(s))).collect();
        assert_eq!(rung, [0, QUIET.as_secs(), 2 * QUIET.as_secs()]);
    }
}
