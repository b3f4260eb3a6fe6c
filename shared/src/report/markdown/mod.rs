//! A plan as GitHub-flavoured Markdown: a comment on a pull request, or the summary of a step.

mod escape;
mod sections;
mod tables;

pub(super) use escape::{code, prose};
use sections::{Section, fit};

use super::compare::PolicyComparison;
use super::plan::Rows;
use super::price::Price;
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan};
use crate::plan::{Plan, Summary};
use crate::text_fmt::{counted, excerpt, minute, thousands};

/// The maximum length in code points. GitHub takes 65,536 code points for the body of a pull
/// request, and 262,144 bytes (of which a code point has at most four) for a comment; 1 MiB for the
/// summary of a step. This leaves room for a heading.
pub const MAX_MARKDOWN_LENGTH: usize = 65_000;
/// The maximum number of characters of one untrusted text, such as a note.
const MAX_TEXT: usize = 1_000;

/// What is written as Markdown.
#[derive(Debug, Clone, Copy)]
pub struct MarkdownPlan<'a> {
    /// The plan for images.
    pub plan: &'a Plan,
    /// The plan for the snapshots of images that are gone.
    pub snapshots: Option<&'a SnapshotPlan>,
    /// Which images are listed.
    pub rows: &'a Rows,
    /// Messages that come before the notes, for example that a gate was exceeded.
    pub alerts: &'a [String],
    /// Where the plan comes from, beside its account, Region and time; a part of a sentence.
    pub origin: Option<&'a str>,
    /// The difference from the plan of another policy.
    pub comparison: Option<&'a PolicyComparison>,
}

/// The plan in at most [`MAX_MARKDOWN_LENGTH`] code points: tables are cut by whole rows, and say
/// how many are left out.
pub fn plan_markdown(document: &MarkdownPlan<'_>) -> String {
    let MarkdownPlan { plan, snapshots, rows, alerts, origin, comparison } = *document;
    let mut head = format!("### {}\n\n", headline(plan));
    head.push_str(&format!(
        "Account {}, Region {}, planned {}{}.\n",
        code(plan.account.as_str()),
        code(plan.region.as_str()),
        minute(plan.planned_at),
        origin.map_or_else(String::new, |origin| format!(" {}", prose(&excerpt(origin, MAX_TEXT)))),
    ));
    let refusal = plan.refusal.as_ref().map(|refusal| format!("refused: {refusal}"));
    let alerts: Vec<&String> = refusal.iter().chain(alerts).collect();
    if !alerts.is_empty() {
        head.push_str("\n> [!CAUTION]\n");
        for alert in alerts {
            head.push_str(&format!("> - {}\n", sentence(alert)));
        }
    }
    let mut sections = vec![Section::fixed(head)];
    if !plan.notes.is_empty() {
        let rows =
            plan.notes.iter().map(|note| format!("> - note: {}\n", sentence(&note.to_string())));
        sections.push(Section {
            head: "\n> [!WARNING]\n".to_owned(),
            rows: rows.collect(),
            tail: String::new(),
        });
    }
    if let Some(comparison) = comparison {
        sections.extend(tables::of_comparison(comparison, plan));
    }
    sections.push(Section::fixed(format!("\n{}\n", counts(plan))));
    sections.extend(tables::of_families(plan));
    sections.extend(tables::of_images(plan, rows));
    let mut end = String::new();
    if let Some(line) = snapshots.and_then(snapshot_counts) {
        end.push_str(&format!("\n{line}\n"));
    }
    if plan.summary.expired_gib > 0 {
        let price = Price::in_region(&plan.region);
        end.push_str(&format!(
            "\n<sub>Sizes and costs are upper bounds: the sizes are those of the volumes, and snapshots that share \
             blocks are counted in full. USD {} per GiB and month ({}).</sub>\n",
            price.usd_per_gib_month,
            prose(&format!("{}, {}", price.note, price.as_of)),
        ));
    }
    sections.push(Section::fixed(end));
    let all = "`image-steward plan --format json` has all.";
    fit(&sections, MAX_MARKDOWN_LENGTH, all)
}

fn sentence(text: &str) -> String {
    prose(&excerpt(text, MAX_TEXT))
}

/// The result in a sentence.
fn headline(plan: &Plan) -> String {
    let Summary { images, .. } = plan.summary;
    if plan.refusal.is_some() {
        return "image-steward: refused, no image is removed".to_owned();
    }
    // Anybody may have edited the summary of a saved plan.
    let expired = plan.decisions.iter().filter(|one| !one.action.stays()).count();
    let expired_gib = plan.summary.expired_gib;
    if expired == 0 {
        return format!("image-steward: none of {} is expired", counted(images, "image"));
    }
    let cost = Price::in_region(&plan.region).of(expired_gib);
    format!(
        "image-steward: {} of {} would be removed, at most {} GiB and {} a month",
        thousands(expired),
        counted(images, "image"),
        thousands(expired_gib),
        cost.about(),
    )
}

/// What is done now, and what is kept.
fn counts(plan: &Plan) -> String {
    let Summary {
        images,
        in_use,
        keep,
        rescue,
        wait,
        expire,
        deprecate,
        disable,
        deregister,
        deferred,
        ..
    } = plan.summary;
    let parts = [
        (deregister, "to deregister"),
        (disable, "to disable"),
        (deprecate, "to deprecate"),
        (expire, "to mark as expired"),
        (rescue, "to rescue"),
        (wait, "waiting for a later step"),
    ];
    let mut said: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", thousands(count)))
        .collect();
    if deferred > 0 {
        said.push(format!("{} of these deferred by a cap", thousands(deferred)));
    }
    let now = if said.is_empty() { String::new() } else { format!("{}. ", said.join(", ")) };
    let used = if in_use > 0 { format!(", {} in use", thousands(in_use)) } else { String::new() };
    format!("{now}{} of {} kept{used}.", thousands(keep), counted(images, "image"))
}

/// What is done about the snapshots of images that are gone, if anything is.
fn snapshot_counts(plan: &SnapshotPlan) -> Option<String> {
    let count = |action| plan.decisions.iter().filter(|one| one.action == action).count();
    let parts = [
        (count(SnapshotAction::Delete), "to delete"),
        (count(SnapshotAction::Mark), "to mark as orphaned"),
    ];
    let said: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", thousands(count)))
        .collect();
    (!said.is_empty()).then(|| format!("Snapshots whose image is gone: {}.", said.join(", ")))
}
