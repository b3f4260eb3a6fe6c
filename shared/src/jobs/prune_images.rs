//! The sweep over the images: retire what the policy does not keep.

use std::collections::HashMap;

use super::{
    Answer, FunctionKind, Job, JobReport, MAX_DECISIONS, MAX_RECORDS, Mode, Pruned, failure_of,
    not_for_us,
};
use crate::apply::{self, Counts, Outcome, StepKind};
use crate::collect;
use crate::events::Trigger;
use crate::model::{Inventory, SnapshotFate, SnapshotId};
use crate::plan::{Action, Plan};

impl Job<'_> {
    /// The schedule: retire what the policy does not keep.
    pub async fn prune_images(&self, trigger: &Trigger) -> JobReport {
        if *trigger != Trigger::Schedule {
            return JobReport::ignored(not_for_us(trigger));
        }
        let (plan, sizes) = self.collect_and_plan().await;
        let outcome = self.apply_images(&plan).await;
        let mut counts = Counts::default().seen(&plan.summary).done(&outcome);
        counts.gib_freed = outcome
            .snapshots_done(StepKind::DeleteSnapshot)
            .filter_map(|id| sizes.get(id))
            .map(|size| u64::from(*size))
            .sum();
        let mut events = self.events().of_sweep(
            FunctionKind::PruneImages.name(),
            self.mode,
            outcome.status(),
            outcome.refusal.as_ref(),
            &counts,
        );
        events.extend(self.events().of_images(&plan, &outcome, &sizes));
        let failure = failure_of(&outcome);
        let changing = plan.decisions.into_iter().filter(|one| one.action.changes());
        let decisions = changing.take(MAX_DECISIONS).collect();
        let outcome = outcome.abridged(MAX_RECORDS);
        let pruned = Pruned { mode: self.mode, summary: plan.summary, decisions, outcome };
        JobReport { answer: Answer::Pruned(pruned), events, counts: Some(counts), failure }
    }

    /// Reads the world and plans.
    pub async fn plan_images(&self) -> Plan {
        self.collect_and_plan().await.0
    }

    /// The plan, and the sizes of the snapshots that are to go together with their images.
    async fn collect_and_plan(&self) -> (Plan, HashMap<SnapshotId, u32>) {
        let scope = self.policy.safety.reference_scope();
        let mut inventory =
            collect::collect_inventory(self.cloud, self.target, &scope, self.now, self.context)
                .await;
        let plan =
            collect::plan_verified(self.cloud, &mut inventory, self.policy, self.now, self.context)
                .await;
        log_plan(&plan);
        let sizes = sizes_of_what_goes(&plan, &inventory);
        (plan, sizes)
    }

    /// Carries out a plan, or in plan mode says that nothing was done.
    pub async fn apply_images(&self, plan: &Plan) -> Outcome {
        match self.mode {
            Mode::Apply => apply::apply(plan, self.policy, self.cloud, self.context).await,
            Mode::Plan => Outcome::refused(plan.refusal.clone()),
        }
    }
}

/// The sizes in GiB of the snapshots that the deregistering call deletes.
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

/// One line for each image that something is to be done about, and one for the whole.
fn log_plan(plan: &Plan) {
    for decision in plan.decisions.iter().filter(|one| one.action.changes()) {
        let reasons: Vec<_> = decision.reasons.iter().map(ToString::to_string).collect();
        tracing::info!(
            image_id = %decision.image_id,
            action = decision.action.kind(),
            rule = decision.rule.as_deref(),
            family = decision.family.as_deref(),
            reasons = reasons.join(", "),
            "planned"
        );
    }
    if let Some(refusal) = &plan.refusal {
        tracing::error!(%refusal, "refused: nothing is removed");
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
