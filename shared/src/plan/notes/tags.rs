//! Tags that people write on images and snapshots, and that have another effect than they meant.

use std::collections::BTreeMap;

use super::Note;
use crate::model::{Inventory, KeepTag, ResourceId, Tags};
use crate::policy::Policy;

/// The tags that people write: whether they are as they must be to have an effect.
pub(super) fn of(inventory: &Inventory, policy: &Policy) -> Vec<Note> {
    let names = &policy.tag_names;
    let mut ignored: BTreeMap<(&str, &str), Vec<ResourceId>> = BTreeMap::new();
    let mut no_dates: BTreeMap<&str, Vec<ResourceId>> = BTreeMap::new();
    // Most resources have no such tag.
    let has_one = |tags: &Tags| {
        let meant = [&names.keep, &names.retire_when_imaged];
        tags.iter().any(|(key, _)| meant.iter().any(|name| name.eq_ignore_ascii_case(key)))
    };
    let images = inventory.images.iter().filter(|one| has_one(&one.tags));
    let images = images.map(|one| (ResourceId::from(&one.image_id), &one.tags));
    let snapshots = inventory.snapshots.iter().filter(|one| has_one(&one.tags));
    let snapshots = snapshots.map(|one| (ResourceId::from(&one.snapshot_id), &one.tags));
    for (resource, tags) in images.chain(snapshots) {
        for (key, effective) in misspelt(tags, [&names.keep, &names.retire_when_imaged]) {
            ignored.entry((key, effective)).or_default().push(resource.clone());
        }
        if let Some(value) = tags.get(&names.keep).filter(|value| KeepTag::is_invalid_date(value)) {
            no_dates.entry(value).or_default().push(resource.clone());
        }
    }
    let sorted = |mut resources: Vec<ResourceId>| {
        resources.sort();
        resources
    };
    let ignored = ignored.into_iter().map(|((key, effective), resources)| Note::TagIgnored {
        key: key.to_owned(),
        effective: effective.to_owned(),
        resources: sorted(resources),
    });
    let no_dates = no_dates.into_iter().map(|(value, resources)| Note::KeepDateInvalid {
        key: names.keep.clone(),
        value: value.to_owned(),
        resources: sorted(resources),
    });
    ignored.chain(no_dates).collect()
}

/// The keys that differ from one of `effective` only in letter case, each with that one.
fn misspelt<'a>(
    tags: &'a Tags,
    effective: [&'a String; 2],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    tags.iter().flat_map(move |(key, _)| {
        let is_meant = move |name: &&String| *name != key && name.eq_ignore_ascii_case(key);
        effective.into_iter().filter(is_meant).map(move |name| (key, name.as_str()))
    })
}
