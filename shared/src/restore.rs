//! Bringing images back, from wherever they are on their way out.
//!
//! An image that exists is given back what the steps took from it. One in the Recycle Bin is taken
//! out of it, its snapshots first. One that is gone for good leaves its snapshots, if they are
//! there still: those are kept from being deleted, so that a new image can be made of them.

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
    Image, ImageId, ImageState, KeepTag, LaunchPermission, RecycledImage, RecycledSnapshot,
    ResourceId, SnapshotId, TagNames, Tags,
};
use crate::plan::not_enabled;
use crate::plan::reason::NotEnabled;
use crate::plan::snapshots::made_for;
use crate::plan::state_tags::unreadable_values;
use crate::plan::undo::{Undo, UndoneBy, permissions_to_restore};

/// What became of one image that was to be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The image.
    pub image_id: ImageId,
    /// How it ended.
    pub status: RestoreStatus,
    /// What was done, in order.
    pub done: Vec<RestoreStep>,
    /// With whom it was shared according to its tag, and is not again: a person decides. See
    /// [`share_again`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_shared: Vec<LaunchPermission>,
    /// What failed or is missing, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<RestoreProblem>,
}

/// Why an image was not restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RestoreProblem {
    /// It is neither in the account nor in the Recycle Bin of this Region.
    Gone {
        /// The image.
        image: ImageId,
        /// The snapshots that backed it, as far as their tags say so.
        snapshots: Vec<SnapshotId>,
    },
    /// It stays disabled, because it was found by tags that EC2's own data does not confirm.
    NotEnabled {
        /// The image.
        image: ImageId,
        /// Why.
        why: NotEnabled,
    },
    /// It stays as it is, because the value of a state tag is not understood: another version may have
    /// saved there what is to be restored.
    StateTagUnreadable {
        /// The image.
        image: ImageId,
        /// The key of the tag.
        key: Arc<str>,
        /// Its value.
        value: Arc<str>,
    },
    /// A call failed; the same command goes on from there.
    Failed(Failure),
}

impl fmt::Display for RestoreProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { image, snapshots } => {
                write!(
                    f,
                    "{image} is neither in the account nor in the Recycle Bin of this Region"
                )?;
                if snapshots.is_empty() {
                    return f.write_str(", and no snapshot names it");
                }
                let snapshots: Vec<_> = snapshots.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "; its snapshots were {}: make a new image of them (aws ec2 register-image)",
                    snapshots.join(", ")
                )
            }
            Self::NotEnabled { image, why: NotEnabled::NoTag } => write!(
                f,
                "stays disabled, because no tag says that image-steward disabled it; to enable it: aws ec2 enable-image \
                 --image-id {image}"
            ),
            Self::NotEnabled { image, why } => {
                f.write_str(match why {
                    NotEnabled::Protected => "stays disabled, because it is protected from deregistration",
                    NotEnabled::NoTag | NotEnabled::TagsDisagree => {
                        "stays disabled, because its deprecation time is not that of its tags: it was changed since, or somebody else \
                         disabled the image"
                    }
                })?;
                write!(f, "; to enable it all the same: image-steward restore {image}")
            }
            Self::StateTagUnreadable { image, key, value } => write!(
                f,
                "left unchanged, because this version does not understand its tag {key}={value}: restore it with the \
                 version that wrote the tag; or remove the tag (aws ec2 delete-tags --resources {image} --tags Key={key}), by \
                 which what it says is lost, and run restore again, because the next sweep continues to retire the image"
            ),
            Self::Failed(failure) => f.write_str(&failure.message),
        }
    }
}

/// How bringing an image back ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreStatus {
    /// It exists, and nothing of ours is left on it.
    Restored,
    /// It was never on its way out.
    Untouched,
    /// It is gone for good.
    Gone,
    /// A step failed; the same command goes on from there.
    Failed,
}

/// What an image is to be brought back with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// What to write into its tag that keeps it, if anything: without it, the next sweep finds it
    /// expired again if the policy has not changed.
    pub keep: Option<String>,
    /// Snapshots to take out of the Recycle Bin beside those that are known to be the image's.
    pub snapshots: Vec<SnapshotId>,
    /// Whether the image was found by its tags ([`images_since`]), and not named by a person. Then
    /// it is enabled only if EC2's own data agrees with its tags: they may be anybody's.
    pub found_by_tags: bool,
}

/// The images that went, or were found expired, at `since` or later: those in the Recycle Bin
/// since then, and those that carry our mark from then on.
///
/// # Errors
/// When the tags or the Recycle Bin cannot be read.
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
                // A mark that cannot be read may be from any time.
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

/// Brings `image` back from wherever it is. Done twice, it does nothing more.
pub async fn restore(
    image: &ImageId,
    options: &RestoreOptions,
    names: &TagNames,
    now: Timestamp,
    cloud: &dyn Cloud,
) -> Restored {
    let mut done = Vec::new();
    let result = try_restore(image, options, names, now, cloud, &mut done).await;
    // This is said on its own, because a person is asked about it.
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
    let steps: Vec<_> = done.iter().map(ToString::to_string).collect();
    let why = problem.as_ref().map(ToString::to_string);
    tracing::info!(image_id = %image, ?status, done = steps.join("; "), problem = why, "restored");
    Restored { image_id: image.clone(), status, done, not_shared, problem }
}

/// Shares an image that [`restore`] brought back with those of `restored.not_shared` whom a person
/// `approved`, and writes down there what became of it. The tag goes when it names nobody else.
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
        let message = format!(
            "{image} has launch permissions that its tag {key} does not list: its owner has shared it since; share \
             it yourself (aws ec2 modify-image-attribute), then remove the tag"
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
    // Those that are live and whose mark is still there: a mark that stays would do no harm while
    // the image exists, but would when it goes the next time. Some may name another image.
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
    // First: whatever happens then, it is kept.
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

/// Why `image` stays as it is, if a state tag of it is not understood.
fn unreadable(image: &Image, names: &TagNames) -> Option<RestoreProblem> {
    unreadable_values(image, names).next().map(|(key, value)| RestoreProblem::StateTagUnreadable {
        image: image.image_id.clone(),
        key,
        value,
    })
}

/// Reads with whom `image` is shared, if its tag names anybody.
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

/// Takes `image` out of the Recycle Bin, its snapshots before it; `None` when it is not there.
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
    // An answer that was lost and asked for again is "not there": it is back already.
    let is_back = |error: &CloudError| error.kind == ErrorKind::NotFound;
    if let Err(error) = cloud.recover_image(image).await
        && !is_back(&error)
    {
        // A snapshot that several images shared names one of them only. What else of ours went
        // after this image may be what it lacks; what is not needed is still marked, and goes again.
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
                    "{}; if one of its snapshots is missing, name it with --snapshot",
                    error.message
                ),
                ..error
            });
        }
        cloud.recover_image(image).await?;
    }
    done.push(RestoreStep::ImageRecovered);
    let found = cloud.find_image(image).await?;
    // Listings may be a little late.
    Ok(Some(found.ok_or_else(|| CloudError {
        call: "restore",
        kind: ErrorKind::Other,
        code: String::new(),
        message: format!("{image} does not show yet; run the same command again in a minute"),
    })?))
}

/// Takes those snapshots out of the Recycle Bin, and says how many they were.
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
            // Somebody was quicker.
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
    // A tag that keeps it for longer stays.
    let is_longer = before.is_some_and(|before| KeepTag::is_shorter(keep, before));
    if before != Some(keep) && !is_longer {
        let tags: Tags = [(key, keep)].into_iter().collect();
        cloud.set_tags(&[ResourceId::Image(image.image_id.clone())], &tags).await?;
        done.push(RestoreStep::Kept { key: key.to_owned(), value: keep.to_owned() });
    }
    Ok(())
}
