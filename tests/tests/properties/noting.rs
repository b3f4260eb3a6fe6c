//! Notes agree with the decisions of their plan.

use steward::plan::notes::{ConditionCount, Note};
use steward::policy::Glob;

use super::*;

/// The guarantee of every suggestion: a glob or a key that images have, instead of the policy's.
fn assert_near(conditions: &[ConditionCount]) {
    for one in conditions {
        let Some(near) = &one.near else { continue };
        assert_eq!(one.images, 0, "{one:?}");
        assert!(near.images > 0, "{one:?}");
        assert!(near.text != one.pattern, "{one:?}");
        assert!(Glob::new(&near.text).is_ok(), "{one:?}");
    }
}

const NAMES: [&str; 6] = ["web-1", "Web-1", "web-12", "wbe-1", "db", "acme-web-1"];
const KEYS: [&str; 4] = ["Team", "team", "Famliy", "Family"];
const VALUES: [&str; 4] = ["web", "Web", "shop", ""];
const NAME_GLOBS: [&str; 7] = ["web-*", "web", "WEB-?", "db*", "{wbe-1,db}", "*", "nothing"];
const VALUE_GLOBS: [&str; 4] = ["*", "web", "WEB", "sho"];

/// A few images with similar names and tags.
fn similar_images() -> impl Strategy<Value = Inventory> {
    let tags = prop::collection::btree_map(
        prop::sample::select(&KEYS[..]),
        prop::sample::select(&VALUES[..]),
        0..3,
    );
    let image = (prop::sample::select(&NAMES[..]), tags);
    prop::collection::vec(image, 0..8).prop_map(|images| {
        let images = images.iter().enumerate().map(|(at, (name, tags))| {
            serde_json::json!({
                "image_id": format!("ami-{at:08}"), "name": name, "tags": tags, "state": "available",
                "owner_id": "123456789012", "created_at": "2026-11-01T00:00:00Z",
            })
        });
        let inventory = serde_json::json!({
            "format": 1, "account": "123456789012", "region": "eu-central-1", "taken_at": "2026-11-22T12:00:00Z",
            "images": images.collect::<Vec<_>>(), "references": [],
        });
        Inventory::from_json(&inventory.to_string()).unwrap()
    })
}

/// Rules for such images, which compete for them.
fn similar_rules() -> impl Strategy<Value = Policy> {
    let glob = || prop::sample::select(&VALUE_GLOBS[..]);
    let key = || prop::sample::select(&KEYS[..]);
    let name = prop::option::of(prop::sample::select(&NAME_GLOBS[..]));
    let rule = (
        name,
        prop::option::of((key(), glob())),
        prop::option::of((key(), glob())),
        prop::option::of((key(), glob())),
        prop::option::of(key()),
    );
    prop::collection::vec(rule, 1..4).prop_map(|rules| {
        let mut text = "version = 1\n".to_owned();
        for (at, (name, tag, not, kept, by)) in rules.into_iter().enumerate() {
            let tags = |tag: Option<(&str, &str)>| {
                tag.map(|(key, glob)| format!("tags = {{ {key} = \"{glob}\" }}"))
            };
            let matches = name.map(|name| format!("name = \"{name}\"")).into_iter();
            let not = tags(not).map(|tags| format!("not = {{ {tags} }}"));
            let matches: Vec<_> = matches.chain(tags(tag)).chain(not).collect();
            let keep: Vec<_> = ["last = 1".to_owned()].into_iter().chain(tags(kept)).collect();
            let by = by.map(|key| format!("\"tag:{key}\"")).unwrap_or_default();
            text += &format!(
                "[[rule]]\nname = \"r{at}\"\nmatch = {{ {} }}\ngroup_by = [{by}]\nkeep = {{ {} }}\n",
                matches.join(", "),
                keep.join(", ")
            );
        }
        Policy::parse(&text, "random").unwrap_or_else(|error| panic!("{error}\n{text}"))
    })
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn notes_agree_with_the_decisions(world in similar_images(), policy in similar_rules()) {
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
