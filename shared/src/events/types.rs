//! Events out: what happened, for other programs and for the people who own the images.
//!
//! The types below are the public format; `docs/events` holds their JSON Schemas. Fields may be
//! added; what is there keeps its name and meaning as long as `version` is 1.

mod news;
mod schema;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
pub use news::EventBuilder;
pub use schema::schemas;

use super::Counts;
use crate::cloud::Message;
use crate::model::AccountRegion;

/// The source that every event names.
pub const SOURCE: &str = "image-steward";

/// One event.
#[derive(Debug, Clone, PartialEq)]
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
    /// A machine was stopped or terminated, because its image is there.
    InstanceRetired(InstanceRetired),
    /// A sweep came to its end.
    SweepCompleted(SweepCompleted),
    /// A sweep refused to remove anything.
    SweepRefused(SweepRefused),
}

/// Where it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    /// The version of this format: 1.
    pub version: u32,
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
}

/// A new image and its snapshots got their tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageTagged {
    /// Where it happened.
    #[serde(flatten)]
    pub place: Place,
    /// The image.
    pub image_id: String,
    /// The tags that were written, by image or snapshot.
    pub tags: BTreeMap<String, BTreeMap<String, String>>,
}

/// A step of an image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ImageStep {
    /// Where it happened.
    #[serde(flatten)]
    pub place: Place,
    /// The image.
    pub image_id: String,
    /// Its name.
    pub name: String,
    /// The rule of the policy that it falls under.
    pub rule: Option<String>,
    /// Its family under that rule.
    pub group: Option<String>,
    /// Every reason in words, at most 20.
    pub reasons: Vec<String>,
    /// The same in one line, for a message.
    pub why: String,
    /// The same reasons with their numbers, as in a plan.
    pub reasons: Vec<Value>,
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

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NextStep {
    /// `deprecate`, `disable`, `deregister` or `delete_snapshots`.
    pub action: String,
    /// Not before this time (RFC 3339).
    pub at: String,
}

/// What happened to a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SnapshotStep {
    /// Where it happened.
    #[serde(flatten)]
    pub place: Place,
    /// The snapshot.
    pub snapshot_id: String,
    /// The image that it backed, as far as that is known.
    pub image_id: Option<String>,
    /// Its full size in GiB: an upper bound on what deleting it frees.
    pub size_gib: Option<u32>,
    /// Every reason in words, at most 20.
    pub reasons: Vec<String>,
    /// From when on it may be deleted, for one that was marked (RFC 3339).
    pub delete_after: Option<String>,
    /// When this happened (RFC 3339).
    pub at: String,
    /// The tag that keeps a snapshot.
    pub opt_out_tag: String,
}

/// A machine was stopped or terminated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InstanceRetired {
    /// Where it happened.
    #[serde(flatten)]
    pub place: Place,
    /// The machine.
    pub instance_id: String,
    /// The image that was made of it.
    pub image_id: Option<String>,
    /// `stop` or `terminate`.
    pub action: String,
    /// Every reason in words.
    pub reasons: Vec<String>,
    /// When this happened (RFC 3339).
    pub at: String,
}

/// A sweep came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SweepCompleted {
    /// Where it happened.
    #[serde(flatten)]
    pub place: Place,
    /// `prune-images`, `reap-snapshots` or `retire-instance`.
    pub function: String,
    /// `plan` or `apply`.
    pub mode: String,
    /// `done`, `part`, `failed` or `refused`.
    pub status: String,
    /// When it began (RFC 3339).
    pub at: String,
    /// What it saw and did.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A sweep refused to remove anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SweepRefused {
    /// Where it happened.
    #[serde(flatten)]
    pub place: Place,
    /// `prune-images` or `reap-snapshots`.
    pub function: String,
    /// Why, and what to do about it.
    pub refusal: String,
    /// When it began (RFC 3339).
    pub at: String,
}

impl Event {
    /// What kind of news it is.
    pub fn detail_type(&self) -> &'static str {
        match self {
            Self::ImageTagged(_) => "Image Tagged",
            Self::ImageExpired(_) => "Image Expired",
            Self::ImageDeprecated(_) => "Image Deprecated",
            Self::ImageDisabled(_) => "Image Disabled",
            Self::ImageDeregistered(_) => "Image Deregistered",
            Self::ImageRescued(_) => "Image Rescued",
            Self::SnapshotMarked(_) => "Snapshot Marked",
            Self::SnapshotDeleted(_) => "Snapshot Deleted",
            Self::InstanceRetired(_) => "Instance Retired",
            Self::SweepCompleted(_) => "Sweep Completed",
            Self::SweepRefused(_) => "Sweep Refused",
        }
    }

    /// The event as the bus takes it, with the ARNs of what it is about.
    ///
    /// # Errors
    /// None that can be provoked: every field is plain JSON.
    pub fn message(&self, target: &AccountRegion) -> Result<Message, serde_json::Error> {
        let AccountRegion { account, region } = target;
        let partition = region.partition();
        // EC2's own events leave the account of images and snapshots out, as their ARNs do.
        let (detail, resources) = match self {
            Self::ImageTagged(detail) => {
                let kind = |id: &String| if id.starts_with("ami-") { "image" } else { "snapshot" };
                let arns = detail.tags.keys();
                let arns =
                    arns.map(|id| format!("arn:{partition}:ec2:{region}::{}/{id}", kind(id)));
                (serde_json::to_string(detail)?, arns.collect())
            }
            Self::ImageExpired(detail)
            | Self::ImageDeprecated(detail)
            | Self::ImageDisabled(detail)
            | Self::ImageDeregistered(detail)
            | Self::ImageRescued(detail) => {
                let arn = format!("arn:{partition}:ec2:{region}::image/{}", detail.image_id);
                (serde_json::to_string(detail)?, vec![arn])
            }
            Self::SnapshotMarked(detail) | Self::SnapshotDeleted(detail) => {
                let arn = format!("arn:{partition}:ec2:{region}::snapshot/{}", detail.snapshot_id);
                (serde_json::to_string(detail)?, vec![arn])
            }
            Self::InstanceRetired(detail) => {
                let id = &detail.instance_id;
                let arn = format!("arn:{partition}:ec2:{region}:{account}:instance/{id}");
                (serde_json::to_string(detail)?, vec![arn])
            }
            Self::SweepCompleted(detail) => (serde_json::to_string(detail)?, Vec::new()),
            Self::SweepRefused(detail) => (serde_json::to_string(detail)?, Vec::new()),
        };
        Ok(Message { source: SOURCE, detail_type: self.detail_type(), detail, resources })
    }
}
