//! The way out for news.

use std::future::Future;

use super::CloudError;

/// One message for an event bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What kind of news it is, for example `Image Expired`.
    pub detail_type: &'static str,
    /// The news: a JSON object.
    pub detail: String,
    /// What it is about: ARNs.
    pub resources: Vec<String>,
}

/// A bus that takes messages.
pub trait EventBus: Sync {
    /// Puts `messages` on the bus, at most [`EventBus::BATCH`] at once, and says of each, in their
    /// order, whether the bus took it.
    ///
    /// # Errors
    /// When the call as a whole failed; then none was taken for sure.
    fn put(
        &self,
        bus: &str,
        messages: &[Message],
    ) -> impl Future<Output = Result<Vec<Result<(), CloudError>>, CloudError>> + Send;

    /// PutEvents takes at most so many entries a call.
    const BATCH: usize = 10;
}
