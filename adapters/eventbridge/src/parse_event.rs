//! Parses the JSON of an event to a trigger.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use jiff::Timestamp;
use serde_json::Value;
use steward::events::Trigger;
use steward::model::{AccountRegion, ImageState, Region};
use steward::text_fmt::excerpt;

/// The source of EC2's events, and of EC2 calls in CloudTrail. Only AWS can send events with a source
/// `aws.*`.
pub const EC2_SOURCE: &str = "aws.ec2";

/// The sources of scheduled events: EventBridge Scheduler, and rules with a schedule.
const SCHEDULES: [&str; 2] = [SCHEDULER, "aws.events"];
/// EventBridge Scheduler sends the input of its schedule, without account and Region.
const SCHEDULER: &str = "aws.scheduler";

/// The maximum length of an excerpt from an event in a reason, in characters.
const MAX_EXCERPT: usize = 200;
/// The maximum length of EC2's message about a failed image, in characters.
const MAX_MESSAGE: usize = 1_000;

/// The required origin of image events.
#[derive(Debug, Clone, Copy)]
pub struct EventOrigin<'a> {
    /// The required source: [`EC2_SOURCE`], or the source of an emulator.
    pub source: &'a str,
    /// The required account and Region.
    pub target: &'a AccountRegion,
}

/// Parses an EventBridge event, from a rule or from EventBridge Scheduler. Events with another origin than
/// `origin` are rejected.
pub fn parse(event: &Value, origin: EventOrigin<'_>) -> Trigger {
    let event: EventBridgeEvent<Value> = match serde_json::from_value(event.clone()) {
        Ok(event) => event,
        Err(error) => {
            let why = format!("not an EventBridge event: {}", cut(&error.to_string()));
            return Trigger::Malformed { why };
        }
    };
    match event.detail_type.as_str() {
        "EC2 AMI State Change" => origin.checked(&event, &[origin.source], image),
        "AWS API Call via CloudTrail" => origin.checked(&event, &[origin.source], creating),
        "Scheduled Event" => origin.checked(&event, &SCHEDULES, |_| Trigger::Schedule),
        detail_type => {
            let what = format!("{}: {}", cut(&event.source), cut(detail_type));
            Trigger::Ignored { what }
        }
    }
}

impl EventOrigin<'_> {
    /// Parses an event with `read`, if it is from one of `sources` and from our account and Region.
    fn checked(
        self,
        event: &EventBridgeEvent<Value>,
        sources: &[&str],
        read: fn(&EventBridgeEvent<Value>) -> Trigger,
    ) -> Trigger {
        let source = event.source.as_str();
        if !sources.contains(&source) {
            let expected = sources.join(" or ");
            let why = format!("the event's source is {}, not {expected}", cut(source));
            return Trigger::Rejected { why };
        }
        let AccountRegion { account, region } = self.target;
        let (accounts, regions) = ("/recipientAccountId", "/awsRegion");
        let places = [
            ("account", event.account.as_deref(), account.as_str(), accounts),
            (
                "Region",
                event.region.as_deref(),
                region.as_ref().map_or("", Region::as_str),
                regions,
            ),
        ];
        for (what, found, ours, in_detail) in places {
            match found {
                Some(found) if found != ours => {
                    let why = format!(
                        "the event is from {}, but this function runs in {ours}",
                        cut(found)
                    );
                    return Trigger::Rejected { why };
                }
                None if source != SCHEDULER => {
                    return Trigger::Rejected { why: format!("the event has no {what}") };
                }
                _ => {}
            }
            // CloudTrail repeats both in the detail. The envelope is authoritative, because EventBridge
            // writes it.
            if let Some(other) = event.detail.pointer(in_detail)
                && other.as_str() != Some(ours)
            {
                let why =
                    format!("the event's detail is from the {what} {}", cut(&other.to_string()));
                return Trigger::Rejected { why };
            }
        }
        read(event)
    }
}

/// An excerpt from an event for a reason. Anyone may have written the text.
fn cut(text: &str) -> String {
    excerpt(text, MAX_EXCERPT)
}

fn image(event: &EventBridgeEvent<Value>) -> Trigger {
    let text = |key: &str| event.detail.get(key).and_then(Value::as_str).unwrap_or_default();
    let image = match text("ImageId").parse() {
        Ok(image) => image,
        Err(_) => {
            let why = format!("detail.ImageId: `{}` is not an image ID", cut(text("ImageId")));
            return Trigger::Malformed { why };
        }
    };
    let state = ImageState::from_name(text("State"));
    if state == ImageState::Unknown {
        let why = format!("detail.State: `{}` is not an image state", cut(text("State")));
        return Trigger::Malformed { why };
    }
    let message = excerpt(text("ErrorMessage"), MAX_MESSAGE);
    Trigger::Image { image, state, message, at: time_of(event) }
}

fn time_of(event: &EventBridgeEvent<Value>) -> Option<Timestamp> {
    event.time.and_then(|time| time.to_rfc3339().parse().ok())
}

/// The possible locations of a caller's name in `userIdentity`, best first. No type of identity has all
/// of them. The ARN is missing for services, other accounts and users of IAM Identity Center. A type
/// that is not documented may have none ("CloudTrail userIdentity element" in its user guide).
const NAMES: [&str; 6] =
    ["/arn", "/invokedBy", "/onBehalfOf/userId", "/principalId", "/userName", "/accountId"];

/// The possible locations of the new image in a call's response. EC2 wraps the responses of some calls
/// in an element with the response's name. The form of CreateRestoreImageTask is not verified.
const NEW_IMAGES: [&str; 2] =
    ["/responseElements/imageId", "/responseElements/CreateRestoreImageTaskResponse/imageId"];

/// Parses a call that created an image. The identity has a different form for each type of caller, so only
/// the required fields are read. The type in `aws_lambda_events` requires more fields.
fn creating(event: &EventBridgeEvent<Value>) -> Trigger {
    let detail = &event.detail;
    let text = |pointer: &str| detail.pointer(pointer).and_then(Value::as_str);
    let call = text("/eventName").unwrap_or_default();
    let is_ours = text("/eventSource") == Some("ec2.amazonaws.com")
        && matches!(call, "CreateImage" | "CopyImage" | "RegisterImage" | "CreateRestoreImageTask");
    if !is_ours {
        return Trigger::Ignored { what: format!("call {} in CloudTrail", cut(call)) };
    }
    if let Some(code) = text("/errorCode") {
        return Trigger::Ignored { what: format!("failed call {call}: {}", cut(code)) };
    }
    let image = NEW_IMAGES.iter().find_map(|pointer| text(pointer)).unwrap_or_default();
    let image = match image.parse() {
        Ok(image) => image,
        Err(_) => {
            let why = "detail.responseElements.imageId: no image ID".to_owned();
            return Trigger::Malformed { why };
        }
    };
    let identity = detail.get("userIdentity").unwrap_or(&Value::Null);
    let name = |pointer: &&str| identity.pointer(pointer).and_then(Value::as_str);
    let by = NAMES.iter().filter_map(name).find(|text| !text.is_empty());
    Trigger::Creating {
        image,
        by: by.map(str::to_owned),
        at: text("/eventTime").and_then(|time| time.parse().ok()).or_else(|| time_of(event)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(event: &Value) -> Trigger {
        let account = "012345678901".parse().unwrap();
        let region = Some("us-east-1".parse().unwrap());
        let target = AccountRegion { account, region };
        super::parse(event, EventOrigin { source: EC2_SOURCE, target: &target })
    }

    fn image_event(detail: &Value) -> Value {
        json!({
            "version": "0", "id": "e1", "detail-type": "EC2 AMI State Change", "source": "aws.ec2",
            "account": "012345678901", "time": "2026-11-22T12:00:00Z", "region": "us-east-1",
            "resources": ["arn:aws:ec2:us-east-1::image/ami-0abcdef1234567890"], "detail": detail,
        })
    }

    #[test]
    fn an_image_event_names_image_state_and_place() {
        let event = image_event(
            &json!({"RequestId": "r", "ImageId": "ami-1", "State": "failed", "ErrorMessage": "no space"}),
        );
        let expected = Trigger::Image {
            image: "ami-1".parse().unwrap(),
            state: ImageState::Failed,
            message: "no space".to_owned(),
            at: Some("2026-11-22T12:00:00Z".parse().unwrap()),
        };
        assert_eq!(parse(&event), expected);
    }

    #[test]
    fn both_kinds_of_schedule_are_understood() {
        let rule = json!({
            "version": "0", "id": "e1", "detail-type": "Scheduled Event", "source": "aws.events", "account": "012345678901",
            "time": "2026-11-22T12:00:00Z", "region": "us-east-1", "resources": ["arn:aws:events:…"], "detail": {},
        });
        let scheduler = json!({"detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": {"attempt": "1"}});
        assert_eq!(parse(&rule), Trigger::Schedule);
        assert_eq!(parse(&scheduler), Trigger::Schedule);
    }

    #[test]
    fn unknown_events_are_not_errors() {
        for malformed in [
            json!(null),
            json!({}),
            json!([1]),
            json!("x"),
            json!({"detail-type": "EC2 AMI State Change"}),
            image_event(&json!({})),
            image_event(&json!(null)),
            image_event(&json!({"ImageId": 5, "State": "available"})),
            image_event(&json!({"ImageId": "snap-1", "State": "available"})),
            image_event(&json!({"ImageId": "ami-1", "State": "sleeping"})),
        ] {
            let trigger = parse(&malformed);
            assert!(matches!(trigger, Trigger::Malformed { .. }), "{malformed}: {trigger:?}");
        }
        let other = json!({"detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2", "detail": {}});
        let what = "aws.ec2: EC2 Instance State-change Notification".to_owned();
        assert_eq!(parse(&other), Trigger::Ignored { what });
    }

    fn made(call: &str, identity: &Value, response: &Value) -> Value {
        json!({
            "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
            "account": "012345678901", "region": "us-east-1", "time": "2026-11-22T12:03:00Z",
            "detail": {
                "eventTime": "2026-11-22T12:00:00Z", "eventSource": "ec2.amazonaws.com",
                "eventName": call, "awsRegion": "us-east-1",
                "recipientAccountId": "012345678901", "userIdentity": identity,
                "responseElements": response,
            },
        })
    }

    fn creating(by: Option<&str>) -> Trigger {
        Trigger::Creating {
            image: "ami-1".parse().unwrap(),
            by: by.map(str::to_owned),
            at: Some("2026-11-22T12:00:00Z".parse().unwrap()),
        }
    }

    /// Every type of identity in CloudTrail's reference, with the fields that it documents.
    #[test]
    fn the_caller_has_the_best_available_name() {
        let root = "arn:aws:iam::111122223333:root";
        let role = "arn:aws:iam::111122223333:role/Baker";
        let session = "arn:aws:sts::111122223333:assumed-role/Baker/alice";
        let federated = "arn:aws:sts::111122223333:federated-user/alice";
        let user = "544894e8-80c1-707f-60e3-3ba6510dfac1";
        for (identity, expected) in [
            (
                json!({"type": "Root", "principalId": "111122223333", "arn": root, "accountId": "111122223333"}),
                Some(root),
            ),
            (
                json!({"type": "IAMUser", "principalId": "AIDA", "arn": "arn:a", "userName": "a"}),
                Some("arn:a"),
            ),
            (
                json!({
                    "type": "AssumedRole", "principalId": "AROA:alice", "arn": session, "accountId": "111122223333",
                    "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role}},
                }),
                Some(session),
            ),
            (json!({"type": "Role", "principalId": "AROA", "arn": role}), Some(role)),
            (
                json!({"type": "FederatedUser", "principalId": "1:alice", "arn": federated}),
                Some(federated),
            ),
            (
                json!({"type": "Directory", "userName": "alice@corp", "accountId": "111122223333"}),
                Some("alice@corp"),
            ),
            (
                json!({"type": "AWSAccount", "principalId": "AIDA", "accountId": "444455556666"}),
                Some("AIDA"),
            ),
            (json!({"type": "AWSAccount", "accountId": "444455556666"}), Some("444455556666")),
            (
                json!({"type": "AWSService", "invokedBy": "backup.amazonaws.com"}),
                Some("backup.amazonaws.com"),
            ),
            (
                json!({
                    "type": "IdentityCenterUser", "accountId": "111122223333", "credentialId": "x",
                    "onBehalfOf": {"userId": user, "identityStoreArn": "arn:aws:identitystore::1:identitystore/d-1"},
                }),
                Some(user),
            ),
            (
                json!({"type": "IdentityCenterUser", "accountId": "111122223333"}),
                Some("111122223333"),
            ),
            (
                json!({"type": "SAMLUser", "principalId": "x=:Saml", "userName": "Saml", "identityProvider": "x="}),
                Some("x=:Saml"),
            ),
            (
                json!({"type": "WebIdentityUser", "principalId": "www.example.com:app:7", "userName": "7"}),
                Some("www.example.com:app:7"),
            ),
            (json!({"type": "Unknown", "accountId": "111122223333"}), Some("111122223333")),
            (json!({"type": "Unknown"}), None),
            (json!({"principalId": "AIDA", "arn": ""}), Some("AIDA")),
            (json!({"type": "IAMUser", "arn": 5, "onBehalfOf": "x", "accountId": ["1"]}), None),
            (json!({}), None),
            (json!(null), None),
            (json!("alice"), None),
        ] {
            let event = made("CopyImage", &identity, &json!({"imageId": "ami-1"}));
            assert_eq!(parse(&event), creating(expected), "{identity}");
        }
        let mut without = made("CopyImage", &json!(null), &json!({"imageId": "ami-1"}));
        without["detail"].as_object_mut().unwrap().remove("userIdentity");
        assert_eq!(parse(&without), creating(None));
    }

    /// Anyone with events:PutEvents controls all fields of an event, except the account, the Region, and a
    /// source that starts with `aws.`.
    #[test]
    fn an_event_from_elsewhere_is_not_believed() {
        let image = image_event(&json!({"ImageId": "ami-1", "State": "available"}));
        let call = made("CopyImage", &json!({"arn": "arn:a"}), &json!({"imageId": "ami-1"}));
        let rule = json!({
            "detail-type": "Scheduled Event", "source": "aws.events", "account": "012345678901",
            "region": "us-east-1", "detail": {},
        });
        let scheduler = json!({
            "detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": {},
        });
        let why = |event: &Value, pointer: &str, value: Value| {
            let mut event = event.clone();
            match event.pointer_mut(pointer) {
                Some(field) => *field = value,
                None => drop(event.as_object_mut().unwrap().insert(pointer[1..].into(), value)),
            }
            match parse(&event) {
                Trigger::Rejected { why } => why,
                other => panic!("{event}: {other:?}"),
            }
        };
        for event in [&image, &call] {
            for source in ["custom.ec2", "aws.ec2.evil", "AWS.EC2", "aws.events", ""] {
                let expected = format!("the event's source is {source}, not aws.ec2");
                assert_eq!(why(event, "/source", json!(source)), expected);
            }
        }
        for event in [&rule, &scheduler] {
            let found = why(event, "/source", json!("custom"));
            assert_eq!(found, "the event's source is custom, not aws.scheduler or aws.events");
        }
        for event in [&image, &call, &rule, &scheduler] {
            let found = why(event, "/account", json!("999999999999"));
            assert!(found.contains("from 999999999999, but this function runs in 012345678901"));
            let found = why(event, "/region", json!("eu-west-1"));
            assert!(
                found.contains("from eu-west-1, but this function runs in us-east-1"),
                "{found}"
            );
        }
        for event in [&image, &call, &rule] {
            assert_eq!(why(event, "/account", json!(null)), "the event has no account");
            assert_eq!(why(event, "/region", json!(null)), "the event has no Region");
        }
        for (pointer, value) in [
            ("/detail/recipientAccountId", json!("999999999999")),
            ("/detail/recipientAccountId", json!(["012345678901"])),
            ("/detail/awsRegion", json!("eu-west-1")),
            ("/detail/awsRegion", json!(null)),
        ] {
            assert!(why(&call, pointer, value).starts_with("the event's detail is from the "));
        }
    }

    #[test]
    fn an_emulator_has_its_own_source() {
        let account = "012345678901".parse().unwrap();
        let region = Some("us-east-1".parse().unwrap());
        let origin =
            EventOrigin { source: "local.ec2", target: &AccountRegion { account, region } };
        let mut event = image_event(&json!({"ImageId": "ami-1", "State": "available"}));
        assert!(matches!(super::parse(&event, origin), Trigger::Rejected { .. }));
        event["source"] = json!("local.ec2");
        assert!(matches!(super::parse(&event, origin), Trigger::Image { .. }));
    }

    #[test]
    fn an_excerpt_in_a_reason_is_short_and_one_line() {
        let text = format!("a\nb\u{1b}[2J{}", "x".repeat(100_000));
        for event in [
            image_event(&json!({"ImageId": text, "State": "available"})),
            image_event(&json!({"ImageId": "ami-1", "State": text})),
            image_event(&json!({"ImageId": "ami-1", "State": "failed", "ErrorMessage": text})),
            made(&text, &json!({}), &json!({"imageId": "ami-1"})),
            made("CopyImage", &json!({}), &json!({"imageId": text})),
            json!({"detail-type": text, "source": text, "detail": {}}),
            json!({"detail-type": "Scheduled Event", "source": text, "detail": {}}),
        ] {
            let shown = match parse(&event) {
                Trigger::Malformed { why } | Trigger::Rejected { why } => why,
                Trigger::Ignored { what } => what,
                Trigger::Image { message, .. } => message,
                other => panic!("{other:?}"),
            };
            assert!(shown.chars().count() < 1_100, "{}", shown.len());
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
    }

    #[test]
    fn every_call_that_creates_an_image_is_known() {
        let identity = json!({"arn": "arn:a"});
        let image = json!({"requestId": "r", "imageId": "ami-1"});
        for call in ["CreateImage", "CopyImage", "RegisterImage", "CreateRestoreImageTask"] {
            assert_eq!(parse(&made(call, &identity, &image)), creating(Some("arn:a")), "{call}");
        }
        let wrapped = json!({"CreateRestoreImageTaskResponse": image});
        let event = made("CreateRestoreImageTask", &identity, &wrapped);
        assert_eq!(parse(&event), creating(Some("arn:a")));
        for call in ["CreateStoreImageTask", "ImportImage", "RunInstances", ""] {
            let trigger = parse(&made(call, &identity, &image));
            assert!(matches!(trigger, Trigger::Ignored { .. }), "{call}: {trigger:?}");
        }
        for response in [json!({}), json!(null), json!({"imageId": "snap-1"})] {
            let trigger = parse(&made("CreateRestoreImageTask", &identity, &response));
            assert!(matches!(trigger, Trigger::Malformed { .. }), "{response}: {trigger:?}");
        }
    }

    #[test]
    fn the_time_of_an_event_is_read() {
        let at = |event: &Value| match parse(event) {
            Trigger::Image { at, .. } | Trigger::Creating { at, .. } => at.map(|at| at.to_string()),
            other => panic!("{other:?}"),
        };
        let mut event = image_event(&json!({"ImageId": "ami-1", "State": "available"}));
        assert_eq!(at(&event).as_deref(), Some("2026-11-22T12:00:00Z"));
        event.as_object_mut().unwrap().remove("time");
        assert_eq!(at(&event), None);
        let mut event = made("CopyImage", &json!({}), &json!({"imageId": "ami-1"}));
        event["detail"].as_object_mut().unwrap().remove("eventTime");
        assert_eq!(at(&event).as_deref(), Some("2026-11-22T12:03:00Z"));
    }
}
