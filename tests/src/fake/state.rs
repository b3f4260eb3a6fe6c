//! The content of the fake, with the index for deleting.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use steward::cloud::CloudError;
use steward::model::{ImageId, InstanceId, ResourceId, SnapshotId, Tags};

use super::faults::{Faults, error};
use crate::fleet::{BinnedImage, BinnedSnapshot, Fleet, FleetImage, FleetInstance, FleetSnapshot};

#[derive(Clone)]
pub(super) struct State {
    pub(super) images: BTreeMap<ImageId, FleetImage>,
    pub(super) snapshots: BTreeMap<SnapshotId, FleetSnapshot>,
    pub(super) instances: BTreeMap<InstanceId, FleetInstance>,
    pub(super) binned_images: BTreeMap<ImageId, BinnedImage>,
    pub(super) binned_snapshots: BTreeMap<SnapshotId, BinnedSnapshot>,
    /// The sections that no call changes. The sections above are empty in it.
    pub(super) rest: Fleet,
    /// The images that use each snapshot.
    users: BTreeMap<SnapshotId, BTreeSet<ImageId>>,
    pub(super) deregistered: BTreeSet<ImageId>,
    /// The snapshots whose last image was deregistered, with the number of deletes that still find
    /// them in use. `None` before the first delete.
    released: BTreeMap<SnapshotId, Option<u32>>,
    races: u32,
}

impl State {
    pub(super) fn new(fleet: Fleet) -> Self {
        let mut rest = fleet.filled();
        let images = std::mem::take(&mut rest.images);
        let snapshots =
            rest.snapshots.drain(..).map(|one| (one.snapshot_id.clone(), one)).collect();
        let instances =
            rest.instances.drain(..).map(|one| (one.instance_id.clone(), one)).collect();
        let in_bin = |one: BinnedImage| (one.image.image_id.clone(), one);
        let binned_images: BTreeMap<_, _> = rest.recycled_images.drain(..).map(in_bin).collect();
        let in_bin = |one: BinnedSnapshot| (one.snapshot.snapshot_id.clone(), one);
        let binned_snapshots = rest.recycled_snapshots.drain(..).map(in_bin).collect();
        let mut state = Self {
            images: BTreeMap::new(),
            snapshots,
            instances,
            deregistered: binned_images.keys().cloned().collect(),
            binned_images,
            binned_snapshots,
            rest,
            users: BTreeMap::new(),
            released: BTreeMap::new(),
            races: 0,
        };
        for image in images {
            state.put_image(image);
        }
        state
    }

    /// Adds an image, and records that it uses its snapshots.
    fn put_image(&mut self, image: FleetImage) {
        for snapshot in &image.snapshots {
            self.users.entry(snapshot.clone()).or_default().insert(image.image_id.clone());
        }
        self.images.insert(image.image_id.clone(), image);
    }

    pub(super) fn fleet(&self) -> Fleet {
        Fleet {
            images: self.images.values().cloned().collect(),
            snapshots: self.snapshots.values().cloned().collect(),
            instances: self.instances.values().cloned().collect(),
            recycled_images: self.binned_images.values().cloned().collect(),
            recycled_snapshots: self.binned_snapshots.values().cloned().collect(),
            ..self.rest.clone()
        }
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut Fleet)) {
        let mut fleet = self.fleet();
        change(&mut fleet);
        let new = Self::new(fleet);
        let gone = self.images.keys().filter(|id| !new.images.contains_key(*id)).cloned();
        let mut deregistered: BTreeSet<ImageId> =
            self.deregistered.iter().chain(&new.deregistered).cloned().chain(gone).collect();
        deregistered.retain(|id| !new.images.contains_key(id));
        let (released, races) = (std::mem::take(&mut self.released), self.races);
        *self = Self { deregistered, released, races, ..new };
    }

    /// The image, if it exists and belongs to the account. Otherwise EC2's error.
    pub(super) fn own_image(
        &self,
        action: &'static str,
        image: &ImageId,
        faults: &Faults,
    ) -> Result<&FleetImage, CloudError> {
        let Some(found) = self.images.get(image) else {
            let gone = self.deregistered.contains(image) && !faults.switches.forget_deregistered;
            let code = if gone { "InvalidAMIID.Unavailable" } else { "InvalidAMIID.NotFound" };
            return Err(error::of(action, code, &format!("The image id '[{image}]' is not there")));
        };
        if found.owner_id == self.rest.account {
            Ok(found)
        } else {
            Err(error::of(action, "AuthFailure", &format!("Not authorized for image:{image}")))
        }
    }

    /// Removes the image, to the Recycle Bin if a rule covers it. Its snapshots remain.
    pub(super) fn remove_image(&mut self, image: &ImageId, now: Timestamp) -> Vec<SnapshotId> {
        let Some(gone) = self.images.remove(image) else { return Vec::new() };
        self.deregistered.insert(image.clone());
        for snapshot in &gone.snapshots {
            let Some(users) = self.users.get_mut(snapshot) else { continue };
            users.remove(image);
            if users.is_empty() {
                self.released.insert(snapshot.clone(), None);
            }
        }
        let snapshots = gone.snapshots.clone();
        self.bin_image(gone, now);
        snapshots
    }

    /// Restores the image from the Recycle Bin.
    pub(super) fn restore_image(&mut self, image: &ImageId) {
        let Some(mut found) = self.binned_images.remove(image) else { return };
        found.image.unshare();
        self.put_image(found.image);
    }

    /// The snapshot, if it exists and belongs to the account. Otherwise EC2's error.
    pub(super) fn own_snapshot(
        &self,
        action: &'static str,
        snapshot: &SnapshotId,
    ) -> Result<&FleetSnapshot, CloudError> {
        let Some(found) = self.snapshots.get(snapshot) else {
            let message = format!("The snapshot '{snapshot}' does not exist.");
            return Err(error::of(action, "InvalidSnapshot.NotFound", &message));
        };
        if found.owner_id == self.rest.account {
            Ok(found)
        } else {
            let message = format!("Not authorized for snapshot:{snapshot}");
            Err(error::of(action, "AuthFailure", &message))
        }
    }

    /// The tags of all images and snapshots, including those in the Recycle Bin.
    pub(super) fn all_tags(&self) -> impl Iterator<Item = (ResourceId, &Tags)> {
        let binned = self.binned_images.values().map(|one| &one.image);
        let images = self.images.values().chain(binned);
        let binned = self.binned_snapshots.values().map(|one| &one.snapshot);
        let snapshots = self.snapshots.values().chain(binned);
        images
            .map(|one| (ResourceId::Image(one.image_id.clone()), &one.tags))
            .chain(snapshots.map(|one| (ResourceId::Snapshot(one.snapshot_id.clone()), &one.tags)))
    }

    pub(super) fn users_of(&self, snapshot: &SnapshotId) -> impl Iterator<Item = &ImageId> {
        self.users.get(snapshot).into_iter().flatten()
    }

    /// Whether the deregistered image still counts as using the snapshot.
    pub(super) fn races(&mut self, snapshot: &SnapshotId, faults: &Faults) -> bool {
        let Some(left) = self.released.get_mut(snapshot) else { return false };
        let race = faults.switches.snapshot_race;
        let left = left.get_or_insert_with(|| {
            self.races += 1;
            let nth = race.every > 0 && self.races.is_multiple_of(race.every);
            if self.races <= race.first || nth { race.times } else { 0 }
        });
        let hit = *left > 0;
        *left = left.saturating_sub(1);
        hit
    }
}
