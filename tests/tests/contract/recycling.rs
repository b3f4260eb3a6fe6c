//! Clauses about the Recycle Bin: moving resources to it, listing it, and restoring from it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use steward::cloud::{ErrorKind, SnapshotDeletion};
use steward::model::SnapshotFate;
use steward_tests::FRESH;
use steward_tests::switches::Switches;

use crate::{Account, image, image_ids, resources, snapshot, snapshot_ids, tags};

/// An image with two snapshots, and an account with the default rules.
pub(crate) fn one() -> Value {
    json!({
        "images": [{
            "image_id": "ami-00000001", "name": "golden", "description": "of gold",
            "tags": {"Team": "red"}, "snapshots": ["snap-00000001", "snap-00000002"],
            "state": "disabled", "deprecation_time": "2026-02-03T04:05:00Z",
        }],
        "snapshots": [
            {"snapshot_id": "snap-00000001", "description": "root", "volume_id": "vol-0abc",
             "size_gib": 30, "tags": {"Team": "blue"}, "started_at": "2026-01-02T03:04:05Z"},
            {"snapshot_id": "snap-00000002"},
        ],
    })
}

pub(crate) async fn deregister<A: Account>(account: &A, id: &str) {
    account.port().deregister(&image(id), SnapshotFate::DeleteLater, FRESH).await.unwrap();
}

async fn delete<A: Account>(account: &A, id: &str) -> SnapshotDeletion {
    account.port().delete_snapshot(&snapshot(id), FRESH).await.unwrap().unwrap()
}

/// The contents of the bin.
pub(crate) async fn binned<A: Account>(account: &A) -> Vec<String> {
    let world = account.world().await;
    let images = world.recycled_images.iter().map(|one| one.image.image_id.to_string());
    let snapshots = world.recycled_snapshots.iter();
    images.chain(snapshots.map(|one| one.snapshot.snapshot_id.to_string())).collect()
}

/// How long the bin keeps a resource.
pub(crate) fn days(entered_at: Option<Timestamp>, leaves_at: Option<Timestamp>) -> SignedDuration {
    leaves_at.unwrap().duration_since(entered_at.unwrap())
}

fn two_weeks() -> SignedDuration {
    SignedDuration::from_hours(14 * 24)
}

pub async fn a_deregistered_image_goes_into_the_bin<A: Account>() {
    let account = A::with(one()).await;
    let port = account.port();
    let before = account.world().await.images.remove(0);
    assert_eq!(port.list_recycled_images().await.unwrap(), []);
    deregister(&account, "ami-00000001").await;
    let [found] = port.list_recycled_images().await.unwrap().try_into().unwrap();
    assert_eq!((found.image_id, &*found.name), (image("ami-00000001"), "golden"));
    assert_eq!(days(found.entered_at, found.leaves_at), two_weeks());
    assert!(found.entered_at.unwrap() > "2026-11-01T00:00:00Z".parse().unwrap());
    // For all other calls the image does not exist. Its snapshots still exist.
    assert_eq!(port.list_images().await.unwrap().images, []);
    assert_eq!(port.find_image(&image("ami-00000001")).await.unwrap(), None);
    let error = port.find_launch_permissions(&image("ami-00000001")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    deregister(&account, "ami-00000001").await;
    let world = account.world().await;
    assert_eq!(snapshot_ids(&world), ["snap-00000001", "snap-00000002"]);
    assert_eq!(world.recycled_images[0].image, before);
    assert_eq!(world.recycled_images[0].leaves_at, found.leaves_at.unwrap());
    assert_eq!(port.list_recycled_snapshots().await.unwrap(), []);
}

pub async fn a_deleted_snapshot_goes_into_the_bin<A: Account>() {
    let mut content = one();
    content["images"] = json!([]);
    let account = A::with(content).await;
    let port = account.port();
    let before = account.world().await.snapshots;
    assert_eq!(delete(&account, "snap-00000001").await, SnapshotDeletion::Deleted);
    let [found] = port.list_recycled_snapshots().await.unwrap().try_into().unwrap();
    assert_eq!((found.snapshot_id, &*found.description), (snapshot("snap-00000001"), "root"));
    assert_eq!(days(found.entered_at, found.leaves_at), two_weeks());
    assert_eq!(delete(&account, "snap-00000001").await, SnapshotDeletion::AlreadyGone);
    assert_eq!(port.find_snapshots(&[snapshot("snap-00000001")]).await.unwrap(), []);
    assert_eq!(delete(&account, "snap-00000002").await, SnapshotDeletion::Deleted);
    let mut found = port.list_recycled_snapshots().await.unwrap();
    found.sort_by(|a, b| a.snapshot_id.cmp(&b.snapshot_id));
    assert_eq!(&*found[1].description, "");
    let world = account.world().await;
    assert_eq!(snapshot_ids(&world), Vec::<&str>::new());
    let binned: Vec<_> = world.recycled_snapshots.into_iter().map(|one| one.snapshot).collect();
    assert_eq!(binned, before);
}

pub async fn snapshots_that_go_with_their_image_go_into_the_bin<A: Account>() {
    for (rules, expected) in [
        (json!(["images", "snapshots"]), vec!["ami-00000001", "snap-00000001", "snap-00000002"]),
        (json!(["images"]), vec!["ami-00000001"]),
        (json!(["snapshots"]), vec!["snap-00000001", "snap-00000002"]),
        (json!([]), vec![]),
    ] {
        let rule = |kind: &Value| json!({"rule_id": kind, "resource": kind});
        let mut content = one();
        content["retention_rules"] = rules.as_array().unwrap().iter().map(rule).collect();
        let account = A::with(content).await;
        let first = image("ami-00000001");
        let done = account
            .port()
            .deregister(&first, SnapshotFate::DeleteWithImage, FRESH)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(done.deleted.len(), 2);
        assert_eq!(binned(&account).await, expected, "{rules}");
        assert_eq!(snapshot_ids(&account.world().await), Vec::<&str>::new());
    }
}

pub async fn the_launch_permissions_are_lost_in_the_bin<A: Account>() {
    let mut content = one();
    content["images"][0]["state"] = "available".into();
    content["images"][0]["public"] = true.into();
    content["images"][0]["launch_permissions"] = json!(["111122223333"]);
    let account = A::with(content).await;
    let (port, first) = (account.port(), image("ami-00000001"));
    deregister(&account, "ami-00000001").await;
    port.recover_image(&first).await.unwrap();
    assert_eq!(port.find_launch_permissions(&first).await.unwrap(), []);
    assert_eq!(port.find_image(&first).await.unwrap().unwrap().launch_permissions, None);
}

pub async fn an_image_comes_back_as_it_was<A: Account>() {
    let account = A::with(one()).await;
    let (port, first) = (account.port(), image("ami-00000001"));
    let before = account.world().await;
    let seen = port.find_image(&first).await.unwrap();
    deregister(&account, "ami-00000001").await;
    port.recover_image(&first).await.unwrap();
    assert_eq!(account.world().await, before);
    assert_eq!(port.find_image(&first).await.unwrap(), seen);
    assert_eq!(port.list_recycled_images().await.unwrap(), []);
    // The image uses its snapshots again, and can be deregistered again.
    assert_eq!(delete(&account, "snap-00000001").await, SnapshotDeletion::InUse);
    deregister(&account, "ami-00000001").await;
    assert_eq!(binned(&account).await, ["ami-00000001"]);
}

pub async fn an_image_comes_back_after_its_snapshots<A: Account>() {
    let account = A::with(one()).await;
    let (port, first) = (account.port(), image("ami-00000001"));
    let before = account.world().await;
    port.deregister(&first, SnapshotFate::DeleteWithImage, FRESH).await.unwrap();
    for missing in ["snap-00000001", "snap-00000002"] {
        let error = port.recover_image(&first).await.unwrap_err();
        assert_eq!(error.call, "ec2:RestoreImageFromRecycleBin");
        // The image itself is in the bin.
        assert_eq!(error.kind, ErrorKind::Other);
        assert!(error.message.contains(missing), "{error}");
        assert_eq!(image_ids(&account.world().await), Vec::<&str>::new());
        port.recover_snapshot(&snapshot(missing)).await.unwrap();
    }
    port.recover_image(&first).await.unwrap();
    assert_eq!(account.world().await, before);
}

/// A snapshot whose image is in the bin is not in use, and may be deleted permanently before the
/// image.
pub async fn an_image_whose_snapshot_is_gone_stays_in_the_bin<A: Account>() {
    let mut content = one();
    content["retention_rules"] = json!([{"rule_id": "images", "resource": "images"}]);
    let account = A::with(content).await;
    deregister(&account, "ami-00000001").await;
    assert_eq!(delete(&account, "snap-00000002").await, SnapshotDeletion::Deleted);
    let error = account.port().recover_image(&image("ami-00000001")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other);
    assert!(error.message.contains("snap-00000002"), "{error}");
    assert_eq!(binned(&account).await, ["ami-00000001"]);
}

pub async fn what_is_not_in_the_bin_is_not_found_there<A: Account>() {
    let mut content = one();
    // Deleted permanently: before a rule existed, or after the retention ended.
    content["retention_rules"] = json!([]);
    content["recycled_images"] = json!([{
        "image": {"image_id": "ami-00000002"},
        "entered_at": "2026-01-01T00:00:00Z", "leaves_at": "2026-01-02T00:00:00Z",
    }]);
    content["recycled_snapshots"] = json!([{
        "snapshot": {"snapshot_id": "snap-00000003"},
        "entered_at": "2026-01-01T00:00:00Z", "leaves_at": "2026-01-02T00:00:00Z",
    }]);
    let account = A::with(content).await;
    let port = account.port();
    assert_eq!(port.list_recycled_images().await.unwrap(), []);
    assert_eq!(port.list_recycled_snapshots().await.unwrap(), []);
    assert_eq!(binned(&account).await, Vec::<String>::new());
    for id in ["ami-00000001", "ami-00000002", "ami-0000000f"] {
        let error = port.recover_image(&image(id)).await.unwrap_err();
        assert_eq!(error.call, "ec2:RestoreImageFromRecycleBin");
        assert_eq!(error.kind, ErrorKind::NotFound, "{id}");
    }
    for id in ["snap-00000001", "snap-00000003", "snap-0000000f"] {
        let error = port.recover_snapshot(&snapshot(id)).await.unwrap_err();
        assert_eq!(error.call, "ec2:RestoreSnapshotFromRecycleBin");
        assert_eq!(error.kind, ErrorKind::NotFound, "{id}");
    }
    deregister(&account, "ami-00000001").await;
    let error = port.recover_image(&image("ami-00000001")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

/// An account with an image and a snapshot in its bin, with a long retention.
fn in_bin() -> Value {
    let times = json!({"entered_at": "2026-01-01T00:00:00Z", "leaves_at": "2099-01-01T00:00:00Z"});
    let mut content = json!({
        "images": [{"image_id": "ami-00000002", "tags": {"Team": "red"}}],
        "recycled_images": [{"image": {
            "image_id": "ami-00000001", "tags": {"Team": "red", "Old": "1"},
            "snapshots": ["snap-00000001"],
        }}],
        "recycled_snapshots": [{"snapshot": {
            "snapshot_id": "snap-00000001", "tags": {"Team": "red"},
        }}],
    });
    for section in ["recycled_images", "recycled_snapshots"] {
        for (key, time) in times.as_object().unwrap() {
            content[section][0][key] = time.clone();
        }
    }
    content
}

pub async fn what_is_in_the_bin_keeps_its_tags_and_takes_new_ones<A: Account>() {
    let account = A::with(in_bin()).await;
    let port = account.port();
    let error = port.find_launch_permissions(&image("ami-00000001")).await.unwrap_err();
    assert_eq!(error.code, "InvalidAMIID.Unavailable");
    // Snapshots of an image in the bin are not created.
    assert_eq!(snapshot_ids(&account.world().await), Vec::<&str>::new());
    let all = resources(&["ami-00000001", "ami-00000002", "snap-00000001"]);
    port.set_tags(&all, &tags(&[("New", "2")])).await.unwrap();
    port.remove_tags(&all, &["Old".into()]).await.unwrap();
    let now = tags(&[("Team", "red"), ("New", "2")]);
    let world = account.world().await;
    assert_eq!(world.recycled_images[0].image.tags, now);
    assert_eq!(world.recycled_snapshots[0].snapshot.tags, now);
    for value in [None, Some("2")] {
        let mut found = port.list_tagged("New", value).await.unwrap();
        found.sort();
        let expected: Vec<_> = all.iter().map(|one| (one.clone(), "2".to_owned())).collect();
        assert_eq!(found, expected);
    }
    port.recover_snapshot(&snapshot("snap-00000001")).await.unwrap();
    port.recover_image(&image("ami-00000001")).await.unwrap();
    let found = port.find_image(&image("ami-00000001")).await.unwrap().unwrap();
    assert_eq!(found.tags, now);
}

pub async fn every_page_of_the_bin_is_listed<A: Account>() {
    let times = ["2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z"];
    let binned =
        |what: &str, one: Value| json!({what: one, "entered_at": times[0], "leaves_at": times[1]});
    let ids = 0..1001;
    let images: Vec<Value> =
        ids.clone().map(|n| binned("image", json!({"image_id": format!("ami-{n:08x}")}))).collect();
    let snapshots: Vec<Value> =
        ids.map(|n| binned("snapshot", json!({"snapshot_id": format!("snap-{n:08x}")}))).collect();
    let account =
        A::with(json!({"recycled_images": images, "recycled_snapshots": snapshots})).await;
    let port = account.port();
    let mut found = port.list_recycled_images().await.unwrap();
    found.sort_by(|a, b| a.image_id.cmp(&b.image_id));
    found.dedup();
    assert_eq!(found.len(), 1001);
    assert_eq!(found[1000].image_id, image("ami-000003e8"));
    assert_eq!(found[0].entered_at, Some(times[0].parse().unwrap()));
    assert_eq!(found[0].leaves_at, Some(times[1].parse().unwrap()));
    let mut found = port.list_recycled_snapshots().await.unwrap();
    found.sort_by(|a, b| a.snapshot_id.cmp(&b.snapshot_id));
    found.dedup();
    assert_eq!(found.len(), 1001);
    let (of_images, of_snapshots) = ("ec2:ListImagesInRecycleBin", "ec2:ListSnapshotsInRecycleBin");
    let failing = Switches::default().and_fail_page(of_images, 2);
    account.set(failing.and_fail_page(of_snapshots, 2)).await;
    assert_eq!(port.list_recycled_images().await.unwrap_err().call, of_images);
    assert_eq!(port.list_recycled_snapshots().await.unwrap_err().call, of_snapshots);
}

pub async fn a_denied_recovery_names_the_permission<A: Account>() {
    let account = A::with(in_bin()).await;
    let before = account.world().await;
    let denied = [
        "ec2:ListImagesInRecycleBin",
        "ec2:ListSnapshotsInRecycleBin",
        "ec2:RestoreImageFromRecycleBin",
        "ec2:RestoreSnapshotFromRecycleBin",
    ];
    account.set(Switches::deny(&denied)).await;
    let port = account.port();
    let errors = [
        port.list_recycled_images().await.unwrap_err(),
        port.list_recycled_snapshots().await.unwrap_err(),
        port.recover_image(&image("ami-00000001")).await.unwrap_err(),
        port.recover_snapshot(&snapshot("snap-00000001")).await.unwrap_err(),
    ];
    for (error, action) in errors.iter().zip(denied) {
        assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
    }
    assert_eq!(account.world().await, before);
}
