//! Mutating JSON, value by value.

use std::collections::BTreeSet;

use serde_json::Value;

/// A step from a value to a nested one.
#[derive(Clone, PartialEq, Eq)]
enum JsonStep {
    Key(String),
    Position(usize),
}

/// The change to a value.
#[derive(Clone, Copy)]
enum JsonChange {
    LeftOut,
    Renamed,
    AgainAndEmpty,
    Null,
    InAnotherShape,
}

fn named(path: &[JsonStep]) -> String {
    let names = path.iter().map(|step| match step {
        JsonStep::Key(key) => key.as_str(),
        JsonStep::Position(_) => "item",
    });
    names.collect::<Vec<_>>().join("/")
}

fn places(value: &Value, path: &mut Vec<JsonStep>, found: &mut Vec<Vec<JsonStep>>) {
    let mut each = |step: JsonStep, value: &Value| {
        path.push(step);
        found.push(path.clone());
        places(value, path, found);
        path.pop();
    };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| each(JsonStep::Key(key.clone()), value))
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(position, value)| each(JsonStep::Position(position), value)),
        _ => {}
    }
}

/// The paths of all values. List items have no index.
pub fn paths(text: &str) -> BTreeSet<String> {
    let mut found = Vec::new();
    places(&serde_json::from_str(text).unwrap(), &mut Vec::new(), &mut found);
    found.iter().map(|path| named(path)).collect()
}

/// An empty value of the same type.
fn empty(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "false",
        Value::Number(_) => "0",
        Value::String(_) => "\"\"",
        Value::Array(_) => "[]",
        Value::Object(_) => "{}",
    }
}

/// `value` at the path `here` as text, with `change` applied at `place`.
fn written(
    value: &Value,
    here: &mut Vec<JsonStep>,
    place: &[JsonStep],
    change: JsonChange,
) -> String {
    let mut each = |step: JsonStep, value: &Value| -> Option<(String, String)> {
        here.push(step.clone());
        let at = here == place;
        let text = written(value, here, place, change);
        here.pop();
        let key = match step {
            JsonStep::Key(key) => format!("{key:?}:"),
            JsonStep::Position(_) => String::new(),
        };
        let other = if value.is_array() || value.is_object() { "7" } else { "[{}]" };
        Some(match change {
            _ if !at => (key.clone(), format!("{key}{text}")),
            JsonChange::LeftOut => return None,
            JsonChange::Renamed => (key.clone(), format!("\"tomorrow\":{text}")),
            JsonChange::AgainAndEmpty => {
                (key.clone(), format!("{key}{text},{key}{}", empty(value)))
            }
            JsonChange::Null => (key.clone(), format!("{key}null")),
            JsonChange::InAnotherShape => (key.clone(), format!("{key}{other}")),
        })
    };
    let join = |parts: Vec<(String, String)>| {
        parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
    };
    match value {
        Value::Object(fields) => {
            let parts =
                fields.iter().filter_map(|(key, value)| each(JsonStep::Key(key.clone()), value));
            format!("{{{}}}", join(parts.collect()))
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            let parts = items.filter_map(|(at, value)| each(JsonStep::Position(at), value));
            format!("[{}]", join(parts.collect()))
        }
        other => other.to_string(),
    }
}

/// The mutated texts, each with its change. `optional` returns whether the value at a path may be
/// absent in a valid response.
pub fn mutations(text: &str, optional: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(text).unwrap();
    let mut all = Vec::new();
    places(&document, &mut Vec::new(), &mut all);
    let mut found = Vec::new();
    for place in &all {
        let optional = optional(&named(place));
        let is_key = matches!(place.last(), Some(JsonStep::Key(_)));
        for (what, change, tried) in [
            // A missing item cannot be noticed.
            ("left out", JsonChange::LeftOut, is_key && !optional),
            ("renamed", JsonChange::Renamed, is_key && !optional),
            ("null", JsonChange::Null, !optional),
            ("again and empty", JsonChange::AgainAndEmpty, is_key),
            ("in another shape", JsonChange::InAnotherShape, true),
        ] {
            if tried {
                let body = written(&document, &mut Vec::new(), place, change);
                found.push((format!("{} {what}", named(place)), body));
            }
        }
    }
    for cut in (1..text.len()).step_by(13).filter(|cut| text.is_char_boundary(*cut)) {
        found.push((format!("cut at {cut}"), text[..cut].to_owned()));
    }
    found
}
