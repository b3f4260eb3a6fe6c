//! Clauses about retiring instances and publishing events.

use serde_json::json;
use steward::cloud::{ErrorKind, Message};
use steward::model::{Instance, InstanceId, InstanceProtection, InstanceState};
use steward_tests::switches::Switches;

use crate::{Account, tags};

const TAG: &str = "image-steward:retire-when-imaged";

fn instance(id: &str) -> InstanceId {
    id.parse().unwrap()
}

/// Three tagged instances, one of which is terminated, and one without the tag.
async fn four<A: Account>() -> A {
    A::with(json!({
        "images": [{"image_id": "ami-00000001"}],
        "instances": [
            {"instance_id": "i-00000001", "image_id": "ami-00000001", "tags": {TAG: "web", "Team": "red"},
             "launched_at": "2026-11-01T10:00:00Z",
             "volumes": ["vol-00000001", "vol-00000002"], "kept_volumes": ["vol-00000003"]},
            {"instance_id": "i-00000002", "image_id": "ami-00000001", "tags": {TAG: ""},
             "state": "stopped", "protected": true, "stop_protected": true, "group": "web"},
            {"instance_id": "i-00000003", "image_id": "ami-00000001", "tags": {TAG: "web"},
             "state": "terminated"},
            {"instance_id": "i-00000004", "image_id": "ami-00000001", "spot_request": "sir-00000001"},
        ],
    }))
    .await
}

pub async fn instances_are_listed_by_tag<A: Account>() {
    let account = four::<A>().await;
    let mut found = account.port().list_instances_tagged(TAG).await.unwrap();
    found.sort_by(|a, b| a.instance_id.cmp(&b.instance_id));
    let expected = [
        Instance {
            instance_id: instance("i-00000001"),
            state: InstanceState::Running,
            started_at: Some("2026-11-01T10:00:00Z".parse().unwrap()),
            tags: tags(&[(TAG, "web"), ("Team", "red")]),
            volumes: Box::new(["vol-00000001".into(), "vol-00000002".into()]),
            member_of: None,
        },
        Instance {
            instance_id: instance("i-00000002"),
            state: InstanceState::Stopped,
            started_at: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            tags: tags(&[(TAG, ""), ("aws:autoscaling:groupName", "web")]),
            volumes: Box::default(),
            member_of: Some("the Auto Scaling group web".into()),
        },
    ];
    assert_eq!(found, expected);
    // A tag key is not a pattern.
    assert_eq!(account.port().list_instances_tagged("image-steward:*").await.unwrap(), []);
    account.set(Switches::deny(&["ec2:DescribeInstances"])).await;
    let error = account.port().list_instances_tagged(TAG).await.unwrap_err();
    assert_eq!(error.missing_permission(), Some("ec2:DescribeInstances"));
}

pub async fn an_instance_is_found_as_it_is_now<A: Account>() {
    let account = four::<A>().await;
    let port = account.port();
    let listed = port.list_instances_tagged(TAG).await.unwrap();
    for one in listed {
        assert_eq!(port.find_instance(&one.instance_id).await.unwrap(), Some(one));
    }
    let ended = port.find_instance(&instance("i-00000003")).await.unwrap().unwrap();
    assert_eq!(ended.state, InstanceState::Terminated);
    let spot = port.find_instance(&instance("i-00000004")).await.unwrap().unwrap();
    assert_eq!(spot.member_of.as_deref(), Some("the Spot request sir-00000001"));
    assert_eq!(port.find_instance(&instance("i-0000ffff")).await.unwrap(), None);
    account.set(Switches::deny(&["ec2:DescribeInstances"])).await;
    let error = port.find_instance(&instance("i-00000001")).await.unwrap_err();
    assert_eq!(error.missing_permission(), Some("ec2:DescribeInstances"));
}

pub async fn what_protects_an_instance_is_found<A: Account>() {
    let account = four::<A>().await;
    let port = account.port();
    let protection = async |id| port.find_instance_protection(&instance(id)).await;
    assert_eq!(protection("i-00000001").await.unwrap(), InstanceProtection::default());
    let member_of = Some("the Auto Scaling group web".into());
    let all = InstanceProtection { termination_protected: true, stop_protected: true, member_of };
    assert_eq!(protection("i-00000002").await.unwrap(), all);
    assert_eq!(protection("i-0000ffff").await.unwrap_err().kind, ErrorKind::NotFound);
    let actions = ["ec2:DescribeInstanceAttribute", "autoscaling:DescribeAutoScalingInstances"];
    for action in actions {
        account.set(Switches::deny(&[action])).await;
        assert_eq!(protection("i-00000001").await.unwrap_err().missing_permission(), Some(action));
    }
}

pub async fn an_instance_is_stopped_and_terminated<A: Account>() {
    let account = four::<A>().await;
    let (port, first) = (account.port(), instance("i-00000001"));
    let state = async || account.world().await.instances.swap_remove(0).state;
    for _ in 0..2 {
        port.stop(&first).await.unwrap();
        assert_eq!(state().await, "stopped");
    }
    for _ in 0..2 {
        port.terminate(&first).await.unwrap();
        assert_eq!(state().await, "terminated");
    }
    assert_eq!(port.stop(&first).await.unwrap_err().kind, ErrorKind::Other);
    let gone = instance("i-0000ffff");
    assert_eq!(port.stop(&gone).await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(port.terminate(&gone).await.unwrap_err().kind, ErrorKind::NotFound);
}

pub async fn a_protected_instance_stays<A: Account>() {
    let account = four::<A>().await;
    let (port, second) = (account.port(), instance("i-00000002"));
    let before = account.world().await;
    for result in [port.stop(&second).await, port.terminate(&second).await] {
        let error = result.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Other, "OperationNotPermitted"));
    }
    assert_eq!(account.world().await, before);
}

pub async fn a_denied_end_names_the_permission<A: Account>() {
    let account = four::<A>().await;
    account.set(Switches::deny(&["ec2:StopInstances", "ec2:TerminateInstances"])).await;
    let (port, first) = (account.port(), instance("i-00000001"));
    let error = port.stop(&first).await.unwrap_err();
    assert_eq!(error.missing_permission(), Some("ec2:StopInstances"));
    let error = port.terminate(&first).await.unwrap_err();
    assert_eq!(error.missing_permission(), Some("ec2:TerminateInstances"));
}

fn message(number: usize) -> Message {
    Message {
        source: "image-steward",
        detail_type: "Image Expired",
        detail: json!({"number": number}).to_string(),
        resources: vec!["arn:aws:ec2:eu-central-1::image/ami-00000001".into()],
    }
}

pub async fn the_bus_takes_messages<A: Account>() {
    let account = A::with(json!({})).await;
    let messages: Vec<Message> = (0..10).map(message).collect();
    let results = account.port().put("default", &messages).await.unwrap();
    assert_eq!(results, vec![Ok(()); 10]);
    let expected: Vec<_> =
        (0..10).map(|number| ("Image Expired".to_owned(), json!({"number": number}))).collect();
    assert_eq!(account.events().await, expected);
    let messages: Vec<Message> = (0..11).map(message).collect();
    assert_eq!(account.port().put("default", &messages).await.unwrap_err().kind, ErrorKind::Other);
    assert_eq!(account.events().await.len(), 10);
}

pub async fn the_bus_says_which_it_did_not_take<A: Account>() {
    let account = A::with(json!({})).await;
    account.set(Switches { reject_events: 2, ..Switches::default() }).await;
    let results = account.port().put("default", &[0, 1, 2].map(message)).await.unwrap();
    let codes: Vec<_> =
        results.iter().map(|one| one.as_ref().map_err(|error| error.code.as_str())).collect();
    assert_eq!(codes, [Err("InternalFailure"), Err("InternalFailure"), Ok(&())]);
    assert_eq!(account.events().await, [("Image Expired".to_owned(), json!({"number": 2}))]);
}

pub async fn a_denied_message_names_the_permission<A: Account>() {
    let account = A::with(json!({})).await;
    account.set(Switches::deny(&["events:PutEvents"])).await;
    let error = account.port().put("default", &[message(0)]).await.unwrap_err();
    assert_eq!(error.missing_permission(), Some("events:PutEvents"));
}
