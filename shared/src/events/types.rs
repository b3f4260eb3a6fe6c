//! The events that a run publishes, for other programs and for the owners of the images.
//!
//! The types below are the public format; `docs/events` holds their JSON Schemas. Fields may be
//! added; what is there keeps its name and meaning as long as `version` is 1.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::bounded::bounded;
use crate::apply::Counts;
use crate::cloud::{MAX_BATCH_BYTES, Message};
use crate::model::AccountRegion;

/// The format of the events, in the `version` of each.
pub const VERSION: u32 = 1;

/// The source that every event names.
pub const SOURCE: &str = "image-steward";

/// One event.
#[derive(Debug, Clone, PartialEq, strum::IntoStaticStr)]
#[strum(serialize_all = "title_case")]
pub enum Event {
    /// A new image and its snapshots got their tags.
    ImageTagged(ImageTagged),
    /// An image was found expired: the retire steps count from now on.
    ImageExpired(ImageStep),
    /// An image is shown as deprecated.
    ImageDeprecated(ImageStep),
    /// Nobody can launch an image any more.
    ImageDisabled(ImageStep),
    /// An image is gone.
    ImageDeregistered(ImageStep),
    /// An image is wanted again: everything was taken back.
    ImageRescued(ImageStep),
    /// A snapshot whose image is gone was marked, to be deleted later.
    SnapshotMarked(SnapshotStep),
    /// A snapshot is gone.
    SnapshotDeleted(SnapshotStep),
    /// An instance was stopped or terminated, because its image is there.
    InstanceRetired(InstanceRetired),
    /// A sweep came to its end.
    SweepCompleted(SweepCompleted),
    /// A sweep refused to remove anything.
    SweepRefused(SweepRefused),
}

/// What every event begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EventHeader {
    /// The version of this format: 1.
    pub version: u32,
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// How many items of its lists were left out, because an event has at most 20 reasons and a bus
    /// accepts only so much; absent when it is complete.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A new image and its snapshots got their tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageTagged {
    /// The format's version, the account and the Region.
    #[serde(flatten)]
    pub header: EventHeader,
    /// The image.
    pub image_id: String,
    /// The tags that were written, by image or snapshot.
    pub tags: BTreeMap<String, BTreeMap<String, String>>,
}

/// A step of an image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ImageStep {
    /// The format's version, the account and the Region.
    #[serde(flatten)]
    pub header: EventHeader,
    /// The image.
    pub image_id: String,
    /// Its name.
    pub name: String,
    /// The rule of the policy that it falls under.
    pub rule: Option<String>,
    /// Its family under that rule.
    pub family: Option<String>,
    /// Every reason, at most 20; `omitted` counts the others.
    pub reasons: Vec<EventReason>,
    /// When it was made (RFC 3339).
    pub created_at: Option<String>,
    /// Since when it is expired (RFC 3339).
    pub expired_at: Option<String>,
    /// When this happened (RFC 3339).
    pub at: String,
    /// What comes next, if anything, unless the image becomes wanted again before.
    pub next: Option<NextStep>,
    /// The tag that keeps the image from all further steps.
    pub opt_out_tag: String,
    /// The snapshots that back it.
    pub snapshots: Vec<String>,
}

/// One reason for what happened, or why it did not.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EventReason {
    /// The kind of reason, as in a plan; `image_deregistered` for a snapshot that was deleted
    /// together with its image.
    pub reason: String,
    /// The reason in words, for a message.
    pub text: String,
    /// The numbers and ids of the reason, as in a plan.
    #[serde(flatten)]
    pub details: BTreeMap<String, Value>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NextStep {
    /// `deprecate`, `disable`, `deregister` or `delete_snapshots`.
    pub action: String,
    /// Not before this time (RFC 3339).
    pub at: String,
}

/// What happened to a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SnapshotStep {
    /// The format's version, the account and the Region.
    #[serde(flatten)]
    pub header: EventHeader,
    /// The snapshot.
    pub snapshot_id: String,
    /// The image that it backed, as far as that is known.
    pub image_id: Option<String>,
    /// Its full size in GiB: an upper bound on what deleting it frees.
    pub size_gib: Option<u32>,
    /// Every reason, at most 20; `omitted` counts the others.
    pub reasons: Vec<EventReason>,
    /// From when on it may be deleted, for one that was marked (RFC 3339).
    pub delete_after: Option<String>,
    /// When this happened (RFC 3339).
    pub at: String,
    /// The tag that keeps a snapshot.
    pub opt_out_tag: String,
}

/// An instance was stopped or terminated.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct InstanceRetired {
    /// The format's version, the account and the Region.
    #[serde(flatten)]
    pub header: EventHeader,
    /// The instance.
    pub instance_id: String,
    /// The image that was made of it.
    pub image_id: Option<String>,
    /// `stop` or `terminate`.
    pub action: String,
    /// Every reason, at most 20; `omitted` counts the others.
    pub reasons: Vec<EventReason>,
    /// When this happened (RFC 3339).
    pub at: String,
}

/// A sweep came to its end.
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
    /// When it began (RFC 3339).
    pub at: String,
    /// What has no effect in the policy and in tags, at most 20, the warnings first; `omitted` counts
    /// the others. Of `prune-images` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<EventNote>,
    /// What it saw and did.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Something that has no effect in the policy or in a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EventNote {
    /// The kind of note, as in a plan.
    pub note: String,
    /// Whether it costs images or money; otherwise it is information.
    pub warning: bool,
    /// The note in words, for a message.
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
    /// Why, and in `text` what to do about it.
    pub refusal: EventReason,
    /// When it began (RFC 3339).
    pub at: String,
}

impl Event {
    /// The kind of event.
    pub fn detail_type(&self) -> &'static str {
        self.into()
    }

    /// The event as the bus takes it, with the ARNs of the resources that it is about.
    ///
    /// # Errors
    /// None that can be provoked: every field is plain JSON.
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
            // EC2 leaves the account out of the ARNs of images and snapshots.
            let account = if kind == "instance" { account.as_str() } else { "" };
            format!("arn:{}:ec2:{region}:{account}:{kind}/{id}", region.partition())
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
    /// Kind and id of every tagged resource.
    fn resources(&self) -> Vec<(&'static str, &str)> {
        let kind = |id: &str| if id == self.image_id { "image" } else { "snapshot" };
        self.tags.keys().map(|id| (kind(id), id.as_str())).collect()
    }
}
