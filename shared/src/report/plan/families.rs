//! Lists the families of a plan, with as many rows each as fit on a screen.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use super::rows::{self, Columns, RowContext};
use super::short::{in_numbers, to_do};
use super::{Rows, short};
use crate::model::ProviderWords;
use crate::plan::reason::Reason;
use crate::plan::{Action, Decision, Next, Plan};
use crate::report::family_name::{BETWEEN, family_name, family_values};
use crate::report::style::Tone;
use crate::text_fmt::{counted, date, printable, thousands};

/// The maximum number of lines of a default plan, including the lines around the families.
const SCREEN: usize = 56;
/// The maximum number of families that one line names.
const MAX_NAMED: usize = 12;

/// A family of a plan, with the images to list.
pub(super) struct FamilyRows<'a> {
    pub(super) name: String,
    /// The name without the rule.
    short_name: String,
    all: Vec<&'a Decision>,
    shown: Vec<&'a Decision>,
}

/// The text for all families.
pub(super) struct FamilyText {
    pub(super) lines: Vec<String>,
    /// The number of images with a due step that have no row.
    pub(super) left_out: usize,
}

/// Returns the families in plan order, with the images that `rows` selects.
pub(super) fn families<'a>(plan: &'a Plan, rows: &Rows) -> Vec<FamilyRows<'a>> {
    let mut places = HashMap::new();
    let mut families: Vec<FamilyRows<'a>> = Vec::new();
    for decision in &plan.decisions {
        let place =
            *places.entry((&decision.rule, &decision.family)).or_insert_with(|| families.len());
        if place == families.len() {
            let name = name_of(decision);
            let short_name = short_name_of(decision).unwrap_or_else(|| name.clone());
            families.push(FamilyRows { name, short_name, all: Vec::new(), shown: Vec::new() });
        }
        let Some(family) = families.get_mut(place) else { continue };
        family.all.push(decision);
        if rows.shows(decision) {
            family.shown.push(decision);
        }
    }
    if let Rows::Families(names) = rows {
        families.retain(|family| names.contains(&family.name));
    }
    families
}

/// Returns the display name of the family that `decision` belongs to.
pub(super) fn name_of(decision: &Decision) -> String {
    match (&decision.rule, &decision.family) {
        (Some(rule), Some(family)) => printable(&family_name(rule, family)),
        (Some(rule), None) => format!("{} · no family", printable(rule)),
        (None, _) => "not covered".to_owned(),
    }
}

/// Returns the display name without the rule; `None` if only the rule is known.
fn short_name_of(decision: &Decision) -> Option<String> {
    let values = family_values(decision.family.as_deref()?);
    (!values.is_empty()).then(|| printable(&values.join(BETWEEN)))
}

/// Formats the families of the plan. `taken` is the number of other lines in the output.
pub(super) fn family_text(
    plan: &Plan,
    rows: &Rows,
    taken: usize,
    context: RowContext<'_>,
) -> FamilyText {
    let families = families(plan, rows);
    if *rows != Rows::Changes {
        let mut lines = Vec::new();
        for family in families.iter().filter(|one| !one.shown.is_empty()) {
            lines.extend(family.lines(usize::MAX, true, context));
            lines.push(String::new());
        }
        return FamilyText { lines, left_out: 0 };
    }
    let room = SCREEN.saturating_sub(taken);
    let alike = alike(&families);
    let without_rows = folded(&families, &alike, &vec![0; alike.len()], context);
    let Some(spare) = room.checked_sub(without_rows.lines.len()) else {
        // There are more families than lines. Show those that free the most storage.
        return largest(&families, alike, room / 2, context);
    };
    let mut limits = limits(&alike, spare);
    loop {
        let text = folded(&families, &alike, &limits, context);
        let largest = limits.iter_mut().max().filter(|limit| **limit > 0);
        match largest {
            // A row took two lines.
            Some(limit) if text.lines.len() > room => *limit -= 1,
            _ => return text,
        }
    }
}

/// Families of one rule with the same changes, in the order of their first occurrence.
type AlikeFamilies<'a, 'b> = Vec<(Alike, Vec<&'b FamilyRows<'a>>)>;

fn alike<'a, 'b>(families: &'b [FamilyRows<'a>]) -> AlikeFamilies<'a, 'b> {
    let mut alike = AlikeFamilies::new();
    let mut places: HashMap<Alike, usize> = HashMap::new();
    for family in families.iter().filter(|one| !one.shown.is_empty()) {
        let key = family.alike();
        let place = *places.entry(key.clone()).or_insert_with(|| alike.len());
        match alike.get_mut(place) {
            Some((_, kin)) => kin.push(family),
            None => alike.push((key, vec![family])),
        }
    }
    alike
}

/// Returns the number of rows per entry, so that the total number of lines does not exceed a limit.
/// Entries get one more row in turn, starting with the largest expired images.
fn limits(alike: &AlikeFamilies<'_, '_>, mut spare: usize) -> Vec<usize> {
    let shown = |kin: &[&FamilyRows<'_>]| kin.first().map_or(0, |first| first.shown.len());
    let mut limits = vec![0; alike.len()];
    let gib =
        |(_, kin): &(Alike, Vec<&FamilyRows<'_>>)| kin.iter().map(|one| one.gib()).sum::<u64>();
    let mut turns: Vec<usize> = (0..alike.len()).collect();
    turns.sort_by_key(|turn| std::cmp::Reverse(alike.get(*turn).map(gib)));
    loop {
        let mut is_full = true;
        for turn in &turns {
            let (Some(limit), Some((_, kin))) = (limits.get_mut(*turn), alike.get(*turn)) else {
                continue;
            };
            let all = shown(kin);
            // The line that counts the other rows is present unless no row or all rows are shown.
            let lines = |limit: usize| limit + usize::from(limit > 0 && limit < all);
            let cost = lines(*limit + 1).saturating_sub(lines(*limit));
            if *limit < all && cost <= spare {
                *limit += 1;
                spare -= cost;
                is_full = false;
            }
        }
        if is_full {
            return limits;
        }
    }
}

/// Formats the families with a limited number of rows each, and combines similar families.
fn folded(
    families: &[FamilyRows<'_>],
    alike: &AlikeFamilies<'_, '_>,
    limits: &[usize],
    context: RowContext<'_>,
) -> FamilyText {
    let mut text = FamilyText { lines: Vec::new(), left_out: 0 };
    write_alike(&mut text, alike, limits, context);
    idle_families(&mut text, families, context);
    text
}

/// Formats at most `most` families, without rows, starting with the largest expired images.
fn largest(
    families: &[FamilyRows<'_>],
    mut alike: AlikeFamilies<'_, '_>,
    most: usize,
    context: RowContext<'_>,
) -> FamilyText {
    let mut text = FamilyText { lines: Vec::new(), left_out: 0 };
    let gib = |kin: &[&FamilyRows<'_>]| kin.iter().map(|one| one.gib()).sum::<u64>();
    alike.sort_by_key(|(_, kin)| std::cmp::Reverse(gib(kin)));
    let left = alike.split_off(most.min(alike.len()));
    let left: Vec<_> = left.into_iter().flat_map(|(_, kin)| kin).collect();
    write_alike(&mut text, &alike, &vec![0; alike.len()], context);
    if !left.is_empty() {
        let images = left.iter().map(|one| one.shown.len()).sum::<usize>();
        text.left_out += images;
        let (count, images) = (families_counted(left.len()), counted(images, "image"));
        text.paragraph(0, &format!("{count} more, with {images} to change"), context);
        text.lines.push(String::new());
    }
    idle_families(&mut text, families, context);
    text
}

fn write_alike(
    text: &mut FamilyText,
    alike: &AlikeFamilies<'_, '_>,
    limits: &[usize],
    context: RowContext<'_>,
) {
    for ((_, kin), limit) in alike.iter().zip(limits) {
        let [first, others @ ..] = kin.as_slice() else { continue };
        text.lines.extend(first.lines(*limit, false, context));
        let hidden = first.shown.len().saturating_sub(*limit);
        text.left_out += hidden;
        if !others.is_empty() {
            text.left_out += others.iter().map(|one| one.shown.len()).sum::<usize>();
            let names = others.iter().map(|one| one.short_name.clone()).collect();
            let count = families_counted(others.len());
            text.paragraph(2, &format!("{count} with the same changes: {}", named(names)), context);
        }
        text.lines.push(String::new());
    }
}

/// Formats the families without changes, one line per rule.
fn idle_families(text: &mut FamilyText, families: &[FamilyRows<'_>], context: RowContext<'_>) {
    let mut rules: Vec<(&Option<_>, Vec<&FamilyRows<'_>>)> = Vec::new();
    for family in families.iter().filter(|one| one.shown.is_empty()) {
        let Some(first) = family.all.first() else { continue };
        match rules.iter_mut().find(|(rule, _)| **rule == first.rule) {
            Some((_, kin)) => kin.push(family),
            None => rules.push((&first.rule, vec![family])),
        }
    }
    for (rule, kin) in &rules {
        let all = kin.iter().flat_map(|one| &one.all);
        let kinds = all.map(|one| one.reasons.iter().map(Reason::kind).collect());
        let images = counted(kin.iter().map(|one| one.all.len()).sum::<usize>(), "image");
        let reasons = in_numbers(kinds, context.words);
        let line = match (rule, kin.as_slice()) {
            (None, _) => format!("not covered: {images}, all kept: {reasons}"),
            (Some(_), [one]) => format!("{}: {images}, all kept: {reasons}", one.name),
            (Some(rule), kin) => {
                let names = kin.iter().map(|one| one.short_name.clone()).collect();
                let count = families_counted(kin.len());
                let rule = printable(rule);
                format!("{rule}: {count} without changes ({images}): {}", named(names))
            }
        };
        text.paragraph(0, &context.style.tone(Tone::Quiet, &line), context);
    }
    if !rules.is_empty() {
        text.lines.push(String::new());
    }
}

fn families_counted(count: usize) -> String {
    match count {
        1 => "1 family".to_owned(),
        count => format!("{} families", thousands(count)),
    }
}

fn named(names: Vec<String>) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let mut text = names.into_iter().take(MAX_NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _ = write!(text, " and {} more", thousands(more));
    }
    text
}

impl FamilyText {
    fn paragraph(&mut self, indent: usize, text: &str, context: RowContext<'_>) {
        let mut lines = String::new();
        context.style.paragraph(&mut lines, indent, text);
        self.lines.extend(lines.lines().map(str::to_owned));
    }
}

/// The properties that similar families of one rule have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Alike {
    rule: Option<std::sync::Arc<str>>,
    images: usize,
    in_use: usize,
    /// The number of images by action kind, next step and date.
    steps: BTreeMap<(&'static str, String), usize>,
}

/// The action and the date of the next step that all listed images of a family have in common.
struct Common {
    action: &'static str,
    then: Option<(String, String)>,
}

impl FamilyRows<'_> {
    /// Returns the size of the expired images, in GiB.
    fn gib(&self) -> u64 {
        let expired = self.all.iter().filter(|one| !one.action.stays());
        expired.filter_map(|one| one.size_gib).map(u64::from).sum()
    }

    fn alike(&self) -> Alike {
        let mut steps = BTreeMap::new();
        for decision in &self.shown {
            let next = decision
                .next
                .map(|Next { action, at }| format!("{} {}", <&str>::from(action), date(at)));
            *steps.entry((decision.action.kind(), next.unwrap_or_default())).or_insert(0) += 1;
        }
        Alike {
            rule: self.all.first().and_then(|one| one.rule.clone()),
            images: self.all.len(),
            in_use: self.in_use(),
            steps,
        }
    }

    fn in_use(&self) -> usize {
        self.all.iter().filter(|one| one.is_in_use()).count()
    }

    /// Returns what the heading can state for all rows, if they have it in common.
    fn common(&self, context: RowContext<'_>) -> Option<Common> {
        let of = |decision: &Decision| {
            let next = decision.next.filter(|_| !context.refused);
            let then =
                next.map(|Next { action, at }| (short::next_step(decision, action), date(at)));
            (decision.action.kind(), then)
        };
        let mut all = self.shown.iter().map(|one| of(one));
        let (action, then) = all.next()?;
        all.all(|other| other == (action, then.clone())).then_some(Common { action, then })
    }

    /// Returns the heading and at most `limit` rows.
    fn lines(&self, limit: usize, in_full: bool, context: RowContext<'_>) -> Vec<String> {
        let common = self.common(context).filter(|_| !in_full);
        let mut lines = Vec::new();
        let mut heading = String::new();
        let text = context.style.tone(Tone::Heading, &self.heading(common.as_ref(), context.words));
        context.style.paragraph(&mut heading, 0, &text);
        lines.extend(heading.lines().map(str::to_owned));
        let columns = Columns {
            steps: common.is_none(),
            told_steps: false,
            cost: context.style.width().is_none_or(|width| width >= 110),
            all_reasons: in_full,
        };
        let rows: Vec<&Decision> = self.shown.iter().copied().take(limit).collect();
        lines.extend(rows::lines(&rows, columns, context));
        let more = self.shown.len().saturating_sub(limit);
        if more > 0 && limit > 0 {
            lines.push(format!("    {} more", thousands(more)));
        }
        lines
    }

    fn heading(&self, common: Option<&Common>, words: &ProviderWords) -> String {
        let count = |what: fn(&Decision) -> bool| self.all.iter().filter(|one| what(one)).count();
        let mut text = format!("{}: {}", self.name, counted(self.all.len(), "image"));
        let in_use = self.in_use();
        if in_use > 0 {
            let _ = write!(text, ", {} in use", thousands(in_use));
        }
        let kept = count(|one| one.action.stays());
        let back = count(|one| matches!(one.action, Action::Rescue(_)));
        if kept > 0 {
            let _ = write!(text, ", {} kept", thousands(kept));
        }
        if back > 0 {
            let _ = write!(text, " ({} to rescue)", thousands(back));
        }
        let out = self.all.len() - kept;
        match common.filter(|_| out > 0) {
            Some(Common { action, then }) => {
                let _ = write!(text, ", {} {}", thousands(out), to_do(action, words));
                if let Some((step, at)) = then {
                    let joint = if *action == "wait" { "to" } else { "then" };
                    let _ = write!(text, ", {joint} {step} from {at}");
                }
            }
            None if out > 0 => {
                let _ = write!(text, ", {} expired", thousands(out));
            }
            None => {}
        }
        text
    }
}
