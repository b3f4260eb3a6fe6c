//! Display names of families: `golden · worker · x86_64`.

use crate::plan::WHOLE_RULE;

/// The separator between the parts of a name.
pub(super) const BETWEEN: &str = " · ";
/// The prefixes of the parts of a key. A comma before any other text belongs to a tag key.
const LABELS: [&str; 6] = ["tag:", "architecture=", "platform=", "definition=", "name=", "arch="];

/// Returns the display name of a family: `golden · worker · x86_64` for the key
/// `tag:Family=worker,architecture=x86_64`. If the rule has no `group_by`, returns the rule's name.
///
/// Two families can have the same display name, but never the same rule and key. The text comes
/// from tags and is not made printable here.
pub fn family_name(rule: &str, key: &str) -> String {
    let mut name = rule.to_owned();
    for value in family_values(key) {
        name.push_str(BETWEEN);
        name.push_str(&value);
    }
    name
}

/// Returns the values in a family's key, in the order of `group_by`: `worker` and `x86_64` for
/// `tag:Family=worker,architecture=x86_64`. Empty for the only family of a rule without `group_by`.
pub fn family_values(key: &str) -> Vec<String> {
    if key == WHOLE_RULE {
        return Vec::new();
    }
    let value = |part: &str| {
        // Tag keys and values can contain `=`. The first one separates them.
        let value = part.split_once('=').map_or(part, |(_, value)| value);
        unescaped(value)
    };
    parts(key).into_iter().map(value).collect()
}

/// Splits a key into its parts, which remain escaped.
fn parts(key: &str) -> Vec<&str> {
    let (mut parts, mut start, mut is_escaped) = (Vec::new(), 0, false);
    for (at, character) in key.char_indices() {
        let after = key.get(at + 1..).unwrap_or_default();
        let ends = character == ',' && LABELS.iter().any(|label| after.starts_with(label));
        if ends && !is_escaped {
            parts.extend(key.get(start..at));
            start = at + 1;
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    parts.extend(key.get(start..));
    parts
}

/// Removes the backslashes before commas and backslashes.
fn unescaped(value: &str) -> String {
    let mut characters = value.chars();
    let mut text = String::with_capacity(value.len());
    while let Some(character) = characters.next() {
        text.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inventory;
    use crate::plan::plan;
    use crate::policy::Policy;

    #[test]
    fn a_family_is_named_by_its_rule_and_its_values() {
        let key = "tag:Family=worker,architecture=x86_64";
        assert_eq!(family_name("golden", key), "golden · worker · x86_64");
        assert_eq!(family_name("app", "platform=windows,name=web-api"), "app · windows · web-api");
        assert_eq!(family_name("app", "name=web-api,arch=arm64"), "app · web-api · arm64");
        assert_eq!(family_name("preview", WHOLE_RULE), "preview");
    }

    #[test]
    fn what_the_key_of_a_tag_contains_does_not_split_a_value() {
        assert_eq!(family_values("tag:a,b=web,architecture=arm64"), ["web", "arm64"]);
        assert_eq!(family_values("tag:team=core=x"), ["core=x"]);
        assert_eq!(family_values(""), [""]);
        assert_eq!(family_values(r"tag:A=web\"), [r"web\"]);
    }

    #[test]
    fn the_values_that_a_plan_escapes_are_read_back() {
        let policy = "version = 1\n[[rule]]\nname = \"r\"\n\
             group_by = [\"tag:A\", \"tag:B\", \"architecture\"]\nkeep = { last = 1 }\n";
        let policy = Policy::parse(policy, "p").unwrap();
        for (a, b) in [
            ("web", "1"),
            (r"ä,b\", r",\c\,"),
            ("x,tag:B=y", "z"),
            (r"x\,tag:B=y\\", ",,architecture=arm64"),
            ("all", "a · b=c"),
        ] {
            let inventory = serde_json::json!({
                "format": 1, "account": "123456789012", "region": "eu-central-1", "taken_at": "2026-11-22T12:00:00Z",
                "images": [{
                    "image_id": "ami-1", "owner_id": "123456789012", "state": "available",
                    "created_at": "2026-11-01T00:00:00Z", "architecture": "x86_64",
                    "tags": { "A": a, "B": b },
                }],
                "references": [],
            });
            let inventory = Inventory::from_json(&inventory.to_string()).unwrap();
            let plan = plan(&inventory, &policy, inventory.taken_at);
            let key = plan.decisions[0].family.as_deref().unwrap();
            assert_eq!(family_values(key), [a, b, "x86_64"], "{key}");
        }
    }
}
