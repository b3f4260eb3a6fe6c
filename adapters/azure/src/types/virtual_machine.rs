//! Virtual machines, including those of scale sets with flexible orchestration.

use jiff::Timestamp;
use serde::Deserialize;

use super::fields;
use super::machine_storage::MachineStorage;
use super::resource::{ArmResource, Beside, ProvisioningState, ResourceProperties};
use crate::arm_id::ArmId;

/// A virtual machine.
pub type VirtualMachine = ArmResource<VirtualMachineProperties>;

/// The properties of a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualMachineProperties {
    /// The state of the last operation.
    pub provisioning_state: ProvisioningState,
    /// The image and the disks.
    #[serde(rename = "storageProfile")]
    pub storage: MachineStorage,
    /// The scale set with flexible orchestration of which the virtual machine is an instance.
    #[serde(default, rename = "virtualMachineScaleSet", deserialize_with = "fields::id_in_object")]
    pub scale_set: Option<ArmId>,
    /// The time of creation.
    #[serde(default, deserialize_with = "fields::time")]
    pub time_created: Option<Timestamp>,
}

impl ResourceProperties for VirtualMachineProperties {
    const TYPE: &'static str = "microsoft.compute/virtualmachines";

    fn check(&self, _: &Beside<'_>) -> Result<(), String> {
        self.storage.check_disks(&self.provisioning_state)
    }
}
