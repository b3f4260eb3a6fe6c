use serde_json::json;

use super::*;

const SUBSCRIPTION: &str = "0f0e0d0c-1234-5678-9abc-def012345678";
const OTHER: &str = "11111111-2222-3333-4444-555555555555";

fn version_id() -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/Golden/providers/Microsoft.Compute/galleries/Corp/images/Web/versions/1.2.3"
    )
}

fn image_id() -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourcegroups/GOLDEN/providers/Microsoft.Compute/images/Web-1"
    )
}

fn operation(id: &str) -> &'static str {
    if id.contains("/galleries/") { OPERATIONS[1].0 } else { OPERATIONS[0].0 }
}

/// An event with the fields of the example in Azure's page "Azure subscription as an Event Grid source".
fn event_grid(id: &str) -> Value {
    json!({
        "subject": id,
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "eventTime": "2026-11-19T18:38:04.6117357Z",
        "id": "4db48cba-50a2-455a-93b4-de41a3b5b7f6",
        "data": {
            "authorization": {
                "scope": id,
                "action": operation(id),
            },
            "claims": {"appid": "a", "name": "Somebody"},
            "correlationId": "c",
            "resourceProvider": "Microsoft.Compute",
            "resourceUri": id,
            "operationName": operation(id),
            "status": "Succeeded",
            "subscriptionId": SUBSCRIPTION,
            "tenantId": "t",
        },
        "dataVersion": "2",
        "metadataVersion": "1",
        "topic": format!("/subscriptions/{SUBSCRIPTION}"),
    })
}

/// The same event as CloudEvents 1.0, as Azure's page "CloudEvents v1.0 schema with Azure Event Grid"
/// describes it.
fn cloud_event(id: &str) -> Value {
    let event = event_grid(id);
    json!({
        "specversion": "1.0",
        "type": event["eventType"],
        "source": event["topic"],
        "id": event["id"],
        "time": event["eventTime"],
        "subject": id,
        "data": event["data"],
    })
}

fn parsed(event: &Value) -> Trigger {
    parse(event, &SUBSCRIPTION.parse().unwrap())
}

fn image_trigger(id: &str) -> Trigger {
    Trigger::Image {
        image: id.parse().unwrap(),
        state: ImageState::Available,
        message: String::new(),
        at: Some("2026-11-19T18:38:04.6117357Z".parse().unwrap()),
    }
}

/// Both schemas of an event with a changed field. `pointer` is of the Event Grid schema.
fn both(id: &str, pointer: &str, value: &Value) -> [Value; 2] {
    let mut events = [event_grid(id), cloud_event(id)];
    for event in &mut events {
        let is_cloud = event.get("specversion").is_some();
        let pointer = match pointer {
            "/eventType" if is_cloud => "/type",
            "/topic" if is_cloud => "/source",
            "/eventTime" if is_cloud => "/time",
            pointer => pointer,
        };
        *event.pointer_mut(pointer).unwrap() = value.clone();
    }
    events
}

#[test]
fn an_event_names_its_image() {
    for id in [version_id(), image_id()] {
        let expected = image_trigger(&id);
        assert_eq!(parsed(&event_grid(&id)), expected);
        assert_eq!(parsed(&cloud_event(&id)), expected);
        assert_eq!(parsed(&json!([event_grid(&id)])), expected);
    }
}

#[test]
fn ids_and_operations_have_any_case() {
    let id = version_id();
    let expected = image_trigger(&id);
    let mut event = event_grid(&id);
    event["subject"] = json!(id.to_uppercase());
    event["data"]["resourceUri"] = json!(id.to_lowercase());
    event["data"]["operationName"] = json!("MICROSOFT.COMPUTE/GALLERIES/IMAGES/VERSIONS/WRITE");
    event["data"]["subscriptionId"] = json!(SUBSCRIPTION.to_uppercase());
    event["topic"] = json!(format!("/SUBSCRIPTIONS/{}", SUBSCRIPTION.to_uppercase()));
    assert_eq!(parsed(&event), expected);
    // A topic of a resource group is also of this subscription.
    event["topic"] = json!(format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/golden"));
    assert_eq!(parsed(&event), expected);
}

#[test]
fn other_events_are_ignored_with_the_reason() {
    for (pointer, value, expected) in [
        ("/eventType", "Microsoft.Resources.ResourceWriteFailure", "event type Microsoft."),
        ("/eventType", "Microsoft.Resources.ResourceDeleteSuccess", "event type Microsoft."),
        ("/eventType", "Microsoft.EventGrid.SubscriptionValidationEvent", "event type"),
        ("/data/operationName", "Microsoft.Resources/tags/write", "operation Microsoft.Resources"),
        ("/data/operationName", "Microsoft.Storage/storageAccounts/write", "operation Microsoft.S"),
        (
            "/data/operationName",
            "Microsoft.Compute/galleries/images/write",
            "operation Microsoft.C",
        ),
        ("/data/operationName", "Microsoft.Compute/snapshots/write", "operation Microsoft.Comp"),
    ] {
        for event in both(&version_id(), pointer, &json!(value)) {
            match parsed(&event) {
                Trigger::Ignored { what } => assert!(what.starts_with(expected), "{what}"),
                other => panic!("{event}: {other:?}"),
            }
        }
    }
}

#[test]
fn events_about_another_subscription_are_rejected() {
    let ours = format!("/subscriptions/{SUBSCRIPTION}");
    let theirs = format!("/subscriptions/{OTHER}");
    for (pointer, value) in [
        ("/topic", theirs.clone()),
        ("/topic", "/tenants/t".to_owned()),
        ("/topic", format!("{ours}0")),
        ("/topic", SUBSCRIPTION.to_owned()),
        ("/data/subscriptionId", OTHER.to_owned()),
    ] {
        for event in both(&version_id(), pointer, &json!(value)) {
            let trigger = parsed(&event);
            assert!(matches!(trigger, Trigger::Rejected { .. }), "{event}: {trigger:?}");
        }
    }
    let mut event = event_grid(&version_id().replace(SUBSCRIPTION, OTHER));
    let trigger = parsed(&event);
    assert!(matches!(trigger, Trigger::Rejected { .. }), "{trigger:?}");
    event["topic"] = json!(theirs);
    assert!(matches!(parsed(&event), Trigger::Rejected { .. }));
}

#[test]
fn every_required_field_is_required() {
    for event in [event_grid(&version_id()), cloud_event(&version_id())] {
        let required = if event.get("specversion").is_some() {
            vec!["/specversion", "/type", "/source", "/subject", "/time", "/data"]
        } else {
            vec!["/eventType", "/topic", "/subject", "/eventTime", "/data"]
        };
        let in_data = ["/data/operationName", "/data/subscriptionId", "/data/resourceUri"];
        for pointer in required.into_iter().chain(in_data) {
            for change in [None, Some(json!(null)), Some(json!(5)), Some(json!(""))] {
                let mut changed = event.clone();
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                let parent = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
                match &change {
                    None => drop(parent.remove(key)),
                    Some(value) => drop(parent.insert(key.to_owned(), value.clone())),
                }
                match parsed(&changed) {
                    Trigger::Malformed { why } => {
                        assert!(why.contains(key) || key == "specversion", "{why}");
                    }
                    other => panic!("{pointer} = {change:?}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn other_fields_are_not_required() {
    for id in [version_id(), image_id()] {
        let mut event = event_grid(&id);
        event["data"] = json!({
            "operationName": operation(&id), "subscriptionId": SUBSCRIPTION, "resourceUri": id,
        });
        for key in ["id", "dataVersion", "metadataVersion"] {
            event.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(parsed(&event), image_trigger(&id));
    }
}

#[test]
fn malformed_events_name_the_field() {
    let snapshot = image_id().replace("/images/", "/snapshots/");
    for (pointer, value, expected) in [
        ("/subject", json!("ami-0abcdef1234567890"), "subject: `ami-0abcdef1234567890` is not"),
        ("/subject", json!(snapshot), "subject: "),
        ("/subject", json!("/subscriptions/x"), "subject: `/subscriptions/x` is not the ID"),
        // The operation and the ID do not agree.
        ("/subject", json!(image_id()), "subject: "),
        ("/data/operationName", json!(OPERATIONS[0].0), "subject: "),
        ("/data/resourceUri", json!(version_id().replace("1.2.3", "1.2.4")), "different images"),
        ("/data/resourceUri", json!(image_id()), "data.resourceUri: "),
        ("/eventTime", json!("yesterday"), "ime: `yesterday` is not a time"),
        ("/data", json!([]), "data: missing, or not an object"),
    ] {
        for event in both(&version_id(), pointer, &value) {
            match parsed(&event) {
                Trigger::Malformed { why } => assert!(why.contains(expected), "{why}"),
                other => panic!("{event}: {other:?}"),
            }
        }
    }
    let mut two_schemas = event_grid(&version_id());
    two_schemas["specversion"] = json!("1.0");
    let mut old = cloud_event(&version_id());
    old["specversion"] = json!("0.3");
    let event = event_grid(&version_id());
    for event in [
        json!(null),
        json!("x"),
        json!({}),
        json!([]),
        json!([event, event]),
        json!([[event]]),
        two_schemas,
        old,
    ] {
        let trigger = parsed(&event);
        assert!(matches!(trigger, Trigger::Malformed { .. }), "{event}: {trigger:?}");
    }
}

#[test]
fn an_excerpt_in_a_reason_is_short_and_one_line() {
    let text = format!("a\nb\u{1b}[2J{}", "x".repeat(100_000));
    for pointer in [
        "/eventType",
        "/eventTime",
        "/subject",
        "/topic",
        "/data/operationName",
        "/data/subscriptionId",
        "/data/resourceUri",
    ] {
        for event in both(&version_id(), pointer, &json!(text)) {
            let shown = match parsed(&event) {
                Trigger::Malformed { why } | Trigger::Rejected { why } => why,
                Trigger::Ignored { what } => what,
                other => panic!("{other:?}"),
            };
            assert!(shown.chars().count() < 400, "{}", shown.len());
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
    }
}
