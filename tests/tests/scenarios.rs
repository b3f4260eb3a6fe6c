//! Scenarios: small inventories in files, each with a policy, the expected decisions, and the whole
//! plan as it was last reviewed.
//!
//! `[expect]` is written manually and contains the important decisions. The golden plan in
//! `scenarios/golden` shows every field of the plan, with one line per image or snapshot. For
//! [`EVERY_ACTION`] there is also a golden plan in JSON, to detect changes of names and layout.
//! `INSTA_UPDATE=always` updates the golden plans. Review the difference before you commit it.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use steward::model::Inventory;
use steward::plan::plan;
use steward::plan::snapshots::plan_snapshots;
use steward::policy::Policy;
use steward_tests::{golden, short_ids};

/// The scenario that contains every action on images and snapshots.
const EVERY_ACTION: &str = "every-action";
/// Its plans in JSON.
const EVERY_ACTION_JSON: &str = "every-action-in-json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// The purpose of the scenario, in one sentence.
    title: String,
    now: Timestamp,
    policy: String,
    /// A saved inventory. Account, Region and time are set, and so is a reference to another image
    /// unless the file contains `references`, because a plan without references refuses. If the
    /// account is an Azure subscription, the file contains it, and short IDs ([`short_ids`]).
    inventory: Value,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// The refusal, if there is one: only its `reason`, or all fields.
    refusal: Option<Value>,
    /// The refusal of the snapshot plan.
    refusal_of_snapshots: Option<Value>,
    /// All images of the inventory.
    #[serde(default)]
    images: BTreeMap<String, Expected>,
    /// All tagged or orphaned snapshots, if the scenario is about snapshots.
    #[serde(default)]
    snapshots: BTreeMap<String, Expected>,
}

impl Expect {
    fn is_about_snapshots(&self) -> bool {
        !self.snapshots.is_empty() || self.refusal_of_snapshots.is_some()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    action: String,
    /// The reasons in order: a name, or the whole reason with its numbers.
    reasons: Option<Vec<Value>>,
    /// `"deregister 2026-12-01T00:00:00Z"`, or `"none"`.
    next: Option<String>,
    family: Option<String>,
    /// The snapshots that are deleted with the image.
    removed_snapshots: Option<Vec<String>>,
    /// The earliest time of deletion, of the image's snapshots or of this snapshot.
    delete_after: Option<String>,
    /// The value that is saved first; empty for none.
    save: Option<String>,
    /// For a rescue: whether the image is enabled.
    enable: Option<bool>,
    /// For a rescue: the launch permissions that are restored.
    share_with: Option<Vec<String>>,
    /// For a rescue: the launch permissions that remain in the tag.
    not_shared: Option<Vec<String>>,
    /// For a rescue: `"none"`, `{ at = "2027-01-01T00:00:00Z" }`, or empty if it is not changed.
    deprecation: Option<Value>,
    /// For a rescue: the snapshots whose deletion is cancelled.
    unmark: Option<Vec<String>>,
}

/// Whether this is the expected value: a whole value, or only its `reason`.
fn is_expected(found: &Value, expected: &Value) -> bool {
    match expected {
        Value::String(name) => found["reason"] == name.as_str(),
        whole => found == whole,
    }
}

/// The differences between a plan's refusal and the expected one.
fn refusal_differs(what: &str, expected: Option<&Value>, found: &Value) -> Option<String> {
    let same = match expected {
        None => found.is_null(),
        Some(expected) => is_expected(found, expected),
    };
    (!same).then(|| format!("{what}: expected {}, found {found}", Value::from(expected.cloned())))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn names() -> Vec<String> {
    stems(&folder(), "toml")
}

/// The sorted names of the files in `folder` with this extension, without it.
fn stems(folder: &Path, extension: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// A reference to an image that is in no scenario.
fn elsewhere(is_azure: bool) -> Value {
    if is_azure {
        let (image_id, arn) = (short_ids::arm("elsewhere"), short_ids::arm("virtualMachines/vm"));
        return serde_json::json!({ "image_id": image_id, "kind": "virtual_machine", "arn": arn });
    }
    let arn = "arn:aws:ec2:eu-central-1:123456789012:instance/i-0e1";
    serde_json::json!({ "image_id": "ami-elsewhere", "kind": "instance", "arn": arn })
}

/// The fields of a scenario's image that are the same for most images.
fn usual_fields(
    image: &serde_json::Map<String, Value>,
    account: &str,
) -> Vec<(&'static str, Value)> {
    let mut fields = vec![("owner_id", Value::from(account)), ("state", Value::from("available"))];
    if account != short_ids::SUBSCRIPTION {
        fields.push(("architecture", Value::from("x86_64")));
        return fields;
    }
    let id: steward::model::ImageId = image["image_id"].as_str().unwrap().parse().unwrap();
    let short = id.short();
    let (group, own) = short.rsplit_once('/').unwrap();
    let is_version = id.definition().is_some();
    fields.push(("name", Value::from(if is_version { &*short } else { own })));
    let capabilities = match Some(group).filter(|_| is_version) {
        Some(definition) => {
            fields.push(("definition", Value::from(definition)));
            serde_json::json!({ "disable": "excludes_from_latest", "recovery": { "days": 14 } })
        }
        None => serde_json::json!({
            "deprecate": false, "disable": "unsupported", "recovery": "unsupported",
        }),
    };
    fields.push(("capabilities", capabilities));
    fields
}

fn load(name: &str) -> (Scenario, Inventory, Policy) {
    let path = folder().join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut scenario: Scenario = toml::from_str(&short_ids::expanded(&text))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let world = scenario.inventory.as_object_mut().unwrap();
    let is_azure = world.contains_key("account");
    for (key, value) in [
        ("format", Value::from(Inventory::DOCUMENT.number)),
        ("taken_at", Value::from(scenario.now.to_string())),
        ("references", Value::from(vec![elsewhere(is_azure)])),
        ("images", Value::Array(Vec::new())),
    ] {
        world.entry(key).or_insert(value);
    }
    if !is_azure {
        world.insert("account".to_owned(), Value::from("123456789012"));
        world.entry("region").or_insert(Value::from("eu-central-1"));
    }
    let account = world["account"].as_str().unwrap().to_owned();
    for image in world["images"].as_array_mut().unwrap() {
        let image = image.as_object_mut().unwrap();
        for (key, value) in usual_fields(image, &account) {
            image.entry(key).or_insert(value);
        }
    }
    let inventory = Inventory::from_json(&scenario.inventory.to_string())
        .unwrap_or_else(|error| panic!("{name}: inventory: {error}"));
    let policy = Policy::parse(&scenario.policy, name).unwrap_or_else(|error| panic!("{error}"));
    (scenario, inventory, policy)
}

/// The differences between the decisions of `plan` (in JSON) and the expected ones.
fn differences(expected: &BTreeMap<String, Expected>, decisions: &Value, id: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let decisions = decisions.as_array().unwrap();
    let found: Vec<&str> =
        decisions.iter().map(|decision| decision[id].as_str().unwrap()).collect();
    for image in found.iter().filter(|image| !expected.contains_key(**image)) {
        wrong.push(format!("{image}: nothing is expected of it"));
    }
    for (image, expected) in expected {
        let Some(decision) = decisions.iter().find(|decision| decision[id] == image.as_str())
        else {
            wrong.push(format!("{image}: no decision"));
            continue;
        };
        let mut differ = |what: &str, expected: &str, found: &Value| {
            if found.as_str() != Some(expected) {
                wrong.push(format!(
                    "{image}: {what}: expected {expected}, found {found}; {decision}"
                ));
            }
        };
        let Expected {
            action,
            reasons,
            next,
            family,
            removed_snapshots,
            delete_after,
            save,
            enable,
            share_with,
            not_shared,
            deprecation,
            unmark,
        } = expected;
        differ("action", action, &decision["action"]);
        if let Some(family) = family {
            differ("family", family, &decision["family"]);
        }
        if let Some(next) = next {
            let step = &decision["next"];
            let words = format!(
                "{} {}",
                step["action"].as_str().unwrap_or("none"),
                step["at"].as_str().unwrap_or("")
            );
            differ("next", next, &Value::from(words.trim()));
        }
        if let Some(reasons) = reasons {
            let found = decision["reasons"].as_array().unwrap();
            let same = found.len() == reasons.len()
                && found.iter().zip(reasons).all(|(found, expected)| is_expected(found, expected));
            if !same {
                wrong.push(format!(
                    "{image}: reasons: expected {}, found {}",
                    Value::from(reasons.clone()),
                    decision["reasons"]
                ));
            }
        }
        // The fields of an action. A field that is missing in the plan is empty.
        let removal = &decision["removal"];
        let of_either = |key: &str| decision.get(key).unwrap_or(&removal[key]);
        let empty = [Value::Null, Value::from(""), Value::from(false), Value::Array(Vec::new())];
        for (what, expected, found) in [
            ("snapshots", removed_snapshots.clone().map(Value::from), &removal["snapshots"]),
            ("delete_after", delete_after.clone().map(Value::from), of_either("delete_after")),
            ("save", save.clone().map(Value::from), of_either("save")),
            ("enable", enable.map(Value::from), &decision["enable"]),
            ("share_with", share_with.clone().map(Value::from), &decision["share_with"]),
            ("not_shared", not_shared.clone().map(Value::from), &decision["not_shared"]),
            ("deprecation", deprecation.clone(), &decision["deprecation"]),
            ("unmark", unmark.clone().map(Value::from), &decision["unmark"]),
        ] {
            let Some(expected) = expected else { continue };
            let same = *found == expected || found.is_null() && empty.contains(&expected);
            if !same {
                wrong.push(format!(
                    "{image}: {what}: expected {expected}, found {found}; {decision}"
                ));
            }
        }
    }
    wrong
}

#[test]
fn there_are_enough_scenarios() {
    assert!(names().len() >= 25, "{} scenarios", names().len());
}

#[test]
fn every_scenario_is_planned_as_expected() {
    let mut wrong = Vec::new();
    for name in names() {
        let (scenario, inventory, policy) = load(&name);
        let Scenario { title, now, expect, .. } = scenario;
        let found = plan(&inventory, &policy, now);
        let json = serde_json::to_value(&found).unwrap();
        let mut differ = differences(&expect.images, &json["decisions"], "image_id");
        differ.extend(refusal_differs("refusal", expect.refusal.as_ref(), &json["refusal"]));
        if expect.is_about_snapshots() {
            let reaping = serde_json::to_value(plan_snapshots(&inventory, &policy, now)).unwrap();
            differ.extend(differences(&expect.snapshots, &reaping["decisions"], "snapshot_id"));
            differ.extend(refusal_differs(
                "refusal of snapshots",
                expect.refusal_of_snapshots.as_ref(),
                &reaping["refusal"],
            ));
        }
        wrong.extend(differ.into_iter().map(|what| format!("{name} ({title}): {what}")));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Compares `text` with the golden file of this name.
fn assert_golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder().join("golden"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn every_plan_is_its_golden_plan() {
    for name in names() {
        let (scenario, inventory, policy) = load(&name);
        let mut text = golden::images(&plan(&inventory, &policy, scenario.now));
        if scenario.expect.is_about_snapshots() {
            let reaping = plan_snapshots(&inventory, &policy, scenario.now);
            text = format!("{text}\n{}", golden::snapshots(&reaping));
        }
        assert_golden(&name, &text);
    }
}

#[test]
fn the_json_of_a_plan_keeps_its_names_and_its_layout() {
    let (scenario, inventory, policy) = load(EVERY_ACTION);
    let images = plan(&inventory, &policy, scenario.now);
    let snapshots = plan_snapshots(&inventory, &policy, scenario.now);
    let [images, snapshots] =
        [serde_json::to_string_pretty(&images), serde_json::to_string_pretty(&snapshots)];
    assert_golden(EVERY_ACTION_JSON, &format!("{}\n{}", images.unwrap(), snapshots.unwrap()));
}

#[test]
fn every_golden_has_its_scenario() {
    let mut expected = names();
    expected.push(EVERY_ACTION_JSON.to_owned());
    expected.sort();
    assert_eq!(stems(&folder().join("golden"), "snap"), expected);
}
