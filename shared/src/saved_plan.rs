//! A plan in a file: what somebody has looked at, to be applied as it stands or not at all.
//!
//! The file holds the policy that it was made with. Before it is applied, the world is read again
//! and planned for with the same policy and for the same time: whatever the file wants changed
//! must come out the same. What is then carried out is the plan that was made anew, as far as the
//! file agrees to it: a file can choose, and never say what is done.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::apply::Change;
use crate::model::{AccountId, AccountRegion, ImageId, Region, ResourceId};
use crate::plan::snapshots::{SnapshotAction, SnapshotDecision, SnapshotPlan};
use crate::plan::{Action, Decision, Plan, Refusal};
use crate::policy::{Policy, PolicyError};

/// The version of the file's format that this program writes and reads.
const FORMAT: u32 = 3;
/// What somebody agreed to yesterday is not what they would agree to next month.
const MAX_PLAN_AGE: SignedDuration = SignedDuration::from_hours(24);
/// Clocks differ a little.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A plan in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// The version of the format.
    format: u32,
    /// What the policy was called.
    policy_file: String,
    /// The text of the policy.
    policy: String,
    /// What is to be done about images.
    pub plan: Plan,
    /// What is to be done about snapshots.
    pub snapshots: SnapshotPlan,
}

/// Why a saved plan is not applied.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// It is not a plan.
    #[error("not a saved plan: {0}; `plan --out FILE` writes one")]
    Shape(serde_json::Error),
    /// Another version of the program wrote it.
    #[error("its format is {found}, and this version reads {FORMAT}: plan again with this version")]
    Format {
        /// What it says.
        found: String,
    },
    /// Its policy is not valid for this version.
    #[error("the policy in it is not valid:\n{0}")]
    Policy(#[from] PolicyError),
    /// It is for another account or Region.
    #[error(
        "it is for account {account}, Region {region}, and the credentials reach account {reached_account}, \
         Region {reached_region}: choose them with --profile and --region"
    )]
    Elsewhere {
        /// The plan's.
        account: AccountId,
        /// The plan's.
        region: Region,
        /// The credentials'.
        reached_account: AccountId,
        /// The credentials'.
        reached_region: Region,
    },
    /// It is too old.
    #[error("it was made at {planned_at}, and a plan is good for a day: plan again")]
    TooOld {
        /// When it was made.
        planned_at: Timestamp,
    },
    /// It is for a time that has not come.
    #[error("it is for {planned_at}, which has not come: plan without --now")]
    TooSoon {
        /// The time that it is for.
        planned_at: Timestamp,
    },
}

/// How the world differs from the one that a plan was made for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Differences {
    /// What would be done differently now: any of these forbids the saved plan.
    pub changed: Vec<Difference>,
    /// Images and snapshots that something would be done about now, and the saved plan does
    /// nothing.
    pub left_for_later: Vec<ResourceId>,
}

/// How one resource differs from what the saved plan was made for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The resource.
    pub resource: ResourceId,
    /// The kind of the action that the saved plan has for it.
    pub planned: &'static str,
    /// What is different.
    #[serde(flatten)]
    pub change: Change,
}

impl SavedPlan {
    /// A plan to be written to a file.
    pub fn new(policy: String, policy_file: String, plan: Plan, snapshots: SnapshotPlan) -> Self {
        Self { format: FORMAT, policy_file, policy, plan, snapshots }
    }

    /// Reads what [`SavedPlan`] as JSON is.
    ///
    /// # Errors
    /// [`SavedPlanError::Shape`] and [`SavedPlanError::Format`].
    pub fn from_json(text: &str) -> Result<Self, SavedPlanError> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(SavedPlanError::Shape)?;
        match value.get("format") {
            Some(found) if *found != FORMAT => {
                return Err(SavedPlanError::Format { found: found.to_string() });
            }
            _ => {}
        }
        serde_json::from_value(value).map_err(SavedPlanError::Shape)
    }

    /// The policy that it was made with.
    ///
    /// # Errors
    /// When this version does not accept it.
    pub fn policy(&self) -> Result<Policy, SavedPlanError> {
        Ok(Policy::parse(&self.policy, &self.policy_file)?)
    }

    /// Whether it is for this place, and for this time.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn fits(&self, target: &AccountRegion, now: Timestamp) -> Result<(), SavedPlanError> {
        let Plan { account, region, planned_at, .. } = &self.plan;
        if *account != target.account || *region != target.region {
            return Err(SavedPlanError::Elsewhere {
                account: account.clone(),
                region: region.clone(),
                reached_account: target.account.clone(),
                reached_region: target.region.clone(),
            });
        }
        let age = now.duration_since(*planned_at);
        if age > MAX_PLAN_AGE {
            return Err(SavedPlanError::TooOld { planned_at: *planned_at });
        }
        if age < -MAX_CLOCK_SKEW {
            return Err(SavedPlanError::TooSoon { planned_at: *planned_at });
        }
        Ok(())
    }

    /// Why it is not applied, if so: it or the plan that was made again refuses, or they differ.
    pub fn refusal(&self, fresh: &Plan, differences: &Differences) -> Option<Refusal> {
        let refusal = self.plan.refusal.as_ref().or(fresh.refusal.as_ref()).cloned();
        let count = differences.changed.len();
        refusal.or_else(|| (count > 0).then_some(Refusal::PlanOutdated { differences: count }))
    }

    /// What is to be carried out at `now`: of `plan` and `snapshots`, which were made anew and do not
    /// differ, all that the file has too. Their dates count from `now`, so that a file that lay about
    /// does not shorten the time in which a mistake can be noticed.
    pub fn agreed(
        &self,
        mut plan: Plan,
        mut snapshots: SnapshotPlan,
        now: Timestamp,
    ) -> (Plan, SnapshotPlan) {
        let late = now.duration_since(plan.planned_at).max(SignedDuration::ZERO);
        let later = |at: Timestamp| at.checked_add(late).unwrap_or(Timestamp::MAX);
        let planned = self.plan.decisions.iter().filter(|one| one.action.changes());
        let planned: HashSet<&ImageId> = planned.map(|one| &one.image_id).collect();
        plan.decisions.retain(|one| planned.contains(&one.image_id));
        for decision in &mut plan.decisions {
            if decision.expired_at == Some(plan.planned_at) {
                decision.expired_at = Some(now);
            }
            if let Action::Deregister { removal } = &mut decision.action {
                removal.delete_after = later(removal.delete_after);
            }
        }
        let planned =
            self.snapshots.decisions.iter().filter(|one| one.action != SnapshotAction::Keep);
        let planned: HashSet<_> = planned.map(|one| &one.snapshot_id).collect();
        snapshots.decisions.retain(|one| planned.contains(&one.snapshot_id));
        for decision in &mut snapshots.decisions {
            decision.delete_after = decision.delete_after.map(later);
        }
        (plan.planned_at, snapshots.planned_at) = (now, now);
        (plan, snapshots)
    }

    /// How a plan that was made anew, for the same time and with the same policy, differs.
    pub fn differences(&self, plan: &Plan, snapshots: &SnapshotPlan) -> Differences {
        let mut all = Differences::default();
        compare_images(&self.plan, plan, &mut all);
        compare_snapshots(&self.snapshots, snapshots, &mut all);
        all
    }
}

fn compare_images(saved: &Plan, fresh: &Plan, all: &mut Differences) {
    let now: HashMap<&ImageId, &Decision> =
        fresh.decisions.iter().map(|decision| (&decision.image_id, decision)).collect();
    let mut planned = BTreeSet::new();
    for decision in saved.decisions.iter().filter(|one| one.action.changes()) {
        let image = &decision.image_id;
        planned.insert(image);
        if let Some(change) = difference(decision, now.get(image).copied()) {
            let planned = decision.action.kind();
            all.changed.push(Difference { resource: image.into(), planned, change });
        }
    }
    let others = fresh
        .decisions
        .iter()
        .filter(|one| one.action.changes() && !planned.contains(&one.image_id));
    all.left_for_later.extend(others.map(|one| ResourceId::from(&one.image_id)));
}

/// What is different about one image, if anything that matters is.
fn difference(saved: &Decision, fresh: Option<&Decision>) -> Option<Change> {
    let Some(fresh) = fresh else { return Some(Change::Gone) };
    let (before, now) = (saved.snapshots.iter(), fresh.snapshots.iter());
    if before.collect::<BTreeSet<_>>() != now.collect() {
        return Some(Change::Snapshots);
    }
    if saved.action == fresh.action {
        return None;
    }
    Some(match (&saved.action, &fresh.action) {
        (Action::Deprecate { .. }, Action::Deprecate { .. }) => Change::Deprecation,
        (Action::Disable { .. }, Action::Disable { .. }) => Change::LaunchPermissions,
        (Action::Deregister { removal: before }, Action::Deregister { removal: now }) => {
            match before.save == now.save {
                true => Change::SnapshotFate,
                false => Change::LaunchPermissions,
            }
        }
        (Action::Rescue(_), Action::Rescue(_)) => Change::Undo,
        (_, now) => Change::action(now, &fresh.reasons),
    })
}

fn compare_snapshots(saved: &SnapshotPlan, fresh: &SnapshotPlan, all: &mut Differences) {
    let acts = |one: &&SnapshotDecision| one.action != SnapshotAction::Keep;
    let now: HashMap<_, _> = fresh.decisions.iter().map(|one| (&one.snapshot_id, one)).collect();
    let mut planned = BTreeSet::new();
    for decision in saved.decisions.iter().filter(acts) {
        let snapshot = &decision.snapshot_id;
        planned.insert(snapshot);
        let what = |one: &SnapshotDecision| (one.action, one.delete_after, one.image.clone());
        let change = match now.get(snapshot) {
            Some(fresh) if what(fresh) == what(decision) => continue,
            Some(fresh) => {
                let (action, reasons) = (fresh.action, fresh.reasons.clone());
                Change::SnapshotAction { action, reasons }
            }
            None => Change::NotPlanned,
        };
        let planned = decision.action.into();
        all.changed.push(Difference { resource: snapshot.into(), planned, change });
    }
    let others =
        fresh.decisions.iter().filter(acts).filter(|one| !planned.contains(&one.snapshot_id));
    all.left_for_later.extend(others.map(|one| ResourceId::from(&one.snapshot_id)));
}
