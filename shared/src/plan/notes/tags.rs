//! Finds tags on images and snapshots that have a different effect than the person who wrote them
//! probably intended.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Note;
use crate::model::{Inventory, KeepTag, ResourceId, TagNames, Tags};
use crate::plan::state_tags::{self, NotUnderstood};
use crate::policy::{DEFAULT_PREFIX, Policy};

/// Notes about tags written by people that have no effect or an unexpected one.
pub(super) fn of(inventory: &Inventory, policy: &Policy, now: Timestamp) -> Vec<Note> {
    let names = &policy.tag_names;
    let mut ignored: BTreeMap<(&str, &str), Vec<ResourceId>> = BTreeMap::new();
    let mut no_dates: BTreeMap<&str, Vec<ResourceId>> = BTreeMap::new();
    let mut over: BTreeMap<&str, Vec<ResourceId>> = BTreeMap::new();
    // The key of the tag with the default prefix.
    let usual = TagNames::under(DEFAULT_PREFIX).keep;
    let is_usual = |tags: &Tags, key: &str| {
        tags.is_same_key(key, &usual) && !tags.is_same_key(key, &names.keep)
    };
    // Fast path: most resources have no such tag.
    let has_one = |tags: &Tags| {
        let meant = [&names.keep, &names.retire_when_imaged];
        tags.iter().any(|(key, _)| {
            is_usual(tags, key) || meant.iter().any(|name| name.eq_ignore_ascii_case(key))
        })
    };
    let images = inventory.images.iter().filter(|one| has_one(&one.tags));
    let images = images.map(|one| (ResourceId::from(&one.image_id), &one.tags));
    let snapshots = inventory.snapshots.iter().filter(|one| has_one(&one.tags));
    let snapshots = snapshots.map(|one| (ResourceId::from(&one.snapshot_id), &one.tags));
    for (resource, tags) in images.chain(snapshots) {
        for (key, effective) in
            misspelt(tags, [&names.keep, &names.retire_when_imaged], names.prefix())
        {
            ignored.entry((key, effective)).or_default().push(resource.clone());
        }
        if let Some((key, _)) = tags.iter().find(|(key, _)| is_usual(tags, key)) {
            ignored.entry((key, &names.keep)).or_default().push(resource.clone());
        }
        let Some(value) = tags.get(&names.keep) else { continue };
        let tag = KeepTag::read(value, &policy.timezone);
        if KeepTag::is_invalid_date(value) {
            no_dates.entry(value).or_default().push(resource.clone());
        } else if tag.note.is_some() && tag.until.is_some_and(|until| until <= now) {
            over.entry(value).or_default().push(resource.clone());
        }
    }
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
    let over = over.into_iter().map(|(value, resources)| Note::KeepEnded {
        key: names.keep.clone(),
        value: value.to_owned(),
        resources: sorted(resources),
    });
    ignored.chain(no_dates).chain(over).collect()
}

/// Notes about state tags that are not understood.
pub(super) fn not_understood(inventory: &Inventory, policy: &Policy) -> Vec<Note> {
    let (mut keys, mut values) = (BTreeMap::new(), BTreeMap::new());
    let mut add = |resource: ResourceId, tag: NotUnderstood| {
        let (found, key) = match tag {
            NotUnderstood::Key(key) => (&mut keys, key),
            NotUnderstood::Value(key, _) => (&mut values, key),
        };
        let resources: &mut Vec<ResourceId> = found.entry(key.to_string()).or_default();
        resources.push(resource);
    };
    for image in &inventory.images {
        state_tags::of_image(image, policy).for_each(|tag| add((&image.image_id).into(), tag));
    }
    for snapshot in &inventory.snapshots {
        state_tags::of_snapshot(snapshot, policy)
            .for_each(|tag| add((&snapshot.snapshot_id).into(), tag));
    }
    let unknown = keys.into_iter().map(|(key, resources)| {
        let resources = sorted(resources);
        Note::StateTagUnknown { key, resources }
    });
    let unreadable = values.into_iter().map(|(key, resources)| {
        let resources = sorted(resources);
        Note::StateTagUnreadable { key, resources }
    });
    unknown.chain(unreadable).collect()
}

fn sorted(mut resources: Vec<ResourceId>) -> Vec<ResourceId> {
    resources.sort();
    resources
}

/// The tag keys without effect that differ from a key in `effective` only in letter case, each with
/// that key. A key that begins with `prefix` has an effect, or is an unknown state tag, which keeps
/// the resource.
fn misspelt<'a>(
    tags: &'a Tags,
    effective: [&'a String; 2],
    prefix: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    tags.iter().filter(move |(key, _)| !tags.begins_with(key, prefix)).flat_map(move |(key, _)| {
        let is_meant = move |name: &&String| name.eq_ignore_ascii_case(key);
        effective.into_iter().filter(is_meant).map(move |name| (key, name.as_str()))
    })
}
