//! Changes since planning: differences between a resource now and in the plan.

use std::fmt;

use serde::Serialize;

use crate::model::{ImageId, ImageState, InWords, ProviderWords, join_in_words};
use crate::plan::Action;
use crate::plan::reason::Reason;
use crate::plan::snapshots::{SnapshotAction, SnapshotReason};

/// A difference between a resource now and the resource that the plan was computed for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The resource no longer exists.
    Gone,
    /// A reason to keep the image has appeared.
    Kept {
        /// All reasons, including those that the plan already listed.
        reasons: Vec<Reason>,
    },
    /// A reason to keep the snapshot has appeared.
    SnapshotKept {
        /// All reasons.
        reasons: Vec<SnapshotReason>,
    },
    /// The image's list of snapshots changed.
    Snapshots,
    /// The image's state changed.
    State {
        /// The state that the provider reports now.
        state: ImageState,
    },
    /// The image's launch permissions changed.
    LaunchPermissions,
    /// The image's deprecation time changed.
    Deprecation,
    /// What happens to the image's snapshots would differ from the plan.
    SnapshotFate,
    /// The set of steps to undo changed.
    Undo,
    /// The image of the presumed orphan still exists.
    ImageExists {
        /// The image that exists.
        image: ImageId,
    },
    /// The plan would now contain another action for the image.
    Action {
        /// The action that a plan would contain now, as [`Action::kind`] names it.
        action: &'static str,
        /// All reasons for that action.
        reasons: Vec<Reason>,
    },
    /// The plan would now contain another action for the snapshot.
    SnapshotAction {
        /// The action that a plan would contain now.
        action: SnapshotAction,
        /// All reasons for that action.
        reasons: Vec<SnapshotReason>,
    },
    /// The plan would no longer contain the snapshot.
    NotPlanned,
}

impl Change {
    /// Returns the change for an image whose planned action would now be `action`.
    pub fn action(action: &Action, reasons: &[Reason]) -> Self {
        Self::Action { action: action.kind(), reasons: reasons.to_vec() }
    }
}

impl InWords for Change {
    fn format(&self, words: &ProviderWords, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("no longer exists"),
            Self::Kept { reasons } => f.write_str(&join_in_words(reasons, words, ", ")),
            Self::SnapshotKept { reasons } => f.write_str(&join_in_words(reasons, words, ", ")),
            Self::Snapshots => f.write_str("snapshots changed since planning"),
            Self::State { state } => {
                write!(f, "state changed to {} since planning", state.in_words(words))
            }
            Self::LaunchPermissions => write!(f, "{} changed since planning", words.permissions),
            Self::Deprecation => write!(f, "{} changed since planning", words.deprecation_time),
            Self::SnapshotFate => {
                f.write_str("the planned handling of its snapshots no longer applies")
            }
            Self::Undo => f.write_str("the steps to undo changed since planning"),
            Self::ImageExists { image } => write!(f, "its image {} exists", image.short()),
            Self::Action { action, reasons } => {
                let (action, why) = (words.step(action), join_in_words(reasons, words, ", "));
                write!(f, "the action would now be {action} ({why})")
            }
            Self::SnapshotAction { action, reasons } => {
                let why = join_in_words(reasons, words, ", ");
                write!(f, "the action would now be {action} ({why})")
            }
            Self::NotPlanned => f.write_str("no action would be planned now"),
        }
    }
}
