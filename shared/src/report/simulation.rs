//! A simulation, and two side by side, as a table for people.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::style::OutputStyle;
use crate::simulate::{Point, Simulation};
use crate::text_fmt::{counted, date, thousands};

/// One simulation: a line a week, and how it ends.
pub fn simulation_text(simulation: &Simulation, style: OutputStyle) -> String {
    let header =
        ["DATE", "IMAGES", "IN USE", "MADE", "EXPIRED", "DISABLED", "GONE", "SNAPSHOTS", "GIB"];
    // Where there is no room for all of them: the first ones go first.
    let dispensable = ["SNAPSHOTS", "DISABLED", "EXPIRED", "MADE", "IN USE"];
    let rows = simulation.points.iter().map(|point| {
        vec![
            date(point.at),
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
    let mut text = table(&header, &dispensable, rows.collect(), style);
    notes(&mut text, LEGEND, simulation, style);
    if let Some(last) = simulation.points.last() {
        let first = simulation.points.first().unwrap_or(last);
        let (days, [images, gib], [images_now, gib_now]) =
            (counted(simulation.days, "day"), size(last), size(first));
        let line = format!(
            "After {days}: {images} images, at most {gib} GiB (now {images_now} and {gib_now})."
        );
        style.paragraph(&mut text, 0, &line);
        held_back(&mut text, simulation, "The caps hold", style);
    }
    text
}

/// Two simulations of one inventory over the same days: the one that is asked about, and the one
/// that it is compared with.
pub fn compared_text(new: &Simulation, old: &Simulation, style: OutputStyle) -> String {
    let header = ["DATE", "MADE", "IMAGES", "AGAINST", "GONE", "AGAINST", "GIB", "AGAINST"];
    let rows = new.points.iter().zip(&old.points).map(|(new, old)| {
        vec![
            date(new.at),
            thousands(new.made),
            thousands(new.images),
            thousands(old.images),
            thousands(new.done.deregistered),
            thousands(old.done.deregistered),
            thousands(new.gib),
            thousands(old.gib),
        ]
    });
    let mut text = table(&header, &["MADE"], rows.collect(), style);
    notes(&mut text, COMPARED_LEGEND, new, style);
    if let (Some(ours), Some(theirs)) = (new.points.last(), old.points.last()) {
        let (days, [ours, our_gib], [theirs, their_gib]) =
            (counted(new.days, "day"), size(ours), size(theirs));
        let line = format!(
            "After {days}: {ours} instead of {theirs} images, at most {our_gib} instead of \
             {their_gib} GiB."
        );
        style.paragraph(&mut text, 0, &line);
        held_back(&mut text, new, "Its caps hold", style);
        held_back(&mut text, old, "The caps of the other policy hold", style);
    }
    text
}

const LEGEND: &str = "IMAGES, IN USE, SNAPSHOTS and GIB are those of that day, before its sweep; the others are since the line above. \
    GONE: images deregistered. SNAPSHOTS: those of images, gone or not. GIB: an upper bound, because snapshots share blocks.";
const COMPARED_LEGEND: &str = "AGAINST: under the other policy. IMAGES and GIB are those of that day, before its sweep; MADE and GONE (images \
    deregistered) are since the line above. GIB is that of the snapshots: an upper bound, because they share blocks.";

/// Writes what the columns mean and what the simulation assumes.
fn notes(text: &mut String, legend: &str, simulation: &Simulation, style: OutputStyle) {
    text.push('\n');
    style.paragraph(text, 0, legend);
    style.paragraph(text, 0, &assumptions(simulation));
}

/// The number of images on that day, and the GiB of their snapshots.
fn size(point: &Point) -> [String; 2] {
    [thousands(point.images), thousands(point.gib)]
}

fn assumptions(simulation: &Simulation) -> String {
    let (growing, still) = (simulation.growing, simulation.still);
    let mut text = format!(
        "{} of {} go on making images as they did lately. What is in use stays in use, and what is new is not used.",
        thousands(growing),
        if growing + still == 1 {
            "1 family".to_owned()
        } else {
            format!("{} families", thousands(growing + still))
        }
    );
    if simulation.sizes_unknown > 0 {
        let unknown = counted(simulation.sizes_unknown, "snapshot");
        text.push_str(&format!(" {unknown} of unknown size are not in the GiB."));
    }
    text
}

/// Says how many images wait for a cap at the end, if any.
fn held_back(text: &mut String, simulation: &Simulation, who: &str, style: OutputStyle) {
    let deferred = simulation.points.last().map_or(0, |last| last.deferred);
    if deferred > 0 {
        let deferred = counted(deferred, "image");
        style.paragraph(text, 0, &format!("{who} {deferred} back on the last day: see [safety]."));
    }
}

/// A table whose first column is a date and whose others are numbers, without so many of the
/// `dispensable` columns that it fits.
fn table(
    header: &[&str],
    dispensable: &[&str],
    rows: Vec<Vec<String>>,
    style: OutputStyle,
) -> String {
    let mut columns: Vec<usize> = (0..header.len()).collect();
    let mut left = dispensable.iter();
    loop {
        let text = table_of(header, &columns, &rows);
        if text.lines().all(|line| style.has_room_for(0, line)) {
            return text;
        }
        let Some(title) = left.next() else { return text };
        columns.retain(|column| header.get(*column) != Some(title));
    }
}

fn table_of(header: &[&str], columns: &[usize], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().filter_map(|column| header.get(*column)));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
        column.set_padding((2, 0));
    }
    if let Some(date) = table.column_mut(0) {
        date.set_padding((0, 0));
    }
    for row in rows {
        table.add_row(columns.iter().filter_map(|column| row.get(*column)));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
