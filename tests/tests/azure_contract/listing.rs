//! Clauses about listing and finding images.

use steward::cloud::ErrorKind;
use steward::model::{
    Capabilities, Disabling, Image, ImageDisk, ImageState, LaunchPermission, Recoverability, Tags,
};
use steward_tests::azure_fake::{
    AzureFleet, FleetGallery, FleetLock, FleetManagedImage, FleetState, FleetTarget, FleetVersion,
    Replica, SUBSCRIPTION,
};
use steward_tests::switches::Switches;

use crate::{
    AzureAccount, both, disk, find, gallery, gallery_id, group, image, managed_id, version_id,
    versions,
};

fn cased(pairs: &[(&str, &str)]) -> Tags {
    let mut tags: Tags = pairs.iter().copied().collect();
    tags.ignore_case();
    tags
}

pub async fn a_version_is_listed_with_all_that_is_known_of_it<A: AzureAccount>() {
    let source = format!("{}/providers/Microsoft.Compute/snapshots/Os", group());
    let account = A::with(versions([FleetVersion {
        published_at: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        end_of_life: Some("2027-01-01T00:00:00Z".parse().unwrap()),
        source: Some(source.to_uppercase()),
        tags: [("Family", "web")].into_iter().collect(),
        ..FleetVersion::new(version_id("1.2.3"))
    }]))
    .await;
    let expected = Image {
        name: "Gold/Web/1.2.3".into(),
        owner_id: Some(SUBSCRIPTION.parse().unwrap()),
        created_at: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        state: ImageState::Available,
        architecture: Some("x86_64".into()),
        platform: Some("Linux".into()),
        tags: cased(&[("Family", "web")]),
        deprecation_time: Some("2027-01-01T00:00:00Z".parse().unwrap()),
        launch_permissions: Some(Box::default()),
        sources: [disk(&source)].into(),
        definition: Some("Gold/Web".into()),
        os_state: Some("generalized".into()),
        disks: [ImageDisk { lun: None, size_gib: Some(30) }].into(),
        capabilities: Capabilities {
            deprecate: true,
            disable: Disabling::ExcludesFromLatest,
            recovery: Recoverability::Days(14),
        },
        ..Image::new(image(&version_id("1.2.3")))
    };
    let listed = account.port().list_images().await.unwrap();
    assert_eq!((listed.images.as_slice(), listed.other_types), (&[expected.clone()][..], 0));
    assert_eq!(find(&account, &version_id("1.2.3")).await, expected);
    assert_eq!(listed.images[0].tags.get("FAMILY"), Some("web"));
}

pub async fn a_managed_image_is_listed_with_all_that_is_known_of_it<A: AzureAccount>() {
    let source = format!("{}/providers/Microsoft.Compute/disks/Os", group());
    let vm = format!("{}/providers/Microsoft.Compute/virtualMachines/Build", group());
    let account = A::with(AzureFleet {
        images: vec![
            FleetManagedImage {
                source_vm: Some(vm.to_lowercase()),
                sources: vec![source.clone()],
                ..FleetManagedImage::new(managed_id("Base"))
            },
            FleetManagedImage { created_at: None, ..FleetManagedImage::new(managed_id("Old")) },
        ],
        ..AzureFleet::default()
    })
    .await;
    let found = find(&account, &managed_id("Base")).await;
    assert_eq!((&*found.name, found.state), ("Base", ImageState::Available));
    assert_eq!(found.source_instance, Some(vm.parse().unwrap()));
    assert_eq!(found.sources, [disk(&source)].into());
    assert_eq!((found.definition, found.deprecation_time), (None, None));
    let expected = Capabilities {
        deprecate: false,
        disable: Disabling::Unsupported,
        recovery: Recoverability::Unsupported,
    };
    assert_eq!(found.capabilities, expected);
    assert_eq!(find(&account, &managed_id("Old")).await.created_at, None);
}

pub async fn ids_in_any_case_are_one_image<A: AzureAccount>() {
    let id = version_id("1.0.0");
    let account = A::with(versions([FleetVersion::new(id.to_uppercase())])).await;
    for spelled in [id.clone(), id.to_lowercase(), id.to_uppercase()] {
        let found = account.port().find_images(&[image(&spelled)]).await.unwrap();
        assert_eq!(found.len(), 1, "{spelled}");
        assert_eq!(found[0].image_id.as_str(), id.to_lowercase());
    }
}

pub async fn the_state_of_a_version_follows_from_its_operation_and_its_replicas<A: AzureAccount>() {
    use FleetState::{Creating, Deleting, Failed, Migrating, Succeeded, Updating};
    let all = [
        (Creating, Replica::Replicating, true, false, ImageState::Pending),
        (Updating, Replica::Completed, true, false, ImageState::Transient),
        (Migrating, Replica::Completed, true, false, ImageState::Transient),
        (Deleting, Replica::Completed, true, false, ImageState::Deregistered),
        (Succeeded, Replica::Completed, true, false, ImageState::Available),
        (Succeeded, Replica::Completed, true, true, ImageState::Disabled),
        (Succeeded, Replica::Replicating, true, false, ImageState::Transient),
        (Succeeded, Replica::Failed, true, true, ImageState::Transient),
        (Succeeded, Replica::Replicating, false, false, ImageState::Available),
        (Failed, Replica::Completed, true, false, ImageState::Error),
        (Failed, Replica::Failed, true, false, ImageState::Failed),
    ];
    for (state, replica, replicas_read, excluded, expected) in all {
        let target = FleetTarget { replica, ..FleetTarget::new("West Europe") };
        let account = A::with(versions([FleetVersion {
            state,
            replicas_read,
            excluded,
            targets: vec![target],
            ..FleetVersion::new(version_id("1.0.0"))
        }]))
        .await;
        let found = find(&account, &version_id("1.0.0")).await;
        assert_eq!(found.state, expected, "{state:?} {replica:?}");
        assert_eq!(found.unconfirmed, !replicas_read);
    }
}

pub async fn images_are_found_together_and_by_name<A: AzureAccount>() {
    let account = A::with(both()).await;
    let (port, gone) = (account.port(), image(&version_id("9.0.0")));
    let ids = [image(&version_id("1.0.0")), gone.clone(), image(&managed_id("Base"))];
    assert_eq!(port.find_images(&ids).await.unwrap().len(), 2);
    assert_eq!(port.find_image(&gone).await.unwrap(), None);
    let names = ["gold/web/1.0.0".to_owned(), "other".to_owned()];
    let named = port.find_images_named(&names).await.unwrap();
    assert_eq!(named.iter().map(|one| &one.image_id).collect::<Vec<_>>(), [&ids[0]]);
    account.set(Switches::deny(&["Microsoft.Compute/galleries/images/versions/read"])).await;
    assert_eq!(port.find_images(&[]).await.unwrap(), []);
    assert_eq!(port.find_images_named(&[]).await.unwrap(), []);
}

pub async fn what_locks_a_version_or_a_parent_protects_it<A: AzureAccount>() {
    let definition = version_id("1.0.0").replace("/versions/1.0.0", "");
    for (scope, protected) in [
        (format!("/subscriptions/{SUBSCRIPTION}"), true),
        (group().to_uppercase(), true),
        (gallery_id("Gold"), true),
        (definition.clone(), true),
        (version_id("1.0.0"), true),
        (version_id("1.0.01"), false),
        (version_id("1.0"), false),
        (format!("{}/providers/Microsoft.Compute/galleries/Go", group()), false),
        (format!("{definition}s"), false),
    ] {
        for read_only in [false, true] {
            let lock = FleetLock { scope: scope.clone(), read_only };
            let fleet = AzureFleet { locks: vec![lock], ..both() };
            let account = A::with(fleet).await;
            let found = find(&account, &version_id("1.0.0")).await;
            assert_eq!(found.protected, protected, "{scope}");
            assert_eq!(found.protected_by.is_some(), protected);
        }
    }
}

pub async fn blocked_deletions_protect_until_the_end_of_life<A: AzureAccount>() {
    // The adapter compares with the time of this computer.
    for (end_of_life, protected) in
        [(None, true), (Some("2100-01-01T00:00:00Z"), true), (Some("2026-01-02T00:00:00Z"), false)]
    {
        let account = A::with(versions([FleetVersion {
            block_deletion: true,
            end_of_life: end_of_life.map(|at| at.parse().unwrap()),
            ..FleetVersion::new(version_id("1.0.0"))
        }]))
        .await;
        let found = find(&account, &version_id("1.0.0")).await;
        assert_eq!(found.protected, protected, "{end_of_life:?}");
    }
}

pub async fn a_failed_version_is_protected_by_the_soft_delete<A: AzureAccount>() {
    for days in [Some(7), None] {
        let version = FleetVersion {
            state: FleetState::Failed,
            targets: vec![FleetTarget {
                replica: Replica::Failed,
                ..FleetTarget::new("West Europe")
            }],
            ..FleetVersion::new(version_id("1.0.0"))
        };
        let fleet = AzureFleet { galleries: vec![gallery(days)], ..versions([version]) };
        let found = find(&A::with(fleet).await, &version_id("1.0.0")).await;
        assert_eq!((found.state, found.protected), (ImageState::Failed, days.is_some()));
    }
}

pub async fn the_soft_delete_of_the_gallery_is_the_recovery<A: AzureAccount>() {
    for (days, expected) in
        [(Some(3), Recoverability::Days(3)), (None, Recoverability::Unsupported)]
    {
        let fleet = AzureFleet { galleries: vec![gallery(days)], ..both() };
        let found = find(&A::with(fleet).await, &version_id("1.0.0")).await;
        assert_eq!(found.capabilities.recovery, expected);
    }
}

pub async fn sharing_of_the_gallery_is_sharing_of_its_versions<A: AzureAccount>() {
    const OTHER: &str = "aaaaaaaa-0000-4000-8000-000000000001";
    let shared = FleetGallery { shared_with: vec![OTHER.to_owned()], ..gallery(None) };
    let community = FleetGallery { community: true, ..gallery(None) };
    for (gallery, with) in [
        (gallery(None), vec![]),
        (shared, vec![OTHER.into()]),
        (community, vec![LaunchPermission::Everyone]),
    ] {
        let account = A::with(AzureFleet { galleries: vec![gallery], ..both() }).await;
        let found = find(&account, &version_id("1.0.0")).await;
        assert_eq!(found.public, with.contains(&LaunchPermission::Everyone));
        assert_eq!(found.launch_permissions.as_deref(), Some(&*with));
        let id = image(&version_id("1.0.0"));
        assert_eq!(account.port().find_launch_permissions(&id).await.unwrap(), with);
        let managed = image(&managed_id("Base"));
        assert_eq!(account.port().find_launch_permissions(&managed).await.unwrap(), []);
        let gone = image(&version_id("9.0.0"));
        assert_eq!(account.port().find_launch_permissions(&gone).await.unwrap(), with);
        let gone = image(&version_id("1.0.0").replace("Gold", "Gone"));
        let error = account.port().find_launch_permissions(&gone).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
    }
}

pub async fn a_denied_reading_names_its_permission<A: AzureAccount>() {
    for action in [
        "Microsoft.Compute/galleries/read",
        "Microsoft.Compute/galleries/images/versions/read",
        "Microsoft.Compute/images/read",
        "Microsoft.Authorization/locks/read",
    ] {
        let account = A::with(both()).await;
        account.set(Switches::deny(&[action])).await;
        let error = account.port().list_images().await.unwrap_err();
        assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
    }
}
