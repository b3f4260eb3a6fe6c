//! Reads responses strictly.
//!
//! A truncated or modified listing must never count as a shorter one. So every response that is read
//! must be complete JSON without repeated keys, and must contain what its type requires. Unknown
//! fields are ignored. An error names the call, the size of the response and the place in it.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use steward::cloud::CloudError;
use steward::text_fmt::thousands;

use crate::error::{bad_response, one_line};
use crate::reply::Reply;

/// The maximum size of a response, in bytes: far more than a page of any listing.
pub(crate) const MAX_BODY: usize = 32 * 1024 * 1024;

/// Some services of Azure send this before the text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Parses the body of a successful response.
///
/// # Errors
/// The body is truncated or empty, is not JSON, or is not a `T`.
pub(crate) fn parse<T: DeserializeOwned>(reply: &Reply) -> Result<T, CloudError> {
    parse_body(reply).map_err(|problem| {
        let size = thousands(reply.body.len());
        bad_response(reply.call, format!("unusable response ({size} bytes): {problem}"))
    })
}

fn parse_body<T: DeserializeOwned>(reply: &Reply) -> Result<T, String> {
    check_length(reply)?;
    let body = reply.body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&reply.body);
    match body.trim_ascii().first() {
        None => return Err("empty".to_owned()),
        Some(b'<') => return Err("HTML or XML instead of JSON".to_owned()),
        Some(b'{') => {}
        // `serde` would read an array as an object without names.
        Some(_) => return Err("not a JSON object".to_owned()),
    }
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8".to_owned())?;
    // Also checks that nothing follows the JSON.
    serde_json::from_str::<UniqueKeys>(text).map_err(|error| {
        if error.is_eof() { format!("truncated: {error}") } else { one_line(&error.to_string()) }
    })?;
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        // The position in a text of one line is no help.
        let problem = error.into_inner().to_string();
        let problem = problem.rsplit_once(" at line ").map_or(&*problem, |(problem, _)| problem);
        match path.as_str() {
            "." => one_line(problem),
            _ => one_line(&format!("{problem} in `{path}`")),
        }
    })
}

/// Checks the size that the response announced, if it did. The HTTP client checks it, too.
fn check_length(reply: &Reply) -> Result<(), String> {
    let Some(announced) = reply.header("content-length") else { return Ok(()) };
    match announced.trim().parse::<usize>() {
        Ok(length) if length == reply.body.len() => Ok(()),
        Ok(length) => Err(format!("truncated: {} bytes were announced", thousands(length))),
        Err(_) => Err("invalid content-length".to_owned()),
    }
}

/// Any JSON in which no object has a repeated key.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(serde::de::Error::custom(format_args!("`{key}` twice")));
            }
            seen.insert(key);
            fields.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{CALL, TestReply};

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Resource {
        id: String,
        properties: Properties,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Properties {
        sizes: Vec<u32>,
    }

    fn problem_of(reply: &Reply) -> String {
        let error = parse::<Resource>(reply).unwrap_err();
        assert_eq!(error.call, CALL);
        error.message
    }

    #[test]
    fn a_complete_response_is_read() {
        let body = r#"{"id": "a", "properties": {"sizes": [1, 2], "new": {}}, "type": "t"}"#;
        for body in [body.to_owned(), format!("\u{feff}{body}"), format!(" {body}\r\n")] {
            let length = body.len().to_string();
            let reply = TestReply::new(200, body).with("content-length", length).reply(CALL);
            let expected =
                Resource { id: "a".into(), properties: Properties { sizes: vec![1, 2] } };
            assert_eq!(parse::<Resource>(&reply), Ok(expected));
        }
    }

    #[test]
    fn an_unusable_response_names_its_size_and_its_fault() {
        for (body, problem) in [
            ("", "(0 bytes): empty"),
            (" \n", "(2 bytes): empty"),
            ("<html>", "(6 bytes): HTML or XML instead of JSON"),
            ("null", "(4 bytes): not a JSON object"),
            ("[\"a\", [[1]]]", "(12 bytes): not a JSON object"),
            ("{\"id\": \"a\", \"prop", "(17 bytes): truncated: EOF while parsing a string"),
            ("{\"id\": \"a\"}", "(11 bytes): missing field `properties`"),
            ("{\"id\": null, \"properties\": {}}", "invalid type: null, expected a string in `id`"),
            (
                "{\"id\": \"a\", \"properties\": {\"sizes\": [1, -2]}}",
                "invalid value: integer `-2`, expected u32 in `properties.sizes[1]`",
            ),
            ("{\"a\": {\"b\": 1, \"b\": 2}}", "`b` twice"),
            ("{} {}", "trailing characters"),
            ("not JSON", "not a JSON object"),
            ("{not JSON}", "key must be a string"),
        ] {
            let message = problem_of(&TestReply::new(200, body).reply(CALL));
            assert!(message.starts_with("unusable response ("), "{message}");
            assert!(message.contains(problem), "{body}: {message}");
        }
        let reply =
            Reply { body: b"{\"\xff\": 1}"[..].into(), ..TestReply::new(200, "").reply(CALL) };
        assert!(problem_of(&reply).ends_with("(8 bytes): not UTF-8"));
    }

    #[test]
    fn the_announced_size_counts() {
        for (announced, problem) in
            [("12345", "truncated: 12,345 bytes were announced"), ("x", "invalid content-length")]
        {
            let reply = TestReply::new(200, "{}").with("content-length", announced).reply(CALL);
            assert!(problem_of(&reply).ends_with(problem));
        }
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~é]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,4}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_truncated_body_is_always_an_error(value in json_value(), at in any::<prop::sample::Index>()) {
            let body = json!({"value": value}).to_string();
            prop_assert!(parse::<Value>(&TestReply::new(200, &*body).reply(CALL)).is_ok());
            let kept = &body.as_bytes()[..at.index(body.len())];
            let reply = Reply { body: kept.to_vec().into(), ..TestReply::new(200, "").reply(CALL) };
            let error = parse::<Value>(&reply).unwrap_err();
            let size = format!("({} bytes)", thousands(kept.len()));
            prop_assert!(error.message.contains(&size), "{}", error);
        }

        #[test]
        fn a_repeated_key_is_always_an_error(value in json_value(), key in "[a-z]{1,4}") {
            let body = format!("{{\"x\": [{{\"{key}\": {value}, \"{key}\": {value}}}]}}");
            prop_assert!(parse::<Value>(&TestReply::new(200, body).reply(CALL)).is_err());
        }
    }
}
