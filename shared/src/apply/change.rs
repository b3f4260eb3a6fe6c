//! Changes since planning: differences between a resource now and in the plan.

use std::fmt;

use serde::Serialize;

use crate::model::{ImageId, ImageState};
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

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("no longer exists"),
            Self::Kept { reasons } => list(f, reasons),
            Self::SnapshotKept { reasons } => list(f, reasons),
            Self::Snapshots => f.write_str("snapshots changed since planning"),
            Self::State { state } => write!(f, "state changed to {state} since planning"),
            Self::LaunchPermissions => f.write_str("launch permissions changed since planning"),
            Self::Deprecation => f.write_str("deprecation time changed since planning"),
            Self::SnapshotFate => {
                f.write_str("the planned handling of its snapshots no longer applies")
            }
            Self::Undo => f.write_str("the steps to undo changed since planning"),
            Self::ImageExists { image } => write!(f, "its image {image} exists"),
            Self::Action { action, reasons } => {
                write!(f, "the action would now be {action} (")?;
                list(f, reasons)?;
                f.write_str(")")
            }
            Self::SnapshotAction { action, reasons } => {
                write!(f, "the action would now be {action} (")?;
                list(f, reasons)?;
                f.write_str(")")
            }
            Self::NotPlanned => f.write_str("no action would be planned now"),
        }
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if index > 0 { ", " } else { "" })?;
    }
    Ok(())
}
