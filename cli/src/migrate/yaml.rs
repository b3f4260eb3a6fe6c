//! YAML with the line of every value.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

/// Deeper than this no policy goes.
const DEEPEST: usize = 64;

/// A text that is no YAML.
#[derive(Debug)]
pub struct YamlError {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// A value, and the line on which it begins.
#[derive(Debug, Clone)]
pub struct Node {
    pub line: usize,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Node {
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find_map(|(name, node)| (name == key).then_some(node))
    }

    /// The entries of a table; nothing for anything else.
    pub fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; anything else is a list of itself.
    pub fn elements(&self) -> &[Node] {
        match &self.value {
            Value::List(elements) => elements,
            Value::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<f64> {
        match &self.value {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Their reader takes the words of YAML 1.1 too.
    pub fn truth(&self) -> Option<bool> {
        match &self.value {
            Value::Bool(truth) => Some(*truth),
            Value::Text(text) => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" => Some(true),
                "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// As it may stand in a comment.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(truth) => truth.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => steward::draft::shown(text),
            Value::List(elements) => {
                let elements: Vec<String> = elements.iter().map(Self::shown).collect();
                format!("[{}]", elements.join(", "))
            }
            Value::Table(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| {
                        format!("{}: {}", steward::draft::shown(key), value.shown())
                    })
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}

/// Reads the first document of a text.
pub fn read(text: &str) -> Result<Node, YamlError> {
    let documents = MarkedYaml::load_from_str(text).map_err(|error| YamlError {
        line: error.marker().line(),
        column: error.marker().col() + 1,
        message: error.info().to_owned(),
    })?;
    match documents.first() {
        Some(document) => node(document, 0),
        None => Ok(Node { line: 1, value: Value::Null }),
    }
}

fn node(yaml: &MarkedYaml<'_>, depth: usize) -> Result<Node, YamlError> {
    let (line, column) = (yaml.span.start.line(), yaml.span.start.col() + 1);
    let wrong = |message: &str| YamlError { line, column, message: message.to_owned() };
    if depth > DEEPEST {
        return Err(wrong("nested too deeply"));
    }
    let value = match &yaml.data {
        YamlData::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(truth) => Value::Bool(*truth),
            Scalar::Integer(number) => Value::Number(*number as f64),
            Scalar::FloatingPoint(number) => Value::Number(number.into_inner()),
            Scalar::String(text) => Value::Text(text.to_string()),
        },
        YamlData::Sequence(elements) => {
            let elements = elements.iter().map(|element| node(element, depth + 1));
            Value::List(elements.collect::<Result<_, _>>()?)
        }
        YamlData::Mapping(entries) => {
            let mut table = Vec::new();
            for (key, value) in entries {
                let key = node(key, depth + 1)?;
                let key = key.text().map_or_else(|| key.shown(), str::to_owned);
                table.push((key, node(value, depth + 1)?));
            }
            Value::Table(table)
        }
        YamlData::Tagged(_, inner) => node(inner, depth + 1)?.value,
        YamlData::Representation(text, ..) => Value::Text(text.to_string()),
        YamlData::Alias(_) | YamlData::BadValue => {
            return Err(wrong("a value that cannot be read"));
        }
    };
    Ok(Node { line, value })
}
