//! Reading.

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
    /// What the scope ignores and would otherwise have made the source unread.
    pub ignored: Vec<IgnoredTemplate>,
}

/// The images that an account owns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageListing {
    /// The machine images.
    pub images: Vec<Image>,
    /// How many there are of other types: kernels and ramdisks.
    pub other_types: u32,
}

/// Everything that can be read. Whoever holds a view cannot change anything.
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
    /// Lists every image that the account owns, disabled ones too.
    async fn list_images(&self) -> Result<ImageListing, CloudError>;

    /// Returns those of the account's own images with these ids that still exist, disabled or not, in no
    /// particular order. Up to 200 cost one call; no ids are done without one.
    async fn find_images(&self, images: &[ImageId]) -> Result<Vec<Image>, CloudError>;

    /// Returns those of the account's own images that have one of these names, disabled or not, in no
    /// particular order. Up to 200 cost one call; no names are done without one.
    async fn find_images_named(&self, names: &[String]) -> Result<Vec<Image>, CloudError>;

    /// Returns the image as it is now, disabled or not, whoever owns it; `None` when it no longer
    /// exists.
    async fn find_image(&self, image: &ImageId) -> Result<Option<Image>, CloudError>;
}

/// Reads snapshots.
#[async_trait]
pub trait SnapshotReader: Send + Sync {
    /// Lists the account's own snapshots.
    async fn list_snapshots(&self, scope: &SnapshotScope) -> Result<Vec<Snapshot>, CloudError>;

    /// Returns those of the account's own snapshots with these ids that still exist, in no particular order. Up to
    /// 200 cost one call; no ids are done without one.
    async fn find_snapshots(&self, snapshots: &[SnapshotId]) -> Result<Vec<Snapshot>, CloudError>;

    /// Lists the account's own snapshots that are locked, whatever the mode of the lock.
    async fn list_locked_snapshots(&self) -> Result<Vec<SnapshotId>, CloudError>;
}

/// Reads with whom images and snapshots are shared.
#[async_trait]
pub trait PermissionReader: Send + Sync {
    /// Returns who may launch `image`, in order; nobody when it is private.
    async fn find_launch_permissions(
        &self,
        image: &ImageId,
    ) -> Result<Vec<LaunchPermission>, CloudError>;

    /// Returns who may create volumes from `snapshot`, in order; nobody when it is private.
    async fn find_volume_permissions(
        &self,
        snapshot: &SnapshotId,
    ) -> Result<Vec<VolumePermission>, CloudError>;
}

/// About how many images one call of [`ReferenceReader::find_references_to`] asks.
pub const ASKED_TOGETHER: usize = 10;

/// Reads what uses images and snapshots.
#[async_trait]
pub trait ReferenceReader: Send + Sync {
    /// Lists what uses images, source by source. A source that fails does not hide the others.
    async fn list_references(&self, scope: &ReferenceScope) -> Vec<SourceAnswer>;

    /// Returns what the provider itself knows to refer to any of `images`: instances that are not
    /// terminated, launch templates, parameters, image recipes. [`ASKED_TOGETHER`] images cost one call.
    async fn find_references_to(
        &self,
        images: &[ImageId],
        versions: TemplateVersions,
    ) -> Result<Vec<Reference>, CloudError>;

    /// Returns the instances that run from any of `images` now, or could be started again. Up to 200
    /// images cost one call, if there are few instances; no images are done without one.
    async fn find_instances_of(&self, images: &[ImageId]) -> Result<Vec<Reference>, CloudError>;

    /// Lists the launch templates and launch configurations that name snapshots directly.
    async fn list_snapshot_references(
        &self,
        scope: &ReferenceScope,
    ) -> Result<Vec<SnapshotReference>, CloudError>;
}

/// Reads the Recycle Bin.
#[async_trait]
pub trait RecycleBinReader: Send + Sync {
    /// Lists the retention rules, in effect or not.
    async fn list_retention_rules(&self) -> Result<Vec<RetentionRule>, CloudError>;

    /// Lists the images in the Recycle Bin.
    async fn list_recycled_images(&self) -> Result<Vec<RecycledImage>, CloudError>;

    /// Lists the snapshots in the Recycle Bin.
    async fn list_recycled_snapshots(&self) -> Result<Vec<RecycledSnapshot>, CloudError>;
}

/// Reads tags.
#[async_trait]
pub trait TagReader: Send + Sync {
    /// Lists the images and snapshots that carry the tag `key`, those in the Recycle Bin too,
    /// each with the tag's value; only those with this `value` if one is given.
    async fn list_tagged(
        &self,
        key: &str,
        value: Option<&str>,
    ) -> Result<Vec<(ResourceId, String)>, CloudError>;

    /// Returns the tags of an instance; `None` when it no longer exists.
    async fn find_instance_tags(&self, instance: &InstanceId) -> Result<Option<Tags>, CloudError>;
}
