//! What two policies do differently with the same images: their plans, and their simulations.

mod simulations;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
pub use simulations::{GoneDifference, GoneUnderOne, SimulationComparison, compare_simulations};
pub use text::{comparison_text, gone_text};

use super::price::{Price, Usd};
use crate::model::ImageId;
use crate::plan::reason::Reason;
use crate::plan::{Action, Decision, Next, Plan, Refusal, Summary};

/// What differs between the plans of two policies, for the same time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyComparison {
    /// The name of the policy that is asked about.
    pub policy: String,
    /// The name of the other one.
    pub against: String,
    /// Why the other policy's plan removes nothing, if it is refused.
    pub against_refusal: Option<Refusal>,
    /// The counts of the other policy's plan.
    pub against_summary: Summary,
    /// How many images change, one for each [`ChangeKind`], in its order.
    pub totals: Vec<ChangeTotal>,
    /// The images whose fate changes: by kind of change, in the order of the plan.
    pub changes: Vec<FateChange>,
}

/// How the fate of an image changes from the other policy to the one that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The other policy keeps it, and this one does not.
    KeptToExpired,
    /// The other policy does not keep it, and this one does.
    ExpiredToKept,
    /// Both do the same in the end, with another step or at another time.
    OtherStep,
}

/// The images of one kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ChangeTotal {
    /// The kind.
    pub change: ChangeKind,
    /// How many images.
    pub images: usize,
    /// The size of their snapshots: an upper bound, a snapshot that several images use is counted
    /// for each.
    pub gib: u64,
    /// What these cost a month at most.
    pub usd_month: f64,
    /// Images that have a snapshot of unknown size, which counts as nothing.
    pub sizes_unknown: usize,
}

/// An image whose fate changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FateChange {
    /// How.
    pub change: ChangeKind,
    /// The image.
    pub image_id: ImageId,
    /// Its name.
    pub name: Arc<str>,
    /// When it was created, if that is known.
    pub created_at: Option<Timestamp>,
    /// The size of its snapshots, if that is known.
    pub size_gib: Option<u32>,
    /// Under the policy that is asked about.
    pub new: PlannedFate,
    /// Under the other policy.
    pub old: PlannedFate,
}

/// What a plan does about an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedFate {
    /// The rule that matches it.
    pub rule: Option<Arc<str>>,
    /// Its family under that rule.
    pub family: Option<Arc<str>>,
    /// The kind of the action.
    pub action: &'static str,
    /// The step after that, and when it is due.
    pub next: Option<Next>,
    /// When it is deregistered at the earliest; absent for an image that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deregister_at: Option<Timestamp>,
    /// All reasons.
    pub reasons: Vec<Reason>,
}

impl PlannedFate {
    pub(super) fn of(decision: &Decision) -> Self {
        Self {
            rule: decision.rule.clone(),
            family: decision.family.clone(),
            action: decision.action.kind(),
            next: decision.next,
            deregister_at: decision.deregister_at,
            reasons: decision.reasons.clone(),
        }
    }
}

/// Compares the plans of two policies for the same images at the same time: `new` is of the policy
/// that is asked about. An image that only one plan has, because the account was read twice, is not
/// among the changes.
pub fn compare_plans(new: (&str, &Plan), old: (&str, &Plan)) -> PolicyComparison {
    let ((policy, new), (against, old)) = (new, old);
    let before: HashMap<&ImageId, &Decision> =
        old.decisions.iter().map(|one| (&one.image_id, one)).collect();
    let changes = new.decisions.iter().filter_map(|decision| {
        let before = before.get(&decision.image_id)?;
        let change = change_of(before, decision)?;
        Some(FateChange {
            change,
            image_id: decision.image_id.clone(),
            name: decision.name.clone(),
            created_at: decision.created_at,
            size_gib: decision.size_gib,
            new: PlannedFate::of(decision),
            old: PlannedFate::of(before),
        })
    });
    let mut changes: Vec<FateChange> = changes.collect();
    changes.sort_by_key(|one| one.change);
    let price = Price::in_region(&new.region);
    let totals = <ChangeKind as strum::IntoEnumIterator>::iter();
    let totals = totals.map(|kind| ChangeTotal::of(kind, &changes, &price)).collect();
    PolicyComparison {
        policy: policy.to_owned(),
        against: against.to_owned(),
        against_refusal: old.refusal.clone(),
        against_summary: old.summary.clone(),
        totals,
        changes,
    }
}

/// How the fate changes, if it does.
fn change_of(old: &Decision, new: &Decision) -> Option<ChangeKind> {
    let schedule = |one: &Decision| match one.action {
        // What is kept has no next step that counts.
        Action::Keep | Action::Rescue(_) => (one.action.kind(), None, None),
        _ => (one.action.kind(), one.next, one.deregister_at),
    };
    match (old.action.stays(), new.action.stays()) {
        (true, false) => Some(ChangeKind::KeptToExpired),
        (false, true) => Some(ChangeKind::ExpiredToKept),
        _ if schedule(old) != schedule(new) => Some(ChangeKind::OtherStep),
        _ => None,
    }
}

impl PolicyComparison {
    /// The changes of one kind.
    pub fn of_kind(&self, kind: ChangeKind) -> impl Iterator<Item = &FateChange> {
        self.changes.iter().filter(move |one| one.change == kind)
    }
}

impl ChangeTotal {
    fn of(change: ChangeKind, changes: &[FateChange], price: &Price) -> Self {
        let ours: Vec<&FateChange> = changes.iter().filter(|one| one.change == change).collect();
        let gib = ours.iter().filter_map(|one| one.size_gib).map(u64::from).sum();
        Self {
            change,
            images: ours.len(),
            gib,
            usd_month: price.of(gib).amount(),
            sizes_unknown: ours.iter().filter(|one| one.size_gib.is_none()).count(),
        }
    }

    /// What they cost a month at most.
    pub fn cost(&self) -> Usd {
        Usd::from(self.usd_month)
    }
}

#[cfg(test)]
mod tests;
