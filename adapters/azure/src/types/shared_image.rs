//! IDs of images in shared galleries, by which other subscriptions and tenants name them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::arm_id::{VersionNumber, fold_case};

/// The text is not the ID of an image in a shared gallery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the ID of a shared image: expected /SharedGalleries/ or /CommunityGalleries/, \
     /Images/ and optionally /Versions/, each with a name"
)]
pub struct ParseSharedImageError(String);

/// How a gallery is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SharedGalleryKind {
    /// With subscriptions and tenants. The name is the unique name of the gallery: the subscription
    /// and the name of the gallery.
    Direct,
    /// With everyone. The name is the public name of the gallery.
    Community,
}

/// An image in a shared gallery, with the names in the spelling of [`fold_case`]:
/// `/SharedGalleries/{gallery}/Images/{definition}/Versions/{version}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedImageId {
    /// How the gallery is shared.
    pub kind: SharedGalleryKind,
    /// The unique name or the public name of the gallery.
    pub gallery: String,
    /// The name of the definition.
    pub definition: String,
    /// The version. `None` for the latest one, and for a version that is not a number.
    pub version: Option<VersionNumber>,
}

impl FromStr for SharedImageId {
    type Err = ParseSharedImageError;

    fn from_str(text: &str) -> Result<Self, ParseSharedImageError> {
        let folded = fold_case(text);
        let parts: Vec<&str> = folded.split('/').collect();
        let (kind, gallery, definition, version) = match parts.as_slice() {
            ["", kind, gallery, "images", definition] => (*kind, *gallery, *definition, None),
            ["", kind, gallery, "images", definition, "versions", version] => {
                (*kind, *gallery, *definition, version.parse().ok())
            }
            _ => return Err(error(text)),
        };
        let kind = match kind {
            "sharedgalleries" => SharedGalleryKind::Direct,
            "communitygalleries" => SharedGalleryKind::Community,
            _ => return Err(error(text)),
        };
        if gallery.is_empty() || definition.is_empty() {
            return Err(error(text));
        }
        Ok(Self { kind, gallery: gallery.to_owned(), definition: definition.to_owned(), version })
    }
}

fn error(text: &str) -> ParseSharedImageError {
    ParseSharedImageError(text.chars().take(300).flat_map(char::escape_debug).collect())
}

impl TryFrom<String> for SharedImageId {
    type Error = ParseSharedImageError;

    fn try_from(text: String) -> Result<Self, ParseSharedImageError> {
        text.parse()
    }
}
