//! Clauses about listing and finding.

use serde_json::{Value, json};
use steward::cloud::{ErrorKind, SnapshotScope};
use steward::model::{Image, ImageState, ReferenceKind, Snapshot, SnapshotId};
use steward_tests::FRESH;
use steward_tests::fleet::Fleet;
use steward_tests::switches::Switches;

use crate::{Account, image, snapshot, tags};

pub async fn an_image_is_listed_with_all_that_is_known_of_it<A: Account>() {
    let account = A::with(json!({
        "images": [{
            "image_id": "ami-00000001", "name": "golden-1", "created_at": "2026-01-02T03:04:05Z",
            "architecture": "arm64", "platform": "windows", "tags": {"Family": "golden", "Empty": ""},
            "snapshots": ["snap-00000002", "snap-00000001", "snap-00000002"],
            "ephemeral": ["ephemeral0"], "no_device": ["/dev/sdf"],
            "last_launched_at": "2026-02-03T04:05:06Z", "deprecation_time": "2027-01-01T00:00:00Z",
            "protected": "enabled-with-cooldown", "launch_permissions": ["111122223333"],
            "source_instance": "i-00000001", "source_image": "ami-00000009",
            "owner_alias": "aws-backup-vault",
        }],
    }))
    .await;
    let expected = Image {
        name: "golden-1".into(),
        owner_id: Some("123456789012".parse().unwrap()),
        created_at: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        state: ImageState::Available,
        architecture: Some("arm64".into()),
        platform: Some("Windows".into()),
        owner_alias: Some("aws-backup-vault".into()),
        tags: tags(&[("Empty", ""), ("Family", "golden")]),
        // Each snapshot once, and without devices that are not volumes.
        snapshots: [snapshot("snap-00000002"), snapshot("snap-00000001")].into(),
        last_launched_at: Some("2026-02-03T04:05:06Z".parse().unwrap()),
        deprecation_time: Some("2027-01-01T00:00:00Z".parse().unwrap()),
        protected: true,
        public: false,
        // A listing does not contain the launch permissions of an image.
        launch_permissions: None,
        launch_permissions_unread: None,
        source_instance: Some("i-00000001".parse().unwrap()),
        source_image: Some(image("ami-00000009")),
        ..Image::new(image("ami-00000001"))
    };
    assert_eq!(account.port().list_images().await.unwrap().images, std::slice::from_ref(&expected));
    let found = account.port().find_image(&image("ami-00000001")).await.unwrap();
    assert_eq!(found, Some(expected));
}

/// Tests compare inventories, so both kinds of account have to interpret a fleet in the same way.
pub async fn the_world_is_the_fleet_with_everything_filled_in<A: Account>() {
    let fleet = json!({
        "account": "210987654321", "region": "eu-central-1",
        "images": [
            {"image_id": "ami-00000002", "created_at": "2026-01-02T03:04:05Z",
             "snapshots": ["snap-00000002", "snap-00000001", "snap-00000002"]},
            {"image_id": "ami-00000001", "created_at": "2026-01-03T03:04:05.678Z", "name": "golden",
             "snapshots": ["snap-00000002"], "ephemeral": ["ephemeral0"], "public": true,
             "launch_permissions": [
                 "222233334444", "111122223333",
                 "arn:aws:organizations::123456789012:ou/o-abc123/ou-abc1-def2"]},
            {"image_id": "ami-00000003", "owner_id": "999999999999",
             "snapshots": ["snap-00000009"]},
        ],
        "snapshots": [
            {"snapshot_id": "snap-00000001", "size_gib": 30, "tags": {"a": "b"}},
            {"snapshot_id": "snap-00000008", "locked": true, "public": true,
             "create_volume_permissions": ["222233334444", "111122223333"],
             "volume_id": "vol-0123"},
        ],
        "instances": [{"instance_id": "i-00000001", "image_id": "ami-00000001"}],
        "launch_templates": [{"launch_template_id": "lt-00000001", "versions": [
            {"version": 1, "snapshots": ["snap-00000009", "snap-00000001"]},
            {"version": 2, "image_id": "resolve:ssm:/golden"},
        ]}],
        "launch_configurations": [{"name": "legacy", "image_id": "ami-00000001"}],
        "auto_scaling_groups": [
            {"name": "web", "launch_template": {"launch_template_id": "lt-00000001"}},
            {"name": "mixed", "mixed": {
                "launch_template": {"launch_template_id": "lt-00000001", "version": "2"},
                "overrides": [{"image_id": "ami-00000001"}],
            }},
        ],
        "fleets": [
            {"fleet_id": "fleet-2", "launch_templates": [{"launch_template_id": "lt-00000001"}]},
            {"fleet_id": "fleet-1", "state": "deleted", "images": ["ami-00000002"]},
        ],
        "spot_fleets": [
            {"spot_fleet_request_id": "sfr-2"},
            {"spot_fleet_request_id": "sfr-1", "images": ["resolve:ssm:/golden"]},
        ],
        "spot_requests": [
            {"spot_instance_request_id": "sir-2", "image_id": "ami-00000001"},
            {"spot_instance_request_id": "sir-1", "image_id": "ami-00000001", "state": "closed"},
        ],
        "compute_environments": [
            {"name": "b", "image_id": "ami-00000001", "status": "INVALID"},
            {"name": "a", "image_id_overrides": ["ami-00000002"]},
        ],
        "image_recipes": [
            {"name": "web", "version": "1.2.3", "image_id": "ami-00000001"},
            {"name": "web", "version": "1.2.3", "kind": "container", "image_id": "ami-00000001"},
            {"name": "db", "image_id": "ami-00000001"},
        ],
        "ssm_parameters": [{"name": "/golden", "value": "ami-00000001"}],
        "recycled_images": [
            {"image": {"image_id": "ami-00000005"}, "entered_at": "2026-01-01T00:00:00Z",
             "leaves_at": "2099-01-01T00:00:00Z"},
            {"image": {"image_id": "ami-00000004", "snapshots": ["snap-00000007"]},
             "entered_at": "2026-01-01T00:00:00Z", "leaves_at": "2099-01-01T00:00:00Z"},
        ],
        "recycled_snapshots": [
            {"snapshot": {"snapshot_id": "snap-00000006"}, "entered_at": "2026-01-01T00:00:00Z",
             "leaves_at": "2099-01-01T00:00:00Z"},
        ],
    });
    for rules in [
        None,
        Some(json!([])),
        Some(json!([
            {"rule_id": "b", "resource": "snapshots"},
            {"rule_id": "a", "resource": "images", "days": 3, "tags": {"a": "b"}},
        ])),
    ] {
        let mut fleet = fleet.clone();
        if let Some(rules) = rules {
            fleet["retention_rules"] = rules;
        }
        the_world_is_filled_in::<A>(fleet).await;
    }
}

async fn the_world_is_filled_in<A: Account>(fleet: Value) {
    let expected = serde_json::from_value::<Fleet>(fleet.clone()).unwrap().filled();
    let account = A::with(fleet).await;
    assert_eq!(account.world().await, expected);
    assert_eq!(expected.clone().filled(), expected);
}

pub async fn own_images_are_listed_in_every_state<A: Account>() {
    let account = A::with(json!({
        "images": [
            {"image_id": "ami-00000001"},
            {"image_id": "ami-00000002", "state": "disabled"},
            {"image_id": "ami-00000003", "state": "failed"},
            {"image_id": "ami-00000004", "state": "pending"},
            {"image_id": "ami-00000005", "deprecation_time": "2026-01-02T00:00:00Z"},
            {"image_id": "ami-00000006", "owner_id": "999999999999", "public": true},
        ],
    }))
    .await;
    let mut found = account.port().list_images().await.unwrap().images;
    found.sort_by(|a, b| a.image_id.cmp(&b.image_id));
    let found: Vec<(&str, ImageState)> =
        found.iter().map(|image| (image.image_id.as_str(), image.state)).collect();
    let expected = [
        ("ami-00000001", ImageState::Available),
        ("ami-00000002", ImageState::Disabled),
        ("ami-00000003", ImageState::Failed),
        ("ami-00000004", ImageState::Pending),
        ("ami-00000005", ImageState::Available),
    ];
    assert_eq!(found, expected);
}

/// An account with this many images, each with a snapshot.
fn many(images: u32) -> Value {
    let images: Vec<Value> = (0..images)
        .map(
            |n| json!({"image_id": format!("ami-{n:08x}"), "snapshots": [format!("snap-{n:08x}")]}),
        )
        .collect();
    json!({"images": images})
}

pub async fn every_page_is_listed<A: Account>() {
    let account = A::with(many(1050)).await;
    let mut images: Vec<String> = account
        .port()
        .list_images()
        .await
        .unwrap()
        .images
        .into_iter()
        .map(|image| image.image_id.to_string())
        .collect();
    images.sort();
    images.dedup();
    assert_eq!(images.len(), 1050);
    let own = SnapshotScope::Own;
    let mut snapshots: Vec<SnapshotId> = account
        .port()
        .list_snapshots(&own)
        .await
        .unwrap()
        .into_iter()
        .map(|snapshot| snapshot.snapshot_id)
        .collect();
    snapshots.sort();
    snapshots.dedup();
    assert_eq!(snapshots.len(), 1050);
    // More IDs than a filter accepts, and one that does not exist.
    snapshots.push(snapshot("snap-ffffffff"));
    assert_eq!(account.port().find_snapshots(&snapshots).await.unwrap().len(), 1050);
    let mut images: Vec<_> = images.iter().map(|id| image(id)).collect();
    images.push(image("ami-ffffffff"));
    assert_eq!(account.port().find_images(&images).await.unwrap().len(), 1050);
}

pub async fn a_failing_page_fails_the_listing<A: Account>() {
    let account = A::with(many(1001)).await;
    let switches = Switches::default();
    let switches = switches.and_fail_page("ec2:DescribeImages", 2);
    account.set(switches.and_fail_page("ec2:DescribeSnapshots", 2)).await;
    let error = account.port().list_images().await.unwrap_err();
    assert_eq!((error.call, error.kind), ("ec2:DescribeImages", ErrorKind::Other));
    assert_eq!(error.code, "InternalError");
    let error = account.port().list_snapshots(&SnapshotScope::Own).await.unwrap_err();
    assert_eq!((error.call, error.kind), ("ec2:DescribeSnapshots", ErrorKind::Other));
}

pub async fn an_image_is_found_until_it_is_deregistered<A: Account>() {
    use steward::model::SnapshotFate;

    let account = A::with(json!({
        "images": [{"image_id": "ami-00000001"}, {"image_id": "ami-00000002", "state": "disabled"}],
    }))
    .await;
    let port = account.port();
    let state = async |id| {
        let id = image(id);
        let found = port.find_image(&id).await.unwrap().map(|found| found.state);
        let listed = port.find_images(&[id]).await.unwrap();
        assert_eq!(listed.into_iter().map(|one| one.state).next(), found);
        found
    };
    assert_eq!(state("ami-00000001").await, Some(ImageState::Available));
    assert_eq!(state("ami-00000002").await, Some(ImageState::Disabled));
    assert_eq!(state("ami-0000000f").await, None);
    port.deregister(&image("ami-00000001"), SnapshotFate::DeleteLater, FRESH).await.unwrap();
    assert_eq!(state("ami-00000001").await, None);
    account.set(Switches { forget_deregistered: true, ..Switches::default() }).await;
    assert_eq!(state("ami-00000001").await, None);
}

/// A missing image does not hide the others. An image of another account is found only by its ID.
pub async fn images_are_found_together<A: Account>() {
    let account = A::with(json!({
        "images": [
            {"image_id": "ami-00000001"},
            {"image_id": "ami-00000002", "state": "disabled"},
            {"image_id": "ami-00000003", "owner_id": "999999999999", "public": true},
            {"image_id": "ami-00000004"},
        ],
    }))
    .await;
    let port = account.port();
    let wanted = ["ami-0000000f", "ami-00000001", "ami-00000002", "ami-00000003"].map(image);
    let mut found = port.find_images(&wanted).await.unwrap();
    found.sort_by(|a, b| a.image_id.cmp(&b.image_id));
    let mut listed = port.list_images().await.unwrap().images;
    listed.sort_by(|a, b| a.image_id.cmp(&b.image_id));
    assert_eq!(found, listed[..2]);
    assert_eq!(port.find_images(&[]).await.unwrap(), []);
    assert!(port.find_image(&image("ami-00000003")).await.unwrap().is_some());
}

/// Only by the exact name without wildcards, and only images of the account.
pub async fn images_are_found_by_name<A: Account>() {
    let account = A::with(json!({
        "images": [
            {"image_id": "ami-00000001", "name": "web-1"},
            {"image_id": "ami-00000002", "name": "web-2", "state": "disabled"},
            {"image_id": "ami-00000003", "name": "web-1", "owner_id": "999999999999", "public": true},
            {"image_id": "ami-00000004", "name": "web-10"},
            {"image_id": "ami-00000005", "name": "Web-1"},
        ],
    }))
    .await;
    let port = account.port();
    let find = async |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut found = port.find_images_named(&names).await.unwrap();
        found.sort_by(|a, b| a.image_id.cmp(&b.image_id));
        found.into_iter().map(|one| one.image_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(find(&["web-1", "web-2", "nobody"]).await, ["ami-00000001", "ami-00000002"]);
    let none: [&str; 0] = [];
    for names in [&["web-*", "web-?", "web"][..], &[]] {
        assert_eq!(find(names).await, none, "{names:?}");
    }
}

pub async fn snapshots_are_listed_and_found<A: Account>() {
    let account = A::with(json!({
        "snapshots": [
            {"snapshot_id": "snap-00000001", "started_at": "2026-01-02T03:04:05Z", "size_gib": 30,
             "tags": {"Name": "root"}, "description": "of ami-1", "volume_id": "vol-0123",
             "locked": true, "public": true},
            {"snapshot_id": "snap-00000002", "owner_id": "999999999999"},
        ],
    }))
    .await;
    let expected = Snapshot {
        started_at: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        size_gib: Some(30),
        tags: tags(&[("Name", "root")]),
        description: Some("of ami-1".into()),
        volume_id: Some("vol-0123".into()),
        completed: Some(true),
        // Locks and permissions are not in a listing.
        ..Snapshot::new(snapshot("snap-00000001"))
    };
    let listed = account.port().list_snapshots(&SnapshotScope::Own).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&expected));
    // A missing snapshot does not hide the others. A snapshot of another account is not found.
    let wanted = ["snap-0000000f", "snap-00000001", "snap-00000002"].map(snapshot);
    assert_eq!(account.port().find_snapshots(&wanted).await.unwrap(), [expected]);
    assert_eq!(account.port().find_snapshots(&[]).await.unwrap(), []);
}

pub async fn snapshots_are_listed_by_tag<A: Account>() {
    let account = A::with(json!({
        "snapshots": [
            {"snapshot_id": "snap-00000001", "tags": {"image-steward:image": "ami-1"}},
            {"snapshot_id": "snap-00000002", "tags": {"image-steward:image": "ami-12"}},
            {"snapshot_id": "snap-00000003", "tags": {"other": "ami-1"}},
            {"snapshot_id": "snap-00000004"},
        ],
    }))
    .await;
    let scope = SnapshotScope::Tagged { key: "image-steward:image".into(), value: "ami-1".into() };
    let found = account.port().list_snapshots(&scope).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|snapshot| snapshot.snapshot_id.as_str()).collect();
    assert_eq!(ids, ["snap-00000001"]);
}

pub async fn instances_are_found<A: Account>() {
    let account = A::with(json!({
        "images": [{"image_id": "ami-00000001"}, {"image_id": "ami-00000002"}],
        "instances": [
            {"instance_id": "i-00000001", "image_id": "ami-00000001", "tags": {"Team": "red"}},
            {"instance_id": "i-00000002", "image_id": "ami-00000001", "state": "stopped"},
            {"instance_id": "i-00000003", "image_id": "ami-00000001", "state": "terminated"},
            {"instance_id": "i-00000004", "image_id": "ami-00000002"},
        ],
    }))
    .await;
    let port = account.port();
    let mut holders: Vec<_> = port.find_instances_of(&[image("ami-00000001")]).await.unwrap();
    holders.sort();
    let arn = "arn:aws:ec2:eu-central-1:123456789012:instance";
    let arns: Vec<&str> = holders.iter().map(|holder| &*holder.arn).collect();
    assert_eq!(arns, [format!("{arn}/i-00000001"), format!("{arn}/i-00000002")]);
    assert!(holders.iter().all(|holder| holder.kind == ReferenceKind::Instance));
    let both = ["ami-0000000f", "ami-00000001", "ami-00000002"].map(image);
    let holders = port.find_instances_of(&both).await.unwrap();
    let mut held: Vec<_> = holders.iter().map(|holder| holder.image_id.as_str()).collect();
    held.sort();
    assert_eq!(held, ["ami-00000001", "ami-00000001", "ami-00000002"]);
    assert_eq!(port.find_instances_of(&[]).await.unwrap(), []);
    let tags_of = async |id: &str| port.find_instance_tags(&id.parse().unwrap()).await.unwrap();
    assert_eq!(tags_of("i-00000001").await, Some(tags(&[("Team", "red")])));
    assert_eq!(tags_of("i-00000002").await, Some(tags(&[])));
    assert_eq!(tags_of("i-0000000f").await, None);
}

pub async fn a_denied_reading_names_the_permission<A: Account>() {
    let account = A::with(json!({})).await;
    let denied = ["Images", "ImageAttribute", "Instances", "Snapshots"];
    let denied = denied.map(|what| format!("ec2:Describe{what}"));
    account.set(Switches { deny: denied.to_vec(), ..Switches::default() }).await;
    let (port, one) = (account.port(), image("ami-00000001"));
    let [images, attribute, instances, snapshots] = &denied;
    for (error, action) in [
        (port.list_images().await.unwrap_err(), images),
        (port.find_image(&one).await.unwrap_err(), images),
        (port.find_launch_permissions(&one).await.unwrap_err(), attribute),
        (port.find_instances_of(std::slice::from_ref(&one)).await.unwrap_err(), instances),
        (port.find_instance_tags(&"i-00000001".parse().unwrap()).await.unwrap_err(), instances),
        (port.list_snapshots(&SnapshotScope::Own).await.unwrap_err(), snapshots),
        (port.find_snapshots(&[snapshot("snap-00000001")]).await.unwrap_err(), snapshots),
    ] {
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        assert_eq!(error.missing_permission(), Some(action.as_str()));
    }
}
