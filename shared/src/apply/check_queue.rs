//! What is to be done, in batches that are checked together.

use std::collections::VecDeque;

use super::recheck::MAX_BATCH;

/// How often a resource is checked before it is left to a later run: the provider is too slow, or others
/// use up what it allows.
const MAX_CHECKS: u8 = 5;
/// After so many batches in a row of which nothing was done in time, nothing more is tried.
const MAX_STALE_BATCHES: u8 = 3;

/// Resources that wait for their check and what follows. Those whose check grew too old before their turn
/// came are checked again, in smaller batches.
pub(super) struct CheckQueue<T> {
    due: VecDeque<Checked<T>>,
    size: usize,
    /// How many batches in a row were wholly too late.
    stale_batches: u8,
}

/// A resource, and how often it was checked.
struct Checked<T> {
    resource: T,
    checks: u8,
}

/// What is checked together.
pub(super) struct CheckBatch<T>(Vec<Checked<T>>);

impl<T: Clone> CheckBatch<T> {
    /// The resources, in order.
    pub(super) fn resources(&self) -> Vec<T> {
        self.0.iter().map(|one| one.resource.clone()).collect()
    }
}

impl<T: Clone> CheckQueue<T> {
    pub(super) fn new(resources: impl IntoIterator<Item = T>) -> Self {
        let due = resources.into_iter().map(|resource| Checked { resource, checks: 0 });
        Self { due: due.collect(), size: MAX_BATCH, stale_batches: 0 }
    }

    /// How many are waiting.
    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    /// The next batch; `None` when nothing is left.
    pub(super) fn next(&mut self) -> Option<CheckBatch<T>> {
        let size = self.size.min(self.due.len());
        (size > 0).then(|| CheckBatch(self.due.drain(..size).collect()))
    }

    /// Takes the results of a batch, in its order: `None` for what was not done in time. Returns what
    /// ended, with `None` for what will not be tried again.
    pub(super) fn end<R>(
        &mut self,
        batch: CheckBatch<T>,
        results: Vec<Option<R>>,
    ) -> Vec<(T, Option<R>)> {
        let length = batch.0.len();
        debug_assert_eq!(results.len(), length, "one result for each");
        let (mut ended, mut stale) = (Vec::with_capacity(length), Vec::new());
        for (one, result) in batch.0.into_iter().zip(results) {
            let checks = one.checks + 1;
            if result.is_none() && checks < MAX_CHECKS {
                stale.push(Checked { checks, ..one });
            } else {
                ended.push((one.resource, result));
            }
        }
        // As many as can be done in time.
        self.size = match stale.len() {
            0 => MAX_BATCH.min(2 * self.size),
            stale => (length - stale).max(1),
        };
        let all_stale = stale.len() == length;
        self.stale_batches = if all_stale { self.stale_batches + 1 } else { 0 };
        if all_stale {
            // Behind the others: one that is slow must not keep them from being tried.
            self.due.extend(stale);
        } else {
            stale.into_iter().rev().for_each(|one| self.due.push_front(one));
        }
        if self.stale_batches >= MAX_STALE_BATCHES {
            tracing::warn!(left = self.due.len(), "checks grow too old before their turn comes");
            ended.extend(self.due.drain(..).map(|one| (one.resource, None)));
        }
        ended
    }
}
