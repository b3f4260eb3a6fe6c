//! Publishing events.

use async_trait::async_trait;
use steward::cloud::{CloudError, EventBus, MAX_BATCH, Message};

use super::faults::error;
use super::{Call, Fake};

#[async_trait]
impl EventBus for Fake {
    async fn put(
        &self,
        bus: &str,
        messages: &[Message],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        const ACTION: &str = "events:PutEvents";
        self.changing(Call::Put(bus.to_owned(), messages.to_vec()), |inner| {
            inner.faults.check(ACTION, &[bus])?;
            if messages.is_empty() || messages.len() > MAX_BATCH {
                let message = format!("{} entries: there may be 1 to 10", messages.len());
                return Err(error::of(ACTION, "ValidationException", &message));
            }
            let rejected = &mut inner.faults.switches.reject_events;
            let mut results = Vec::with_capacity(messages.len());
            for message in messages {
                results.push(if *rejected > 0 {
                    *rejected -= 1;
                    Err(error::of(ACTION, "InternalFailure", "rejected by a switch"))
                } else {
                    inner.messages.push(message.clone());
                    Ok(())
                });
            }
            inner.faults.changed(ACTION)?;
            Ok(results)
        })
    }

    async fn back_off(&self, _: u32) {}
}
