//! Cloud Custodian's filters of images as expressions. What they mean was read in the source of
//! c7n 0.9.53: `c7n/resources/ami.py`, `c7n/filters/core.py`, `c7n/tags.py`.

use steward::draft::{any_of, literal};

use super::expression::{Atom, Expression, Field};
use super::globs::{from_fnmatch, from_regex};
use super::yaml::{Node, Value};

/// What a list of filters selects: all of them must hold.
pub fn all_of(filters: &Node) -> Expression {
    Expression::All(filters.elements().iter().map(filter).collect())
}

/// Whether a filter asks for a mark that another policy left, anywhere in there.
pub fn asks_for_mark(filters: &Node) -> bool {
    filters.elements().iter().any(|filter| {
        let kind = filter.text().or_else(|| filter.get("type").and_then(Node::text));
        kind == Some("marked-for-op")
            || filter.entries().iter().any(|(key, value)| {
                matches!(key.as_str(), "and" | "or" | "not") && asks_for_mark(value)
            })
    })
}

fn filter(node: &Node) -> Expression {
    if let Some(kind) = node.text() {
        return Expression::Is(by_type(kind, node));
    }
    if let [(key, value)] = node.entries() {
        let list = || value.elements().iter().map(filter).collect();
        match key.as_str() {
            "and" => return Expression::All(list()),
            "or" => return Expression::Any(list()),
            "not" => return Expression::Not(Box::new(Expression::All(list())), node.line),
            "type" => {}
            _ => return Expression::Is(value_filter(node, key, None, Some(value), None)),
        }
    }
    let kind = node.get("type").and_then(Node::text).unwrap_or_default();
    Expression::Is(by_type(kind, node))
}

fn by_type(kind: &str, node: &Node) -> Atom {
    match kind {
        "unused" => match node.get("value").map(Node::truth) {
            None | Some(Some(true)) => Atom::Unused,
            _ => unknown(node, "images in use, which ours never touches"),
        },
        "image-age" => {
            if node.get("hours").is_some() || node.get("minutes").is_some() {
                return unknown(node, &format!("the filter {}", node.shown()));
            }
            let days = node.get("days").map_or(Some(0.0), Node::number);
            age(node, days, node.get("op").and_then(Node::text).unwrap_or("greater-than"))
        }
        "value" => {
            let known = ["type", "key", "value", "op", "value_type"];
            let other = node.entries().iter().find(|(key, _)| !known.contains(&key.as_str()));
            let key = node.get("key").and_then(Node::text);
            match (key, other) {
                (Some(key), None) => value_filter(
                    node,
                    key,
                    node.get("op").and_then(Node::text),
                    node.get("value"),
                    node.get("value_type").and_then(Node::text),
                ),
                _ => unknown(node, &format!("the filter {}", node.shown())),
            }
        }
        "image-attribute" => unknown(
            node,
            &format!(
                "the filter {} (for the last launch, `launched_within` in `keep` is near; but theirs leaves out images \
                 that were never launched, and ours does not)",
                node.shown()
            ),
        ),
        "cross-account" => unknown(
            node,
            "the filter cross-account, which selects images that others may launch (ours keeps them: shared_images)",
        ),
        _ => unknown(node, &format!("the filter {}", node.shown())),
    }
}

fn unknown(node: &Node, what: &str) -> Atom {
    Atom::Unknown { what: what.to_owned(), line: node.line }
}

fn age(node: &Node, days: Option<f64>, op: &str) -> Atom {
    match (op, days) {
        ("greater-than" | "gt" | "ge" | "gte", Some(days)) if (0.0..36_000.0).contains(&days) => {
            Atom::OlderThan(days)
        }
        _ => unknown(
            node,
            &format!(
                "the age in {} (only older than a number of days is known here)",
                node.shown()
            ),
        ),
    }
}

fn value_filter(
    node: &Node,
    key: &str,
    op: Option<&str>,
    value: Option<&Node>,
    value_type: Option<&str>,
) -> Atom {
    let not_known = || unknown(node, &format!("the filter {}", node.shown()));
    let Some(value) = value else { return not_known() };
    match (key, value_type) {
        ("CreationDate", Some("age")) => return age(node, value.number(), op.unwrap_or("eq")),
        (_, Some(_)) => return not_known(),
        _ => {}
    }
    let is_equal = matches!(op, None | Some("eq" | "equal"));
    match (key, &value.value) {
        ("State", Value::Text(state)) if is_equal && state == "available" => {
            return Atom::Always("State: ours looks at the state itself".to_owned());
        }
        ("Public", _) if is_equal && value.truth() == Some(false) => {
            return Atom::Always("Public: ours keeps public images (shared_images)".to_owned());
        }
        ("Platform", Value::Text(platform)) if is_equal && platform == "windows" => {
            return exactly(Field::Platform, "Windows*".to_owned(), false);
        }
        ("Platform", Value::Text(word)) if word == "absent" => {
            return exactly(Field::Platform, "Windows*".to_owned(), true);
        }
        _ => {}
    }
    let about = match key {
        "Name" => Field::Name,
        "Architecture" => Field::Architecture,
        "PlatformDetails" => Field::Platform,
        _ => match key.strip_prefix("tag:") {
            Some(tag) if !tag.is_empty() => Field::Tag(tag.to_owned()),
            _ => return not_known(),
        },
    };
    compared(about, op, value).unwrap_or_else(not_known)
}

fn exactly(field: Field, glob: String, negated: bool) -> Atom {
    Atom::Field { field, glob, negated, exact: true }
}

/// `None` when ours has no such comparison.
fn compared(about: Field, op: Option<&str>, value: &Node) -> Option<Atom> {
    let is_tag = matches!(about, Field::Tag(_));
    let (glob, negated) = match (op, &value.value) {
        (_, Value::Text(word)) if word == "present" => ("*".to_owned(), false),
        (_, Value::Text(word)) if word == "not-null" => ("?*".to_owned(), false),
        (_, Value::Text(word)) if word == "absent" && is_tag => ("*".to_owned(), true),
        (_, Value::Text(word)) if word == "empty" && is_tag => ("?*".to_owned(), true),
        (_, Value::Text(word)) if word == "absent" || word == "empty" => return None,
        (None | Some("eq" | "equal"), Value::Text(text)) => (literal(text), false),
        (Some("ne" | "not-equal"), Value::Text(text)) => (literal(text), true),
        (Some("in"), Value::List(_)) => (any_of(texts(value)?)?, false),
        (Some("not-in" | "ni"), Value::List(_)) => (any_of(texts(value)?)?, true),
        (Some("contains"), Value::Text(text)) => (format!("*{}*", literal(text)), false),
        // Our `?` is one byte: of what is not ASCII it matches less than theirs.
        (Some("glob"), Value::Text(pattern)) => {
            return Some(pattern_of(about, from_fnmatch(pattern)?));
        }
        // Theirs does not mind upper and lower case here, and ours does: fewer images match.
        (Some("regex"), Value::Text(pattern)) => {
            let glob = from_regex(pattern)?;
            return Some(Atom::Field { field: about, glob, negated: false, exact: false });
        }
        (Some("regex-case"), Value::Text(pattern)) => {
            return Some(pattern_of(about, from_regex(pattern)?));
        }
        _ => return None,
    };
    Some(exactly(about, glob, negated))
}

fn pattern_of(field: Field, glob: String) -> Atom {
    let exact = !glob.contains('?');
    Atom::Field { field, glob, negated: false, exact }
}

fn texts(list: &Node) -> Option<Vec<String>> {
    list.elements().iter().map(|one| one.text().map(literal)).collect()
}
