//! Reading the inventory of an account and verifying a plan against the provider.

mod named;
mod permissions;
mod read_each;
mod remnants;
mod verify;

use std::collections::HashSet;

use jiff::Timestamp;

pub use self::named::{Candidate, FindError, NameError, find_in, find_named};
pub use self::permissions::read_launch_permissions;
pub use self::remnants::{
    DeleteAfter, Recycled, Remnant, RemnantLocation, Remnants, read_remnants, remnants_in,
};
pub use self::verify::{MissingEvidence, plan_snapshots_verified, plan_verified, read_references};
use crate::cloud::{CloudError, ImageListing, SnapshotScope, View};
use crate::model::{
    AccountRegion, FormatNumber, Inventory, RecycledImage, ReferenceScope, SnapshotId, Source,
    Unread,
};
use crate::policy::{Check, Orphans, Policy};
use crate::progress::{Progress, ProgressEvent, RunContext};

/// Reads the inventory for a plan. Sources that could not be read are listed in the inventory.
///
/// Images are read before references. A reference that appears in between is then included, and a
/// reference to an image that is not listed is harmless.
pub async fn collect_inventory(
    view: &dyn View,
    target: &AccountRegion,
    scope: &ReferenceScope,
    now: Timestamp,
    context: RunContext<'_>,
) -> Inventory {
    context.stage(target.account.provider().words().stages.listing, None);
    let progress = context.progress;
    let mut inventory = empty(target, now);
    record_images(progress, view.list_images().await, &mut inventory);
    let own = SnapshotScope::Own;
    let (snapshots, answers) =
        futures_util::join!(view.list_snapshots(&own), view.list_references(scope));
    record(progress, Source::Snapshots, snapshots, &mut inventory.snapshots, &mut inventory.unread);
    for answer in answers {
        inventory.ignored_templates.extend(answer.ignored);
        record(
            progress,
            answer.source,
            answer.found,
            &mut inventory.references,
            &mut inventory.unread,
        );
    }
    tidy(inventory)
}

/// Reads the inventory for a snapshot plan: the snapshots of `scope`, their locks and references,
/// and the images.
///
/// Here the images are read last. The snapshots of an image that is registered in between then
/// count as used.
pub async fn collect_snapshot_inventory(
    view: &dyn View,
    target: &AccountRegion,
    scope: &SnapshotScope,
    policy: &Policy,
    now: Timestamp,
    context: RunContext<'_>,
) -> Inventory {
    context.stage("reading snapshots", None);
    let progress = context.progress;
    let mut inventory = empty(target, now);
    let snapshots = view.list_snapshots(scope).await;
    record(progress, Source::Snapshots, snapshots, &mut inventory.snapshots, &mut inventory.unread);
    read_snapshot_references(view, &mut inventory, policy, context).await;
    record_images(progress, view.list_images().await, &mut inventory);
    tidy(inventory)
}

/// Reads what the listings of images and snapshots do not include: locked snapshots, snapshots that
/// launch templates reference, images in the Recycle Bin, and its retention rules.
pub async fn read_snapshot_references(
    view: &dyn View,
    inventory: &mut Inventory,
    policy: &Policy,
    context: RunContext<'_>,
) {
    context.stage("reading locks and references of snapshots", None);
    let progress = context.progress;
    let scope = policy.safety.reference_scope();
    let (locked, named, recycled) = futures_util::join!(
        view.list_locked_snapshots(),
        view.list_snapshot_references(&scope),
        recycled_images(view, policy),
    );
    let unread = &mut inventory.unread;
    record(progress, Source::SnapshotReferences, named, &mut inventory.snapshot_references, unread);
    if let Some(locked) = note(Source::LockedSnapshots, locked, unread) {
        let locked: HashSet<SnapshotId> = locked.into_iter().collect();
        for snapshot in &mut inventory.snapshots {
            snapshot.locked = Some(locked.contains(&snapshot.snapshot_id));
        }
    }
    if let Some(Some(recycled)) = note(Source::RecycledImages, recycled, unread) {
        inventory.recycled_images = Some(recycled);
    }
    read_retention_rules(view, inventory, policy).await;
}

/// Reads the images in the Recycle Bin, if the policy needs them.
async fn recycled_images(
    view: &dyn View,
    policy: &Policy,
) -> Result<Option<Vec<RecycledImage>>, CloudError> {
    let is_needed = policy.safety.recycle_bin == Check::Required
        || matches!(policy.orphans, Orphans::Delete { .. });
    if !is_needed {
        return Ok(None);
    }
    view.list_recycled_images().await.map(Some)
}

/// Reads the Recycle Bin's retention rules, if the policy needs them and they are not known.
async fn read_retention_rules(view: &dyn View, inventory: &mut Inventory, policy: &Policy) {
    if policy.safety.recycle_bin == Check::Required && inventory.retention_rules.is_none() {
        let rules = view.list_retention_rules().await;
        inventory.retention_rules =
            note(Source::RetentionRules, rules, &mut inventory.unread).flatten();
    }
}

fn empty(target: &AccountRegion, now: Timestamp) -> Inventory {
    Inventory {
        format: FormatNumber,
        account: target.account.clone(),
        region: target.region.clone(),
        taken_at: now,
        unread: Vec::new(),
        images: Vec::new(),
        other_image_types: 0,
        snapshots: Vec::new(),
        references: Vec::new(),
        ignored_templates: Vec::new(),
        snapshot_references: Vec::new(),
        retention_rules: None,
        recycled_images: None,
    }
}

fn record_images(
    progress: &dyn Progress,
    answer: Result<ImageListing, CloudError>,
    inventory: &mut Inventory,
) {
    let images = answer.map(|listing| {
        inventory.other_image_types = listing.other_types;
        listing.images
    });
    record(progress, Source::Images, images, &mut inventory.images, &mut inventory.unread);
}

fn record<T>(
    progress: &dyn Progress,
    source: Source,
    answer: Result<Vec<T>, CloudError>,
    found: &mut Vec<T>,
    unread: &mut Vec<Unread>,
) {
    if let Some(answer) = note(source, answer, unread) {
        progress.report(ProgressEvent::Read { what: source.into(), count: answer.len() });
        found.extend(answer);
    }
}

/// Returns the response, or records the source as unread if the call failed.
fn note<T>(source: Source, answer: Result<T, CloudError>, unread: &mut Vec<Unread>) -> Option<T> {
    answer
        .inspect_err(|error| {
            tracing::warn!(%source, %error, "failed to read source");
            unread.push(error.unread(source));
        })
        .ok()
}

/// Sorts the inventory, so that the same account gives the same bytes whatever the order of the
/// responses. Removes duplicates, which a listing contains if its pages shift while it is read.
fn tidy(mut inventory: Inventory) -> Inventory {
    inventory.images.sort_by(|a, b| a.image_id.cmp(&b.image_id));
    inventory.images.dedup_by(|a, b| a.image_id == b.image_id);
    inventory.snapshots.sort_by(|a, b| a.snapshot_id.cmp(&b.snapshot_id));
    inventory.snapshots.dedup_by(|a, b| a.snapshot_id == b.snapshot_id);
    inventory.references.sort();
    inventory.references.dedup();
    inventory.ignored_templates.sort();
    inventory.ignored_templates.dedup();
    inventory.snapshot_references.sort();
    inventory.snapshot_references.dedup();
    inventory
}
