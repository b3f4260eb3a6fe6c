//! A simulation and real runs reach the same end, for the same account and the same sweeps.
//!
//! The real runs are `apply` on the account in memory, day by day, with everything that it reads.
//! The simulation starts with an inventory that contains all this data.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use steward::collect;
use steward::model::{Image, Inventory, Snapshot, SnapshotId, VolumePermission};
use steward::plan::plan;
use steward::policy::Policy;
use steward::progress::{NoProgress, RunContext};
use steward::simulate::{Done, Growth, SimulatedWorld, simulate_with};
use steward_tests::fake::Fake;
use steward_tests::fleet::Fleet;

use super::cases;
use super::rules::{Rules, some_rules};
use super::runs::{reap, run, sweep, target};
use super::worlds::{a_fleet, now};

/// All steps of all policies have been applied by then, the Recycle Bin is empty, and there was no
/// clock change in the policies' time zone.
const DAYS: u32 = 40;

/// The sweeps start half a minute late, because EC2 truncates the seconds of a deprecation time.
fn day(days: u32) -> Timestamp {
    now() + SignedDuration::from_hours(24 * i64::from(days)) + SignedDuration::from_secs(30)
}

/// An inventory with all data that a run would read.
fn whole_inventory(fake: &Fake, fleet: &Fleet, policy: &Policy) -> Inventory {
    let scope = policy.safety.reference_scope();
    let context = RunContext::UNLIMITED;
    run(async {
        let target = target(fake);
        let mut inventory = collect::collect_inventory(fake, &target, &scope, now(), context).await;
        let images: Vec<_> = inventory.images.iter().map(|one| one.image_id.clone()).collect();
        collect::read_references(fake, &mut inventory, policy, &images, context).await;
        collect::read_launch_permissions(fake, &mut inventory, |_| true, context).await;
        collect::read_snapshot_references(fake, &mut inventory, policy, context).await;
        for snapshot in &mut inventory.snapshots {
            let one = fleet.snapshots.iter().find(|one| one.snapshot_id == snapshot.snapshot_id);
            let with = one.map(|one| one.create_volume_permissions.as_slice()).unwrap_or_default();
            snapshot.shared_with =
                Some(with.iter().cloned().map(VolumePermission::Account).collect());
        }
        assert_eq!(inventory.unread, []);
        inventory
    })
}

/// The fields of an image that a sweep may change, as text.
fn image_line(image: &Image) -> String {
    let Image { state, tags, deprecation_time, public, launch_permissions, .. } = image;
    let mut with: Vec<_> = launch_permissions.iter().flatten().map(ToString::to_string).collect();
    with.retain(|word| word != "all");
    with.sort();
    format!("{state} {tags:?} {deprecation_time:?} {public} {with:?}")
}

/// The snapshots in `fleet` that several images use. Which image their tag contains depends on the
/// order of writing.
fn used_by_several(fleet: &Fleet) -> BTreeSet<SnapshotId> {
    let used =
        fleet.images.iter().flat_map(|image| image.snapshots.iter().collect::<BTreeSet<_>>());
    let (mut once, mut several) = (BTreeSet::new(), BTreeSet::new());
    for id in used {
        if !once.insert(id) {
            several.insert(id.clone());
        }
    }
    several
}

/// All images and snapshots, with the fields that a sweep may change.
fn lines<'a>(
    images: impl IntoIterator<Item = &'a Image>,
    snapshots: impl IntoIterator<Item = &'a Snapshot>,
    shared: &BTreeSet<SnapshotId>,
) -> BTreeMap<String, String> {
    let images = images.into_iter().map(|one| (one.image_id.to_string(), image_line(one)));
    let snapshots = snapshots.into_iter().map(|one| {
        let tags = match shared.contains(&one.snapshot_id) {
            true => one.tags.without(&["image-steward:image".to_owned()]),
            false => one.tags.clone(),
        };
        (one.snapshot_id.to_string(), format!("{tags:?}"))
    });
    images.chain(snapshots).collect()
}

fn real_lines(fake: &Fake, shared: &BTreeSet<SnapshotId>) -> BTreeMap<String, String> {
    let fleet = fake.world();
    let images: Vec<Image> = fleet
        .images
        .iter()
        .map(|image| Image {
            launch_permissions: Some(
                image.launch_permissions.iter().map(|with| with.as_str().into()).collect(),
            ),
            ..image.seen_by(fake.account())
        })
        .collect();
    let snapshots: Vec<Snapshot> = fleet.snapshots.iter().map(|one| one.seen()).collect();
    lines(&images, &snapshots, shared)
}

/// The fleet without images that were shared after they expired. A run reads launch permissions
/// only for images that it is about to change, so a waiting image is rescued when it is due. A
/// simulation knows the permissions and rescues it immediately. The same applies to references,
/// which a run requests only for images that it would change. It affects the tags of snapshots of
/// an image in use, and expired images that take a place only as long as others are disabled.
fn asked_in_time(mut fleet: Fleet) -> Fleet {
    let marked = fleet.images.iter().filter(|one| one.tags.has("image-steward:expired-at"));
    let marked: BTreeSet<_> = marked.map(|one| one.image_id.clone()).collect();
    fleet.image_recipes.retain(|recipe| !marked.contains(&recipe.image_id));
    let is_alias = |name: &str| name.starts_with("/alias/");
    fleet
        .ssm_parameters
        .retain(|one| is_alias(&one.name) || !marked.iter().any(|id| id.as_str() == one.value));
    let used: BTreeSet<_> = fleet.images.iter().flat_map(|image| image.snapshots.clone()).collect();
    for snapshot in fleet.snapshots.iter_mut().filter(|one| used.contains(&one.snapshot_id)) {
        snapshot.tags = snapshot.tags.without(&["image-steward:delete-after".to_owned()]);
    }
    for image in &mut fleet.images {
        if image.tags.has("image-steward:expired-at") {
            image.launch_permissions.clear();
        }
    }
    fleet
}

/// Runs the days with both, and returns how many steps were applied.
fn check(fleet: &Fleet, rules: &Rules) -> Result<Done, TestCaseError> {
    let (fake, policy) = (Fake::new(fleet), rules.policy());
    let inventory = whole_inventory(&fake, fleet, &policy);
    let mut world = SimulatedWorld::new(inventory.clone());
    let (shared, mut done) = (used_by_several(fleet), Done::default());
    for days in 0..DAYS {
        sweep(&fake, &policy, day(days));
        reap(&fake, &policy, day(days));
        world.let_time_pass(day(days));
        let planned = plan(world.inventory(), &policy, day(days));
        done += world.sweep(&planned, &policy);
        let simulated = lines(&world.inventory().images, &world.inventory().snapshots, &shared);
        prop_assert_eq!(simulated, real_lines(&fake, &shared), "after the sweep of day {}", days);
    }
    let simulated = simulate_with(&inventory, Growth::none(), &policy, day(0), DAYS, &NoProgress);
    let mut sum = Done::default();
    simulated.points.iter().for_each(|point| sum += point.done);
    prop_assert_eq!(sum, done);
    let last = simulated.points.last().map(|point| (point.images, point.made));
    prop_assert_eq!(last, Some((fake.world().images.len(), 0)));
    Ok(done)
}

#[test]
fn a_simulation_ends_where_the_real_sweeps_end() {
    let mut runner = proptest::test_runner::TestRunner::new(cases(150));
    let total = std::cell::RefCell::new(Done::default());
    let worlds = (a_fleet(), some_rules(), any::<bool>());
    let result = runner.run(&worlds, |(mut fleet, mut rules, is_capped)| {
        // A run reads launch permissions only if the limits allow a step on the image.
        match is_capped {
            true => fleet.images.iter_mut().for_each(|one| one.launch_permissions.clear()),
            false => rules.lift_caps(),
        }
        *total.borrow_mut() += check(&asked_in_time(fleet), &rules)?;
        Ok(())
    });
    let total = total.into_inner();
    println!("{total:?}");
    if let Err(error) = result {
        panic!("{error}");
    }
    let Done { expired, deprecated, disabled, deregistered, rescued, snapshots_deleted } = total;
    let all = [expired, deprecated, disabled, deregistered, rescued, snapshots_deleted];
    assert!(all.iter().all(|count| *count > 0), "not every step was taken: {total:?}");
}
