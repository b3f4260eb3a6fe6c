//! Templates of Azure VM Image Builder.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::fields;
use super::ids_in::{ids_in, shared_ids_in};
use super::image_reference::ImageTarget;
use super::open_enum::open_enum;
use super::resource::{ArmResource, ProvisioningState, ResourceProperties};
use crate::arm_id::ArmId;

/// An image template.
pub type BuilderTemplate = ArmResource<BuilderTemplateProperties>;

/// The properties of an image template.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuilderTemplateProperties {
    /// The image from which the template builds.
    pub source: TemplateSource,
    /// The managed images and definitions that the builds are written to.
    #[serde(default, rename = "distribute", deserialize_with = "distribution")]
    pub distributes_to: Vec<ArmId>,
    /// The state of the last operation.
    pub provisioning_state: Option<ProvisioningState>,
}

impl ResourceProperties for BuilderTemplateProperties {
    const TYPE: &'static str = "microsoft.virtualmachineimages/imagetemplates";
}

/// The image from which a template builds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawTemplateSource")]
pub enum TemplateSource {
    /// An image of the marketplace.
    Platform,
    /// A managed image, a version, or a definition of which the latest version is used.
    Image(ImageTarget),
    /// A source that this version does not know, and the images that it contains.
    Other(BTreeSet<ImageTarget>),
}

impl TemplateSource {
    /// The images from which the template builds.
    pub fn targets(&self) -> Vec<ImageTarget> {
        match self {
            Self::Platform => Vec::new(),
            Self::Image(target) => vec![target.clone()],
            Self::Other(targets) => targets.iter().cloned().collect(),
        }
    }
}

open_enum!(
    /// The types of source.
    SourceKind {
        /// An image of the marketplace.
        PlatformImage,
        /// A managed image.
        ManagedImage,
        /// A version of a gallery.
        SharedImageVersion,
    }
);

struct RawTemplateSource {
    kind: SourceKind,
    /// The ID of the image, if the type has one.
    image: Option<ArmId>,
    exact_version: Option<String>,
    whole: Value,
}

impl<'de> Deserialize<'de> for RawTemplateSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Known {
            #[serde(rename = "type")]
            kind: SourceKind,
            #[serde(default, deserialize_with = "fields::id")]
            image_id: Option<ArmId>,
            #[serde(default, deserialize_with = "fields::id")]
            image_version_id: Option<ArmId>,
            #[serde(default, deserialize_with = "fields::text")]
            exact_version: Option<String>,
        }
        let whole = Value::deserialize(deserializer)?;
        let known = serde_path_to_error::deserialize::<_, Known>(&whole).map_err(|error| {
            serde::de::Error::custom(format_args!("`{}`: {}", error.path(), error.inner()))
        })?;
        let Known { kind, image_id, image_version_id, exact_version } = known;
        let image = match kind {
            SourceKind::ManagedImage => image_id,
            SourceKind::SharedImageVersion => image_version_id,
            SourceKind::PlatformImage | SourceKind::Unknown(_) => None,
        };
        Ok(Self { kind, image, exact_version, whole })
    }
}

impl TryFrom<RawTemplateSource> for TemplateSource {
    type Error = String;

    fn try_from(raw: RawTemplateSource) -> Result<Self, String> {
        let RawTemplateSource { kind, image, exact_version, whole } = raw;
        match kind {
            SourceKind::PlatformImage => Ok(Self::Platform),
            SourceKind::ManagedImage | SourceKind::SharedImageVersion => {
                let id = image
                    .ok_or_else(|| format!("missing the ID of the image: the `type` is {kind}"))?;
                // The exact version is that of the last build, and the next build uses the latest one.
                let target = ImageTarget::of(&id, exact_version.as_deref());
                target.map(Self::Image).ok_or_else(|| format!("`{id}` is not an image"))
            }
            SourceKind::Unknown(_) => {
                let own = ids_in(&whole).filter_map(|id| ImageTarget::of(&id, None));
                let shared = shared_ids_in(&whole).map(ImageTarget::Shared);
                Ok(Self::Other(own.chain(shared).collect()))
            }
        }
    }
}

/// The targets of the distribution. They keep nothing, so they may be absent.
fn distribution<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ArmId>, D::Error> {
    Ok(ids_in(&Value::deserialize(deserializer)?).collect())
}
