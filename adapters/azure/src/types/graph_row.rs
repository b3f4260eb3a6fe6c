//! Rows of Azure Resource Graph: resources of any type that may start from images.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::ids_in::{ids_in, shared_ids_in};
use super::image_reference::ImageTarget;
use super::resource::Location;

/// A resource that may start from images. A row that is not understood still has the images that it
/// contains.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawGraphRow")]
pub struct GraphRow {
    /// The ID of the resource, as the row has it.
    pub resource: String,
    /// What the resource is.
    pub kind: ResourceKind,
    /// The region of the resource. `None` counts as unknown.
    pub location: Option<Location>,
    /// The images in the row.
    pub targets: BTreeSet<ImageTarget>,
}

/// The kinds of resource that are distinguished.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// A virtual machine.
    VirtualMachine,
    /// A scale set.
    ScaleSet,
    /// An instance of a scale set with uniform orchestration.
    ScaleSetInstance,
    /// A template of Azure VM Image Builder.
    BuilderTemplate,
    /// Any other resource, by its type in lower case.
    Other(String),
}

impl ResourceKind {
    /// The kind for a resource type, in any case.
    pub fn of(resource_type: &str) -> Self {
        let resource_type = resource_type.to_lowercase();
        match resource_type.as_str() {
            "microsoft.compute/virtualmachines" => Self::VirtualMachine,
            "microsoft.compute/virtualmachinescalesets" => Self::ScaleSet,
            "microsoft.compute/virtualmachinescalesets/virtualmachines" => Self::ScaleSetInstance,
            "microsoft.virtualmachineimages/imagetemplates" => Self::BuilderTemplate,
            _ => Self::Other(resource_type),
        }
    }
}

#[derive(Deserialize)]
struct RawGraphRow {
    id: String,
    #[serde(rename = "type")]
    resource_type: String,
    location: Option<String>,
    properties: Value,
}

impl TryFrom<RawGraphRow> for GraphRow {
    type Error = String;

    fn try_from(raw: RawGraphRow) -> Result<Self, String> {
        let RawGraphRow { id, resource_type, location, properties } = raw;
        if id.is_empty() || resource_type.is_empty() {
            return Err("a row has no `id` or no `type`".to_owned());
        }
        if !properties.is_object() {
            return Err(format!("`{}`: properties is not an object", id.escape_debug()));
        }
        let mut targets: BTreeSet<ImageTarget> = BTreeSet::new();
        collect(&properties, &mut targets);
        Ok(Self {
            kind: ResourceKind::of(&resource_type),
            location: location.as_deref().and_then(Location::new),
            resource: id,
            targets,
        })
    }
}

/// Adds the images in `value`. An `exactVersion` belongs to the ID beside it.
fn collect(value: &Value, found: &mut BTreeSet<ImageTarget>) {
    match value {
        Value::Object(fields) => {
            let exact = fields.get("exactVersion").and_then(Value::as_str);
            for (name, value) in fields {
                // The names of fields can be IDs too.
                texts(&Value::String(name.clone()), None, found);
                match value {
                    Value::String(_) => texts(value, exact, found),
                    nested => collect(nested, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        text => texts(text, None, found),
    }
}

fn texts(value: &Value, exact: Option<&str>, found: &mut BTreeSet<ImageTarget>) {
    found.extend(ids_in(value).filter_map(|id| ImageTarget::of(&id, exact)));
    found.extend(shared_ids_in(value).map(ImageTarget::Shared));
}
