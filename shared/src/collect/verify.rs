//! Evidence: what no listing tells, read for those images and snapshots only that a plan would do
//! something to. It may change the plan, which is then made anew.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::read_retention_rules;
use crate::cloud::{CloudError, ErrorKind, View};
use crate::model::{Image, ImageId, ImageState, Inventory, LaunchPermission, SnapshotId, Source};
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan, plan_snapshots};
use crate::plan::undo::permissions_to_restore;
use crate::plan::{Action, Plan, plan};
use crate::policy::{Check, Policy};
use crate::progress::RunContext;

/// How many reading calls are in flight at once.
const CALLS_IN_FLIGHT: usize = 8;

/// Asks the provider what refers to `images`, whatever becomes of them.
pub async fn read_references(
    view: &dyn View,
    inventory: &mut Inventory,
    policy: &Policy,
    images: &[ImageId],
    context: RunContext<'_>,
) {
    let known: HashSet<&ImageId> = inventory.images.iter().map(|image| &image.image_id).collect();
    let images = images.iter().filter(|image| known.contains(image)).cloned().collect();
    read_references_to(view, inventory, policy, images, &mut HashSet::new(), context).await;
}

/// Plans, and reads what the listings do not tell about those images that are on their way out:
/// what the provider knows to refer to them, and with whom they are shared. Repeats until all of
/// them have been looked at, because one that turns out to be used or shared makes room under
/// the caps for another.
pub async fn plan_verified(
    view: &dyn View,
    inventory: &mut Inventory,
    policy: &Policy,
    now: Timestamp,
    context: RunContext<'_>,
) -> Plan {
    read_retention_rules(view, inventory, policy).await;
    let mut asked = HashSet::new();
    let mut tally = PermissionTally::default();
    loop {
        let mut found = plan(inventory, policy, now);
        let lacking = MissingEvidence::of(&found, inventory, policy, &asked);
        if lacking.is_nothing() {
            match tally.missing_permission() {
                Some(error) => note_failure(Source::LaunchPermissions, Some(error), inventory),
                None => return found,
            }
            return plan(inventory, policy, now);
        }
        let (references, permissions) = (lacking.references.clone(), lacking.permissions);
        let mut came =
            read_references_to(view, inventory, policy, references, &mut asked, context).await;
        if matches!(came, ReadResult::Complete) {
            came = read_permissions_of(view, inventory, permissions, &mut tally, context).await;
        }
        match came {
            ReadResult::Complete => {}
            ReadResult::Failed => return plan(inventory, policy, now),
            // What has been looked at goes on; the rest waits for the next run.
            ReadResult::OutOfTime => {
                found = plan(inventory, policy, now);
                let lacking = MissingEvidence::of(&found, inventory, policy, &asked);
                found.defer_unverified(&lacking.images(inventory), inventory);
                return found;
            }
        }
    }
}

/// What a plan needs to know, and the inventory does not tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MissingEvidence {
    /// Images of which it is not known what else refers to them.
    pub references: Vec<ImageId>,
    /// The positions of images of which it is not known with whom they are shared.
    pub permissions: Vec<usize>,
}

impl MissingEvidence {
    /// What `plan` needs to know about the images that are on their way out, but for the references
    /// to those that were `asked` for already.
    pub fn of(
        plan: &Plan,
        inventory: &Inventory,
        policy: &Policy,
        asked: &HashSet<ImageId>,
    ) -> Self {
        let mut lacking = Self::default();
        // Of an image with saved launch permissions that is not disabled: whether it has them.
        let names = &policy.tag_names;
        let is_open = |image: &Image| {
            image.owner_id.as_ref() == Some(&inventory.account)
                && !permissions_to_restore(image, names).is_empty()
        };
        if plan.refusal.is_some() {
            lacking.permissions = unshared_images(inventory, is_open);
            return lacking;
        }
        let mut going: HashSet<&ImageId> = HashSet::new();
        for decision in &plan.decisions {
            let waits = match decision.action {
                Action::Keep | Action::Rescue(_) => continue,
                Action::Wait => true,
                Action::Expire
                | Action::Deprecate { .. }
                | Action::Disable { .. }
                | Action::Deregister { .. } => false,
            };
            let image = &decision.image_id;
            if policy.safety.references_check == Check::Required && !asked.contains(image) {
                lacking.references.push(image.clone());
            }
            if !waits {
                going.insert(image);
            }
        }
        lacking.permissions =
            unshared_images(inventory, |image| going.contains(&image.image_id) || is_open(image));
        lacking
    }

    /// Whether nothing is lacking.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn images(&self, inventory: &Inventory) -> HashSet<ImageId> {
        let unshared = self.permissions.iter().filter_map(|at| inventory.images.get(*at));
        let unshared = unshared.map(|image| image.image_id.clone());
        self.references.iter().cloned().chain(unshared).collect()
    }
}

/// The positions of those images that are `wanted`, and of which it is not known with whom they are
/// shared. A disabled image cannot be shared.
fn unshared_images(inventory: &Inventory, wanted: impl Fn(&Image) -> bool) -> Vec<usize> {
    let unknown = |image: &Image| {
        image.launch_permissions.is_none()
            && image.launch_permissions_unread.is_none()
            && image.state != ImageState::Disabled
            && wanted(image)
    };
    let images = inventory.images.iter().enumerate();
    images.filter(|(_, image)| unknown(image)).map(|(position, _)| position).collect()
}

/// How a reading ended.
enum ReadResult {
    Complete,
    Failed,
    OutOfTime,
}

/// Reading stops when less than this is left, so that what it was read for gets done.
const VERIFY_MARGIN: Duration = Duration::from_secs(30);
/// How many images one call asks about.
const ASKED_TOGETHER: usize = 10;

/// Makes one reading call for each of `items`, several at once, as long as there is time.
/// `weight` is what an item counts for in the progress. `store` takes each response; an error that
/// it returns, and an error of a call, make the whole reading fail, and `source` is unread.
async fn read_each<I: Clone, T, F>(
    items: Vec<I>,
    weight: impl Fn(&I) -> usize,
    read: impl Fn(I) -> F,
    mut store: impl FnMut(I, Result<T, CloudError>) -> Result<(), CloudError>,
    context: RunContext<'_>,
) -> (ReadResult, Option<CloudError>)
where
    F: Future<Output = Result<T, CloudError>>,
{
    let (weight, read) = (&weight, &read);
    let responses: Vec<_> = stream::iter(items)
        .map(|item| async move {
            if context.left() < VERIFY_MARGIN {
                return (item, None);
            }
            let response = read(item.clone()).await;
            context.done(weight(&item));
            (item, Some(response))
        })
        .buffer_unordered(CALLS_IN_FLIGHT)
        .collect()
        .await;
    let mut ended = ReadResult::Complete;
    let mut failure = None;
    for (item, response) in responses {
        match response.map(|response| store(item, response)) {
            None => ended = ReadResult::OutOfTime,
            Some(Ok(())) => {}
            Some(Err(error)) => failure = Some(error),
        }
    }
    if failure.is_some() {
        ended = ReadResult::Failed;
    }
    (ended, failure)
}

/// Notes that `source` could not be read, if so.
fn note_failure(source: Source, failure: Option<CloudError>, inventory: &mut Inventory) {
    if let Some(error) = failure {
        tracing::warn!(%source, %error, "source not read");
        inventory.unread.push(error.unread(source));
    }
}

/// Asks the provider what refers to these images, and adds that to the inventory.
async fn read_references_to(
    view: &dyn View,
    inventory: &mut Inventory,
    policy: &Policy,
    images: Vec<ImageId>,
    asked: &mut HashSet<ImageId>,
    context: RunContext<'_>,
) -> ReadResult {
    let versions = policy.safety.template_versions;
    context.stage("asking EC2 what refers to images", Some(images.len()));
    let batches = images.chunks(ASKED_TOGETHER).map(<[ImageId]>::to_vec).collect();
    let mut found = Vec::new();
    let (ended, failure) = read_each(
        batches,
        Vec::len,
        |batch: Vec<ImageId>| async move { view.find_references_to(&batch, versions).await },
        |batch, response| {
            found.extend(response?);
            asked.extend(batch);
            Ok(())
        },
        context,
    )
    .await;
    inventory.references.extend(found);
    inventory.references.sort();
    inventory.references.dedup();
    note_failure(Source::ImageReferences, failure, inventory);
    ended
}

/// Reads who may launch every image of which the listings do not tell: one call an image.
pub async fn read_launch_permissions(
    view: &dyn View,
    inventory: &mut Inventory,
    context: RunContext<'_>,
) {
    let images = inventory.images.iter().enumerate();
    let unknown = images.filter(|(_, image)| image.launch_permissions.is_none());
    let unknown = unknown.map(|(position, _)| position).collect();
    let mut tally = PermissionTally::default();
    read_permissions_of(view, inventory, unknown, &mut tally, context).await;
    note_failure(Source::LaunchPermissions, tally.missing_permission(), inventory);
}

/// Reads the launch permissions of the images at these positions. A failure is noted in the
/// inventory.
async fn read_permissions_of(
    view: &dyn View,
    inventory: &mut Inventory,
    positions: Vec<usize>,
    tally: &mut PermissionTally,
    context: RunContext<'_>,
) -> ReadResult {
    context.stage("reading who may launch images", Some(positions.len()));
    let images = &mut inventory.images;
    let ids = ids_at(positions, |position| images.get(position).map(|one| one.image_id.clone()));
    let (ended, failure) = read_permissions(
        ids,
        |image| async move { view.find_launch_permissions(&image).await },
        |position, permissions| {
            let Some(image) = images.get_mut(position) else { return };
            match permissions {
                PermissionsRead::Found(found) => image.launch_permissions = Some(found.into()),
                PermissionsRead::Unread(error) => image.launch_permissions_unread = Some(error),
                PermissionsRead::Gone => {
                    image.state = ImageState::Deregistered;
                    image.launch_permissions = Some(Box::default());
                }
            }
        },
        tally,
        context,
    )
    .await;
    note_failure(Source::LaunchPermissions, failure, inventory);
    ended
}

/// Plans for the snapshots, and reads with whom those are shared that would be marked or deleted:
/// a call for each.
pub async fn plan_snapshots_verified(
    view: &dyn View,
    inventory: &mut Inventory,
    policy: &Policy,
    now: Timestamp,
    context: RunContext<'_>,
) -> SnapshotPlan {
    let mut tally = PermissionTally::default();
    loop {
        let mut found = plan_snapshots(inventory, policy, now);
        let unknown = unshared_snapshots(&found, inventory);
        if unknown.is_empty() {
            match tally.missing_permission() {
                Some(error) => note_failure(Source::VolumePermissions, Some(error), inventory),
                None => return found,
            }
            return plan_snapshots(inventory, policy, now);
        }
        match read_volume_permissions(view, inventory, unknown, &mut tally, context).await {
            ReadResult::Complete => {}
            ReadResult::Failed => return plan_snapshots(inventory, policy, now),
            ReadResult::OutOfTime => {
                found = plan_snapshots(inventory, policy, now);
                let unknown = unshared_snapshots(&found, inventory);
                let unknown = unknown.iter().filter_map(|at| inventory.snapshots.get(*at));
                found.defer_unverified(&unknown.map(|one| one.snapshot_id.clone()).collect());
                return found;
            }
        }
    }
}

/// The positions of the snapshots that `plan` would mark or delete, and of which it is not known
/// with whom they are shared.
fn unshared_snapshots(plan: &SnapshotPlan, inventory: &Inventory) -> Vec<usize> {
    let going: HashSet<&SnapshotId> = plan
        .decisions
        .iter()
        .filter(|decision| decision.action != SnapshotAction::Keep)
        .map(|decision| &decision.snapshot_id)
        .collect();
    let snapshots = inventory.snapshots.iter().enumerate();
    snapshots
        .filter(|(_, one)| one.shared_with.is_none() && one.shared_with_unread.is_none())
        .filter(|(_, one)| going.contains(&one.snapshot_id))
        .map(|(position, _)| position)
        .collect()
}

/// Reads who may create volumes from the snapshots at these positions. A failure is noted in the
/// inventory.
async fn read_volume_permissions(
    view: &dyn View,
    inventory: &mut Inventory,
    positions: Vec<usize>,
    tally: &mut PermissionTally,
    context: RunContext<'_>,
) -> ReadResult {
    context.stage("reading who may use snapshots", Some(positions.len()));
    let snapshots = &mut inventory.snapshots;
    let ids =
        ids_at(positions, |position| snapshots.get(position).map(|one| one.snapshot_id.clone()));
    let (ended, failure) = read_permissions(
        ids,
        |snapshot| async move { view.find_volume_permissions(&snapshot).await },
        // That a snapshot was deleted in the meantime is found out when it is deleted.
        |position, permissions| {
            let Some(snapshot) = snapshots.get_mut(position) else { return };
            match permissions {
                PermissionsRead::Found(found) => snapshot.shared_with = Some(found.into()),
                PermissionsRead::Unread(error) => snapshot.shared_with_unread = Some(error),
                PermissionsRead::Gone => snapshot.shared_with = Some(Box::default()),
            }
        },
        tally,
        context,
    )
    .await;
    note_failure(Source::VolumePermissions, failure, inventory);
    ended
}

/// The ids of the resources at these positions, each with its position.
fn ids_at<I>(positions: Vec<usize>, id: impl Fn(usize) -> Option<I>) -> Vec<(usize, I)> {
    positions.into_iter().filter_map(|position| Some((position, id(position)?))).collect()
}

/// What came of reading the permissions of one resource.
enum PermissionsRead {
    Found(Vec<LaunchPermission>),
    /// Nothing can be said about this one, and why.
    Unread(Arc<str>),
    /// It no longer exists.
    Gone,
}

/// What came of all permissions that a run read so far.
#[derive(Default)]
struct PermissionTally {
    read: usize,
    denied: Vec<CloudError>,
}

impl PermissionTally {
    /// Where every one of several was denied, it is the permission that is missing, and not something
    /// about these resources.
    fn missing_permission(&self) -> Option<CloudError> {
        self.denied.last().filter(|_| self.read == 0 && self.denied.len() > 1).cloned()
    }
}

/// Reads the permissions of each resource. `store` takes them with the position of the resource. A
/// failure that is about one resource (it was denied, or the response was not understood) does not
/// make the whole reading fail.
async fn read_permissions<I: Clone, F>(
    ids: Vec<(usize, I)>,
    read: impl Fn(I) -> F,
    mut store: impl FnMut(usize, PermissionsRead),
    tally: &mut PermissionTally,
    context: RunContext<'_>,
) -> (ReadResult, Option<CloudError>)
where
    F: Future<Output = Result<Vec<LaunchPermission>, CloudError>>,
{
    read_each(
        ids,
        |_| 1,
        |(_, id)| read(id),
        |(position, _), response| {
            let permissions = match response {
                Ok(permissions) => {
                    tally.read += 1;
                    PermissionsRead::Found(permissions)
                }
                Err(error) if error.kind == ErrorKind::NotFound => PermissionsRead::Gone,
                Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Other) => {
                    tracing::warn!(%error, "permissions not read");
                    let text = error.to_string().into();
                    tally.denied.extend((error.kind == ErrorKind::Denied).then_some(error));
                    PermissionsRead::Unread(text)
                }
                Err(error) => return Err(error),
            };
            store(position, permissions);
            Ok(())
        },
        context,
    )
    .await
}
