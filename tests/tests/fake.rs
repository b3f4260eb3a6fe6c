//! What the fake has beyond the port: the means to disturb it between two calls.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a verdict")]

use serde_json::json;
use steward::cloud::{Cloud, ErrorKind, ResourceId, SnapshotFate, View};
use steward::ids::ImageId;
use steward_tests::fake::{Call, Fake};
use steward_tests::fleet::{Fleet, FleetImage};

fn account() -> Fake {
    let fleet = json!({"images": [{"image_id": "ami-1"}, {"image_id": "ami-2"}]});
    Fake::new(&serde_json::from_value::<Fleet>(fleet).unwrap())
}

fn id(text: &str) -> ImageId {
    text.parse().unwrap()
}

#[tokio::test]
async fn frozen_listings_are_old_but_what_is_found_is_new() {
    let fake = account();
    fake.freeze_listings();
    fake.deregister(&id("ami-1"), SnapshotFate::LeaveToReaper).await.unwrap();
    assert_eq!(fake.list_images().await.unwrap().len(), 2);
    assert_eq!(fake.find_image(&id("ami-1")).await.unwrap(), None);
    fake.thaw_listings();
    assert_eq!(fake.list_images().await.unwrap().len(), 1);
}

#[tokio::test]
async fn somebody_else_changes_the_account() {
    let fake = account();
    fake.change(|fleet| {
        fleet.images.retain(|image| image.image_id != id("ami-1"));
        fleet.images.push(FleetImage::new(id("ami-3"), ["snap-3".parse().unwrap()]));
    });
    assert_eq!(fake.find_image(&id("ami-1")).await.unwrap(), None);
    assert!(fake.find_image(&id("ami-3")).await.unwrap().is_some());
    assert_eq!(fake.world().snapshots.len(), 1);
}

#[tokio::test]
async fn after_the_plug_is_pulled_nothing_answers() {
    let fake = account();
    fake.unplug_after(1);
    fake.deregister(&id("ami-1"), SnapshotFate::LeaveToReaper).await.unwrap();
    let error = fake.deregister(&id("ami-2"), SnapshotFate::LeaveToReaper).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert_eq!(fake.list_images().await.unwrap_err().kind, ErrorKind::Unreachable);
    assert_eq!(fake.world().images.len(), 1);
    fake.plug_in();
    assert_eq!(fake.list_images().await.unwrap().len(), 1);
}

#[tokio::test]
async fn calls_are_recorded_with_what_they_were_about() {
    let fake = account();
    fake.list_images().await.unwrap();
    let tags = [("Team", "red")].into_iter().collect();
    let one = [ResourceId::Image(id("ami-1"))];
    fake.set_tags(&one, &tags).await.unwrap();
    fake.fail("ec2:DeregisterImage", 1, "InternalError");
    for _ in 0..2 {
        let _ = fake.deregister(&id("ami-1"), SnapshotFate::LeaveToReaper).await;
    }
    let deregister = Call::Deregister(id("ami-1"), SnapshotFate::LeaveToReaper);
    let expected = [Call::SetTags(one.to_vec(), tags), deregister.clone(), deregister];
    assert_eq!(fake.changing_calls(), expected);
    assert_eq!(fake.calls()[0], Call::ListImages);
    fake.forget_calls();
    assert_eq!(fake.calls(), []);
    assert_eq!(fake.world().images.len(), 1);
}
