//! Ports for changes. These are the only changes that image-steward makes.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{CloudError, View};
use crate::model::{ImageId, LaunchPermission, ResourceId, SnapshotFate, SnapshotId, Tags};

/// Returns whether the check of a step is still recent enough to send the step's call. The adapter
/// calls it right before sending, because a call can wait for the rate limit.
pub type Freshness<'a> = &'a (dyn Fn() -> bool + Sync);

/// All reads and changes.
pub trait Cloud:
    View + ImageWriter + SnapshotWriter + PermissionWriter + RecycleBinWriter + TagWriter
{
}

impl<T> Cloud for T where
    T: View
        + ImageWriter
        + SnapshotWriter
        + PermissionWriter
        + RecycleBinWriter
        + TagWriter
        + ?Sized
{
}

/// Changes tags.
#[async_trait]
pub trait TagWriter: Send + Sync {
    /// Sets `tags` on every resource. Makes no call if `resources` is empty.
    ///
    /// # Errors
    /// Returns [`ErrorKind::NotFound`](super::ErrorKind::NotFound) if any of the resources does not
    /// exist. In this case none of them was tagged.
    async fn set_tags(&self, resources: &[ResourceId], tags: &Tags) -> Result<(), CloudError>;

    /// Removes the tags with these keys, regardless of their values. Missing tags are not an error.
    async fn remove_tags(
        &self,
        resources: &[ResourceId],
        keys: &[String],
    ) -> Result<(), CloudError>;
}

/// Changes images.
///
/// A provider may carry out a change after the call returned, and refuse other changes to the image
/// until then with [`ErrorKind::Busy`](super::ErrorKind::Busy). A later run continues.
#[async_trait]
pub trait ImageWriter: Send + Sync {
    /// Deprecates `image` at `at`, or immediately if `at` is in the past.
    async fn deprecate(&self, image: &ImageId, at: Timestamp) -> Result<(), CloudError>;

    /// Cancels the deprecation of `image`. Succeeds if the image is not deprecated.
    async fn cancel_deprecation(&self, image: &ImageId) -> Result<(), CloudError>;

    /// Disables `image` if its check is still recent when the call is about to be sent. Nobody can
    /// launch a disabled AMI, and **its launch permissions are lost permanently**; see
    /// [`Disabling`](crate::model::Disabling) for other images. If disabling sets the deprecation time, it is set to `at`.
    /// Succeeds if the image is already disabled. Returns `None` and sends nothing if the check has
    /// expired.
    async fn disable(
        &self,
        image: &ImageId,
        at: Timestamp,
        check: Freshness<'_>,
    ) -> Result<Option<()>, CloudError>;

    /// Enables `image` without its former launch permissions. Succeeds if the image is already
    /// available.
    async fn enable(&self, image: &ImageId) -> Result<(), CloudError>;

    /// Deregisters `image` if its check is still recent when the call is about to be sent. Succeeds
    /// if the image is already deregistered. Returns `None` and sends nothing if the check has
    /// expired.
    async fn deregister(
        &self,
        image: &ImageId,
        snapshots: SnapshotFate,
        check: Freshness<'_>,
    ) -> Result<Option<Deregistered>, CloudError>;
}

/// Shares images.
#[async_trait]
pub trait PermissionWriter: Send + Sync {
    /// Adds these launch permissions to those of `image`. Makes no call if `with` is empty.
    /// [`LaunchPermission::Unknown`] is an error.
    async fn share(&self, image: &ImageId, with: &[LaunchPermission]) -> Result<(), CloudError>;
}

/// Recovers images and snapshots from the Recycle Bin.
#[async_trait]
pub trait RecycleBinWriter: Send + Sync {
    /// Recovers `image` from the Recycle Bin. Its snapshots must be recovered first.
    ///
    /// # Errors
    /// Returns [`ErrorKind::NotFound`](super::ErrorKind::NotFound) if it is not in the Recycle Bin.
    async fn recover_image(&self, image: &ImageId) -> Result<(), CloudError>;

    /// Recovers `snapshot` from the Recycle Bin.
    ///
    /// # Errors
    /// Returns [`ErrorKind::NotFound`](super::ErrorKind::NotFound) if it is not in the Recycle Bin.
    async fn recover_snapshot(&self, snapshot: &SnapshotId) -> Result<(), CloudError>;
}

/// Changes snapshots.
#[async_trait]
pub trait SnapshotWriter: Send + Sync {
    /// Deletes `snapshot` if its check is still recent when the call is about to be sent. Succeeds
    /// if the snapshot no longer exists. Returns `None` and sends nothing if the check has expired.
    async fn delete_snapshot(
        &self,
        snapshot: &SnapshotId,
        check: Freshness<'_>,
    ) -> Result<Option<SnapshotDeletion>, CloudError>;
}

/// The response to a successful deregistration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deregistered {
    /// The snapshots that the provider reports as deleted. Any other snapshot was **not** deleted.
    pub deleted: Vec<SnapshotId>,
}

/// The response to deleting a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotDeletion {
    /// The call deleted it.
    Deleted,
    /// It did not exist.
    AlreadyGone,
    /// An image uses it, or did until just now. A later run tries again.
    InUse,
}
