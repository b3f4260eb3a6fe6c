//! The digest of a policy, which identifies its content.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const ALGORITHM: &str = "sha256:";
/// The length of a SHA-256 digest in hexadecimal.
const DIGITS: usize = 64;

/// The SHA-256 of a policy's keys and values: `sha256:` followed by 64 hexadecimal digits.
///
/// The digest depends on every key, every value and the order of lists. It does not depend on
/// comments, layout, the order of keys, or whether the document is TOML or JSON. It is computed
/// from the document, not from its interpretation: writing out a default changes the digest, and a
/// new version of this program does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PolicyDigest(Box<str>);

/// The text is not a policy digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected `sha256:` followed by 64 hexadecimal digits, as printed by `image-steward validate`"
)]
pub struct DigestError;

impl PolicyDigest {
    /// Computes the digest of a document.
    pub(super) fn of(document: &Value) -> Self {
        let mut text = String::new();
        write_sorted(document, &mut text);
        let mut shown = ALGORITHM.to_owned();
        for byte in Sha256::digest(text.as_bytes()) {
            let _ = write!(shown, "{byte:02x}");
        }
        Self(shown.into())
    }
}

impl fmt::Display for PolicyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PolicyDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let text = text.trim().to_ascii_lowercase();
        let digits = text.strip_prefix(ALGORITHM).ok_or(DigestError)?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digits.len() == DIGITS && is_hex { Ok(Self(text.into())) } else { Err(DigestError) }
    }
}

/// Writes `value` as JSON with sorted keys, whatever the order of the map.
fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in entries {
                let _ = write!(text, "{}:", Value::from(key.as_str()));
                write_sorted(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(list) => {
            text.push('[');
            for value in list {
                write_sorted(value, text);
                text.push(',');
            }
            text.push(']');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}
