//! The sweep over the snapshots: delete those that no image needs any more.

use std::collections::HashSet;

use super::{
    Answer, FunctionKind, Job, JobReport, MAX_DECISIONS, MAX_RECORDS, Mode, Reaped, failure_of,
    not_for_us,
};
use crate::apply::{self, Counts, Outcome, StepKind};
use crate::cloud::SnapshotScope;
use crate::collect;
use crate::events::Trigger;
use crate::model::{ImageState, SnapshotId};
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan};

impl Job<'_> {
    /// An image was deregistered, or the schedule: delete the snapshots that no image needs.
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
        let (plan, outcome) = self.reap(&scope).await;
        let mut counts = Counts::default().done(&outcome);
        let deleted: HashSet<&SnapshotId> =
            outcome.snapshots_done(StepKind::DeleteSnapshot).collect();
        let gone = plan.decisions.iter().filter(|one| deleted.contains(&one.snapshot_id));
        counts.gib_freed = gone.filter_map(|one| one.size_gib).map(u64::from).sum();
        let mut events = Vec::new();
        if *trigger == Trigger::Schedule {
            events.extend(self.events().of_sweep(
                FunctionKind::ReapSnapshots.name(),
                self.mode,
                outcome.status(),
                outcome.refusal.as_ref(),
                &counts,
            ));
        }
        events.extend(self.events().of_snapshots(&plan.decisions, &outcome));
        let failure = failure_of(&outcome);
        let mut reaped = Reaped::new(self.mode, plan, outcome.abridged(MAX_RECORDS));
        reaped.kept.truncate(MAX_DECISIONS);
        JobReport { answer: Answer::Reaped(reaped), events, counts: Some(counts), failure }
    }

    /// Plans for the marked snapshots of `scope`, and in apply mode deletes those that are due.
    pub async fn reap(&self, scope: &SnapshotScope) -> (SnapshotPlan, Outcome) {
        let (cloud, policy, now, context) = (self.cloud, self.policy, self.now, self.context);
        let mut inventory =
            collect::collect_snapshot_inventory(cloud, self.target, scope, policy, now, context)
                .await;
        let plan =
            collect::plan_snapshots_verified(cloud, &mut inventory, policy, now, context).await;
        let outcome = match self.mode {
            Mode::Apply => apply::apply_snapshots(&plan, policy, cloud, context).await,
            Mode::Plan => Outcome::refused(plan.refusal.clone()),
        };
        (plan, outcome)
    }
}

impl Reaped {
    /// A sweep, from its plan and its outcome.
    pub fn new(mode: Mode, plan: SnapshotPlan, outcome: Outcome) -> Self {
        let (mut orphans, mut due, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for decision in plan.decisions {
            match decision.action {
                SnapshotAction::Mark => orphans.push(decision.snapshot_id),
                SnapshotAction::Delete => due.push(decision.snapshot_id),
                SnapshotAction::Keep => kept.push(decision),
            }
        }
        Self { mode, orphans, due, kept, outcome }
    }
}
