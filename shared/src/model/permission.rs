//! With whom images and snapshots are shared.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::AccountId;

/// Who may launch an image.
///
/// As text, in inventories, tags and reasons: `all`, 12 digits, or an ARN of AWS Organizations.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum LaunchPermission {
    /// One account.
    Account(AccountId),
    /// Everyone: the image is public.
    Everyone,
    /// Every account of the organization with this ARN.
    Organization(Arc<str>),
    /// Every account of the organizational unit with this ARN.
    OrganizationalUnit(Arc<str>),
    /// Somebody whom this version does not know how to name: the provider's words. Never nobody.
    Unknown(Arc<str>),
}

/// Who may create volumes from a snapshot: [`LaunchPermission::Everyone`] or accounts.
pub type VolumePermission = LaunchPermission;

/// The text of [`LaunchPermission::Everyone`], which is EC2's name of the group.
const EVERYONE: &str = "all";

impl FromStr for LaunchPermission {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        // Such a text is shown in commands that people copy.
        let is_plain = |one: char| one.is_ascii_alphanumeric() || ":/_-".contains(one);
        let is_arn = text.starts_with("arn:") && text.chars().all(is_plain);
        Ok(match text.parse() {
            Ok(account) => Self::Account(account),
            Err(_) if text == EVERYONE => Self::Everyone,
            Err(_) if is_arn && text.contains(":organization/") => Self::Organization(text.into()),
            Err(_) if is_arn && text.contains(":ou/") => Self::OrganizationalUnit(text.into()),
            Err(_) => Self::Unknown(text.into()),
        })
    }
}

impl From<&str> for LaunchPermission {
    fn from(text: &str) -> Self {
        text.parse().unwrap_or_else(|never| match never {})
    }
}

impl From<String> for LaunchPermission {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<LaunchPermission> for String {
    fn from(permission: LaunchPermission) -> Self {
        permission.to_string()
    }
}

impl fmt::Display for LaunchPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Account(account) => account.as_str(),
            Self::Everyone => EVERYONE,
            Self::Organization(text) | Self::OrganizationalUnit(text) | Self::Unknown(text) => text,
        })
    }
}

/// Those of `permissions` that are for others than `owner`, who may use what is theirs anyway.
pub(crate) fn for_others<'a>(
    permissions: &'a [LaunchPermission],
    owner: Option<&AccountId>,
) -> impl Iterator<Item = &'a LaunchPermission> {
    permissions.iter().filter(move |one| match one {
        LaunchPermission::Account(account) => Some(account) != owner,
        _ => true,
    })
}

/// These permissions as one text, each separated from the next by `separator`.
pub fn join_permissions(permissions: &[LaunchPermission], separator: &str) -> String {
    permissions.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_permissions_and_permissions_texts() {
        let organization = "arn:aws:organizations::123456789012:organization/o-abc123";
        let unit = "arn:aws:organizations::123456789012:ou/o-abc123/ou-abc1-def2";
        for (text, permission) in [
            ("123456789012", LaunchPermission::Account("123456789012".parse().unwrap())),
            ("all", LaunchPermission::Everyone),
            (organization, LaunchPermission::Organization(organization.into())),
            (unit, LaunchPermission::OrganizationalUnit(unit.into())),
            ("", LaunchPermission::Unknown("".into())),
            ("1234", LaunchPermission::Unknown("1234".into())),
            ("All", LaunchPermission::Unknown("All".into())),
            (":ou/o-abc123", LaunchPermission::Unknown(":ou/o-abc123".into())),
        ] {
            assert_eq!(LaunchPermission::from(text), permission);
            assert_eq!(permission.to_string(), text);
            let json = serde_json::to_string(&permission).unwrap();
            assert_eq!(json, serde_json::to_string(text).unwrap());
            assert_eq!(serde_json::from_str::<LaunchPermission>(&json).unwrap(), permission);
        }
    }
}
