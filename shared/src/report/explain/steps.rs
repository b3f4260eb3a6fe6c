//! Where an image stands between expired and gone.

use jiff::Timestamp;
use serde::Serialize;

use super::is_on_its_way;
use crate::inventory::{Image, ImageState};
use crate::plan::{Action, Decision, Plan, Step};
use crate::policy::{Policy, Rule};

/// A step, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Milestone {
    /// The step.
    pub step: Step,
    /// What the rule says, for example `7d`.
    pub after: String,
    /// When.
    #[serde(flatten)]
    pub when: When,
}

/// When a step is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "when", rename_all = "snake_case")]
pub enum When {
    /// The policy leaves it out.
    Never,
    /// It has been taken, or there is no need to.
    Done,
    /// The plan takes it now.
    Now,
    /// Its time has come, and something holds it back: the decision says what.
    HeldBack {
        /// Its time.
        at: Timestamp,
    },
    /// It comes then, if nothing keeps the image until then.
    At {
        /// Its time.
        at: Timestamp,
    },
    /// It would come so long after the image expires: it is kept.
    IfItExpires,
}

/// The steps of `rule`, for this image.
pub(super) fn of(
    rule: &Rule,
    image: &Image,
    decision: &Decision,
    policy: &Policy,
    plan: &Plan,
) -> Vec<Milestone> {
    let retire = &rule.retire;
    let steps = [
        (Step::Deprecate, retire.deprecate_after),
        (Step::Disable, retire.disable_after),
        (Step::Deregister, Some(retire.deregister_after)),
        (Step::DeleteSnapshots, Some(retire.delete_snapshots_after)),
    ];
    let since = decision.expired_at.filter(|_| is_on_its_way(decision));
    let disabled = image.state == ImageState::Disabled;
    let mut gone_at = None;
    let mut milestones = Vec::new();
    for (step, after) in steps {
        let from = if step == Step::DeleteSnapshots { gone_at } else { since };
        let at = from.and_then(|from: Timestamp| Some(after?.after(from, &policy.timezone)));
        let taken_now = matches!(
            (step, &decision.action),
            (Step::Deprecate, Action::Deprecate { .. })
                | (Step::Disable, Action::Disable { .. })
                | (Step::Deregister, Action::Deregister { .. })
        );
        // What nobody can launch needs no deprecation.
        let done = match step {
            Step::Deprecate => {
                disabled || image.deprecation_time.is_some_and(|at| at <= plan.planned_at)
            }
            Step::Disable => disabled,
            Step::Deregister | Step::DeleteSnapshots => false,
        };
        if step == Step::Deregister {
            gone_at = at.map(|at| at.max(plan.planned_at));
        }
        let when = match at {
            _ if after.is_none() => When::Never,
            _ if taken_now => When::Now,
            _ if done && since.is_some() => When::Done,
            None => When::IfItExpires,
            Some(at) if at <= plan.planned_at && step != Step::DeleteSnapshots => {
                When::HeldBack { at }
            }
            Some(at) => When::At { at },
        };
        let after = after.map_or_else(|| "never".to_owned(), |after| after.to_string());
        milestones.push(Milestone { step, after, when });
    }
    milestones
}
