//! Compares two policies on the same images: their plans and their simulations.

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

/// The differences between the plans of two policies, for the same time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyComparison {
    /// The name of the policy under review.
    pub policy: String,
    /// The name of the policy that it is compared with.
    pub against: String,
    /// Why the other policy's plan removes nothing, if it is refused.
    pub against_refusal: Option<Refusal>,
    /// The counts of the other policy's plan.
    pub against_summary: Summary,
    /// The number of changed images, one entry per [`ChangeKind`], in its order.
    pub totals: Vec<ChangeTotal>,
    /// The images whose outcome differs, by kind of change and then in plan order.
    pub changes: Vec<FateChange>,
}

/// How the outcome for an image differs between the other policy and the policy under review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The other policy keeps the image, the policy under review does not.
    KeptToExpired,
    /// The policy under review keeps the image, the other policy does not.
    ExpiredToKept,
    /// Both have the same final outcome, with another step or at another time.
    OtherStep,
}

/// The total for one kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ChangeTotal {
    /// The kind of change.
    pub change: ChangeKind,
    /// The number of images.
    pub images: usize,
    /// The size of their snapshots, in GiB. An upper bound: a snapshot that several images share
    /// counts for each of them.
    pub gib: u64,
    /// The cost of these snapshots per month, in USD. An upper bound. Absent if the price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_month: Option<f64>,
    /// The number of images with a snapshot of unknown size. Such a snapshot counts as 0.
    pub sizes_unknown: usize,
}

/// An image whose outcome differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FateChange {
    /// The kind of change.
    pub change: ChangeKind,
    /// The ID of the image.
    pub image_id: ImageId,
    /// The name of the image.
    pub name: Arc<str>,
    /// When the image was created, if known.
    pub created_at: Option<Timestamp>,
    /// The size of its snapshots in GiB, if known.
    pub size_gib: Option<u32>,
    /// The outcome under the policy under review.
    pub new: PlannedFate,
    /// The outcome under the other policy.
    pub old: PlannedFate,
}

/// The outcome for an image under a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedFate {
    /// The rule that matches the image.
    pub rule: Option<Arc<str>>,
    /// The image's family under that rule.
    pub family: Option<Arc<str>>,
    /// The planned action, as [`Action::kind`] names it.
    pub action: &'static str,
    /// The step after that, and its date.
    pub next: Option<Next>,
    /// The earliest time of deregistration. Absent if the image is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deregister_at: Option<Timestamp>,
    /// All reasons for the action.
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

/// Compares the plans of two policies for the same images at the same time. `new` belongs to the
/// policy under review. An image that is only in one plan, because the account was read twice, is
/// not listed as a change.
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
    let totals = totals.map(|kind| ChangeTotal::of(kind, &changes, price.as_ref())).collect();
    PolicyComparison {
        policy: policy.to_owned(),
        against: against.to_owned(),
        against_refusal: old.refusal.clone(),
        against_summary: old.summary.clone(),
        totals,
        changes,
    }
}

/// Returns how the outcome differs, if it does.
fn change_of(old: &Decision, new: &Decision) -> Option<ChangeKind> {
    let schedule = |one: &Decision| match one.action {
        // The next step of an image that is kept is irrelevant.
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
    /// Returns the changes of one kind.
    pub fn of_kind(&self, kind: ChangeKind) -> impl Iterator<Item = &FateChange> {
        self.changes.iter().filter(move |one| one.change == kind)
    }
}

impl ChangeTotal {
    fn of(change: ChangeKind, changes: &[FateChange], price: Option<&Price>) -> Self {
        let ours: Vec<&FateChange> = changes.iter().filter(|one| one.change == change).collect();
        let gib = ours.iter().filter_map(|one| one.size_gib).map(u64::from).sum();
        Self {
            change,
            images: ours.len(),
            gib,
            usd_month: price.map(|price| price.of(gib).amount()),
            sizes_unknown: ours.iter().filter(|one| one.size_gib.is_none()).count(),
        }
    }

    /// Returns the cost of these snapshots per month, if the price is known. An upper bound.
    pub fn cost(&self) -> Option<Usd> {
        self.usd_month.map(Usd::from)
    }
}

#[cfg(test)]
mod tests;
