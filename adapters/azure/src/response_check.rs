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
        Some(_) => {}
    }
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8".to_owned())?;
    // Also checks that nothing follows the JSON.
    serde_json::from_str::<KeysOnce>(text).map_err(|error| {
        if error.is_eof() { format!("truncated: {error}") } else { one_line(&error.to_string()) }
    })?;
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        // The position in a text of one line says nothing.
        let problem = error.into_inner().to_string();
        let problem = problem.rsplit_once(" at line ").map_or(&*problem, |(problem, _)| problem);
        one_line(&format!("{problem} in `{path}`"))
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
struct KeysOnce;

impl<'de> Deserialize<'de> for KeysOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for KeysOnce {
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
