//! Clauses about disks and snapshots.

use steward::cloud::{ErrorKind, SnapshotDeletion, SnapshotScope};
use steward::model::{
    Attribution, ComputeEnvironments, Recoverability, ReferenceScope, TemplateVersions,
};
use steward_tests::FRESH;
use steward_tests::azure_fake::{AzureFleet, FleetDisk, FleetLock, FleetState, FleetVersion};

use crate::{AzureAccount, both, disk, group, version_id};

fn id(kind: &str, name: &str) -> String {
    format!("{}/providers/Microsoft.Compute/{kind}/{name}", group())
}

fn scope() -> ReferenceScope {
    ReferenceScope {
        versions: TemplateVersions::DefaultAndLatest,
        compute_environments: ComputeEnvironments::Read,
        ignore_templates: Vec::new(),
        accounts: Vec::new(),
    }
}

fn two() -> AzureFleet {
    let tagged = FleetDisk {
        tags: [("Image-Steward:Image", version_id("1.0.0").as_str())].into_iter().collect(),
        ..FleetDisk::new(id("snapshots", "Os").to_uppercase())
    };
    AzureFleet { disks: vec![tagged, FleetDisk::new(id("disks", "Os"))], ..both() }
}

pub async fn disks_and_snapshots_are_listed_and_found<A: AzureAccount>() {
    let account = A::with(two()).await;
    let port = account.port();
    let listed = port.list_snapshots(&SnapshotScope::Own).await.unwrap();
    assert_eq!(listed.len(), 2);
    for one in &listed {
        assert_eq!(
            (one.attribution, one.recovery),
            (Attribution::StateTag, Recoverability::Unsupported)
        );
        assert!(one.started_at.is_some() && one.size_gib.is_some());
        assert_eq!(port.find_volume_permissions(&one.snapshot_id).await.unwrap(), []);
    }
    let key = "image-steward:image".to_owned();
    let tagged = SnapshotScope::Tagged { key, value: version_id("1.0.0") };
    let found = port.list_snapshots(&tagged).await.unwrap();
    assert_eq!(
        found.iter().map(|one| &one.snapshot_id).collect::<Vec<_>>(),
        [&disk(&id("snapshots", "Os"))]
    );
    let ids = [disk(&id("disks", "Os")), disk(&id("disks", "Gone"))];
    assert_eq!(port.find_snapshots(&ids).await.unwrap().len(), 1);
    assert_eq!(port.find_snapshots(&[]).await.unwrap(), []);
}

pub async fn attached_disks_and_needed_sources_are_referenced<A: AzureAccount>() {
    let vm = id("virtualMachines", "Build");
    let attached = FleetDisk { attached_to: Some(vm), ..FleetDisk::new(id("disks", "Data")) };
    let from = |number: &str, name: &str, shallow, state| FleetVersion {
        source: Some(id("snapshots", name)),
        shallow,
        state,
        ..FleetVersion::new(version_id(number))
    };
    let account = A::with(AzureFleet {
        disks: ["A", "B", "C"]
            .map(|name| FleetDisk::new(id("snapshots", name)))
            .into_iter()
            .chain([attached])
            .collect(),
        versions: vec![
            from("1.0.0", "A", true, FleetState::Succeeded),
            from("2.0.0", "B", false, FleetState::Creating),
            from("3.0.0", "C", false, FleetState::Succeeded),
        ],
        ..both()
    })
    .await;
    let found = account.port().list_snapshot_references(&scope()).await.unwrap();
    let mut found: Vec<String> = found
        .iter()
        .map(|one| {
            format!("{} {}", one.snapshot_id.short().trim_start_matches("golden/"), one.kind)
        })
        .collect();
    found.sort();
    assert_eq!(found, ["a image_version", "b image_version", "data virtual_machine"]);
}

pub async fn locked_snapshots_are_listed_and_not_deleted<A: AzureAccount>() {
    let immutable = FleetDisk { locked: true, ..FleetDisk::new(id("snapshots", "A")) };
    let lock = FleetLock { scope: id("snapshots", "B").to_uppercase(), read_only: false };
    let free = || FleetDisk::new(id("snapshots", "C"));
    let account = A::with(AzureFleet {
        disks: vec![immutable, FleetDisk::new(id("snapshots", "B")), free()],
        locks: vec![lock],
        ..both()
    })
    .await;
    let mut locked = account.port().list_locked_snapshots().await.unwrap();
    locked.sort();
    assert_eq!(locked, ["A", "B"].map(|name| disk(&id("snapshots", name))));
    for one in &locked {
        match account.port().delete_snapshot(one, FRESH).await {
            Err(error) => {
                let found = (error.kind, error.missing_permission());
                assert_eq!(found, (ErrorKind::Other, None));
            }
            // The error code for an immutability policy is not documented.
            deleted => assert_eq!(deleted.unwrap(), Some(SnapshotDeletion::InUse)),
        }
    }
    assert_eq!(account.world().await.disks.len(), 3);
}

pub async fn a_disk_is_deleted_permanently<A: AzureAccount>() {
    let account = A::with(two()).await;
    let (port, one) = (account.port(), disk(&id("disks", "Os")));
    assert_eq!(port.delete_snapshot(&one, &|| false).await.unwrap(), None);
    let deleted = port.delete_snapshot(&one, FRESH).await.unwrap();
    assert_eq!(deleted, Some(SnapshotDeletion::Deleted));
    account.settle().await;
    let again = port.delete_snapshot(&one, FRESH).await.unwrap();
    assert_eq!(again, Some(SnapshotDeletion::AlreadyGone));
    assert_eq!(port.find_snapshots(std::slice::from_ref(&one)).await.unwrap(), []);
    assert_eq!(port.list_recycled_snapshots().await.unwrap(), []);
    assert_eq!(port.recover_snapshot(&one).await.unwrap_err().kind, ErrorKind::NotFound);
}
