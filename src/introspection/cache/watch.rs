//! How do introspection and its cache fare? Numbers for metrics, and a warning that only the sum of answers can give.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::Suspicion;
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
}
