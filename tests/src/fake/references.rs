//! References to images and snapshots.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use steward::cloud::{CloudError, ErrorKind, ReferenceReader, SourceAnswer};
use steward::model::{
    IgnoredTemplate, ImageId, Reference, ReferenceKind, ReferenceScope, SnapshotReference, Source,
    TemplateVersions,
};

use super::faults::Faults;
use super::launch_sources::{FakeLaunchSource, FakeLaunchSources};
use super::state::State;
use super::templates::{self, AliasedImages, ReadVersion, VersionId};
use super::{Call, Fake};
use crate::fleet::{Parameter, RecipeKind};

/// The sources that launch instances from templates.
const LAUNCHING: [Source; 4] =
    [Source::AutoScalingGroups, Source::Fleets, Source::SpotFleets, Source::ComputeEnvironments];

type FoundReferences = Result<Vec<Reference>, CloudError>;

#[async_trait]
impl ReferenceReader for Fake {
    async fn list_references(&self, scope: &ReferenceScope) -> Vec<SourceAnswer> {
        let mut inner = self.begin(Call::ListReferences(scope.clone()));
        let (state, faults) = inner.listing();
        let found_instances = faults
            .check("ec2:DescribeInstances", &[])
            .and_then(|()| faults.check_pages("ec2:DescribeInstances", state.instances.len(), 1000))
            .map(|()| instances(state));
        let configurations = configurations(state, faults);
        let launch_sources = FakeLaunchSources::read(state, faults, scope.compute_environments);
        let mut images = AliasedImages::default();
        let templates = templates::read(state, faults, scope.versions, &launch_sources.pinned());
        let mut ignored = Vec::new();
        let templates = templates
            .and_then(|read| by_templates(state, faults, &read, scope, &mut images, &mut ignored));
        let mut by_source = Vec::new();
        for (source, found) in launch_sources.sources() {
            let found = found.and_then(|found| {
                let missing = templates.as_ref().err();
                by_launch_sources(state, faults, found, missing, scope, &mut images)
            });
            by_source.push((source, found));
        }
        // A reference is stale if it is known that nothing refers to it.
        let read = |source| by_source.iter().all(|(one, found)| *one != source || found.is_ok());
        let versions = LAUNCHING.into_iter().all(read).then(|| launch_sources.versions(state));
        let names = read(Source::AutoScalingGroups).then(|| launch_sources.launch_configurations());
        let templates = templates.map(|found| marked(found, versions.as_ref()));
        let configurations = configurations.map(|found| marked(found, names.as_ref()));
        [
            (Source::Instances, found_instances),
            (Source::LaunchTemplates, templates),
            (Source::LaunchConfigurations, configurations),
        ]
        .into_iter()
        .chain(by_source)
        .map(|(source, found)| {
            let is_templates = source == Source::LaunchTemplates;
            let ignored = if is_templates { std::mem::take(&mut ignored) } else { Vec::new() };
            SourceAnswer { source, found: found.map(in_order), ignored }
        })
        .collect()
    }

    /// The references that the provider itself finds, with ten images per call.
    async fn find_references_to(
        &self,
        images: &[ImageId],
        versions: TemplateVersions,
    ) -> Result<Vec<Reference>, CloudError> {
        const ACTION: &str = "ec2:DescribeImageReferences";
        let mut inner = self.begin(Call::FindReferencesTo(images.to_vec(), versions));
        // The call has IDs as parameters, but shows the same state as a listing.
        let (state, faults) = inner.listing();
        let mut known: BTreeMap<ImageId, Vec<Reference>> = BTreeMap::new();
        for reference in known_to_ec2(state, versions) {
            known.entry(reference.image_id.clone()).or_default().push(reference);
        }
        let mut found = Vec::new();
        for some in images.chunks(10) {
            let about: Vec<&str> = some.iter().map(ImageId::as_str).collect();
            let there = match faults.check(ACTION, &about) {
                Err(error) if error.kind == ErrorKind::NotFound => there(faults, ACTION, some)?,
                answer => answer.map(|()| some.iter().collect())?,
            };
            let of_some = there.into_iter().filter_map(|image| known.get(image)).flatten();
            faults.check_pages(ACTION, of_some.clone().count(), 1000)?;
            found.extend(of_some.cloned());
        }
        Ok(in_order(found))
    }

    async fn find_instances_of(&self, images: &[ImageId]) -> Result<Vec<Reference>, CloudError> {
        let mut inner = self.begin(Call::FindInstancesOf(images.to_vec()));
        let about: Vec<&str> = images.iter().map(ImageId::as_str).collect();
        if !about.is_empty() {
            inner.faults.check("ec2:DescribeInstances", &about)?;
        }
        let all = instances(&inner.state);
        Ok(all.into_iter().filter(|reference| images.contains(&reference.image_id)).collect())
    }

    /// The snapshots in launch configurations and in the template versions of this scope.
    async fn list_snapshot_references(
        &self,
        scope: &ReferenceScope,
    ) -> Result<Vec<SnapshotReference>, CloudError> {
        let mut inner = self.begin(Call::ListSnapshotReferences(scope.clone()));
        let (state, faults) = inner.listing();
        let read = templates::read(state, faults, scope.versions, &BTreeSet::new())?;
        let configurations = configurations(state, faults)?;
        let by_configurations = configurations.into_iter().zip(&state.rest.launch_configurations);
        let by_configurations = by_configurations.flat_map(|((_, reference), configuration)| {
            configuration.snapshots.iter().map(move |snapshot| SnapshotReference {
                snapshot_id: snapshot.clone(),
                kind: reference.kind.clone(),
                arn: reference.arn.clone(),
                version: None,
            })
        });
        let named = read.iter().flat_map(|one| {
            one.version.snapshots.iter().map(|snapshot| SnapshotReference {
                snapshot_id: snapshot.clone(),
                kind: ReferenceKind::LaunchTemplate,
                arn: one.arn(state).into(),
                version: Some(one.version().into()),
            })
        });
        Ok(named.chain(by_configurations).collect::<BTreeSet<_>>().into_iter().collect())
    }
}

fn is_about_text(error: &CloudError) -> bool {
    matches!(error.kind, ErrorKind::NotFound | ErrorKind::Other)
}

/// The references. Those whose key is not in `named` are stale, if `named` is known.
fn marked<K: Ord>(found: Vec<(K, Reference)>, named: Option<&BTreeSet<K>>) -> Vec<Reference> {
    let is_stale = |key: &K| named.is_some_and(|named| !named.contains(key));
    found
        .into_iter()
        .map(|(key, reference)| Reference { stale: is_stale(&key), ..reference })
        .collect()
}

/// All instances that are not terminated.
pub(super) fn instances(state: &State) -> Vec<Reference> {
    let living = state.instances.values().filter(|one| one.state != "terminated");
    living
        .map(|one| {
            let arn = arn(state, "ec2", &format!("instance/{}", one.instance_id));
            reference(one.image_id.clone(), ReferenceKind::Instance, arn)
        })
        .collect()
}

/// The references from launch configurations, with their names.
fn configurations<'a>(
    state: &'a State,
    faults: &mut Faults,
) -> Result<Vec<(&'a str, Reference)>, CloudError> {
    const ACTION: &str = "autoscaling:DescribeLaunchConfigurations";
    faults.check(ACTION, &[])?;
    let held = &state.rest.launch_configurations;
    faults.check_pages(ACTION, held.len(), 100)?;
    let found = held.iter().map(|one| {
        let place = format!("launchConfiguration:0:launchConfigurationName/{}", one.name);
        let arn = arn(state, "autoscaling", &place);
        let kind = ReferenceKind::LaunchConfiguration;
        (one.name.as_str(), reference(one.image_id.clone(), kind, arn))
    });
    Ok(found.collect())
}

/// The references from template versions, with their keys.
fn by_templates<'a>(
    state: &State,
    faults: &mut Faults,
    read: &[ReadVersion<'a>],
    scope: &ReferenceScope,
    images: &mut AliasedImages,
    ignored: &mut Vec<IgnoredTemplate>,
) -> Result<Vec<(VersionId<'a>, Reference)>, CloudError> {
    let mut found = Vec::new();
    for one in read {
        let Some(text) = one.version.image_id.as_deref() else { continue };
        let (arn, version) = (one.arn(state), one.version());
        let user = format!("{arn} version {version}");
        let id = &one.template.launch_template_id;
        let image = match images.behind(state, faults, text, &user) {
            Err(error) if is_about_text(&error) && scope.ignores(id) => {
                let (version, image) = (version.into(), text.into());
                let launch_template = id.as_str().into();
                ignored.push(IgnoredTemplate { launch_template, version, image });
                continue;
            }
            image => image?,
        };
        let reference = reference(image, ReferenceKind::LaunchTemplate, arn);
        found.push((one.id(), Reference { version: Some(version.into()), ..reference }));
    }
    Ok(found)
}

/// If the templates could not be read, sources that refer to one are errors too.
fn by_launch_sources(
    state: &State,
    faults: &mut Faults,
    launch_sources: &[FakeLaunchSource<'_>],
    no_templates: Option<&CloudError>,
    scope: &ReferenceScope,
    images: &mut AliasedImages,
) -> FoundReferences {
    let mut found = Vec::new();
    for launch_source in launch_sources {
        if let (Some(error), false) = (no_templates, launch_source.versions.is_empty()) {
            return Err(error.clone());
        }
        let mut named = Vec::new();
        for one in launch_source.versions.iter().filter_map(|one| templates::version_of(state, one))
        {
            let Some(text) = one.version.image_id.as_deref() else { continue };
            match images.behind(state, faults, text, &launch_source.arn) {
                Err(error)
                    if is_about_text(&error) && scope.ignores(&one.template.launch_template_id) => {
                }
                image => named.push(image?),
            }
        }
        for text in launch_source.images.iter().copied() {
            named.push(images.behind(state, faults, text, &launch_source.arn)?);
        }
        found.extend(
            named.into_iter().map(|image| {
                reference(image, launch_source.kind.clone(), launch_source.arn.clone())
            }),
        );
    }
    Ok(found)
}

/// One image that no longer exists fails the call for all. Then each image is requested
/// individually.
fn there<'a>(
    faults: &mut Faults,
    action: &'static str,
    images: &'a [ImageId],
) -> Result<Vec<&'a ImageId>, CloudError> {
    let mut found = Vec::new();
    for image in images.iter().filter(|_| images.len() > 1) {
        match faults.check(action, &[image.as_str()]) {
            Ok(()) => found.push(image),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// All resources that DescribeImageReferences checks. It names templates without versions.
fn known_to_ec2(state: &State, versions: TemplateVersions) -> Vec<Reference> {
    let depth = match versions {
        TemplateVersions::DefaultAndLatest => 10,
        TemplateVersions::Newest(count) => count.get().max(10) as usize,
        TemplateVersions::All => 10_000,
    };
    let mut found = instances(state);
    for template in &state.rest.launch_templates {
        for version in templates::newest_first(template).into_iter().take(depth) {
            let Some(image) = version.image_id.as_deref().and_then(|text| meant(state, text))
            else {
                continue;
            };
            let arn = templates::arn_of(state, template);
            found.push(reference(image, ReferenceKind::LaunchTemplate, arn));
        }
    }
    for parameter in state.rest.ssm_parameters.iter().filter(|one| one.is_plain()) {
        let Ok(image) = parameter.value.parse() else { continue };
        let name = parameter.name.strip_prefix('/').unwrap_or(&parameter.name);
        let arn = arn(state, "ssm", &format!("parameter/{name}"));
        found.push(reference(image, ReferenceKind::SsmParameter, arn));
    }
    for recipe in &state.rest.image_recipes {
        let (kind, place) = match recipe.kind {
            RecipeKind::Image => (ReferenceKind::ImageRecipe, "image-recipe"),
            RecipeKind::Container => (ReferenceKind::ContainerRecipe, "container-recipe"),
        };
        let place = format!("{place}/{}/{}", recipe.name, recipe.version);
        found.push(reference(recipe.image_id.clone(), kind, arn(state, "imagebuilder", &place)));
    }
    found
}

/// The image to which a version's text refers now. It is not documented whether EC2 follows
/// parameters here.
fn meant(state: &State, text: &str) -> Option<ImageId> {
    match text.strip_prefix("resolve:ssm:") {
        Some(name) => {
            let named = |one: &&Parameter| one.is_plain() && one.name == name;
            let parameter = state.rest.ssm_parameters.iter().find(named)?;
            parameter.value.parse().ok()
        }
        None => text.parse().ok(),
    }
}

pub(super) fn arn(state: &State, service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{}:{}:{resource}", state.rest.region(), state.rest.account())
}

fn reference(image_id: ImageId, kind: ReferenceKind, arn: String) -> Reference {
    Reference::new(image_id, kind, arn)
}

fn in_order(references: Vec<Reference>) -> Vec<Reference> {
    references.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}
