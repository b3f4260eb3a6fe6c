//! The port in memory: an account that behaves like the real one, as far as the port can tell.
//!
//! It has no clock and no threads, and answers in a fixed order that is plainly not sorted, as
//! AWS promises none. What goes wrong is set by [`Switches`]; errors are those that are left
//! after the real adapter's own retries.

mod changes;
mod faults;
mod references;
mod state;

use std::sync::{Arc, Mutex, MutexGuard};

use steward::cloud::{
    Cloud, CloudError, Deregistered, ErrorKind, ResourceId, SnapshotDeletion, SnapshotFate,
    SnapshotScope, SourceAnswer, TemplateVersions, View,
};
use steward::ids::{AccountId, ImageId, InstanceId, Region, SnapshotId};
use steward::inventory::{Image, Reference, Snapshot};
use steward::tags::Tags;

use self::faults::{Faults, error, in_hash_order};
use self::state::State;
use crate::fleet::Fleet;
use crate::switches::{Failure, Switches};

/// An account in memory. Clones share it.
#[derive(Clone)]
pub struct Fake {
    account: AccountId,
    region: Region,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    state: State,
    /// What the listings show instead of the present state.
    frozen: Option<State>,
    faults: Faults,
    calls: Vec<Call>,
}

/// One call of the port, with what it was about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the methods of the port")]
pub enum Call {
    ListImages,
    ListSnapshots(SnapshotScope),
    ListReferences(TemplateVersions),
    FindImage(ImageId),
    FindInstancesOf(ImageId),
    FindLaunchPermissions(ImageId),
    FindInstanceTags(InstanceId),
    FindSnapshots(Vec<SnapshotId>),
    SetTags(Vec<ResourceId>, Tags),
    RemoveTags(Vec<ResourceId>, Vec<String>),
    Deregister(ImageId, SnapshotFate),
    DeleteSnapshot(SnapshotId),
}

impl Call {
    /// Whether the call is one of those that change the account.
    pub fn changes(&self) -> bool {
        matches!(
            self,
            Self::SetTags(..)
                | Self::RemoveTags(..)
                | Self::Deregister(..)
                | Self::DeleteSnapshot(_)
        )
    }
}

impl Fake {
    /// An account with this content.
    pub fn new(fleet: &Fleet) -> Self {
        let inner = Inner {
            state: State::new(fleet.clone()),
            frozen: None,
            faults: Faults::default(),
            calls: Vec::new(),
        };
        Self {
            account: fleet.account(),
            region: fleet.region(),
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The Region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Everything that the account holds now, complete and in order.
    pub fn world(&self) -> Fleet {
        self.lock().state.fleet()
    }

    /// Changes the content as somebody else would, between two calls of ours.
    pub fn change(&self, change: impl FnOnce(&mut Fleet)) {
        self.lock().state.change(change);
    }

    /// Replaces all switches.
    pub fn set(&self, switches: Switches) {
        self.lock().faults.switches = switches;
    }

    /// Lets the next `times` calls of `action` fail, for example `ec2:DeregisterImage`.
    pub fn fail(&self, action: &str, times: u32, code: &str) {
        let failure = Failure { code: code.into(), times: Some(times), about: None };
        self.lock().faults.switches.fail.entry(action.into()).or_default().push(failure);
    }

    /// From now on the listings show the account as it is at this moment, whatever happens to
    /// it: a plan is always a little old.
    pub fn freeze_listings(&self) {
        let mut inner = self.lock();
        inner.frozen = Some(inner.state.clone());
    }

    /// The listings show the present again.
    pub fn thaw_listings(&self) {
        self.lock().frozen = None;
    }

    /// After `changes` more calls that change something, no call gets an answer any more: the
    /// process was killed there, as far as the account can tell.
    pub fn unplug_after(&self, changes: usize) {
        self.lock().faults.changes_left = Some(changes);
    }

    /// Undoes [`Fake::unplug_after`].
    pub fn plug_in(&self) {
        self.lock().faults.changes_left = None;
    }

    /// Every call so far, in order; those that failed too.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// The calls so far that were to change something.
    pub fn changing_calls(&self) -> Vec<Call> {
        self.lock().calls.iter().filter(|call| call.changes()).cloned().collect()
    }

    /// Forgets the calls.
    pub fn forget_calls(&self) {
        self.lock().calls.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics inside the fake")
    }

    fn begin(&self, call: Call) -> MutexGuard<'_, Inner> {
        let mut inner = self.lock();
        inner.calls.push(call);
        inner
    }
}

impl Inner {
    /// What listings show, beside the faults that they may run into.
    fn listing(&mut self) -> (&State, &mut Faults) {
        (self.frozen.as_ref().unwrap_or(&self.state), &mut self.faults)
    }
}

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

    async fn list_references(&self, versions: TemplateVersions) -> Vec<SourceAnswer> {
        let mut inner = self.begin(Call::ListReferences(versions));
        let (state, faults) = inner.listing();
        references::list(state, faults, versions)
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
        let Inner { state, faults, .. } = &mut *inner;
        faults.check(ACTION, &[image.as_str()])?;
        let found = state.own_image(ACTION, image, faults)?;
        let all = found.public.then(|| "all".into());
        let accounts = found.launch_permissions.iter().map(|account| account.as_str().into());
        let mut holders: Vec<Arc<str>> = all.into_iter().chain(accounts).collect();
        holders.sort();
        Ok(holders)
    }

    async fn find_instance_tags(&self, instance: &InstanceId) -> Result<Option<Tags>, CloudError> {
        let mut inner = self.begin(Call::FindInstanceTags(instance.clone()));
        inner.faults.check("ec2:DescribeInstances", &[instance.as_str()])?;
        Ok(inner.state.instances.get(instance).map(|one| one.tags.clone()))
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

impl Cloud for Fake {
    async fn set_tags(&self, resources: &[ResourceId], tags: &Tags) -> Result<(), CloudError> {
        let mut inner = self.begin(Call::SetTags(resources.to_vec(), tags.clone()));
        inner.set_tags(resources, tags)
    }

    async fn remove_tags(
        &self,
        resources: &[ResourceId],
        keys: &[String],
    ) -> Result<(), CloudError> {
        let mut inner = self.begin(Call::RemoveTags(resources.to_vec(), keys.to_vec()));
        inner.remove_tags(resources, keys)
    }

    async fn deregister(
        &self,
        image: &ImageId,
        snapshots: SnapshotFate,
    ) -> Result<Deregistered, CloudError> {
        let mut inner = self.begin(Call::Deregister(image.clone(), snapshots));
        match inner.deregister(image, snapshots) {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Deregistered::default()),
            other => other,
        }
    }

    async fn delete_snapshot(&self, snapshot: &SnapshotId) -> Result<SnapshotDeletion, CloudError> {
        let mut inner = self.begin(Call::DeleteSnapshot(snapshot.clone()));
        match inner.delete_snapshot(snapshot) {
            Ok(()) => Ok(SnapshotDeletion::Deleted),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(SnapshotDeletion::AlreadyGone),
            Err(error) if error.code == error::IN_USE => Ok(SnapshotDeletion::InUse),
            Err(error) => Err(error),
        }
    }
}
