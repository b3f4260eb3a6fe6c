//! IDs are found in JSON of any form.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::arm_id::ArmId;
use crate::types::{SharedImageId, ids_in, shared_ids_in};

const GROUP: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/My-RG_(1)";

fn found(value: &Value) -> BTreeSet<String> {
    ids_in(value).map(|id| id.as_str().replace(&GROUP.to_lowercase(), "")).collect()
}

#[test]
fn ids_are_found_wherever_they_are() {
    let compute = format!("{GROUP}/providers/Microsoft.Compute");
    let image = "/providers/microsoft.compute/images/golden";
    let definition = "/providers/microsoft.compute/galleries/g/images/linux";
    let version = "/providers/microsoft.compute/galleries/g/images/linux/versions/1.2.3";
    for (value, expected) in [
        (json!(format!("{compute}/images/golden")), vec![image]),
        (json!({"a": [{"b": format!("{compute}/Images/GOLDEN")}]}), vec![image]),
        (json!(format!("{compute}/galleries/g/images/linux")), vec![definition]),
        (json!(format!("{compute}/galleries/g/images/linux/versions/1.2.3")), vec![version]),
        (json!(format!("{compute}/galleries/g/images/linux/versions/latest")), vec![definition]),
        (json!(format!("{compute}/galleries/g/images/linux/versions/1.2")), vec![definition]),
        (json!(format!("{compute}/galleries/g/images/linux/versions/")), vec![definition]),
        (json!({(format!("{compute}/images/golden")): 1}), vec![image]),
        (
            json!(format!("https://management.azure.com{compute}/images/golden?api-version=1")),
            vec![image],
        ),
        (json!(format!("from {compute}/images/golden.")), vec![image]),
        (json!(format!("{{\"id\":\"{compute}/images/golden\"}}")), vec![image]),
        (json!(format!("{compute}/images/golden").replace('/', "\\/")), vec![image]),
        (json!(format!("{compute}/images/golden").replace('/', "%2F")), vec![image]),
        (json!(format!("{compute}/images/golden").trim_start_matches('/')), vec![image]),
        (
            json!(format!(
                "{compute}/images/golden,{compute}/galleries/g/images/linux/versions/1.2.3"
            )),
            vec![image, version],
        ),
        (json!(format!("{compute}/galleries/g")), vec![]),
        (json!(format!("{compute}/disks/d")), vec![]),
        (json!(format!("{GROUP}/providers/Microsoft.Other/images/golden")), vec![]),
        (json!(format!("{compute}/images/")), vec![]),
        (json!(["/subscriptions/", "/subscriptions/x", "%", "%2", "%zz", "%e4", null, 1]), vec![]),
    ] {
        assert_eq!(found(&value), expected.into_iter().map(str::to_owned).collect(), "{value}");
    }
}

#[test]
fn shared_ids_are_found() {
    let found = |text: &str| shared_ids_in(&json!({"a": text})).collect::<Vec<_>>();
    let id = |text: &str| text.parse::<SharedImageId>().unwrap();
    for (text, expected) in [
        (
            "/SharedGalleries/1-G/Images/Linux/Versions/1.2.3",
            vec![id("/sharedgalleries/1-g/images/linux/versions/1.2.3")],
        ),
        ("/CommunityGalleries/g/Images/Linux", vec![id("/communitygalleries/g/images/linux")]),
        (
            "x /sharedGalleries/g/images/i/versions/latest, y",
            vec![id("/sharedgalleries/g/images/i")],
        ),
        ("/SharedGalleries/g/Disks/i", vec![]),
        ("/SharedGalleries/g/Images", vec![]),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
    assert_eq!(id("/SharedGalleries/g/Images/i/Versions/latest").version, None);
    for bad in
        ["", "/SharedGalleries//Images/i", "/SharedGalleries/g/Images/i/Versions", "g/Images/i"]
    {
        assert!(bad.parse::<SharedImageId>().is_err(), "{bad}");
    }
}

/// The names that Azure allows.
fn image_id() -> impl Strategy<Value = String> {
    let name = "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,8}[a-zA-Z0-9_]";
    let group = "[a-zA-ZäÖ0-9_().-]{0,8}[a-zA-Z0-9_(]";
    let number = "((0|[1-9][0-9]{0,8})\\.){2}(0|[1-9][0-9]{0,8})";
    (
        "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        group,
        prop_oneof![
            name.prop_map(|name| format!("images/{name}")),
            (name, name, prop::option::of(number)).prop_map(
                |(gallery, definition, version)| {
                    let version = version.map(|one| format!("/versions/{one}")).unwrap_or_default();
                    format!("galleries/{}/images/{definition}{version}", gallery.replace('-', "_"))
                }
            ),
        ],
    )
        .prop_map(|(subscription, group, rest)| {
            format!(
                "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/{rest}"
            )
        })
}

proptest! {
    /// No surroundings and no case hide an ID.
    #[test]
    fn every_id_is_found(
        id in image_id(),
        is_upper in any::<bool>(),
        before in "[ -~]{0,6}[ \"'(=,;/]",
        after in "([ \"',;:)?#\\\\<&\n/][ -~]{0,6})?",
        is_key in any::<bool>(),
    ) {
        let expected: ArmId = id.parse().unwrap();
        let text = format!("{before}{}{after}", if is_upper { id.to_uppercase() } else { id.clone() });
        // `/versions/…` after a definition continues the ID.
        prop_assume!(!after.to_lowercase().starts_with("/v"));
        let value = if is_key { json!([{text.clone(): 1}]) } else { json!([{"a": text.clone()}]) };
        prop_assert!(ids_in(&value).any(|found| found == expected), "{}", text);
    }
}
