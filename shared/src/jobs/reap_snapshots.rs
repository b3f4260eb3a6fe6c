//! The sweep over the snapshots: delete those that no image needs any more.

use std::collections::HashSet;

use super::{Answer, Job, MAX_STEPS, Mode, Reaped, Report, FunctionKind, failure_of, not_for_us};
use crate::apply::{self, Outcome, Counts};
use crate::model::{Deadline, SnapshotId, ImageState};
use crate::cloud::{Cloud, SnapshotScope};
use crate::events::Trigger;
use crate::plan::snapshots::{SnapshotAction, SnapshotDecision};
use crate::collect;

impl<C: Cloud, D: Deadline> Job<'_, C, D> {
    /// An image was deregistered, or the schedule: delete the snapshots that no image needs.
    pub async fn reap_snapshots(&self, trigger: &Trigger) -> Report {
        let scope = match trigger {
            Trigger::Schedule => SnapshotScope::Own,
            Trigger::Image { image, state: ImageState::Deregistered, account, region, .. } => {
                match self.elsewhere(account.as_ref(), region.as_ref()) {
                    Some(why) => return Report::ignored(why),
                    None => SnapshotScope::Tagged {
                        key: self.policy.names.image.clone(),
                        value: image.to_string(),
                    },
                }
            }
            other => return Report::ignored(not_for_us(other)),
        };
        let (decisions, outcome) = self.plan_and_reap(&scope).await;
        let mut counts = Counts::default().done(&outcome);
        let deleted: HashSet<&SnapshotId> = outcome.deleted.iter().collect();
        let gone = decisions.iter().filter(|one| deleted.contains(&one.snapshot_id));
        counts.gib_freed = gone.filter_map(|one| one.size_gib).map(u64::from).sum();
        let mut events = Vec::new();
        if *trigger == Trigger::Schedule {
            events.extend(self.news().of_sweep(
                FunctionKind::ReapSnapshots.as_str(),
                self.mode,
                outcome.status(),
                outcome.refused.as_deref(),
                &counts,
            ));
        }
        events.extend(self.news().of_snapshots(&decisions, &outcome));
        let failure = failure_of(&outcome);
        let mut reaped = self.sorted(decisions, outcome);
        reaped.kept.truncate(MAX_STEPS);
        Report { answer: Answer::Reaped(reaped), events, counts: Some(counts), failure }
    }

    /// Plans for the marked snapshots of `scope`, and in apply mode deletes those that are due.
    pub async fn reap(&self, scope: &SnapshotScope) -> Reaped {
        let (decisions, outcome) = self.plan_and_reap(scope).await;
        self.sorted(decisions, outcome)
    }

    async fn plan_and_reap(&self, scope: &SnapshotScope) -> (Vec<SnapshotDecision>, Outcome) {
        let (cloud, policy, now) = (self.cloud, self.policy, self.now);
        let mut inventory =
            survey::collect_snapshot_inventory(cloud, self.target, scope, policy, now).await;
        let plan =
            survey::plan_snapshots_verified(cloud, &mut inventory, policy, now, self.deadline)
                .await;
        let outcome = match self.mode {
            Mode::Apply => {
                apply::apply_snapshots(&plan, self.policy, self.cloud, self.deadline).await
            }
            Mode::Plan => Outcome {
                refused: plan.refusal.as_ref().map(ToString::to_string),
                ..Outcome::default()
            },
        };
        (plan.decisions, outcome)
    }

    fn sorted(&self, decisions: Vec<SnapshotDecision>, outcome: Outcome) -> Reaped {
        let (mut orphans, mut due, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for decision in decisions {
            match decision.action {
                SnapshotAction::Mark => orphans.push(decision.snapshot_id),
                SnapshotAction::Delete => due.push(decision.snapshot_id),
                SnapshotAction::Keep => kept.push(decision),
            }
        }
        Reaped { mode: self.mode, orphans, due, kept, outcome }
    }
}
