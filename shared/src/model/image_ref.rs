//! Parses the image IDs and names that people type.

use std::fmt;
use std::str::FromStr;

use super::{ImageId, SnapshotId};

/// An image that a person specified. Text with the form of an image ID is an ID; any other text is
/// a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageRef {
    /// The ID of the image.
    Id(ImageId),
    /// The full name of the image.
    Name(String),
}

/// An image or a snapshot that a person specified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceRef {
    /// An image.
    Image(ImageRef),
    /// A snapshot. Snapshots have no names, so this is always an ID.
    Snapshot(SnapshotId),
}

/// The text does not specify an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseImageRefError {
    /// The text is empty.
    #[error("expected an image ID (ami-…) or an image name")]
    Empty,
    /// The text is the ID of a snapshot or an instance.
    #[error("not an image ID; expected ami-… or an image name")]
    OtherId,
}

impl FromStr for ImageRef {
    type Err = ParseImageRefError;

    fn from_str(text: &str) -> Result<Self, ParseImageRefError> {
        match text.parse::<ImageId>() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) if text.trim().is_empty() => Err(ParseImageRefError::Empty),
            Err(_) if is_other_id(text) => Err(ParseImageRefError::OtherId),
            Err(_) => Ok(Self::Name(text.to_owned())),
        }
    }
}

/// Whether the text is probably the ID of a snapshot or an instance, and not a name.
fn is_other_id(text: &str) -> bool {
    let rest = ["snap-", "i-"].iter().find_map(|prefix| text.strip_prefix(prefix));
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl FromStr for ResourceRef {
    type Err = ParseImageRefError;

    fn from_str(text: &str) -> Result<Self, ParseImageRefError> {
        match text.parse::<SnapshotId>() {
            Ok(id) => Ok(Self::Snapshot(id)),
            Err(_) => text.parse().map(Self::Image),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_an_id_is_a_name() {
        let image = |text: &str| text.parse::<ImageRef>();
        assert_eq!(image("ami-0123"), Ok(ImageRef::Id("ami-0123".parse().unwrap())));
        for name in ["web-1", "AMI-0123", "ami_0123", "golden (2026)", "ami-", "i-web", "snap-x"] {
            assert_eq!(image(name), Ok(ImageRef::Name(name.to_owned())));
        }
        assert_eq!(image(" "), Err(ParseImageRefError::Empty));
        for other in ["snap-0123", "i-0123"] {
            assert_eq!(image(other), Err(ParseImageRefError::OtherId));
        }
        let snapshot = ResourceRef::Snapshot("snap-0123".parse().unwrap());
        assert_eq!("snap-0123".parse(), Ok(snapshot));
        assert_eq!("web-1".parse(), Ok(ResourceRef::Image(ImageRef::Name("web-1".to_owned()))));
    }
}
