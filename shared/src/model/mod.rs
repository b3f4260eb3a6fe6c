//! The domain model: identifiers, tags and inventories.
//!
//! This module reads, decides and changes nothing. Every other module depends on it, and it depends
//! on none.

mod arm_id;
mod capabilities;
mod clock;
mod deadline;
mod deletion_mark;
mod document;
mod ids;
mod image_ref;
mod instance;
mod inventory;
mod keep_tag;
mod permission;
mod provider;
mod provider_words;
mod recycle_bin;
mod reference;
mod tag_names;
mod tags;
mod unread;

pub use arm_id::fold_case;
pub use capabilities::{Attribution, Capabilities, Disabling, Recoverability};
pub use clock::{Clock, StoppedClock};
pub use deadline::{Deadline, NoDeadline};
pub use deletion_mark::{DeletionMark, DeletionMarkError};
pub(crate) use deletion_mark::{MAX_TAG_SKEW, exact_time};
pub(crate) use document::unknown_field;
pub use document::{DocumentKind, FormatError, FormatNumber};
pub use ids::{
    AccountId, AccountRegion, DefinitionId, ImageId, InstanceId, ParseIdError, Region, ResourceId,
    SnapshotId, place_of,
};
pub use image_ref::{ImageRef, ParseImageRefError, ResourceRef};
pub use instance::{Instance, InstanceProtection, InstanceState};
pub(crate) use inventory::is_false;
pub use inventory::{
    Image, ImageDisk, ImageState, Inventory, InventoryError, Snapshot, SnapshotFate,
};
pub use keep_tag::{KeepTag, KeepTagError};
pub(crate) use permission::for_others;
pub use permission::join_permissions;
pub use permission::{LaunchPermission, VolumePermission};
pub use provider::Provider;
pub use provider_words::{InWords, ProviderWords, StageWords, Verb, Worded, join_in_words};
pub use recycle_bin::{Recyclable, RecycledImage, RecycledSnapshot, RetentionRule};
pub use reference::{
    ComputeEnvironments, IgnoredTemplate, Reference, ReferenceKind, ReferenceScope,
    SnapshotReference, TemplateVersions,
};
pub(crate) use reference::{ResourceText, short_id};
pub use tag_names::TagNames;
pub use tags::{MAX_KEY, MAX_TAGS, MAX_VALUE, Tags, is_reserved};
pub use unread::{Source, Unread};
