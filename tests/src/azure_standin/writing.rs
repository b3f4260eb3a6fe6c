//! The content of the stand-in: a fleet as the bodies that Azure returns.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use steward::model::Tags;

use crate::azure_fake::{
    AzureFleet, FleetDisk, FleetGallery, FleetHolder, FleetLock, FleetManagedImage,
    FleetSoftDeleted, FleetTarget, FleetVersion, HolderKind,
};

/// The source of versions without one in the fleet.
pub(super) const GONE: &str = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/gone/providers/Microsoft.Compute/images/gone";
const LOCATION: &str = "westeurope";
/// In the fake, a version that can no longer be used cannot be restored either.
const GRACE_DAYS: u32 = 0;

/// The world file of a fleet, at the time at which the fake starts.
pub(super) fn world(fleet: &AzureFleet) -> Value {
    let mut resources: Vec<Value> = fleet.galleries.iter().map(gallery).collect();
    resources.extend(definitions(fleet));
    resources.extend(fleet.versions.iter().map(version));
    resources.extend(fleet.images.iter().map(managed_image));
    resources.extend(fleet.disks.iter().map(disk));
    resources.extend(fleet.holders.iter().map(holder));
    let soft_deleted: Vec<Value> = fleet.soft_deleted.iter().map(soft_deleted).collect();
    let ids = resources.iter().chain(soft_deleted.iter().map(|one| &one["resource"]));
    let groups: BTreeMap<String, Value> = ids.map(group).collect();
    resources.extend(fleet.locks.iter().enumerate().map(lock));
    let mut subscriptions = vec![json!({"id": fleet.subscription})];
    let others = fleet.others.iter();
    subscriptions.extend(others.map(|one| json!({"id": one.id, "readable": one.readable})));
    json!({
        "now": "2026-11-22T12:00:00Z",
        "stopped": true,
        "subscription": fleet.subscription,
        "subscriptions": subscriptions,
        "groups": groups.into_values().collect::<Vec<_>>(),
        "resources": resources,
        "soft_deleted": soft_deleted,
    })
}

fn resource(id: &str, kind: &str, properties: Value) -> Value {
    let name = id.rsplit('/').next();
    json!({
        "name": name, "id": id, "type": kind, "location": LOCATION, "properties": properties,
    })
}

fn tagged(mut body: Value, tags: &Tags) -> Value {
    let tags: Map<String, Value> =
        tags.iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    body["tags"] = tags.into();
    body
}

/// The resource group of a resource, by its canonical ID.
fn group(resource: &Value) -> (String, Value) {
    let id = resource["id"].as_str().unwrap_or_default();
    let parts: Vec<&str> = id.split('/').take(5).collect();
    let id = parts.join("/");
    let body = json!({
        "id": id, "name": parts[4], "type": "Microsoft.Resources/resourceGroups",
        "location": LOCATION, "tags": {}, "properties": {"provisioningState": "Succeeded"},
    });
    (id.to_ascii_lowercase(), body)
}

fn gallery(one: &FleetGallery) -> Value {
    let mut properties = json!({
        "identifier": {"uniqueName": "unique"},
        "provisioningState": "Succeeded",
    });
    if let Some(days) = one.soft_delete_days {
        properties["softDeletePolicy"] = json!({
            "isSoftDeleteEnabled": true,
            "retentionPeriodInDays": days,
            "gracePeriodInDays": GRACE_DAYS,
        });
    }
    let mut hidden = json!({});
    if one.community {
        properties["sharingProfile"] = json!({
            "permissions": "Community",
            "communityGalleryInfo": {
                "publicNamePrefix": "gold",
                "communityGalleryEnabled": true,
                "publicNames": ["gold-00000000-0000-4000-8000-000000000000"],
            },
        });
        hidden["groups"] = json!([]);
    } else if !one.shared_with.is_empty() {
        properties["sharingProfile"] = json!({"permissions": "Groups"});
        hidden["groups"] = json!([{"type": "Subscriptions", "ids": one.shared_with}]);
    }
    let mut body = resource(&one.id, "Microsoft.Compute/galleries", properties);
    body["_hidden"] = hidden;
    body
}

/// The definitions of all versions.
fn definitions(fleet: &AzureFleet) -> impl Iterator<Item = Value> {
    let deleted = fleet.soft_deleted.iter().map(|one| &one.version);
    let ids = fleet.versions.iter().chain(deleted).map(|one| {
        let parts: Vec<&str> = one.id.split('/').collect();
        parts[..parts.len() - 2].join("/")
    });
    let ids: BTreeMap<String, String> = ids.map(|id| (id.to_ascii_lowercase(), id)).collect();
    ids.into_values().map(|id| {
        let properties = json!({
            "hyperVGeneration": "V2",
            "architecture": "x64",
            "osType": "Linux",
            "osState": "Generalized",
            "identifier": {"publisher": "acme", "offer": "linux", "sku": "web"},
            "provisioningState": "Succeeded",
        });
        resource(&id, "Microsoft.Compute/galleries/images", properties)
    })
}

fn version(one: &FleetVersion) -> Value {
    let regions: Vec<Value> = one.targets.iter().map(target).collect();
    let mut profile = json!({
        "targetRegions": regions,
        "replicaCount": 1,
        "excludeFromLatest": one.excluded,
        "storageAccountType": "Standard_LRS",
    });
    if let Some(at) = one.published_at {
        profile["publishedDate"] = at.to_string().into();
    }
    if let Some(at) = one.end_of_life {
        profile["endOfLifeDate"] = at.to_string().into();
    }
    if one.shallow {
        profile["replicationMode"] = "Shallow".into();
    }
    let properties = json!({
        "publishingProfile": profile,
        "storageProfile": storage(one),
        "safetyProfile": {
            "reportedForPolicyViolation": false,
            "allowDeletionOfReplicatedLocations": false,
            "blockDeletionBeforeEndOfLife": one.block_deletion,
        },
        "provisioningState": one.state,
    });
    let body = resource(&one.id, "Microsoft.Compute/galleries/images/versions", properties);
    let mut body = tagged(body, &one.tags);
    if one.replicas_read {
        let summary = one.targets.iter().map(|target| {
            json!({
                "region": target.region, "state": target.replica, "details": "", "progress": 100,
            })
        });
        let summary: Vec<Value> = summary.collect();
        body["_hidden"] =
            json!({"replicationStatus": {"aggregatedState": "Unknown", "summary": summary}});
    }
    body
}

fn target(one: &FleetTarget) -> Value {
    json!({
        "name": one.region,
        "regionalReplicaCount": 1,
        "storageAccountType": "Standard_LRS",
        "excludeFromLatest": one.excluded,
    })
}

/// A version names the disk or snapshot, the virtual machine or the image it was created from in
/// different places.
fn storage(one: &FleetVersion) -> Value {
    let mut storage = json!({"osDiskImage": {"sizeInGB": 30, "hostCaching": "ReadWrite"}});
    let Some(source) = &one.source else {
        // Every version has a source. This one does not exist any more.
        storage["source"] = json!({"id": GONE});
        return storage;
    };
    let folded = source.to_ascii_lowercase();
    if folded.contains("/disks/") || folded.contains("/snapshots/") {
        storage["osDiskImage"]["source"] = json!({"id": source});
    } else if folded.contains("/virtualmachines/") {
        storage["source"] = json!({"virtualMachineId": source});
    } else {
        storage["source"] = json!({"id": source});
    }
    storage
}

fn soft_deleted(one: &FleetSoftDeleted) -> Value {
    let grace = jiff::SignedDuration::from_hours(24 * i64::from(GRACE_DAYS));
    json!({
        "resource": version(&one.version),
        "at": one.deleted_at.to_string(),
        "consumption_end": one.consumption_ends_at.to_string(),
        "target": (one.consumption_ends_at + grace).to_string(),
    })
}

fn managed_image(one: &FleetManagedImage) -> Value {
    let mut os_disk = json!({
        "osType": "Linux", "osState": "Generalized", "diskSizeGB": 30, "caching": "ReadWrite",
        "storageAccountType": "Premium_LRS",
    });
    let mut sources = one.sources.iter().map(|id| match is_snapshot(id) {
        true => ("snapshot", json!({"id": id})),
        false => ("managedDisk", json!({"id": id})),
    });
    match sources.next() {
        Some((name, id)) => os_disk[name] = id,
        None => os_disk["blobUri"] = "https://example.blob.core.windows.net/vhds/os.vhd".into(),
    }
    let data_disks = sources.enumerate().map(|(lun, (name, id))| {
        let mut body = json!({"lun": lun, "diskSizeGB": 10, "caching": "None"});
        body[name] = id;
        body
    });
    let data_disks: Vec<Value> = data_disks.collect();
    let mut properties = json!({
        "storageProfile": {"osDisk": os_disk, "dataDisks": data_disks, "zoneResilient": false},
        "provisioningState": one.state,
        "hyperVGeneration": "V2",
    });
    if let Some(id) = &one.source_vm {
        properties["sourceVirtualMachine"] = json!({"id": id});
    }
    let mut body = tagged(resource(&one.id, "Microsoft.Compute/images", properties), &one.tags);
    if let Some(at) = one.created_at {
        body["_hidden"] = json!({"createdTime": at.to_string()});
    }
    body
}

fn is_snapshot(id: &str) -> bool {
    id.to_ascii_lowercase().contains("/providers/microsoft.compute/snapshots/")
}

fn disk(one: &FleetDisk) -> Value {
    let state = if one.attached_to.is_some() { "Attached" } else { "Unattached" };
    let mut properties = json!({
        "osType": "Linux",
        "hyperVGeneration": "V2",
        "creationData": {"createOption": "Empty"},
        "diskSizeGB": 30,
        "networkAccessPolicy": "AllowAll",
        "publicNetworkAccess": "Enabled",
        "timeCreated": one.created_at.to_string(),
        "provisioningState": "Succeeded",
        "diskState": state,
        "diskSizeBytes": 30_u64 << 30,
        "uniqueId": "00000000-0000-4000-8000-000000000000",
    });
    let kind = match is_snapshot(&one.id) {
        true => "Microsoft.Compute/snapshots",
        false => "Microsoft.Compute/disks",
    };
    if one.locked {
        properties["immutabilityPolicy"] = json!({"type": "Locked", "isPolicyExpired": false});
    }
    let mut body = tagged(resource(&one.id, kind, properties), &one.tags);
    if let Some(id) = &one.attached_to {
        body["managedBy"] = id.as_str().into();
    }
    body
}

fn holder(one: &FleetHolder) -> Value {
    assert_eq!(one.removed_at, None, "the stand-in has only what exists");
    let state = if one.provisioning { "Creating" } else { "Succeeded" };
    let reference = match one.image.starts_with('/') {
        true => json!({"id": one.image}),
        false => json!({
            "publisher": "Canonical", "offer": one.image, "sku": "server", "version": "latest",
        }),
    };
    let mut storage = json!({
        "imageReference": reference,
        "osDisk": {"osType": "Linux", "createOption": "FromImage", "caching": "ReadWrite"},
        "dataDisks": [],
    });
    if one.kind != HolderKind::ScaleSet {
        storage["osDisk"]["managedDisk"] = json!({"id": os_disk(&one.id)});
    }
    let (kind, properties) = match one.kind {
        HolderKind::VirtualMachine => (
            "Microsoft.Compute/virtualMachines",
            json!({
                "hardwareProfile": {"vmSize": "Standard_D2s_v3"},
                "vmId": "00000000-0000-4000-8000-000000000000",
                "storageProfile": storage,
                "timeCreated": one.added_at.to_string(),
                "provisioningState": state,
            }),
        ),
        HolderKind::ScaleSet => (
            "Microsoft.Compute/virtualMachineScaleSets",
            json!({
                "orchestrationMode": "Uniform",
                "provisioningState": state,
                "timeCreated": one.added_at.to_string(),
                "virtualMachineProfile": {"storageProfile": storage},
                "upgradePolicy": {"mode": "Manual"},
            }),
        ),
        HolderKind::ScaleSetInstance => (
            "Microsoft.Compute/virtualMachineScaleSets/virtualMachines",
            json!({
                "latestModelApplied": true,
                "storageProfile": storage,
                "provisioningState": state,
            }),
        ),
        HolderKind::ImageTemplate => (
            "Microsoft.VirtualMachineImages/imageTemplates",
            json!({
                "provisioningState": state,
                "source": template_source(&one.image),
                "customize": [],
                "distribute": [],
                "buildTimeoutInMinutes": 0,
            }),
        ),
        kind => panic!("the stand-in has no {kind:?}"),
    };
    let mut body = tagged(resource(&one.id, kind, properties), &one.tags);
    body["location"] = one.region.as_str().into();
    match one.kind {
        HolderKind::VirtualMachine => {
            let power = if one.stopped { "deallocated" } else { "running" };
            body["_hidden"] = json!({"power": power, "generalized": false});
        }
        HolderKind::ScaleSetInstance => body["instanceId"] = body["name"].clone(),
        HolderKind::ScaleSet => {
            body["sku"] = json!({"name": "Standard_D2s_v3", "tier": "Standard", "capacity": 1});
        }
        _ => {}
    }
    body
}

/// The OS disk of a virtual machine, which is not in the content of the stand-in.
fn os_disk(machine: &str) -> String {
    let parts: Vec<&str> = machine.split('/').collect();
    let name = parts[parts.len() - 1];
    format!("{}/providers/Microsoft.Compute/disks/{name}-os", parts[..5].join("/"))
}

fn template_source(image: &str) -> Value {
    match image.to_ascii_lowercase().contains("/galleries/") {
        true => json!({"type": "SharedImageVersion", "imageVersionId": image}),
        false => json!({"type": "ManagedImage", "imageId": image}),
    }
}

fn lock((number, one): (usize, &FleetLock)) -> Value {
    let name = format!("lock-{number}");
    let level = if one.read_only { "ReadOnly" } else { "CanNotDelete" };
    json!({
        "id": format!("{}/providers/Microsoft.Authorization/locks/{name}", one.scope),
        "name": name,
        "type": "Microsoft.Authorization/locks",
        "properties": {"level": level},
    })
}
