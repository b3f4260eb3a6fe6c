//! The reasons in a plan: why an image is kept or expired.
//!
//! Every reason carries its numbers and ids. Its JSON is the documented format of a plan.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::period::Period;
use super::state_tags::{NotUnderstood, UnknownTag, UnreadableTag};
use crate::model::{
    AccountId, ImageState, LaunchPermission, ReferenceKind, ResourceText, is_false,
    join_permissions,
};
use crate::text_fmt::date;

/// A reason for a decision about an image.
#[derive(
    Debug, Clone, PartialEq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantNames,
)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// Another account owns it, or its owner is unknown.
    NotOurs {
        /// The owner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<AccountId>,
    },
    /// It is in a state in which it is never changed.
    State {
        /// That state.
        state: ImageState,
    },
    /// It is protected from deregistration.
    Protected,
    /// Another service manages it.
    ManagedElsewhere {
        /// That service.
        by: Manager,
    },
    /// A tag excludes it.
    OptedOut {
        /// Until when; absent: permanently.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// The reason that the tag gives.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Arc<str>>,
    },
    /// It is in `safety.pinned`.
    Pinned,
    /// It carries a tag of `safety.keep_tags`.
    KeepTag {
        /// The key.
        key: Arc<str>,
        /// The value.
        value: Arc<str>,
    },
    /// A tag under the prefix of the state tags is not known: another version may have written it. It
    /// is left unchanged.
    StateTagUnknown {
        /// The key.
        key: Arc<str>,
    },
    /// The value of a state tag has no known form: another version may have written it. It is left
    /// unchanged.
    StateTagUnreadable {
        /// The key.
        key: Arc<str>,
        /// The value.
        value: Arc<str>,
    },
    /// Something refers to it.
    InUse {
        /// The kind of resource that uses it.
        kind: ReferenceKind,
        /// The ARN of that resource.
        arn: Arc<str>,
        /// The version of that resource; see [`Reference::version`](crate::model::Reference::version).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Arc<str>>,
        /// Nothing that was read launches instances from it; see [`Reference::stale`](crate::model::Reference::stale).
        #[serde(default, skip_serializing_if = "is_false")]
        stale: bool,
        /// What people call it, where its ARN does not say; see [`Reference::name`](crate::model::Reference::name).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Arc<str>>,
    },
    /// Other accounts or groups may launch it.
    Shared {
        /// Who.
        with: Box<[LaunchPermission]>,
    },
    /// Its tag lists launch permissions that it does not have: a rescue did not restore them, or
    /// somebody else wrote the tag.
    SharingNotRestored {
        /// Those that it does not have.
        with: Box<[LaunchPermission]>,
    },
    /// Its tags say that a step disabled it, and a run does not enable it.
    NotEnabled {
        /// Why.
        why: NotEnabled,
    },
    /// It is unknown when it was created.
    AgeUnknown,
    /// It is in no family, because it lacks a property that the rule groups by.
    GroupUnknown {
        /// What it lacks, for example `tag:Family`.
        lacks: Arc<str>,
    },
    /// No rule matches it.
    NoRule,
    /// Its rule keeps every image.
    KeepAll,
    /// It is one of the newest of its family.
    Last {
        /// Its rank; the newest is 1.
        rank: u32,
        /// How many the rule keeps.
        of: u32,
    },
    /// It is one of the newest of its family, which are kept whatever their age.
    AtLeast {
        /// Its rank; the newest is 1.
        rank: u32,
        /// How many the rule keeps.
        of: u32,
    },
    /// It is not older than `within`.
    Within {
        /// Until when this reason holds.
        until: Timestamp,
    },
    /// It was launched within `launched_within`.
    LaunchedWithin {
        /// The last launch.
        last_launched_at: Timestamp,
        /// Until when this reason holds.
        until: Timestamp,
    },
    /// It is the newest image of an hour.
    Hourly(InPeriod),
    /// It is the newest image of a day.
    Daily(InPeriod),
    /// It is the newest image of an ISO week.
    Weekly(InPeriod),
    /// It is the newest image of a month.
    Monthly(InPeriod),
    /// It is the newest image of a year.
    Yearly(InPeriod),
    /// It carries a tag that the rule keeps.
    Tag {
        /// The key.
        key: Arc<str>,
        /// The value.
        value: Arc<str>,
    },
    /// No rule keeps it.
    Expired {
        /// Its rank in the family; the newest is 1.
        rank: u32,
        /// How many images the family has.
        of: u32,
    },
    /// Its creation failed; such an image is deregistered after a day.
    Failed {
        /// When it was created.
        created_at: Timestamp,
    },
    /// Its step is due, but the run has reached a cap.
    Deferred {
        /// The cap's key in the policy.
        cap: Cap,
        /// How many images it allows in this run.
        limit: u32,
    },
    /// Its launch permissions are too long to be saved in a tag: disabling or deregistering it
    /// would lose them permanently.
    PermissionsTooLong {
        /// The length of the tag value, in characters.
        characters: usize,
        /// The maximum length of a tag value, in characters.
        most: usize,
    },
    /// The Recycle Bin could not restore it.
    NotRecoverable {
        /// What could not be restored.
        what: Unrecoverable,
    },
    /// With whom it is shared could not be read.
    PermissionsUnread {
        /// Why.
        error: Arc<str>,
    },
    /// There was no time to read the references to it and with whom it is shared.
    Unverified,
    /// The event bus did not accept the event `Image Expired`.
    NotAnnounced,
    /// Its step is due, but the plan is refused.
    Refused,
}

/// Why a run does not enable an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotEnabled {
    /// It is protected from deregistration.
    Protected,
    /// Its deprecation time is not the one that its tags tell of: somebody else disabled it.
    TagsDisagree,
    /// None of its tags says that a step disabled it.
    NoTag,
}

/// What the Recycle Bin could not restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unrecoverable {
    /// The image: no rule covers it.
    Images,
    /// Its snapshots: no rule covers one of them.
    Snapshots,
    /// Its snapshots: the bin keeps one of them for less time than the image.
    SnapshotsSooner,
    /// The image: it is in an instance store and not on EBS, and the bin does not take such images.
    InstanceStore,
}

/// The newest image of a period, and which of the kept periods that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InPeriod {
    /// The period, in the policy's time zone.
    pub period: Period,
    /// Its rank among the periods that have an image; the latest is 1.
    pub rank: u32,
    /// How many the rule keeps.
    pub of: u32,
}

/// Another service that manages images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "title_case")]
#[expect(missing_docs, reason = "the services' names")]
pub enum Manager {
    #[strum(to_string = "AWS Backup")]
    AwsBackup,
    DataLifecycleManager,
    ImageBuilder,
}

/// A cap on what one run removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the policy's keys")]
pub enum Cap {
    MaxPerRun,
    MaxFraction,
}

impl Reason {
    /// The kinds of reasons, as in a plan's JSON.
    pub const KINDS: &[&str] = <Self as strum::VariantNames>::VARIANTS;

    /// Whether the state of the image is not understood: then no step is taken, and none undone.
    pub fn is_unknown_state(&self) -> bool {
        matches!(self, Self::StateTagUnknown { .. } | Self::StateTagUnreadable { .. })
    }

    /// The kind of this reason: one of [`Self::KINDS`].
    pub fn kind(&self) -> &'static str {
        self.into()
    }
}

impl From<NotUnderstood> for Reason {
    fn from(tag: NotUnderstood) -> Self {
        match tag {
            NotUnderstood::Key(key) => Self::StateTagUnknown { key },
            NotUnderstood::Value(key, value) => Self::StateTagUnreadable { key, value },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs { owner: Some(owner) } => write!(f, "owned by {owner}"),
            Self::NotOurs { owner: None } => f.write_str("owner unknown"),
            Self::State { state } => write!(f, "state {state}"),
            Self::Protected => f.write_str("deregistration protection"),
            Self::ManagedElsewhere { by } => write!(f, "managed by {by}"),
            Self::OptedOut { until, note } => {
                f.write_str("opted out by tag")?;
                until.map_or(Ok(()), |until| write!(f, " until {}", date(until)))?;
                note.as_ref().map_or(Ok(()), |note| write!(f, " ({note})"))
            }
            Self::Pinned => f.write_str("pinned by the policy"),
            Self::KeepTag { key, value } => write!(f, "tag {key}={value} in safety.keep_tags"),
            Self::StateTagUnknown { key } => write!(f, "{}", UnknownTag(key)),
            Self::StateTagUnreadable { key, value } => write!(f, "{}", UnreadableTag(key, value)),
            Self::InUse { kind, arn, version, stale, name } => {
                let (version, name) = (version.as_deref(), name.as_deref());
                let resource = ResourceText { kind, arn, version, name };
                let unused = if *stale { ", used by no group" } else { "" };
                write!(f, "in use: {resource}{unused}")
            }
            Self::Shared { with } => write!(f, "shared with {}", join_permissions(with, ", ")),
            Self::SharingNotRestored { with } => write!(
                f,
                "its tag lists launch permissions that it does not have ({}): restore the image, or remove the tag",
                join_permissions(with, ", ")
            ),
            Self::NotEnabled { why: NotEnabled::Protected } => {
                f.write_str("stays disabled because of the protection; only `restore` enables it")
            }
            Self::NotEnabled { why: NotEnabled::NoTag } => {
                f.write_str("stays disabled: no tag says that a step disabled it")
            }
            Self::NotEnabled { why: NotEnabled::TagsDisagree } => f.write_str(
                "stays disabled: its deprecation time is not that of its tags; only `restore` enables it",
            ),
            Self::AgeUnknown => f.write_str("age unknown"),
            Self::GroupUnknown { lacks } => write!(f, "family unknown: no {lacks}"),
            Self::NoRule => f.write_str("no rule matches"),
            Self::KeepAll => f.write_str("its rule keeps all"),
            Self::Last { rank, of } => write!(f, "last {rank} of {of}"),
            Self::AtLeast { rank, of } => write!(f, "at least {of}: is number {rank}"),
            Self::Within { until } => write!(f, "young until {}", date(*until)),
            Self::LaunchedWithin { last_launched_at, until } => {
                write!(f, "launched {}, counts until {}", date(*last_launched_at), date(*until))
            }
            Self::Hourly(period) => write!(f, "hourly {period}"),
            Self::Daily(period) => write!(f, "daily {period}"),
            Self::Weekly(period) => write!(f, "weekly {period}"),
            Self::Monthly(period) => write!(f, "monthly {period}"),
            Self::Yearly(period) => write!(f, "yearly {period}"),
            Self::Tag { key, value } => write!(f, "tag {key}={value}"),
            Self::Expired { rank, of } => write!(f, "expired: number {rank} of {of}"),
            Self::Failed { created_at } => write!(f, "failed {}", date(*created_at)),
            Self::Deferred { cap, limit } => write!(f, "deferred: {cap} allows {limit}"),
            Self::PermissionsTooLong { characters, most } => write!(
                f,
                "its launch permissions take {characters} characters, and a tag holds {most}"
            ),
            Self::NotRecoverable { what } => f.write_str(match what {
                Unrecoverable::Images => "the Recycle Bin's rules leave it out",
                Unrecoverable::Snapshots => "the Recycle Bin's rules leave its snapshots out",
                Unrecoverable::SnapshotsSooner => {
                    "the Recycle Bin keeps its snapshots for less time than the image"
                }
                Unrecoverable::InstanceStore => {
                    "the Recycle Bin accepts only images with EBS snapshots"
                }
            }),
            Self::PermissionsUnread { error } => {
                write!(f, "sharing permissions could not be read: {error}")
            }
            Self::Unverified => {
                f.write_str("no time left to read what refers to it and with whom it is shared")
            }
            Self::NotAnnounced => f.write_str("the event bus did not accept its notice"),
            Self::Refused => f.write_str("refused"),
        }
    }
}

impl fmt::Display for InPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { period, rank, of } = self;
        write!(f, "{period} ({rank} of {of})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_are_those_of_the_json() {
        // A wrong kind is answered with the list of all of them.
        let error = serde_json::from_str::<Reason>(r#"{"reason":"?"}"#).unwrap_err().to_string();
        let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, Reason::KINDS);
    }
}
