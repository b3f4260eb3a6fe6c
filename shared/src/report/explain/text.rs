//! An explanation as text.

use std::fmt::Write as _;

use super::{CitedReference, Explanation, Milestone, RuleOutcome, Verdict, When, restore_command};
use crate::collect::{DeleteAfter, Remnant, RemnantLocation, Remnants};
use crate::model::{
    AccountRegion, Image, ImageId, LaunchPermission, Region, ResourceText, Source, TagNames,
    Unread, join_permissions,
};
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan};
use crate::plan::{Action, Next, WHOLE_RULE};
use crate::report::price::Price;
use crate::report::step_words;
use crate::report::style::{OutputStyle, Tone};
use crate::text_fmt::{counted, minute, printable, short_age, thousands};

/// The explanation of an image that exists, for people.
pub fn explanation_text(explanation: &Explanation, style: OutputStyle) -> String {
    let mut page = ExplanationText { text: String::new(), style };
    let name = printable(&explanation.image.name);
    page.title(&format!("{} {name}", explanation.image.image_id));
    page.section("What it is", &what_it_is(explanation));
    page.section("Its family", &[family(explanation)]);
    page.section("What refers to it", &references(explanation));
    page.section("What else makes it untouchable", &untouchable(explanation));
    page.section("The keep rules", &keep_rules(explanation));
    page.section("The decision", &decision(explanation));
    page.section("The steps", &steps(explanation));
    page.commands("To keep it", &explanation.to_keep);
    let back = std::slice::from_ref(&explanation.to_bring_back);
    page.commands("To bring it back, from any step and from the Recycle Bin", back);
    page.text
}

/// What is left of an image that is not in the account, for people.
pub fn gone_text(
    image: &ImageId,
    remnants: &Remnants,
    target: &AccountRegion,
    names: &TagNames,
    plan: &SnapshotPlan,
    style: OutputStyle,
) -> String {
    let mut page = ExplanationText { text: String::new(), style };
    let AccountRegion { account, region } = target;
    page.title(&format!("{image}: not in account {account}, Region {region}"));
    let Remnants { recycled, snapshots, unread } = remnants;
    match recycled {
        Some(bin) => {
            let when = |what: &str, at: Option<jiff::Timestamp>| {
                at.map(|at| format!("{what} {}", minute(at)))
            };
            let mut lines = vec![match bin.name.as_str() {
                "" => "It is in the Recycle Bin.".to_owned(),
                name => format!("It is in the Recycle Bin: {}", printable(name)),
            }];
            lines.extend(when("deregistered", bin.entered_at));
            lines.extend(when("it goes for good", bin.leaves_at));
            page.section("Where it is", &lines);
        }
        None if remnants.is_nothing() => {
            page.section("Where it is", &nowhere(image, region, !unread.is_empty()));
        }
        None => page.section(
            "Where it is",
            &["It is not in the Recycle Bin either, as far as that was read; its snapshots tell of it.".to_owned()],
        ),
    }
    page.section(
        "Its snapshots",
        &snapshots.iter().map(|one| remnant(one, plan)).collect::<Vec<_>>(),
    );
    let unread: Vec<_> = unread.iter().map(not_read).collect();
    page.section("What could not be read", &unread);
    if recycled.is_some() {
        let command = restore_command(image, region, names);
        page.commands("To bring it back, its snapshots first", &[command]);
    } else if snapshots.iter().any(|one| one.place != RemnantLocation::Unknown) {
        page.commands(
            "To bring it back",
            &[
                format!(
                    "{}   keeps its snapshots from being deleted",
                    restore_command(image, region, names)
                ),
                "aws ec2 register-image   makes a new image of them".to_owned(),
            ],
        );
    }
    page.text
}

/// Everything that is said of an image of which nothing is known.
fn nowhere(image: &ImageId, region: &Region, is_unread: bool) -> Vec<String> {
    let mut lines = vec![format!(
        "{image} is neither among the images nor in the Recycle Bin of {region}, and no snapshot names it."
    )];
    lines.push(match is_unread {
        true => "But not everything could be read.".to_owned(),
        false => "Is the id right, and are the account and the Region? Images of other accounts are not looked at.".to_owned(),
    });
    lines
}

fn remnant(remnant: &Remnant, plan: &SnapshotPlan) -> String {
    let Remnant { snapshot_id, place, size_gib, delete_after } = remnant;
    let place = match place {
        RemnantLocation::Here => "is there",
        RemnantLocation::RecycleBin => "is in the Recycle Bin",
        RemnantLocation::Unknown => "was there",
    };
    let mut line = format!("{snapshot_id} {place}");
    if let Some(size) = size_gib {
        let _ = write!(line, ", {size} GiB");
    }
    match plan.decisions.iter().find(|one| one.snapshot_id == *snapshot_id) {
        Some(decision) => {
            let why: Vec<_> = decision.reasons.iter().map(ToString::to_string).collect();
            let what = match decision.action {
                SnapshotAction::Keep => "it stays now",
                SnapshotAction::Mark => "the next run that applies marks it as orphaned",
                SnapshotAction::Delete => "the next run that applies deletes it",
            };
            let _ = write!(line, "; {what}: {}", printable(&why.join("; ")));
        }
        None => {
            if let Some(after) = delete_after {
                let after = match after {
                    DeleteAfter::At(at) => minute(*at),
                    DeleteAfter::Unreadable(text) => printable(text),
                };
                let _ = write!(line, ", may be deleted from {after} on");
            }
        }
    }
    line
}

/// Text under headings.
struct ExplanationText {
    text: String,
    style: OutputStyle,
}

impl ExplanationText {
    fn title(&mut self, title: &str) {
        self.style.paragraph(&mut self.text, 0, &self.style.tone(Tone::Heading, title));
    }

    /// Lines to be copied: they are not wrapped.
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

    /// Nothing, when there are no lines.
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
    let mut kind = format!("an image in state {}", image.state);
    for part in [&image.architecture, &image.platform].into_iter().flatten() {
        let _ = write!(kind, ", {}", printable(part));
    }
    let mut lines = vec![kind];
    lines.push(match image.created_at {
        Some(made) => format!("made {}, {} ago", minute(made), short_age(made, *planned_at)),
        None => "nobody knows when it was made".to_owned(),
    });
    lines.push(match &image.owner_id {
        Some(owner) if owner == account => format!("owned by this account, {account}, in {region}"),
        Some(owner) => format!("owned by account {owner}; this is {account}, {region}"),
        None => format!("owner unknown; this is {account}, {region}"),
    });
    lines.push(sharing(image));
    if let Some(launched) = image.last_launched_at {
        lines.push(format!("last launched {}, as EC2 says", minute(launched)));
    }
    if let Some(instance) = &image.source_instance {
        lines.push(format!("made from {instance}"));
    }
    if let Some(source) = &image.source_image {
        lines.push(format!("made from {source}"));
    }
    let mut gib = 0;
    for (id, size) in snapshots {
        gib += u64::from(size.unwrap_or(0));
        let size = size.map_or_else(|| "size unknown".to_owned(), |size| format!("{size} GiB"));
        lines.push(format!("backed by {id}, {size}"));
    }
    let unknown = snapshots.iter().filter(|(_, size)| size.is_none()).count();
    if gib > 0 {
        let cost = Price::in_region(region).of(gib);
        let unknown = match unknown {
            0 => String::new(),
            count => format!(", without {} of unknown size", counted(count, "snapshot")),
        };
        lines.push(format!("its storage: at most {} GiB, {cost} a month{unknown}", thousands(gib)));
    }
    lines
}

/// With whom the image is shared, if that was read.
fn sharing(image: &Image) -> String {
    match (&image.launch_permissions, &image.launch_permissions_unread) {
        (Some(with), _) if with.is_empty() => "shared with nobody".to_owned(),
        (Some(with), _) => {
            let is_account = |one: &LaunchPermission| matches!(one, LaunchPermission::Account(_));
            let kind = if with.iter().all(is_account) { "account" } else { "grantee" };
            let count = counted(with.len(), kind);
            printable(&format!("shared with {count}: {}", join_permissions(with, ", ")))
        }
        (None, Some(error)) => {
            format!("with whom it is shared could not be read: {}", printable(error))
        }
        (None, None) => "with whom it is shared was not read".to_owned(),
    }
}

fn family(explanation: &Explanation) -> String {
    match (&explanation.decision.rule, &explanation.decision.family, explanation.rank) {
        (Some(rule), Some(family), Some((rank, size))) => {
            let family = match &**family {
                WHOLE_RULE => "all that it matches".to_owned(),
                family => printable(family),
            };
            format!("rule {rule}, {family}: number {rank} of {size}; the newest is number 1")
        }
        (Some(rule), _, _) => format!("rule {rule}, but it has no place in a family there"),
        (None, _, _) => "no rule matches it".to_owned(),
    }
}

fn references(explanation: &Explanation) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for CitedReference { kind, arn, version, name, stale, source } in &explanation.references {
        let stale = if *stale { ", used by no group" } else { "" };
        let source = match source {
            // The other sources are listings.
            Some(Source::ImageReferences) => "EC2 itself was asked".to_owned(),
            Some(source) => format!("found in {source}"),
            None => "found in the inventory".to_owned(),
        };
        let (version, name) = (version.as_deref(), name.as_deref());
        let resource = ResourceText { kind, arn, version, name };
        lines.push(printable(&format!("{resource}{stale} ({source}): {arn}")));
    }
    if lines.is_empty() {
        lines.push("nothing that was read".to_owned());
    }
    lines.extend(explanation.unread.iter().map(not_read));
    lines
}

fn not_read(unread: &Unread) -> String {
    format!("not read: {}", printable(&unread.to_string()))
}

fn untouchable(explanation: &Explanation) -> Vec<String> {
    explanation.untouchable.iter().map(|reason| printable(&reason.to_string())).collect()
}

fn keep_rules(explanation: &Explanation) -> Vec<String> {
    let line = |Verdict { rule, held, by }: &Verdict| {
        let word = match held {
            RuleOutcome::Yes => "holds",
            RuleOutcome::No => "does not hold",
        };
        printable(&format!("{rule}   {word}: {by}"))
    };
    explanation.keep_rules.iter().map(line).collect()
}

fn decision(explanation: &Explanation) -> Vec<String> {
    let decision = &explanation.decision;
    let why: Vec<_> = decision.reasons.iter().map(|one| printable(&one.to_string())).collect();
    let what = match &decision.action {
        Action::Keep => "it is kept",
        Action::Wait => "it is on its way out, and waits",
        Action::Expire => "it is newly expired: the next run that applies marks it",
        Action::Deprecate { .. } => "the next run that applies deprecates it",
        Action::Disable { .. } => "the next run that applies disables it",
        Action::Deregister { .. } => "the next run that applies deregisters it",
        Action::Rescue(_) => {
            "it was on its way out, and is wanted again: the next run that applies takes everything back"
        }
    };
    let mut lines = vec![format!("{what}: {}", why.join("; "))];
    if let Some(since) = decision.expired_at {
        lines.push(format!("expired since {}", minute(since)));
    }
    if let Some(Next { action, at }) = decision.next {
        lines.push(format!("next: {} from {} on", step_words(action), minute(at)));
    }
    if let Some(refusal) = &explanation.refusal {
        lines.push(format!(
            "but nothing at all is removed now: {}",
            printable(&refusal.to_string())
        ));
    }
    lines
}

fn steps(explanation: &Explanation) -> Vec<String> {
    let line = |Milestone { step, after, when }: &Milestone| {
        let when = match when {
            When::Never => "left out by the policy".to_owned(),
            When::Done => "done".to_owned(),
            When::Skipped => "left out: a later step is due".to_owned(),
            When::Now => "now".to_owned(),
            When::Delayed { at } => {
                format!("due since {}, and held back: see the decision", minute(*at))
            }
            When::At { at } => {
                format!("from {} on, unless something keeps it by then", minute(*at))
            }
            When::NoneGo => "none goes: images that stay use them".to_owned(),
            When::TakenBack => "done, and the next run that applies takes it back".to_owned(),
            When::IfItExpires => "if ever it expires".to_owned(),
        };
        format!("{} (after {after}): {when}", step_words(*step))
    };
    explanation.steps.iter().map(line).collect()
}
