//! From what a run did to its events.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::{Event, ImageStep, ImageTagged, InstanceRetired, NextStep, Place, SnapshotStep, SweepCompleted, SweepRefused};
use crate::apply::{Mode, Outcome, Status, Counts};
use crate::model::{ImageId, SnapshotId, AccountRegion, Tags};
use crate::plan::instance::{InstanceAction, InstanceDecision};
use crate::plan::snapshots::SnapshotDecision;
use crate::plan::{Action, Decision, Plan, Step};

/// An image may be kept by thousands of machines, but an entry on the bus has its limit.
const MAX_REASONS: usize = 20;

/// What events are made with.
#[derive(Debug, Clone, Copy)]
pub struct EventBuilder<'a> {
    /// The account and Region.
    pub target: &'a AccountRegion,
    /// When the run began.
    pub now: Timestamp,
    /// The tag by which people opt out.
    pub keep: &'a str,
}

impl EventBuilder<'_> {
    fn place(&self) -> Place {
        let AccountRegion { account, region } = self.target;
        Place { version: 1, account: account.to_string(), region: region.to_string() }
    }

    /// What a tagged image has to tell, by the tags that were written on it and its snapshots:
    /// nothing when there were none.
    pub fn of_tagging<'t>(
        &self,
        image: &ImageId,
        written: impl Iterator<Item = (&'t str, &'t Tags)>,
    ) -> Option<Event> {
        let mut tags: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (id, more) in written {
            let held = tags.entry(id.to_owned()).or_default();
            held.extend(more.iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        let image_id = image.to_string();
        (!tags.is_empty())
            .then(|| Event::ImageTagged(ImageTagged { place: self.place(), image_id, tags }))
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
            if expired.contains(id) {
                events.push(Event::ImageExpired(self.expired(decision)));
            }
            let mut tell = |done: &HashSet<&ImageId>, event: fn(ImageStep) -> Event| {
                if done.contains(id) {
                    events.push(event(self.image_step(decision)));
                }
            };
            tell(&rescued, Event::ImageRescued);
            tell(&deprecated, Event::ImageDeprecated);
            tell(&disabled, Event::ImageDisabled);
            tell(&deregistered, Event::ImageDeregistered);
            for snapshot in decision.snapshots.iter().filter(|id| deleted.contains(id)) {
                events.push(Event::SnapshotDeleted(SnapshotStep {
                    place: self.place(),
                    snapshot_id: snapshot.to_string(),
                    image_id: Some(id.to_string()),
                    size_gib: sizes.get(snapshot).copied(),
                    reasons: vec!["it went with its image".to_owned()],
                    delete_after: None,
                    at: self.now.to_string(),
                    opt_out_tag: self.keep.to_owned(),
                }));
            }
        }
        events
    }

    /// An image may take its first step in the run that found it expired. That step is what comes
    /// next, whether it succeeded or has to be taken again.
    fn expired(&self, decision: &Decision) -> ImageStep {
        let step = match decision.action {
            Action::Deprecate { .. } => Some(Step::Deprecate),
            Action::Disable { .. } => Some(Step::Disable),
            Action::Deregister { .. } => Some(Step::Deregister),
            Action::Keep | Action::Wait | Action::Expire | Action::Rescue(_) => None,
        };
        let at_once = step.map(|step| next_step(step, self.now));
        let told = self.image_step(decision);
        ImageStep { next: at_once.or(told.next), ..told }
    }

    fn image_step(&self, decision: &Decision) -> ImageStep {
        let reasons = decision.reasons.iter().take(MAX_REASONS);
        let reasons: Vec<String> = reasons.clone().map(ToString::to_string).collect();
        ImageStep {
            place: self.place(),
            image_id: decision.image_id.to_string(),
            name: decision.name.to_string(),
            rule: decision.rule.as_deref().map(Into::into),
            group: decision.group.as_deref().map(Into::into),
            why: reasons.join("; "),
            reasons,
            reasons: reasons.filter_map(|reason| serde_json::to_value(reason).ok()).collect(),
            created_at: decision.created_at.map(|at| at.to_string()),
            expired_at: decision.expired_at.map(|at| at.to_string()),
            at: self.now.to_string(),
            next: decision.next.map(|next| next_step(next.action, next.at)),
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
                reasons: decision
                    .reasons
                    .iter()
                    .take(MAX_REASONS)
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
            reasons: decision.reasons.iter().map(ToString::to_string).collect(),
            at: self.now.to_string(),
        }))
    }

    /// That a sweep came to its end, and before that, if so, that it refused.
    pub fn of_sweep(
        &self,
        function: &str,
        mode: Mode,
        status: Status,
        refusal: Option<&str>,
        counts: &Counts,
    ) -> Vec<Event> {
        let refused = refusal.map(|refusal| {
            Event::SweepRefused(SweepRefused {
                place: self.place(),
                function: function.to_owned(),
                refusal: refusal.to_owned(),
                at: self.now.to_string(),
            })
        });
        let completed = Event::SweepCompleted(SweepCompleted {
            place: self.place(),
            function: function.to_owned(),
            mode: mode.as_str().to_owned(),
            status: status.as_str().to_owned(),
            at: self.now.to_string(),
            counts: counts.clone(),
        });
        refused.into_iter().chain([completed]).collect()
    }
}

fn next_step(step: Step, at: Timestamp) -> NextStep {
    let action = match step {
        Step::Deprecate => "deprecate",
        Step::Disable => "disable",
        Step::Deregister => "deregister",
        Step::DeleteSnapshots => "delete_snapshots",
    };
    NextStep { action: action.to_owned(), at: at.to_string() }
}
