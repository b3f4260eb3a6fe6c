//! Writing one set of tags on many resources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::cloud::{Cloud, CloudError, ErrorKind};
use crate::model::{ResourceId, Tags};

/// The maximum number of denied calls in a run after the first one. Finding one denied resource
/// among 1,000 takes half of these calls. If all are denied, the limit avoids further calls.
pub const MAX_DENIED_CALLS: usize = 20;
/// The limit for other errors of single resources, for example a missing resource or too many tags.
const MAX_OTHER_CALLS: usize = 200;

/// Writes tags in batches, for one run, also concurrently. The provider rejects a whole batch
/// because of a single resource and does not report which one. Such a batch is split in halves, so
/// that the other resources are tagged.
pub(crate) struct TagBatches<'a> {
    cloud: &'a dyn Cloud,
    /// Where to begin in a batch. It differs between runs, so that a later run does not spend its
    /// calls on the same resources.
    turn: usize,
    failures: Mutex<Failures>,
}

/// The failed calls of a run.
#[derive(Default)]
struct Failures {
    /// The number of denied calls.
    denied: usize,
    last_denied: Option<CloudError>,
    /// The number of calls that failed for another reason.
    others: usize,
}

impl<'a> TagBatches<'a> {
    /// Creates a writer for the run that began at `now`.
    pub(crate) fn new(cloud: &'a dyn Cloud, now: Timestamp) -> Self {
        // Fibonacci hashing: runs that are an hour or a day apart begin at different positions.
        let mixed = now.as_second().unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let turn = usize::try_from(mixed).unwrap_or_default();
        Self { cloud, turn, failures: Mutex::default() }
    }

    /// Returns where to begin in a list of `length` resources. It differs between runs.
    pub(crate) fn begin(&self, length: usize) -> usize {
        self.turn % length.max(1)
    }

    /// Sets `tags` on every resource. Returns one result per resource. A resource that was not
    /// tried individually, because too many calls of the run have failed, gets the error of its
    /// batch.
    pub(crate) async fn set_tags(
        &self,
        resources: &[ResourceId],
        tags: &Tags,
    ) -> Vec<Result<(), CloudError>> {
        // EC2 does not document what it does with duplicate IDs.
        let unique: BTreeSet<&ResourceId> = resources.iter().collect();
        if unique.len() == resources.len() {
            return self.set_unique(resources, tags).await;
        }
        let unique: Vec<ResourceId> = unique.into_iter().cloned().collect();
        let results = self.set_unique(&unique, tags).await;
        let results: BTreeMap<&ResourceId, Result<(), CloudError>> =
            unique.iter().zip(results).collect();
        resources.iter().filter_map(|one| results.get(one).cloned()).collect()
    }

    async fn set_unique(
        &self,
        resources: &[ResourceId],
        tags: &Tags,
    ) -> Vec<Result<(), CloudError>> {
        if let Some(error) = self.all_denied() {
            let error = untried(error, "too many calls of this run were denied");
            return resources.iter().map(|_| Err(error.clone())).collect();
        }
        let Err(error) = self.set(resources, tags).await else {
            return resources.iter().map(|_| Ok(())).collect();
        };
        let begin = self.begin(resources.len());
        let (front, back) = resources.split_at(begin);
        let turned = [back, front].concat();
        let mut results: Vec<Result<(), CloudError>> = turned.iter().map(|_| Ok(())).collect();
        let mut failed = vec![(0..turned.len(), error)];
        while let Some((batch, error)) = failed.pop() {
            if batch.len() < 2 || !self.may_split(error.kind) {
                let error = match batch.len() {
                    0 | 1 => error,
                    _ => {
                        untried(error, "the batch failed, and too many of its parts failed as well")
                    }
                };
                results[batch].fill(Err(error));
                continue;
            }
            let middle = batch.start + batch.len() / 2;
            for half in [middle..batch.end, batch.start..middle] {
                if let Err(error) = self.set(&turned[half.clone()], tags).await {
                    failed.push((half, error));
                }
            }
        }
        results.rotate_right(begin);
        results
    }

    async fn set(&self, resources: &[ResourceId], tags: &Tags) -> Result<(), CloudError> {
        let result = self.cloud.set_tags(resources, tags).await;
        if let Err(error) = &result {
            let mut failures = self.failures();
            match error.kind {
                ErrorKind::Denied => {
                    failures.denied += 1;
                    failures.last_denied = Some(error.clone());
                }
                _ => failures.others += 1,
            }
        }
        result
    }

    /// Returns the error of the last denied call, if too many calls were denied.
    fn all_denied(&self) -> Option<CloudError> {
        let failures = self.failures();
        failures.last_denied.clone().filter(|_| failures.denied > MAX_DENIED_CALLS)
    }

    /// Returns whether to split a batch that failed with this kind of error. Both halves can fail
    /// too.
    fn may_split(&self, kind: ErrorKind) -> bool {
        let failures = self.failures();
        match kind {
            ErrorKind::Denied => failures.denied < MAX_DENIED_CALLS,
            ErrorKind::NotFound | ErrorKind::Busy | ErrorKind::Other => {
                failures.others < MAX_OTHER_CALLS
            }
            // The next call would fail for the same reason.
            ErrorKind::Credentials | ErrorKind::Throttled | ErrorKind::Unreachable => false,
        }
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adapts the error of a batch for a resource that was not tried individually.
fn untried(error: CloudError, why: &str) -> CloudError {
    let message = format!("{}; not tried individually: {why}", error.message);
    match error.kind {
        // It is unknown which resource is missing. This one may exist.
        ErrorKind::NotFound => CloudError { message, kind: ErrorKind::Other, ..error },
        ErrorKind::Denied | ErrorKind::Busy | ErrorKind::Other => CloudError { message, ..error },
        ErrorKind::Credentials | ErrorKind::Throttled | ErrorKind::Unreachable => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise an image would be deregistered although its snapshot lacks the state tags.
    #[test]
    fn what_was_not_tried_is_not_gone() {
        let error = CloudError {
            call: "ec2:CreateTags",
            kind: ErrorKind::NotFound,
            code: "InvalidSnapshot.NotFound".to_owned(),
            message: "snap-1 does not exist".to_owned(),
        };
        let untried = untried(error, "too many calls failed");
        assert_eq!(untried.kind, ErrorKind::Other);
        assert!(untried.message.contains("not tried individually"), "{untried}");
    }
}
