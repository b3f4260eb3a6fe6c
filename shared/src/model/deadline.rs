//! How much time a run has.

use std::time::Duration;

/// The time that a run has.
pub trait Deadline: Sync {
    /// What is left of it.
    fn left(&self) -> Duration;
}

/// No deadline: a person at a terminal has time.
#[derive(Debug, Clone, Copy)]
pub struct NoDeadline;

impl Deadline for NoDeadline {
    fn left(&self) -> Duration {
        Duration::MAX
    }
}

impl<F: Fn() -> Duration + Sync> Deadline for F {
    fn left(&self) -> Duration {
        self()
    }
}
