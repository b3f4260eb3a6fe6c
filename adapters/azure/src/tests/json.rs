//! Mutating JSON, value by value.

use serde_json::Value;

/// A step from a value to a nested one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathStep {
    Key(String),
    Position(usize),
}

/// The change to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueChange {
    LeftOut,
    Renamed,
    Null,
    Emptied,
    InAnotherShape,
    AnotherWord,
}

/// A mutated document.
pub struct MutatedJson {
    pub place: Vec<PathStep>,
    pub change: ValueChange,
    pub text: String,
}

/// The path with names joined by `/`; a list item is `item`. The list of a page is left out.
pub fn named(path: &[PathStep]) -> String {
    let names: Vec<&str> = path
        .iter()
        .map(|step| match step {
            PathStep::Key(key) => key.as_str(),
            PathStep::Position(_) => "item",
        })
        .collect();
    let names = names.strip_prefix(&["value", "item"]).unwrap_or(&names);
    names.join("/")
}

/// The path in the form of an error's path, for example `value[0].properties.storageProfile`.
pub fn dotted(path: &[PathStep]) -> String {
    let text: String = path
        .iter()
        .map(|step| match step {
            PathStep::Key(key) => format!(".{key}"),
            PathStep::Position(at) => format!("[{at}]"),
        })
        .collect();
    text.trim_start_matches('.').to_owned()
}

fn places(value: &Value, path: &mut Vec<PathStep>, found: &mut Vec<Vec<PathStep>>) {
    let mut each = |step: PathStep, value: &Value| {
        path.push(step);
        found.push(path.clone());
        places(value, path, found);
        path.pop();
    };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| each(PathStep::Key(key.clone()), value));
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(position, value)| each(PathStep::Position(position), value)),
        _ => {}
    }
}

/// The paths of all values in `document`.
pub fn paths(document: &Value) -> Vec<Vec<PathStep>> {
    let mut found = Vec::new();
    places(document, &mut Vec::new(), &mut found);
    found
}

fn empty(value: &Value) -> Value {
    match value {
        Value::String(_) => Value::String(String::new()),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(_) => Value::Object(serde_json::Map::new()),
        other => other.clone(),
    }
}

fn in_another_shape(value: &Value) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) => Value::from(7),
        _ => serde_json::json!([{}]),
    }
}

fn changed(value: &Value, place: &[PathStep], change: ValueChange) -> Option<Value> {
    let mut document = value.clone();
    let (last, path) = place.split_last()?;
    let parent = path.iter().try_fold(&mut document, |value, step| match step {
        PathStep::Key(key) => value.get_mut(key),
        PathStep::Position(at) => value.get_mut(at),
    })?;
    let old = match last {
        PathStep::Key(key) => parent.get(key),
        PathStep::Position(at) => parent.get(at),
    }?
    .clone();
    let new = match change {
        ValueChange::LeftOut | ValueChange::Renamed => None,
        ValueChange::Null => Some(Value::Null),
        ValueChange::Emptied => Some(empty(&old)),
        ValueChange::InAnotherShape => Some(in_another_shape(&old)),
        ValueChange::AnotherWord => Some(Value::from("Tomorrow")),
    };
    if new.as_ref() == Some(&old) {
        return None;
    }
    match (last, parent, new) {
        (PathStep::Key(key), Value::Object(fields), Some(new)) => {
            fields.insert(key.clone(), new);
        }
        (PathStep::Key(key), Value::Object(fields), None) => {
            fields.remove(key);
            if change == ValueChange::Renamed {
                fields.insert("tomorrow".to_owned(), old);
            }
        }
        (PathStep::Position(at), Value::Array(items), Some(new)) => items[*at] = new,
        (PathStep::Position(at), Value::Array(items), None) if change == ValueChange::LeftOut => {
            items.remove(*at);
        }
        _ => return None,
    }
    Some(document)
}

/// All mutations of `document`.
pub fn mutations(document: &Value) -> Vec<MutatedJson> {
    let mut found = Vec::new();
    for place in paths(document) {
        for change in [
            ValueChange::LeftOut,
            ValueChange::Renamed,
            ValueChange::Null,
            ValueChange::Emptied,
            ValueChange::InAnotherShape,
            ValueChange::AnotherWord,
        ] {
            if let Some(changed) = changed(document, &place, change) {
                found.push(MutatedJson { place: place.clone(), change, text: changed.to_string() });
            }
        }
    }
    found
}
