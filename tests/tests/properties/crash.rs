//! Crashes: whatever call a run stops in, later runs reach the same end as without the crash.
//!
//! The run is stopped before each of its calls in turn, and once more in each call, which then
//! takes effect without a response. `STEWARD_CASES` is the number of random fleets and policies:
//! 2,000 in `make crash`, 20,000 in `make soak`. The default is 200, because unoptimized builds are
//! slow.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use steward::model::{ImageId, SnapshotId, Tags};
use steward::policy::Policy;
use steward_tests::fake::Fake;
use steward_tests::fleet::Fleet;

use super::rules::{Rules, some_rules};
use super::runs::{images_left, lost_from_sight, reap, scheduled_sweep};
use super::worlds::{KINDS_OF_HOLDERS, fleet_of, hold, image_id, in_use, made_for, now};

/// The number of days: enough for all steps of all policies, plus one repeated wait between two
/// steps, which a crash right before disabling causes.
const DAYS: [i64; 10] = [0, 1, 8, 15, 23, 31, 39, 47, 55, 63];
/// Crashes and uses happen from the first of these days on.
const EVENTFUL: usize = 6;
/// Fewer images than elsewhere, because the number of runs grows quadratically.
const IMAGES: usize = 8;

fn day(days: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * days)
}

/// Both functions, one after the other, in the order of the schedules.
fn both(fake: &Fake, policy: &Policy, at: Timestamp) {
    scheduled_sweep(fake, policy, at);
    reap(fake, policy, at);
}

/// A change to the account between runs: from some day on, an image is used.
type UseAt = Option<(usize, u8, usize)>;

/// Runs the days from `from` on.
fn go_on(fake: &Fake, policy: &Policy, used: UseAt, from: usize) {
    for (index, days) in DAYS.iter().enumerate().skip(from) {
        begin_use(fake, used, index);
        both(fake, policy, day(*days));
    }
}

fn begin_use(fake: &Fake, used: UseAt, index: usize) {
    if let Some((_, kind, image)) = used.filter(|(on, _, _)| *on == index) {
        fake.change(|fleet| hold(fleet, 90, kind, &image_id(image)));
    }
}

/// The account without the times of steps, because a later run applies them later. Also without the
/// tags that a copy of an image inherited, which have no effect: a rescue removes them, and which
/// images are rescued depends on which one was enabled first.
///
/// Also without `timed`, the snapshots from [`depending_on_time`].
fn timeless(mut fleet: Fleet, timed: &BTreeSet<SnapshotId>) -> Fleet {
    fleet.snapshots.retain(|one| !timed.contains(&one.snapshot_id));
    fleet.recycled_snapshots.retain(|one| !timed.contains(&one.snapshot.snapshot_id));
    for image in &mut fleet.images {
        // A deprecation time that has passed may be from a step. The owner's time cannot be
        // restored then.
        let last = day(DAYS[DAYS.len() - 1]);
        image.deprecation_time =
            image.deprecation_time.map(|at| if at <= last { now() } else { at });
        let id = image.image_id.as_str();
        let saves =
            |key: &str| key.ends_with(":deprecation") || key.ends_with(":launch-permissions");
        let tags = image.tags.iter().filter(|(key, value)| !saves(key) || value.starts_with(id));
        image.tags = undated(&tags.collect());
    }
    for snapshot in &mut fleet.snapshots {
        snapshot.tags = undated(&snapshot.tags);
    }
    fleet.recycled_images.iter_mut().for_each(|one| one.image.tags = undated(&one.image.tags));
    fleet
}

fn undated(tags: &Tags) -> Tags {
    let is_date = |key: &str| key.ends_with(":expired-at") || key.ends_with(":delete-after");
    let undated = |(key, value): (&str, &str)| {
        let value = if key.ends_with(":deprecation") {
            // The ID, the former date, and the step; the times follow.
            value.split(' ').take(3).collect::<Vec<_>>().join(" ")
        } else if is_date(key) {
            "a date".to_owned()
        } else {
            value.to_owned()
        };
        (key.to_owned(), value)
    };
    tags.iter().map(undated).collect()
}

/// The snapshots in `fleet` whose deletion depends on the time of steps.
///
/// First, snapshots that several images use, or that EC2 created for another image than the one
/// that uses them. If that image has left the Recycle Bin when the last one enters it, they remain
/// as its orphans. Second, snapshots that EC2 created for no image. They are deleted with their
/// image only if nothing protects another of its snapshots: one of the first kind, or one with a
/// future `delete-after`.
fn depending_on_time(fleet: &Fleet) -> BTreeSet<SnapshotId> {
    let users =
        |id: &SnapshotId| fleet.images.iter().filter(|image| image.snapshots.contains(id)).count();
    let of = |id: &SnapshotId| fleet.snapshots.iter().find(|one| one.snapshot_id == *id);
    let is_marked = |id| of(id).is_some_and(|one| one.tags.has("image-steward:delete-after"));
    let mut timed = BTreeSet::new();
    for image in &fleet.images {
        let origin = |id| of(id).and_then(made_for);
        let is_timed =
            |id| users(id) > 1 || origin(id).is_some_and(|origin| origin != image.image_id);
        timed.extend(image.snapshots.iter().filter(|id| is_timed(id)).cloned());
        if image.snapshots.iter().any(|id| is_timed(id) || is_marked(id)) {
            timed.extend(image.snapshots.iter().filter(|id| origin(id).is_none()).cloned());
        }
    }
    timed
}

/// Whether the image still exists, although it was removed in the run without the crash.
fn outlived(fake: &Fake, end: &Fleet, image: &ImageId) -> bool {
    let has = |fleet: &Fleet| fleet.images.iter().any(|one| one.image_id == *image);
    has(&fake.world()) && !has(end)
}

/// How often a run was stopped.
#[derive(Default)]
struct Stops {
    before_a_call: usize,
    with_the_answer_lost: usize,
}

fn check(
    fleet: &Fleet,
    rules: &Rules,
    crash_on: usize,
    used: UseAt,
    stops: &mut Stops,
) -> Result<(), TestCaseError> {
    let policy = rules.policy();
    // The account on the morning of the crash.
    let smooth = Fake::new(fleet);
    for (index, days) in DAYS.iter().enumerate().take(crash_on) {
        begin_use(&smooth, used, index);
        both(&smooth, &policy, day(*days));
    }
    begin_use(&smooth, used, crash_on);
    let morning = smooth.world();
    let at = day(DAYS[crash_on]);
    // The account without a crash, after that day and at the end.
    let before = smooth.calls_made();
    both(&smooth, &policy, at);
    let calls = smooth.calls_made() - before;
    let evening = smooth.world();
    go_on(&smooth, &policy, used, crash_on + 1);
    let end = smooth.world();
    for call in 1..=calls {
        for lost in [false, true] {
            let fake = Fake::new(&morning);
            fake.set_clock(at);
            if lost {
                fake.unplug_in_call(call);
                stops.with_the_answer_lost += 1;
            } else {
                fake.unplug_after_calls(call - 1);
                stops.before_a_call += 1;
            }
            both(&fake, &policy, at);
            fake.plug_in();
            let place = format!("call {call} of {calls}, answer lost: {lost}");
            prop_assert_eq!(
                lost_from_sight(&morning, &fake),
                Vec::<SnapshotId>::new(),
                "{}",
                place
            );
            let left = images_left(&fake);
            for image in in_use(&morning) {
                let was = morning.images.iter().any(|one| one.image_id.as_str() == image);
                prop_assert!(!was || left.contains(&image), "{image} is in use and gone: {place}");
            }
            // Runs the same day again. If that results in the same account, the later days do too.
            both(&fake, &policy, at);
            if fake.world() != evening {
                go_on(&fake, &policy, used, crash_on + 1);
                // Later images may have been used in the meantime, and are kept.
                if used.is_some_and(|(_, _, image)| outlived(&fake, &end, &image_id(image))) {
                    continue;
                }
                let timed = depending_on_time(fleet);
                prop_assert_eq!(
                    timeless(fake.world(), &timed),
                    timeless(end.clone(), &timed),
                    "{}",
                    place
                );
            }
        }
    }
    Ok(())
}

fn worlds() -> impl Strategy<Value = (Fleet, Rules, usize, UseAt)> {
    let used = proptest::option::weighted(0.5, (0..EVENTFUL, 0..KINDS_OF_HOLDERS, 0..IMAGES));
    (fleet_of(IMAGES), some_rules(), 0..EVENTFUL - 1, used).prop_map(
        |(fleet, mut rules, crash_on, used)| {
            // Caps are per run: the next run does not count the steps of a crashed run.
            rules.lift_caps();
            (fleet, rules, crash_on, used)
        },
    )
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the number of cases is set from outside")]
fn after_a_crash_anywhere_later_runs_end_where_an_uncrashed_run_ends() {
    let cases = std::env::var("STEWARD_CASES").map_or(200, |text| text.parse().unwrap());
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let stops = std::cell::RefCell::new(Stops::default());
    let result = runner.run(&worlds(), |(fleet, rules, crash_on, used)| {
        check(&fleet, &rules, crash_on, used, &mut stops.borrow_mut())
    });
    let Stops { before_a_call, with_the_answer_lost } = stops.into_inner();
    println!(
        "{cases} fleets and policies; stopped {before_a_call} times before a call and {with_the_answer_lost} times \
         in one, its answer lost"
    );
    if let Err(error) = result {
        panic!("{error}");
    }
}
