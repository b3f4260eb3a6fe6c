//! The explanation of an image agrees with the plan for any fleet, policy and day.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;
use steward::plan::reason::Reason;
use steward::plan::{Action, Decision, Step, plan};
use steward::report::OutputStyle;
use steward::report::explain::{Explanation, RuleOutcome, When, explain, explanation_text};
use steward::simulate::SimulatedWorld;
use steward_tests::fake::Fake;

use super::rules::some_rules;
use super::worlds::{a_fleet, now};
use super::{cases, inventory};

/// The keep rules that apply, by the words of their keys.
fn held(explanation: &Explanation) -> BTreeSet<&str> {
    let held = explanation.keep_rules.iter().filter(|one| one.held == RuleOutcome::Yes);
    held.map(|one| one.rule.split([' ', '=']).next().unwrap()).collect()
}

/// The keep rules that apply, from the plan.
fn kept(decision: &Decision) -> BTreeSet<&str> {
    let keys = [
        "last",
        "at_least",
        "within",
        "launched_within",
        "hourly",
        "daily",
        "weekly",
        "monthly",
        "yearly",
    ];
    let key = |reason: &Reason| match reason.kind() {
        "tag" => Some("tags"),
        word => keys.into_iter().find(|key| *key == word),
    };
    decision.reasons.iter().filter_map(key).collect()
}

fn check(explanation: &Explanation) -> Result<(), TestCaseError> {
    let decision = &explanation.decision;
    prop_assert_eq!(held(explanation), kept(decision), "{:?}", explanation.keep_rules);
    for verdict in &explanation.keep_rules {
        prop_assert!(!verdict.by.contains(" -"), "{}: {}", verdict.rule, verdict.by);
    }
    let taken = match decision.action {
        Action::Deprecate { .. } => Some(Step::Deprecate),
        Action::Disable { .. } => Some(Step::Disable),
        Action::Deregister { .. } => Some(Step::Deregister),
        _ => None,
    };
    let now = explanation.steps.iter().filter(|one| one.when == When::Now).map(|one| one.step);
    prop_assert_eq!(now.collect::<Vec<_>>(), taken.into_iter().collect::<Vec<_>>());
    if let Some(next) = decision.next {
        let found = explanation.steps.iter().find(|one| one.step == next.action);
        let at = match found.map(|one| one.when) {
            Some(When::At { at } | When::Delayed { at }) => Some(at),
            _ => None,
        };
        prop_assert_eq!(at, Some(next.at), "{:?}: {:?}", decision, explanation.steps);
    }
    let is_held = |when: &When| matches!(when, When::Delayed { .. });
    let says_why = decision.reasons.iter().any(|reason| {
        matches!(
            reason,
            Reason::Deferred { .. }
                | Reason::Refused
                | Reason::NotRecoverable { .. }
                | Reason::PermissionsTooLong { .. }
        )
    });
    prop_assert!(
        says_why || !explanation.steps.iter().any(|one| is_held(&one.when)),
        "{:?}",
        decision
    );
    let text = explanation_text(explanation, OutputStyle::Plain);
    prop_assert!(text.contains(explanation.image.image_id.as_str()));
    Ok(())
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn an_explanation_agrees_with_the_plan(fleet in a_fleet(), rules in some_rules(), days in 0_u32..20) {
        let policy = rules.policy();
        let mut world = SimulatedWorld::new(inventory(&Fake::new(&fleet)));
        let mut at = now();
        for _ in 0..days {
            let found = plan(world.inventory(), &policy, at);
            world.sweep(&found, &policy);
            at += SignedDuration::from_hours(24);
            world.let_time_pass(at);
        }
        let found = plan(world.inventory(), &policy, at);
        for decision in &found.decisions {
            let explanation = explain(&decision.image_id, world.inventory(), &policy, &found);
            check(&explanation.unwrap())?;
        }
    }
}
