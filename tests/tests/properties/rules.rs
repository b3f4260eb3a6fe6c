//! Random policies, and the images that they keep, computed from the fleet and not from the plan.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use steward::policy::Policy;
use steward_tests::fleet::Fleet;

use super::worlds::{HOUR, ago};

/// The values of a random policy, and the policy.
#[derive(Debug, Clone)]
pub struct Rules {
    pub last: u32,
    pub within_hours: u32,
    pub daily: u32,
    pub weekly: u32,
    pub at_least: u32,
    pub max_per_run: u32,
    pub max_fraction: f64,
    pub grouped: bool,
    pub keeps_shared: bool,
    pub keeps_shared_snapshots: bool,
    pub delete_snapshots_after: SignedDuration,
    pub deletes_orphans: bool,
    pub text: String,
}

impl Rules {
    /// A limit leaves steps for the next run. Some properties are about a run that applies all.
    pub fn lift_caps(&mut self) {
        self.text =
            self.text.replace(&format!("max_per_run = {}", self.max_per_run), "max_per_run = 1000");
        self.text = self
            .text
            .replace(&format!("max_fraction = {:.1}", self.max_fraction), "max_fraction = 1.0");
    }

    pub fn policy(&self) -> Policy {
        Policy::parse(&self.text, "random").unwrap_or_else(|error| panic!("{error}"))
    }
}

/// When an expired image is deprecated, disabled and deregistered, and its snapshots deleted.
const STEPS: [[&str; 3]; 8] = [
    ["0d", "0d", "0d"],
    ["0d", "1d", "7d"],
    ["0d", "7d", "14d"],
    ["1d", "never", "7d"],
    ["never", "1d", "7d"],
    ["never", "0d", "7d"],
    ["never", "never", "0d"],
    ["never", "never", "7d"],
];

pub fn some_rules() -> impl Strategy<Value = Rules> {
    let counts = (0_u32..5, 0_u32..2000, 0_u32..4, 0_u32..4, 0_u32..3);
    let limits = (0_u32..8, prop_oneof![Just(0.0), Just(0.1), Just(0.5), Just(1.0)]);
    let steps = (
        prop::sample::select(&STEPS[..]),
        prop_oneof![Just("0d"), Just("1d"), Just("7d")],
        prop_oneof![Just("keep"), Just("retire")],
        prop_oneof![
            Just(""),
            Just("[orphans]\ndelete_after = \"1d\"\n"),
            Just("[orphans]\ndelete_after = \"7d\"\n")
        ],
        prop_oneof![Just("\"default+latest\""), Just("2"), Just("\"all\"")],
    );
    let of_rule = prop_oneof![Just(None), Just(Some("keep")), Just(Some("retire"))];
    let choices = (any::<bool>(), any::<bool>(), of_rule);
    (counts, limits, choices, steps).prop_map(|(counts, limits, choices, steps)| {
        let (grouped, pinned_by_rule, shared_of_rule) = choices;
        let (last, within_hours, daily, weekly, at_least) = counts;
        let (max_per_run, max_fraction) = limits;
        let ([deprecate, disable, deregister], delete, shared, orphans, versions) = steps;
        let group_by = if grouped { r#"["tag:Family", "architecture"]"# } else { "[]" };
        // The tag keeps an image, whichever table contains it.
        let (rule_tags, safety_tags) =
            if pinned_by_rule { ("Pinned = \"*\"", "") } else { ("", "Pinned = \"*\"") };
        let own_shared =
            shared_of_rule.map(|word| format!("shared_images = \"{word}\"\n")).unwrap_or_default();
        let text = format!(
            "version = 1\ntimezone = \"Europe/Berlin\"\n\
             [[rule]]\nname = \"random\"\ngroup_by = {group_by}\n\
             keep = {{ last = {last}, within = \"{within_hours}h\", daily = {daily}, weekly = {weekly}, at_least = {at_least}, tags = {{ {rule_tags} }} }}\n{own_shared}\
             retire = {{ deprecate_after = \"{deprecate}\", disable_after = \"{disable}\", deregister_after = \"{deregister}\", delete_snapshots_after = \"{delete}\" }}\n\
             [safety]\nmax_per_run = {max_per_run}\nmax_fraction = {max_fraction:.1}\nmin_references = 0\n\
             shared_images = \"{shared}\"\nshared_snapshots = \"{shared}\"\ntemplate_versions = {versions}\n\
             keep_tags = {{ {safety_tags} }}\n{orphans}"
        );
        Rules {
            last,
            within_hours,
            daily,
            weekly,
            at_least,
            max_per_run,
            max_fraction,
            grouped,
            keeps_shared: shared_of_rule.unwrap_or(shared) == "keep",
            keeps_shared_snapshots: shared == "keep",
            delete_snapshots_after: SignedDuration::from_hours(match delete {
                "0d" => 0,
                "1d" => 24,
                _ => 7 * 24,
            }),
            deletes_orphans: !orphans.is_empty(),
            text,
        }
    })
}

/// The ranked images by family, newest first, computed from the fleet.
pub fn families(fleet: &Fleet, rules: &Rules) -> BTreeMap<String, Vec<(Timestamp, String)>> {
    let mut families: BTreeMap<String, Vec<(Timestamp, String)>> = BTreeMap::new();
    for image in &fleet.images {
        if image.state == "available" || image.state == "disabled" {
            let family = if rules.grouped {
                format!("{:?}{}", image.tags.get("Family"), image.architecture)
            } else {
                String::new()
            };
            families
                .entry(family)
                .or_default()
                .push((image.created_at, image.image_id.to_string()));
        }
    }
    for members in families.values_mut() {
        members.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    }
    families
}

/// The images that the rule keeps by rank, age or day, computed from the fleet.
pub fn kept_by_rule(fleet: &Fleet, rules: &Rules) -> BTreeSet<String> {
    let young = ago(i64::from(rules.within_hours) * HOUR);
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let mut kept = BTreeSet::new();
    for members in families(fleet, rules).values() {
        let (mut days, mut weeks) = (BTreeSet::new(), BTreeSet::new());
        for (rank, (created_at, id)) in (1_u32..).zip(members) {
            let date = created_at.to_zoned(zone.clone()).date();
            let day = !days.contains(&date) && days.len() < rules.daily as usize;
            let monday = date.iso_week_date();
            let monday = (monday.year(), monday.week());
            let week = !weeks.contains(&monday) && weeks.len() < rules.weekly as usize;
            if day {
                days.insert(date);
            }
            if week {
                weeks.insert(monday);
            }
            let is_young = rules.within_hours > 0 && *created_at >= young;
            if rank <= rules.last || rank <= rules.at_least || is_young || day || week {
                kept.insert(id.clone());
            }
        }
    }
    kept
}
