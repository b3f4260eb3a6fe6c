//! A suggested policy is valid for any image names, and keeps images in use.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use jiff::{SignedDuration, Timestamp};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};
use steward::model::Inventory;
use steward::plan::plan;
use steward::plan::reason::Reason;
use steward::policy::Policy;
use steward::suggest::first_policy;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Any text, or one of a few with a number, so that there are families.
fn a_name() -> impl Strategy<Value = String> {
    let ends = prop_oneof![Just("-"), Just("_"), Just("/"), Just(" "), Just("-v"), Just("--")];
    let stem = prop_oneof![3 => "[ab]{1,2}", 1 => "[*?\\[\\]{}\\\\,!\"#'\n\t-]{1,4}", 1 => any::<String>()];
    prop_oneof![
        6 => (stem, ends, 0..40_u32).prop_map(|(stem, end, number)| format!("{stem}{end}{number}")),
        1 => any::<String>(),
    ]
}

fn tags() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("Family".to_owned()),
        Just("role".to_owned()),
        Just("env".to_owned()),
        any::<String>()
    ];
    let value = prop_oneof![4 => "[xy]", 1 => any::<String>()];
    btree_map(key, value, 0..4).prop_map(|tags| json!(tags))
}

fn an_image() -> impl Strategy<Value = (Value, bool)> {
    let parts = (
        a_name(),
        0..1000_i64,
        tags(),
        prop_oneof![Just(Some("x86_64")), Just(Some("arm64")), Just(None)],
        prop_oneof![8 => Just("available"), 1 => Just("failed"), 1 => Just("disabled")],
        prop_oneof![9 => Just("123456789012"), 1 => Just("999988887777")],
        prop::bool::weighted(0.2),
    );
    parts.prop_map(|(name, hours, tags, architecture, state, owner, in_use)| {
        let made = (now() - SignedDuration::from_hours(hours * 5)).to_string();
        let image = json!({
            "name": name, "owner_id": owner, "created_at": made, "state": state,
            "architecture": architecture, "tags": tags,
        });
        (image, in_use)
    })
}

fn world(images: &[(Value, bool)]) -> Inventory {
    let mut listed = Vec::new();
    let mut references = Vec::new();
    for (number, (image, in_use)) in images.iter().enumerate() {
        let mut image = image.clone();
        let id = format!("ami-{number:04}");
        if *in_use {
            references.push(json!({ "image_id": id, "kind": "instance", "arn": "i-1" }));
        }
        image["image_id"] = json!(id);
        listed.push(image);
    }
    let inventory = json!({
        "format": 1, "account": "123456789012", "region": "eu-central-1", "taken_at": now().to_string(),
        "images": listed, "references": references,
    });
    Inventory::from_json(&inventory.to_string()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_first_policy_is_valid_and_keeps_what_is_in_use(images in vec(an_image(), 0..60)) {
        let mut inventory = world(&images);
        let drafted = first_policy(&inventory, now()).unwrap();
        let policy = Policy::parse(&drafted.text, "test").unwrap();
        prop_assert_eq!(policy.rules.len(), drafted.rules);

        let planned = plan(&inventory, &policy, now());
        let is = |wanted: fn(&Reason) -> bool| {
            planned.decisions.iter().filter(move |one| one.reasons.iter().any(wanted))
        };
        let expired = is(|reason| matches!(reason, Reason::Expired { .. } | Reason::Failed { .. }));
        prop_assert_eq!(expired.count(), drafted.outlook.expired);
        for decision in is(|reason| matches!(reason, Reason::InUse { .. })) {
            let by_rule = decision.reasons.iter().any(|reason| matches!(reason, Reason::Last { .. }));
            // An image with a family is kept by its rule, not only because it is in use.
            prop_assert!(by_rule || decision.family.is_none(), "{:?}\n{}", decision, drafted.text);
        }

        inventory.images.reverse();
        inventory.references.reverse();
        prop_assert_eq!(first_policy(&inventory, now()).unwrap().text, drafted.text);
    }
}
