//! The comments of a suggested policy.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::families::{FamilyStats, Kind};
use super::stats::{Measures, Outlook};
use super::text::shown;
use super::write::{SuggestedKeep, SuggestedMatch, SuggestedRetire, SuggestedRule};
use crate::model::Inventory;
use crate::text_fmt::{counted, date};

/// The comments at the top.
pub(super) fn head(inventory: &Inventory, outlook: &Outlook, now: Timestamp) -> Vec<String> {
    let Outlook { images, in_use, matched, expired, refusal, kept: _, notes: _ } = outlook;
    let Inventory { account, region, taken_at, unread, .. } = inventory;
    let mut head = vec![
        format!(
            "A first policy for account {account}, Region {region}, drafted by `image-steward init` from what was \
             there on {}: {} ({in_use} in use), {}.",
            taken_at.strftime("%Y-%m-%d %H:%M UTC"),
            counted(*images, "image"),
            counted(inventory.references.len(), "reference"),
        ),
        format!(
            "Its rules match {matched} of {}. Planned for {}, it finds at most {expired} of them expired: with whom images are shared was not read. Nothing happens to an image before \
             somebody runs `image-steward apply`, or deploys the functions with MODE=apply; an image in use is \
             never touched, whatever stands here.",
            counted(*images, "image"),
            date(now)
        ),
        "Every rule keeps what is in use plus a little. Read it, correct what the names do not tell, and raise or lower \
         the numbers where you know better. Then:"
            .to_owned(),
        "   image-steward validate --policy FILE".to_owned(),
        "   image-steward plan --policy FILE          # what would be done about every image, and why".to_owned(),
        "Each rule: `keep` has the reasons to stay, and one is enough: `last` the newest so many of a family, `within` \
         younger than this, `launched_within` launched not longer ago. What no reason keeps is expired, and retired in \
         steps that can be taken back: `retire` counts from the day it was first found expired (deprecated, disabled, \
         deregistered; its snapshots go so long after that)."
            .to_owned(),
    ];
    if !unread.is_empty() {
        let sources: Vec<String> = unread.iter().map(|one| shown(&one.to_string())).collect();
        head.push(format!(
            "NOT EVERYTHING COULD BE READ: {}. More may be in use than the numbers here say. As long as that is so, \
             every run refuses to remove anything.",
            sources.join("; ")
        ));
    } else if let Some(refusal) = refusal {
        head.push(format!("As things are, a run refuses to remove anything: {refusal}."));
    }
    head
}

/// The comment on what the images of a rule have in common.
pub(super) fn about_families(set: &[FamilyStats]) -> Vec<String> {
    let Some(first) = set.first() else { return Vec::new() };
    let size: usize = set.iter().map(|family| family.size).sum();
    let what = match (&first.kind, set.len()) {
        (Kind::Tag(_, key), 1) => {
            format!("Images tagged {} = {}", shown(key), shown(&first.value))
        }
        (Kind::Name, 1) => {
            format!("Images named {} and a number, date or version", shown(&first.value))
        }
        (Kind::Tag(_, key), several) => {
            format!(
                "{several} smaller families, {size} images, told apart by the tag {}",
                shown(key)
            )
        }
        (Kind::Name, several) => {
            format!("{several} smaller families, {size} images, told apart by their names")
        }
    };
    let caution = if set.iter().any(|family| family.is_mixed) {
        " Their names differ in more than that: if they do not all replace one another, add to group_by."
    } else {
        ""
    };
    vec![format!("{what}.{caution}")]
}

/// The comment on the statistics of a rule, and on what they mean for its numbers.
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
    let mut seen = format!("Seen: {}", counted(*images, "image"));
    if *families > 1 {
        seen += &format!(" in {families} families");
    }
    seen += &format!(
        ", {in_use} in use, made between {} and {} ago",
        counted(*oldest, "day"),
        counted(*newest, "day")
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
        "Nothing that was read uses one of them: is that so?".to_owned()
    } else {
        let mut reach = format!(
            "The oldest in use is {} old; the one furthest back is number {deepest} of its family.",
            counted(*oldest_in_use, "day")
        );
        if deepest_of_most + 2 < *deepest {
            reach += &format!(
                " Nine in ten of those in use are among the newest {deepest_of_most}: `image-steward stale` \
                 lists what holds old ones that nothing seems to need, and `last` could be lower."
            );
        }
        reach
    };
    let SuggestedKeep { last, .. } = &rule.keep;
    let keeps_all =
        last.is_some_and(|last| usize::try_from(last).is_ok_and(|last| last >= *images));
    let all = if keeps_all { " So this rule keeps all of them today." } else { "" };
    vec![format!("{seen} {reach}{all}")]
}

/// The comment above `[safety]`.
pub(super) fn about_safety(references: usize) -> Vec<String> {
    vec![format!(
        "What bounds a run, and these are the careful values. {} seen today; with fewer than a quarter of that, \
         a run takes itself to be in the wrong place, and refuses.",
        match references {
            1 => "1 reference to an image was".to_owned(),
            several => format!("{several} references to images were"),
        }
    )]
}

/// The comment above `[orphans]`.
pub(super) fn orphans() -> Vec<String> {
    vec![
        "Snapshots whose image is gone without our doing are reported, and stay. To delete them, so long after they \
         were found:"
            .to_owned(),
    ]
}

/// The rule of a policy for an account in which no family was found.
pub(super) fn example() -> SuggestedRule {
    SuggestedRule {
        comments: vec![
            "No family was found: no two images have names that differ only in the number, date or version at their \
             end, or a tag in common that names a family. This rule is an example; it matches images named \
             example-…"
                .to_owned(),
            "`match` has the conditions, all of which must hold (name, tags, architecture, platform; globs). `group_by` \
             says which images replace one another: those with the same values, for example \"tag:Family\" or \
             \"name_prefix\"."
                .to_owned(),
        ],
        name: "example".to_owned(),
        matches: SuggestedMatch { name: Some("example-*".to_owned()), ..SuggestedMatch::default() },
        group_by: vec!["name_prefix".to_owned(), "architecture".to_owned()],
        keep: SuggestedKeep {
            last: Some(5),
            within: Some("30d".to_owned()),
            launched_within: Some("90d".to_owned()),
            ..SuggestedKeep::default()
        },
        retire: SuggestedRetire::default(),
    }
}

/// A name for a rule: `wanted` without special characters, with a number where `names` has it
/// already. The name is added to `names`.
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
