//! The reasons in a plan: why an image is kept or expired.
//!
//! Every reason contains its numbers and IDs. Its JSON form is part of the documented format of
//! plans.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::period::Period;
use super::state_tags::{NotUnderstood, UnknownTag, UnreadableTag};
use crate::model::{
    AccountId, ImageState, InWords, LaunchPermission, ProviderWords, ReferenceKind, ResourceText,
    is_false, join_permissions,
};
use crate::text_fmt::{counted, date, ordinal};

/// A reason for a decision about an image.
#[derive(
    Debug, Clone, PartialEq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantNames,
)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// Another account owns the image, or its owner is unknown.
    NotOurs {
        /// The account ID of the owner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<AccountId>,
    },
    /// The image is in a state in which it is never changed.
    State {
        /// The state of the image.
        state: ImageState,
    },
    /// The image has deregistration protection.
    Protected {
        /// What protects it, if the provider reports it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Arc<str>>,
    },
    /// Another service manages the image.
    ManagedElsewhere {
        /// The service.
        by: Manager,
    },
    /// A tag excludes the image.
    OptedOut {
        /// When the exclusion ends; absent if it is permanent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// The reason in the tag.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Arc<str>>,
    },
    /// The image is listed in `safety.pinned`.
    Pinned,
    /// The image has a tag that matches `safety.keep_tags`.
    KeepTag {
        /// The tag key.
        key: Arc<str>,
        /// The tag value.
        value: Arc<str>,
    },
    /// The image has an unknown tag with the prefix of the state tags. Another version may have
    /// written it. The image is not changed.
    StateTagUnknown {
        /// The tag key.
        key: Arc<str>,
    },
    /// A state tag has a value of an unknown form. Another version may have written it. The image
    /// is not changed.
    StateTagUnreadable {
        /// The tag key.
        key: Arc<str>,
        /// The tag value.
        value: Arc<str>,
    },
    /// A resource uses the image.
    InUse {
        /// The kind of the resource.
        kind: ReferenceKind,
        /// The ARN of the resource.
        arn: Arc<str>,
        /// The version of the resource; see
        /// [`Reference::version`](crate::model::Reference::version).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Arc<str>>,
        /// Whether nothing that was read launches instances from the resource; see
        /// [`Reference::stale`](crate::model::Reference::stale).
        #[serde(default, skip_serializing_if = "is_false")]
        stale: bool,
        /// The name of the resource, if its ARN does not contain it; see
        /// [`Reference::name`](crate::model::Reference::name).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Arc<str>>,
    },
    /// The image is shared with other accounts, or is public.
    Shared {
        /// Who may launch the image.
        with: Box<[LaunchPermission]>,
    },
    /// The image lacks launch permissions that are saved in its state tag. Either a rescue did not
    /// restore them, or somebody else wrote the tag.
    SharingNotRestored {
        /// The permissions that the image lacks.
        with: Box<[LaunchPermission]>,
    },
    /// The state tags record that a step disabled the image, but a run does not enable it.
    NotEnabled {
        /// Why it is not enabled.
        why: NotEnabled,
    },
    /// The creation time of the image is unknown.
    AgeUnknown,
    /// The image is in no family, because it lacks a property in `group_by`.
    GroupUnknown {
        /// The property that the image lacks, for example `tag:Family`.
        lacks: Arc<str>,
    },
    /// No rule matches the image.
    NoRule,
    /// The rule keeps every image.
    KeepAll,
    /// The image is one of the newest of its family.
    Last {
        /// The rank of the image; the newest is 1.
        rank: u32,
        /// The number of images that the rule keeps.
        of: u32,
    },
    /// The image is one of the newest of its family, which are kept whatever their age.
    AtLeast {
        /// The rank of the image; the newest is 1.
        rank: u32,
        /// The number of images that the rule keeps.
        of: u32,
    },
    /// The image is not older than `within`.
    Within {
        /// When this reason ends.
        until: Timestamp,
    },
    /// The image was launched within `launched_within`.
    LaunchedWithin {
        /// When the image was last launched.
        last_launched_at: Timestamp,
        /// When this reason ends.
        until: Timestamp,
    },
    /// The image is the newest of an hour.
    Hourly(InPeriod),
    /// The image is the newest of a day.
    Daily(InPeriod),
    /// The image is the newest of an ISO week.
    Weekly(InPeriod),
    /// The image is the newest of a month.
    Monthly(InPeriod),
    /// The image is the newest of a year.
    Yearly(InPeriod),
    /// The image has a tag that matches `keep.tags`.
    Tag {
        /// The tag key.
        key: Arc<str>,
        /// The tag value.
        value: Arc<str>,
    },
    /// No keep rule matches the image.
    Expired {
        /// The rank of the image in its family; the newest is 1.
        rank: u32,
        /// The number of images in the family.
        of: u32,
    },
    /// The creation of the image failed. Such an image is deregistered after one day.
    Failed {
        /// When the image was created.
        created_at: Timestamp,
    },
    /// A step is due, but the run has reached a limit.
    Deferred {
        /// The key of the limit in the policy.
        cap: Cap,
        /// The number of images that the limit allows in this run.
        limit: u32,
    },
    /// The launch permissions are too long to save in a tag. Disabling or deregistering the image
    /// would lose them permanently.
    PermissionsTooLong {
        /// The length of the tag value in characters.
        characters: usize,
        /// The maximum length of a tag value in characters.
        most: usize,
    },
    /// The Recycle Bin could not restore the image.
    NotRecoverable {
        /// What could not be restored.
        what: Unrecoverable,
    },
    /// The launch permissions could not be read.
    PermissionsUnread {
        /// The error of the call.
        error: Arc<str>,
    },
    /// There was no time to read the references and the launch permissions.
    Unverified,
    /// The event bus did not accept the event `Image Expired`.
    NotAnnounced,
    /// A step is due, but the plan is refused.
    Refused,
}

/// Why a run does not enable an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotEnabled {
    /// The image has deregistration protection.
    Protected,
    /// The deprecation time of the image differs from the one in its state tags, so somebody else
    /// disabled it.
    TagsDisagree,
    /// No state tag records that a step disabled the image.
    NoTag,
}

/// What the Recycle Bin could not restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unrecoverable {
    /// The image, because no rule covers it.
    Images,
    /// The snapshots, because no rule covers one of them.
    Snapshots,
    /// The snapshots, because one of them is retained for less time than the image.
    SnapshotsSooner,
    /// The image, because it is in an instance store. The Recycle Bin accepts only images on EBS.
    InstanceStore,
    /// The image, because its provider or its gallery cannot recover it.
    Unsupported,
    /// The image, because it can be recovered for less time than the policy requires.
    Sooner {
        /// The number of days for which the image can be recovered.
        days: u32,
    },
}

/// The newest image of a period, and the rank of the period among those that the rule keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InPeriod {
    /// The period, in the policy's time zone.
    pub period: Period,
    /// The rank of the period among the periods that have an image; the latest is 1.
    pub rank: u32,
    /// The number of periods that the rule keeps.
    pub of: u32,
}

/// Another service that manages images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "title_case")]
#[expect(missing_docs, reason = "the services' names")]
pub enum Manager {
    AzureBackup,
    #[strum(to_string = "AWS Backup")]
    AwsBackup,
    DataLifecycleManager,
    ImageBuilder,
}

/// A limit on the number of removals in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the policy's keys")]
pub enum Cap {
    MaxPerRun,
    MaxFraction,
}

impl Reason {
    /// The names of all kinds of reasons, as in the JSON of a plan.
    pub const KINDS: &[&str] = <Self as strum::VariantNames>::VARIANTS;

    /// Whether the state of the image is not understood. Then no step is applied or undone.
    pub fn is_unknown_state(&self) -> bool {
        matches!(self, Self::StateTagUnknown { .. } | Self::StateTagUnreadable { .. })
    }

    /// The name of the kind of this reason: one of [`Self::KINDS`].
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

impl InWords for Reason {
    fn format(&self, words: &ProviderWords, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProviderWords { permissions, protection, deprecation_time, bin, no_bin_rule, .. } =
            words;
        match self {
            Self::NotOurs { owner: Some(owner) } => write!(f, "owned by {owner}"),
            Self::NotOurs { owner: None } => f.write_str("owner unknown"),
            Self::State { state } => write!(f, "state {}", state.in_words(words)),
            Self::Protected { by: None } => f.write_str(protection),
            Self::Protected { by: Some(by) } => write!(f, "protected by {by}"),
            Self::ManagedElsewhere { by } => write!(f, "managed by {by}"),
            Self::OptedOut { until, note } => {
                f.write_str("excluded by tag")?;
                until.map_or(Ok(()), |until| write!(f, " until {}", date(until)))?;
                note.as_ref().map_or(Ok(()), |note| write!(f, " ({note})"))
            }
            Self::Pinned => f.write_str("pinned by the policy"),
            Self::KeepTag { key, value } => write!(f, "tag {key}={value} matches safety.keep_tags"),
            Self::StateTagUnknown { key } => write!(f, "{}", UnknownTag(key)),
            Self::StateTagUnreadable { key, value } => write!(f, "{}", UnreadableTag(key, value)),
            Self::InUse { kind, arn, version, stale, name } => {
                let (version, name) = (version.as_deref(), name.as_deref());
                let resource = ResourceText { kind, arn, version, name };
                let stale = if *stale { " (stale)" } else { "" };
                write!(f, "in use: {resource}{stale}")
            }
            Self::Shared { with } => write!(f, "shared with {}", join_permissions(with, ", ")),
            Self::SharingNotRestored { with } => write!(
                f,
                "{permissions} saved in its state tag are missing ({}); restore the image, or remove the tag",
                join_permissions(with, ", ")
            ),
            Self::NotEnabled { why: NotEnabled::Protected } => {
                write!(f, "not enabled: {protection}; to enable it, use `restore`")
            }
            Self::NotEnabled { why: NotEnabled::NoTag } => {
                f.write_str("not enabled: no state tag records that a step disabled it")
            }
            Self::NotEnabled { why: NotEnabled::TagsDisagree } => write!(
                f,
                "not enabled: its {deprecation_time} differs from its state tags; to enable it, use `restore`",
            ),
            Self::AgeUnknown => f.write_str("age unknown"),
            Self::GroupUnknown { lacks } => write!(f, "no family: {lacks} is missing"),
            Self::NoRule => f.write_str("no rule matches"),
            Self::KeepAll => f.write_str("the rule keeps all images"),
            Self::Last { rank, of } => write!(f, "{} of last {of}", ordinal(*rank)),
            Self::AtLeast { rank, of } => write!(f, "{} of at least {of}", ordinal(*rank)),
            Self::Within { until } => write!(f, "kept by age until {}", date(*until)),
            Self::LaunchedWithin { last_launched_at, until } => {
                write!(f, "launched {}, kept until {}", date(*last_launched_at), date(*until))
            }
            Self::Hourly(period) => write!(f, "hourly {period}"),
            Self::Daily(period) => write!(f, "daily {period}"),
            Self::Weekly(period) => write!(f, "weekly {period}"),
            Self::Monthly(period) => write!(f, "monthly {period}"),
            Self::Yearly(period) => write!(f, "yearly {period}"),
            Self::Tag { key, value } => write!(f, "tag {key}={value}"),
            Self::Expired { rank, of } => write!(f, "expired: {} of {of}", ordinal(*rank)),
            Self::Failed { created_at } => write!(f, "creation failed {}", date(*created_at)),
            Self::Deferred { cap, limit } => write!(f, "deferred: {cap} allows {limit}"),
            Self::PermissionsTooLong { characters, most } => write!(
                f,
                "{permissions} too long to save in a tag ({characters} characters, maximum {most})"
            ),
            Self::NotRecoverable { what: Unrecoverable::Sooner { days } } => {
                let days = counted(days, "day");
                write!(
                    f,
                    "it could be recovered for {days} only; safety.recycle_bin_days requires more"
                )
            }
            Self::NotRecoverable { what: Unrecoverable::Images } => {
                write!(f, "{no_bin_rule} covers it")
            }
            Self::NotRecoverable { what: Unrecoverable::Snapshots } => {
                write!(f, "{no_bin_rule} covers its snapshots")
            }
            Self::NotRecoverable { what: Unrecoverable::SnapshotsSooner } => {
                write!(f, "{bin} retains its snapshots for less time than the image")
            }
            Self::NotRecoverable { what: Unrecoverable::InstanceStore } => {
                f.write_str(words.not_accepted)
            }
            Self::NotRecoverable { what: Unrecoverable::Unsupported } => {
                f.write_str(words.unsupported_recovery)
            }
            Self::PermissionsUnread { error } => {
                write!(f, "{permissions} could not be read: {error}")
            }
            Self::Unverified => {
                write!(f, "no time left to read the references to it and its {permissions}")
            }
            Self::NotAnnounced => {
                f.write_str("the event bus did not accept the event Image Expired")
            }
            Self::Refused => f.write_str("plan refused"),
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
    fn kinds_match_the_json() {
        // The error for an unknown kind lists all kinds.
        let error = serde_json::from_str::<Reason>(r#"{"reason":"?"}"#).unwrap_err().to_string();
        let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, Reason::KINDS);
    }
}
