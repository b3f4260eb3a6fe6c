use super::*;
use crate::model::Inventory;
use crate::plan::plan;
use crate::report::Colors;

const NOW: &str = "2026-11-22T12:00:00Z";

/// An image of a family that is this many days old, with one snapshot of 8 GiB.
fn image(number: usize, family: &str, days: i64) -> serde_json::Value {
    let now: jiff::Timestamp = NOW.parse().unwrap();
    let created = now - jiff::SignedDuration::from_hours(24 * days);
    serde_json::json!({
        "image_id": format!("ami-{number:017x}"), "name": format!("{family}-{number}"),
        "owner_id": "123456789012", "state": "available", "created_at": created,
        "architecture": "x86_64", "tags": { "Family": family },
        "snapshots": [format!("snap-{number:017x}")], "launch_permissions": [],
    })
}

fn inventory(images: &[serde_json::Value], references: serde_json::Value) -> Inventory {
    let snapshots: Vec<_> = images
        .iter()
        .map(|image| serde_json::json!({ "snapshot_id": image["snapshots"][0], "size_gib": 8 }))
        .collect();
    let inventory = serde_json::json!({
        "format": 1, "account": "123456789012", "region": "eu-central-1", "taken_at": NOW,
        "images": images, "snapshots": snapshots, "references": references,
    });
    Inventory::from_json(&inventory.to_string()).unwrap_or_else(|error| panic!("{error}"))
}

/// `families` families with `of` images each. The newest image is one day old.
fn fleet(families: usize, of: usize) -> Vec<serde_json::Value> {
    let all = (0..families).flat_map(|family| (0..of).map(move |number| (family, number)));
    all.map(|(family, number)| {
        let days = i64::try_from(1 + number * 7).unwrap();
        image(1 + family * of + number, &format!("f{family:03}"), days)
    })
    .collect()
}

const POLICY: &str = "version = 1\n[[rule]]\nname = \"golden\"\nmatch = { name = \"f*\" }\n\
    group_by = [\"tag:Family\"]\nkeep = { last = 2 }\n[safety]\nrecycle_bin = \"optional\"\n\
    min_references = 0\nmax_fraction = 1.0\nmax_per_run = 10000\n";

const SCREEN_80: OutputStyle = OutputStyle::Terminal { width: 80, colors: Colors::Off };

fn shown(inventory: &Inventory, policy: &str, listing: impl Into<Listing>) -> String {
    let policy = Policy::parse(policy, "p").unwrap_or_else(|error| panic!("{error}"));
    let plan = plan(inventory, &policy, inventory.taken_at);
    plan_text(&plan, None, Some(&policy), &listing.into(), SCREEN_80)
}

#[test]
fn a_plan_fits_on_a_screen_and_loses_no_image_from_its_sum() {
    for (families, of) in [(1, 300), (20, 15), (300, 3), (2, 3), (70, 4)] {
        let inventory = inventory(&fleet(families, of), serde_json::json!([]));
        let text = shown(&inventory, POLICY, Rows::Changes);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() <= 60, "{families} × {of}: {} lines\n{text}", lines.len());
        for line in &lines {
            assert!(crate::text_fmt::width(line) <= 80, "{line}");
        }
        let expired = families * (of - 2);
        let rows = lines.iter().filter(|line| line.starts_with("  ~ ami-")).count();
        let left = lines.iter().find_map(|line| {
            let (count, _) = line.strip_prefix("Not listed: ")?.split_once(" expired image")?;
            count.replace(',', "").parse::<usize>().ok()
        });
        assert_eq!(rows + left.unwrap_or(0), expired, "{families} × {of}\n{text}");
        let all = shown(&inventory, POLICY, Rows::All);
        assert_eq!(all.lines().filter(|line| line.contains(" ami-")).count(), families * of);
    }
}

#[test]
fn what_all_rows_have_in_common_is_in_the_heading() {
    let inventory = inventory(&fleet(1, 4), serde_json::json!([]));
    let text = shown(&inventory, POLICY, Rows::Changes);
    let expected = "\
golden · f000: 4 images, 2 kept, 2 to deprecate, then disable from 2026-11-29
  ~ ami-00000000000000003 f000-3 15d 8 GiB 3rd, last = 2
  ~ ami-00000000000000004 f000-4 22d 8 GiB 4th, last = 2
";
    assert!(text.contains(expected), "{text}");
    let end = "2 to deprecate; 2 of 4 kept. Nothing is deleted before 2026-12-06; the plan\neventually saves at most USD 0.86 a month.";
    assert_eq!(text.trim_end().split_once("2026-11-26).\n").unwrap().1, end);
}

#[test]
fn a_refusal_comes_first_and_there_are_no_dates() {
    let mut inventory = inventory(&fleet(2, 4), serde_json::json!([]));
    let policy = POLICY.replace("min_references = 0", "min_references = 1");
    inventory.references.clear();
    let text = shown(&inventory, &policy, Rows::Changes);
    let mut lines = text.lines().filter(|line| !line.is_empty());
    assert!(lines.next().unwrap().starts_with("Refused: found 0 references"));
    let dates = text.replace("2026-11-26).", "");
    assert!(!dates.contains("2026-") && !dates.contains("2027-"), "{text}");
    assert!(text.ends_with("No image is removed, because the plan is refused.\n"), "{text}");
}

#[test]
fn storage_that_no_rule_covers_is_a_headline() {
    let mut images = fleet(1, 2);
    images.extend((0..3).map(|number| image(100 + number, "other", 400)));
    let text = shown(&inventory(&images, serde_json::json!([])), POLICY, Rows::Changes);
    let headline = "Not covered by a rule: 3 of 5 images, 60% of image storage (24 GiB, at most USD\n1.30 a month).";
    assert!(text.contains(headline), "{text}");
    assert!(text.ends_with("No image changes: all 5 images are kept.\n"), "{text}");
    let all = shown(&inventory(&fleet(1, 2), serde_json::json!([])), POLICY, Rows::Changes);
    assert!(!all.contains("Not covered by"), "{all}");
}

#[test]
fn users_are_named_and_counted_once() {
    let template = "arn:aws:ec2:eu-central-1:123456789012:launch-template/lt-1";
    let by = |version: Option<&str>| {
        let mut by = serde_json::json!({ "image_id": "ami-00000000000000004", "kind": "launch_template", "arn": template });
        if let Some(version) = version {
            by["version"] = version.into();
            by["name"] = "web".into();
            by["stale"] = true.into();
        }
        by
    };
    let references = serde_json::json!([by(None), by(Some("8"))]);
    let text = shown(&inventory(&fleet(1, 4), references), POLICY, Rows::All);
    assert!(text.contains("in use: launch template web (lt-1) v8 (stale)"), "{text}");
    assert_eq!(text.matches("launch template").count(), 1, "{text}");
    assert!(text.contains("3 of 4 kept (1 in use)"), "{text}");
}

#[test]
fn lists_are_sorted_and_sums_are_by_what_was_asked() {
    let inventory = inventory(&fleet(3, 4), serde_json::json!([]));
    let sorted = Listing { rows: Rows::Changes, sort: Some(SortBy::Age), by: None };
    let text = shown(&inventory, POLICY, sorted);
    let ids: Vec<&str> = text.lines().filter(|line| line.contains(" ami-")).collect();
    assert_eq!(ids.len(), 12);
    assert!(ids[0].contains(" 22d ") && ids[11].contains(" 24h "), "{text}");
    assert!(ids[0].contains("USD 0.43"), "{text}");
    let values = [("ami-00000000000000001".parse().unwrap(), "core".to_owned())].into();
    let by = SumBy::Tag { key: "Team".into(), values };
    let text = shown(&inventory, POLICY, Listing { rows: Rows::Changes, sort: None, by: Some(by) });
    assert!(text.contains("\ncore "), "{text}");
    assert!(text.contains("\nwithout the tag "), "{text}");
    assert!(!text.contains(" ami-"), "{text}");
}

#[test]
fn one_family_is_shown_with_all_reasons() {
    let inventory = inventory(&fleet(3, 4), serde_json::json!([]));
    let policy = Policy::parse(POLICY, "p").unwrap();
    let names = family_names(&plan(&inventory, &policy, inventory.taken_at));
    assert_eq!(names, ["golden · f000", "golden · f001", "golden · f002"]);
    let text = shown(&inventory, POLICY, Rows::Families(vec![names[1].clone()]));
    assert_eq!(text.lines().filter(|line| line.contains(" ami-")).count(), 4, "{text}");
    assert!(text.contains("1st of last 2; 1st of at least 1"), "{text}");
}
