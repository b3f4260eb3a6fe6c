//! How time passes during a run.

use std::time::Duration;

/// Measures how long a run has taken. The time of day is none of its business.
pub trait Clock: Sync {
    /// How much time has passed since some fixed moment, the time included in which the computer slept.
    fn elapsed(&self) -> Duration;
}

/// Time stands still: for tests, and for what does not depend on how long it takes.
#[derive(Debug, Clone, Copy)]
pub struct StoppedClock;

impl Clock for StoppedClock {
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

impl<F: Fn() -> Duration + Sync> Clock for F {
    fn elapsed(&self) -> Duration {
        self()
    }
}
