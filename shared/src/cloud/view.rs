//! Ports for reads.

use async_trait::async_trait;

use super::CloudError;
use crate::model::{
    IgnoredTemplate, Image, ImageId, InstanceId, LaunchPermission, RecycledImage, RecycledSnapshot,
    Reference, ReferenceScope, ResourceId, RetentionRule, Snapshot, SnapshotId, SnapshotReference,
    Source, Tags, TemplateVersions, VolumePermission,
};

/// Which snapshots to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotScope {
    /// All snapshots that the account owns.
    Own,
    /// Snapshots with this tag.
    Tagged {
        /// The tag's key.
        key: String,
        /// The tag's whole value.
        value: String,
    },
}

/// The references that one source reported.
#[derive(Debug)]
pub struct SourceAnswer {
    /// The source that was read.
    pub source: Source,
    /// The references, or the error. A partial response is an error.
    pub found: Result<Vec<Reference>, CloudError>,
    /// Launch templates that the scope ignores. Without that, they would have made the source
    /// unread.
    pub ignored: Vec<IgnoredTemplate>,
}

/// The images that an account owns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageListing {
    /// The machine images, in any state.
    pub images: Vec<Image>,
    /// The number of images of other types: kernels and ramdisks.
    pub other_types: u32,
}

/// All reads. A `View` cannot change anything.
pub trait View:
    ImageReader + SnapshotReader + PermissionReader + ReferenceReader + RecycleBinReader + TagReader
{
}

impl<T> View for T where
    T: ImageReader
        + SnapshotReader
        + PermissionReader
        + ReferenceReader
        + RecycleBinReader
        + TagReader
        + ?Sized
{
}

/// Reads images.
#[async_trait]
pub trait ImageReader: Send + Sync {
    /// Lists every image that the account owns, including disabled ones.
    async fn list_images(&self) -> Result<ImageListing, CloudError>;

    /// Returns the images with these IDs that the account owns, including disabled ones, in any
    /// order. IDs that do not exist are skipped. A call covers up to 200 IDs; an empty list makes
    /// no call.
    async fn find_images(&self, images: &[ImageId]) -> Result<Vec<Image>, CloudError>;

    /// Returns the images with these names that the account owns, including disabled ones, in any
    /// order. A call covers up to 200 names; an empty list makes no call.
    async fn find_images_named(&self, names: &[String]) -> Result<Vec<Image>, CloudError>;

    /// Returns the current description of the image, whether disabled or not and whoever owns it,
    /// or `None` if it no longer exists.
    async fn find_image(&self, image: &ImageId) -> Result<Option<Image>, CloudError>;
}

/// Reads snapshots.
#[async_trait]
pub trait SnapshotReader: Send + Sync {
    /// Lists the snapshots that the account owns, within `scope`.
    async fn list_snapshots(&self, scope: &SnapshotScope) -> Result<Vec<Snapshot>, CloudError>;

    /// Returns the snapshots with these IDs that the account owns, in any order. IDs that do not
    /// exist are skipped. A call covers up to 200 IDs; an empty list makes no call.
    async fn find_snapshots(&self, snapshots: &[SnapshotId]) -> Result<Vec<Snapshot>, CloudError>;

    /// Lists the locked snapshots that the account owns, whatever the lock mode.
    async fn list_locked_snapshots(&self) -> Result<Vec<SnapshotId>, CloudError>;
}

/// Reads the permissions of images and snapshots.
#[async_trait]
pub trait PermissionReader: Send + Sync {
    /// Returns who may launch `image`, sorted. Empty if the image is private.
    async fn find_launch_permissions(
        &self,
        image: &ImageId,
    ) -> Result<Vec<LaunchPermission>, CloudError>;

    /// Returns who may create volumes from `snapshot`, sorted. Empty if the snapshot is private.
    async fn find_volume_permissions(
        &self,
        snapshot: &SnapshotId,
    ) -> Result<Vec<VolumePermission>, CloudError>;
}

/// The number of images per call of [`ReferenceReader::find_references_to`].
pub const ASKED_TOGETHER: usize = 10;

/// Reads references to images and snapshots.
#[async_trait]
pub trait ReferenceReader: Send + Sync {
    /// Lists the references to images, by source. A failing source does not affect the others.
    async fn list_references(&self, scope: &ReferenceScope) -> Vec<SourceAnswer>;

    /// Returns the references to `images` that the provider reports: instances that are not
    /// terminated, launch templates, parameters, image recipes. A call covers [`ASKED_TOGETHER`]
    /// images.
    async fn find_references_to(
        &self,
        images: &[ImageId],
        versions: TemplateVersions,
    ) -> Result<Vec<Reference>, CloudError>;

    /// Returns the instances that were launched from `images` and are running or can be started
    /// again. A call covers up to 200 images if there are few instances; an empty list makes no
    /// call.
    async fn find_instances_of(&self, images: &[ImageId]) -> Result<Vec<Reference>, CloudError>;

    /// Lists the launch templates and launch configurations that reference snapshots directly.
    async fn list_snapshot_references(
        &self,
        scope: &ReferenceScope,
    ) -> Result<Vec<SnapshotReference>, CloudError>;
}

/// Reads the Recycle Bin.
#[async_trait]
pub trait RecycleBinReader: Send + Sync {
    /// Lists the retention rules, including those that are not in effect. `None` if the provider has
    /// no such rules, because each image reports for how long it can be recovered.
    async fn list_retention_rules(&self) -> Result<Option<Vec<RetentionRule>>, CloudError>;

    /// Lists the images in the Recycle Bin.
    async fn list_recycled_images(&self) -> Result<Vec<RecycledImage>, CloudError>;

    /// Lists the snapshots in the Recycle Bin.
    async fn list_recycled_snapshots(&self) -> Result<Vec<RecycledSnapshot>, CloudError>;
}

/// Reads tags.
#[async_trait]
pub trait TagReader: Send + Sync {
    /// Lists the images and snapshots with the tag `key`, including those in the Recycle Bin, each
    /// with the tag's value. With `value`, lists only those with this value.
    async fn list_tagged(
        &self,
        key: &str,
        value: Option<&str>,
    ) -> Result<Vec<(ResourceId, String)>, CloudError>;

    /// Returns the tags of an instance, or `None` if it no longer exists.
    async fn find_instance_tags(&self, instance: &InstanceId) -> Result<Option<Tags>, CloudError>;
}
