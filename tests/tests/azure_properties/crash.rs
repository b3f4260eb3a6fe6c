//! Crashes: whatever call a run stops in, later runs reach the same end as without the crash.
//!
//! The runs of each day are stopped before each call that changes something, and once more in each of these calls,
//! which then takes effect without a response. Stopping it before a call that only reads leaves the
//! subscription as it was after the change before, so this covers every call. `STEWARD_CASES` is the
//! number of random subscriptions and policies: 2,000 in `make crash`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use steward::model::{ImageId, Tags};
use steward::policy::Policy;
use steward_tests::azure_fake::{AzureFake, AzureFleet, FleetHolder, FleetState};

use super::cases::check_all;
use super::days::{DayChanges, images_of, run_day, run_functions};
use super::fleets::{a_fleet, a_holder, day, image_id, now};
use super::in_use::in_use;
use super::policies::{AzurePolicy, some_policy};

/// Enough days for all steps of all policies, for updates that take longer than a day, and for dates
/// of people.
const DAYS: [i64; 14] = [0, 1, 2, 8, 15, 23, 31, 39, 47, 55, 63, 64, 65, 80];
/// Crashes and new references happen on one of the first of these days.
const EVENTFUL: usize = 7;
/// Fewer versions than elsewhere, because there are many runs.
const VERSIONS: usize = 5;

/// When the runs are repeated on the day of the crash. An update takes at most 45 minutes.
const AGAIN: SignedDuration = SignedDuration::from_mins(46);

/// From some day on, a resource uses an image.
type UsedFrom = Option<(usize, FleetHolder)>;

fn begin_use(fake: &AzureFake, used: &UsedFrom, index: usize) {
    if let Some((_, holder)) = used.as_ref().filter(|(on, _)| *on == index) {
        fake.change(|fleet| fleet.holders.push(holder.clone()));
    }
}

/// Runs the days from `from` on.
fn go_on(fake: &AzureFake, policy: &Policy, used: &UsedFrom, from: usize) {
    for (index, days) in DAYS.iter().enumerate().skip(from) {
        fake.set_clock(day(*days));
        begin_use(fake, used, index);
        run_functions(fake, policy, day(*days));
    }
}

/// What remains, without the times of steps: a later run applies them later.
#[derive(Debug, PartialEq)]
struct Remains {
    /// Whether an image is excluded, its end of life, and its tags.
    images: BTreeMap<ImageId, (bool, Option<Timestamp>, Tags)>,
    disks: BTreeMap<String, Tags>,
}

/// The disks from which several images were created. Their tag names the one that was tagged first.
fn shared_sources(fleet: &AzureFleet) -> BTreeSet<String> {
    let versions = fleet.versions.iter().filter_map(|one| one.source.as_ref());
    let images = fleet.images.iter().flat_map(|one| one.sources.iter());
    let mut known = BTreeSet::new();
    versions
        .chain(images)
        .map(|id| id.to_lowercase())
        .filter(|id| !known.insert(id.clone()))
        .collect()
}

impl Remains {
    /// What remains, without the disks in `shared`.
    fn of(fleet: &AzureFleet, shared: &BTreeSet<String>) -> Self {
        let last = day(DAYS[DAYS.len() - 1]);
        // A date that has passed may be a step's. The owner's date cannot be restored then.
        let dated = |at: Timestamp| if at <= last { day(0) } else { at };
        let mut images = BTreeMap::new();
        for one in fleet.versions.iter().filter(|one| one.state != FleetState::Deleting) {
            let id = image_id(&one.id);
            let own = id.in_tags();
            // A tag that was copied from another image has no effect. A rescue removes it.
            let tags = one.tags.iter().filter(|(key, value)| {
                let key = key.to_lowercase();
                let saves = key.ends_with(":deprecation") || key.ends_with(":launch-permissions");
                !saves || value.starts_with(own.as_str())
            });
            let tags = undated(&tags.collect());
            images.insert(id, (one.excluded, one.end_of_life.map(dated), tags));
        }
        for one in &fleet.images {
            images.insert(image_id(&one.id), (false, None, undated(&one.tags)));
        }
        let disks = fleet.disks.iter().map(|one| (one.id.to_lowercase(), undated(&one.tags)));
        Self { images, disks: disks.filter(|(id, _)| !shared.contains(id)).collect() }
    }
}

fn undated(tags: &Tags) -> Tags {
    let undated = |(key, value): (&str, &str)| {
        let key = key.to_lowercase();
        let value = if key.ends_with(":deprecation") {
            // The ID, the former date, and the step; the times follow.
            value.split(' ').take(3).collect::<Vec<_>>().join(" ")
        } else if key.ends_with(":expired-at") || key.ends_with(":delete-after") {
            "a date".to_owned()
        } else {
            value.to_owned()
        };
        (key, value)
    };
    // A sweep writes the origin of a version in the first run that finds it without an operation, and a
    // stopped run changes which one that is. No decision depends on these tags.
    let is_origin = |key: &str| {
        [":source-image", ":source-instance", ":created-by"].iter().any(|end| key.ends_with(end))
    };
    tags.iter().map(undated).filter(|(key, _)| !is_origin(key)).collect()
}

/// The number of runs that were stopped.
static STOPPED: AtomicUsize = AtomicUsize::new(0);

fn check(
    fleet: &AzureFleet,
    account: &AzurePolicy,
    used: &UsedFrom,
    skipped: usize,
) -> Result<(), TestCaseError> {
    let policy = account.policy();
    let smooth = AzureFake::new(fleet);
    let mut eventful = Vec::new();
    for (index, days) in DAYS.iter().enumerate().take(EVENTFUL) {
        smooth.set_clock(day(*days));
        begin_use(&smooth, used, index);
        let calls = smooth.calls_made();
        let changes = run_day(&smooth, &policy, day(*days));
        if !changes.calls.is_empty() {
            eventful.push((index, calls, changes));
        }
    }
    go_on(&smooth, &policy, used, EVENTFUL);
    let end = smooth.world();
    for (index, calls, changes) in eventful {
        // Two thirds of the days, so that `make crash` does not take too long.
        if index % 3 == skipped {
            continue;
        }
        check_day(account, used, index, calls, &changes, &end)?;
    }
    Ok(())
}

/// Crashes on one day, after whose morning the run without a crash made `before` calls. `end` is the
/// subscription at the end of that run.
fn check_day(
    account: &AzurePolicy,
    used: &UsedFrom,
    crash_on: usize,
    before: usize,
    changes: &DayChanges,
    end: &AzureFleet,
) -> Result<(), TestCaseError> {
    let (policy, at) = (account.policy(), day(DAYS[crash_on]));
    let DayChanges { before: morning, after: evening, .. } = changes;
    let shared = shared_sources(morning);
    for change in &changes.calls {
        for lost in [false, true] {
            STOPPED.fetch_add(1, Ordering::Relaxed);
            let call = change.call - before;
            let fake = AzureFake::new(morning);
            fake.set_clock(at);
            match lost {
                true => fake.unplug_in_call(call),
                false => fake.unplug_after_calls(call - 1),
            }
            run_functions(&fake, &policy, at);
            fake.plug_in();
            let place = format!("{change:?}, response lost: {lost}");
            let left = images_of(&fake.world());
            for image in in_use(morning, &account.named(), at) {
                let was = images_of(morning).contains(&image);
                prop_assert!(!was || left.contains(&image), "{image} is in use and gone: {place}");
            }
            // Runs the same day again, as soon as operations have ended: during an operation, an image
            // takes no place, and older ones would move up for a day. If that results in the same
            // subscription, the later days do too.
            let is_instant = morning.habits.update_minutes == 0;
            run_functions(&fake, &policy, if is_instant { at } else { at + AGAIN });
            if fake.world() != *evening {
                go_on(&fake, &policy, used, crash_on + 1);
                let world = fake.world();
                if is_used_since(&world, end, account, used) {
                    continue;
                }
                prop_assert_eq!(
                    Remains::of(&world, &shared),
                    Remains::of(end, &shared),
                    "{}",
                    place
                );
            }
        }
    }
    Ok(())
}

/// Whether the new reference keeps an image that was removed before it in the run without the crash.
fn is_used_since(
    world: &AzureFleet,
    end: &AzureFleet,
    account: &AzurePolicy,
    used: &UsedFrom,
) -> bool {
    let Some((_, holder)) = used else { return false };
    let only = AzureFleet { holders: vec![holder.clone()], ..world.clone() };
    let used: BTreeSet<ImageId> = in_use(&only, &account.named(), day(DAYS[DAYS.len() - 1]));
    let (left, expected) = (images_of(world), images_of(end));
    used.iter().any(|image| left.contains(image) && !expected.contains(image))
}

fn worlds() -> impl Strategy<Value = (AzureFleet, AzurePolicy, UsedFrom, usize)> {
    let used = proptest::option::of((0..EVENTFUL, a_holder(90, VERSIONS)));
    (a_fleet(VERSIONS), some_policy(), used, 0_usize..3).prop_map(
        |(mut fleet, mut policy, mut used, skipped)| {
            policy.lift_caps();
            // Which operation fails depends on the number of calls.
            fleet.habits.fail_every = 0;
            fleet.habits.graph_truncated = false;
            // If the change of a tag were an update, the adapter would have to wait for its end:
            // otherwise, no step that writes a tag first would ever succeed.
            fleet.habits.tags_update = false;
            fleet.habits.update_minutes %= 60;
            // A run tags images of the last 30 days and their sources, but not during an operation. All of
            // these images are young enough to be tagged on another day.
            let ages = fleet.versions.iter_mut().map(|one| &mut one.published_at);
            let ages = ages.chain(fleet.images.iter_mut().map(|one| &mut one.created_at));
            ages.flatten().for_each(|at| {
                let age = now().duration_since(*at).as_mins() % (24 * 60 * 10);
                *at = now() - SignedDuration::from_mins(age);
            });
            let new = used.iter_mut().map(|(_, holder)| holder);
            for holder in fleet.holders.iter_mut().chain(new) {
                holder.added_at = day(-100);
                holder.removed_at = None;
            }
            (fleet, policy, used, skipped)
        },
    )
}

#[test]
fn after_a_crash_anywhere_later_runs_end_where_an_uncrashed_run_ends() {
    check_all("crash", 15, worlds, |(fleet, policy, used, skipped)| {
        check(&fleet, &policy, &used, skipped)
    });
    println!("stopped {} times", STOPPED.load(Ordering::Relaxed));
}
