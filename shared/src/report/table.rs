//! The plan as a table: image, name, age, group, decision, why, next.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use jiff::Timestamp;

use super::{action_word, step_words};
use crate::plan::reason::Reason;
use crate::plan::{Decision, Plan};

/// The position of the column of reasons.
const WHY: usize = 5;
/// Wide enough for a reason that cites a launch template and its version.
const WHY_WIDTH: u16 = 60;

/// A table with one row for each image. Ids are never broken or cut.
pub fn plan_table(plan: &Plan) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::MAX);
    table.set_header(["IMAGE", "NAME", "AGE", "GROUP", "DECISION", "WHY", "NEXT"]);
    // Reasons may be many; they wrap, and everything else stands on one line.
    if let Some(why) = table.column_mut(WHY) {
        why.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(WHY_WIDTH)));
    }
    for decision in &plan.decisions {
        table.add_row(row(decision, plan.planned_at).map(|cell| printable(&cell)));
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

fn row(decision: &Decision, now: Timestamp) -> [String; 7] {
    let Decision {
        image_id,
        name,
        created_at,
        rule,
        group,
        action,
        because,
        expired_at: _,
        next,
        snapshots: _,
    } = decision;
    let reasons: Vec<_> = because.iter().map(brief).collect();
    let family = match (rule, group) {
        (Some(rule), Some(group)) if **group == *"all" => rule.to_string(),
        (Some(rule), Some(group)) => format!("{rule}/{group}"),
        (Some(rule), None) => rule.to_string(),
        (None, _) => String::new(),
    };
    [
        image_id.to_string(),
        name.to_string(),
        created_at.map(|made| age(made, now)).unwrap_or_default(),
        family,
        action_word(action).to_owned(),
        reasons.join("; "),
        next.map(|next| {
            format!("{} {}", step_words(next.action), next.at.strftime("%Y-%m-%d %H:%MZ"))
        })
        .unwrap_or_default(),
    ]
}

/// Names and tags are other people's text: what would move the cursor is shown as `\u{1b}`.
pub(super) fn printable(text: &str) -> String {
    let shown = |character: char| match character.is_control() {
        true => character.escape_unicode().to_string(),
        false => character.to_string(),
    };
    text.chars().map(shown).collect()
}

/// A reason with the last part of the ARN only: the whole of it is in the JSON.
fn brief(reason: &Reason) -> String {
    match reason {
        Reason::InUse { kind, by, stale } => {
            let holder = by.rsplit_once('/').map_or(&**by, |(_, name)| name);
            let unused = if *stale { ", which no group uses" } else { "" };
            format!("in use: {kind} {holder}{unused}")
        }
        other => other.to_string(),
    }
}

/// The age in whole days, or in hours within the first two days.
pub(super) fn age(made: Timestamp, now: Timestamp) -> String {
    let hours = now.duration_since(made).as_hours();
    if hours < 48 { format!("{hours}h") } else { format!("{}d", hours / 24) }
}
