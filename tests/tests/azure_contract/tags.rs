//! Clauses about tags.

use steward::cloud::ErrorKind;
use steward::model::{ResourceId, Tags};
use steward_tests::azure_fake::{AzureFleet, FleetDisk};
use steward_tests::switches::Switches;

use crate::{AzureAccount, both, disk, find, group, image, managed_id, version_id};

const READ: &str = "Microsoft.Resources/tags/read";
const WRITE: &str = "Microsoft.Resources/tags/write";

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().copied().collect()
}

fn os_disk() -> String {
    format!("{}/providers/Microsoft.Compute/disks/Os", group())
}

fn with_disk() -> AzureFleet {
    AzureFleet { disks: vec![FleetDisk::new(os_disk())], ..both() }
}

fn all() -> [ResourceId; 3] {
    [
        ResourceId::Image(image(&version_id("1.0.0"))),
        ResourceId::Image(image(&managed_id("Base"))),
        ResourceId::Snapshot(disk(&os_disk())),
    ]
}

pub async fn tags_are_set_whatever_the_case_of_their_names<A: AzureAccount>() {
    let account = A::with(with_disk()).await;
    account.port().set_tags(&all(), &tags(&[("Team", "red"), ("Old", "1")])).await.unwrap();
    account.settle().await;
    account.port().set_tags(&all(), &tags(&[("TEAM", "Blue"), ("a:b", "ä")])).await.unwrap();
    account.settle().await;
    let world = account.world().await;
    let held = [&world.versions[0].tags, &world.images[0].tags, &world.disks[0].tags];
    for mut held in held.map(Tags::clone) {
        held.ignore_case();
        assert_eq!(held.len(), 3, "{held:?}");
        assert_eq!((held.get("team"), held.get("old")), (Some("Blue"), Some("1")));
    }
    let port = account.port();
    port.set_tags(&[], &tags(&[("x", "y")])).await.unwrap();
    port.set_tags(&all(), &tags(&[])).await.unwrap();
    assert_eq!(account.world().await, world);
}

pub async fn tags_are_removed_whatever_the_case_of_their_names<A: AzureAccount>() {
    let account = A::with(with_disk()).await;
    account.port().set_tags(&all(), &tags(&[("Team", "red"), ("Old", "1")])).await.unwrap();
    account.settle().await;
    let keys = ["TEAM".to_owned(), "absent".to_owned()];
    account.port().remove_tags(&all(), &keys).await.unwrap();
    account.settle().await;
    for id in [version_id("1.0.0"), managed_id("Base")] {
        let held = find(&account, &id).await.tags;
        assert_eq!((held.len(), held.get("OLD")), (1, Some("1")));
    }
    account.port().remove_tags(&all(), &[]).await.unwrap();
    assert_eq!(find(&account, &version_id("1.0.0")).await.tags.len(), 1);
}

/// There is a call for each resource, so the resources before it may be tagged.
pub async fn a_missing_resource_is_not_tagged<A: AzureAccount>() {
    let account = A::with(with_disk()).await;
    for gone in [version_id("9.0.0"), managed_id("Gone")] {
        let some =
            [ResourceId::Image(image(&gone)), ResourceId::Image(image(&version_id("1.0.0")))];
        let error = account.port().set_tags(&some, &tags(&[("a", "b")])).await.unwrap_err();
        // A change may read the tags first.
        assert!([READ, WRITE].contains(&error.call), "{error}");
        assert_eq!(error.kind, ErrorKind::NotFound);
        let error = account.port().remove_tags(&some, &["a".to_owned()]).await.unwrap_err();
        // A change may read the tags first.
        assert!([READ, WRITE].contains(&error.call), "{error}");
        assert_eq!(error.kind, ErrorKind::NotFound);
    }
    account.set(Switches::deny(&[WRITE])).await;
    let error = account.port().set_tags(&all(), &tags(&[("a", "b")])).await.unwrap_err();
    assert_eq!(error.missing_permission(), Some(WRITE));
}

pub async fn tags_beyond_the_limits_of_azure_are_refused<A: AzureAccount>() {
    let account = A::with(with_disk()).await;
    let before = account.world().await;
    let many: Tags = (0..51).map(|n| (format!("key-{n}"), "")).collect();
    let long = (&*"k".repeat(513), &*"v".repeat(257));
    for set in [
        many,
        tags(&[(long.0, "")]),
        tags(&[("k", long.1)]),
        tags(&[("a/b", "")]),
        tags(&[("50%", "")]),
        tags(&[("Microsoft.x", "")]),
        tags(&[("azure-x", "")]),
        tags(&[("WINDOWS", "")]),
    ] {
        let error = account.port().set_tags(&all(), &set).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Other, "{error}");
    }
    assert_eq!(account.world().await, before);
    let longest = tags(&[(&long.0[..512], &long.1[..256])]);
    account.port().set_tags(&all(), &longest).await.unwrap();
}

pub async fn resources_with_a_tag_are_listed<A: AzureAccount>() {
    let account = A::with(with_disk()).await;
    account.port().set_tags(&all()[..2], &tags(&[("Team", "red")])).await.unwrap();
    account.port().set_tags(&all()[2..], &tags(&[("team", "blue")])).await.unwrap();
    account.settle().await;
    let port = account.port();
    assert_eq!(port.list_tagged("TEAM", None).await.unwrap().len(), 3);
    let red = port.list_tagged("team", Some("blue")).await.unwrap();
    assert_eq!(red, [(all()[2].clone(), "blue".to_owned())]);
}
