//! EventBridge: publishing events.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use steward::cloud::{CloudError, EventBus, Message};

use super::Aws;
use super::api_call::ApiCall;
use super::error::entry_failed;

#[async_trait]
impl EventBus for Aws {
    /// A response with status 200 contains a result for each entry, which may be an error.
    async fn put(
        &self,
        bus: &str,
        messages: &[Message],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let entries = messages.iter().map(|message| {
            let Message { source, detail_type, detail, resources } = message;
            PutEventsRequestEntry::builder()
                .source(*source)
                .event_bus_name(bus)
                .detail_type(*detail_type)
                .detail(detail)
                .set_resources(Some(resources.clone()))
                .build()
        });
        let request = self.clients.events.put_events().set_entries(Some(entries.collect()));
        let answer = self.send(ApiCall::PutEvents, request.send()).await?;
        let results = answer.entries.unwrap_or_default();
        Ok(messages
            .iter()
            .enumerate()
            .map(|(place, _)| match results.get(place) {
                Some(entry) if entry.event_id.is_some() && entry.error_code.is_none() => Ok(()),
                Some(entry) => Err(entry_failed(
                    ApiCall::PutEvents,
                    entry.error_code.as_deref(),
                    entry.error_message.as_deref(),
                )),
                None => Err(entry_failed(ApiCall::PutEvents, None, None)),
            })
            .collect())
    }

    /// The SDK retries failed calls with a backoff, but a call with rejected entries has not failed.
    async fn back_off(&self, attempt: u32) {
        let delay = Duration::from_millis(250) * attempt.saturating_mul(attempt);
        tokio::time::sleep(delay).await;
    }
}
