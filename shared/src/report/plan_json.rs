//! A plan as JSON, with what the storage of each image costs.

use jiff::Timestamp;
use serde::Serialize;

use super::plan::short_reasons;
use super::price::Price;
use crate::model::{AccountId, Region};
use crate::plan::notes::Note;
use crate::plan::{Decision, Plan, Refusal, Summary};
use crate::policy::Policy;

/// A [`Plan`] with costs, as `plan --format json` writes it.
#[derive(Debug, Serialize)]
pub struct CostedPlan<'a> {
    account: &'a AccountId,
    region: &'a Region,
    planned_at: Timestamp,
    refusal: Option<&'a Refusal>,
    #[serde(skip_serializing_if = "<[Note]>::is_empty")]
    notes: &'a [Note],
    decisions: Vec<CostedDecision<'a>>,
    summary: &'a Summary,
    /// What a GiB costs.
    price: Price,
}

/// A [`Decision`], and what the image's storage costs.
#[derive(Debug, Serialize)]
pub struct CostedDecision<'a> {
    #[serde(flatten)]
    decision: &'a Decision,
    /// In USD a month, to whole cents: an upper bound, as `size_gib` is. Absent where that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_month: Option<f64>,
    /// All reasons in few words, as the text of a plan has them: for people.
    why: String,
}

impl<'a> CostedPlan<'a> {
    /// The plan with these of its decisions. With its `policy` the reasons say more.
    pub fn new(
        plan: &'a Plan,
        decisions: impl IntoIterator<Item = &'a Decision>,
        policy: Option<&Policy>,
    ) -> Self {
        let Plan { account, region, planned_at, refusal, notes, decisions: _, summary } = plan;
        let price = Price::in_region(region);
        let decisions = decisions.into_iter().map(|one| CostedDecision::new(one, &price, policy));
        Self {
            account,
            region,
            planned_at: *planned_at,
            refusal: refusal.as_ref(),
            notes,
            decisions: decisions.collect(),
            summary,
            price,
        }
    }
}

impl<'a> CostedDecision<'a> {
    /// The decision, and its cost at this price. With the `policy` the reasons say more.
    pub fn new(decision: &'a Decision, price: &Price, policy: Option<&Policy>) -> Self {
        let usd_month = decision.size_gib.map(|gib| price.of(u64::from(gib)).amount());
        Self { decision, usd_month, why: short_reasons(decision, policy) }
    }
}
