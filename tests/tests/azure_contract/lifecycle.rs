//! Clauses about the steps from the end of life to the deletion, and their undoing.

use jiff::{SignedDuration, Timestamp};
use steward::cloud::{CloudError, Deregistered, ErrorKind};
use steward::model::{ImageState, SnapshotFate};
use steward_tests::FRESH;
use steward_tests::azure_fake::{
    AzureFleet, FleetHolder, FleetLock, FleetState, FleetTarget, FleetVersion, HolderKind,
};
use steward_tests::switches::Switches;

use crate::{
    AzureAccount, both, find, gallery, gallery_id, group, image, managed_id, the_version,
    version_id, versions,
};

const READ: &str = "Microsoft.Compute/galleries/images/versions/read";
const WRITE: &str = "Microsoft.Compute/galleries/images/versions/write";
const DELETE: &str = "Microsoft.Compute/galleries/images/versions/delete";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn delete<A: AzureAccount>(
    account: &A,
    id: &str,
) -> Result<Option<Deregistered>, CloudError> {
    account.port().deregister(&image(id), SnapshotFate::DeleteLater, FRESH).await
}

pub async fn the_end_of_life_is_set_and_removed<A: AzureAccount>() {
    let account = A::with(both()).await;
    let id = image(&version_id("1.0.0"));
    account.port().deprecate(&id, at("2026-11-22T12:00:00Z")).await.unwrap();
    account.settle().await;
    let found = find(&account, &version_id("1.0.0")).await;
    assert_eq!(found.deprecation_time, Some(at("2026-11-22T12:00:00Z")));
    assert_eq!(found.state, ImageState::Available);
    account.port().cancel_deprecation(&id).await.unwrap();
    account.settle().await;
    assert_eq!(find(&account, &version_id("1.0.0")).await.deprecation_time, None);
}

pub async fn a_version_is_excluded_with_its_end_of_life_and_included_again<A: AzureAccount>() {
    let account = A::with(both()).await;
    let id = image(&version_id("1.0.0"));
    let done = account.port().disable(&id, at("2026-11-22T12:00:00Z"), FRESH).await.unwrap();
    assert_eq!(done, Some(()));
    account.settle().await;
    let found = find(&account, &version_id("1.0.0")).await;
    assert_eq!(found.state, ImageState::Disabled);
    assert_eq!(found.deprecation_time, Some(at("2026-11-22T12:00:00Z")));
    account.port().enable(&id).await.unwrap();
    account.settle().await;
    let found = find(&account, &version_id("1.0.0")).await;
    assert_eq!(found.state, ImageState::Available);
    assert_eq!(found.deprecation_time, Some(at("2026-11-22T12:00:00Z")));
}

/// They are the owner's. Nothing would record them if a step changed them.
pub async fn the_exclusions_of_regions_stay<A: AzureAccount>() {
    let here = FleetTarget { excluded: true, ..FleetTarget::new("West Europe") };
    let targets = vec![here, FleetTarget::new("North Europe")];
    let version =
        FleetVersion { targets: targets.clone(), ..FleetVersion::new(version_id("1.0.0")) };
    let account = A::with(versions([version])).await;
    let id = image(&version_id("1.0.0"));
    account.port().disable(&id, at("2026-11-22T12:00:00Z"), FRESH).await.unwrap();
    account.settle().await;
    assert_eq!(the_version(&account).await.targets, targets);
    account.port().enable(&id).await.unwrap();
    account.settle().await;
    assert_eq!(the_version(&account).await.targets, targets);
}

pub async fn during_an_operation_others_are_refused<A: AzureAccount>() {
    let account = A::with(both()).await;
    let (port, id) = (account.port(), image(&version_id("1.0.0")));
    port.deprecate(&id, at("2026-11-22T12:00:00Z")).await.unwrap();
    assert_eq!(find(&account, &version_id("1.0.0")).await.state, ImageState::Transient);
    let later = at("2026-11-23T12:00:00Z");
    for error in [
        port.deprecate(&id, later).await.unwrap_err(),
        port.cancel_deprecation(&id).await.unwrap_err(),
        port.disable(&id, later, FRESH).await.unwrap_err(),
        port.enable(&id).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::Busy, "{error}");
    }
    // The error code of the deletion is not documented.
    let error = delete(&account, &version_id("1.0.0")).await.unwrap_err();
    assert!([ErrorKind::Busy, ErrorKind::Other].contains(&error.kind), "{error}");
    assert_eq!(error.missing_permission(), None);
    account.settle().await;
    port.disable(&id, later, FRESH).await.unwrap();
}

pub async fn an_update_that_changes_nothing_is_not_sent<A: AzureAccount>() {
    let account = A::with(both()).await;
    let id = image(&version_id("1.0.0"));
    account.set(Switches::deny(&[WRITE])).await;
    account.port().enable(&id).await.unwrap();
    account.port().cancel_deprecation(&id).await.unwrap();
    assert_eq!(the_version(&account).await.state, FleetState::Succeeded);
}

pub async fn what_is_gone_accepts_no_steps<A: AzureAccount>() {
    let account = A::with(both()).await;
    let (port, id) = (account.port(), image(&version_id("9.0.0")));
    for error in [
        port.deprecate(&id, at("2026-11-22T12:00:00Z")).await.unwrap_err(),
        port.cancel_deprecation(&id).await.unwrap_err(),
        port.disable(&id, at("2026-11-22T12:00:00Z"), FRESH).await.unwrap_err(),
        port.enable(&id).await.unwrap_err(),
    ] {
        // An update may read the version first.
        assert!([READ, WRITE].contains(&error.call), "{error}");
        assert_eq!(error.kind, ErrorKind::NotFound);
    }
}

pub async fn a_managed_image_has_no_steps<A: AzureAccount>() {
    let account = A::with(both()).await;
    let before = account.world().await;
    let (port, id) = (account.port(), image(&managed_id("Base")));
    for error in [
        port.deprecate(&id, at("2026-11-22T12:00:00Z")).await.unwrap_err(),
        port.disable(&id, at("2026-11-22T12:00:00Z"), FRESH).await.unwrap_err(),
    ] {
        assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Other, None));
    }
    assert_eq!(account.world().await, before);
}

pub async fn a_deleted_version_is_in_the_soft_delete<A: AzureAccount>() {
    let account = A::with(both()).await;
    let id = image(&version_id("1.0.0"));
    let done = delete(&account, &version_id("1.0.0")).await.unwrap().unwrap();
    assert_eq!(done, Deregistered::default());
    assert_eq!(find(&account, &version_id("1.0.0")).await.state, ImageState::Deregistered);
    assert_eq!(account.port().list_recycled_images().await.unwrap(), []);
    account.settle().await;
    assert_eq!(account.port().find_image(&id).await.unwrap(), None);
    let [found] = account.port().list_recycled_images().await.unwrap().try_into().unwrap();
    assert_eq!((&found.image_id, &*found.name), (&id, "gold/web/1.0.0"));
    let days = found.leaves_at.unwrap().duration_since(found.entered_at.unwrap());
    assert_eq!(days, SignedDuration::from_hours(24 * 14));
    account.pass(24 * 60 * 15).await;
    assert_eq!(account.port().list_recycled_images().await.unwrap(), []);
}

pub async fn a_version_of_a_gallery_without_soft_delete_is_gone<A: AzureAccount>() {
    let account = A::with(AzureFleet { galleries: vec![gallery(None)], ..both() }).await;
    delete(&account, &version_id("1.0.0")).await.unwrap();
    account.settle().await;
    assert_eq!(account.port().list_images().await.unwrap().images.len(), 1);
    assert_eq!(account.port().list_recycled_images().await.unwrap(), []);
}

pub async fn a_deleted_managed_image_is_gone<A: AzureAccount>() {
    let account = A::with(both()).await;
    delete(&account, &managed_id("Base")).await.unwrap();
    account.settle().await;
    assert_eq!(account.world().await.images, []);
    assert_eq!(account.port().list_recycled_images().await.unwrap(), []);
}

pub async fn deleting_twice_succeeds<A: AzureAccount>() {
    let account = A::with(both()).await;
    for id in [version_id("1.0.0"), managed_id("Base"), version_id("9.0.0")] {
        for _ in 0..2 {
            let done = delete(&account, &id).await.unwrap();
            assert_eq!(done, Some(Deregistered::default()), "{id}");
        }
        account.settle().await;
        delete(&account, &id).await.unwrap();
    }
    assert_eq!(account.port().list_recycled_images().await.unwrap().len(), 1);
}

pub async fn a_deletion_with_an_old_check_is_not_sent<A: AzureAccount>() {
    let account = A::with(both()).await;
    let before = account.world().await;
    let (port, old) = (account.port(), &|| false);
    for id in [version_id("1.0.0"), managed_id("Base")] {
        let done = port.deregister(&image(&id), SnapshotFate::DeleteLater, old).await.unwrap();
        assert_eq!(done, None);
    }
    let id = image(&version_id("1.0.0"));
    assert_eq!(port.disable(&id, at("2026-11-22T12:00:00Z"), old).await.unwrap(), None);
    assert_eq!(account.world().await, before);
}

pub async fn what_azure_refuses_to_delete_stays<A: AzureAccount>() {
    let lock = |scope: String, read_only| FleetLock { scope, read_only };
    let vm = format!("{}/providers/Microsoft.Compute/virtualMachines/New", group());
    let starting = FleetHolder {
        provisioning: true,
        ..FleetHolder::new(HolderKind::VirtualMachine, vm, managed_id("Base"))
    };
    let blocked = FleetVersion {
        block_deletion: true,
        end_of_life: Some(at("2027-01-01T00:00:00Z")),
        ..FleetVersion::new(version_id("1.0.0"))
    };
    let failed = FleetVersion {
        state: FleetState::Failed,
        targets: Vec::new(),
        ..FleetVersion::new(version_id("1.0.0"))
    };
    for (fleet, id) in [
        (
            AzureFleet { locks: vec![lock(gallery_id("GOLD"), false)], ..both() },
            version_id("1.0.0"),
        ),
        (AzureFleet { locks: vec![lock(group(), true)], ..both() }, managed_id("Base")),
        (AzureFleet { holders: vec![starting], ..both() }, managed_id("Base")),
        (versions([blocked]), version_id("1.0.0")),
        (versions([failed]), version_id("1.0.0")),
    ] {
        let account = A::with(fleet).await;
        let before = account.world().await;
        let error = delete(&account, &id).await.unwrap_err();
        assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Other, None), "{error}");
        assert_eq!(account.world().await, before);
    }
}

pub async fn a_soft_deleted_version_is_recovered<A: AzureAccount>() {
    let account = A::with(both()).await;
    let id = image(&version_id("1.0.0"));
    delete(&account, &version_id("1.0.0")).await.unwrap();
    account.settle().await;
    account.port().recover_image(&id).await.unwrap();
    account.settle().await;
    assert_eq!(find(&account, &version_id("1.0.0")).await.state, ImageState::Available);
    assert_eq!(account.port().list_recycled_images().await.unwrap(), []);
}

pub async fn what_is_not_in_the_soft_delete_is_not_recovered<A: AzureAccount>() {
    let account = A::with(both()).await;
    let error = account.port().recover_image(&image(&version_id("9.0.0"))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

pub async fn there_are_no_retention_rules<A: AzureAccount>() {
    let account = A::with(both()).await;
    assert_eq!(account.port().list_retention_rules().await.unwrap(), None);
    assert_eq!(account.port().list_recycled_snapshots().await.unwrap(), []);
}

pub async fn nothing_is_shared_again<A: AzureAccount>() {
    let account = A::with(both()).await;
    let (port, id) = (account.port(), image(&version_id("1.0.0")));
    port.share(&id, &[]).await.unwrap();
    let error = port.share(&id, &["all".into()]).await.unwrap_err();
    assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Other, None));
}

pub async fn a_denied_change_names_its_permission<A: AzureAccount>() {
    let account = A::with(both()).await;
    let before = account.world().await;
    let managed = "Microsoft.Compute/images/delete";
    account.set(Switches::deny(&[WRITE, DELETE, managed])).await;
    let (port, id) = (account.port(), image(&version_id("1.0.0")));
    for (error, action) in [
        (port.deprecate(&id, at("2026-11-22T12:00:00Z")).await.unwrap_err(), WRITE),
        (port.disable(&id, at("2026-11-22T12:00:00Z"), FRESH).await.unwrap_err(), WRITE),
        (delete(&account, &version_id("1.0.0")).await.unwrap_err(), DELETE),
        (delete(&account, &managed_id("Base")).await.unwrap_err(), managed),
    ] {
        assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
    }
    assert_eq!(account.world().await, before);
}
