//! Random fleets, and the images in use, computed from the fleet itself.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use steward::model::{DeletionMark, ImageId, SnapshotId};
use steward_tests::fleet::{
    AutoScalingGroup, BinnedImage, ComputeEnvironment, Ec2Fleet, Fleet, FleetImage, FleetInstance,
    FleetSnapshot, LaunchConfiguration, LaunchTemplate, Parameter, Recipe, RecipeKind,
    Specification, SpotFleet, SpotRequest, TemplateVersion,
};

pub const HOUR: i64 = 3600;

pub fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

pub fn image_id(n: usize) -> ImageId {
    format!("ami-{n:02}").parse().unwrap()
}

pub fn snapshot_id(n: usize) -> SnapshotId {
    format!("snap-{n:02}").parse().unwrap()
}

/// One random image: number, age in hours, and other fields.
pub fn an_image(n: usize) -> impl Strategy<Value = FleetImage> {
    let shape = (
        0_i64..24 * 400,
        prop_oneof![8 => Just("available"), 1 => Just("disabled"), 1 => Just("failed"), 1 => Just("pending")],
        prop_oneof![Just("web"), Just("db"), Just("ci")],
        prop_oneof![Just("x86_64"), Just("arm64")],
        vec(0_usize..24, 0..3),
        option::weighted(0.15, prop_oneof![Just(""), Just("2026-11-01"), Just("2027-01-01")]),
        option::weighted(0.3, 0_i64..24 * 40),
        (
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.1),
        ),
        option::weighted(0.2, 0_i64..24 * 200),
        (option::weighted(0.15, -24_i64 * 100..24 * 100), 0_u8..3, prop::bool::weighted(0.1)),
    );
    shape.prop_map(
        move |(
            age,
            state,
            family,
            architecture,
            snapshots,
            keep,
            expired,
            flags,
            launched,
            steps,
        )| {
            let (protected, public, shared, pinned) = flags;
            let (deprecated, step, copied) = steps;
            // A copy of another image, created with all tags.
            let own = if copied { image_id(n + 30) } else { image_id(n) };
            let mut tags = vec![("Family", family.to_owned())];
            if let Some(keep) = keep {
                tags.push(("image-steward:keep", keep.to_owned()));
            }
            if let Some(hours) = expired {
                tags.push(("image-steward:expired-at", ago(hours * HOUR).to_string()));
            }
            if pinned {
                tags.push(("Pinned", "yes".to_owned()));
            }
            // Which steps were applied: none, deprecated, or deprecated and disabled.
            let step = if expired.is_some() && state == "available" { step } else { 0 };
            if let Some(hours) = expired.filter(|_| step > 0) {
                let what = if step > 1 { "disabled" } else { "deprecated" };
                let value = format!("{own} none {what} {}", ago(hours * HOUR));
                tags.push(("image-steward:deprecation", value));
            }
            if step > 1 {
                let before = if shared { "111122223333" } else { "none" };
                tags.push(("image-steward:launch-permissions", format!("{own} {before}")));
            }
            let mut image = FleetImage::new(image_id(n), snapshots.into_iter().map(snapshot_id));
            image.name = Some(format!("{family}-{n}"));
            image.created_at = ago(age * HOUR);
            image.state = if step > 1 { "disabled" } else { state }.to_owned();
            image.deprecation_time = match (step, deprecated) {
                (0, hours) => hours.map(|hours| ago(hours * HOUR)),
                _ => expired.map(|hours| ago(hours * HOUR)),
            };
            image.architecture = architecture.to_owned();
            image.tags = tags.into_iter().collect();
            image.protected =
                if protected { "enabled-without-cooldown" } else { "disabled" }.to_owned();
            // A disabled image cannot be shared. EC2 removes its permissions when it disables it.
            let private = image.state != "available";
            image.public = public && !private;
            image.launch_permissions =
                if shared && !private { vec!["111122223333".to_owned()] } else { Vec::new() };
            image.last_launched_at = launched.map(|hours| ago(hours * HOUR));
            image
        },
    )
}

pub fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// One random snapshot: its image by its tags and by its description, and what protects it.
fn a_snapshot(n: usize) -> impl Strategy<Value = FleetSnapshot> {
    let shape = (
        option::weighted(0.2, (0_usize..24, -24_i64..24 * 20, any::<bool>())),
        option::weighted(0.3, (0_usize..24, any::<bool>())),
        prop::bool::weighted(0.06),
        prop::bool::weighted(0.06),
        option::weighted(0.06, Just("2027-01-01")),
    );
    shape.prop_map(move |(mark, made_for, locked, shared, keep)| {
        let mut snapshot = FleetSnapshot::new(snapshot_id(n), ago(1000 * HOUR));
        let mut tags = Vec::new();
        if let Some((image, due, agrees)) = mark {
            // Usually our tag and EC2's description agree.
            let image = made_for.filter(|_| agrees).map_or(image, |(made_for, _)| made_for);
            tags.push(("image-steward:image", image_id(image).to_string()));
            let mark = DeletionMark { due: ago(due * HOUR), marked_at: ago((due + 24 * 7) * HOUR) };
            tags.push(("image-steward:delete-after", mark.to_string()));
        }
        if let Some(keep) = keep {
            tags.push(("image-steward:keep", keep.to_owned()));
        }
        if let Some((image, is_copy)) = made_for {
            snapshot.description = format!("Created by CreateImage(i-1) for {}", image_id(image));
            snapshot.volume_id = if is_copy { "vol-ffffffff" } else { "vol-1" }.to_owned();
        }
        snapshot.tags = tags.into_iter().collect();
        snapshot.locked = locked;
        snapshot.create_volume_permissions =
            if shared { vec!["111122223333".parse().unwrap()] } else { Vec::new() };
        snapshot
    })
}

/// Up to 18 images with 24 snapshots, and the references: (kind of reference, image).
pub fn a_fleet() -> impl Strategy<Value = Fleet> {
    fleet_of(18)
}

/// Fewer images.
pub fn fleet_of(most: usize) -> impl Strategy<Value = Fleet> {
    let images: Vec<_> = (0..most).map(an_image).collect();
    let snapshots: Vec<_> = (0..24).map(a_snapshot).collect();
    let uses = vec((0..KINDS_OF_HOLDERS, 0_usize..24), 0..6);
    let named = option::weighted(0.2, 0_usize..24);
    (images, 0_usize..=most, uses, snapshots, named).prop_map(
        |(mut images, count, uses, snapshots, named)| {
            images.truncate(count);
            let mut fleet = Fleet { images, snapshots, ..Fleet::default() };
            describe_snapshots(&mut fleet);
            for (number, (kind, image)) in uses.into_iter().enumerate() {
                hold(&mut fleet, number, kind, &image_id(image));
            }
            if let Some(snapshot) = named {
                let version = TemplateVersion {
                    version: 1,
                    image_id: None,
                    snapshots: vec![snapshot_id(snapshot)],
                };
                fleet.launch_templates.push(LaunchTemplate {
                    launch_template_id: "lt-data".to_owned(),
                    name: None,
                    default_version: 1,
                    versions: vec![version],
                });
            }
            fleet
        },
    )
}

/// Most snapshots of images have the description that EC2 writes for the first of their images.
fn describe_snapshots(fleet: &mut Fleet) {
    for (number, snapshot) in fleet.snapshots.iter_mut().enumerate() {
        let of = |image: &&FleetImage| image.snapshots.contains(&snapshot.snapshot_id);
        let Some(image) = fleet.images.iter().find(of).map(|image| &image.image_id) else {
            continue;
        };
        if snapshot.description.is_empty() && number % 4 > 0 {
            snapshot.description = format!("Created by CreateImage(i-1) for {image}");
            snapshot.volume_id = "vol-1".to_owned();
        }
    }
}

/// Some of the deregistered images are in the Recycle Bin.
pub fn a_fleet_with_a_bin() -> impl Strategy<Value = Fleet> {
    let entered = vec(option::weighted(0.5, 0_i64..24 * 13), 24);
    (a_fleet(), entered).prop_map(|(mut fleet, entered)| {
        for (number, hours) in entered.into_iter().enumerate() {
            let image = FleetImage::new(image_id(number), []);
            let exists = fleet.images.iter().any(|one| one.image_id == image.image_id);
            if let Some(entered_at) = hours.filter(|_| !exists).map(|hours| ago(hours * HOUR)) {
                let leaves_at = entered_at + SignedDuration::from_hours(24 * 14);
                fleet.recycled_images.push(BinnedImage { image, entered_at, leaves_at });
            }
        }
        fleet
    })
}

/// The image for which a snapshot was created according to EC2, if it is not a copy.
pub fn made_for(snapshot: &FleetSnapshot) -> Option<ImageId> {
    let original = snapshot.volume_id != "vol-ffffffff";
    let image = snapshot.description.strip_prefix("Created by CreateImage(i-1) for ")?;
    image.parse().ok().filter(|_| original)
}

/// The number of kinds of references in [`hold`].
pub const KINDS_OF_HOLDERS: u8 = 12;

/// Creates a reference of the given kind to `image`.
pub fn hold(fleet: &mut Fleet, number: usize, kind: u8, image: &ImageId) {
    let other = ImageId::to_string(&"ami-elsewhere".parse().unwrap());
    let template = |versions: &[&str]| LaunchTemplate {
        launch_template_id: format!("lt-{number}"),
        name: None,
        default_version: 1,
        versions: (1..)
            .zip(versions)
            .map(|(version, image)| TemplateVersion {
                version,
                image_id: Some((*image).to_owned()),
                snapshots: Vec::new(),
            })
            .collect(),
    };
    // In use only through a version that is neither the default nor the latest, and to which an
    // Auto Scaling group refers.
    let pinned = || template(&[&other, image.as_str(), &other]);
    let pin = Specification { launch_template_id: format!("lt-{number}"), version: "2".to_owned() };
    match kind {
        0 | 1 => fleet.instances.push(FleetInstance {
            state: if kind == 0 { "running" } else { "stopped" }.to_owned(),
            ..FleetInstance::new(format!("i-{number}").parse().unwrap(), image.clone())
        }),
        2 => fleet.launch_templates.push(template(&[&other, image.as_str()])),
        3 => fleet.launch_configurations.push(LaunchConfiguration {
            name: format!("lc-{number}"),
            image_id: image.clone(),
            snapshots: Vec::new(),
        }),
        4 => {
            fleet.launch_templates.push(pinned());
            fleet.auto_scaling_groups.push(AutoScalingGroup {
                name: format!("asg-{number}"),
                launch_template: Some(pin),
                ..AutoScalingGroup::default()
            });
        }
        5 => {
            fleet.launch_templates.push(pinned());
            fleet.fleets.push(Ec2Fleet {
                fleet_id: format!("fleet-{number}"),
                state: "active".to_owned(),
                launch_templates: vec![pin],
                images: Vec::new(),
            });
        }
        6 => fleet.spot_fleets.push(SpotFleet {
            spot_fleet_request_id: format!("sfr-{number}"),
            state: "active".to_owned(),
            launch_templates: Vec::new(),
            images: vec![image.to_string()],
        }),
        7 => fleet.spot_requests.push(SpotRequest {
            spot_instance_request_id: format!("sir-{number}"),
            state: "open".to_owned(),
            image_id: image.to_string(),
        }),
        8 => fleet.compute_environments.push(ComputeEnvironment {
            name: format!("batch-{number}"),
            status: "VALID".to_owned(),
            image_id: None,
            image_id_overrides: vec![image.to_string()],
            launch_templates: Vec::new(),
        }),
        9 => fleet
            .ssm_parameters
            .push(Parameter::string(format!("/golden/{number}"), image.to_string())),
        10 => {
            let name = format!("/alias/{number}");
            fleet.launch_templates.push(template(&[&format!("resolve:ssm:{name}")]));
            fleet.ssm_parameters.push(Parameter::string(name, image.to_string()));
        }
        _ => fleet.image_recipes.push(Recipe {
            name: format!("recipe-{number}"),
            version: "1.0.0".to_owned(),
            kind: RecipeKind::Image,
            image_id: image.clone(),
        }),
    }
}

/// The images to which [`hold`] created references, read from the fleet and not from the plan.
pub fn in_use(fleet: &Fleet) -> BTreeSet<String> {
    let mut used: BTreeSet<String> =
        fleet.instances.iter().map(|instance| instance.image_id.to_string()).collect();
    let versions = fleet.launch_templates.iter().flat_map(|template| &template.versions);
    used.extend(versions.filter_map(|version| version.image_id.clone()));
    let configurations = fleet.launch_configurations.iter();
    used.extend(configurations.map(|configuration| configuration.image_id.to_string()));
    used.extend(fleet.spot_fleets.iter().flat_map(|one| one.images.clone()));
    used.extend(fleet.spot_requests.iter().map(|one| one.image_id.clone()));
    used.extend(fleet.compute_environments.iter().flat_map(|one| one.image_id_overrides.clone()));
    used.extend(fleet.ssm_parameters.iter().map(|one| one.value.clone()));
    used.extend(fleet.image_recipes.iter().map(|one| one.image_id.to_string()));
    used
}

/// The snapshots that must not be deleted, whatever happens to their image.
pub fn held_snapshots(fleet: &Fleet, keeps_shared: bool) -> BTreeSet<SnapshotId> {
    let named = fleet.launch_templates.iter().flat_map(|template| &template.versions);
    let named = named.flat_map(|version| version.snapshots.clone());
    let held = fleet.snapshots.iter().filter(|snapshot| {
        let shared = keeps_shared && !snapshot.create_volume_permissions.is_empty();
        snapshot.locked || shared || snapshot.tags.has("image-steward:keep")
    });
    held.map(|snapshot| snapshot.snapshot_id.clone()).chain(named).collect()
}
