//! A plan for people: by family, what happens to each image and why, and the sum of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use jiff::Timestamp;

use super::price::Price;
use super::step_words;
use super::style::{OutputStyle, Tone};
use crate::plan::notes::Note;
use crate::plan::reason::Reason;
use crate::plan::snapshots::{SnapshotAction, SnapshotDecision, SnapshotPlan, SnapshotReason};
use crate::plan::{Action, Decision, Next, Plan, Step, Summary, WHOLE_RULE};
use crate::text_fmt::{counted, minute, printable, short_age, thousands};

/// The maximum number of notes above a plan.
const MAX_NOTES: usize = 20;

/// Which images are listed one by one; the others are only counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Those that are on their way out, or back.
    Changes,
    /// All.
    All,
    /// Those that have a reason of any of these kinds: words of [`Reason::KINDS`].
    WithReasons(Vec<&'static str>),
}

impl Rows {
    /// Whether `decision` is listed.
    pub fn shows(&self, decision: &Decision) -> bool {
        match self {
            Self::Changes => decision.action != Action::Keep,
            Self::All => true,
            Self::WithReasons(words) => {
                decision.reasons.iter().any(|one| words.contains(&one.kind()))
            }
        }
    }
}

/// The plan, what is to be done about the snapshots of images that are gone, the sum of it, and the
/// refusal if there is one. Ids are never broken or cut.
pub fn plan_text(
    plan: &Plan,
    snapshots: Option<&SnapshotPlan>,
    rows: &Rows,
    style: OutputStyle,
) -> String {
    let found = snapshots.map_or(&[][..], |snapshots| &snapshots.decisions);
    if plan.decisions.is_empty() && found.is_empty() && plan.refusal.is_none() {
        return format!(
            "No images in account {}, Region {}. Is that the right account and Region?\n",
            plan.account, plan.region
        );
    }
    let mut text = String::new();
    if !plan.notes.is_empty() && !matches!(rows, Rows::WithReasons(_)) {
        text.push_str(&notes_text(&plan.notes, style));
        text.push('\n');
    }
    if style.is_terminal() && plan.decisions.iter().any(|one| rows.shows(one)) {
        let signs = "Signs: - deregister  ~ deprecate or disable  * mark as expired  . waiting  + rescue  = kept";
        style.paragraph(&mut text, 0, &style.tone(Tone::Quiet, signs));
        text.push('\n');
    }
    for family in families(plan) {
        family_text(&mut text, &family, plan.planned_at, rows, style);
    }
    if !matches!(rows, Rows::WithReasons(_)) {
        snapshots_text(&mut text, found, rows, style);
    }
    if plan.summary.expired_gib > 0 {
        let price = Price::in_region(&plan.region);
        let note = format!(
            "Upper bounds: the sizes are those of the volumes, and snapshots that share blocks are counted in full. {price}."
        );
        style.paragraph(&mut text, 0, &style.tone(Tone::Quiet, &note));
    }
    if !plan.decisions.is_empty() {
        style.paragraph(&mut text, 0, &summary_line(plan));
    }
    if let Some(refusal) = &plan.refusal {
        let refusal = format!("Refused: {}.", printable(&refusal.to_string()));
        style.paragraph(&mut text, 0, &style.tone(Tone::Gone, &refusal));
    }
    text
}

/// What has no effect in the policy and in tags, one a line; nothing when there is none.
pub fn notes_text(notes: &[Note], style: OutputStyle) -> String {
    let mut text = String::new();
    for note in notes.iter().take(MAX_NOTES) {
        style.paragraph(&mut text, 0, &format!("note: {}", printable(&note.to_string())));
    }
    let more = notes.len().saturating_sub(MAX_NOTES);
    if more > 0 {
        let line = format!("note: {} more; --format json has all", thousands(more));
        style.paragraph(&mut text, 0, &line);
    }
    text
}

/// The decisions family by family, in the order in which each comes first. What is in no family
/// lies between others.
fn families(plan: &Plan) -> Vec<Vec<&Decision>> {
    let mut places = HashMap::new();
    let mut families: Vec<Vec<&Decision>> = Vec::new();
    for decision in &plan.decisions {
        let place = *places.entry((&decision.rule, &decision.family)).or_insert(families.len());
        match families.get_mut(place) {
            Some(family) => family.push(decision),
            None => families.push(vec![decision]),
        }
    }
    families
}

fn family_text(
    text: &mut String,
    family: &[&Decision],
    now: Timestamp,
    rows: &Rows,
    style: OutputStyle,
) {
    let (shown, hidden): (Vec<&Decision>, Vec<&Decision>) =
        family.iter().copied().partition(|one| rows.shows(one));
    let Some(first) = family.first() else { return };
    if shown.is_empty() && matches!(rows, Rows::WithReasons(_)) {
        return;
    }
    let title = match (&first.rule, &first.family) {
        (Some(rule), Some(family)) if **family == *WHOLE_RULE => rule.to_string(),
        (Some(rule), Some(family)) => format!("{rule} / {}", printable(family)),
        (Some(rule), None) => format!("{rule} / no family"),
        (None, _) => "no rule matches".to_owned(),
    };
    let count = |what: fn(&Decision) -> bool| family.iter().filter(|one| what(one)).count();
    let kept = count(|one| one.action == Action::Keep);
    let used = count(Decision::is_in_use);
    let mut head = format!(
        "{title}: {}, {} in use, {} kept",
        counted(family.len(), "image"),
        thousands(used),
        thousands(kept)
    );
    let back = count(|one| matches!(one.action, Action::Rescue(_)));
    for (count, words) in [(back, "to rescue"), (family.len() - kept - back, "on their way out")] {
        if count > 0 {
            let _ = write!(head, ", {} {words}", thousands(count));
        }
    }
    style.paragraph(text, 0, &style.tone(Tone::Heading, &head));
    for decision in &shown {
        image_text(text, decision, now, style);
    }
    if !hidden.is_empty() && *rows == Rows::Changes {
        let words = hidden.iter().map(|one| one.reasons.iter().map(Reason::kind).collect());
        let line = format!("{} kept: {}", thousands(hidden.len()), in_numbers(words));
        style.paragraph(text, 2, &style.tone(Tone::Quiet, &line));
    }
    text.push('\n');
}

/// How often each word is said, the most frequent first.
fn in_numbers<'a>(said: impl Iterator<Item = BTreeSet<&'a str>>) -> String {
    let (mut counts, mut several) = (BTreeMap::new(), false);
    for words in said {
        several |= words.len() > 1;
        for word in words {
            *counts.entry(word).or_insert(0) += 1;
        }
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let words: Vec<_> =
        counts.iter().map(|(word, count)| format!("{} {word}", thousands(count))).collect();
    let overlap = if several { " (some for several reasons)" } else { "" };
    format!("{}{overlap}", words.join(", "))
}

/// What is to be done about the snapshots of images that are gone; nothing when there are none.
fn snapshots_text(text: &mut String, found: &[SnapshotDecision], rows: &Rows, style: OutputStyle) {
    if found.is_empty() {
        return;
    }
    let count = |action| found.iter().filter(|one| one.action == action).count();
    let (delete, mark) = (count(SnapshotAction::Delete), count(SnapshotAction::Mark));
    let kept = found.len() - delete - mark;
    let head = format!(
        "snapshots whose image is gone or goes: {}, {delete} to delete, {mark} to mark as orphaned, {kept} kept",
        counted(found.len(), "snapshot")
    );
    style.paragraph(text, 0, &style.tone(Tone::Heading, &head));
    let mut hidden = Vec::new();
    for decision in found {
        let tone = match decision.action {
            SnapshotAction::Keep if *rows != Rows::All => {
                hidden.push(decision);
                continue;
            }
            SnapshotAction::Keep => Tone::Quiet,
            SnapshotAction::Mark => Tone::Change,
            SnapshotAction::Delete => Tone::Gone,
        };
        let why: Vec<_> = decision.reasons.iter().map(ToString::to_string).collect();
        let word = style.tone(tone, decision.action.into());
        let why = printable(&why.join("; "));
        style.paragraph(text, 4, &format!("{} {word}; why: {why}", decision.snapshot_id));
    }
    if !hidden.is_empty() {
        let words = hidden.iter().map(|one| one.reasons.iter().map(SnapshotReason::kind).collect());
        let line = format!("{} kept: {}", thousands(hidden.len()), in_numbers(words));
        style.paragraph(text, 2, &style.tone(Tone::Quiet, &line));
    }
    text.push('\n');
}

fn image_text(text: &mut String, decision: &Decision, now: Timestamp, style: OutputStyle) {
    let Decision { image_id, name, created_at, action, reasons, next, snapshots, .. } = decision;
    let (sign, tone) = match action {
        Action::Keep => ('=', Tone::Quiet),
        Action::Wait => ('.', Tone::Change),
        Action::Expire => ('*', Tone::Change),
        Action::Deprecate { .. } | Action::Disable { .. } => ('~', Tone::Change),
        Action::Deregister { .. } => ('-', Tone::Gone),
        Action::Rescue(_) => ('+', Tone::Back),
    };
    let age = created_at.map_or_else(|| "age unknown".to_owned(), |made| short_age(made, now));
    let word = action.kind();
    let what = format!("{image_id} {}, {age}: {}", printable(name), style.tone(tone, word));
    let why: Vec<_> = reasons.iter().map(|reason| printable(&reason.to_string())).collect();
    let mut more = vec![format!("why: {}", why.join("; "))];
    if let Some(Next { action, at }) = next {
        let what = match (action, &decision.action) {
            (Step::DeleteSnapshots, Action::Deregister { removal }) => {
                let (all, going) = (snapshots.len(), removal.snapshots.len());
                let of = if going < all { format!("{going} of ") } else { String::new() };
                format!("delete {of}its {}", counted(all, "snapshot"))
            }
            (other, _) => step_words(*other).to_owned(),
        };
        more.push(format!("next: {what} from {} on", minute(*at)));
    }
    let sign = match style {
        OutputStyle::Plain => String::new(),
        OutputStyle::Terminal { .. } => format!("{} ", style.tone(tone, &sign.to_string())),
    };
    // One line where there is room for it.
    let line = format!("{what}; {}", more.join("; "));
    if style.has_room_for(4, &line) {
        let _ = writeln!(text, "  {sign}{line}");
        return;
    }
    let mut lines = String::new();
    style.paragraph(&mut lines, 4, &what);
    let _ = write!(text, "  {sign}{}", lines.trim_start());
    for line in more {
        style.paragraph(text, 6, &line);
    }
}

fn summary_line(plan: &Plan) -> String {
    let Summary {
        images,
        in_use,
        keep,
        rescue,
        wait,
        expire,
        deprecate,
        disable,
        deregister,
        deferred,
        snapshots,
        snapshots_gib,
        expired_gib,
        sizes_unknown,
        ..
    } = &plan.summary;
    let price = Price::in_region(&plan.region);
    let cost = |gib: &u64| format!("at most {} GiB, {} a month", thousands(gib), price.of(*gib));
    let mut line = format!(
        "Plan: {}, {} in use: {} kept, {} to rescue, {} waiting, {} to mark as expired, {} to deprecate, {} to \
         disable, {} to deregister with {} ({}).",
        counted(*images, "image"),
        thousands(in_use),
        thousands(keep),
        thousands(rescue),
        thousands(wait),
        thousands(expire),
        thousands(deprecate),
        thousands(disable),
        thousands(deregister),
        counted(*snapshots, "snapshot"),
        cost(snapshots_gib),
    );
    let newly = plan.decisions.iter().filter(|decision| plan.marks(decision)).count();
    if newly > 0 {
        let _ = write!(line, " {} newly found expired.", thousands(newly));
    }
    if *deferred > 0 {
        let _ = write!(line, " {} deferred by a cap.", thousands(deferred));
    }
    let out = wait + expire + deprecate + disable + deregister;
    if out > *deregister {
        let cost = cost(expired_gib);
        let _ = write!(
            line,
            " When all that is on its way out is gone, {} in all: {cost}.",
            thousands(out)
        );
    }
    if *sizes_unknown > 0 {
        let unknown = counted(*sizes_unknown, "snapshot");
        let _ = write!(line, " {unknown} of unknown size are not in these numbers.");
    }
    line
}
