//! The Markdown tables of a plan.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::sections::Section;
use super::{code, prose};
use crate::model::InWords;
use crate::plan::reason::Reason;
use crate::plan::{Action, Decision, Plan};
use crate::report::compare::{ChangeTotal, PlannedFate, PolicyComparison};
use crate::report::plan::Rows;
use crate::report::price::{Price, Usd};
use crate::report::{capitalized, family_name, step_words};
use crate::text_fmt::{counted, date, excerpt, thousands};

/// The maximum number of characters of a name or family in a cell. Image names have at most 128.
const MAX_NAME: usize = 160;
/// The maximum number of characters of the reasons of one image.
const MAX_REASONS: usize = 300;

/// Creates a table of the families with changes: numbers of images, sizes and costs.
pub(super) fn of_families(plan: &Plan) -> Option<Section> {
    type Name<'a> = (&'a Option<Arc<str>>, &'a Option<Arc<str>>);
    let mut places: HashMap<Name<'_>, usize> = HashMap::new();
    let mut families: Vec<(Name<'_>, FamilyCounts)> = Vec::new();
    for decision in &plan.decisions {
        let name = (&decision.rule, &decision.family);
        let place = *places.entry(name).or_insert(families.len());
        if place == families.len() {
            families.push((name, FamilyCounts::default()));
        }
        if let Some((_, counts)) = families.get_mut(place) {
            counts.add(decision);
        }
    }
    families.retain(|(_, counts)| counts.expired + counts.rescued > 0);
    if families.is_empty() {
        return None;
    }
    families.sort_by_key(|(_, counts)| Reverse((counts.gib, counts.expired)));
    let price = Price::in_region(&plan.region);
    let columns = ["Family", "Images", "In use", "Removed", "Rescued", "GiB", "USD a month"];
    let columns = with_price(&columns, price.is_some());
    let rows = families.iter().map(|((rule, family), counts)| {
        let FamilyCounts { images, in_use, expired, rescued, gib } = counts;
        let cells = [
            family_cell(rule.as_deref(), family.as_deref()),
            thousands(images),
            thousands(in_use),
            thousands(expired),
            thousands(rescued),
            thousands(gib),
            price.as_ref().map(|price| price.of(*gib).short()).unwrap_or_default(),
        ];
        row(cells.get(..columns.len()).unwrap_or(&cells))
    });
    Some(Section {
        head: format!("\n{}", header(columns, 1)),
        rows: rows.collect(),
        tail: String::new(),
    })
}

#[derive(Default)]
struct FamilyCounts {
    images: usize,
    in_use: usize,
    expired: usize,
    rescued: usize,
    /// The size of the expired images, in GiB.
    gib: u64,
}

impl FamilyCounts {
    fn add(&mut self, decision: &Decision) {
        self.images += 1;
        self.in_use += usize::from(decision.is_in_use());
        match decision.action {
            Action::Keep => {}
            Action::Rescue(_) => self.rescued += 1,
            _ => {
                self.expired += 1;
                self.gib += decision.size_gib.map_or(0, u64::from);
            }
        }
    }
}

/// Creates collapsed tables of the images to be removed (the next one first), of the images to be
/// rescued and, if requested, of the kept images; then a summary of why images are kept.
pub(super) fn of_images(plan: &Plan, rows: &Rows) -> Vec<Section> {
    let shown = |decision: &&Decision| rows.shows(decision);
    let decisions: Vec<&Decision> = plan.decisions.iter().filter(shown).collect();
    let (kept, changing): (Vec<_>, Vec<_>) =
        decisions.into_iter().partition(|one| one.action == Action::Keep);
    let (rescued, mut expired): (Vec<_>, Vec<_>) =
        changing.into_iter().partition(|one| one.action.stays());
    expired
        .sort_by_key(|one| (order(&one.action), one.next.map(|next| next.at), one.deregister_at));
    let (refused, words) = (plan.refusal.is_some(), plan.account.provider().words());
    let mut sections = Vec::new();
    let lists =
        [(expired, "to be removed, next first"), (rescued, "to be rescued"), (kept, "kept")];
    for (images, what) in lists {
        if images.is_empty() {
            continue;
        }
        let title = format!("{} {what}", counted(images.len(), "image"));
        let removed = capitalized(words.removal.done);
        let columns = ["Image", "Name", "Step", "Date", &removed, "Reasons"];
        let rows = images.iter().map(|decision| image_row(decision, refused)).collect();
        sections.push(folded(&title, &columns, rows));
    }
    sections.extend(kept_counts(plan));
    sections
}

/// Sorts actions that are due before those that wait.
fn order(action: &Action) -> u8 {
    match action {
        Action::Deregister { .. } => 0,
        Action::Disable { .. } => 1,
        Action::Deprecate { .. } => 2,
        _ => 3,
    }
}

fn image_row(decision: &Decision, refused: bool) -> String {
    let words = decision.image_id.provider().words();
    let (step, when) = match (&decision.action, decision.next) {
        (Action::Keep, _) => ("keep", String::new()),
        (Action::Rescue(_), _) => ("rescue", "now".to_owned()),
        (Action::Wait | Action::Expire, _) if refused => ("refused", String::new()),
        (Action::Wait | Action::Expire, Some(next)) => {
            (step_words(next.action, words), date(next.at))
        }
        (Action::Wait | Action::Expire, None) => ("wait", String::new()),
        (action, _) => (words.step(action.kind()), "now".to_owned()),
    };
    let deregistered = decision.deregister_at.filter(|_| !refused);
    let deregistered = match decision.action {
        Action::Deregister { .. } => "now".to_owned(),
        _ => deregistered.map_or_else(String::new, |at| format!("from {}", date(at))),
    };
    let reasons = PlannedFate::of(decision).why(words);
    row(&[
        code(&decision.image_id.short()),
        code(&excerpt(&decision.name, MAX_NAME)),
        step.to_owned(),
        when,
        deregistered,
        prose(&excerpt(&reasons, MAX_REASONS)),
    ])
}

/// Counts the kept images by kind of reason, and the images in use by kind of reference.
fn kept_counts(plan: &Plan) -> Option<Section> {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for decision in plan.decisions.iter().filter(|one| one.action.stays()) {
        let mut ours: Vec<&str> = decision.reasons.iter().map(Reason::kind).collect();
        ours.sort_unstable();
        ours.dedup();
        for kind in ours {
            *kinds.entry(kind.to_owned()).or_default() += 1;
        }
        let mut by: Vec<String> = decision.reasons.iter().filter_map(used_by).collect();
        by.sort_unstable();
        by.dedup();
        for kind in by {
            *used.entry(kind).or_default() += 1;
        }
    }
    let counts = |counts: BTreeMap<String, usize>| {
        let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| Reverse(*count));
        let said: Vec<String> = counts
            .iter()
            .map(|(what, count)| format!("{} {}", thousands(count), code(what)))
            .collect();
        said.join(", ")
    };
    if kinds.is_empty() {
        return None;
    }
    let mut text = format!("\nKept, by reason (an image can have several): {}.\n", counts(kinds));
    if !used.is_empty() {
        text.push_str(&format!("\nIn use, by kind of reference: {}.\n", counts(used)));
    }
    Some(Section::fixed(text))
}

/// Returns the kind of resource that uses an image, if that is the reason.
fn used_by(reason: &Reason) -> Option<String> {
    match reason {
        Reason::InUse { kind, .. } => Some(kind.to_string()),
        _ => None,
    }
}

/// Creates totals and collapsed tables of the images whose outcome differs.
pub(super) fn of_comparison(comparison: &PolicyComparison, plan: &Plan) -> Vec<Section> {
    let (new, old) = (code(&comparison.policy), code(&comparison.against));
    let words = plan.account.provider().words();
    let mut head = format!("\n#### {new} against {old}\n\n");
    if let Some(refusal) = &comparison.against_refusal {
        head.push_str(&format!(
            "Under {old} the plan is refused: {}\n\n",
            super::sentence(&refusal.in_words(words).to_string())
        ));
    }
    let changed: Vec<&ChangeTotal> =
        comparison.totals.iter().filter(|total| total.images > 0).collect();
    if changed.is_empty() {
        head.push_str("Both policies have the same result for every image.\n");
        return vec![Section::fixed(head)];
    }
    let has_price = changed.iter().any(|total| total.cost().is_some());
    let columns = ["Change", "Images", "GiB", "USD a month"];
    let columns = with_price(&columns, has_price);
    head.push_str(&header(columns, 1));
    for total in &changed {
        let cells = [
            total.change.heading(&new, &old),
            thousands(total.images),
            thousands(total.gib),
            total.cost().map(Usd::short).unwrap_or_default(),
        ];
        head.push_str(&row(cells.get(..columns.len()).unwrap_or(&cells)));
    }
    let mut sections = vec![Section::fixed(head)];
    for total in changed {
        let heading = total.change.heading("the new policy", "the old policy");
        let title = format!("{heading}: {}", counted(total.images, "image"));
        let columns = ["Image", "Name", "Old", "New", "Old reasons", "New reasons"];
        let rows = comparison.of_kind(total.change).map(|change| {
            let [before, after] = comparison.fates(change, plan);
            row(&[
                code(&change.image_id.short()),
                code(&excerpt(&change.name, MAX_NAME)),
                before,
                after,
                prose(&excerpt(&change.old.why(words), MAX_REASONS)),
                prose(&excerpt(&change.new.why(words), MAX_REASONS)),
            ])
        });
        sections.push(folded(&title, &columns, rows.collect()));
    }
    sections
}

/// Returns the columns, the last of which is a cost, without it if the price is unknown.
fn with_price<'a>(columns: &'a [&'a str], has_price: bool) -> &'a [&'a str] {
    match columns {
        [columns @ .., _] if !has_price => columns,
        columns => columns,
    }
}

/// Creates a table that is collapsed under its title.
fn folded(title: &str, columns: &[&str], rows: Vec<String>) -> Section {
    Section {
        head: format!(
            "\n<details><summary>{title}</summary>\n\n{}",
            header(columns, columns.len())
        ),
        rows,
        tail: "\n</details>\n".to_owned(),
    }
}

/// Creates the header of a table. Columns from index `numbers` are right-aligned.
fn header(columns: &[&str], numbers: usize) -> String {
    let titles: Vec<String> = columns.iter().map(ToString::to_string).collect();
    let line = |index| if index < numbers { "|---" } else { "|--:" };
    let lines: String = (0..columns.len()).map(line).collect();
    format!("{}{lines}|\n", row(&titles))
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Returns the display name of a family.
fn family_cell(rule: Option<&str>, family: Option<&str>) -> String {
    match (rule, family) {
        (Some(rule), Some(family)) => code(&excerpt(&family_name(rule, family), MAX_NAME)),
        (Some(rule), None) => format!("{}, no family", code(rule)),
        (None, _) => "not covered by any rule".to_owned(),
    }
}
