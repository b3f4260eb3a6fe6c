//! Examples that the properties have found.

use steward::model::Tags;
use steward::policy::Policy;
use steward_tests::azure_fake::{
    AzureFake, AzureFleet, FleetDisk, FleetGallery, FleetManagedImage, FleetState, FleetVersion,
};

use super::days::{run_day, run_functions, with_azure_job};
use super::fleets::{day, disk_id, folded_tag, gallery_id, image_id, managed_id, version_id};

/// The galleries with 30 days of soft delete.
fn fleet() -> AzureFleet {
    let gallery = |n| FleetGallery {
        id: gallery_id(n),
        soft_delete_days: Some(30),
        shared_with: Vec::new(),
        community: false,
    };
    AzureFleet { galleries: vec![gallery(0), gallery(1)], ..AzureFleet::default() }
}

fn version(n: usize, published: i64) -> FleetVersion {
    FleetVersion { published_at: Some(day(published)), ..FleetVersion::new(version_id(n)) }
}

fn policy(text: &str) -> Policy {
    let text = text.replace("[safety]", "[safety]\nmin_references = 0\nmax_fraction = 1.0");
    Policy::parse(&format!("version = 1\n[[rule]]\nname = \"all\"\n{text}"), "example").unwrap()
}

const AT_ONCE: &str = "retire = { deprecate_after = \"0d\", disable_after = \"0d\", deregister_after = \"0d\", delete_snapshots_after = \"0d\" }";

/// Somebody switches the soft delete off between planning and applying.
#[test]
fn a_version_that_can_no_longer_be_recovered_is_not_deleted() {
    let fleet = AzureFleet { versions: vec![version(0, -9), version(1, -8)], ..fleet() };
    for (days, bin, deleted) in [
        (Some(30), "required", 1),
        (Some(6), "required", 0),
        (None, "required", 0),
        (None, "optional", 1),
    ] {
        let fake = AzureFake::new(&fleet);
        let text = format!("keep = {{ last = 1 }}\n{AT_ONCE}\n[safety]\nrecycle_bin = \"{bin}\"");
        with_azure_job(&fake, &policy(&text), day(0), async |job| {
            let (plan, permissions) = job.plan_images().await;
            assert_eq!(plan.summary.deregister, 1);
            fake.change(|fleet| {
                fleet.galleries.iter_mut().for_each(|one| one.soft_delete_days = days);
            });
            job.apply_images(&plan, permissions).await;
        });
        let changes = fake.changes();
        let count = changes.iter().filter(|one| one.action.ends_with("versions/delete")).count();
        assert_eq!(count, deleted, "{days:?} {bin}");
    }
}

/// Tags alone are not enough to delete a disk, unless the policy deletes orphans.
#[test]
fn only_the_policy_for_orphans_deletes_a_disk_by_its_tags() {
    let gone = version_id(5);
    let tags: Tags = [
        ("image-steward:image", gone.as_str()),
        ("image-steward:delete-after", "2026-11-01T00:00:00Z marked 2026-10-31T00:00:00Z"),
    ]
    .into_iter()
    .collect();
    let fleet = AzureFleet {
        images: vec![FleetManagedImage::new(managed_id(0))],
        disks: vec![FleetDisk { tags, ..FleetDisk::new(disk_id(0)) }],
        ..fleet()
    };
    for (bin, orphans, left) in [
        ("required", "", 1),
        ("optional", "", 1),
        ("required", "[orphans]\ndelete_after = \"7d\"", 1),
        ("optional", "[orphans]\ndelete_after = \"7d\"", 0),
    ] {
        let fake = AzureFake::new(&fleet);
        let text = format!("keep = {{ last = 1 }}\n[safety]\nrecycle_bin = \"{bin}\"\n{orphans}");
        run_functions(&fake, &policy(&text), day(0));
        assert_eq!(fake.world().disks.len(), left, "{bin} {orphans:?}");
    }
}

/// A version whose replication was not read takes no other version's place, even if that one is
/// excluded from `latest`.
#[test]
fn an_unconfirmed_version_pushes_out_no_excluded_version() {
    let mut old = version(0, -20);
    let own = image_id(&old.id).in_tags();
    let at = day(-9);
    old.excluded = true;
    old.end_of_life = Some(at);
    old.tags = [
        ("image-steward:expired-at", at.to_string()),
        ("image-steward:deprecation", format!("{own} none disabled {at}")),
        ("image-steward:launch-permissions", format!("{own} none")),
    ]
    .into_iter()
    .collect();
    let new = FleetVersion { replicas_read: false, ..version(1, -8) };
    let fake = AzureFake::new(&AzureFleet { versions: vec![old, new], ..fleet() });
    let text = format!("keep = {{ last = 1 }}\n{AT_ONCE}\n[safety]");
    for days in 0..5 {
        let changes = run_day(&fake, &policy(&text), day(days));
        assert!(changes.removed().is_empty(), "day {days}: {:?}", changes.removed());
    }
    let old = &fake.world().versions[0];
    assert!(!old.excluded && old.end_of_life.is_none() && old.tags.is_empty(), "{old:?}");
}

/// During an operation, nothing is undone: the run would remove the tags of a version that it
/// deletes.
#[test]
fn a_version_that_is_being_deleted_keeps_its_state_tags() {
    let mut fleet = AzureFleet { versions: vec![version(0, -9), version(1, -8)], ..fleet() };
    fleet.habits.delete_minutes = 24 * 60 + 30;
    let fake = AzureFake::new(&fleet);
    let policy = policy(&format!("keep = {{ last = 1 }}\n{AT_ONCE}\n[safety]"));
    for days in 0..2 {
        run_functions(&fake, &policy, day(days));
        let world = fake.world();
        let gone = world.versions.iter().find(|one| one.state == FleetState::Deleting).unwrap();
        assert!(folded_tag(&gone.tags, "image-steward:expired-at").is_some(), "day {days}");
    }
    run_functions(&fake, &policy, day(2));
    let deleted = &fake.world().soft_deleted[0].version;
    assert!(folded_tag(&deleted.tags, "image-steward:expired-at").is_some());
}

/// The disk that an image was created from remains when the image is deleted. Its tag names the
/// image, even if the image was older than those that a run tags.
#[test]
fn the_source_of_a_deleted_image_is_attributed_to_it() {
    let source = disk_id(0);
    let old = FleetVersion { source: Some(source.to_uppercase()), ..version(0, -90) };
    let fleet = AzureFleet {
        versions: vec![old, version(1, -80)],
        disks: vec![FleetDisk::new(source), FleetDisk::new(disk_id(1))],
        ..fleet()
    };
    let fake = AzureFake::new(&fleet);
    let text = format!("keep = {{ last = 1 }}\n{AT_ONCE}\n[safety]");
    run_functions(&fake, &policy(&text), day(0));
    let world = fake.world();
    let named = |one: &FleetDisk| folded_tag(&one.tags, "image-steward:image").map(str::to_owned);
    let named: Vec<_> = world.disks.iter().map(named).collect();
    assert_eq!(named, [None, Some(version_id(0).to_lowercase())]);
    assert!(fake.changes().iter().any(|one| one.action.ends_with("versions/delete")));
}
