//! The fields that all resources have.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error};

use super::fields;
use super::open_enum::open_enum;
use crate::arm_id::{ArmId, fold_case};

open_enum!(
    /// The state of the last operation on a resource.
    ProvisioningState {
        /// It is being created.
        Creating,
        /// It is being changed. A soft-deleted version that is being restored also has this state.
        Updating,
        /// The last operation succeeded.
        Succeeded,
        /// The last operation failed.
        Failed,
        /// It is being deleted.
        Deleting,
        /// Azure is moving it.
        Migrating,
    }
);

/// The name of an Azure region in one spelling: `West US` and `westus` are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location(String);

impl Location {
    /// Normalizes a name: lower case, without spaces. `None` if nothing is left.
    pub fn new(name: &str) -> Option<Self> {
        let plain = name.chars().filter(|one| !one.is_whitespace());
        let text: String = plain.flat_map(char::to_lowercase).collect();
        (!text.is_empty()).then_some(Self(text))
    }

    /// The normalized name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| D::Error::custom("the location is empty"))
    }
}

/// Who created a resource, and when. Not every resource provider sends it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemData {
    /// The time of creation.
    #[serde(default, deserialize_with = "fields::time")]
    pub created_at: Option<Timestamp>,
    /// The user, application or key that created the resource.
    #[serde(default, deserialize_with = "fields::text")]
    pub created_by: Option<String>,
}

/// The properties of one type of resource.
pub trait ResourceProperties {
    /// The resource type, in the spelling of [`ArmId::resource_type`].
    const TYPE: &'static str;
    /// Whether the name of the resource is the last segment of its ID.
    const NAME_IN_ID: bool = true;

    /// Checks the properties together with the fields beside them.
    ///
    /// # Errors
    /// A field is missing that the others require.
    fn check(&self, _: &Beside<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// The fields beside the properties of a resource that a check needs.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// The size of the instances of a scale set.
    pub sku: Option<&'a str>,
    /// The resources to which a disk is attached.
    pub managed_by: &'a [ArmId],
}

/// A resource: the fields that all types have, and its properties.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(
    try_from = "RawResource<P>",
    bound(deserialize = "P: ResourceProperties + Deserialize<'de>")
)]
pub struct ArmResource<P> {
    /// The ID in canonical spelling.
    pub id: ArmId,
    /// The name as it was created.
    pub name: String,
    /// The Azure region.
    pub location: Location,
    /// Whether the resource is at an extended location, such as an edge zone, of which `location` is
    /// only the parent region.
    pub at_extended_location: bool,
    /// The tags. A resource without tags may have no such field.
    pub tags: BTreeMap<String, String>,
    /// When and by whom the resource was created, if the provider sends it.
    pub system_data: SystemData,
    /// The resources to which a disk is attached, or which manage a snapshot. Empty for other types.
    pub managed_by: Vec<ArmId>,
    /// The properties of the type.
    pub properties: P,
}

impl<P> ArmResource<P> {
    /// The region in which the resource starts images. `None` if it is at an extended location, where
    /// other replicas of an image exist than in the region.
    pub fn region(&self) -> Option<&Location> {
        (!self.at_extended_location).then_some(&self.location)
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "P: Deserialize<'de>"))]
struct RawResource<P> {
    id: ArmId,
    name: String,
    location: Location,
    extended_location: Option<serde_json::Value>,
    #[serde(default, deserialize_with = "fields::tags")]
    tags: BTreeMap<String, String>,
    system_data: Option<SystemData>,
    #[serde(default, deserialize_with = "fields::id")]
    managed_by: Option<ArmId>,
    #[serde(default, deserialize_with = "fields::list")]
    managed_by_extended: Vec<ArmId>,
    sku: Option<Sku>,
    properties: P,
}

#[derive(serde::Deserialize)]
struct Sku {
    #[serde(default, deserialize_with = "fields::text")]
    name: Option<String>,
}

impl<P: ResourceProperties> TryFrom<RawResource<P>> for ArmResource<P> {
    type Error = String;

    fn try_from(raw: RawResource<P>) -> Result<Self, String> {
        let id = raw.id;
        let found = id.resource_type();
        if found != P::TYPE {
            return Err(format!("`{id}` is of type {found}: expected {}", P::TYPE));
        }
        if P::NAME_IN_ID && id.name() != fold_case(&raw.name) {
            return Err(format!("the name in `{id}` is not `{}`", raw.name.escape_debug()));
        }
        let mut managed_by: Vec<ArmId> = raw.managed_by.into_iter().collect();
        managed_by.extend(raw.managed_by_extended);
        managed_by.sort_unstable();
        managed_by.dedup();
        let sku = raw.sku.as_ref().and_then(|sku| sku.name.as_deref());
        let beside = Beside { sku, managed_by: &managed_by };
        raw.properties.check(&beside).map_err(|problem| format!("`{id}`: {problem}"))?;
        Ok(Self {
            id,
            name: raw.name,
            location: raw.location,
            at_extended_location: raw.extended_location.is_some(),
            tags: raw.tags,
            system_data: raw.system_data.unwrap_or_default(),
            managed_by,
            properties: raw.properties,
        })
    }
}
