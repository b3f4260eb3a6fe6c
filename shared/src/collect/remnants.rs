//! Remnants of an image that no longer exists: its entry in the Recycle Bin, and the snapshots that
//! name it.

use jiff::Timestamp;
use serde::Serialize;

use crate::cloud::{CloudError, View};
use crate::model::{
    DeletionMark, ImageId, Inventory, RecycledImage, ResourceId, Snapshot, SnapshotId, Source,
    TagNames, Unread,
};
use crate::plan::snapshots::made_for;

/// The remnants of an image that no longer exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Remnants {
    /// The image's entry in the Recycle Bin, if it has one.
    pub recycled: Option<Recycled>,
    /// The snapshots whose tags or description name the image.
    pub snapshots: Vec<Remnant>,
    /// The sources that could not be read. They may contain further remnants.
    pub unread: Vec<Unread>,
}

/// An image in the Recycle Bin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recycled {
    /// The image's name. Empty if it has none or if it was not read.
    pub name: String,
    /// When the image was deregistered.
    pub entered_at: Option<Timestamp>,
    /// When the Recycle Bin deletes the image permanently.
    pub leaves_at: Option<Timestamp>,
}

impl From<&RecycledImage> for Recycled {
    fn from(image: &RecycledImage) -> Self {
        let RecycledImage { image_id: _, name, entered_at, leaves_at } = image;
        Self { name: name.to_string(), entered_at: *entered_at, leaves_at: *leaves_at }
    }
}

/// A snapshot that names an image that no longer exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remnant {
    /// The snapshot's ID.
    pub snapshot_id: SnapshotId,
    /// Where the snapshot is.
    pub place: RemnantLocation,
    /// The snapshot's full size, in GiB.
    pub size_gib: Option<u32>,
    /// The time from which the snapshot may be deleted, according to its tag.
    pub delete_after: Option<DeleteAfter>,
}

/// The value of the tag `delete-after`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum DeleteAfter {
    /// A valid time.
    At(Timestamp),
    /// Any other value.
    Unreadable(String),
}

impl From<&str> for DeleteAfter {
    fn from(text: &str) -> Self {
        match text.parse::<DeletionMark>() {
            Ok(mark) => Self::At(mark.due),
            Err(_) => Self::Unreadable(text.to_owned()),
        }
    }
}

/// The location of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemnantLocation {
    /// In the account.
    Here,
    /// In the Recycle Bin.
    RecycleBin,
    /// Unknown: the tagging API lists the snapshot's tags, but EC2 does not list the snapshot.
    Unknown,
}

impl Remnants {
    /// Returns whether no remnants were found. Unread sources may contain some.
    pub fn is_nothing(&self) -> bool {
        self.recycled.is_none() && self.snapshots.is_empty()
    }
}

/// Returns whether the snapshot's tags or description attribute it to `image`.
fn is_of(snapshot: &Snapshot, image: &ImageId, names: &TagNames) -> bool {
    let tagged = snapshot.tags.get(&names.image).and_then(|id| id.parse().ok());
    tagged.as_ref() == Some(image)
        || snapshot.description.as_deref().and_then(made_for).as_ref() == Some(image)
}

/// Returns the remnants of an image according to an inventory that does not contain the image.
pub fn remnants_in(inventory: &Inventory, image: &ImageId, names: &TagNames) -> Remnants {
    let recycled = inventory.recycled_images.iter().flatten().find(|one| one.image_id == *image);
    let snapshots = inventory.snapshots.iter().filter(|one| is_of(one, image, names));
    Remnants {
        recycled: recycled.map(Recycled::from),
        snapshots: snapshots
            .map(|one| Remnant {
                snapshot_id: one.snapshot_id.clone(),
                place: RemnantLocation::Here,
                size_gib: one.size_gib,
                delete_after: one.tags.get(&names.delete_after).map(DeleteAfter::from),
            })
            .collect(),
        unread: inventory.unread.clone(),
    }
}

/// Adds remnants that the inventory does not include: the image's entry in the Recycle Bin, and the
/// tags of resources in the Recycle Bin. Sources that cannot be read are recorded.
pub async fn read_remnants(
    view: &dyn View,
    inventory: &Inventory,
    image: &ImageId,
    names: &TagNames,
) -> Remnants {
    let mut remnants = remnants_in(inventory, image, names);
    let (images, snapshots, tagged) = futures_util::join!(
        view.list_recycled_images(),
        view.list_recycled_snapshots(),
        view.list_tagged(&names.image, Some(image.as_str())),
    );
    let mut unread =
        |source: Source, error: &CloudError| remnants.unread.push(error.unread(source));
    match images {
        Ok(images) => {
            let found = images.iter().find(|one| one.image_id == *image);
            remnants.recycled = found.map(Recycled::from);
        }
        Err(error) => unread(Source::RecycledImages, &error),
    }
    let recycled = snapshots.unwrap_or_else(|error| {
        unread(Source::Snapshots, &error);
        Vec::new()
    });
    let tagged = tagged.unwrap_or_else(|error| {
        unread(Source::Snapshots, &error);
        Vec::new()
    });
    let mut more: Vec<(SnapshotId, RemnantLocation)> = Vec::new();
    for snapshot in &recycled {
        if made_for(&snapshot.description).as_ref() == Some(image) {
            more.push((snapshot.snapshot_id.clone(), RemnantLocation::RecycleBin));
        }
    }
    for (resource, _) in tagged {
        if let ResourceId::Snapshot(id) = resource {
            let is_recycled = recycled.iter().any(|one| one.snapshot_id == id);
            let place =
                if is_recycled { RemnantLocation::RecycleBin } else { RemnantLocation::Unknown };
            more.push((id, place));
        }
    }
    for (snapshot_id, place) in more {
        if remnants.snapshots.iter().all(|one| one.snapshot_id != snapshot_id) {
            remnants.snapshots.push(Remnant {
                snapshot_id,
                place,
                size_gib: None,
                delete_after: None,
            });
        }
    }
    remnants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_in_another_spelling_names_the_image() {
        let id = "/subscriptions/0f0e0d0c-1234-5678-9abc-def012345678/resourceGroups/g/providers/Microsoft.Compute";
        let image = format!("{id}/images/web");
        let tag = image.to_uppercase();
        let inventory = serde_json::json!({
            "format": 1, "account": "0f0e0d0c-1234-5678-9abc-def012345678",
            "taken_at": "2026-11-22T12:00:00Z", "images": [], "references": [],
            "snapshots": [{
                "snapshot_id": format!("{id}/snapshots/web"), "attribution": "state_tag",
                "tags": { "IMAGE-STEWARD:image": tag },
            }],
        });
        let inventory = Inventory::from_json(&inventory.to_string()).unwrap();
        let names = TagNames::under("image-steward:");
        let found = remnants_in(&inventory, &image.parse().unwrap(), &names);
        assert_eq!(found.snapshots.len(), 1);
    }
}
