//! Finding the IDs of images in JSON whose form is not known.
//!
//! A resource of a type that this version does not know may start from an image. So all texts are
//! searched, in every case and also within longer texts. An ID that is found keeps an image.

use serde_json::Value;

use super::shared_image::SharedImageId;
use crate::arm_id::{ArmId, VersionNumber, fold_case, is_subscription_id};

/// The IDs of managed images, definitions and versions in all texts of `value`, including the names of
/// fields. A version whose number is not valid counts as its definition. An ID can occur repeatedly.
pub fn ids_in(value: &Value) -> impl Iterator<Item = ArmId> {
    texts_in(value).into_iter().flat_map(|text| {
        // Some writers omit the first slash.
        each_from(&text, "subscriptions/").filter_map(image_id).collect::<Vec<_>>()
    })
}

/// The IDs of images in shared galleries in all texts of `value`. An ID can occur repeatedly.
pub fn shared_ids_in(value: &Value) -> impl Iterator<Item = SharedImageId> {
    texts_in(value).into_iter().flat_map(|text| {
        let direct = each_from(&text, "sharedgalleries/");
        let community = each_from(&text, "communitygalleries/");
        direct.chain(community).filter_map(shared_id).collect::<Vec<_>>()
    })
}

/// All texts in `value`, case-folded, and once more with percent-encoding removed.
fn texts_in(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => add(text, &mut found),
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => {
                fields.keys().for_each(|name| add(name, &mut found));
                open.extend(fields.values());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    found
}

fn add(text: &str, found: &mut Vec<String>) {
    // JSON in a text escapes slashes in some writers.
    let folded = fold_case(&text.replace("\\/", "/"));
    if let Some(decoded) = decode_percent(&folded) {
        found.push(decoded);
    }
    found.push(folded);
}

/// `text` with percent-encoded bytes decoded. `None` if it has none.
fn decode_percent(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    let mut is_encoded = false;
    for part in parts {
        let code = part.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        match code {
            Some(byte) => {
                is_encoded = true;
                bytes.push(byte);
                bytes.extend(part.as_bytes().get(2..)?);
            }
            None => {
                bytes.push(b'%');
                bytes.extend(part.as_bytes());
            }
        }
    }
    is_encoded.then(|| fold_case(&String::from_utf8_lossy(&bytes)))
}

/// What follows each occurrence of `start` in `text`, from `start` on.
fn each_from<'a>(text: &'a str, start: &'static str) -> impl Iterator<Item = &'a str> {
    text.match_indices(start).filter_map(|(at, _)| text.get(at..))
}

/// The longest beginning of `text` that can be the name of an image, a gallery or a definition.
fn name(text: &str) -> Option<&str> {
    let is_in_name = |one: char| one.is_ascii_alphanumeric() || "_-.".contains(one);
    let end = text.find(|one| !is_in_name(one)).unwrap_or(text.len());
    // A name does not end with a full stop, but a sentence does.
    text.get(..end).map(|name| name.trim_end_matches(['.', '-'])).filter(|name| !name.is_empty())
}

/// The ID of the image with which `text` begins. `text` is case-folded.
fn image_id(text: &str) -> Option<ArmId> {
    let rest = text.strip_prefix("subscriptions/")?;
    let (subscription, rest) = rest.split_once('/')?;
    let rest = rest.strip_prefix("resourcegroups/")?;
    let (parent, rest) = rest.split_once('/')?;
    let rest = rest.strip_prefix("providers/microsoft.compute/")?;
    if !is_subscription_id(subscription) {
        return None;
    }
    let parent = format!("/subscriptions/{subscription}/resourcegroups/{parent}");
    let start = format!("{parent}/providers/microsoft.compute");
    let id = match rest.strip_prefix("galleries/") {
        None => format!("{start}/images/{}", name(rest.strip_prefix("images/")?)?),
        Some(rest) => {
            let (gallery, rest) = rest.split_once('/')?;
            let (gallery, rest) = (name(gallery)?, rest.strip_prefix("images/")?);
            let definition = name(rest)?;
            let version = rest.strip_prefix(definition).and_then(|rest| {
                let version = name(rest.strip_prefix("/versions/")?)?;
                version.parse::<VersionNumber>().is_ok().then_some(version)
            });
            let definition = format!("{start}/galleries/{gallery}/images/{definition}");
            match version {
                Some(version) => format!("{definition}/versions/{version}"),
                None => definition,
            }
        }
    };
    ArmId::parse(&id).ok()
}

/// The ID of the shared image with which `text` begins. `text` is case-folded.
fn shared_id(text: &str) -> Option<SharedImageId> {
    let mut parts = text.splitn(4, '/');
    let (kind, gallery, images, rest) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let definition = name(rest)?;
    let version = rest.strip_prefix(definition)?.strip_prefix("/versions/").and_then(name);
    let id = format!("/{kind}/{gallery}/{images}/{definition}");
    match version {
        Some(version) => format!("{id}/versions/{version}").parse().ok(),
        None => id.parse().ok(),
    }
}
