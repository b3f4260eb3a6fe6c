//! A plan in a file: what somebody has looked at, to be applied as it stands or not at all.
//!
//! The file holds the policy that it was made with, and whoever may write the file may write any
//! policy: so it is applied only under a policy that the operator names, or whose digest they name.
//! The world is read again and planned for with that policy, twice: for the time of the file, for
//! which everything that the file wants changed must come out the same, and for now. What is
//! carried out is the plan for now, as far as the file agrees to it: a file can choose, and never
//! say what is done, nor when.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::apply::Change;
use crate::model::{
    AccountId, AccountRegion, DocumentKind, FormatError, FormatNumber, ImageId, Region, ResourceId,
    SnapshotId, unknown_field,
};
use crate::plan::snapshots::{SnapshotAction, SnapshotDecision, SnapshotPlan};
use crate::plan::{Action, Decision, Plan, Refusal, Removal};
use crate::policy::{Policy, PolicyDigest, PolicyError};

/// What somebody agreed to yesterday is not what they would agree to next month.
const MAX_PLAN_AGE: SignedDuration = SignedDuration::from_hours(24);
/// Clocks differ a little.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A plan in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    format: FormatNumber<{ SavedPlan::DOCUMENT.number }>,
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
    /// It is in another format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It has a field that plans do not have.
    #[error(
        "{path}: this field is not known, and could say what must not be overlooked: plan again"
    )]
    UnknownField {
        /// Where it is, for example `plan.decisions[3].hold`.
        path: String,
    },
    /// Its policy is not valid for this version.
    #[error("the policy in it is not valid:\n{0}")]
    Policy(#[from] PolicyError),
    /// Its policy is not the one that the operator named.
    #[error(
        "it was made with another policy: the digest of its policy is {planned}, and that of {expected_by} is \
         {expected}; plan again with the policy that you mean"
    )]
    OtherPolicy {
        /// The digest of the policy in the file.
        planned: PolicyDigest,
        /// The operator's.
        expected: PolicyDigest,
        /// Where the operator's comes from: a file, or an option.
        expected_by: String,
    },
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

/// Whether a saved plan is of the time at which it would be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// It is.
    Valid,
    /// It is too old.
    TooOld,
    /// It is for a time that has not come.
    TooSoon,
}

/// A plan that was made anew.
#[derive(Debug, Clone, PartialEq)]
pub struct FreshPlan {
    /// The plan for images.
    pub images: Plan,
    /// The plan for snapshots.
    pub snapshots: SnapshotPlan,
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
    /// The saved plan.
    pub const DOCUMENT: DocumentKind = DocumentKind {
        name: "a saved plan",
        key: "format",
        number: 1,
        remedy: "plan again with this program (`image-steward plan --out FILE`)",
    };

    /// A plan to be written to a file.
    pub fn new(policy: String, policy_file: String, plan: Plan, snapshots: SnapshotPlan) -> Self {
        Self { format: FormatNumber, policy_file, policy, plan, snapshots }
    }

    /// Reads what [`SavedPlan`] as JSON is.
    ///
    /// # Errors
    /// [`SavedPlanError::Shape`], [`SavedPlanError::Format`] and [`SavedPlanError::UnknownField`].
    pub fn from_json(text: &str) -> Result<Self, SavedPlanError> {
        Self::DOCUMENT.check_json(text)?;
        let saved: Self = serde_json::from_str(text).map_err(SavedPlanError::Shape)?;
        let document = serde_json::from_str(text).map_err(SavedPlanError::Shape)?;
        let known = serde_json::to_value(&saved).map_err(SavedPlanError::Shape)?;
        match unknown_field(&document, &known) {
            Some(path) => Err(SavedPlanError::UnknownField { path }),
            None => Ok(saved),
        }
    }

    /// The policy that it was made with, if its digest is the one that the operator `expected`, who
    /// gave it by the file or option `expected_by`.
    ///
    /// # Errors
    /// [`SavedPlanError::Policy`] when this version does not accept it, and
    /// [`SavedPlanError::OtherPolicy`].
    pub fn policy(
        &self,
        expected: &PolicyDigest,
        expected_by: &str,
    ) -> Result<Policy, SavedPlanError> {
        let (policy, planned) = Policy::parse_with_digest(&self.policy, &self.policy_file)?;
        if planned != *expected {
            let (expected, expected_by) = (expected.clone(), expected_by.to_owned());
            return Err(SavedPlanError::OtherPolicy { planned, expected, expected_by });
        }
        Ok(policy)
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
        match self.validity(now) {
            Validity::Valid => Ok(()),
            Validity::TooOld => Err(SavedPlanError::TooOld { planned_at: *planned_at }),
            Validity::TooSoon => Err(SavedPlanError::TooSoon { planned_at: *planned_at }),
        }
    }

    /// Whether it is for this time.
    pub fn validity(&self, now: Timestamp) -> Validity {
        let age = now.duration_since(self.plan.planned_at);
        if age > MAX_PLAN_AGE {
            Validity::TooOld
        } else if age < -MAX_CLOCK_SKEW {
            Validity::TooSoon
        } else {
            Validity::Valid
        }
    }

    /// Until when it is not too old.
    pub fn valid_until(&self) -> Timestamp {
        self.plan.planned_at.checked_add(MAX_PLAN_AGE).unwrap_or(Timestamp::MAX)
    }

    /// What its policy was called.
    pub fn policy_file(&self) -> &str {
        &self.policy_file
    }

    /// Its policy, with the digest. It is whatever somebody wrote into the file: good for showing the
    /// plan, and not for applying it.
    ///
    /// # Errors
    /// When this version does not accept the policy.
    pub fn parsed_policy(&self) -> Result<(Policy, PolicyDigest), PolicyError> {
        Policy::parse_with_digest(&self.policy, &self.policy_file)
    }

    /// Why it is not applied, if so: it or the plan that was made again refuses, or they differ.
    pub fn refusal(&self, fresh: &Plan, differences: &Differences) -> Option<Refusal> {
        let refusal = self.plan.refusal.as_ref().or(fresh.refusal.as_ref()).cloned();
        let count = differences.changed.len();
        refusal.or_else(|| (count > 0).then_some(Refusal::PlanOutdated { differences: count }))
    }

    /// What is to be carried out: of the plan for now, which does not differ, all that the file has
    /// too.
    pub fn agreed(&self, now: FreshPlan) -> FreshPlan {
        let FreshPlan { images: mut plan, mut snapshots } = now;
        let planned = self.plan.decisions.iter().filter(|one| one.action.changes());
        let planned: HashSet<&ImageId> = planned.map(|one| &one.image_id).collect();
        // The plan tags what images share if all of them go, and the file may have only some.
        let is_left = |one: &&Decision| {
            matches!(one.action, Action::Deregister { .. }) && !planned.contains(&one.image_id)
        };
        let left = plan.decisions.iter().filter(is_left);
        let used: HashSet<SnapshotId> = left.flat_map(|one| one.snapshots.to_vec()).collect();
        plan.decisions.retain(|one| planned.contains(&one.image_id));
        for decision in &mut plan.decisions {
            if let Action::Deregister { removal } = &mut decision.action {
                let unused = removal.snapshots.iter().filter(|one| !used.contains(one));
                removal.snapshots = unused.cloned().collect();
            }
        }
        let planned =
            self.snapshots.decisions.iter().filter(|one| one.action != SnapshotAction::Keep);
        let planned: HashSet<_> = planned.map(|one| &one.snapshot_id).collect();
        snapshots.decisions.retain(|one| planned.contains(&one.snapshot_id));
        FreshPlan { images: plan, snapshots }
    }

    /// How the plans that were made anew under the same policy differ: `then` is for the time of the
    /// file, and `now` for the present.
    pub fn differences(&self, then: &FreshPlan, now: &FreshPlan) -> Differences {
        let mut all = Differences::default();
        compare_images(&self.plan, &then.images, &now.images, &mut all);
        compare_snapshots(&self.snapshots, &then.snapshots, &now.snapshots, &mut all);
        all
    }
}

fn by_image(plan: &Plan) -> HashMap<&ImageId, &Decision> {
    plan.decisions.iter().map(|decision| (&decision.image_id, decision)).collect()
}

fn compare_images(saved: &Plan, then: &Plan, fresh: &Plan, all: &mut Differences) {
    let (then, now) = (by_image(then), by_image(fresh));
    let mut planned = BTreeSet::new();
    for decision in saved.decisions.iter().filter(|one| one.action.changes()) {
        let image = &decision.image_id;
        planned.insert(image);
        let change = difference(decision, then.get(image).copied()).or_else(|| {
            let now = now.get(image)?;
            let is_same = is_same_step(&decision.action, &now.action);
            (!is_same).then(|| Change::action(&now.action, &now.reasons))
        });
        if let Some(change) = change {
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

/// Whether two actions differ in nothing but the times that count from their plans.
fn is_same_step(before: &Action, now: &Action) -> bool {
    match (before, now) {
        // Both are of the same account, and save the same date with another time of writing.
        (Action::Deprecate { save: _ }, Action::Deprecate { save: _ }) => true,
        (
            Action::Disable { save: before, deprecation: _ },
            Action::Disable { save: now, deprecation: _ },
        ) => before == now,
        (Action::Deregister { removal: before }, Action::Deregister { removal: now }) => {
            let Removal { snapshots, delete_after: _, fate, save } = before;
            (snapshots, fate, save) == (&now.snapshots, &now.fate, &now.save)
        }
        (before, now) => before == now,
    }
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

fn by_snapshot(plan: &SnapshotPlan) -> HashMap<&SnapshotId, &SnapshotDecision> {
    plan.decisions.iter().map(|decision| (&decision.snapshot_id, decision)).collect()
}

fn compare_snapshots(
    saved: &SnapshotPlan,
    then: &SnapshotPlan,
    fresh: &SnapshotPlan,
    all: &mut Differences,
) {
    let acts = |one: &&SnapshotDecision| one.action != SnapshotAction::Keep;
    let (then, now) = (by_snapshot(then), by_snapshot(fresh));
    let mut planned = BTreeSet::new();
    for decision in saved.decisions.iter().filter(acts) {
        let snapshot = &decision.snapshot_id;
        planned.insert(snapshot);
        let what = |one: &SnapshotDecision| (one.action, one.delete_after, one.image.clone());
        let same_then = then.get(snapshot).is_some_and(|one| what(one) == what(decision));
        let same_now = now
            .get(snapshot)
            .is_some_and(|one| (one.action, &one.image) == (decision.action, &decision.image));
        if same_then && same_now {
            continue;
        }
        let fresh = if same_then { now.get(snapshot) } else { then.get(snapshot) };
        let change = fresh.map_or(Change::NotPlanned, |fresh| {
            let (action, reasons) = (fresh.action, fresh.reasons.clone());
            Change::SnapshotAction { action, reasons }
        });
        let planned = decision.action.into();
        all.changed.push(Difference { resource: snapshot.into(), planned, change });
    }
    let others =
        fresh.decisions.iter().filter(acts).filter(|one| !planned.contains(&one.snapshot_id));
    all.left_for_later.extend(others.map(|one| ResourceId::from(&one.snapshot_id)));
}

#[cfg(test)]
mod tests;
