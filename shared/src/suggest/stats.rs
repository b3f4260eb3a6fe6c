//! Statistics on rules, from a plan: the sizes of their families, and the ranks and ages of images
//! in use.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::Inventory;
use crate::plan::notes::Note;
use crate::plan::reason::Reason;
use crate::plan::{Decision, Plan, Refusal, plan};
use crate::policy::Policy;

/// The effect of a policy on an inventory, as numbers of images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// All images.
    pub images: usize,
    /// Images with references.
    pub in_use: usize,
    /// Images that a rule matches.
    pub matched: usize,
    /// Expired images, which would be retired step by step.
    pub expired: usize,
    /// Why a run would refuse to remove anything, if it would.
    pub refusal: Option<Refusal>,
    /// Images that are not expired, by the kind of their first reason, most frequent first.
    pub kept: Vec<(&'static str, usize)>,
    /// Policy settings and tags that have no effect.
    pub notes: Vec<Note>,
}

/// Computes the effect of `policy` on `inventory` at the time `now`.
pub fn outlook(inventory: &Inventory, policy: &Policy, now: Timestamp) -> Outlook {
    let plan = plan(inventory, policy, now);
    let count =
        |holds: fn(&Decision) -> bool| plan.decisions.iter().filter(|one| holds(one)).count();
    let is_expired = |one: &Decision| {
        let gone =
            |reason: &Reason| matches!(reason, Reason::Expired { .. } | Reason::Failed { .. });
        one.reasons.iter().any(gone)
    };
    let mut kept: BTreeMap<&'static str, usize> = BTreeMap::new();
    for decision in plan.decisions.iter().filter(|one| !is_expired(one)) {
        if let Some(first) = decision.reasons.first() {
            *kept.entry(first.kind()).or_default() += 1;
        }
    }
    let mut kept: Vec<_> = kept.into_iter().collect();
    kept.sort_by_key(|(_, images)| Reverse(*images));
    Outlook {
        images: plan.decisions.len(),
        in_use: count(Decision::is_in_use),
        matched: count(|one| one.rule.is_some()),
        expired: count(is_expired),
        refusal: plan.refusal,
        kept,
        notes: plan.notes,
    }
}

/// The statistics of the images in the families of one rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Measures {
    pub images: usize,
    pub families: usize,
    pub in_use: usize,
    /// The rank of the lowest-ranked image in use in its family, where 1 is the newest, and the rank
    /// that nine in ten images in use do not exceed.
    pub deepest: u32,
    pub deepest_of_most: u32,
    /// In whole days.
    pub oldest_in_use: i64,
    pub newest: i64,
    pub oldest: i64,
    /// The average number of days between two images of the largest family.
    pub interval: Option<f64>,
}

/// Returns the statistics of every rule that has a family, by rule name.
pub(super) fn measure(plan: &Plan, now: Timestamp) -> BTreeMap<Arc<str>, Measures> {
    let mut families: BTreeMap<(&Arc<str>, &Arc<str>), Vec<&Decision>> = BTreeMap::new();
    for decision in &plan.decisions {
        if let (Some(rule), Some(group)) = (&decision.rule, &decision.family) {
            families.entry((rule, group)).or_default().push(decision);
        }
    }
    let mut all: BTreeMap<Arc<str>, (Measures, Vec<u32>, usize)> = BTreeMap::new();
    for ((rule, _), members) in families {
        let (measures, ranks, largest) = all.entry(rule.clone()).or_default();
        let ages: Vec<i64> = members.iter().filter_map(|one| age_in_days(one, now)).collect();
        let (newest, oldest) = (first(&ages), ages.last().copied().unwrap_or_default());
        measures.newest = if measures.images == 0 { newest } else { measures.newest.min(newest) };
        measures.oldest = measures.oldest.max(oldest);
        measures.images += members.len();
        measures.families += 1;
        if members.len() > *largest {
            *largest = members.len();
            let spaces = members.len().checked_sub(1).filter(|spaces| *spaces > 0);
            measures.interval = spaces.map(|spaces| (oldest - newest) as f64 / spaces as f64);
        }
        for ((rank, member), age) in (1_u32..).zip(&members).zip(&ages) {
            if member.is_in_use() {
                ranks.push(rank);
                measures.oldest_in_use = measures.oldest_in_use.max(*age);
            }
        }
    }
    let finish = |(rule, (mut measures, mut ranks, _)): (Arc<str>, (Measures, Vec<u32>, usize))| {
        ranks.sort_unstable();
        measures.in_use = ranks.len();
        measures.deepest = ranks.last().copied().unwrap_or_default();
        let most = (ranks.len() * 9).div_ceil(10);
        measures.deepest_of_most =
            most.checked_sub(1).and_then(|at| ranks.get(at)).copied().unwrap_or_default();
        (rule, measures)
    };
    all.into_iter().map(finish).collect()
}

fn first(ages: &[i64]) -> i64 {
    ages.first().copied().unwrap_or_default()
}

fn age_in_days(decision: &Decision, now: Timestamp) -> Option<i64> {
    const DAY: i64 = 86_400;
    let made = decision.created_at?;
    Some((now.as_second() - made.as_second()).max(0) / DAY)
}
