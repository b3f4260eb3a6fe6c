//! References to images: which images the launch sources mean.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use steward::cloud::{CloudError, ReferenceReader, SourceAnswer};
use steward::model::{
    AccountId, ImageId, Reference, ReferenceKind, ReferenceScope, SnapshotId, SnapshotReference,
    Source, TemplateVersions,
};

use crate::arm_id::ArmId;
use crate::azure::Azure;
use crate::galleries::{DefinitionContent, GalleryListing};
use crate::latest::latest;
use crate::launch_sources::{Launched, LaunchingResource};
use crate::types::{
    CreationData, GraphRow, ImageTarget, Location, ResourceKind, SharedGalleryKind, SharedImageId,
};

#[async_trait]
impl ReferenceReader for Azure {
    async fn list_references(&self, scope: &ReferenceScope) -> Vec<SourceAnswer> {
        self.search_in(&scope.accounts);
        let (galleries, sources, rows) =
            futures_util::join!(self.galleries(), self.fresh_launch_sources(), self.graph_rows());
        let galleries = match galleries {
            Ok(galleries) => galleries,
            Err(error) => return vec![answer(Source::ImageVersions, Err(error))],
        };
        let sources = match sources {
            Ok(sources) => sources,
            Err(error) => return vec![answer(Source::VirtualMachines, Err(error))],
        };
        let mut answers: Vec<SourceAnswer> = sources
            .0
            .iter()
            .map(|(source, found)| {
                let found = found.as_ref().map_err(Clone::clone);
                let found = found.map(|found| {
                    found.iter().flat_map(|one| self.means(one, &galleries)).collect()
                });
                answer(*source, found)
            })
            .collect();
        answers.push(answer(Source::ImageVersions, Ok(self.sources_of_versions(&galleries))));
        let searched = self.searched();
        let rows = rows.map(|rows| {
            let launching = rows.iter().map(|row| launch_source(row, &searched));
            launching.flat_map(|one| self.means(&one, &galleries)).collect()
        });
        let rows = rows.map(|rows| without_known(rows, &answers));
        answers.push(answer(Source::ResourceGraph, rows));
        answers
    }

    async fn find_references_to(
        &self,
        images: &[ImageId],
        _versions: TemplateVersions,
    ) -> Result<Vec<Reference>, CloudError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let (galleries, rows) = futures_util::try_join!(self.galleries(), self.graph_rows())?;
        let searched = self.searched();
        let launching = rows.iter().map(|row| launch_source(row, &searched));
        let all = launching.flat_map(|one| self.means(&one, &galleries));
        Ok(all.filter(|one| images.contains(&one.image_id)).collect())
    }

    async fn find_instances_of(&self, images: &[ImageId]) -> Result<Vec<Reference>, CloudError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let (galleries, sources) =
            futures_util::try_join!(self.galleries(), self.launch_sources())?;
        let launching: Vec<&LaunchingResource> = sources.all()?.collect();
        let galleries = self.with_recent_versions(galleries, &launching, images).await?;
        let all = launching.into_iter().flat_map(|one| self.means(one, &galleries));
        Ok(all.filter(|one| images.contains(&one.image_id)).collect())
    }

    async fn list_snapshot_references(
        &self,
        scope: &ReferenceScope,
    ) -> Result<Vec<SnapshotReference>, CloudError> {
        if self.accounts() != scope.accounts {
            self.search_in(&scope.accounts);
            self.fresh_launch_sources().await?;
        }
        let (galleries, sources, listed) = futures_util::try_join!(
            self.galleries(),
            self.launch_sources(),
            self.disks_and_snapshots()
        )?;
        let mut found = Vec::new();
        for version in galleries.needing_sources() {
            let kind = || ReferenceKind::ImageVersion;
            let sources = version.properties.sources();
            found.extend(
                sources.filter_map(|id| snapshot_reference(id, kind(), version.id.as_str())),
            );
        }
        for source in sources.all()? {
            for disk in &source.disks {
                found.extend(snapshot_reference(disk, source.kind.clone(), source.id.as_str()));
            }
        }
        for disk in &listed.disks {
            let kind = || ReferenceKind::Other("disk".into());
            found.extend(made_from(&disk.properties.creation_data, kind(), &disk.id));
            found.extend(managers(&disk.id, &disk.managed_by));
        }
        for snapshot in &listed.snapshots {
            let kind = || ReferenceKind::Other("snapshot".into());
            found.extend(made_from(&snapshot.properties.creation_data, kind(), &snapshot.id));
            found.extend(managers(&snapshot.id, &snapshot.managed_by));
        }
        Ok(found)
    }
}

impl Azure {
    /// The galleries with a new listing of the definitions of `images` from which a resource launches
    /// the latest version. Somebody may have excluded or deleted that version since.
    async fn with_recent_versions(
        &self,
        galleries: Arc<GalleryListing>,
        launching: &[&LaunchingResource],
        images: &[ImageId],
    ) -> Result<Arc<GalleryListing>, CloudError> {
        let of_images: BTreeSet<&str> = images.iter().filter_map(ImageId::definition).collect();
        let meant = |target: &ImageTarget| match target {
            ImageTarget::ManagedImage(_) | ImageTarget::Version(_) => None,
            ImageTarget::Definition { definition, .. } => Some(definition.clone()),
            ImageTarget::Shared(shared) => {
                shared_definition(shared, &galleries).map(|one| one.definition.id.clone())
            }
        };
        let meant: BTreeSet<ArmId> = launching
            .iter()
            .flat_map(|one| &one.targets)
            .filter_map(meant)
            .filter(|id| of_images.contains(id.as_str()))
            .collect();
        if meant.is_empty() {
            return Ok(galleries);
        }
        let listed = try_join_all(meant.iter().map(|id| self.list_versions(id))).await?;
        let mut recent = GalleryListing::clone(&galleries);
        for (id, versions) in meant.iter().zip(listed) {
            recent.replace_versions(id, versions);
        }
        Ok(Arc::new(recent))
    }

    /// The images of the own subscription that a launch source means.
    fn means(&self, source: &LaunchingResource, galleries: &GalleryListing) -> Vec<Reference> {
        let mut found = BTreeSet::new();
        for target in &source.targets {
            match target {
                ImageTarget::ManagedImage(id) | ImageTarget::Version(id) => {
                    found.insert((id.clone(), None));
                }
                ImageTarget::Definition { definition, exact } => {
                    let exact = exact.as_ref();
                    add_definition(source, galleries.definition(definition), exact, &mut found);
                }
                ImageTarget::Shared(shared) => {
                    let definition = shared_definition(shared, galleries);
                    let version = definition.zip(shared.version).and_then(|(one, version)| {
                        one.definition.id.child("versions", &version.to_string()).ok()
                    });
                    match version {
                        Some(version) => {
                            found.insert((version, None));
                        }
                        None => add_definition(source, definition, None, &mut found),
                    }
                }
            }
        }
        if let Launched::Version(version) = &source.launched {
            found.insert((version.clone(), None));
        }
        let own = |(id, version): (ArmId, Option<String>)| {
            let image_id: ImageId = id.as_str().parse().ok()?;
            (image_id.account_in_id() == Some(self.subscription.as_str())).then(|| Reference {
                version: version.map(Into::into),
                name: source.name.as_deref().map(Into::into),
                ..Reference::new(image_id, source.kind.clone(), source.id.as_str())
            })
        };
        found.into_iter().filter_map(own).collect()
    }

    /// The images that versions need as their source.
    fn sources_of_versions(&self, galleries: &GalleryListing) -> Vec<Reference> {
        galleries
            .needing_sources()
            .flat_map(|version| {
                let own = version.properties.sources().filter_map(|id| ImageTarget::of(id, None));
                let shared = version.properties.shared_sources().cloned().map(ImageTarget::Shared);
                let source = LaunchingResource {
                    kind: ReferenceKind::ImageVersion,
                    id: version.id.to_string(),
                    name: None,
                    location: None,
                    targets: own.chain(shared).collect(),
                    launched: Launched::Nothing,
                    disks: Vec::new(),
                };
                self.means(&source, galleries)
            })
            .collect()
    }
}

/// Adds the versions that a definition means: the one that a running resource was launched from, and
/// the one that it would launch today. All versions if either cannot be determined.
fn add_definition(
    source: &LaunchingResource,
    definition: Option<&DefinitionContent>,
    exact: Option<&ArmId>,
    found: &mut BTreeSet<(ArmId, Option<String>)>,
) {
    // Without the definition, there is no version that could be removed.
    let Some(one) = definition else { return };
    found.extend(exact.map(|exact| (exact.clone(), None)));
    let facts = one.facts();
    let location = match source.launched {
        Launched::Unknown => None,
        _ => source.location.as_ref(),
    };
    let meant = latest(&facts, location);
    let label = label(location, meant.is_certain);
    found.extend(meant.versions.into_iter().map(|one| (one.id.clone(), Some(label.clone()))));
}

fn label(location: Option<&Location>, is_certain: bool) -> String {
    match location {
        Some(location) if is_certain => format!("latest in {location}"),
        Some(location) => format!("latest in {location}, not resolved"),
        None => "latest, not resolved".to_owned(),
    }
}

/// The own definition with this name in a shared gallery.
fn shared_definition<'a>(
    shared: &SharedImageId,
    galleries: &'a GalleryListing,
) -> Option<&'a DefinitionContent> {
    let is_meant = |gallery: &crate::types::Gallery| match shared.kind {
        SharedGalleryKind::Direct => gallery.unique_names().contains(&shared.gallery),
        SharedGalleryKind::Community => {
            gallery.properties.sharing.public_names.contains(&shared.gallery)
        }
    };
    let gallery = galleries.galleries.iter().find(|one| is_meant(&one.gallery))?;
    gallery.definitions.iter().find(|one| one.definition.id.name() == shared.definition)
}

/// A row of Resource Graph as a launch source. The subscriptions in `searched` are also read by the
/// Compute API, which shows the versions of what is running there. Elsewhere, only the row can.
fn launch_source(row: &GraphRow, searched: &[AccountId]) -> LaunchingResource {
    let kind = match &row.kind {
        ResourceKind::VirtualMachine => ReferenceKind::VirtualMachine,
        ResourceKind::ScaleSet => ReferenceKind::ScaleSet,
        ResourceKind::ScaleSetInstance => ReferenceKind::ScaleSetInstance,
        ResourceKind::BuilderTemplate => ReferenceKind::ImageTemplate,
        ResourceKind::Other(word) => ReferenceKind::Other(word.as_str().into()),
    };
    let parsed = ArmId::parse(&row.resource).ok();
    let is_searched = |id: &ArmId| searched.iter().any(|one| one.as_str() == id.subscription());
    let is_running =
        matches!(kind, ReferenceKind::VirtualMachine | ReferenceKind::ScaleSetInstance);
    let launched = match is_running && !parsed.as_ref().is_some_and(is_searched) {
        true => Launched::of(row.targets.iter()),
        false => Launched::Nothing,
    };
    let id = parsed.map_or_else(|| row.resource.clone(), |id| id.to_string());
    LaunchingResource {
        kind,
        id,
        name: None,
        location: row.location.clone(),
        targets: row.targets.iter().cloned().collect(),
        launched,
        disks: Vec::new(),
    }
}

/// The references that the listings do not contain. A listing has the name of the resource too.
fn without_known(mut rows: Vec<Reference>, answers: &[SourceAnswer]) -> Vec<Reference> {
    let listed = answers.iter().flat_map(|one| one.found.iter().flatten());
    let known: HashSet<(&ImageId, &str)> =
        listed.map(|one| (&one.image_id, one.arn.as_ref())).collect();
    rows.retain(|one| !known.contains(&(&one.image_id, one.arn.as_ref())));
    rows
}

fn answer(source: Source, found: Result<Vec<Reference>, CloudError>) -> SourceAnswer {
    SourceAnswer { source, found, ignored: Vec::new() }
}

fn snapshot_reference(
    used: &ArmId,
    kind: ReferenceKind,
    by: impl Into<Arc<str>>,
) -> Option<SnapshotReference> {
    let snapshot_id: SnapshotId = used.as_str().parse().ok()?;
    Some(SnapshotReference { snapshot_id, kind, arn: by.into(), version: None })
}

/// The snapshot or disk that a disk or snapshot was created from. A copy does not need it when it is
/// complete, but an incremental snapshot may.
fn made_from(data: &CreationData, kind: ReferenceKind, by: &ArmId) -> Option<SnapshotReference> {
    snapshot_reference(data.source.as_ref()?, kind, by.as_str())
}

fn managers(used: &ArmId, by: &[ArmId]) -> Vec<SnapshotReference> {
    let kind = |id: &ArmId| match id.resource_type().as_str() {
        "microsoft.compute/virtualmachines" => ReferenceKind::VirtualMachine,
        "microsoft.compute/virtualmachinescalesets/virtualmachines" => {
            ReferenceKind::ScaleSetInstance
        }
        other => ReferenceKind::Other(other.into()),
    };
    by.iter().filter_map(|id| snapshot_reference(used, kind(id), id.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OTHER: &str = "11111111-1111-1111-1111-111111111111";

    fn row(resource_type: &str, reference: &serde_json::Value) -> GraphRow {
        let row = json!({
            "id": format!("/subscriptions/{OTHER}/resourceGroups/g/providers/{resource_type}/one"),
            "type": resource_type, "location": "westus",
            "properties": {"storageProfile": {"imageReference": reference}},
        });
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn a_machine_elsewhere_that_names_only_a_definition_may_have_any_version() {
        let definition = format!(
            "/subscriptions/{OTHER}/resourceGroups/g/providers/Microsoft.Compute/galleries/g/images/i"
        );
        let latest = json!({"id": definition});
        let exact = json!({"id": definition, "exactVersion": "1.0.0"});
        let machine = "Microsoft.Compute/virtualMachines";
        let set = "Microsoft.Compute/virtualMachineScaleSets";
        let launched =
            |row: &GraphRow, searched: &[AccountId]| launch_source(row, searched).launched;
        assert_eq!(launched(&row(machine, &latest), &[]), Launched::Unknown);
        assert_eq!(launched(&row(machine, &exact), &[]), Launched::Named);
        assert_eq!(launched(&row(set, &latest), &[]), Launched::Nothing);
        // Its disks were read.
        let searched = [OTHER.parse().unwrap()];
        assert_eq!(launched(&row(machine, &latest), &searched), Launched::Nothing);
    }

    #[test]
    fn a_row_about_a_listed_resource_is_no_second_reference() {
        let group = "/subscriptions/0f0e0d0c-1234-5678-9abc-def012345678/resourcegroups/g";
        let image = |name| format!("{group}/providers/microsoft.compute/images/{name}");
        let reference = |name, by: &str| {
            let image: ImageId = image(name).parse().unwrap();
            Reference::new(image, ReferenceKind::VirtualMachine, by)
        };
        let listed = Reference { name: Some("vm".into()), ..reference("a", "vm") };
        let failed = CloudError {
            call: "Microsoft.Compute/virtualMachineScaleSets/read",
            kind: steward::cloud::ErrorKind::Denied,
            code: String::new(),
            message: String::new(),
        };
        let answers = [
            answer(Source::VirtualMachines, Ok(vec![listed])),
            answer(Source::ScaleSets, Err(failed)),
        ];
        let others = [reference("b", "vm"), reference("a", "another vm")];
        let mut rows = vec![reference("a", "vm")];
        rows.extend(others.clone());
        assert_eq!(without_known(rows, &answers), others);
    }
}
