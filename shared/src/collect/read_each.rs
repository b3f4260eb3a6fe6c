//! Making one reading call for each of many things.

use std::future::Future;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use crate::cloud::CloudError;
use crate::model::{Inventory, Source};
use crate::progress::RunContext;

/// How many reading calls are in flight at once.
const CALLS_IN_FLIGHT: usize = 8;
/// How a reading ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadResult {
    Complete,
    Failed,
    OutOfTime,
}

impl ReadResult {
    /// The worse of the two.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Failed, _) | (_, Self::Failed) => Self::Failed,
            (Self::OutOfTime, _) | (_, Self::OutOfTime) => Self::OutOfTime,
            (Self::Complete, Self::Complete) => Self::Complete,
        }
    }
}

/// Reading stops when less than this is left, so that what it was read for gets done.
const VERIFY_MARGIN: Duration = Duration::from_secs(30);

/// What was asked, and the response with the time when it was asked for; `None` when there was no time.
pub(super) type Response<I, T> = (I, Option<(Result<T, CloudError>, Duration)>);

/// Makes one reading call for each of `items`, several at once, as long as there is time.
/// `weight` is what an item counts for in the progress.
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

/// Passes each response to `store`. An error that it returns makes the whole reading fail, and `source`
/// is unread.
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

/// Notes that `source` could not be read, if so.
pub(super) fn note_failure(source: Source, failure: Option<CloudError>, inventory: &mut Inventory) {
    if let Some(error) = failure {
        tracing::warn!(%source, %error, "source not read");
        inventory.unread.push(error.unread(source));
    }
}
