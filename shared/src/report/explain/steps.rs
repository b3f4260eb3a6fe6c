//! The retire steps of an image and their dates.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{Disabling, Image};
use crate::plan::reason::Reason;
use crate::plan::{Action, Decision, FAILED_AFTER, Plan, Step, Times};
use crate::policy::{Policy, Rule};

/// A retire step and its date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Milestone {
    /// The retire step.
    pub step: Step,
    /// The waiting time in the rule, for example `7d`.
    pub after: String,
    /// When the step is applied.
    #[serde(flatten)]
    pub when: When,
}

/// When a step is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "when", rename_all = "snake_case")]
pub enum When {
    /// The policy skips this step.
    Never,
    /// The step does not exist for this image.
    Unsupported,
    /// The step was applied or is not needed.
    Done,
    /// The step is skipped, because a later step is due.
    Skipped,
    /// The plan applies the step now.
    Now,
    /// The step is due but delayed. The decision has the reason.
    Delayed {
        /// When the step became due.
        at: Timestamp,
    },
    /// The step is applied at this time, unless the image is kept by then.
    At {
        /// When the step is due.
        at: Timestamp,
    },
    /// No snapshot is deleted, because other images use all of them.
    NoneGo,
    /// The step was applied, and the plan undoes it.
    TakenBack,
    /// The image is kept. The step would be applied this long after the image expires.
    IfItExpires,
}

/// Returns the steps of `rule` for this image.
pub(super) fn of(
    rule: &Rule,
    image: &Image,
    decision: &Decision,
    policy: &Policy,
    plan: &Plan,
) -> Vec<Milestone> {
    if rule.keep.all {
        return Vec::new();
    }
    let retire = &rule.retire;
    let failed = decision.reasons.iter().any(|reason| matches!(reason, Reason::Failed { .. }));
    let since = decision.expired_at.filter(|_| !decision.action.stays());
    let after = |age: crate::policy::Age, from: Option<Timestamp>| {
        from.map(|from| age.after(from, &policy.timezone))
    };
    let mut milestones = Vec::new();
    let mut add = |step: Step, after: String, when: When| {
        milestones.push(Milestone { step, after, when });
    };
    let now = plan.planned_at;
    let times = since.map(|since| Times::of(image, retire, since, policy, now));
    let deregister_at = match failed {
        true => image.created_at.and_then(|made| made.checked_add(FAILED_AFTER).ok()),
        false => times.as_ref().map(|times| times.deregister),
    };
    if !failed {
        for (step, age) in
            [(Step::Deprecate, retire.deprecate_after), (Step::Disable, retire.disable_after)]
        {
            let is_supported = match step {
                Step::Deprecate => image.capabilities.deprecate,
                _ => image.capabilities.disable != Disabling::Unsupported,
            };
            if let (false, Some(age)) = (is_supported, age) {
                add(step, age.to_string(), When::Unsupported);
                continue;
            }
            let Some(age) = age else {
                // A disabled image whose time of disabling is unknown also gets a time to count
                // from.
                match (step, &decision.action) {
                    (Step::Deprecate, Action::Deprecate { .. }) => {
                        add(step, "once disabled".to_owned(), When::Now);
                    }
                    _ => add(step, "never".to_owned(), When::Never),
                }
                continue;
            };
            let taken_back = match (&decision.action, step) {
                (Action::Rescue(undo), Step::Deprecate) => undo.deprecation.is_some(),
                (Action::Rescue(undo), Step::Disable) => undo.enable,
                _ => false,
            };
            let at = times.as_ref().map(|times| match step {
                Step::Deprecate => times.deprecate,
                _ => times.disable,
            });
            let when = match at {
                _ if taken_back => When::TakenBack,
                None => When::IfItExpires,
                Some(None) => When::Done,
                Some(Some(at)) => due(step, at, decision, now),
            };
            add(step, age.to_string(), when);
        }
    }
    let when = match deregister_at {
        None => When::IfItExpires,
        Some(at) => due(Step::Deregister, at, decision, now),
    };
    let age = if failed { "1d".to_owned() } else { retire.deregister_after.to_string() };
    add(Step::Deregister, age, when);
    if !image.image_id.provider().words().has_snapshots {
        return milestones;
    }
    let age = retire.delete_snapshots_after;
    let when = match &decision.action {
        Action::Deregister { removal } if removal.snapshots.is_empty() => When::NoneGo,
        Action::Deregister { removal } => When::At { at: removal.delete_after },
        _ => match after(age, deregister_at.map(|at| at.max(now))) {
            None => When::IfItExpires,
            Some(at) => When::At { at },
        },
    };
    add(Step::DeleteSnapshots, age.to_string(), when);
    milestones
}

/// Returns when a step that is due `at` is applied. The decision takes precedence.
fn due(step: Step, at: Timestamp, decision: &Decision, now: Timestamp) -> When {
    let taken = matches!(
        (step, &decision.action),
        (Step::Deprecate, Action::Deprecate { .. })
            | (Step::Disable, Action::Disable { .. })
            | (Step::Deregister, Action::Deregister { .. })
    );
    let next = decision.next.filter(|next| next.action == step);
    match next {
        _ if taken => When::Now,
        _ if at > now => When::At { at },
        Some(_) => When::Delayed { at },
        None => When::Skipped,
    }
}
