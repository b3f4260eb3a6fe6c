//! Writes and removes the tag `keep`, with which people exclude images and snapshots.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::apply::Failure;
use crate::cloud::{Cloud, CloudError};
use crate::collect::{FindError, find_named};
use crate::model::{ImageRef, KeepTag, ResourceId, ResourceRef, SnapshotId, TagNames, Tags};

/// The result of writing or removing the tag on one image or snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OptOut {
    /// The image or snapshot that was requested.
    pub resource: ResourceId,
    /// The name of the image; absent for snapshots and for images without a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Whether the tag was written or removed.
    pub status: OptOutStatus,
    /// The value of the tag before the call; absent if there was no tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The value of the tag after the call; absent if there is no tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The error of the call that failed; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Failure>,
}

/// The status of writing or removing the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOutStatus {
    /// The tag was written.
    Kept,
    /// The tag already had this value.
    AlreadyKept,
    /// The existing tag keeps the resource for longer; it was not changed.
    KeptLonger,
    /// The tag was removed.
    Removed,
    /// The resource had no such tag.
    NotKept,
    /// The account has no such image or snapshot in this Region.
    Gone,
    /// The call failed; see [`OptOut::problem`].
    Failed,
}

impl OptOut {
    /// Whether the tag now has the requested value, or is absent as requested.
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
    /// `None` if the resource does not exist.
    tags: Option<Tags>,
}

/// Writes the tag `keep` with `value`. Resources that already have this value are not changed. A
/// tag that keeps its resource for longer is replaced only if `shorter` is true.
///
/// # Errors
/// If a name matches no image or several images, or if the resources cannot be read. In these cases
/// nothing is changed.
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
/// The same as for [`keep`].
pub async fn unkeep(
    asked: &[ResourceRef],
    names: &TagNames,
    now: Timestamp,
    cloud: &dyn Cloud,
) -> Result<Vec<OptOut>, FindError> {
    change(asked, None, names, now, cloud).await
}

/// Sets the tag to `wanted`, or removes it if `wanted` is `None`.
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

/// Writes or removes the tag on all resources in one call. If that call fails because of one
/// resource, the resources are changed one by one. Returns the failures.
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

/// Finds the requested resources. Each one is returned once, in the requested order.
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
