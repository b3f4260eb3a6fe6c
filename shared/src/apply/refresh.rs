//! Reads permissions that are missing or too old.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::IN_FLIGHT;
use crate::cloud::{CloudError, ErrorKind, Readings};
use crate::model::LaunchPermission;
use crate::progress::RunContext;

/// A reading is repeated if it becomes too old within this time, so that it is still recent when
/// the batch is checked.
const LEAD: Duration = Duration::from_secs(30);

/// Reads the permissions of each of `ids` and adds them to `readings`, unless they are recent.
/// Returns the errors. A missing resource is not an error: the next check finds it missing.
pub(super) async fn refresh<'i, I, F>(
    readings: &mut Readings<I>,
    ids: impl IntoIterator<Item = &'i I>,
    read: impl Fn(I) -> F,
    context: RunContext<'_>,
) -> HashMap<I, CloudError>
where
    I: Clone + Eq + Hash + 'i,
    F: Future<Output = Result<Vec<LaunchPermission>, CloudError>>,
{
    let soon = context.elapsed() + LEAD;
    let unknown = ids.into_iter().filter(|id| readings.recent(id, soon).is_none());
    let unknown: Vec<I> = unknown.cloned().collect();
    let read = &read;
    let mut responses = stream::iter(unknown)
        .map(|id| async move {
            let at = context.elapsed();
            (id.clone(), read(id).await, at)
        })
        .buffer_unordered(IN_FLIGHT);
    let mut unread = HashMap::new();
    while let Some((id, with, at)) = responses.next().await {
        match with {
            Ok(with) => readings.note(id, with.into(), at),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => {
                unread.insert(id, error);
            }
        }
    }
    unread
}
