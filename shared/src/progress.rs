//! Progress reporting for long runs.
//!
//! Progress is observation only: nothing depends on what an implementation of [`Progress`] does.

use std::fmt;
use std::time::Duration;

use crate::model::{Clock, Deadline, NoDeadline, StoppedClock};

/// Receives progress events of a run.
pub trait Progress: Send + Sync {
    /// Handles one event. Called often and from several tasks concurrently, so it must return
    /// quickly.
    fn report(&self, event: ProgressEvent);
}

/// Ignores all progress events.
#[derive(Debug, Clone, Copy)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn report(&self, _: ProgressEvent) {}
}

impl fmt::Debug for dyn Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// A progress event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgressEvent {
    /// A stage of the run begins.
    Stage {
        /// What the stage does, for example `reading the account`.
        name: &'static str,
        /// The number of items to process, if known.
        total: Option<usize>,
    },
    /// A list was read completely.
    Read {
        /// The type of item, for example `instances`.
        what: &'static str,
        /// The number of items.
        count: usize,
    },
    /// This many more items of the stage are done.
    Done(usize),
    /// A call is sent.
    Call {
        /// The name of the call, for example `ec2:DescribeImages`.
        name: &'static str,
        /// Whether the call was delayed.
        pacing: Pacing,
    },
    /// The provider throttled a call or was unavailable. The call is retried.
    Throttled,
}

/// Whether a call was delayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// It was sent immediately.
    Immediate,
    /// It was delayed to stay below the provider's rate limits.
    Delayed,
}

/// The deadline and the clock of a run, and the receiver of its progress.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    /// When to stop.
    pub deadline: &'a dyn Deadline,
    /// The time since the run began.
    pub clock: &'a dyn Clock,
    /// The receiver of progress events.
    pub progress: &'a dyn Progress,
}

impl RunContext<'static> {
    /// For tests: no deadline, a clock that stands still, and no progress.
    pub const UNLIMITED: Self =
        Self { deadline: &NoDeadline, clock: &StoppedClock, progress: &NoProgress };
}

impl fmt::Debug for RunContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext").field("left", &self.left()).finish_non_exhaustive()
    }
}

impl RunContext<'_> {
    /// Returns the time until the deadline.
    pub fn left(&self) -> Duration {
        self.deadline.left()
    }

    /// Returns the time since a fixed moment, usually the start of the run.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Reports that a stage begins.
    pub(crate) fn stage(&self, name: &'static str, total: Option<usize>) {
        self.progress.report(ProgressEvent::Stage { name, total });
    }

    /// Reports that `count` more items of the stage are done.
    pub(crate) fn done(&self, count: usize) {
        self.progress.report(ProgressEvent::Done(count));
    }
}
