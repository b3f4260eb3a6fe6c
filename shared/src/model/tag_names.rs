//! The names of the state tags. The project stores no other state.

use jiff::Timestamp;

use super::{DeletionMark, ImageId, Tags};

/// The names of the state tags. The policy can change their prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagNames {
    /// On images: when the image was first found expired. The waiting times of the retire steps
    /// start here.
    pub expired_at: String,
    /// On images: the ID of the image, followed by its launch permissions before it was disabled.
    pub launch_permissions: String,
    /// On images: the ID of the image, followed by its deprecation before image-steward
    /// deprecated it.
    pub deprecation: String,
    /// On snapshots: the image that the snapshot backs, so that it is known after the image was
    /// deregistered.
    pub image: String,
    /// On snapshots: the earliest time at which the snapshot may be deleted (see [`DeletionMark`]).
    pub delete_after: String,
    /// On images, snapshots and instances, written by people: excludes the resource.
    pub keep: String,
    /// On images and snapshots: who created the image.
    pub created_by: String,
    /// On instances, written by people: the ID or name of an image. The instance is retired when
    /// that image is available.
    pub retire_when_imaged: String,
    /// On images and snapshots: the instance that the image was created from.
    pub source_instance: String,
    /// On images and snapshots: the image that the image was copied or created from.
    pub source_image: String,
}

impl TagNames {
    /// The format number of the state tags: the set of tags, and the form of their values. It is
    /// not written into the values. A later format renames each tag whose form it changes, or puts
    /// its number and a space before the value. This program then does not understand the tag and
    /// does not change the resource.
    pub const FORMAT: u32 = 1;

    /// The tag names with `prefix`, for example `image-steward:`.
    pub fn under(prefix: &str) -> Self {
        let name = |rest: &str| format!("{prefix}{rest}");
        Self {
            expired_at: name("expired-at"),
            launch_permissions: name("launch-permissions"),
            deprecation: name("deprecation"),
            image: name("image"),
            delete_after: name("delete-after"),
            keep: name("keep"),
            created_by: name("created-by"),
            retire_when_imaged: name("retire-when-imaged"),
            source_instance: name("source-instance"),
            source_image: name("source-image"),
        }
    }

    /// The tags for a snapshot of a deregistered image, written at `now`: the image that it backed,
    /// and the time `due` from which it may be deleted.
    pub fn snapshot_tags(&self, image: &ImageId, due: Timestamp, now: Timestamp) -> Tags {
        let mark = DeletionMark { due, marked_at: now }.to_string();
        [(self.image.as_str(), image.as_str()), (self.delete_after.as_str(), mark.as_str())]
            .into_iter()
            .collect()
    }

    /// All tag names.
    pub fn all(&self) -> [&str; 10] {
        let Self {
            expired_at,
            launch_permissions,
            deprecation,
            image,
            delete_after,
            keep,
            created_by,
            retire_when_imaged,
            source_instance,
            source_image,
        } = self;
        [
            expired_at,
            launch_permissions,
            deprecation,
            image,
            delete_after,
            keep,
            created_by,
            retire_when_imaged,
            source_instance,
            source_image,
        ]
    }

    /// The prefix of all tag names.
    pub fn prefix(&self) -> &str {
        self.keep.strip_suffix("keep").unwrap_or_default()
    }
}
