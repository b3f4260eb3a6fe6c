//! Golden plans: a plan as text, with one line per image or snapshot.
//!
//! A line has three parts: the action with the next step, all reasons, and the resource. It
//! contains every non-empty field of a decision, so that any change of a field changes a line. The
//! code destructures the structs, so that a new field does not compile until it is added here.
//! Reasons, refusals and counts are serialized with all fields.
//!
//! IDs of Azure are shortened to the names in them.
//!
//! The last `:00` of a time is omitted, or at midnight the whole `T00:00:00`: `2026-11-22T12:00Z`,
//! `2026-11-22Z`.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use steward::model::{AccountId, Region};
use steward::plan::snapshots::{SnapshotDecision, SnapshotPlan};
use steward::plan::undo::Undo;
use steward::plan::{Action, Decision, Next, Plan, Removal};

/// The plan of the images.
pub fn images(plan: &Plan) -> String {
    let Plan { account, region, planned_at, refusal, notes, decisions, summary } = plan;
    let mut lines = vec![format!("images of {} at {}", place(account, region), show(planned_at))];
    lines.extend(refusal.iter().map(|refusal| format!("refused: {}", tagged(refusal))));
    lines.extend(notes.iter().map(|note| format!("note: {note}")));
    lines.extend(decisions.iter().map(image));
    let (_, counts) = fields(summary).into_iter().partition::<Vec<_>, _>(|(_, count)| *count == 0);
    lines.push(format!("summary:{}", pairs(&counts)));
    lines.join("\n")
}

/// The plan of the snapshots.
pub fn snapshots(plan: &SnapshotPlan) -> String {
    let SnapshotPlan { account, region, planned_at, refusal, decisions, others } = plan;
    let mut lines =
        vec![format!("snapshots of {} at {}", place(account, region), show(planned_at))];
    lines.extend(refusal.iter().map(|refusal| format!("refused: {}", tagged(refusal))));
    lines.extend(decisions.iter().map(snapshot));
    lines.push(format!("others: {others}"));
    lines.join("\n")
}

fn image(decision: &Decision) -> String {
    let Decision {
        image_id,
        name,
        created_at,
        rule,
        family,
        action,
        reasons,
        expired_at,
        next,
        deregister_at: _,
        snapshots,
        size_gib: _,
        shared_with: _,
        specialized_and_shared,
    } = decision;
    let next = next.map(|Next { action, at }| format!("{}@{}", show(&action), show(&at)));
    line(&[
        format!("{} {}{}", image_id.short(), steps(action), field("next", &next)),
        all_reasons(reasons),
        [
            field("rule", rule),
            field("family", family),
            field("name", &(!name.is_empty()).then_some(name)),
            field("created", created_at),
            field("expired", expired_at),
            field("snapshots", snapshots),
            field("specialized_and_shared", specialized_and_shared),
        ]
        .concat(),
    ])
}

/// The action with its fields.
fn steps(action: &Action) -> String {
    let kind = fields(action).swap_remove(0).1;
    let carried = match action {
        Action::Keep | Action::Wait | Action::Expire => String::new(),
        Action::Deprecate { save } => field("save", save),
        Action::Disable { save, deprecation } => {
            [field("save", save), field("deprecation", deprecation)].concat()
        }
        Action::Deregister { removal } => {
            let Removal { snapshots, delete_after, fate, save } = removal;
            [
                field("snapshots", snapshots),
                field("delete_after", delete_after),
                field("fate", fate),
                field("save", save),
            ]
            .concat()
        }
        Action::Rescue(undo) => {
            let Undo { enable, share_with, not_shared, deprecation, unmark, keep_tags } = undo;
            [
                field("enable", enable),
                field("share_with", share_with),
                field("not_shared", not_shared),
                field("deprecation", deprecation),
                field("unmark", unmark),
                field("keep_tags", keep_tags),
            ]
            .concat()
        }
    };
    format!("{}{carried}", show(&kind))
}

fn snapshot(decision: &SnapshotDecision) -> String {
    let SnapshotDecision { snapshot_id, image, size_gib, action, delete_after, reasons } = decision;
    line(&[
        format!(
            "{} {}{}",
            with_type(snapshot_id.as_str()),
            show(action),
            field("delete_after", delete_after)
        ),
        all_reasons(reasons),
        [field("image", image), field("size_gib", size_gib)].concat(),
    ])
}

/// The type and name in the ID of a snapshot or a disk on Azure; an AWS ID as it is.
fn with_type(id: &str) -> &str {
    id.strip_prefix('/')
        .and_then(|id| id.split("/providers/microsoft.compute/").nth(1))
        .unwrap_or(id)
}

fn line(parts: &[String]) -> String {
    parts.iter().map(|part| part.trim()).collect::<Vec<_>>().join(" | ").trim_end().to_owned()
}

fn all_reasons<T: Serialize>(reasons: &[T]) -> String {
    reasons.iter().map(tagged).collect::<Vec<_>>().join("; ")
}

/// A value of an enum whose kind is in a field. The kind is first: `last rank=1 of=3`.
fn tagged<T: Serialize>(value: &T) -> String {
    let mut fields = fields(value);
    let (_, kind) = fields.remove(0);
    format!("{}{}", show(&kind), pairs(&fields))
}

/// The fields of a struct in serialization order.
fn fields<T: Serialize>(value: &T) -> Vec<(String, Value)> {
    let text = serde_json::to_string(value).unwrap();
    let Value::Object(fields) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
    let mut fields: Vec<_> = fields.into_iter().collect();
    fields.sort_by_key(|(key, _)| text.find(&format!("\"{key}\":")));
    fields
}

fn pairs(fields: &[(String, Value)]) -> String {
    fields.iter().map(|(key, value)| format!(" {key}={}", show(value))).collect()
}

/// ` key=value`; empty for an absent or false value, and for an empty list.
fn field<T: Serialize>(key: &str, value: &T) -> String {
    let value = serde_json::to_value(value).unwrap();
    let empty = [Value::Null, Value::from(false), Value::Array(Vec::new())];
    if empty.contains(&value) { String::new() } else { format!(" {key}={}", show(&value)) }
}

fn show<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value).unwrap() {
        Value::String(text) => word(&text),
        Value::Array(values) => {
            format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(" "))
        }
        Value::Object(fields) => {
            let fields: Vec<_> = fields.into_iter().collect();
            format!("{{{}}}", pairs(&fields).trim_start())
        }
        other => other.to_string(),
    }
}

/// A text, quoted if it would be ambiguous otherwise.
fn word(text: &str) -> String {
    let is_bare = |c: char| !c.is_whitespace() && !"\"[]{};|".contains(c);
    if text.is_empty() || !text.chars().all(is_bare) {
        return Value::from(text).to_string();
    }
    let is_time = text.parse::<Timestamp>().is_ok();
    let short = text.strip_suffix("T00:00:00Z").or_else(|| text.strip_suffix(":00Z"));
    short.filter(|_| is_time).map_or_else(|| text.to_owned(), |short| format!("{short}Z"))
}

fn place(account: &AccountId, region: &Option<Region>) -> String {
    match region {
        Some(region) => format!("{account} in {region}"),
        None => account.to_string(),
    }
}
