//! Clauses about changes other than steps.

use jiff::Timestamp;
use serde_json::{Value, json};
use steward::cloud::{CloudError, ErrorKind, SnapshotDeletion};
use steward::model::{SnapshotFate, SnapshotId};
use steward_tests::FRESH;
use steward_tests::switches::Switches;

use crate::{Account, image, image_ids, resources, snapshot, snapshot_ids, tags};

/// Two images with one snapshot each, and one snapshot that they share.
fn pair() -> Value {
    json!({
        "images": [
            {"image_id": "ami-00000001", "snapshots": ["snap-00000001", "snap-00000003"],
             "tags": {"Team": "red", "Old": "1"}},
            {"image_id": "ami-00000002", "snapshots": ["snap-00000002", "snap-00000003"]},
        ],
        "snapshots": [
            {"snapshot_id": "snap-00000001", "tags": {"Old": "2"}},
            {"snapshot_id": "snap-00000002"},
            {"snapshot_id": "snap-00000003"},
        ],
    })
}

pub async fn tags_are_set_and_others_left_alone<A: Account>() {
    let account = A::with(pair()).await;
    let both = resources(&["ami-00000001", "snap-00000001"]);
    let set = tags(&[("Old", "3"), ("New", "ä, &<>\"'")]);
    account.port().set_tags(&both, &set).await.unwrap();
    let world = account.world().await;
    assert_eq!(world.images[0].tags, set.with(&tags(&[("Team", "red")])));
    assert_eq!(world.snapshots[0].tags, set);
    assert!(world.images[1].tags.is_empty() && world.snapshots[1].tags.is_empty());
    // Repeating it changes nothing, and an empty change needs no call.
    account.port().set_tags(&both, &set).await.unwrap();
    account.port().set_tags(&[], &set).await.unwrap();
    account.port().set_tags(&both, &tags(&[])).await.unwrap();
    assert_eq!(account.world().await, world);
}

pub async fn more_resources_than_a_call_takes_are_tagged<A: Account>() {
    let ids: Vec<String> = (0..1050).map(|n| format!("snap-{n:08x}")).collect();
    let held: Vec<Value> = ids.iter().map(|id| json!({"snapshot_id": id})).collect();
    let account = A::with(json!({"snapshots": held})).await;
    let all = resources(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    account.port().set_tags(&all, &tags(&[("image-steward:image", "ami-1")])).await.unwrap();
    let world = account.world().await;
    assert!(world.snapshots.iter().all(|one| one.tags.has("image-steward:image")));
    account.port().remove_tags(&all, &["image-steward:image".into()]).await.unwrap();
    assert!(account.world().await.snapshots.iter().all(|one| one.tags.is_empty()));
}

pub async fn one_missing_resource_fails_the_whole_call<A: Account>() {
    let account = A::with(pair()).await;
    let before = account.world().await;
    for missing in ["ami-0000000f", "snap-0000000f"] {
        let some = resources(&["ami-00000001", missing, "snap-00000001"]);
        let error = account.port().set_tags(&some, &tags(&[("New", "1")])).await.unwrap_err();
        assert_eq!((error.call, error.kind), ("ec2:CreateTags", ErrorKind::NotFound));
        assert!(error.message.contains(missing), "{error}");
        let error = account.port().remove_tags(&some, &["Old".into()]).await.unwrap_err();
        assert_eq!((error.call, error.kind), ("ec2:DeleteTags", ErrorKind::NotFound));
    }
    assert_eq!(account.world().await, before);
}

pub async fn tags_beyond_the_limits_are_refused<A: Account>() {
    let account = A::with(pair()).await;
    let before = account.world().await;
    let one = resources(&["ami-00000001"]);
    let refused = async |set| account.port().set_tags(&one, &set).await.unwrap_err().code;
    // Two tags already exist.
    let many = (0..49).map(|n| (format!("key-{n}"), "")).collect();
    assert_eq!(refused(many).await, "TagLimitExceeded");
    assert_eq!(refused(tags(&[(&"k".repeat(128), "")])).await, "InvalidParameterValue");
    assert_eq!(refused(tags(&[("k", &"v".repeat(257))])).await, "InvalidParameterValue");
    assert_eq!(refused(tags(&[("aws:mine", "")])).await, "InvalidParameterValue");
    assert_eq!(account.world().await, before);
    let longest = tags(&[(&"k".repeat(127), &"v".repeat(256))]);
    account.port().set_tags(&one, &longest).await.unwrap();
}

pub async fn tags_are_removed_whatever_their_values<A: Account>() {
    let account = A::with(pair()).await;
    let both = resources(&["ami-00000001", "snap-00000001", "snap-00000002"]);
    let keys = ["Old".to_owned(), "Absent".to_owned()];
    account.port().remove_tags(&both, &keys).await.unwrap();
    let world = account.world().await;
    assert_eq!(world.images[0].tags, tags(&[("Team", "red")]));
    assert!(world.snapshots[0].tags.is_empty());
    account.port().remove_tags(&both, &keys).await.unwrap();
    assert_eq!(account.world().await, world);
}

/// In EC2, deleting tags without a list deletes all tags.
pub async fn removing_no_keys_removes_nothing<A: Account>() {
    let account = A::with(pair()).await;
    let before = account.world().await;
    let both = resources(&["ami-00000001", "snap-00000001"]);
    account.port().remove_tags(&both, &[]).await.unwrap();
    account.port().remove_tags(&[], &["Old".into()]).await.unwrap();
    assert_eq!(account.world().await, before);
}

pub async fn deregistering_leaves_the_snapshots<A: Account>() {
    let account = A::with(pair()).await;
    let first = image("ami-00000001");
    let done =
        account.port().deregister(&first, SnapshotFate::DeleteLater, FRESH).await.unwrap().unwrap();
    assert_eq!(done.deleted, []);
    let world = account.world().await;
    assert_eq!(image_ids(&world), ["ami-00000002"]);
    assert_eq!(snapshot_ids(&world), ["snap-00000001", "snap-00000002", "snap-00000003"]);
}

pub async fn deregistering_twice_is_done<A: Account>() {
    let account = A::with(pair()).await;
    let first = image("ami-00000001");
    for fate in [SnapshotFate::DeleteLater, SnapshotFate::DeleteWithImage] {
        account.port().deregister(&first, fate, FRESH).await.unwrap();
    }
    account.set(Switches { forget_deregistered: true, ..Switches::default() }).await;
    let done = account
        .port()
        .deregister(&first, SnapshotFate::DeleteWithImage, FRESH)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(done.deleted, []);
    assert_eq!(snapshot_ids(&account.world().await).len(), 3);
}

async fn deregister_first<A: Account>(account: &A) -> Vec<SnapshotId> {
    let first = image("ami-00000001");
    let done = account
        .port()
        .deregister(&first, SnapshotFate::DeleteWithImage, FRESH)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(account.port().find_image(&first).await.unwrap(), None);
    done.deleted
}

pub async fn deregistering_deletes_what_no_other_image_uses<A: Account>() {
    let account = A::with(pair()).await;
    assert_eq!(deregister_first(&account).await, [snapshot("snap-00000001")]);
    assert_eq!(snapshot_ids(&account.world().await), ["snap-00000002", "snap-00000003"]);
    // The shared snapshot is deleted with the last image that uses it.
    let second = image("ami-00000002");
    let done = account
        .port()
        .deregister(&second, SnapshotFate::DeleteWithImage, FRESH)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(done.deleted, ["snap-00000002", "snap-00000003"].map(snapshot));
    assert_eq!(snapshot_ids(&account.world().await), Vec::<&str>::new());
}

pub async fn a_snapshot_counts_as_deleted_only_if_the_provider_says_so<A: Account>() {
    let one = |code: &str| Switches {
        associated_result: [("snap-00000001".to_owned(), code.to_owned())].into(),
        ..Switches::default()
    };
    for switches in [
        one("internal-error"),
        one("client-error"),
        one("skipped"),
        Switches::deny(&["ec2:DeleteSnapshot"]),
        // A server without the parameter deletes nothing and reports nothing.
        Switches { no_delete_associated: true, ..Switches::default() },
    ] {
        let account = A::with(pair()).await;
        account.set(switches.clone()).await;
        assert_eq!(deregister_first(&account).await, [], "{switches:?}");
        assert_eq!(snapshot_ids(&account.world().await).len(), 3, "{switches:?}");
    }
}

pub async fn what_may_not_be_deregistered_stays<A: Account>() {
    let account = A::with(json!({
        "images": [
            {"image_id": "ami-00000001", "protected": "enabled-without-cooldown"},
            {"image_id": "ami-00000002", "owner_id": "999999999999", "public": true},
        ],
    }))
    .await;
    for (id, code) in [("ami-00000001", "OperationNotPermitted"), ("ami-00000002", "AuthFailure")] {
        let done =
            account.port().deregister(&image(id), SnapshotFate::DeleteWithImage, FRESH).await;
        let error = done.unwrap_err();
        assert_eq!((error.code.as_str(), error.kind), (code, ErrorKind::Other));
        assert_eq!(error.missing_permission(), None);
    }
    assert_eq!(image_ids(&account.world().await), ["ami-00000001", "ami-00000002"]);
}

/// A removal is not sent if its check is too old.
pub async fn removals_with_an_old_check_are_not_sent<A: Account>() {
    let account = A::with(pair()).await;
    let before = account.world().await;
    let port = account.port();
    let (first, old) = (image("ami-00000001"), &|| false);
    let done = port.deregister(&first, SnapshotFate::DeleteWithImage, old).await.unwrap();
    assert_eq!(done, None);
    assert_eq!(port.delete_snapshot(&snapshot("snap-00000003"), old).await.unwrap(), None);
    assert_eq!(port.disable(&first, Timestamp::UNIX_EPOCH, old).await.unwrap(), None);
    assert_eq!(account.world().await, before);
}

async fn delete<A: Account>(account: &A, id: &str) -> Result<SnapshotDeletion, CloudError> {
    account
        .port()
        .delete_snapshot(&snapshot(id), FRESH)
        .await
        .map(|done| done.expect("it is fresh"))
}

pub async fn snapshots_are_deleted_unless_in_use<A: Account>() {
    let account = A::with(json!({
        "images": [
            {"image_id": "ami-00000001", "snapshots": ["snap-00000001"]},
            {"image_id": "ami-00000002", "state": "disabled", "snapshots": ["snap-00000002"]},
        ],
        "snapshots": [
            {"snapshot_id": "snap-00000003"},
            {"snapshot_id": "snap-00000004", "owner_id": "999999999999"},
        ],
    }))
    .await;
    assert_eq!(delete(&account, "snap-00000001").await.unwrap(), SnapshotDeletion::InUse);
    assert_eq!(delete(&account, "snap-00000002").await.unwrap(), SnapshotDeletion::InUse);
    assert_eq!(delete(&account, "snap-00000003").await.unwrap(), SnapshotDeletion::Deleted);
    assert_eq!(delete(&account, "snap-00000003").await.unwrap(), SnapshotDeletion::AlreadyGone);
    assert_eq!(delete(&account, "snap-0000000f").await.unwrap(), SnapshotDeletion::AlreadyGone);
    assert_eq!(delete(&account, "snap-00000004").await.unwrap_err().kind, ErrorKind::Other);
    let left = ["snap-00000001", "snap-00000002", "snap-00000004"];
    assert_eq!(snapshot_ids(&account.world().await), left);
}

pub async fn a_snapshot_may_be_in_use_for_a_while_longer<A: Account>() {
    let account = A::with(pair()).await;
    account.set(Switches::default().and_race(1, 2)).await;
    for id in ["ami-00000001", "ami-00000002"] {
        account.port().deregister(&image(id), SnapshotFate::DeleteLater, FRESH).await.unwrap();
    }
    assert_eq!(delete(&account, "snap-00000001").await.unwrap(), SnapshotDeletion::InUse);
    assert_eq!(delete(&account, "snap-00000002").await.unwrap(), SnapshotDeletion::Deleted);
    assert_eq!(delete(&account, "snap-00000001").await.unwrap(), SnapshotDeletion::InUse);
    assert_eq!(delete(&account, "snap-00000001").await.unwrap(), SnapshotDeletion::Deleted);
    assert_eq!(snapshot_ids(&account.world().await), ["snap-00000003"]);
}

pub async fn a_denied_change_names_the_permission<A: Account>() {
    let account = A::with(pair()).await;
    let before = account.world().await;
    let denied = ["ec2:CreateTags", "ec2:DeleteTags", "ec2:DeregisterImage", "ec2:DeleteSnapshot"];
    account.set(Switches::deny(&denied)).await;
    let port = account.port();
    let one = resources(&["ami-00000001"]);
    let errors = [
        port.set_tags(&one, &tags(&[("New", "")])).await.unwrap_err(),
        port.remove_tags(&one, &["Old".into()]).await.unwrap_err(),
        port.deregister(&image("ami-00000001"), SnapshotFate::DeleteLater, FRESH)
            .await
            .unwrap_err(),
        delete(&account, "snap-00000001").await.unwrap_err(),
    ];
    for (error, action) in errors.iter().zip(denied) {
        assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
    }
    assert_eq!(account.world().await, before);
}
