//! One read call per item, with limited concurrency.

use std::future::Future;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use crate::cloud::CloudError;
use crate::model::{Inventory, Source};
use crate::progress::RunContext;

/// The maximum number of concurrent read calls.
const CALLS_IN_FLIGHT: usize = 8;
/// The result of reading a list of items.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadResult {
    Complete,
    Failed,
    OutOfTime,
}

impl ReadResult {
    /// Returns the worse of the two results.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Failed, _) | (_, Self::Failed) => Self::Failed,
            (Self::OutOfTime, _) | (_, Self::OutOfTime) => Self::OutOfTime,
            (Self::Complete, Self::Complete) => Self::Complete,
        }
    }
}

/// Reading stops if less than this is left, so that there is time to apply the steps.
const VERIFY_MARGIN: Duration = Duration::from_secs(30);

/// An item, its response and the time of the request; `None` if the deadline was too close.
pub(super) type Response<I, T> = (I, Option<(Result<T, CloudError>, Duration)>);

/// Makes one read call per item, several concurrently, until the deadline is too close. `weight`
/// returns how much an item adds to the progress.
pub(super) async fn read_each<I: Clone, T, F>(
    items: Vec<I>,
    weight: impl Fn(&I) -> usize,
    read: impl Fn(I) -> F,
    context: RunContext<'_>,
) -> Vec<Response<I, T>>
where
    F: Future<Output = Result<T, CloudError>>,
{
    let (weight, read) = (&weight, &read);
    stream::iter(items)
        .map(|item| async move {
            if context.left() < VERIFY_MARGIN {
                return (item, None);
            }
            let at = context.elapsed();
            let response = read(item.clone()).await;
            context.done(weight(&item));
            (item, Some((response, at)))
        })
        .buffer_unordered(CALLS_IN_FLIGHT)
        .collect()
        .await
}

/// Passes each response to `store`. If `store` returns an error, the whole read has failed and
/// `source` is recorded as unread.
pub(super) fn store_each<I, T>(
    responses: Vec<Response<I, T>>,
    source: Source,
    inventory: &mut Inventory,
    mut store: impl FnMut(&mut Inventory, I, Result<T, CloudError>, Duration) -> Result<(), CloudError>,
) -> ReadResult {
    let mut ended = ReadResult::Complete;
    let mut failure = None;
    for (item, response) in responses {
        match response.map(|(response, at)| store(inventory, item, response, at)) {
            None => ended = ReadResult::OutOfTime,
            Some(Ok(())) => {}
            Some(Err(error)) => failure = Some(error),
        }
    }
    if failure.is_some() {
        ended = ReadResult::Failed;
    }
    note_failure(source, failure, inventory);
    ended
}

/// Records `source` as unread if there was a failure.
pub(super) fn note_failure(source: Source, failure: Option<CloudError>, inventory: &mut Inventory) {
    if let Some(error) = failure {
        tracing::warn!(%source, %error, "failed to read source");
        inventory.unread.push(error.unread(source));
    }
}
