//! The time limit of a run.

use std::time::Duration;

/// The time limit of a run.
pub trait Deadline: Sync {
    /// The remaining time.
    fn left(&self) -> Duration;
}

/// No time limit, for commands that a person runs in a terminal.
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
