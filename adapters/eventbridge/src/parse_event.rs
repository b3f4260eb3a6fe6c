//! From the JSON of an event to a trigger.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use serde_json::Value;
use steward::events::Trigger;
use steward::model::ImageState;

/// Parses an EventBridge event, from a rule or from the Scheduler.
pub fn parse(event: &Value) -> Trigger {
    let event: EventBridgeEvent<Value> = match serde_json::from_value(event.clone()) {
        Ok(event) => event,
        Err(error) => {
            return Trigger::Malformed { why: format!("not an EventBridge event: {error}") };
        }
    };
    match (event.source.as_str(), event.detail_type.as_str()) {
        // A local deployment cannot send events in the name of `aws.*`.
        (_, "EC2 AMI State Change") => image(&event),
        (_, "AWS API Call via CloudTrail") => creating(&event),
        (_, "Scheduled Event") => Trigger::Schedule,
        (source, detail_type) => Trigger::Ignored { what: format!("{source}: {detail_type}") },
    }
}

fn image(event: &EventBridgeEvent<Value>) -> Trigger {
    let text = |key: &str| event.detail.get(key).and_then(Value::as_str).unwrap_or_default();
    let image = match text("ImageId").parse() {
        Ok(image) => image,
        Err(error) => return Trigger::Malformed { why: format!("detail.ImageId: {error}") },
    };
    let state = ImageState::from_name(text("State"));
    if state == ImageState::Unknown {
        return Trigger::Malformed {
            why: format!("detail.State: `{}` is no state of an image", text("State")),
        };
    }
    Trigger::Image {
        image,
        state,
        account: event.account.as_deref().and_then(|id| id.parse().ok()),
        region: event.region.as_deref().and_then(|name| name.parse().ok()),
        message: text("ErrorMessage").to_owned(),
    }
}

/// A call that made an image. The identity's form differs from one kind of caller to the next,
/// so that only what is needed is looked at; the crate's own type insists on more.
fn creating(event: &EventBridgeEvent<Value>) -> Trigger {
    let detail = &event.detail;
    let text = |pointer: &str| detail.pointer(pointer).and_then(Value::as_str);
    let call = text("/eventName").unwrap_or_default();
    let is_ours = text("/eventSource") == Some("ec2.amazonaws.com")
        && matches!(call, "CreateImage" | "CopyImage" | "RegisterImage");
    if !is_ours {
        return Trigger::Ignored { what: format!("the call {call} by CloudTrail") };
    }
    if let Some(code) = text("/errorCode") {
        return Trigger::Ignored { what: format!("a call {call} that failed: {code}") };
    }
    let image = match text("/responseElements/imageId").unwrap_or_default().parse() {
        Ok(image) => image,
        Err(error) => {
            return Trigger::Malformed { why: format!("detail.responseElements.imageId: {error}") };
        }
    };
    let by = ["arn", "invokedBy", "principalId"]
        .iter()
        .find_map(|key| text(&format!("/userIdentity/{key}")).filter(|text| !text.is_empty()));
    let Some(by) = by else {
        return Trigger::Malformed { why: "detail.userIdentity names nobody".to_owned() };
    };
    let account = text("/recipientAccountId").or(event.account.as_deref());
    let region = text("/awsRegion").or(event.region.as_deref());
    Trigger::Creating {
        image,
        by: by.to_owned(),
        account: account.and_then(|id| id.parse().ok()),
        region: region.and_then(|name| name.parse().ok()),
        at: text("/eventTime").and_then(|time| time.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            account: Some("012345678901".parse().unwrap()),
            region: Some("us-east-1".parse().unwrap()),
            message: "no space".to_owned(),
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
    fn what_is_not_understood_is_a_value() {
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

    #[test]
    fn whoever_called_is_named_as_well_as_can_be() {
        let made = |identity: &Value| {
            json!({
                "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
                "account": "012345678901", "region": "us-east-1",
                "detail": {
                    "eventTime": "2026-11-22T12:00:00Z", "eventSource": "ec2.amazonaws.com",
                    "eventName": "CopyImage", "awsRegion": "eu-west-1",
                    "recipientAccountId": "210987654321", "userIdentity": identity,
                    "responseElements": {"imageId": "ami-1"},
                },
            })
        };
        for (identity, expected) in [
            (json!({"type": "IAMUser", "principalId": "AIDA", "arn": "arn:a"}), "arn:a"),
            (
                json!({"type": "AWSService", "invokedBy": "backup.amazonaws.com"}),
                "backup.amazonaws.com",
            ),
            (json!({"principalId": "AIDA", "arn": ""}), "AIDA"),
        ] {
            let expected = Trigger::Creating {
                image: "ami-1".parse().unwrap(),
                by: expected.to_owned(),
                account: Some("210987654321".parse().unwrap()),
                region: Some("eu-west-1".parse().unwrap()),
                at: Some("2026-11-22T12:00:00Z".parse().unwrap()),
            };
            assert_eq!(parse(&made(&identity)), expected);
        }
    }
}
