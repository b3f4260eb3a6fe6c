//! What changed between planning and applying stops a step.

use proptest::collection::vec;
use proptest::prelude::*;
use steward::model::ImageId;
use steward_tests::azure_fake::{
    AzureFake, AzureFleet, FleetHolder, FleetLock, FleetOperation, FleetState,
};

use super::cases::check_all;
use super::days::{DayChanges, run_day, with_azure_job};
use super::fleets::{a_fleet, a_holder, day, definition_id, hours, managed_id, version_id};
use super::in_use::in_use;
use super::never_removed::{protection, recoverable_days};
use super::policies::some_policy;

const VERSIONS: usize = 8;
/// The plan is made on one of these days. On the earlier ones everything is applied.
const DAYS: [i64; 6] = [0, 1, 3, 7, 9, 14];

/// A change by somebody else.
#[derive(Debug, Clone)]
enum ChangedSince {
    Uses(FleetHolder),
    Locks(String),
    Keeps(usize),
    SoftDeletes(usize, Option<u32>),
    Blocks(usize),
    Updates(usize),
    Excludes(usize, bool),
    Unreads(&'static str),
}

fn some_changes() -> impl Strategy<Value = Vec<ChangedSince>> {
    let scope = prop_oneof![
        (0..VERSIONS).prop_map(version_id),
        (0_usize..4).prop_map(definition_id),
        (0_usize..3).prop_map(managed_id),
    ];
    let n = || 0..VERSIONS;
    let change = prop_oneof![
        4 => a_holder(80, VERSIONS).prop_map(ChangedSince::Uses),
        2 => scope.prop_map(ChangedSince::Locks),
        1 => n().prop_map(ChangedSince::Keeps),
        3 => (0_usize..2, prop_oneof![Just(None), Just(Some(1))])
            .prop_map(|(n, days)| ChangedSince::SoftDeletes(n, days)),
        1 => n().prop_map(ChangedSince::Blocks),
        1 => n().prop_map(ChangedSince::Updates),
        1 => (n(), any::<bool>()).prop_map(|(n, excluded)| ChangedSince::Excludes(n, excluded)),
        1 => Just(ChangedSince::Unreads("Microsoft.Authorization/locks/read")),
        1 => Just(ChangedSince::Unreads("Microsoft.Compute/virtualMachineScaleSets/read")),
    ];
    vec(change, 1..4)
}

impl ChangedSince {
    fn apply(&self, fleet: &mut AzureFleet) {
        let version = |n: usize| {
            let id = version_id(n).to_lowercase();
            move |one: &&mut steward_tests::azure_fake::FleetVersion| one.id.to_lowercase() == id
        };
        match self {
            Self::Uses(holder) => {
                let mut holder = holder.clone();
                holder.added_at = day(-100);
                holder.removed_at = None;
                fleet.holders.push(holder);
            }
            Self::Locks(scope) => {
                fleet.locks.push(FleetLock { scope: scope.clone(), read_only: false });
            }
            Self::Keeps(n) => {
                if let Some(one) = fleet.versions.iter_mut().find(version(*n)) {
                    let keep = [("IMAGE-STEWARD:KEEP", "")].into_iter().collect();
                    one.tags = one.tags.with(&keep);
                }
            }
            Self::SoftDeletes(n, days) => {
                if let Some(gallery) = fleet.galleries.get_mut(*n) {
                    gallery.soft_delete_days = *days;
                }
            }
            Self::Blocks(n) => {
                if let Some(one) = fleet.versions.iter_mut().find(version(*n)) {
                    one.block_deletion = true;
                    one.end_of_life = Some(day(200));
                }
            }
            Self::Updates(n) => {
                let is_idle = |one: &&mut steward_tests::azure_fake::FleetVersion| {
                    one.state == FleetState::Succeeded
                };
                if let Some(one) = fleet.versions.iter_mut().find(version(*n)).filter(is_idle) {
                    one.state = FleetState::Updating;
                    one.operation =
                        Some(FleetOperation { ends_at: day(20) + hours(1), fails: false });
                }
            }
            Self::Excludes(n, excluded) => {
                if let Some(one) = fleet.versions.iter_mut().find(version(*n)) {
                    one.excluded = *excluded;
                }
            }
            Self::Unreads(_) => {}
        }
    }
}

#[test]
fn what_changed_since_the_plan_stops_a_step() {
    let cases = || (a_fleet(VERSIONS), some_policy(), some_changes(), 0..DAYS.len());
    check_all("changed since", 80, cases, |(fleet, account, since, on)| {
        let (fake, policy) = (AzureFake::new(&fleet), account.policy());
        for days in DAYS.iter().take(on) {
            run_day(&fake, &policy, day(*days));
        }
        let at = day(DAYS[on]);
        let (before, calls) = with_azure_job(&fake, &policy, at, async |job| {
            let (plan, permissions) = job.plan_images().await;
            fake.change(|fleet| since.iter().for_each(|one| one.apply(fleet)));
            let unread = since.iter().filter_map(|one| match one {
                ChangedSince::Unreads(action) => Some(*action),
                _ => None,
            });
            let unread: Vec<&str> = unread.collect();
            fake.set(steward_tests::switches::Switches::deny(&unread));
            let (before, known) = (fake.world(), fake.changes().len());
            job.apply_images(&plan, permissions).await;
            (before, fake.changes().split_off(known))
        });
        let changes = DayChanges { before, after: fake.world(), calls };
        let (removed, excluded) = (changes.removed(), changes.excluded());
        let forward = excluded.iter().map(ImageId::as_str).chain(removed.iter().copied());
        let forward: Vec<&str> = forward.collect();
        for image in in_use(&changes.before, &account.named(), at) {
            prop_assert!(!forward.contains(&image.as_str()), "{image} is in use");
        }
        for id in &forward {
            prop_assert_eq!(protection(&changes.before, &account, id, at), None, "{}", id);
        }
        if since.iter().any(|one| matches!(one, ChangedSince::Unreads(_))) {
            prop_assert_eq!(&forward, &Vec::<&str>::new());
        }
        for id in removed {
            if let Some(required) = account.recycle_bin_days {
                let days = recoverable_days(&changes.before, id).unwrap_or(0);
                prop_assert!(days >= required, "{id} can be restored for {days} days only");
            }
        }
        Ok(())
    });
}
