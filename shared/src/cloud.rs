//! The port: the only way to the outside.
//!
//! Reading and changing are two traits, so that code which must not change anything (planning,
//! the inventory) takes a [`View`] and cannot. The in-memory fake and the AWS adapter are both
//! held to one contract, in the tests crate. Two small rooms beside them: [`Machines`], for retiring
//! the machines that images were made from, and [`EventBus`], for telling others.

mod bus;
mod machines;

use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;

use jiff::Timestamp;

use crate::ids::{ImageId, InstanceId, SnapshotId};
use crate::inventory::{
    Image, Reference, RetentionRule, Snapshot, SnapshotReference, Source, Unread,
};
use crate::tags::Tags;

pub use bus::{EventBus, Message};
pub use machines::{Guards, Machine, MachineState, Machines};

/// How much of each launch template is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateVersions {
    /// The default and the latest version of every template, and the versions that groups,
    /// fleets and compute environments pin.
    DefaultAndLatest,
    /// Those, and the newest so many versions of every template.
    Newest(NonZeroU32),
    /// Every version of every template.
    All,
}

/// Whether the compute environments of AWS Batch are a source of references.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ComputeEnvironments {
    /// They are read.
    #[default]
    Read,
    /// They are left out: the account does not use them, or may not read them.
    LeaveOut,
}

/// Where references are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceScope {
    /// How much of each launch template is read.
    pub versions: TemplateVersions,
    /// Whether AWS Batch is asked.
    pub compute_environments: ComputeEnvironments,
}

/// Which snapshots to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotScope {
    /// All of the account's own.
    Own,
    /// Those that carry this tag.
    Tagged {
        /// The key.
        key: String,
        /// The value, in full.
        value: String,
    },
}

/// What one source said about references.
#[derive(Debug)]
pub struct SourceAnswer {
    /// The source.
    pub source: Source,
    /// Its references, or why it could not be read; part of an answer is no answer.
    pub found: Result<Vec<Reference>, CloudError>,
}

/// The reading half of the port.
pub trait View: Sync {
    /// Every image that the account owns, disabled ones too.
    fn list_images(&self) -> impl Future<Output = Result<Vec<Image>, CloudError>> + Send;

    /// The account's own snapshots.
    fn list_snapshots(
        &self,
        scope: &SnapshotScope,
    ) -> impl Future<Output = Result<Vec<Snapshot>, CloudError>> + Send;

    /// What holds images in use, source by source. One failing source does not hide the others.
    fn list_references(
        &self,
        scope: &ReferenceScope,
    ) -> impl Future<Output = Vec<SourceAnswer>> + Send;

    /// What the provider itself knows to refer to any of `images`: machines that are not
    /// terminated, launch templates, parameters, image recipes. Ten images cost one call.
    fn find_references_to(
        &self,
        images: &[ImageId],
        versions: TemplateVersions,
    ) -> impl Future<Output = Result<Vec<Reference>, CloudError>> + Send;

    /// Which snapshots launch templates name themselves, beside those of their images.
    fn list_snapshot_references(
        &self,
        versions: TemplateVersions,
    ) -> impl Future<Output = Result<Vec<SnapshotReference>, CloudError>> + Send;

    /// The account's own snapshots that are locked, whatever the mode of the lock.
    fn list_locked_snapshots(
        &self,
    ) -> impl Future<Output = Result<Vec<SnapshotId>, CloudError>> + Send;

    /// The rules of the Recycle Bin, in effect or not.
    fn list_retention_rules(
        &self,
    ) -> impl Future<Output = Result<Vec<RetentionRule>, CloudError>> + Send;

    /// The images in the Recycle Bin.
    fn list_recycled_images(
        &self,
    ) -> impl Future<Output = Result<Vec<RecycledImage>, CloudError>> + Send;

    /// The snapshots in the Recycle Bin.
    fn list_recycled_snapshots(
        &self,
    ) -> impl Future<Output = Result<Vec<RecycledSnapshot>, CloudError>> + Send;

    /// The images and snapshots that carry the tag `key`, those in the Recycle Bin too, each
    /// with the tag's value; only those with this `value` if one is given.
    fn list_tagged(
        &self,
        key: &str,
        value: Option<&str>,
    ) -> impl Future<Output = Result<Vec<(ResourceId, String)>, CloudError>> + Send;

    /// The image as it is now, disabled or not; `None` when it does not exist any more.
    fn find_image(
        &self,
        image: &ImageId,
    ) -> impl Future<Output = Result<Option<Image>, CloudError>> + Send;

    /// The machines that run (or could be started) from `image` now.
    fn find_instances_of(
        &self,
        image: &ImageId,
    ) -> impl Future<Output = Result<Vec<Reference>, CloudError>> + Send;

    /// The accounts and groups that may launch `image`; empty when it is private.
    fn find_launch_permissions(
        &self,
        image: &ImageId,
    ) -> impl Future<Output = Result<Vec<Arc<str>>, CloudError>> + Send;

    /// The accounts and groups that may make volumes from `snapshot`; empty when it is private.
    fn find_volume_permissions(
        &self,
        snapshot: &SnapshotId,
    ) -> impl Future<Output = Result<Vec<Arc<str>>, CloudError>> + Send;

    /// The tags of a machine; `None` when it does not exist any more.
    fn find_instance_tags(
        &self,
        instance: &InstanceId,
    ) -> impl Future<Output = Result<Option<Tags>, CloudError>> + Send;

    /// The account's own snapshots of these ids that still exist.
    fn find_snapshots(
        &self,
        snapshots: &[SnapshotId],
    ) -> impl Future<Output = Result<Vec<Snapshot>, CloudError>> + Send;
}

/// The port: reading, and the few changes that the project ever makes.
pub trait Cloud: View {
    /// Sets `tags` on every resource. An empty list of resources is done without a call.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when any of the resources is gone; then none was tagged for sure.
    fn set_tags(
        &self,
        resources: &[ResourceId],
        tags: &Tags,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Removes the tags of these keys, whatever their values. Absent ones are no error.
    fn remove_tags(
        &self,
        resources: &[ResourceId],
        keys: &[String],
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Shows `image` as deprecated from `at` on; from now on if that is past.
    fn deprecate(
        &self,
        image: &ImageId,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Takes the deprecation of `image` back. None is no error.
    fn cancel_deprecation(
        &self,
        image: &ImageId,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Disables `image`: nobody can launch it, and **its launch permissions are gone for good**.
    /// Disabled already counts as done.
    fn disable(&self, image: &ImageId) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Enables `image` again, without the launch permissions that it once had. Available already
    /// counts as done.
    fn enable(&self, image: &ImageId) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Lets these accounts and groups launch `image`, beside those that may already. The words are
    /// those of [`View::find_launch_permissions`]. An empty list is done without a call.
    fn share(
        &self,
        image: &ImageId,
        with: &[Arc<str>],
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Takes `image` out of the Recycle Bin. Its snapshots must be out of it before.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is not there.
    fn recover_image(&self, image: &ImageId)
    -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Takes `snapshot` out of the Recycle Bin.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is not there.
    fn recover_snapshot(
        &self,
        snapshot: &SnapshotId,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Deregisters `image`. Done already counts as done.
    fn deregister(
        &self,
        image: &ImageId,
        snapshots: SnapshotFate,
    ) -> impl Future<Output = Result<Deregistered, CloudError>> + Send;

    /// Deletes `snapshot`. Gone already counts as done.
    fn delete_snapshot(
        &self,
        snapshot: &SnapshotId,
    ) -> impl Future<Output = Result<SnapshotDeletion, CloudError>> + Send;
}

/// What becomes of an image's snapshots in the call that deregisters it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotFate {
    /// They stay, marked, for the reaper.
    LeaveToReaper,
    /// The provider deletes those that no other image uses.
    DeleteWithImage,
}

/// The answer to a deregistration that took place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deregistered {
    /// The snapshots that the provider says it deleted. Any other one was **not** deleted.
    pub deleted: Vec<SnapshotId>,
}

/// The answer to deleting a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotDeletion {
    /// It is gone now.
    Deleted,
    /// It was gone before.
    AlreadyGone,
    /// An image still uses it, or did a moment ago: try again in a later run.
    InUse,
}

/// An image in the Recycle Bin, as far as the provider shows it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecycledImage {
    /// Its id.
    pub image_id: ImageId,
    /// Its name; empty when it has none.
    pub name: Arc<str>,
    /// When it was deregistered; `None` when the provider does not say.
    pub entered_at: Option<Timestamp>,
    /// When it goes for good; `None` when the provider does not say.
    pub leaves_at: Option<Timestamp>,
}

/// A snapshot in the Recycle Bin, as far as the provider shows it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecycledSnapshot {
    /// Its id.
    pub snapshot_id: SnapshotId,
    /// Its description; empty when it has none.
    pub description: Arc<str>,
    /// When it was deleted; `None` when the provider does not say.
    pub entered_at: Option<Timestamp>,
    /// When it goes for good; `None` when the provider does not say.
    pub leaves_at: Option<Timestamp>,
}

/// An image or a snapshot, where either will do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceId {
    /// An image.
    Image(ImageId),
    /// A snapshot.
    Snapshot(SnapshotId),
}

impl ResourceId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Image(id) => id.as_str(),
            Self::Snapshot(id) => id.as_str(),
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A call that failed for good, after the adapter's own retries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {message}")]
pub struct CloudError {
    /// The call, for example `ec2:DescribeImages`.
    pub call: &'static str,
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The provider's error code; empty when the call never got an answer.
    pub code: String,
    /// One line for people.
    pub message: String,
}

impl CloudError {
    /// The permission to grant, when its absence is what failed.
    pub fn missing_permission(&self) -> Option<&'static str> {
        (self.kind == ErrorKind::Denied).then_some(self.call)
    }

    /// The source `source` as unread for this reason.
    pub fn unread(&self, source: Source) -> Unread {
        Unread {
            source: source.to_string().into(),
            error: self.to_string().into(),
            permission: self.missing_permission().map(Into::into),
        }
    }
}

/// The kinds of failure that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The object does not exist.
    NotFound,
    /// The credentials are good, but may not do this.
    Denied,
    /// No credentials, or bad or expired ones; or no Region to use them in.
    Credentials,
    /// The provider asks for fewer calls.
    Throttled,
    /// No answer: name resolution, connection or time-out.
    Unreachable,
    /// Anything else.
    Other,
}
