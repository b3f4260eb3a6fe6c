//! Scale sets, and the instances of scale sets with uniform orchestration.

use serde::Deserialize;

use super::machine_storage::MachineStorage;
use super::open_enum::open_enum;
use super::resource::{ArmResource, Beside, ProvisioningState, ResourceProperties};

open_enum!(
    /// How a scale set manages its instances.
    OrchestrationMode {
        /// The instances are identical and are listed by the scale set.
        Uniform,
        /// The instances are virtual machines.
        Flexible,
    }
);

/// A scale set.
pub type ScaleSet = ArmResource<ScaleSetProperties>;

/// The properties of a scale set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleSetProperties {
    /// How the instances are managed. Old scale sets have no such field.
    pub orchestration_mode: Option<OrchestrationMode>,
    /// The state of the last operation.
    pub provisioning_state: ProvisioningState,
    /// The model from which instances are started. `None` for a scale set with flexible
    /// orchestration to which virtual machines are only added.
    #[serde(default, rename = "virtualMachineProfile", deserialize_with = "model")]
    pub model: Option<MachineStorage>,
}

impl ScaleSetProperties {
    /// Whether the scale set can have instances that are not in the list of virtual machines.
    pub fn has_own_instances(&self) -> bool {
        self.orchestration_mode != Some(OrchestrationMode::Flexible)
    }
}

impl ResourceProperties for ScaleSetProperties {
    const TYPE: &'static str = "microsoft.compute/virtualmachinescalesets";

    fn check(&self, beside: &Beside<'_>) -> Result<(), String> {
        // A scale set that can start instances has a size for them.
        match (&self.model, beside.sku) {
            (None, Some(size)) => {
                Err(format!("missing field `virtualMachineProfile`: the sku is {size}"))
            }
            (None, None) if self.has_own_instances() => {
                Err("missing field `virtualMachineProfile`: the orchestrationMode is not Flexible"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }
}

fn model<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<MachineStorage>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Profile {
        storage_profile: MachineStorage,
    }
    Ok(Option::<Profile>::deserialize(deserializer)?.map(|profile| profile.storage_profile))
}

/// An instance of a scale set with uniform orchestration.
pub type ScaleSetInstance = ArmResource<ScaleSetInstanceProperties>;

/// The properties of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleSetInstanceProperties {
    /// The state of the last operation.
    pub provisioning_state: ProvisioningState,
    /// The image and the disks.
    #[serde(rename = "storageProfile")]
    pub storage: MachineStorage,
    /// Whether the instance was started from the current model.
    pub latest_model_applied: Option<bool>,
}

impl ResourceProperties for ScaleSetInstanceProperties {
    const TYPE: &'static str = "microsoft.compute/virtualmachinescalesets/virtualmachines";
    // The ID ends with the number of the instance.
    const NAME_IN_ID: bool = false;

    fn check(&self, _: &Beside<'_>) -> Result<(), String> {
        self.storage.check_disks(&self.provisioning_state)
    }
}
