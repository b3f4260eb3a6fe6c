//! Applying a plan: order, pace and deadline, but no decisions.
//!
//! Images and snapshots are checked again in batches, right before their steps. For each image, the
//! order is: check again, write the state tags of its snapshots, deregister. This order makes a
//! crash harmless. Before a step overwrites a value (a deprecation time, launch permissions), the
//! value is saved in a tag. A later run completes whatever a crash interrupted. The adapter sets
//! the pace: it stays below the provider's rate limits.

mod change;
mod check_queue;
mod counts;
mod groups;
mod held;
mod images;
mod outcome;
mod recheck;
mod refresh;
mod snapshots;
mod steps;
mod tag_batches;
mod undo;

use std::time::Duration;

use serde::Serialize;

pub use self::change::Change;
pub use self::counts::Counts;
pub use self::images::apply;
pub(crate) use self::images::apply_with;
pub use self::outcome::{Failure, Outcome, Status, StepKind, StepRecord, StepResult};
pub use self::snapshots::apply_snapshots;
pub use self::tag_batches::MAX_DENIED_CALLS;
pub(crate) use self::tag_batches::TagBatches;
pub use self::undo::{RestoreStep, SharedAgain, share_again, undo};

/// How many images or snapshots are processed concurrently. With a round trip of about 100 ms, this
/// exceeds the 5 removals per second that the provider sustains.
const IN_FLIGHT: usize = 8;
/// A new batch starts only if more time than this is left. It suffices for the check and the steps
/// of one batch. Each call of a step also checks the deadline.
pub(crate) const MARGIN: Duration = Duration::from_secs(15);

/// Whether a run may change resources.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Serialize,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Mode {
    /// The run reports what it would change.
    #[default]
    Plan,
    /// The run applies its plan.
    Apply,
}
