//! Publishing events.

use async_trait::async_trait;

use super::CloudError;

/// One message for an event bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The source in the event's envelope.
    pub source: &'static str,
    /// The event type, for example `Image Expired`.
    pub detail_type: &'static str,
    /// The event's detail: a JSON object.
    pub detail: String,
    /// The ARNs of the resources in the event.
    pub resources: Vec<String>,
}

impl Message {
    /// Returns the size of the message in bytes, as it counts against [`MAX_BATCH_BYTES`].
    pub fn bytes(&self) -> usize {
        let Self { source, detail_type, detail, resources } = self;
        let resources: usize = resources.iter().map(String::len).sum();
        source.len() + detail_type.len() + detail.len() + resources
    }
}

/// The maximum number of messages in one call.
pub const MAX_BATCH: usize = 10;
/// The maximum total size of the messages of one call, in bytes. EventBridge's limit was 256 KiB
/// for a long time and may be higher now. The margin covers the envelope of each message.
pub const MAX_BATCH_BYTES: usize = 240 * 1024;

/// An event bus and its name.
#[derive(Clone, Copy)]
pub struct NamedBus<'a> {
    /// The port to the bus.
    pub bus: &'a dyn EventBus,
    /// The name or ARN of the bus.
    pub name: &'a str,
}

/// An event bus.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Puts `messages`, at most [`MAX_BATCH`], on the bus named `bus`. Returns for each message, in
    /// order, whether the bus accepted it.
    ///
    /// # Errors
    /// Returns an error if the whole call failed. In this case no message was accepted.
    async fn put(
        &self,
        bus: &str,
        messages: &[Message],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError>;

    /// Waits before rejected messages are sent again. `attempt` starts at 1, and each wait is
    /// longer.
    async fn back_off(&self, attempt: u32);
}
