//! Telling how far a long run has come.
//!
//! A process has at most one watcher, as it has one logger; without one nothing is told. It only
//! looks on: nothing depends on what it does.

use std::fmt;
use std::sync::OnceLock;

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A part of the run begins.
    Stage {
        /// What it does.
        what: String,
        /// How many things there are to do, where that is known.
        total: Option<usize>,
    },
    /// Something was read completely.
    Read {
        /// What, for example `instances`.
        what: String,
        /// How many there are.
        count: usize,
    },
    /// So many of the things to do are done.
    Done(usize),
    /// A call is made.
    Call {
        /// Its name, for example `ec2:DescribeImages`.
        name: &'static str,
        /// How it came to its turn.
        turn: Turn,
    },
    /// The provider asked for fewer calls, or could not answer: the call is made again.
    Throttled,
}

/// How a call came to its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// At once.
    AtOnce,
    /// It was held back, to stay below the provider's limits.
    HeldBack,
}

type Watcher = Box<dyn Fn(Told) + Send + Sync>;

static WATCHER: OnceLock<Watcher> = OnceLock::new();

/// Sets the watcher of this process. A second one is not taken.
pub fn watch(watcher: impl Fn(Told) + Send + Sync + 'static) {
    let _ = WATCHER.set(Box::new(watcher));
}

/// Whether anybody watches.
pub(crate) fn is_watched() -> bool {
    WATCHER.get().is_some()
}

pub(crate) fn stage(what: impl fmt::Display, total: Option<usize>) {
    if is_watched() {
        tell(Told::Stage { what: what.to_string(), total });
    }
}

pub(crate) fn read(what: impl fmt::Display, count: usize) {
    if is_watched() {
        tell(Told::Read { what: what.to_string(), count });
    }
}

pub(crate) fn tell(told: Told) {
    if let Some(watcher) = WATCHER.get() {
        watcher(told);
    }
}
