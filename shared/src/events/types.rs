//! The events that a run publishes, for other programs and for the owners of the images.
//!
//! These types are the public format. `docs/events` contains their JSON Schemas. New fields may be
//! added. Existing fields keep their names and meanings as long as `version` is 1.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::bounded::bounded;
use crate::apply::Counts;
use crate::cloud::{MAX_BATCH_BYTES, Message};
use crate::model::AccountRegion;

/// The version of the event format, which every event contains in `version`.
pub const VERSION: u32 = 1;

/// The source of every event.
pub const SOURCE: &str = "image-steward";

/// One event.
#[derive(Debug, Clone, PartialEq, strum::IntoStaticStr)]
#[strum(serialize_all = "title_case")]
pub enum Event {
    /// A new image and its snapshots were tagged.
    ImageTagged(ImageTagged),
    /// An image was found expired, or a retire step is about to be applied to an expired image.
    ImageExpired(ImageStep),
    /// An image was deprecated.
    ImageDeprecated(ImageStep),
    /// An image was disabled. Nobody can launch it.
    ImageDisabled(ImageStep),
    /// An image was deregistered.
    ImageDeregistered(ImageStep),
    /// An image was rescued: all its steps were undone.
    ImageRescued(ImageStep),
    /// An orphaned snapshot was tagged with the time from which it may be deleted, or a snapshot is
    /// about to be deleted.
    SnapshotMarked(SnapshotStep),
    /// A snapshot was deleted.
    SnapshotDeleted(SnapshotStep),
    /// An instance was stopped or terminated, because its image is complete.
    InstanceRetired(InstanceRetired),
    /// A sweep completed.
    SweepCompleted(SweepCompleted),
    /// A sweep refused to remove anything.
    SweepRefused(SweepRefused),
}

/// The fields that every event contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EventHeader {
    /// The version of the event format. Always 1.
    pub version: u32,
    /// The ID of the account in which the run took place.
    pub account: String,
    /// The Region in which the run took place.
    pub region: String,
    /// The number of list items that were dropped, because an event has at most 20 reasons and a
    /// bus limits the size of a message. Absent if nothing was dropped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A new image and its snapshots were tagged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageTagged {
    /// The format's version, the account and the Region.
    #[serde(flatten)]
    pub header: EventHeader,
    /// The ID of the new image.
    pub image_id: String,
    /// The tags that were written, by image ID or snapshot ID.
    pub tags: BTreeMap<String, BTreeMap<String, String>>,
}

/// A retire step or a rescue of an image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ImageStep {
    /// The format's version, the account and the Region.
    #[serde(flatten)]
    pub header: EventHeader,
    /// The ID of the image.
    pub image_id: String,
    /// The name of the image.
    pub name: String,
    /// The policy rule that applies to the image.
    pub rule: Option<String>,
    /// The image's family under that rule.
    pub family: Option<String>,
    /// The reasons, at most 20. `omitted` counts the dropped ones.
    pub reasons: Vec<EventReason>,
    /// When the image was created (RFC 3339).
    pub created_at: Option<String>,
    /// When the image was found expired (RFC 3339).
    pub expired_at: Option<String>,
    /// When the step was applied (RFC 3339).
    pub at: String,
    /// The next step, if any. It is skipped if the image is rescued first.
    pub next: Option<NextStep>,
    /// The key of the tag that excludes the image from all further steps.
    pub opt_out_tag: String,
    /// The IDs of the snapshots of the image.
    pub snapshots: Vec<String>,
}

/// A reason for a step, or for a refusal.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EventReason {
    /// The kind of reason, as in a plan. `image_deregistered` if the snapshot was deleted together
    /// with its image.
    pub reason: String,
    /// The reason as text, for a message to people.
    pub text: String,
    /// The numbers and IDs of the reason, as in a plan.
    #[serde(flatten)]
    pub details: BTreeMap<String, Value>,
}

/// The next step of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NextStep {
    /// `deprecate`, `disable`, `deregister` or `delete_snapshots`.
    pub action: String,
    /// The earliest time of the step (RFC 3339).
    pub at: String,
}

/// An orphaned snapshot was tagged, or a snapshot was deleted.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SnapshotStep {
    /// The format's version, the account and the Region.
    #[serde(flatten)]
    pub header: EventHeader,
    /// The ID of the snapshot.
    pub snapshot_id: String,
    /// The ID of the image that the snapshot belonged to, if known.
    pub image_id: Option<String>,
    /// The full size of the snapshot, in GiB. An upper bound on the storage that its deletion
    /// frees.
    pub size_gib: Option<u32>,
    /// The reasons, at most 20. `omitted` counts the dropped ones.
    pub reasons: Vec<EventReason>,
    /// The time from which the snapshot may be deleted, if it was tagged (RFC 3339).
    pub delete_after: Option<String>,
    /// When the snapshot was tagged or deleted (RFC 3339).
    pub at: String,
    /// The key of the tag that excludes a snapshot from deletion.
    pub opt_out_tag: String,
}

/// An instance was stopped or terminated.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct InstanceRetired {
    /// The format's version, the account and the Region.
    #[serde(flatten)]
    pub header: EventHeader,
    /// The ID of the instance.
    pub instance_id: String,
    /// The ID of the image that was created from the instance.
    pub image_id: Option<String>,
    /// `stop` or `terminate`.
    pub action: String,
    /// The reasons, at most 20. `omitted` counts the dropped ones.
    pub reasons: Vec<EventReason>,
    /// When the instance was stopped or terminated (RFC 3339).
    pub at: String,
}

/// A sweep completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SweepCompleted {
    /// The format's version, the account and the Region.
    #[serde(flatten)]
    pub header: EventHeader,
    /// `prune-images`, `reap-snapshots` or `retire-instance`.
    pub function: String,
    /// `plan` or `apply`.
    pub mode: String,
    /// `done`, `part`, `failed` or `refused`.
    pub status: String,
    /// When the sweep began (RFC 3339).
    pub at: String,
    /// Policy settings and tags that have no effect, at most 20, warnings first. `omitted` counts
    /// the dropped ones. Only for `prune-images`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<EventNote>,
    /// The counts of the sweep.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A policy setting or a tag that has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EventNote {
    /// The kind of note, as in a plan.
    pub note: String,
    /// `true` if it puts images at risk or costs money, `false` if it is only information.
    pub warning: bool,
    /// The note as text, for a message to people.
    pub text: String,
}

/// A sweep refused to remove anything.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SweepRefused {
    /// The format's version, the account and the Region.
    #[serde(flatten)]
    pub header: EventHeader,
    /// `prune-images` or `reap-snapshots`.
    pub function: String,
    /// The cause of the refusal. `text` also describes the remedy.
    pub refusal: EventReason,
    /// When the sweep began (RFC 3339).
    pub at: String,
}

impl Event {
    /// Returns the event type, for example `Image Expired`.
    pub fn detail_type(&self) -> &'static str {
        self.into()
    }

    /// Returns the event as a bus message, with the ARNs of its resources.
    ///
    /// # Errors
    /// Returns an error if serialization fails, which does not happen: every field is plain JSON.
    pub fn message(&self, target: &AccountRegion) -> Result<Message, serde_json::Error> {
        let (detail, resources) = match self {
            Self::ImageTagged(detail) => (serde_json::to_value(detail)?, detail.resources()),
            Self::ImageExpired(detail)
            | Self::ImageDeprecated(detail)
            | Self::ImageDisabled(detail)
            | Self::ImageDeregistered(detail)
            | Self::ImageRescued(detail) => {
                (serde_json::to_value(detail)?, vec![("image", detail.image_id.as_str())])
            }
            Self::SnapshotMarked(detail) | Self::SnapshotDeleted(detail) => {
                (serde_json::to_value(detail)?, vec![("snapshot", detail.snapshot_id.as_str())])
            }
            Self::InstanceRetired(detail) => {
                (serde_json::to_value(detail)?, vec![("instance", detail.instance_id.as_str())])
            }
            Self::SweepCompleted(detail) => (serde_json::to_value(detail)?, Vec::new()),
            Self::SweepRefused(detail) => (serde_json::to_value(detail)?, Vec::new()),
        };
        let AccountRegion { account, region } = target;
        let resources = resources.into_iter().map(|(kind, id)| {
            // ARNs of images and snapshots contain no account.
            let account = if kind == "instance" { account.as_str() } else { "" };
            match region {
                Some(region) => {
                    format!("arn:{}:ec2:{region}:{account}:{kind}/{id}", region.partition())
                }
                // The IDs of Azure Resource Manager identify a resource everywhere.
                None => id.to_owned(),
            }
        });
        let resources = resources.collect();
        let (detail_type, empty) = (self.detail_type(), String::new());
        let mut message = Message { source: SOURCE, detail_type, detail: empty, resources };
        let room = MAX_BATCH_BYTES.saturating_sub(message.bytes());
        message.detail = bounded(detail, room).to_string();
        Ok(message)
    }
}

impl ImageTagged {
    /// Returns the type and ID of every tagged resource.
    fn resources(&self) -> Vec<(&'static str, &str)> {
        let kind = |id: &str| if id == self.image_id { "image" } else { "snapshot" };
        self.tags.keys().map(|id| (kind(id), id.as_str())).collect()
    }
}
