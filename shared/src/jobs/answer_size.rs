//! The size limit of a response: Lambda allows 6 MB.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Answer, Pruned, Reaped, Retired, Tagged};
use crate::apply::Outcome;

/// The maximum number of decisions in a response.
pub const MAX_DECISIONS: usize = 1_000;
/// The maximum number of step records and IDs in a response.
pub const MAX_RECORDS: usize = 5_000;
/// The maximum total size of the lists in a response, in bytes of JSON.
const MAX_BYTES: usize = 5_000_000;

/// The number of dropped items, by list name. The log contains all items.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Omitted(BTreeMap<&'static str, usize>);

impl Omitted {
    /// Returns whether the response is complete.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Answer {
    /// Limits the lists of the response.
    pub(super) fn bounded(mut self) -> Self {
        self.fit(MAX_BYTES);
        self
    }

    fn fit(&mut self, max_bytes: usize) {
        match self {
            Self::Ignored { .. } => {}
            Self::Tagged(Tagged { mode: _, image_id: _, tagged, dropped, not_tagged, omitted }) => {
                let mut room = Room { bytes: max_bytes, omitted };
                room.fit("not_tagged", not_tagged, MAX_RECORDS);
                room.fit("tagged", tagged, MAX_RECORDS);
                room.fit("dropped", dropped, MAX_RECORDS);
            }
            Self::Pruned(Pruned { mode: _, summary: _, decisions, tagged, outcome, omitted }) => {
                let mut room = Room { bytes: max_bytes, omitted };
                room.fit_outcome(outcome);
                room.fit("decisions", decisions, MAX_DECISIONS);
                room.fit("tagged", tagged, MAX_DECISIONS);
            }
            Self::Reaped(Reaped { mode: _, orphans, due, kept, outcome, omitted }) => {
                let mut room = Room { bytes: max_bytes, omitted };
                room.fit_outcome(outcome);
                room.fit("kept", kept, MAX_DECISIONS);
                room.fit("orphans", orphans, MAX_RECORDS);
                room.fit("due", due, MAX_RECORDS);
            }
            Self::Retired(Retired { mode: _, retired, kept, not_retired, omitted }) => {
                let mut room = Room { bytes: max_bytes, omitted };
                room.fit("not_retired", not_retired, MAX_RECORDS);
                room.fit("retired", retired, MAX_DECISIONS);
                room.fit("kept", kept, MAX_DECISIONS);
            }
        }
    }
}

/// The part of the size limit that is left.
struct Room<'a> {
    bytes: usize,
    omitted: &'a mut Omitted,
}

impl Room<'_> {
    /// Keeps the items that fit into half of the remaining size, so that the other lists fit too.
    fn fit<T: Serialize>(&mut self, name: &'static str, items: &mut Vec<T>, max: usize) {
        let before = items.len();
        let mut left = self.bytes / 2;
        let mut count = 0;
        items.retain(|item| {
            let bytes = serde_json::to_vec(item).map_or(usize::MAX, |text| text.len() + 1);
            let is_kept = count < max && bytes <= left;
            if is_kept {
                left -= bytes;
                count += 1;
            }
            is_kept
        });
        self.bytes -= self.bytes / 2 - left;
        if items.len() < before {
            *self.omitted.0.entry(name).or_default() += before - items.len();
        }
    }

    /// Limits an outcome, which counts its dropped records itself. Records of applied steps are
    /// dropped first.
    fn fit_outcome(&mut self, outcome: &mut Outcome) {
        *outcome = std::mem::take(outcome).abridged(MAX_RECORDS);
        let (done, mut rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut outcome.steps).into_iter().partition(|one| one.is_done());
        let before = done.len() + rest.len();
        let (mut done, mut omitted) = (done, Omitted::default());
        let mut room = Room { bytes: self.bytes, omitted: &mut omitted };
        room.fit("steps", &mut rest, MAX_RECORDS);
        room.fit("steps", &mut done, MAX_RECORDS);
        self.bytes = room.bytes;
        outcome.omitted += before - done.len() - rest.len();
        outcome.steps = rest;
        outcome.steps.extend(done);
        outcome.sort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::{Failure, Mode, StepKind, StepRecord, StepResult};
    use crate::model::{ImageId, ResourceId};

    fn image(n: usize) -> ResourceId {
        ResourceId::Image(format!("ami-{n:017}").parse::<ImageId>().unwrap())
    }

    fn failed(n: usize, bytes: usize) -> StepRecord {
        let message = "x".repeat(bytes);
        let failure = Failure { code: "E".to_owned(), message };
        StepRecord::new(image(n), StepKind::Deregister, StepResult::Failed(failure))
    }

    fn pruned(steps: Vec<StepRecord>) -> Pruned {
        Pruned {
            mode: Mode::Apply,
            summary: Default::default(),
            decisions: Vec::new(),
            tagged: Vec::new(),
            outcome: Outcome { steps, ..Outcome::default() },
            omitted: Omitted::default(),
        }
    }

    #[test]
    fn an_answer_stays_below_its_limit_whatever_is_in_it() {
        let done = |n| StepRecord::new(image(n), StepKind::Expire, StepResult::Done);
        let steps = (0..4_000).map(|n| if n % 2 == 0 { done(n) } else { failed(n, 10_000) });
        let mut pruned = pruned(steps.collect());
        let tags = |n| crate::jobs::TaggedResource {
            resource: image(n),
            tags: (0..50).map(|key| (format!("key-{key}"), "v".repeat(250))).collect(),
        };
        pruned.tagged = (0..3_000).map(tags).collect();
        let answer = Answer::Pruned(pruned).bounded();
        let bytes = serde_json::to_vec(&answer).unwrap().len();
        assert!(bytes < MAX_BYTES + 100_000, "{bytes}");
        let Answer::Pruned(pruned) = answer else { panic!() };
        // Steps that were not applied are kept first. Both kinds are counted.
        let failures = pruned.outcome.failed().count();
        assert!((100..2_000).contains(&failures), "{failures}");
        assert_eq!(pruned.outcome.steps.len() + pruned.outcome.omitted, 4_000);
        let omitted = &pruned.omitted.0;
        assert_eq!(omitted.get("tagged"), Some(&(3_000 - pruned.tagged.len())));
        assert!(pruned.tagged.len() > 50);
    }

    #[test]
    fn one_large_item_leaves_room_for_the_others() {
        let mut answer = Answer::Pruned(pruned(vec![failed(1, 900), failed(2, 10), failed(3, 10)]));
        answer.fit(1_000);
        let Answer::Pruned(pruned) = &answer else { panic!() };
        let left: Vec<_> = pruned.outcome.steps.iter().map(|one| one.resource.clone()).collect();
        assert_eq!((left, pruned.outcome.omitted), (vec![image(2), image(3)], 1));
    }

    #[test]
    fn a_complete_answer_says_nothing_of_it() {
        let whole = pruned(vec![failed(1, 10)]);
        let answer = Answer::Pruned(whole.clone()).bounded();
        assert_eq!(answer, Answer::Pruned(whole));
        assert!(serde_json::to_value(&answer).unwrap().get("omitted").is_none());
    }
}
