//! The reasons in a snapshot plan: why a snapshot is kept or deleted.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{
    ImageId, InWords, ProviderWords, ReferenceKind, ResourceText, VolumePermission,
    join_permissions,
};
use crate::plan::reason::Manager;
use crate::plan::state_tags::{NotUnderstood, UnknownTag, UnreadableTag};
use crate::text_fmt::minute;

/// A reason for a decision about a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SnapshotReason {
    /// The image of the snapshot no longer exists, and the waiting time has passed.
    Due {
        /// When the waiting time ended.
        since: Timestamp,
    },
    /// The waiting time has not passed.
    NotBefore {
        /// When the waiting time ends.
        at: Timestamp,
    },
    /// The snapshot has an unknown tag with the prefix of the state tags. Another version may have
    /// written it.
    StateTagUnknown {
        /// The tag key.
        key: Arc<str>,
    },
    /// A state tag has a value of an unknown form. Another version may have written it.
    StateTagUnreadable {
        /// The tag key.
        key: Arc<str>,
        /// The tag value.
        value: Arc<str>,
    },
    /// The tag `delete-after` was removed from the snapshot.
    NotMarked,
    /// The tag `delete-after` was written before the snapshot was created, so it was copied from
    /// another snapshot.
    MarkCopied {
        /// When the tag was written.
        at: Timestamp,
        /// When the snapshot was started.
        started_at: Timestamp,
    },
    /// The snapshot has no tag that names the image that it backed.
    ImageUnknown,
    /// The image of the snapshot still exists.
    ImageExists {
        /// The image.
        image: ImageId,
    },
    /// An image uses the snapshot.
    UsedBy {
        /// The image.
        image: ImageId,
    },
    /// A tag excludes the snapshot.
    OptedOut {
        /// When the exclusion ends; absent if it is permanent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// The reason in the tag.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Arc<str>>,
    },
    /// The snapshot has a tag that matches `safety.keep_tags`.
    KeepTag {
        /// The tag key.
        key: Arc<str>,
        /// The tag value.
        value: Arc<str>,
    },
    /// Another service manages the snapshot.
    ManagedElsewhere {
        /// The service.
        by: Manager,
    },
    /// The image that the snapshot was created for no longer exists, and no run deregistered it.
    Orphaned {
        /// The image.
        image: ImageId,
    },
    /// The policy has no `[orphans]`, so orphans are kept.
    OrphansStay,
    /// The snapshot is so recent that its image may not be listed yet.
    TooYoung {
        /// When this reason ends.
        until: Timestamp,
    },
    /// The tag or the description of the snapshot names an image, but the snapshot may be a copy.
    OriginUnverified {
        /// The image that is named.
        image: ImageId,
    },
    /// The image that the snapshot backed is in the Recycle Bin, and could not be restored without
    /// the snapshot.
    ImageInRecycleBin {
        /// The image.
        image: ImageId,
    },
    /// The Recycle Bin was not read, so it is unknown whether the image is there.
    RecycleBinUnread,
    /// EC2 does not attribute the snapshot to an image, and tags alone are not sufficient.
    NotAttributed,
    /// EC2 does not report when the image that the snapshot backed entered the Recycle Bin.
    EntryUnknown {
        /// The image.
        image: ImageId,
    },
    /// The Recycle Bin retains the image for longer than it would retain the snapshot.
    ImageKeptLonger {
        /// The image.
        image: ImageId,
        /// When the image leaves the Recycle Bin.
        until: Timestamp,
    },
    /// The snapshot is locked against deletion.
    Locked,
    /// Other accounts may create volumes from the snapshot.
    Shared {
        /// Who may create volumes.
        with: Box<[VolumePermission]>,
    },
    /// A resource other than an image refers to the snapshot.
    NamedBy {
        /// The kind of the resource.
        kind: ReferenceKind,
        /// The ARN of the resource.
        arn: Arc<str>,
        /// The version of the resource; see
        /// [`Reference::version`](crate::model::Reference::version).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Arc<str>>,
    },
    /// No Recycle Bin rule covers the snapshot, so it could not be restored.
    NotRecoverable,
    /// The volume permissions could not be read.
    PermissionsUnread {
        /// The error of the call.
        error: Arc<str>,
    },
    /// Deleting or tagging is due, but the run has reached a limit.
    Deferred {
        /// The key of the limit in the policy.
        cap: SnapshotCap,
        /// The number of snapshots that the limit allows in this run.
        limit: u32,
    },
    /// There was no time to read the volume permissions.
    Unverified,
    /// The event bus did not accept the event `Snapshot Marked`.
    NotAnnounced,
    /// Deleting or tagging is due, but the plan is refused.
    Refused,
}

/// A limit on the number of snapshots that a run changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SnapshotCap {
    /// The limit on orphans that are tagged.
    MaxPerRun,
    /// The limit on snapshots that are deleted.
    MaxSnapshotsPerRun,
}

impl From<NotUnderstood> for SnapshotReason {
    fn from(tag: NotUnderstood) -> Self {
        match tag {
            NotUnderstood::Key(key) => Self::StateTagUnknown { key },
            NotUnderstood::Value(key, value) => Self::StateTagUnreadable { key, value },
        }
    }
}

impl SnapshotReason {
    /// Whether the state of the snapshot is not understood. Then its tags are not changed either.
    pub(in crate::plan) fn is_unknown_state(&self) -> bool {
        matches!(self, Self::StateTagUnknown { .. } | Self::StateTagUnreadable { .. })
    }

    /// The name of the kind of this reason, as in the JSON of a plan.
    pub fn kind(&self) -> &'static str {
        self.into()
    }
}

impl InWords for SnapshotReason {
    fn format(&self, words: &ProviderWords, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProviderWords { bin, in_bin, .. } = words;
        match self {
            Self::Due { since } => {
                write!(f, "image no longer exists, due since {}", minute(*since))
            }
            Self::NotBefore { at } => write!(f, "not before {}", minute(*at)),
            Self::StateTagUnknown { key } => write!(f, "{}", UnknownTag(key)),
            Self::StateTagUnreadable { key, value } => write!(f, "{}", UnreadableTag(key, value)),
            Self::MarkCopied { at, started_at } => {
                let (at, started) = (minute(*at), minute(*started_at));
                write!(
                    f,
                    "copied tag: delete-after is from {at}, but the snapshot was created {started}"
                )
            }
            Self::NotMarked => f.write_str("the tag delete-after was removed"),
            Self::ImageUnknown => f.write_str("its image is unknown"),
            Self::ImageExists { image } => write!(f, "its image {} exists", image.short()),
            Self::UsedBy { image } => write!(f, "used by {}", image.short()),
            Self::OptedOut { until, note } => {
                f.write_str("excluded by tag")?;
                until.map_or(Ok(()), |until| write!(f, " until {}", minute(until)))?;
                note.as_ref().map_or(Ok(()), |note| write!(f, " ({note})"))
            }
            Self::KeepTag { key, value } => write!(f, "tag {key}={value} matches safety.keep_tags"),
            Self::ManagedElsewhere { by } => write!(f, "managed by {by}"),
            Self::Orphaned { image } => write!(f, "orphan of {}", image.short()),
            Self::OrphansStay => f.write_str("the policy has no [orphans]"),
            Self::TooYoung { until } => write!(f, "too recent until {}", minute(*until)),
            Self::OriginUnverified { image } => {
                let image = image.short();
                write!(f, "attributed to {image}, but may be a copy of another snapshot")
            }
            Self::ImageInRecycleBin { image } => write!(f, "{} is {in_bin}", image.short()),
            Self::RecycleBinUnread => f.write_str(words.bin_unread),
            Self::NotAttributed => {
                write!(f, "{}, and tags are not sufficient", words.not_attributed)
            }
            Self::EntryUnknown { image } => {
                write!(f, "the time at which {} entered {bin} is unknown", image.short())
            }
            Self::ImageKeptLonger { image, until } => write!(
                f,
                "{bin} retains {} until {}, but the snapshot for less time",
                image.short(),
                minute(*until)
            ),
            Self::Locked => f.write_str("locked"),
            Self::Shared { with } => write!(f, "shared with {}", join_permissions(with, ", ")),
            Self::NamedBy { kind, arn, version } => {
                let version = version.as_deref();
                write!(f, "referenced by {}", ResourceText { kind, arn, version, name: None })
            }
            Self::PermissionsUnread { error } => {
                write!(f, "{} could not be read: {error}", words.snapshot_permissions)
            }
            Self::NotRecoverable => write!(f, "{} covers it", words.no_bin_rule),
            Self::Deferred { cap, limit } => write!(f, "deferred: {cap} allows {limit}"),
            Self::Unverified => {
                write!(f, "no time left to read its {}", words.snapshot_permissions)
            }
            Self::NotAnnounced => {
                f.write_str("the event bus did not accept the event Snapshot Marked")
            }
            Self::Refused => f.write_str("plan refused"),
        }
    }
}
