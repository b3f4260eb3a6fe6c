//! Parses an event of Event Grid to a trigger.

use serde_json::{Map, Value};
use steward::events::Trigger;
use steward::model::{AccountId, ImageId, ImageState};
use steward::text_fmt::excerpt;

/// The event type for a resource that was created or changed.
const WRITTEN: &str = "Microsoft.Resources.ResourceWriteSuccess";
/// The operations that write images, each with the last type in the ID of the image. Writing a tag is
/// another operation, so the functions' own tags cause no events.
const OPERATIONS: [(&str, &str); 2] = [
    ("Microsoft.Compute/images/write", "images"),
    ("Microsoft.Compute/galleries/images/versions/write", "versions"),
];
/// The maximum length of an excerpt from an event in a reason, in characters.
const MAX_EXCERPT: usize = 200;

/// Why an event starts no run.
enum Unusable {
    Ignored(String),
    Rejected(String),
    Malformed(String),
}

/// The parts of an event that the two schemas name differently.
struct Envelope<'a> {
    fields: &'a Map<String, Value>,
    event_type: &'a str,
    /// The names of the fields with the source and the time.
    source: &'static str,
    time: &'static str,
}

/// Parses an event in the Event Grid schema or in CloudEvents 1.0. Events about another subscription
/// than `subscription` are rejected.
///
/// The event does not contain the state of the image, and it is not documented whether it is sent when
/// a request was accepted or when the image is complete. So the trigger has the state
/// [`ImageState::Available`], and the run reads the image; if it is not complete, the run fails, and
/// the event must be delivered again.
pub fn parse(event: &Value, subscription: &AccountId) -> Trigger {
    match read(event, subscription) {
        Ok(trigger) => trigger,
        Err(Unusable::Ignored(what)) => Trigger::Ignored { what },
        Err(Unusable::Rejected(why)) => Trigger::Rejected { why },
        Err(Unusable::Malformed(why)) => Trigger::Malformed { why },
    }
}

fn read(event: &Value, subscription: &AccountId) -> Result<Trigger, Unusable> {
    let event = Envelope::of(event)?;
    if event.event_type != WRITTEN {
        return Err(Unusable::Ignored(format!("event type {}", cut(event.event_type))));
    }
    let Some(Value::Object(data)) = event.fields.get("data") else {
        return Err(Unusable::Malformed("data: missing, or not an object".to_owned()));
    };
    let operation = text(data, "operationName", "data.")?;
    let known = OPERATIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(operation));
    let Some((_, last_type)) = known else {
        return Err(Unusable::Ignored(format!("operation {}", cut(operation))));
    };
    // Event Grid writes the source. The data repeats the subscription.
    let source = text(event.fields, event.source, "")?;
    let theirs = text(data, "subscriptionId", "data.")?;
    let is_ours = |id: &str| id.eq_ignore_ascii_case(subscription.as_str());
    if !subscription_of(source).is_some_and(is_ours) || !is_ours(theirs) {
        let other = if is_ours(theirs) { source } else { theirs };
        return Err(Unusable::Rejected(format!(
            "the event is about {}, but this function runs for the subscription {subscription}",
            cut(other)
        )));
    }
    let subject = image(text(event.fields, "subject", "")?, "subject", last_type)?;
    let uri = image(text(data, "resourceUri", "data.")?, "data.resourceUri", last_type)?;
    if subject != uri {
        let why = "subject and data.resourceUri name different images".to_owned();
        return Err(Unusable::Malformed(why));
    }
    if subject.account_in_id() != Some(subscription.as_str()) {
        return Err(Unusable::Rejected(format!(
            "{} belongs to another subscription than {subscription}",
            cut(subject.as_str())
        )));
    }
    let time = text(event.fields, event.time, "")?;
    let at = time.parse().map_err(|_| {
        Unusable::Malformed(format!("{}: `{}` is not a time", event.time, cut(time)))
    })?;
    Ok(Trigger::Image {
        image: subject,
        state: ImageState::Available,
        message: String::new(),
        at: Some(at),
    })
}

impl<'a> Envelope<'a> {
    /// Event Grid delivers one event in a list, and the host passes it without the list.
    fn of(event: &'a Value) -> Result<Self, Unusable> {
        let event = match event {
            Value::Array(events) => match &events[..] {
                [event] => event,
                _ => {
                    let why = format!("expected one event, found {}", events.len());
                    return Err(Unusable::Malformed(why));
                }
            },
            event => event,
        };
        let Value::Object(fields) = event else {
            return Err(Unusable::Malformed("not an object".to_owned()));
        };
        match (fields.get("specversion"), fields.get("eventType")) {
            (Some(Value::String(version)), None) if version == "1.0" => Ok(Self {
                fields,
                event_type: text(fields, "type", "")?,
                source: "source",
                time: "time",
            }),
            (None, Some(_)) => Ok(Self {
                fields,
                event_type: text(fields, "eventType", "")?,
                source: "topic",
                time: "eventTime",
            }),
            (Some(version), None) => {
                let version = cut(&version.to_string());
                Err(Unusable::Malformed(format!("specversion: {version} is not supported")))
            }
            (Some(_), Some(_)) => {
                Err(Unusable::Malformed("both specversion and eventType".to_owned()))
            }
            (None, None) => {
                let why =
                    "neither an Event Grid event nor a CloudEvent: no eventType, no specversion";
                Err(Unusable::Malformed(why.to_owned()))
            }
        }
    }
}

fn text<'a>(fields: &'a Map<String, Value>, key: &str, parent: &str) -> Result<&'a str, Unusable> {
    match fields.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(other) => {
            let other = cut(&other.to_string());
            Err(Unusable::Malformed(format!("{parent}{key}: {other} is not a text")))
        }
        None => Err(Unusable::Malformed(format!("{parent}{key}: missing"))),
    }
}

fn image(id: &str, place: &str, last_type: &str) -> Result<ImageId, Unusable> {
    let unusable =
        || Unusable::Malformed(format!("{place}: `{}` is not the ID of an image", cut(id)));
    let image: ImageId = id.parse().map_err(|_| unusable())?;
    // An ID has the types and names in turn. The operation shows which kind of image it is.
    let found = image.as_str().rsplit('/').nth(1);
    if found == Some(last_type) { Ok(image) } else { Err(unusable()) }
}

/// The subscription in the ID of a resource.
fn subscription_of(id: &str) -> Option<&str> {
    let mut words = id.split('/');
    match (words.next()?, words.next()?) {
        ("", word) if word.eq_ignore_ascii_case("subscriptions") => words.next(),
        _ => None,
    }
}

/// An excerpt from an event for a reason. Anyone may have written the text.
fn cut(text: &str) -> String {
    excerpt(text, MAX_EXCERPT)
}

#[cfg(test)]
#[path = "parse_event_tests.rs"]
mod tests;
