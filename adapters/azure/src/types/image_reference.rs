//! How a resource names the image from which it starts.

use serde::Deserialize;

use super::fields;
use super::shared_image::SharedImageId;
use crate::arm_id::{ArmId, ImageIdKind, VersionNumber};

/// The image from which a virtual machine, a scale set or a disk starts. It names at least one image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawImageReference")]
pub struct ImageReference {
    /// The managed image, the definition or the version. For a disk it can also be the ID of a
    /// marketplace image.
    pub id: Option<ArmId>,
    /// The image in a gallery that is shared directly.
    pub shared: Option<SharedImageId>,
    /// The image in a community gallery.
    pub community: Option<SharedImageId>,
    /// Whether it names a publisher in the marketplace.
    pub marketplace: bool,
    /// The version that was the latest when the resource was created, if `id` names a definition.
    /// It was recorded for virtual machines of galleries; the documentation describes it only for
    /// marketplace images.
    pub exact_version: Option<String>,
}

/// What an [`ImageReference`] means for the images of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageTarget {
    /// A managed image.
    ManagedImage(ArmId),
    /// A version of a definition.
    Version(ArmId),
    /// A definition: the latest version at the time of a start.
    Definition {
        /// The definition.
        definition: ArmId,
        /// The version from which the existing resource was started, if Azure reports it.
        exact: Option<ArmId>,
    },
    /// An image by the name of its shared gallery.
    Shared(SharedImageId),
}

impl ImageTarget {
    /// The image that `id` names. `None` if it names something else. A version whose name is not a
    /// number, such as `latest`, means the definition. `exact` is the version that the definition
    /// meant.
    pub fn of(id: &ArmId, exact: Option<&str>) -> Option<Self> {
        match id.image_kind()? {
            ImageIdKind::ManagedImage => Some(Self::ManagedImage(id.clone())),
            ImageIdKind::Version if id.name().parse::<VersionNumber>().is_ok() => {
                Some(Self::Version(id.clone()))
            }
            ImageIdKind::Version | ImageIdKind::Definition => {
                let definition = id.definition()?;
                let number = exact.and_then(|exact| exact.parse::<VersionNumber>().ok());
                let exact = number
                    .and_then(|number| definition.child("versions", &number.to_string()).ok());
                Some(Self::Definition { definition, exact })
            }
        }
    }
}

impl ImageReference {
    /// The images of galleries and the managed images to which it refers. Empty for an image of the
    /// marketplace.
    pub fn targets(&self) -> Vec<ImageTarget> {
        let own =
            self.id.as_ref().and_then(|id| ImageTarget::of(id, self.exact_version.as_deref()));
        let shared = self.shared.iter().chain(&self.community).cloned().map(ImageTarget::Shared);
        own.into_iter().chain(shared).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawImageReference {
    #[serde(default, deserialize_with = "fields::id")]
    id: Option<ArmId>,
    #[serde(default, deserialize_with = "fields::text")]
    shared_gallery_image_id: Option<String>,
    #[serde(default, deserialize_with = "fields::text")]
    community_gallery_image_id: Option<String>,
    #[serde(default, deserialize_with = "fields::text")]
    publisher: Option<String>,
    #[serde(default, deserialize_with = "fields::text")]
    exact_version: Option<String>,
}

impl TryFrom<RawImageReference> for ImageReference {
    type Error = String;

    fn try_from(raw: RawImageReference) -> Result<Self, String> {
        let shared = |text: Option<String>| {
            text.map(|text| text.parse::<SharedImageId>().map_err(|error| error.to_string()))
        };
        let found = Self {
            id: raw.id,
            shared: shared(raw.shared_gallery_image_id).transpose()?,
            community: shared(raw.community_gallery_image_id).transpose()?,
            marketplace: raw.publisher.is_some(),
            exact_version: raw.exact_version,
        };
        match &found {
            Self { id: None, shared: None, community: None, marketplace: false, .. } => {
                Err("expected one of `id`, `sharedGalleryImageId`, `communityGalleryImageId` and \
                 `publisher`"
                    .to_owned())
            }
            _ => Ok(found),
        }
    }
}
