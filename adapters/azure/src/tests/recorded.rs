//! The recorded responses and the official examples are decoded with the values that decide.

use jiff::Timestamp;

use super::{decode, decode_all, fixture, read};
use crate::arm_id::{ArmId, fold_case};
use crate::latest::{VersionFacts, latest, replication_to_read};
use crate::types::*;

fn one<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let mut all = read::<T>(name);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

fn ends(id: &ArmId, end: &str) -> bool {
    id.as_str().ends_with(end)
}

#[test]
fn galleries() {
    let gallery: Gallery = one("gallery-soft-delete.json");
    let policy = &gallery.properties.soft_delete;
    assert!(policy.is_enabled);
    assert_eq!((policy.retention_period_in_days, policy.grace_period_in_days), (Some(31), Some(8)));
    assert!(!gallery.properties.sharing.is_shared());
    let unique = "f758ac53-3e63-4317-a956-0997793808d7-sig_yw2kpe";
    assert_eq!(gallery.properties.unique_name.as_deref(), Some(unique));

    let gallery: Gallery = one("gallery-private.json");
    assert!(!gallery.properties.soft_delete.is_enabled);
    assert!(!gallery.properties.sharing.is_shared());

    let sharing = one::<Gallery>("gallery-groups.json").properties.sharing;
    assert!(sharing.is_shared());
    let groups = sharing.groups.unwrap();
    assert_eq!(groups[0].kind, SharingGroupKind::Subscriptions);
    assert_eq!(groups[0].ids.len(), 2);
    assert_eq!(groups[1].kind, SharingGroupKind::AADTenants);

    let sharing = one::<Gallery>("gallery-community.json").properties.sharing;
    assert_eq!(sharing.permission, SharingPermission::Community);
    assert_eq!(sharing.public_names, ["gallerypublicname"]);
}

#[test]
fn definitions() {
    let definition: ImageDefinition = one("definition.json");
    let properties = &definition.properties;
    assert_eq!(properties.os_type, OsType::Linux);
    assert_eq!(properties.os_state, OsState::Generalized);
    assert_eq!(properties.architecture, Some(Architecture::x64));
    assert_eq!(properties.hyper_v_generation, Some(HyperVGeneration::V1));
    assert!(definition.tags.is_empty());
}

#[test]
fn versions() {
    let version: ImageVersion = one("version-vm-source.json");
    assert_eq!(version.number().unwrap().to_string(), "1.1.1");
    let properties = &version.properties;
    assert_eq!(properties.provisioning_state, ProvisioningState::Succeeded);
    let published = properties.publishing_profile.published_date;
    assert_eq!(published, time("2026-09-22T06:56:50.5767097Z"));
    assert!(properties.sources().all(|source| ends(source, "/virtualmachines/vm1")));
    assert_eq!(properties.sources().count(), 1);
    assert!(!properties.needs_sources() && !properties.is_shallow());
    assert_eq!(properties.size_gb(), Some(30));
    assert!(!properties.blocks_deletion(Timestamp::UNIX_EPOCH));

    let version: ImageVersion = one("version-updating.json");
    assert_eq!(version.properties.provisioning_state, ProvisioningState::Updating);
    assert!(version.properties.needs_sources());

    let version: ImageVersion = one("version-region-excluded.json");
    let regions = version.properties.publishing_profile.target_regions.unwrap();
    let excluded: Vec<_> =
        regions.iter().map(|region| (region.name.as_str(), region.exclude_from_latest)).collect();
    assert_eq!(excluded, [("westus", false), ("westcentralus", true)]);

    let version: ImageVersion = one("version-end-of-life.json");
    let end = version.properties.publishing_profile.end_of_life_date;
    assert_eq!(end, time("2026-12-31T12:59:59Z"));

    let version: ImageVersion = one("version-shallow.json");
    assert!(version.properties.is_shallow() && version.properties.needs_sources());
    assert!(version.properties.sources().all(|source| ends(source, "/images/imagename")));

    // A complete version with a mode that is not known may be shallow.
    let text = fixture("version-shallow.json").replace("\"Creating\"", "\"Succeeded\"");
    for (mode, is_shallow) in
        [("Shallow", true), ("shallow", true), ("Full", false), ("Deep", true)]
    {
        let text = text.replace("\"Shallow\"", &format!("\"{mode}\""));
        let version: ImageVersion = decode(&text).unwrap();
        assert_eq!(version.properties.needs_sources(), is_shallow, "{mode}");
    }

    let version: ImageVersion = one("version-snapshot-source.json");
    assert_eq!(version.properties.sources().count(), 2);

    let deleted: SoftDeletedVersion = one("soft-deleted-versions.json");
    assert!(ends(&deleted.properties.version, "/images/img_000003/versions/1.1.1"));
    assert_eq!(deleted.properties.hard_deletion_target_time, time("2026-10-31T07:04:07.3954716Z"));
    assert_eq!(deleted.properties.consumption_end_time, time("2026-10-23T07:04:07.3954716Z"));
}

/// Azure created the virtual machine from the definition, whose versions were listed before.
#[test]
fn azure_started_the_version_that_is_computed_as_the_latest() {
    let listed: Vec<ImageVersion> = read("versions.json");
    let machine: VirtualMachine = one("virtual-machine-definition.json");
    let targets = machine.properties.storage.targets();
    let [ImageTarget::Definition { definition, exact: Some(exact) }] = targets.as_slice() else {
        panic!("{targets:?}");
    };
    assert!(ends(definition, "/images/image1") && ends(exact, "/versions/1.1.3"));

    let mut versions: Vec<VersionFacts> = listed.iter().map(VersionFacts::from).collect();
    let region = machine.region().unwrap();
    assert_eq!(latest(&versions, Some(region)).versions.len(), 2);
    // The list has no replication status.
    assert_eq!(&replication_to_read(&versions, region).unwrap().id, exact);
    for version in &mut versions {
        for region in version.regions.iter_mut().flatten() {
            region.replication = Some(ReplicationState::Completed);
        }
    }
    let found = latest(&versions, Some(region));
    assert!(found.is_certain);
    assert_eq!(&found.versions[0].id, exact);
    // 1.1.3 was not replicated to the other region.
    let found = latest(&versions, Location::new("West US 2").as_ref());
    assert!(found.is_certain && ends(&found.versions[0].id, "/versions/1.1.2"));
}

#[test]
fn managed_images() {
    let image: ManagedImage = one("managed-images.json");
    let sources: Vec<&str> = image.properties.sources().map(ArmId::name).collect();
    assert_eq!(sources, ["mysnapshot1", "mymanageddisk1", "mysnapshot2", "mymanageddisk2"]);
    assert_eq!(image.properties.storage_profile.os_disk.os_state, OsState::Generalized);
    // The example has a state that Azure does not document.
    assert_eq!(image.properties.provisioning_state.to_string(), "created");
    assert_eq!(image.properties.size_gb(), None);
    assert_eq!(image.location.as_str(), "westus");
    assert_eq!(image.system_data, SystemData::default());
}

#[test]
fn virtual_machines() {
    let machines: Vec<VirtualMachine> = read("virtual-machines.json");
    for machine in &machines {
        assert!(machine.properties.storage.image.as_ref().unwrap().marketplace);
        assert!(machine.properties.storage.targets().is_empty());
    }
    let storage = &machines[0].properties.storage;
    // The resource group is in another case.
    assert_eq!(storage.data_disks[0].resource_group(), machines[0].id.resource_group());
    assert_eq!(machines[1].tags["testtag"], "testvalue");
}

#[test]
fn scale_sets() {
    let set: ScaleSet = one("scale-set-shared.json");
    assert!(set.properties.has_own_instances());
    let targets = set.properties.model.unwrap().targets();
    let id = "/SharedGalleries/0b1f6471-1bf0-4dda-aec3-cb9272f09590-GELLERYIYETCQAE3/Images/image000008/Versions/1.1.2";
    assert_eq!(targets, [ImageTarget::Shared(id.parse().unwrap())]);
    // The gallery has the unique name by which the scale set names it.
    let gallery: Gallery = one("gallery-private.json");
    let ImageTarget::Shared(shared) = &targets[0] else { unreachable!() };
    assert_eq!(Some(&shared.gallery), gallery.properties.unique_name.as_ref());

    let set: ScaleSet = one("scale-set-definition.json");
    let targets = set.properties.model.unwrap().targets();
    assert!(matches!(&targets[0], ImageTarget::Definition { exact: None, .. }));

    let set: ScaleSet = one("scale-set-flexible-empty.json");
    assert!(!set.properties.has_own_instances());
    assert_eq!(set.properties.model, None);

    let instance: ScaleSetInstance = one("scale-set-instance.json");
    assert_eq!(instance.properties.latest_model_applied, Some(true));
    assert!(instance.properties.storage.targets().is_empty());
}

#[test]
fn disks_and_snapshots() {
    let disks: Vec<Disk> = read("disks.json");
    let unattached: Vec<bool> = disks.iter().map(Disk::is_unattached).collect();
    assert_eq!(unattached, [true, false, true, false]);
    let targets: Vec<Vec<ImageTarget>> =
        disks.iter().map(|disk| disk.properties.creation_data.targets()).collect();
    assert!(targets[0].is_empty() && targets[1].is_empty());
    for (targets, end) in targets[2..].iter().zip(["/versions/250627.19.42", "/versions/1.0.0"]) {
        let [ImageTarget::Version(version)] = targets.as_slice() else { panic!("{targets:?}") };
        assert!(ends(version, end));
    }
    let snapshots: Vec<DiskSnapshot> = read("snapshots.json");
    assert!(ends(snapshots[0].properties.creation_data.source.as_ref().unwrap(), "/mysnapshot"));
    assert_eq!(snapshots[1].properties.creation_data.create_option, CreateOption::Import);
    // The example has no state.
    assert!(!snapshots[0].is_unattached());
    let locked: DiskSnapshot = one("snapshot-locked.json");
    assert!(locked.properties.immutability_policy.as_ref().unwrap().may_apply());
    assert!(locked.properties.incremental && !locked.is_unattached());
}

#[test]
fn locks() {
    let lock: Lock = one("locks.json");
    assert_eq!(lock.level, LockLevel::ReadOnly);
    let within = lock.scope.clone().unwrap().child("providers/a/b", "c").unwrap();
    assert!(lock.applies_to(&within));
    let other: ArmId = "/subscriptions/00000000-0000-0000-0000-000000000000".parse().unwrap();
    assert!(!lock.applies_to(&other));
    // A lock whose ID is not understood applies to everything.
    let text = fixture("locks.json").replace("/resourceGroups/", "/resourceGroups//");
    let lock = decode_all::<Lock>(&text).unwrap().remove(0);
    assert!(lock.scope.is_none() && lock.applies_to(&other));
}

#[test]
fn image_templates() {
    let templates: Vec<BuilderTemplate> = read("image-templates.json");
    let targets = templates[0].properties.source.targets();
    assert!(matches!(&targets[0], ImageTarget::ManagedImage(id) if ends(id, "/source_image")));
    assert!(ends(&templates[0].properties.distributes_to[0], "/images/image_it_1"));
    assert_eq!(templates[1].properties.source, TemplateSource::Platform);

    let template: BuilderTemplate = one("image-template-platform.json");
    assert_eq!(template.properties.source, TemplateSource::Platform);
    assert!(ends(&template.properties.distributes_to[0], "/galleries/sig1000003/images/image1"));

    let template: BuilderTemplate = one("image-template-managed.json");
    let targets = template.properties.source.targets();
    assert!(matches!(&targets[0], ImageTarget::ManagedImage(id) if ends(id, "/img_1")));

    let template: BuilderTemplate = one("image-template-version.json");
    let targets = template.properties.source.targets();
    assert!(matches!(&targets[0], ImageTarget::Definition { definition, .. }
        if ends(definition, "/images/image1")));
}

#[test]
fn subscriptions() {
    let all: Vec<Subscription> = read("subscriptions.json");
    assert_eq!(all[0].id, "291bba3f-e0a5-47bc-a099-3bdcb2a50a05");
    assert_eq!(all[1].state, SubscriptionState::Enabled);
}

#[test]
fn graph_rows() {
    let rows: Vec<GraphRow> = read("graph-rows.json");
    let kinds: Vec<&ResourceKind> = rows.iter().map(|row| &row.kind).collect();
    let other = |text: &str| ResourceKind::Other(text.to_owned());
    assert_eq!(
        kinds,
        [
            &ResourceKind::VirtualMachine,
            &ResourceKind::ScaleSet,
            &other("microsoft.batch/batchaccounts/pools"),
            &other("microsoft.azurefleet/fleets"),
        ]
    );
    let targets: Vec<&ImageTarget> = rows.iter().flat_map(|row| &row.targets).collect();
    assert_eq!(targets.len(), 4);
    // In upper case in the row.
    assert!(matches!(targets[0], ImageTarget::Definition { exact: Some(exact), .. }
        if ends(exact, "/images/image1/versions/1.1.3")));
    assert!(matches!(targets[1], ImageTarget::Shared(_)));
    assert!(matches!(targets[2], ImageTarget::Version(id) if ends(id, "/versions/1.1.2")));
    // Within JSON in a text.
    assert!(matches!(targets[3], ImageTarget::ManagedImage(id) if ends(id, "/images/golden")));
    assert_eq!(rows[2].location, None);
}

/// Words are read in any case, and placeholders are no times.
#[test]
fn words_and_times_are_read_tolerantly() {
    let text = fixture("version-end-of-life.json");
    let state = text.replace("\"Succeeded\"", "\"SUCCEEDED\"");
    let version: ImageVersion = decode(&state).unwrap();
    assert_eq!(version.properties.provisioning_state, ProvisioningState::Succeeded);
    let with_end = |end: &str| -> Result<Option<Timestamp>, String> {
        let version = decode::<ImageVersion>(&text.replace("2026-12-31T12:59:59+00:00", end));
        let version = version.map_err(|error| error.to_string())?;
        Ok(version.properties.publishing_profile.end_of_life_date)
    };
    assert_eq!(with_end("0001-01-01T00:00:00+00:00"), Ok(None));
    assert_eq!(with_end("0001-01-01T00:00:00"), Ok(None));
    assert_eq!(with_end("9999-12-31T23:59:59.9999999+00:00"), Ok(Some(Timestamp::MAX)));
    assert!(
        with_end("soon").unwrap_err().starts_with("properties.publishingProfile.endOfLifeDate")
    );
    // Blocked without a date means blocked.
    let blocked = text.replace(
        "\"blockDeletionBeforeEndOfLife\": false",
        "\"blockDeletionBeforeEndOfLife\": true",
    );
    let before = Timestamp::UNIX_EPOCH;
    let after: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    let version: ImageVersion = decode(&blocked).unwrap();
    assert!(version.properties.blocks_deletion(before));
    assert!(!version.properties.blocks_deletion(after));
    let version: ImageVersion =
        decode(&blocked.replace("2026-12-31T12:59:59+00:00", "0001-01-01T00:00:00Z")).unwrap();
    assert!(version.properties.blocks_deletion(after));
}

#[test]
fn a_tag_with_two_values_is_rejected() {
    let text = fixture("virtual-machines.json")
        .replace("\"testtag\": \"testvalue\"", "\"testtag\": \"testvalue\", \"testtag\": \"\"");
    let error = decode_all::<VirtualMachine>(&text).unwrap_err().to_string();
    assert!(error.starts_with("value[1].tags") && error.contains("`testtag`"), "{error}");
}

#[test]
fn a_resource_of_another_type_or_name_is_rejected() {
    let text = fixture("definition.json");
    let error = decode::<Gallery>(&text).unwrap_err().to_string();
    assert!(error.contains("is of type microsoft.compute/galleries/images: expected"), "{error}");
    let other = text.replace("\"name\": \"image1\"", "\"name\": \"image2\"");
    let error = decode::<ImageDefinition>(&other).unwrap_err().to_string();
    assert!(error.contains("the name in `") && error.contains("is not `image2`"), "{error}");
}

/// What a virtual machine was made from must not get lost.
#[test]
fn a_machine_from_an_image_names_the_image() {
    let text = fixture("virtual-machine-definition.json");
    let without = text.replace("imageReference", "imageReferenz");
    let error = decode::<VirtualMachine>(&without).unwrap_err().to_string();
    assert!(error.contains("missing field `imageReference`"), "{error}");
    // A virtual machine whose disk existed before has no image.
    let attached = without.replace("FromImage", "Attach");
    let machine: VirtualMachine = decode(&attached).unwrap();
    assert_eq!(machine.properties.storage.image, None);
    let unknown = without.replace("FromImage", "FromTomorrow");
    assert!(decode::<VirtualMachine>(&unknown).is_err());
    let edge = text.replace(
        "\"location\": \"eastus2\"",
        "\"location\": \"eastus2\", \"extendedLocation\": {\"name\": \"losangeles\", \"type\": \"EdgeZone\"}",
    );
    assert_eq!(decode::<VirtualMachine>(&edge).unwrap().region(), None);
    assert_eq!(fold_case("EastUS2"), decode::<VirtualMachine>(&text).unwrap().location.as_str());
}
