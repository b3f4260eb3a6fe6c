//! The sweep of the images: retires the images that the policy does not keep.

use std::collections::HashMap;

use super::{Answer, FunctionKind, Job, JobReport, Mode, Omitted, Pruned, failure_of, not_for_us};
use crate::apply::{self, Counts, Outcome, StepKind, TagBatches};
use crate::cloud::PermissionReadings;
use crate::collect;
use crate::events::Trigger;
use crate::model::{InWords, Inventory, SnapshotFate, SnapshotId, join_in_words};
use crate::plan::{Action, Plan};
use crate::tagging::find_untagged;

impl Job<'_> {
    /// On the schedule, retires the images that the policy does not keep, then tags young images
    /// that lack tags.
    pub async fn prune_images(&self, trigger: &Trigger) -> JobReport {
        if *trigger != Trigger::Schedule {
            return JobReport::ignored(not_for_us(trigger));
        }
        let (mut plan, permissions, inventory) = self.collect_and_plan().await;
        // Tag an image as expired only after its owner could be notified.
        let announced = self.announce(self.events().of_expiring(&plan)).await;
        plan.defer_unannounced(&announced.lost, &inventory);
        let sizes = sizes_of_what_goes(&plan, &inventory);
        let Inventory { images, snapshots, account, .. } = &inventory;
        let untagged = find_untagged(images, snapshots, account, self.policy, self.now);
        // The inventory can be large, and the steps take time.
        drop(inventory);
        let batches = TagBatches::new(self.cloud, self.now);
        let steps = self.apply_in(&plan, permissions, &batches).await;
        let failure = failure_of(&steps);
        let late = self.tag_untagged(untagged, &batches).await;
        let outcome = steps.and(Outcome { steps: late.steps.clone(), ..Outcome::default() });
        let mut counts = Counts::default().seen(&plan.summary).done(&outcome);
        counts.gib_freed = outcome
            .snapshots_done(StepKind::DeleteSnapshot)
            .filter_map(|id| sizes.get(id))
            .map(|size| u64::from(*size))
            .sum();
        if self.mode == Mode::Apply {
            counts.images_tagged = late.tagged.len();
        }
        counts.events_lost = announced.lost.len();
        let mut events = self.events().of_sweep(
            FunctionKind::PruneImages.name(),
            self.mode,
            outcome.status(),
            outcome.refusal.as_ref(),
            &counts,
            &plan.notes,
        );
        events.extend(self.events().of_images(&plan, &outcome, &announced.accepted, &sizes));
        events.extend(self.events_of_tagging(&late));
        let changing = plan
            .decisions
            .into_iter()
            .filter(|one| one.action.changes() || announced.lost.contains(&one.image_id));
        let decisions = changing.collect();
        let tagged = late.tagged.into_values().flatten().collect();
        let (mode, summary, omitted) = (self.mode, plan.summary, Omitted::default());
        let pruned = Pruned { mode, summary, decisions, tagged, outcome, omitted };
        let (answer, counts) = (Answer::Pruned(pruned).bounded(), Some(counts));
        JobReport { answer, events, counts, is_sweep: true, failure }
    }

    /// Reads the inventory and computes a verified plan. Also returns the permission readings.
    pub async fn plan_images(&self) -> (Plan, PermissionReadings) {
        let (plan, permissions, _) = self.collect_and_plan().await;
        (plan, permissions)
    }

    /// Returns the plan, the permission readings and the inventory.
    async fn collect_and_plan(&self) -> (Plan, PermissionReadings, Inventory) {
        let scope = self.policy.safety.reference_scope();
        let mut inventory =
            collect::collect_inventory(self.cloud, self.target, &scope, self.now, self.context)
                .await;
        let (plan, permissions) =
            collect::plan_verified(self.cloud, &mut inventory, self.policy, self.now, self.context)
                .await;
        log_plan(&plan);
        (plan, permissions, inventory)
    }

    /// Applies a plan. In plan mode, changes nothing.
    pub async fn apply_images(&self, plan: &Plan, permissions: PermissionReadings) -> Outcome {
        self.apply_in(plan, permissions, &TagBatches::new(self.cloud, self.now)).await
    }

    async fn apply_in(
        &self,
        plan: &Plan,
        permissions: PermissionReadings,
        batches: &TagBatches<'_>,
    ) -> Outcome {
        let (policy, cloud, context) = (self.policy, self.cloud, self.context);
        match self.mode {
            Mode::Apply => {
                apply::apply_with(batches, plan, permissions, policy, cloud, context).await
            }
            Mode::Plan => Outcome::refused(plan.refusal.clone()),
        }
    }
}

/// Returns the sizes in GiB of the snapshots that the deregistering call deletes.
fn sizes_of_what_goes(plan: &Plan, inventory: &Inventory) -> HashMap<SnapshotId, u32> {
    let going = plan.decisions.iter().filter_map(|decision| match &decision.action {
        Action::Deregister { removal } if removal.fate == SnapshotFate::DeleteWithImage => {
            Some(&removal.snapshots)
        }
        _ => None,
    });
    let mut sizes: HashMap<SnapshotId, u32> =
        going.flat_map(|snapshots| snapshots.iter().cloned()).map(|id| (id, 0)).collect();
    for snapshot in &inventory.snapshots {
        if let Some(size) = sizes.get_mut(&snapshot.snapshot_id) {
            *size = snapshot.size_gib.unwrap_or(0);
        }
    }
    sizes
}

/// Logs one line per note and per image to be changed, and one line with the counts.
fn log_plan(plan: &Plan) {
    let words = plan.account.provider().words();
    for note in &plan.notes {
        let (kind, text) = (note.kind(), note.to_string());
        match note.is_warning() {
            true => tracing::warn!(note = kind, text, "policy setting or tag has no effect"),
            false => tracing::info!(note = kind, text, "note"),
        }
    }
    for decision in plan.decisions.iter().filter(|one| one.action.changes()) {
        let reasons = join_in_words(&decision.reasons, words, ", ");
        tracing::info!(
            image_id = %decision.image_id,
            action = decision.action.kind(),
            rule = decision.rule.as_deref(),
            family = decision.family.as_deref(),
            reasons,
            "planned"
        );
    }
    if let Some(refusal) = &plan.refusal {
        tracing::error!(refusal = %refusal.in_words(words), "removals refused");
    }
    let counts = &plan.summary;
    tracing::info!(
        images = counts.images,
        in_use = counts.in_use,
        keep = counts.keep,
        rescue = counts.rescue,
        wait = counts.wait,
        expire = counts.expire,
        deprecate = counts.deprecate,
        disable = counts.disable,
        deregister = counts.deregister,
        deferred = counts.deferred,
        snapshots = counts.snapshots,
        snapshots_gib = counts.snapshots_gib,
        "plan"
    );
}
