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

impl Deadline {
    /// A deadline `timeout` from now. A tenth of it, at most 50 ms, is kept as margin.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout.saturating_sub(MARGIN.min(timeout / 10)))
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
