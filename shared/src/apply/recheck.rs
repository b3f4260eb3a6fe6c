//! Checks images again right before their steps, because the plan can be minutes old.
//!
//! Data that one call returns for many images is read per batch and used for a few seconds.
//! Listings, and data that takes one call per resource, are used for minutes.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use futures_util::future::try_join_all;

use super::Change;
use super::held::HeldSnapshots;
use super::refresh::refresh;
use crate::cloud::ASKED_TOGETHER;
use crate::cloud::{Cloud, CloudError, MAX_READING_AGE, PermissionReadings};
use crate::model::{
    Capabilities, Image, ImageId, ImageState, LaunchPermission, Reference, Snapshot, SnapshotFate,
    SnapshotId, for_others,
};
use crate::plan::snapshots::protections_of;
use crate::plan::undo::{permissions_tag_value, permissions_to_save};
use crate::plan::{self, Action, Decision, Plan, Removal};
use crate::policy::{Check, Policy, SharedSnapshots};
use crate::progress::RunContext;

/// The maximum number of images or snapshots per check.
pub(super) const MAX_BATCH: usize = 20;
/// How long the check of a batch is valid. At EC2's rate of 5 deregistrations per second, a full
/// batch takes 4 seconds.
pub(super) const MAX_CHECK_AGE: Duration = Duration::from_secs(5);
/// The maximum number of failed attempts to read the listings in one run.
const MAX_FAILED_LISTINGS: u8 = 3;

/// Reads the data that the steps of a run depend on.
pub(super) struct Rechecker<'a> {
    plan: &'a Plan,
    policy: &'a Policy,
    cloud: &'a dyn Cloud,
    context: RunContext<'a>,
    permissions: PermissionReadings,
    /// Whether any snapshot is to be deleted together with its image.
    deletes: bool,
    listings: Option<Listings>,
    /// The number of failed attempts.
    listings_failed: u8,
}

/// The references and the snapshots that something other than an image keeps.
struct Listings {
    /// When the listings were read, by the run's clock.
    at: Duration,
    references: Result<HashMap<ImageId, Vec<Reference>>, CloudError>,
    /// `None` if no snapshot is to be deleted together with its image.
    held: Result<Option<HeldSnapshots>, CloudError>,
}

/// The data of one batch of images.
pub(super) struct BatchCheck {
    /// When the check began, by the run's clock.
    pub(super) began: Duration,
    images: Result<HashMap<ImageId, Image>, CloudError>,
    references: Result<Vec<Reference>, CloudError>,
    snapshots: Result<HashMap<SnapshotId, Snapshot>, CloudError>,
    unread: NotRefreshed,
}

/// Errors from reading the permissions, by resource.
#[derive(Default)]
struct NotRefreshed {
    images: HashMap<ImageId, CloudError>,
    snapshots: HashMap<SnapshotId, CloudError>,
}

impl<'a> Rechecker<'a> {
    /// Creates a rechecker for the steps of all these decisions. It starts with `permissions` and
    /// reads nothing yet.
    pub(super) fn new(
        decisions: &[&Decision],
        plan: &'a Plan,
        policy: &'a Policy,
        cloud: &'a dyn Cloud,
        context: RunContext<'a>,
        permissions: PermissionReadings,
    ) -> Self {
        let deletes = decisions.iter().any(|one| deletes_snapshots(one));
        Self {
            plan,
            policy,
            cloud,
            context,
            permissions,
            deletes,
            listings: None,
            listings_failed: 0,
        }
    }

    /// Reads the data that the steps of `batch` depend on: first the data that may be minutes old,
    /// if it is too old, then the images, their snapshots and their references.
    pub(super) async fn check(&mut self, batch: &[&Decision]) -> BatchCheck {
        // Read these first: reading permissions can take long, and the listings must be recent.
        let unread = self.read_permissions(batch).await;
        self.read_listings().await;
        let began = self.context.elapsed();
        let listed = self.listings.as_ref().map(|listings| &listings.references);
        if let Some(Err(error)) = listed {
            return BatchCheck::failed(began, error);
        }
        let (ids, snapshots): (Vec<_>, Vec<_>) =
            batch.iter().map(|one| (one.image_id.clone(), snapshots_of(one))).unzip();
        let snapshots: BTreeSet<SnapshotId> = snapshots.into_iter().flatten().cloned().collect();
        let snapshots: Vec<SnapshotId> = snapshots.into_iter().collect();
        let (images, references, snapshots) = futures_util::join!(
            self.cloud.find_images(&ids),
            self.find_references(&ids),
            self.cloud.find_snapshots(&snapshots),
        );
        let images: Result<HashMap<ImageId, Image>, _> =
            images.map(|found| found.into_iter().map(|one| (one.image_id.clone(), one)).collect());
        let sources = self.read_sources(batch, images.as_ref()).await;
        let snapshots = snapshots.and_then(|found| Ok(found.into_iter().chain(sources?)));
        let snapshots =
            snapshots.map(|found| found.map(|one| (one.snapshot_id.clone(), one)).collect());
        BatchCheck { began, images, references, snapshots, unread }
    }

    /// Reads the snapshots that images to be deregistered were created from. They remain, and get a
    /// tag that names the image.
    async fn read_sources(
        &self,
        batch: &[&Decision],
        images: Result<&HashMap<ImageId, Image>, &CloudError>,
    ) -> Result<Vec<Snapshot>, CloudError> {
        let Ok(images) = images else { return Ok(Vec::new()) };
        let going = batch.iter().filter(|one| matches!(one.action, Action::Deregister { .. }));
        let going = going.filter_map(|one| images.get(&one.image_id));
        let sources: BTreeSet<SnapshotId> = going.flat_map(|one| &one.sources).cloned().collect();
        match sources.is_empty() {
            true => Ok(Vec::new()),
            false => self.cloud.find_snapshots(&Vec::from_iter(sources)).await,
        }
    }

    /// Reads all references and the locked or referenced snapshots again, unless they are recent.
    async fn read_listings(&mut self) {
        let at = self.context.elapsed();
        let lasts = |listings: &Listings| {
            let is_read = listings.error().is_none() || self.listings_failed >= MAX_FAILED_LISTINGS;
            is_read && at.saturating_sub(listings.at) <= MAX_READING_AGE
        };
        if self.listings.as_ref().is_some_and(lasts) {
            return;
        }
        let held = async {
            match self.deletes {
                true => HeldSnapshots::read(self.policy, self.cloud).await.map(Some),
                false => Ok(None),
            }
        };
        let (references, held) = futures_util::join!(all_references(self.policy, self.cloud), held);
        let listings = Listings { at, references, held };
        self.listings_failed += u8::from(listings.error().is_some());
        self.listings = Some(listings);
    }

    /// Returns the instances of `images` and the references that the provider reports.
    async fn find_references(&self, images: &[ImageId]) -> Result<Vec<Reference>, CloudError> {
        let versions = self.policy.safety.template_versions;
        let asked = match self.policy.safety.references_check {
            Check::Required => images,
            Check::Off => &[],
        };
        let asked = asked.chunks(ASKED_TOGETHER);
        let asked = asked.map(|some| self.cloud.find_references_to(some, versions));
        let (instances, asked) =
            futures_util::join!(self.cloud.find_instances_of(images), try_join_all(asked));
        let mut found = instances?;
        found.extend(asked?.into_iter().flatten());
        Ok(found)
    }

    /// Reads the permissions of the images in `batch` and of the snapshots that are to be deleted
    /// with them, unless the readings are recent. Returns the errors.
    async fn read_permissions(&mut self, batch: &[&Decision]) -> NotRefreshed {
        let images = batch.iter().filter(|one| saved(one).is_some()).map(|one| &one.image_id);
        let with_image = batch.iter().filter(|one| deletes_snapshots(one));
        let snapshots: BTreeSet<&SnapshotId> = match self.policy.safety.shared_snapshots {
            SharedSnapshots::Keep => with_image.flat_map(|one| &one.snapshots).collect(),
            SharedSnapshots::Retire => BTreeSet::new(),
        };
        let (cloud, context, known) = (self.cloud, self.context, &mut self.permissions);
        let of_image = |id: ImageId| async move { cloud.find_launch_permissions(&id).await };
        let of_snapshot = |id: SnapshotId| async move { cloud.find_volume_permissions(&id).await };
        let (images, snapshots) = futures_util::join!(
            refresh(&mut known.images, images, of_image, context),
            refresh(&mut known.snapshots, snapshots, of_snapshot, context),
        );
        NotRefreshed { images, snapshots }
    }

    /// Returns the change that forbids the step, if any.
    pub(super) fn changed(
        &self,
        decision: &Decision,
        check: &BatchCheck,
    ) -> Result<Option<Change>, CloudError> {
        let image = &decision.image_id;
        if let Some(error) = check.unread.images.get(image) {
            return Err(error.clone());
        }
        let images = check.images.as_ref().map_err(Clone::clone)?;
        let references = check.references.as_ref().map_err(Clone::clone)?;
        let listed = self.listings.as_ref().map(|listings| listings.references.as_ref());
        let listed = listed.transpose().map_err(Clone::clone)?;
        let Some(mut found) = images.get(image).cloned() else { return Ok(Some(Change::Gone)) };
        // On Azure, an image that was deleted and created again has the same ID.
        if found.created_at != decision.created_at {
            return Ok(Some(Change::Gone));
        }
        let listed = listed.and_then(|listed| listed.get(image));
        let mut current = listed.cloned().unwrap_or_default();
        current.extend(references.iter().filter(|one| one.image_id == *image).cloned());
        current.sort();
        current.dedup();
        // A disabled image cannot be shared.
        if found.state != ImageState::Disabled {
            let with = self.permissions.images.recent(image, check.began);
            found.launch_permissions = with.map(Into::into);
        }
        // Whoever may launch an image that stays shared is read together with it.
        if found.launch_permissions_unread.is_some() {
            return Ok(Some(Change::LaunchPermissions));
        }
        let (account, now) = (&self.plan.account, self.plan.planned_at);
        let kept = plan::recheck(decision, &found, account, &current, self.policy, now);
        if !kept.is_empty() {
            return Ok(Some(Change::Kept { reasons: kept }));
        }
        let snapshots: BTreeSet<_> = found.snapshots.iter().collect();
        if snapshots != decision.snapshots.iter().collect() {
            return Ok(Some(Change::Snapshots));
        }
        // Enabling an image is deliberate, so an image that was enabled since is not removed.
        let save = saved(decision);
        if save.is_some() != (found.state == ImageState::Available) {
            return Ok(Some(Change::State { state: found.state }));
        }
        if let Some(save) = save {
            let permissions = permissions_to_save(&found, &self.policy.tag_names);
            let is_known = found.launch_permissions.is_some();
            if !is_known || permissions_tag_value(image, &permissions).as_deref() != Ok(save) {
                return Ok(Some(Change::LaunchPermissions));
            }
        }
        Ok(None)
    }

    /// Returns the planned fate of the snapshots, or `DeleteLater` if something other than the
    /// image keeps one of them now: a lock, a launch template, an opt-out, sharing. The call that
    /// deregisters the image would delete such a snapshot too.
    pub(super) fn fate_now(
        &self,
        decision: &Decision,
        removal: &Removal,
        check: &BatchCheck,
    ) -> Result<SnapshotFate, CloudError> {
        if removal.fate == SnapshotFate::DeleteLater {
            return Ok(SnapshotFate::DeleteLater);
        }
        let held = self.listings.as_ref().map(|listings| &listings.held);
        let held = held.map(|held| held.as_ref().map_err(Clone::clone)).transpose()?;
        let Some(held) = held.and_then(Option::as_ref) else {
            return Ok(SnapshotFate::DeleteLater);
        };
        let found = check.snapshots.as_ref().map_err(Clone::clone)?;
        for id in &decision.snapshots {
            if let Some(error) = check.unread.snapshots.get(id) {
                return Err(error.clone());
            }
            // A snapshot that was not found may still exist.
            let Some(snapshot) = found.get(id) else { return Ok(SnapshotFate::DeleteLater) };
            let protections = protections_of(snapshot, self.policy, self.plan.planned_at);
            let is_held = !held.reasons(id).is_empty() || !protections.is_empty();
            if is_held || self.keeps_shared(id, check) {
                return Ok(SnapshotFate::DeleteLater);
            }
        }
        Ok(removal.fate)
    }

    /// Returns whether the snapshot is kept because it is shared or could be shared.
    fn keeps_shared(&self, snapshot: &SnapshotId, check: &BatchCheck) -> bool {
        let with = match self.policy.safety.shared_snapshots {
            SharedSnapshots::Retire => return false,
            SharedSnapshots::Keep => self.permissions.snapshots.recent(snapshot, check.began),
        };
        with.is_none_or(|with: &[LaunchPermission]| {
            for_others(with, Some(&self.plan.account)).next().is_some()
        })
    }
}

impl Listings {
    /// Returns the first error from reading the listings, if any.
    fn error(&self) -> Option<&CloudError> {
        self.references.as_ref().err().or(self.held.as_ref().err())
    }
}

impl BatchCheck {
    /// Creates the result of a check in which every call failed with `error`.
    fn failed(began: Duration, error: &CloudError) -> Self {
        Self {
            began,
            images: Err(error.clone()),
            references: Err(error.clone()),
            snapshots: Err(error.clone()),
            unread: NotRefreshed::default(),
        }
    }

    /// Returns what can be done with an image of the batch.
    pub(super) fn capabilities(&self, image: &ImageId) -> Capabilities {
        let found = self.images.as_ref().ok().and_then(|images| images.get(image));
        found.map(|image| image.capabilities).unwrap_or_default()
    }

    /// Returns the snapshots that an image of the batch was created from, as they are now.
    pub(super) fn sources(&self, image: &ImageId) -> impl Iterator<Item = &Snapshot> {
        let image = self.images.as_ref().ok().and_then(|images| images.get(image));
        let found = self.snapshots.as_ref().ok();
        let sources = image.into_iter().flat_map(|image| &image.sources);
        sources.filter_map(move |id| found?.get(id))
    }

    /// Returns the existing snapshots of the batch.
    pub(super) fn snapshots(&self) -> Result<&HashMap<SnapshotId, Snapshot>, CloudError> {
        self.snapshots.as_ref().map_err(Clone::clone)
    }
}

/// Returns the value of the launch permissions tag that the plan saves, for an image that is not
/// disabled. `None` for a disabled image.
pub(super) fn saved(decision: &Decision) -> Option<&str> {
    match &decision.action {
        Action::Disable { save, .. } => Some(save),
        Action::Deregister { removal } => removal.save.as_deref(),
        _ => None,
    }
}

/// Returns whether the call that deregisters the image is to delete its snapshots.
fn deletes_snapshots(decision: &Decision) -> bool {
    match &decision.action {
        Action::Deregister { removal } => removal.fate == SnapshotFate::DeleteWithImage,
        _ => false,
    }
}

/// Returns the snapshots of the decision's step.
fn snapshots_of(decision: &Decision) -> &[SnapshotId] {
    match decision.action {
        Action::Deregister { .. } => &decision.snapshots,
        _ => &[],
    }
}

async fn all_references(
    policy: &Policy,
    cloud: &dyn Cloud,
) -> Result<HashMap<ImageId, Vec<Reference>>, CloudError> {
    let mut all: HashMap<ImageId, Vec<Reference>> = HashMap::new();
    for answer in cloud.list_references(&policy.safety.reference_scope()).await {
        for reference in answer.found? {
            all.entry(reference.image_id.clone()).or_default().push(reference);
        }
    }
    Ok(all)
}
