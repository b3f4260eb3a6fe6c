//! Clauses about Recycle Bin rules.

use jiff::SignedDuration;
use serde_json::{Value, json};
use steward::cloud::ErrorKind;
use steward::model::{Recyclable, RetentionRule};
use steward_tests::switches::Switches;

use crate::recycling::{binned, days, deregister, one};
use crate::{Account, image_ids, tags};

pub async fn the_bin_takes_what_a_rule_covers<A: Account>() {
    let mut rule = json!({"rule_id": "one", "resource": "images"});
    let mut with = |changes: Value| {
        for (key, value) in changes.as_object().unwrap() {
            rule[key] = value.clone();
        }
        rule.clone()
    };
    for (rules, covered) in [
        (json!([]), false),
        (json!([with(json!({}))]), true),
        (json!([with(json!({"resource": "snapshots"}))]), false),
        (json!([with(json!({"resource": "images", "in_effect": false}))]), false),
        (json!([with(json!({"in_effect": true, "tags": {"Team": "red"}}))]), true),
        (json!([with(json!({"tags": {"Team": "blue"}}))]), false),
        (json!([with(json!({"tags": {"Other": "red"}}))]), false),
        // One matching tag is enough, and so is one excluded tag.
        (json!([with(json!({"tags": {"Team": "red", "Other": "red"}}))]), true),
        (json!([with(json!({"tags": {}, "except": {"Team": "blue"}}))]), true),
        (json!([with(json!({"except": {"Team": "red", "Other": "red"}}))]), false),
    ] {
        let mut content = one();
        content["retention_rules"] = rules.clone();
        let account = A::with(content).await;
        deregister(&account, "ami-00000001").await;
        let expected = if covered { vec!["ami-00000001"] } else { vec![] };
        assert_eq!(binned(&account).await, expected, "{rules}");
        assert_eq!(image_ids(&account.world().await), Vec::<&str>::new());
    }
}

pub async fn the_rule_that_keeps_longest_counts<A: Account>() {
    let rule = |days: u32, tags: Value| json!({"rule_id": format!("r{days}"), "resource": "images", "days": days, "tags": tags});
    let mut content = one();
    content["retention_rules"] = json!([
        rule(3, json!({})),
        rule(30, json!({"Team": "red"})),
        rule(7, json!({})),
        rule(300, json!({"Team": "blue"})),
    ]);
    let account = A::with(content).await;
    deregister(&account, "ami-00000001").await;
    let [found] = account.port().list_recycled_images().await.unwrap().try_into().unwrap();
    let month = SignedDuration::from_hours(30 * 24);
    assert_eq!(days(found.entered_at, found.leaves_at), month);
}

async fn rules<A: Account>(account: &A) -> Vec<RetentionRule> {
    let mut found = account.port().list_retention_rules().await.unwrap().unwrap();
    found.sort_by(|a, b| a.rule_id.cmp(&b.rule_id));
    found
}

pub async fn retention_rules_are_listed<A: Account>() {
    let usual = A::with(json!({})).await;
    let rule = |id: &str, resource, days| RetentionRule {
        rule_id: id.into(),
        resource,
        days,
        in_effect: true,
        tags: tags(&[]),
        except: tags(&[]),
    };
    let (images, snapshots) = (Recyclable::Images, Recyclable::Snapshots);
    assert_eq!(rules(&usual).await, [rule("images", images, 14), rule("snapshots", snapshots, 14)]);
    drop(usual);
    let account = A::with(json!({
        "retention_rules": [
            {"rule_id": "keep-c", "resource": "images", "days": 1, "in_effect": false},
            {"rule_id": "keep-b", "resource": "images", "days": 365, "except": {"Scratch": ""}},
            {"rule_id": "keep-a", "resource": "snapshots", "days": 30,
             "tags": {"Team": "red", "Stage": "prod"}},
        ],
    }))
    .await;
    let expected = [
        RetentionRule {
            tags: tags(&[("Stage", "prod"), ("Team", "red")]),
            ..rule("keep-a", snapshots, 30)
        },
        RetentionRule { except: tags(&[("Scratch", "")]), ..rule("keep-b", images, 365) },
        RetentionRule { in_effect: false, ..rule("keep-c", images, 1) },
    ];
    assert_eq!(rules(&account).await, expected);
    // A rule that is deleted between the two calls is omitted. A rule that cannot be read fails the
    // call.
    let switches = Switches::default();
    let gone = switches.and_fail_about("rbin:GetRule", "ResourceNotFoundException", "keep-b");
    account.set(gone).await;
    let [a, _, c] = expected;
    assert_eq!(rules(&account).await, [a, c]);
    for action in ["rbin:GetRule", "rbin:ListRules"] {
        account.set(Switches::deny(&[action])).await;
        let error = account.port().list_retention_rules().await.unwrap_err();
        assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
        assert_eq!(error.code, "AccessDeniedException");
    }
    drop(account);
    let account = A::with(json!({"retention_rules": []})).await;
    account.set(Switches::deny(&["rbin:GetRule"])).await;
    assert_eq!(rules(&account).await, []);
}
