//! The operations that the adapter calls: permissions, API versions and paths.

use steward::model::AccountId;

use crate::arm_id::ArmId;

/// A type of resource: its path below a subscription, the API version, and the permission to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResourceApi {
    /// The permission to read it, which also names the call in errors.
    pub(crate) read: &'static str,
    /// The API version.
    pub(crate) version: &'static str,
    /// The path of the listing below `/subscriptions/ID`. Empty if it is listed below its parent.
    pub(crate) path: &'static str,
}

macro_rules! resource_apis {
    ($($(#[$doc:meta])* $name:ident: $read:literal, $version:literal, $path:literal;)+) => {
        $($(#[$doc])* pub(crate) const $name: ResourceApi =
            ResourceApi { read: $read, version: $version, path: $path };)+
    };
}

// The newest API versions that `azure-mgmt-compute` 39.0.0 (2026-10-15) uses. Soft delete needs at
// least 2026-03-03 for its times.
resource_apis! {
    GALLERIES: "Microsoft.Compute/galleries/read", "2026-03-03", "providers/Microsoft.Compute/galleries";
    DEFINITIONS: "Microsoft.Compute/galleries/images/read", "2026-03-03", "";
    VERSIONS: "Microsoft.Compute/galleries/images/versions/read", "2026-03-03", "";
    SOFT_DELETED: "Microsoft.Compute/galleries/softDeletedArtifactTypes/artifacts/versions/read", "2026-03-03", "";
    IMAGES: "Microsoft.Compute/images/read", "2026-04-01", "providers/Microsoft.Compute/images";
    VIRTUAL_MACHINES: "Microsoft.Compute/virtualMachines/read", "2026-04-01", "providers/Microsoft.Compute/virtualMachines";
    SCALE_SETS: "Microsoft.Compute/virtualMachineScaleSets/read", "2026-04-01", "providers/Microsoft.Compute/virtualMachineScaleSets";
    SCALE_SET_INSTANCES: "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read", "2026-04-01", "";
    DISKS: "Microsoft.Compute/disks/read", "2026-03-02", "providers/Microsoft.Compute/disks";
    SNAPSHOTS: "Microsoft.Compute/snapshots/read", "2026-03-02", "providers/Microsoft.Compute/snapshots";
    LOCKS: "Microsoft.Authorization/locks/read", "2020-05-01", "providers/Microsoft.Authorization/locks";
    IMAGE_TEMPLATES: "Microsoft.VirtualMachineImages/imageTemplates/read", "2025-10-01", "providers/Microsoft.VirtualMachineImages/imageTemplates";
    SUBSCRIPTIONS: "Microsoft.Resources/subscriptions/read", "2022-12-01", "";
}

/// The API version of tags.
pub(crate) const TAGS_VERSION: &str = "2021-04-01";

/// The permission to change a gallery image version, and to restore it from soft delete.
pub(crate) const WRITE_VERSION: &str = "Microsoft.Compute/galleries/images/versions/write";
/// The permission to delete a gallery image version.
pub(crate) const DELETE_VERSION: &str = "Microsoft.Compute/galleries/images/versions/delete";
/// The permission to delete a managed image.
pub(crate) const DELETE_IMAGE: &str = "Microsoft.Compute/images/delete";
/// The permission to delete a snapshot.
pub(crate) const DELETE_SNAPSHOT: &str = "Microsoft.Compute/snapshots/delete";
/// The permission to delete a managed disk.
pub(crate) const DELETE_DISK: &str = "Microsoft.Compute/disks/delete";
/// The permission to read the tags of one resource.
pub(crate) const READ_TAGS: &str = "Microsoft.Resources/tags/read";
/// The permission to read the permissions of the credentials.
pub(crate) const READ_PERMISSIONS: &str = "Microsoft.Authorization/permissions/read";
/// The permission to read when resources were created.
pub(crate) const READ_RESOURCES: &str = "Microsoft.Resources/subscriptions/resources/read";
/// The permission to write tags.
pub(crate) const WRITE_TAGS: &str = "Microsoft.Resources/tags/write";
/// The permission to stop a virtual machine and release its resources.
pub(crate) const DEALLOCATE: &str = "Microsoft.Compute/virtualMachines/deallocate/action";
/// The permission to delete a virtual machine.
pub(crate) const DELETE_VIRTUAL_MACHINE: &str = "Microsoft.Compute/virtualMachines/delete";
/// The permission to follow a change of a gallery image version until it is complete.
pub(crate) const READ_OPERATION: &str = "Microsoft.Compute/locations/capsOperations/read";
/// The permission to query Resource Graph.
pub(crate) const QUERY_RESOURCE_GRAPH: &str = "Microsoft.ResourceGraph/resources/read";

/// What a role is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum RoleUse {
    /// Reading and planning.
    Plan,
    /// Tagging and retiring images, and rescuing them.
    Apply,
    /// Restoring images.
    Restore,
    /// Deleting orphaned snapshots and disks.
    Reap,
    /// Deleting source virtual machines.
    Retire,
}

/// The permissions that the calls of one use need, sorted. `apply` and the others include `plan`.
pub fn actions(of: RoleUse) -> Vec<&'static str> {
    let read = [
        GALLERIES.read,
        DEFINITIONS.read,
        VERSIONS.read,
        SOFT_DELETED.read,
        IMAGES.read,
        VIRTUAL_MACHINES.read,
        SCALE_SETS.read,
        SCALE_SET_INSTANCES.read,
        DISKS.read,
        SNAPSHOTS.read,
        LOCKS.read,
        IMAGE_TEMPLATES.read,
        SUBSCRIPTIONS.read,
        QUERY_RESOURCE_GRAPH,
        READ_TAGS,
        READ_RESOURCES,
        READ_PERMISSIONS,
    ];
    let more: &[&str] = match of {
        RoleUse::Plan => &[],
        RoleUse::Apply => &[WRITE_VERSION, DELETE_VERSION, DELETE_IMAGE, WRITE_TAGS],
        RoleUse::Restore => &[WRITE_VERSION, READ_OPERATION, WRITE_TAGS],
        RoleUse::Reap => &[DELETE_SNAPSHOT, DELETE_DISK, WRITE_TAGS],
        RoleUse::Retire => &[DEALLOCATE, DELETE_VIRTUAL_MACHINE, WRITE_TAGS],
    };
    let mut all: Vec<&str> = read.iter().chain(more).copied().collect();
    all.sort_unstable();
    all
}

impl ResourceApi {
    /// The query with the API version, for [`Client`](crate::Client).
    pub(crate) fn query(&self) -> [(&'static str, &'static str); 1] {
        [("api-version", self.version)]
    }

    /// The query with the API version and `$expand`.
    pub(crate) fn expanding(&self, what: &'static str) -> [(&'static str, &'static str); 2] {
        [("api-version", self.version), ("$expand", what)]
    }

    /// The path of the listing in a subscription.
    pub(crate) fn in_subscription(&self, subscription: &AccountId) -> String {
        format!("/subscriptions/{subscription}/{}", self.path)
    }
}

/// The path of the soft-deleted versions of a definition.
pub(crate) fn soft_deleted_path(definition: &ArmId) -> Option<String> {
    let gallery = definition.parent()?;
    let name = definition.name();
    Some(format!("{gallery}/softDeletedArtifactTypes/Images/artifacts/{name}/versions"))
}

/// The path of the tags of a resource.
pub(crate) fn tags_path(resource: &str) -> String {
    format!("{resource}/providers/Microsoft.Resources/tags/default")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use strum::VariantArray;

    use super::*;

    /// Azure rejects a role with an action that it does not know. These actions are in no published
    /// list, so the deployed role does not contain them.
    const UNLISTED: [&str; 1] = [SOFT_DELETED.read];

    /// The template for Azure Functions grants the actions of this file, which contains for each use
    /// what it needs besides `plan`.
    #[test]
    fn the_deployed_role_has_the_same_actions() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/azure/actions.json");
        let text = std::fs::read_to_string(path).unwrap();
        let file: BTreeMap<String, Vec<String>> = serde_json::from_str(&text).unwrap();
        let plan = actions(RoleUse::Plan);
        let mut expected = BTreeMap::new();
        for of in RoleUse::VARIANTS {
            let mut found = actions(*of);
            match of {
                RoleUse::Plan => found.retain(|one| !UNLISTED.contains(one)),
                _ => found.retain(|one| !plan.contains(one)),
            }
            expected.insert(of.to_string(), found.into_iter().map(str::to_owned).collect());
        }
        assert_eq!(file, expected);
    }

    #[test]
    fn uses_have_no_wildcards_and_only_plan_has_no_writes() {
        for of in RoleUse::VARIANTS {
            let actions = actions(*of);
            assert!(actions.iter().all(|one| !one.contains('*')), "{of}");
            assert!(actions.is_sorted() && actions.len() > 10, "{of}");
            let writes = actions.iter().any(|one| !one.ends_with("/read"));
            assert_eq!(writes, *of != RoleUse::Plan, "{of}");
        }
    }
}
