//! The rows of a plan: one image per line, in columns.

use jiff::Timestamp;

use super::short;
use crate::model::ProviderWords;
use crate::plan::{Action, Decision, Next};
use crate::policy::Policy;
use crate::report::price::Price;
use crate::report::style::{OutputStyle, Tone};
use crate::text_fmt::{date, excerpt_middle, printable, short_age, thousands, width};

/// The width before the ID: an indent, the sign and a space.
const INDENT: usize = 4;
/// Names are not truncated to less than this. Instead, the reasons are moved to the next line.
const MIN_NAME: usize = 12;

/// Reasons longer than this do not shorten the names. They are moved to the next line.
const MAX_REASON: usize = 14;
/// On terminals narrower than this, steps and dates are part of the reasons.
const NARROW: usize = 80;

/// The columns of a list of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    /// The step and the date of the next one, unless the heading states them for all rows.
    pub(super) steps: bool,
    /// The step and date as part of the reasons, if the terminal is too narrow for columns.
    pub(super) told_steps: bool,
    /// The cost of the image's storage.
    pub(super) cost: bool,
    /// All reasons in full, on separate lines if they do not fit.
    pub(super) all_reasons: bool,
}

/// The context that rows need in addition to their decisions.
#[derive(Clone, Copy)]
pub(super) struct RowContext<'a> {
    pub(super) policy: Option<&'a Policy>,
    /// The price; `None` if it is unknown.
    pub(super) price: Option<&'a Price>,
    pub(super) words: &'static ProviderWords,
    pub(super) now: Timestamp,
    /// Whether the plan is refused and therefore has no dates.
    pub(super) refused: bool,
    pub(super) style: OutputStyle,
}

/// Returns the sign of an action and its tone.
pub(super) fn sign(action: &Action) -> (char, Tone) {
    match action {
        Action::Keep => ('=', Tone::Quiet),
        Action::Wait => ('.', Tone::Change),
        Action::Expire => ('*', Tone::Change),
        Action::Deprecate { .. } | Action::Disable { .. } => ('~', Tone::Change),
        Action::Deregister { .. } => ('-', Tone::Gone),
        Action::Rescue(_) => ('+', Tone::Back),
    }
}

/// The cells of one row.
struct Row {
    sign: char,
    tone: Tone,
    id: String,
    name: String,
    age: String,
    size: String,
    cost: String,
    step: &'static str,
    date: String,
    reason: String,
}

impl Row {
    fn of(decision: &Decision, columns: Columns, context: RowContext<'_>) -> Self {
        let (sign, tone) = sign(&decision.action);
        let age = |made| short_age(made, context.now);
        let next = decision.next.filter(|_| !context.refused);
        let size = decision.size_gib.map(u64::from);
        let mut reason = match columns.all_reasons {
            true => {
                let in_full = |reason| short::in_full(reason, decision, context.policy);
                let all = decision.reasons.iter().map(in_full);
                all.chain(short::sharing(decision)).collect::<Vec<_>>().join("; ")
            }
            false => short::reasons(decision, context.policy),
        };
        if columns.told_steps && !decision.action.stays() {
            let then = next.map(|Next { action, at }| {
                format!(", then {} from {}", short::next_step(decision, action), date(at))
            });
            let action = context.words.step(decision.action.kind());
            reason = format!("{action}{}: {reason}", then.unwrap_or_default());
        }
        Self {
            sign,
            tone,
            id: decision.image_id.short().into_owned(),
            name: match decision.image_id.contains_name(&decision.name) {
                true => String::new(),
                false => printable(&decision.name),
            },
            age: decision.created_at.map_or_else(|| "?".to_owned(), age),
            size: size.map_or_else(|| "? GiB".to_owned(), |gib| format!("{} GiB", thousands(gib))),
            cost: match size.zip(context.price) {
                Some((gib, price)) if columns.cost => price.of(gib).to_string(),
                _ => String::new(),
            },
            step: if columns.steps { context.words.step(decision.action.kind()) } else { "" },
            date: match next {
                Some(Next { action, at }) if columns.steps => {
                    format!("{} {}", short::next_step(decision, action), date(at))
                }
                _ => String::new(),
            },
            reason: printable(&reason),
        }
    }
}

/// Formats the rows of these images as aligned lines.
pub(super) fn lines(
    decisions: &[&Decision],
    columns: Columns,
    context: RowContext<'_>,
) -> Vec<String> {
    if columns.steps && context.style.width().is_some_and(|width| width < NARROW) {
        let columns = Columns { steps: false, told_steps: true, ..columns };
        return lines(decisions, columns, context);
    }
    let rows: Vec<Row> = decisions.iter().map(|one| Row::of(one, columns, context)).collect();
    let widest =
        |cell: fn(&Row) -> &str| rows.iter().map(|row| width(cell(row))).max().unwrap_or(0);
    let widths = [
        widest(|row| &row.age),
        widest(|row| &row.size),
        widest(|row| &row.cost),
        widest(|row| row.step),
        widest(|row| &row.date),
    ];
    let id = widest(|row| &row.id);
    let reason = widest(|row| &row.reason).min(MAX_REASON);
    // The remaining width for names. Cells are separated by one space.
    let others: usize = widths.iter().filter(|cell| **cell > 0).map(|cell| cell + 1).sum();
    let taken = INDENT + id + 1 + others;
    let longest = widest(|row| &row.name);
    let name = match context.style.width() {
        // On Azure, names are part of the IDs.
        _ if context.words.has_names_as_ids && longest == 0 => None,
        None => Some(longest),
        Some(all) => {
            let short = all.saturating_sub(taken + 1 + reason).max(MIN_NAME);
            // If the reasons are on separate lines, names get the whole width.
            let apart = all.saturating_sub(taken).max(MIN_NAME);
            Some(longest.min(if columns.all_reasons { apart } else { short }))
        }
    };
    let mut lines = Vec::new();
    for row in rows {
        row.write(&mut lines, id, name, widths, context.style);
    }
    lines
}

impl Row {
    fn write(
        self,
        lines: &mut Vec<String>,
        id: usize,
        name: Option<usize>,
        [age, size, cost, step, date]: [usize; 5],
        style: OutputStyle,
    ) {
        let right = |text: &str, to: usize| format!("{}{text}", " ".repeat(to - width(text)));
        let left = |text: &str, to: usize| format!("{text}{}", " ".repeat(to - width(text)));
        let mut cells = vec![left(&self.id, id)];
        if let Some(name) = name {
            cells.push(left(&excerpt_middle(&self.name, name), name));
        }
        cells.push(right(&self.age, age));
        cells.push(right(&self.size, size));
        if cost > 0 {
            cells.push(right(&self.cost, cost));
        }
        if step > 0 {
            cells.push(left(self.step, step));
        }
        if date > 0 {
            cells.push(left(&self.date, date));
        }
        let line = cells.join(" ");
        let sign = style.tone(self.tone, &self.sign.to_string());
        let whole = format!("{line} {}", self.reason);
        if style.has_room_for(INDENT, &whole) {
            lines.push(format!("  {sign} {}", whole.trim_end()));
            return;
        }
        lines.push(format!("  {sign} {}", line.trim_end()));
        let mut reasons = String::new();
        style.paragraph(&mut reasons, INDENT + 2, &self.reason);
        lines.extend(reasons.lines().map(str::to_owned));
    }
}
