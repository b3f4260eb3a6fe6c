//! The reading half of the port.

use std::sync::Arc;

use steward::cloud::{CloudError, SnapshotScope, SourceAnswer, View};
use steward::model::{RecycledImage, RecycledSnapshot, ReferenceScope, ResourceId, TemplateVersions, AccountId, ImageId, InstanceId, SnapshotId, Image, Reference, RetentionRule, Snapshot, SnapshotReference, Tags};

use super::faults::in_hash_order;
use super::{Call, Fake, FakeAccount, bin, references, templates};

impl View for Fake {
    async fn list_images(&self) -> Result<Vec<Image>, CloudError> {
        const ACTION: &str = "ec2:DescribeImages";
        let mut inner = self.begin(Call::ListImages);
        let (state, faults) = inner.listing();
        faults.check(ACTION, &[])?;
        let own = state.images.values().filter(|one| one.owner_id.as_ref() == Some(&self.account));
        let found: Vec<Image> = own.map(|one| one.seen_by(&self.account)).collect();
        faults.check_pages(ACTION, found.len(), 1000)?;
        Ok(in_hash_order(found, |image| image.image_id.as_str()))
    }

    async fn list_snapshots(&self, scope: &SnapshotScope) -> Result<Vec<Snapshot>, CloudError> {
        const ACTION: &str = "ec2:DescribeSnapshots";
        let mut inner = self.begin(Call::ListSnapshots(scope.clone()));
        let (state, faults) = inner.listing();
        faults.check(ACTION, &[])?;
        let own = state.snapshots.values();
        let own = own.filter(|one| one.owner_id.as_ref() == Some(&self.account));
        let found: Vec<Snapshot> = own
            .map(|one| one.seen())
            .filter(|one| match scope {
                SnapshotScope::Own => true,
                SnapshotScope::Tagged { key, value } => one.tags.get(key) == Some(value),
            })
            .collect();
        faults.check_pages(ACTION, found.len(), 1000)?;
        Ok(in_hash_order(found, |snapshot| snapshot.snapshot_id.as_str()))
    }

    async fn list_references(&self, scope: &ReferenceScope) -> Vec<SourceAnswer> {
        let mut inner = self.begin(Call::ListReferences(*scope));
        let (state, faults) = inner.listing();
        references::list(state, faults, scope)
    }

    async fn find_references_to(
        &self,
        images: &[ImageId],
        versions: TemplateVersions,
    ) -> Result<Vec<Reference>, CloudError> {
        let mut inner = self.begin(Call::FindReferencesTo(images.to_vec(), versions));
        // It is asked about ids, and is a listing all the same.
        let (state, faults) = inner.listing();
        references::of_images(state, faults, images, versions)
    }

    async fn list_snapshot_references(
        &self,
        versions: TemplateVersions,
    ) -> Result<Vec<SnapshotReference>, CloudError> {
        let mut inner = self.begin(Call::ListSnapshotReferences(versions));
        let (state, faults) = inner.listing();
        templates::snapshots(state, faults, versions)
    }

    async fn list_locked_snapshots(&self) -> Result<Vec<SnapshotId>, CloudError> {
        const ACTION: &str = "ec2:DescribeLockedSnapshots";
        let mut inner = self.begin(Call::ListLockedSnapshots);
        let (state, faults) = inner.listing();
        faults.check(ACTION, &[])?;
        let own = state.snapshots.values();
        let own = own.filter(|one| one.owner_id.as_ref() == Some(&self.account));
        let found: Vec<SnapshotId> =
            own.filter(|one| one.locked).map(|one| one.snapshot_id.clone()).collect();
        faults.check_pages(ACTION, found.len(), 1000)?;
        Ok(in_hash_order(found, |snapshot| snapshot.as_str()))
    }

    async fn list_retention_rules(&self) -> Result<Vec<RetentionRule>, CloudError> {
        let mut inner = self.begin(Call::ListRetentionRules);
        let (state, faults) = inner.listing();
        bin::rules(state, faults)
    }

    async fn list_recycled_images(&self) -> Result<Vec<RecycledImage>, CloudError> {
        let mut inner = self.begin(Call::ListRecycledImages);
        let (state, faults) = inner.listing();
        bin::images(state, faults)
    }

    async fn list_recycled_snapshots(&self) -> Result<Vec<RecycledSnapshot>, CloudError> {
        let mut inner = self.begin(Call::ListRecycledSnapshots);
        let (state, faults) = inner.listing();
        bin::snapshots(state, faults)
    }

    async fn list_tagged(
        &self,
        key: &str,
        value: Option<&str>,
    ) -> Result<Vec<(ResourceId, String)>, CloudError> {
        const ACTION: &str = "ec2:DescribeTags";
        let mut inner = self.begin(Call::ListTagged(key.into(), value.map(Into::into)));
        let (state, faults) = inner.listing();
        faults.check(ACTION, &[key])?;
        let found: Vec<(ResourceId, String)> = state
            .all_tags()
            .filter_map(|(resource, tags)| Some((resource, tags.get(key)?.to_owned())))
            .filter(|(_, held)| value.is_none_or(|value| value == held))
            .collect();
        faults.check_pages(ACTION, found.len(), 1000)?;
        Ok(in_hash_order(found, |(resource, _)| resource.as_str()))
    }

    async fn find_image(&self, image: &ImageId) -> Result<Option<Image>, CloudError> {
        let mut inner = self.begin(Call::FindImage(image.clone()));
        inner.faults.check("ec2:DescribeImages", &[image.as_str()])?;
        Ok(inner.state.images.get(image).map(|one| one.seen_by(&self.account)))
    }

    async fn find_instances_of(&self, image: &ImageId) -> Result<Vec<Reference>, CloudError> {
        let mut inner = self.begin(Call::FindInstancesOf(image.clone()));
        inner.faults.check("ec2:DescribeInstances", &[image.as_str()])?;
        let all = references::instances(&inner.state);
        Ok(all.into_iter().filter(|reference| reference.image_id == *image).collect())
    }

    async fn find_launch_permissions(&self, image: &ImageId) -> Result<Vec<Arc<str>>, CloudError> {
        const ACTION: &str = "ec2:DescribeImageAttribute";
        let mut inner = self.begin(Call::FindLaunchPermissions(image.clone()));
        let FakeAccount { state, faults, .. } = &mut *inner;
        faults.check(ACTION, &[image.as_str()])?;
        let found = state.own_image(ACTION, image, faults)?;
        if found.state == "disabled" {
            return Ok(Vec::new());
        }
        Ok(sharers(found.public, found.launch_permissions.iter().map(String::as_str)))
    }

    async fn find_volume_permissions(
        &self,
        snapshot: &SnapshotId,
    ) -> Result<Vec<Arc<str>>, CloudError> {
        const ACTION: &str = "ec2:DescribeSnapshotAttribute";
        let mut inner = self.begin(Call::FindVolumePermissions(snapshot.clone()));
        let FakeAccount { state, faults, .. } = &mut *inner;
        faults.check(ACTION, &[snapshot.as_str()])?;
        let found = state.own_snapshot(ACTION, snapshot)?;
        let accounts = found.create_volume_permissions.iter();
        Ok(sharers(found.public, accounts.map(AccountId::as_str)))
    }

    async fn find_instance_tags(&self, instance: &InstanceId) -> Result<Option<Tags>, CloudError> {
        let mut inner = self.begin(Call::FindInstanceTags(instance.clone()));
        inner.faults.check("ec2:DescribeInstances", &[instance.as_str()])?;
        Ok(inner.state.instances.get(instance).map(|one| one.seen_tags()))
    }

    async fn find_snapshots(&self, snapshots: &[SnapshotId]) -> Result<Vec<Snapshot>, CloudError> {
        let mut inner = self.begin(Call::FindSnapshots(snapshots.to_vec()));
        let about: Vec<&str> = snapshots.iter().map(SnapshotId::as_str).collect();
        if !about.is_empty() {
            inner.faults.check("ec2:DescribeSnapshots", &about)?;
        }
        let found = snapshots.iter().filter_map(|id| inner.state.snapshots.get(id));
        let own = found.filter(|one| one.owner_id.as_ref() == Some(&self.account));
        Ok(in_hash_order(own.map(|one| one.seen()).collect(), |one| one.snapshot_id.as_str()))
    }
}

/// Everybody that something is shared with, in order.
fn sharers<'a>(public: bool, accounts: impl Iterator<Item = &'a str>) -> Vec<Arc<str>> {
    let all = public.then_some("all").into_iter();
    let mut holders: Vec<Arc<str>> = all.chain(accounts).map(Into::into).collect();
    holders.sort();
    holders
}
