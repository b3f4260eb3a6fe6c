//! A queue of resources that are checked in batches right before their steps.

use std::collections::VecDeque;

use super::recheck::MAX_BATCH;

/// The maximum number of checks per resource in one run. After that the resource is left to a later
/// run, because the provider is too slow or other clients use up its rate limit.
const MAX_CHECKS: u8 = 5;
/// The run gives up after this many consecutive batches in which every check expired.
const MAX_STALE_BATCHES: u8 = 3;

/// Resources that wait for a check and then for their step. A check can expire before the step's
/// call is sent; then the resource is checked again, in a smaller batch.
pub(super) struct CheckQueue<T> {
    due: VecDeque<Checked<T>>,
    size: usize,
    /// The number of consecutive batches in which every check expired.
    stale_batches: u8,
}

/// A resource and the number of times that it was checked.
struct Checked<T> {
    resource: T,
    checks: u8,
}

/// The resources of one check.
pub(super) struct CheckBatch<T>(Vec<Checked<T>>);

impl<T: Clone> CheckBatch<T> {
    /// Returns the resources in queue order.
    pub(super) fn resources(&self) -> Vec<T> {
        self.0.iter().map(|one| one.resource.clone()).collect()
    }
}

impl<T: Clone> CheckQueue<T> {
    pub(super) fn new(resources: impl IntoIterator<Item = T>) -> Self {
        let due = resources.into_iter().map(|resource| Checked { resource, checks: 0 });
        Self { due: due.collect(), size: MAX_BATCH, stale_batches: 0 }
    }

    /// Returns the number of resources in the queue.
    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    /// Removes the next batch from the queue. Returns `None` if the queue is empty.
    pub(super) fn next(&mut self) -> Option<CheckBatch<T>> {
        let size = self.size.min(self.due.len());
        (size > 0).then(|| CheckBatch(self.due.drain(..size).collect()))
    }

    /// Records the results of a batch, in the order of its resources. `None` means that the check
    /// expired. Returns the resources that are finished; their result is `None` if this run does
    /// not try them again.
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
        // The number of steps that fitted into the lifetime of a check.
        self.size = match stale.len() {
            0 => MAX_BATCH.min(2 * self.size),
            stale => (length - stale).max(1),
        };
        let all_stale = stale.len() == length;
        self.stale_batches = if all_stale { self.stale_batches + 1 } else { 0 };
        if all_stale {
            // Append them, so that one slow resource does not block the others.
            self.due.extend(stale);
        } else {
            stale.into_iter().rev().for_each(|one| self.due.push_front(one));
        }
        if self.stale_batches >= MAX_STALE_BATCHES {
            tracing::warn!(
                left = self.due.len(),
                "checks became too old repeatedly; skipping the remaining resources"
            );
            ended.extend(self.due.drain(..).map(|one| (one.resource, None)));
        }
        ended
    }
}
