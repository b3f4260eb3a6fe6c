//! Reading the world: the calls behind an inventory, and behind a plan that is true.

mod evidence;
mod traces;

use std::collections::HashSet;

use jiff::Timestamp;

pub use self::evidence::{
    Lacking, plan_snapshots_with_evidence, plan_with_evidence, read_launch_permissions,
    read_references,
};
pub use self::traces::{Recycled, Trace, TracePlace, Traces, read_traces, traces_in};
use crate::cloud::{CloudError, ReferenceScope, SnapshotScope, View};
use crate::ids::{AccountId, ImageId, Region, SnapshotId};
use crate::inventory::{Inventory, Source, Unread};
use crate::policy::{Check, Orphans, Policy};
use crate::progress;

/// The account and Region that a run is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
}

/// Reads everything that a plan is made from. What could not be read is named in the inventory.
///
/// Images are read before references: a reference that appears in between is seen, and one to
/// an image that is not listed does no harm.
pub async fn take_inventory(
    view: &impl View,
    home: &Home,
    scope: &ReferenceScope,
    now: Timestamp,
) -> Inventory {
    progress::stage("reading the account", None);
    let mut inventory = empty(home, now);
    let images = view.list_images().await;
    record(Source::Images, images, &mut inventory.images, &mut inventory.unread);
    let own = SnapshotScope::Own;
    let (snapshots, answers) =
        futures_util::join!(view.list_snapshots(&own), view.list_references(scope));
    record(Source::Snapshots, snapshots, &mut inventory.snapshots, &mut inventory.unread);
    for answer in answers {
        record(answer.source, answer.found, &mut inventory.references, &mut inventory.unread);
    }
    tidy(inventory)
}

/// Reads what a plan for snapshots is made from: the snapshots of `scope`, what else than images
/// holds them, and the images.
///
/// Here the images come last: one that is registered in between is seen as using its snapshots.
pub async fn take_snapshot_inventory(
    view: &impl View,
    home: &Home,
    scope: &SnapshotScope,
    policy: &Policy,
    now: Timestamp,
) -> Inventory {
    progress::stage("reading snapshots", None);
    let mut inventory = empty(home, now);
    let snapshots = view.list_snapshots(scope).await;
    record(Source::Snapshots, snapshots, &mut inventory.snapshots, &mut inventory.unread);
    read_snapshot_holders(view, &mut inventory, policy).await;
    let images = view.list_images().await;
    record(Source::Images, images, &mut inventory.images, &mut inventory.unread);
    tidy(inventory)
}

/// Reads what the listings of images and snapshots do not tell about snapshots: which are locked,
/// which are named by launch templates, which images are in the Recycle Bin, and its rules.
pub async fn read_snapshot_holders(view: &impl View, inventory: &mut Inventory, policy: &Policy) {
    progress::stage("reading what holds snapshots", None);
    let versions = policy.safety.template_versions;
    let (locked, named, recycled) = futures_util::join!(
        view.list_locked_snapshots(),
        view.list_snapshot_references(versions),
        recycled_images(view, policy),
    );
    let unread = &mut inventory.unread;
    record(Source::SnapshotReferences, named, &mut inventory.snapshot_references, unread);
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

/// The images in the Recycle Bin, where the policy has a use for them.
async fn recycled_images(
    view: &impl View,
    policy: &Policy,
) -> Result<Option<Vec<ImageId>>, CloudError> {
    match policy.orphans {
        Orphans::Report => Ok(None),
        Orphans::Delete { .. } => {
            let found = view.list_recycled_images().await?;
            Ok(Some(found.into_iter().map(|image| image.image_id).collect()))
        }
    }
}

/// Reads the rules of the Recycle Bin, where the policy asks for them and they are not known.
async fn read_retention_rules(view: &impl View, inventory: &mut Inventory, policy: &Policy) {
    if policy.safety.recycle_bin == Check::Required && inventory.retention_rules.is_none() {
        let rules = view.list_retention_rules().await;
        inventory.retention_rules = note(Source::RetentionRules, rules, &mut inventory.unread);
    }
}

fn empty(home: &Home, now: Timestamp) -> Inventory {
    Inventory {
        account: home.account.clone(),
        region: home.region.clone(),
        taken_at: now,
        unread: Vec::new(),
        images: Vec::new(),
        snapshots: Vec::new(),
        references: Vec::new(),
        snapshot_references: Vec::new(),
        retention_rules: None,
        recycled_images: None,
    }
}

fn record<T>(
    source: Source,
    answer: Result<Vec<T>, CloudError>,
    found: &mut Vec<T>,
    unread: &mut Vec<Unread>,
) {
    if let Some(answer) = note(source, answer, unread) {
        progress::read(source, answer.len());
        found.extend(answer);
    }
}

/// The answer, if it is one; otherwise the source is noted as unread.
fn note<T>(source: Source, answer: Result<T, CloudError>, unread: &mut Vec<Unread>) -> Option<T> {
    answer
        .inspect_err(|error| {
            tracing::warn!(%source, %error, "source not read");
            unread.push(error.unread(source));
        })
        .ok()
}

/// The same world gives the same bytes, whatever the order of the answers; and a page that
/// shifted under the listing does not show an image twice.
fn tidy(mut inventory: Inventory) -> Inventory {
    inventory.images.sort_by(|a, b| a.image_id.cmp(&b.image_id));
    inventory.images.dedup_by(|a, b| a.image_id == b.image_id);
    inventory.snapshots.sort_by(|a, b| a.snapshot_id.cmp(&b.snapshot_id));
    inventory.snapshots.dedup_by(|a, b| a.snapshot_id == b.snapshot_id);
    inventory.references.sort();
    inventory.references.dedup();
    inventory.snapshot_references.sort();
    inventory.snapshot_references.dedup();
    inventory
}
