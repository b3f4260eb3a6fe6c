//! Applying a plan: order, pace and deadline, but no decisions.
//!
//! Images and snapshots are checked again in batches, right before their steps. The order within an
//! image makes a crash harmless: check again, write the state tags of its snapshots, and only then
//! deregister. What a step overwrites (a deprecation time, launch
//! permissions) is saved in a tag before. A later run completes whatever a crash interrupted. The
//! adapter sets the pace: it stays below the provider's rate limits.

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

/// How many images or snapshots are worked on at once. With a round trip of some 100 ms this is more
/// than the 5 removals a second that the provider allows in the long run.
const IN_FLIGHT: usize = 8;
/// New work is begun only while more time than this is left: enough for the check and the steps of one
/// batch, of which each call looks whether there is any time left.
pub(crate) const MARGIN: Duration = Duration::from_secs(15);

/// Whether a run may change anything.
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
    /// It reports what it would do.
    #[default]
    Plan,
    /// It does it.
    Apply,
}
