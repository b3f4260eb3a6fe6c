//! Reads the text of a policy into [`schema::RawPolicy`], with all errors at once.
//!
//! serde stops at the first error. So each wrong value is recorded and cut out of the tree, and the
//! rest is read again, until it reads without an error: no type needs a second, tolerant reader.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::schema;
use super::{Position, Problem};

/// Reading stops at this number of errors, which also bounds the time that it takes.
const MAX_PROBLEMS: usize = 100;

/// The document without its wrong values, and the errors in it.
pub(super) struct Reading {
    pub document: schema::RawPolicy,
    pub problems: Problems,
}

/// The errors found so far, and the position in the text of each path.
pub(super) struct Problems {
    places: BTreeMap<String, Place>,
    pub found: Vec<Problem>,
}

struct Place {
    key: Position,
    value: Position,
}

impl Problems {
    /// Records an error at `path`, unless a value at, around or below that path is wrong already.
    pub(super) fn note(&mut self, path: &str, message: impl fmt::Display) {
        let covered = self.found.iter().any(|problem| {
            let cut = problem.path.as_str();
            path == cut
                || path.strip_prefix(cut).is_some_and(|rest| rest.starts_with(['.', '[']))
                || (cut.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '['])))
        });
        if !covered {
            self.push(path, &message.to_string());
        }
    }

    fn push(&mut self, path: &str, message: &str) {
        let about_key = message.starts_with("unknown field");
        // A path that is not in the text, because something is missing, has its parent's position.
        let mut shown = path;
        let position = loop {
            if let Some(place) = self.places.get(shown) {
                break Some(if about_key { place.key } else { place.value });
            }
            match shown.rfind(['.', '[']) {
                Some(at) => shown = shown.get(..at).unwrap_or_default(),
                None => break None,
            }
        };
        let message = message.replacen("unknown field", "unknown key", 1);
        self.found.push(Problem { path: path.to_owned(), position, message });
    }
}

/// Reads a document: JSON when it begins with `{`, TOML otherwise (no TOML document begins so).
pub(super) fn read(text: &str) -> Result<Reading, Vec<Problem>> {
    let (mut tree, places) = if text.trim_start().starts_with('{') {
        (read_json(text)?, BTreeMap::new())
    } else {
        read_toml(text)?
    };
    let mut problems = Problems { places, found: Vec::new() };
    loop {
        match serde_path_to_error::deserialize::<_, schema::RawPolicy>(&tree) {
            Ok(document) => return Ok(Reading { document, problems }),
            Err(error) => {
                let path = error.path().to_string();
                let seen = problems.found.iter().any(|problem| problem.path == path);
                problems.push(&path, &error.inner().to_string());
                if seen || problems.found.len() >= MAX_PROBLEMS || !cut(&mut tree, error.path()) {
                    return Err(problems.found);
                }
            }
        }
    }
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

fn read_toml(text: &str) -> Result<(Value, BTreeMap<String, Place>), Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors
            .iter()
            .map(|error| Problem {
                path: String::new(),
                position: error.span().map(|span| Position::in_text(text, span.start)),
                message: format!("not TOML: {}", error.message()),
            })
            .collect());
    }
    let mut places = BTreeMap::new();
    let tree = table_tree(text, table.get_ref(), "", &mut places);
    Ok((tree, places))
}

fn table_tree(
    text: &str,
    table: &DeTable<'_>,
    path: &str,
    places: &mut BTreeMap<String, Place>,
) -> Value {
    let entries = table.iter().map(|(key, value)| {
        let name = key.get_ref();
        let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        let tree = value_tree(text, value, key.span().start, &path, places);
        (name.to_string(), tree)
    });
    Value::Object(entries.collect())
}

fn value_tree(
    text: &str,
    value: &Spanned<DeValue<'_>>,
    key_at: usize,
    path: &str,
    places: &mut BTreeMap<String, Place>,
) -> Value {
    let place = Place {
        key: Position::in_text(text, key_at),
        value: Position::in_text(text, value.span().start),
    };
    places.insert(path.to_owned(), place);
    match value.get_ref() {
        DeValue::String(string) => Value::from(string.as_ref()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => Value::from(number),
            // Too large for any field: its digits make the type error readable.
            Err(_) => Value::from(integer.to_string()),
        },
        DeValue::Float(float) => match float.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Value::from(number),
            _ => Value::from(float.as_str()),
        },
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(datetime) => Value::from(datetime.to_string()),
        DeValue::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, element)| {
                let at = element.span().start;
                value_tree(text, element, at, &format!("{path}[{index}]"), places)
            })
            .collect(),
        DeValue::Table(table) => table_tree(text, table, path, places),
    }
}

fn read_json(text: &str) -> Result<Value, Vec<Problem>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Strict.deserialize(&mut json).and_then(|tree| json.end().map(|()| tree));
    read.map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let position = Position { line: error.line(), column: error.column() };
        vec![Problem {
            path: String::new(),
            position: Some(position),
            message: format!("not JSON: {message}"),
        }]
    })
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
