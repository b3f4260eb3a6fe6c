//! Translates Cloud Custodian filters into expressions, based on the source of c7n 0.9.53
//! (`c7n/resources/ami.py`, `c7n/filters/core.py`, `c7n/tags.py`).

use steward::suggest::{is_glob, literal};

use super::expression::{Atom, Expression, Field, Mark, alternatives};
use super::globs::{from_fnmatch, from_regex, one_of};
use super::reduce;
use super::yaml::{Node, YamlValue};

/// The default tag of `mark-for-op`.
pub const DEFAULT_TAG: &str = "maid_status";

/// The filters of a policy, which must all hold, in order.
pub fn of(policy: &Node) -> Expression {
    let filters = policy.get("filters").map(Node::elements).unwrap_or_default();
    let mut parts: Vec<_> = filters
        .iter()
        .map(|node| if is_reduce(node) { reduce::atom(node).into() } else { filter(node) })
        .collect();
    let is_reducing = |part: &Expression| matches!(part, Expression::Is(Atom::Reduce { .. }));
    let reducing = parts.iter().filter(|part| is_reducing(part)).count();
    let has_choices =
        parts.iter().any(|part| alternatives(part).is_none_or(|choices| choices.len() != 1));
    if reducing > 1 || has_choices {
        let what = match has_choices {
            true => {
                "the filter `reduce` with filters that have alternatives, which become several rules with separate \
                 families (a glob such as `{a,b}` or a list with `op: in` is not an alternative)"
            }
            false => "more than one `reduce` filter",
        };
        for (part, node) in parts.iter_mut().zip(filters).filter(|(part, _)| is_reducing(part)) {
            *part = unknown(node, what);
        }
    }
    Expression::All(parts)
}

fn is_reduce(node: &Node) -> bool {
    node.text().or_else(|| node.get("type").and_then(Node::text)) == Some("reduce")
}

/// Whether a policy selects only images in use.
pub fn is_for_used_images(policy: &Node) -> bool {
    let filters = policy.get("filters").map(Node::elements).unwrap_or_default();
    filters.iter().any(|filter| {
        filter.get("type").and_then(Node::text) == Some("unused")
            && filter.get("value").and_then(Node::truth) == Some(false)
    })
}

fn filter(node: &Node) -> Expression {
    if let Some(kind) = node.text() {
        return by_type(kind, node);
    }
    if let [(key, value)] = node.entries() {
        let list = || value.elements().iter().map(filter).collect();
        match key.as_str() {
            "and" => return Expression::All(list()),
            "or" => return Expression::Any(list()),
            "not" => return Expression::Not(Box::new(Expression::All(list())), node.line),
            "type" => {}
            _ => return value_filter(node, key, None, Some(value), None),
        }
    }
    by_type(node.get("type").and_then(Node::text).unwrap_or_default(), node)
}

/// Whether a filter has only known keys. Another key may make it select fewer images.
fn has_only(node: &Node, known: &[&str]) -> bool {
    node.entries().iter().all(|(key, _)| known.contains(&key.as_str()))
}

fn by_type(kind: &str, node: &Node) -> Expression {
    let not_known = || unknown(node, &format!("the filter {}", node.shown()));
    match kind {
        "unused" if has_only(node, &["type", "value"]) => {
            match node.get("value").map(Node::truth) {
                None | Some(Some(true)) => Atom::Unused.into(),
                _ => unknown(node, "images in use, which image-steward never removes"),
            }
        }
        "image-age" if has_only(node, &["type", "days", "op"]) => {
            let days = node.get("days").map_or(Some(0.0), Node::number);
            let op = node.get("op").map_or(Some("greater-than"), Node::text);
            age(node, days, op)
        }
        // `tz` and `skew` only change when Custodian acts.
        "marked-for-op" if has_only(node, &["type", "tag", "op", "tz", "skew", "skew_hours"]) => {
            let text = |key, default| node.get(key).map_or(Some(default), Node::text);
            match (text("tag", DEFAULT_TAG), text("op", "stop")) {
                (Some(tag), Some(op)) => {
                    let mark = Mark { tag: tag.to_owned(), op: op.to_owned() };
                    Atom::Mark { mark, negated: false, line: node.line }.into()
                }
                _ => not_known(),
            }
        }
        "value" if has_only(node, &["type", "key", "value", "op", "value_type"]) => {
            let text = |key| node.get(key).map(Node::text);
            match (text("key"), text("op"), text("value_type")) {
                (Some(Some(key)), op, kind) if op != Some(None) && kind != Some(None) => {
                    value_filter(node, key, op.flatten(), node.get("value"), kind.flatten())
                }
                _ => not_known(),
            }
        }
        "image-attribute" => unknown(
            node,
            &format!(
                "the filter {} (for the last launch, `launched_within` in `keep` is similar; but Custodian skips images \
                 that were never launched, and image-steward does not)",
                node.shown()
            ),
        ),
        "reduce" => unknown(
            node,
            "the filter `reduce` within `and`, `or` or `not` (move it to the top level of `filters`)",
        ),
        "cross-account" => unknown(
            node,
            "the filter cross-account, which selects images that other accounts can launch (image-steward keeps them; see \
             shared_images)",
        ),
        _ => not_known(),
    }
}

fn unknown(node: &Node, what: &str) -> Expression {
    Atom::Unknown { what: what.to_owned(), line: node.line }.into()
}

fn age(node: &Node, days: Option<f64>, op: Option<&str>) -> Expression {
    match (op, days) {
        (Some("greater-than" | "gt" | "ge" | "gte"), Some(days))
            if (0.0..36_000.0).contains(&days) =>
        {
            Atom::OlderThan(days).into()
        }
        _ => unknown(
            node,
            &format!(
                "the age in {} (only images older than a number of days can be selected)",
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
) -> Expression {
    let not_known = || unknown(node, &format!("the filter {}", node.shown()));
    let Some(value) = value else { return not_known() };
    match (key, value_type) {
        ("CreationDate", Some("age")) => return age(node, value.number(), op.or(Some("eq"))),
        (_, Some(_)) => return not_known(),
        _ => {}
    }
    let is_equal = matches!(op, None | Some("eq" | "equal"));
    let always = |reason: &str| Atom::Always(reason.to_owned()).into();
    match (key, &value.value) {
        ("State", YamlValue::Text(state)) if is_equal && state == "available" => {
            return always("State: image-steward checks the state itself");
        }
        ("Public", YamlValue::Bool(false)) if is_equal => {
            let reason = "Public: image-steward keeps public images (shared_images)";
            return Atom::AlwaysButRanked(reason.to_owned()).into();
        }
        ("Platform", YamlValue::Text(word)) if is_equal && word == "windows" => {
            return exactly(Field::Platform, "Windows*".to_owned(), false).into();
        }
        ("Platform", YamlValue::Text(word)) if is_equal && word == "absent" => {
            return exactly(Field::Platform, "Windows*".to_owned(), true).into();
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
    match &value.value {
        YamlValue::Text(word) if KINDS.contains(&word.as_str()) => {
            // With another operator, Custodian also compares with the word itself.
            let known = if is_equal { about_presence(about, word) } else { None };
            known.unwrap_or_else(not_known)
        }
        _ => compared(about, op, value).map_or_else(not_known, Expression::Is),
    }
}

fn exactly(field: Field, glob: String, negated: bool) -> Atom {
    Atom::Field { field, glob, negated, exact: true }
}

/// Words that test for the presence of a value.
const KINDS: [&str; 4] = ["present", "not-null", "absent", "empty"];

fn about_presence(about: Field, word: &str) -> Option<Expression> {
    let glob = if matches!(word, "present" | "absent") { "*" } else { "?*" };
    match (word, &about) {
        ("present" | "not-null", _) => Some(exactly(about, glob.to_owned(), false).into()),
        // Custodian also treats a tag whose value is the word itself as absent or empty.
        (_, Field::Tag(_)) => Some(Expression::Sided {
            holds: exactly(about.clone(), glob.to_owned(), true),
            fails: vec![
                exactly(about.clone(), glob.to_owned(), false),
                exactly(about, literal(word), true),
            ],
        }),
        _ => None,
    }
}

/// `None` if there is no equivalent comparison.
fn compared(about: Field, op: Option<&str>, value: &Node) -> Option<Atom> {
    let (glob, negated, exact) = match (op, &value.value) {
        (None | Some("eq" | "equal"), YamlValue::Text(text)) => (fixed(text)?, false, true),
        (Some("ne" | "not-equal"), YamlValue::Text(text)) => (fixed(text)?, true, true),
        (Some("in"), YamlValue::List(_)) => (one_of(texts(value)?)?, false, true),
        (Some("not-in" | "ni"), YamlValue::List(_)) => (one_of(texts(value)?)?, true, true),
        (Some("contains"), YamlValue::Text(text)) if !text.is_empty() => {
            (format!("*{}*", fixed(text)?), false, true)
        }
        (Some("glob"), YamlValue::Text(pattern)) if !is_filled_in(pattern) => {
            (from_fnmatch(pattern)?, false, true)
        }
        // Custodian ignores case here. A glob does not, so fewer images match.
        (Some("regex"), YamlValue::Text(pattern)) => (from_regex(pattern)?, false, false),
        (Some("regex-case"), YamlValue::Text(pattern)) => (from_regex(pattern)?, false, true),
        _ => return None,
    };
    is_glob(&glob).then_some(Atom::Field { field: about, glob, negated, exact })
}

/// Whether Custodian replaces placeholders in the text: `{account_id}`, `{now}` and others.
fn is_filled_in(text: &str) -> bool {
    text.contains(['{', '}'])
}

fn fixed(text: &str) -> Option<String> {
    (!is_filled_in(text)).then(|| literal(text))
}

fn texts(list: &Node) -> Option<Vec<String>> {
    list.elements().iter().map(|one| one.text().and_then(fixed)).collect()
}
