//! Identifiers, which are validated once, when they enter the program.
//!
//! Each kind of ID has its own type, so that an image ID cannot be passed where a snapshot ID is
//! expected. An ID is either one of EC2, or a resource ID of Azure Resource Manager in its canonical
//! spelling. AWS IDs have at most 22 characters, which [`SmolStr`] stores without an allocation. This
//! matters because an account may have a million images, whose IDs are hashed and compared.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

use super::{Provider, arm_id};

/// The text is not a valid ID of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind}: {expected}")]
pub struct ParseIdError {
    text: String,
    kind: &'static str,
    expected: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $canonical:expr) => {
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
                let canonical: fn(&str) -> Option<SmolStr> = $canonical;
                let error =
                    || ParseIdError { text: text.to_owned(), kind: $kind, expected: $expected };
                canonical(text).map(Self).ok_or_else(error)
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

/// The canonical form of an ID: an EC2 ID with this prefix, or the ARM ID of a resource of one of
/// these types.
fn resource(text: &str, prefix: &str, types: &[&str]) -> Option<SmolStr> {
    if prefixed(text, prefix) {
        return Some(text.into());
    }
    let id = arm_id::canonical(text)?;
    types.contains(&arm_id::resource_type(&id).as_str()).then(|| id.into())
}

id!(
    /// The ID of an image: `ami-…`, or the ARM ID of a gallery image version or a managed image.
    ImageId, "an image ID", "expected ami- followed by digits or lowercase letters",
    |text| resource(text, "ami-", &[GALLERY_VERSION, "microsoft.compute/images"])
);
id!(
    /// The ID of an image definition of an Azure gallery: an ARM ID. The versions of the definition
    /// are images.
    DefinitionId, "the ID of an image definition",
    "expected the ARM ID of a gallery image definition",
    |text| arm_id::canonical(text)
        .filter(|id| arm_id::resource_type(id) == GALLERY_DEFINITION)
        .map(Into::into)
);
id!(
    /// The ID of a snapshot: `snap-…`, or the ARM ID of a snapshot or a managed disk.
    SnapshotId, "a snapshot ID", "expected snap- followed by digits or lowercase letters",
    |text| resource(text, "snap-", &["microsoft.compute/snapshots", "microsoft.compute/disks"])
);
id!(
    /// The ID of an instance: `i-…`, or the ARM ID of a virtual machine.
    InstanceId, "an instance ID", "expected i- followed by digits or lowercase letters",
    |text| resource(text, "i-", &["microsoft.compute/virtualmachines"])
);
id!(
    /// The ID of the account that owns images and snapshots: 12 digits, or the UUID of an Azure
    /// subscription.
    AccountId, "an account ID", "expected 12 digits",
    |text| {
        let is_aws = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        let subscription = || {
            Some(text.to_ascii_lowercase()).filter(|text| arm_id::is_uuid(text))
        };
        if is_aws { Some(text.into()) } else { subscription().map(Into::into) }
    }
);
id!(
    /// The name of a Region, for example `eu-central-1`.
    Region, "a Region", "expected a name such as eu-central-1",
    |text| {
        let is_region = (3..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && text.contains('-');
        is_region.then(|| text.into())
    }
);

/// The resource type of a gallery image version.
const GALLERY_VERSION: &str = "microsoft.compute/galleries/images/versions";
/// The resource type of an image definition of a gallery.
const GALLERY_DEFINITION: &str = "microsoft.compute/galleries/images";

macro_rules! provider_of_id {
    ($($name:ident),*) => {$(
        impl $name {
            /// The provider whose form the ID has.
            pub fn provider(&self) -> Provider {
                if self.0.starts_with('/') { Provider::Azure } else { Provider::Aws }
            }

            /// The ID as it is shown to people: an EC2 ID as it is, and for Azure the names that
            /// identify the resource in its subscription.
            pub fn short(&self) -> Cow<'_, str> {
                match self.provider() {
                    Provider::Aws => self.as_str().into(),
                    Provider::Azure => arm_id::short(self.as_str()).into(),
                }
            }
        }
    )*};
}

provider_of_id!(ImageId, SnapshotId, InstanceId);

impl ImageId {
    /// The text with which the value of a state tag begins, so that the tag is not taken for that of
    /// a copy: an EC2 ID as it is, and for Azure the first 16 hexadecimal digits of the ID's SHA-256
    /// digest, because an ARM ID can be longer than a tag value.
    pub fn in_tags(&self) -> SmolStr {
        match self.provider() {
            Provider::Aws => self.0.clone(),
            Provider::Azure => {
                let digest = Sha256::digest(self.0.as_bytes());
                digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }

    /// Whether `text` has the form of [`in_tags`](Self::in_tags) for an image of the same provider.
    pub fn is_like_in_tags(&self, text: &str) -> bool {
        match self.provider() {
            Provider::Aws => text.parse::<Self>().is_ok_and(|id| id.provider() == Provider::Aws),
            Provider::Azure => {
                text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            }
        }
    }

    /// Whether `name` is a part of the ID as it is shown to people, so that showing both would repeat
    /// it. Always false for an EC2 ID.
    pub fn contains_name(&self, name: &str) -> bool {
        let is_azure = self.provider() == Provider::Azure;
        let name = arm_id::fold_case(name);
        let short = self.short();
        is_azure && (*short == name || short.rsplit_once('/').is_some_and(|(_, last)| last == name))
    }

    /// Whether people may mean the image by `text`, although it is neither its ID nor, to the
    /// letter, its `name`: Azure ignores case, and tables show [`short`](Self::short).
    pub(crate) fn is_called(&self, text: &str, name: &str) -> bool {
        let text = arm_id::fold_case(text);
        self.provider() == Provider::Azure
            && (text == arm_id::fold_case(name) || text == *self.short())
    }

    /// The subscription in an ARM ID; `None` for an EC2 ID.
    pub fn account_in_id(&self) -> Option<&str> {
        self.0.strip_prefix("/subscriptions/")?.split('/').next()
    }

    /// The ARM ID of the image definition, if the image is a gallery image version.
    pub fn definition(&self) -> Option<&str> {
        let is_version = arm_id::resource_type(self.as_str()) == GALLERY_VERSION;
        is_version.then(|| self.as_str().rsplit_once("/versions/").map(|(start, _)| start))?
    }
}

impl AccountId {
    /// The provider of the account.
    pub fn provider(&self) -> Provider {
        if self.0.len() == 12 { Provider::Aws } else { Provider::Azure }
    }
}

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

    /// The provider whose form the ID has.
    pub fn provider(&self) -> Provider {
        match self {
            Self::Image(id) => id.provider(),
            Self::Snapshot(id) => id.provider(),
            Self::Instance(id) => id.provider(),
        }
    }

    /// The ID as it is shown to people; see [`ImageId::short`].
    pub fn short(&self) -> Cow<'_, str> {
        match self {
            Self::Image(id) => id.short(),
            Self::Snapshot(id) => id.short(),
            Self::Instance(id) => id.short(),
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
    /// The Region; `None` if the run covers all Regions of the account, as on Azure.
    pub region: Option<Region>,
}

impl fmt::Display for AccountRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, region } = self;
        match region {
            Some(region) => write!(f, "account {account}, Region {region}"),
            None => write!(f, "subscription {account}"),
        }
    }
}

/// Formats an account and its Region: `account 123456789012, Region eu-central-1`, or `subscription`
/// and its ID.
pub fn place_of(account: &AccountId, region: Option<&Region>) -> String {
    AccountRegion { account: account.clone(), region: region.cloned() }.to_string()
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
