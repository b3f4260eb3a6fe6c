//! Reading the world: the calls behind an inventory, and behind a plan that is true.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use crate::apply::{Deadline, NoDeadline};
use crate::cloud::{CloudError, ErrorKind, ReferenceScope, SnapshotScope, View};
use crate::ids::{AccountId, ImageId, Region};
use crate::inventory::{ImageState, Inventory, Source, Unread};
use crate::plan::{Action, Plan, plan};
use crate::policy::Policy;

/// How many reading calls are in flight at once.
const CALLS_IN_FLIGHT: usize = 8;

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

/// Reads what a plan for snapshots is made from: images, and the snapshots of `scope`.
///
/// Here the images come last: one that is registered in between is seen as using its snapshots.
pub async fn take_snapshot_inventory(
    view: &impl View,
    home: &Home,
    scope: &SnapshotScope,
    now: Timestamp,
) -> Inventory {
    let mut inventory = empty(home, now);
    let snapshots = view.list_snapshots(scope).await;
    record(Source::Snapshots, snapshots, &mut inventory.snapshots, &mut inventory.unread);
    let images = view.list_images().await;
    record(Source::Images, images, &mut inventory.images, &mut inventory.unread);
    tidy(inventory)
}

/// Plans, and reads what a listing does not tell about those images that would be marked or
/// removed: with whom they are shared. That is a call for each such image. Repeats until all of
/// them have been looked at, because one that turns out to be shared makes room under the caps
/// for another.
pub async fn plan_with_evidence(
    view: &impl View,
    inventory: &mut Inventory,
    policy: &Policy,
    now: Timestamp,
    deadline: &impl Deadline,
) -> Plan {
    loop {
        let mut found = plan(inventory, policy, now);
        let unknown = without_evidence(&found, inventory);
        if unknown.is_empty() {
            return found;
        }
        match read_permissions_of(view, inventory, unknown, deadline).await {
            Evidence::Complete => {}
            Evidence::Failed => return plan(inventory, policy, now),
            // What has been looked at goes on; the rest waits for the next run.
            Evidence::OutOfTime => {
                found = plan(inventory, policy, now);
                let unknown = without_evidence(&found, inventory);
                let images = unknown.iter().filter_map(|position| inventory.images.get(*position));
                found.leave_unseen(&images.map(|image| image.image_id.clone()).collect());
                return found;
            }
        }
    }
}

/// How far the reading of launch permissions came.
enum Evidence {
    Complete,
    Failed,
    OutOfTime,
}

/// Reading evidence stops when less than this is left, so that what it was read for gets done.
const EVIDENCE_MARGIN: Duration = Duration::from_secs(30);

/// Reads with whom every image is shared that no listing tells it of: a call for each.
pub async fn read_launch_permissions(view: &impl View, inventory: &mut Inventory) {
    let images = inventory.images.iter().enumerate();
    let unknown = images.filter(|(_, image)| image.launch_permissions.is_none());
    let unknown = unknown.map(|(position, _)| position).collect();
    read_permissions_of(view, inventory, unknown, &NoDeadline).await;
}

/// Reads the launch permissions of the images at these positions. What fails is written down in
/// the inventory.
async fn read_permissions_of(
    view: &impl View,
    inventory: &mut Inventory,
    positions: Vec<usize>,
    deadline: &impl Deadline,
) -> Evidence {
    let images = positions
        .into_iter()
        .filter_map(|position| Some((position, inventory.images.get(position)?.image_id.clone())));
    let answers: Vec<_> = stream::iter(images.collect::<Vec<(usize, ImageId)>>())
        .map(|(position, image)| async move {
            if deadline.left() < EVIDENCE_MARGIN {
                return (position, None);
            }
            (position, Some(view.find_launch_permissions(&image).await))
        })
        .buffer_unordered(CALLS_IN_FLIGHT)
        .collect()
        .await;
    let mut came = Evidence::Complete;
    let mut failure: Option<CloudError> = None;
    for (position, answer) in answers {
        let Some(image) = inventory.images.get_mut(position) else { continue };
        match answer {
            None => came = Evidence::OutOfTime,
            Some(Ok(with)) => image.launch_permissions = Some(with.into()),
            // It went in the meantime.
            Some(Err(error)) if error.kind == ErrorKind::NotFound => {
                image.state = ImageState::Deregistered;
                image.launch_permissions = Some(Box::default());
            }
            Some(Err(error)) => failure = Some(error),
        }
    }
    if let Some(error) = failure {
        inventory.unread.push(error.unread(Source::LaunchPermissions));
        came = Evidence::Failed;
    }
    came
}

/// The positions of the images that `plan` would mark or remove, and whose launch permissions are
/// unknown.
pub fn without_evidence(plan: &Plan, inventory: &Inventory) -> Vec<usize> {
    if plan.refusal.is_some() {
        return Vec::new();
    }
    let going: std::collections::HashSet<&ImageId> = plan
        .decisions
        .iter()
        .filter(|decision| matches!(decision.action, Action::Deregister { .. } | Action::Expire))
        .map(|decision| &decision.image_id)
        .collect();
    let images = inventory.images.iter().enumerate();
    images
        .filter(|(_, image)| image.launch_permissions.is_none() && going.contains(&image.image_id))
        .map(|(position, _)| position)
        .collect()
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
    match answer {
        Ok(items) => found.extend(items),
        Err(error) => {
            tracing::warn!(%source, %error, "source not read");
            unread.push(error.unread(source));
        }
    }
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
    inventory
}
