//! Galleries: how they are shared, and whether deleted versions can be restored.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::fields;
use super::open_enum::open_enum;
use super::resource::{ArmResource, ProvisioningState, ResourceProperties};
use crate::arm_id::{GALLERY, fold_case, is_subscription_id};

open_enum!(
    /// With whom a gallery is shared.
    SharingPermission {
        /// Only with those who have a role assignment.
        Private,
        /// With subscriptions and tenants.
        Groups,
        /// With everyone.
        Community,
    }
);

open_enum!(
    /// What the IDs are with which a gallery is shared.
    SharingGroupKind {
        /// Subscriptions.
        Subscriptions,
        /// Tenants.
        AADTenants,
    }
);

open_enum!(
    /// The state of the last change of the sharing.
    SharingState {
        /// It was applied.
        Succeeded,
        /// It is being applied.
        InProgress,
        /// It failed.
        Failed,
    }
);

/// A gallery.
pub type Gallery = ArmResource<GalleryProperties>;

/// The properties of a gallery.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawGallery")]
pub struct GalleryProperties {
    /// The state of the last operation.
    pub provisioning_state: ProvisioningState,
    /// The name of the gallery in the IDs of shared images, in the spelling of [`fold_case`]. See
    /// [`Gallery::unique_names`].
    pub unique_name: Option<String>,
    /// With whom it is shared.
    pub sharing: GallerySharing,
    /// Whether deleted versions can be restored.
    pub soft_delete: SoftDeletePolicy,
}

impl ResourceProperties for GalleryProperties {
    const TYPE: &'static str = GALLERY;
}

impl Gallery {
    /// The names that the gallery may have in the IDs of shared images, in the spelling of
    /// [`fold_case`]: the name that Azure reports, and the name as Azure forms it, of the subscription
    /// and the name of the gallery.
    pub fn unique_names(&self) -> BTreeSet<String> {
        let formed = format!("{}-{}", self.id.subscription(), self.id.name());
        self.properties.unique_name.iter().cloned().chain([formed]).collect()
    }
}

/// With whom a gallery is shared, besides role assignments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GallerySharing {
    /// The kind of sharing.
    pub permission: SharingPermission,
    /// The subscriptions and tenants. `None` if they were not read: only a response to a request with
    /// `$expand=SharingProfile/Groups` has them. An incomplete list counts as not read.
    pub groups: Option<Vec<SharingGroup>>,
    /// The names of the gallery in the IDs of community images, in the spelling of [`fold_case`].
    pub public_names: Vec<String>,
    /// The state of the last change.
    pub state: Option<SharingState>,
}

impl GallerySharing {
    /// Whether others may start from the images of the gallery. A change of the sharing that was not
    /// applied counts as shared.
    pub fn is_shared(&self) -> bool {
        self.permission != SharingPermission::Private
            || self.state.as_ref().is_some_and(|state| *state != SharingState::Succeeded)
    }
}

/// Subscriptions or tenants with which a gallery is shared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SharingGroup {
    /// What the IDs are.
    #[serde(rename = "type")]
    pub kind: SharingGroupKind,
    /// The IDs, in lower case.
    #[serde(deserialize_with = "guids")]
    pub ids: Vec<String>,
}

/// Whether and for how long a deleted version can be restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoftDeletePolicy {
    /// Whether deleted versions can be restored.
    #[serde(default, rename = "isSoftDeleteEnabled", deserialize_with = "fields::flag")]
    pub is_enabled: bool,
    /// The days for which a deleted version can still be used by its ID.
    pub retention_period_in_days: Option<u32>,
    /// The days after the retention in which it can only be restored. API versions before 2026-03-03
    /// do not send them.
    pub grace_period_in_days: Option<u32>,
}

fn guids<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    // IDs of tenants have the form of IDs of subscriptions.
    let ids = Vec::<String>::deserialize(deserializer)?;
    match ids.iter().find(|id| !is_subscription_id(id)) {
        Some(id) => {
            Err(serde::de::Error::custom(format_args!("`{}` is not a GUID", id.escape_debug())))
        }
        None => Ok(ids.iter().map(|id| id.to_lowercase()).collect()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawGallery {
    provisioning_state: ProvisioningState,
    identifier: Option<RawIdentifier>,
    sharing_profile: Option<RawSharing>,
    sharing_status: Option<RawSharingStatus>,
    soft_delete_policy: Option<SoftDeletePolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawIdentifier {
    #[serde(default, deserialize_with = "fields::text")]
    unique_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSharing {
    permissions: SharingPermission,
    groups: Option<Vec<SharingGroup>>,
    community_gallery_info: Option<RawCommunity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCommunity {
    #[serde(default, deserialize_with = "fields::list")]
    public_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSharingStatus {
    aggregated_state: SharingState,
}

impl TryFrom<RawGallery> for GalleryProperties {
    type Error = &'static str;

    fn try_from(raw: RawGallery) -> Result<Self, Self::Error> {
        let state = raw.sharing_status.map(|status| status.aggregated_state);
        // The recorded response of a gallery that was never shared has no sharingProfile.
        let sharing = match raw.sharing_profile {
            None => GallerySharing {
                permission: SharingPermission::Private,
                groups: None,
                public_names: Vec::new(),
                state,
            },
            Some(RawSharing { permissions: permission, groups, community_gallery_info }) => {
                let names = community_gallery_info.map(|info| info.public_names);
                let folded = |name: String| fold_case(&name);
                let public_names: Vec<String> = names.into_iter().flatten().map(folded).collect();
                if permission == SharingPermission::Community
                    && public_names.iter().all(String::is_empty)
                {
                    return Err("missing field `publicNames`: the permissions are Community");
                }
                let is_complete = |groups: &Vec<SharingGroup>| {
                    !groups.is_empty() && groups.iter().all(|group| !group.ids.is_empty())
                };
                let groups = groups.filter(is_complete);
                GallerySharing { permission, groups, public_names, state }
            }
        };
        let unique_name = raw.identifier.and_then(|identifier| identifier.unique_name);
        Ok(Self {
            provisioning_state: raw.provisioning_state,
            unique_name: unique_name.map(|name| fold_case(&name)),
            sharing,
            soft_delete: raw.soft_delete_policy.unwrap_or_default(),
        })
    }
}
