//! Images: rescue what is wanted again, mark what is newly expired, remove what is due.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt};

use super::{Changed, Deadline, FailedStep, IN_FLIGHT, MARGIN, Outcome, tag_each};
use crate::cloud::{Cloud, CloudError, ErrorKind, ResourceId, SnapshotFate};
use crate::ids::{AccountId, ImageId, SnapshotId};
use crate::inventory::{Reference, Snapshot};
use crate::plan::reap::hands_off;
use crate::plan::reason::Reason;
use crate::plan::{self, Action, Decision, Plan, Removal};
use crate::policy::Policy;
use crate::tags::Tags;

/// Carries out `plan`. Applying the same plan twice removes nothing more.
pub async fn apply(
    plan: &Plan,
    policy: &Policy,
    cloud: &impl Cloud,
    deadline: &impl Deadline,
) -> Outcome {
    let mut outcome = Outcome {
        refused: plan.refusal.as_ref().map(ToString::to_string),
        deferred: images_with(plan, |reason| matches!(reason, Reason::Deferred { .. })),
        not_reached: images_with(plan, |reason| *reason == Reason::NotSeen)
            .iter()
            .map(ToString::to_string)
            .collect(),
        ..Outcome::default()
    };
    // What is wanted again comes first: it must not wait behind a long list of removals.
    for decision in &plan.decisions {
        if let Action::Rescue { unmark } = &decision.action {
            if deadline.left() < MARGIN {
                outcome.not_reached.push(decision.image_id.to_string());
                continue;
            }
            rescue(decision, unmark, policy, cloud, &mut outcome).await;
        }
    }
    expire(plan, policy, cloud, &mut outcome).await;
    let doomed = plan.decisions.iter().filter_map(|decision| match &decision.action {
        Action::Deregister { removal } => Some((decision, removal)),
        _ => None,
    });
    let doomed: Vec<(&Decision, &Removal)> = doomed.collect();
    let references = &if doomed.is_empty() || deadline.left() < MARGIN {
        Ok(Vec::new())
    } else {
        all_references(policy, cloud).await
    };
    let mut results = stream::iter(doomed)
        .map(|(decision, removal)| async move {
            let result = if deadline.left() < MARGIN {
                Removed::NotReached
            } else {
                remove(decision, removal, plan, policy, cloud, references).await
            };
            (decision, result)
        })
        .buffer_unordered(IN_FLIGHT);
    while let Some((decision, result)) = results.next().await {
        let image = &decision.image_id;
        match result {
            Removed::Done { deleted } => {
                tracing::info!(image_id = %image, rule = decision.rule.as_deref(), snapshots_deleted = deleted.len(), "deregistered");
                outcome.deregistered.push(image.clone());
                outcome.deleted.extend(deleted);
            }
            Removed::Changed(because) => {
                tracing::warn!(image_id = %image, because, "changed since it was planned; left alone");
                outcome.changed.push(Changed { id: image.to_string(), because });
            }
            Removed::NotReached => outcome.not_reached.push(image.to_string()),
            Removed::Failed(step, error) => outcome.fail(image.as_str(), step, &error),
        }
    }
    drop(results);
    outcome.sorted()
}

/// What holds images in use, read once more when removing begins: the plan may be minutes old.
async fn all_references(policy: &Policy, cloud: &impl Cloud) -> Result<Vec<Reference>, CloudError> {
    let mut references = Vec::new();
    for answer in cloud.list_references(&policy.safety.reference_scope()).await {
        references.extend(answer.found?);
    }
    Ok(references)
}

/// The images that have a reason of this kind.
fn images_with(plan: &Plan, is_meant: fn(&Reason) -> bool) -> Vec<ImageId> {
    let meant = plan.decisions.iter().filter(|decision| decision.because.iter().any(is_meant));
    meant.map(|decision| decision.image_id.clone()).collect()
}

async fn rescue(
    decision: &Decision,
    unmark: &[SnapshotId],
    policy: &Policy,
    cloud: &impl Cloud,
    outcome: &mut Outcome,
) {
    let image = &decision.image_id;
    let snapshots: Vec<_> = unmark.iter().cloned().map(ResourceId::Snapshot).collect();
    let names = &policy.names;
    // The snapshots first: while the image carries its mark, a later run comes back here.
    for (resources, key) in [
        (snapshots, &names.delete_after),
        (vec![ResourceId::Image(image.clone())], &names.expired_at),
    ] {
        for resource in resources {
            match cloud
                .remove_tags(std::slice::from_ref(&resource), std::slice::from_ref(key))
                .await
            {
                Ok(()) => {}
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return outcome.fail(image.as_str(), FailedStep::Rescue, &error),
            }
        }
    }
    tracing::info!(image_id = %image, "rescued");
    outcome.rescued.push(image.clone());
}

/// Marks what is newly expired, all images in one batch: they get the same tag.
async fn expire(plan: &Plan, policy: &Policy, cloud: &impl Cloud, outcome: &mut Outcome) {
    let newly: Vec<&Decision> =
        plan.decisions.iter().filter(|decision| decision.action == Action::Expire).collect();
    if newly.is_empty() {
        return;
    }
    let resources: Vec<_> = newly.iter().map(|d| ResourceId::Image(d.image_id.clone())).collect();
    let mark: Tags =
        [(policy.names.expired_at.as_str(), plan.planned_at.to_string())].into_iter().collect();
    let results = tag_each(cloud, &resources, &mark).await;
    for (decision, result) in newly.into_iter().zip(results) {
        let image = &decision.image_id;
        match result {
            Ok(()) => {
                tracing::info!(image_id = %image, rule = decision.rule.as_deref(), group = decision.group.as_deref(), "expired");
                outcome.expired.push(image.clone());
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                outcome
                    .changed
                    .push(Changed { id: image.to_string(), because: "it is gone".to_owned() });
            }
            Err(error) => outcome.fail(image.as_str(), FailedStep::Tag, &error),
        }
    }
}
/// How one image's removal went.
enum Removed {
    Done { deleted: Vec<SnapshotId> },
    Changed(String),
    NotReached,
    Failed(FailedStep, CloudError),
}

/// Looks again, writes the ledger, deregisters: in this order.
async fn remove(
    decision: &Decision,
    removal: &Removal,
    plan: &Plan,
    policy: &Policy,
    cloud: &impl Cloud,
    references: &Result<Vec<Reference>, CloudError>,
) -> Removed {
    match recheck(decision, plan, policy, cloud, references).await {
        Ok(None) => {}
        Ok(Some(because)) => return Removed::Changed(because),
        Err(error) => return Removed::Failed(FailedStep::Recheck, error),
    }
    let image = &decision.image_id;
    let names = &policy.names;
    for snapshot in &removal.ledger {
        let ledger: Tags = [
            (names.image.as_str(), image.as_str()),
            (names.snapshot.as_str(), snapshot.as_str()),
            (names.delete_after.as_str(), &removal.delete_after.to_string()),
        ]
        .into_iter()
        .collect();
        match cloud.set_tags(&[ResourceId::Snapshot(snapshot.clone())], &ledger).await {
            Ok(()) => {}
            // A snapshot that is gone needs no ledger.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Removed::Failed(FailedStep::Ledger, error),
        }
    }
    let fate = match fate_now(decision, removal, plan, policy, cloud).await {
        Ok(fate) => fate,
        Err(error) => return Removed::Failed(FailedStep::Recheck, error),
    };
    match cloud.deregister(image, fate).await {
        Ok(answer) => Removed::Done { deleted: answer.deleted },
        Err(error) => Removed::Failed(FailedStep::Deregister, error),
    }
}

/// The planned fate of the snapshots, unless one of them has been put under somebody's protection
/// since: the deregistering call would delete it all the same.
async fn fate_now(
    decision: &Decision,
    removal: &Removal,
    plan: &Plan,
    policy: &Policy,
    cloud: &impl Cloud,
) -> Result<SnapshotFate, CloudError> {
    if removal.snapshots == SnapshotFate::LeaveToReaper {
        return Ok(SnapshotFate::LeaveToReaper);
    }
    let found = cloud.find_snapshots(&decision.snapshots).await?;
    let kept = |snapshot: &Snapshot| !hands_off(snapshot, policy, plan.planned_at).is_empty();
    Ok(if found.iter().any(kept) { SnapshotFate::LeaveToReaper } else { removal.snapshots })
}

/// What is different now, if it keeps the image.
async fn recheck(
    decision: &Decision,
    plan: &Plan,
    policy: &Policy,
    cloud: &impl Cloud,
    references: &Result<Vec<Reference>, CloudError>,
) -> Result<Option<String>, CloudError> {
    let image = &decision.image_id;
    let references = references.as_ref().map_err(Clone::clone)?;
    let Some(mut found) = cloud.find_image(image).await? else {
        return Ok(Some("it is gone".to_owned()));
    };
    let mut holders = cloud.find_instances_of(image).await?;
    holders.extend(references.iter().filter(|reference| reference.image_id == *image).cloned());
    holders.sort();
    holders.dedup();
    found.launch_permissions = Some(cloud.find_launch_permissions(image).await?.into());
    let account: &AccountId = &plan.account;
    let kept = plan::recheck(decision, &found, account, &holders, policy, plan.planned_at);
    if !kept.is_empty() {
        let reasons: Vec<_> = kept.iter().map(ToString::to_string).collect();
        return Ok(Some(reasons.join(", ")));
    }
    let snapshots: BTreeSet<_> = found.snapshots.iter().collect();
    if snapshots != decision.snapshots.iter().collect() {
        return Ok(Some("its snapshots are others than planned".to_owned()));
    }
    Ok(None)
}
