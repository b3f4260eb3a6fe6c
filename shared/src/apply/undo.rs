//! Undoing the steps that were applied to an image.

use std::fmt;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Serialize;

use super::groups::Groups;
use crate::cloud::{Cloud, CloudError, ErrorKind};
use crate::model::{
    Image, ImageId, InWords, LaunchPermission, ProviderWords, ResourceId, SnapshotId, TagNames,
    for_others, join_permissions,
};
use crate::plan::undo::{Deprecation, Undo, permissions_to_restore};

/// One change that restores or rescues an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum RestoreStep {
    /// The snapshot was recovered from the Recycle Bin.
    SnapshotRecovered {
        /// The recovered snapshot.
        snapshot: SnapshotId,
    },
    /// The image was recovered from the Recycle Bin.
    ImageRecovered,
    /// The image was tagged to exclude it from the policy.
    Kept {
        /// The tag's key, by default `image-steward:keep`.
        key: String,
        /// The tag's value: a date and a reason, both optional.
        value: String,
    },
    /// The image was enabled.
    Enabled,
    /// The image was shared again.
    Shared {
        /// The accounts, organizations and OUs that may launch it again.
        with: Vec<LaunchPermission>,
    },
    /// The image was not shared again with these. They remain in its tag.
    NotShared {
        /// The accounts, organizations and OUs that may not launch it.
        with: Vec<LaunchPermission>,
    },
    /// The deprecation was cancelled.
    DeprecationCancelled,
    /// The deprecation time was reset to its value before the first step.
    DeprecationRestored {
        /// The restored deprecation time.
        at: Timestamp,
    },
    /// The tag with the deletion time was removed from the snapshot.
    SnapshotUnmarked {
        /// The snapshot that is no longer scheduled for deletion.
        snapshot: SnapshotId,
    },
    /// The state tags were removed from the image.
    StateTagsRemoved,
}

impl InWords for RestoreStep {
    fn format(&self, words: &ProviderWords, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProviderWords { from_bin, deprecated, deprecation_time, .. } = words;
        match self {
            Self::SnapshotRecovered { snapshot } => {
                write!(f, "{} recovered {from_bin}", snapshot.short())
            }
            Self::ImageRecovered => write!(f, "recovered {from_bin}"),
            Self::Kept { key, value } => write!(f, "tagged {key}={value}"),
            Self::Enabled => f.write_str("enabled"),
            Self::Shared { with } => {
                write!(f, "shared with {} again", join_permissions(with, ", "))
            }
            Self::NotShared { with } => {
                write!(f, "not shared again with {}", join_permissions(with, ", "))
            }
            Self::DeprecationCancelled => write!(f, "no longer {deprecated}"),
            Self::DeprecationRestored { at } => write!(f, "{deprecation_time} reset to {at}"),
            Self::SnapshotUnmarked { snapshot } => {
                let snapshot = snapshot.short();
                write!(f, "{snapshot} is no longer scheduled for deletion: tag removed")
            }
            Self::StateTagsRemoved => f.write_str("no longer tagged as expired"),
        }
    }
}

/// Undoes `what` and returns the changes. The state tags are removed last, so that a later run can
/// continue if this one is interrupted. There is one exception: if the interruption comes between
/// enabling the image and sharing it, the launch permissions stay in the tag, and only
/// [`share_again`] restores them.
///
/// # Errors
/// Returns the error of the first call that failed. If sharing fails, everything else is undone
/// first.
pub async fn undo(
    image: &ImageId,
    what: &Undo,
    names: &TagNames,
    now: Timestamp,
    cloud: &dyn Cloud,
) -> Result<Vec<RestoreStep>, CloudError> {
    let undone = undo_all(&[(image, what)], names, now, cloud).await;
    undone.into_iter().next().unwrap_or(Ok(Vec::new()))
}

/// Undoes the steps on several images concurrently and removes tags from all of them together.
/// Returns one result per image.
pub(super) async fn undo_all(
    images: &[(&ImageId, &Undo)],
    names: &TagNames,
    now: Timestamp,
    cloud: &dyn Cloud,
) -> Vec<Result<Vec<RestoreStep>, CloudError>> {
    let begun = images.iter().map(|(image, what)| undo_changes(image, what, now, cloud));
    let mut undone: Vec<Result<Undone, CloudError>> = join_all(begun).await;
    unmark_snapshots(images, &mut undone, names, cloud).await;
    remove_state_tags(images, &mut undone, names, cloud).await;
    undone.into_iter().map(|undone| undone.and_then(Undone::end)).collect()
}

/// The changes to one image so far.
struct Undone {
    done: Vec<RestoreStep>,
    not_shared: Vec<LaunchPermission>,
    /// The error from sharing the image, if any.
    failed: Option<CloudError>,
}

impl Undone {
    fn end(self) -> Result<Vec<RestoreStep>, CloudError> {
        let Self { mut done, not_shared, failed } = self;
        if let Some(error) = failed {
            return Err(error);
        }
        if !not_shared.is_empty() {
            done.push(RestoreStep::NotShared { with: not_shared });
        }
        Ok(done)
    }
}

/// Undoes everything except the tags.
async fn undo_changes(
    image: &ImageId,
    what: &Undo,
    now: Timestamp,
    cloud: &dyn Cloud,
) -> Result<Undone, CloudError> {
    let Undo { enable, share_with, not_shared, deprecation, unmark: _, keep_tags: _ } = what;
    let mut done = Vec::new();
    let mut not_shared = not_shared.to_vec();
    if *enable {
        cloud.enable(image).await?;
        done.push(RestoreStep::Enabled);
    }
    let (shared, failed) = share_if_private(image, share_with, cloud).await;
    not_shared.extend(share_with.iter().filter(|one| !shared.contains(one)).cloned());
    not_shared.sort();
    if !shared.is_empty() {
        done.push(RestoreStep::Shared { with: shared });
    }
    match deprecation {
        None => {}
        Some(Deprecation::None) => {
            cloud.cancel_deprecation(image).await?;
            done.push(RestoreStep::DeprecationCancelled);
        }
        // The original deprecation time has passed, so the image would be deprecated anyway.
        Some(Deprecation::At(at)) if *at <= now => {}
        Some(Deprecation::At(at)) => {
            cloud.deprecate(image, *at).await?;
            done.push(RestoreStep::DeprecationRestored { at: *at });
        }
    }
    Ok(Undone { done, not_shared, failed })
}

/// Removes the deletion time from the snapshots of every image whose other changes succeeded.
async fn unmark_snapshots(
    images: &[(&ImageId, &Undo)],
    undone: &mut [Result<Undone, CloudError>],
    names: &TagNames,
    cloud: &dyn Cloud,
) {
    let mut marked: Vec<(usize, ResourceId)> = Vec::new();
    for (at, (_, what)) in images.iter().enumerate() {
        if matches!(undone.get(at), Some(Ok(_))) {
            let snapshots = what.unmark.iter().map(ResourceId::from);
            // Two images can share a snapshot.
            let new = snapshots.filter(|id| marked.iter().all(|(_, known)| known != id));
            let new: Vec<_> = new.map(|id| (at, id)).collect();
            marked.extend(new);
        }
    }
    let keys = std::slice::from_ref(&names.delete_after);
    let (at, resources): (Vec<usize>, Vec<ResourceId>) = marked.into_iter().unzip();
    let removed = remove_tags(&resources, keys, cloud).await;
    for ((at, resource), removed) in at.into_iter().zip(resources).zip(removed) {
        let Some(one) = undone.get_mut(at) else { continue };
        match (removed, resource) {
            (Ok(true), ResourceId::Snapshot(snapshot)) => {
                if let Ok(undone) = one {
                    undone.done.push(RestoreStep::SnapshotUnmarked { snapshot });
                }
            }
            (Ok(_), _) => {}
            (Err(error), _) => *one = Err(error),
        }
    }
}

/// Removes the state tags from every image whose other changes succeeded.
async fn remove_state_tags(
    images: &[(&ImageId, &Undo)],
    undone: &mut [Result<Undone, CloudError>],
    names: &TagNames,
    cloud: &dyn Cloud,
) {
    let mut groups = Groups::default();
    for (at, (image, what)) in images.iter().enumerate() {
        let Some(Ok(one)) = undone.get(at) else { continue };
        let left = Undo { not_shared: one.not_shared.clone().into(), ..(*what).clone() };
        let keys = left.tag_keys(names);
        if !keys.is_empty() {
            groups.add(keys, at, (*image).into());
        }
    }
    for (keys, at, resources) in groups.into_calls() {
        let removed = remove_tags(&resources, &keys, cloud).await;
        for (at, removed) in at.into_iter().zip(removed) {
            let Some(one) = undone.get_mut(at) else { continue };
            match (removed, &mut *one) {
                (Ok(true), Ok(undone)) => undone.done.push(RestoreStep::StateTagsRemoved),
                (Ok(_), _) => {}
                (Err(error), _) => *one = Err(error),
            }
        }
    }
}

/// Shares `image`, which must exist, with the accounts, organizations and OUs in its tag that a
/// person `approved`. Removes the tag once it lists nobody else. Returns `None` and changes nothing
/// if the image is shared with somebody who is not in the tag, because its owner has shared it
/// since.
///
/// # Errors
/// Returns the error of the first call that failed.
pub async fn share_again(
    image: &Image,
    approved: &[LaunchPermission],
    names: &TagNames,
    cloud: &dyn Cloud,
) -> Result<Option<SharedAgain>, CloudError> {
    let id = &image.image_id;
    let now = cloud.find_launch_permissions(id).await?;
    let private = Image { launch_permissions: Some(Box::default()), ..image.clone() };
    let saved = permissions_to_restore(&private, names);
    if for_others(&now, image.owner_id.as_ref()).any(|one| !saved.contains(one)) {
        return Ok(None);
    }
    let lacking = saved.into_iter().filter(|one| !now.contains(one));
    let (wanted, left): (Vec<_>, Vec<_>) = lacking.partition(|one| approved.contains(one));
    let (shared, failed) = share(id, &wanted, cloud).await;
    if let Some(error) = failed {
        return Err(error);
    }
    if left.is_empty() {
        let keys = std::slice::from_ref(&names.launch_permissions);
        for removed in remove_tags(&[id.into()], keys, cloud).await {
            removed?;
        }
    }
    Ok(Some(SharedAgain { shared, left }))
}

/// The result of sharing an image again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedAgain {
    /// The accounts, organizations and OUs that may launch the image again.
    pub shared: Vec<LaunchPermission>,
    /// The ones that remain in its tag because nobody approved them.
    pub left: Vec<LaunchPermission>,
}

/// Shares `image`, which was just enabled, unless its owner has shared it since.
async fn share_if_private(
    image: &ImageId,
    with: &[LaunchPermission],
    cloud: &dyn Cloud,
) -> (Vec<LaunchPermission>, Option<CloudError>) {
    if with.is_empty() {
        return (Vec::new(), None);
    }
    match cloud.find_launch_permissions(image).await {
        Ok(now) if now.is_empty() => share(image, with, cloud).await,
        Ok(_) => (Vec::new(), None),
        Err(error) => (Vec::new(), Some(error)),
    }
}

/// Shares `image` with all of `with`, or with as many as possible: a closed account must not affect
/// the others. Returns who may launch the image now, and the error if somebody is missing.
async fn share(
    image: &ImageId,
    with: &[LaunchPermission],
    cloud: &dyn Cloud,
) -> (Vec<LaunchPermission>, Option<CloudError>) {
    if with.is_empty() {
        return (Vec::new(), None);
    }
    match cloud.share(image, with).await {
        Ok(()) => return (with.to_vec(), None),
        Err(error) if error.kind != ErrorKind::Other || with.len() == 1 => {
            return (Vec::new(), Some(error));
        }
        Err(_) => {}
    }
    let (mut shared, mut failed) = (Vec::new(), None);
    for one in with {
        match cloud.share(image, std::slice::from_ref(one)).await {
            Ok(()) => shared.push(one.clone()),
            Err(error) => failed = Some(error),
        }
    }
    (shared, failed)
}

/// Removes the tags with these keys from all of `resources`. If that fails, removes them one by
/// one, so that a missing resource does not affect the others. Returns for each resource whether it
/// exists.
async fn remove_tags(
    resources: &[ResourceId],
    keys: &[String],
    cloud: &dyn Cloud,
) -> Vec<Result<bool, CloudError>> {
    let was_there = |removed: Result<(), CloudError>| match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    if resources.is_empty() {
        return Vec::new();
    }
    let together = cloud.remove_tags(resources, keys).await;
    let is_about_one = together.as_ref().is_err_and(|error| error.is_about_one_resource());
    if resources.len() < 2 || !is_about_one {
        return resources.iter().map(|_| was_there(together.clone())).collect();
    }
    let mut results = Vec::with_capacity(resources.len());
    for resource in resources {
        results.push(was_there(cloud.remove_tags(std::slice::from_ref(resource), keys).await));
    }
    results
}
