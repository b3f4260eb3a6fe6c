//! Snapshots of managed disks.

use jiff::Timestamp;
use serde::Deserialize;

use super::disk::{CreationData, DiskState};
use super::fields;
use super::open_enum::open_enum;
use super::resource::{ArmResource, ResourceProperties};

/// A snapshot.
pub type DiskSnapshot = ArmResource<SnapshotProperties>;

/// The properties of a snapshot.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotProperties {
    /// From what the snapshot was made.
    pub creation_data: CreationData,
    /// The state. `None` counts as unknown.
    pub disk_state: Option<DiskState>,
    /// The time of creation.
    #[serde(default, deserialize_with = "fields::time")]
    pub time_created: Option<Timestamp>,
    /// The size in GiB of the disk.
    #[serde(rename = "diskSizeGB")]
    pub disk_size_gb: Option<u64>,
    /// Whether the snapshot stores only what changed since the one before.
    #[serde(default, deserialize_with = "fields::flag")]
    pub incremental: bool,
    /// The incremental snapshots of one disk have the same ID.
    #[serde(default, deserialize_with = "fields::text")]
    pub incremental_snapshot_family_id: Option<String>,
    /// The progress of a copy in the background, 0 to 100.
    pub completion_percent: Option<f64>,
    /// Protection from deletion until a time.
    pub immutability_policy: Option<ImmutabilityPolicy>,
}

impl ResourceProperties for SnapshotProperties {
    const TYPE: &'static str = "microsoft.compute/snapshots";
}

impl DiskSnapshot {
    /// Whether nothing uses the snapshot, by its state and by `managedBy`.
    pub fn is_unattached(&self) -> bool {
        self.managed_by.is_empty() && self.properties.disk_state == Some(DiskState::Unattached)
    }
}

open_enum!(
    /// Whether an immutability policy can be shortened.
    ImmutabilityKind {
        /// It can.
        Unlocked,
        /// It cannot.
        Locked,
    }
);

/// A policy that prevents the deletion of a snapshot until a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImmutabilityPolicy {
    /// Whether it can be shortened.
    #[serde(rename = "type")]
    pub kind: Option<ImmutabilityKind>,
    /// The time until which it applies.
    #[serde(default, deserialize_with = "fields::time")]
    pub policy_expiration_time: Option<Timestamp>,
    /// Whether Azure considers it expired.
    pub is_policy_expired: Option<bool>,
}

impl ImmutabilityPolicy {
    /// Whether the policy may still apply: only a policy that Azure reports as expired does not.
    pub fn may_apply(&self) -> bool {
        self.is_policy_expired != Some(true)
    }
}
