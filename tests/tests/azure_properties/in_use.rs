//! The images in use, computed from the subscription itself. This does not share code with the fake:
//! it knows what Azure knows, and not only what the responses show.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use steward::model::{ImageId, SnapshotId};
use steward_tests::azure_fake::{
    AzureFleet, FleetHolder, FleetState, FleetVersion, HolderKind, Replica, SUBSCRIPTION,
};

use super::fleets::UNREADABLE;

/// The images that a resource uses at `at`, as far as it can be read: in the subscription of the
/// images and in those in `named` at once, and elsewhere when the Resource Graph shows it.
pub fn in_use(fleet: &AzureFleet, named: &[&str], at: Timestamp) -> BTreeSet<ImageId> {
    let late = SignedDuration::from_mins(fleet.habits.graph_minutes);
    let mut used = BTreeSet::new();
    for holder in &fleet.holders {
        let id = holder.id.to_lowercase();
        let is_in = |subscription: &str| id.starts_with(&format!("/subscriptions/{subscription}/"));
        let is_listed = holder.kind != HolderKind::BatchPool
            && (is_in(SUBSCRIPTION) || named.iter().any(|one| is_in(one)));
        let since = if is_listed { holder.added_at } else { holder.added_at + late };
        let is_gone = holder.removed_at.is_some_and(|removed| removed <= at);
        if since <= at && !is_gone && (is_listed || !is_in(UNREADABLE)) {
            used.extend(images_of(fleet, holder));
        }
    }
    let deleted = fleet.soft_deleted.iter().map(|one| &one.version);
    for version in fleet.versions.iter().chain(deleted) {
        if version.shallow || version.state == FleetState::Creating {
            used.extend(version.source.as_deref().and_then(|id| id.parse().ok()));
        }
    }
    used
}

fn images_of(fleet: &AzureFleet, holder: &FleetHolder) -> Vec<ImageId> {
    match holder.image.parse() {
        Ok(image) => vec![image],
        Err(_) if holder.image.parse::<SnapshotId>().is_ok() => Vec::new(),
        Err(_) => latest(fleet, &holder.image, &holder.region),
    }
}

fn id_of(version: &FleetVersion) -> ImageId {
    version.id.parse().unwrap()
}

fn number(version: &FleetVersion) -> Vec<u32> {
    let name = version.id.rsplit('/').next().unwrap();
    name.split('.').map(|part| part.parse().unwrap()).collect()
}

/// Whether an instance can be started from the version by its definition.
fn starts_in(version: &FleetVersion, region: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(' ', "");
    !version.excluded
        && version.targets.iter().any(|target| {
            plain(&target.region) == plain(region)
                && !target.excluded
                && target.replica == Replica::Completed
        })
}

/// The version that Azure starts now: the highest one that certainly starts in the region. All
/// versions if none does. A version with an operation is not retired anyway.
fn latest(fleet: &AzureFleet, definition: &str, region: &str) -> Vec<ImageId> {
    let prefix = format!("{}/versions/", definition.to_lowercase());
    let of = || fleet.versions.iter().filter(|one| one.id.to_lowercase().starts_with(&prefix));
    let certain = of().filter(|one| one.state == FleetState::Succeeded && starts_in(one, region));
    let highest = certain.max_by_key(|one| number(one));
    let Some(highest) = highest else {
        return of().filter(|one| one.state != FleetState::Deleting).map(id_of).collect();
    };
    vec![id_of(highest)]
}

/// The disks and snapshots that a virtual machine or a version needs, or that somebody locked.
pub fn held_disks(fleet: &AzureFleet, named: &[&str], at: Timestamp) -> BTreeSet<SnapshotId> {
    let mut held = BTreeSet::new();
    let elsewhere = fleet.holders.iter().filter(|holder| {
        let id = holder.id.to_lowercase();
        let is_named = named.iter().any(|one| id.starts_with(&format!("/subscriptions/{one}/")));
        is_named && holder.added_at <= at && holder.removed_at.is_none_or(|removed| removed > at)
    });
    held.extend(elsewhere.filter_map(|holder| holder.image.parse().ok()));
    let deleted = fleet.soft_deleted.iter().map(|one| &one.version);
    for version in fleet.versions.iter().chain(deleted) {
        // The source of an image that exists is not an orphan.
        let exists = version.state != FleetState::Deleting
            && fleet.versions.iter().any(|one| one.id == version.id);
        if version.shallow || version.state == FleetState::Creating || exists {
            held.extend(version.source.as_deref().and_then(|id| id.parse().ok()));
        }
    }
    held.extend(fleet.images.iter().flat_map(|one| &one.sources).filter_map(|id| id.parse().ok()));
    let disks = fleet.disks.iter().filter(|one| one.locked || one.attached_to.is_some());
    held.extend(disks.filter_map(|one| one.id.parse().ok()));
    held
}
