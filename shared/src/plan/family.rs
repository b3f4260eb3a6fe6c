//! Assigns images to families: images that replace one another.

use std::sync::Arc;

use foldhash::HashMap;
use jiff::Timestamp;

use super::name_prefix::{NameParts, architecture};
use crate::model::{Image, ImageState};
use crate::policy::{GroupBy, Rule};

/// The families of the images of one rule.
#[derive(Default)]
pub(super) struct Families<'a> {
    index: HashMap<Arc<str>, usize>,
    list: Vec<Family<'a>>,
}

/// Images that replace one another, because they share the rule's `group_by` properties.
pub(super) struct Family<'a> {
    /// The properties that the images share, for example `tag:Family=web,architecture=arm64`.
    pub key: Arc<str>,
    /// The images of the family, newest first.
    pub members: Vec<Member<'a>>,
}

/// An image that is ranked in its family.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    pub image: &'a Image,
    pub created_at: Timestamp,
}

impl<'a> Families<'a> {
    /// Adds an image to its family.
    pub(super) fn add(&mut self, key: &str, member: Member<'a>) {
        let family = match self.index.get(key) {
            Some(family) => *family,
            None => {
                let key: Arc<str> = key.into();
                self.list.push(Family { key: key.clone(), members: Vec::new() });
                self.index.insert(key, self.list.len() - 1);
                self.list.len() - 1
            }
        };
        if let Some(family) = self.list.get_mut(family) {
            family.members.push(member);
        }
    }

    /// Returns the families sorted by key. The images of each family are sorted from newest to
    /// oldest, and by ID if they were created at the same time.
    pub(super) fn ranked(self) -> Vec<Family<'a>> {
        let mut list = self.list;
        list.sort_by(|a, b| a.key.cmp(&b.key));
        for family in &mut list {
            family.members.sort_by(|a, b| {
                let newest_first = b.created_at.cmp(&a.created_at);
                newest_first.then_with(|| a.image.image_id.cmp(&b.image.image_id))
            });
        }
        list
    }

    /// The number of images in each family.
    pub(super) fn sizes(&self) -> impl ExactSizeIterator<Item = usize> {
        self.list.iter().map(|family| family.members.len())
    }
}

/// Whether an image in this state is ranked in its family. A failed or pending image must not
/// displace a usable one from the newest N.
pub(super) fn is_ranked(image: &Image) -> bool {
    matches!(image.state, ImageState::Available | ImageState::Disabled)
}

/// The key of the only family of a rule without `group_by`.
pub const WHOLE_RULE: &str = "all";

/// Writes the key of the image's family under `rule` into `key`.
///
/// # Errors
/// The property that the image lacks, for example `tag:Family`. The image then is in no family:
/// images without the property are never grouped together.
pub(super) fn family_key(rule: &Rule, image: &Image, key: &mut String) -> Result<(), Arc<str>> {
    key.clear();
    if rule.group_by.is_empty() {
        key.push_str(WHOLE_RULE);
        return Ok(());
    }
    let by_name = rule.group_by.contains(&GroupBy::NamePrefix);
    let parts = by_name.then(|| NameParts::of(&image.name));
    let named = parts.as_ref().and_then(NameParts::architecture);
    let prefix = parts.as_ref().map(NameParts::prefix);
    for by in &rule.group_by {
        let (label, name, value) = match by {
            GroupBy::Tag(tag) => ("tag:", tag.as_str(), image.tags.get(tag)),
            GroupBy::Architecture => ("", "architecture", image.architecture.as_deref()),
            GroupBy::Platform => ("", "platform", image.platform.as_deref()),
            GroupBy::Definition => ("", "definition", image.definition.as_deref()),
            GroupBy::NamePrefix => ("", "name", prefix.as_deref()),
        };
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return Err(format!("{label}{name}").into());
        };
        // The architecture is omitted if the name already contains it.
        if *by == GroupBy::Architecture
            && named.is_some()
            && named.as_deref() == architecture(value)
        {
            continue;
        }
        push_part(key, &[label, name], value);
        if *by == GroupBy::NamePrefix
            && let Some(named) = &named
        {
            push_part(key, &["arch"], named);
        }
    }
    Ok(())
}

/// Appends `label=value` to a key.
fn push_part(key: &mut String, label: &[&str], value: &str) {
    if !key.is_empty() {
        key.push(',');
    }
    for part in label.iter().chain(&["="]) {
        key.push_str(part);
    }
    // A comma or backslash in a value is escaped, so that two families never have the same key.
    for part in value.split_inclusive([',', '\\']) {
        match part.char_indices().next_back() {
            Some((at, last @ (',' | '\\'))) => {
                key.push_str(part.get(..at).unwrap_or_default());
                key.extend(['\\', last]);
            }
            _ => key.push_str(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inventory;
    use crate::policy::Policy;

    fn key_under(group_by: &str, image: serde_json::Value) -> String {
        let policy = format!(
            "version = 1\n[[rule]]\nname = \"all\"\ngroup_by = {group_by}\nkeep = {{ last = 1 }}\n"
        );
        let policy = Policy::parse(&policy, "p").unwrap();
        let mut image = image;
        image["image_id"] = "ami-1".into();
        let inventory = serde_json::json!({
            "format": 1, "account": "123456789012", "region": "eu-central-1", "taken_at": "2026-11-22T12:00:00Z",
            "images": [image], "references": [],
        });
        let inventory = Inventory::from_json(&inventory.to_string()).unwrap();
        let mut key = String::new();
        match family_key(&policy.rules[0], &inventory.images[0], &mut key) {
            Ok(()) => key,
            Err(lacks) => format!("lacks {lacks}"),
        }
    }

    #[test]
    fn commas_in_values_do_not_merge_families() {
        let key_of = |a: &str, b: &str| {
            key_under(r#"["tag:A", "tag:B"]"#, serde_json::json!({ "tags": { "A": a, "B": b } }))
        };
        assert_eq!(key_of("web", "1"), "tag:A=web,tag:B=1");
        assert_eq!(key_of("ä,b", r",\c\"), r"tag:A=ä\,b,tag:B=\,\\c\\");
        assert_ne!(key_of("x,tag:B=y", "z"), key_of("x", "y,tag:B=z"));
    }

    #[test]
    fn images_without_a_definition_are_in_no_family() {
        let of = |definition: Option<&str>| {
            let group_by = r#"["definition", "architecture"]"#;
            key_under(
                group_by,
                serde_json::json!({ "definition": definition, "architecture": "x64" }),
            )
        };
        assert_eq!(of(Some("gallery/web")), "definition=gallery/web,architecture=x64");
        for missing in [None, Some("")] {
            assert_eq!(of(missing), "lacks definition");
        }
    }

    #[test]
    fn the_architecture_in_a_name_is_separate() {
        let key_of = |group_by, name: &str, architecture: &str| {
            key_under(group_by, serde_json::json!({ "name": name, "architecture": architecture }))
        };
        let by_name = r#"["name_prefix"]"#;
        let both = r#"["name_prefix", "architecture"]"#;
        for (group_by, name, architecture, key) in [
            (by_name, "app-v1.2.3-20260102-amd64", "x86_64", "name=app,arch=x86_64"),
            (by_name, "app-v1.2.4-20260109-arm64", "arm64", "name=app,arch=arm64"),
            (by_name, "app-v1.2.4-20260109", "arm64", "name=app"),
            (by_name, "app,arch=arm64-17", "arm64", r"name=app\,arch=arm64"),
            // The architecture is omitted if the name already contains it.
            (both, "app-17-x86_64-1", "x86_64", "name=app-17,arch=x86_64"),
            (both, "app-amd64-1", "x86_64", "name=app,arch=x86_64"),
            (both, "app-1", "x86_64", "name=app,architecture=x86_64"),
            (both, "app-amd64-1", "arm64", "name=app,arch=x86_64,architecture=arm64"),
            (both, "app-amd64-1", "x86_64_mac", "name=app,arch=x86_64,architecture=x86_64_mac"),
            (both, "app-mips-1", "mips", "name=app-mips,architecture=mips"),
            (both, "app-amd64-1", "", "lacks architecture"),
            (r#"["architecture", "name_prefix"]"#, "app-amd64-1", "x86_64", "name=app,arch=x86_64"),
        ] {
            assert_eq!(key_of(group_by, name, architecture), key, "{group_by} {name}");
        }
    }
}
