//! Publishing events: in batches, with retries of rejected messages.
//!
//! Publishing is best-effort. Failures are logged and counted and never fail a run.

use std::time::Duration;

use crate::cloud::{
    CloudError, ErrorKind, EventBus, MAX_BATCH, MAX_BATCH_BYTES, Message, NamedBus,
};
use crate::events::Event;
use crate::model::{AccountRegion, Deadline};

/// The maximum number of attempts per message. The adapter itself retries calls without a response.
const MAX_ATTEMPTS: u32 = 3;
/// Nothing is sent if less time than this is left. It is more than one call can take, so that a
/// function does not time out while it publishes.
const MARGIN: Duration = Duration::from_secs(8);

/// The result of publishing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// The number of events that the bus accepted.
    pub sent: usize,
    /// The number of events that the bus rejected or that were not sent before the deadline.
    pub lost: usize,
}

/// Puts `events` on the bus named `name`, in order unless something fails. Rejected messages are
/// sent again after all others, so that one bad message does not delay the rest.
pub async fn publish(
    bus: &dyn EventBus,
    name: &str,
    target: &AccountRegion,
    events: &[Event],
    deadline: &dyn Deadline,
) -> Published {
    let accepted = publish_each(NamedBus { bus, name }, target, events, deadline).await;
    let sent = accepted.iter().filter(|one| **one).count();
    Published { sent, lost: events.len() - sent }
}

/// Publishes like [`publish`] and returns for each event, in order, whether the bus accepted it.
pub async fn publish_each(
    to: NamedBus<'_>,
    target: &AccountRegion,
    events: &[Event],
    deadline: &dyn Deadline,
) -> Vec<bool> {
    let NamedBus { bus, name } = to;
    let mut accepted = vec![false; events.len()];
    let messages = events.iter().enumerate();
    let messages = messages.filter_map(|(at, event)| Some((at, event.message(target).ok()?)));
    let mut left: Vec<Numbered> = messages.collect();
    for (at, _) in &left {
        accepted.get_mut(*at).into_iter().for_each(|one| *one = true);
    }
    for attempt in 0..MAX_ATTEMPTS {
        if attempt > 0 {
            bus.back_off(attempt).await;
        }
        let this = send(bus, name, left, deadline).await;
        left = this.rejected;
        if left.is_empty() || this.is_hopeless {
            break;
        }
    }
    for (at, _) in left {
        accepted.get_mut(at).into_iter().for_each(|one| *one = false);
    }
    let lost = accepted.iter().filter(|one| !**one).count();
    if lost > 0 {
        tracing::error!(lost, sent = events.len() - lost, bus = name, "events were lost");
    }
    accepted
}

/// A message and the position of its event.
type Numbered = (usize, Message);

/// The result of one round.
#[derive(Default)]
struct Sent {
    rejected: Vec<Numbered>,
    /// Another round would fail too.
    is_hopeless: bool,
}

/// Sends each of `messages` once.
async fn send(
    bus: &dyn EventBus,
    name: &str,
    messages: Vec<Numbered>,
    deadline: &dyn Deadline,
) -> Sent {
    let mut sent = Sent::default();
    let mut batches = batches(messages).into_iter();
    for batch in batches.by_ref() {
        if deadline.left() < MARGIN {
            sent.rejected.extend(batch);
            sent.is_hopeless = true;
            break;
        }
        let (places, messages): (Vec<usize>, Vec<Message>) = batch.into_iter().unzip();
        match bus.put(name, &messages).await {
            Ok(results) => {
                let mut results = results.into_iter();
                for (at, message) in places.into_iter().zip(messages) {
                    // Only messages with an explicit success count as accepted.
                    let error = match results.next() {
                        Some(Ok(())) => continue,
                        Some(Err(error)) => {
                            sent.is_hopeless |= is_denied(&error);
                            error.to_string()
                        }
                        None => "the response has no result for this message".to_owned(),
                    };
                    tracing::warn!(detail_type = message.detail_type, error, "event not accepted");
                    sent.rejected.push((at, message));
                }
            }
            Err(error) => {
                tracing::warn!(count = messages.len(), %error, "events not accepted");
                sent.is_hopeless |= is_denied(&error);
                sent.rejected.extend(places.into_iter().zip(messages));
                // Do not wait for an unreachable bus once per batch.
                if error.kind == ErrorKind::Unreachable {
                    break;
                }
            }
        }
        if sent.is_hopeless {
            break;
        }
    }
    sent.rejected.extend(batches.flatten());
    sent
}

/// A permission that is missing now will also be missing on the next attempt.
fn is_denied(error: &CloudError) -> bool {
    matches!(error.kind, ErrorKind::Denied | ErrorKind::Credentials)
}

/// Splits messages into as few batches as the limits allow. A message that exceeds the limit is
/// sent in a batch of its own, because only the bus knows its actual size.
fn batches(messages: Vec<Numbered>) -> Vec<Vec<Numbered>> {
    let mut batches: Vec<Vec<Numbered>> = Vec::new();
    let mut bytes = 0;
    for (at, message) in messages {
        bytes += message.bytes();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_BATCH && bytes <= MAX_BATCH_BYTES => {
                batch.push((at, message))
            }
            _ => {
                bytes = message.bytes();
                batches.push(vec![(at, message)]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    use jiff::Timestamp;

    use super::*;
    use crate::apply::{Counts, Mode, Status};
    use crate::events::EventBuilder;
    use crate::model::NoDeadline;

    /// A bus whose failures are defined per call.
    #[derive(Default)]
    struct Bus {
        /// For each call, the rejected entries; `None` if the whole call fails.
        failing: Mutex<Vec<Option<Vec<usize>>>>,
        kind: Option<ErrorKind>,
        calls: Mutex<Vec<usize>>,
        rests: Mutex<Vec<u32>>,
    }

    #[async_trait::async_trait]
    impl EventBus for Bus {
        async fn put(
            &self,
            _: &str,
            messages: &[Message],
        ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
            self.calls.lock().unwrap().push(messages.len());
            let error = || CloudError {
                call: "events:PutEvents",
                kind: self.kind.unwrap_or(ErrorKind::Other),
                code: "InternalFailure".into(),
                message: "try again".into(),
            };
            let mut failing = self.failing.lock().unwrap();
            let failing = if failing.is_empty() { Some(Vec::new()) } else { failing.remove(0) };
            let failing = failing.ok_or_else(error)?;
            let result = |place| if failing.contains(&place) { Err(error()) } else { Ok(()) };
            Ok((0..messages.len()).map(result).collect())
        }

        async fn back_off(&self, attempt: u32) {
            self.rests.lock().unwrap().push(attempt);
        }
    }

    fn tell(bus: &Bus, count: usize, deadline: &dyn Deadline) -> Published {
        let accepted = tell_each(bus, count, deadline);
        let sent = accepted.iter().filter(|one| **one).count();
        Published { sent, lost: count - sent }
    }

    fn tell_each(bus: &Bus, count: usize, deadline: &dyn Deadline) -> Vec<bool> {
        let target = AccountRegion {
            account: "123456789012".parse().unwrap(),
            region: Some("eu-central-1".parse().unwrap()),
        };
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let news = EventBuilder { target: &target, now, keep: "keep" };
        let one = news.of_sweep("f", Mode::Plan, Status::Done, None, &Counts::default(), &[]);
        let events: Vec<Event> = one.into_iter().cycle().take(count).collect();
        at_once(publish_each(NamedBus { bus, name: "default" }, &target, &events, deadline))
    }

    /// Runs a future that never waits.
    fn at_once<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("nothing here waits"),
        }
    }

    #[test]
    fn events_go_in_batches_of_ten() {
        let bus = Bus::default();
        assert_eq!(tell(&bus, 23, &NoDeadline), Published { sent: 23, lost: 0 });
        assert_eq!(*bus.calls.lock().unwrap(), [10, 10, 3]);
        let bus = Bus::default();
        assert_eq!(tell(&bus, 0, &NoDeadline), Published::default());
        assert_eq!(*bus.calls.lock().unwrap(), [0; 0]);
    }

    #[test]
    fn what_was_not_taken_is_sent_again_and_nothing_else() {
        let failing = Mutex::new(vec![Some(vec![1, 4]), None, Some(vec![])]);
        let bus = Bus { failing, ..Bus::default() };
        assert_eq!(tell(&bus, 5, &NoDeadline), Published { sent: 5, lost: 0 });
        assert_eq!(*bus.calls.lock().unwrap(), [5, 2, 2]);
        assert_eq!(*bus.rests.lock().unwrap(), [1, 2]);
    }

    #[test]
    fn a_batch_that_is_not_taken_holds_up_no_other() {
        let failing = Mutex::new(vec![Some(vec![]), None, Some(vec![3]), None, None]);
        let bus = Bus { failing, ..Bus::default() };
        assert_eq!(tell(&bus, 24, &NoDeadline), Published { sent: 24, lost: 0 });
        assert_eq!(*bus.calls.lock().unwrap(), [10, 10, 4, 10, 1, 10, 1]);
    }

    #[test]
    fn a_batch_is_never_too_large_together() {
        let message = |bytes: usize| Message {
            source: "s",
            detail_type: "t",
            detail: "x".repeat(bytes),
            resources: Vec::new(),
        };
        let sizes = [100_000, 100_000, 100_000, 1, 900_000, 1].map(message);
        let batches = batches(sizes.into_iter().enumerate().collect());
        let lengths: Vec<_> = batches.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 2, 1, 1]);
    }

    #[test]
    fn each_event_is_known_to_be_taken_or_not() {
        let failing = Mutex::new(vec![Some(vec![1, 4]), Some(vec![1]), Some(vec![0])]);
        let bus = Bus { failing, ..Bus::default() };
        assert_eq!(tell_each(&bus, 6, &NoDeadline), [true, true, true, true, false, true]);
        // A missing result means that the entry was not accepted.
        struct Silent;
        #[async_trait::async_trait]
        impl EventBus for Silent {
            async fn put(
                &self,
                _: &str,
                _: &[Message],
            ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
                Ok(vec![Ok(())])
            }
            async fn back_off(&self, _: u32) {}
        }
        let target = AccountRegion {
            account: "123456789012".parse().unwrap(),
            region: Some("eu-central-1".parse().unwrap()),
        };
        let news = EventBuilder { target: &target, now: Timestamp::UNIX_EPOCH, keep: "keep" };
        let one = news.of_sweep("f", Mode::Plan, Status::Done, None, &Counts::default(), &[]);
        let events: Vec<Event> = one.into_iter().cycle().take(5).collect();
        let to = NamedBus { bus: &Silent, name: "default" };
        let accepted = at_once(publish_each(to, &target, &events, &NoDeadline));
        assert_eq!(accepted, [true, true, true, false, false], "one a round, in three rounds");
    }

    #[test]
    fn what_is_never_taken_is_lost_and_counted() {
        let failing = Mutex::new(vec![Some(vec![7]), Some(vec![0]), Some(vec![0])]);
        let bus = Bus { failing, ..Bus::default() };
        assert_eq!(tell(&bus, 8, &NoDeadline), Published { sent: 7, lost: 1 });
        assert_eq!(*bus.calls.lock().unwrap(), [8, 1, 1]);
    }

    #[test]
    fn a_bus_that_does_not_answer_is_not_waited_for_again_and_again() {
        let (failing, kind) = (Mutex::new(vec![None; 3]), Some(ErrorKind::Unreachable));
        let bus = Bus { failing, kind, ..Bus::default() };
        assert_eq!(tell(&bus, 52, &NoDeadline), Published { sent: 0, lost: 52 });
        assert_eq!(*bus.calls.lock().unwrap(), [10, 10, 10]);
    }

    #[test]
    fn a_missing_permission_is_not_asked_for_thrice() {
        let failing = Mutex::new(vec![None]);
        let bus = Bus { failing, kind: Some(ErrorKind::Denied), ..Bus::default() };
        assert_eq!(tell(&bus, 4, &NoDeadline), Published { sent: 0, lost: 4 });
        assert_eq!(*bus.calls.lock().unwrap(), [4]);
    }

    #[test]
    fn nothing_is_sent_when_the_time_is_over() {
        let bus = Bus::default();
        let late = || Duration::from_secs(7);
        assert_eq!(tell(&bus, 4, &late), Published { sent: 0, lost: 4 });
        assert!(bus.calls.lock().unwrap().is_empty());
    }
}
