//! The content of the stand-in as a fleet.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use steward::model::Tags;

use super::writing::GONE;
use crate::azure_fake::{
    AzureFleet, FleetDisk, FleetManagedImage, FleetSoftDeleted, FleetTarget, FleetVersion, Replica,
};

/// The versions, managed images, disks and snapshots of a world, by type and then as listed. The
/// rest is as it was loaded.
pub(super) fn fleet(world: &Value, loaded: &AzureFleet) -> AzureFleet {
    let all = array(&world["resources"]);
    let of_type = |kind: &str| {
        let kind = format!("Microsoft.Compute/{kind}");
        all.iter().filter(move |one| one["type"] == kind)
    };
    let soft_deleted = array(&world["soft_deleted"]).iter().map(|one| FleetSoftDeleted {
        version: version(&one["resource"]),
        deleted_at: read(&one["at"]),
        consumption_ends_at: read(&one["consumption_end"]),
    });
    AzureFleet {
        versions: of_type("galleries/images/versions").map(version).collect(),
        soft_deleted: soft_deleted.collect(),
        images: of_type("images").map(managed_image).collect(),
        disks: of_type("disks").chain(of_type("snapshots")).map(disk).collect(),
        ..loaded.clone()
    }
}

fn version(body: &Value) -> FleetVersion {
    let properties = &body["properties"];
    let (profile, storage) = (&properties["publishingProfile"], &properties["storageProfile"]);
    let replicas = &body["_hidden"]["replicationStatus"]["summary"];
    let places = [
        &storage["source"]["id"],
        &storage["source"]["virtualMachineId"],
        &storage["osDiskImage"]["source"]["id"],
    ];
    let source = places.into_iter().find_map(Value::as_str).filter(|id| *id != GONE);
    let target = |one: &Value| {
        let replica = array(replicas).iter().find(|replica| replica["region"] == one["name"]);
        FleetTarget {
            region: text(&one["name"]),
            excluded: one["excludeFromLatest"] == true,
            replica: replica.map_or(Replica::default(), |one| read(&one["state"])),
        }
    };
    FleetVersion {
        id: text(&body["id"]),
        published_at: time(&profile["publishedDate"]),
        state: read(&properties["provisioningState"]),
        excluded: profile["excludeFromLatest"] == true,
        end_of_life: time(&profile["endOfLifeDate"]),
        block_deletion: properties["safetyProfile"]["blockDeletionBeforeEndOfLife"] == true,
        targets: array(&profile["targetRegions"]).iter().map(target).collect(),
        replicas_read: !replicas.is_null(),
        shallow: profile["replicationMode"] == "Shallow",
        source: source.map(str::to_owned),
        tags: tags(body),
        operation: None,
    }
}

fn managed_image(body: &Value) -> FleetManagedImage {
    let properties = &body["properties"];
    let storage = &properties["storageProfile"];
    let disks = std::iter::once(&storage["osDisk"]).chain(array(&storage["dataDisks"]));
    let sources = disks.filter_map(|one| {
        let id = one["managedDisk"]["id"].as_str();
        id.or_else(|| one["snapshot"]["id"].as_str()).map(str::to_owned)
    });
    FleetManagedImage {
        id: text(&body["id"]),
        created_at: time(&body["_hidden"]["createdTime"]),
        state: read(&properties["provisioningState"]),
        tags: tags(body),
        source_vm: properties["sourceVirtualMachine"]["id"].as_str().map(str::to_owned),
        sources: sources.collect(),
    }
}

fn disk(body: &Value) -> FleetDisk {
    let properties = &body["properties"];
    FleetDisk {
        id: text(&body["id"]),
        created_at: read(&properties["timeCreated"]),
        tags: tags(body),
        attached_to: body["managedBy"].as_str().map(str::to_owned),
        locked: properties["immutabilityPolicy"]["type"] == "Locked",
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    T::deserialize(value).expect("what the fleet contains")
}

fn time(value: &Value) -> Option<Timestamp> {
    (!value.is_null()).then(|| read(value))
}

fn tags(body: &Value) -> Tags {
    let pairs = body["tags"].as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), text(value))).collect()
}
