//! The images in `safety.pinned`.

use std::str::FromStr;

use serde::Deserialize;

use crate::model::{DefinitionId, ImageId, ParseIdError};

/// An element of `safety.pinned`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Pinned {
    /// An image.
    Image(ImageId),
    /// An image definition, with all its versions.
    Definition(DefinitionId),
}

impl Pinned {
    /// The regular expression of valid values. ARM IDs are compared without regard to case.
    pub(super) const PATTERN: &str = "^(ami-[0-9a-z-]+|/[A-Za-z]+/[0-9A-Fa-f-]{36}/.+)$";
}

/// The text is neither the ID of an image nor that of an image definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePinnedError {
    /// The text is not an ARM ID.
    #[error(transparent)]
    Image(ParseIdError),
    /// The text is not the ARM ID of anything that can be pinned.
    #[error(
        "`{0}` cannot be pinned; use the ID of a gallery image version, an image definition or a managed image"
    )]
    Arm(String),
}

impl FromStr for Pinned {
    type Err = ParsePinnedError;

    fn from_str(text: &str) -> Result<Self, ParsePinnedError> {
        match (text.parse(), text.parse()) {
            (Ok(image), _) => Ok(Self::Image(image)),
            (_, Ok(definition)) => Ok(Self::Definition(definition)),
            (Err(_), Err(_)) if text.starts_with('/') => {
                Err(ParsePinnedError::Arm(text.to_owned()))
            }
            (Err(error), Err(_)) => Err(ParsePinnedError::Image(error)),
        }
    }
}

impl TryFrom<String> for Pinned {
    type Error = ParsePinnedError;

    fn try_from(text: String) -> Result<Self, ParsePinnedError> {
        text.parse()
    }
}

/// The images to which no step is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PinnedImages {
    images: Vec<ImageId>,
    definitions: Vec<DefinitionId>,
}

impl PinnedImages {
    /// Whether `image` is pinned, itself or with all versions of its definition.
    pub fn contains(&self, image: &ImageId) -> bool {
        self.images.binary_search(image).is_ok()
            || image.definition().is_some_and(|definition| {
                self.definitions.binary_search_by(|one| one.as_str().cmp(definition)).is_ok()
            })
    }

    /// The pinned images, sorted.
    pub fn images(&self) -> &[ImageId] {
        &self.images
    }

    /// The image definitions whose versions are all pinned, sorted.
    pub fn definitions(&self) -> &[DefinitionId] {
        &self.definitions
    }
}

impl FromIterator<Pinned> for PinnedImages {
    fn from_iter<I: IntoIterator<Item = Pinned>>(pinned: I) -> Self {
        let mut all = Self::default();
        for one in pinned {
            match one {
                Pinned::Image(image) => all.images.push(image),
                Pinned::Definition(definition) => all.definitions.push(definition),
            }
        }
        all.images.sort();
        all.definitions.sort();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "/subscriptions/0f0e0d0c-1234-5678-9abc-def012345678/resourceGroups/Golden/providers/Microsoft.Compute";

    #[test]
    fn all_versions_of_a_pinned_definition_are_pinned_and_nothing_else() {
        let of = |rest: &str| format!("{GROUP}/{rest}").to_uppercase().parse::<Pinned>().unwrap();
        let pinned: PinnedImages =
            [of("galleries/g/images/web"), of("images/base-1")].into_iter().collect();
        let is_pinned = |rest: &str| pinned.contains(&format!("{GROUP}/{rest}").parse().unwrap());
        assert!(is_pinned("galleries/g/images/web/versions/1.0.0"));
        assert!(is_pinned("galleries/g/images/web/versions/2.0.0"));
        assert!(is_pinned("images/base-1"));
        for other in [
            "galleries/g/images/web2/versions/1.0.0",
            "galleries/g/images/we/versions/1.0.0",
            "galleries/g2/images/web/versions/1.0.0",
            "images/base-2",
            "images/web",
        ] {
            assert!(!is_pinned(other), "{other}");
        }
    }

    #[test]
    fn what_cannot_be_pinned_is_an_error() {
        let error = |text: &str| text.parse::<Pinned>().unwrap_err().to_string();
        for rest in ["galleries/g", "snapshots/s", "virtualMachines/vm"] {
            assert!(error(&format!("{GROUP}/{rest}")).contains("cannot be pinned; use"), "{rest}");
        }
        let expected =
            "`vol-1` is not an image ID: expected ami- followed by digits or lowercase letters";
        assert_eq!(error("vol-1"), expected);
    }
}
