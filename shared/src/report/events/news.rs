//! From what a run did to its events.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::{
    Event, ImageStep, ImageTagged, InstanceRetired, NextStep, Place, SnapshotStep, SweepCompleted,
    SweepRefused,
};
use crate::apply::{Outcome, Status};
use crate::ids::{ImageId, SnapshotId};
use crate::jobs::{Mode, Tagged};
use crate::plan::instance::{InstanceAction, InstanceDecision};
use crate::plan::reap::SnapshotDecision;
use crate::plan::{Decision, Plan, Step};
use crate::report::Counts;
use crate::survey::Home;

/// An image may be kept by thousands of machines, but an entry on the bus has its limit.
const MOST_REASONS: usize = 20;

/// What events are made with.
#[derive(Debug, Clone, Copy)]
pub struct News<'a> {
    /// The account and Region.
    pub home: &'a Home,
    /// When the run began.
    pub now: Timestamp,
    /// The tag by which people opt out.
    pub keep: &'a str,
}

impl News<'_> {
    fn place(&self) -> Place {
        let Home { account, region } = self.home;
        Place { version: 1, account: account.to_string(), region: region.to_string() }
    }

    /// What a tagged image has to tell: nothing when no tag was written.
    pub fn of_tagging(&self, tagged: &Tagged) -> Vec<Event> {
        if tagged.mode == Mode::Plan || tagged.tagged.is_empty() {
            return Vec::new();
        }
        let mut tags: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for one in &tagged.tagged {
            let held = tags.entry(one.id.clone()).or_default();
            held.extend(one.tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        let image_id = tagged.image_id.to_string();
        vec![Event::ImageTagged(ImageTagged { place: self.place(), image_id, tags })]
    }

    /// What the steps of a plan's images have to tell, in the order of the plan. `sizes` are
    /// those of the snapshots that went with them.
    pub fn of_images(
        &self,
        plan: &Plan,
        outcome: &Outcome,
        sizes: &HashMap<SnapshotId, u32>,
    ) -> Vec<Event> {
        let [rescued, expired, deprecated, disabled, deregistered] = [
            &outcome.rescued,
            &outcome.expired,
            &outcome.deprecated,
            &outcome.disabled,
            &outcome.deregistered,
        ]
        .map(|images| images.iter().collect::<HashSet<&ImageId>>());
        let deleted: HashSet<&SnapshotId> = outcome.deleted.iter().collect();
        let mut events = Vec::new();
        for decision in &plan.decisions {
            let id = &decision.image_id;
            let steps: [(&HashSet<&ImageId>, fn(ImageStep) -> Event); 5] = [
                (&rescued, Event::ImageRescued),
                (&expired, Event::ImageExpired),
                (&deprecated, Event::ImageDeprecated),
                (&disabled, Event::ImageDisabled),
                (&deregistered, Event::ImageDeregistered),
            ];
            for (done, event) in steps {
                if done.contains(id) {
                    events.push(event(self.image_step(decision)));
                }
            }
            for snapshot in decision.snapshots.iter().filter(|id| deleted.contains(id)) {
                events.push(Event::SnapshotDeleted(SnapshotStep {
                    place: self.place(),
                    snapshot_id: snapshot.to_string(),
                    image_id: Some(id.to_string()),
                    size_gib: sizes.get(snapshot).copied(),
                    because: vec!["it went with its image".to_owned()],
                    delete_after: None,
                    at: self.now.to_string(),
                    opt_out_tag: self.keep.to_owned(),
                }));
            }
        }
        events
    }

    fn image_step(&self, decision: &Decision) -> ImageStep {
        let reasons = decision.because.iter().take(MOST_REASONS);
        ImageStep {
            place: self.place(),
            image_id: decision.image_id.to_string(),
            name: decision.name.to_string(),
            rule: decision.rule.as_deref().map(Into::into),
            group: decision.group.as_deref().map(Into::into),
            because: reasons.clone().map(ToString::to_string).collect(),
            reasons: reasons.filter_map(|reason| serde_json::to_value(reason).ok()).collect(),
            created_at: decision.created_at.map(|at| at.to_string()),
            expired_at: decision.expired_at.map(|at| at.to_string()),
            at: self.now.to_string(),
            next: decision.next.map(|next| NextStep {
                action: step_word(next.action).to_owned(),
                at: next.at.to_string(),
            }),
            opt_out_tag: self.keep.to_owned(),
            snapshots: decision.snapshots.iter().map(ToString::to_string).collect(),
        }
    }

    /// What the snapshots of a plan have to tell.
    pub fn of_snapshots(&self, decisions: &[SnapshotDecision], outcome: &Outcome) -> Vec<Event> {
        let marked: HashSet<&SnapshotId> = outcome.marked.iter().collect();
        let deleted: HashSet<&SnapshotId> = outcome.deleted.iter().collect();
        let mut events = Vec::new();
        for decision in decisions {
            let step = || SnapshotStep {
                place: self.place(),
                snapshot_id: decision.snapshot_id.to_string(),
                image_id: decision.image.as_ref().map(ToString::to_string),
                size_gib: decision.size_gib,
                because: decision
                    .because
                    .iter()
                    .take(MOST_REASONS)
                    .map(ToString::to_string)
                    .collect(),
                delete_after: decision.delete_after.map(|at| at.to_string()),
                at: self.now.to_string(),
                opt_out_tag: self.keep.to_owned(),
            };
            if marked.contains(&decision.snapshot_id) {
                events.push(Event::SnapshotMarked(step()));
            }
            if deleted.contains(&decision.snapshot_id) {
                events.push(Event::SnapshotDeleted(step()));
            }
        }
        events
    }

    /// That a machine was retired.
    pub fn of_instance(&self, decision: &InstanceDecision) -> Option<Event> {
        let action = match decision.action {
            InstanceAction::Keep => return None,
            InstanceAction::Stop => "stop",
            InstanceAction::Terminate => "terminate",
        };
        Some(Event::InstanceRetired(InstanceRetired {
            place: self.place(),
            instance_id: decision.instance_id.to_string(),
            image_id: decision.image_id.as_ref().map(ToString::to_string),
            action: action.to_owned(),
            because: decision.because.iter().map(ToString::to_string).collect(),
            at: self.now.to_string(),
        }))
    }

    /// That a sweep came to its end, and before that, if so, that it refused.
    pub fn of_sweep(
        &self,
        function: &str,
        mode: Mode,
        outcome: &Outcome,
        counts: &Counts,
    ) -> Vec<Event> {
        let refused = outcome.refused.as_ref().map(|refusal| {
            Event::SweepRefused(SweepRefused {
                place: self.place(),
                function: function.to_owned(),
                refusal: refusal.clone(),
                at: self.now.to_string(),
            })
        });
        let completed = Event::SweepCompleted(SweepCompleted {
            place: self.place(),
            function: function.to_owned(),
            mode: match mode {
                Mode::Plan => "plan",
                Mode::Apply => "apply",
            }
            .to_owned(),
            status: match outcome.status() {
                Status::Done => "done",
                Status::Part => "part",
                Status::Failed => "failed",
                Status::Refused => "refused",
            }
            .to_owned(),
            at: self.now.to_string(),
            counts: counts.clone(),
        });
        refused.into_iter().chain([completed]).collect()
    }
}

fn step_word(step: Step) -> &'static str {
    match step {
        Step::Deprecate => "deprecate",
        Step::Disable => "disable",
        Step::Deregister => "deregister",
        Step::DeleteSnapshots => "delete_snapshots",
    }
}
