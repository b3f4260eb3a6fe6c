//! Printing plans, for `plan` and `show`.

use jiff::Timestamp;
use serde::Serialize;
use steward::model::{Image, Inventory, place_of};
use steward::plan::reason::Reason;
use steward::plan::snapshots::{SnapshotDecision, SnapshotPlan};
use steward::plan::{Decision, Plan};
use steward::policy::Policy;
use steward::report::{
    self, CostedDecision, CostedPlan, GroupSum, Listing, MarkdownPlan, PolicyComparison, Price,
    Rows, SortBy, SumBy,
};
use steward::saved_plan::Validity;
use steward::text_fmt::{minute, printable};

use crate::args::{ByArg, PlanFormat, PlanOutputArgs, SortArg};
use crate::context::Context;
use crate::files::{print, print_json, print_json_lines};
use crate::outcome::CommandError;

/// A plan and what is printed with it.
pub struct PrintedPlan<'a> {
    pub plan: &'a Plan,
    pub snapshots: &'a SnapshotPlan,
    /// The policy, if known; it adds details to the reasons.
    pub policy: Option<&'a Policy>,
    /// The inventory of the plan, if available; it has the tags.
    pub inventory: Option<&'a Inventory>,
    /// The differences from the plan of another policy.
    pub comparison: Option<PolicyComparison>,
    /// Details of the file, if the plan was saved.
    pub saved: Option<SavedAs>,
    /// The message of an exceeded gate.
    pub gate: Option<String>,
}

/// Details of a saved plan.
#[derive(Debug, Serialize)]
pub struct SavedAs {
    pub policy_file: String,
    /// Absent if this version does not accept the policy.
    pub policy_digest: Option<String>,
    pub planned_at: Timestamp,
    pub valid_until: Timestamp,
    /// Whether `apply` accepts the plan now.
    pub validity: Validity,
    /// The same as text, for the end of a sentence about the plan.
    #[serde(skip)]
    pub words: String,
}

/// The JSON of a plan.
#[derive(Serialize)]
struct PlanJson<'a> {
    #[serde(flatten)]
    plan: CostedPlan<'a>,
    marked_snapshots: &'a [SnapshotDecision],
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'a PolicyComparison>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<&'a SavedAs>,
}

/// A line of the plan in JSON Lines.
#[derive(Serialize)]
#[serde(untagged)]
enum JsonLine<'a> {
    Image(CostedDecision<'a>),
    Snapshot(&'a SnapshotDecision),
}

/// Prints the plan. With a comparison, tables and JSON Lines list the images whose decision changes
/// instead of all images; JSON and Markdown contain both.
pub fn print_plan(
    printed: PrintedPlan<'_>,
    output: &PlanOutputArgs,
    context: &Context,
) -> Result<(), CommandError> {
    let PrintedPlan { plan, snapshots, policy, inventory, comparison, saved, gate } = printed;
    let PlanOutputArgs { format, all, reason, family, sort, by } = output;
    let style = context.style;
    let rows = match family.is_empty() {
        true => rows(*all, reason),
        false => Rows::Families(families(plan, family)?),
    };
    let sort = sort.map(|sort| match sort {
        // In one Region, the cost is proportional to the size.
        SortArg::Size | SortArg::Cost => SortBy::Size,
        SortArg::Age => SortBy::Age,
    });
    let by = by.as_ref().map(|by| group_by(by, inventory)).transpose()?;
    if *format == PlanFormat::Markdown && (sort.is_some() || by.is_some()) {
        return Err(CommandError::NotInMarkdown);
    }
    match (format, comparison) {
        (PlanFormat::Json | PlanFormat::Jsonl, _) if by.is_some() => {
            let groups = by.map(|by| report::group_sums(plan, &by, sort)).unwrap_or_default();
            match format {
                PlanFormat::Jsonl => print_json_lines(groups),
                _ => print_json(&GroupSums { groups }),
            }
        }
        (PlanFormat::Json, comparison) => print_json(&PlanJson {
            plan: CostedPlan::new(plan, sorted(shown(plan, &rows), sort), policy),
            marked_snapshots: shown_snapshots(snapshots, &rows),
            comparison: comparison.as_ref(),
            saved: saved.as_ref(),
        }),
        (PlanFormat::Jsonl, Some(comparison)) => print_json_lines(comparison.changes),
        (PlanFormat::Jsonl, None) => {
            let price = Price::in_region(&plan.region);
            let images = sorted(shown(plan, &rows), sort).into_iter();
            let images =
                images.map(|one| JsonLine::Image(CostedDecision::new(one, price.as_ref(), policy)));
            let snapshots = shown_snapshots(snapshots, &rows).iter().map(JsonLine::Snapshot);
            print_json_lines(images.chain(snapshots))
        }
        (PlanFormat::Markdown, comparison) => print(&report::plan_markdown(&MarkdownPlan {
            plan,
            snapshots: Some(snapshots),
            rows: &rows,
            alerts: gate.as_slice(),
            origin: saved.as_ref().map(|saved| saved.words.as_str()),
            comparison: comparison.as_ref(),
        })),
        (PlanFormat::Table, Some(comparison)) => {
            let mut text = report::notes_text(&plan.notes, style);
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&report::comparison_text(&comparison, plan, *all, style));
            print(&text)
        }
        (PlanFormat::Table, None) => {
            let mut text = String::new();
            if let Some(SavedAs { words, planned_at, .. }) = saved {
                let place = place_of(&plan.account, plan.region.as_ref());
                let at = minute(planned_at);
                let line = format!("Saved plan: {place}, planned {at} {words}.");
                text = format!("{}\n", style.wrapped(&printable(&line)));
            }
            let listing = Listing { rows, sort, by };
            text.push_str(&report::plan_text(plan, Some(snapshots), policy, &listing, style));
            print(&text)
        }
    }
}

/// Totals of images, as JSON.
#[derive(Serialize)]
struct GroupSums {
    groups: Vec<GroupSum>,
}

/// The names of the families of the plan that match the arguments of `--family`.
fn families(plan: &Plan, meant: &[String]) -> Result<Vec<String>, CommandError> {
    let all = report::family_names(plan);
    let mut found = Vec::new();
    for text in meant {
        let is_exact = all.contains(text);
        let lower = text.to_lowercase();
        let is_meant = |name: &&String| {
            if is_exact { *name == text } else { name.to_lowercase().contains(&lower) }
        };
        let these: Vec<String> = all.iter().filter(is_meant).cloned().collect();
        if these.is_empty() {
            let known = all.iter().take(10).cloned().collect::<Vec<_>>();
            return Err(CommandError::NoFamily { family: text.clone(), known: known.join(", ") });
        }
        found.extend(these);
    }
    Ok(found)
}

fn group_by(by: &ByArg, inventory: Option<&Inventory>) -> Result<SumBy, CommandError> {
    Ok(match by {
        ByArg::Rule => SumBy::Rule,
        ByArg::Family => SumBy::Family,
        ByArg::Tag(key) => {
            let images = &inventory.ok_or(CommandError::NoTags)?.images;
            let value = |image: &Image| {
                let value = printable(image.tags.get(key)?);
                Some((image.image_id.clone(), value))
            };
            SumBy::Tag { key: key.clone(), values: images.iter().filter_map(value).collect() }
        }
    })
}

/// The decisions in the order of the text output.
fn sorted<'a>(
    decisions: impl Iterator<Item = &'a Decision>,
    sort: Option<SortBy>,
) -> Vec<&'a Decision> {
    let mut decisions: Vec<&Decision> = decisions.collect();
    if let Some(sort) = sort {
        report::sort_decisions(&mut decisions, sort);
    }
    decisions
}

/// The decisions in JSON: all, unless reasons or families are selected.
fn shown<'a>(plan: &'a Plan, rows: &'a Rows) -> impl Iterator<Item = &'a Decision> {
    let all = *rows == Rows::Changes;
    plan.decisions.iter().filter(move |one| all || rows.shows(one))
}

/// The decisions about snapshots in JSON. They are left out if reasons or families are selected,
/// which only images have.
fn shown_snapshots<'a>(snapshots: &'a SnapshotPlan, rows: &Rows) -> &'a [SnapshotDecision] {
    match rows {
        Rows::Changes | Rows::All => &snapshots.decisions,
        Rows::Families(_) | Rows::WithReasons(_) => &[],
    }
}

fn rows(all: bool, reasons: &[String]) -> Rows {
    match (all, reasons.is_empty()) {
        (true, _) => Rows::All,
        (false, true) => Rows::Changes,
        (false, false) => {
            let kinds = Reason::KINDS.iter().copied();
            Rows::WithReasons(
                kinds.filter(|kind| reasons.iter().any(|reason| reason == kind)).collect(),
            )
        }
    }
}
