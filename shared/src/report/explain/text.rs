//! Formats explanations as text.

use std::fmt::Write as _;

use super::{CitedReference, Explanation, Milestone, RuleOutcome, Verdict, When, restore_command};
use crate::collect::{DeleteAfter, Remnant, RemnantLocation, Remnants};
use crate::model::{
    AccountId, AccountRegion, Image, ImageId, LaunchPermission, Region, ResourceText, Source,
    TagNames, Unread, join_permissions, place_of,
};
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan};
use crate::plan::{Action, Next, WHOLE_RULE};
use crate::report::price::Price;
use crate::report::step_words;
use crate::report::style::{OutputStyle, Tone};
use crate::text_fmt::{counted, minute, printable, short_age, thousands};

/// Formats the explanation of an existing image.
pub fn explanation_text(explanation: &Explanation, style: OutputStyle) -> String {
    let mut page = ExplanationText { text: String::new(), style };
    let name = printable(&explanation.image.name);
    page.title(&format!("{} {name}", explanation.image.image_id));
    page.section("Image", &what_it_is(explanation));
    page.section("Family", &[family(explanation)]);
    page.section("References", &references(explanation));
    page.section("Other reasons to keep the image", &untouchable(explanation));
    page.section("Keep rules", &keep_rules(explanation));
    page.section("Decision", &decision(explanation));
    page.section("Retire steps", &steps(explanation));
    page.commands("To keep the image", &explanation.to_keep);
    let back = std::slice::from_ref(&explanation.to_bring_back);
    page.commands("To restore the image after any step, even from the Recycle Bin", back);
    page.text
}

/// Formats the remnants of an image that no longer exists.
pub fn gone_text(
    image: &ImageId,
    remnants: &Remnants,
    target: &AccountRegion,
    names: &TagNames,
    plan: &SnapshotPlan,
    style: OutputStyle,
) -> String {
    let mut page = ExplanationText { text: String::new(), style };
    let AccountRegion { account: _, region } = target;
    page.title(&format!("{image}: not in {target}"));
    let Remnants { recycled, snapshots, unread } = remnants;
    match recycled {
        Some(bin) => {
            let when = |what: &str, at: Option<jiff::Timestamp>| {
                at.map(|at| format!("{what} {}", minute(at)))
            };
            let mut lines = vec![match bin.name.as_str() {
                "" => "in the Recycle Bin".to_owned(),
                name => format!("in the Recycle Bin, with the name {}", printable(name)),
            }];
            lines.extend(when("deregistered", bin.entered_at));
            lines.extend(when("permanently deleted", bin.leaves_at));
            page.section("Location", &lines);
        }
        None if remnants.is_nothing() => {
            page.section("Location", &nowhere(image, target, !unread.is_empty()));
        }
        None => page.section(
            "Location",
            &["not found in the account or, as far as it could be read, in the Recycle Bin; the snapshots below are attributed to it"
                .to_owned()],
        ),
    }
    page.section("Snapshots", &snapshots.iter().map(|one| remnant(one, plan)).collect::<Vec<_>>());
    let unread: Vec<_> = unread.iter().map(|one| printable(&one.to_string())).collect();
    page.section("Sources that could not be read", &unread);
    if recycled.is_some() {
        let command = restore_command(image, region, names);
        page.commands("To restore the image and its snapshots", &[command]);
    } else if snapshots.iter().any(|one| one.place != RemnantLocation::Unknown) {
        page.commands(
            "To restore the image",
            &[
                format!(
                    "{}   prevents the deletion of its snapshots",
                    restore_command(image, region, names)
                ),
                "aws ec2 register-image   creates a new image from the snapshots".to_owned(),
            ],
        );
    }
    page.text
}

/// Describes an image that was found nowhere.
fn nowhere(image: &ImageId, target: &AccountRegion, is_unread: bool) -> Vec<String> {
    let place = match &target.region {
        Some(region) => region.to_string(),
        None => place_of(&target.account, None),
    };
    let mut lines = vec![format!(
        "{image} is neither in {place} nor in the Recycle Bin there, and no snapshot refers to it."
    )];
    lines.push(match is_unread {
        true => "Some sources could not be read.".to_owned(),
        false => {
            "Check the ID, the account and the Region. Images of other accounts are not searched."
                .to_owned()
        }
    });
    lines
}

fn remnant(remnant: &Remnant, plan: &SnapshotPlan) -> String {
    let Remnant { snapshot_id, place, size_gib, delete_after } = remnant;
    let place = match place {
        RemnantLocation::Here => "exists",
        RemnantLocation::RecycleBin => "is in the Recycle Bin",
        RemnantLocation::Unknown => "not found, but its tags are still listed",
    };
    let mut line = format!("{snapshot_id} {place}");
    if let Some(size) = size_gib {
        let _ = write!(line, ", {size} GiB");
    }
    match plan.decisions.iter().find(|one| one.snapshot_id == *snapshot_id) {
        Some(decision) => {
            let why: Vec<_> = decision.reasons.iter().map(ToString::to_string).collect();
            let what = match decision.action {
                SnapshotAction::Keep => "kept for now",
                SnapshotAction::Mark => {
                    "to be tagged for later deletion by the next run in apply mode"
                }
                SnapshotAction::Delete => "to be deleted by the next run in apply mode",
            };
            let _ = write!(line, "; {what}: {}", printable(&why.join("; ")));
        }
        None => {
            if let Some(after) = delete_after {
                let after = match after {
                    DeleteAfter::At(at) => minute(*at),
                    DeleteAfter::Unreadable(text) => printable(text),
                };
                let _ = write!(line, ", may be deleted from {after}");
            }
        }
    }
    line
}

/// Text in sections.
struct ExplanationText {
    text: String,
    style: OutputStyle,
}

impl ExplanationText {
    fn title(&mut self, title: &str) {
        self.style.paragraph(&mut self.text, 0, &self.style.tone(Tone::Heading, title));
    }

    /// Appends lines to copy. They are not wrapped.
    fn commands(&mut self, heading: &str, lines: &[String]) {
        self.heading(heading);
        for line in lines {
            OutputStyle::Plain.paragraph(&mut self.text, 2, line);
        }
    }

    fn heading(&mut self, heading: &str) {
        self.text.push('\n');
        self.style.paragraph(&mut self.text, 0, &self.style.tone(Tone::Heading, heading));
    }

    /// Appends a section, unless it has no lines.
    fn section(&mut self, heading: &str, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.heading(heading);
        for line in lines {
            self.style.paragraph(&mut self.text, 2, line);
        }
    }
}

fn what_it_is(explanation: &Explanation) -> Vec<String> {
    let Explanation { image, snapshots, region, account, planned_at, .. } = explanation;
    let mut kind = format!("state {}", image.state);
    for part in [&image.architecture, &image.platform].into_iter().flatten() {
        let _ = write!(kind, ", {}", printable(part));
    }
    let mut lines = vec![kind];
    lines.push(match image.created_at {
        Some(made) => format!("created {}, {} ago", minute(made), short_age(made, *planned_at)),
        None => "creation time unknown".to_owned(),
    });
    lines.push(match &image.owner_id {
        Some(owner) if owner == account => match region {
            Some(region) => format!("owned by this account, {account}, in {region}"),
            None => format!("owned by this subscription, {account}"),
        },
        Some(owner) => format!("owned by account {owner}; this is {}", this_is(account, region)),
        None => format!("owner unknown; this is {}", this_is(account, region)),
    });
    lines.push(sharing(image));
    if let Some(launched) = image.last_launched_at {
        lines.push(format!("last launched {}, according to EC2", minute(launched)));
    }
    if let Some(instance) = &image.source_instance {
        lines.push(format!("created from {instance}"));
    }
    if let Some(source) = &image.source_image {
        lines.push(format!("created from {source}"));
    }
    let mut gib = 0;
    for (id, size) in snapshots {
        gib += u64::from(size.unwrap_or(0));
        let size = size.map_or_else(|| "size unknown".to_owned(), |size| format!("{size} GiB"));
        lines.push(format!("snapshot {id}, {size}"));
    }
    let unknown = snapshots.iter().filter(|(_, size)| size.is_none()).count();
    if gib > 0 {
        let cost = Price::in_region(region).of(gib);
        let unknown = match unknown {
            0 => String::new(),
            count => format!(", without {} of unknown size", counted(count, "snapshot")),
        };
        lines.push(format!("storage: at most {} GiB, {cost} a month{unknown}", thousands(gib)));
    }
    lines
}

fn this_is(account: &AccountId, region: &Option<Region>) -> String {
    match region {
        Some(region) => format!("{account}, {region}"),
        None => account.to_string(),
    }
}

/// Describes with whom the image is shared, if known.
fn sharing(image: &Image) -> String {
    match (&image.launch_permissions, &image.launch_permissions_unread) {
        (Some(with), _) if with.is_empty() => "not shared".to_owned(),
        (Some(with), _) => {
            let is_account = |one: &LaunchPermission| matches!(one, LaunchPermission::Account(_));
            let kind = if with.iter().all(is_account) { "account" } else { "grantee" };
            let count = counted(with.len(), kind);
            printable(&format!("shared with {count}: {}", join_permissions(with, ", ")))
        }
        (None, Some(error)) => {
            format!("launch permissions could not be read: {}", printable(error))
        }
        (None, None) => "launch permissions were not read".to_owned(),
    }
}

fn family(explanation: &Explanation) -> String {
    match (&explanation.decision.rule, &explanation.decision.family, explanation.rank) {
        (Some(rule), Some(family), Some((rank, size))) => {
            let family = match &**family {
                WHOLE_RULE => "all matching images".to_owned(),
                family => printable(family),
            };
            format!("rule {rule}, {family}: number {rank} of {size}; number 1 is the newest")
        }
        (Some(rule), _, _) => format!("rule {rule}, but not ranked in a family"),
        (None, _, _) => "not covered by any rule".to_owned(),
    }
}

fn references(explanation: &Explanation) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for CitedReference { kind, arn, version, name, stale, source } in &explanation.references {
        let stale = if *stale { ", stale" } else { "" };
        let source = match source {
            // All other sources are listings.
            Some(Source::ImageReferences) => "reported by EC2".to_owned(),
            Some(source) => format!("found in {source}"),
            None => "found in the inventory".to_owned(),
        };
        let (version, name) = (version.as_deref(), name.as_deref());
        let resource = ResourceText { kind, arn, version, name };
        lines.push(printable(&format!("{resource}{stale} ({source}): {arn}")));
    }
    if lines.is_empty() {
        lines.push("none found".to_owned());
    }
    lines.extend(explanation.unread.iter().map(not_read));
    lines
}

fn not_read(unread: &Unread) -> String {
    format!("could not be read: {}", printable(&unread.to_string()))
}

fn untouchable(explanation: &Explanation) -> Vec<String> {
    explanation.untouchable.iter().map(|reason| printable(&reason.to_string())).collect()
}

fn keep_rules(explanation: &Explanation) -> Vec<String> {
    let line = |Verdict { rule, held, by }: &Verdict| {
        let word = match held {
            RuleOutcome::Yes => "matches",
            RuleOutcome::No => "does not match",
        };
        printable(&format!("{rule}   {word}: {by}"))
    };
    explanation.keep_rules.iter().map(line).collect()
}

fn decision(explanation: &Explanation) -> Vec<String> {
    let decision = &explanation.decision;
    let why: Vec<_> = decision.reasons.iter().map(|one| printable(&one.to_string())).collect();
    let what = match &decision.action {
        Action::Keep => "kept",
        Action::Wait => "expired, waiting for the next step",
        Action::Expire => "to be tagged as expired by the next run in apply mode",
        Action::Deprecate { .. } => "to be deprecated by the next run in apply mode",
        Action::Disable { .. } => "to be disabled by the next run in apply mode",
        Action::Deregister { .. } => "to be deregistered by the next run in apply mode",
        Action::Rescue(_) => "kept again, to be rescued by the next run in apply mode",
    };
    let colon = if decision.action == Action::Keep { ":" } else { ";" };
    let mut lines = vec![format!("{what}{colon} {}", why.join("; "))];
    if let Some(since) = decision.expired_at {
        lines.push(format!("expired since {}", minute(since)));
    }
    if let Some(Next { action, at }) = decision.next {
        lines.push(format!("next: {} from {}", step_words(action), minute(at)));
    }
    if let Some(refusal) = &explanation.refusal {
        lines.push(format!(
            "nothing is removed, because the plan is refused: {}",
            printable(&refusal.to_string())
        ));
    }
    lines
}

fn steps(explanation: &Explanation) -> Vec<String> {
    let line = |Milestone { step, after, when }: &Milestone| {
        let when = match when {
            When::Never => "skipped by the policy".to_owned(),
            When::Done => "done".to_owned(),
            When::Skipped => "skipped: a later step is due".to_owned(),
            When::Now => "now".to_owned(),
            When::Delayed { at } => {
                format!("due since {}, but delayed; see the decision", minute(*at))
            }
            When::At { at } => {
                format!("from {}, unless the image is kept by then", minute(*at))
            }
            When::NoneGo => "no snapshots to delete: other images use them".to_owned(),
            When::TakenBack => "done, to be undone by the next run in apply mode".to_owned(),
            When::IfItExpires => "if the image expires".to_owned(),
        };
        format!("{} (after {after}): {when}", step_words(*step))
    };
    explanation.steps.iter().map(line).collect()
}
