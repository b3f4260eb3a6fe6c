//! Checking an image again right before a step: the plan may be minutes old.

use std::collections::{BTreeSet, HashMap};

use super::{Change, MARGIN, StepKind};
use crate::cloud::{Cloud, CloudError, ErrorKind};
use crate::model::{
    ImageId, ImageState, Reference, SnapshotFate, SnapshotId, SnapshotReference, for_others,
};
use crate::plan::snapshots::SnapshotReason;
use crate::plan::undo::{permissions_tag_value, permissions_to_save};
use crate::plan::{self, Action, Decision, Plan};
use crate::policy::{Check, Policy};
use crate::progress::RunContext;

/// What was read again when the steps began, and how to read the rest.
pub(super) struct Rechecker<'a> {
    plan: &'a Plan,
    policy: &'a Policy,
    cloud: &'a dyn Cloud,
    /// What holds images in use; empty when no step asks.
    references: Result<HashMap<ImageId, Vec<Reference>>, CloudError>,
    /// The snapshots that are locked, or named by a launch template or configuration. Empty when no snapshot is to be
    /// deleted together with its image.
    held: Result<HeldSnapshots, CloudError>,
}

/// The snapshots that are locked, or named by a launch template or configuration, each with the
/// reasons.
#[derive(Default)]
pub(super) struct HeldSnapshots(HashMap<SnapshotId, Vec<SnapshotReason>>);

impl HeldSnapshots {
    /// Reads them.
    pub(super) async fn read(policy: &Policy, cloud: &dyn Cloud) -> Result<Self, CloudError> {
        let mut held: HashMap<SnapshotId, Vec<SnapshotReason>> = HashMap::new();
        for snapshot in cloud.list_locked_snapshots().await? {
            held.entry(snapshot).or_default().push(SnapshotReason::Locked);
        }
        for named in cloud.list_snapshot_references(&policy.safety.reference_scope()).await? {
            let SnapshotReference { snapshot_id, kind, arn, version } = named;
            let reason = SnapshotReason::NamedBy { kind, arn, version };
            held.entry(snapshot_id).or_default().push(reason);
        }
        Ok(Self(held))
    }

    /// Why `snapshot` is held; empty if it is not.
    pub(super) fn reasons(&self, snapshot: &SnapshotId) -> &[SnapshotReason] {
        self.0.get(snapshot).map_or(&[], Vec::as_slice)
    }
}

/// The references to a batch of images that the provider itself reports.
pub(super) struct ReferenceCheck(Result<Vec<Reference>, CloudError>);

impl Default for ReferenceCheck {
    fn default() -> Self {
        Self(Ok(Vec::new()))
    }
}

impl<'a> Rechecker<'a> {
    /// Reads all references once more, if any of the steps needs it and there is time.
    pub(super) async fn begin(
        plan: &'a Plan,
        policy: &'a Policy,
        cloud: &'a dyn Cloud,
        steps: &[&Decision],
        context: RunContext<'_>,
    ) -> Self {
        let asks = steps.iter().any(|one| !matches!(one.action, Action::Deprecate { .. }));
        let references = if asks && context.left() >= MARGIN {
            all_references(policy, cloud).await
        } else {
            Ok(HashMap::new())
        };
        let deletes = |one: &&Decision| match &one.action {
            Action::Deregister { removal } => removal.fate == SnapshotFate::DeleteWithImage,
            _ => false,
        };
        let held = if steps.iter().any(deletes) && context.left() >= MARGIN {
            HeldSnapshots::read(policy, cloud).await
        } else {
            Ok(HeldSnapshots::default())
        };
        Self { plan, policy, cloud, references, held }
    }

    /// Asks the provider what refers to `images`.
    pub(super) async fn check_references(&self, images: &[ImageId]) -> ReferenceCheck {
        let safety = &self.policy.safety;
        if safety.references_check == Check::Off || self.references.is_err() {
            return ReferenceCheck::default();
        }
        ReferenceCheck(self.cloud.find_references_to(images, safety.template_versions).await)
    }

    /// What is different now, if it forbids the step. `save` is the text that the plan wants
    /// written down about the launch permissions, `None` when they are of no importance.
    pub(super) async fn changed(
        &self,
        decision: &Decision,
        save: Option<&str>,
        check: &ReferenceCheck,
    ) -> Result<Option<Change>, (StepKind, CloudError)> {
        self.compare(decision, save, check).await.map_err(|error| (StepKind::Recheck, error))
    }

    async fn compare(
        &self,
        decision: &Decision,
        save: Option<&str>,
        check: &ReferenceCheck,
    ) -> Result<Option<Change>, CloudError> {
        let image = &decision.image_id;
        let references = self.references.as_ref().map_err(Clone::clone)?;
        let looked = check.0.as_ref().map_err(Clone::clone)?;
        let Some(mut found) = self.cloud.find_image(image).await? else {
            return Ok(Some(Change::Gone));
        };
        let mut current = self.cloud.find_instances_of(image).await?;
        current.extend(references.get(image).into_iter().flatten().cloned());
        current.extend(looked.iter().filter(|reference| reference.image_id == *image).cloned());
        current.sort();
        current.dedup();
        // A disabled image cannot be shared.
        if found.state != ImageState::Disabled {
            found.launch_permissions =
                Some(self.cloud.find_launch_permissions(image).await?.into());
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
        // Somebody who enables an image has a reason to.
        if save.is_some() != (found.state == ImageState::Available) {
            return Ok(Some(Change::State { state: found.state }));
        }
        if let Some(save) = save {
            let permissions = permissions_to_save(&found, &self.policy.tag_names);
            if permissions_tag_value(image, &permissions).as_deref() != Ok(save) {
                return Ok(Some(Change::LaunchPermissions));
            }
        }
        Ok(None)
    }

    /// Whether the text `save` about `image` names anybody.
    pub(super) fn is_shared(&self, image: &ImageId, save: &str) -> bool {
        permissions_tag_value(image, &[]).as_deref() != Ok(save)
    }

    /// Whether something else than an image holds any of `snapshots`: a lock, a launch template,
    /// or somebody that they are shared with.
    pub(super) async fn are_held(&self, snapshots: &[SnapshotId]) -> Result<bool, CloudError> {
        let held = self.held.as_ref().map_err(Clone::clone)?;
        if snapshots.iter().any(|snapshot| !held.reasons(snapshot).is_empty()) {
            return Ok(true);
        }
        for snapshot in snapshots {
            match self.cloud.find_volume_permissions(snapshot).await {
                Ok(with) if for_others(&with, Some(&self.plan.account)).next().is_none() => {}
                Ok(_) => return Ok(true),
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
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
