//! IDs: equality in any case, levels, scopes and errors.

use proptest::prelude::*;

use crate::arm_id::{ArmId, ImageIdKind, VersionNumber, fold_case};

const SUBSCRIPTION: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590";

fn id(rest: &str) -> ArmId {
    format!("{SUBSCRIPTION}{rest}").parse().unwrap()
}

fn version() -> ArmId {
    id(
        "/resourceGroups/RG-Web/providers/Microsoft.Compute/galleries/g/images/Linux/versions/1.10.0",
    )
}

#[test]
fn ids_in_other_case_are_equal() {
    let other = version().as_str().to_uppercase().parse::<ArmId>().unwrap();
    assert_eq!(version(), other);
    assert_eq!(
        version().as_str(),
        "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourcegroups/rg-web/providers/\
         microsoft.compute/galleries/g/images/linux/versions/1.10.0"
    );
    let (upper, lower) = (id("/resourceGroups/STRASSE"), id("/resourcegroups/straße"));
    assert_eq!(upper, lower);
    assert!(upper.was_ascii());
    assert!(!lower.was_ascii());
    let disk = id("/resourceGroups/straße/providers/Microsoft.Compute/disks/a");
    assert!(!disk.child("locks", "b").unwrap().was_ascii());
}

#[test]
fn an_id_has_levels() {
    let version = version();
    assert_eq!(version.subscription(), "0b1f6471-1bf0-4dda-aec3-cb9272f09590");
    assert_eq!(version.resource_group(), Some("rg-web"));
    assert_eq!(version.provider(), Some("microsoft.compute"));
    assert_eq!(version.resource_type(), "microsoft.compute/galleries/images/versions");
    assert_eq!(version.name(), "1.10.0");
    assert_eq!(
        version.types_and_names().collect::<Vec<_>>(),
        [("galleries", "g"), ("images", "linux"), ("versions", "1.10.0")]
    );
    let mut levels = vec![version.clone()];
    while let Some(parent) = levels.last().unwrap().parent() {
        levels.push(parent);
    }
    let types: Vec<String> = levels.iter().map(ArmId::resource_type).collect();
    assert_eq!(
        types,
        [
            "microsoft.compute/galleries/images/versions",
            "microsoft.compute/galleries/images",
            "microsoft.compute/galleries",
            "microsoft.resources/resourcegroups",
            "microsoft.resources/subscriptions",
        ]
    );
    for level in &levels {
        assert!(version.is_within(level), "{level}");
        assert_eq!(level.as_str().parse::<ArmId>().unwrap(), *level);
    }
    assert!(!levels[1].is_within(&version));
    assert!(!id("/resourceGroups/rg-web2").is_within(&id("/resourceGroups/rg-web")));
    assert_eq!(version.image_kind(), Some(ImageIdKind::Version));
    assert_eq!(version.definition(), Some(levels[1].clone()));
    assert_eq!(levels[1].child("versions", "1.10.0").unwrap(), version);
}

#[test]
fn the_parent_of_an_extension_is_what_it_extends() {
    let lock = "/providers/Microsoft.Authorization/locks/keep";
    for scope in [
        String::new(),
        "/resourceGroups/web".to_owned(),
        "/resourceGroups/web/providers/Microsoft.Compute/galleries/g/images/linux".to_owned(),
        "/providers/Microsoft.Billing/accounts/a".to_owned(),
    ] {
        let own = id(&format!("{scope}{lock}"));
        assert_eq!(own.resource_type(), "microsoft.authorization/locks");
        assert_eq!(own.name(), "keep");
        assert_eq!(own.parent(), Some(id(&scope)));
    }
}

/// Every name can be that of a keyword.
#[test]
fn names_are_not_keywords() {
    let version =
        id("/resourceGroups/providers/providers/Microsoft.Compute/galleries/providers/images/\
                 resourceGroups/versions/1.0.0");
    assert_eq!(version.resource_group(), Some("providers"));
    assert_eq!(version.resource_type(), "microsoft.compute/galleries/images/versions");
    assert_eq!(version.image_kind(), Some(ImageIdKind::Version));
    let levels = std::iter::successors(Some(version), ArmId::parent);
    let names: Vec<String> = levels.map(|level| level.name().to_owned()).collect();
    let subscription = &SUBSCRIPTION["/subscriptions/".len()..];
    assert_eq!(names, ["1.0.0", "resourcegroups", "providers", "providers", subscription]);
    let image = id("/resourceGroups/a/providers/Microsoft.Compute/images/providers");
    assert_eq!(image.image_kind(), Some(ImageIdKind::ManagedImage));
}

#[test]
fn ids_in_a_marketplace_are_resources_of_a_subscription() {
    let id =
        id("/Providers/Microsoft.Compute/Locations/eastus/Publishers/Canonical/ArtifactTypes/\
                 VMImage/Offers/UbuntuServer/Skus/16.04-LTS/Versions/16.04.202109280");
    assert_eq!(id.resource_group(), None);
    assert_eq!(id.image_kind(), None);
}

#[test]
fn malformed_ids_are_rejected() {
    let subscription = |rest: &str| format!("{SUBSCRIPTION}{rest}");
    for (text, problem) in [
        (String::new(), "expected it to begin with /subscriptions/"),
        ("subscriptions/x".to_owned(), "expected it to begin with /subscriptions/"),
        ("/providers/Microsoft.Compute/images/a".to_owned(), "expected it to begin with"),
        ("/subscriptions".to_owned(), "expected it to begin with /subscriptions/"),
        ("/subscriptions/web".to_owned(), "its subscription is not a GUID"),
        (
            "/subscriptions/{0b1f6471-1bf0-4dda-aec3-cb9272f09590}".to_owned(),
            "its subscription is not a GUID",
        ),
        (
            "/subscriptions/0b1f64711bf04ddaaec3cb9272f09590".to_owned(),
            "its subscription is not a GUID",
        ),
        (subscription("/"), "an empty segment"),
        (subscription("/resourceGroups//providers"), "an empty segment"),
        (subscription("/resourceGroups"), "its resource group has no name"),
        (subscription("/resourceGroups/../providers/a/b/c"), "consists of dots"),
        (subscription("/resourceGroups/a?b"), "a control character, or one of"),
        (subscription("/resourceGroups/a#b"), "a control character, or one of"),
        (subscription("/resourceGroups/a%2e"), "a control character, or one of"),
        (subscription("/resourceGroups/a\\b"), "a control character, or one of"),
        (subscription("/resourceGroups/a\nb"), "a control character, or one of"),
        (subscription("/images/a"), "expected /providers/ and a namespace"),
        (subscription("/resourceGroups/a/images/b"), "expected /providers/ and a namespace"),
        (subscription("/providers"), "expected /providers/ and a namespace"),
        (subscription("/providers/a"), "expected a type and a name after the namespace"),
        (subscription("/providers/a/b"), "its last type has no name"),
        (subscription("/providers/a/b/c/d"), "its last type has no name"),
        (subscription("/providers/a/b/c/providers/d"), "expected a type and a name"),
        (subscription(&format!("/resourceGroups/{}", "a".repeat(2_048))), "longer than 2,048"),
    ] {
        let error = text.parse::<ArmId>().unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
        assert!(error.len() < 500 && !error.contains('\n'), "{error}");
    }
}

#[test]
fn version_numbers_are_ordered_numerically() {
    let number = |text: &str| text.parse::<VersionNumber>().unwrap();
    assert!(number("1.10.0") > number("1.9.99"));
    assert!(number("250627.19.42") > number("9.0.0"));
    assert_eq!(number("4294967295.0.1").to_string(), "4294967295.0.1");
    for bad in [
        "",
        "1",
        "1.0",
        "1.0.0.0",
        "1.0.",
        "1..0",
        "1.0.a",
        "1.0.-1",
        "1.0.+1",
        "1.0.01",
        "latest",
        "1.0.4294967296",
        " 1.0.0",
        "1.0.0\n",
        "١.0.0",
    ] {
        assert!(bad.parse::<VersionNumber>().is_err(), "{bad:?}");
    }
}

/// Folding must be stable: otherwise an ID that is read from its canonical spelling would differ.
#[test]
fn folding_is_stable_for_every_character() {
    let has_case = |one: &char| one.to_lowercase().ne([*one]) || one.to_uppercase().ne([*one]);
    for one in ('\0'..=char::MAX).filter(has_case).map(String::from) {
        let folded = fold_case(&one);
        assert_eq!(fold_case(&folded), folded, "{one:?}");
        for other in [one.to_uppercase(), one.to_lowercase()] {
            assert_eq!(fold_case(&other), folded, "{one:?} and {other:?}");
        }
    }
}

proptest! {
    /// Every ID that is accepted is read again from its canonical spelling, and from any other case.
    #[test]
    fn accepted_ids_are_read_again(text in "(/subscriptions/[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?\
        (/resourceGroups/[a-zA-Z.ßÄ]{1,4})?((/providers)?/[a-zA-Z.]{1,3}/([a-z%?]{0,3}|providers)){0,3}") {
        if let Ok(id) = text.parse::<ArmId>() {
            prop_assert_eq!(&id.as_str().parse::<ArmId>().unwrap(), &id);
            prop_assert_eq!(&text.to_uppercase().parse::<ArmId>().unwrap(), &id);
            prop_assert!(id.is_within(&id));
            if let Some(parent) = id.parent() {
                prop_assert!(id.is_within(&parent) && !parent.is_within(&id));
                prop_assert_eq!(parent.as_str().parse::<ArmId>().unwrap(), parent);
            }
            let pairs: String = id.types_and_names().map(|(one, name)| format!("/{one}/{name}")).collect();
            prop_assert!(id.as_str().ends_with(&pairs));
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = text.parse::<ArmId>();
        let _ = format!("{SUBSCRIPTION}{text}").parse::<ArmId>();
        let _ = text.parse::<VersionNumber>();
    }
}
