//! The number of calls of a run: at most the numbers in `docs/calls.md` for each action.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use steward::apply::{Outcome, StepKind};
use steward::cloud::SnapshotScope;
use steward::jobs::Mode;
use steward::model::{ImageId, SnapshotId};
use steward::plan::snapshots::SnapshotAction;
use steward::plan::{Action, Plan};
use steward::policy::Policy;
use steward_tests::fake::{Call, Fake};
use steward_tests::fleet::{Fleet, FleetImage, FleetSnapshot};
use steward_tests::jobs::with_job;

use super::rules::some_rules;
use super::worlds::{HOUR, ago, fleet_of, now};

/// More than two batches.
const IMAGES: usize = 50;

type Calls = BTreeMap<&'static str, usize>;

fn sweep(fake: &Fake, policy: &Policy, mode: Mode) -> (Plan, Outcome) {
    with_job(fake, policy, mode, now(), async |job| {
        let (plan, permissions) = job.plan_images().await;
        let outcome = job.apply_images(&plan, permissions).await;
        (plan, outcome)
    })
}

fn count(plan: &Plan, is_it: impl Fn(&Action) -> bool) -> usize {
    plan.decisions.iter().filter(|one| is_it(&one.action)).count()
}

/// Whether there are no duplicates.
fn is_set<T: Ord>(items: &[T]) -> bool {
    items.iter().collect::<BTreeSet<_>>().len() == items.len()
}

fn at_most(calls: &Calls, action: &str, most: usize) -> Result<(), TestCaseError> {
    let made = calls.get(action).copied().unwrap_or_default();
    prop_assert!(made <= most, "{} calls of {}, at most {}; all: {:?}", made, action, most, calls);
    Ok(())
}

/// The cost of a plan in addition to its listings: references are requested once per image, ten
/// images per call, and launch permissions are read once per image.
fn check_planning(fake: &Fake, plan: &Plan) -> Result<(), TestCaseError> {
    let (mut asked, mut not_full, mut read) = (Vec::new(), 0, Vec::new());
    for call in fake.calls() {
        match call {
            Call::FindReferencesTo(ids, _) => {
                not_full += usize::from(ids.len() < 10);
                asked.extend(ids);
            }
            Call::FindLaunchPermissions(id) => read.push(id),
            Call::ListImages
            | Call::ListSnapshots(_)
            | Call::ListReferences(_)
            | Call::ListRetentionRules => {}
            other => prop_assert!(false, "{:?}", other),
        }
    }
    prop_assert!(is_set(&asked) && is_set(&read));
    // A call with fewer images is the last one of its round. A new round is needed only if a
    // verified image turned out to be kept, so that another can be removed.
    let looked_at: BTreeSet<&ImageId> = asked.iter().chain(&read).collect();
    let kept = plan.decisions.iter().filter(|one| {
        matches!(one.action, Action::Keep | Action::Rescue(_)) && looked_at.contains(&one.image_id)
    });
    prop_assert!(not_full <= 1 + kept.count(), "{} calls were not full", not_full);
    Ok(())
}

fn check_sweep(fleet: &Fleet, policy: &Policy) -> Result<(), TestCaseError> {
    let fake = Fake::new(fleet);
    let (plan, _) = sweep(&fake, policy, Mode::Plan);
    check_planning(&fake, &plan)?;
    let planning = fake.calls_by_action();
    fake.forget_calls();
    let before = fake.world();
    let (plan, outcome) = sweep(&fake, policy, Mode::Apply);
    let mut calls = fake.calls_by_action();
    for (action, made) in &planning {
        let left = calls.get(action).and_then(|all| all.checked_sub(*made));
        let Some(left) = left else { return Err(TestCaseError::fail(*action)) };
        calls.insert(action, left);
    }
    let disabled = count(&plan, |one| matches!(one, Action::Disable { .. }));
    let deregistered = count(&plan, |one| matches!(one, Action::Deregister { .. }));
    let deprecated = count(&plan, |one| matches!(one, Action::Deprecate { .. }));
    let rescued = count(&plan, |one| matches!(one, Action::Rescue(_)));
    let going = disabled + deregistered;
    let batches = going.div_ceil(20);
    let listings = usize::from(going > 0);
    at_most(&calls, "ec2:DescribeImages", batches)?;
    at_most(&calls, "ec2:DescribeInstances", batches + listings)?;
    at_most(&calls, "ec2:DescribeSnapshots", batches)?;
    at_most(&calls, "ec2:DescribeImageReferences", going.div_ceil(10) + batches)?;
    // Data that the plan has read is not read again.
    at_most(&calls, "ec2:DescribeImageAttribute", rescued)?;
    at_most(&calls, "ec2:DeregisterImage", deregistered)?;
    at_most(&calls, "ec2:DisableImage", disabled)?;
    at_most(&calls, "ec2:EnableImageDeprecation", deprecated + disabled + rescued)?;
    at_most(&calls, "ec2:DeleteTags", 2 * rescued)?;
    at_most(&calls, "ec2:EnableImage", rescued)?;
    at_most(&calls, "ec2:ModifyImageAttribute", rescued)?;
    at_most(&calls, "ec2:DisableImageDeprecation", rescued)?;
    at_most(&calls, "ec2:DescribeLockedSnapshots", listings)?;
    at_most(&calls, "ec2:DeleteSnapshot", 0)?;
    // Once for each snapshot that is deleted with its image.
    let with_image: Vec<&SnapshotId> =
        plan.decisions.iter().filter(|one| matches!(&one.action, Action::Deregister { removal } if removal.fate == steward::model::SnapshotFate::DeleteWithImage)).flat_map(|one| &one.snapshots).collect();
    let with_image: BTreeSet<_> = with_image.into_iter().collect();
    at_most(&calls, "ec2:DescribeSnapshotAttribute", with_image.len())?;
    // Images whose snapshots do not have the tag yet, or that are shared.
    let carries = |image: &FleetImage| {
        image.snapshots.iter().all(|id| {
            let found = before.snapshots.iter().find(|one| one.snapshot_id == *id);
            found.is_none_or(|one| {
                one.tags.get("image-steward:image") == Some(image.image_id.as_str())
            })
        })
    };
    let own: usize = plan
        .decisions
        .iter()
        .filter_map(|one| match &one.action {
            Action::Deregister { removal } => Some((&one.image_id, removal)),
            _ => None,
        })
        .map(|(id, removal)| {
            let image = before.images.iter().find(|image| image.image_id == *id);
            let is_shared = removal.save.as_deref().is_some_and(|save| !save.ends_with("none"));
            usize::from(!image.is_some_and(carries)) + usize::from(is_shared)
        })
        .sum();
    let marks = usize::from(outcome.images_done(StepKind::Expire).next().is_some());
    let common = if deregistered > 0 { batches } else { 0 };
    at_most(
        &calls,
        "ec2:CreateTags",
        marks + deprecated + disabled + own + common * delays(&plan),
    )?;
    Ok(())
}

/// The number of different times after which the snapshots of the deregistered images are deleted.
fn delays(plan: &Plan) -> usize {
    let delays = plan.decisions.iter().filter_map(|one| match &one.action {
        Action::Deregister { removal } => Some(removal.delete_after),
        _ => None,
    });
    delays.collect::<BTreeSet<_>>().len()
}

fn check_reaping(fleet: &Fleet, policy: &Policy) -> Result<(), TestCaseError> {
    let fake = Fake::new(fleet);
    let (plan, _) = with_job(&fake, policy, Mode::Apply, now(), async |job| {
        job.reap(&SnapshotScope::Own).await
    });
    let of = |action| plan.decisions.iter().filter(move |one| one.action == action);
    let (due, orphans) = (of(SnapshotAction::Delete).count(), of(SnapshotAction::Mark).count());
    let batches = due.div_ceil(20) + orphans.div_ceil(20);
    let calls = fake.calls_by_action();
    at_most(&calls, "ec2:DescribeSnapshots", 1 + batches)?;
    at_most(&calls, "ec2:DescribeImages", 1 + orphans.div_ceil(20))?;
    at_most(&calls, "ec2:DeleteSnapshot", due)?;
    // The snapshots of an image share a call.
    let images: BTreeSet<_> = of(SnapshotAction::Mark).map(|one| &one.image).collect();
    at_most(&calls, "ec2:CreateTags", images.len() + orphans.div_ceil(20))?;
    let read = fake.calls().into_iter().filter_map(|call| match call {
        Call::FindVolumePermissions(id) => Some(id),
        _ => None,
    });
    prop_assert!(is_set(&read.collect::<Vec<_>>()));
    Ok(())
}

proptest! {
    #![proptest_config(super::cases(300))]

    #[test]
    fn a_run_makes_no_more_calls_than_documented(fleet in fleet_of(IMAGES), mut rules in some_rules()) {
        rules.lift_caps();
        let policy = rules.policy();
        check_sweep(&fleet, &policy)?;
        check_reaping(&fleet, &policy)?;
    }
}

/// 400 images with two snapshots each, 40 of them in use, and without state tags.
fn four_hundred() -> Fleet {
    let mut fleet = Fleet::default();
    for n in 0..400_usize {
        let image: ImageId = format!("ami-{n:017x}").parse().unwrap();
        let snapshots: Vec<SnapshotId> =
            (0..2).map(|part| format!("snap-{n:015x}{part:02x}").parse().unwrap()).collect();
        let mut one = FleetImage::new(image.clone(), snapshots.clone());
        one.created_at = ago(HOUR * 24 * (1 + n as i64));
        for id in snapshots {
            let mut snapshot = FleetSnapshot::new(id, one.created_at);
            snapshot.description = format!("Created by CreateImage(i-1) for {image}");
            snapshot.volume_id = "vol-1".to_owned();
            fleet.snapshots.push(snapshot);
        }
        fleet.images.push(one);
    }
    for n in (0..400).step_by(10) {
        super::worlds::hold(
            &mut fleet,
            n,
            (n / 10 % 12) as u8,
            &format!("ami-{n:017x}").parse().unwrap(),
        );
    }
    fleet
}

fn text(shared_snapshots: &str) -> String {
    format!(
        "version = 1\n[[rule]]\nname = \"all\"\nkeep = {{ last = 32 }}\n\
         retire = {{ deprecate_after = \"never\", disable_after = \"never\", deregister_after = \"0d\", \
         delete_snapshots_after = \"0d\" }}\n\
         [safety]\nmax_per_run = 1000\nmax_fraction = 1.0\nshared_snapshots = \"{shared_snapshots}\"\n"
    )
}

#[test]
fn four_hundred_images_take_no_more_calls_than_documented() {
    for (shared, permissions) in [("keep", 2), ("retire", 0)] {
        let fake = Fake::new(&four_hundred());
        let policy = Policy::parse(&text(shared), "four hundred").unwrap();
        let (plan, outcome) = sweep(&fake, &policy, Mode::Apply);
        let removed = outcome.images_done(StepKind::Deregister).count();
        assert_eq!(removed, count(&plan, |one| matches!(one, Action::Deregister { .. })));
        assert_eq!(removed, 332);
        let listing = {
            let nothing = Fake::new(&Fleet { images: Vec::new(), ..four_hundred() });
            sweep(&nothing, &policy, Mode::Plan);
            nothing.calls_made()
        };
        // Deregistering, launch permissions, volume permissions, tags; and half a call for all
        // others.
        let allowed = removed * (2 + permissions) + removed / 2 + removed + listing;
        let made = fake.calls_made();
        println!(
            "{shared}: {removed} removed, {made} of {allowed} calls: {:?}",
            fake.calls_by_action()
        );
        assert!(made <= allowed, "{made} of {allowed}: {:?}", fake.calls_by_action());
    }
}

/// The number of Describe calls without a wait: 98 % of the capacity of their token bucket.
const BURST: usize = 98;

/// However many images wait for a step, the reads of a plan after its listings are limited to the
/// images of this run. They never wait for a rate limit.
#[test]
fn a_plan_of_five_thousand_images_with_fifty_to_go_waits_for_nothing() {
    let mut fleet = Fleet::default();
    for n in 0..5_000_i64 {
        let snapshot: SnapshotId = format!("snap-{n:017x}").parse().unwrap();
        let mut image = FleetImage::new(format!("ami-{n:017x}").parse().unwrap(), [snapshot]);
        image.created_at = ago(HOUR * (1 + n));
        fleet.images.push(image);
    }
    let policy = text("keep").replace("max_per_run = 1000", "max_per_run = 50\nmin_references = 0");
    let policy = Policy::parse(&policy, "fifty to go").unwrap();
    let fake = Fake::new(&fleet);
    let (plan, _) = sweep(&fake, &policy, Mode::Plan);
    assert_eq!(count(&plan, |one| matches!(one, Action::Deregister { .. })), 50);
    let calls = fake.calls_by_action();
    assert_eq!(calls["ec2:DescribeImageAttribute"], 50);
    assert!(calls["ec2:DescribeImageReferences"] <= 55, "{calls:?}");
    assert!(calls.values().all(|made| *made <= BURST), "{calls:?}");
}

/// This many of the waiting images are verified, in any number of rounds.
#[test]
fn of_many_images_that_wait_some_are_asked_about() {
    let mut fleet = Fleet::default();
    for n in 0..1_500_i64 {
        let snapshot: SnapshotId = format!("snap-{n:017x}").parse().unwrap();
        let id: ImageId = format!("ami-{n:017x}").parse().unwrap();
        let mut image = FleetImage::new(id.clone(), [snapshot]);
        image.created_at = ago(HOUR * (1 + n));
        image.tags = [("image-steward:expired-at", ago(HOUR).to_string())].into_iter().collect();
        fleet.images.push(image);
        // Only EC2 itself reports that they are in use.
        if n < 1_000 {
            super::worlds::hold(&mut fleet, n as usize, 9, &id);
        }
    }
    let policy = text("keep")
        .replace("deregister_after = \"0d\"", "deregister_after = \"7d\"")
        .replace("max_per_run = 1000", "max_per_run = 1000\nmin_references = 0");
    let fake = Fake::new(&fleet);
    let (plan, _) = sweep(&fake, &Policy::parse(&policy, "waiting").unwrap(), Mode::Plan);
    assert!(count(&plan, |one| matches!(one, Action::Rescue(_))) > 400);
    assert_eq!(fake.calls_by_action()["ec2:DescribeImageReferences"], 50);
}
