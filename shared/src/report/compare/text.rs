//! Formats comparisons as text.

use jiff::Timestamp;

use super::{ChangeKind, FateChange, GoneDifference, GoneUnderOne, PlannedFate, PolicyComparison};
use crate::model::{ImageId, InWords, ProviderWords, join_in_words};
use crate::plan::{Plan, Step, Summary};
use crate::report::compare::SimulationComparison;
use crate::report::price::{Price, Usd, size_and_cost};
use crate::report::style::{OutputStyle, Tone};
use crate::report::{id_and_name, step_words};
use crate::text_fmt::{counted, date, printable, short_age, thousands};

/// The maximum number of images listed per kind of change, unless all are requested.
const MAX_LISTED: usize = 20;

impl ChangeKind {
    /// Returns the heading for policies with these names.
    pub(in crate::report) fn heading(self, new: &str, old: &str) -> String {
        match self {
            Self::KeptToExpired => format!("Kept under {old}, removed under {new}"),
            Self::ExpiredToKept => format!("Removed under {old}, kept under {new}"),
            Self::OtherStep => "Different step or date".to_owned(),
        }
    }

    fn sign(self) -> (char, Tone) {
        match self {
            Self::KeptToExpired => ('-', Tone::Gone),
            Self::ExpiredToKept => ('+', Tone::Back),
            Self::OtherStep => ('~', Tone::Change),
        }
    }
}

impl PlannedFate {
    /// Describes the steps and their dates. A refused plan has no dates.
    pub(in crate::report) fn words(&self, refused: bool, words: &ProviderWords) -> String {
        match self.action {
            "keep" => return "kept".to_owned(),
            "rescue" => return "rescued".to_owned(),
            _ if refused => return "expired".to_owned(),
            _ => {}
        }
        let mut steps = Vec::new();
        if !matches!(self.action, "wait" | "expire") {
            steps.push(format!("{} now", words.step(self.action)));
        }
        if let Some(next) = self.next {
            steps.push(format!("{} from {}", step_words(next.action, words), date(next.at)));
        }
        let is_last = self
            .next
            .is_some_and(|next| matches!(next.action, Step::Deregister | Step::DeleteSnapshots));
        if let Some(at) = self.deregister_at.filter(|_| !is_last) {
            steps.push(format!("{} from {}", words.removal.base, date(at)));
        }
        if steps.is_empty() { "expired".to_owned() } else { steps.join(", ") }
    }

    /// Returns all reasons on one line.
    pub(in crate::report) fn why(&self, words: &ProviderWords) -> String {
        join_in_words(&self.reasons, words, "; ")
    }
}

impl PolicyComparison {
    /// Describes the outcomes under the other policy and under the policy under review.
    pub(in crate::report) fn fates(&self, change: &FateChange, plan: &Plan) -> [String; 2] {
        let words = plan.account.provider().words();
        let old = change.old.words(self.against_refusal.is_some(), words);
        [old, change.new.words(plan.refusal.is_some(), words)]
    }

    /// Returns a sentence with the number of images that each policy removes.
    pub(in crate::report) fn sentence(&self, plan: &Plan) -> String {
        let price = Price::in_region(&plan.region);
        let removed = |summary: &Summary| {
            format!(
                "{} of {}, at most {}",
                thousands(summary.expired_total),
                counted(summary.images, "image"),
                size_and_cost(summary.expired_gib, price.as_ref(), " and ")
            )
        };
        format!(
            "Eventually removed under {}: {}; under {}: {}.",
            printable(&self.policy),
            removed(&plan.summary),
            printable(&self.against),
            removed(&self.against_summary)
        )
    }
}

/// Lists the images whose outcome differs, by kind of change, with the reasons of both policies.
/// `plan` belongs to the policy under review. Long lists are shortened unless `all` is set.
pub fn comparison_text(
    comparison: &PolicyComparison,
    plan: &Plan,
    all: bool,
    style: OutputStyle,
) -> String {
    let (new, old) = (printable(&comparison.policy), printable(&comparison.against));
    let mut text = String::new();
    for (name, refusal) in [(&new, &plan.refusal), (&old, &comparison.against_refusal)] {
        if let Some(refusal) = refusal {
            let line = format!(
                "Refused under {name}: {}.",
                printable(&refusal.in_words(plan.account.provider().words()).to_string())
            );
            style.paragraph(&mut text, 0, &style.tone(Tone::Gone, &line));
        }
    }
    for total in comparison.totals.iter().filter(|total| total.images > 0) {
        if !text.is_empty() {
            text.push('\n');
        }
        let head = format!(
            "{}: {}",
            total.change.heading(&new, &old),
            size_words(total.images, total.gib, total.cost())
        );
        style.paragraph(&mut text, 0, &style.tone(Tone::Heading, &head));
        let listed = if all { usize::MAX } else { MAX_LISTED };
        for change in comparison.of_kind(total.change).take(listed) {
            change_text(&mut text, change, comparison, plan, style);
        }
        let more = total.images.saturating_sub(listed);
        if more > 0 {
            let line = format!("{} more; --all lists them", thousands(more));
            style.paragraph(&mut text, 4, &style.tone(Tone::Quiet, &line));
        }
    }
    if comparison.changes.is_empty() {
        let line = format!("{new} and {old} have the same result for every image.");
        style.paragraph(&mut text, 0, &line);
    }
    text.push('\n');
    let unknown: usize = comparison.totals.iter().map(|total| total.sizes_unknown).sum();
    if unknown > 0 {
        let line = format!("The sizes of {} are unknown.", counted(unknown, "image"));
        style.paragraph(&mut text, 0, &line);
    }
    style.paragraph(&mut text, 0, &comparison.sentence(plan));
    text
}

fn change_text(
    text: &mut String,
    change: &FateChange,
    comparison: &PolicyComparison,
    plan: &Plan,
    style: OutputStyle,
) {
    let (sign, tone) = change.change.sign();
    let [old, new] = comparison.fates(change, plan);
    let what = image_words(&change.image_id, &change.name, change.created_at, plan.planned_at);
    entry(text, sign, tone, &what, style);
    for (side, fate, words) in [("new", &change.new, new), ("old", &change.old, old)] {
        style.paragraph(
            text,
            6,
            &format!("{side}: {words}; {}", printable(&fate.why(plan.account.provider().words()))),
        );
    }
}

/// Lists the images that only one of two policies removes, by policy. Images that do not exist yet
/// are only counted. Long lists are shortened.
pub fn gone_text(comparison: &SimulationComparison, style: OutputStyle) -> String {
    let mut text = String::new();
    let SimulationComparison { gone_under_policy, gone_under_against } = comparison;
    let ours = "Removed by the last day under this policy, but not under the other policy";
    let theirs = "Removed by the last day under the other policy, but not under this policy";
    let other = "the other policy";
    gone_under_text(&mut text, ours, other, ('-', Tone::Gone), gone_under_policy, style);
    gone_under_text(&mut text, theirs, "this policy", ('+', Tone::Back), gone_under_against, style);
    if text.is_empty() {
        let line = "By the last day, both policies have removed the same images.";
        style.paragraph(&mut text, 0, line);
    }
    text
}

fn gone_under_text(
    text: &mut String,
    heading: &str,
    other: &str,
    (sign, tone): (char, Tone),
    gone: &GoneUnderOne,
    style: OutputStyle,
) {
    if gone.images.is_empty() {
        return;
    }
    let (simulated, real): (Vec<&GoneDifference>, Vec<_>) =
        gone.images.iter().partition(|image| image.simulated);
    let size = size_words(gone.images.len(), gone.gib, gone.cost());
    style.paragraph(text, 0, &style.tone(Tone::Heading, &format!("{heading}: {size}")));
    for image in real.iter().take(MAX_LISTED) {
        let age = image.created_at;
        let what = image_words(&image.image_id, &image.name, age, image.deregistered_at);
        let when = date(image.deregistered_at);
        entry(text, sign, tone, &format!("{what}: removed {when}"), style);
        let elsewhere = &image.elsewhere;
        let words = image.image_id.provider().words();
        let why = printable(&elsewhere.why(words));
        style.paragraph(text, 6, &format!("{other}: {}; {why}", elsewhere.words(false, words)));
    }
    let more = real.len().saturating_sub(MAX_LISTED);
    if more > 0 {
        let line = format!("{} more; --format json lists all", thousands(more));
        style.paragraph(text, 4, &style.tone(Tone::Quiet, &line));
    }
    if !simulated.is_empty() {
        let line = format!("{} that do not exist yet", counted(simulated.len(), "image"));
        style.paragraph(text, 4, &style.tone(Tone::Quiet, &line));
    }
    text.push('\n');
}

/// Appends one image, with a sign on a terminal.
fn entry(text: &mut String, sign: char, tone: Tone, what: &str, style: OutputStyle) {
    if !style.is_terminal() {
        style.paragraph(text, 2, what);
        return;
    }
    let mut lines = String::new();
    style.paragraph(&mut lines, 4, what);
    text.push_str(&format!("  {} {}", style.tone(tone, &sign.to_string()), lines.trim_start()));
}

fn image_words(id: &ImageId, name: &str, created_at: Option<Timestamp>, at: Timestamp) -> String {
    let age = created_at.map_or_else(|| "age unknown".to_owned(), |made| short_age(made, at));
    format!("{}, {age}", id_and_name(id, name))
}

fn size_words(images: usize, gib: u64, cost: Option<Usd>) -> String {
    let cost = cost.map(|cost| format!(" and {} a month", cost.about())).unwrap_or_default();
    format!("{}, at most {} GiB{cost}", counted(images, "image"), thousands(gib))
}
