//! Benchmarks of planning: time and memory for fleets of growing size.
//!
//! Run them with `make bench-core`. docs/performance.md contains the results.

#![expect(clippy::unwrap_used, reason = "the IDs are generated and valid")]

use divan::{AllocProfiler, Bencher};
use jiff::{SignedDuration, Timestamp};
use steward::model::{
    FormatNumber, Image, ImageState, Inventory, Reference, ReferenceKind, Snapshot,
};
use steward::plan::plan;
use steward::policy::Policy;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// The number of images per family, one per day.
const FAMILY: usize = 20;

const POLICY: &str = r#"
version = 1
timezone = "Europe/Berlin"

[[rule]]
name = "everything"
match = { name = "image-*", tags = { Team = "*" } }
group_by = ["tag:Family", "architecture"]

[rule.keep]
last = 5
within = "3d"
hourly = 3
daily = 7
weekly = 4
monthly = 6
yearly = 1
launched_within = "90d"
tags = { Pinned = "*" }
at_least = 1
"#;

fn main() {
    divan::main();
}

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap_or_default()
}

/// Creates `count` images in `count` / 20 families. Every tenth image is in use, every fiftieth was
/// launched recently, and every hundredth is kept by a tag.
fn world(count: usize) -> Inventory {
    let images = (0..count).map(image).collect();
    let snapshots = (0..count).map(|n| Snapshot {
        started_at: Some(now()),
        size_gib: Some(8),
        tags: [("image-steward:image", format!("ami-{n:017x}"))].into_iter().collect(),
        ..Snapshot::new(format!("snap-{n:017x}").parse().unwrap())
    });
    let references = (0..count).step_by(10).map(|n| {
        let arn = format!("arn:aws:ec2:eu-central-1:123456789012:instance/i-{n:017x}");
        let image_id = format!("ami-{n:017x}").parse().unwrap();
        Reference::new(image_id, ReferenceKind::Instance, arn)
    });
    Inventory {
        format: FormatNumber,
        account: "123456789012".parse().unwrap(),
        region: Some("eu-central-1".parse().unwrap()),
        taken_at: now(),
        unread: Vec::new(),
        snapshots: snapshots.collect(),
        references: references.collect(),
        ignored_templates: Vec::new(),
        snapshot_references: Vec::new(),
        retention_rules: None,
        recycled_images: None,
        images,
        other_image_types: 0,
    }
}

fn image(n: usize) -> Image {
    let (age, family) = (n % FAMILY, n / FAMILY);
    let days = i64::try_from(age).unwrap_or_default();
    let created_at =
        now() - SignedDuration::from_hours(24 * days) - SignedDuration::from_mins(n as i64 % 1440);
    let mut tags = vec![("Team", "platform".to_owned()), ("Family", format!("family-{family}"))];
    if n.is_multiple_of(100) {
        tags.push(("Pinned", "yes".to_owned()));
    }
    Image {
        name: format!("image-{family}-{days}").into(),
        owner_id: "123456789012".parse().ok(),
        created_at: Some(created_at),
        state: ImageState::Available,
        architecture: Some(if family % 2 == 0 { "x86_64" } else { "arm64" }.into()),
        platform: Some("Linux/UNIX".into()),
        tags: tags.into_iter().collect(),
        snapshots: ["snap-".to_owned() + &format!("{n:017x}")]
            .iter()
            .filter_map(|id| id.parse().ok())
            .collect(),
        last_launched_at: n.is_multiple_of(50).then_some(created_at),
        ..Image::new(format!("ami-{n:017x}").parse().unwrap())
    }
}

fn policy() -> Policy {
    Policy::parse(POLICY, "bench").unwrap()
}

/// Measures planning only. The inventory is created before and is not counted.
#[divan::bench(args = [10_000, 100_000, 1_000_000], sample_count = 10, sample_size = 1)]
fn plan_images(bencher: Bencher<'_, '_>, count: usize) {
    let (world, policy, now) = (world(count), policy(), now());
    bencher
        .counter(divan::counter::ItemsCount::new(count))
        .bench_local(|| plan(&world, &policy, now));
}

/// Measures planning and creating its inventory. Its "max alloc" is the memory that a run needs.
#[divan::bench(args = [10_000, 100_000, 1_000_000], sample_count = 3, sample_size = 1)]
fn build_inventory_and_plan(bencher: Bencher<'_, '_>, count: usize) {
    let (policy, now) = (policy(), now());
    bencher.counter(divan::counter::ItemsCount::new(count)).bench_local(|| {
        let world = world(count);
        let found = plan(&world, &policy, now);
        (world, found)
    });
}
