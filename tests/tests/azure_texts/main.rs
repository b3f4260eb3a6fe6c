//! What people read about an Azure subscription.
//!
//! All texts about a saved inventory are golden files in `golden`, and none of them may contain a
//! word of AWS. `INSTA_UPDATE=always` updates the golden files. Review the difference before you
//! commit it.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod results;
mod words;

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use steward::collect::remnants_in;
use steward::model::{AccountRegion, ImageId, Inventory};
use steward::plan::plan;
use steward::plan::snapshots::{SnapshotPlan, plan_snapshots};
use steward::plan::{Plan, Refusal};
use steward::policy::Policy;
use steward::progress::NoProgress;
use steward::report::explain::{explain, explanation_text, gone_text};
use steward::report::page::{About, PageData};
use steward::report::{
    Colors, CostedPlan, Ids, Listing, MarkdownPlan, OutputStyle, PricedSimulation, Rows, SortBy,
    SumBy, compare_plans, compare_simulations, compared_text, comparison_text, group_sums,
    plan_markdown, plan_text, simulation_text, snapshot_plan_text, stale_text,
};
use steward::simulate::simulate;

/// The days of the simulation.
const DAYS: u32 = 28;

/// A subscription with its plan.
struct Case {
    inventory: Inventory,
    policy: Policy,
    plan: Plan,
    snapshots: SnapshotPlan,
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/azure_texts"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn case() -> Case {
    case_with(|policy| policy)
}

/// The case with another policy.
fn case_with(edit: impl Fn(String) -> String) -> Case {
    let inventory = Inventory::from_json(&read("inventory.json")).unwrap();
    let policy = Policy::parse(&edit(read("policy.toml")), "policy.toml").unwrap();
    let plan = plan(&inventory, &policy, now());
    let snapshots = plan_snapshots(&inventory, &policy, now());
    Case { inventory, policy, plan, snapshots }
}

/// The ID of a version of `Golden/web`.
fn web(number: &str) -> ImageId {
    let subscription = "/subscriptions/0f0e0d0c-1234-5678-9abc-def012345678";
    let gallery = "resourceGroups/Images/providers/Microsoft.Compute/galleries/Golden";
    format!("{subscription}/{gallery}/images/web/versions/{number}").parse().unwrap()
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn assert_golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder().join("golden"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The plan as text, with this selection of images.
fn planned(case: &Case, listing: impl Into<Listing>) -> String {
    planned_in(case, listing, OutputStyle::Plain)
}

fn planned_in(case: &Case, listing: impl Into<Listing>, style: OutputStyle) -> String {
    let Case { plan, snapshots, policy, .. } = case;
    plan_text(plan, Some(snapshots), Some(policy), &listing.into(), style)
}

/// The texts about the plan, by name.
fn plan_texts() -> Vec<(&'static str, String)> {
    let case = case();
    let Case { plan, snapshots, policy, inventory } = &case;
    let sorted = Listing { rows: Rows::Changes, sort: Some(SortBy::Size), by: None };
    let summed = Listing { rows: Rows::Changes, sort: None, by: Some(SumBy::Family) };
    let narrow = OutputStyle::Terminal { width: 76, colors: Colors::Off };
    let unread = Refusal::TooFewReferences { seen: 0, at_least: 1 };
    let refused = Plan { refusal: Some(unread), ..plan.clone() };
    let refused = Case { plan: refused, ..case_with(|policy| policy) };
    let markdown = MarkdownPlan {
        plan,
        snapshots: Some(snapshots),
        rows: &Rows::All,
        alerts: &[],
        origin: None,
        comparison: None,
    };
    let explained = inventory.images.iter().map(|image| {
        let explanation = explain(&image.image_id, inventory, policy, plan).unwrap();
        explanation_text(&explanation, OutputStyle::Plain)
    });
    let explained: Vec<String> = explained.collect();
    vec![
        ("plan", planned(&case, Rows::Changes)),
        ("plan-all", planned(&case, Rows::All)),
        ("plan-narrow", planned_in(&case, Rows::Changes, narrow)),
        ("plan-by-size", planned(&case, sorted)),
        ("plan-by-family", planned(&case, summed)),
        ("plan-refused", planned(&refused, Rows::Changes)),
        ("plan-markdown", plan_markdown(&markdown)),
        ("explain", explained.join("\n\n")),
        ("snapshots", snapshot_plan_text(snapshots, Ids::All)),
        ("stale", stale_text(plan, policy.safety.template_versions, OutputStyle::Plain)),
    ]
}

/// The texts about images that no longer exist.
fn gone_texts() -> Vec<(&'static str, String)> {
    let Case { inventory, policy, snapshots, plan } = case();
    let target = AccountRegion { account: plan.account, region: plan.region };
    let text = |number: &str| {
        let (image, names) = (web(number), &policy.tag_names);
        let remnants = remnants_in(&inventory, &image, names);
        gone_text(&image, &remnants, &target, names, &snapshots, OutputStyle::Plain)
    };
    let all: Vec<String> = ["1.0.0", "0.9.0", "0.1.0"].into_iter().map(text).collect();
    vec![("gone", all.join("\n\n"))]
}

/// The texts about two policies.
fn compared_texts() -> Vec<(&'static str, String)> {
    let (new, old) = (case(), case_with(|policy| policy.replace("last = 2", "last = 4")));
    let comparison = compare_plans(("new.toml", &new.plan), ("old.toml", &old.plan));
    let markdown = MarkdownPlan {
        plan: &new.plan,
        snapshots: None,
        rows: &Rows::Changes,
        alerts: &[],
        origin: None,
        comparison: Some(&comparison),
    };
    let [ours, theirs] =
        [&new, &old].map(|one| simulate(&one.inventory, &one.policy, now(), DAYS, &NoProgress));
    let differences = compare_simulations(&ours, &theirs);
    vec![
        ("compared", comparison_text(&comparison, &new.plan, true, OutputStyle::Plain)),
        ("compared-markdown", plan_markdown(&markdown)),
        ("simulated", simulation_text(&ours, OutputStyle::Plain)),
        ("simulated-compared", compared_text(&ours, &theirs, &differences, OutputStyle::Plain)),
    ]
}

/// Documents in JSON, by name.
fn documents() -> Vec<(&'static str, String)> {
    let case = case();
    let Case { plan, snapshots, policy, inventory } = &case;
    let about = About { policy_file: "policy.toml", program: "image-steward" };
    let page = PageData::of(inventory, policy, plan, snapshots, about);
    let simulation = simulate(inventory, policy, now(), DAYS, &NoProgress);
    let explained = explain(&web("1.4.0"), inventory, policy, plan).unwrap();
    vec![
        ("plan-json", json(&CostedPlan::new(plan, &plan.decisions, Some(policy)))),
        ("sums-json", json(&group_sums(plan, &SumBy::Rule, None))),
        ("page-json", json(&page)),
        ("simulation-json", json(&PricedSimulation::of(&simulation))),
        ("explain-json", json(&explained)),
    ]
}

/// All texts that are not JSON.
fn texts() -> Vec<(&'static str, String)> {
    let parts = [plan_texts(), gone_texts(), compared_texts(), results::texts()];
    parts.into_iter().flatten().collect()
}

#[test]
fn every_text_is_its_golden_text() {
    for (name, text) in texts().into_iter().chain(documents()) {
        assert_golden(name, &text);
    }
}
