//! Runs on a subscription in memory, and what they changed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use steward::events::Trigger;
use steward::jobs::{FunctionKind, Job, Mode};
use steward::model::ImageId;
use steward::policy::Policy;
use steward::progress::RunContext;
use steward_tests::azure_fake::{AzureChange, AzureFake, AzureFleet, FleetState, FleetVersion};
use steward_tests::jobs::run;

use super::fleets::image_id;

/// Calls `work` with the use cases on `fake` at this time by the clock of the runs.
pub fn with_azure_job<T>(
    fake: &AzureFake,
    policy: &Policy,
    at: Timestamp,
    work: impl AsyncFnOnce(&Job<'_>) -> T,
) -> T {
    fake.set_clock(at);
    let target = fake.target();
    run(work(&Job {
        cloud: fake,
        instances: fake,
        bus: None,
        target: &target,
        policy,
        mode: Mode::Apply,
        now: at,
        context: RunContext::UNLIMITED,
    }))
}

/// The scheduled runs of a day, one after the other.
pub fn run_functions(fake: &AzureFake, policy: &Policy, at: Timestamp) {
    let all =
        [FunctionKind::PruneImages, FunctionKind::ReapSnapshots, FunctionKind::RetireInstance];
    for kind in all {
        // A run in which all calls fail is an error.
        let _ =
            with_azure_job(fake, policy, at, async |job| job.run(kind, &Trigger::Schedule).await);
    }
}

/// What the runs of a day changed.
pub struct DayChanges {
    pub before: AzureFleet,
    pub after: AzureFleet,
    pub calls: Vec<AzureChange>,
}

/// Runs a day, and returns what the runs changed.
pub fn run_day(fake: &AzureFake, policy: &Policy, at: Timestamp) -> DayChanges {
    fake.set_clock(at);
    let (before, known) = (fake.world(), fake.changes().len());
    run_functions(fake, policy, at);
    let calls = fake.changes().split_off(known);
    DayChanges { before, after: fake.world(), calls }
}

impl DayChanges {
    /// The images and disks whose deletion the runs requested.
    pub fn removed(&self) -> BTreeSet<&str> {
        let deletions = self.calls.iter().filter(|call| call.action.ends_with("/delete"));
        deletions.map(|call| call.resource.as_str()).collect()
    }

    /// The versions that a run excluded from `latest`.
    pub fn excluded(&self) -> BTreeSet<ImageId> {
        self.changed(|was, is| !was.excluded && is.excluded)
    }

    /// The versions whose end of life a run set or moved to an earlier time.
    pub fn deprecated(&self) -> BTreeSet<ImageId> {
        let max = Timestamp::MAX;
        self.changed(|was, is| is.end_of_life.unwrap_or(max) < was.end_of_life.unwrap_or(max))
    }

    fn changed(&self, is_so: impl Fn(&FleetVersion, &FleetVersion) -> bool) -> BTreeSet<ImageId> {
        let pairs = self.before.versions.iter().filter_map(|was| {
            let is = self.after.versions.iter().find(|is| is.id == was.id)?;
            is_so(was, is).then(|| image_id(&was.id))
        });
        pairs.collect()
    }
}

/// The images that exist and are not being deleted.
pub fn images_of(fleet: &AzureFleet) -> BTreeSet<ImageId> {
    let versions = fleet.versions.iter().filter(|one| one.state != FleetState::Deleting);
    let versions = versions.map(|one| image_id(&one.id));
    versions.chain(fleet.images.iter().map(|one| image_id(&one.id))).collect()
}
