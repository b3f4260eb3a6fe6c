//! Crashes: whatever call a run stops in, later runs reach the same end as without the crash.
//!
//! A run is stopped before each call that changes something, and once more in each of these calls,
//! which then takes effect without a response. Stopping it before a call that only reads leaves the
//! subscription as it was after the change before, so this covers every call. `STEWARD_CASES` is the
//! number of random subscriptions and policies: 2,000 in `make crash`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use proptest::prelude::*;
use steward::model::{ImageId, Tags};
use steward::policy::Policy;
use steward_tests::azure_fake::{AzureFake, AzureFleet, FleetHolder, FleetState};

use super::cases::check_all;
use super::days::{images_of, run_day, run_functions};
use super::fleets::{a_fleet, a_holder, day, image_id};
use super::in_use::in_use;
use super::policies::{AzurePolicy, some_policy};

/// Enough days for all steps of all policies, for updates that take longer than a day, and for dates
/// of people.
const DAYS: [i64; 14] = [0, 1, 2, 8, 15, 23, 31, 39, 47, 55, 63, 64, 65, 80];
/// Crashes and new references happen on one of the first of these days.
const EVENTFUL: usize = 7;
/// Fewer versions than elsewhere, because there are many runs.
const VERSIONS: usize = 5;

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

impl Remains {
    fn of(fleet: &AzureFleet) -> Self {
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
        Self { images, disks: disks.collect() }
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
    tags.iter().map(undated).collect()
}

/// The number of runs that were stopped.
static STOPPED: AtomicUsize = AtomicUsize::new(0);

fn check(
    fleet: &AzureFleet,
    account: &AzurePolicy,
    crash_on: usize,
    used: &UsedFrom,
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
    // The subscription in the morning and in the evening of the day of the crash.
    let Some(index) = crash_on.checked_rem(eventful.len()) else { return Ok(()) };
    let (crash_on, before, changes) = eventful.swap_remove(index);
    let (morning, evening, at) = (changes.before, changes.after, day(DAYS[crash_on]));
    for change in &changes.calls {
        for lost in [false, true] {
            STOPPED.fetch_add(1, Ordering::Relaxed);
            let call = change.call - before;
            let fake = AzureFake::new(&morning);
            fake.set_clock(at);
            match lost {
                true => fake.unplug_in_call(call),
                false => fake.unplug_after_calls(call - 1),
            }
            run_functions(&fake, &policy, at);
            fake.plug_in();
            let place = format!("{change:?}, response lost: {lost}");
            let left = images_of(&fake.world());
            for image in in_use(&morning, &account.named(), at) {
                let was = images_of(&morning).contains(&image);
                prop_assert!(!was || left.contains(&image), "{image} is in use and gone: {place}");
            }
            // Runs the same day again. If that results in the same subscription, the later days do
            // too.
            run_functions(&fake, &policy, at);
            if fake.world() != evening {
                go_on(&fake, &policy, used, crash_on + 1);
                let world = fake.world();
                if is_used_since(&world, &end, account, used) {
                    continue;
                }
                prop_assert_eq!(Remains::of(&world), Remains::of(&end), "{}", place);
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

fn worlds() -> impl Strategy<Value = (AzureFleet, AzurePolicy, usize, UsedFrom)> {
    let used = proptest::option::of((0..EVENTFUL, a_holder(90, VERSIONS)));
    (a_fleet(VERSIONS), some_policy(), 0..EVENTFUL, used).prop_map(
        |(mut fleet, mut policy, crash_on, mut used)| {
            policy.lift_caps();
            // Which operation fails depends on the number of calls.
            fleet.habits.fail_every = 0;
            fleet.habits.graph_truncated = false;
            let new = used.iter_mut().map(|(_, holder)| holder);
            for holder in fleet.holders.iter_mut().chain(new) {
                holder.added_at = day(-100);
                holder.removed_at = None;
            }
            (fleet, policy, crash_on, used)
        },
    )
}

#[test]
fn after_a_crash_anywhere_later_runs_end_where_an_uncrashed_run_ends() {
    check_all("crash", 150, worlds, |(fleet, policy, crash_on, used)| {
        check(&fleet, &policy, crash_on, &used)
    });
    println!("stopped {} times", STOPPED.load(Ordering::Relaxed));
}
