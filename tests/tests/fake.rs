//! What the fake adds to the port: means to disturb it between two calls.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use jiff::Timestamp;
use serde_json::json;
use steward::cloud::{
    CloudError, ErrorKind, ImageReader, ImageWriter, PermissionReader, PermissionWriter,
    RecycleBinReader, RecycleBinWriter, ReferenceReader, SnapshotReader, TagReader, TagWriter,
};
use steward::model::{
    ComputeEnvironments, ImageId, LaunchPermission, ReferenceScope, ResourceId, SnapshotFate,
    SnapshotId, TemplateVersions,
};
use steward_tests::FRESH;
use steward_tests::fake::{Call, Fake};
use steward_tests::fleet::{Fleet, FleetImage};

fn account() -> Fake {
    let fleet = json!({"images": [{"image_id": "ami-1"}, {"image_id": "ami-2"}]});
    Fake::new(&serde_json::from_value::<Fleet>(fleet).unwrap())
}

fn id(text: &str) -> ImageId {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn no_answer<T: std::fmt::Debug>(answer: Result<T, CloudError>) {
    assert_eq!(answer.unwrap_err().kind, ErrorKind::Unreachable);
}

const SCOPE: ReferenceScope = ReferenceScope {
    versions: TemplateVersions::DefaultAndLatest,
    compute_environments: ComputeEnvironments::Read,
    ignore_templates: Vec::new(),
    accounts: Vec::new(),
};

#[tokio::test]
async fn frozen_listings_are_old_but_what_is_found_is_new() {
    let fake = account();
    fake.freeze_listings();
    fake.deregister(&id("ami-1"), SnapshotFate::DeleteLater, FRESH).await.unwrap();
    assert_eq!(fake.list_images().await.unwrap().images.len(), 2);
    assert_eq!(fake.find_image(&id("ami-1")).await.unwrap(), None);
    fake.thaw_listings();
    assert_eq!(fake.list_images().await.unwrap().images.len(), 1);
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
    fake.deregister(&id("ami-1"), SnapshotFate::DeleteLater, FRESH).await.unwrap();
    let error = fake.deregister(&id("ami-2"), SnapshotFate::DeleteLater, FRESH).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert_eq!(fake.list_images().await.unwrap_err().kind, ErrorKind::Unreachable);
    assert_eq!(fake.world().images.len(), 1);
    fake.plug_in();
    assert_eq!(fake.list_images().await.unwrap().images.len(), 1);
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
        let _ = fake.deregister(&id("ami-1"), SnapshotFate::DeleteLater, FRESH).await;
    }
    let deregister = Call::Deregister(id("ami-1"), SnapshotFate::DeleteLater);
    let expected = [Call::SetTags(one.to_vec(), tags), deregister.clone(), deregister];
    assert_eq!(fake.changing_calls(), expected);
    assert_eq!(fake.calls()[0], Call::ListImages);
    fake.forget_calls();
    assert_eq!(fake.calls(), []);
    assert_eq!(fake.world().images.len(), 1);
}

#[tokio::test]
async fn what_the_provider_knows_is_as_old_as_its_listings() {
    let fake = account();
    let two = TemplateVersions::DefaultAndLatest;
    let known = async || {
        let references = fake.find_references_to(&[id("ami-1")], two).await.unwrap().len();
        let bin = fake.list_recycled_images().await.unwrap().len();
        (references, bin, fake.list_tagged("Team", None).await.unwrap().len())
    };
    fake.freeze_listings();
    fake.change(|fleet| {
        let instance = json!({"instance_id": "i-1", "image_id": "ami-1"});
        fleet.instances.push(serde_json::from_value(instance).unwrap());
        fleet.images[0].tags = [("Team", "red")].into_iter().collect();
    });
    fake.deregister(&id("ami-2"), SnapshotFate::DeleteLater, FRESH).await.unwrap();
    assert_eq!(known().await, (0, 0, 0));
    // Reads of one resource and all changes use the current state.
    assert_eq!(fake.find_instances_of(&[id("ami-1")]).await.unwrap().len(), 1);
    fake.recover_image(&id("ami-2")).await.unwrap();
    fake.deregister(&id("ami-2"), SnapshotFate::DeleteLater, FRESH).await.unwrap();
    fake.thaw_listings();
    assert_eq!(known().await, (1, 1, 1));
}

#[tokio::test]
async fn the_bin_goes_by_the_clock() {
    let fake = account();
    let in_bin = async || {
        let found = fake.list_recycled_images().await.unwrap();
        found
            .iter()
            .map(|one| (one.entered_at.unwrap(), one.leaves_at.unwrap()))
            .collect::<Vec<_>>()
    };
    fake.deregister(&id("ami-1"), SnapshotFate::DeleteLater, FRESH).await.unwrap();
    let first = (at("2026-11-22T12:00:00Z"), at("2026-12-06T12:00:00Z"));
    assert_eq!(in_bin().await, [first]);
    fake.set_clock(at("2026-12-06T11:59:59Z"));
    fake.deregister(&id("ami-2"), SnapshotFate::DeleteLater, FRESH).await.unwrap();
    let second = (at("2026-12-06T11:59:59Z"), at("2026-12-20T11:59:59Z"));
    assert_eq!(in_bin().await.len(), 2);
    fake.set_clock(at("2026-12-06T12:00:00Z"));
    assert_eq!(in_bin().await, [second]);
    let error = fake.recover_image(&id("ami-1")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    fake.set_clock(at("2027-01-01T00:00:00Z"));
    assert_eq!(fake.world().recycled_images, []);
}

#[tokio::test]
async fn a_deprecation_in_the_past_begins_at_the_minute_that_it_is() {
    let fake = account();
    fake.set_clock(at("2026-12-06T11:59:59Z"));
    let first = id("ami-1");
    for (wanted, since) in [
        ("2026-01-01T00:00:00Z", "2026-12-06T11:59:00Z"),
        ("2026-12-06T12:00:01Z", "2026-12-06T12:00:00Z"),
    ] {
        fake.deprecate(&first, at(wanted)).await.unwrap();
        assert_eq!(fake.world().images[0].deprecation_time, Some(at(since)), "{wanted}");
    }
}

#[tokio::test]
async fn reading_counts_against_the_plug_too() {
    let fake = account();
    fake.unplug_after_calls(2);
    assert_eq!(fake.list_images().await.unwrap().images.len(), 2);
    fake.deregister(&id("ami-1"), SnapshotFate::DeleteLater, FRESH).await.unwrap();
    no_answer(fake.find_image(&id("ami-2")).await);
    no_answer(fake.deregister(&id("ami-2"), SnapshotFate::DeleteLater, FRESH).await);
    no_answer(fake.recover_image(&id("ami-1")).await);
    assert_eq!(fake.world().images.len(), 1);
    fake.plug_in();
    fake.recover_image(&id("ami-1")).await.unwrap();
    assert_eq!(fake.list_images().await.unwrap().images.len(), 2);
}

#[tokio::test]
async fn a_call_takes_effect_whose_answer_nobody_hears() {
    let fake = account();
    let tags = [("Team", "red")].into_iter().collect();
    fake.unplug_in_call(2);
    assert!(fake.find_image(&id("ami-1")).await.unwrap().is_some());
    no_answer(fake.deregister(&id("ami-1"), SnapshotFate::DeleteLater, FRESH).await);
    no_answer(fake.deregister(&id("ami-2"), SnapshotFate::DeleteLater, FRESH).await);
    no_answer(fake.set_tags(&[ResourceId::Image(id("ami-2"))], &tags).await);
    no_answer(fake.list_images().await);
    let world = fake.world();
    assert_eq!(world.images.len(), 1);
    assert!(world.images[0].tags.is_empty());
    // A reading call has no effect.
    fake.plug_in();
    fake.unplug_in_call(1);
    no_answer(fake.list_images().await);
    no_answer(fake.disable(&id("ami-2"), Timestamp::UNIX_EPOCH, FRESH).await);
    assert_eq!(fake.world().images[0].state, "available");
    // A denied call gets no response either, and changes nothing.
    for refused in ["ami-1", "ami-9"] {
        fake.plug_in();
        fake.unplug_in_call(1);
        no_answer(fake.disable(&id(refused), Timestamp::UNIX_EPOCH, FRESH).await);
        fake.plug_in();
        fake.fail("ec2:DisableImage", 1, "InternalError");
        fake.unplug_in_call(1);
        no_answer(fake.disable(&id("ami-2"), Timestamp::UNIX_EPOCH, FRESH).await);
    }
    assert_eq!(fake.world().images[0].state, "available");
    fake.plug_in();
    fake.disable(&id("ami-2"), Timestamp::UNIX_EPOCH, FRESH).await.unwrap();
}

#[tokio::test]
async fn a_call_of_the_port_may_be_cut_in_two() {
    let snapshots: Vec<_> =
        (0..1001).map(|n| json!({"snapshot_id": format!("snap-{n:04}")})).collect();
    let fake = Fake::new(&serde_json::from_value(json!({"snapshots": snapshots})).unwrap());
    let all: Vec<ResourceId> =
        (0..1001).map(|n| ResourceId::Snapshot(format!("snap-{n:04}").parse().unwrap())).collect();
    let tags = [("Team", "red")].into_iter().collect();
    let tagged = || fake.world().snapshots.iter().filter(|one| !one.tags.is_empty()).count();
    fake.unplug_in_call(1);
    no_answer(fake.set_tags(&all, &tags).await);
    assert_eq!(tagged(), 1000);
    fake.plug_in();
    fake.unplug_in_call(2);
    no_answer(fake.set_tags(&all, &tags).await);
    assert_eq!(tagged(), 1001);
}

#[tokio::test]
async fn calls_to_the_provider_are_counted() {
    let fake = account();
    fake.list_images().await.unwrap();
    fake.set_tags(&[], &steward::model::Tags::default()).await.unwrap();
    fake.share(&id("ami-1"), &[]).await.unwrap();
    fake.find_references_to(&[], TemplateVersions::All).await.unwrap();
    assert_eq!((fake.calls_made(), fake.calls().len()), (1, 4));
    // Two listings of rules, and one call for each of the two rules.
    fake.list_retention_rules().await.unwrap();
    assert_eq!(fake.calls_made(), 5);
    // One call for each of eight sources.
    assert!(fake.list_references(&SCOPE).await.iter().all(|answer| answer.found.is_ok()));
    assert_eq!(fake.calls_made(), 13);
    let many: Vec<ImageId> = (0..11).map(|n| id(&format!("ami-{n}"))).collect();
    fake.find_references_to(&many, TemplateVersions::All).await.unwrap();
    assert_eq!(fake.calls_made(), 15);
    fake.unplug_after_calls(0);
    no_answer(fake.list_images().await);
    assert_eq!(fake.calls_made(), 16);
    fake.forget_calls();
    assert_eq!(fake.calls_made(), 0);
}

#[tokio::test]
async fn every_source_fails_by_itself_when_the_plug_is_pulled_among_them() {
    let fake = account();
    let mut failed = Vec::new();
    for calls in 0..=8 {
        fake.unplug_after_calls(calls);
        let answers = fake.list_references(&SCOPE).await;
        failed.push(answers.iter().filter(|answer| answer.found.is_err()).count());
    }
    assert_eq!(failed, [8, 7, 6, 5, 4, 3, 2, 1, 0]);
}

#[tokio::test]
async fn each_step_is_a_change_and_each_look_is_none() {
    let fake = account();
    let (one, snapshot) = (id("ami-1"), "snap-1".parse::<SnapshotId>().unwrap());
    let with = LaunchPermission::from("111122223333");
    let time = at("2027-01-01T00:00:00Z");
    fake.deprecate(&one, time).await.unwrap();
    fake.cancel_deprecation(&one).await.unwrap();
    fake.share(&one, std::slice::from_ref(&with)).await.unwrap();
    fake.disable(&one, Timestamp::UNIX_EPOCH, FRESH).await.unwrap();
    fake.enable(&one).await.unwrap();
    fake.recover_image(&one).await.unwrap_err();
    fake.recover_snapshot(&snapshot).await.unwrap_err();
    let steps = [
        Call::Deprecate(one.clone(), time),
        Call::CancelDeprecation(one.clone()),
        Call::Share(one.clone(), vec![with]),
        Call::Disable(one.clone()),
        Call::Enable(one.clone()),
        Call::RecoverImage(one.clone()),
        Call::RecoverSnapshot(snapshot.clone()),
    ];
    assert_eq!(fake.changing_calls(), steps);
    fake.forget_calls();
    let versions = TemplateVersions::All;
    fake.list_references(&SCOPE).await;
    fake.find_references_to(std::slice::from_ref(&one), versions).await.unwrap();
    fake.list_snapshot_references(&SCOPE).await.unwrap();
    fake.list_locked_snapshots().await.unwrap();
    fake.list_retention_rules().await.unwrap();
    fake.list_recycled_images().await.unwrap();
    fake.list_recycled_snapshots().await.unwrap();
    fake.list_tagged("Team", Some("red")).await.unwrap();
    fake.find_volume_permissions(&snapshot).await.unwrap_err();
    let looks = [
        Call::ListReferences(SCOPE),
        Call::FindReferencesTo(vec![one], versions),
        Call::ListSnapshotReferences(SCOPE),
        Call::ListLockedSnapshots,
        Call::ListRetentionRules,
        Call::ListRecycledImages,
        Call::ListRecycledSnapshots,
        Call::ListTagged("Team".into(), Some("red".into())),
        Call::FindVolumePermissions(snapshot),
    ];
    assert_eq!(fake.calls(), looks);
    assert_eq!(fake.changing_calls(), []);
}
