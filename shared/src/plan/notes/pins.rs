//! Finds entries in `[safety]` that match nothing in the inventory.

use std::collections::BTreeSet;

use super::{Note, condition};
use crate::model::{DefinitionId, Image, ImageId, Inventory, Tags};
use crate::policy::Policy;

/// The tags in `keep_tags` that match no image and no snapshot.
pub(super) fn keep_tags(inventory: &Inventory, policy: &Policy) -> Vec<Note> {
    let images: Vec<&Image> = inventory.images.iter().collect();
    let idle = policy.safety.keep_tags.iter().filter_map(|(key, glob)| {
        let has_it = |tags: &Tags| tags.get(key).is_some_and(|value| glob.is_match(value));
        let is_used = inventory.images.iter().any(|one| has_it(&one.tags))
            || inventory.snapshots.iter().any(|one| has_it(&one.tags));
        (!is_used).then(|| Note::SafetyTagMatchesNothing {
            key: key.clone(),
            condition: Some(condition::count_tag(key, glob, "keep", &images)),
        })
    });
    idle.collect()
}

/// The IDs in `pinned` that match no image.
pub(super) fn of(inventory: &Inventory, policy: &Policy) -> Vec<Note> {
    let mut notes = images(inventory, policy.safety.pinned.images());
    notes.extend(definitions(inventory, policy.safety.pinned.definitions()));
    notes
}

fn definitions(inventory: &Inventory, pinned: &[DefinitionId]) -> Vec<Note> {
    let mut missing: BTreeSet<&str> = pinned.iter().map(DefinitionId::as_str).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let known: BTreeSet<&str> =
        inventory.images.iter().filter_map(|image| image.image_id.definition()).collect();
    missing.retain(|definition| !known.contains(definition));
    let note = |definition: &DefinitionId| {
        let near = known.iter().find(|other| is_slip(definition.as_str(), other));
        Note::DefinitionPinMatchesNothing {
            definition: definition.clone(),
            near: near.and_then(|other| other.parse().ok()),
        }
    };
    pinned.iter().filter(|one| missing.contains(one.as_str())).map(note).collect()
}

fn images(inventory: &Inventory, pinned: &[ImageId]) -> Vec<Note> {
    let mut missing: BTreeSet<&ImageId> = pinned.iter().collect();
    for image in &inventory.images {
        missing.remove(&image.image_id);
    }
    let ids = || inventory.images.iter().map(|image| &image.image_id);
    let note = |image_id: &ImageId| Note::PinMatchesNothing {
        image_id: image_id.clone(),
        near: ids().filter(|other| is_slip(image_id.as_str(), other.as_str())).min().cloned(),
    };
    missing.into_iter().map(note).collect()
}

/// Whether two IDs differ in one place only: one character is replaced, missing or superfluous, or
/// two adjacent characters are swapped.
fn is_slip(a: &str, b: &str) -> bool {
    let same = |(a, b): &(u8, u8)| a == b;
    let begin = a.bytes().zip(b.bytes()).take_while(same).count();
    let end = a.bytes().rev().zip(b.bytes().rev()).take_while(same).count();
    let (shorter, longer) = (a.len().min(b.len()), a.len().max(b.len()));
    match longer - shorter {
        0 if begin + end + 2 == longer => {
            let middle = |text: &str| text.bytes().skip(begin).take(2).collect::<Vec<_>>();
            let mut turned = middle(a);
            turned.reverse();
            turned == middle(b)
        }
        0 => begin + end + 1 == longer,
        1 => begin + end >= shorter,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_typing_error_is_recognized() {
        let id = "ami-0123456789abcdef0";
        for slip in [
            "ami-0123456789abcdee0",
            "ami-012345679abcdef0",
            "ami-01234567889abcdef0",
            "ami-0123456798abcdef0",
            "ami-0123456789abcdef",
        ] {
            assert!(is_slip(id, slip) && is_slip(slip, id), "{slip}");
        }
        for other in [id, "ami-0123456789abcdee1", "ami-0123456789abcd", "ami-0123456799bbcdef0"] {
            assert!(!is_slip(id, other) && !is_slip(other, id), "{other}");
        }
    }
}
