//! How do scripts run beside checks, without holding up those that need none?

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::engine::ScriptError;
use crate::deadline::Deadline;

/// The longest a run may take, whatever the check's own deadline.
const LONGEST_RUN: Duration = Duration::from_secs(1);

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

    /// Runs `body` on a thread that may block; it is given the instant at which a script has to end. The turn is given back
    /// when the script has ended, not when its caller has gone.
    ///
    /// Never waits longer than `deadline`, neither for a turn nor for the end.
    ///
    /// # Errors
    /// Those of `body`, and [`ScriptError::Deadline`].
    pub async fn run<T, E>(
        &self,
        deadline: Deadline,
        body: impl FnOnce(Instant) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: RunError + Send + 'static,
    {
        let asked_at = Instant::now();
        let run = async {
            let turn = Arc::clone(&self.slots).acquire_owned().await;
            let turn = turn.map_err(|_| ScriptError::Other("the scripts have been shut down".to_owned()))?;
            let until = Instant::now() + deadline.remaining().min(LONGEST_RUN);
            let run = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                body(until)
            });
            run.await.unwrap_or_else(|_| Err(ScriptError::Other("the engine broke".to_owned()).into()))
        };
        let ended = timeout_at(deadline.instant(), run).await.unwrap_or_else(|_| Err(ScriptError::Deadline.into()));
        if let Some((script, observer)) = &self.observer {
            observer.ran(script, ended.as_ref().err().map_or("done", RunError::word), asked_at.elapsed());
        }
        ended
    }
}
