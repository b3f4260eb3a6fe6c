//! A plan as JSON, with the storage cost of each image.

use jiff::Timestamp;
use serde::Serialize;

use super::plan::short_reasons;
use super::price::Price;
use crate::model::{AccountId, Region};
use crate::plan::notes::Note;
use crate::plan::{Decision, Plan, Refusal, Summary};
use crate::policy::Policy;

/// A [`Plan`] with costs, as `plan --format json` prints it.
#[derive(Debug, Serialize)]
pub struct CostedPlan<'a> {
    account: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a Region>,
    planned_at: Timestamp,
    refusal: Option<&'a Refusal>,
    #[serde(skip_serializing_if = "<[Note]>::is_empty")]
    notes: &'a [Note],
    decisions: Vec<CostedDecision<'a>>,
    summary: &'a Summary,
    /// The price that the costs are based on; absent if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Price>,
}

/// A [`Decision`] with the cost of the image's storage.
#[derive(Debug, Serialize)]
pub struct CostedDecision<'a> {
    #[serde(flatten)]
    decision: &'a Decision,
    /// In USD per month, rounded to cents. An upper bound, like `size_gib`, and absent if that or the
    /// price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_month: Option<f64>,
    /// All reasons as a short text, as in the text output.
    why: String,
}

impl<'a> CostedPlan<'a> {
    /// Creates the JSON form of these decisions. With the `policy`, reasons are more detailed.
    pub fn new(
        plan: &'a Plan,
        decisions: impl IntoIterator<Item = &'a Decision>,
        policy: Option<&Policy>,
    ) -> Self {
        let Plan { account, region, planned_at, refusal, notes, decisions: _, summary } = plan;
        let price = Price::in_region(region);
        let decisions =
            decisions.into_iter().map(|one| CostedDecision::new(one, price.as_ref(), policy));
        Self {
            account,
            region: region.as_ref(),
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
    /// Adds the cost at this price, if it is known. With the `policy`, reasons are more detailed.
    pub fn new(decision: &'a Decision, price: Option<&Price>, policy: Option<&Policy>) -> Self {
        let sizes = decision.size_gib.zip(price);
        let usd_month = sizes.map(|(gib, price)| price.of(u64::from(gib)).amount());
        Self { decision, usd_month, why: short_reasons(decision, policy) }
    }
}
