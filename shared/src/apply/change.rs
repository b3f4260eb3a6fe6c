//! What is no longer as it was planned for.

use std::fmt;

use serde::Serialize;

use crate::model::{ImageId, ImageState};
use crate::plan::Action;
use crate::plan::reason::Reason;
use crate::plan::snapshots::{SnapshotAction, SnapshotReason};

/// How a resource differs from what the plan was made for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// It no longer exists.
    Gone,
    /// Something keeps the image now.
    Kept {
        /// Every reason.
        reasons: Vec<Reason>,
    },
    /// Something keeps the snapshot now.
    SnapshotKept {
        /// Every reason.
        reasons: Vec<SnapshotReason>,
    },
    /// The image has other snapshots.
    Snapshots,
    /// The image is in another state.
    State {
        /// The state now.
        state: ImageState,
    },
    /// The image has other launch permissions.
    LaunchPermissions,
    /// The deprecation time of the image is another one.
    Deprecation,
    /// The snapshots of the image would be treated differently now.
    SnapshotFate,
    /// Other steps would have to be undone now.
    Undo,
    /// The image of the orphaned snapshot exists.
    ImageExists {
        /// That image.
        image: ImageId,
    },
    /// Another action would be planned for the image now.
    Action {
        /// The kind of that action.
        action: &'static str,
        /// Every reason for it.
        reasons: Vec<Reason>,
    },
    /// Another action would be planned for the snapshot now.
    SnapshotAction {
        /// That action.
        action: SnapshotAction,
        /// Every reason for it.
        reasons: Vec<SnapshotReason>,
    },
    /// Nothing would be planned for the snapshot now.
    NotPlanned,
}

impl Change {
    /// Another action for an image.
    pub fn action(action: &Action, reasons: &[Reason]) -> Self {
        Self::Action { action: action.kind(), reasons: reasons.to_vec() }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("it no longer exists"),
            Self::Kept { reasons } => list(f, reasons),
            Self::SnapshotKept { reasons } => list(f, reasons),
            Self::Snapshots => f.write_str("its snapshots changed since planning"),
            Self::State { state } => write!(f, "its state is now {state}"),
            Self::LaunchPermissions => f.write_str("launch permissions changed since planning"),
            Self::Deprecation => f.write_str("its deprecation time changed since planning"),
            Self::SnapshotFate => {
                f.write_str("its snapshots would be treated differently than planned")
            }
            Self::Undo => f.write_str("the steps to undo changed since planning"),
            Self::ImageExists { image } => write!(f, "its image {image} exists"),
            Self::Action { action, reasons } => {
                write!(f, "now: {action} (")?;
                list(f, reasons)?;
                f.write_str(")")
            }
            Self::SnapshotAction { action, reasons } => {
                write!(f, "now: {action} (")?;
                list(f, reasons)?;
                f.write_str(")")
            }
            Self::NotPlanned => f.write_str("nothing would be done now"),
        }
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if index > 0 { ", " } else { "" })?;
    }
    Ok(())
}
