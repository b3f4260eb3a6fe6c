//! Families: which images replace one another.

use std::sync::Arc;

use foldhash::HashMap;
use jiff::Timestamp;

use super::name_prefix::name_prefix;
use crate::model::{Image, ImageState};
use crate::policy::{GroupBy, Rule};

/// The families of one rule's images.
#[derive(Default)]
pub(super) struct Families<'a> {
    index: HashMap<Arc<str>, usize>,
    list: Vec<Family<'a>>,
}

/// Images that replace one another, because a rule groups them together.
pub(super) struct Family<'a> {
    /// What they have in common, for example `tag:Family=web,architecture=arm64`.
    pub key: Arc<str>,
    /// The newest image first.
    pub members: Vec<Member<'a>>,
}

/// An image that takes part in the ranking.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    pub image: &'a Image,
    pub created_at: Timestamp,
}

impl<'a> Families<'a> {
    /// Puts an image in its family.
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

    /// The families in order of their keys, their images newest first, ties by id.
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

/// Whether an image is ranked in its family: a failed or pending image must not push a usable one
/// out of the newest N.
pub(super) fn takes_part(image: &Image) -> bool {
    matches!(image.state, ImageState::Available | ImageState::Disabled)
}

/// The name of the only family of a rule without `group_by`.
pub const WHOLE_RULE: &str = "all";

/// Writes the key of the image's family under `rule` into `key`.
///
/// # Errors
/// The property that the image lacks, for example `tag:Family`. It is then in no family: images
/// without the tag are never grouped together.
pub(super) fn family_key(rule: &Rule, image: &Image, key: &mut String) -> Result<(), Arc<str>> {
    key.clear();
    if rule.group_by.is_empty() {
        key.push_str(WHOLE_RULE);
        return Ok(());
    }
    let mut prefix;
    for by in &rule.group_by {
        let (label, name, value) = match by {
            GroupBy::Tag(tag) => ("tag:", tag.as_str(), image.tags.get(tag)),
            GroupBy::Architecture => ("", "architecture", image.architecture.as_deref()),
            GroupBy::Platform => ("", "platform", image.platform.as_deref()),
            GroupBy::NamePrefix => {
                prefix = name_prefix(&image.name);
                ("", "name", Some(&*prefix))
            }
        };
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return Err(format!("{label}{name}").into());
        };
        if !key.is_empty() {
            key.push(',');
        }
        for part in [label, name, "="] {
            key.push_str(part);
        }
        // A comma or backslash inside a value is escaped: two families never share a key.
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inventory;
    use crate::policy::Policy;

    #[test]
    fn families_whose_values_hold_commas_have_keys_of_their_own() {
        let policy = "version = 1\n[[rule]]\nname = \"all\"\ngroup_by = [\"tag:A\", \"tag:B\"]\nkeep = { last = 1 }\n";
        let policy = Policy::parse(policy, "p").unwrap();
        let key_of = |a: &str, b: &str| {
            let inventory = serde_json::json!({
                "account": "123456789012", "region": "eu-central-1", "taken_at": "2026-11-22T12:00:00Z",
                "images": [{ "image_id": "ami-1", "tags": { "A": a, "B": b } }], "references": [],
            });
            let inventory = Inventory::from_json(&inventory.to_string()).unwrap();
            let mut key = String::new();
            family_key(&policy.rules[0], &inventory.images[0], &mut key).unwrap();
            key
        };
        assert_eq!(key_of("web", "1"), "tag:A=web,tag:B=1");
        assert_eq!(key_of("ä,b", r",\c\"), r"tag:A=ä\,b,tag:B=\,\\c\\");
        assert_ne!(key_of("x,tag:B=y", "z"), key_of("x", "y,tag:B=z"));
    }
}
