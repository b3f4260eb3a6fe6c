//! Publishing events.

use async_trait::async_trait;

use super::CloudError;

/// One message for an event bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The source that the event names.
    pub source: &'static str,
    /// The kind of event, for example `Image Expired`.
    pub detail_type: &'static str,
    /// The event itself: a JSON object.
    pub detail: String,
    /// The ARNs of the resources that the event is about.
    pub resources: Vec<String>,
}

impl Message {
    /// The size of the message, in bytes, as it counts against [`MAX_BATCH_BYTES`].
    pub fn bytes(&self) -> usize {
        let Self { source, detail_type, detail, resources } = self;
        let resources: usize = resources.iter().map(String::len).sum();
        source.len() + detail_type.len() + detail.len() + resources
    }
}

/// The maximum number of messages in one call.
pub const MAX_BATCH: usize = 10;
/// The maximum size of the messages of one call together, in bytes. EventBridge's limit was
/// 256 KiB for a long time and may be higher by now; the rest is room for what surrounds each
/// message.
pub const MAX_BATCH_BYTES: usize = 240 * 1024;

/// A bus that takes messages, and its name.
#[derive(Clone, Copy)]
pub struct NamedBus<'a> {
    /// The port.
    pub bus: &'a dyn EventBus,
    /// The name of the bus.
    pub name: &'a str,
}

/// A bus that takes messages.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Puts `messages` on the bus named `bus`, at most [`MAX_BATCH`] of them, and returns for each
    /// of them, in their order, whether the bus took it.
    ///
    /// # Errors
    /// When the call as a whole failed; then it is certain that none was taken.
    async fn put(
        &self,
        bus: &str,
        messages: &[Message],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError>;

    /// Waits before messages that were not taken are sent again, longer each time: `attempt`
    /// counts from 1.
    async fn back_off(&self, attempt: u32);
}
