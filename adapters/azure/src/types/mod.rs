//! The resources that the adapter reads, decoded strictly.
//!
//! A type has only the fields that are used. For each field it is decided what its absence means:
//! - a field that decides and that Azure always sends is required: its absence is an error that names
//!   it. So is a value of another type.
//! - a field that Azure leaves out has the default that Azure documents or that was recorded, or it is
//!   an `Option`, and `None` keeps images.
//! - a word that Azure may add later is `Unknown`, and keeps images. Case is ignored, as Azure does.
//! - fields that are not used are ignored.
//!
//! `src/tests/exceptions.toml` lists the fields whose absence cannot be noticed, each with its source.

mod disk;
mod fields;
mod gallery;
mod graph_row;
mod ids_in;
mod image_definition;
mod image_reference;
mod image_template;
mod image_version;
mod lock;
mod machine_storage;
mod managed_image;
mod open_enum;
mod resource;
mod scale_set;
mod shared_image;
mod snapshot;
mod soft_deleted_version;
mod subscription;
mod virtual_machine;

pub use disk::{CreationData, Disk, DiskProperties, DiskState};
pub use gallery::{
    Gallery, GalleryProperties, GallerySharing, SharingGroup, SharingGroupKind, SharingPermission,
    SharingState, SoftDeletePolicy,
};
pub use graph_row::{GraphRow, ResourceKind};
pub use ids_in::{ids_in, shared_ids_in};
pub use image_definition::{
    Architecture, HyperVGeneration, ImageDefinition, ImageDefinitionProperties, OsState, OsType,
};
pub use image_reference::{ImageReference, ImageTarget};
pub use image_template::{BuilderTemplate, BuilderTemplateProperties, TemplateSource};
pub use image_version::{
    ImageVersion, ImageVersionProperties, PublishingProfile, RegionalReplication, ReplicationMode,
    ReplicationState, ReplicationStatus, SafetyProfile, TargetRegion, VersionDisk, VersionSource,
    VersionSourceId, VersionStorage,
};
pub use lock::{Lock, LockLevel};
pub use machine_storage::{CreateOption, MachineStorage};
pub use managed_image::{
    ImageOsDisk, ImageStorage, ManagedImage, ManagedImageDisk, ManagedImageProperties,
};
pub use resource::{
    ArmResource, Beside, Location, ProvisioningState, ResourceProperties, SystemData,
};
pub use scale_set::{
    OrchestrationMode, ScaleSet, ScaleSetInstance, ScaleSetInstanceProperties, ScaleSetProperties,
};
pub use shared_image::{ParseSharedImageError, SharedGalleryKind, SharedImageId};
pub use snapshot::{DiskSnapshot, ImmutabilityKind, ImmutabilityPolicy, SnapshotProperties};
pub use soft_deleted_version::{SoftDeletedProperties, SoftDeletedVersion};
pub use subscription::{Subscription, SubscriptionState};
pub use virtual_machine::{VirtualMachine, VirtualMachineProperties};
