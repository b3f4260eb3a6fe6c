//! Launch permissions and volume permissions: who an image or a snapshot is shared with.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AccountId, Provider, arm_id};

/// A launch permission: who may launch an image.
///
/// In inventories, tags and reasons it is text: `all`, the ID of an account (12 digits) or of an
/// Azure subscription (a UUID), an ARN of AWS Organizations, or `tenant/` and the UUID of a Microsoft
/// Entra tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum LaunchPermission {
    /// One AWS account or Azure subscription.
    Account(AccountId),
    /// Everyone: the image is public, or in a community gallery.
    Everyone,
    /// Every account of the organization with this ARN, or every subscription of this tenant.
    Organization(Arc<str>),
    /// Every account of the organizational unit with this ARN.
    OrganizationalUnit(Arc<str>),
    /// A permission that this version does not know, in the provider's words. It always counts as
    /// shared.
    Unknown(Arc<str>),
}

/// A volume permission: who may create volumes from a snapshot. Only [`LaunchPermission::Everyone`]
/// and accounts occur.
pub type VolumePermission = LaunchPermission;

/// The text of [`LaunchPermission::Everyone`]. EC2 uses the same name.
const EVERYONE: &str = "all";
/// The text before the ID of a tenant.
const TENANT: &str = "tenant/";

/// The canonical text of a tenant, if `text` is one: tenants are compared without regard to case.
fn tenant(text: &str) -> Option<Arc<str>> {
    let text = text.to_ascii_lowercase();
    text.strip_prefix(TENANT).is_some_and(arm_id::is_uuid).then(|| text.into())
}

impl FromStr for LaunchPermission {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        // The text is shown in commands that people copy.
        let is_plain = |one: char| one.is_ascii_alphanumeric() || ":/_-".contains(one);
        let is_arn = text.starts_with("arn:") && text.chars().all(is_plain);
        if let Some(tenant) = tenant(text) {
            return Ok(Self::Organization(tenant));
        }
        Ok(match text.parse() {
            Ok(account) => Self::Account(account),
            Err(_) if text == EVERYONE => Self::Everyone,
            Err(_) if is_arn && text.contains(":organization/") => Self::Organization(text.into()),
            Err(_) if is_arn && text.contains(":ou/") => Self::OrganizationalUnit(text.into()),
            Err(_) => Self::Unknown(text.into()),
        })
    }
}

impl LaunchPermission {
    /// Whether an image of `provider` can have this permission. A permission of the other provider
    /// is not understood, just as [`Self::Unknown`].
    pub(crate) fn is_known_to(&self, provider: Provider) -> bool {
        match self {
            Self::Account(account) => account.provider() == provider,
            Self::Everyone => true,
            Self::Organization(text) => (provider == Provider::Azure) == text.starts_with(TENANT),
            Self::OrganizationalUnit(_) => provider == Provider::Aws,
            Self::Unknown(_) => false,
        }
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

/// The `permissions` that are not for `owner`. The owner may always use the resource.
pub(crate) fn for_others<'a>(
    permissions: &'a [LaunchPermission],
    owner: Option<&AccountId>,
) -> impl Iterator<Item = &'a LaunchPermission> {
    permissions.iter().filter(move |one| match one {
        LaunchPermission::Account(account) => Some(account) != owner,
        _ => true,
    })
}

/// Joins permissions into one text with `separator`.
pub fn join_permissions(permissions: &[LaunchPermission], separator: &str) -> String {
    permissions.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_round_trip_through_text() {
        let organization = "arn:aws:organizations::123456789012:organization/o-abc123";
        let unit = "arn:aws:organizations::123456789012:ou/o-abc123/ou-abc1-def2";
        let subscription = "0f0e0d0c-1234-5678-9abc-def012345678";
        let tenant = "tenant/0f0e0d0c-1234-5678-9abc-def012345678";
        for (text, permission) in [
            ("123456789012", LaunchPermission::Account("123456789012".parse().unwrap())),
            ("all", LaunchPermission::Everyone),
            (organization, LaunchPermission::Organization(organization.into())),
            (unit, LaunchPermission::OrganizationalUnit(unit.into())),
            (subscription, LaunchPermission::Account(subscription.parse().unwrap())),
            (tenant, LaunchPermission::Organization(tenant.into())),
            ("tenant/1234", LaunchPermission::Unknown("tenant/1234".into())),
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
        for text in [subscription, tenant] {
            let other_case = LaunchPermission::from(text.to_uppercase());
            assert_eq!(other_case.to_string(), text);
        }
    }

    #[test]
    fn a_permission_of_the_other_provider_is_not_understood() {
        let known = |text: &str| {
            let permission = LaunchPermission::from(text);
            [Provider::Aws, Provider::Azure].map(|provider| permission.is_known_to(provider))
        };
        let organization = "arn:aws:organizations::123456789012:organization/o-abc123";
        let unit = "arn:aws:organizations::123456789012:ou/o-abc123/ou-abc1-def2";
        for text in ["123456789012", organization, unit] {
            assert_eq!(known(text), [true, false], "{text}");
        }
        let subscription = "0f0e0d0c-1234-5678-9abc-def012345678";
        for text in [subscription, &format!("tenant/{subscription}")] {
            assert_eq!(known(text), [false, true], "{text}");
        }
        assert_eq!(known("all"), [true, true]);
        assert_eq!(known("somebody"), [false, false]);
    }
}
