//! More about the images of a provider that reports it.

use serde::Serialize;

use crate::model::{Image, ImageDisk, SnapshotId};

/// What the rows of the HTML report do not contain.
#[derive(Debug, Serialize)]
pub(super) struct ImageDetails<'a> {
    /// The full ID, if the row contains a short one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os_state: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    disks: &'a [ImageDisk],
    /// The short IDs of the snapshots and disks that the image was created from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
    /// Whether the image is specialized and shared.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    exposed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unconfirmed: bool,
}

impl<'a> ImageDetails<'a> {
    /// Returns the details of `image`; `None` if there are none.
    pub(super) fn of(image: &'a Image) -> Option<Self> {
        let id = image.image_id.as_str();
        let details = Self {
            id: Some(id).filter(|id| *id != image.image_id.short()),
            os_state: image.os_state.as_deref(),
            disks: &image.disks,
            sources: image.sources.iter().map(SnapshotId::short).map(Into::into).collect(),
            exposed: image.is_specialized_and_shared(),
            unconfirmed: image.unconfirmed,
        };
        let Self { id, os_state, disks, sources, exposed, unconfirmed } = &details;
        let is_any = id.is_some()
            || os_state.is_some()
            || !(disks.is_empty() && sources.is_empty())
            || *exposed
            || *unconfirmed;
        is_any.then_some(details)
    }
}
