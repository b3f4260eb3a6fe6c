//! The rows of a plan: one image a line, in columns.

use jiff::Timestamp;

use super::short;
use crate::plan::{Action, Decision, Next};
use crate::policy::Policy;
use crate::report::price::Price;
use crate::report::style::{OutputStyle, Tone};
use crate::text_fmt::{date, excerpt_middle, printable, short_age, thousands, width};

/// The columns before the id: an indent, the sign and a space.
const INDENT: usize = 4;
/// A name is not cut to less than this, but its reasons go to the next line.
const MIN_NAME: usize = 12;

/// Longer reasons than this take nothing from the names: they go to the next line.
const MAX_REASON: usize = 14;
/// On a narrower terminal than this, steps and dates are told with the reasons.
const NARROW: usize = 80;

/// Which columns a list of rows has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    /// The step that is taken, and the date of the next one: not where a heading says it of all.
    pub(super) steps: bool,
    /// The same before the reasons, where there is no room for columns.
    pub(super) told_steps: bool,
    /// What the image's storage costs.
    pub(super) cost: bool,
    /// All reasons in full, on lines of their own where there is no room.
    pub(super) all_reasons: bool,
}

/// What rows need beside their decisions.
#[derive(Clone, Copy)]
pub(super) struct RowContext<'a> {
    pub(super) policy: Option<&'a Policy>,
    pub(super) price: &'a Price,
    pub(super) now: Timestamp,
    /// Whether the plan is refused: it then has no dates.
    pub(super) refused: bool,
    pub(super) style: OutputStyle,
}

/// The sign of an action, and its tone.
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
            reason = format!("{}{}: {reason}", decision.action.kind(), then.unwrap_or_default());
        }
        Self {
            sign,
            tone,
            id: decision.image_id.to_string(),
            name: printable(&decision.name),
            age: decision.created_at.map_or_else(|| "?".to_owned(), age),
            size: size.map_or_else(|| "? GiB".to_owned(), |gib| format!("{} GiB", thousands(gib))),
            cost: match size {
                Some(gib) if columns.cost => context.price.of(gib).to_string(),
                _ => String::new(),
            },
            step: if columns.steps { decision.action.kind() } else { "" },
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

/// The rows of these images, aligned; each element is a line.
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
    // What is left for the names, beside cells that are a space apart.
    let others: usize = widths.iter().filter(|cell| **cell > 0).map(|cell| cell + 1).sum();
    let taken = INDENT + id + 1 + others;
    let longest = widest(|row| &row.name);
    let name = match context.style.width() {
        None => longest,
        Some(all) => {
            let short = all.saturating_sub(taken + 1 + reason).max(MIN_NAME);
            // Where the reasons have lines of their own, the names have their room.
            let apart = all.saturating_sub(taken).max(MIN_NAME);
            longest.min(if columns.all_reasons { apart } else { short })
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
        name: usize,
        [age, size, cost, step, date]: [usize; 5],
        style: OutputStyle,
    ) {
        let right = |text: &str, to: usize| format!("{}{text}", " ".repeat(to - width(text)));
        let left = |text: &str, to: usize| format!("{text}{}", " ".repeat(to - width(text)));
        let shown = excerpt_middle(&self.name, name);
        let mut cells = vec![left(&self.id, id), left(&shown, name), right(&self.age, age)];
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
