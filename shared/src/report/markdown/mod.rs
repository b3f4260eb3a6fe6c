//! Formats a plan as GitHub-flavoured Markdown, for a comment on a pull request or a step summary.

mod escape;
mod sections;
mod tables;

pub(super) use escape::{code, prose};
use sections::{Section, fit};

use super::compare::PolicyComparison;
use super::plan::Rows;
use super::price::{Price, size_and_cost};
use super::specialized_and_shared_text;
use crate::model::InWords;
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan};
use crate::plan::{Plan, Summary};
use crate::text_fmt::{counted, excerpt, minute, thousands};

/// The maximum length in code points. GitHub's limits are 65,536 code points for the body of a pull
/// request, 262,144 bytes for a comment (a code point has at most four bytes), and 1 MiB for a step
/// summary. The difference leaves space for a heading.
pub const MAX_MARKDOWN_LENGTH: usize = 65_000;
/// The maximum number of characters of one untrusted text, for example a note.
const MAX_TEXT: usize = 1_000;

/// The content of the document.
#[derive(Debug, Clone, Copy)]
pub struct MarkdownPlan<'a> {
    /// The plan for images.
    pub plan: &'a Plan,
    /// The plan for snapshots whose image no longer exists.
    pub snapshots: Option<&'a SnapshotPlan>,
    /// The images to list.
    pub rows: &'a Rows,
    /// Messages to print before the notes, for example that a gate was exceeded.
    pub alerts: &'a [String],
    /// The origin of the plan, as part of a sentence. Printed after the account, Region and time.
    pub origin: Option<&'a str>,
    /// The comparison with the plan of another policy.
    pub comparison: Option<&'a PolicyComparison>,
}

/// Formats the plan in at most [`MAX_MARKDOWN_LENGTH`] code points. Long tables lose whole rows and
/// show how many.
pub fn plan_markdown(document: &MarkdownPlan<'_>) -> String {
    let MarkdownPlan { plan, snapshots, rows, alerts, origin, comparison } = *document;
    let words = plan.account.provider().words();
    let mut head = format!("### {}\n\n", headline(plan));
    head.push_str(&format!(
        "{}, planned {}{}.\n",
        match &plan.region {
            Some(region) =>
                format!("Account {}, Region {}", code(plan.account.as_str()), code(region.as_str())),
            None => format!("Subscription {}", code(plan.account.as_str())),
        },
        minute(plan.planned_at),
        origin.map_or_else(String::new, |origin| format!(" {}", prose(&excerpt(origin, MAX_TEXT)))),
    ));
    let refusal =
        plan.refusal.as_ref().map(|refusal| format!("refused: {}", refusal.in_words(words)));
    let alerts: Vec<&String> = refusal.iter().chain(alerts).collect();
    if !alerts.is_empty() {
        head.push_str("\n> [!CAUTION]\n");
        for alert in alerts {
            head.push_str(&format!("> - {}\n", sentence(alert)));
        }
    }
    let mut sections = vec![Section::fixed(head)];
    if let Some(warning) = specialized_and_shared_text(plan) {
        sections.push(Section::fixed(format!("\n> [!WARNING]\n> - {}\n", sentence(&warning))));
    }
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
        end.push_str(&match Price::in_region(&plan.region) {
            Some(price) => format!(
                "\n<sub>Sizes and costs are upper bounds: sizes are {}, and snapshots that share blocks are \
                 counted in full. USD {} per GiB-month ({}).</sub>\n",
                words.sizes,
                price.usd_per_gib_month,
                prose(&format!("{}, {}", price.note, price.as_of)),
            ),
            None => format!(
                "\n<sub>Sizes are {}, which are upper bounds for one replica of each image.</sub>\n",
                words.sizes
            ),
        });
    }
    sections.push(Section::fixed(end));
    let all = "`image-steward plan --format json` lists all.";
    fit(&sections, MAX_MARKDOWN_LENGTH, all)
}

fn sentence(text: &str) -> String {
    prose(&excerpt(text, MAX_TEXT))
}

/// Returns the result as a heading.
fn headline(plan: &Plan) -> String {
    let Summary { images, .. } = plan.summary;
    if plan.refusal.is_some() {
        return "image-steward: refused, no image is removed".to_owned();
    }
    // Do not trust the summary in a saved plan, because anybody may have edited it.
    let expired = plan.decisions.iter().filter(|one| !one.action.stays()).count();
    let expired_gib = plan.summary.expired_gib;
    if expired == 0 {
        return format!("image-steward: no expired image, {} in total", counted(images, "image"));
    }
    let price = Price::in_region(&plan.region);
    format!(
        "image-steward: {} of {} would be removed, at most {}",
        thousands(expired),
        counted(images, "image"),
        size_and_cost(expired_gib, price.as_ref(), " and "),
    )
}

/// Returns a sentence with the planned actions and the number of images that are kept.
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
    let remove = format!("to {}", plan.account.provider().words().removal.base);
    let parts = [
        (deregister, remove.as_str()),
        (disable, "to disable"),
        (deprecate, "to deprecate"),
        (expire, "to tag as expired"),
        (rescue, "to rescue"),
        (wait, "waiting for a later step"),
    ];
    let mut said: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", thousands(count)))
        .collect();
    if deferred > 0 {
        said.push(format!("{} of these deferred by a limit", thousands(deferred)));
    }
    let now = if said.is_empty() { String::new() } else { format!("{}. ", said.join(", ")) };
    let used = if in_use > 0 { format!(", {} in use", thousands(in_use)) } else { String::new() };
    format!("{now}{} of {} kept{used}.", thousands(keep), counted(images, "image"))
}

/// Returns a sentence on the snapshots whose image no longer exists, if any are to be changed.
fn snapshot_counts(plan: &SnapshotPlan) -> Option<String> {
    let count = |action| plan.decisions.iter().filter(|one| one.action == action).count();
    let parts = [
        (count(SnapshotAction::Delete), "to delete"),
        (count(SnapshotAction::Mark), "to tag for later deletion"),
    ];
    let said: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", thousands(count)))
        .collect();
    (!said.is_empty())
        .then(|| format!("Snapshots whose image no longer exists: {}.", said.join(", ")))
}
