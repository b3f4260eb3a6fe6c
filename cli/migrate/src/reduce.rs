//! Translates the `reduce` filter of Cloud Custodian, based on the source of c7n 0.9.53
//! (`c7n/filters/core.py`, `ReduceFilter`).
//!
//! Only a filter that discards the newest N images by some property is equivalent to a keep rule.
//! All other uses are not translated.

use steward::suggest::shown;

use super::expression::Atom;
use super::yaml::{Node, YamlValue};

/// The maximum number of images in `discard`.
const MAX_COUNT: f64 = 1e6;

/// Translates a `reduce` filter at the top level of `filters`.
pub fn atom(node: &Node) -> Atom {
    let discard = node.get("discard");
    let limits = ["limit", "limit-percent", "discard-percent"];
    let has_limit = limits.iter().any(|key| node.get(key).is_some());
    if !has_limit && discard.and_then(Node::number).unwrap_or_default() == 0.0 {
        return match discard {
            Some(Node { value: YamlValue::Number(_), .. }) | None => {
                Atom::Always("`reduce` without `discard` or `limit` discards no image".to_owned())
            }
            Some(other) => unknown(node, vec![count_problem(other)]),
        };
    }
    let mut problems = Vec::new();
    for (key, value) in node.entries() {
        match key.as_str() {
            "type" | "group-by" | "sort-by" | "order" => {}
            "discard" if count(value).is_some() => {}
            "discard" => problems.push(count_problem(value)),
            _ => problems.push(format!("`{}: {}`", shown(key), value.shown())),
        }
    }
    if discard.is_none() {
        problems.push("no `discard`".to_owned());
    }
    match node.get("order").map(|order| (order.text(), order)) {
        Some((Some("desc"), _)) => {}
        None => problems.push("no `order`, which discards the oldest images".to_owned()),
        Some((Some("asc"), _)) => {
            problems.push("`order: asc`, which discards the oldest images".to_owned());
        }
        Some((_, order)) => problems.push(format!("`order: {}`", order.shown())),
    }
    match node.get("sort-by").map(|by| (key_of(by, &["string", "date"]), by)) {
        Some((Some("CreationDate"), _)) => {}
        None => problems.push("no `sort-by`".to_owned()),
        Some((_, by)) => problems.push(format!("`sort-by: {}`", by.shown())),
    }
    let group_by = match node.get("group-by") {
        None => Some(None),
        Some(by) => match key_of(by, &["string"]).and_then(property) {
            Some(property) => Some(Some(property)),
            None => {
                problems.push(format!("`group-by: {}`", by.shown()));
                None
            }
        },
    };
    match (discard.and_then(count), group_by) {
        (Some(last), Some(group_by)) if problems.is_empty() => Atom::Reduce { last, group_by },
        _ => unknown(node, problems),
    }
}

fn unknown(node: &Node, problems: Vec<String>) -> Atom {
    let what = format!(
        "the filter `reduce` with {} (the equivalent of `keep.last` discards the newest images of each family: use \
         `sort-by: CreationDate`, `order: desc` and `discard: N`, without a limit; `group-by` can be a tag, Architecture \
         or PlatformDetails)",
        problems.join(", ")
    );
    Atom::Unknown { what, line: node.line }
}

fn count_problem(value: &Node) -> String {
    format!("`discard: {}`", value.shown())
}

/// The count, if it is a whole number of at least 1.
fn count(value: &Node) -> Option<u32> {
    let count = value.number()?;
    ((1.0..=MAX_COUNT).contains(&count) && count.fract() == 0.0).then_some(count as u32)
}

/// The key of a value, if Custodian compares the value unchanged, as one of these types.
fn key_of<'a>(by: &'a Node, types: &[&str]) -> Option<&'a str> {
    if let Some(key) = by.text() {
        return Some(key);
    }
    let is_known = |(key, value): &(String, Node)| match key.as_str() {
        "key" => true,
        "value_type" => value.text().is_some_and(|kind| types.contains(&kind)),
        _ => false,
    };
    by.entries().iter().all(is_known).then(|| by.get("key")?.text()).flatten()
}

/// The equivalent entry of `group_by`.
fn property(key: &str) -> Option<String> {
    match key {
        "Architecture" => Some("architecture".to_owned()),
        "PlatformDetails" => Some("platform".to_owned()),
        _ => key.strip_prefix("tag:").filter(|tag| !tag.is_empty()).map(|_| key.to_owned()),
    }
}
