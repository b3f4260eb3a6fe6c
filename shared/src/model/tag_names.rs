//! The names of the state tags: the only state that the project keeps.

use jiff::Timestamp;

use super::{DeletionMark, ImageId, Tags};

/// The names of the project's own tags, under a prefix that the policy may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagNames {
    /// On an image: when it was first found expired; the retire steps count from here.
    pub expired_at: String,
    /// On an image: the launch permissions that it had before we disabled it, after its own id.
    pub launch_permissions: String,
    /// On an image: the deprecation that it had before ours, after its own id.
    pub deprecation: String,
    /// On a snapshot: the image that it backs, to find it when the image no longer exists.
    pub image: String,
    /// On a snapshot: it may be deleted from this time on (see [`DeletionMark`]).
    pub delete_after: String,
    /// On image, snapshot or instance, written by people: it is excluded.
    pub keep: String,
    /// On image and snapshot: who made the image.
    pub created_by: String,
    /// On an instance, written by people: retire it once this image (its id or name) is there.
    pub retire_when_imaged: String,
    /// On image and snapshot: the instance that the image was made from.
    pub source_instance: String,
    /// On image and snapshot: the image that the image was copied or made from.
    pub source_image: String,
}

impl TagNames {
    /// The format of the state tags: which there are, and the forms of their values. No value has this
    /// number. A later format gives every tag whose form it changes another name, or has its number
    /// and a space before the value, so that this program understands neither and leaves the resource
    /// as it is.
    pub const FORMAT: u32 = 1;

    /// The names under `prefix`, for example `image-steward:`.
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

    /// The tags on a snapshot of a deregistered image, written at `now`: which image it backed, and that
    /// it may be deleted from `due` on.
    pub fn snapshot_tags(&self, image: &ImageId, due: Timestamp, now: Timestamp) -> Tags {
        let mark = DeletionMark { due, marked_at: now }.to_string();
        [(self.image.as_str(), image.as_str()), (self.delete_after.as_str(), mark.as_str())]
            .into_iter()
            .collect()
    }

    /// All of them.
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

    /// What all of them begin with.
    pub fn prefix(&self) -> &str {
        self.keep.strip_suffix("keep").unwrap_or_default()
    }
}
