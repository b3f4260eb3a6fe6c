//! Notes agree with the decisions of their plan.

use steward::plan::notes::{ConditionCount, Note};
use steward::policy::Glob;

use super::*;

/// What every suggestion promises: a glob or a key that images have, where the policy's has none.
fn assert_near(conditions: &[ConditionCount]) {
    for one in conditions {
        let Some(near) = &one.near else { continue };
        assert_eq!(one.images, 0, "{one:?}");
        assert!(near.images > 0, "{one:?}");
        assert!(near.text != one.pattern, "{one:?}");
        assert!(Glob::new(&near.text).is_ok(), "{one:?}");
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn notes_agree_with_the_decisions(fleet in a_fleet(), rules in some_rules()) {
        let world = inventory(&Fake::new(&fleet));
        let policy = rules.policy();
        let found = plan(&world, &policy, now());
        let under = |rule: &str| {
            found.decisions.iter().filter(|one| one.rule.as_deref() == Some(rule)).count()
        };
        for rule in &policy.rules {
            let noted = found.notes.iter().filter(
                |note| matches!(note, Note::RuleMatchesNothing { rule: of, .. } if *of == rule.name),
            );
            prop_assert_eq!(noted.count(), usize::from(under(&rule.name) == 0));
        }
        for note in &found.notes {
            prop_assert!(!note.to_string().is_empty());
            match note {
                Note::RuleMatchesNothing { taken, taken_by, conditions, .. } => {
                    let by: usize = taken_by.iter().map(|one| one.images).sum();
                    prop_assert_eq!(*taken, by, "{:?}", note);
                    prop_assert!(taken_by.iter().all(|one| one.images <= under(&one.rule)));
                    assert_near(conditions);
                }
                Note::ExceptionMatchesNothing { conditions, .. } => assert_near(conditions),
                Note::KeepTagMatchesNothing { rule, key, condition } => {
                    let kept = found.decisions.iter().any(|one| {
                        one.rule.as_ref() == Some(rule)
                            && one.reasons.iter().any(
                                |why| matches!(why, Reason::Tag { key: by, .. } if **by == **key),
                            )
                    });
                    prop_assert!(!kept, "{:?}", note);
                    assert_near(condition.as_slice());
                }
                Note::GroupTagMatchesNothing { rule, images, .. } => {
                    prop_assert!(*images <= under(rule), "{:?}", note);
                    let is_grouped = found.decisions.iter().any(
                        |one| one.rule.as_ref() == Some(rule) && one.family.is_some(),
                    );
                    prop_assert!(!is_grouped, "{:?}", note);
                }
                _ => {}
            }
        }
    }
}
