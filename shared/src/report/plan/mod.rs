//! Formats a plan as text: totals, then images with steps and reasons, then a summary. By default,
//! it fits on a terminal screen.

mod families;
mod rows;
mod short;
mod sums;

use std::fmt::Write as _;

use families::family_text;
use rows::{Columns, RowContext};
use short::in_numbers;
pub(super) use short::reasons as short_reasons;
pub use sums::{GroupSum, SortBy, SumBy, group_sums};

use super::price::{Price, size_and_cost};
use super::style::{OutputStyle, Tone};
use super::{capitalized, specialized_and_shared_text, step_words};
use crate::model::{InWords, join_in_words, place_of};
use crate::plan::notes::Note;
use crate::plan::snapshots::{SnapshotAction, SnapshotDecision, SnapshotPlan, SnapshotReason};
use crate::plan::{Action, Decision, Plan};
use crate::policy::Policy;
use crate::text_fmt::{counted, printable, thousands};

/// The maximum number of notes printed before a plan.
const MAX_NOTES: usize = 20;
/// The maximum number of images in a sorted list, unless all are requested.
const MAX_SORTED: usize = 40;
/// The maximum number of orphaned snapshots listed, unless all are requested.
const MAX_SNAPSHOTS: usize = 5;

/// Which images are listed individually. The others are only counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Images that are expired or to be rescued, as many as fit on a screen.
    Changes,
    /// All images.
    All,
    /// Images of these families, by the names that [`family_names`] returns.
    Families(Vec<String>),
    /// Images with a reason of any of these kinds: words of
    /// [`Reason::KINDS`](crate::plan::reason::Reason::KINDS).
    WithReasons(Vec<&'static str>),
}

impl Rows {
    /// Returns whether `decision` is listed.
    pub fn shows(&self, decision: &Decision) -> bool {
        match self {
            Self::Changes => decision.action != Action::Keep,
            Self::All => true,
            Self::Families(names) => names.contains(&families::name_of(decision)),
            Self::WithReasons(words) => {
                decision.reasons.iter().any(|one| words.contains(&one.kind()))
            }
        }
    }
}

/// What is shown of a plan, and in which order.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The images to list.
    pub rows: Rows,
    /// Lists all images in this order instead of by family.
    pub sort: Option<SortBy>,
    /// Shows a table of totals instead of images.
    pub by: Option<SumBy>,
}

impl From<Rows> for Listing {
    fn from(rows: Rows) -> Self {
        Self { rows, sort: None, by: None }
    }
}

/// Returns the display names of the plan's families, without duplicates.
pub fn family_names(plan: &Plan) -> Vec<String> {
    let mut names: Vec<String> = plan.decisions.iter().map(families::name_of).collect();
    names.sort();
    names.dedup();
    names
}

/// Formats the plan: a refusal and notes, a table by rule, the families, the orphaned snapshots,
/// and a summary. IDs are never wrapped or truncated. With the `policy` of the plan, reasons are
/// more detailed.
pub fn plan_text(
    plan: &Plan,
    snapshots: Option<&SnapshotPlan>,
    policy: Option<&Policy>,
    listing: &Listing,
    style: OutputStyle,
) -> String {
    let found = snapshots.map_or(&[][..], |snapshots| &snapshots.decisions);
    let words = plan.account.provider().words();
    if plan.decisions.is_empty() && found.is_empty() && plan.refusal.is_none() {
        return format!(
            "No images found in {}. Check the {}.\n",
            place_of(&plan.account, plan.region.as_ref()),
            words.check_place,
        );
    }
    let price = Price::in_region(&plan.region);
    let (now, refused) = (plan.planned_at, plan.refusal.is_some());
    let context = RowContext { policy, price: price.as_ref(), words, now, refused, style };
    let Listing { rows, sort, by } = listing;
    let is_excerpt = matches!(rows, Rows::WithReasons(_) | Rows::Families(_));
    let mut text = String::new();
    if let Some(refusal) = &plan.refusal {
        let refusal = format!("Refused: {}.", refusal.in_words(words));
        style.paragraph(&mut text, 0, &style.tone(Tone::Gone, &printable(&refusal)));
        text.push('\n');
    }
    if !is_excerpt {
        style.paragraph(&mut text, 0, &first_line(plan, price.as_ref()));
        text.push('\n');
    }
    if !plan.notes.is_empty() && !is_excerpt {
        text.push_str(&notes_text(&plan.notes, style));
        text.push('\n');
    }
    if !is_excerpt && !plan.decisions.is_empty() {
        let by_rule = SumBy::Rule;
        let table = sums::table(plan, by.as_ref().unwrap_or(&by_rule), *sort, by.is_some(), style);
        text.push_str(&table);
        text.push('\n');
        let headlines = [
            sums::uncovered(plan),
            sums::shared(plan),
            specialized_and_shared_text(plan).map(|text| format!("WARNING: {text}")),
        ];
        let mut headlines = headlines.into_iter().flatten().peekable();
        let is_any = headlines.peek().is_some();
        for headline in headlines {
            style.paragraph(&mut text, 0, &style.tone(Tone::Heading, &headline));
        }
        if is_any {
            text.push('\n');
        }
    }
    let end = end_of(plan, snapshots, rows, context);
    let snapshots = if is_excerpt { String::new() } else { snapshots_text(found, rows, context) };
    match (sort, by) {
        (_, Some(_)) => {}
        (Some(sort), None) => text.push_str(&sorted(plan, *sort, rows, context)),
        (None, None) => {
            let taken = [&text, &snapshots, &end].map(|part| part.lines().count());
            let families = family_text(plan, rows, taken.into_iter().sum::<usize>() + 2, context);
            text.extend(families.lines.iter().map(|line| format!("{line}\n")));
            if families.left_out > 0 {
                let left = format!(
                    "Not listed: {}. Use --all to list all images, or --family FAMILY to list one family.",
                    counted(families.left_out, "expired image")
                );
                style.paragraph(&mut text, 0, &style.tone(Tone::Quiet, &left));
                text.push('\n');
            }
        }
    }
    text + &snapshots + &end
}

/// Returns the account, the number of images and their cost.
fn first_line(plan: &Plan, price: Option<&Price>) -> String {
    let Plan { account, region, summary, .. } = plan;
    let place = match region {
        Some(region) => format!("Account {account}, {region}"),
        None => format!("Subscription {account}"),
    };
    let mut line = format!("{place}: {}", counted(summary.images, "image"));
    if summary.images_gib > 0 {
        let _ = write!(line, ", {}", size_and_cost(summary.images_gib, price, ", "));
    }
    line
}

/// Returns the end of the text: an explanation of the numbers, and the summary.
fn end_of(
    plan: &Plan,
    snapshots: Option<&SnapshotPlan>,
    rows: &Rows,
    context: RowContext<'_>,
) -> String {
    let style = context.style;
    let mut text = String::new();
    if plan.decisions.is_empty() {
        return text;
    }
    if *rows == Rows::All {
        let read = plan.decisions.iter().filter(|one| one.shared_with.is_some()).count();
        if read < plan.decisions.len() {
            let all = counted(plan.decisions.len(), "image");
            let note = format!(
                "{} were read for {} of {all}; use --sharing to read all of them.",
                capitalized(context.words.permissions),
                thousands(read)
            );
            style.paragraph(&mut text, 0, &style.tone(Tone::Quiet, &note));
        }
    }
    if plan.summary.images_gib > 0 {
        let sizes = context.words.sizes;
        let note = match context.price {
            Some(price) => {
                format!("Sizes and costs are upper bounds, based on {sizes} and {price}.")
            }
            None => {
                format!("Sizes are upper bounds for one replica of each image, based on {sizes}.")
            }
        };
        style.paragraph(&mut text, 0, &style.tone(Tone::Quiet, &note));
    }
    style.paragraph(&mut text, 0, &sums::last_sentence(plan, snapshots));
    text
}

/// Sorts decisions by `sort`, then by age and ID.
pub fn sort_decisions(decisions: &mut [&Decision], sort: SortBy) {
    decisions.sort_by(|a, b| {
        let by_age = |one: &Decision| (one.created_at.is_none(), one.created_at);
        let by_size = match sort {
            SortBy::Size => b.size_gib.cmp(&a.size_gib),
            SortBy::Age => std::cmp::Ordering::Equal,
        };
        by_size.then_with(|| by_age(a).cmp(&by_age(b))).then_with(|| a.image_id.cmp(&b.image_id))
    });
}

/// Formats all images as one list.
fn sorted(plan: &Plan, sort: SortBy, rows: &Rows, context: RowContext<'_>) -> String {
    let all = plan.decisions.iter().filter(|one| *rows == Rows::Changes || rows.shows(one));
    let mut all: Vec<&Decision> = all.collect();
    sort_decisions(&mut all, sort);
    let limit = if *rows == Rows::Changes { MAX_SORTED } else { usize::MAX };
    let more = all.len().saturating_sub(limit);
    all.truncate(limit);
    let columns = Columns { steps: false, told_steps: false, cost: true, all_reasons: false };
    let mut text: String =
        rows::lines(&all, columns, context).iter().map(|line| format!("{line}\n")).collect();
    if more > 0 {
        let _ = writeln!(text, "  {} more; --all lists all", counted(more, "image"));
    }
    text.push('\n');
    text
}

/// Lists policy settings and tags that have no effect, one per line. Empty if there are none.
pub fn notes_text(notes: &[Note], style: OutputStyle) -> String {
    let mut text = String::new();
    for note in notes.iter().take(MAX_NOTES) {
        style.paragraph(&mut text, 0, &format!("note: {}", printable(&note.to_string())));
    }
    let more = notes.len().saturating_sub(MAX_NOTES);
    if more > 0 {
        let line = format!("note: {} more; --format json lists all", thousands(more));
        style.paragraph(&mut text, 0, &line);
    }
    text
}

/// Summarizes the changes to orphaned snapshots. Empty if there are none.
fn snapshots_text(found: &[SnapshotDecision], rows: &Rows, context: RowContext<'_>) -> String {
    let RowContext { words, refused, style, .. } = context;
    let mut text = String::new();
    if found.is_empty() {
        return text;
    }
    let count = |action| found.iter().filter(|one| one.action == action).count();
    let (delete, mark) = (count(SnapshotAction::Delete), count(SnapshotAction::Mark));
    let kept = found.iter().filter(|one| one.action == SnapshotAction::Keep);
    let mut parts = Vec::new();
    for (count, what) in [(delete, "to delete"), (mark, "to tag for later deletion")] {
        if count > 0 {
            parts.push(format!("{} {what}", thousands(count)));
        }
    }
    if kept.clone().next().is_some() {
        let count = thousands(kept.clone().count());
        let kinds = kept.map(|one| one.reasons.iter().map(SnapshotReason::kind).collect());
        parts.push(format!("{count} kept ({})", in_numbers(kinds, words)));
    }
    let head = format!("Snapshots of images that are or will be removed: {}", parts.join(", "));
    style.paragraph(&mut text, 0, &style.tone(Tone::Heading, &head));
    let is_listed =
        |one: &&SnapshotDecision| *rows == Rows::All || one.action != SnapshotAction::Keep;
    let limit = if *rows == Rows::All { usize::MAX } else { MAX_SNAPSHOTS };
    // A refused plan has no dates, but the reasons of these snapshots have.
    let listed: Vec<_> = found.iter().filter(|one| !refused && is_listed(one)).collect();
    for decision in listed.iter().take(limit) {
        let (tone, word) = match decision.action {
            SnapshotAction::Keep => (Tone::Quiet, "keep"),
            SnapshotAction::Mark => (Tone::Change, "tag"),
            SnapshotAction::Delete => (Tone::Gone, "delete"),
        };
        let word = style.tone(tone, word);
        let why = printable(&join_in_words(&decision.reasons, words, "; "));
        let id = decision.snapshot_id.short();
        style.paragraph(&mut text, 4, &format!("{id} {word}: {why}"));
    }
    let more = listed.len().saturating_sub(limit);
    if more > 0 {
        let _ = writeln!(text, "    {} more; --all lists all", thousands(more));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
