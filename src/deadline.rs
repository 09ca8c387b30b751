//! How long may this check still take?

use std::time::Duration;

use tokio::time::Instant;

/// The instant at which the caller stops waiting, less a margin that lets our answer still reach it.
///
/// Envoy sends its timeout as `grpc-timeout` (200 ms by default); whatever Keyward asks of others has to fit in.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

/// What is held back from the caller's deadline at most: Envoy's clock starts before the connection is made, ours when the
/// question has arrived, and a late answer is no answer, which passes under `failure_mode_allow`.
const MARGIN: Duration = Duration::from_millis(50);

/// What a timer may be late and an answer on its way, however short the deadline.
const LEAST_MARGIN: Duration = Duration::from_millis(5);

impl Deadline {
    /// A deadline `timeout` from now. A tenth of it is kept as margin: at most 50 ms, and at least 5 ms or half of it.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        let margin = (timeout / 10).clamp(LEAST_MARGIN, MARGIN).min(timeout / 2);
        Self(Instant::now() + timeout.saturating_sub(margin))
    }

    /// The instant to stop at.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.0
    }

    /// What is left; zero once the deadline has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Deadline;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_back_is_enough_for_an_answer_to_arrive() {
        for (timeout, left) in [(0, 0), (4, 2), (10, 5), (20, 15), (50, 45), (200, 180), (1000, 950), (60_000, 59_950)]
        {
            let left = Duration::from_millis(left);
            assert_eq!(Deadline::after(Duration::from_millis(timeout)).remaining(), left, "{timeout} ms");
        }
    }
}
