//! Limits on the detail of an event: printable characters, and the maximum size of a bus message.

use serde_json::{Map, Value};

use crate::text_fmt::printable;

/// Texts longer than this many bytes can be shortened.
const LONG_TEXT: usize = 512;

/// Reduces the detail of an event to at most `max` bytes of JSON, as far as halving its lists and
/// long texts achieves this. The field `omitted` counts the dropped items.
///
/// Names and tags come from other people, so unprintable characters in them are escaped.
pub(super) fn bounded(detail: Value, max: usize) -> Value {
    let mut detail = shown(detail);
    let mut omitted = 0;
    while size(&detail) > max {
        let Some(cut) = halve(&mut detail, None) else { break };
        omitted += cut;
        note(&mut detail, cut);
    }
    if omitted > 0 {
        tracing::warn!(omitted, "event truncated to the size limit of the bus");
    }
    detail
}

/// Adds to the number of dropped items.
fn note(detail: &mut Value, cut: usize) {
    if let (Value::Object(fields), true) = (detail, cut > 0) {
        let before = fields.get("omitted").and_then(Value::as_u64).unwrap_or_default();
        let more = u64::try_from(cut).unwrap_or(u64::MAX);
        fields.insert("omitted".to_owned(), before.saturating_add(more).into());
    }
}

/// Escapes every text as [`printable`] does.
fn shown(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(printable(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(shown).collect()),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (printable(&key), shown(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// Halves the largest list or text in `value`. Returns the number of dropped items, or `None` if
/// nothing can be halved. `key` is the field of the event that contains `value`.
fn halve(value: &mut Value, key: Option<&str>) -> Option<usize> {
    let whole = size(value);
    match value {
        Value::Array(items) => {
            let (at, largest) =
                items.iter().map(size).enumerate().max_by_key(|(_, bytes)| *bytes)?;
            if largest > whole / 2
                && let Some(cut) = halve(items.get_mut(at)?, Some(""))
            {
                return Some(cut);
            }
            let cut = items.len().div_ceil(2);
            items.truncate(items.len() - cut);
            Some(cut)
        }
        Value::Object(fields) => {
            let by_size = fields.iter().map(|(name, value)| (size(value), name.clone()));
            let (largest, name) = by_size.max()?;
            // The tags of an event are grouped by resource.
            let is_list = key == Some("tags") && fields.len() > 1;
            if !is_list || largest > whole / 2 {
                let below = key.map_or_else(|| name.clone(), |_| String::new());
                return halve(fields.get_mut(&name)?, Some(&below));
            }
            let cut = fields.len().div_ceil(2);
            let gone: Vec<String> = fields.keys().skip(fields.len() - cut).cloned().collect();
            gone.iter().for_each(|name| drop(fields.remove(name)));
            Some(cut)
        }
        Value::String(text) if text.len() > LONG_TEXT => {
            let half = text.char_indices().map(|(at, _)| at).find(|at| *at >= text.len() / 2)?;
            text.truncate(half);
            text.push('…');
            Some(0)
        }
        _ => None,
    }
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_is_left_alone() {
        let detail = json!({"image_id": "ami-1", "reasons": [{"reason": "expired", "rank": 2}]});
        assert_eq!(bounded(detail.clone(), 1_000), detail);
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        let detail = json!({"name": "a\nb\u{202e}", "tags": {"i": {"k\r": "v\u{7}"}}});
        let expected = json!({"name": "a\\u{a}b\\u{202e}", "tags": {"i": {"k\\u{d}": "v\\u{7}"}}});
        assert_eq!(bounded(detail, 1_000), expected);
    }

    #[test]
    fn long_lists_are_halved_until_they_fit_and_the_rest_is_counted() {
        let with: Vec<String> = (0..10_000).map(|n| format!("{n:012}")).collect();
        let detail = json!({
            "version": 1, "image_id": "ami-1",
            "reasons": [{"reason": "last", "text": "x"}, {"reason": "shared", "text": with.join(", "), "with": with}],
            "snapshots": ["snap-1", "snap-2"],
        });
        let cut = bounded(detail, 20_000);
        assert!(size(&cut) <= 20_000, "{}", size(&cut));
        // Only the large list is cut.
        assert_eq!(cut["reasons"][0], json!({"reason": "last", "text": "x"}));
        assert_eq!(cut["snapshots"], json!(["snap-1", "snap-2"]));
        let left = cut["reasons"][1]["with"].as_array().unwrap().len();
        assert_eq!(cut["omitted"], json!(10_000 - left));
        assert!(left > 100);
        assert!(cut["reasons"][1]["text"].as_str().unwrap().ends_with('…'));
    }

    #[test]
    fn tags_of_many_resources_are_left_out_by_resource() {
        let tags: Map<String, Value> = (0..200)
            .map(|n| {
                (format!("snap-{n:03}"), json!({"Team": "x".repeat(250), "Name": "y".repeat(250)}))
            })
            .collect();
        let cut = bounded(json!({"image_id": "ami-1", "omitted": 3, "tags": tags}), 50_000);
        let left = cut["tags"].as_object().unwrap();
        assert!(left.values().all(|tags| tags["Team"].as_str().unwrap().len() == 250));
        assert_eq!((left.len(), &cut["omitted"]), (50, &json!(153)));
    }

    #[test]
    fn it_ends_whatever_is_in_it() {
        for detail in [
            json!({"a": "x".repeat(LONG_TEXT), "b": 1}),
            json!({"a": [[[["x".repeat(2_000)]]]]}),
            json!({"tags": {"a": {"b": "x"}}}),
            json!([]),
            json!("x".repeat(5_000)),
            json!({}),
        ] {
            bounded(detail, 1);
        }
    }
}
