use serde_json::{Value, json};

use super::*;
use crate::plan::reason::Reason;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// An image of this age in days.
fn image(name: &str, age: i64, more: Value) -> Value {
    let made = now() - jiff::SignedDuration::from_hours(24 * age);
    let id: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut image = json!({
        "image_id": format!("ami-{id}"), "name": name, "owner_id": "123456789012",
        "created_at": made.to_string(), "state": "available", "architecture": "x86_64",
    });
    let Value::Object(more) = more else { panic!("{more}") };
    image.as_object_mut().unwrap().extend(more);
    image
}

/// `name-1` (the newest, one day old) to `name-N`, `step` days apart.
fn series(name: &str, number: i64, step: i64, more: &Value) -> Vec<Value> {
    (1..=number).map(|n| image(&format!("{name}-{n}"), n * step, more.clone())).collect()
}

fn world(images: Vec<Value>, in_use: &[&str]) -> Inventory {
    let used = |name: &&str| {
        let id = images.iter().find(|image| image["name"] == **name).unwrap()["image_id"].clone();
        json!({ "image_id": id, "kind": "instance", "arn": "i-1" })
    };
    let references: Vec<Value> = in_use.iter().map(used).collect();
    let inventory = json!({
        "format": 1, "account": "123456789012", "region": "eu-central-1", "taken_at": now().to_string(),
        "images": images, "references": references,
    });
    Inventory::from_json(&inventory.to_string()).unwrap()
}

fn policy_of(inventory: &Inventory) -> (FirstPolicy, Policy) {
    let drafted = first_policy(inventory, now()).unwrap();
    let policy = Policy::parse(&drafted.text, "test").unwrap();
    (drafted, policy)
}

/// The name, globs, number of `group_by` keys and `last` of each rule.
fn rules(policy: &Policy) -> Vec<(String, String, usize, u32)> {
    let rule = |rule: &crate::policy::Rule| {
        let name = rule.matches.name.iter().map(|glob| glob.to_string());
        let tags = rule.matches.tags.iter().map(|(key, glob)| format!("{key}={}", glob));
        let globs: Vec<String> = name.chain(tags).collect();
        (rule.name.to_string(), globs.join(" "), rule.group_by.len(), rule.keep.last)
    };
    policy.rules.iter().map(rule).collect()
}

#[test]
fn families_are_found_by_name_and_keep_what_is_in_use_and_a_little_more() {
    let mut images = series("web", 12, 3, &json!({}));
    images.extend(series("web-beta", 4, 1, &json!({})));
    images.push(image("lonely", 5, json!({})));
    let inventory = world(images, &["web-1", "web-7", "web-beta-1"]);
    let (drafted, policy) = policy_of(&inventory);
    assert_eq!(
        rules(&policy),
        [
            ("web-beta".to_owned(), "web-beta-[0-9]*".to_owned(), 1, 3),
            ("web".to_owned(), "web-[0-9]*".to_owned(), 1, 9),
        ]
    );
    // 36, 33, 30 … days old. Nine are kept, and those of at most 30 days, and those in use.
    assert_eq!(drafted.outlook.expired, 2, "{}", drafted.text);
    assert_eq!(
        (drafted.outlook.images, drafted.outlook.matched, drafted.outlook.in_use),
        (17, 16, 3)
    );
    for said in [
        "at most 2 of them are expired",
        "12 images, 2 in use",
        "one about every 3 days",
        "oldest image in use is 21 days old. The lowest-ranked image in use is number 7 in its family",
        "1 of 17 images",
        "`lonely`",
        "min_references = 1 ",
    ] {
        let text = drafted.text.replace("\n# ", " ");
        assert!(text.contains(said), "{said}:\n{}", drafted.text);
    }
}

#[test]
fn the_head_says_how_many_are_expired_and_not_that_they_are_few() {
    let (drafted, _) = policy_of(&world(series("web", 60, 1, &json!({})), &["web-2"]));
    let text = drafted.text.replace("\n# ", " ");
    assert_eq!(drafted.outlook.expired, 30, "{text}");
    assert!(text.contains("at most 30 of them are expired"), "{text}");
}

#[test]
fn a_tag_that_names_families_is_preferred_and_architectures_are_not_thrown_together() {
    let mut images =
        series("a1b2", 6, 2, &json!({ "tags": { "Family": "shop" }, "architecture": "arm64" }));
    images.extend(series("c3d4", 6, 2, &json!({ "tags": { "Family": "shop" } })));
    images.extend(series("other", 6, 2, &json!({ "tags": { "Family": "depot" } })));
    let (drafted, policy) = policy_of(&world(images, &["c3d4-1"]));
    assert_eq!(
        rules(&policy),
        [
            ("depot".to_owned(), "Family=depot".to_owned(), 0, 3),
            ("shop".to_owned(), "Family=shop".to_owned(), 2, 3),
        ],
        "{}",
        drafted.text
    );
    let plan = plan(
        &world(series("a1b2", 3, 2, &json!({ "tags": { "Family": "shop" } })), &[]),
        &policy,
        now(),
    );
    let group = plan.decisions[0].family.as_deref().unwrap();
    assert_eq!(group, "name=a1b2,architecture=x86_64");
}

#[test]
fn a_family_whose_names_tell_nothing_is_said_to_be_one() {
    let names = ["shop-ab12cd", "shop-9f8e7d", "shop-c0ffee", "depot-facade"];
    let images = (1..).zip(names);
    let images =
        images.map(|(age, name)| image(name, age, json!({ "tags": { "Application": "shop" } })));
    let (drafted, policy) = policy_of(&world(images.collect(), &[]));
    assert_eq!(rules(&policy), [("shop".to_owned(), "Application=shop".to_owned(), 0, 3)]);
    assert!(drafted.text.replace("\n# ", " ").contains("do not all replace"), "{}", drafted.text);
    let (drafted, _) =
        policy_of(&world(series("web", 4, 1, &json!({ "tags": { "App": "web" } })), &[]));
    assert!(!drafted.text.replace("\n# ", " ").contains("do not all replace"), "{}", drafted.text);
}

#[test]
fn a_tag_with_a_value_for_each_image_names_no_family() {
    let images = (1..=9)
        .map(|n| image(&format!("web-{n}"), n, json!({ "tags": { "Name": format!("web {n}") } })));
    let (_, policy) = policy_of(&world(images.collect(), &[]));
    assert_eq!(rules(&policy), [("web".to_owned(), "web-[0-9]*".to_owned(), 1, 3)]);
}

#[test]
fn environments_do_not_replace_one_another() {
    let mut images = series("web", 6, 2, &json!({ "tags": { "Environment": "prod" } }));
    images.extend(
        (11..=16)
            .map(|n| image(&format!("web-{n}"), n, json!({ "tags": { "Environment": "dev" } }))),
    );
    let (_, policy) = policy_of(&world(images, &[]));
    let by = &policy.rules[0].group_by;
    assert!(by.contains(&crate::policy::GroupBy::Tag("Environment".to_owned())), "{by:?}");
}

#[test]
fn many_families_share_rules_and_all_of_them_are_covered() {
    let families = (0..150).map(|n| series(&format!("family-{n}x"), 2 + n % 5, 40, &json!({})));
    let images: Vec<Value> = families.flatten().collect();
    let (drafted, policy) = policy_of(&world(images, &["family-4x-6"]));
    assert_eq!(drafted.rules, MAX_OWN_RULES + 130_usize.div_ceil(MAX_SHARING));
    assert_eq!(drafted.outlook.matched, drafted.outlook.images);
    assert!(policy.rules.iter().any(|rule| rule.keep.last == 8), "{}", drafted.text);
}

#[test]
fn what_nobody_may_touch_makes_no_family() {
    let mut images = series("backup", 4, 1, &json!({ "owner_alias": "aws-backup-vault" }));
    images.extend(series("theirs", 4, 1, &json!({ "owner_id": "999988887777" })));
    images.extend(series("ageless", 4, 1, &json!({ "created_at": null })));
    let (drafted, policy) = policy_of(&world(images, &[]));
    assert_eq!(rules(&policy)[0].0, "example");
    for said in ["4  managed by AWS Backup", "4  owned by another account", "4  of unknown age"] {
        assert!(drafted.text.contains(said), "{said}:\n{}", drafted.text);
    }
}

#[test]
fn an_empty_account_gets_an_example() {
    let (drafted, policy) = policy_of(&world(Vec::new(), &[]));
    assert_eq!((policy.rules.len(), drafted.outlook.expired), (1, 0));
    assert!(drafted.text.contains("No family was found"));
}

#[test]
fn what_was_not_read_is_said_at_the_top() {
    let mut inventory = world(series("web", 4, 1, &json!({})), &[]);
    inventory.unread = serde_json::from_value(json!(["instances"])).unwrap();
    let (drafted, _) = policy_of(&inventory);
    assert!(drafted.text.contains("SOME SOURCES COULD NOT BE READ: instances"), "{}", drafted.text);
}

#[test]
fn the_order_of_the_inventory_does_not_matter() {
    let mut images = series("web", 12, 3, &json!({}));
    images.extend(series("db", 12, 3, &json!({ "tags": { "Role": "db" } })));
    let forward = world(images.clone(), &["web-1"]);
    images.reverse();
    assert_eq!(first_policy(&forward, now()), first_policy(&world(images, &["web-1"]), now()));
}

#[test]
fn hostile_names_and_tags_make_a_policy_that_keeps_what_is_in_use() {
    let hostile = [
        "a\"b",
        "a\\",
        "*",
        "?[x]",
        "{a,b}",
        "new\nline",
        "[[rule]]\n",
        "ä ö",
        "\u{202E}evil",
        "# no",
        "'''",
        "-",
        "\u{7F}",
    ];
    let mut images = Vec::new();
    for text in hostile {
        images.extend(series(text, 5, 40, &json!({ "tags": { text: text, "Role": text } })));
    }
    let used: Vec<String> = hostile.iter().map(|text| format!("{text}-5")).collect();
    let used: Vec<&str> = used.iter().map(String::as_str).collect();
    let inventory = world(images, &used);
    let (drafted, policy) = policy_of(&inventory);
    assert_eq!(drafted.outlook.matched, drafted.outlook.images, "{}", drafted.text);
    let plan = plan(&inventory, &policy, now());
    for decision in plan.decisions {
        let in_use = decision.reasons.iter().any(|reason| matches!(reason, Reason::InUse { .. }));
        let last = decision.reasons.iter().any(|reason| matches!(reason, Reason::Last { .. }));
        assert!(!in_use || last, "{decision:?} is in use and kept by nothing else");
    }
}

const SUBSCRIPTION: &str = "0f0e0d0c-1234-5678-9abc-def012345678";

/// The ID of a resource of `Microsoft.Compute`.
fn arm(rest: &str) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/golden/providers/Microsoft.Compute/{rest}"
    )
}

/// An image of an Azure subscription.
fn azure_image(id: &str, name: String, age: i64, more: Value) -> Value {
    let own = json!({ "image_id": arm(id), "name": name, "owner_id": SUBSCRIPTION });
    let mut image = image("x", age, own);
    let Value::Object(more) = more else { panic!("{more}") };
    image.as_object_mut().unwrap().extend(more);
    image
}

/// `number` versions of a definition, `step` days apart; the newest is one day old.
fn versions(definition: &str, number: i64, step: i64) -> Vec<Value> {
    let version = |n: i64| {
        let (id, name) = (
            format!("galleries/gal/images/{definition}/versions/1.0.{}", number - n),
            format!("gal/{definition}/1.0.{}", number - n),
        );
        let more = json!({ "definition": format!("gal/{definition}"), "tags": { "Role": "any" } });
        azure_image(&id, name, 1 + n * step, more)
    };
    (0..number).map(version).collect()
}

fn subscription(images: Vec<Value>, in_use: &str) -> Inventory {
    let inventory = json!({
        "format": 1, "account": SUBSCRIPTION, "taken_at": now().to_string(), "images": images,
        "references": [{ "image_id": arm(in_use), "kind": "virtual_machine", "arn": arm("virtualMachines/vm") }],
    });
    Inventory::from_json(&inventory.to_string()).unwrap()
}

#[test]
fn on_azure_families_are_definitions_first_and_only_supported_keys_are_written() {
    let mut images = versions("web", 6, 3);
    images.extend(versions("web-beta", 2, 3));
    images.extend(
        (1..=3)
            .map(|n| azure_image(&format!("images/base-{n}"), format!("base-{n}"), n, json!({}))),
    );
    let inventory = subscription(images, "galleries/gal/images/web/versions/1.0.2");
    let (drafted, policy) = policy_of(&inventory);
    assert_eq!(
        rules(&policy),
        [
            ("gal/web-beta".to_owned(), "gal/web-beta/*".to_owned(), 1, 3),
            ("gal/web".to_owned(), "gal/web/*".to_owned(), 1, 7),
            ("base".to_owned(), "base-[0-9]*".to_owned(), 1, 3),
        ],
        "{}",
        drafted.text
    );
    let group_by: Vec<_> = policy.rules.iter().map(|rule| rule.group_by.clone()).collect();
    use crate::policy::GroupBy::{Definition, NamePrefix};
    assert_eq!(group_by, [vec![Definition], vec![Definition], vec![NamePrefix]]);
    assert_eq!(policy.check_for(Provider::Azure), Ok(()));
    assert_eq!(policy.keys_without_effect(Provider::Azure), []);
    assert_eq!(drafted.outlook.matched, 11);
    assert_eq!(drafted.outlook.notes, []);
}

#[test]
fn many_definitions_share_a_rule_and_stay_apart() {
    let images = (0..30).flat_map(|n| versions(&format!("web{n}x"), 3, 1)).collect();
    let (drafted, policy) = policy_of(&subscription(images, "images/none"));
    assert_eq!(drafted.rules, MAX_OWN_RULES + 1);
    assert_eq!((drafted.outlook.matched, drafted.outlook.expired), (90, 0), "{}", drafted.text);
    let shared = policy.rules.last().unwrap();
    assert_eq!(shared.group_by, [crate::policy::GroupBy::Definition]);
}

#[test]
fn a_suggestion_for_azure_contains_no_word_of_aws() {
    let some = subscription(versions("web", 6, 3), "galleries/gal/images/web/versions/1.0.2");
    for inventory in [some, subscription(Vec::new(), "images/none")] {
        let (drafted, _) = policy_of(&inventory);
        for word in [
            "EC2",
            "AMI",
            "AWS",
            "EBS",
            "Recycle Bin",
            "Region",
            "account",
            "launched_within",
            "template",
            "Batch",
            "delete_snapshots_after",
        ] {
            assert!(!drafted.text.contains(word), "{word}:\n{}", drafted.text);
        }
    }
}
