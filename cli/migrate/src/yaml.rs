//! Reads YAML with the line of every value, and with the meaning it has in Cloud Custodian:
//! Custodian uses YAML 1.1 (`yes` is true, `2026-01-01` is a date), but our parser uses YAML 1.2.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

/// The maximum nesting depth.
const DEEPEST: usize = 64;

/// A text that is not valid YAML.
#[derive(Debug)]
pub struct YamlError {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// A value and the line on which it begins.
#[derive(Debug, Clone)]
pub struct Node {
    pub line: usize,
    pub value: YamlValue,
}

#[derive(Debug, Clone)]
pub enum YamlValue {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// A date in YAML 1.1, or a number with another value in YAML 1.2.
    Odd(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Node {
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find_map(|(name, node)| (name == key).then_some(node))
    }

    /// The entries of a table; empty for any other value.
    pub fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            YamlValue::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; any other value is treated as a list of one.
    pub fn elements(&self) -> &[Node] {
        match &self.value {
            YamlValue::List(elements) => elements,
            YamlValue::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.value {
            YamlValue::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<f64> {
        match &self.value {
            YamlValue::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub fn truth(&self) -> Option<bool> {
        match &self.value {
            YamlValue::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The value, escaped for a comment.
    pub fn shown(&self) -> String {
        match &self.value {
            YamlValue::Null => "null".to_owned(),
            YamlValue::Bool(truth) => truth.to_string(),
            YamlValue::Number(number) => number.to_string(),
            YamlValue::Text(text) | YamlValue::Odd(text) => steward::suggest::shown(text),
            YamlValue::List(elements) => {
                let elements: Vec<String> = elements.iter().map(Self::shown).collect();
                format!("[{}]", elements.join(", "))
            }
            YamlValue::Table(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| {
                        format!("{}: {}", steward::suggest::shown(key), value.shown())
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
        Some(document) => YamlSource(text.lines().collect()).node(document, 0),
        None => Ok(Node { line: 1, value: YamlValue::Null }),
    }
}

/// The lines of the text, which show whether a value was quoted.
struct YamlSource<'a>(Vec<&'a str>);

impl YamlSource<'_> {
    fn node(&self, yaml: &MarkedYaml<'_>, depth: usize) -> Result<Node, YamlError> {
        let (line, column) = (yaml.span.start.line(), yaml.span.start.col() + 1);
        let wrong = |message: &str| YamlError { line, column, message: message.to_owned() };
        if depth > DEEPEST {
            return Err(wrong("nested too deeply"));
        }
        let value = match &yaml.data {
            YamlData::Value(scalar) => self.scalar(scalar, yaml),
            YamlData::Sequence(elements) => {
                let elements = elements.iter().map(|element| self.node(element, depth + 1));
                YamlValue::List(elements.collect::<Result<_, _>>()?)
            }
            YamlData::Mapping(entries) => {
                let (mut table, mut merged) = (Vec::new(), Vec::new());
                for (key, value) in entries {
                    let key = self.node(key, depth + 1)?;
                    let key = key.text().map_or_else(|| key.shown(), str::to_owned);
                    let value = self.node(value, depth + 1)?;
                    if key == "<<" {
                        merged.extend(value.elements().iter().flat_map(Node::entries).cloned());
                    } else {
                        table.push((key, value));
                    }
                }
                // Own keys take precedence over merged keys, and earlier merged keys over later
                // ones.
                for (key, value) in merged {
                    if table.iter().all(|(known, _)| *known != key) {
                        table.push((key, value));
                    }
                }
                YamlValue::Table(table)
            }
            YamlData::Tagged(_, inner) => YamlValue::Odd(self.node(inner, depth + 1)?.shown()),
            YamlData::Representation(text, ..) => YamlValue::Odd(text.to_string()),
            YamlData::Alias(_) | YamlData::BadValue => {
                return Err(wrong("unsupported value"));
            }
        };
        Ok(Node { line, value })
    }

    fn scalar(&self, scalar: &Scalar<'_>, yaml: &MarkedYaml<'_>) -> YamlValue {
        let (line, column) = (yaml.span.start.line(), yaml.span.start.col());
        let begins = self.0.get(line.saturating_sub(1)).and_then(|line| line.chars().nth(column));
        match scalar {
            Scalar::Null => YamlValue::Null,
            Scalar::Boolean(truth) => YamlValue::Bool(*truth),
            // In YAML 1.1, 010 is eight.
            Scalar::Integer(number) if *number != 0 && begins == Some('0') => {
                YamlValue::Odd(number.to_string())
            }
            Scalar::Integer(number) => YamlValue::Number(*number as f64),
            Scalar::FloatingPoint(number) => YamlValue::Number(number.into_inner()),
            Scalar::String(text) if matches!(begins, Some('"' | '\'' | '|' | '>')) => {
                YamlValue::Text(text.to_string())
            }
            Scalar::String(text) => plain(text),
        }
    }
}

/// An unquoted text, which may have another type in YAML 1.1.
fn plain(text: &str) -> YamlValue {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return YamlValue::Bool(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => return YamlValue::Bool(false),
        "=" => return YamlValue::Odd(text.to_owned()),
        _ => {}
    }
    if is_date_or_number(text) {
        YamlValue::Odd(text.to_owned())
    } else {
        YamlValue::Text(text.to_owned())
    }
}

/// Whether a text may be a date or number in YAML 1.1, for example `1_000` or `12:30` (a number in
/// base 60). It accepts slightly too much.
fn is_date_or_number(text: &str) -> bool {
    let number = text.trim_start_matches(['+', '-', '.']);
    let date = text.split(['T', 't', ' ']).next().unwrap_or_default();
    let is_time = date != text && date.matches('-').count() == 2;
    let consists = |text: &str| text.chars().all(|c| c.is_ascii_digit() || "_:.+-".contains(c));
    number.starts_with(|c: char| c.is_ascii_digit())
        && (consists(if is_time { date } else { number }) && number.matches('.').count() < 2
            || number.starts_with("0x")
            || number.starts_with("0b"))
}
