//! Format numbers of documents: those that the program writes and reads, and policies.
//!
//! A document with another format number may contain a field that this program does not know, or
//! use a field with a different meaning. Therefore the program rejects it, whether its number is
//! higher or lower.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The type of the field `format` in a document. Only the number `N` can be deserialized.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FormatNumber<const N: u32>;

impl<const N: u32> Serialize for FormatNumber<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(N)
    }
}

impl<'de, const N: u32> Deserialize<'de> for FormatNumber<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            number if number == N => Ok(Self),
            number => Err(D::Error::custom(format_args!(
                "format {number} is not supported; expected {N}"
            ))),
        }
    }
}

/// A kind of document, with the format number that this program reads and writes.
#[derive(Debug, PartialEq, Eq)]
pub struct DocumentKind {
    /// The name of the document in messages, with an article: `a saved plan`.
    pub name: &'static str,
    /// The key of the format number in the document.
    pub key: &'static str,
    /// The format number that this program supports.
    pub number: u32,
    /// How the user gets a document with this format number.
    pub remedy: &'static str,
}

/// The format number of a document is missing or not supported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError {
    kind: &'static DocumentKind,
    /// The format number as written in the document; `None` if it is missing.
    found: Option<String>,
    is_newer: bool,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind: DocumentKind { name, key, number, remedy }, found, is_newer } = self;
        match found {
            None => write!(f, "`{key}` is missing")?,
            Some(found) => write!(f, "{key} {found} is not supported")?,
        }
        let update = if *is_newer { "update image-steward, or " } else { "" };
        write!(
            f,
            ": this version of image-steward reads {name} with {key} {number}; {update}{remedy}"
        )
    }
}

impl std::error::Error for FormatError {}

impl DocumentKind {
    /// Checks the format number of a document.
    ///
    /// # Errors
    /// If the number is missing or is not the supported one.
    pub fn check(&'static self, found: Option<&Value>) -> Result<(), FormatError> {
        let number = found.and_then(Value::as_u64);
        if number == Some(u64::from(self.number)) {
            return Ok(());
        }
        let found = found.filter(|found| !found.is_null()).map(ToString::to_string);
        let is_newer = number.is_some_and(|number| number > u64::from(self.number));
        Err(FormatError { kind: self, found, is_newer })
    }

    /// Checks the format number in the JSON object `text` before anything else is parsed. Text that
    /// is not a JSON object is accepted here, because parsing it reports a more precise error.
    ///
    /// # Errors
    /// The same as for [`check`](Self::check).
    pub fn check_json(&'static self, text: &str) -> Result<(), FormatError> {
        #[derive(Deserialize)]
        struct WithFormat {
            format: Option<Value>,
        }
        debug_assert_eq!(self.key, "format");
        match serde_json::from_str::<WithFormat>(text) {
            Ok(WithFormat { format }) => self.check(format.as_ref()),
            Err(_) => Ok(()),
        }
    }
}

/// The path of the first field of `document` that its type does not know. `known` is the parsed
/// document, serialized again. Fields with an empty value (`null`, `false`, an empty list) may be
/// absent from `known`.
pub(crate) fn unknown_field(document: &Value, known: &Value) -> Option<String> {
    match (document, known) {
        (Value::Object(document), Value::Object(known)) => {
            document.iter().find_map(|(key, value)| match known.get(key) {
                None if is_empty_value(value) => None,
                None => Some(key.clone()),
                Some(known) => {
                    unknown_field(value, known).map(|rest| match rest.starts_with('[') {
                        true => format!("{key}{rest}"),
                        false => format!("{key}.{rest}"),
                    })
                }
            })
        }
        (Value::Array(document), Value::Array(known)) => {
            document.iter().zip(known).enumerate().find_map(|(at, (value, known))| {
                unknown_field(value, known).map(|rest| match rest.starts_with('[') {
                    true => format!("[{at}]{rest}"),
                    false => format!("[{at}].{rest}"),
                })
            })
        }
        _ => None,
    }
}

fn is_empty_value(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LISTS: DocumentKind = DocumentKind {
        name: "a list",
        key: "format",
        number: 2,
        remedy: "write it again with `list`",
    };

    fn error(text: &str) -> Option<String> {
        LISTS.check_json(text).err().map(|error| error.to_string())
    }

    #[test]
    fn other_format_numbers_are_rejected_with_a_remedy() {
        assert_eq!(error(r#"{"a":1,"format":2}"#), None);
        let reads = "this version of image-steward reads a list with format 2";
        let again = "write it again with `list`";
        let newer = format!("{reads}; update image-steward, or {again}");
        let other = format!("{reads}; {again}");
        for (found, rest) in [
            ("3", &newer),
            ("4294967298", &newer),
            ("1", &other),
            ("0", &other),
            ("-2", &other),
            ("2.0", &other),
            ("\"2\"", &other),
        ] {
            let expected = format!("format {found} is not supported: {rest}");
            assert_eq!(error(&format!(r#"{{"later":[],"format":{found}}}"#)), Some(expected));
        }
        for text in ["{}", r#"{"format":null}"#] {
            assert_eq!(error(text), Some(format!("`format` is missing: {other}")), "{text}");
        }
        // Parsing the document reports this error.
        assert_eq!(error("not JSON"), None);
    }

    #[test]
    fn only_the_supported_number_is_accepted() {
        assert_eq!(serde_json::to_string(&FormatNumber::<2>).unwrap(), "2");
        serde_json::from_str::<FormatNumber<2>>("2").unwrap();
        for other in ["1", "3", "\"2\"", "null"] {
            serde_json::from_str::<FormatNumber<2>>(other).unwrap_err();
        }
    }

    #[test]
    fn an_unknown_field_is_reported_with_its_path() {
        let known = json!({"a": {"b": [{"c": 1}, {"c": 2}]}, "d": [[{"e": 1}]]});
        let with = |change: &dyn Fn(&mut Value)| {
            let mut document = known.clone();
            change(&mut document);
            unknown_field(&document, &known)
        };
        assert_eq!(with(&|_| {}), None);
        assert_eq!(with(&|one| one["z"] = json!(1)), Some("z".to_owned()));
        assert_eq!(with(&|one| one["a"]["b"][1]["z"] = json!("x")), Some("a.b[1].z".to_owned()));
        assert_eq!(with(&|one| one["d"][0][0]["z"] = json!(true)), Some("d[0][0].z".to_owned()));
        assert_eq!(with(&|one| one["z"] = json!([])), None);
    }
}
