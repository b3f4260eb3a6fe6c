//! The readings of the adapter, and the parts of their results that protect images, snapshots and
//! instances.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use serde_json::json;
use steward::cloud::{
    CloudError, ImageReader, Instances, PermissionReader, RecycleBinReader, ReferenceReader,
    SnapshotReader, SnapshotScope, TagReader,
};
use steward::model::{
    ComputeEnvironments, Image, ImageId, ImageState, Instance, InstanceState, Reference,
    ReferenceScope, Snapshot, TemplateVersions,
};
use steward_aws::Aws;
use steward_tests::fleet::Fleet;

/// The result of a reading.
#[derive(Debug, Default)]
pub struct Finding {
    /// Protects something, so it must not be lost.
    keeps: BTreeSet<String>,
    /// Allows a removal, so nothing must be added.
    frees: BTreeSet<String>,
}

impl Finding {
    /// What `other` lacks but must have, and what it has but must not have.
    pub fn lost_in(&self, other: &Self) -> Vec<String> {
        let lost = self.keeps.difference(&other.keeps).map(|one| format!("lost {one}"));
        lost.chain(other.frees.difference(&self.frees).map(|one| format!("made up {one}")))
            .collect()
    }

    fn keeping(all: impl IntoIterator<Item = String>) -> Self {
        Self { keeps: all.into_iter().collect(), frees: BTreeSet::new() }
    }
}

type Finds<'a> = Pin<Box<dyn Future<Output = Result<Finding, CloudError>> + Send + 'a>>;

/// One reading.
pub struct PortReading {
    pub name: &'static str,
    pub read: fn(&Aws) -> Finds<'_>,
}

const SCOPE: ReferenceScope = ReferenceScope {
    versions: TemplateVersions::DefaultAndLatest,
    compute_environments: ComputeEnvironments::Read,
    ignore_templates: Vec::new(),
    accounts: Vec::new(),
};

pub const READINGS: &[PortReading] = &[
    PortReading {
        name: "policy_parameters",
        read: |aws| {
            Box::pin(async {
                let names = ["/policy/1", "/policy/2"].map(str::to_owned);
                // A policy is read completely and in order, or not at all.
                let found = aws.policy_parameters(&names).await?.join("\n");
                Ok(Finding { keeps: [found.clone()].into(), frees: [found].into() })
            })
        },
    },
    PortReading {
        name: "list_images",
        read: |aws| Box::pin(async { Ok(images(aws.list_images().await?.images)) }),
    },
    PortReading {
        name: "find_image",
        read: |aws| {
            Box::pin(async {
                let id = "ami-00000000000000001".parse().unwrap();
                Ok(images(aws.find_image(&id).await?.into_iter().collect()))
            })
        },
    },
    PortReading {
        name: "find_images",
        read: |aws| {
            Box::pin(async {
                let ids = ["ami-00000000000000001", "ami-00000000000000002"];
                let ids = ids.map(|id| id.parse().unwrap());
                Ok(images(aws.find_images(&ids).await?))
            })
        },
    },
    PortReading {
        name: "find_images_named",
        read: |aws| {
            Box::pin(async {
                let names = ["web-1", "web-2"].map(str::to_owned);
                Ok(images(aws.find_images_named(&names).await?))
            })
        },
    },
    PortReading {
        name: "list_references",
        read: |aws| Box::pin(references_in(aws, TemplateVersions::DefaultAndLatest)),
    },
    PortReading {
        name: "list_references with all versions",
        read: |aws| Box::pin(references_in(aws, TemplateVersions::All)),
    },
    PortReading {
        name: "find_references_to",
        read: |aws| {
            Box::pin(async {
                let all = (1..=8).map(|n| format!("ami-{n:017x}").parse().unwrap());
                let all: Vec<_> = all.collect();
                let found =
                    aws.find_references_to(&all, TemplateVersions::DefaultAndLatest).await?;
                Ok(Finding::keeping(found.iter().map(|one| one.image_id.to_string())))
            })
        },
    },
    PortReading {
        name: "find_instances_of",
        read: |aws| {
            Box::pin(async {
                let id: ImageId = "ami-00000000000000001".parse().unwrap();
                let found = aws.find_instances_of(&[id]).await?;
                Ok(Finding::keeping(found.iter().map(reference)))
            })
        },
    },
    PortReading {
        name: "list_snapshot_references",
        read: |aws| {
            Box::pin(async {
                let found = aws.list_snapshot_references(&SCOPE).await?;
                Ok(Finding::keeping(
                    found.iter().map(|one| format!("{} {}", one.snapshot_id, one.kind)),
                ))
            })
        },
    },
    PortReading {
        name: "find_launch_permissions",
        read: |aws| {
            Box::pin(async {
                let id = "ami-00000000000000001".parse().unwrap();
                let found = aws.find_launch_permissions(&id).await?;
                Ok(Finding::keeping((!found.is_empty()).then(|| "shared".to_owned())))
            })
        },
    },
    PortReading {
        name: "find_volume_permissions",
        read: |aws| {
            Box::pin(async {
                let id = "snap-00000000000000001".parse().unwrap();
                let found = aws.find_volume_permissions(&id).await?;
                Ok(Finding::keeping((!found.is_empty()).then(|| "shared".to_owned())))
            })
        },
    },
    PortReading {
        name: "list_snapshots",
        read: |aws| {
            Box::pin(async { Ok(snapshots(aws.list_snapshots(&SnapshotScope::Own).await?)) })
        },
    },
    PortReading {
        name: "find_snapshots",
        read: |aws| {
            Box::pin(async {
                let id = "snap-00000000000000001".parse().unwrap();
                Ok(snapshots(aws.find_snapshots(&[id]).await?))
            })
        },
    },
    PortReading {
        name: "list_locked_snapshots",
        read: |aws| {
            Box::pin(async {
                let found = aws.list_locked_snapshots().await?;
                Ok(Finding::keeping(found.iter().map(ToString::to_string)))
            })
        },
    },
    PortReading {
        name: "list_retention_rules",
        read: |aws| {
            Box::pin(async {
                let found = aws.list_retention_rules().await?.unwrap_or_default();
                // A longer retention and fewer covered resources allow fewer removals.
                let frees = found.iter().filter(|rule| rule.in_effect);
                let frees = frees.map(|rule| {
                    let except: Vec<_> = rule.except.iter().map(|(key, _)| key).collect();
                    format!("{} {except:?}", rule.resource)
                });
                Ok(Finding { frees: frees.collect(), ..Finding::default() })
            })
        },
    },
    PortReading {
        name: "list_recycled_images",
        read: |aws| {
            Box::pin(async {
                let found = aws.list_recycled_images().await?;
                Ok(Finding::keeping(found.iter().map(|one| one.image_id.to_string())))
            })
        },
    },
    PortReading {
        name: "list_recycled_snapshots",
        read: |aws| {
            Box::pin(async {
                let found = aws.list_recycled_snapshots().await?;
                Ok(Finding::keeping(found.iter().map(|one| one.snapshot_id.to_string())))
            })
        },
    },
    PortReading {
        name: "list_tagged",
        read: |aws| {
            Box::pin(async {
                let found = aws.list_tagged("Name", None).await?;
                Ok(Finding::keeping(found.iter().map(|(resource, _)| resource.as_str().to_owned())))
            })
        },
    },
    PortReading {
        name: "list_instances_tagged",
        read: |aws| Box::pin(async { Ok(instances(&aws.list_instances_tagged("retire").await?)) }),
    },
    PortReading {
        name: "find_instance",
        read: |aws| {
            Box::pin(async {
                let id = "i-00000000000000001".parse().unwrap();
                let found: Vec<Instance> = aws.find_instance(&id).await?.into_iter().collect();
                Ok(instances(&found))
            })
        },
    },
    PortReading {
        name: "find_instance_protection",
        read: |aws| {
            Box::pin(async {
                let id = "i-00000000000000001".parse().unwrap();
                let found = aws.find_instance_protection(&id).await?;
                let keeps = [
                    found.termination_protected.then(|| "termination".to_owned()),
                    found.stop_protected.then(|| "stop".to_owned()),
                    found.member_of.map(|_| "member".to_owned()),
                ];
                Ok(Finding::keeping(keeps.into_iter().flatten()))
            })
        },
    },
];

fn reference(reference: &Reference) -> String {
    format!("{} {}", reference.image_id, reference.kind)
}

async fn references_in(aws: &Aws, versions: TemplateVersions) -> Result<Finding, CloudError> {
    let mut found = Finding::default();
    for answer in aws.list_references(&ReferenceScope { versions, ..SCOPE }).await {
        found.keeps.extend(answer.found?.iter().map(reference));
    }
    Ok(found)
}

/// An image may be removed if nothing known about it protects it.
fn images(all: Vec<Image>) -> Finding {
    let mut found = Finding::default();
    for image in all {
        let id = &image.image_id;
        found.keeps.extend(image.snapshots.iter().map(|snapshot| format!("{id} {snapshot}")));
        let in_life = matches!(image.state, ImageState::Available | ImageState::Disabled);
        // The launch permissions of an image are read before it is removed, and include whether it
        // is public.
        let public = image.public && image.launch_permissions.is_some();
        let free = in_life && !image.protected && !public;
        if let (true, Some(owner), Some(created)) = (free, &image.owner_id, image.created_at) {
            let unshared = image.launch_permissions.is_some();
            let (deprecated, launched) = (image.deprecation_time, image.last_launched_at);
            found
                .frees
                .insert(format!("{id} {owner} {created} {unshared} {deprecated:?} {launched:?}"));
        }
    }
    found
}

/// A snapshot may be deleted according to its description and its tags, and if it is complete.
fn snapshots(all: Vec<Snapshot>) -> Finding {
    let mut found = Finding::default();
    for one in all {
        if let (Some(true), Some(text), Some(at)) =
            (one.completed, &one.description, one.started_at)
        {
            found.frees.insert(format!("{} {text} {at}", one.snapshot_id));
        }
    }
    found
}

fn instances(all: &[Instance]) -> Finding {
    let mut found = Finding::default();
    for one in
        all.iter().filter(|one| one.state != InstanceState::Unknown && one.started_at.is_some())
    {
        let (id, state, member) = (&one.instance_id, one.state, one.member_of.is_some());
        found.frees.insert(format!("{id} {state} {member} {:?} {:?}", one.volumes, one.started_at));
    }
    found
}

/// An account in which each source refers to an image to which nothing else refers.
pub fn fleet() -> Fleet {
    let image = |n: u32| format!("ami-{n:017x}");
    let snapshot = |n: u32| format!("snap-{n:017x}");
    let images: Vec<_> = (1..=18)
        .map(|n| {
            json!({
                "image_id": image(n), "name": format!("web-{n}"), "snapshots": [snapshot(n)],
                "tags": {"Name": "web", "Family": "web"}, "ephemeral": ["ephemeral0"],
                "state": if n == 14 { "disabled" } else { "available" },
                "public": n == 15,
                "protected": if n == 16 { "enabled-without-cooldown" } else { "disabled" },
                "deprecation_time": (n > 16).then_some("2027-01-01T00:00:00Z"),
                "last_launched_at": (n > 16).then_some("2026-11-01T00:00:00Z"),
                "launch_permissions": match n {
                    1 => json!(["111122223333", "arn:aws:organizations::123456789012:organization/o-abc123"]),
                    _ => json!([]),
                },
            })
        })
        .collect();
    let template = |n: u32, version: &str| json!({"launch_template_id": format!("lt-{n:017x}"), "version": version});
    let fleet = json!({
        "images": images,
        "snapshots": [
            {"snapshot_id": snapshot(1), "create_volume_permissions": ["111122223333"], "tags": {"Name": "web"},
             "description": "Created by CreateImage(i-00000000000000001) for ami-00000000000000001"},
            {"snapshot_id": snapshot(20), "locked": true, "state": "pending"},
        ],
        "instances": [
            {"instance_id": "i-00000000000000001", "image_id": image(1), "protected": true, "stop_protected": true,
             "tags": {"retire": "yes"}, "group": "web", "spot_request": "sir-00000001", "volumes": ["vol-00000001"]},
            {"instance_id": "i-00000000000000002", "image_id": image(2), "state": "stopped"},
            {"instance_id": "i-00000000000000003", "image_id": image(17), "state": "terminated"},
        ],
        "launch_templates": [
            {"launch_template_id": "lt-00000000000000001", "default_version": 1, "versions": [
                {"version": 1, "image_id": image(3), "snapshots": [snapshot(21)]},
                {"version": 2, "image_id": "resolve:ssm:/golden"},
                {"version": 3, "image_id": image(5)},
                {"version": 4},
            ]},
        ],
        "launch_configurations": [{"name": "legacy", "image_id": image(6), "snapshots": [snapshot(22)]}],
        "auto_scaling_groups": [
            {"name": "web", "launch_configuration": "legacy"},
            {"name": "pinned", "launch_template": template(1, "3")},
            {"name": "mixed", "mixed": {"launch_template": template(1, "$Default"), "overrides": [
                {"instance_type": "m7g.large", "image_id": image(7)},
                {"instance_type": "m7g.xlarge", "launch_template": template(1, "3")},
            ]}},
        ],
        "fleets": [
            {"fleet_id": "fleet-1", "images": [image(8)], "launch_templates": [template(1, "$Default")]},
            {"fleet_id": "fleet-2", "launch_templates": [template(1, "3")]},
        ],
        "spot_fleets": [
            {"spot_fleet_request_id": "sfr-1", "images": [image(9)]},
            {"spot_fleet_request_id": "sfr-2", "launch_templates": [template(1, "3")]},
        ],
        "spot_requests": [{"spot_instance_request_id": "sir-00000002", "state": "open", "image_id": image(10)}],
        "compute_environments": [
            {"name": "old", "image_id": image(11)},
            {"name": "new", "image_id_overrides": [image(12)], "launch_templates": [template(1, "3")]},
        ],
        "image_recipes": [{"name": "web", "image_id": image(4)}],
        "ssm_parameters": [
            {"name": "/golden", "value": image(13)},
            {"name": "/policy/1", "value": "version = 1"},
            {"name": "/policy/2", "value": "[safety]"},
        ],
        "retention_rules": [
            {"rule_id": "images", "resource": "images", "except": {"team": "web"}},
            {"rule_id": "snapshots", "resource": "snapshots", "tags": {"team": "web"}},
        ],
        "recycled_images": [{"image": {"image_id": "ami-00000000000000099"},
            "entered_at": "2026-11-01T00:00:00Z", "leaves_at": "2099-11-15T00:00:00Z"}],
        "recycled_snapshots": [{"snapshot": {"snapshot_id": "snap-00000000000000099"},
            "entered_at": "2026-11-01T00:00:00Z", "leaves_at": "2099-11-15T00:00:00Z"}],
    });
    Fleet::from_json(&fleet.to_string())
}
