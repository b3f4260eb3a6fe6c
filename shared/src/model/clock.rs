//! Measures elapsed time during a run.

use std::time::Duration;

/// Measures elapsed time. It does not provide the time of day.
pub trait Clock: Sync {
    /// The time since a fixed moment, including time during which the computer was suspended.
    fn elapsed(&self) -> Duration;
}

/// A clock whose elapsed time is always zero, for tests and for code whose result does not depend
/// on its duration.
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
