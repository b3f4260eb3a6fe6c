//! Properties that must hold for any fleet and any policy.
//!
//! Fleets and policies are random. The account is the in-memory one, which the port's contract
//! compares with the real adapter. The references and the effect of keep rules are computed again
//! from the fleet, so that the plan is not tested against itself.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod accounts;
mod attacker;
mod calls;
mod copies;
mod crash;
mod explaining;
mod harm;
mod history;
mod markdown;
mod noting;
mod other_formats;
mod people;
mod restoring;
mod rules;
mod runs;
mod search;
mod simulating;
mod tagging;
mod worlds;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;
use rules::*;
use runs::*;
use steward::apply::StepKind;
use steward::cloud::{PermissionReadings, SnapshotScope};
use steward::jobs::Mode;
use steward::model::{DeletionMark, ImageId, Inventory, SnapshotId};
use steward::plan::reason::Reason;
use steward::plan::{Action, Decision, plan};
use steward::policy::Policy;
use steward::progress::RunContext;
use steward_tests::fake::{Call, Fake};
use steward_tests::fleet::{Fleet, FleetImage};
use steward_tests::switches::Switches;
use worlds::*;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn every_image_has_one_decision(fleet in a_fleet(), rules in some_rules()) {
        let world = inventory(&Fake::new(&fleet));
        let found = plan(&world, &rules.policy(), now());
        let mut decided: Vec<_> = found.decisions.iter().map(|decision| decision.image_id.clone()).collect();
        decided.sort();
        let mut listed: Vec<_> = world.images.iter().map(|image| image.image_id.clone()).collect();
        listed.sort();
        prop_assert_eq!(decided, listed);
        for decision in &found.decisions {
            prop_assert!(!decision.reasons.is_empty(), "{} has no reason", decision.image_id);
        }
    }

    #[test]
    fn what_is_in_use_is_never_removed(fleet in a_fleet(), rules in some_rules()) {
        let fake = Fake::new(&fleet);
        let before = images_left(&fake);
        let used = in_use(&fleet);
        for days in [0, 8, 20] {
            sweep(&fake, &rules.policy(), now() + SignedDuration::from_hours(24 * days));
            reap(&fake, &rules.policy(), now() + SignedDuration::from_hours(24 * days));
        }
        let after = images_left(&fake);
        for image in before.intersection(&used) {
            prop_assert!(after.contains(image), "{image} is in use and gone");
        }
        let world = fake.world();
        for image in fleet.images.iter().filter(|image| used.contains(image.image_id.as_str())) {
            let now = world.images.iter().find(|one| one.image_id == image.image_id).unwrap();
            prop_assert!(image.state == now.state || now.state == "available", "{} was disabled", image.image_id);
            let deprecated = now.deprecation_time.is_some() && now.deprecation_time != image.deprecation_time;
            prop_assert!(!deprecated, "{} was deprecated", image.image_id);
            prop_assert!(image.launch_permissions.iter().all(|one| now.launch_permissions.contains(one)));
        }
        let held: BTreeSet<_> = fake.world().images.iter().flat_map(|image| image.snapshots.clone()).collect();
        let left: BTreeSet<_> = fake.world().snapshots.iter().map(|s| s.snapshot_id.clone()).collect();
        prop_assert!(held.is_subset(&left), "an image lost a snapshot");
    }

    #[test]
    fn a_kept_image_is_never_removed(fleet in a_fleet(), rules in some_rules()) {
        let fake = Fake::new(&fleet);
        let kept = kept_by_rule(&fleet, &rules);
        let found = sweep(&fake, &rules.policy(), now());
        let after = images_left(&fake);
        for image in kept {
            prop_assert!(after.contains(&image), "{image} is kept by the rule and gone");
        }
        for decision in found.decisions.iter().filter(|decision| !goes_on(&decision.action)) {
            prop_assert!(after.contains(decision.image_id.as_str()), "{} was to stay", decision.image_id);
        }
        for image in &fleet.images {
            let shared = rules.keeps_shared && (image.public || !image.launch_permissions.is_empty());
            let opted_out = image.tags.get("image-steward:keep").is_some_and(|value| value != "2026-11-01");
            if shared || opted_out || image.protected != "disabled" || image.tags.has("Pinned") {
                prop_assert!(after.contains(image.image_id.as_str()), "{} is protected and gone", image.image_id);
            }
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(fleet in a_fleet(), rules in some_rules(), seed in any::<u64>()) {
        let world = inventory(&Fake::new(&fleet));
        let mut shuffled = world.clone();
        let key = |text: &str| text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        shuffled.images.sort_by_key(|image| key(image.image_id.as_str()));
        shuffled.snapshots.sort_by_key(|snapshot| key(snapshot.snapshot_id.as_str()));
        shuffled.references.sort_by_key(|reference| key(&format!("{} {:?}", reference.arn, reference.version)));
        let bytes = |world: &Inventory| serde_json::to_string(&plan(world, &rules.policy(), now())).unwrap();
        prop_assert_eq!(bytes(&world), bytes(&shuffled));
    }

    #[test]
    fn replanning_after_applying_removes_nothing(fleet in a_fleet(), mut rules in some_rules()) {
        rules.lift_caps();
        let fake = Fake::new(&fleet);
        // An image that is enabled again takes a place from then on.
        let is_rescued = |one: &Decision| matches!(one.action, Action::Rescue(_));
        let mut first = sweep(&fake, &rules.policy(), now());
        while first.decisions.iter().any(is_rescued) {
            first = sweep(&fake, &rules.policy(), now());
        }
        let again = planned(&fake, &rules.policy());
        for decision in &again.decisions {
            prop_assert!(!goes_on(&decision.action), "{} goes on only now: {decision:?}", decision.image_id);
            prop_assert!(!matches!(decision.action, Action::Rescue(_)), "{decision:?}");
        }
        // Applying the same plan again changes nothing either.
        let policy = rules.policy();
        let left = images_left(&fake);
        let outcome = run(steward::apply::apply(&first, PermissionReadings::default(), &policy, &fake, RunContext::UNLIMITED));
        prop_assert_eq!(outcome.done(StepKind::Deregister).next(), None);
        prop_assert_eq!(images_left(&fake), left);
    }

    #[test]
    fn the_floor_holds(fleet in a_fleet(), rules in some_rules()) {
        let fake = Fake::new(&fleet);
        for days in [0, 8, 20] {
            sweep(&fake, &rules.policy(), now() + SignedDuration::from_hours(24 * days));
        }
        let after = images_left(&fake);
        for members in families(&fleet, &rules).values() {
            let left = members.iter().filter(|(_, id)| after.contains(id)).count();
            let floor = members.len().min(rules.at_least as usize);
            prop_assert!(left >= floor, "{left} of {} left, the floor is {floor}", members.len());
        }
    }

    #[test]
    fn caps_hold(fleet in a_fleet(), rules in some_rules()) {
        let fake = Fake::new(&fleet);
        let before = images_left(&fake).len();
        let found = sweep(&fake, &rules.policy(), now());
        let gone = before - images_left(&fake).len();
        let is_off = |fleet: &Fleet| fleet.images.iter().filter(|image| image.state == "disabled").map(|image| image.image_id.clone()).collect::<BTreeSet<_>>();
        let disabled = is_off(&fake.world()).difference(&is_off(&fleet)).count();
        prop_assert!(gone + disabled <= rules.max_per_run as usize);
        // All images match the one rule.
        prop_assert!((gone + disabled) as f64 <= (rules.max_fraction * before as f64).ceil());
        prop_assert_eq!(found.summary.deregister, gone);
        prop_assert_eq!(found.summary.disable, disabled);
    }

    #[test]
    fn an_unread_source_removes_nothing(fleet in a_fleet(), rules in some_rules(), source in 0_usize..11) {
        let action = [
            "ec2:DescribeImages",
            "ec2:DescribeSnapshots",
            "ec2:DescribeInstances",
            "ec2:DescribeLaunchTemplateVersions",
            "autoscaling:DescribeLaunchConfigurations",
            "autoscaling:DescribeAutoScalingGroups",
            "ec2:DescribeFleets",
            "ec2:DescribeSpotFleetRequests",
            "ec2:DescribeSpotInstanceRequests",
            "batch:DescribeComputeEnvironments",
            "rbin:ListRules",
        ][source];
        let fake = Fake::new(&fleet);
        fake.set(Switches::deny(&[action]));
        // With all other values, no versions are requested in an account without templates.
        let mut rules = rules;
        rules.text = rules.text.replace("template_versions = 2", "").replace("template_versions = \"all\"", "");
        let found = sweep(&fake, &rules.policy(), now());
        prop_assert!(found.refusal.is_some());
        prop_assert_eq!(images_left(&fake).len(), fleet.images.len());
        let forward = |call: &&Call| matches!(call, Call::SetTags(..) | Call::Deprecate(..) | Call::Disable(_) | Call::Deregister(..));
        // A rescue may restore an earlier deprecation time.
        let calls = fake.calls();
        let rescued: Vec<_> = found.decisions.iter().filter(|one| matches!(one.action, Action::Rescue(_))).map(|one| &one.image_id).collect();
        let of_rescue = |call: &&Call| matches!(call, Call::Deprecate(image, _) if rescued.contains(&image));
        let marked = calls.iter().filter(forward).find(|call| !of_rescue(call));
        prop_assert!(marked.is_none(), "{marked:?}");
    }

    #[test]
    fn plan_mode_changes_nothing(fleet in a_fleet(), rules in some_rules()) {
        let fake = Fake::new(&fleet);
        let (target, policy) = (target(&fake), rules.policy());
        let job = job(&fake, &target, &policy, Mode::Plan, now());
        run(async {
            let (plan, permissions) = job.plan_images().await;
            job.apply_images(&plan, permissions).await;
            let _ = job.reap(&SnapshotScope::Own).await;
        });
        prop_assert!(fake.calls().iter().all(|call| !call.changes()));
    }

    #[test]
    fn a_snapshot_goes_only_when_due_and_unused(fleet in a_fleet_with_a_bin(), mut rules in some_rules()) {
        rules.lift_caps();
        let fake = Fake::new(&fleet);
        reap(&fake, &rules.policy(), now());
        let left: BTreeSet<_> = fake.world().snapshots.iter().map(|s| s.snapshot_id.clone()).collect();
        let images: BTreeSet<_> = fleet.images.iter().map(|image| image.image_id.clone()).collect();
        let entered = |image: &ImageId| {
            fleet.recycled_images.iter().find(|one| one.image.image_id == *image).map(|one| one.entered_at)
        };
        let used: BTreeSet<_> = fleet.images.iter().flat_map(|image| image.snapshots.clone()).collect();
        let held = held_snapshots(&fleet, rules.keeps_shared_snapshots);
        for snapshot in &fleet.snapshots {
            let id = &snapshot.snapshot_id;
            let due = snapshot.tags.get("image-steward:delete-after").is_some_and(|at| at.parse::<DeletionMark>().unwrap().due <= now());
            let named: Option<ImageId> = snapshot.tags.get("image-steward:image").map(|image| image.parse().unwrap());
            let made_for = made_for(snapshot);
            let gone = |image: &Option<ImageId>| image.as_ref().is_some_and(|image| !images.contains(image));
            let waited = |image: &ImageId| entered(image).is_none_or(|at| at + rules.delete_snapshots_after <= now());
            let long_enough = named.iter().chain(&made_for).all(waited);
            let allowed = made_for.as_ref().is_some_and(|image| entered(image).is_some()) || rules.deletes_orphans;
            let goes = due && gone(&named) && gone(&made_for) && long_enough && allowed;
            // The provider itself rejects deleting a locked snapshot.
            prop_assert_eq!(!left.contains(id), goes && !used.contains(id) && !held.contains(id), "{}", id);
        }
    }

    #[test]
    fn an_orphan_is_marked_first_and_goes_in_a_later_run(fleet in a_fleet(), mut rules in some_rules()) {
        rules.lift_caps();
        let (fake, policy) = (Fake::new(&fleet), rules.policy());
        let deletes = rules.text.contains("[orphans]");
        let images: BTreeSet<_> = fleet.images.iter().map(|image| image.image_id.to_string()).collect();
        let used: BTreeSet<_> = fleet.images.iter().flat_map(|image| image.snapshots.clone()).collect();
        let held = held_snapshots(&fleet, rules.keeps_shared_snapshots);
        let orphans: BTreeSet<_> = fleet.snapshots.iter().filter(|snapshot| {
            let unmarked = !snapshot.tags.has("image-steward:delete-after");
            let gone = snapshot.description.rsplit(' ').next().is_some_and(|image| image.starts_with("ami-") && !images.contains(image));
            let original = snapshot.volume_id == "vol-1";
            unmarked && gone && original && !used.contains(&snapshot.snapshot_id) && !held.contains(&snapshot.snapshot_id)
        }).map(|snapshot| snapshot.snapshot_id.clone()).collect();
        let unmarked: BTreeSet<_> = fleet.snapshots.iter()
            .filter(|snapshot| !snapshot.tags.has("image-steward:delete-after"))
            .map(|snapshot| snapshot.snapshot_id.clone()).collect();
        reap(&fake, &policy, now());
        let after = fake.world();
        let marked: BTreeSet<_> = after.snapshots.iter()
            .filter(|snapshot| unmarked.contains(&snapshot.snapshot_id) && snapshot.tags.has("image-steward:delete-after"))
            .map(|snapshot| snapshot.snapshot_id.clone()).collect();
        prop_assert_eq!(&marked, if deletes { &orphans } else { const { &BTreeSet::new() } });
        prop_assert!(unmarked.iter().all(|id| after.snapshots.iter().any(|one| one.snapshot_id == *id)), "deleted in the first run");
        reap(&fake, &policy, now() + SignedDuration::from_hours(24 * 8));
        let left: BTreeSet<_> = fake.world().snapshots.iter().map(|s| s.snapshot_id.clone()).collect();
        for id in &unmarked {
            prop_assert_eq!(!left.contains(id), marked.contains(id), "{}", id);
        }
    }

    #[test]
    fn the_snapshots_of_a_removed_image_go_too(fleet in a_fleet(), rules in some_rules(), ignored in any::<bool>()) {
        let (fake, policy) = (Fake::new(&fleet), rules.policy());
        // An old server ignores the parameter for deleting snapshots with the image.
        fake.set(Switches { no_delete_associated: ignored, ..Switches::default() });
        sweep(&fake, &policy, now());
        prop_assert_eq!(lost_from_sight(&fleet, &fake), Vec::<SnapshotId>::new());
        let removed: Vec<_> = {
            let left = images_left(&fake);
            fleet.images.iter().filter(|image| !left.contains(image.image_id.as_str())).cloned().collect()
        };
        let held = held_snapshots(&fleet, rules.keeps_shared_snapshots);
        // The longest wait for snapshots in a rule here is a week.
        reap(&fake, &policy, now() + SignedDuration::from_hours(24 * 8));
        let world = fake.world();
        let used: BTreeSet<_> = world.images.iter().flat_map(|image| &image.snapshots).collect();
        let gone = |image: &ImageId| !world.images.iter().any(|left| left.image_id == *image);
        for (image, id) in removed.iter().flat_map(|image| image.snapshots.iter().map(move |id| (image, id))) {
            let made_for_of = |id: &SnapshotId| {
                fleet.snapshots.iter().find(|one| one.snapshot_id == *id).and_then(made_for)
            };
            let made_for = made_for_of(id);
            let was_ours = made_for.as_ref().is_some_and(|made_for| removed.iter().any(|one| one.image_id == *made_for));
            // If EC2 created one of them for no image, all are deleted with it, because the Recycle
            // Bin keeps them. Exceptions are snapshots that EC2 created for another image, and
            // protected snapshots.
            let is_nobodys = |one: &SnapshotId| made_for_of(one).is_none();
            let may_go = |one: &SnapshotId| {
                let is_own = made_for_of(one).is_none_or(|origin| origin == image.image_id);
                let listed = fleet.snapshots.iter().find(|listed| listed.snapshot_id == *one);
                let waits = listed.and_then(|listed| listed.tags.get("image-steward:delete-after"));
                let waits = waits.is_some_and(|at| {
                    at.parse::<DeletionMark>().unwrap().due > now() + rules.delete_snapshots_after
                });
                is_own && !waits && !held.contains(one) && !used.contains(one)
            };
            let nobodys = image.snapshots.iter().any(is_nobodys);
            let is_zero = rules.delete_snapshots_after.is_zero();
            let users = |one: &SnapshotId| fleet.images.iter().filter(|image| image.snapshots.contains(one)).count();
            let alone = image.snapshots.iter().all(|one| users(one) < 2);
            let at_once = !ignored && image.snapshots.iter().all(may_go) && (nobodys || is_zero);
            if (at_once && !alone) || (is_nobodys(id) && users(id) > 1) {
                // It depends on which of its images is removed last.
                continue;
            }
            let later = was_ours || (rules.deletes_orphans && made_for.as_ref().is_some_and(gone));
            let exists = world.snapshots.iter().any(|left| left.snapshot_id == *id);
            let stays = used.contains(id) || held.contains(id);
            if stays || at_once || later {
                prop_assert_eq!(exists, stays, "{}", id);
            } else {
                prop_assert!(exists, "{}", id);
            }
        }
    }
}

#[test]
fn reasons_of_kept_images_include_the_use() {
    let mut fleet = Fleet::default();
    fleet.images.push(FleetImage::new(image_id(1), []));
    hold(&mut fleet, 1, 4, &image_id(1));
    let found = plan(
        &inventory(&Fake::new(&fleet)),
        &Policy::parse("version = 1\n[[rule]]\nname = \"a\"\nkeep = { last = 1 }\n", "p").unwrap(),
        now(),
    );
    let uses: Vec<_> = found.decisions[0]
        .reasons
        .iter()
        .filter(|reason| matches!(reason, Reason::InUse { .. }))
        .collect();
    assert_eq!(uses.len(), 2, "the group and the template's version: {uses:?}");
}
