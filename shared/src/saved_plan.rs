//! Saved plans: a plan in a file that somebody has reviewed, to be applied exactly or not at all.
//!
//! The file contains the policy of the plan. Anybody who can write the file can change this policy,
//! so it is applied only if the operator confirms the policy, by file or by digest. The inventory
//! is read again and planned twice with that policy: for the time of the file, where every change
//! in the file must be planned again, and for the current time. The plan for the current time is
//! applied, limited to the changes in the file. A file can therefore select changes, but never
//! define them or their time.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::apply::Change;
use crate::model::{
    AccountRegion, DocumentKind, FormatError, FormatNumber, ImageId, ResourceId, SnapshotId,
    unknown_field,
};
use crate::plan::snapshots::{SnapshotAction, SnapshotDecision, SnapshotPlan};
use crate::plan::{Action, Decision, Plan, Refusal, Removal};
use crate::policy::{Policy, PolicyDigest, PolicyError};

/// The maximum age of a saved plan. A review does not remain valid for longer.
const MAX_PLAN_AGE: SignedDuration = SignedDuration::from_hours(24);
/// The tolerance for differences between clocks.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A plan in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    format: FormatNumber<{ SavedPlan::DOCUMENT.number }>,
    /// The name of the policy file.
    policy_file: String,
    /// The text of the policy.
    policy: String,
    /// The plan for images.
    pub plan: Plan,
    /// The plan for snapshots.
    pub snapshots: SnapshotPlan,
}

/// Why a saved plan is not applied.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// The file does not contain a plan.
    #[error("not a saved plan: {0}; create one with `plan --out FILE`")]
    Shape(serde_json::Error),
    /// The file has another format version.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The file has an unknown field.
    #[error("{path}: unknown field, which this version must not ignore; plan again")]
    UnknownField {
        /// The path of the field, for example `plan.decisions[3].hold`.
        path: String,
    },
    /// The policy in the file is not valid for this version.
    #[error("invalid policy in the file:\n{0}")]
    Policy(#[from] PolicyError),
    /// The policy in the file is not the policy that the operator named.
    #[error(
        "the plan was created with another policy: that policy has the digest {planned}, but {expected_by} has \
         {expected}; plan again with the intended policy"
    )]
    OtherPolicy {
        /// The digest of the policy in the file.
        planned: PolicyDigest,
        /// The digest that the operator expects.
        expected: PolicyDigest,
        /// The source of the expected digest: a file or an option.
        expected_by: String,
    },
    /// The plan is for another account or Region.
    #[error(
        "the plan is for {planned}, but the credentials are for {reached}; select others with {}",
        if planned.region.is_some() { "--profile and --region" } else { "--subscription" }
    )]
    Elsewhere {
        /// The account and Region of the plan.
        planned: AccountRegion,
        /// The account and Region of the credentials.
        reached: AccountRegion,
    },
    /// The plan is too old.
    #[error("the plan was created at {planned_at}, and a plan expires after one day; plan again")]
    TooOld {
        /// The time of the plan.
        planned_at: Timestamp,
    },
    /// The time of the plan is in the future.
    #[error("the plan is dated in the future ({planned_at}); plan again without --now")]
    TooSoon {
        /// The time of the plan.
        planned_at: Timestamp,
    },
}

/// Whether a saved plan can be applied at a given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// It can be applied.
    Valid,
    /// It is too old.
    TooOld,
    /// Its time is in the future.
    TooSoon,
}

/// A plan that was computed again.
#[derive(Debug, Clone, PartialEq)]
pub struct FreshPlan {
    /// The plan for images.
    pub images: Plan,
    /// The plan for snapshots.
    pub snapshots: SnapshotPlan,
}

/// The differences between a saved plan and the current inventory.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Differences {
    /// Changes since planning. Any of them prevents applying the saved plan.
    pub changed: Vec<Difference>,
    /// Images and snapshots that would be changed now, but that the saved plan does not change.
    pub left_for_later: Vec<ResourceId>,
}

/// A resource that changed after the plan was saved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The image or snapshot.
    pub resource: ResourceId,
    /// The action in the saved plan, as `Action::kind` names it.
    pub planned: &'static str,
    /// The change since planning.
    #[serde(flatten)]
    pub change: Change,
}

impl SavedPlan {
    /// The document type of a saved plan.
    pub const DOCUMENT: DocumentKind = DocumentKind {
        name: "a saved plan",
        key: "format",
        number: 1,
        remedy: "plan again with this version (`image-steward plan --out FILE`)",
    };

    /// Creates a plan to be written to a file.
    pub fn new(policy: String, policy_file: String, plan: Plan, snapshots: SnapshotPlan) -> Self {
        Self { format: FormatNumber, policy_file, policy, plan, snapshots }
    }

    /// Parses the JSON form of a [`SavedPlan`].
    ///
    /// # Errors
    /// Returns [`SavedPlanError::Shape`], [`SavedPlanError::Format`] or
    /// [`SavedPlanError::UnknownField`].
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

    /// Returns the policy of the plan, if its digest is the `expected` one, which the operator gave
    /// by the file or option `expected_by`.
    ///
    /// # Errors
    /// Returns [`SavedPlanError::Policy`] if this version does not accept the policy, or
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

    /// Checks that the plan is for this account, Region and time.
    ///
    /// # Errors
    /// Returns the first check that failed.
    pub fn fits(&self, target: &AccountRegion, now: Timestamp) -> Result<(), SavedPlanError> {
        let Plan { account, region, planned_at, .. } = &self.plan;
        if *account != target.account || *region != target.region {
            return Err(SavedPlanError::Elsewhere {
                planned: AccountRegion { account: account.clone(), region: region.clone() },
                reached: target.clone(),
            });
        }
        match self.validity(now) {
            Validity::Valid => Ok(()),
            Validity::TooOld => Err(SavedPlanError::TooOld { planned_at: *planned_at }),
            Validity::TooSoon => Err(SavedPlanError::TooSoon { planned_at: *planned_at }),
        }
    }

    /// Returns whether the plan can be applied at `now`.
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

    /// Returns when the plan becomes too old.
    pub fn valid_until(&self) -> Timestamp {
        self.plan.planned_at.checked_add(MAX_PLAN_AGE).unwrap_or(Timestamp::MAX)
    }

    /// Returns the name of the policy file.
    pub fn policy_file(&self) -> &str {
        &self.policy_file
    }

    /// Returns the policy in the file and its digest. Anybody may have changed it, so use it only
    /// to display the plan, never to apply it.
    ///
    /// # Errors
    /// Returns an error if this version does not accept the policy.
    pub fn parsed_policy(&self) -> Result<(Policy, PolicyDigest), PolicyError> {
        Policy::parse_with_digest(&self.policy, &self.policy_file)
    }

    /// Returns why the plan is not applied: it or the new plan refuses, or they differ.
    pub fn refusal(&self, fresh: &Plan, differences: &Differences) -> Option<Refusal> {
        let refusal = self.plan.refusal.as_ref().or(fresh.refusal.as_ref()).cloned();
        let count = differences.changed.len();
        refusal.or_else(|| (count > 0).then_some(Refusal::PlanOutdated { differences: count }))
    }

    /// Returns the plan to apply: the part of the plan for now that the file also contains. The
    /// plans must not differ.
    pub fn agreed(&self, now: FreshPlan) -> FreshPlan {
        let FreshPlan { images: mut plan, mut snapshots } = now;
        let planned = self.plan.decisions.iter().filter(|one| one.action.changes());
        let planned: HashSet<&ImageId> = planned.map(|one| &one.image_id).collect();
        // The plan tags snapshots that images share if all of these are removed. The file may have
        // only some.
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

    /// Returns how the new plans under the same policy differ from the file. `then` is for the time
    /// of the file, `now` for the current time.
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

/// Returns whether two actions differ only in times that depend on when they were planned.
fn is_same_step(before: &Action, now: &Action) -> bool {
    match (before, now) {
        // Both concern the same account and save the same date. Only the time of writing differs.
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

/// Returns the relevant change to one image, if any.
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
