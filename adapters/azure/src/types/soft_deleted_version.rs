//! Versions that were deleted from a gallery with soft delete, and can be restored.

use jiff::Timestamp;
use serde::Deserialize;

use super::fields;
use super::resource::{ArmResource, ResourceProperties};
use crate::arm_id::{ArmId, VERSION};

/// A soft-deleted version.
pub type SoftDeletedVersion = ArmResource<SoftDeletedProperties>;

/// The properties of a soft-deleted version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoftDeletedProperties {
    /// The ID that the version had, and has again when it is restored.
    #[serde(rename = "resourceArmId", deserialize_with = "version_id")]
    pub version: ArmId,
    /// The time of the deletion.
    #[serde(default, deserialize_with = "fields::time")]
    pub soft_deleted_time: Option<Timestamp>,
    /// The time until which a virtual machine can still be started from the version by its ID. API
    /// versions before 2026-03-03 do not send it.
    #[serde(default, deserialize_with = "fields::time")]
    pub consumption_end_time: Option<Timestamp>,
    /// The time from which Azure may delete the version permanently. API versions before 2026-03-03
    /// do not send it.
    #[serde(default, deserialize_with = "fields::time")]
    pub hard_deletion_target_time: Option<Timestamp>,
}

impl ResourceProperties for SoftDeletedProperties {
    const TYPE: &'static str =
        "microsoft.compute/galleries/softdeletedartifacttypes/artifacts/versions";
}

fn version_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ArmId, D::Error> {
    let id = ArmId::deserialize(deserializer)?;
    match id.resource_type() == VERSION {
        true => Ok(id),
        false => Err(serde::de::Error::custom(format_args!("`{id}` is not a version"))),
    }
}
