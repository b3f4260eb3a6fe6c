//! Identifiers, which are validated once, when they enter the program.
//!
//! Each kind of ID has its own type, so that an image ID cannot be passed where a snapshot ID is
//! expected. AWS IDs have at most 22 characters, which [`SmolStr`] stores without an allocation.
//! This matters because an account may have a million images, whose IDs are hashed and compared.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The text is not a valid ID of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind}: {expected}")]
pub struct ParseIdError {
    text: String,
    kind: &'static str,
    expected: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(SmolStr);

        impl $name {
            /// The ID as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(ParseIdError { text: text.to_owned(), kind: $kind, expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;

            fn try_from(text: String) -> Result<Self, ParseIdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

/// Whether `text` is `prefix` followed by at least one character of `[0-9a-z-]`. AWS uses 8 or 17
/// hexadecimal digits. The length is not checked, because AWS introduced longer IDs before (2016)
/// and may do so again.
fn prefixed(text: &str, prefix: &str) -> bool {
    text.len() <= 64
        && text.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty()
                && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

id!(
    /// The ID of a machine image: `ami-…`.
    ImageId, "an image ID", "expected ami- followed by digits or lowercase letters",
    |text| prefixed(text, "ami-")
);
id!(
    /// The ID of a volume snapshot: `snap-…`.
    SnapshotId, "a snapshot ID", "expected snap- followed by digits or lowercase letters",
    |text| prefixed(text, "snap-")
);
id!(
    /// The ID of an instance: `i-…`.
    InstanceId, "an instance ID", "expected i- followed by digits or lowercase letters",
    |text| prefixed(text, "i-")
);
id!(
    /// The ID of the account that owns images and snapshots: 12 digits.
    AccountId, "an account ID", "expected 12 digits",
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
);
id!(
    /// The name of a Region, for example `eu-central-1`.
    Region, "a Region", "expected a name such as eu-central-1",
    |text| (3..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.contains('-')
);

impl Region {
    /// The AWS partition of the Region, which is part of every ARN.
    pub fn partition(&self) -> &'static str {
        match self.as_str().split('-').collect::<Vec<_>>()[..] {
            ["cn", ..] => "aws-cn",
            ["eusc", ..] => "aws-eusc",
            ["us", "gov", ..] => "aws-us-gov",
            ["us", "iso", ..] => "aws-iso",
            ["us", "isob", ..] => "aws-iso-b",
            ["eu", "isoe", ..] => "aws-iso-e",
            ["us", "isof", ..] => "aws-iso-f",
            _ => "aws",
        }
    }
}

/// The ID of a resource of any kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ResourceId {
    /// An image.
    Image(ImageId),
    /// A snapshot.
    Snapshot(SnapshotId),
    /// An instance.
    Instance(InstanceId),
}

impl ResourceId {
    /// The ID as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Image(id) => id.as_str(),
            Self::Snapshot(id) => id.as_str(),
            Self::Instance(id) => id.as_str(),
        }
    }

    /// The image ID, if the resource is an image.
    pub fn as_image(&self) -> Option<&ImageId> {
        match self {
            Self::Image(id) => Some(id),
            Self::Snapshot(_) | Self::Instance(_) => None,
        }
    }

    /// The snapshot ID, if the resource is a snapshot.
    pub fn as_snapshot(&self) -> Option<&SnapshotId> {
        match self {
            Self::Snapshot(id) => Some(id),
            Self::Image(_) | Self::Instance(_) => None,
        }
    }
}

impl From<&ImageId> for ResourceId {
    fn from(id: &ImageId) -> Self {
        Self::Image(id.clone())
    }
}

impl From<&SnapshotId> for ResourceId {
    fn from(id: &SnapshotId) -> Self {
        Self::Snapshot(id.clone())
    }
}

impl From<&InstanceId> for ResourceId {
    fn from(id: &InstanceId) -> Self {
        Self::Instance(id.clone())
    }
}

impl From<&ResourceId> for ResourceId {
    fn from(id: &ResourceId) -> Self {
        id.clone()
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The account and Region of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRegion {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_determines_its_partition() {
        for (region, expected) in [
            ("eu-central-1", "aws"),
            ("us-east-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(region.parse::<Region>().unwrap().partition(), expected, "{region}");
        }
    }

    #[test]
    fn ids_are_distinguished_by_prefix() {
        assert!("ami-0abcdef1234567890".parse::<ImageId>().is_ok());
        assert!("snap-1".parse::<SnapshotId>().is_ok());
        for bad in
            ["", "ami-", "ami", "snap-1", "AMI-1", "ami-1 ", "ami-1\n", "ami-1;rm", "ami-ABC"]
        {
            assert!(bad.parse::<ImageId>().is_err(), "{bad:?} was taken for an image id");
        }
    }

    #[test]
    fn the_error_contains_the_text_and_the_remedy() {
        let error = "vol-1".parse::<SnapshotId>().unwrap_err().to_string();
        assert_eq!(
            error,
            "`vol-1` is not a snapshot ID: expected snap- followed by digits or lowercase letters"
        );
    }

    #[test]
    fn accounts_are_twelve_digits() {
        assert!("012345678901".parse::<AccountId>().is_ok());
        assert!("12345678901".parse::<AccountId>().is_err());
        assert!("12345678901x".parse::<AccountId>().is_err());
    }
}
