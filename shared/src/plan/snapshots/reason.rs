//! Why a snapshot is kept, or goes.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ImageId, ReferenceKind, ResourceText, VolumePermission, join_permissions};
use crate::plan::reason::Manager;
use crate::plan::state_tags::{NotUnderstood, UnknownTag, UnreadableTag};
use crate::text_fmt::minute;

/// One reason for a decision about a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SnapshotReason {
    /// Its image is gone, and its time has come.
    Due {
        /// When that was.
        since: Timestamp,
    },
    /// Its time has not come.
    NotBefore {
        /// When it will.
        at: Timestamp,
    },
    /// A tag under the prefix of the state tags is not known: another version may have written it.
    StateTagUnknown {
        /// The key.
        key: Arc<str>,
    },
    /// The value of a state tag has no known form: another version may have written it.
    StateTagUnreadable {
        /// The key.
        key: Arc<str>,
        /// The value.
        value: Arc<str>,
    },
    /// Its tag `delete-after` was removed.
    NotMarked,
    /// Its mark is from before it was made: it came with the tags of another snapshot.
    MarkCopied {
        /// When the mark was written.
        at: Timestamp,
        /// When the snapshot was made.
        started_at: Timestamp,
    },
    /// It does not say which image it backed.
    ImageUnknown,
    /// The image that it backs still exists.
    ImageExists {
        /// That image.
        image: ImageId,
    },
    /// An image uses it.
    UsedBy {
        /// That image.
        image: ImageId,
    },
    /// Somebody tagged it to be left alone.
    OptedOut {
        /// Until when; absent: for good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// The reason that the tag gives.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Arc<str>>,
    },
    /// It carries a tag of `safety.keep_tags`.
    KeepTag {
        /// The key.
        key: Arc<str>,
        /// The value.
        value: Arc<str>,
    },
    /// Another service looks after it.
    ManagedElsewhere {
        /// That service.
        by: Manager,
    },
    /// The image that it was made for is gone, and nothing of ours says so.
    Orphaned {
        /// That image.
        image: ImageId,
    },
    /// The policy does not say what becomes of orphans.
    OrphansStay,
    /// It is so young that its image may not be listed yet.
    TooYoung {
        /// Until when.
        until: Timestamp,
    },
    /// Its tag or its description names an image, and that cannot be believed: it may be a copy.
    OriginUnverified {
        /// That image.
        image: ImageId,
    },
    /// The image that it backed lies in the Recycle Bin, and could not be restored without it.
    ImageInRecycleBin {
        /// That image.
        image: ImageId,
    },
    /// It is not known whether the image that it backed lies in the Recycle Bin.
    RecycleBinUnread,
    /// Nothing that EC2 wrote says that it was made for an image, and tags alone are not believed.
    NotAttributed,
    /// EC2 does not say when the image that it backed entered the Recycle Bin.
    EntryUnknown {
        /// That image.
        image: ImageId,
    },
    /// The Recycle Bin keeps its image for longer than it would keep the snapshot.
    ImageKeptLonger {
        /// That image.
        image: ImageId,
        /// Until when the image is kept.
        until: Timestamp,
    },
    /// It is locked against deletion.
    Locked,
    /// Others may make volumes from it.
    Shared {
        /// Who.
        with: Box<[VolumePermission]>,
    },
    /// Something else than an image names it.
    NamedBy {
        /// The kind of resource that names it.
        kind: ReferenceKind,
        /// The ARN of that resource.
        arn: Arc<str>,
        /// The version of that resource; see [`Reference::version`](crate::model::Reference::version).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Arc<str>>,
    },
    /// The Recycle Bin's rules leave it out: it could not be brought back.
    NotRecoverable,
    /// With whom it is shared could not be read.
    PermissionsUnread {
        /// Why.
        error: Arc<str>,
    },
    /// A cap of this run is used up.
    Deferred {
        /// The cap's key in the policy.
        cap: SnapshotCap,
        /// How many snapshots it allows in this run.
        limit: u32,
    },
    /// Time did not suffice to read with whom it is shared.
    Unverified,
    /// The event bus did not accept the event `Snapshot Marked`.
    NotAnnounced,
    /// Its time has come, but the plan refuses to delete anything.
    Refused,
}

/// A cap on what one run does about snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SnapshotCap {
    /// On the orphans that are tagged.
    MaxPerRun,
    /// On the snapshots that are deleted.
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
    /// Whether the state of the snapshot is not understood: then its tags are not changed either.
    pub(in crate::plan) fn is_unknown_state(&self) -> bool {
        matches!(self, Self::StateTagUnknown { .. } | Self::StateTagUnreadable { .. })
    }

    /// The kind of this reason, as in the JSON.
    pub fn kind(&self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for SnapshotReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Due { since } => write!(f, "image gone, due since {}", minute(*since)),
            Self::NotBefore { at } => write!(f, "not before {}", minute(*at)),
            Self::StateTagUnknown { key } => write!(f, "{}", UnknownTag(key)),
            Self::StateTagUnreadable { key, value } => write!(f, "{}", UnreadableTag(key, value)),
            Self::MarkCopied { at, started_at } => {
                let (at, made) = (minute(*at), minute(*started_at));
                write!(f, "delete-after is from {at}, but the snapshot was made {made}: a copied tag")
            }
            Self::NotMarked => f.write_str("its tag delete-after was removed"),
            Self::ImageUnknown => f.write_str("its image is not known"),
            Self::ImageExists { image } => write!(f, "its image {image} exists"),
            Self::UsedBy { image } => write!(f, "used by {image}"),
            Self::OptedOut { until, note } => {
                f.write_str("opted out by tag")?;
                until.map_or(Ok(()), |until| write!(f, " until {}", minute(until)))?;
                note.as_ref().map_or(Ok(()), |note| write!(f, " ({note})"))
            }
            Self::KeepTag { key, value } => write!(f, "tag {key}={value} in safety.keep_tags"),
            Self::ManagedElsewhere { by } => write!(f, "managed by {by}"),
            Self::Orphaned { image } => write!(f, "orphan of {image}"),
            Self::OrphansStay => f.write_str("the policy has no [orphans]"),
            Self::TooYoung { until } => write!(f, "too young until {}", minute(*until)),
            Self::OriginUnverified { image } => {
                write!(f, "it names {image}, but may be a copy of another snapshot")
            }
            Self::ImageInRecycleBin { image } => write!(f, "{image} is in the Recycle Bin"),
            Self::RecycleBinUnread => f.write_str("the Recycle Bin was not read"),
            Self::NotAttributed => f.write_str(
                "its description does not say that EC2 made it for an image, and tags alone are not believed",
            ),
            Self::EntryUnknown { image } => {
                write!(f, "when {image} entered the Recycle Bin is not known")
            }
            Self::ImageKeptLonger { image, until } => write!(
                f,
                "the Recycle Bin keeps {image} until {}, and would keep the snapshot for less time",
                minute(*until)
            ),
            Self::Locked => f.write_str("locked"),
            Self::Shared { with } => write!(f, "shared with {}", join_permissions(with, ", ")),
            Self::NamedBy { kind, arn, version } => {
                let version = version.as_deref();
                write!(f, "named by {}", ResourceText { kind, arn, version, name: None })
            }
            Self::PermissionsUnread { error } => {
                write!(f, "sharing permissions could not be read: {error}")
            }
            Self::NotRecoverable => f.write_str("the Recycle Bin's rules leave it out"),
            Self::Deferred { cap, limit } => write!(f, "deferred: {cap} allows {limit}"),
            Self::Unverified => f.write_str("no time left to read with whom it is shared"),
            Self::NotAnnounced => f.write_str("the event bus did not accept its notice"),
            Self::Refused => f.write_str("refused"),
        }
    }
}
