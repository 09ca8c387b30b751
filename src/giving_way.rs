//! How does long work let others in, where the kernel would let it go on?
//!
//! Linux makes a thread that wakes wait for the next tick, some 4 ms, behind one that computes without a pause. So work that
//! takes long and that nobody waits for pauses by itself, in steps.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

/// How long such work goes on before it lets others in, at its next step.
const LONGEST: Duration = Duration::from_micros(500);

thread_local! {
    /// When this thread last let others in; `None`: it does nothing that has to.
    static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Does `work`, which lets others in at each [`step`].
pub fn giving_way<T>(work: impl FnOnce() -> T) -> T {
    let _until_the_end = Giving::begin();
    work()
}

/// One step of what may be long work. Costs next to nothing.
pub fn step() {
    LAST.with(|last| {
        if last.get().is_some_and(|last| last.elapsed() >= LONGEST) {
            thread::yield_now();
            last.set(Some(Instant::now()));
        }
    });
}

struct Giving;

impl Giving {
    fn begin() -> Self {
        LAST.set(Some(Instant::now()));
        Self
    }
}

impl Drop for Giving {
    fn drop(&mut self) {
        LAST.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_that_gives_way_pauses_and_a_panic_ends_it() {
        step();
        assert_eq!(LAST.get(), None);
        let began = giving_way(|| {
            let began = LAST.get();
            while LAST.get() == began {
                step();
            }
            began
        });
        assert!(began.is_some_and(|began| began.elapsed() >= LONGEST));
        assert!(thread::spawn(|| giving_way(|| panic!("on purpose"))).join().is_err());
        assert_eq!(LAST.get(), None);
    }
}
