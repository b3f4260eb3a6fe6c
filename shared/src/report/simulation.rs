//! Formats one or two simulations as a table.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::compare::{SimulationComparison, gone_text};
use super::price::Price;
use super::style::OutputStyle;
use crate::simulate::{Point, Simulation};
use crate::text_fmt::{counted, date, thousands};

/// Formats a simulation: one line per week, and the final state.
pub fn simulation_text(simulation: &Simulation, style: OutputStyle) -> String {
    let header = [
        "DATE",
        "IMAGES",
        "IN USE",
        "NEW",
        "EXPIRED",
        "DISABLED",
        "DEREG.",
        "SNAPSHOTS",
        "GIB",
        "USD",
    ];
    // SNAPSHOTS, DISABLED, EXPIRED, NEW, IN USE, USD.
    let dispensable = [&[7][..], &[5], &[4], &[3], &[2], &[9]];
    let price = Price::in_region(&simulation.region);
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
            price.of(point.gib).short(),
        ]
    });
    let mut text = table(&header, &dispensable, rows.collect(), style);
    notes(&mut text, LEGEND, simulation, style);
    if let Some(last) = simulation.points.last() {
        let first = simulation.points.first().unwrap_or(last);
        let (days, [images, gib, usd], [images_now, gib_now, usd_now]) =
            (counted(simulation.days, "day"), size(last, &price), size(first, &price));
        let line = format!(
            "After {days}: {images} images, at most {gib} GiB, {usd} a month (now {images_now}, {gib_now} and \
             {usd_now})."
        );
        style.paragraph(&mut text, 0, &line);
        held_back(&mut text, simulation, "The limits defer", style);
    }
    text
}

/// Formats two simulations of one inventory over the same days: the policy under review, and the
/// policy that it is compared with.
pub fn compared_text(
    new: &Simulation,
    old: &Simulation,
    comparison: &SimulationComparison,
    style: OutputStyle,
) -> String {
    let header = [
        "DATE", "NEW", "IMAGES", "AGAINST", "DEREG.", "AGAINST", "GIB", "AGAINST", "USD", "AGAINST",
    ];
    let price = Price::in_region(&new.region);
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
            price.of(new.gib).short(),
            price.of(old.gib).short(),
        ]
    });
    let mut text = table(&header, &[&[1], &[8, 9]], rows.collect(), style);
    notes(&mut text, COMPARED_LEGEND, new, style);
    text.push('\n');
    text.push_str(&gone_text(comparison, style));
    if let (Some(ours), Some(theirs)) = (new.points.last(), old.points.last()) {
        let (days, [ours, our_gib, our_usd], [theirs, their_gib, their_usd]) =
            (counted(new.days, "day"), size(ours, &price), size(theirs, &price));
        let line = format!(
            "After {days}: {ours} instead of {theirs} images, at most {our_gib} instead of {their_gib} GiB, {our_usd} \
             instead of {their_usd} a month."
        );
        style.paragraph(&mut text, 0, &line);
        held_back(&mut text, new, "Its limits defer", style);
        held_back(&mut text, old, "The limits of the other policy defer", style);
    }
    text
}

const LEGEND: &str = "IMAGES, IN USE, SNAPSHOTS and GIB are values before the run of that day; the other columns \
                      count changes since the previous row. DEREG.: deregistered images. SNAPSHOTS: including those \
                      of removed images. GIB and USD (a month): upper bounds, because snapshots share blocks.";
const COMPARED_LEGEND: &str = "AGAINST: under the other policy. IMAGES and GIB are values before the run of that \
                               day; NEW and DEREG. (deregistered images) count changes since the previous row. GIB \
                               and USD (a month) are upper bounds for the snapshots, because snapshots share blocks.";

/// Appends the meaning of the columns and the assumptions of the simulation.
fn notes(text: &mut String, legend: &str, simulation: &Simulation, style: OutputStyle) {
    text.push('\n');
    style.paragraph(text, 0, legend);
    let price = Price::in_region(&simulation.region);
    style.paragraph(text, 0, &format!("{} {price}.", assumptions(simulation)));
}

/// Returns the number of images on that day, the GiB of their snapshots, and their cost.
fn size(point: &Point, price: &Price) -> [String; 3] {
    [thousands(point.images), thousands(point.gib), price.of(point.gib).about()]
}

fn assumptions(simulation: &Simulation) -> String {
    let (growing, still) = (simulation.growing, simulation.still);
    let mut text = format!(
        "Assumptions: {} of {} {} new images at the recent rate, images in use stay in use, and new images are not used.",
        thousands(growing),
        if growing + still == 1 {
            "1 family".to_owned()
        } else {
            format!("{} families", thousands(growing + still))
        },
        if growing == 1 { "gets" } else { "get" }
    );
    if simulation.sizes_unknown > 0 {
        let unknown = counted(simulation.sizes_unknown, "snapshot");
        text.push_str(&format!(" GIB does not include {unknown} of unknown size."));
    }
    text
}

/// Appends how many images a limit defers at the end, if any.
fn held_back(text: &mut String, simulation: &Simulation, who: &str, style: OutputStyle) {
    let deferred = simulation.points.last().map_or(0, |last| last.deferred);
    if deferred > 0 {
        let deferred = counted(deferred, "image");
        style.paragraph(text, 0, &format!("{who} {deferred} on the last day; see [safety]."));
    }
}

/// Formats a table whose first column is a date and whose others are numbers. If it is too wide,
/// sets of `dispensable` columns are dropped in order.
fn table(
    header: &[&str],
    dispensable: &[&[usize]],
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
        let Some(group) = left.next() else { return text };
        columns.retain(|column| !group.contains(column));
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
