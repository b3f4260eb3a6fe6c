//! A plan in a file: what somebody has looked at, to be applied as it stands or not at all.
//!
//! The file holds the policy that it was made with. Before it is applied, the world is read again
//! and planned for with the same policy and for the same time: whatever the file wants changed
//! must come out the same. What is then carried out is the plan that was made anew, as far as the
//! file agrees to it: a file can choose, and never say what is done.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::apply::Changed;
use crate::ids::{AccountId, ImageId, Region};
use crate::plan::reap::{SnapshotAction, SnapshotDecision, SnapshotPlan};
use crate::plan::{Action, Decision, Plan};
use crate::policy::{Policy, PolicyError};
use crate::survey::Home;
use crate::wording::many;

/// The version of the file's format that this program writes and reads.
const FORMAT: u32 = 1;
/// What somebody agreed to yesterday is not what they would agree to next month.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Clocks differ a little.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// What the plan wants changed, and must not be by now: any of these forbids it.
    pub changed: Vec<Changed>,
    /// Images and snapshots that something would be done about now, and the plan does nothing.
    pub left_for_later: Vec<String>,
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
    pub fn fits(&self, home: &Home, now: Timestamp) -> Result<(), SavedPlanError> {
        let Plan { account, region, planned_at, .. } = &self.plan;
        if *account != home.account || *region != home.region {
            return Err(SavedPlanError::Elsewhere {
                account: account.clone(),
                region: region.clone(),
                reached_account: home.account.clone(),
                reached_region: home.region.clone(),
            });
        }
        let age = now.duration_since(*planned_at);
        if age > GOOD_FOR {
            return Err(SavedPlanError::TooOld { planned_at: *planned_at });
        }
        if age < -AHEAD {
            return Err(SavedPlanError::TooSoon { planned_at: *planned_at });
        }
        Ok(())
    }

    /// Why it is not applied, if so: it or the plan that was made anew refuses, or they differ.
    pub fn refusal(&self, fresh: &Plan, differences: &Differences) -> Option<String> {
        if let Some(refusal) = self.plan.refusal.as_ref().or(fresh.refusal.as_ref()) {
            return Some(refusal.to_string());
        }
        let changed = differences.changed.len();
        (changed > 0).then(|| {
            format!(
                "the world has changed since the plan was made ({}): nothing was done; plan again",
                many(changed, "difference")
            )
        })
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
        if let Some(because) = difference(decision, now.get(image).copied()) {
            all.changed.push(Changed { id: image.to_string(), because });
        }
    }
    let beside = fresh
        .decisions
        .iter()
        .filter(|one| one.action.changes() && !planned.contains(&one.image_id));
    all.left_for_later.extend(beside.map(|one| one.image_id.to_string()));
}

/// What is different about one image, if anything that matters is.
fn difference(saved: &Decision, fresh: Option<&Decision>) -> Option<String> {
    let planned = saved.action.word();
    let Some(fresh) = fresh else {
        return Some(format!("planned: {planned}; it is gone"));
    };
    let (before, now) = (saved.snapshots.iter(), fresh.snapshots.iter());
    if before.collect::<BTreeSet<_>>() != now.collect() {
        return Some(format!("planned: {planned}; its snapshots are others now"));
    }
    if saved.action == fresh.action {
        return None;
    }
    let what = match (&saved.action, &fresh.action) {
        (Action::Deprecate { .. }, Action::Deprecate { .. }) => "its date of deprecation is",
        (Action::Disable { .. }, Action::Disable { .. }) => "its launch permissions are",
        (Action::Deregister { removal: before }, Action::Deregister { removal: now }) => {
            match before.save == now.save {
                true => "what becomes of its snapshots is",
                false => "its launch permissions are",
            }
        }
        (Action::Rescue(_), Action::Rescue(_)) => "what has to be taken back is",
        (_, now) => {
            let why: Vec<_> = fresh.because.iter().map(ToString::to_string).collect();
            return Some(format!("planned: {planned}; now: {} ({})", now.word(), why.join(", ")));
        }
    };
    Some(format!("planned: {planned}; {what} different now"))
}

fn compare_snapshots(saved: &SnapshotPlan, fresh: &SnapshotPlan, all: &mut Differences) {
    let acts = |one: &&SnapshotDecision| one.action != SnapshotAction::Keep;
    let now: HashMap<_, _> = fresh.decisions.iter().map(|one| (&one.snapshot_id, one)).collect();
    let mut planned = BTreeSet::new();
    for decision in saved.decisions.iter().filter(acts) {
        planned.insert(&decision.snapshot_id);
        let (what, because) = (
            decision.action.as_str(),
            match now.get(&decision.snapshot_id) {
                Some(fresh)
                    if (fresh.action, fresh.delete_after, &fresh.image)
                        == (decision.action, decision.delete_after, &decision.image) =>
                {
                    continue;
                }
                Some(fresh) => {
                    let why: Vec<_> = fresh.because.iter().map(ToString::to_string).collect();
                    format!("now: {} ({})", fresh.action.as_str(), why.join(", "))
                }
                None => "nothing would be done now".to_owned(),
            },
        );
        let id = decision.snapshot_id.to_string();
        all.changed.push(Changed { id, because: format!("planned: {what}; {because}") });
    }
    let beside =
        fresh.decisions.iter().filter(acts).filter(|one| !planned.contains(&one.snapshot_id));
    all.left_for_later.extend(beside.map(|one| one.snapshot_id.to_string()));
}
