//! The content of a subscription, and of the other subscriptions with references to its images.
//!
//! IDs are texts in any case, as Azure's services report them. [`AzureFake`](super::AzureFake) parses
//! them when it is loaded.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use steward::model::Tags;

/// The subscription of [`AzureFleet::default`].
pub const SUBSCRIPTION: &str = "0f0e0d0c-1234-5678-9abc-def012345678";

/// Everything that the fake knows.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct AzureFleet {
    /// The subscription that owns the images.
    pub subscription: String,
    /// The other subscriptions.
    pub others: Vec<FleetSubscription>,
    pub galleries: Vec<FleetGallery>,
    pub versions: Vec<FleetVersion>,
    pub soft_deleted: Vec<FleetSoftDeleted>,
    pub images: Vec<FleetManagedImage>,
    /// Disks and snapshots. The type in the ID distinguishes them.
    pub disks: Vec<FleetDisk>,
    pub holders: Vec<FleetHolder>,
    pub locks: Vec<FleetLock>,
    pub habits: AzureHabits,
}

impl Default for AzureFleet {
    fn default() -> Self {
        Self {
            subscription: SUBSCRIPTION.to_owned(),
            others: Vec::new(),
            galleries: Vec::new(),
            versions: Vec::new(),
            soft_deleted: Vec::new(),
            images: Vec::new(),
            disks: Vec::new(),
            holders: Vec::new(),
            locks: Vec::new(),
            habits: AzureHabits::default(),
        }
    }
}

/// One line per resource, with the last parts of the IDs.
impl fmt::Debug for AzureFleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |id: &str| {
            let parts: Vec<&str> = id.split('/').collect();
            parts.get(8..).filter(|rest| !rest.is_empty()).unwrap_or(&parts).join("/")
        };
        let tags = |tags: &Tags| {
            let one = |(key, value): (&str, &str)| format!("{key}={value:?}");
            tags.iter().map(one).collect::<Vec<_>>().join(" ")
        };
        let version = |f: &mut fmt::Formatter<'_>, one: &FleetVersion| {
            write!(f, "{} published {:?} {:?}", short(&one.id), one.published_at, one.state)?;
            for (text, is_so) in [
                (", excluded", one.excluded),
                (", blocks its deletion", one.block_deletion),
                (", shallow", one.shallow),
                (", replicas not read", !one.replicas_read),
            ] {
                f.write_str(if is_so { text } else { "" })?;
            }
            if let Some(at) = one.end_of_life {
                write!(f, ", end of life {at}")?;
            }
            if let Some(source) = &one.source {
                write!(f, ", from {}", short(source))?;
            }
            if let Some(operation) = &one.operation {
                write!(f, ", {operation:?}")?;
            }
            for FleetTarget { region, excluded, replica } in &one.targets {
                write!(f, ", {region} {replica:?}{}", if *excluded { " excluded" } else { "" })?;
            }
            writeln!(f, ", tags {}", tags(&one.tags))
        };
        writeln!(f, "{:?}", self.habits)?;
        for one in &self.galleries {
            let FleetGallery { id, soft_delete_days, shared_with, community } = one;
            let id = short(id);
            writeln!(f, "{id} {soft_delete_days:?} days, {shared_with:?}, community {community}")?;
        }
        self.versions.iter().try_for_each(|one| version(f, one))?;
        for one in &self.soft_deleted {
            write!(f, "deleted {} until {}: ", one.deleted_at, one.consumption_ends_at)?;
            version(f, &one.version)?;
        }
        for one in &self.images {
            write!(f, "{} created {:?} {:?}", short(&one.id), one.created_at, one.state)?;
            writeln!(f, ", from {:?}, tags {}", one.sources, tags(&one.tags))?;
        }
        for one in &self.disks {
            write!(f, "{} created {}, ", short(&one.id), one.created_at)?;
            write!(f, "attached to {:?}, locked {}", one.attached_to, one.locked)?;
            writeln!(f, ", tags {}", tags(&one.tags))?;
        }
        for one in &self.holders {
            let FleetHolder { id, kind, image, region, added_at, removed_at, .. } = one;
            let image = short(image);
            writeln!(f, "{kind:?} {id} uses {image} in {region}, {added_at} to {removed_at:?}")?;
        }
        self.locks.iter().try_for_each(|one| writeln!(f, "{one:?}"))
    }
}

/// A further subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetSubscription {
    /// Its ID.
    pub id: String,
    /// Whether the credentials may read it.
    pub readable: bool,
}

/// How long the subscription's operations and its Resource Graph take. What is not documented is a
/// choice here, so that tests cover each possibility.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AzureHabits {
    /// The minutes that an update of a version takes. A new update is refused until then.
    pub update_minutes: i64,
    /// The minutes that the deletion of a version takes.
    pub delete_minutes: i64,
    /// Every nth operation fails when it ends; 0 for none.
    pub fail_every: u32,
    /// Whether the tags of a version cannot be changed while an operation is running on it. Not
    /// documented.
    pub tags_wait: bool,
    /// Whether a change of its tags is itself an update of a version. Not documented.
    pub tags_update: bool,
    /// Whether a soft-deleted version keeps its tags. Not documented.
    pub tags_survive: bool,
    /// By how many minutes the Resource Graph is late.
    pub graph_minutes: i64,
    /// Whether the responses of the Resource Graph are truncated.
    pub graph_truncated: bool,
}

impl Default for AzureHabits {
    fn default() -> Self {
        Self {
            update_minutes: 5,
            delete_minutes: 10,
            fail_every: 0,
            tags_wait: false,
            tags_update: false,
            tags_survive: true,
            graph_minutes: 10,
            graph_truncated: false,
        }
    }
}

/// A gallery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetGallery {
    /// Its ID.
    pub id: String,
    /// The days for which a deleted version can be used and restored; `None` without soft delete.
    #[serde(default)]
    pub soft_delete_days: Option<u32>,
    /// The subscriptions and tenants that it is shared with directly.
    #[serde(default)]
    pub shared_with: Vec<String>,
    /// Whether it is a community gallery, which everybody may use.
    #[serde(default)]
    pub community: bool,
}

/// The state of the last operation on a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "Azure's own words")]
pub enum FleetState {
    Creating,
    Updating,
    #[default]
    Succeeded,
    Failed,
    Deleting,
    Migrating,
}

/// The state of a replica.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "Azure's own words")]
pub enum Replica {
    #[default]
    Completed,
    Replicating,
    Failed,
}

/// A region to which a version is replicated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetTarget {
    /// The region, for example `West Europe` or `westeurope`.
    pub region: String,
    /// Whether `latest` skips the version there.
    #[serde(default)]
    pub excluded: bool,
    /// The state of the replica.
    #[serde(default)]
    pub replica: Replica,
}

/// A gallery image version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "as in the inventory")]
pub struct FleetVersion {
    pub id: String,
    #[serde(default = "long_ago")]
    pub published_at: Option<Timestamp>,
    #[serde(default)]
    pub state: FleetState,
    /// Whether `latest` skips the version everywhere.
    #[serde(default)]
    pub excluded: bool,
    #[serde(default)]
    pub end_of_life: Option<Timestamp>,
    /// Whether the version cannot be deleted before its end of life.
    #[serde(default)]
    pub block_deletion: bool,
    #[serde(default)]
    pub targets: Vec<FleetTarget>,
    /// Whether a response shows the states of the replicas.
    #[serde(default = "yes")]
    pub replicas_read: bool,
    /// Whether the version was not copied from its source and needs it.
    #[serde(default)]
    pub shallow: bool,
    /// The ID of what it was created from: an image, a virtual machine, a disk or a snapshot.
    #[serde(default)]
    pub source: Option<String>,
    #[serde(default)]
    pub tags: Tags,
    /// The operation that is running.
    #[serde(default)]
    pub operation: Option<FleetOperation>,
}

/// A long-running operation on a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetOperation {
    /// When it ends.
    pub ends_at: Timestamp,
    /// Whether it then fails.
    pub fails: bool,
}

/// A soft-deleted version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct FleetSoftDeleted {
    pub version: FleetVersion,
    pub deleted_at: Timestamp,
    /// Until when it can be used by its ID, and restored.
    pub consumption_ends_at: Timestamp,
}

/// A managed image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "as in the inventory")]
pub struct FleetManagedImage {
    pub id: String,
    /// Azure does not report it for every image.
    #[serde(default = "long_ago")]
    pub created_at: Option<Timestamp>,
    #[serde(default)]
    pub state: FleetState,
    #[serde(default)]
    pub tags: Tags,
    /// The virtual machine that it was created from.
    #[serde(default)]
    pub source_vm: Option<String>,
    /// The disks and snapshots that it was created from.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// A disk or a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "as in the inventory")]
pub struct FleetDisk {
    pub id: String,
    #[serde(default = "certain")]
    pub created_at: Timestamp,
    #[serde(default)]
    pub tags: Tags,
    /// The ID of the virtual machine that a disk is attached to.
    #[serde(default)]
    pub attached_to: Option<String>,
    /// Whether a snapshot cannot be deleted: an immutability policy, or an export that is running.
    #[serde(default)]
    pub locked: bool,
}

/// The kind of a resource that uses an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the field's own terms")]
pub enum HolderKind {
    VirtualMachine,
    ScaleSet,
    ScaleSetInstance,
    ImageTemplate,
    /// A shallow or unfinished version in another subscription.
    ImageVersion,
    /// A resource that only the Resource Graph shows, for example a Batch pool.
    BatchPool,
}

/// A resource that uses an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetHolder {
    /// Its ID.
    pub id: String,
    /// Its kind.
    pub kind: HolderKind,
    /// The ID of a managed image, a version, or a definition.
    pub image: String,
    /// The region in which it starts instances.
    pub region: String,
    /// When it was created. The Resource Graph shows it later.
    #[serde(default = "certain")]
    pub added_at: Timestamp,
    /// When it was deleted. The Resource Graph still shows it for some time.
    #[serde(default)]
    pub removed_at: Option<Timestamp>,
    /// For a virtual machine: its tags.
    #[serde(default)]
    pub tags: Tags,
    /// For a virtual machine: whether it is stopped.
    #[serde(default)]
    pub stopped: bool,
    /// For a virtual machine: whether it is being created. Its managed image cannot be deleted then.
    #[serde(default)]
    pub provisioning: bool,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetLock {
    /// The ID of a subscription, a resource group or a resource.
    pub scope: String,
    /// Whether it refuses all changes, and not only deletions.
    #[serde(default)]
    pub read_only: bool,
}

impl FleetVersion {
    /// A version that was replicated to West Europe.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            published_at: long_ago(),
            state: FleetState::Succeeded,
            excluded: false,
            end_of_life: None,
            block_deletion: false,
            targets: vec![FleetTarget::new("West Europe")],
            replicas_read: true,
            shallow: false,
            source: None,
            tags: Tags::default(),
            operation: None,
        }
    }
}

impl FleetTarget {
    /// A completed replica.
    pub fn new(region: &str) -> Self {
        Self { region: region.to_owned(), excluded: false, replica: Replica::Completed }
    }
}

impl FleetManagedImage {
    /// A managed image without a source.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            created_at: long_ago(),
            state: FleetState::Succeeded,
            tags: Tags::default(),
            source_vm: None,
            sources: Vec::new(),
        }
    }
}

impl FleetDisk {
    /// A disk or snapshot that nothing uses.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            created_at: certain(),
            tags: Tags::default(),
            attached_to: None,
            locked: false,
        }
    }
}

impl FleetHolder {
    /// A resource in West Europe.
    pub fn new(kind: HolderKind, id: impl Into<String>, image: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            kind,
            image: image.into(),
            region: "westeurope".to_owned(),
            added_at: certain(),
            removed_at: None,
            tags: Tags::default(),
            stopped: false,
            provisioning: false,
        }
    }
}

fn yes() -> bool {
    true
}

fn certain() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn long_ago() -> Option<Timestamp> {
    Some(certain())
}
