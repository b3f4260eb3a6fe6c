//! What a person should know about a plan beside its decisions: parts of the policy that have no
//! effect in this inventory, and tags that people wrote and that have none either.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::RuleImages;
use super::matching::{self, Cutoffs};
use crate::model::{
    IgnoredTemplate, Image, ImageId, Inventory, KeepTag, Recyclable, ResourceId, RetentionRule,
    Source, Tags,
};
use crate::policy::{Check, Orphans, Policy, Rule};
use crate::text_fmt::{counted, thousands};

/// A rule with fewer families than this has too few to compare their sizes.
const MIN_FAMILIES: usize = 4;
/// The maximum number of resources that a text names.
const MAX_NAMED: usize = 10;
/// Between two sweeps of the schedule that is deployed.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// Something that a person should know about a plan. It changes no decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// The account owns images of other types, which no policy is about.
    OtherImageTypes {
        /// How many.
        count: u32,
    },
    /// A version of a launch template names its image in a way that cannot be read, and the policy
    /// ignores that.
    TemplateIgnored(IgnoredTemplate),
    /// No image falls under a rule.
    RuleMatchesNothing {
        /// The rule.
        rule: Arc<str>,
        /// How many images it matches that rules above it take.
        taken: usize,
    },
    /// An exception of a rule excepts no image.
    ExceptionMatchesNothing {
        /// The rule.
        rule: Arc<str>,
        /// The exception in the rule: `match.not`, or `match.not.not`.
        path: String,
    },
    /// A tag of `keep.tags` keeps none of the rule's images.
    KeepTagMatchesNothing {
        /// The rule.
        rule: Arc<str>,
        /// The key of the tag.
        key: String,
    },
    /// `safety.pinned` has the id of an image that is not in the inventory.
    PinMatchesNothing {
        /// The id.
        image_id: ImageId,
    },
    /// More than half of a rule's families have one member, which its keep rules probably keep for
    /// ever.
    SingleFamilies {
        /// The rule.
        rule: Arc<str>,
        /// How many families it has.
        families: usize,
        /// How many of them have one member.
        single: usize,
    },
    /// The Recycle Bin does not keep images until their snapshots may be deleted.
    SnapshotsOutlastBin {
        /// The rule with the longest `delete_snapshots_after`.
        rule: Arc<str>,
        /// For how many days the Recycle Bin keeps images.
        days: u32,
    },
    /// A tag is written in other letter case than the one that has an effect.
    TagIgnored {
        /// The key of the tag.
        key: String,
        /// The key that has an effect.
        effective: String,
        /// The images and snapshots that have it, sorted.
        resources: Vec<ResourceId>,
    },
    /// The value of the tag that excludes a resource looks like a date or a duration, and is not a
    /// date: it excludes the resource permanently.
    KeepDateInvalid {
        /// The key of the tag.
        key: String,
        /// The value.
        value: String,
        /// The images and snapshots that have it, sorted.
        resources: Vec<ResourceId>,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherImageTypes { count } => {
                let count = usize::try_from(*count).unwrap_or(usize::MAX);
                write!(f, "{} ignored (kernels or ramdisks)", counted(count, "image"))
            }
            Self::TemplateIgnored(IgnoredTemplate { launch_template, version, image }) => write!(
                f,
                "launch template {launch_template} version {version} names `{image}` as its image, which holds no \
                 image id; ignored by safety.ignore_templates"
            ),
            Self::RuleMatchesNothing { rule, taken: 0 } => {
                write!(f, "rule {rule}: no image matches")
            }
            Self::RuleMatchesNothing { rule, taken } => {
                let images = counted(*taken, "image");
                write!(
                    f,
                    "rule {rule}: the rules above it take everything that it matches ({images})"
                )
            }
            Self::ExceptionMatchesNothing { rule, path } => {
                write!(f, "rule {rule}: {path} excepts no image")
            }
            Self::KeepTagMatchesNothing { rule, key } => {
                write!(f, "rule {rule}: keep.tags.{key} matches none of its images")
            }
            Self::PinMatchesNothing { image_id } => {
                write!(f, "safety.pinned: {image_id} does not exist")
            }
            Self::SingleFamilies { rule, families, single } => write!(
                f,
                "rule {rule}: {} of its {} families have one image, which is probably kept permanently; \
                 check group_by",
                thousands(*single),
                thousands(*families)
            ),
            Self::SnapshotsOutlastBin { rule, days } => write!(
                f,
                "rule {rule}: delete_snapshots_after is too long for the Recycle Bin, which keeps images for {}: when \
                 it ends, their snapshots are orphans and are not deleted; keep images longer, wait less, or let \
                 [orphans] delete",
                counted(usize::try_from(*days).unwrap_or(usize::MAX), "day")
            ),
            Self::TagIgnored { key, effective, resources } => write!(
                f,
                "the tag {key} has no effect (tag keys are case-sensitive; use {effective}); on {}",
                named(resources)
            ),
            Self::KeepDateInvalid { key, value, resources } => write!(
                f,
                "the tag {key} has the value `{value}`, which is not a date such as 2026-12-24, and excludes permanently; on {}",
                named(resources)
            ),
        }
    }
}

/// The first of these resources, and how many more there are.
fn named(resources: &[ResourceId]) -> String {
    let ids: Vec<String> = resources.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    match resources.len().saturating_sub(MAX_NAMED) {
        0 => ids.join(", "),
        more => format!("{} and {} more", ids.join(", "), thousands(more)),
    }
}

/// The notes: on each rule in their order, then on pins and tags.
pub(super) fn of(
    inventory: &Inventory,
    policy: &Policy,
    cutoffs: &[Cutoffs],
    rules: &[RuleImages<'_>],
    now: Timestamp,
) -> Vec<Note> {
    let mut notes = Vec::new();
    if inventory.other_image_types > 0 {
        notes.push(Note::OtherImageTypes { count: inventory.other_image_types });
    }
    notes.extend(inventory.ignored_templates.iter().cloned().map(Note::TemplateIgnored));
    // Where images could not be read, a rule that matches none means nothing.
    if !inventory.unread.iter().any(|unread| *unread.source == *<&str>::from(Source::Images)) {
        for ((rule, cutoffs), images) in policy.rules.iter().zip(cutoffs).zip(rules) {
            about_rule(&mut notes, rule, cutoffs, images, inventory);
        }
        let mut missing: BTreeSet<&ImageId> = policy.safety.pinned.iter().collect();
        for image in &inventory.images {
            missing.remove(&image.image_id);
        }
        let missing = missing.into_iter().cloned();
        notes.extend(missing.map(|image_id| Note::PinMatchesNothing { image_id }));
    }
    notes.extend(about_the_bin(inventory, policy, now));
    about_tags(&mut notes, inventory, policy);
    notes
}

/// Whether the snapshots of an image that is deregistered now become orphans, which the policy does
/// not delete, because the Recycle Bin loses the image before a daily sweep can find them due.
fn about_the_bin(inventory: &Inventory, policy: &Policy, now: Timestamp) -> Option<Note> {
    if policy.safety.recycle_bin == Check::Off || !matches!(policy.orphans, Orphans::Report) {
        return None;
    }
    let of_images = |rule: &&RetentionRule| {
        rule.resource == Recyclable::Images
            && rule.in_effect
            && rule.days >= policy.safety.recycle_bin_days
    };
    let days =
        inventory.retention_rules.iter().flatten().filter(of_images).map(|rule| rule.days).min()?;
    let due = |rule: &Rule| rule.retire.delete_snapshots_after.after(now, &policy.timezone);
    let longest = policy.rules.iter().max_by_key(|rule| due(rule))?;
    let waited = due(longest).duration_since(now) + A_DAY;
    let is_late = waited > SignedDuration::from_hours(24 * i64::from(days));
    is_late.then(|| Note::SnapshotsOutlastBin { rule: longest.name.clone(), days })
}

fn about_rule(
    notes: &mut Vec<Note>,
    rule: &Rule,
    cutoffs: &Cutoffs,
    RuleImages { images, families }: &RuleImages<'_>,
    inventory: &Inventory,
) {
    let name = || rule.name.clone();
    let exceptions = || {
        let idle = matching::idle_exceptions(&rule.matches, cutoffs, &inventory.images);
        idle.into_iter().map(|path| Note::ExceptionMatchesNothing { rule: name(), path })
    };
    if images.is_empty() {
        let matched = inventory.images.iter();
        let taken =
            matched.filter(|image| matching::is_match(&rule.matches, cutoffs, image)).count();
        notes.push(Note::RuleMatchesNothing { rule: name(), taken });
        if taken > 0 {
            notes.extend(exceptions());
        }
        return;
    }
    notes.extend(exceptions());
    for (key, glob) in &rule.keep.tags {
        let has_it = |image: &&Image| image.tags.get(key).is_some_and(|value| glob.is_match(value));
        if !images.iter().any(has_it) {
            notes.push(Note::KeepTagMatchesNothing { rule: name(), key: key.clone() });
        }
    }
    let single = families.sizes().filter(|size| *size == 1).count();
    let families = families.sizes().len();
    if families >= MIN_FAMILIES && single * 2 > families {
        notes.push(Note::SingleFamilies { rule: name(), families, single });
    }
}

/// The tags that people write: whether they are as they must be to have an effect.
fn about_tags(notes: &mut Vec<Note>, inventory: &Inventory, policy: &Policy) {
    let names = &policy.tag_names;
    let mut ignored: BTreeMap<(&str, &str), Vec<ResourceId>> = BTreeMap::new();
    let mut no_dates: BTreeMap<&str, Vec<ResourceId>> = BTreeMap::new();
    // Most resources have no such tag.
    let has_one = |tags: &Tags| {
        let meant = [&names.keep, &names.retire_when_imaged];
        tags.iter().any(|(key, _)| meant.iter().any(|name| name.eq_ignore_ascii_case(key)))
    };
    let images = inventory.images.iter().filter(|one| has_one(&one.tags));
    let images = images.map(|one| (ResourceId::from(&one.image_id), &one.tags));
    let snapshots = inventory.snapshots.iter().filter(|one| has_one(&one.tags));
    let snapshots = snapshots.map(|one| (ResourceId::from(&one.snapshot_id), &one.tags));
    for (resource, tags) in images.chain(snapshots) {
        for (key, effective) in misspelt(tags, [&names.keep, &names.retire_when_imaged]) {
            ignored.entry((key, effective)).or_default().push(resource.clone());
        }
        if let Some(value) = tags.get(&names.keep).filter(|value| KeepTag::is_invalid_date(value)) {
            no_dates.entry(value).or_default().push(resource.clone());
        }
    }
    let sorted = |mut resources: Vec<ResourceId>| {
        resources.sort();
        resources
    };
    notes.extend(ignored.into_iter().map(|((key, effective), resources)| Note::TagIgnored {
        key: key.to_owned(),
        effective: effective.to_owned(),
        resources: sorted(resources),
    }));
    notes.extend(no_dates.into_iter().map(|(value, resources)| Note::KeepDateInvalid {
        key: names.keep.clone(),
        value: value.to_owned(),
        resources: sorted(resources),
    }));
}

/// The keys that differ from one of `effective` only in letter case, each with that one.
fn misspelt<'a>(
    tags: &'a Tags,
    effective: [&'a String; 2],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    tags.iter().flat_map(move |(key, _)| {
        let is_meant = move |name: &&String| *name != key && name.eq_ignore_ascii_case(key);
        effective.into_iter().filter(is_meant).map(move |name| (key, name.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{OutputStyle, Rows, plan_text};

    fn noted(images: &str, unread: &str, policy: &str) -> crate::plan::Plan {
        let inventory = format!(
            r#"{{"account":"123456789012","region":"eu-central-1","taken_at":"2026-11-22T12:00:00Z",
                "images":[{images}],"references":[],"unread":[{unread}]}}"#
        );
        let inventory = Inventory::from_json(&inventory).unwrap_or_else(|error| panic!("{error}"));
        let policy = Policy::parse(&format!("version = 1\n{policy}"), "p").unwrap();
        crate::plan::plan(&inventory, &policy, inventory.taken_at)
    }

    const IMAGE: &str = r#"{"image_id":"ami-1","name":"web-1","state":"available","tags":{"IMAGE-STEWARD:KEEP":""}}"#;
    const POLICY: &str =
        "[[rule]]\nname = \"db\"\nmatch = { name = \"db-*\" }\nkeep = { last = 1 }\n";

    #[test]
    fn notes_stand_above_the_decisions() {
        let plan = noted(IMAGE, "", POLICY);
        let text = plan_text(&plan, None, None, &Rows::Changes.into(), OutputStyle::Plain);
        let lines: Vec<_> = text.lines().take(4).collect();
        assert_eq!(lines[0], "note: rule db: no image matches");
        assert!(lines[1].starts_with("note: the tag IMAGE-STEWARD:KEEP has no effect"), "{text}");
        assert!(lines[1].ends_with("on ami-1") && lines[2].is_empty(), "{text}");
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<crate::plan::Plan>(&json).unwrap(), plan);
    }

    #[test]
    fn a_wait_longer_than_the_recycle_bin_is_noted() {
        let noted_with = |days: u32, after: &str, rest: &str| {
            let rule = |of: &str| {
                format!(r#"{{"rule_id":"{of}","resource":"{of}","days":{days},"in_effect":true}}"#)
            };
            let inventory = format!(
                r#"{{"account":"123456789012","region":"eu-central-1","taken_at":"2026-11-22T12:00:00Z","images":[{IMAGE}],
                    "references":[],"unread":[],"retention_rules":[{},{}]}}"#,
                rule("images"),
                rule("snapshots"),
            );
            let inventory =
                Inventory::from_json(&inventory).unwrap_or_else(|error| panic!("{error}"));
            let policy = format!(
                "version = 1\n[[rule]]\nname = \"all\"\nkeep = {{ last = 1 }}\nretire = {{ delete_snapshots_after = \"{after}\" }}\n{rest}"
            );
            let policy = Policy::parse(&policy, "p").unwrap();
            let plan = crate::plan::plan(&inventory, &policy, inventory.taken_at);
            plan.notes.iter().any(|note| matches!(note, Note::SnapshotsOutlastBin { days: found, .. } if *found == days))
        };
        assert!(noted_with(7, "7d", ""));
        assert!(!noted_with(8, "7d", ""));
        assert!(!noted_with(14, "7d", "") && noted_with(14, "30d", ""));
        assert!(!noted_with(14, "30d", "[orphans]\ndelete_after = \"30d\"\n"));
        assert!(!noted_with(14, "30d", "[safety]\nrecycle_bin = \"optional\"\n"));
        // Such a rule does not count: the run is refused.
        assert!(!noted_with(5, "7d", ""));
    }

    #[test]
    fn where_images_could_not_be_read_nothing_is_said_to_match_nothing() {
        let notes = noted(IMAGE, r#""images""#, POLICY).notes;
        assert!(matches!(notes.as_slice(), [Note::TagIgnored { .. }]), "{notes:?}");
    }

    #[test]
    fn a_text_has_a_limit_and_json_has_all() {
        let pins: Vec<_> = (0..30).map(|number| format!("\"ami-0{number}\"")).collect();
        let policy = format!("{POLICY}[safety]\npinned = [{}]\n", pins.join(", "));
        let plan = noted(IMAGE, "", &policy);
        assert_eq!(plan.notes.len(), 32);
        let text = plan_text(&plan, None, None, &Rows::Changes.into(), OutputStyle::Plain);
        assert!(text.contains("note: 12 more; --format json has all"), "{text}");
    }
}
