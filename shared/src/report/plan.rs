//! A plan for people: by family, what happens to each image and why, and the sum of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::look::{Look, Tone};
use super::price::Price;
use super::step_words;
use crate::plan::reason::Reason;
use crate::plan::{Action, Decision, Next, Plan, Step, Summary};
use crate::wording::{many, printable, thousands};

/// Which images are listed one by one; the others are only counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Those that are on their way out, or back.
    Changes,
    /// All.
    All,
    /// Those that have a reason of any of these kinds: words of [`Reason::WORDS`].
    Because(Vec<&'static str>),
}

impl Rows {
    /// Whether `decision` is listed.
    pub fn shows(&self, decision: &Decision) -> bool {
        match self {
            Self::Changes => decision.action != Action::Keep,
            Self::All => true,
            Self::Because(words) => decision.because.iter().any(|one| words.contains(&one.word())),
        }
    }
}

/// The plan, its sum, and the refusal if there is one. Ids are never broken or cut.
pub fn plan_text(plan: &Plan, rows: &Rows, look: Look) -> String {
    if plan.decisions.is_empty() && plan.refusal.is_none() {
        return format!(
            "No images in account {}, Region {}. Is that the right account and Region?\n",
            plan.account, plan.region
        );
    }
    let mut text = String::new();
    if look.is_terminal() && plan.decisions.iter().any(|one| rows.shows(one)) {
        let signs = "Signs: - deregister  ~ deprecate or disable  * newly expired  . waiting  + rescue  = kept\n";
        look.paragraph(&mut text, 0, &look.tone(Tone::Quiet, signs.trim_end()));
        text.push('\n');
    }
    for family in families(plan) {
        family_text(&mut text, family, plan.planned_at, rows, look);
    }
    if !plan.decisions.is_empty() {
        look.paragraph(&mut text, 0, &summary_line(&plan.summary, plan));
        if plan.summary.expired_gib > 0 {
            let price = Price::in_region(&plan.region);
            let note = format!(
                "Upper bounds: the sizes are those of the volumes, and snapshots that share blocks are counted in full. {price}."
            );
            look.paragraph(&mut text, 0, &look.tone(Tone::Quiet, &note));
        }
    }
    if let Some(refusal) = &plan.refusal {
        look.paragraph(&mut text, 0, &look.tone(Tone::Gone, &format!("Refused: {}.", printable(&refusal.to_string()))));
    }
    text
}

/// The decisions family by family: they come in that order.
fn families(plan: &Plan) -> impl Iterator<Item = &[Decision]> {
    plan.decisions.chunk_by(|a, b| a.rule == b.rule && a.group == b.group)
}

fn family_text(text: &mut String, family: &[Decision], now: Timestamp, rows: &Rows, look: Look) {
    let shown: Vec<&Decision> = family.iter().filter(|one| rows.shows(one)).collect();
    let Some(first) = family.first() else { return };
    if shown.is_empty() && matches!(rows, Rows::Because(_)) {
        return;
    }
    let title = match (&first.rule, &first.group) {
        (Some(rule), Some(group)) if **group == *"all" => rule.to_string(),
        (Some(rule), Some(group)) => format!("{rule} / {}", printable(group)),
        (Some(rule), None) => format!("{rule} / no family"),
        (None, _) => "no rule matches".to_owned(),
    };
    let count = |what: fn(&Decision) -> bool| family.iter().filter(|one| what(one)).count();
    let kept = count(|one| one.action == Action::Keep);
    let used = count(is_in_use);
    let mut head = format!("{title}: {}, {used} in use, {kept} kept", many(family.len(), "image"));
    let back = count(|one| matches!(one.action, Action::Rescue(_)));
    for (count, words) in [(back, "to rescue"), (family.len() - kept - back, "on their way out")] {
        if count > 0 {
            let _ = write!(head, ", {count} {words}");
        }
    }
    look.paragraph(text, 0, &look.tone(Tone::Heading, &head));
    for decision in &shown {
        image_text(text, decision, now, look);
    }
    let hidden: Vec<&Decision> = family.iter().filter(|one| !rows.shows(one)).collect();
    if !hidden.is_empty() && *rows == Rows::Changes {
        let line = format!("{} kept: {}", hidden.len(), why_in_numbers(&hidden));
        look.paragraph(text, 2, &look.tone(Tone::Quiet, &line));
    }
    text.push('\n');
}

/// How many of these images have each kind of reason, the most frequent first.
fn why_in_numbers(decisions: &[&Decision]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for decision in decisions {
        let mut words: Vec<&str> = decision.because.iter().map(Reason::word).collect();
        words.sort_unstable();
        words.dedup();
        for word in words {
            *counts.entry(word).or_default() += 1;
        }
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let words: Vec<_> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    words.join(", ")
}

fn is_in_use(decision: &Decision) -> bool {
    decision.because.iter().any(|reason| matches!(reason, Reason::InUse { .. }))
}

fn image_text(text: &mut String, decision: &Decision, now: Timestamp, look: Look) {
    let Decision { image_id, name, created_at, action, because, next, snapshots, .. } = decision;
    let (sign, tone) = match action {
        Action::Keep => ('=', Tone::Quiet),
        Action::Wait => ('.', Tone::Change),
        Action::Expire => ('*', Tone::Change),
        Action::Deprecate { .. } | Action::Disable { .. } => ('~', Tone::Change),
        Action::Deregister { .. } => ('-', Tone::Gone),
        Action::Rescue(_) => ('+', Tone::Back),
    };
    let age = created_at.map_or_else(|| "age unknown".to_owned(), |made| age(made, now));
    let word = action.word();
    let line = format!("{image_id} {}, {age}: {}", printable(name), look.tone(tone, word));
    match look {
        Look::Plain => look.paragraph(text, 2, &line),
        Look::Terminal { .. } => {
            let start = text.len();
            look.paragraph(text, 4, &line);
            text.replace_range(
                start..start + 4,
                &format!("  {} ", look.tone(tone, &sign.to_string())),
            );
        }
    }
    let why: Vec<_> = because.iter().map(|reason| printable(&reason.to_string())).collect();
    look.paragraph(text, 6, &format!("why: {}", why.join("; ")));
    if let Some(Next { action, at }) = next {
        let what = match action {
            Step::DeleteSnapshots => format!("delete its {}", many(snapshots.len(), "snapshot")),
            other => step_words(*other).to_owned(),
        };
        look.paragraph(text, 6, &format!("next: {what} from {} on", minute(*at)));
    }
}

/// A moment to the minute, in UTC.
pub(super) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

fn summary_line(summary: &Summary, plan: &Plan) -> String {
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
    } = summary;
    let price = Price::in_region(&plan.region);
    let mut line = format!(
        "Plan: {}, {keep} kept ({in_use} in use), {rescue} to rescue, {wait} waiting, {expire} newly expired, \
         {deprecate} to deprecate, {disable} to disable, {deregister} to deregister with {} \
         (at most {} GiB, {} a month).",
        many(*images, "image"),
        many(*snapshots, "snapshot"),
        thousands(snapshots_gib),
        price.of(*snapshots_gib),
    );
    if *deferred > 0 {
        let _ = write!(line, " {deferred} deferred by a cap.");
    }
    let out = wait + expire + deprecate + disable + deregister;
    if out > *deregister {
        let _ = write!(
            line,
            " When all that is on its way out is gone, {out} in all: at most {} GiB, {} a month.",
            thousands(expired_gib),
            price.of(*expired_gib),
        );
    }
    line
}

/// The age in whole days, or in hours within the first two days.
pub(super) fn age(made: Timestamp, now: Timestamp) -> String {
    let hours = now.duration_since(made).as_hours();
    if hours < 48 { format!("{hours}h") } else { format!("{}d", hours / 24) }
}
