//! Image definitions of galleries.

use jiff::Timestamp;
use serde::Deserialize;

use super::fields;
use super::open_enum::open_enum;
use super::resource::{ArmResource, ProvisioningState, ResourceProperties};
use crate::arm_id::DEFINITION;

open_enum!(
    /// The operating system of an image.
    OsType {
        /// Linux.
        Linux,
        /// Windows.
        Windows,
    }
);

open_enum!(
    /// Whether an image has accounts, names and keys of the virtual machine from which it was made.
    OsState {
        /// It does not.
        Generalized,
        /// It does.
        Specialized,
    }
);

open_enum!(
    /// The processor architecture of an image.
    #[expect(non_camel_case_types, reason = "Azure's own spelling")]
    Architecture {
        /// 64-bit x86.
        x64,
        /// 64-bit Arm.
        Arm64,
    }
);

open_enum!(
    /// The generation of the virtual machines that can start from an image.
    HyperVGeneration {
        /// BIOS.
        V1,
        /// UEFI.
        V2,
    }
);

/// An image definition: what its versions have in common.
pub type ImageDefinition = ArmResource<ImageDefinitionProperties>;

/// The properties of an image definition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageDefinitionProperties {
    /// The operating system.
    pub os_type: OsType,
    /// Whether the images are generalized.
    pub os_state: OsState,
    /// The processor architecture. Azure left it out before it supported Arm.
    pub architecture: Option<Architecture>,
    /// The generation of the virtual machines.
    pub hyper_v_generation: Option<HyperVGeneration>,
    /// The end-of-life date of the definition. It is informational.
    #[serde(default, deserialize_with = "fields::time")]
    pub end_of_life_date: Option<Timestamp>,
    /// The state of the last operation.
    pub provisioning_state: ProvisioningState,
}

impl ResourceProperties for ImageDefinitionProperties {
    const TYPE: &'static str = DEFINITION;
}
