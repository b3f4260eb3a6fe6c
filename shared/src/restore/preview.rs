//! Previews of restoring images.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{RestoreOptions, RestoreProblem};
use crate::cloud::{CloudError, View};
use crate::model::{
    Image, ImageId, ImageState, InWords, LaunchPermission, ProviderWords, RecycledImage, TagNames,
};
use crate::plan::not_enabled;
use crate::plan::undo::{Undo, UndoneBy, permissions_to_restore};

/// The result that restoring an image would have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestorePreview {
    /// The ID of the image.
    pub image_id: ImageId,
    /// The name of the image. Absent if it has none or no longer exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// The current state of the image.
    pub state: RestorableState,
    /// The accounts, organizations and OUs in the image's tag. Unknown for an image in the Recycle
    /// Bin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_shared: Vec<LaunchPermission>,
    /// Why the image would not be restored or not be enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<RestoreProblem>,
}

/// The state of an image before it is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum RestorableState {
    /// In the Recycle Bin.
    Recycled,
    /// Disabled.
    Disabled,
    /// Deprecated by a retire step.
    Deprecated,
    /// Tagged as expired.
    Expired,
    /// Not expired, so there is nothing to restore.
    Untouched,
    /// Neither in the account nor in the Recycle Bin.
    Gone,
}

impl InWords for RestorableState {
    fn format(&self, words: &ProviderWords, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recycled => words.in_bin,
            Self::Disabled => words.disabled,
            Self::Deprecated => words.deprecated,
            Self::Expired => "expired",
            Self::Untouched => "not expired",
            Self::Gone => "not found",
        })
    }
}

/// Returns what [`restore`](super::restore()) would do with each of `images`. Takes two listings:
/// the existing images (200 per call), and the Recycle Bin.
///
/// # Errors
/// Returns an error if either listing fails.
pub async fn preview(
    images: &[ImageId],
    options: &RestoreOptions,
    names: &TagNames,
    now: Timestamp,
    view: &dyn View,
) -> Result<Vec<RestorePreview>, CloudError> {
    let found = view.find_images(images).await?;
    let live = found.into_iter().filter(|one| one.state != ImageState::Deregistered);
    let live: HashMap<ImageId, Image> = live.map(|one| (one.image_id.clone(), one)).collect();
    let recycled = match images.iter().all(|image| live.contains_key(image)) {
        true => Vec::new(),
        false => view.list_recycled_images().await?,
    };
    let recycled: HashMap<&ImageId, &RecycledImage> =
        recycled.iter().map(|one| (&one.image_id, one)).collect();
    let of = |id: &ImageId| match (live.get(id), recycled.get(id)) {
        (Some(image), _) => of_live(image, options, names, now),
        (None, Some(image)) => of_missing(id, Some(&image.name), RestorableState::Recycled),
        (None, None) => of_missing(id, None, RestorableState::Gone),
    };
    Ok(images.iter().map(of).collect())
}

fn of_live(
    image: &Image,
    options: &RestoreOptions,
    names: &TagNames,
    now: Timestamp,
) -> RestorePreview {
    let by = match options.found_by_tags {
        true => UndoneBy::Run { share_back: &[], now },
        false => UndoneBy::Person,
    };
    let state = match Undo::of(image, Box::default(), names, by) {
        _ if image.state == ImageState::Disabled => RestorableState::Disabled,
        None => RestorableState::Untouched,
        Some(_) if image.tags.has(&names.deprecation) => RestorableState::Deprecated,
        Some(_) => RestorableState::Expired,
    };
    let why = not_enabled(image, names, now).filter(|_| options.found_by_tags);
    let image_id = image.image_id.clone();
    let not_enabled = why.map(|why| RestoreProblem::NotEnabled { image: image_id.clone(), why });
    let problem = super::unreadable(image, names).or(not_enabled);
    let name = (!image.name.is_empty()).then(|| image.name.clone());
    let not_shared = permissions_to_restore(image, names);
    RestorePreview { image_id, name, state, not_shared, problem }
}

fn of_missing(image: &ImageId, name: Option<&Arc<str>>, state: RestorableState) -> RestorePreview {
    let is_gone = state == RestorableState::Gone;
    let gone = || RestoreProblem::Gone { image: image.clone(), snapshots: Vec::new() };
    RestorePreview {
        image_id: image.clone(),
        name: name.filter(|name| !name.is_empty()).cloned(),
        state,
        not_shared: Vec::new(),
        problem: is_gone.then(gone),
    }
}
