//! Builds events from the outcome of a run.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{
    Event, EventHeader, EventNote, EventReason, ImageStep, ImageTagged, InstanceRetired, NextStep,
    SnapshotStep, SweepCompleted, SweepRefused, VERSION,
};
use crate::apply::{Counts, Mode, Outcome, Status, StepKind, StepResult};
use crate::model::{AccountRegion, ImageId, InWords, ProviderWords, SnapshotId, Tags};
use crate::plan::instance::{InstanceAction, InstanceDecision};
use crate::plan::notes::Note;
use crate::plan::snapshots::{SnapshotDecision, SnapshotPlan};
use crate::plan::{Action, Decision, Plan, Refusal, Step};
use crate::text_fmt::excerpt;

/// Thousands of instances can keep an image, but the size of an event is limited.
const MAX_REASONS: usize = 20;
/// The maximum number of notes in the event of a sweep.
const MAX_NOTES: usize = 20;
const MAX_NOTE_LENGTH: usize = 1_000;

/// The values that all events of a run share.
#[derive(Debug, Clone, Copy)]
pub struct EventBuilder<'a> {
    /// The account and Region of the run.
    pub target: &'a AccountRegion,
    /// The time when the run began.
    pub now: Timestamp,
    /// The key of the opt-out tag, by default `image-steward:keep`.
    pub keep: &'a str,
}

impl EventBuilder<'_> {
    fn words(&self) -> &'static ProviderWords {
        self.target.account.provider().words()
    }

    fn header(&self) -> EventHeader {
        let AccountRegion { account, region } = self.target;
        let (account, region) = (account.to_string(), region.as_ref().map(ToString::to_string));
        // Only AWS has an event bus, and there the Region is known.
        let region = region.unwrap_or_default();
        EventHeader { version: VERSION, account, region, omitted: 0 }
    }

    /// Creates the header of an event with this many reasons.
    fn header_with(&self, reasons: usize) -> EventHeader {
        EventHeader { omitted: reasons.saturating_sub(MAX_REASONS), ..self.header() }
    }

    /// Creates the event of a tagged image from the tags that were written on it and its snapshots.
    /// `None` if no tags were written.
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
            .then(|| Event::ImageTagged(ImageTagged { header: self.header(), image_id, tags }))
    }

    /// Creates an event `Image Expired` for each image that must be announced before it is changed,
    /// in plan order.
    pub fn of_expiring(&self, plan: &Plan) -> Vec<(ImageId, Event)> {
        let announced = plan.decisions.iter().filter(|one| plan.announces(one));
        announced
            .map(|one| (one.image_id.clone(), Event::ImageExpired(self.expired(one))))
            .collect()
    }

    /// Creates the events of the steps that were applied to the images of a plan, in plan order.
    /// Skips `Image Expired` for images that were already `announced`. `sizes` are the sizes in GiB
    /// of the snapshots that were deleted together with their images.
    pub fn of_images(
        &self,
        plan: &Plan,
        outcome: &Outcome,
        announced: &HashSet<ImageId>,
        sizes: &HashMap<SnapshotId, u32>,
    ) -> Vec<Event> {
        let mut taken: HashMap<&ImageId, Vec<StepKind>> = HashMap::new();
        for record in outcome.steps.iter().filter(|one| one.result == StepResult::Done) {
            if let Some(image) = record.resource.as_image() {
                taken.entry(image).or_default().push(record.step);
            }
        }
        let deleted: HashSet<&SnapshotId> =
            outcome.snapshots_done(StepKind::DeleteSnapshot).collect();
        let mut events = Vec::new();
        for decision in &plan.decisions {
            let id = &decision.image_id;
            let is_new = |step: &&StepKind| **step != StepKind::Expire || !announced.contains(id);
            let steps = taken.get(id).into_iter().flatten().filter(is_new);
            events.extend(steps.filter_map(|step| self.of_step(decision, *step)));
            for snapshot in decision.snapshots.iter().filter(|id| deleted.contains(id)) {
                events.push(Event::SnapshotDeleted(SnapshotStep {
                    header: self.header(),
                    snapshot_id: snapshot.to_string(),
                    image_id: Some(id.to_string()),
                    size_gib: sizes.get(snapshot).copied(),
                    reasons: vec![EventReason {
                        reason: "image_deregistered".to_owned(),
                        text: "deleted together with its image".to_owned(),
                        details: BTreeMap::new(),
                    }],
                    delete_after: None,
                    at: self.now.to_string(),
                    opt_out_tag: self.keep.to_owned(),
                }));
            }
        }
        events
    }

    fn of_step(&self, decision: &Decision, step: StepKind) -> Option<Event> {
        Some(match step {
            StepKind::Expire => Event::ImageExpired(self.expired(decision)),
            StepKind::Rescue => Event::ImageRescued(self.image_step(decision)),
            StepKind::Deprecate => Event::ImageDeprecated(self.image_step(decision)),
            StepKind::Disable => Event::ImageDisabled(self.image_step(decision)),
            StepKind::Deregister => Event::ImageDeregistered(self.image_step(decision)),
            StepKind::Tag
            | StepKind::Share
            | StepKind::Verify
            | StepKind::Recheck
            | StepKind::WriteStateTags
            | StepKind::MarkOrphan
            | StepKind::DeleteSnapshot
            | StepKind::RetireInstance => return None,
        })
    }

    /// A run can apply the first step to an image that it has just found expired. The event names
    /// that step as the next one, whether it succeeded or must be repeated.
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
        ImageStep {
            header: self.header_with(decision.reasons.len()),
            image_id: decision.image_id.to_string(),
            name: decision.name.to_string(),
            rule: decision.rule.as_deref().map(Into::into),
            family: decision.family.as_deref().map(Into::into),
            reasons: event_reasons(&decision.reasons, self.words()),
            created_at: decision.created_at.map(|at| at.to_string()),
            expired_at: decision.expired_at.map(|at| at.to_string()),
            at: self.now.to_string(),
            next: decision.next.map(|next| next_step(next.action, next.at)),
            opt_out_tag: self.keep.to_owned(),
            snapshots: decision.snapshots.iter().map(ToString::to_string).collect(),
        }
    }

    /// Creates an event `Snapshot Marked` for each snapshot that must be announced before it is
    /// tagged.
    pub fn of_orphans(&self, plan: &SnapshotPlan) -> Vec<(SnapshotId, Event)> {
        let announced = plan.decisions.iter().filter(|one| plan.announces(one));
        announced
            .map(|one| {
                let mut step = self.snapshot_step(one);
                // A snapshot that is deleted in the same run has no date of its own.
                step.delete_after.get_or_insert_with(|| self.now.to_string());
                (one.snapshot_id.clone(), Event::SnapshotMarked(step))
            })
            .collect()
    }

    fn snapshot_step(&self, decision: &SnapshotDecision) -> SnapshotStep {
        SnapshotStep {
            header: self.header_with(decision.reasons.len()),
            snapshot_id: decision.snapshot_id.to_string(),
            image_id: decision.image.as_ref().map(ToString::to_string),
            size_gib: decision.size_gib,
            reasons: event_reasons(&decision.reasons, self.words()),
            delete_after: decision.delete_after.map(|at| at.to_string()),
            at: self.now.to_string(),
            opt_out_tag: self.keep.to_owned(),
        }
    }

    /// Creates the events of the snapshots of a plan. Skips `Snapshot Marked` for snapshots that
    /// were already `announced`.
    pub fn of_snapshots(
        &self,
        decisions: &[SnapshotDecision],
        outcome: &Outcome,
        announced: &HashSet<SnapshotId>,
    ) -> Vec<Event> {
        let marked: HashSet<&SnapshotId> = outcome.snapshots_done(StepKind::MarkOrphan).collect();
        let deleted: HashSet<&SnapshotId> =
            outcome.snapshots_done(StepKind::DeleteSnapshot).collect();
        let mut events = Vec::new();
        for decision in decisions {
            let id = &decision.snapshot_id;
            if marked.contains(id) && !announced.contains(id) {
                events.push(Event::SnapshotMarked(self.snapshot_step(decision)));
            }
            if deleted.contains(id) {
                events.push(Event::SnapshotDeleted(self.snapshot_step(decision)));
            }
        }
        events
    }

    /// Creates the event of a retired instance.
    pub fn of_instance(&self, decision: &InstanceDecision) -> Option<Event> {
        if decision.action == InstanceAction::Keep {
            return None;
        }
        Some(Event::InstanceRetired(InstanceRetired {
            header: self.header_with(decision.reasons.len()),
            instance_id: decision.instance_id.to_string(),
            image_id: decision.image_id.as_ref().map(ToString::to_string),
            action: decision.action.to_string(),
            reasons: event_reasons(&decision.reasons, self.words()),
            at: self.now.to_string(),
        }))
    }

    /// Creates the event of a completed sweep, after the event of its refusal if it refused.
    /// `notes` are the notes of its plan.
    pub fn of_sweep(
        &self,
        function: &str,
        mode: Mode,
        status: Status,
        refusal: Option<&Refusal>,
        counts: &Counts,
        notes: &[Note],
    ) -> Vec<Event> {
        let refused = refusal.map(|refusal| {
            Event::SweepRefused(SweepRefused {
                header: self.header(),
                function: function.to_owned(),
                refusal: event_reason(refusal, self.words()),
                at: self.now.to_string(),
            })
        });
        let omitted = notes.len().saturating_sub(MAX_NOTES);
        let completed = Event::SweepCompleted(SweepCompleted {
            header: EventHeader { omitted, ..self.header() },
            function: function.to_owned(),
            mode: mode.to_string(),
            status: status.to_string(),
            at: self.now.to_string(),
            notes: event_notes(notes),
            counts: counts.clone(),
        });
        refused.into_iter().chain([completed]).collect()
    }
}

fn next_step(step: Step, at: Timestamp) -> NextStep {
    NextStep { action: step.to_string(), at: at.to_string() }
}

/// Returns the first notes, warnings first.
fn event_notes(notes: &[Note]) -> Vec<EventNote> {
    let mut notes: Vec<&Note> = notes.iter().collect();
    notes.sort_by_key(|note| !note.is_warning());
    let event_note = |note: &Note| EventNote {
        note: note.kind().to_owned(),
        warning: note.is_warning(),
        text: excerpt(&note.to_string(), MAX_NOTE_LENGTH),
    };
    notes.into_iter().take(MAX_NOTES).map(event_note).collect()
}

fn event_reasons<R: Serialize + InWords>(reasons: &[R], words: &ProviderWords) -> Vec<EventReason>
where
    for<'r> &'r R: Into<&'static str>,
{
    reasons.iter().take(MAX_REASONS).map(|one| event_reason(one, words)).collect()
}

/// Creates a reason with its kind, its text and its details.
fn event_reason<R: Serialize + InWords>(reason: &R, words: &ProviderWords) -> EventReason
where
    for<'r> &'r R: Into<&'static str>,
{
    let kind: &'static str = reason.into();
    let mut details: BTreeMap<String, Value> =
        serde_json::to_value(reason).and_then(serde_json::from_value).unwrap_or_default();
    // `reason` is the tag of the enum and has a field of its own.
    details.remove("reason");
    EventReason { reason: kind.to_owned(), text: reason.in_words(words).to_string(), details }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warnings_come_before_the_information_and_no_note_is_long() {
        let notes = [
            Note::OtherImageTypes { count: 2 },
            Note::SingleFamilies { rule: "x".repeat(5_000).into(), families: 4, single: 3 },
        ];
        let notes = event_notes(&notes);
        let kinds: Vec<_> = notes.iter().map(|one| (one.note.as_str(), one.warning)).collect();
        assert_eq!(kinds, [("single_families", true), ("other_image_types", false)]);
        assert_eq!(notes[0].text.chars().count(), MAX_NOTE_LENGTH + 1);
    }
}
