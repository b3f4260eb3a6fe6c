//! Clauses about sharing: images with other accounts, and snapshots between images.

use serde_json::json;
use steward::cloud::ErrorKind;

use crate::{Account, image};

pub async fn launch_permissions_are_found<A: Account>() {
    let account = A::with(json!({
        "images": [
            {"image_id": "ami-00000001", "launch_permissions": ["222233334444", "111122223333"]},
            {"image_id": "ami-00000002", "public": true, "launch_permissions": ["111122223333"]},
            {"image_id": "ami-00000003"},
            {"image_id": "ami-00000004", "owner_id": "999999999999", "public": true},
            {"image_id": "ami-00000005", "state": "disabled", "public": true,
             "launch_permissions": ["111122223333"]},
        ],
    }))
    .await;
    let found = async |id| account.port().find_launch_permissions(&image(id)).await;
    let holders = async |id| {
        found(id).await.unwrap().iter().map(|holder| holder.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(holders("ami-00000001").await, ["111122223333", "222233334444"]);
    assert_eq!(holders("ami-00000002").await, ["111122223333", "all"]);
    assert_eq!(holders("ami-00000003").await, Vec::<String>::new());
    // A disabled image is not shared, even if the fleet file has permissions.
    assert_eq!(holders("ami-00000005").await, Vec::<String>::new());
    assert_eq!(found("ami-0000000f").await.unwrap_err().kind, ErrorKind::NotFound);
    // Another account's image: it exists, and no permission is missing.
    assert_eq!(found("ami-00000004").await.unwrap_err().kind, ErrorKind::Other);
}

pub async fn only_public_sharing_is_in_the_listing<A: Account>() {
    let account = A::with(json!({
        "images": [
            {"image_id": "ami-00000001", "launch_permissions": ["111122223333"]},
            {"image_id": "ami-00000002", "public": true},
            {"image_id": "ami-00000003", "state": "disabled"},
        ],
    }))
    .await;
    let mut found = account.port().list_images().await.unwrap().images;
    found.sort_by(|a, b| a.image_id.cmp(&b.image_id));
    assert_eq!(found[0].launch_permissions, None);
    assert!(found[1].public);
    assert_eq!(found[1].launch_permissions, None);
    // A disabled image cannot be shared, so its permissions are not requested.
    assert_eq!(found[2].launch_permissions, Some([].into()));
}

pub async fn a_shared_snapshot_is_listed_with_each_of_its_images<A: Account>() {
    let account = A::with(json!({
        "images": [
            {"image_id": "ami-00000001", "snapshots": ["snap-00000001"]},
            {"image_id": "ami-00000002", "snapshots": ["snap-00000001", "snap-00000002"]},
        ],
    }))
    .await;
    let mut found = account.port().list_images().await.unwrap().images;
    found.sort_by(|a, b| a.image_id.cmp(&b.image_id));
    let ids = |n: usize| found[n].snapshots.iter().map(|id| id.as_str()).collect::<Vec<_>>();
    assert_eq!(ids(0), ["snap-00000001"]);
    assert_eq!(ids(1), ["snap-00000001", "snap-00000002"]);
}
