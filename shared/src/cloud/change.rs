//! Changing: the few changes that the project ever makes.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{CloudError, View};
use crate::model::{ImageId, LaunchPermission, ResourceId, SnapshotFate, SnapshotId, Tags};

/// Says whether what a step rests on was checked so recently that its call may be sent. It is asked right
/// before sending, because a call may wait for its turn.
pub type Freshness<'a> = &'a (dyn Fn() -> bool + Sync);

/// Reading and changing.
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
    /// Sets `tags` on every resource. An empty list of resources is done without a call.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](super::ErrorKind::NotFound) when any of the resources is gone; then
    /// it is certain that none was tagged.
    async fn set_tags(&self, resources: &[ResourceId], tags: &Tags) -> Result<(), CloudError>;

    /// Removes the tags with these keys, whatever their values. Absent ones are no error.
    async fn remove_tags(
        &self,
        resources: &[ResourceId],
        keys: &[String],
    ) -> Result<(), CloudError>;
}

/// Changes images.
#[async_trait]
pub trait ImageWriter: Send + Sync {
    /// Deprecates `image` from `at` on; from now on if that is past.
    async fn deprecate(&self, image: &ImageId, at: Timestamp) -> Result<(), CloudError>;

    /// Cancels the deprecation of `image`. None is no error.
    async fn cancel_deprecation(&self, image: &ImageId) -> Result<(), CloudError>;

    /// Disables `image`, if its check is still fresh when the call's turn comes: nobody can launch it,
    /// and **its launch permissions are gone for good**. Disabled already counts as done. `None` when the
    /// check is too old by then: nothing was sent.
    async fn disable(
        &self,
        image: &ImageId,
        check: Freshness<'_>,
    ) -> Result<Option<()>, CloudError>;

    /// Enables `image` again, without the launch permissions that it once had. Available already
    /// counts as done.
    async fn enable(&self, image: &ImageId) -> Result<(), CloudError>;

    /// Deregisters `image`, if its check is still fresh when the call's turn comes. Done already counts
    /// as done. `None` when the check is too old by then: nothing was sent.
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
    /// Adds these launch permissions to those that `image` has. An empty list is done without a
    /// call; [`LaunchPermission::Unknown`] is an error.
    async fn share(&self, image: &ImageId, with: &[LaunchPermission]) -> Result<(), CloudError>;
}

/// Takes images and snapshots out of the Recycle Bin.
#[async_trait]
pub trait RecycleBinWriter: Send + Sync {
    /// Takes `image` out of the Recycle Bin. Its snapshots must be out of it before.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](super::ErrorKind::NotFound) when it is not in the Recycle Bin.
    async fn recover_image(&self, image: &ImageId) -> Result<(), CloudError>;

    /// Takes `snapshot` out of the Recycle Bin.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](super::ErrorKind::NotFound) when it is not in the Recycle Bin.
    async fn recover_snapshot(&self, snapshot: &SnapshotId) -> Result<(), CloudError>;
}

/// Changes snapshots.
#[async_trait]
pub trait SnapshotWriter: Send + Sync {
    /// Deletes `snapshot`, if its check is still fresh when the call's turn comes. Gone already counts
    /// as done. `None` when the check is too old by then: nothing was sent.
    async fn delete_snapshot(
        &self,
        snapshot: &SnapshotId,
        check: Freshness<'_>,
    ) -> Result<Option<SnapshotDeletion>, CloudError>;
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
