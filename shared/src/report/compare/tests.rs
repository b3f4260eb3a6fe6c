use super::*;
use crate::model::{Inventory, Provider};
use crate::plan::plan;
use crate::policy::Policy;
use crate::progress::NoProgress;
use crate::report::{Colors, OutputStyle};
use crate::simulate::{Growth, Simulation, simulate_with};

const NOW: &str = "2026-11-22T12:00:00Z";

/// Five images of one family, newest first, a week apart. Each has 8 GiB, except the last, whose
/// size is unknown.
fn inventory() -> Inventory {
    let images: Vec<_> = (1..=5)
        .map(|n| {
            let created = NOW.parse::<Timestamp>().unwrap() - jiff::SignedDuration::from_hours(24 * 7 * n);
            serde_json::json!({
                "image_id": format!("ami-{n}"), "name": format!("web-{n}"), "owner_id": "123456789012",
                "state": "available", "created_at": created, "architecture": "x86_64",
                "snapshots": [format!("snap-{n}")], "tags": {}, "launch_permissions": [],
            })
        })
        .collect();
    let snapshots: Vec<_> = (1..=4)
        .map(|n| serde_json::json!({ "snapshot_id": format!("snap-{n}"), "size_gib": 8 }))
        .collect();
    let inventory = serde_json::json!({
        "format": 1, "account": "123456789012", "region": "us-east-1", "taken_at": NOW, "images": images,
        "snapshots": snapshots, "references": [],
    });
    Inventory::from_json(&inventory.to_string()).unwrap()
}

fn policy(last: u32, disable_after: &str, more: &str) -> Policy {
    let text = format!(
        "version = 1\n[[rule]]\nname = \"web\"\nkeep = {{ last = {last} }}\n\
         retire = {{ deprecate_after = \"0d\", disable_after = \"{disable_after}\", deregister_after = \"14d\" }}\n\
         [safety]\nrecycle_bin = \"optional\"\nmax_fraction = 1.0\nmin_references = 0\n{more}"
    );
    Policy::parse(&text, "p").unwrap()
}

fn planned(policy: &Policy) -> Plan {
    plan(&inventory(), policy, NOW.parse().unwrap())
}

fn compared(new: &Policy, old: &Policy) -> PolicyComparison {
    compare_plans(("new.toml", &planned(new)), ("old.toml", &planned(old)))
}

fn ids(comparison: &PolicyComparison, kind: ChangeKind) -> Vec<&str> {
    comparison.of_kind(kind).map(|one| one.image_id.as_str()).collect()
}

#[test]
fn every_kind_of_change_is_found_with_both_reasons() {
    let found = compared(&policy(2, "7d", ""), &policy(3, "8d", ""));
    assert_eq!(ids(&found, ChangeKind::KeptToExpired), ["ami-3"]);
    assert_eq!(ids(&found, ChangeKind::ExpiredToKept), Vec::<&str>::new());
    assert_eq!(ids(&found, ChangeKind::OtherStep), ["ami-4", "ami-5"]);
    let [change, ..] = found.changes.as_slice() else { panic!("{found:?}") };
    assert_eq!((change.new.action, change.old.action), ("deprecate", "keep"));
    assert!(
        change.new.why(Provider::Aws.words()).contains("3rd of 5"),
        "{}",
        change.new.why(Provider::Aws.words())
    );
    assert_eq!(change.old.why(Provider::Aws.words()), "3rd of last 3");
    let back = compared(&policy(3, "8d", ""), &policy(2, "7d", ""));
    assert_eq!(ids(&back, ChangeKind::ExpiredToKept), ["ami-3"]);
}

#[test]
fn the_same_policy_changes_nothing_and_other_reasons_to_keep_are_no_change() {
    assert_eq!(compared(&policy(2, "7d", ""), &policy(2, "7d", "")).changes, []);
    // A different reason to keep is not a change.
    assert_eq!(compared(&policy(5, "7d", ""), &policy(6, "7d", "")).changes, []);
}

#[test]
fn totals_are_in_images_gib_and_usd() {
    let found = compared(&policy(2, "7d", ""), &policy(3, "8d", ""));
    let [kept, back, step] = found.totals.as_slice() else { panic!("{found:?}") };
    assert_eq!((kept.images, kept.gib, kept.sizes_unknown), (1, 8, 0));
    assert_eq!((back.images, back.gib), (0, 0));
    // One of the two sizes is unknown.
    assert_eq!((step.images, step.gib, step.sizes_unknown), (2, 8, 1));
    let price = Price::in_region(&Some("us-east-1".parse().unwrap())).unwrap();
    assert!((kept.usd_month.unwrap() - 8.0 * price.usd_per_gib_month).abs() < 0.005);
    assert!(kept.usd_month.unwrap() > 0.0);
}

#[test]
fn the_text_has_every_image_with_both_fates() {
    let (new, old) = (policy(2, "7d", ""), policy(3, "8d", ""));
    let (comparison, plan) = (compared(&new, &old), planned(&new));
    let text = comparison_text(&comparison, &plan, false, OutputStyle::Plain);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "Kept under old.toml, removed under new.toml: 1 image, at most 8 GiB and USD 0.40 a month",
            "  ami-3 web-3, 21d",
            "      new: deprecate now, disable from 2026-11-29, deregister from 2026-12-06; expired: 3rd of 5",
            "      old: kept; 3rd of last 3",
        ]
    );
    assert!(text.contains("Different step or date: 2 images"), "{text}");
    assert!(text.contains("old: deprecate now, disable from 2026-11-30, deregister"), "{text}");
    assert!(text.contains("The sizes of 1 image are unknown."), "{text}");
    assert!(
        text.ends_with(
            "Eventually removed under new.toml: 3 of 5 images, at most 16 GiB and USD 0.80 a month; under old.toml: \
             2 of 5 images, at most 8 GiB and USD 0.40 a month.\n"
        ),
        "{text}"
    );
}

#[test]
fn no_line_is_wider_than_the_terminal_but_for_ids() {
    let (new, old) = (policy(2, "7d", ""), policy(3, "8d", ""));
    let (comparison, plan) = (compared(&new, &old), planned(&new));
    for width in [40, 80, 120] {
        let style = OutputStyle::Terminal { width, colors: Colors::Off };
        for line in comparison_text(&comparison, &plan, true, style).lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn a_refused_plan_says_so_and_has_no_dates() {
    let old = policy(3, "8d", "");
    let mut new = policy(2, "7d", "");
    new.safety.min_references = 9;
    let (comparison, plan) = (compared(&new, &old), planned(&new));
    assert!(plan.refusal.is_some());
    let text = comparison_text(&comparison, &plan, false, OutputStyle::Plain);
    assert!(text.starts_with("Refused under new.toml: found 0 references"), "{text}");
    assert!(text.contains("      new: expired; "), "{text}");
    let back = compare_plans(("old.toml", &planned(&old)), ("new.toml", &plan));
    assert!(back.against_refusal.is_some());
    let text = comparison_text(&back, &planned(&old), false, OutputStyle::Plain);
    assert!(text.starts_with("Refused under new.toml: found 0 references"), "{text}");
}

#[test]
fn a_long_list_is_cut_unless_all_are_wanted() {
    let mut comparison = compared(&policy(2, "7d", ""), &policy(3, "8d", ""));
    let plan = planned(&policy(2, "7d", ""));
    let change = comparison.changes[0].clone();
    comparison.changes = vec![change; 30];
    comparison.totals[0].images = 30;
    let text = |all| comparison_text(&comparison, &plan, all, OutputStyle::Plain);
    assert!(text(false).contains("    10 more; --all lists them\n"), "{}", text(false));
    assert_eq!(text(false).matches("  ami-3 ").count(), 20);
    assert_eq!(text(true).matches("  ami-3 ").count(), 30);
}

fn simulated(policy: &Policy) -> Simulation {
    let (inventory, now) = (inventory(), NOW.parse().unwrap());
    let growth = Growth::of(&inventory, policy, now);
    simulate_with(&inventory, growth, policy, now, 30, &NoProgress)
}

#[test]
fn what_is_gone_under_one_policy_only_is_found() {
    let (new, old) = (simulated(&policy(2, "7d", "")), simulated(&policy(4, "7d", "")));
    let found = compare_simulations(&new, &old);
    assert_eq!(found.gone_under_against.images, []);
    let gone = &found.gone_under_policy.images;
    let names: Vec<&str> = gone.iter().map(|one| one.image_id.as_str()).collect();
    // The images that only one simulation removes are in the list.
    let gone_under = |simulation: &Simulation| {
        simulation.points.iter().map(|point| point.done.deregistered).sum::<usize>()
    };
    assert_eq!(gone.len(), gone_under(&new) - gone_under(&old), "{names:?}");
    assert_eq!(names, ["ami-1", "ami-simulated-000001"]);
    assert!(!names.contains(&"ami-5"), "both remove it: {names:?}");
    assert!(gone.iter().all(|one| one.simulated == one.image_id.as_str().contains("simulated")));
    assert_eq!(found.gone_under_policy.gib, 8 * gone.len() as u64);
    let same = compare_simulations(&new, &new);
    assert_eq!(
        gone_text(&same, OutputStyle::Plain),
        "By the last day, both policies have removed the same images.\n"
    );
}
