//! Clauses about what protects snapshots, and about finding resources by tag.

use serde_json::{Value, json};
use steward::cloud::ErrorKind;
use steward::model::SnapshotFate;
use steward_tests::FRESH;
use steward_tests::switches::Switches;

use crate::{Account, image, resources, snapshot, snapshot_ids};

pub async fn locked_snapshots_are_listed_and_stay<A: Account>() {
    let account = A::with(json!({
        "images": [{"image_id": "ami-00000001", "snapshots": ["snap-00000001", "snap-00000002"]}],
        "snapshots": [
            {"snapshot_id": "snap-00000001", "locked": true},
            {"snapshot_id": "snap-00000002"},
            {"snapshot_id": "snap-00000003", "locked": true},
            {"snapshot_id": "snap-00000004", "locked": true, "owner_id": "999999999999"},
        ],
    }))
    .await;
    let port = account.port();
    let mut found = port.list_locked_snapshots().await.unwrap();
    found.sort();
    assert_eq!(found, ["snap-00000001", "snap-00000003"].map(snapshot));
    // Neither together with its image nor alone.
    let first = image("ami-00000001");
    let done =
        port.deregister(&first, SnapshotFate::DeleteWithImage, FRESH).await.unwrap().unwrap();
    assert_eq!(done.deleted, [snapshot("snap-00000002")]);
    for id in ["snap-00000001", "snap-00000003"] {
        let error = port.delete_snapshot(&snapshot(id), FRESH).await.unwrap_err();
        assert_eq!((error.call, error.kind), ("ec2:DeleteSnapshot", ErrorKind::Other));
        assert_eq!(error.missing_permission(), None);
    }
    let left = ["snap-00000001", "snap-00000003", "snap-00000004"];
    assert_eq!(snapshot_ids(&account.world().await), left);
}

pub async fn every_page_of_locked_snapshots_is_listed<A: Account>() {
    let locked: Vec<Value> = (0..1001)
        .map(|n| json!({"snapshot_id": format!("snap-{n:08x}"), "locked": true}))
        .collect();
    let account = A::with(json!({"snapshots": locked})).await;
    let mut found = account.port().list_locked_snapshots().await.unwrap();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 1001);
    let action = "ec2:DescribeLockedSnapshots";
    account.set(Switches::default().and_fail_page(action, 2)).await;
    assert_eq!(account.port().list_locked_snapshots().await.unwrap_err().call, action);
    account.set(Switches::deny(&[action])).await;
    let error = account.port().list_locked_snapshots().await.unwrap_err();
    assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
}

pub async fn volume_permissions_are_found<A: Account>() {
    let account = A::with(json!({
        "snapshots": [
            {"snapshot_id": "snap-00000001",
             "create_volume_permissions": ["222233334444", "111122223333"]},
            {"snapshot_id": "snap-00000002", "public": true,
             "create_volume_permissions": ["111122223333"]},
            {"snapshot_id": "snap-00000003"},
            {"snapshot_id": "snap-00000004", "owner_id": "999999999999", "public": true},
        ],
    }))
    .await;
    let found = async |id| account.port().find_volume_permissions(&snapshot(id)).await;
    let holders = async |id| {
        found(id).await.unwrap().iter().map(|holder| holder.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(holders("snap-00000001").await, ["111122223333", "222233334444"]);
    assert_eq!(holders("snap-00000002").await, ["111122223333", "all"]);
    assert_eq!(holders("snap-00000003").await, Vec::<String>::new());
    let action = "ec2:DescribeSnapshotAttribute";
    let error = found("snap-0000000f").await.unwrap_err();
    assert_eq!((error.call, error.kind), (action, ErrorKind::NotFound));
    assert_eq!(found("snap-00000004").await.unwrap_err().kind, ErrorKind::Other);
    // No listing contains them.
    let own = steward::cloud::SnapshotScope::Own;
    let listed = account.port().list_snapshots(&own).await.unwrap();
    assert!(listed.iter().all(|one| one.shared_with.is_none() && one.locked.is_none()));
    account.set(Switches::deny(&[action])).await;
    let error = found("snap-00000001").await.unwrap_err();
    assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
}

pub async fn what_carries_a_tag_is_listed<A: Account>() {
    let account = A::with(json!({
        "images": [
            {"image_id": "ami-00000001", "tags": {"steward:run": "7"}},
            {"image_id": "ami-00000002", "tags": {"steward:run": "77"}, "state": "disabled"},
            {"image_id": "ami-00000003", "tags": {"Steward:run": "7", "run": "steward:run"}},
        ],
        "snapshots": [
            {"snapshot_id": "snap-00000001", "tags": {"steward:run": "7*"}},
            {"snapshot_id": "snap-00000002", "tags": {"steward:run": "", "Team": "7"}},
        ],
        "instances": [{
            "instance_id": "i-00000001", "image_id": "ami-00000001", "tags": {"steward:run": "7"},
        }],
    }))
    .await;
    let found = async |key: &str, value| {
        let mut found = account.port().list_tagged(key, value).await.unwrap();
        found.sort();
        let (resources, values): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        (resources, values.join(" "))
    };
    let all = resources(&["ami-00000001", "ami-00000002", "snap-00000001", "snap-00000002"]);
    assert_eq!(found("steward:run", None).await, (all, "7 77 7* ".to_owned()));
    for (value, expected) in [
        ("7", vec!["ami-00000001"]),
        ("77", vec!["ami-00000002"]),
        // Not a wildcard.
        ("7*", vec!["snap-00000001"]),
        ("7?", vec![]),
        ("8", vec![]),
    ] {
        let held = expected.iter().map(|_| value).collect::<Vec<_>>().join(" ");
        let expected = (resources(&expected), held);
        assert_eq!(found("steward:run", Some(value)).await, expected);
    }
    assert_eq!(found("steward:*", None).await, (vec![], String::new()));
    let action = "ec2:DescribeTags";
    account.set(Switches::deny(&[action])).await;
    let error = account.port().list_tagged("steward:run", None).await.unwrap_err();
    assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
}

pub async fn every_page_of_tags_is_listed<A: Account>() {
    let tagged: Vec<Value> = (0..1001)
        .map(|n| json!({"snapshot_id": format!("snap-{n:08x}"), "tags": {"run": n.to_string()}}))
        .collect();
    let account = A::with(json!({"snapshots": tagged})).await;
    let mut found = account.port().list_tagged("run", None).await.unwrap();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 1001);
    let action = "ec2:DescribeTags";
    account.set(Switches::default().and_fail_page(action, 2)).await;
    assert_eq!(account.port().list_tagged("run", None).await.unwrap_err().call, action);
}
