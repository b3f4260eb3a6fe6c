//! An account in memory, to which plans are applied as `apply` applies them to a real account.
//!
//! This module makes no decisions. The plans define all changes.

use std::collections::{HashMap, HashSet};
use std::ops::AddAssign;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::model::{
    Image, ImageId, ImageState, Inventory, LaunchPermission, Provider, Recoverability, Recyclable,
    RecycledImage, RetentionRule, Snapshot, SnapshotFate, SnapshotId, TagNames, Tags, for_others,
};
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan, plan_snapshots};
use crate::plan::undo::{Deprecation, Undo};
use crate::plan::{Action, Decision, Plan};
use crate::policy::{Policy, SharedSnapshots};

/// The simulated account.
#[derive(Debug, Clone)]
pub struct SimulatedWorld {
    inventory: Inventory,
    /// Images that the simulation moved to the Recycle Bin, and when each is deleted permanently.
    recycled: Vec<(Timestamp, ImageId)>,
}

/// The steps that sweeps applied, as numbers of images unless noted otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are sufficient")]
pub struct Done {
    /// Newly found expired.
    pub expired: usize,
    pub deprecated: usize,
    pub disabled: usize,
    pub deregistered: usize,
    pub rescued: usize,
    pub snapshots_deleted: usize,
}

impl AddAssign for Done {
    fn add_assign(&mut self, more: Self) {
        let Self { expired, deprecated, disabled, deregistered, rescued, snapshots_deleted } = more;
        self.expired += expired;
        self.deprecated += deprecated;
        self.disabled += disabled;
        self.deregistered += deregistered;
        self.rescued += rescued;
        self.snapshots_deleted += snapshots_deleted;
    }
}

/// The maximum retention of the Recycle Bin, in days.
const MAX_DAYS: u32 = 365;

/// A change to a snapshot.
enum WorldChange {
    Unmark,
    Tag(Tags),
    Delete,
}

type Changes = HashMap<SnapshotId, WorldChange>;

/// Creates a rule that retains every resource of this type for the maximum time.
fn longest_rule(resource: Recyclable) -> RetentionRule {
    RetentionRule {
        rule_id: "assumed".into(),
        resource,
        days: MAX_DAYS,
        in_effect: true,
        tags: Tags::default(),
        except: Tags::default(),
    }
}

impl SimulatedWorld {
    /// Creates the account from `inventory`. Images that are already in the Recycle Bin stay there,
    /// because an inventory does not always contain their retention. If the inventory contains
    /// neither the images in the Recycle Bin nor its rules, the bin is empty and retains everything
    /// for the maximum time. Snapshots are then deleted at the time in the policy, as with
    /// sufficiently long rules. Azure has no such rules: each image contains its retention.
    pub fn new(mut inventory: Inventory) -> Self {
        inventory.recycled_images.get_or_insert_default();
        if inventory.account.provider() == Provider::Aws {
            inventory.retention_rules.get_or_insert_with(|| {
                [Recyclable::Images, Recyclable::Snapshots].map(longest_rule).into()
            });
        }
        Self { inventory, recycled: Vec::new() }
    }

    /// Returns the current inventory of the account.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Adds a new image with its snapshots.
    pub(super) fn add(&mut self, image: Image, snapshots: impl IntoIterator<Item = Snapshot>) {
        self.inventory.images.push(image);
        self.inventory.snapshots.extend(snapshots);
    }

    /// Removes everything from the Recycle Bin whose retention has ended at `now`.
    pub fn let_time_pass(&mut self, now: Timestamp) {
        let Some(listed) = &mut self.inventory.recycled_images else { return };
        let (gone, left): (Vec<_>, Vec<_>) =
            self.recycled.drain(..).partition(|(leaves_at, _)| *leaves_at <= now);
        self.recycled = left;
        let gone: HashSet<ImageId> = gone.into_iter().map(|(_, image)| image).collect();
        if !gone.is_empty() {
            listed.retain(|image| !gone.contains(&image.image_id));
        }
    }

    /// Applies a sweep: `plan` for the images, then a new plan for the remaining snapshots.
    pub fn sweep(&mut self, plan: &Plan, policy: &Policy) -> Done {
        self.sweep_both(plan, policy).0
    }

    /// Applies a sweep and also returns the snapshot plan.
    pub(super) fn sweep_both(&mut self, plan: &Plan, policy: &Policy) -> (Done, SnapshotPlan) {
        let mut done = Done::default();
        self.apply_steps(plan, policy, &mut done);
        let reaping = plan_snapshots(&self.inventory, policy, plan.planned_at);
        self.reap(&reaping, &policy.tag_names, &mut done);
        (done, reaping)
    }

    fn apply_steps(&mut self, plan: &Plan, policy: &Policy, done: &mut Done) {
        let works = |one: &&Decision| one.action.changes();
        let steps: Vec<&Decision> = plan.decisions.iter().filter(works).collect();
        if steps.is_empty() {
            return;
        }
        let changes = changes_of(&steps, &self.inventory, policy, plan.planned_at);
        let mut steps: HashMap<&ImageId, &Decision> =
            steps.into_iter().map(|decision| (&decision.image_id, decision)).collect();
        let mut gone = Vec::new();
        let Inventory { images, retention_rules, .. } = &mut self.inventory;
        let rules = retention_rules.as_deref().unwrap_or_default();
        images.retain_mut(|image| {
            // Most images have no changes, and each lookup takes time.
            let found = if steps.is_empty() { None } else { steps.remove(&image.image_id) };
            let Some(decision) = found else { return true };
            if plan.marks(decision) {
                done.expired += 1;
                set(&mut image.tags, &policy.tag_names.expired_at, &plan.planned_at.to_string());
            }
            let stays =
                apply_step(image, &decision.action, &policy.tag_names, plan.planned_at, done);
            if !stays {
                let days = retained_days(image, rules);
                gone.extend(days.map(|days| (image.image_id.clone(), days)));
            }
            stays
        });
        for (image, days) in gone {
            self.recycle(image, days, plan.planned_at);
        }
        self.change_snapshots(changes, &policy.tag_names, done);
    }

    fn recycle(&mut self, image: ImageId, days: u32, now: Timestamp) {
        let Some(listed) = &mut self.inventory.recycled_images else { return };
        let leaves_at = now.checked_add(SignedDuration::from_hours(24 * i64::from(days)));
        let leaves_at = leaves_at.unwrap_or(Timestamp::MAX);
        self.recycled.push((leaves_at, image.clone()));
        listed.push(RecycledImage {
            image_id: image,
            name: "".into(),
            entered_at: Some(now),
            leaves_at: Some(leaves_at),
        });
    }

    fn reap(&mut self, plan: &SnapshotPlan, names: &TagNames, done: &mut Done) {
        let change = plan.decisions.iter().filter_map(|decision| {
            let id = &decision.snapshot_id;
            let change = match decision.action {
                SnapshotAction::Keep => return None,
                SnapshotAction::Mark => WorldChange::Tag(names.snapshot_tags(
                    decision.image.as_ref()?,
                    decision.delete_after?,
                    plan.planned_at,
                )),
                SnapshotAction::Delete => WorldChange::Delete,
            };
            Some((id.clone(), change))
        });
        self.change_snapshots(change.collect(), names, done);
    }

    fn change_snapshots(&mut self, mut changes: Changes, names: &TagNames, done: &mut Done) {
        if changes.is_empty() {
            return;
        }
        self.inventory.snapshots.retain_mut(|snapshot| {
            let found =
                if changes.is_empty() { None } else { changes.remove(&snapshot.snapshot_id) };
            match found {
                None => true,
                Some(WorldChange::Unmark) => {
                    let key = std::slice::from_ref(&names.delete_after);
                    snapshot.tags = snapshot.tags.without(key);
                    true
                }
                Some(WorldChange::Tag(tags)) => {
                    snapshot.tags = snapshot.tags.with(&tags);
                    true
                }
                Some(WorldChange::Delete) => {
                    done.snapshots_deleted += 1;
                    false
                }
            }
        });
    }
}

/// Returns for how many days `image` can be recovered after it is deregistered; `None` if it cannot.
fn retained_days(image: &Image, rules: &[RetentionRule]) -> Option<u32> {
    match image.capabilities.recovery {
        Recoverability::ByRules => {
            let covering = rules.iter().filter(|rule| rule.covers(Recyclable::Images, &image.tags));
            covering.map(|rule| rule.days).max()
        }
        Recoverability::Days(days) => Some(days),
        Recoverability::Unsupported => None,
    }
}

/// Returns the changes to snapshots that the steps make.
fn changes_of(
    steps: &[&Decision],
    inventory: &Inventory,
    policy: &Policy,
    now: Timestamp,
) -> Changes {
    let names = &policy.tag_names;
    let mut changes = Changes::new();
    let held = held_with_images(steps, inventory, policy);
    for decision in steps {
        match &decision.action {
            Action::Rescue(undo) => {
                changes.extend(undo.unmark.iter().map(|id| (id.clone(), WorldChange::Unmark)));
            }
            Action::Deregister { removal } => {
                let goes = removal.fate == SnapshotFate::DeleteWithImage
                    && !decision.snapshots.iter().any(|id| held.contains(id));
                changes.extend(removal.snapshots.iter().map(|id| {
                    let tags = names.snapshot_tags(&decision.image_id, removal.delete_after, now);
                    (id.clone(), if goes { WorldChange::Delete } else { WorldChange::Tag(tags) })
                }));
            }
            _ => {}
        }
    }
    changes
}

/// Returns the snapshots that would be deleted together with their images if there were no lock,
/// launch template reference or sharing.
fn held_with_images<'a>(
    steps: &[&'a Decision],
    inventory: &'a Inventory,
    policy: &Policy,
) -> HashSet<&'a SnapshotId> {
    let with_images = |one: &&'a Decision| match &one.action {
        Action::Deregister { removal } if removal.fate == SnapshotFate::DeleteWithImage => {
            Some(one.snapshots.iter())
        }
        _ => None,
    };
    let going: HashSet<&SnapshotId> = steps.iter().filter_map(with_images).flatten().collect();
    if going.is_empty() {
        return HashSet::new();
    }
    let is_held = |one: &&Snapshot| {
        let shared = one.shared_with.as_deref().unwrap_or_default();
        let is_shared = for_others(shared, Some(&inventory.account)).next().is_some();
        let keeps_shared = policy.safety.shared_snapshots == SharedSnapshots::Keep;
        one.locked == Some(true) || (keeps_shared && is_shared)
    };
    let held = inventory.snapshots.iter().filter(is_held).map(|one| &one.snapshot_id);
    let named = inventory.snapshot_references.iter().map(|reference| &reference.snapshot_id);
    held.chain(named).filter(|id| going.contains(id)).collect()
}

fn set(tags: &mut Tags, key: &str, value: &str) {
    *tags = tags.with(&[(key, value)].into_iter().collect());
}

/// EC2 stores a deprecation time in full minutes. It is documented to round to the nearest minute.
/// This function truncates, like the local account.
fn to_the_minute(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(60) * 60).unwrap_or(at)
}

/// Returns the deprecation time that the provider of `image` stores for a step at `at`. Azure stores
/// it as it is.
fn deprecation_time(image: &Image, at: Timestamp) -> Option<Timestamp> {
    Some(match image.image_id.provider() {
        Provider::Aws => to_the_minute(at),
        Provider::Azure => at,
    })
}

/// Applies one step to one image. Returns whether the image still exists.
fn apply_step(
    image: &mut Image,
    action: &Action,
    names: &TagNames,
    now: Timestamp,
    done: &mut Done,
) -> bool {
    match action {
        Action::Keep | Action::Wait | Action::Expire => {}
        Action::Deprecate { save } => {
            done.deprecated += 1;
            set(&mut image.tags, &names.deprecation, save);
            image.deprecation_time = deprecation_time(image, now);
        }
        Action::Disable { save, deprecation } => {
            done.disabled += 1;
            set(&mut image.tags, &names.launch_permissions, save);
            set(&mut image.tags, &names.deprecation, deprecation);
            image.deprecation_time = deprecation_time(image, now);
            image.state = ImageState::Disabled;
            unshare(image);
        }
        Action::Deregister { .. } => {
            done.deregistered += 1;
            return false;
        }
        Action::Rescue(undo) => {
            done.rescued += 1;
            undo_steps(image, undo, names, now);
        }
    }
    true
}

fn undo_steps(image: &mut Image, undo: &Undo, names: &TagNames, now: Timestamp) {
    let Undo { enable, share_with, not_shared: _, deprecation, unmark: _, keep_tags: _ } = undo;
    if *enable {
        image.state = ImageState::Available;
        unshare(image);
    }
    if !share_with.is_empty() {
        share(image, share_with.clone());
    }
    match deprecation {
        None => {}
        Some(Deprecation::None) => image.deprecation_time = None,
        Some(Deprecation::At(at)) if *at <= now => {}
        Some(Deprecation::At(at)) => image.deprecation_time = deprecation_time(image, *at),
    }
    image.tags = image.tags.without(&undo.tag_keys(names));
}

/// Removes all launch permissions of the image, if disabling it does so.
fn unshare(image: &mut Image) {
    if image.capabilities.loses_permissions() {
        share(image, Box::default());
    }
}

/// Sets the launch permissions of the image.
fn share(image: &mut Image, with: Box<[LaunchPermission]>) {
    image.public = with.contains(&LaunchPermission::Everyone);
    image.launch_permissions = Some(with);
}
