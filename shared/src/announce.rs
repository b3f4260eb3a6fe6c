//! Telling others: events go out in batches, and what the bus did not take is sent again.
//!
//! News are never worth a sweep: whatever fails here is said in the log and counted, and changes
//! nothing about the run that it tells of.

use std::time::Duration;

use crate::apply::Deadline;
use crate::cloud::{CloudError, EventBus, Message};
use crate::report::events::Event;
use crate::survey::Home;

/// A message is sent at most so often. The adapter repeats calls that got no answer by itself.
const ATTEMPTS: u32 = 3;
/// Nothing more is sent when less time than this is left: more than a call may take, so that no
/// function is cut off while it tells what it did.
const MARGIN: Duration = Duration::from_secs(8);

/// How telling others went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Announced {
    /// Events that the bus took.
    pub sent: usize,
    /// Events that it did not take, or that time did not suffice for.
    pub lost: usize,
}

/// Puts `events` on the bus named `name`, in their order as long as nothing fails.
pub async fn announce(
    bus: &impl EventBus,
    name: &str,
    home: &Home,
    events: &[Event],
    deadline: &impl Deadline,
) -> Announced {
    let mut announced = Announced::default();
    let messages: Vec<Message> =
        events.iter().filter_map(|event| event.message(home).ok()).collect();
    announced.lost += events.len() - messages.len();
    let mut is_there = true;
    for batch in messages.chunks(batch_size(bus)) {
        let mut sent = 0;
        if is_there {
            (sent, is_there) = send(bus, name, batch, deadline).await;
        }
        announced.sent += sent;
        announced.lost += batch.len() - sent;
    }
    if announced.lost > 0 {
        tracing::error!(
            lost = announced.lost,
            sent = announced.sent,
            bus = name,
            "events were lost"
        );
    }
    announced
}

fn batch_size<B: EventBus>(_: &B) -> usize {
    B::BATCH
}

/// Sends one batch. Says how many of it the bus took in the end, and whether there is a bus that
/// answers: without one the other batches are not worth the time.
async fn send(
    bus: &impl EventBus,
    name: &str,
    batch: &[Message],
    deadline: &impl Deadline,
) -> (usize, bool) {
    let mut left: Vec<Message> = batch.to_vec();
    let mut is_there = true;
    for _ in 0..ATTEMPTS {
        if left.is_empty() || deadline.left() < MARGIN {
            break;
        }
        let answer = bus.put(name, &left).await;
        is_there = answer.is_ok();
        let results = match answer {
            Ok(results) => results,
            Err(error) => left.iter().map(|_| Err(error.clone())).collect(),
        };
        let failed: Vec<(Message, CloudError)> = left
            .into_iter()
            .zip(results)
            .filter_map(|(message, result)| Some((message, result.err()?)))
            .collect();
        if let Some((message, error)) = failed.first() {
            tracing::warn!(count = failed.len(), first = message.detail_type, %error, "not taken");
        }
        // A permission that is missing now is missing a moment later too.
        if failed.iter().any(|(_, error)| error.missing_permission().is_some()) {
            return (batch.len() - failed.len(), false);
        }
        left = failed.into_iter().map(|(message, _)| message).collect();
    }
    (batch.len() - left.len(), is_there)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    use jiff::Timestamp;

    use super::*;
    use crate::apply::{NoDeadline, Outcome};
    use crate::cloud::ErrorKind;
    use crate::jobs::Mode;
    use crate::report::Counts;
    use crate::report::events::News;

    /// A bus that fails as it is told, call by call.
    #[derive(Default)]
    struct Bus {
        /// Of each call, the entries that are not taken; `None` for the whole call.
        failing: Mutex<Vec<Option<Vec<usize>>>>,
        kind: Option<ErrorKind>,
        calls: Mutex<Vec<usize>>,
    }

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
    }

    fn tell(bus: &Bus, count: usize, deadline: &impl Deadline) -> Announced {
        let home = Home {
            account: "123456789012".parse().unwrap(),
            region: "eu-central-1".parse().unwrap(),
        };
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let news = News { home: &home, now, keep: "keep" };
        let one = news.of_sweep("f", Mode::Plan, &Outcome::default(), &Counts::default());
        let events: Vec<Event> = one.into_iter().cycle().take(count).collect();
        at_once(announce(bus, "default", &home, &events, deadline))
    }

    /// None of these futures ever waits.
    fn at_once<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("nothing here waits"),
        }
    }

    #[test]
    fn events_go_in_batches_of_ten() {
        let bus = Bus::default();
        assert_eq!(tell(&bus, 23, &NoDeadline), Announced { sent: 23, lost: 0 });
        assert_eq!(*bus.calls.lock().unwrap(), [10, 10, 3]);
        let bus = Bus::default();
        assert_eq!(tell(&bus, 0, &NoDeadline), Announced::default());
        assert_eq!(*bus.calls.lock().unwrap(), [0; 0]);
    }

    #[test]
    fn what_was_not_taken_is_sent_again_and_nothing_else() {
        let failing = Mutex::new(vec![Some(vec![1, 4]), None, Some(vec![])]);
        let bus = Bus { failing, ..Bus::default() };
        assert_eq!(tell(&bus, 5, &NoDeadline), Announced { sent: 5, lost: 0 });
        assert_eq!(*bus.calls.lock().unwrap(), [5, 2, 2]);
    }

    #[test]
    fn what_is_never_taken_is_lost_and_counted() {
        let failing = Mutex::new(vec![Some(vec![7]), Some(vec![0]), Some(vec![0])]);
        let bus = Bus { failing, ..Bus::default() };
        assert_eq!(tell(&bus, 8, &NoDeadline), Announced { sent: 7, lost: 1 });
        assert_eq!(*bus.calls.lock().unwrap(), [8, 1, 1]);
    }

    #[test]
    fn a_bus_that_does_not_answer_is_not_waited_for_again_and_again() {
        let bus = Bus { failing: Mutex::new(vec![None; 3]), ..Bus::default() };
        assert_eq!(tell(&bus, 52, &NoDeadline), Announced { sent: 0, lost: 52 });
        assert_eq!(*bus.calls.lock().unwrap(), [10, 10, 10]);
    }

    #[test]
    fn a_missing_permission_is_not_asked_for_thrice() {
        let failing = Mutex::new(vec![None]);
        let bus = Bus { failing, kind: Some(ErrorKind::Denied), ..Bus::default() };
        assert_eq!(tell(&bus, 4, &NoDeadline), Announced { sent: 0, lost: 4 });
        assert_eq!(*bus.calls.lock().unwrap(), [4]);
    }

    #[test]
    fn nothing_is_sent_when_the_time_is_over() {
        let bus = Bus::default();
        let late = || Duration::from_secs(7);
        assert_eq!(tell(&bus, 4, &late), Announced { sent: 0, lost: 4 });
        assert!(bus.calls.lock().unwrap().is_empty());
    }
}
