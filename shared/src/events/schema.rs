//! The JSON Schemas of the events. `docs/events` contains a copy.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::{
    ImageStep, ImageTagged, InstanceRetired, SOURCE, SnapshotStep, SweepCompleted, SweepRefused,
};

/// Returns the schema of every event type, as EventBridge delivers it, with its file name.
pub fn schemas() -> Vec<(String, Value)> {
    vec![
        schema::<ImageTagged>("Image Tagged"),
        schema::<ImageStep>("Image Expired"),
        schema::<ImageStep>("Image Deprecated"),
        schema::<ImageStep>("Image Disabled"),
        schema::<ImageStep>("Image Deregistered"),
        schema::<ImageStep>("Image Rescued"),
        schema::<SnapshotStep>("Snapshot Marked"),
        schema::<SnapshotStep>("Snapshot Deleted"),
        schema::<InstanceRetired>("Instance Retired"),
        schema::<SweepCompleted>("Sweep Completed"),
        schema::<SweepRefused>("Sweep Refused"),
    ]
}

fn schema<T: JsonSchema>(detail_type: &str) -> (String, Value) {
    let detail = SchemaGenerator::default().into_root_schema_for::<T>();
    let file = format!("{}.schema.json", detail_type.to_lowercase().replace(' ', "-"));
    let mut detail = detail.to_value();
    let inner = detail.as_object_mut();
    let definitions = inner.and_then(|detail| {
        detail.remove("$schema");
        detail.remove("$defs")
    });
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": detail_type,
        "type": "object",
        "required": ["source", "detail-type", "account", "region", "resources", "detail"],
        "properties": {
            "source": { "const": SOURCE },
            "detail-type": { "const": detail_type },
            "account": { "type": "string" },
            "region": { "type": "string" },
            "resources": { "type": "array", "items": { "type": "string" } },
            "detail": detail,
        },
    });
    if let (Some(definitions), Some(schema)) = (definitions, schema.as_object_mut()) {
        schema.insert("$defs".to_owned(), definitions);
    }
    (file, schema)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it is how a person asks for new files")]
    fn the_schemas_of_the_documentation_are_these() {
        let documented = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events");
        for (file, schema) in schemas() {
            let path = documented.join(&file);
            let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
            if std::env::var_os("UPDATE_SCHEMAS").is_some() {
                fs::write(&path, &text).unwrap();
            }
            let found = fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(
                found, text,
                "{file} is not current: UPDATE_SCHEMAS=1 cargo test -p steward"
            );
        }
    }
}
