//! Evidence: what no listing tells, read for those images and snapshots only that a plan would do
//! something to. It may change the plan, which is then made anew.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::read_retention_rules;
use crate::apply::{Deadline, NoDeadline};
use crate::cloud::{CloudError, ErrorKind, View};
use crate::ids::{ImageId, SnapshotId};
use crate::inventory::{Image, ImageState, Inventory, Source};
use crate::plan::reap::{SnapshotAction, SnapshotPlan, plan_snapshots};
use crate::plan::{Action, Plan, plan};
use crate::policy::{Check, Policy};
use crate::progress::{self, Told};

/// How many reading calls are in flight at once.
const CALLS_IN_FLIGHT: usize = 8;

/// Asks the provider what refers to `images`, whatever becomes of them.
pub async fn read_references(
    view: &impl View,
    inventory: &mut Inventory,
    policy: &Policy,
    images: &[ImageId],
) {
    let known: HashSet<&ImageId> = inventory.images.iter().map(|image| &image.image_id).collect();
    let images = images.iter().filter(|image| known.contains(image)).cloned().collect();
    read_references_to(view, inventory, policy, images, &mut HashSet::new(), &NoDeadline).await;
}

/// Plans, and reads what the listings do not tell about those images that are on their way out:
/// what the provider knows to refer to them, and with whom they are shared. Repeats until all of
/// them have been looked at, because one that turns out to be used or shared makes room under
/// the caps for another.
pub async fn plan_with_evidence(
    view: &impl View,
    inventory: &mut Inventory,
    policy: &Policy,
    now: Timestamp,
    deadline: &impl Deadline,
) -> Plan {
    read_retention_rules(view, inventory, policy).await;
    let mut asked = HashSet::new();
    loop {
        let mut found = plan(inventory, policy, now);
        let lacking = Lacking::of(&found, inventory, policy, &asked);
        if lacking.is_nothing() {
            return found;
        }
        let (references, permissions) = (lacking.references.clone(), lacking.permissions);
        let mut came =
            read_references_to(view, inventory, policy, references, &mut asked, deadline).await;
        if matches!(came, Evidence::Complete) {
            came = read_permissions_of(view, inventory, permissions, deadline).await;
        }
        match came {
            Evidence::Complete => {}
            Evidence::Failed => return plan(inventory, policy, now),
            // What has been looked at goes on; the rest waits for the next run.
            Evidence::OutOfTime => {
                found = plan(inventory, policy, now);
                let lacking = Lacking::of(&found, inventory, policy, &asked);
                found.leave_unseen(&lacking.images(inventory));
                return found;
            }
        }
    }
}

/// What a plan needs to know, and the inventory does not tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// Images of which it is not known what else refers to them.
    pub references: Vec<ImageId>,
    /// The positions of images of which it is not known with whom they are shared.
    pub permissions: Vec<usize>,
}

impl Lacking {
    /// What `plan` needs to know about the images that are on their way out, but for the references
    /// to those that were `asked` for already.
    pub fn of(
        plan: &Plan,
        inventory: &Inventory,
        policy: &Policy,
        asked: &HashSet<ImageId>,
    ) -> Self {
        if plan.refusal.is_some() {
            return Self::default();
        }
        let mut lacking = Self::default();
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
        let unknown = |image: &Image| {
            // A disabled image cannot be shared.
            image.launch_permissions.is_none()
                && image.state != ImageState::Disabled
                && going.contains(&image.image_id)
        };
        let images = inventory.images.iter().enumerate();
        lacking.permissions =
            images.filter(|(_, image)| unknown(image)).map(|(position, _)| position).collect();
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

/// How far the reading of evidence came.
enum Evidence {
    Complete,
    Failed,
    OutOfTime,
}

/// Reading evidence stops when less than this is left, so that what it was read for gets done.
const EVIDENCE_MARGIN: Duration = Duration::from_secs(30);
/// So many images can be asked for in one call.
const ASKED_TOGETHER: usize = 10;

/// Asks the provider what refers to these images, and adds that to the inventory.
async fn read_references_to(
    view: &impl View,
    inventory: &mut Inventory,
    policy: &Policy,
    images: Vec<ImageId>,
    asked: &mut HashSet<ImageId>,
    deadline: &impl Deadline,
) -> Evidence {
    let versions = policy.safety.template_versions;
    let batches: Vec<Vec<ImageId>> =
        images.chunks(ASKED_TOGETHER).map(<[ImageId]>::to_vec).collect();
    progress::stage("asking EC2 what refers to images", Some(images.len()));
    let answers: Vec<_> = stream::iter(batches)
        .map(|batch| async move {
            if deadline.left() < EVIDENCE_MARGIN {
                return (batch, None);
            }
            let found = view.find_references_to(&batch, versions).await;
            progress::tell(Told::Done(batch.len()));
            (batch, Some(found))
        })
        .buffer_unordered(CALLS_IN_FLIGHT)
        .collect()
        .await;
    let mut came = Evidence::Complete;
    let mut failure: Option<CloudError> = None;
    for (batch, answer) in answers {
        match answer {
            None => came = Evidence::OutOfTime,
            Some(Ok(found)) => {
                inventory.references.extend(found);
                asked.extend(batch);
            }
            Some(Err(error)) => failure = Some(error),
        }
    }
    inventory.references.sort();
    inventory.references.dedup();
    if let Some(error) = failure {
        tracing::warn!(%error, "source not read");
        inventory.unread.push(error.unread(Source::ImageReferences));
        came = Evidence::Failed;
    }
    came
}

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
    progress::stage("asking who may launch images", Some(positions.len()));
    let images = positions
        .into_iter()
        .filter_map(|position| Some((position, inventory.images.get(position)?.image_id.clone())));
    let answers: Vec<_> = stream::iter(images.collect::<Vec<(usize, ImageId)>>())
        .map(|(position, image)| async move {
            if deadline.left() < EVIDENCE_MARGIN {
                return (position, None);
            }
            let found = view.find_launch_permissions(&image).await;
            progress::tell(Told::Done(1));
            (position, Some(found))
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

/// Plans for the snapshots, and reads with whom those are shared that would be marked or deleted:
/// a call for each.
pub async fn plan_snapshots_with_evidence(
    view: &impl View,
    inventory: &mut Inventory,
    policy: &Policy,
    now: Timestamp,
    deadline: &impl Deadline,
) -> SnapshotPlan {
    loop {
        let mut found = plan_snapshots(inventory, policy, now);
        let unknown = unshared_snapshots(&found, inventory);
        if unknown.is_empty() {
            return found;
        }
        match read_volume_permissions(view, inventory, unknown, deadline).await {
            Evidence::Complete => {}
            Evidence::Failed => return plan_snapshots(inventory, policy, now),
            Evidence::OutOfTime => {
                found = plan_snapshots(inventory, policy, now);
                let unknown = unshared_snapshots(&found, inventory);
                let unknown = unknown.iter().filter_map(|at| inventory.snapshots.get(*at));
                found.leave_unseen(&unknown.map(|one| one.snapshot_id.clone()).collect());
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
        .filter(|(_, one)| one.shared_with.is_none() && going.contains(&one.snapshot_id))
        .map(|(position, _)| position)
        .collect()
}

async fn read_volume_permissions(
    view: &impl View,
    inventory: &mut Inventory,
    positions: Vec<usize>,
    deadline: &impl Deadline,
) -> Evidence {
    progress::stage("asking who may use snapshots", Some(positions.len()));
    let snapshots = positions.into_iter().filter_map(|position| {
        Some((position, inventory.snapshots.get(position)?.snapshot_id.clone()))
    });
    let answers: Vec<_> = stream::iter(snapshots.collect::<Vec<(usize, SnapshotId)>>())
        .map(|(position, snapshot)| async move {
            if deadline.left() < EVIDENCE_MARGIN {
                return (position, None);
            }
            let found = view.find_volume_permissions(&snapshot).await;
            progress::tell(Told::Done(1));
            (position, Some(found))
        })
        .buffer_unordered(CALLS_IN_FLIGHT)
        .collect()
        .await;
    let mut came = Evidence::Complete;
    let mut failure: Option<CloudError> = None;
    for (position, answer) in answers {
        let Some(snapshot) = inventory.snapshots.get_mut(position) else { continue };
        match answer {
            None => came = Evidence::OutOfTime,
            Some(Ok(with)) => snapshot.shared_with = Some(with.into()),
            // It went in the meantime; deleting it finds that out.
            Some(Err(error)) if error.kind == ErrorKind::NotFound => {
                snapshot.shared_with = Some(Box::default());
            }
            Some(Err(error)) => failure = Some(error),
        }
    }
    if let Some(error) = failure {
        inventory.unread.push(error.unread(Source::VolumePermissions));
        came = Evidence::Failed;
    }
    came
}
