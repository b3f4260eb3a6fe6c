//! Batches: the maximum age of a check on which a removal depends, and how a failing resource
//! affects the others in its batch.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use steward::apply::{Outcome, StepKind};
use steward::cloud::SnapshotScope;
use steward::jobs::Mode;
use steward::model::{Clock, ImageId, SnapshotId};
use steward::policy::Policy;
use steward_tests::fake::{Call, Fake};
use steward_tests::fleet::{Fleet, FleetImage, FleetSnapshot};
use steward_tests::jobs::with_job;
use steward_tests::switches::Switches;

/// The maximum age of the checks before the removal of an image.
const MAX_CHECK_AGE: Duration = Duration::from_secs(5);
/// The maximum age of data that needs a call per resource, or that only a listing contains. A batch
/// takes a few seconds after its data was found recent.
const MAX_READING_AGE: Duration = Duration::from_secs(5 * 60 + 10);
const IMAGES: usize = 45;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Images that are removed together, each with one snapshot that is deleted and one that is kept.
fn account(images: usize) -> Fake {
    let mut fleet = Fleet::default();
    for n in 0..=images {
        let (image, snapshot): (ImageId, SnapshotId) =
            (format!("ami-{n:03}").parse().unwrap(), format!("snap-{n:03}").parse().unwrap());
        let mut one = FleetImage::new(image.clone(), [snapshot.clone()]);
        one.created_at = now() - SignedDuration::from_hours(24 * (1 + n as i64));
        fleet.images.push(one);
        let mut one = FleetSnapshot::new(snapshot, now() - SignedDuration::from_hours(24 * 400));
        one.description = format!("Created by CreateImage(i-1) for {image}");
        one.volume_id = "vol-1".to_owned();
        fleet.snapshots.push(one);
    }
    Fake::new(&fleet)
}

fn policy(delete_snapshots_after: &str) -> Policy {
    let text = format!(
        "version = 1\n[[rule]]\nname = \"all\"\nkeep = {{ last = 1 }}\n\
         retire = {{ deprecate_after = \"never\", disable_after = \"never\", deregister_after = \"0d\", \
         delete_snapshots_after = \"{delete_snapshots_after}\" }}\n\
         [safety]\nmax_per_run = 1000\nmax_fraction = 1.0\nmin_references = 0\n\
         max_snapshots_per_run = 1000\n"
    );
    Policy::parse(&text, "batches").unwrap()
}

fn sweep(fake: &Fake) -> Outcome {
    sweep_by(fake, &policy("0d"), now())
}

fn sweep_by(fake: &Fake, policy: &Policy, at: Timestamp) -> Outcome {
    fake.set_clock(at);
    with_job(fake, policy, Mode::Apply, at, async |job| {
        let (plan, permissions) = job.plan_images().await;
        job.apply_images(&plan, permissions).await
    })
}

/// The time between the last call for which `is_it` is true and `at`.
fn age(calls: &[(Duration, Call)], at: Duration, is_it: impl Fn(&Call) -> bool) -> Duration {
    let before = calls.iter().rev().filter(|(sent_at, _)| *sent_at <= at);
    let sent_at = before.filter(|(_, call)| is_it(call)).map(|(sent_at, _)| *sent_at).next();
    sent_at.map_or(Duration::MAX, |sent_at| at - sent_at)
}

/// Asserts for every removal that its checks were recent.
fn assert_recent(fake: &Fake) {
    let calls = fake.timed_calls();
    for (at, call) in &calls {
        let age = |is_it: &dyn Fn(&Call) -> bool| age(&calls, *at, is_it);
        match call {
            Call::Deregister(image, _) => {
                let snapshot = image.as_str().replace("ami", "snap").parse().unwrap();
                for checked in [
                    age(&|call| matches!(call, Call::FindImages(ids) if ids.contains(image))),
                    age(&|call| matches!(call, Call::FindInstancesOf(ids) if ids.contains(image))),
                    age(
                        &|call| matches!(call, Call::FindReferencesTo(ids, _) if ids.contains(image)),
                    ),
                    age(
                        &|call| matches!(call, Call::FindSnapshots(ids) if ids.contains(&snapshot)),
                    ),
                ] {
                    assert!(checked <= MAX_CHECK_AGE, "{image} at {at:?}: {checked:?}");
                }
                for read in [
                    age(&|call| matches!(call, Call::FindLaunchPermissions(id) if id == image)),
                    age(&|call| matches!(call, Call::FindVolumePermissions(id) if *id == snapshot)),
                    age(&|call| matches!(call, Call::ListReferences(_))),
                    age(&|call| matches!(call, Call::ListLockedSnapshots)),
                    age(&|call| matches!(call, Call::ListSnapshotReferences(_))),
                ] {
                    assert!(read <= MAX_READING_AGE, "{image} at {at:?}: {read:?}");
                }
            }
            Call::Disable(image) => {
                for checked in [
                    age(&|call| matches!(call, Call::FindImages(ids) if ids.contains(image))),
                    age(&|call| matches!(call, Call::FindInstancesOf(ids) if ids.contains(image))),
                    age(
                        &|call| matches!(call, Call::FindReferencesTo(ids, _) if ids.contains(image)),
                    ),
                ] {
                    assert!(checked <= MAX_CHECK_AGE, "{image} at {at:?}: {checked:?}");
                }
            }
            Call::DeleteSnapshot(snapshot) => {
                let checked =
                    age(&|call| matches!(call, Call::FindSnapshots(ids) if ids.contains(snapshot)));
                assert!(checked <= MAX_CHECK_AGE, "{snapshot} at {at:?}: {checked:?}");
                for read in [
                    age(&|call| matches!(call, Call::FindVolumePermissions(id) if id == snapshot)),
                    age(&|call| matches!(call, Call::ListLockedSnapshots)),
                    age(&|call| matches!(call, Call::ListSnapshotReferences(_))),
                ] {
                    assert!(read <= MAX_READING_AGE, "{snapshot} at {at:?}: {read:?}");
                }
            }
            _ => {}
        }
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn batches(fake: &Fake) -> Vec<usize> {
    let length = |call: Call| match call {
        Call::FindImages(ids) => Some(ids.len()),
        _ => None,
    };
    fake.calls().into_iter().filter_map(length).collect()
}

#[test]
fn at_the_speed_of_ec2_every_image_is_checked_once() {
    let fake = account(IMAGES);
    fake.take_time(millis(5), millis(200));
    let outcome = sweep(&fake);
    assert_eq!(outcome.images_done(StepKind::Deregister).count(), IMAGES);
    assert_eq!(batches(&fake), [20, 20, 5]);
    assert_recent(&fake);
}

#[test]
fn where_removals_have_to_wait_their_images_are_checked_again() {
    for turn in [400, 1_000, 4_000] {
        let fake = account(IMAGES);
        fake.take_time(millis(100), millis(turn));
        let outcome = sweep(&fake);
        assert_eq!(outcome.images_done(StepKind::Deregister).count(), IMAGES, "{turn} ms");
        assert!(batches(&fake).len() > 3, "{turn} ms");
        assert_recent(&fake);
    }
}

#[test]
fn disabling_rests_on_a_recent_check_too() {
    let policy = Policy::parse(
        "version = 1\n[[rule]]\nname = \"all\"\nkeep = { last = 1 }\n\
         retire = { deprecate_after = \"never\", disable_after = \"0d\", deregister_after = \"7d\" }\n\
         [safety]\nmax_per_run = 1000\nmax_fraction = 1.0\nmin_references = 0\n",
        "batches",
    )
    .unwrap();
    for turn in [200, 1_000] {
        let fake = account(IMAGES);
        fake.take_time(millis(20), millis(turn));
        let outcome = sweep_by(&fake, &policy, now());
        assert_eq!(outcome.images_done(StepKind::Disable).count(), IMAGES, "{turn} ms");
        assert_eq!(batches(&fake).len() > 3, turn > 200, "{turn} ms");
        assert_recent(&fake);
    }
}

/// No check is recent when its removal may be made. Then nothing is removed, and the run ends.
#[test]
fn where_no_check_can_be_recent_nothing_is_removed() {
    let fake = account(IMAGES);
    fake.take_time(millis(100), millis(6_000));
    let outcome = sweep(&fake);
    assert_eq!(outcome.images_done(StepKind::Deregister).count(), 0);
    assert_eq!(outcome.not_reached().count(), IMAGES);
    assert_eq!(fake.world().images.len(), IMAGES + 1);
    // The run does not retry for hours.
    assert!(fake.elapsed() < Duration::from_secs(300), "{:?}", fake.elapsed());
}

/// In a run of 20 minutes, listings and permissions are read again.
#[test]
fn readings_are_renewed_in_a_long_run() {
    let fake = account(300);
    fake.take_time(millis(10), millis(4_000));
    let outcome = sweep(&fake);
    assert_eq!(outcome.images_done(StepKind::Deregister).count(), 300);
    assert_recent(&fake);
    let listed = fake.calls().into_iter().filter(|call| matches!(call, Call::ListReferences(_)));
    let listed = u64::try_from(listed.count()).unwrap();
    let took = fake.elapsed().as_secs();
    assert!(took > 1_200 && (4..=2 + took / 300).contains(&listed), "{listed} in {took} s");
}

#[test]
fn snapshots_are_checked_in_batches_too() {
    for (turn, batches) in [(200, Some(3)), (1_000, None), (4_000, None)] {
        let fake = account(IMAGES);
        let policy = policy("1d");
        sweep_by(&fake, &policy, now());
        fake.take_time(millis(5), millis(turn));
        fake.forget_calls();
        let later = now() + SignedDuration::from_hours(48);
        fake.set_clock(later);
        let (_, outcome) = with_job(&fake, &policy, Mode::Apply, later, async |job| {
            job.reap(&SnapshotScope::Own).await
        });
        assert_eq!(outcome.snapshots_done(StepKind::DeleteSnapshot).count(), IMAGES, "{turn} ms");
        assert_recent(&fake);
        let looked = fake.calls().into_iter().filter(|call| matches!(call, Call::FindSnapshots(_)));
        let looked = looked.count();
        assert!(batches.map_or(looked > 3, |batches| looked == batches), "{turn} ms: {looked}");
    }
}

fn ids(prefix: &str, numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    numbers.map(|n| format!("{prefix}-{n:03}")).collect()
}

/// None of these can be tagged.
fn untaggable(about: &[String], code: &str) -> Switches {
    about.iter().fold(Switches::default(), |switches, id| {
        switches.and_fail_about("ec2:CreateTags", code, id)
    })
}

/// Images that cannot be tagged are tried first in every run. They must not use up the limits for
/// others.
#[test]
fn images_that_may_not_be_tagged_do_not_keep_others_from_going() {
    for denied in [1, 11, 20, 40] {
        let fake = account(denied + 30);
        fake.change(|fleet| {
            for image in &mut fleet.images[denied + 1..] {
                let mark = ("image-steward:expired-at", "2026-10-01T00:00:00Z");
                image.tags = [mark].into_iter().collect();
            }
        });
        fake.set(untaggable(&ids("ami", 1..=denied), "UnauthorizedOperation"));
        let outcome = sweep_by(&fake, &policy("1d"), now());
        assert_eq!(outcome.images_done(StepKind::Deregister).count(), 30, "{denied} denied");
    }
}

#[test]
fn a_snapshot_that_is_gone_does_not_cost_the_others_of_its_call_their_tags() {
    let fake = account(200);
    fake.change(|fleet| {
        for snapshot in &mut fleet.snapshots {
            let image = snapshot.snapshot_id.as_str().replace("snap", "ami");
            snapshot.tags = [("image-steward:image", image.as_str())].into_iter().collect();
        }
    });
    // Together with many images that have no space for another tag.
    let full = untaggable(&ids("ami", 1..=110), "TagLimitExceeded");
    fake.set(full.and_fail_about("ec2:CreateTags", "InvalidSnapshot.NotFound", "snap-150"));
    sweep_by(&fake, &policy("1d"), now());
    let world = fake.world();
    assert!(world.images.len() < 200);
    let lost = world.snapshots.iter().filter(|snapshot| {
        let image = snapshot.snapshot_id.as_str().replace("snap", "ami");
        let exists = world.images.iter().any(|one| one.image_id.as_str() == image);
        !exists && !snapshot.tags.has("image-steward:delete-after")
    });
    // The fake reports it as missing, but still has it.
    let lost: Vec<_> = lost.map(|one| one.snapshot_id.as_str()).collect();
    assert_eq!(lost, ["snap-150"]);
}

/// An image may be deregistered minutes after it was created.
#[test]
fn the_snapshots_of_young_images_go_too() {
    let fake = account(3);
    fake.change(|fleet| {
        for (n, (image, snapshot)) in fleet.images.iter_mut().zip(&mut fleet.snapshots).enumerate()
        {
            image.created_at = now() - SignedDuration::from_mins(10 * (1 + n as i64));
            snapshot.started_at = image.created_at;
        }
    });
    let policy = policy("1d");
    assert_eq!(sweep_by(&fake, &policy, now()).images_done(StepKind::Deregister).count(), 3);
    let later = now() + SignedDuration::from_hours(48);
    fake.set_clock(later);
    let (_, outcome) = with_job(&fake, &policy, Mode::Apply, later, async |job| {
        job.reap(&SnapshotScope::Own).await
    });
    assert_eq!(outcome.snapshots_done(StepKind::DeleteSnapshot).count(), 3);
}

/// A listing that failed once is repeated for the next batch.
#[test]
fn a_listing_that_fails_once_costs_one_batch() {
    for action in ["autoscaling:DescribeAutoScalingGroups", "ec2:DescribeLockedSnapshots"] {
        let fake = account(IMAGES);
        let (plan, permissions) =
            with_job(&fake, &policy("0d"), Mode::Apply, now(), async |job| job.plan_images().await);
        fake.fail(action, 1, "InternalError");
        let outcome = with_job(&fake, &policy("0d"), Mode::Apply, now(), async |job| {
            job.apply_images(&plan, permissions).await
        });
        assert_eq!(outcome.failed().count(), 20, "{action}");
        assert_eq!(outcome.images_done(StepKind::Deregister).count(), IMAGES - 20, "{action}");
    }
}
