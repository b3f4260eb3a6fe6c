//! Tests of the types. The responses are in `tests/fixtures`.

mod arm_ids;
mod find_image;
mod findings;
mod image_ids_in_json;
mod json;
mod latest_versions;
mod mapping;
mod mutations;
mod recorded;
mod updates;

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A page of a list.
#[derive(Deserialize)]
struct FixturePage<T> {
    value: Vec<T>,
}

/// The text of a file in `tests/fixtures`.
fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Decodes `text` as the client does.
fn decode<T: DeserializeOwned>(
    text: &str,
) -> Result<T, serde_path_to_error::Error<serde_json::Error>> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text))
}

/// Decodes one resource or a page of them.
fn decode_all<T: DeserializeOwned>(
    text: &str,
) -> Result<Vec<T>, serde_path_to_error::Error<serde_json::Error>> {
    let is_page = text.trim_start().trim_start_matches('{').trim_start().starts_with("\"value\"");
    match is_page {
        true => decode::<FixturePage<T>>(text).map(|page| page.value),
        false => decode(text).map(|one| vec![one]),
    }
}

/// The resources in a file in `tests/fixtures`.
fn read<T: DeserializeOwned>(name: &str) -> Vec<T> {
    decode_all(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
