//! Reads the text of a policy into [`schema::RawPolicy`], with all errors at once.
//!
//! serde stops at the first error. So each wrong value is recorded and cut out of the tree, and the
//! rest is read again, until it reads without an error: no type needs a second, tolerant reader.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{PolicyDigest, Position, Problem};
use super::{schema, wrong_type};

/// Reading stops at this number of errors, which also bounds the time that it takes.
const MAX_PROBLEMS: usize = 100;

/// The maximum length of a message, in characters: a value that it shows may be longer.
const MAX_MESSAGE: usize = 500;

/// The document without its wrong values, and the errors in it.
pub(super) struct Reading<'a> {
    pub document: schema::RawPolicy,
    pub problems: Problems<'a>,
    /// Of the whole document; meaningless where something was cut out.
    pub digest: PolicyDigest,
}

/// The errors found so far, at most [`MAX_PROBLEMS`], and the place in the text of each path.
pub(super) struct Problems<'a> {
    lines: Lines<'a>,
    places: BTreeMap<String, Place>,
    pub found: Vec<Problem>,
}

/// Where a value is in the text, in bytes. Only the position of an error is counted out.
struct Place {
    key: usize,
    value: usize,
}

/// A text, and where its lines begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|at| self.starts.get(at)).copied();
        let before = self.text.get(start.unwrap_or_default()..offset).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }
}

impl<'a> Problems<'a> {
    fn new(text: &'a str) -> Self {
        Self { lines: Lines::of(text), places: BTreeMap::new(), found: Vec::new() }
    }

    /// An error in the text as a whole.
    fn push_whole(&mut self, position: Option<Position>, message: String) {
        self.found.push(Problem { path: String::new(), position, message });
    }

    fn is_full(&self) -> bool {
        self.found.len() >= MAX_PROBLEMS
    }

    /// Records an error at `path`, unless a value at, around or below that path is wrong already.
    pub(super) fn note(&mut self, path: &str, message: impl fmt::Display) {
        let covered = self.found.iter().any(|problem| {
            let cut = problem.path.as_str();
            path == cut
                || path.strip_prefix(cut).is_some_and(|rest| rest.starts_with(['.', '[']))
                || (cut.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '['])))
        });
        if !covered && !self.is_full() {
            self.push(path, &message.to_string());
        }
    }

    fn push(&mut self, path: &str, message: &str) {
        let about_key = message.starts_with("unknown field");
        // A path that is not in the text, because something is missing, has its parent's position.
        let mut shown = path;
        let position = loop {
            if let Some(place) = self.places.get(shown) {
                break Some(self.lines.position(if about_key { place.key } else { place.value }));
            }
            match shown.rfind(['.', '[']) {
                Some(at) => shown = shown.get(..at).unwrap_or_default(),
                None => break None,
            }
        };
        let mut message = message.replacen("unknown field", "unknown key", 1);
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
            message.truncate(end);
            message.push('…');
        }
        self.found.push(Problem { path: path.to_owned(), position, message });
    }
}

/// Reads a document: JSON when it begins with `{`, TOML otherwise (no TOML document begins so). A
/// byte order mark before it is left out.
pub(super) fn read(text: &str) -> Result<Reading<'_>, Vec<Problem>> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut problems = Problems::new(text);
    let tree = if text.trim_start().starts_with('{') {
        read_json(text, &mut problems)
    } else {
        read_toml(text, &mut problems)
    };
    let Some(mut tree) = tree else { return Err(problems.found) };
    let mut cuts = BTreeSet::new();
    loop {
        match serde_path_to_error::deserialize::<_, schema::RawPolicy>(&tree) {
            Ok(document) => {
                return Ok(Reading { document, problems, digest: PolicyDigest::of(&tree) });
            }
            Err(error) => {
                let path = error.path().to_string();
                if !problems.found.iter().any(|problem| problem.path == path) {
                    let message = error.inner().to_string();
                    let value = find(&tree, error.path());
                    let explained = value.and_then(|value| wrong_type::explained(&message, value));
                    problems.push(&path, &explained.unwrap_or(message));
                }
                if problems.is_full() || !cut(&mut tree, error.path()) || !cuts.insert(path) {
                    return Err(problems.found);
                }
            }
        }
    }
}

/// The value at `path`.
fn find<'a>(tree: &'a Value, path: &serde_path_to_error::Path) -> Option<&'a Value> {
    use serde_path_to_error::Segment;
    path.iter().try_fold(tree, |node, segment| match segment {
        Segment::Map { key } => node.get(key),
        Segment::Seq { index } => node.get(*index),
        Segment::Enum { .. } | Segment::Unknown => None,
    })
}

/// Cuts the value at `path` out of the tree: a key is removed, and an element of a list is replaced
/// by a valid one, so that the indices of the others stay the same. The document is never used
/// once it has an error. Returns false when the tree has no such path.
fn cut(tree: &mut Value, path: &serde_path_to_error::Path) -> bool {
    use serde_path_to_error::Segment;
    let mut node = tree;
    let mut list_of = "";
    let mut segments = path.iter().peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        node = match (segment, node) {
            (Segment::Map { key }, Value::Object(map)) if last => return map.remove(key).is_some(),
            (Segment::Map { key }, Value::Object(map)) => {
                list_of = key;
                let Some(next) = map.get_mut(key) else { return false };
                next
            }
            (Segment::Seq { index }, Value::Array(list)) => {
                let Some(next) = list.get_mut(*index) else { return false };
                if last {
                    *next = match list_of {
                        "rule" => Value::Object(Map::new()),
                        "group_by" => Value::from("architecture"),
                        "pinned" => Value::from("ami-0"),
                        _ => Value::from("key"),
                    };
                    return true;
                }
                next
            }
            _ => return false,
        };
    }
    false
}

fn read_toml(text: &str, problems: &mut Problems<'_>) -> Option<Value> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().take(MAX_PROBLEMS) {
        let at = error.span().map(|span| span.start);
        let position = at.map(|at| problems.lines.position(at));
        problems.push_whole(position, format!("not TOML: {}", error.message()));
    }
    errors.is_empty().then(|| table_tree(table.get_ref(), "", problems))
}

fn table_tree(table: &DeTable<'_>, path: &str, problems: &mut Problems<'_>) -> Value {
    let entries = table.iter().map(|(key, value)| {
        let name = key.get_ref();
        let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        (name.to_string(), value_tree(value, key.span().start, &path, problems))
    });
    Value::Object(entries.collect())
}

fn value_tree(
    value: &Spanned<DeValue<'_>>,
    key: usize,
    path: &str,
    problems: &mut Problems<'_>,
) -> Value {
    problems.places.insert(path.to_owned(), Place { key, value: value.span().start });
    match value.get_ref() {
        DeValue::String(string) => Value::from(string.as_ref()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => Value::from(number),
            Err(_) => number_tree(&integer.to_string(), path, problems),
        },
        DeValue::Float(float) => number_tree(float.as_str(), path, problems),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(datetime) => Value::from(datetime.to_string()),
        DeValue::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, element)| {
                value_tree(element, element.span().start, &format!("{path}[{index}]"), problems)
            })
            .collect(),
        DeValue::Table(table) => table_tree(table, path, problems),
    }
}

/// A number that is no `i64`. One that no JSON number can be is an error, whatever its key.
fn number_tree(text: &str, path: &str, problems: &mut Problems<'_>) -> Value {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Value::from(number),
        _ => {
            let shown: String = text.chars().take(40).collect();
            problems
                .note(path, format!("`{shown}` is not a number that fits; write a smaller one"));
            Value::Null
        }
    }
}

fn read_json(text: &str, problems: &mut Problems<'_>) -> Option<Value> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Strict.deserialize(&mut json).and_then(|tree| json.end().map(|()| tree));
    let report = |error: serde_json::Error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let position = Position { line: error.line(), column: error.column() };
        problems.push_whole(Some(position), format!("not JSON: {message}"));
    };
    read.map_err(report).ok()
}

/// Reads a `serde_json::Value`, but refuses duplicate keys: the first of two `keep` must not be
/// lost silently. TOML forbids them anyway.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Self)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if values.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate key `{key}`")));
            }
            let value = map.next_value_seed(Self)?;
            values.insert(key, value);
        }
        Ok(values.into())
    }
}
