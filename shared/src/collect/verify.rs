//! Evidence: what no listing tells, read for those images and snapshots only that a plan would do
//! something to. It may change the plan, which is then made anew.

use std::collections::HashSet;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::read_retention_rules;
use crate::cloud::{CloudError, ErrorKind, PermissionReadings, Readings, View};
use crate::model::{
    Image, ImageId, ImageState, Inventory, LaunchPermission, Reference, SnapshotId, Source,
};
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan, plan_snapshots};
use crate::plan::undo::permissions_to_restore;
use crate::plan::{Action, Decision, Plan, plan};
use crate::policy::{Check, Policy, SharedSnapshots};
use crate::progress::RunContext;

/// How many reading calls are in flight at once.
const CALLS_IN_FLIGHT: usize = 8;
/// About how many images that only wait the provider is asked in one run: at ten a call, what its bucket
/// gives at once. The others are asked about when their step is due.
const MAX_WAITING_ASKED: usize = 500;

/// Asks the provider what refers to `images`, whatever becomes of them.
pub async fn read_references(
    view: &dyn View,
    inventory: &mut Inventory,
    policy: &Policy,
    images: &[ImageId],
    context: RunContext<'_>,
) {
    let known: HashSet<&ImageId> = inventory.images.iter().map(|image| &image.image_id).collect();
    let images: Vec<_> = images.iter().filter(|image| known.contains(image)).cloned().collect();
    context.stage("asking EC2 what refers to images", Some(images.len()));
    let responses = ask_what_refers_to(view, policy, &images, context).await;
    add_references(responses, &mut HashSet::new(), inventory);
}

/// Plans, and reads what the listings do not tell about those images that are on their way out:
/// what the provider knows to refer to them, and with whom they are shared, both at the same time.
/// Repeats until all of them have been looked at, because one that turns out to be used or shared
/// makes room under the caps for another. Returns what was read image by image, too.
pub async fn plan_verified(
    view: &dyn View,
    inventory: &mut Inventory,
    policy: &Policy,
    now: Timestamp,
    context: RunContext<'_>,
) -> (Plan, PermissionReadings) {
    read_retention_rules(view, inventory, policy).await;
    let mut asked = HashSet::new();
    let mut tally = PermissionTally::default();
    let found = loop {
        let mut found = plan(inventory, policy, now);
        let lacking = MissingEvidence::of(&found, inventory, policy, &asked);
        if lacking.is_nothing() {
            match tally.missing_permission() {
                Some(error) => note_failure(Source::LaunchPermissions, Some(error), inventory),
                None => break found,
            }
            break plan(inventory, policy, now);
        }
        match read_evidence(view, inventory, policy, lacking, &mut asked, &mut tally, context).await
        {
            ReadResult::Complete => {}
            ReadResult::Failed => break plan(inventory, policy, now),
            // What has been looked at goes on; the rest waits for the next run.
            ReadResult::OutOfTime => {
                found = plan(inventory, policy, now);
                let lacking = MissingEvidence::of(&found, inventory, policy, &asked);
                found.defer_unverified(&lacking.images(inventory), inventory);
                break found;
            }
        }
    };
    (found, PermissionReadings { images: tally.readings, ..PermissionReadings::default() })
}

/// Reads what is lacking, and adds it to the inventory.
async fn read_evidence(
    view: &dyn View,
    inventory: &mut Inventory,
    policy: &Policy,
    lacking: MissingEvidence,
    asked: &mut HashSet<ImageId>,
    tally: &mut PermissionTally<ImageId>,
    context: RunContext<'_>,
) -> ReadResult {
    let MissingEvidence { references, permissions } = lacking;
    let total = references.len() + permissions.len();
    context.stage("asking EC2 what refers to images and who may launch them", Some(total));
    let ids = ids_at(permissions, |position| {
        inventory.images.get(position).map(|one| one.image_id.clone())
    });
    let (references, permissions) = futures_util::join!(
        ask_what_refers_to(view, policy, &references, context),
        ask_who_may_launch(view, ids, context),
    );
    add_references(references, asked, inventory).and(add_launch_permissions(
        permissions,
        tally,
        inventory,
    ))
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
        let (mut going, mut waiting) = (HashSet::new(), Vec::new());
        for decision in &plan.decisions {
            match decision.action {
                Action::Keep | Action::Rescue(_) => {}
                Action::Wait => waiting.push(decision),
                Action::Expire
                | Action::Deprecate { .. }
                | Action::Disable { .. }
                | Action::Deregister { .. } => {
                    going.insert(&decision.image_id);
                }
            }
        }
        if policy.safety.references_check == Check::Required {
            let waiting = soonest(waiting, inventory);
            let due = plan.decisions.iter().map(|one| &one.image_id);
            let wanted = due.filter(|id| going.contains(id)).chain(waiting);
            lacking.references = wanted.filter(|id| !asked.contains(*id)).cloned().collect();
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

/// Those of the images that wait for their next step about which the provider is asked in one run: the
/// disabled ones, which nobody can launch, before those whose step comes the soonest.
fn soonest<'p>(mut waiting: Vec<&'p Decision>, inventory: &Inventory) -> Vec<&'p ImageId> {
    let disabled = inventory.images.iter().filter(|one| one.state == ImageState::Disabled);
    let disabled: HashSet<&ImageId> = disabled.map(|one| &one.image_id).collect();
    waiting.sort_by_key(|one| {
        (!disabled.contains(&one.image_id), one.next.map(|next| next.at), &one.image_id)
    });
    waiting.into_iter().take(MAX_WAITING_ASKED).map(|one| &one.image_id).collect()
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
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadResult {
    Complete,
    Failed,
    OutOfTime,
}

impl ReadResult {
    /// The worse of the two.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Failed, _) | (_, Self::Failed) => Self::Failed,
            (Self::OutOfTime, _) | (_, Self::OutOfTime) => Self::OutOfTime,
            (Self::Complete, Self::Complete) => Self::Complete,
        }
    }
}

/// Reading stops when less than this is left, so that what it was read for gets done.
const VERIFY_MARGIN: Duration = Duration::from_secs(30);
/// How many images one call asks about.
const ASKED_TOGETHER: usize = 10;

/// What was asked, and the response with the time when it was asked for; `None` when there was no time.
type Response<I, T> = (I, Option<(Result<T, CloudError>, Duration)>);

/// Makes one reading call for each of `items`, several at once, as long as there is time.
/// `weight` is what an item counts for in the progress.
async fn read_each<I: Clone, T, F>(
    items: Vec<I>,
    weight: impl Fn(&I) -> usize,
    read: impl Fn(I) -> F,
    context: RunContext<'_>,
) -> Vec<Response<I, T>>
where
    F: Future<Output = Result<T, CloudError>>,
{
    let (weight, read) = (&weight, &read);
    stream::iter(items)
        .map(|item| async move {
            if context.left() < VERIFY_MARGIN {
                return (item, None);
            }
            let at = context.elapsed();
            let response = read(item.clone()).await;
            context.done(weight(&item));
            (item, Some((response, at)))
        })
        .buffer_unordered(CALLS_IN_FLIGHT)
        .collect()
        .await
}

/// Passes each response to `store`. An error that it returns makes the whole reading fail, and `source`
/// is unread.
fn store_each<I, T>(
    responses: Vec<Response<I, T>>,
    source: Source,
    inventory: &mut Inventory,
    mut store: impl FnMut(&mut Inventory, I, Result<T, CloudError>, Duration) -> Result<(), CloudError>,
) -> ReadResult {
    let mut ended = ReadResult::Complete;
    let mut failure = None;
    for (item, response) in responses {
        match response.map(|(response, at)| store(inventory, item, response, at)) {
            None => ended = ReadResult::OutOfTime,
            Some(Ok(())) => {}
            Some(Err(error)) => failure = Some(error),
        }
    }
    if failure.is_some() {
        ended = ReadResult::Failed;
    }
    note_failure(source, failure, inventory);
    ended
}

/// Notes that `source` could not be read, if so.
fn note_failure(source: Source, failure: Option<CloudError>, inventory: &mut Inventory) {
    if let Some(error) = failure {
        tracing::warn!(%source, %error, "source not read");
        inventory.unread.push(error.unread(source));
    }
}

/// Asks the provider what refers to these images.
async fn ask_what_refers_to(
    view: &dyn View,
    policy: &Policy,
    images: &[ImageId],
    context: RunContext<'_>,
) -> Vec<Response<Vec<ImageId>, Vec<Reference>>> {
    let versions = policy.safety.template_versions;
    let batches = images.chunks(ASKED_TOGETHER).map(<[ImageId]>::to_vec).collect();
    read_each(
        batches,
        Vec::len,
        |batch: Vec<ImageId>| async move { view.find_references_to(&batch, versions).await },
        context,
    )
    .await
}

/// Adds what refers to images to the inventory, and the images to those that were asked about.
fn add_references(
    responses: Vec<Response<Vec<ImageId>, Vec<Reference>>>,
    asked: &mut HashSet<ImageId>,
    inventory: &mut Inventory,
) -> ReadResult {
    let ended = store_each(
        responses,
        Source::ImageReferences,
        inventory,
        |inventory, batch, response, _| {
            inventory.references.extend(response?);
            asked.extend(batch);
            Ok(())
        },
    );
    inventory.references.sort();
    inventory.references.dedup();
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
    let unknown: Vec<_> =
        unknown.map(|(position, image)| (position, image.image_id.clone())).collect();
    let mut tally = PermissionTally::default();
    context.stage("reading who may launch images", Some(unknown.len()));
    let responses = ask_who_may_launch(view, unknown, context).await;
    add_launch_permissions(responses, &mut tally, inventory);
    note_failure(Source::LaunchPermissions, tally.missing_permission(), inventory);
}

/// A resource at a position of the inventory, and with whom it is shared.
type PermissionResponse<I> = Response<(usize, I), Vec<LaunchPermission>>;

/// Asks who may launch each of these images.
async fn ask_who_may_launch(
    view: &dyn View,
    ids: Vec<(usize, ImageId)>,
    context: RunContext<'_>,
) -> Vec<PermissionResponse<ImageId>> {
    let read =
        |(_, image): (usize, ImageId)| async move { view.find_launch_permissions(&image).await };
    read_each(ids, |_| 1, read, context).await
}

/// Adds who may launch images to the inventory, or why that is not known.
fn add_launch_permissions(
    responses: Vec<PermissionResponse<ImageId>>,
    tally: &mut PermissionTally<ImageId>,
    inventory: &mut Inventory,
) -> ReadResult {
    store_each(responses, Source::LaunchPermissions, inventory, |inventory, item, response, at| {
        let position = item.0;
        let permissions = tally.take(item.1, response, at)?;
        let Some(image) = inventory.images.get_mut(position) else { return Ok(()) };
        match permissions {
            PermissionsRead::Found(found) => image.launch_permissions = Some(found),
            PermissionsRead::Unread(error) => image.launch_permissions_unread = Some(error),
            PermissionsRead::Gone => {
                image.state = ImageState::Deregistered;
                image.launch_permissions = Some(Box::default());
            }
        }
        Ok(())
    })
}

/// Plans for the snapshots, and reads with whom those are shared that would be marked or deleted: a
/// call for each, unless the policy retires shared snapshots too. Returns what was read, too.
pub async fn plan_snapshots_verified(
    view: &dyn View,
    inventory: &mut Inventory,
    policy: &Policy,
    now: Timestamp,
    context: RunContext<'_>,
) -> (SnapshotPlan, PermissionReadings) {
    let mut tally = PermissionTally::default();
    let found = loop {
        let mut found = plan_snapshots(inventory, policy, now);
        let unknown = match policy.safety.shared_snapshots {
            SharedSnapshots::Keep => unshared_snapshots(&found, inventory),
            SharedSnapshots::Retire => Vec::new(),
        };
        if unknown.is_empty() {
            match tally.missing_permission() {
                Some(error) => note_failure(Source::VolumePermissions, Some(error), inventory),
                None => break found,
            }
            break plan_snapshots(inventory, policy, now);
        }
        match read_volume_permissions(view, inventory, unknown, &mut tally, context).await {
            ReadResult::Complete => {}
            ReadResult::Failed => break plan_snapshots(inventory, policy, now),
            ReadResult::OutOfTime => {
                found = plan_snapshots(inventory, policy, now);
                let unknown = unshared_snapshots(&found, inventory);
                let unknown = unknown.iter().filter_map(|at| inventory.snapshots.get(*at));
                found.defer_unverified(&unknown.map(|one| one.snapshot_id.clone()).collect());
                break found;
            }
        }
    };
    (found, PermissionReadings { snapshots: tally.readings, ..PermissionReadings::default() })
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
    tally: &mut PermissionTally<SnapshotId>,
    context: RunContext<'_>,
) -> ReadResult {
    context.stage("reading who may use snapshots", Some(positions.len()));
    let ids = ids_at(positions, |position| {
        inventory.snapshots.get(position).map(|one| one.snapshot_id.clone())
    });
    let read = |(_, snapshot): (usize, SnapshotId)| async move {
        view.find_volume_permissions(&snapshot).await
    };
    let responses = read_each(ids, |_| 1, read, context).await;
    store_each(responses, Source::VolumePermissions, inventory, |inventory, item, response, at| {
        let position = item.0;
        let permissions = tally.take(item.1, response, at)?;
        let Some(snapshot) = inventory.snapshots.get_mut(position) else { return Ok(()) };
        match permissions {
            PermissionsRead::Found(found) => snapshot.shared_with = Some(found),
            PermissionsRead::Unread(error) => snapshot.shared_with_unread = Some(error),
            // That a snapshot was deleted in the meantime is found out when it is deleted.
            PermissionsRead::Gone => snapshot.shared_with = Some(Box::default()),
        }
        Ok(())
    })
}

/// The ids of the resources at these positions, each with its position.
fn ids_at<I>(positions: Vec<usize>, id: impl Fn(usize) -> Option<I>) -> Vec<(usize, I)> {
    positions.into_iter().filter_map(|position| Some((position, id(position)?))).collect()
}

/// What came of reading the permissions of one resource.
enum PermissionsRead {
    Found(Box<[LaunchPermission]>),
    /// Nothing can be said about this one, and why.
    Unread(Arc<str>),
    /// It no longer exists.
    Gone,
}

/// What came of all permissions that a run read so far.
struct PermissionTally<I> {
    read: usize,
    denied: Vec<CloudError>,
    readings: Readings<I>,
}

impl<I> Default for PermissionTally<I> {
    fn default() -> Self {
        Self { read: 0, denied: Vec::new(), readings: Readings::default() }
    }
}

impl<I: Eq + Hash> PermissionTally<I> {
    /// Where every one of several was denied, it is the permission that is missing, and not something
    /// about these resources.
    fn missing_permission(&self) -> Option<CloudError> {
        self.denied.last().filter(|_| self.read == 0 && self.denied.len() > 1).cloned()
    }

    /// Counts a response. A failure that is about one resource (it was denied, or the response was not
    /// understood) does not make the whole reading fail.
    fn take(
        &mut self,
        id: I,
        response: Result<Vec<LaunchPermission>, CloudError>,
        at: Duration,
    ) -> Result<PermissionsRead, CloudError> {
        Ok(match response {
            Ok(permissions) => {
                self.read += 1;
                self.readings.note(id, permissions.as_slice().into(), at);
                PermissionsRead::Found(permissions.into())
            }
            Err(error) if error.kind == ErrorKind::NotFound => PermissionsRead::Gone,
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Other) => {
                tracing::warn!(%error, "permissions not read");
                let text = error.to_string().into();
                self.denied.extend((error.kind == ErrorKind::Denied).then_some(error));
                PermissionsRead::Unread(text)
            }
            Err(error) => return Err(error),
        })
    }
}
