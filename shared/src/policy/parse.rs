//! Parses the text of a policy into [`schema::RawPolicy`], and reports all errors at once.
//!
//! serde stops at the first error. Therefore each invalid value is recorded and removed from the
//! tree, and the tree is deserialized again until there is no error. With this approach, no type
//! needs a second, tolerant deserializer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{PolicyDigest, Position, Problem};
use super::{schema, wrong_type};

/// The maximum number of errors. Parsing stops there, which also bounds its duration.
const MAX_PROBLEMS: usize = 100;

/// The maximum length of a message, in characters. A message may contain a longer value.
const MAX_MESSAGE: usize = 500;

/// The document without its invalid values, and the errors in it.
pub(super) struct Reading<'a> {
    pub document: schema::RawPolicy,
    pub problems: Problems<'a>,
    /// The digest of the whole document. It is meaningless if a value was removed.
    pub digest: PolicyDigest,
}

/// The errors found so far, at most [`MAX_PROBLEMS`], and the position of each path in the text.
pub(super) struct Problems<'a> {
    lines: Lines<'a>,
    places: BTreeMap<String, Place>,
    pub found: Vec<Problem>,
}

/// Byte offsets of a key and its value. They are converted to a line and column only for errors.
struct Place {
    key: usize,
    value: usize,
}

/// A text with the byte offsets of its lines.
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

    /// Records an error that concerns the whole document.
    fn push_whole(&mut self, position: Option<Position>, message: String) {
        self.found.push(Problem { path: String::new(), position, message });
    }

    fn is_full(&self) -> bool {
        self.found.len() >= MAX_PROBLEMS
    }

    /// Records an error at `path`, unless there already is an error at this path, at one of its
    /// parents, or below it.
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
        // If the path is not in the text because a value is missing, the position of its parent is
        // used.
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

/// Parses a document. Text that begins with `{` is JSON; other text is TOML, which cannot begin
/// with `{`. A leading byte order mark is ignored.
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

/// Removes the value at `path` from the tree. A key is removed. A list element is replaced by a
/// valid one, so that the indices of the other elements stay the same; this is safe because a
/// document with errors is never used. Returns false if the tree has no such path.
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
                        "share_back" => Value::from("000000000000"),
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
        problems.push_whole(position, format!("invalid TOML: {}", error.message()));
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

/// Converts a number that is not an `i64`. A number that JSON cannot represent is an error,
/// whatever its key.
fn number_tree(text: &str, path: &str, problems: &mut Problems<'_>) -> Value {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Value::from(number),
        _ => {
            let shown: String = text.chars().take(40).collect();
            problems.note(path, format!("`{shown}` is out of range; use a smaller number"));
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
        problems.push_whole(Some(position), format!("invalid JSON: {message}"));
    };
    read.map_err(report).ok()
}

/// Deserializes a `serde_json::Value` and rejects duplicate keys, so that the first of two `keep`
/// keys is not silently lost. TOML forbids duplicate keys anyway.
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
