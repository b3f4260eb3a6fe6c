//! The content of the fake with parsed IDs, and what happens to it as time passes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use steward::cloud::CloudError;
use steward::model::{AccountId, ImageId, SnapshotId};

use super::fleet::{
    AzureFleet, FleetDisk, FleetGallery, FleetHolder, FleetManagedImage, FleetOperation,
    FleetSoftDeleted, FleetState, FleetVersion,
};
use super::not_found;
use crate::fake::faults::error;

pub(super) struct AzureState {
    pub(super) subscription: AccountId,
    /// By canonical ID.
    pub(super) galleries: BTreeMap<String, FleetGallery>,
    pub(super) versions: BTreeMap<ImageId, StoredVersion>,
    pub(super) soft_deleted: BTreeMap<ImageId, SoftDeletedEntry>,
    pub(super) images: BTreeMap<ImageId, FleetManagedImage>,
    pub(super) disks: BTreeMap<SnapshotId, FleetDisk>,
    pub(super) holders: Vec<StoredHolder>,
    /// The other sections. Those above are empty in it.
    pub(super) rest: AzureFleet,
    /// The number of operations so far.
    pub(super) operations: u32,
}

/// A version with the parts of its ID.
#[derive(Clone)]
pub(super) struct StoredVersion {
    /// The canonical ID of its gallery.
    pub(super) gallery: String,
    /// The canonical ID of its definition.
    pub(super) definition: String,
    /// Its number. Higher ones are newer for Azure, whatever their dates are.
    pub(super) number: [u32; 3],
    /// What it was created from.
    pub(super) source: NamedImage,
    pub(super) version: FleetVersion,
}

pub(super) struct SoftDeletedEntry {
    pub(super) stored: StoredVersion,
    pub(super) deleted_at: Timestamp,
    pub(super) consumption_ends_at: Timestamp,
}

pub(super) struct StoredHolder {
    /// The subscription in its ID.
    pub(super) subscription: String,
    pub(super) uses: NamedImage,
    pub(super) holder: FleetHolder,
}

/// The resource that a text in any case names.
#[derive(Clone)]
pub(super) enum NamedImage {
    /// A version or a managed image.
    Image(ImageId),
    /// A definition, by its canonical ID.
    Definition(String),
    /// A disk or a snapshot.
    Disk(SnapshotId),
    Other,
}

impl NamedImage {
    fn of(text: &str) -> Self {
        if let Ok(image) = text.parse() {
            return Self::Image(image);
        }
        if let Ok(disk) = text.parse() {
            return Self::Disk(disk);
        }
        let version = format!("{text}/versions/0.0.0").parse::<ImageId>();
        let definition = version.ok().and_then(|id| id.definition().map(str::to_owned));
        definition.map_or(Self::Other, Self::Definition)
    }
}

impl StoredVersion {
    fn of(version: FleetVersion) -> (ImageId, Self) {
        let id: ImageId = version.id.parse().expect("the ID of a version");
        let definition = id.definition().expect("the ID of a version").to_owned();
        // A resource group can be named `images`.
        let (gallery, _) = definition.rsplit_once("/images/").expect("the ID of a definition");
        let gallery = gallery.to_owned();
        let number = id.as_str().rsplit('/').next().unwrap_or_default();
        let mut parts = number.split('.').map(|part| part.parse().expect("a version number"));
        let number = [(); 3].map(|()| parts.next().expect("a version number"));
        let source = version.source.as_deref().map_or(NamedImage::Other, NamedImage::of);
        (id, Self { gallery, definition, number, source, version })
    }

    /// Whether the version needs its source.
    pub(super) fn needs_source(&self) -> bool {
        self.version.shallow || self.version.state == FleetState::Creating
    }
}

/// Azure compares IDs without regard to case. The IDs of tests are ASCII.
pub(super) fn folded(id: &str) -> String {
    id.to_ascii_lowercase()
}

/// The subscription in an ID.
pub(super) fn subscription_of(id: &str) -> String {
    folded(id.split('/').nth(2).unwrap_or_default())
}

impl AzureState {
    pub(super) fn new(mut rest: AzureFleet) -> Self {
        let take = std::mem::take::<Vec<FleetVersion>>;
        let versions = take(&mut rest.versions).into_iter().map(StoredVersion::of).collect();
        let soft_deleted = std::mem::take(&mut rest.soft_deleted).into_iter().map(|one| {
            let FleetSoftDeleted { version, deleted_at, consumption_ends_at } = one;
            let (id, stored) = StoredVersion::of(version);
            (id, SoftDeletedEntry { stored, deleted_at, consumption_ends_at })
        });
        let soft_deleted = soft_deleted.collect();
        let galleries = std::mem::take(&mut rest.galleries).into_iter();
        let images = std::mem::take(&mut rest.images).into_iter();
        let disks = std::mem::take(&mut rest.disks).into_iter();
        let holders = std::mem::take(&mut rest.holders).into_iter().map(|holder| StoredHolder {
            subscription: subscription_of(&holder.id),
            uses: NamedImage::of(&holder.image),
            holder,
        });
        Self {
            subscription: rest.subscription.parse().expect("the ID of a subscription"),
            galleries: galleries.map(|one| (folded(&one.id), one)).collect(),
            versions,
            soft_deleted,
            images: images
                .map(|one| (one.id.parse().expect("the ID of a managed image"), one))
                .collect(),
            disks: disks.map(|one| (one.id.parse().expect("the ID of a disk"), one)).collect(),
            holders: holders.collect(),
            rest,
            operations: 0,
        }
    }

    pub(super) fn fleet(&self) -> AzureFleet {
        let soft_deleted = self.soft_deleted.values().map(|one| FleetSoftDeleted {
            version: one.stored.version.clone(),
            deleted_at: one.deleted_at,
            consumption_ends_at: one.consumption_ends_at,
        });
        AzureFleet {
            galleries: self.galleries.values().cloned().collect(),
            versions: self.versions.values().map(|one| one.version.clone()).collect(),
            soft_deleted: soft_deleted.collect(),
            images: self.images.values().cloned().collect(),
            disks: self.disks.values().cloned().collect(),
            holders: self.holders.iter().map(|one| one.holder.clone()).collect(),
            ..self.rest.clone()
        }
    }

    /// Ends the operations that have ended by `now`, and deletes what has left the soft delete.
    pub(super) fn settle(&mut self, now: Timestamp) {
        let mut deleted = Vec::new();
        for (id, stored) in &mut self.versions {
            let version = &mut stored.version;
            let Some(operation) = version.operation.take_if(|one| one.ends_at <= now) else {
                continue;
            };
            match (operation.fails, version.state) {
                (true, _) => version.state = FleetState::Failed,
                (false, FleetState::Deleting) => deleted.push((id.clone(), operation.ends_at)),
                (false, FleetState::Creating) => {
                    version.state = FleetState::Succeeded;
                    version.targets.iter_mut().for_each(|one| one.replica = Default::default());
                }
                (false, _) => version.state = FleetState::Succeeded,
            }
        }
        for (id, deleted_at) in deleted {
            let Some(mut stored) = self.versions.remove(&id) else { continue };
            let Some(days) = self.soft_delete_days(&stored.gallery) else { continue };
            if !self.rest.habits.tags_survive {
                stored.version.tags = Default::default();
            }
            let consumption_ends_at = deleted_at + SignedDuration::from_hours(24 * i64::from(days));
            let entry = SoftDeletedEntry { stored, deleted_at, consumption_ends_at };
            self.soft_deleted.insert(id, entry);
        }
        self.soft_deleted.retain(|_, one| one.consumption_ends_at > now);
    }

    /// The retention of the gallery's soft delete; `None` if it is off.
    pub(super) fn soft_delete_days(&self, gallery: &str) -> Option<u32> {
        self.galleries.get(gallery).expect("the gallery of a version").soft_delete_days
    }

    /// Starts an operation on a version that is idle.
    pub(super) fn start(
        &mut self,
        action: &'static str,
        image: &ImageId,
        state: FleetState,
        now: Timestamp,
    ) -> Result<&mut FleetVersion, CloudError> {
        let habits = &self.rest.habits;
        let minutes = match state {
            FleetState::Deleting => habits.delete_minutes,
            _ => habits.update_minutes,
        };
        self.operations += 1;
        let fails = habits.fail_every > 0 && self.operations.is_multiple_of(habits.fail_every);
        let version = self.idle(action, image)?;
        version.state = state;
        let ends_at = now + SignedDuration::from_mins(minutes);
        version.operation = Some(FleetOperation { ends_at, fails });
        Ok(version)
    }

    /// The version, if no operation is running on it.
    pub(super) fn idle(
        &mut self,
        action: &'static str,
        image: &ImageId,
    ) -> Result<&mut FleetVersion, CloudError> {
        let stored = self.versions.get_mut(image);
        let stored = stored.ok_or_else(|| not_found(action, image.as_str()))?;
        match stored.version.state {
            FleetState::Succeeded | FleetState::Failed => Ok(&mut stored.version),
            state => {
                let message = format!("The version '{image}' is {state:?}.");
                Err(error::of(action, "AnotherOperationInProgress", &message))
            }
        }
    }

    /// What locks the resource with this canonical ID, or a parent of it.
    pub(super) fn lock_on(&self, id: &str, of_any_level: bool) -> Option<&str> {
        let covers = |scope: &str| {
            let rest = id.strip_prefix(scope.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let locks = self.rest.locks.iter().filter(|one| of_any_level || one.read_only);
        locks.map(|one| one.scope.as_str()).find(|scope| covers(&folded(scope)))
    }

    /// Locks refuse a change. The weaker kind refuses only deletions.
    pub(super) fn check_locks(&self, action: &'static str, id: &str) -> Result<(), CloudError> {
        match self.lock_on(id, action.ends_with("/delete")) {
            None => Ok(()),
            Some(scope) => {
                let message = format!(
                    "The scope '{id}' cannot perform the operation because following scope(s) are locked: '{scope}'."
                );
                Err(error::of(action, "ScopeLocked", &message))
            }
        }
    }
}
