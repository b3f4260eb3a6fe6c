//! The way out for news.

use std::future::Future;

use super::CloudError;

/// One message for an event bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who tells.
    pub source: &'static str,
    /// What kind of news it is, for example `Image Expired`.
    pub detail_type: &'static str,
    /// The news: a JSON object.
    pub detail: String,
    /// What it is about: ARNs.
    pub resources: Vec<String>,
}

impl Message {
    /// What the message counts for against [`EventBus::BYTES`].
    pub fn bytes(&self) -> usize {
        let Self { source, detail_type, detail, resources } = self;
        let resources: usize = resources.iter().map(String::len).sum();
        source.len() + detail_type.len() + detail.len() + resources
    }
}

/// A bus that takes messages.
pub trait EventBus: Sync {
    /// At most so many messages go in one call.
    const BATCH: usize = 10;
    /// And together at most so much. EventBridge's limit was 256 KiB for long and may be more by
    /// now; below it is room for what surrounds each message.
    const BYTES: usize = 240 * 1024;

    /// Puts `messages` on the bus, at most [`EventBus::BATCH`] of them, and says of each, in their
    /// order, whether the bus took it.
    ///
    /// # Errors
    /// When the call as a whole failed; then none was taken for sure.
    fn put(
        &self,
        bus: &str,
        messages: &[Message],
    ) -> impl Future<Output = Result<Vec<Result<(), CloudError>>, CloudError>> + Send;

    /// Waits a moment before what was not taken is sent once more, the longer the more often that
    /// was tried: `round` counts from 1.
    fn rest(&self, round: u32) -> impl Future<Output = ()> + Send;
}
