//! Which runs are so short that they need no thread of their own?
//!
//! To hand a run to another thread and to wait for it costs about half as much as the run. Most scripts end in a fraction of
//! what a check may take, so a small run is tried at once, where the check is. A try can only give what the whole run would
//! give: it counts when it ends well, and otherwise the script is run again from its beginning, with all the time and memory
//! it may have.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::engine::Limits;

/// How long a try may take. Checks of other requests wait for it.
const LONGEST: Duration = Duration::from_millis(2);
/// The most memory that a try may use, in bytes, the engine's own included: no text is so long that one of the engine's
/// steps, which nothing can interrupt, takes long.
const MEMORY: usize = 384 * 1024;
/// The largest input of a try, in bytes of JSON.
pub(super) const LARGEST_INPUT: usize = 8 * 1024;
/// What tries that came to nothing may cost, shared out among the runs after them.
const SHARE: Duration = Duration::from_micros(10);

/// The tries of one script.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// How many runs are not to be tried.
    skipped: AtomicU32,
}

impl Tries {
    /// Tries a run, unless tries of late cost too much.
    pub(super) fn attempt<T, E>(&self, run: impl FnOnce(Limits) -> Result<T, E>) -> Option<T> {
        if self.skipped.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            return None;
        }
        let began = Instant::now();
        let ended = run(Limits { until: began + LONGEST, memory: MEMORY }).ok();
        if ended.is_none() {
            self.came_to_nothing(began.elapsed());
        }
        ended
    }

    fn came_to_nothing(&self, took: Duration) {
        let runs = took.as_micros() / SHARE.as_micros();
        self.skipped.store(u32::try_from(runs).unwrap_or(u32::MAX), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Script, ScriptError};

    #[test]
    fn tries_that_come_to_nothing_cost_no_run_more_than_its_share() {
        let tries = Tries::default();
        tries.came_to_nothing(Duration::from_micros(47));
        let tried: Vec<bool> = (0..6).map(|_| tries.attempt(|_| Ok::<(), ()>(())).is_some()).collect();
        assert_eq!(tried, [false, false, false, false, true, true]);
        tries.came_to_nothing(Duration::MAX);
        assert_eq!(tries.skipped.load(Relaxed), u32::MAX);
    }

    /// How a script ends with the limits of a try, however slow the machine.
    fn tried(source: &str) -> Result<bool, ScriptError> {
        let script = Script::compile(source).expect("a script");
        let limits = Limits { until: Instant::now() + Duration::from_secs(20), memory: MEMORY };
        script.run(limits, |sandbox| Ok(sandbox.evaluate()?.as_bool() == Some(true)))
    }

    #[test]
    fn a_try_has_memory_for_conditions_as_people_write_them_and_not_for_long_texts() {
        assert_eq!(tried("[1, 2, 3].some(function (x) { return /^2$/.test(x); })"), Ok(true));
        assert_eq!(tried("'0123456789abcdef'.repeat(1024).indexOf('x') < 0"), Ok(true));
        for source in ["'0123456789abcdef'.repeat(32768).indexOf('x') < 0", "var s = 'x'; while (true) { s += s; }"] {
            assert!(tried(source).is_err(), "{source}");
        }
    }
}
