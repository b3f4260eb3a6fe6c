//! How versions and managed images are mapped to images of the core.

use serde_json::{Value, json};
use steward::model::{AccountId, Image, ImageState, Recoverability};

use super::{decode, fixture};
use crate::galleries::GalleryContent;
use crate::image_mapping::Mapping;
use crate::types::{ImageDefinition, ImageVersion, ManagedImage};

const REGION: &str = "westus";

fn account() -> AccountId {
    "00000000-0000-0000-0000-000000000000".parse().unwrap()
}

fn json_of(name: &str) -> Value {
    serde_json::from_str(&fixture(name)).unwrap()
}

fn mapped(gallery: &Value, version: &Value) -> Image {
    let account = account();
    let now = "2026-11-30T00:00:00Z".parse().unwrap();
    let mapping = Mapping { subscription: &account, locks: &[], now };
    let gallery = decode(&gallery.to_string()).unwrap();
    let around = GalleryContent { gallery, sharing_unread: None, definitions: Vec::new() };
    let mut definition = json_of("definition.json");
    definition["location"] = REGION.into();
    let definition: ImageDefinition = decode(&definition.to_string()).unwrap();
    let version: ImageVersion = decode(&version.to_string()).unwrap();
    mapping.version(&around, &definition, &version).unwrap()
}

fn state_with(provisioning: &str, summary: &Value) -> ImageState {
    let mut version = json_of("version-replication.json");
    version["properties"]["provisioningState"] = provisioning.into();
    version["properties"]["replicationStatus"]["summary"] = summary.clone();
    mapped(&json_of("gallery-private.json"), &version).state
}

fn regions(states: &[(&str, &str)]) -> Value {
    states.iter().map(|(region, state)| json!({"region": region, "state": state})).collect()
}

/// A failed image is removed one day after its creation, without steps. So an image that may have
/// been usable before an update failed is not a failed one.
#[test]
fn only_a_version_whose_replication_failed_everywhere_is_failed() {
    let failed = |states: &[(&str, &str)]| state_with("Failed", &regions(states));
    assert_eq!(failed(&[("West US", "Failed"), ("East US", "Failed")]), ImageState::Failed);
    for states in [
        &[][..],
        &[("West US", "Failed")],
        &[("West US", "Failed"), ("East US", "Completed")],
        &[("West US", "Failed"), ("East US", "Replicating")],
        &[("West US", "Failed"), ("East US", "Unknown")],
    ] {
        assert_eq!(failed(states), ImageState::Error, "{states:?}");
    }
}

#[test]
fn a_managed_image_after_a_failed_operation_is_not_removed_as_failed() {
    let mut image = json_of("managed-images.json")["value"][0].clone();
    let account = account();
    let now = "2026-11-30T00:00:00Z".parse().unwrap();
    let mapping = Mapping { subscription: &account, locks: &[], now };
    let mut state = |provisioning: &str| {
        image["properties"]["provisioningState"] = provisioning.into();
        let image: ManagedImage = decode(&image.to_string()).unwrap();
        mapping.managed_image(&image, None).unwrap().state
    };
    assert_eq!(state("Succeeded"), ImageState::Available);
    assert_eq!(state("Creating"), ImageState::Pending);
    assert_eq!(state("Failed"), ImageState::Error);
}

#[test]
fn soft_delete_counts_only_while_the_gallery_does_not_change() {
    let mut gallery = json_of("gallery-soft-delete.json");
    let mut version = json_of("version-replication.json");
    version["location"] = REGION.into();
    let mut recovery = |state: &str| {
        gallery["properties"]["provisioningState"] = state.into();
        mapped(&gallery, &version).capabilities.recovery
    };
    assert_eq!(recovery("Succeeded"), Recoverability::Days(31));
    for state in ["Updating", "Failed", "Migrating", "Creating", "Tomorrow"] {
        assert_eq!(recovery(state), Recoverability::Unsupported, "{state}");
    }
}
