//! How do scripts run beside checks, without holding up those that need none?

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::brief::LARGEST_INPUT;
use super::engine::{Limits, Script, ScriptError};
use crate::deadline::Deadline;
use crate::telemetry::trace::{self, SpanKind};

/// The longest a run may take, whatever the check's own deadline.
const LONGEST_RUN: Duration = Duration::from_secs(1);
/// How long after its end was due a run is waited for before it counts as stuck: within one of the few steps of the engine
/// that nothing can interrupt, such as a sum of numbers with a million digits.
const PATIENCE: Duration = Duration::from_secs(1);

/// Hears of every run; for a histogram.
pub trait RunObserver: Send + Sync + 'static {
    /// A script of this kind ended with `outcome`: `done` or the word of its error. The wait for its turn is included.
    fn ran(&self, script: &'static str, outcome: &'static str, took: Duration);
}

/// What a run can end with instead of a result.
pub trait RunError: From<ScriptError> {
    /// The word used in metrics.
    fn word(&self) -> &'static str;
}

impl RunError for ScriptError {
    fn word(&self) -> &'static str {
        self.as_str()
    }
}

/// What a run works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Texts of so many bytes in all; the run asks nobody.
    Texts(usize),
    /// The run asks others, for whom it waits.
    Others,
}

impl Input {
    fn is_small(self) -> bool {
        matches!(self, Self::Texts(length) if length <= LARGEST_INPUT)
    }
}

/// Turns to run a script. As many at once as there are processors: a script waits for little, more would only slow each
/// other down.
#[derive(Clone)]
pub struct Turns {
    slots: Arc<Semaphore>,
    observer: Option<(&'static str, Arc<dyn RunObserver>)>,
}

impl Default for Turns {
    fn default() -> Self {
        let slots = std::thread::available_parallelism().map_or(1, usize::from).max(2);
        Self { slots: Arc::new(Semaphore::new(slots)), observer: None }
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl Turns {
    /// Turns of their own for scripts of one kind; `observer` hears of every run.
    #[must_use]
    pub fn observed(script: &'static str, observer: Arc<dyn RunObserver>) -> Self {
        Self { observer: Some((script, observer)), ..Self::default() }
    }

    /// Runs `body`, which runs `script` within the given limits: at once where the run is small, else on a thread that may
    /// block. The turn is given back when the script has ended, not when its caller has gone.
    ///
    /// Never waits longer than `deadline`, neither for a turn nor for the end. While a run of the script is stuck, no other
    /// begins: it costs one thread, and not one more with every request.
    ///
    /// # Errors
    /// Those of `body`, and [`ScriptError::Deadline`].
    pub async fn run<T, E>(
        &self,
        script: &Script,
        input: Input,
        deadline: Deadline,
        body: impl Fn(Limits) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: RunError + Send + 'static,
    {
        let asked_at = Instant::now();
        let run = async {
            if script.stuck.load(Relaxed) > 0 {
                return Err(ScriptError::Other("an earlier run of the script does not end".to_owned()).into());
            }
            if input.is_small()
                && script.is_plain()
                && let Some(done) = script.tries.attempt(&body)
            {
                return Ok(done);
            }
            let permit = Arc::clone(&self.slots).acquire_owned().await;
            let permit = permit.map_err(|_| ScriptError::Other("the scripts have been shut down".to_owned()))?;
            let turn = Turn { permit: Arc::new(Mutex::new(Some(permit))), stuck: Arc::clone(&script.stuck) };
            let until = Instant::now() + deadline.remaining().min(LONGEST_RUN);
            let mut waiter = Waiter { turn: turn.clone(), until, ended: false };
            let run = tokio::task::spawn_blocking(trace::carried_over(move || {
                let _turn = turn.end_with_me();
                body(until.into())
            }));
            let outcome = run.await;
            waiter.ended = true;
            outcome.unwrap_or_else(|_| Err(ScriptError::Other("the engine broke".to_owned()).into()))
        };
        let span = trace::span("script", SpanKind::Internal);
        let ended = trace::within(span.as_ref(), timeout_at(deadline.instant(), run)).await;
        let ended = ended.unwrap_or_else(|_| Err(ScriptError::Deadline.into()));
        let failure = ended.as_ref().err().map(RunError::word);
        if let Some((script, observer)) = &self.observer {
            observer.ran(script, failure.unwrap_or("done"), asked_at.elapsed());
            if let Some(span) = &span {
                span.set("keyward.script", *script);
            }
        }
        if let (Some(span), Some(word)) = (span, failure.filter(|word| *word != "refused")) {
            span.fail(word);
        }
        ended
    }
}

/// One turn. The permit is taken out by whoever gives it back: the run when it ends, or its guard when it is stuck.
#[derive(Clone)]
struct Turn {
    permit: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    stuck: Arc<AtomicUsize>,
}

impl Turn {
    fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn end_with_me(self) -> Ending {
        Ending(self)
    }
}

/// Gives the turn back when the run ends, also by a panic.
struct Ending(Turn);

impl Drop for Ending {
    fn drop(&mut self) {
        if self.0.take().is_none() {
            self.0.stuck.fetch_sub(1, Relaxed);
        }
    }
}

/// Whoever waits for a run. When it goes away before the end, a guard looks after the run.
struct Waiter {
    turn: Turn,
    until: Instant,
    ended: bool,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (turn, until) = (self.turn.clone(), self.until);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep_until((until + PATIENCE).into()).await;
                // Counted before it is taken: the run that ends just now takes it back.
                turn.stuck.fetch_add(1, Relaxed);
                match turn.take() {
                    Some(permit) => drop(permit),
                    None => drop(turn.stuck.fetch_sub(1, Relaxed)),
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle() -> Script {
        Script::compile("1").expect("a script")
    }

    async fn settle(condition: impl Fn() -> bool) {
        while !condition() {
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_nothing_can_interrupt_costs_its_thread_and_no_more() {
        let (turns, stuck, sound) = (Turns::default(), idle(), idle());
        let slots = turns.slots.available_permits();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let ended = Arc::new(Mutex::new(ended));
        for _ in 0..slots {
            let ended = Arc::clone(&ended);
            let deaf = move |_| {
                drop(ended.lock().map(|ended| ended.recv()));
                Ok::<(), ScriptError>(())
            };
            let run = turns.run(&stuck, Input::Others, Deadline::after(Duration::from_millis(100)), deaf);
            // A thread that works keeps the paused clock from moving by itself.
            let (outcome, ()) = tokio::join!(run, async {
                tokio::task::yield_now().await;
                tokio::time::advance(Duration::from_millis(200)).await;
            });
            assert_eq!(outcome, Err(ScriptError::Deadline));
        }
        assert_eq!(turns.slots.available_permits(), 0);
        tokio::time::advance(PATIENCE + LONGEST_RUN).await;
        settle(|| turns.slots.available_permits() == slots).await;
        let again = |script| {
            let until = Deadline::after(Duration::from_secs(9));
            turns.run(script, Input::Others, until, |_| Ok::<(), ScriptError>(()))
        };
        assert!(matches!(again(&stuck).await, Err(ScriptError::Other(_))), "not one more thread");
        assert_eq!(again(&sound).await, Ok(()), "another script has its turn");
        drop(end);
        settle(|| stuck.stuck.load(Relaxed) == 0).await;
        assert_eq!(again(&stuck).await, Ok(()), "when it has ended after all, all is well again");
        assert_eq!(turns.slots.available_permits(), slots);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_small_run_of_a_plain_script_needs_no_turn() {
        let turns = Turns::default();
        let slots = turns.slots.available_permits().try_into().expect("few");
        let taken = turns.slots.acquire_many(slots).await.expect("open");
        let memory = |source: &'static str, input| {
            let (turns, script) = (turns.clone(), Script::compile(source).expect("a script"));
            let body = |limits: Limits| Ok::<_, ScriptError>(limits.memory);
            async move { turns.run(&script, input, Deadline::after(Duration::from_secs(1)), body).await }
        };
        let all = Limits::from(Instant::now()).memory;
        assert!(memory("id === roles[0]", Input::Texts(LARGEST_INPUT)).await.is_ok_and(|memory| memory < all));
        for (source, input) in [
            ("id === roles[0]", Input::Texts(LARGEST_INPUT + 1)),
            ("id === roles[0]", Input::Others),
            ("try { f() } catch (e) { true }", Input::Texts(1)),
            ("new Set(roles).has('x')", Input::Texts(1)),
            ("new Array(9).join('x') === id", Input::Texts(1)),
        ] {
            assert_eq!(memory(source, input).await, Err(ScriptError::Deadline), "{source} {input:?}");
        }
        drop(taken);
        assert_eq!(memory("id === roles[0]", Input::Others).await, Ok(all));
    }

    #[tokio::test]
    async fn a_try_that_comes_to_nothing_is_no_answer() {
        let all = Limits::from(Instant::now()).memory;
        let body = move |limits: Limits| if limits.memory < all { Err(ScriptError::Memory) } else { Ok("whole") };
        let deadline = Deadline::after(Duration::from_secs(9));
        assert_eq!(Turns::default().run(&idle(), Input::Texts(1), deadline, body).await, Ok("whole"));
    }
}
