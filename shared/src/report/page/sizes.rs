//! The storage size of each image.

use std::collections::HashMap;

use crate::model::{ImageId, Inventory, SnapshotId};
use crate::plan::{Decision, Plan};

/// The size of each image. A snapshot that several images share counts for only one of them: the
/// oldest of the images that are kept, if any, otherwise the oldest.
pub(super) struct Sizes<'a> {
    pub(super) gib: HashMap<&'a ImageId, u64>,
    /// The image for which each snapshot counts.
    counted: HashMap<&'a SnapshotId, &'a ImageId>,
    /// The index of each image in the report.
    places: HashMap<&'a ImageId, usize>,
}

impl<'a> Sizes<'a> {
    pub(super) fn of(inventory: &'a Inventory, plan: &'a Plan) -> Self {
        let sizes: HashMap<&SnapshotId, u32> = inventory
            .snapshots
            .iter()
            .filter_map(|one| Some((&one.snapshot_id, one.size_gib?)))
            .collect();
        let mut images: Vec<&Decision> = plan.decisions.iter().collect();
        images.sort_by_key(|one| (!one.action.stays(), one.created_at, &one.image_id));
        let (mut gib, mut counted) = (HashMap::new(), HashMap::new());
        for image in images {
            for snapshot in &image.snapshots {
                let Some(size) = sizes.get(snapshot) else { continue };
                let is_first =
                    *counted.entry(snapshot).or_insert(&image.image_id) == &image.image_id;
                *gib.entry(&image.image_id).or_insert(0) +=
                    if is_first { u64::from(*size) } else { 0 };
            }
        }
        for image in &inventory.images {
            if let (Some(size), _) = image.disk_sizes() {
                gib.insert(&image.image_id, u64::from(size));
            }
        }
        let places = plan.decisions.iter().enumerate();
        let places = places.map(|(place, one)| (&one.image_id, place)).collect();
        Self { gib, counted, places }
    }

    /// Returns the index of another image for which a snapshot of this one counts.
    pub(super) fn shared_with(&self, decision: &Decision) -> Option<usize> {
        let others = decision.snapshots.iter().filter_map(|id| self.counted.get(id));
        let other = others.copied().find(|other| **other != decision.image_id)?;
        self.places.get(other).copied()
    }
}
