//! A deadline for a person who waits.

use std::time::Duration;

use steward::model::Deadline;
use tokio::time::Instant;

/// A deadline at a time of the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until(Instant);

impl Until {
    pub(crate) fn in_time(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }
}

impl Deadline for Until {
    fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}
