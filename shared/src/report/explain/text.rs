//! Formats explanations as text.

use std::fmt::Write as _;

use super::{CitedReference, Explanation, Milestone, RuleOutcome, Verdict, When, restore_command};
use crate::collect::{DeleteAfter, Remnant, RemnantLocation, Remnants};
use crate::model::{
    AccountId, AccountRegion, Capabilities, Disabling, Image, ImageDisk, ImageId, InWords,
    LaunchPermission, Provider, ProviderWords, Recoverability, Region, ResourceText, Source,
    TagNames, Unread, join_in_words, join_permissions, place_of,
};
use crate::plan::reason::Reason;
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan};
use crate::plan::{Action, Next, Step, WHOLE_RULE};
use crate::report::price::Price;
use crate::report::style::{OutputStyle, Tone};
use crate::report::{id_and_name, step_words};
use crate::text_fmt::{counted, minute, printable, short_age, thousands};

/// Formats the explanation of an existing image.
pub fn explanation_text(explanation: &Explanation, style: OutputStyle) -> String {
    let mut page = ExplanationText { text: String::new(), style };
    let Image { image_id, name, .. } = &explanation.image;
    page.title(&id_and_name(image_id, name));
    page.section("Image", &what_it_is(explanation));
    page.section("Family", &[family(explanation)]);
    page.section("References", &references(explanation));
    page.section("Other reasons to keep the image", &untouchable(explanation));
    page.section("Keep rules", &keep_rules(explanation));
    page.section("Decision", &decision(explanation));
    page.section("Retire steps", &steps(explanation));
    page.commands("To keep the image", &explanation.to_keep);
    let back = std::slice::from_ref(&explanation.to_bring_back);
    let words = image_id.provider().words();
    let heading = match explanation.image.capabilities.recovery {
        Recoverability::Unsupported => "To restore the image before its removal".to_owned(),
        Recoverability::ByRules | Recoverability::Days(_) => {
            format!("To restore the image after any step, even {}", words.even_from_bin)
        }
    };
    page.commands(&heading, back);
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
    let words = image.provider().words();
    page.title(&format!("{}: not in {target}", image.short()));
    let Remnants { recycled, snapshots, unread } = remnants;
    match recycled {
        Some(bin) => {
            let when = |what: &str, at: Option<jiff::Timestamp>| {
                at.map(|at| format!("{what} {}", minute(at)))
            };
            let mut lines = vec![match bin.name.as_str() {
                name if name.is_empty() || image.contains_name(name) => words.in_bin.to_owned(),
                name => format!("{}, with the name {}", words.in_bin, printable(name)),
            }];
            lines.extend(when(words.removal.done, bin.entered_at));
            lines.extend(when("permanently deleted", bin.leaves_at));
            page.section("Location", &lines);
        }
        None if remnants.is_nothing() => {
            page.section("Location", &nowhere(image, target, !unread.is_empty()));
        }
        None => page.section(
            "Location",
            &[format!(
                "not found {}; the snapshots below are attributed to it",
                words.gone_as_far_as_read
            )],
        ),
    }
    page.section("Snapshots", &snapshots.iter().map(|one| remnant(one, plan)).collect::<Vec<_>>());
    let unread: Vec<_> = unread.iter().map(|one| printable(&one.to_string())).collect();
    page.section("Sources that could not be read", &unread);
    if recycled.is_some() {
        let command = restore_command(image, region, names);
        let heading = match words.has_snapshots {
            true => "To restore the image and its snapshots",
            false => "To restore the image",
        };
        page.commands(heading, &[command]);
    } else if snapshots.iter().any(|one| one.place != RemnantLocation::Unknown) {
        page.commands(
            "To restore the image",
            &[
                format!(
                    "{}   prevents the deletion of its snapshots",
                    restore_command(image, region, names)
                ),
                format!("{}   creates a new image from the snapshots", words.create_image),
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
    let (ProviderWords { in_bin, check_id, account, .. }, image) =
        (image.provider().words(), image.short());
    let mut lines = vec![format!(
        "{image} is neither in {place} nor {in_bin} there, and no snapshot refers to it."
    )];
    lines.push(match is_unread {
        true => "Some sources could not be read.".to_owned(),
        false => {
            format!("Check the ID{check_id}. Images of other {account}s are not searched.")
        }
    });
    lines
}

fn remnant(remnant: &Remnant, plan: &SnapshotPlan) -> String {
    let Remnant { snapshot_id, place, size_gib, delete_after } = remnant;
    let words = snapshot_id.provider().words();
    let place = match place {
        RemnantLocation::Here => "exists".to_owned(),
        RemnantLocation::RecycleBin => format!("is {}", words.in_bin),
        RemnantLocation::Unknown => "not found, but its tags are still listed".to_owned(),
    };
    let mut line = format!("{} {place}", snapshot_id.short());
    if let Some(size) = size_gib {
        let _ = write!(line, ", {size} GiB");
    }
    match plan.decisions.iter().find(|one| one.snapshot_id == *snapshot_id) {
        Some(decision) => {
            let why = join_in_words(&decision.reasons, words, "; ");
            let what = match decision.action {
                SnapshotAction::Keep => "kept for now",
                SnapshotAction::Mark => {
                    "to be tagged for later deletion by the next run in apply mode"
                }
                SnapshotAction::Delete => "to be deleted by the next run in apply mode",
            };
            let _ = write!(line, "; {what}: {}", printable(&why));
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
    let words = account.provider().words();
    let mut kind = format!("state {}", image.state.in_words(words));
    for part in [&image.architecture, &image.platform].into_iter().flatten() {
        let _ = write!(kind, ", {}", printable(part));
    }
    let mut lines = Vec::new();
    if image.is_specialized_and_shared() {
        lines.push(
            "WARNING: specialized and shared: whoever may launch it can read the credentials and secrets in it"
                .to_owned(),
        );
    }
    lines.push(kind);
    if image.image_id.provider() == Provider::Azure {
        lines.push(format!("ID {}", image.image_id));
    }
    lines.extend(image.definition.as_ref().map(|one| format!("definition {}", printable(one))));
    lines.extend(image.os_state.as_ref().map(|state| printable(state)));
    if image.unconfirmed {
        lines.push("replication not confirmed; takes no place in its family".to_owned());
    }
    lines.push(match image.created_at {
        Some(made) => format!("created {}, {} ago", minute(made), short_age(made, *planned_at)),
        None => "creation time unknown".to_owned(),
    });
    lines.push(match &image.owner_id {
        Some(owner) if owner == account => match region {
            Some(region) => format!("owned by this {}, {account}, in {region}", words.account),
            None => format!("owned by this {}, {account}", words.account),
        },
        Some(owner) => {
            format!("owned by {} {owner}; this is {}", words.account, this_is(account, region))
        }
        None => format!("owner unknown; this is {}", this_is(account, region)),
    });
    lines.push(sharing(image));
    if let Some(launched) = image.last_launched_at {
        lines.push(format!("last launched {}, according to {}", minute(launched), words.service));
    }
    if let Some(instance) = &image.source_instance {
        lines.push(format!("created from {}", instance.short()));
    }
    if let Some(source) = &image.source_image {
        lines.push(format!("created from {}", source.short()));
    }
    lines.extend(
        image.sources.iter().map(|id| format!("created from {}, which remains", id.short())),
    );
    lines.extend(image.disks.iter().map(disk));
    lines.extend(steps_that_exist(image.capabilities));
    let mut gib = 0;
    for (id, size) in snapshots {
        gib += u64::from(size.unwrap_or(0));
        let size = size.map_or_else(|| "size unknown".to_owned(), |size| format!("{size} GiB"));
        lines.push(format!("snapshot {}, {size}", id.short()));
    }
    let (of_disks, disks_unknown) = image.disk_sizes();
    gib += of_disks.map_or(0, u64::from);
    let unknown = snapshots.iter().filter(|(_, size)| size.is_none()).count() + disks_unknown;
    if gib > 0 {
        let price = Price::in_region(region);
        let cost = price.map(|price| format!(", {} a month", price.of(gib))).unwrap_or_default();
        let unknown = match unknown {
            0 => String::new(),
            count => format!(", without {} of unknown size", counted(count, words.size_part)),
        };
        lines.push(format!("storage: at most {} GiB{cost}{unknown}", thousands(gib)));
    }
    lines
}

/// Describes a disk of an image.
fn disk(disk: &ImageDisk) -> String {
    let ImageDisk { lun, size_gib } = disk;
    let size = size_gib.map_or_else(|| "size unknown".to_owned(), |size| format!("{size} GiB"));
    match lun {
        Some(lun) => format!("data disk {lun}, {size}"),
        None => format!("operating system disk, {size}"),
    }
}

/// Lists the steps that exist for an image, unless all of them do.
fn steps_that_exist(capabilities: Capabilities) -> Option<String> {
    if capabilities == Capabilities::default() {
        return None;
    }
    let Capabilities { deprecate, disable, recovery } = capabilities;
    let mut steps = vec!["tag as expired".to_owned()];
    steps.extend(deprecate.then(|| "deprecate".to_owned()));
    steps.extend((disable != Disabling::Unsupported).then(|| "disable".to_owned()));
    let last = match recovery {
        Recoverability::ByRules => "delete".to_owned(),
        Recoverability::Days(days) => {
            format!("delete (recoverable for {})", counted(days, "day"))
        }
        Recoverability::Unsupported => "delete (final)".to_owned(),
    };
    steps.push(last);
    Some(format!("steps that exist for this image: {}", steps.join(", ")))
}

fn this_is(account: &AccountId, region: &Option<Region>) -> String {
    match region {
        Some(region) => format!("{account}, {region}"),
        None => account.to_string(),
    }
}

/// Describes with whom the image is shared, if known.
fn sharing(image: &Image) -> String {
    let ProviderWords { account, permissions, .. } = image.image_id.provider().words();
    match (&image.launch_permissions, &image.launch_permissions_unread) {
        (Some(with), _) if with.is_empty() => "not shared".to_owned(),
        (Some(with), _) => {
            let is_account = |one: &LaunchPermission| matches!(one, LaunchPermission::Account(_));
            let kind = if with.iter().all(is_account) { *account } else { "grantee" };
            let count = counted(with.len(), kind);
            printable(&format!("shared with {count}: {}", join_permissions(with, ", ")))
        }
        (None, Some(error)) => {
            format!("{permissions} could not be read: {}", printable(error))
        }
        (None, None) => format!("{permissions} were not read"),
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
    let service = explanation.account.provider().words().service;
    for CitedReference { kind, arn, version, name, stale, source } in &explanation.references {
        let stale = if *stale { ", stale" } else { "" };
        let source = match source {
            // All other sources are listings.
            Some(Source::ImageReferences) => format!("reported by {service}"),
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
    let words = explanation.account.provider().words();
    let text = |reason: &Reason| printable(&reason.in_words(words).to_string());
    explanation.untouchable.iter().map(text).collect()
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
    let words = explanation.account.provider().words();
    let why = printable(&join_in_words(&decision.reasons, words, "; "));
    let to_be_removed = format!("to be {} by the next run in apply mode", words.removal.done);
    let what = match &decision.action {
        Action::Keep => "kept",
        Action::Wait => "expired, waiting for the next step",
        Action::Expire => "to be tagged as expired by the next run in apply mode",
        Action::Deprecate { .. } => "to be deprecated by the next run in apply mode",
        Action::Disable { .. } => "to be disabled by the next run in apply mode",
        Action::Deregister { .. } => to_be_removed.as_str(),
        Action::Rescue(_) => "kept again, to be rescued by the next run in apply mode",
    };
    let colon = if decision.action == Action::Keep { ":" } else { ";" };
    let mut lines = vec![format!("{what}{colon} {why}")];
    if let Some(since) = decision.expired_at {
        lines.push(format!("expired since {}", minute(since)));
    }
    if let Some(Next { action, at }) = decision.next {
        lines.push(format!("next: {} from {}", step_words(action, words), minute(at)));
    }
    if let Some(refusal) = &explanation.refusal {
        lines.push(format!(
            "nothing is removed, because the plan is refused: {}",
            printable(&refusal.in_words(words).to_string())
        ));
    }
    lines
}

fn steps(explanation: &Explanation) -> Vec<String> {
    let words = explanation.account.provider().words();
    let line = |Milestone { step, after, when: when_is }: &Milestone| {
        let when = match when_is {
            When::Never => "skipped by the policy".to_owned(),
            When::Unsupported => "does not exist for this image".to_owned(),
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
        let means = match step {
            Step::Deprecate => words.deprecate_means,
            Step::Disable => words.disable_means,
            Step::Deregister | Step::DeleteSnapshots => None,
        };
        let means = means.filter(|_| *when_is != When::Unsupported);
        let means = means.map(|means| format!(", that is, {means}")).unwrap_or_default();
        format!("{}{means} (after {after}): {when}", step_words(*step, words))
    };
    explanation.steps.iter().map(line).collect()
}
