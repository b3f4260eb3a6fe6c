//! Reporting how far a long run has come.
//!
//! Progress is only observed: nothing depends on what an implementation of [`Progress`] does.

use std::fmt;
use std::time::Duration;

use crate::model::{Clock, Deadline, NoDeadline, StoppedClock};

/// Receives what happens during a run.
pub trait Progress: Send + Sync {
    /// Takes one event. Called from several tasks at once, and often: it must return quickly.
    fn report(&self, event: ProgressEvent);
}

/// Reports nothing.
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

/// Something that happens during a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgressEvent {
    /// A part of the run begins.
    Stage {
        /// What it does, for example `reading the account`.
        name: &'static str,
        /// The number of things to do, where that is known.
        total: Option<usize>,
    },
    /// Something was read completely.
    Read {
        /// What, for example `instances`.
        what: &'static str,
        /// How many there are.
        count: usize,
    },
    /// This many of the stage's things are done.
    Done(usize),
    /// A call is made.
    Call {
        /// Its name, for example `ec2:DescribeImages`.
        name: &'static str,
        /// Whether it had to wait.
        pacing: Pacing,
    },
    /// The provider asked for fewer calls, or could not answer: the call is made again.
    Throttled,
}

/// Whether a call had to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// It was made at once.
    Immediate,
    /// It was delayed, to stay below the provider's rate limits.
    Delayed,
}

/// How long a run may take, how long it has taken, and where it reports its progress.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    /// When to stop.
    pub deadline: &'a dyn Deadline,
    /// How long it has taken.
    pub clock: &'a dyn Clock,
    /// Who is told how far the run is.
    pub progress: &'a dyn Progress,
}

impl RunContext<'static> {
    /// No deadline, time stands still, and nobody watches: for tests.
    pub const UNLIMITED: Self =
        Self { deadline: &NoDeadline, clock: &StoppedClock, progress: &NoProgress };
}

impl fmt::Debug for RunContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext").field("left", &self.left()).finish_non_exhaustive()
    }
}

impl RunContext<'_> {
    /// How much time is left.
    pub fn left(&self) -> Duration {
        self.deadline.left()
    }

    /// How long the run has taken, from some fixed moment on.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Reports that a part of the run begins.
    pub(crate) fn stage(&self, name: &'static str, total: Option<usize>) {
        self.progress.report(ProgressEvent::Stage { name, total });
    }

    /// Reports that so many more of the stage's things are done.
    pub(crate) fn done(&self, count: usize) {
        self.progress.report(ProgressEvent::Done(count));
    }
}
