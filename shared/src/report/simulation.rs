//! A simulation, and two side by side, as a table for people.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::simulate::{Point, Simulation};
use crate::wording::{many, thousands};

/// One simulation: a line a week, and how it ends.
pub fn simulation_text(simulation: &Simulation) -> String {
    let header =
        ["DATE", "IMAGES", "IN USE", "MADE", "EXPIRED", "DISABLED", "GONE", "SNAPSHOTS", "GIB"];
    let rows = simulation.points.iter().map(|point| {
        [
            date(point),
            thousands(point.images),
            thousands(point.in_use),
            thousands(point.made),
            thousands(point.done.expired),
            thousands(point.done.disabled),
            thousands(point.done.deregistered),
            thousands(point.snapshots),
            thousands(point.gib),
        ]
    });
    let mut text = table(header, rows);
    text.push_str(LEGEND);
    let _ = writeln!(text, "{}", assumptions(simulation));
    if let Some(last) = simulation.points.last() {
        let _ = write!(text, "After {}: {} images", days(simulation.days), thousands(last.images));
        let _ = write!(text, ", at most {} GiB", thousands(last.gib));
        if let Some(first) = simulation.points.first() {
            let _ = write!(text, " (now {} and {})", thousands(first.images), thousands(first.gib));
        }
        text.push_str(".\n");
        text.push_str(&held_back(simulation, "The caps hold"));
    }
    text
}

/// Two simulations of one inventory over the same days: the one that is asked about, and the one
/// that it is compared with.
pub fn compared_text(new: &Simulation, old: &Simulation) -> String {
    let header = ["DATE", "MADE", "IMAGES", "AGAINST", "GONE", "AGAINST", "GIB", "AGAINST"];
    let rows = new.points.iter().zip(&old.points).map(|(new, old)| {
        [
            date(new),
            thousands(new.made),
            thousands(new.images),
            thousands(old.images),
            thousands(new.done.deregistered),
            thousands(old.done.deregistered),
            thousands(new.gib),
            thousands(old.gib),
        ]
    });
    let mut text = table(header, rows);
    text.push_str(COMPARED_LEGEND);
    let _ = writeln!(text, "{}", assumptions(new));
    if let (Some(ours), Some(theirs)) = (new.points.last(), old.points.last()) {
        let _ = writeln!(
            text,
            "After {}: {} instead of {} images, at most {} instead of {} GiB.",
            days(new.days),
            thousands(ours.images),
            thousands(theirs.images),
            thousands(ours.gib),
            thousands(theirs.gib)
        );
        text.push_str(&held_back(new, "Its caps hold"));
        text.push_str(&held_back(old, "The caps of the other policy hold"));
    }
    text
}

// Lines of 80 columns at most, as the tables have.
const LEGEND: &str = "
IMAGES, IN USE, SNAPSHOTS and GIB are those of that day, before its sweep; the
others are since the line above. GONE: images deregistered. SNAPSHOTS: those of
images, gone or not. GIB: an upper bound, because snapshots share blocks.
";
const COMPARED_LEGEND: &str = "
AGAINST: under the other policy. IMAGES and GIB are those of that day, before
its sweep; MADE and GONE (images deregistered) are since the line above. GIB is
that of the snapshots: an upper bound, because they share blocks.
";

fn assumptions(simulation: &Simulation) -> String {
    let (growing, still) = (simulation.growing, simulation.still);
    format!(
        "{} of {} families go on making images as they did lately. What is in use\n\
         stays in use, and what is new is not used.",
        thousands(growing),
        thousands(growing + still)
    )
}

/// Says how many images wait for a cap at the end, if any.
fn held_back(simulation: &Simulation, who: &str) -> String {
    match simulation.points.last().map(|last| last.deferred) {
        None | Some(0) => String::new(),
        Some(deferred) => {
            format!("{who} {} images back on the last day: see [safety].\n", thousands(deferred))
        }
    }
}

/// A table whose first column is a date and whose others are numbers.
fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
        column.set_padding((2, 0));
    }
    if let Some(date) = table.column_mut(0) {
        date.set_padding((0, 0));
    }
    rows.for_each(|row| {
        table.add_row(row);
    });
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn date(point: &Point) -> String {
    point.at.strftime("%Y-%m-%d").to_string()
}

fn days(days: u32) -> String {
    many(usize::try_from(days).unwrap_or(usize::MAX), "day")
}
