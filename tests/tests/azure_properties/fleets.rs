//! Random subscriptions.

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use steward::model::{DeletionMark, ImageId};
use steward_tests::azure_fake::{
    AzureFleet, AzureHabits, FleetDisk, FleetGallery, FleetHolder, FleetLock, FleetManagedImage,
    FleetOperation, FleetState, FleetSubscription, FleetTarget, FleetVersion, HolderKind, Replica,
    SUBSCRIPTION,
};

/// Another subscription that the policy may name.
pub const NAMED: &str = "aaaaaaaa-0000-4000-8000-000000000001";
/// A subscription that can be read, but that no policy names.
pub const UNNAMED: &str = "bbbbbbbb-0000-4000-8000-000000000002";
/// A subscription that cannot be read.
pub const UNREADABLE: &str = "cccccccc-0000-4000-8000-000000000003";

pub const REGIONS: [&str; 2] = ["West Europe", "northeurope"];
const DISKS: usize = 6;

pub fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Noon, this many days later.
pub fn day(days: i64) -> Timestamp {
    now() + hours(24 * days)
}

pub fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn group(subscription: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/Images")
}

pub fn gallery_id(n: usize) -> String {
    format!("{}/providers/Microsoft.Compute/galleries/Gold{n}", group(SUBSCRIPTION))
}

/// There are two galleries with two definitions each.
pub fn definition_id(n: usize) -> String {
    format!("{}/images/{}", gallery_id(n % 2), ["web", "db"][n / 2 % 2])
}

/// The order of the numbers differs from the order of the dates.
pub fn version_id(n: usize) -> String {
    format!("{}/versions/{}.0.{n}", definition_id(n * 7 / 3), n * 5 % 3)
}

pub fn managed_id(n: usize) -> String {
    format!("{}/providers/Microsoft.Compute/images/Managed-{n}", group(SUBSCRIPTION))
}

/// Snapshots and disks by turns.
pub fn disk_id(n: usize) -> String {
    let kind = ["snapshots", "disks"][n % 2];
    format!("{}/providers/Microsoft.Compute/{kind}/Source-{n}", group(SUBSCRIPTION))
}

pub fn holder_id(subscription: &str, n: usize, kind: HolderKind) -> String {
    let kind = match kind {
        HolderKind::VirtualMachine => "Microsoft.Compute/virtualMachines",
        HolderKind::ScaleSet => "Microsoft.Compute/virtualMachineScaleSets",
        HolderKind::ScaleSetInstance => {
            "Microsoft.Compute/virtualMachineScaleSets/S/virtualMachines"
        }
        HolderKind::ImageTemplate => "Microsoft.VirtualMachineImages/imageTemplates",
        HolderKind::ImageVersion => "Microsoft.Compute/galleries/g/images/d/versions",
        HolderKind::BatchPool => "Microsoft.Batch/batchAccounts/b/pools",
    };
    let name = match kind.ends_with("versions") {
        true => format!("1.0.{n}"),
        false => format!("Holder-{n}"),
    };
    format!("{}/providers/{kind}/{name}", group(subscription))
}

pub fn image_id(text: &str) -> ImageId {
    text.parse().unwrap()
}

/// The same ID in another case.
pub fn spelled(id: &str, how: u8) -> String {
    match how % 4 {
        0 => id.to_owned(),
        1 => id.to_uppercase(),
        2 => id.to_lowercase(),
        _ => {
            let flip = |(at, c): (usize, char)| match at % 3 {
                0 => c.to_ascii_uppercase(),
                _ => c.to_ascii_lowercase(),
            };
            id.chars().enumerate().map(flip).collect()
        }
    }
}

fn ago(ago: i64) -> Timestamp {
    now() - hours(ago)
}

/// The tags of an image: of the policy, of people, and of earlier steps.
#[derive(Debug, Clone)]
pub struct Marks {
    family: &'static str,
    keep: Option<&'static str>,
    pinned: bool,
    /// The hours since it was tagged as expired.
    expired: Option<i64>,
    /// Which steps were applied: none, end of life, or excluded.
    step: u8,
    how: u8,
}

fn marks() -> impl Strategy<Value = Marks> {
    let keep = option::weighted(0.1, prop_oneof![Just(""), Just("2026-11-01"), Just("2027-01-01")]);
    let family = prop_oneof![Just("web"), Just("db")];
    let expired = option::weighted(0.3, 0_i64..24 * 30);
    (family, keep, prop::bool::weighted(0.1), expired, 0_u8..3, any::<u8>()).prop_map(
        |(family, keep, pinned, expired, step, how)| Marks {
            family,
            keep,
            pinned,
            expired,
            step,
            how,
        },
    )
}

impl Marks {
    fn tags(&self, id: &str, step: u8) -> steward::model::Tags {
        let mut tags = vec![(spelled("Family", self.how), self.family.to_owned())];
        let mut add = |name: &str, value: String| {
            tags.push((spelled(&format!("image-steward:{name}"), self.how / 4), value));
        };
        if let Some(keep) = self.keep {
            add("keep", keep.to_owned());
        }
        let own = image_id(id).in_tags();
        if let Some(expired) = self.expired {
            let at = ago(expired);
            add("expired-at", at.to_string());
            if step > 0 {
                let what = if step > 1 { "disabled" } else { "deprecated" };
                add("deprecation", format!("{own} none {what} {at}"));
            }
            if step > 1 {
                add("launch-permissions", format!("{own} none"));
            }
        }
        if self.pinned {
            tags.push(("PINNED".to_owned(), "yes".to_owned()));
        }
        tags.into_iter().collect()
    }
}

fn a_replica() -> impl Strategy<Value = Replica> {
    prop_oneof![
        12 => Just(Replica::Completed), 1 => Just(Replica::Replicating), 1 => Just(Replica::Failed)
    ]
}

/// One random version. The older a version, the likelier it expires in the days of a test.
pub fn a_version(n: usize) -> impl Strategy<Value = FleetVersion> {
    let target = (prop::bool::weighted(0.1), a_replica(), prop::bool::weighted(0.8));
    let state = prop_oneof![
        14 => Just(FleetState::Succeeded),
        1 => Just(FleetState::Failed),
        1 => Just(FleetState::Creating),
        1 => Just(FleetState::Updating),
        1 => Just(FleetState::Migrating),
    ];
    let flags = (
        prop::bool::weighted(0.12),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.15),
    );
    let shape = (
        option::weighted(0.95, 0_i64..24 * 60),
        state,
        flags,
        option::weighted(0.2, -24_i64 * 40..24 * 40),
        vec(target, 2),
        option::weighted(0.4, 0_usize..20),
        marks(),
        any::<u8>(),
        1_i64..60,
    );
    shape.prop_map(move |(age, state, flags, end_of_life, targets, source, marks, how, ends)| {
        let (excluded, block_deletion, replicas_read, shallow) = flags;
        let id = version_id(n);
        let step = match (state, marks.expired) {
            (FleetState::Succeeded, Some(_)) => marks.step,
            _ => 0,
        };
        let targets = targets.into_iter().zip(REGIONS).filter(|((.., there), _)| *there);
        let targets = targets.map(|((excluded, replica, _), region)| FleetTarget {
            region: region.to_owned(),
            excluded,
            replica,
        });
        let is_running =
            matches!(state, FleetState::Creating | FleetState::Updating | FleetState::Migrating);
        FleetVersion {
            published_at: age.map(ago),
            state,
            excluded: excluded || step > 1,
            end_of_life: match step {
                0 => end_of_life.map(ago),
                _ => marks.expired.map(ago),
            },
            block_deletion,
            targets: targets.collect(),
            replicas_read,
            shallow,
            source: source.map(|source| spelled(&a_source(n, source), how / 4)),
            tags: marks.tags(&id, step),
            operation: is_running
                .then(|| FleetOperation { ends_at: now() + hours(ends), fails: ends % 7 == 0 }),
            ..FleetVersion::new(spelled(&id, how))
        }
    })
}

/// What a version was created from: a disk, an image, or a virtual machine.
fn a_source(version: usize, source: usize) -> String {
    match source {
        0..DISKS => disk_id(source),
        DISKS..9 => managed_id(source - DISKS),
        9..13 if source - 9 != version => version_id(source - 9),
        _ => holder_id(SUBSCRIPTION, source, HolderKind::VirtualMachine),
    }
}

pub fn a_managed_image(n: usize) -> impl Strategy<Value = FleetManagedImage> {
    let shape = (option::weighted(0.9, 0_i64..24 * 60), vec(0..DISKS, 0..2), marks(), any::<u8>());
    shape.prop_map(move |(age, sources, marks, how)| {
        let id = managed_id(n);
        FleetManagedImage {
            created_at: age.map(ago),
            tags: marks.tags(&id, 0),
            sources: sources.into_iter().map(|one| spelled(&disk_id(one), how / 4)).collect(),
            ..FleetManagedImage::new(spelled(&id, how))
        }
    })
}

/// Usually a source of an image that exists, or of one that is gone.
fn a_disk(n: usize, versions: usize) -> impl Strategy<Value = FleetDisk> {
    let shape = (
        option::weighted(0.5, 0..versions * 2),
        option::weighted(0.3, (-24_i64 * 5..24 * 20, 0_i64..24 * 10)),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        0_i64..24 * 60,
        any::<u8>(),
    );
    shape.prop_map(move |(image, mark, attached, locked, keep, age, how)| {
        let key = |name: &str| spelled(&format!("image-steward:{name}"), how);
        let mut tags = Vec::new();
        if let Some(image) = image {
            tags.push((key("image"), spelled(&version_id(image), how / 4)));
        }
        if let Some((due, wait)) = mark {
            let mark = DeletionMark { due: ago(due), marked_at: ago(due + wait) };
            tags.push((key("delete-after"), mark.to_string()));
        }
        if keep {
            tags.push((key("keep"), String::new()));
        }
        let vm = || holder_id(SUBSCRIPTION, n, HolderKind::VirtualMachine);
        FleetDisk {
            created_at: ago(age),
            tags: tags.into_iter().collect(),
            attached_to: (attached && n % 2 == 1).then(vm),
            locked,
            ..FleetDisk::new(spelled(&disk_id(n), how / 16))
        }
    })
}

/// What a holder uses.
#[derive(Debug, Clone, Copy)]
pub enum ImageUse {
    Version(usize),
    Definition(usize),
    Managed(usize),
    Disk(usize),
}

pub fn a_use(versions: usize) -> impl Strategy<Value = ImageUse> {
    prop_oneof![
        3 => (0..versions).prop_map(ImageUse::Version),
        3 => (0_usize..4).prop_map(ImageUse::Definition),
        1 => (0_usize..3).prop_map(ImageUse::Managed),
        1 => (0..DISKS).prop_map(ImageUse::Disk),
    ]
}

impl ImageUse {
    pub fn id(self) -> String {
        match self {
            Self::Version(n) => version_id(n),
            Self::Definition(n) => definition_id(n),
            Self::Managed(n) => managed_id(n),
            Self::Disk(n) => disk_id(n),
        }
    }
}

pub fn a_holder(n: usize, versions: usize) -> impl Strategy<Value = FleetHolder> {
    let kind = prop_oneof![
        3 => Just(HolderKind::VirtualMachine),
        3 => Just(HolderKind::ScaleSet),
        1 => Just(HolderKind::ScaleSetInstance),
        1 => Just(HolderKind::ImageTemplate),
        1 => Just(HolderKind::ImageVersion),
        1 => Just(HolderKind::BatchPool),
    ];
    let subscription = prop_oneof![
        3 => Just(SUBSCRIPTION), 2 => Just(NAMED), 2 => Just(UNNAMED), 1 => Just(UNREADABLE)
    ];
    let shape = (kind, subscription, a_use(versions), 0..REGIONS.len(), any::<u8>());
    let times = (
        option::weighted(0.2, 0_i64..24 * 20),
        option::weighted(0.2, 0_i64..24 * 30),
        any::<bool>(),
    );
    (shape, times).prop_map(
        move |((kind, subscription, used, region, how), (added, removed, provisioning))| {
            // Versions in other galleries of the subscription would be images of it.
            let kind = match (kind, subscription) {
                (HolderKind::ImageVersion, SUBSCRIPTION) => HolderKind::ScaleSet,
                (kind, _) => kind,
            };
            // Only versions are created from disks.
            let (kind, subscription) = match used {
                ImageUse::Disk(_) => (HolderKind::ImageVersion, NAMED),
                _ => (kind, subscription),
            };
            let new = FleetHolder::new(
                kind,
                spelled(&holder_id(subscription, n, kind), how),
                spelled(&used.id(), how / 4),
            );
            FleetHolder {
                region: REGIONS[region].to_owned(),
                added_at: added.map_or(new.added_at, |added| now() + hours(added)),
                removed_at: removed.map(|removed| now() + hours(removed)),
                provisioning,
                ..new
            }
        },
    )
}

fn a_lock() -> impl Strategy<Value = FleetLock> {
    let scope = prop_oneof![
        1 => Just(format!("/subscriptions/{SUBSCRIPTION}")),
        2 => Just(group(SUBSCRIPTION)),
        4 => (0_usize..2).prop_map(gallery_id),
        4 => (0_usize..4).prop_map(definition_id),
        8 => (0_usize..8).prop_map(version_id),
        4 => (0_usize..3).prop_map(managed_id),
        4 => (0..DISKS).prop_map(disk_id),
    ];
    (scope, any::<bool>(), any::<u8>())
        .prop_map(|(scope, read_only, how)| FleetLock { scope: spelled(&scope, how), read_only })
}

fn a_gallery(n: usize) -> impl Strategy<Value = FleetGallery> {
    let days =
        prop_oneof![1 => Just(None), 4 => prop::sample::select(vec![3, 7, 14, 30]).prop_map(Some)];
    let with = prop_oneof![8 => Just(Vec::new()), 1 => Just(vec![UNNAMED.to_owned()])];
    (days, with, prop::bool::weighted(0.06), any::<u8>()).prop_map(
        move |(soft_delete_days, shared_with, community, how)| FleetGallery {
            id: spelled(&gallery_id(n), how),
            soft_delete_days,
            shared_with,
            community,
        },
    )
}

fn some_habits() -> impl Strategy<Value = AzureHabits> {
    let minutes = || prop::sample::select(vec![0_i64, 5, 45, 180, 24 * 60 + 30]);
    let flags = (any::<bool>(), prop::bool::weighted(0.1), any::<bool>());
    let fail_every = prop_oneof![3 => Just(0_u32), 1 => 1_u32..4];
    (minutes(), minutes(), minutes(), fail_every, flags, prop::bool::weighted(0.02)).prop_map(
        |(update_minutes, delete_minutes, graph_minutes, fail_every, flags, graph_truncated)| {
            let (tags_wait, tags_update, tags_survive) = flags;
            AzureHabits {
                update_minutes,
                delete_minutes,
                fail_every,
                tags_wait,
                tags_update,
                tags_survive,
                graph_minutes,
                graph_truncated,
            }
        },
    )
}

/// A subscription with up to `versions` versions, three managed images and six disks.
pub fn a_fleet(versions: usize) -> impl Strategy<Value = AzureFleet> {
    let images = (
        (0..versions).map(a_version).collect::<Vec<_>>(),
        (0..3).map(a_managed_image).collect::<Vec<_>>(),
        (0..DISKS).map(move |n| a_disk(n, versions)).collect::<Vec<_>>(),
        (0..2).map(a_gallery).collect::<Vec<_>>(),
    );
    let holders = (0..5).map(move |n| a_holder(n, versions)).collect::<Vec<_>>();
    let locks = prop_oneof![4 => Just(Vec::new()), 1 => vec(a_lock(), 1..3)];
    let counts =
        (versions / 2..=versions, 0_usize..=3, prop_oneof![2 => 0_usize..2, 1 => 2_usize..=5]);
    (images, holders, locks, some_habits(), counts).prop_map(
        |((versions, images, disks, galleries), holders, locks, habits, counts)| {
            let mut fleet = AzureFleet {
                others: [(NAMED, true), (UNNAMED, true), (UNREADABLE, false)]
                    .map(|(id, readable)| FleetSubscription { id: id.to_uppercase(), readable })
                    .into(),
                galleries,
                versions,
                images,
                disks,
                holders,
                locks,
                habits,
                ..AzureFleet::default()
            };
            fleet.versions.truncate(counts.0);
            fleet.images.truncate(counts.1);
            fleet.holders.truncate(counts.2);
            fleet
        },
    )
}

/// The value of a tag, whatever the case of its name is.
pub fn folded_tag<'t>(tags: &'t steward::model::Tags, key: &str) -> Option<&'t str> {
    tags.iter().find(|(held, _)| held.to_lowercase() == key).map(|(_, value)| value)
}
