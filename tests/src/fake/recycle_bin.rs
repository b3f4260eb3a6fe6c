//! Reading the Recycle Bin, and which resources it keeps for how long.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use steward::cloud::{CloudError, ErrorKind, RecycleBinReader, RecycleBinWriter};
use steward::model::{
    ImageId, Recyclable, RecycledImage, RecycledSnapshot, RetentionRule, SnapshotId, Tags,
};

use super::faults::{error, in_hash_order};
use super::state::State;
use super::{Call, Fake, FakeAccount};
use crate::fleet::{BinnedImage, BinnedSnapshot, FleetImage, FleetRule};

const HOURS_A_DAY: i64 = 24;

impl State {
    fn rules(&self) -> &[FleetRule] {
        self.rest.retention_rules.as_deref().unwrap_or_default()
    }

    /// The time until which the bin keeps a resource with these tags. `None` if no rule covers it.
    /// If several rules do, the longest retention applies.
    fn kept_until(&self, resource: Recyclable, tags: &Tags, now: Timestamp) -> Option<Timestamp> {
        let covering = self.rules().iter().filter(|rule| rule.covers(resource, tags));
        let days = covering.map(|rule| rule.days).max()?;
        Some(now + SignedDuration::from_hours(i64::from(days) * HOURS_A_DAY))
    }

    /// Moves a deregistered image to the bin, if a rule covers it.
    pub(super) fn bin_image(&mut self, mut image: FleetImage, now: Timestamp) {
        let until = self.kept_until(Recyclable::Images, &image.tags, now);
        let Some(leaves_at) = until else { return };
        // Not verified against AWS.
        image.unshare();
        let binned = BinnedImage { image, entered_at: now, leaves_at };
        self.binned_images.insert(binned.image.image_id.clone(), binned);
    }

    /// Deletes the snapshot, to the bin if a rule covers it.
    pub(super) fn remove_snapshot(&mut self, snapshot: &SnapshotId, now: Timestamp) {
        let Some(mut snapshot) = self.snapshots.remove(snapshot) else { return };
        let until = self.kept_until(Recyclable::Snapshots, &snapshot.tags, now);
        let Some(leaves_at) = until else { return };
        snapshot.unshare();
        let binned = BinnedSnapshot { snapshot, entered_at: now, leaves_at };
        self.binned_snapshots.insert(binned.snapshot.snapshot_id.clone(), binned);
    }

    /// Removes resources whose retention has ended from the bin.
    pub(super) fn empty_bin(&mut self, now: Timestamp) {
        self.binned_images.retain(|_, one| one.leaves_at > now);
        self.binned_snapshots.retain(|_, one| one.leaves_at > now);
    }
}

#[async_trait]
impl RecycleBinReader for Fake {
    /// Each rule is read with a separate call. A rule that was deleted meanwhile is omitted.
    async fn list_retention_rules(&self) -> Result<Option<Vec<RetentionRule>>, CloudError> {
        const LIST: &str = "rbin:ListRules";
        const GET: &str = "rbin:GetRule";
        let mut inner = self.begin(Call::ListRetentionRules);
        let (state, faults) = inner.listing();
        let mut found = Vec::new();
        for (resource, word) in
            [(Recyclable::Images, "EC2_IMAGE"), (Recyclable::Snapshots, "EBS_SNAPSHOT")]
        {
            faults.check(LIST, &[word])?;
            let listed = || state.rules().iter().filter(|rule| rule.resource == resource);
            faults.check_pages(LIST, listed().count(), 1000)?;
            for rule in listed() {
                match faults.check(GET, &[&rule.rule_id]) {
                    Ok(()) => found.push(rule.seen()),
                    Err(error) if error.kind == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Some(in_hash_order(found, |rule| &rule.rule_id)))
    }

    async fn list_recycled_images(&self) -> Result<Vec<RecycledImage>, CloudError> {
        const ACTION: &str = "ec2:ListImagesInRecycleBin";
        let mut inner = self.begin(Call::ListRecycledImages);
        let (state, faults) = inner.listing();
        faults.check(ACTION, &[])?;
        faults.check_pages(ACTION, state.binned_images.len(), 1000)?;
        let found = state.binned_images.values().map(|one| RecycledImage {
            image_id: one.image.image_id.clone(),
            name: one.image.name.as_deref().unwrap_or_default().into(),
            entered_at: Some(one.entered_at),
            leaves_at: Some(one.leaves_at),
        });
        Ok(in_hash_order(found.collect(), |one| one.image_id.as_str()))
    }

    async fn list_recycled_snapshots(&self) -> Result<Vec<RecycledSnapshot>, CloudError> {
        const ACTION: &str = "ec2:ListSnapshotsInRecycleBin";
        let mut inner = self.begin(Call::ListRecycledSnapshots);
        let (state, faults) = inner.listing();
        faults.check(ACTION, &[])?;
        faults.check_pages(ACTION, state.binned_snapshots.len(), 1000)?;
        let found = state.binned_snapshots.values().map(|one| RecycledSnapshot {
            snapshot_id: one.snapshot.snapshot_id.clone(),
            description: one.snapshot.description.as_str().into(),
            entered_at: Some(one.entered_at),
            leaves_at: Some(one.leaves_at),
        });
        Ok(in_hash_order(found.collect(), |one| one.snapshot_id.as_str()))
    }
}

#[async_trait]
impl RecycleBinWriter for Fake {
    async fn recover_image(&self, image: &ImageId) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:RestoreImageFromRecycleBin";
        self.changing(Call::RecoverImage(image.clone()), |inner| {
            let FakeAccount { state, faults, .. } = inner;
            faults.check(ACTION, &[image.as_str()])?;
            let Some(found) = state.binned_images.get(image) else {
                let message = format!("The image id '[{image}]' does not exist in the Recycle Bin");
                return Err(error::of(ACTION, "InvalidAMIID.NotFound", &message));
            };
            let mut snapshots = found.image.snapshots.iter();
            if let Some(missing) = snapshots.find(|id| !state.snapshots.contains_key(*id)) {
                // The code is not verified against AWS. The image itself exists.
                let message = format!("The snapshot '{missing}' does not exist.");
                let error = error::of(ACTION, "InvalidSnapshot.NotFound", &message);
                return Err(CloudError { kind: ErrorKind::Other, ..error });
            }
            state.restore_image(image);
            faults.changed(ACTION)
        })
    }

    async fn recover_snapshot(&self, snapshot: &SnapshotId) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:RestoreSnapshotFromRecycleBin";
        self.changing(Call::RecoverSnapshot(snapshot.clone()), |inner| {
            let FakeAccount { state, faults, .. } = inner;
            faults.check(ACTION, &[snapshot.as_str()])?;
            let Some(found) = state.binned_snapshots.remove(snapshot) else {
                let message =
                    format!("The snapshot '{snapshot}' does not exist in the Recycle Bin");
                return Err(error::of(ACTION, "InvalidSnapshot.NotFound", &message));
            };
            state.snapshots.insert(snapshot.clone(), found.snapshot);
            faults.changed(ACTION)
        })
    }
}
