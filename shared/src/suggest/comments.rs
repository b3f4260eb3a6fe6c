//! The comments of a suggested policy.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::families::{FamilyStats, Kind};
use super::launched_within;
use super::stats::{Measures, Outlook};
use super::text::shown;
use super::write::{SuggestedKeep, SuggestedMatch, SuggestedRetire, SuggestedRule};
use crate::model::{InWords, Inventory, Provider, place_of};
use crate::text_fmt::{counted, date};

/// The keys of rules for an AWS account.
const AWS_TERMS: &str = "In each rule, `keep` lists the keep rules. An image is kept if any of them matches it: `last` \
    keeps the newest images of a family, `within` keeps images up to this age, and `launched_within` keeps images that \
    were launched within this time. An image that no keep rule matches is expired. It is retired in steps, each of \
    which can be undone until the image leaves the Recycle Bin. In `retire`, the times to deprecate, disable and \
    deregister count from when a run first found the image expired. The time to delete the snapshots of an image \
    counts from its deregistration.";
/// The keys of rules for an Azure subscription.
const AZURE_TERMS: &str = "In each rule, `keep` lists the keep rules. An image is kept if any of them matches it: \
    `last` keeps the newest images of a family, and `within` keeps images up to this age. An image that no keep rule \
    matches is expired. It is retired in steps. In `retire`, the times to deprecate (set the end-of-life date), disable \
    (exclude from latest) and deregister (delete) count from when a run first found the image expired. A deleted \
    gallery image version can be recovered for as long as the soft delete of its gallery retains it. A managed image \
    has no steps before its deletion, and cannot be recovered.";

/// The comments at the top.
pub(super) fn head(inventory: &Inventory, outlook: &Outlook, now: Timestamp) -> Vec<String> {
    let Outlook { images, in_use, matched, expired, refusal, kept: _, notes: _ } = outlook;
    let Inventory { account, region, taken_at, unread, .. } = inventory;
    let place = place_of(account, region.as_ref());
    let (not_read, terms) = match account.provider() {
        Provider::Aws => ("launch permissions, which were not read", AWS_TERMS),
        Provider::Azure => ("with whom images are shared, which was not read", AZURE_TERMS),
    };
    let mut head = vec![
        format!(
            "A first policy for {place}. `image-steward init` generated it from the \
             inventory of {}: {} ({in_use} in use), {}.",
            taken_at.strftime("%Y-%m-%d %H:%M UTC"),
            counted(*images, "image"),
            counted(inventory.references.len(), "reference"),
        ),
        format!(
            "Its rules match {matched} of {}. On {}, at most {expired} of them are expired. That number ignores \
             {not_read}. No image is changed before you run `image-steward apply` or deploy the functions in apply \
             mode. An image in use is never removed, whatever the policy.",
            counted(*images, "image"),
            date(now)
        ),
        "Every rule keeps the images in use and a few more. Review the policy, correct the families, and adjust the \
         numbers. Then run:"
            .to_owned(),
        "   image-steward validate --policy FILE".to_owned(),
        "   image-steward plan --policy FILE          # shows the action for every image, with reasons".to_owned(),
        terms.to_owned(),
    ];
    if !unread.is_empty() {
        let sources: Vec<String> = unread.iter().map(|one| shown(&one.to_string())).collect();
        head.push(format!(
            "WARNING: SOME SOURCES COULD NOT BE READ: {}. More images may be in use than the numbers here show. Until \
             all sources can be read, every run refuses to remove anything.",
            sources.join("; ")
        ));
    } else if let Some(refusal) = refusal {
        head.push(format!(
            "Currently, every run refuses to remove anything: {}.",
            refusal.in_words(account.provider().words())
        ));
    }
    head
}

/// Creates the comment on what the images of a rule have in common.
pub(super) fn about_families(set: &[FamilyStats]) -> Vec<String> {
    let Some(first) = set.first() else { return Vec::new() };
    let size: usize = set.iter().map(|family| family.size).sum();
    let what = match (&first.kind, set.len()) {
        (Kind::Definition, 1) => {
            format!("Versions of the image definition {}", shown(&first.value))
        }
        (Kind::Definition, several) => {
            format!("{several} smaller families, {size} images, distinguished by image definition")
        }
        (Kind::Tag(_, key), 1) => {
            format!("Images tagged {} = {}", shown(key), shown(&first.value))
        }
        (Kind::Name, 1) => {
            format!(
                "Images whose name is {} followed by a number, date or version",
                shown(&first.value)
            )
        }
        (Kind::Tag(_, key), several) => {
            format!(
                "{several} smaller families, {size} images, distinguished by the tag {}",
                shown(key)
            )
        }
        (Kind::Name, several) => {
            format!("{several} smaller families, {size} images, distinguished by their names")
        }
    };
    let caution = if set.iter().any(|family| family.is_mixed) {
        " Their names differ in other ways too. If the images do not all replace one another, add a key to group_by."
    } else {
        ""
    };
    vec![format!("{what}.{caution}")]
}

/// Creates the comment on the statistics of a rule and their meaning for its numbers.
pub(super) fn about_rule(rule: &SuggestedRule, measures: &Measures) -> Vec<String> {
    let Measures {
        images,
        families,
        in_use,
        deepest,
        deepest_of_most,
        oldest_in_use,
        newest,
        oldest,
        interval,
    } = measures;
    let mut seen = format!("Found: {}", counted(*images, "image"));
    if *families > 1 {
        seen += &format!(" in {families} families");
    }
    seen += &format!(
        ", {in_use} in use, created {} ago",
        match newest == oldest {
            true => counted(*oldest, "day"),
            false => format!("{newest} to {}", counted(*oldest, "day")),
        }
    );
    if let Some(interval) = interval {
        let largest = if *families > 1 { " in the largest family" } else { "" };
        seen += &match interval {
            often if *often < 0.5 => format!(", several a day{largest}"),
            often if *often < 1.5 => format!(", about one a day{largest}"),
            seldom => format!(", one about every {seldom:.0} days{largest}"),
        };
    }
    seen += ".";
    let reach = if *in_use == 0 {
        "No reference to them was found. Check whether this is correct.".to_owned()
    } else {
        let mut reach = format!(
            "The oldest image in use is {} old. The lowest-ranked image in use is number {deepest} in its family.",
            counted(*oldest_in_use, "day")
        );
        if deepest_of_most + 2 < *deepest {
            reach += &format!(
                " Nine out of ten images in use are among the newest {deepest_of_most}. `image-steward stale` lists \
                 references to old images that nothing seems to need; without them, `last` could be lower."
            );
        }
        reach
    };
    let SuggestedKeep { last, .. } = &rule.keep;
    let keeps_all =
        last.is_some_and(|last| usize::try_from(last).is_ok_and(|last| last >= *images));
    let all = if keeps_all { " Today, this rule keeps all of them." } else { "" };
    vec![format!("{seen} {reach}{all}")]
}

/// Creates the comment above `[safety]`.
pub(super) fn about_safety(references: usize) -> Vec<String> {
    vec![format!(
        "Limits and checks for each run, with conservative values. The inventory contains {}. A run that finds fewer \
         than a quarter of that number removes nothing.",
        match references {
            1 => "1 reference to an image".to_owned(),
            several => format!("{several} references to images"),
        }
    )]
}

/// Creates the comment above `[orphans]`.
pub(super) fn orphans(provider: Provider) -> Vec<String> {
    let what = match provider {
        Provider::Aws => "snapshots whose image no longer exists and is not in the Recycle Bin",
        Provider::Azure => {
            "snapshots and disks that a state tag attributes to an image that no longer exists"
        }
    };
    vec![format!(
        "Orphans, that is, {what}, are reported and kept. To delete them this long after a run first finds them, \
         uncomment these lines:"
    )]
}

/// Creates the rule for an account in which no family was found.
pub(super) fn example(provider: Provider) -> SuggestedRule {
    let (found, matched, conditions, name, group_by) = match provider {
        Provider::Aws => (
            "No family was found: no two images",
            "images named example-…",
            "name, tags, architecture and platform",
            "example-*",
            ["name_prefix", "architecture"].as_slice(),
        ),
        Provider::Azure => (
            "No family was found: no image definition has two versions, no two images",
            "the versions of the image definition example in the gallery named gallery",
            "name, tags, architecture, platform and os_state",
            "gallery/example/*",
            ["definition"].as_slice(),
        ),
    };
    let by = match provider {
        Provider::Aws => "\"tag:Family\" or \"name_prefix\"",
        Provider::Azure => "\"definition\", \"tag:Family\" or \"name_prefix\"",
    };
    SuggestedRule {
        comments: vec![
            format!(
                "{found} have names that differ only in a trailing number, date or version, and no tag names a \
                 family. This rule is an example. It matches {matched}"
            ),
            format!(
                "`match` lists conditions (globs for {conditions}), all of which an image must meet. `group_by` defines \
                 which images replace one another: those with the same values, for example {by}."
            ),
        ],
        name: "example".to_owned(),
        matches: SuggestedMatch { name: Some(name.to_owned()), ..SuggestedMatch::default() },
        group_by: group_by.iter().map(|by| (*by).to_owned()).collect(),
        keep: SuggestedKeep {
            last: Some(5),
            within: Some("30d".to_owned()),
            launched_within: launched_within(provider),
            ..SuggestedKeep::default()
        },
        retire: SuggestedRetire::default(),
    }
}

/// Returns a name for a rule: `wanted` without special characters, with a number if `names` already
/// contains it. Adds the name to `names`.
pub fn rule_name(wanted: &str, names: &mut BTreeSet<String>) -> String {
    const MAX_LENGTH: usize = 48;
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '/') { c } else { '-' };
    let base: String = wanted.chars().take(MAX_LENGTH).map(plain).collect();
    let base = match base.trim_matches('-') {
        "" => "rule",
        base => base,
    };
    let mut name = base.to_owned();
    let mut number = 1;
    while !names.insert(name.clone()) {
        number += 1;
        name = format!("{base}-{number}");
    }
    name
}
