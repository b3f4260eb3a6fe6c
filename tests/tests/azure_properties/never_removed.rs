//! What no run removes: images in use, protected images, images that could not be recovered, and
//! anything if a source cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use proptest::prelude::*;
use steward::model::ImageId;
use steward_tests::azure_fake::{AzureFake, AzureFleet, FleetState, FleetVersion, Replica};
use steward_tests::switches::Switches;

use super::cases::check_all;
use super::days::{DayChanges, images_of, run_day};
use super::fleets::{UNREADABLE, a_fleet, day, folded_tag, image_id};
use super::in_use::{held_disks, in_use};
use super::policies::{AzurePolicy, some_policy};

const VERSIONS: usize = 8;
/// Daily runs at first, while references and operations come and go.
const DAYS: [i64; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 14, 15, 22, 30];

fn cases() -> impl Strategy<Value = (AzureFleet, AzurePolicy)> {
    (a_fleet(VERSIONS), some_policy())
}

/// How often the runs removed and excluded something, in all tests of this file.
#[derive(Default)]
struct Steps {
    versions: AtomicUsize,
    managed_images: AtomicUsize,
    disks: AtomicUsize,
    excluded: AtomicUsize,
    deprecated: AtomicUsize,
}

impl Steps {
    fn add(&self, changes: &DayChanges) {
        for id in changes.removed() {
            let counter = match id.parse::<ImageId>() {
                Ok(image) if image.definition().is_some() => &self.versions,
                Ok(_) => &self.managed_images,
                Err(_) => &self.disks,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.excluded.fetch_add(changes.excluded().len(), Ordering::Relaxed);
        self.deprecated.fetch_add(changes.deprecated().len(), Ordering::Relaxed);
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { versions, managed_images, disks, excluded, deprecated } = self;
        let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        write!(
            f,
            "removed {} versions, {} managed images and {} disks; excluded {} versions; deprecated {}",
            read(versions),
            read(managed_images),
            read(disks),
            read(excluded),
            read(deprecated),
        )
    }
}

/// Runs all days and checks each of them.
fn each_day(
    fleet: &AzureFleet,
    policy: &AzurePolicy,
    steps: &Steps,
    mut check: impl FnMut(&DayChanges, Timestamp) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let (fake, parsed) = (AzureFake::new(fleet), policy.policy());
    for days in DAYS {
        let at = day(days);
        let changes = run_day(&fake, &parsed, at);
        steps.add(&changes);
        check(&changes, at)?;
    }
    Ok(())
}

#[test]
fn what_is_in_use_is_neither_removed_nor_excluded() {
    let steps = Steps::default();
    check_all("in use", 60, cases, |(fleet, policy)| {
        each_day(&fleet, &policy, &steps, |changes, at| {
            let used = in_use(&changes.before, &policy.named(), at);
            let (removed, excluded) = (changes.removed(), changes.excluded());
            // An image that was removed in the morning needs no source in the evening.
            let AzureFleet { versions, soft_deleted, images, .. } = changes.after.clone();
            let left = AzureFleet { versions, soft_deleted, images, ..changes.before.clone() };
            for disk in held_disks(&left, &policy.named(), at) {
                prop_assert!(!removed.contains(disk.as_str()), "{at}: {disk} is in use and gone");
            }
            let deprecated = changes.deprecated();
            for image in &used {
                prop_assert!(!removed.contains(image.as_str()), "{at}: {image} is in use and gone");
                prop_assert!(!excluded.contains(image), "{at}: {image} is in use and excluded");
                // A rescue may restore an earlier date of the owner.
                let is_owners = fleet.versions.iter().any(|was| {
                    let is = changes.after.versions.iter().find(|is| is.id == was.id);
                    image_id(&was.id) == *image
                        && is.is_some_and(|is| is.end_of_life == was.end_of_life)
                });
                prop_assert!(
                    is_owners || !deprecated.contains(image),
                    "{at}: {image} is in use and deprecated"
                );
            }
            Ok(())
        })
    });
    println!("{steps}");
}

/// Why Azure or a person protects an image, whatever the policy is.
pub fn protection(
    fleet: &AzureFleet,
    policy: &AzurePolicy,
    id: &str,
    at: Timestamp,
) -> Option<String> {
    let id = id.to_lowercase();
    let lock = fleet.locks.iter().find(|lock| {
        let rest = id.strip_prefix(&lock.scope.to_lowercase());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if let Some(lock) = lock {
        return Some(format!("a lock on {}", lock.scope));
    }
    let version = fleet.versions.iter().find(|one| one.id.to_lowercase() == id);
    let image = fleet.images.iter().find(|one| one.id.to_lowercase() == id);
    let disk = fleet.disks.iter().find(|one| one.id.to_lowercase() == id);
    let tags = version.map(|one| &one.tags).or(image.map(|one| &one.tags));
    let tags = tags.or(disk.map(|one| &one.tags)).unwrap();
    let keep = folded_tag(tags, "image-steward:keep");
    if keep.is_some_and(|value| value != "2026-11-01") {
        return Some("the tag keep".to_owned());
    }
    if disk.is_none() && folded_tag(tags, "pinned").is_some() {
        return Some("a tag that the rule keeps".to_owned());
    }
    if let Some(disk) = disk {
        let is_held = disk.locked || disk.attached_to.is_some();
        return is_held.then(|| "a disk that is attached or locked".to_owned());
    }
    if version.map_or_else(|| image.unwrap().created_at, |one| one.published_at).is_none() {
        return Some("an unknown age".to_owned());
    }
    let version = version?;
    let prefix = |gallery: &str| format!("{}/", gallery.to_lowercase());
    let gallery = fleet.galleries.iter().find(|one| id.starts_with(&prefix(&one.id))).unwrap();
    if policy.keeps_shared && (gallery.community || !gallery.shared_with.is_empty()) {
        return Some("sharing".to_owned());
    }
    if version.block_deletion && version.end_of_life.is_some_and(|end| end > at) {
        return Some("blockDeletionBeforeEndOfLife".to_owned());
    }
    let has = |replica| version.targets.iter().any(|one| one.replica == replica);
    match version.state {
        FleetState::Succeeded => None,
        FleetState::Failed if gallery.soft_delete_days.is_none() && !has(Replica::Completed) => {
            None
        }
        state => Some(format!("the state {state:?}")),
    }
}

#[test]
fn what_is_protected_is_neither_removed_nor_excluded() {
    let steps = Steps::default();
    check_all("protected", 60, cases, |(fleet, policy)| {
        each_day(&fleet, &policy, &steps, |changes, at| {
            let excluded = changes.excluded();
            let excluded = excluded.iter().map(ImageId::as_str);
            for id in changes.removed().into_iter().chain(excluded) {
                let protection = protection(&changes.before, &policy, id, at);
                prop_assert_eq!(protection, None, "{}: {}", at, id);
            }
            Ok(())
        })
    });
    println!("{steps}");
}

/// The days for which Azure can restore a version after its deletion.
pub fn recoverable_days(fleet: &AzureFleet, id: &str) -> Option<u32> {
    let of = |gallery: &str| id.starts_with(&format!("{}/", gallery.to_lowercase()));
    fleet.galleries.iter().find(|one| of(&one.id))?.soft_delete_days
}

#[test]
fn what_is_removed_can_be_recovered_as_the_policy_requires() {
    let steps = Steps::default();
    check_all("recoverable", 60, cases, |(mut fleet, policy)| {
        fleet.habits.tags_survive = true;
        // The owner's dates. A step had set the date of an image with a tag for it.
        let owners = |one: &FleetVersion| {
            let is_owners = folded_tag(&one.tags, "image-steward:deprecation").is_none();
            one.end_of_life.filter(|_| is_owners)
        };
        let first: BTreeMap<ImageId, Option<Timestamp>> =
            fleet.versions.iter().map(|one| (image_id(&one.id), owners(one))).collect();
        let mut gone = BTreeSet::new();
        each_day(&fleet, &policy, &steps, |changes, at| {
            gone.extend(changes.removed().into_iter().filter_map(|id| id.parse().ok()));
            for image in &gone {
                let Some(version) = removed_version(&changes.after, image) else { continue };
                // A deletion may fail.
                let is_gone = version.state == FleetState::Deleting
                    || !changes.after.versions.iter().any(|one| one.id == version.id);
                prop_assert!(
                    !is_gone || folded_tag(&version.tags, "image-steward:expired-at").is_some(),
                    "{at}: {image} was removed, and has no state tag"
                );
            }
            // What a removed image was created from is attributed to an image.
            for disk in sources_of(&changes.before, &changes.removed()) {
                let id = disk.to_lowercase();
                let left = changes.after.disks.iter().find(|one| one.id.to_lowercase() == id);
                let named = |tags| folded_tag(tags, "image-steward:image").is_some();
                prop_assert!(
                    left.is_none_or(|one| named(&one.tags)),
                    "{at}: {disk} is not attributed to an image"
                );
            }
            for id in changes.removed() {
                if let Some(required) = policy.recycle_bin_days {
                    let days = recoverable_days(&changes.before, id).unwrap_or(0);
                    prop_assert!(days >= required, "{at}: {id} can be restored for {days} days");
                }
                let Ok(image) = id.parse::<ImageId>() else { continue };
                let Some(version) = removed_version(&changes.after, &image) else { continue };
                // What a step overwrote is in a tag.
                let before = first[&image];
                if before != version.end_of_life {
                    let saved = folded_tag(&version.tags, "image-steward:deprecation");
                    let words: Vec<&str> = saved.unwrap_or_default().split(' ').collect();
                    let [own, date, ..] = words[..] else {
                        return Err(TestCaseError::fail(format!("{at}: {id} has no date saved")));
                    };
                    prop_assert_eq!(own, &*image.in_tags());
                    let date: Option<Timestamp> = date.parse().ok();
                    // A rescue cannot restore a date that has passed.
                    let has_passed = |date: Option<Timestamp>| date.is_some_and(|one| one <= at);
                    let is_saved = date == before || (has_passed(date) && has_passed(before));
                    prop_assert!(is_saved, "{at}: {id} had {before:?}, and {date:?} is saved");
                }
            }
            Ok(())
        })
    });
    println!("{steps}");
}

/// The disks and snapshots from which these images were created.
fn sources_of<'f>(fleet: &'f AzureFleet, removed: &BTreeSet<&str>) -> Vec<&'f str> {
    let is_removed = |id: &str| removed.contains(id.to_lowercase().as_str());
    let versions = fleet.versions.iter().filter(|one| is_removed(&one.id));
    let images = fleet.images.iter().filter(|one| is_removed(&one.id));
    let sources = versions.filter_map(|one| one.source.as_deref());
    sources.chain(images.flat_map(|one| one.sources.iter().map(String::as_str))).collect()
}

/// A version that is being deleted, or was.
fn removed_version<'f>(fleet: &'f AzureFleet, image: &ImageId) -> Option<&'f FleetVersion> {
    let deleted = fleet.soft_deleted.iter().map(|one| &one.version);
    fleet.versions.iter().chain(deleted).find(|one| image_id(&one.id) == *image)
}

/// The calls that bring an image closer to its removal, and those that delete something.
fn forward(changes: &DayChanges) -> BTreeSet<String> {
    let steps = changes.excluded();
    let steps = steps.iter().map(ToString::to_string);
    steps.chain(changes.removed().into_iter().map(str::to_owned)).collect()
}

#[test]
fn a_named_subscription_that_cannot_be_read_refuses_removals() {
    let steps = Steps::default();
    check_all("unreadable subscription", 30, cases, |(fleet, policy)| {
        let policy = policy.and_names(UNREADABLE);
        each_day(&fleet, &policy, &steps, |changes, _| {
            prop_assert_eq!(forward(changes), BTreeSet::new());
            Ok(())
        })
    });
    println!("{steps}");
}

#[test]
fn a_denied_source_refuses_removals() {
    const ACTIONS: [&str; 9] = [
        "Microsoft.Compute/galleries/read",
        "Microsoft.Compute/images/read",
        "Microsoft.Authorization/locks/read",
        "Microsoft.Compute/disks/read",
        "Microsoft.Compute/virtualMachines/read",
        "Microsoft.Compute/virtualMachineScaleSets/read",
        "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read",
        "Microsoft.VirtualMachineImages/imageTemplates/read",
        "Microsoft.ResourceGraph/resources/read",
    ];
    let cases = || (cases(), prop::sample::select(&ACTIONS[..]));
    check_all("denied source", 40, cases, |((fleet, policy), action)| {
        let (fake, parsed) = (AzureFake::new(&fleet), policy.policy());
        fake.set(Switches::deny(&[action]));
        for days in DAYS {
            let changes = run_day(&fake, &parsed, day(days));
            let images = forward(&changes).into_iter().filter(|id| id.parse::<ImageId>().is_ok());
            prop_assert_eq!(images.collect::<Vec<_>>(), Vec::<String>::new(), "{}", action);
        }
        Ok(())
    });
}

/// The confirmed images by family that an instance can be started from.
fn confirmed(fleet: &AzureFleet, policy: &AzurePolicy) -> BTreeMap<String, BTreeSet<ImageId>> {
    let mut families: BTreeMap<String, BTreeSet<ImageId>> = BTreeMap::new();
    let versions = fleet.versions.iter().filter(|one| {
        let completed = one.targets.iter().all(|target| target.replica == Replica::Completed);
        one.state == FleetState::Succeeded
            && completed
            && one.replicas_read
            && !one.excluded
            && one.published_at.is_some()
    });
    let versions = versions.map(|one| (&one.id, &one.tags));
    let images = fleet.images.iter().filter(|one| one.created_at.is_some());
    for (id, tags) in versions.chain(images.map(|one| (&one.id, &one.tags))) {
        let family = match policy.grouped {
            true => folded_tag(tags, "family").unwrap_or_default().to_owned(),
            false => String::new(),
        };
        families.entry(family).or_default().insert(image_id(id));
    }
    families
}

/// An image whose replication is unknown or incomplete does not count for the floor.
#[test]
fn the_floor_holds_among_confirmed_images() {
    let steps = Steps::default();
    check_all("floor", 60, cases, |(mut fleet, policy)| {
        // Operations end before the next run, so that every image has its final state.
        fleet.habits.update_minutes = 0;
        fleet.habits.delete_minutes = 0;
        // A rescue whose update fails leaves an image that does not count.
        fleet.habits.fail_every = 0;
        fleet.versions.iter_mut().filter(|one| one.operation.is_some()).for_each(|one| {
            one.operation = None;
            one.state = FleetState::Creating;
        });
        each_day(&fleet, &policy, &steps, |changes, at| {
            let after = confirmed(&changes.after, &policy);
            for (family, members) in confirmed(&changes.before, &policy) {
                let floor = members.len().min(policy.at_least as usize);
                let left = after.get(&family).map_or(0, BTreeSet::len);
                prop_assert!(left >= floor, "{at}: {left} of {} left in {family:?}", members.len());
            }
            Ok(())
        })
    });
    println!("{steps}");
}

#[test]
fn plan_and_fleet_agree_on_the_images() {
    check_all("one decision", 30, cases, |(fleet, policy)| {
        let (fake, parsed) = (AzureFake::new(&fleet), policy.policy());
        let plan = super::days::with_azure_job(&fake, &parsed, day(0), async |job| {
            job.plan_images().await.0
        });
        let decided: Vec<_> = plan.decisions.iter().map(|one| one.image_id.clone()).collect();
        let unique: BTreeSet<_> = decided.iter().cloned().collect();
        prop_assert_eq!(decided.len(), unique.len());
        prop_assert_eq!(unique, images_of(&fake.world()));
        prop_assert!(plan.decisions.iter().all(|one| !one.reasons.is_empty()));
        Ok(())
    });
}
