//! Writing and removing the tag `keep`, by which people exclude images and snapshots.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::apply::Failure;
use crate::cloud::{Cloud, CloudError};
use crate::collect::{FindError, find_named};
use crate::model::{ImageRef, KeepTag, ResourceId, ResourceRef, SnapshotId, TagNames, Tags};

/// What became of the tag of one image or snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OptOut {
    /// The image or snapshot.
    pub resource: ResourceId,
    /// The name of the image; absent if it has none, and for snapshots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// How it ended.
    pub status: OptOutStatus,
    /// The value of the tag before; absent if there was no tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The value of the tag now; absent if there is no tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What failed, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Failure>,
}

/// How writing or removing the tag ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOutStatus {
    /// The tag was written.
    Kept,
    /// The tag had this value already.
    AlreadyKept,
    /// The tag keeps it for longer already, and was left as it is.
    KeptLonger,
    /// The tag was removed.
    Removed,
    /// There was no tag to remove.
    NotKept,
    /// The account has no such image or snapshot in this Region.
    Gone,
    /// A call failed.
    Failed,
}

impl OptOut {
    /// Whether the tag is now as it was asked for.
    pub fn is_done(&self) -> bool {
        use OptOutStatus::{AlreadyKept, Failed, Gone, Kept, KeptLonger, NotKept, Removed};
        match self.status {
            Kept | AlreadyKept | Removed | NotKept => true,
            KeptLonger | Gone | Failed => false,
        }
    }
}

/// An image or a snapshot with its tags.
struct Found {
    resource: ResourceId,
    name: Option<Arc<str>>,
    /// `None` when it does not exist.
    tags: Option<Tags>,
}

/// Writes the tag `keep` with this `value`. Resources that have it already are left as they are; so are
/// those whose tag keeps them for longer, unless they may be kept for `shorter`.
///
/// # Errors
/// When a name stands for no image or several, or the resources cannot be read; then nothing was
/// changed.
pub async fn keep(
    asked: &[ResourceRef],
    value: &str,
    shorter: bool,
    names: &TagNames,
    now: Timestamp,
    cloud: &dyn Cloud,
) -> Result<Vec<OptOut>, FindError> {
    change(asked, Some((value, shorter)), names, now, cloud).await
}

/// Removes the tag `keep`, whatever its value.
///
/// # Errors
/// As [`keep`].
pub async fn unkeep(
    asked: &[ResourceRef],
    names: &TagNames,
    now: Timestamp,
    cloud: &dyn Cloud,
) -> Result<Vec<OptOut>, FindError> {
    change(asked, None, names, now, cloud).await
}

/// Brings the tag to `wanted`, or to its absence.
async fn change(
    asked: &[ResourceRef],
    wanted: Option<(&str, bool)>,
    names: &TagNames,
    now: Timestamp,
    cloud: &dyn Cloud,
) -> Result<Vec<OptOut>, FindError> {
    let found = find(asked, now, cloud).await?;
    let shorter = wanted.is_none_or(|(_, shorter)| shorter);
    let wanted = wanted.map(|(value, _)| value);
    let before =
        |one: &Found| one.tags.as_ref().and_then(|tags| tags.get(&names.keep)).map(str::to_owned);
    let is_longer = |one: &Found| {
        let (before, wanted) = (before(one), wanted.filter(|_| !shorter));
        before.zip(wanted).is_some_and(|(before, wanted)| KeepTag::is_shorter(wanted, &before))
    };
    let differs =
        |one: &&Found| one.tags.is_some() && before(one).as_deref() != wanted && !is_longer(one);
    let due: Vec<_> = found.iter().filter(differs).map(|one| one.resource.clone()).collect();
    let mut failures = write(&due, wanted, names, cloud).await;
    let due: HashSet<&ResourceId> = due.iter().collect();
    let ended = found.into_iter().map(|one| {
        let problem = failures.remove(&one.resource);
        let status = match (&problem, due.contains(&one.resource), wanted) {
            (Some(_), ..) => OptOutStatus::Failed,
            (None, true, Some(_)) => OptOutStatus::Kept,
            (None, true, None) => OptOutStatus::Removed,
            (None, false, _) if one.tags.is_none() => OptOutStatus::Gone,
            (None, false, Some(_)) if is_longer(&one) => OptOutStatus::KeptLonger,
            (None, false, Some(_)) => OptOutStatus::AlreadyKept,
            (None, false, None) => OptOutStatus::NotKept,
        };
        let before = before(&one);
        let value = match status {
            OptOutStatus::Failed | OptOutStatus::KeptLonger => before.clone(),
            OptOutStatus::Gone => None,
            _ => wanted.map(str::to_owned),
        };
        OptOut { resource: one.resource, name: one.name, status, before, value, problem }
    });
    Ok(ended.collect())
}

/// Writes or removes the tag of all together, and one by one where that fails because of one of them.
/// Returns the failures.
async fn write(
    due: &[ResourceId],
    wanted: Option<&str>,
    names: &TagNames,
    cloud: &dyn Cloud,
) -> HashMap<ResourceId, Failure> {
    let send = async |resources: &[ResourceId]| -> Result<(), CloudError> {
        if resources.is_empty() {
            return Ok(());
        }
        match wanted {
            Some(value) => {
                let tags: Tags = [(names.keep.as_str(), value)].into_iter().collect();
                cloud.set_tags(resources, &tags).await
            }
            None => cloud.remove_tags(resources, std::slice::from_ref(&names.keep)).await,
        }
    };
    let Err(error) = send(due).await else { return HashMap::new() };
    if due.len() == 1 || !error.is_about_one_resource() {
        return due.iter().map(|one| (one.clone(), (&error).into())).collect();
    }
    let mut failures = HashMap::new();
    for one in due {
        if let Err(error) = send(std::slice::from_ref(one)).await {
            failures.insert(one.clone(), (&error).into());
        }
    }
    failures
}

/// The resources that were asked for, each once and in their order.
async fn find(
    asked: &[ResourceRef],
    now: Timestamp,
    cloud: &dyn Cloud,
) -> Result<Vec<Found>, FindError> {
    let images: Vec<ImageRef> = asked.iter().filter_map(image_of).collect();
    let images = find_named(&images, false, now, cloud).await?;
    let snapshots: Vec<SnapshotId> = asked.iter().filter_map(snapshot_of).collect();
    let mut found: HashMap<ResourceId, (Option<Arc<str>>, Tags)> = HashMap::new();
    for image in cloud.find_images(&images).await? {
        let name = (!image.name.is_empty()).then_some(image.name);
        found.insert(ResourceId::Image(image.image_id), (name, image.tags));
    }
    for snapshot in cloud.find_snapshots(&snapshots).await? {
        found.insert(ResourceId::Snapshot(snapshot.snapshot_id), (None, snapshot.tags));
    }
    let mut images = images.into_iter();
    let mut seen = HashSet::new();
    let all = asked.iter().filter_map(|one| match one {
        ResourceRef::Image(_) => images.next().map(ResourceId::Image),
        ResourceRef::Snapshot(id) => Some(ResourceId::Snapshot(id.clone())),
    });
    let once: Vec<ResourceId> = all.filter(|one| seen.insert(one.clone())).collect();
    let with_tags = |resource: ResourceId| match found.remove(&resource) {
        Some((name, tags)) => Found { resource, name, tags: Some(tags) },
        None => Found { resource, name: None, tags: None },
    };
    Ok(once.into_iter().map(with_tags).collect())
}

fn image_of(one: &ResourceRef) -> Option<ImageRef> {
    match one {
        ResourceRef::Image(image) => Some(image.clone()),
        ResourceRef::Snapshot(_) => None,
    }
}

fn snapshot_of(one: &ResourceRef) -> Option<SnapshotId> {
    match one {
        ResourceRef::Image(_) => None,
        ResourceRef::Snapshot(id) => Some(id.clone()),
    }
}
