//! Restoring images after any step.
//!
//! For an existing image, all steps are undone. An image in the Recycle Bin is recovered, after its
//! snapshots. A permanently deleted image cannot be restored. If its snapshots still exist, they
//! are kept from being deleted, so that a new image can be created from them.

mod preview;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

pub use self::preview::{RestorableState, RestorePreview, preview};
use crate::apply::{self, Failure, RestoreStep, SharedAgain, undo};
use crate::cloud::{Cloud, CloudError, ErrorKind};
use crate::model::{
    Image, ImageId, ImageState, InWords, KeepTag, LaunchPermission, ProviderWords, RecycledImage,
    RecycledSnapshot, ResourceId, SnapshotId, TagNames, Tags, join_in_words,
};
use crate::plan::not_enabled;
use crate::plan::reason::NotEnabled;
use crate::plan::snapshots::made_for;
use crate::plan::state_tags::unreadable_values;
use crate::plan::undo::{Undo, UndoneBy, permissions_to_restore};

/// The result of restoring one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The ID of the image.
    pub image_id: ImageId,
    /// The result.
    pub status: RestoreStatus,
    /// The changes that were made, in order.
    pub done: Vec<RestoreStep>,
    /// The accounts, organizations and OUs in its tag that the image is not shared with again,
    /// because a person must decide. See [`share_again`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_shared: Vec<LaunchPermission>,
    /// The failure or the remaining problem, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<RestoreProblem>,
}

/// Why an image was not restored, or not completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RestoreProblem {
    /// The image is neither in the account nor in the Recycle Bin of this Region.
    Gone {
        /// The ID of the image.
        image: ImageId,
        /// The snapshots of the image, according to their tags.
        snapshots: Vec<SnapshotId>,
    },
    /// The image remains disabled: it was selected by its tags, and EC2's data does not confirm
    /// them.
    NotEnabled {
        /// The ID of the image.
        image: ImageId,
        /// Why the image was not enabled.
        why: NotEnabled,
    },
    /// The image is unchanged: the value of a state tag was not understood. Another version may
    /// have saved data in it that is required to restore the image.
    StateTagUnreadable {
        /// The ID of the image.
        image: ImageId,
        /// The key of the state tag.
        key: Arc<str>,
        /// The value that was not understood.
        value: Arc<str>,
    },
    /// A call failed. Running the same command again continues from there.
    Failed(Failure),
}

impl InWords for RestoreProblem {
    fn format(&self, words: &ProviderWords, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProviderWords { deprecation_time, disabled, removal, .. } = words;
        match self {
            Self::Gone { image, snapshots } => {
                write!(f, "{} is {}", image.short(), words.gone)?;
                if snapshots.is_empty() {
                    return f.write_str(", and no snapshot refers to it");
                }
                let snapshots: Vec<_> = snapshots.iter().map(SnapshotId::short).collect();
                write!(
                    f,
                    "; to create a new image from its snapshots {}, run {}",
                    snapshots.join(", "),
                    words.create_image
                )
            }
            Self::NotEnabled { image, why: NotEnabled::NoTag } => write!(
                f,
                "remains {disabled}: no tag records that image-steward disabled it; to enable it, run {}",
                (words.enable_image)(image)
            ),
            Self::NotEnabled { image, why } => {
                write!(f, "remains {disabled}: ")?;
                match why {
                    NotEnabled::Protected => write!(f, "it is protected from {}", removal.noun)?,
                    NotEnabled::NoTag | NotEnabled::TagsDisagree => write!(
                        f,
                        "its {deprecation_time} does not match its tags, so somebody else changed it or disabled the \
                         image"
                    )?,
                }
                write!(f, "; to enable it anyway, run {}", (words.restore_image)(image))
            }
            Self::StateTagUnreadable { image, key, value } => write!(
                f,
                "unchanged: this version does not understand the tag {key}={value}; use the version that wrote the \
                 tag, or remove the tag and its saved data ({}) and run restore again before the next sweep, which otherwise \
                 continues to retire the image",
                (words.remove_tag)(image, key, value)
            ),
            Self::Failed(failure) => f.write_str(&failure.message),
        }
    }
}

/// The result of restoring an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreStatus {
    /// The image exists, and all steps are undone.
    Restored,
    /// The image was not expired. Nothing was changed.
    Untouched,
    /// The image no longer exists, not even in the Recycle Bin.
    Gone,
    /// A call failed. Running the same command again continues from there.
    Failed,
}

/// Options for restoring an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// The value to write into the image's opt-out tag, if any. Without it, the next sweep
    /// finds the image expired again if the policy has not changed.
    pub keep: Option<String>,
    /// Snapshots to recover from the Recycle Bin, in addition to those that are attributed to the
    /// image.
    pub snapshots: Vec<SnapshotId>,
    /// Whether the image was selected by its tags ([`images_since`]) and not by a person. It is
    /// then enabled only if EC2's data confirms the tags, because anybody may have written them.
    pub found_by_tags: bool,
}

/// Returns the images that were deregistered or found expired at `since` or later: those that
/// entered the Recycle Bin since then, and those that were tagged as expired since then.
///
/// # Errors
/// Returns an error if the tags or the Recycle Bin cannot be read.
pub async fn images_since(
    since: Timestamp,
    names: &TagNames,
    cloud: &dyn Cloud,
) -> Result<Vec<ImageId>, CloudError> {
    let marked = cloud.list_tagged(&names.expired_at, None).await?;
    let mut images: Vec<ImageId> = marked
        .into_iter()
        .filter_map(|(resource, value)| match resource {
            ResourceId::Image(image) => {
                // If the time is not understood, the image could have expired at any time.
                value.parse::<Timestamp>().map_or(true, |at| at >= since).then_some(image)
            }
            ResourceId::Snapshot(_) | ResourceId::Instance(_) => None,
        })
        .collect();
    let recycled = cloud.list_recycled_images().await?;
    let lately = |one: &RecycledImage| one.entered_at.is_none_or(|at| at >= since);
    images.extend(recycled.into_iter().filter(lately).map(|one| one.image_id));
    images.sort();
    images.dedup();
    Ok(images)
}

/// Restores `image` after any step. Restoring it again changes nothing.
pub async fn restore(
    image: &ImageId,
    options: &RestoreOptions,
    names: &TagNames,
    now: Timestamp,
    cloud: &dyn Cloud,
) -> Restored {
    let mut done = Vec::new();
    let result = try_restore(image, options, names, now, cloud, &mut done).await;
    // Reported separately, because a person must decide.
    let mut not_shared = Vec::new();
    done.retain(|step| match step {
        RestoreStep::NotShared { with } => {
            not_shared.clone_from(with);
            false
        }
        _ => true,
    });
    let (status, problem) = match result {
        Ok((status, problem)) => (status, problem),
        Err(error) => (RestoreStatus::Failed, Some(RestoreProblem::Failed((&error).into()))),
    };
    let words = image.provider().words();
    let steps = join_in_words(&done, words, "; ");
    let why = problem.as_ref().map(|problem| problem.in_words(words).to_string());
    tracing::info!(image_id = %image, ?status, done = steps, problem = why, "restored");
    Restored { image_id: image.clone(), status, done, not_shared, problem }
}

/// Shares a restored image with those of `restored.not_shared` that a person `approved`, and
/// updates `restored` with the result. The tag is removed once it lists nobody else.
pub async fn share_again(
    restored: &mut Restored,
    approved: &[LaunchPermission],
    names: &TagNames,
    cloud: &dyn Cloud,
) {
    if restored.not_shared.is_empty() {
        return;
    }
    match try_to_share(&restored.image_id, approved, names, cloud).await {
        Ok(SharedAgain { shared, left }) => {
            if !shared.is_empty() {
                restored.done.push(RestoreStep::Shared { with: shared });
                restored.status = RestoreStatus::Restored;
            }
            restored.not_shared = left;
        }
        Err(error) => {
            tracing::warn!(image_id = %restored.image_id, %error, "not shared again");
            restored.status = RestoreStatus::Failed;
            restored.problem = Some(RestoreProblem::Failed((&error).into()));
        }
    }
}

async fn try_to_share(
    image: &ImageId,
    approved: &[LaunchPermission],
    names: &TagNames,
    cloud: &dyn Cloud,
) -> Result<SharedAgain, CloudError> {
    let problem =
        |kind, message: String| CloudError { call: "restore", kind, code: String::new(), message };
    let Some(found) = cloud.find_image(image).await? else {
        return Err(problem(ErrorKind::NotFound, format!("{image} no longer exists")));
    };
    apply::share_again(&found, approved, names, cloud).await?.ok_or_else(|| {
        let key = &names.launch_permissions;
        let ProviderWords { permissions, share_image, .. } = image.provider().words();
        let message = format!(
            "{image} has {permissions} that its tag {key} does not list: its owner has shared it since; share \
             it manually ({share_image}), then remove the tag"
        );
        problem(ErrorKind::Other, message)
    })
}

async fn try_restore(
    image: &ImageId,
    options: &RestoreOptions,
    names: &TagNames,
    now: Timestamp,
    cloud: &dyn Cloud,
    done: &mut Vec<RestoreStep>,
) -> Result<(RestoreStatus, Option<RestoreProblem>), CloudError> {
    let marked = cloud.list_tagged(&names.image, Some(image.as_str())).await?;
    let marked: Vec<SnapshotId> = marked
        .into_iter()
        .filter_map(|(resource, _)| match resource {
            ResourceId::Snapshot(snapshot) => Some(snapshot),
            ResourceId::Image(_) | ResourceId::Instance(_) => None,
        })
        .collect();
    let found =
        match cloud.find_image(image).await?.filter(|one| one.state != ImageState::Deregistered) {
            Some(found) => Some(found),
            None => recover(image, &marked, options, names, cloud, done).await?,
        };
    // Find existing snapshots with a deletion time. As long as the image exists, the tag has no
    // effect, but after the next deregistration it would. Some may belong to another image.
    let own = found.iter().flat_map(|found| found.snapshots.iter());
    let snapshots: BTreeSet<SnapshotId> = marked.iter().chain(own).cloned().collect();
    let snapshots: Vec<SnapshotId> = snapshots.into_iter().collect();
    let snapshots = cloud.find_snapshots(&snapshots).await?;
    let due = snapshots.into_iter().filter(|one| one.tags.has(&names.delete_after));
    let unmark: Box<[SnapshotId]> = due.map(|one| one.snapshot_id).collect();
    let Some(found) = found else {
        for snapshot in &unmark {
            let resource = ResourceId::Snapshot(snapshot.clone());
            let keys = std::slice::from_ref(&names.delete_after);
            cloud.remove_tags(std::slice::from_ref(&resource), keys).await?;
            done.push(RestoreStep::SnapshotUnmarked { snapshot: snapshot.clone() });
        }
        return Ok((
            RestoreStatus::Gone,
            Some(RestoreProblem::Gone { image: image.clone(), snapshots: marked }),
        ));
    };
    let was_away = !done.is_empty();
    // Write this tag first, so that the image is kept whatever happens next.
    if let Some(keep) = &options.keep {
        keep_it(&found, keep, names, cloud, done).await?;
    }
    if let Some(problem) = unreadable(&found, names) {
        let is_same = done.is_empty();
        let status = if is_same { RestoreStatus::Untouched } else { RestoreStatus::Restored };
        return Ok((status, Some(problem)));
    }
    let found = with_permissions(found, names, cloud).await?;
    let by = match options.found_by_tags {
        true => UndoneBy::Run { share_back: &[], now },
        false => UndoneBy::Person,
    };
    let not_enabled = not_enabled(&found, names, now).filter(|_| options.found_by_tags);
    let problem = not_enabled.map(|why| RestoreProblem::NotEnabled { image: image.clone(), why });
    match Undo::of(&found, unmark, names, by) {
        None => {
            let with = permissions_to_restore(&found, names);
            if !with.is_empty() && problem.is_none() {
                done.push(RestoreStep::NotShared { with });
            }
            let status = if was_away { RestoreStatus::Restored } else { RestoreStatus::Untouched };
            // Its tags may have been lost with the deletion.
            let stays = was_away && found.state == ImageState::Disabled;
            let why = NotEnabled::NoTag;
            let problem = problem.or_else(|| {
                stays.then(|| RestoreProblem::NotEnabled { image: image.clone(), why })
            });
            Ok((status, problem))
        }
        Some(what) => {
            done.extend(undo(image, &what, names, now, cloud).await?);
            let stays = found.state == ImageState::Disabled && !what.enable;
            let why = NotEnabled::NoTag;
            let problem = problem.or_else(|| {
                stays.then(|| RestoreProblem::NotEnabled { image: image.clone(), why })
            });
            Ok((RestoreStatus::Restored, problem))
        }
    }
}

/// Returns the problem if a state tag of `image` was not understood.
fn unreadable(image: &Image, names: &TagNames) -> Option<RestoreProblem> {
    unreadable_values(image, names).next().map(|(key, value)| RestoreProblem::StateTagUnreadable {
        image: image.image_id.clone(),
        key,
        value,
    })
}

/// Reads the launch permissions of `image`, if its tag lists any.
async fn with_permissions(
    mut image: Image,
    names: &TagNames,
    cloud: &dyn Cloud,
) -> Result<Image, CloudError> {
    let is_open = !permissions_to_restore(&image, names).is_empty();
    if is_open && image.state != ImageState::Disabled {
        let now = cloud.find_launch_permissions(&image.image_id).await?;
        image.launch_permissions = Some(now.into());
    }
    Ok(image)
}

/// Recovers `image` from the Recycle Bin after its snapshots. Returns `None` if it is not in
/// the Recycle Bin.
async fn recover(
    image: &ImageId,
    marked: &[SnapshotId],
    options: &RestoreOptions,
    names: &TagNames,
    cloud: &dyn Cloud,
    done: &mut Vec<RestoreStep>,
) -> Result<Option<Image>, CloudError> {
    let recycled = cloud.list_recycled_images().await?;
    let Some(recycled) = recycled.into_iter().find(|one| one.image_id == *image) else {
        return Ok(None);
    };
    let is_its_own = |snapshot: &RecycledSnapshot| {
        let id = &snapshot.snapshot_id;
        marked.contains(id)
            || options.snapshots.contains(id)
            || made_for(&snapshot.description).is_some_and(|made| made == *image)
    };
    recover_snapshots(is_its_own, cloud, done).await?;
    // If the response to a successful call was lost, the adapter's retry gets "not found".
    let is_back = |error: &CloudError| error.kind == ErrorKind::NotFound;
    if let Err(error) = cloud.recover_image(image).await
        && !is_back(&error)
    {
        // A shared snapshot names only one of its images. Recover all of our snapshots that were
        // deleted after this image, because one of them may be missing. The ones that are not
        // needed are still tagged and will be deleted again.
        let tagged = cloud.list_tagged(&names.delete_after, None).await?;
        let tagged: HashSet<ResourceId> = tagged.into_iter().map(|(id, _)| id).collect();
        let may_be_its_own = |snapshot: &RecycledSnapshot| {
            let later = match (snapshot.entered_at, recycled.entered_at) {
                (Some(entered), Some(since)) => entered >= since,
                _ => true,
            };
            later && tagged.contains(&ResourceId::Snapshot(snapshot.snapshot_id.clone()))
        };
        let is_missing = error.kind == ErrorKind::Other;
        if !is_missing || recover_snapshots(may_be_its_own, cloud, done).await? == 0 {
            return Err(CloudError {
                message: format!(
                    "{}; if one of its snapshots is missing, pass it with --snapshot",
                    error.message
                ),
                ..error
            });
        }
        cloud.recover_image(image).await?;
    }
    done.push(RestoreStep::ImageRecovered);
    let found = cloud.find_image(image).await?;
    // Listings can lag behind.
    Ok(Some(found.ok_or_else(|| CloudError {
        call: "restore",
        kind: ErrorKind::Other,
        code: String::new(),
        message: format!(
            "{image} was recovered but is not visible yet; retry the command in a minute"
        ),
    })?))
}

/// Recovers the wanted snapshots from the Recycle Bin. Returns their number.
async fn recover_snapshots(
    is_wanted: impl Fn(&RecycledSnapshot) -> bool,
    cloud: &dyn Cloud,
    done: &mut Vec<RestoreStep>,
) -> Result<usize, CloudError> {
    let mut count = 0;
    for snapshot in cloud.list_recycled_snapshots().await?.iter().filter(|one| is_wanted(one)) {
        let id = &snapshot.snapshot_id;
        match cloud.recover_snapshot(id).await {
            Ok(()) => {
                done.push(RestoreStep::SnapshotRecovered { snapshot: id.clone() });
                count += 1;
            }
            // Another client has recovered it.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

async fn keep_it(
    image: &Image,
    keep: &str,
    names: &TagNames,
    cloud: &dyn Cloud,
    done: &mut Vec<RestoreStep>,
) -> Result<(), CloudError> {
    let key = names.keep.as_str();
    let before = image.tags.get(key);
    // Do not replace a tag that keeps the image for longer.
    let is_longer = before.is_some_and(|before| KeepTag::is_shorter(keep, before));
    if before != Some(keep) && !is_longer {
        let tags: Tags = [(key, keep)].into_iter().collect();
        cloud.set_tags(&[ResourceId::Image(image.image_id.clone())], &tags).await?;
        done.push(RestoreStep::Kept { key: key.to_owned(), value: keep.to_owned() });
    }
    Ok(())
}
