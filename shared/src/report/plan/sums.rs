//! The totals of a plan: a table by rule, family or tag, and the summary.

use std::collections::HashMap;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use super::families::name_of;
use super::short::to_do;
use crate::model::{ImageId, SnapshotFate};
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan};
use crate::plan::{Action, Decision, Plan, Removal};
use crate::report::first_deletion;
use crate::report::price::{Price, size_and_cost};
use crate::report::style::OutputStyle;
use crate::text_fmt::{counted, date, excerpt_middle, printable, thousands, width};

/// The maximum number of lines of a table that was not requested.
const MAX_LINES: usize = 10;
/// Names in the first column are not truncated to less than this.
const MIN_TITLE: usize = 12;

/// The criterion of a table of totals.
#[derive(Debug, Clone, PartialEq)]
pub enum SumBy {
    /// The rule that matches the image.
    Rule,
    /// The family of the image.
    Family,
    /// The value of a tag.
    Tag {
        /// The key of the tag.
        key: String,
        /// The value for each image that has the tag.
        values: HashMap<ImageId, String>,
    },
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// Largest first. In a single Region, this is also the order of costs.
    Size,
    /// Oldest first.
    Age,
}

/// The totals of some of the images. A snapshot that several images share counts for each of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct GroupSum {
    /// The rule, the family or the tag value; `not covered` for images that no rule matches.
    pub group: String,
    /// The number of images.
    pub images: usize,
    /// The number of images with references.
    pub in_use: usize,
    /// The number of images that are kept, including those to be rescued.
    pub kept: usize,
    /// The number of expired images, whatever their step.
    pub expired: usize,
    /// The storage of all images, in GiB. An upper bound.
    pub size_gib: u64,
    /// The cost of that storage per month, in USD. An upper bound. Absent if the price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_month: Option<f64>,
    /// The storage of the expired images, in GiB. An upper bound.
    pub expired_gib: u64,
    /// The cost of that storage per month, in USD. An upper bound. Absent if the price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_usd_month: Option<f64>,
    /// When the oldest image was created.
    pub oldest: Option<Timestamp>,
}

impl GroupSum {
    fn add(&mut self, decision: &Decision) {
        let gib = decision.size_gib.map_or(0, u64::from);
        self.images += 1;
        self.in_use += usize::from(decision.is_in_use());
        self.size_gib += gib;
        if decision.action.stays() {
            self.kept += 1;
        } else {
            self.expired += 1;
            self.expired_gib += gib;
        }
        self.oldest = match (self.oldest, decision.created_at) {
            (Some(known), Some(created)) => Some(known.min(created)),
            (known, created) => known.or(created),
        };
    }
}

/// Returns the totals of the plan's images by `by`, in plan order unless `sort` is given.
pub fn group_sums(plan: &Plan, by: &SumBy, sort: Option<SortBy>) -> Vec<GroupSum> {
    let mut places = HashMap::new();
    let mut sums: Vec<GroupSum> = Vec::new();
    for decision in &plan.decisions {
        let group = title(decision, by);
        let place = *places.entry(group.clone()).or_insert(sums.len());
        if place == sums.len() {
            sums.push(GroupSum { group, ..GroupSum::default() });
        }
        if let Some(sum) = sums.get_mut(place) {
            sum.add(decision);
        }
    }
    let price = Price::in_region(&plan.region);
    for sum in &mut sums {
        let usd = |gib| Some(price.as_ref()?.of(gib).amount());
        sum.usd_month = usd(sum.size_gib);
        sum.expired_usd_month = usd(sum.expired_gib);
    }
    match sort {
        Some(SortBy::Size) => sums.sort_by_key(|sum| std::cmp::Reverse(sum.size_gib)),
        Some(SortBy::Age) => sums.sort_by_key(|sum| (sum.oldest.is_none(), sum.oldest)),
        None => {}
    }
    sums
}

/// Formats a table of the totals by `by`: numbers of images, of images in use, kept and expired,
/// their storage, and its cost per month.
pub(super) fn table(
    plan: &Plan,
    by: &SumBy,
    sort: Option<SortBy>,
    is_wanted: bool,
    style: OutputStyle,
) -> String {
    let sums = group_sums(plan, by, sort);
    let limit = if is_wanted { usize::MAX } else { MAX_LINES };
    let longest = sums.iter().take(limit).map(|sum| width(&sum.group)).max().unwrap_or(0);
    let mut text = drawn(plan, by, sums.get(..limit.min(sums.len())).unwrap_or_default(), longest);
    let widest = text.lines().map(width).max().unwrap_or(0);
    if let Some(over) = style.width().and_then(|all| widest.checked_sub(all)) {
        let title = longest.saturating_sub(over).max(MIN_TITLE);
        text = drawn(plan, by, sums.get(..limit.min(sums.len())).unwrap_or_default(), title);
    }
    let more = sums.len().saturating_sub(limit);
    if more > 0 {
        text.push_str(&format!("{} more; --by rule lists all\n", thousands(more)));
    }
    text
}

/// Formats the table, with the first column at most `title` wide.
fn drawn(plan: &Plan, by: &SumBy, sums: &[GroupSum], title: usize) -> String {
    let price = Price::in_region(&plan.region);
    let heading = match by {
        SumBy::Rule => "RULE".to_owned(),
        SumBy::Family => "FAMILY".to_owned(),
        SumBy::Tag { key, .. } => excerpt_middle(&printable(key), title.max(MIN_TITLE)),
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let mut header = vec![heading.as_str(), "IMAGES", "IN USE", "KEPT", "EXPIRED", "GIB"];
    header.extend(match price {
        Some(_) => &["USD/MONTH", "SAVES"][..],
        None => &["SAVES GIB"],
    });
    table.set_header(header);
    for sum in sums {
        let mut row = vec![
            excerpt_middle(&sum.group, title),
            thousands(sum.images),
            thousands(sum.in_use),
            thousands(sum.kept),
            thousands(sum.expired),
            thousands(sum.size_gib),
        ];
        match &price {
            Some(price) => {
                row.extend([sum.size_gib, sum.expired_gib].map(|gib| price.of(gib).in_cents()));
            }
            None => row.push(thousands(sum.expired_gib)),
        }
        table.add_row(row);
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding(if place == 0 { (0, 0) } else { (2, 0) });
        if place > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn title(decision: &Decision, by: &SumBy) -> String {
    match by {
        SumBy::Rule => match &decision.rule {
            Some(rule) => rule.to_string(),
            None => "not covered".to_owned(),
        },
        SumBy::Family => name_of(decision),
        SumBy::Tag { values, .. } => {
            values.get(&decision.image_id).cloned().unwrap_or_else(|| "without the tag".to_owned())
        }
    }
}

/// Returns a sentence on the storage that no rule covers. `None` if rules match all images.
pub(super) fn uncovered(plan: &Plan) -> Option<String> {
    let summary = &plan.summary;
    if summary.uncovered == 0 {
        return None;
    }
    let images =
        format!("{} of {}", thousands(summary.uncovered), counted(summary.images, "image"));
    if summary.uncovered_gib == 0 {
        return Some(format!("Not covered by a rule: {images}."));
    }
    let all = summary.images_gib.max(1);
    let part = summary.uncovered_gib.saturating_mul(100).saturating_add(all / 2) / all;
    let part = match part {
        0 => "less than 1".to_owned(),
        100 if summary.uncovered_gib < all => "over 99".to_owned(),
        part => part.to_string(),
    };
    let price = Price::in_region(&plan.region);
    let size = size_and_cost(summary.uncovered_gib, price.as_ref(), ", at most ");
    Some(format!("Not covered by a rule: {images}, {part}% of image storage ({size})."))
}

/// Returns a sentence on the expired images that are shared. `None` if there are none.
pub(super) fn shared(plan: &Plan) -> Option<String> {
    let is_lost =
        |one: &&Decision| !one.action.stays() && one.shared_with.is_some_and(|with| with > 0);
    let count = plan.decisions.iter().filter(is_lost).count();
    (count > 0).then(|| {
        let images = counted(count, "expired image");
        let are = if count == 1 { "is" } else { "are" };
        let account = plan.account.provider().words().account;
        format!("{images} {are} shared with other {account}s, which will lose access; see shared_images in the policy.")
    })
}

/// Summarizes the changes, the images that are kept, and the first deletion, in a few sentences.
pub(super) fn last_sentence(plan: &Plan, snapshots: Option<&SnapshotPlan>) -> String {
    let summary = &plan.summary;
    let words = plan.account.provider().words();
    let to_do = |kind| to_do(kind, words);
    let counts = [
        (summary.rescue, to_do("rescue")),
        (summary.expire, to_do("expire")),
        (summary.deprecate, to_do("deprecate")),
        (summary.disable, to_do("disable")),
        (summary.deregister, to_do("deregister")),
        (summary.wait, to_do("wait")),
        (summary.deferred, "deferred by a limit".to_owned()),
    ];
    let parts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{} {words}", thousands(count)))
        .collect();
    let kept = thousands(summary.images.saturating_sub(summary.expired_total));
    let in_use = match summary.in_use {
        0 => String::new(),
        count => format!(" ({} in use)", thousands(count)),
    };
    let images = counted(summary.images, "image");
    let mut text = match parts.is_empty() {
        true if summary.images == 1 => format!("No image changes: the only image is kept{in_use}."),
        true => format!("No image changes: all {images} are kept{in_use}."),
        false => {
            let images = thousands(summary.images);
            format!("{}; {kept} of {images} kept{in_use}.", parts.join(", "))
        }
    };
    if plan.refusal.is_some() {
        text.push_str(" No image is removed, because the plan is refused.");
    } else {
        text.push_str(&deletions(plan, snapshots));
    }
    text
}

/// Describes the first deletion and the savings. Empty if nothing is deleted.
fn deletions(plan: &Plan, snapshots: Option<&SnapshotPlan>) -> String {
    let words = plan.account.provider().words();
    let summary = &plan.summary;
    let saved = match summary.expired_gib {
        0 => None,
        gib => Some(match Price::in_region(&plan.region) {
            Some(price) => format!("saves at most {} a month", price.of(gib).about()),
            None => format!("frees at most {} GiB", thousands(gib)),
        }),
    };
    let unknown = match summary.sizes_unknown {
        0 => String::new(),
        count => format!(", without {} of unknown size", counted(count, words.size_part)),
    };
    let saved = saved.map(|saved| saved + &unknown);
    let gone = snapshots.iter().flat_map(|plan| &plan.decisions);
    let gone = gone.filter(|one| one.action == SnapshotAction::Delete).count();
    let mut now = Vec::new();
    if summary.deregister > 0 {
        let whose = if summary.deregister == 1 { "its" } else { "their" };
        let at = removals(plan).filter(|one| one.fate == SnapshotFate::DeleteLater);
        let when = at.map(|one| one.delete_after).min().map_or_else(
            || format!(" with {whose} snapshots"),
            |at| format!(" and deletes {whose} snapshots from {}", date(at)),
        );
        let when = if words.has_snapshots { when } else { String::new() };
        let images = counted(summary.deregister, "image");
        now.push(format!("{} {images}{when}", words.removal.third));
    }
    if gone > 0 {
        now.push(format!("deletes {} of images that no longer exist", counted(gone, "snapshot")));
    }
    if !now.is_empty() {
        let saved = saved.map(|saved| format!("; it eventually {saved}")).unwrap_or_default();
        return format!(" Applying the plan now {}{saved}.", now.join(", and "));
    }
    let first = match snapshots {
        Some(snapshots) => first_deletion(plan, snapshots),
        None => plan.decisions.iter().filter_map(|one| one.deregister_at).min(),
    };
    let saved = saved.map(|saved| format!("; the plan eventually {saved}")).unwrap_or_default();
    let say = |at| format!(" Nothing is deleted before {}{saved}.", date(at));
    first.map(say).unwrap_or_default()
}

fn removals(plan: &Plan) -> impl Iterator<Item = &Removal> {
    plan.decisions.iter().filter_map(|one| match &one.action {
        Action::Deregister { removal } => Some(removal),
        _ => None,
    })
}
