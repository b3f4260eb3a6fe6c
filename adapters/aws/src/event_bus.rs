//! EventBridge: telling others.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use steward::cloud::{CloudError, Message};

use super::Aws;
use super::error::entry_failed;
use super::rate_limit::ApiCall;

impl Aws {
    /// An answer of 200 says of each entry whether it was taken.
    pub(super) async fn put_messages(
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
        let request = self.events.put_events().set_entries(Some(entries.collect()));
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
}
