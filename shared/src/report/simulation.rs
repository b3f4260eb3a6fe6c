//! Formats one or two simulations as a table.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::compare::{SimulationComparison, gone_text};
use super::price::{Price, size_and_cost};
use super::style::OutputStyle;
use crate::model::ProviderWords;
use crate::simulate::{Point, Simulation};
use crate::text_fmt::{counted, date, thousands};

/// Formats a simulation: one line per week, and the final state.
pub fn simulation_text(simulation: &Simulation, style: OutputStyle) -> String {
    let words = simulation.account.provider().words();
    let header = [
        "DATE",
        "IMAGES",
        "IN USE",
        "NEW",
        "EXPIRED",
        "DISABLED",
        removed_title(words),
        "SNAPSHOTS",
        "GIB",
        "USD",
    ];
    // SNAPSHOTS, DISABLED, EXPIRED, NEW, IN USE, USD.
    let dispensable = [&[7][..], &[5], &[4], &[3], &[2], &[9]];
    let price = Price::in_region(&simulation.region);
    let mut left_out = Vec::new();
    left_out.extend((!words.has_snapshots).then_some(7));
    left_out.extend(price.is_none().then_some(9));
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
            in_usd(point.gib, price.as_ref()),
        ]
    });
    let mut text = table(&header, &left_out, &dispensable, rows.collect(), style);
    notes(&mut text, &legend(words), simulation, style);
    if let Some(last) = simulation.points.last() {
        let first = simulation.points.first().unwrap_or(last);
        let days = counted(simulation.days, "day");
        let [images, images_now] = [last, first].map(|point| thousands(point.images));
        let size = size_and_cost(last.gib, price.as_ref(), ", ");
        let gib_now = thousands(first.gib);
        let now = match &price {
            Some(price) => format!("{images_now}, {gib_now} and {}", price.of(first.gib).about()),
            None => format!("{images_now} and {gib_now}"),
        };
        let line = format!("After {days}: {images} images, at most {size} (now {now}).");
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
    let words = new.account.provider().words();
    let header = [
        "DATE",
        "NEW",
        "IMAGES",
        "AGAINST",
        removed_title(words),
        "AGAINST",
        "GIB",
        "AGAINST",
        "USD",
        "AGAINST",
    ];
    let price = Price::in_region(&new.region);
    let left_out = if price.is_none() { &[8, 9][..] } else { &[] };
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
            in_usd(new.gib, price.as_ref()),
            in_usd(old.gib, price.as_ref()),
        ]
    });
    let mut text = table(&header, left_out, &[&[1], &[8, 9]], rows.collect(), style);
    notes(&mut text, &compared_legend(words), new, style);
    text.push('\n');
    text.push_str(&gone_text(comparison, style));
    if let (Some(ours), Some(theirs)) = (new.points.last(), old.points.last()) {
        let days = counted(new.days, "day");
        let [images, their_images] = [ours, theirs].map(|point| thousands(point.images));
        let [gib, their_gib] = [ours, theirs].map(|point| thousands(point.gib));
        let usd = |point: &Point| Some(price.as_ref()?.of(point.gib).about());
        let usd = usd(ours).zip(usd(theirs));
        let usd = usd.map(|(usd, their_usd)| format!(", {usd} instead of {their_usd} a month"));
        let line = format!(
            "After {days}: {images} instead of {their_images} images, at most {gib} instead of {their_gib} GiB{}.",
            usd.unwrap_or_default()
        );
        style.paragraph(&mut text, 0, &line);
        held_back(&mut text, new, "Its limits defer", style);
        held_back(&mut text, old, "The limits of the other policy defer", style);
    }
    text
}

/// Returns the title of the column with the number of removed images.
fn removed_title(words: &ProviderWords) -> &'static str {
    if words.has_snapshots { "DEREG." } else { "DELETED" }
}

fn in_usd(gib: u64, price: Option<&Price>) -> String {
    price.map(|price| price.of(gib).short()).unwrap_or_default()
}

fn legend(words: &ProviderWords) -> String {
    let removal = &words.removal;
    if !words.has_snapshots {
        return format!(
            "IMAGES, IN USE and GIB are values before the run of that day; the other columns count changes since the \
             previous row. DELETED: {} images. GIB: an upper bound for one replica of each image.",
            removal.done
        );
    }
    format!(
        "IMAGES, IN USE, SNAPSHOTS and GIB are values before the run of that day; the other columns count changes \
         since the previous row. DEREG.: {} images. SNAPSHOTS: including those of removed images. GIB and USD (a \
         month): upper bounds, because snapshots share blocks.",
        removal.done
    )
}

fn compared_legend(words: &ProviderWords) -> String {
    let removal = &words.removal;
    let start = "AGAINST: under the other policy. IMAGES and GIB are values before the run of that day; NEW and";
    if !words.has_snapshots {
        return format!(
            "{start} DELETED ({} images) count changes since the previous row. GIB is an upper bound \
             for one replica of each image.",
            removal.done
        );
    }
    format!(
        "{start} DEREG. ({} images) count changes since the previous row. GIB and USD (a month) are upper bounds for \
         the snapshots, because snapshots share blocks.",
        removal.done
    )
}

/// Appends the meaning of the columns and the assumptions of the simulation.
fn notes(text: &mut String, legend: &str, simulation: &Simulation, style: OutputStyle) {
    text.push('\n');
    style.paragraph(text, 0, legend);
    let price = Price::in_region(&simulation.region);
    let price = price.map(|price| format!(" {price}.")).unwrap_or_default();
    style.paragraph(text, 0, &format!("{}{price}", assumptions(simulation)));
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
        let part = simulation.account.provider().words().size_part;
        let unknown = counted(simulation.sizes_unknown, part);
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

/// Formats a table whose first column is a date and whose others are numbers, without the columns in
/// `left_out`. If it is too wide, sets of `dispensable` columns are dropped in order.
fn table(
    header: &[&str],
    left_out: &[usize],
    dispensable: &[&[usize]],
    rows: Vec<Vec<String>>,
    style: OutputStyle,
) -> String {
    let columns = (0..header.len()).filter(|column| !left_out.contains(column));
    let mut columns: Vec<usize> = columns.collect();
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
