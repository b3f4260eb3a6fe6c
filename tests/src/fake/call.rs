//! The calls of the port, as the fake records them.

use jiff::Timestamp;
use steward::cloud::{Message, SnapshotScope};
use steward::model::{
    ImageId, InstanceId, LaunchPermission, ReferenceScope, ResourceId, SnapshotFate, SnapshotId,
    Tags, TemplateVersions,
};

/// One call of the port, with its resource.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the methods of the port")]
pub enum Call {
    ListImages,
    ListSnapshots(SnapshotScope),
    ListReferences(ReferenceScope),
    FindReferencesTo(Vec<ImageId>, TemplateVersions),
    ListSnapshotReferences(ReferenceScope),
    ListLockedSnapshots,
    ListRetentionRules,
    ListRecycledImages,
    ListRecycledSnapshots,
    ListTagged(String, Option<String>),
    FindImages(Vec<ImageId>),
    FindImagesNamed(Vec<String>),
    FindImage(ImageId),
    FindInstancesOf(Vec<ImageId>),
    FindLaunchPermissions(ImageId),
    FindVolumePermissions(SnapshotId),
    FindInstanceTags(InstanceId),
    FindSnapshots(Vec<SnapshotId>),
    SetTags(Vec<ResourceId>, Tags),
    RemoveTags(Vec<ResourceId>, Vec<String>),
    Deprecate(ImageId, Timestamp),
    CancelDeprecation(ImageId),
    Disable(ImageId),
    Enable(ImageId),
    Share(ImageId, Vec<LaunchPermission>),
    RecoverImage(ImageId),
    RecoverSnapshot(SnapshotId),
    Deregister(ImageId, SnapshotFate),
    DeleteSnapshot(SnapshotId),
    ListInstancesTagged(String),
    FindInstance(InstanceId),
    FindInstanceProtection(InstanceId),
    Stop(InstanceId),
    Terminate(InstanceId),
    Put(String, Vec<Message>),
}

impl Call {
    /// Whether the call is one of those that change the account.
    pub fn changes(&self) -> bool {
        match self {
            Self::ListImages
            | Self::ListSnapshots(_)
            | Self::ListReferences(_)
            | Self::FindReferencesTo(..)
            | Self::ListSnapshotReferences(_)
            | Self::ListLockedSnapshots
            | Self::ListRetentionRules
            | Self::ListRecycledImages
            | Self::ListRecycledSnapshots
            | Self::ListTagged(..)
            | Self::FindImages(_)
            | Self::FindImagesNamed(_)
            | Self::FindImage(_)
            | Self::FindInstancesOf(_)
            | Self::FindLaunchPermissions(_)
            | Self::FindVolumePermissions(_)
            | Self::FindInstanceTags(_)
            | Self::FindSnapshots(_)
            | Self::ListInstancesTagged(_)
            | Self::FindInstance(_)
            | Self::FindInstanceProtection(_) => false,
            Self::SetTags(..)
            | Self::RemoveTags(..)
            | Self::Deprecate(..)
            | Self::CancelDeprecation(_)
            | Self::Disable(_)
            | Self::Enable(_)
            | Self::Share(..)
            | Self::RecoverImage(_)
            | Self::RecoverSnapshot(_)
            | Self::Deregister(..)
            | Self::DeleteSnapshot(_)
            | Self::Stop(_)
            | Self::Terminate(_)
            | Self::Put(..) => true,
        }
    }
}
