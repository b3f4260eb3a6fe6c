//! Clauses about the steps before deregistration, and about undoing them.

use jiff::Timestamp;
use serde_json::json;
use steward::cloud::{CloudError, ErrorKind};
use steward::model::{ImageState, LaunchPermission, SnapshotFate};
use steward_tests::FRESH;
use steward_tests::fleet::FleetImage;
use steward_tests::switches::Switches;

use crate::{Account, image};

const ORGANIZATION: &str = "arn:aws:organizations::123456789012:organization/o-abc123";
const UNIT: &str = "arn:aws:organizations::123456789012:ou/o-abc123/ou-abc1-def2";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// One of the account, one that is shared, and one of another account.
async fn three<A: Account>() -> A {
    A::with(json!({
        "images": [
            {"image_id": "ami-00000001", "tags": {"Team": "red"}},
            {"image_id": "ami-00000002", "public": true,
             "launch_permissions": ["222233334444", ORGANIZATION]},
            {"image_id": "ami-00000003", "owner_id": "999999999999", "public": true},
        ],
    }))
    .await
}

async fn the<A: Account>(account: &A, number: usize) -> FleetImage {
    account.world().await.images.swap_remove(number - 1)
}

fn permissions(texts: &[&str]) -> Vec<LaunchPermission> {
    texts.iter().map(|text| (*text).into()).collect()
}

pub async fn an_image_is_deprecated_to_the_minute<A: Account>() {
    let account = three::<A>().await;
    let (port, first) = (account.port(), image("ami-00000001"));
    let deprecated = async || port.find_image(&first).await.unwrap().unwrap().deprecation_time;
    port.deprecate(&first, at("2035-06-07T08:09:10Z")).await.unwrap();
    assert_eq!(deprecated().await, Some(at("2035-06-07T08:09:00Z")));
    let changed = the(&account, 1).await;
    assert_eq!(changed.deprecation_time, Some(at("2035-06-07T08:09:00Z")));
    assert_eq!((changed.state.as_str(), changed.tags.len()), ("available", 1));
    assert_eq!(the(&account, 2).await.deprecation_time, None);
    // Later and earlier.
    for time in ["2035-07-01T00:00:00Z", "2035-01-01T00:00:00Z"] {
        port.deprecate(&first, at(time)).await.unwrap();
        assert_eq!(deprecated().await, Some(at(time)));
    }
    for _ in 0..2 {
        port.cancel_deprecation(&first).await.unwrap();
        assert_eq!(deprecated().await, None);
    }
}

pub async fn an_image_is_deprecated_from_now_on_at_the_soonest<A: Account>() {
    let account = three::<A>().await;
    let first = image("ami-00000001");
    account.port().deprecate(&first, at("2020-01-01T00:00:00Z")).await.unwrap();
    let since = the(&account, 1).await.deprecation_time.unwrap();
    assert!(since > at("2026-11-01T00:00:00Z"), "{since}");
    assert!(since < at("2035-01-01T00:00:00Z"), "{since}");
}

pub async fn a_deprecation_too_far_ahead_is_refused<A: Account>() {
    let account = three::<A>().await;
    let before = account.world().await;
    let far = account.port().deprecate(&image("ami-00000001"), at("2099-01-01T00:00:00Z")).await;
    let error = far.unwrap_err();
    assert_eq!((error.call, error.kind), ("ec2:EnableImageDeprecation", ErrorKind::Other));
    assert_eq!(account.world().await, before);
}

pub async fn disabling_takes_the_launch_permissions_for_good<A: Account>() {
    let account = three::<A>().await;
    let (port, second) = (account.port(), image("ami-00000002"));
    let found = async || port.find_image(&second).await.unwrap().unwrap();
    let launchers = async || port.find_launch_permissions(&second).await.unwrap();
    assert_eq!(launchers().await, permissions(&["222233334444", "all", ORGANIZATION]));
    for _ in 0..2 {
        port.disable(&second, Timestamp::UNIX_EPOCH, FRESH).await.unwrap();
        assert_eq!(found().await.state, ImageState::Disabled);
        assert_eq!(found().await.launch_permissions, Some([].into()));
        assert_eq!(launchers().await, []);
    }
    let changed = the(&account, 2).await;
    assert_eq!((changed.public, changed.launch_permissions), (false, vec![]));
    for _ in 0..2 {
        port.enable(&second).await.unwrap();
        assert_eq!(found().await.state, ImageState::Available);
        assert_eq!(found().await.launch_permissions, None);
        assert_eq!(launchers().await, []);
    }
    // Enabling an image that is not disabled does not remove its permissions.
    port.share(&second, &permissions(&["222233334444"])).await.unwrap();
    port.enable(&second).await.unwrap();
    assert_eq!(launchers().await, permissions(&["222233334444"]));
    assert_eq!(the(&account, 1).await.state, "available");
}

pub async fn sharing_adds_to_those_that_may_launch_already<A: Account>() {
    let account = three::<A>().await;
    let (port, first, second) = (account.port(), image("ami-00000001"), image("ami-00000002"));
    for _ in 0..2 {
        port.share(&first, &permissions(&["222233334444", UNIT])).await.unwrap();
        port.share(&first, &permissions(&["111122223333", "222233334444"])).await.unwrap();
    }
    let found = port.find_launch_permissions(&first).await.unwrap();
    assert_eq!(found, permissions(&["111122223333", "222233334444", UNIT]));
    let changed = the(&account, 1).await;
    assert_eq!(changed.launch_permissions, ["222233334444", UNIT, "111122223333"]);
    assert!(!changed.public);
    port.share(&first, &permissions(&["all", ORGANIZATION])).await.unwrap();
    let found = port.find_launch_permissions(&first).await.unwrap();
    let all = permissions(&["111122223333", "222233334444", "all", ORGANIZATION, UNIT]);
    assert_eq!(found, all);
    // The permissions that an image lost are restored as they were read.
    let held = port.find_launch_permissions(&second).await.unwrap();
    port.disable(&second, Timestamp::UNIX_EPOCH, FRESH).await.unwrap();
    port.enable(&second).await.unwrap();
    port.share(&second, &held).await.unwrap();
    assert_eq!(port.find_launch_permissions(&second).await.unwrap(), held);
}

pub async fn sharing_that_makes_no_sense_shares_nothing<A: Account>() {
    let account = three::<A>().await;
    let (port, first) = (account.port(), image("ami-00000001"));
    let before = account.world().await;
    for word in ["", "everybody", "12345678901", "arn:aws:iam::123456789012:root", ":ou/o-1"] {
        let error = port.share(&first, &permissions(&["111122223333", word])).await.unwrap_err();
        assert_eq!((error.call, error.kind), ("ec2:ModifyImageAttribute", ErrorKind::Other));
        assert!(error.message.contains(word), "{error}");
    }
    assert_eq!(account.world().await, before);
    // Neither an unknown word nor an empty list results in a call.
    account.set(Switches::deny(&["ec2:ModifyImageAttribute"])).await;
    port.share(&first, &[]).await.unwrap();
    let error = port.share(&first, &permissions(&["everybody"])).await.unwrap_err();
    assert_eq!(error.missing_permission(), None);
}

pub async fn a_disabled_image_cannot_be_shared<A: Account>() {
    let account = three::<A>().await;
    let first = image("ami-00000001");
    account.port().disable(&first, Timestamp::UNIX_EPOCH, FRESH).await.unwrap();
    let before = account.world().await;
    let error = account.port().share(&first, &permissions(&["all"])).await.unwrap_err();
    assert_eq!(error.call, "ec2:ModifyImageAttribute");
    assert_eq!(account.world().await, before);
}

/// Each step on one image, with its action.
async fn every_step<A: Account>(
    account: &A,
    id: &str,
) -> [(&'static str, Result<(), CloudError>); 5] {
    let (port, image) = (account.port(), image(id));
    [
        ("ec2:EnableImageDeprecation", port.deprecate(&image, at("2035-01-01T00:00:00Z")).await),
        ("ec2:DisableImageDeprecation", port.cancel_deprecation(&image).await),
        ("ec2:DisableImage", port.disable(&image, Timestamp::UNIX_EPOCH, FRESH).await.map(|_| ())),
        ("ec2:EnableImage", port.enable(&image).await),
        ("ec2:ModifyImageAttribute", port.share(&image, &permissions(&["111122223333"])).await),
    ]
}

pub async fn what_is_gone_takes_no_steps<A: Account>() {
    let account = three::<A>().await;
    let first = image("ami-00000001");
    account.port().deregister(&first, SnapshotFate::DeleteLater, FRESH).await.unwrap();
    let before = account.world().await;
    for id in ["ami-00000001", "ami-0000000f"] {
        for (action, done) in every_step(&account, id).await {
            let error = done.unwrap_err();
            assert_eq!((error.call, error.kind), (action, ErrorKind::NotFound), "{id}");
        }
    }
    assert_eq!(account.world().await, before);
}

pub async fn another_accounts_image_takes_no_steps<A: Account>() {
    let account = three::<A>().await;
    let before = account.world().await;
    for (action, done) in every_step(&account, "ami-00000003").await {
        // An image that is available, or not deprecated, already has the wanted state.
        if !["ec2:EnableImage", "ec2:DisableImageDeprecation"].contains(&action) {
            let error = done.unwrap_err();
            assert_eq!((error.call, error.kind), (action, ErrorKind::Other));
            assert_eq!(error.missing_permission(), None);
        }
    }
    assert_eq!(account.world().await, before);
}

pub async fn a_denied_step_names_the_permission<A: Account>() {
    let account = three::<A>().await;
    let before = account.world().await;
    account
        .set(Switches::deny(&[
            "ec2:EnableImageDeprecation",
            "ec2:DisableImageDeprecation",
            "ec2:DisableImage",
            "ec2:EnableImage",
            "ec2:ModifyImageAttribute",
        ]))
        .await;
    for (action, done) in every_step(&account, "ami-00000001").await {
        let error = done.unwrap_err();
        assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
    }
    assert_eq!(account.world().await, before);
}
