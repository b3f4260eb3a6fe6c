//! References to images: which images the launch sources mean.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use steward::cloud::{CloudError, ReferenceReader, SourceAnswer};
use steward::model::{
    ImageId, Reference, ReferenceKind, ReferenceScope, SnapshotId, SnapshotReference, Source,
    TemplateVersions,
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
        let rows = rows.map(|rows| {
            rows.iter().flat_map(|row| self.means(&launch_source(row), &galleries)).collect()
        });
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
        let all = rows.iter().flat_map(|row| self.means(&launch_source(row), &galleries));
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

/// A row of Resource Graph as a launch source.
fn launch_source(row: &GraphRow) -> LaunchingResource {
    let kind = match &row.kind {
        ResourceKind::VirtualMachine => ReferenceKind::VirtualMachine,
        ResourceKind::ScaleSet => ReferenceKind::ScaleSet,
        ResourceKind::ScaleSetInstance => ReferenceKind::ScaleSetInstance,
        ResourceKind::BuilderTemplate => ReferenceKind::ImageTemplate,
        ResourceKind::Other(word) => ReferenceKind::Other(word.as_str().into()),
    };
    let id = ArmId::parse(&row.resource).map_or_else(|_| row.resource.clone(), |id| id.to_string());
    LaunchingResource {
        kind,
        id,
        name: None,
        location: row.location.clone(),
        targets: row.targets.iter().cloned().collect(),
        launched: Launched::Nothing,
        disks: Vec::new(),
    }
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
