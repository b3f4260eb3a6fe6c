//! Verification: reads the details that listings do not include, only for the images and snapshots
//! that a plan would change. The results can change the plan, which is then computed again.

use std::collections::HashSet;

use jiff::Timestamp;

use super::permissions::{
    PermissionTally, add_launch_permissions, ask_who_may_launch, ids_at, read_volume_permissions,
};
use super::read_each::{ReadResult, Response, note_failure, read_each, store_each};
use super::read_retention_rules;
use crate::cloud::{ASKED_TOGETHER, PermissionReadings, View};
use crate::model::{Image, ImageId, ImageState, Inventory, Reference, SnapshotId, Source};
use crate::plan::reason::Reason;
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan, plan_snapshots};
use crate::plan::undo::permissions_to_restore;
use crate::plan::{Action, Decision, Plan, plan};
use crate::policy::{Check, Policy, SharedSnapshots};
use crate::progress::RunContext;

/// The approximate maximum number of waiting images to verify per plan. At ten images per call,
/// this is the burst that the provider's rate limit allows. The other images are verified when
/// their step is due.
const MAX_WAITING_ASKED: usize = 500;

/// Reads the references to `images` that the provider reports, whatever the plan decides.
pub async fn read_references(
    view: &dyn View,
    inventory: &mut Inventory,
    policy: &Policy,
    images: &[ImageId],
    context: RunContext<'_>,
) {
    let known: HashSet<&ImageId> = inventory.images.iter().map(|image| &image.image_id).collect();
    let images: Vec<_> = images.iter().filter(|image| known.contains(image)).cloned().collect();
    let stages = &inventory.account.provider().words().stages;
    context.stage(stages.references, Some(images.len()));
    let responses = ask_what_refers_to(view, policy, &images, context).await;
    add_references(responses, &mut HashSet::new(), inventory);
}

/// Computes a plan and verifies its expired images: reads the references that the provider reports
/// and the launch permissions, concurrently. Repeats this until all of them are verified, because
/// each image that turns out to be used or shared frees a place under the limits for another. Also
/// returns the permission readings.
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
            // Verified images proceed. The others wait for the next run.
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

/// Reads the missing details and adds them to the inventory.
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
    let stages = &inventory.account.provider().words().stages;
    context.stage(stages.references_and_permissions, Some(total));
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

/// Details that a plan needs and that the inventory does not contain.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MissingEvidence {
    /// Images whose references have not been read from the provider.
    pub references: Vec<ImageId>,
    /// Positions of the images whose launch permissions are unknown.
    pub permissions: Vec<usize>,
}

impl MissingEvidence {
    /// Returns what `plan` needs to verify its expired images, except references to images that
    /// were already `asked` for.
    pub fn of(
        plan: &Plan,
        inventory: &Inventory,
        policy: &Policy,
        asked: &HashSet<ImageId>,
    ) -> Self {
        let mut lacking = Self::default();
        // If an image has saved launch permissions but is not disabled, find out which it has now.
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
                // This run only tags the image. It is verified when its step is due.
                Action::Expire if is_deferred(decision) => waiting.push(decision),
                Action::Expire
                | Action::Deprecate { .. }
                | Action::Disable { .. }
                | Action::Deregister { .. } => {
                    going.insert(&decision.image_id);
                }
            }
        }
        if policy.safety.references_check == Check::Required {
            // Later iterations use the remaining allowance.
            let most = MAX_WAITING_ASKED.saturating_sub(asked.len());
            let waiting = soonest(waiting, inventory, most, asked);
            let due = plan.decisions.iter().map(|one| &one.image_id);
            let wanted = due.filter(|id| going.contains(id)).chain(waiting);
            lacking.references = wanted.filter(|id| !asked.contains(*id)).cloned().collect();
        }
        lacking.permissions =
            unshared_images(inventory, |image| going.contains(&image.image_id) || is_open(image));
        lacking
    }

    /// Returns whether nothing is missing.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn images(&self, inventory: &Inventory) -> HashSet<ImageId> {
        let unshared = self.permissions.iter().filter_map(|at| inventory.images.get(*at));
        let unshared = unshared.map(|image| image.image_id.clone());
        self.references.iter().cloned().chain(unshared).collect()
    }
}

/// Returns whether a limit defers the step of the image to a later run.
fn is_deferred(decision: &Decision) -> bool {
    decision.reasons.iter().any(|reason| matches!(reason, Reason::Deferred { .. }))
}

/// Returns the waiting images to verify in this run: first the disabled ones, which nobody can
/// launch, then those whose step is due soonest.
fn soonest<'p>(
    mut waiting: Vec<&'p Decision>,
    inventory: &Inventory,
    most: usize,
    asked: &HashSet<ImageId>,
) -> Vec<&'p ImageId> {
    let disabled = inventory.images.iter().filter(|one| one.state == ImageState::Disabled);
    let disabled: HashSet<&ImageId> = disabled.map(|one| &one.image_id).collect();
    waiting.sort_by_key(|one| {
        (!disabled.contains(&one.image_id), one.next.map(|next| next.at), &one.image_id)
    });
    let ids = waiting.into_iter().map(|one| &one.image_id);
    ids.filter(|id| !asked.contains(*id)).take(most).collect()
}

/// Returns the positions of the `wanted` images whose launch permissions are unknown. Disabled
/// images are skipped, because they cannot be shared.
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

/// Reads the references to these images that the provider reports.
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

/// Adds references to the inventory and their images to `asked`.
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

/// Computes a snapshot plan and reads the permissions of the snapshots that it would tag or delete,
/// with one call each. Skips this if the policy retires shared snapshots too. Also returns the
/// readings.
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

/// Returns the positions of the snapshots that `plan` would tag or delete and whose permissions are
/// unknown.
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
