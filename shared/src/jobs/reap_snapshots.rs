//! The sweep of the snapshots: deletes the snapshots that no image needs any more.

use std::collections::HashSet;

use super::{
    Announced, Answer, FunctionKind, Job, JobReport, Mode, Omitted, Reaped, any_failed, failure_of,
    not_for_us,
};
use crate::apply::{self, Counts, Outcome, StepKind};
use crate::cloud::SnapshotScope;
use crate::collect;
use crate::events::Trigger;
use crate::model::{ImageState, SnapshotId};
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan};

impl Job<'_> {
    /// On the schedule, or after an image was deregistered, deletes the snapshots that no image
    /// needs.
    pub async fn reap_snapshots(&self, trigger: &Trigger) -> JobReport {
        let scope = match trigger {
            Trigger::Schedule => SnapshotScope::Own,
            Trigger::Image { image, state: ImageState::Deregistered, .. } => {
                SnapshotScope::Tagged {
                    key: self.policy.tag_names.image.clone(),
                    value: image.to_string(),
                }
            }
            other => return JobReport::ignored(not_for_us(other)),
        };
        let is_sweep = *trigger == Trigger::Schedule;
        let (plan, outcome, announced) = self.reap_announced(&scope).await;
        let mut counts = Counts::default().done(&outcome);
        let deleted: HashSet<&SnapshotId> =
            outcome.snapshots_done(StepKind::DeleteSnapshot).collect();
        let gone = plan.decisions.iter().filter(|one| deleted.contains(&one.snapshot_id));
        counts.gib_freed = gone.filter_map(|one| one.size_gib).map(u64::from).sum();
        counts.events_lost = announced.lost.len();
        let mut events = Vec::new();
        if is_sweep {
            events.extend(self.events().of_sweep(
                FunctionKind::ReapSnapshots.name(),
                self.mode,
                outcome.status(),
                outcome.refusal.as_ref(),
                &counts,
                &[],
            ));
        }
        events.extend(self.events().of_snapshots(&plan.decisions, &outcome, &announced.accepted));
        let failure = match is_sweep {
            true => failure_of(&outcome),
            false => any_failed(outcome.failed(), deleted.len()),
        };
        let reaped = Reaped::new(self.mode, plan, outcome);
        let (answer, counts) = (Answer::Reaped(reaped).bounded(), Some(counts));
        JobReport { answer, events, counts, is_sweep, failure }
    }

    /// Plans for the snapshots of `scope`. In apply mode, tags the orphans and deletes what is due.
    pub async fn reap(&self, scope: &SnapshotScope) -> (SnapshotPlan, Outcome) {
        let (plan, outcome, _) = self.reap_announced(scope).await;
        (plan, outcome)
    }

    /// Does the same as [`reap`](Self::reap) and also returns which orphans were announced.
    async fn reap_announced(
        &self,
        scope: &SnapshotScope,
    ) -> (SnapshotPlan, Outcome, Announced<SnapshotId>) {
        let (cloud, policy, now, context) = (self.cloud, self.policy, self.now, self.context);
        let mut inventory =
            collect::collect_snapshot_inventory(cloud, self.target, scope, policy, now, context)
                .await;
        let (mut plan, permissions) =
            collect::plan_snapshots_verified(cloud, &mut inventory, policy, now, context).await;
        let announced = self.announce(self.events().of_orphans(&plan)).await;
        plan.defer_unannounced(&announced.lost);
        let outcome = match self.mode {
            Mode::Apply => apply::apply_snapshots(&plan, permissions, policy, cloud, context).await,
            Mode::Plan => Outcome::refused(plan.refusal.clone()),
        };
        (plan, outcome, announced)
    }
}

impl Reaped {
    /// Creates the result of a sweep.
    pub fn new(mode: Mode, plan: SnapshotPlan, outcome: Outcome) -> Self {
        let (mut orphans, mut due, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for decision in plan.decisions {
            match decision.action {
                SnapshotAction::Mark => orphans.push(decision.snapshot_id),
                SnapshotAction::Delete => due.push(decision.snapshot_id),
                SnapshotAction::Keep => kept.push(decision),
            }
        }
        Self { mode, orphans, due, kept, outcome, omitted: Omitted::default() }
    }
}
