//! Runs on an account in memory.

use std::collections::BTreeSet;

use jiff::Timestamp;
use steward::cloud::SnapshotScope;
use steward::collect;
use steward::events::Trigger;
use steward::jobs::{Job, JobReport, Mode};
use steward::model::{
    AccountRegion, ComputeEnvironments, Inventory, ReferenceScope, SnapshotId, TemplateVersions,
};
use steward::plan::{Action, Plan};
use steward::policy::Policy;
use steward::progress::RunContext;
use steward_tests::fake::Fake;
use steward_tests::fleet::Fleet;

use super::worlds::now;

pub fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

pub fn target(fake: &Fake) -> AccountRegion {
    AccountRegion { account: fake.account().clone(), region: Some(fake.region().clone()) }
}

pub fn inventory(fake: &Fake) -> Inventory {
    let scope = ReferenceScope {
        versions: TemplateVersions::DefaultAndLatest,
        compute_environments: ComputeEnvironments::Read,
        ignore_templates: Vec::new(),
        accounts: Vec::new(),
    };
    run(collect::collect_inventory(fake, &target(fake), &scope, now(), RunContext::UNLIMITED))
}

pub fn job<'a>(
    fake: &'a Fake,
    target: &'a AccountRegion,
    policy: &'a Policy,
    mode: Mode,
    now: Timestamp,
) -> Job<'a> {
    let context = RunContext::UNLIMITED;
    Job { cloud: fake, instances: fake, bus: None, target, policy, mode, now, context }
}

/// One image sweep in apply mode.
pub fn sweep(fake: &Fake, policy: &Policy, now: Timestamp) -> Plan {
    fake.set_clock(now);
    let target = target(fake);
    let job = job(fake, &target, policy, Mode::Apply, now);
    run(async {
        let (plan, permissions) = job.plan_images().await;
        job.apply_images(&plan, permissions).await;
        plan
    })
}

/// One complete image sweep in apply mode, as started by the schedule.
pub fn scheduled_sweep(fake: &Fake, policy: &Policy, now: Timestamp) -> JobReport {
    fake.set_clock(now);
    let target = target(fake);
    run(job(fake, &target, policy, Mode::Apply, now).prune_images(&Trigger::Schedule))
}

/// The plan of a sweep, with all data that a sweep verifies.
pub fn planned(fake: &Fake, policy: &Policy) -> Plan {
    let target = target(fake);
    run(job(fake, &target, policy, Mode::Plan, now()).plan_images()).0
}

/// One snapshot sweep in apply mode.
pub fn reap(fake: &Fake, policy: &Policy, now: Timestamp) {
    fake.set_clock(now);
    let target = target(fake);
    let job = job(fake, &target, policy, Mode::Apply, now);
    let _ = run(job.reap(&SnapshotScope::Own));
}

pub fn images_left(fake: &Fake) -> BTreeSet<String> {
    fake.world().images.iter().map(|image| image.image_id.to_string()).collect()
}

/// Whether the action tags the image as expired or applies a step to it.
pub fn goes_on(action: &Action) -> bool {
    !matches!(action, Action::Keep | Action::Wait | Action::Rescue(_))
}

/// Snapshots of removed images that no run would find again: they exist, no image uses them, and
/// they have no state tags.
pub fn lost_from_sight(before: &Fleet, fake: &Fake) -> Vec<SnapshotId> {
    let after = fake.world();
    let left: BTreeSet<_> = after.images.iter().map(|image| &image.image_id).collect();
    let used: BTreeSet<_> = after.images.iter().flat_map(|image| &image.snapshots).collect();
    let gone = before.images.iter().filter(|image| !left.contains(&image.image_id));
    let orphaned: BTreeSet<_> = gone
        .flat_map(|image| &image.snapshots)
        .filter(|snapshot| !used.contains(snapshot))
        .collect();
    let has_ledger = |tags: &steward::model::Tags| {
        tags.has("image-steward:image") && tags.has("image-steward:delete-after")
    };
    after
        .snapshots
        .iter()
        .filter(|snapshot| orphaned.contains(&snapshot.snapshot_id) && !has_ledger(&snapshot.tags))
        .map(|snapshot| snapshot.snapshot_id.clone())
        .collect()
}
