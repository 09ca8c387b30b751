//! How do scripts run beside checks, without holding up those that need none?

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::engine::ScriptError;
use crate::deadline::Deadline;

/// The longest a run may take, whatever the check's own deadline.
const LONGEST_RUN: Duration = Duration::from_secs(1);

/// Turns to run a script. As many at once as there are processors: a script waits for little, more would only slow each
/// other down.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        let slots = std::thread::available_parallelism().map_or(1, usize::from).max(2);
        Self(Arc::new(Semaphore::new(slots)))
    }
}

impl Turns {
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
        E: From<ScriptError> + Send + 'static,
    {
        let run = async {
            let turn = Arc::clone(&self.0).acquire_owned().await;
            let turn = turn.map_err(|_| ScriptError::Other("the scripts have been shut down".to_owned()))?;
            let until = Instant::now() + deadline.remaining().min(LONGEST_RUN);
            let run = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                body(until)
            });
            run.await.unwrap_or_else(|_| Err(ScriptError::Other("the engine broke".to_owned()).into()))
        };
        timeout_at(deadline.instant(), run).await.unwrap_or_else(|_| Err(ScriptError::Deadline.into()))
    }
}
