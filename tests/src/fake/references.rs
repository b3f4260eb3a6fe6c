//! What holds images in use in the fake.

use std::collections::{BTreeMap, BTreeSet};

use steward::cloud::{CloudError, ErrorKind, SourceAnswer};
use steward::model::{ReferenceScope, TemplateVersions, ImageId, Reference, Source};

use super::faults::Faults;
use super::holders::{FakeLaunchSource, Holders};
use super::state::State;
use super::templates::{self, Images, Read, VersionId};
use crate::fleet::RecipeKind;

/// The sources that start machines from templates.
const STARTERS: [Source; 4] =
    [Source::AutoScalingGroups, Source::Fleets, Source::SpotFleets, Source::ComputeEnvironments];

type FoundReferences = Result<Vec<Reference>, CloudError>;

pub(super) fn list(
    state: &State,
    faults: &mut Faults,
    scope: &ReferenceScope,
) -> Vec<SourceAnswer> {
    let found_instances = faults
        .check("ec2:DescribeInstances", &[])
        .and_then(|()| faults.check_pages("ec2:DescribeInstances", state.instances.len(), 1000))
        .map(|()| instances(state));
    let configurations = configurations(state, faults);
    let holders = Holders::read(state, faults, scope.compute_environments);
    let mut images = Images::default();
    let templates = templates::read(state, faults, scope.versions, &holders.pinned());
    let templates = templates.and_then(|read| by_templates(state, faults, &read, &mut images));
    let mut by_holders = Vec::new();
    for (source, found) in holders.sources() {
        let found = found.and_then(|holders| {
            by_holders_of(state, faults, holders, templates.as_ref().err(), &mut images)
        });
        by_holders.push((source, found));
    }
    // Stale is what is known not to be named.
    let read = |source| by_holders.iter().all(|(one, found)| *one != source || found.is_ok());
    let versions = STARTERS.into_iter().all(read).then(|| holders.versions(state));
    let names = read(Source::AutoScalingGroups).then(|| holders.launch_configurations());
    let templates = templates.map(|found| marked(found, versions.as_ref()));
    let configurations = configurations.map(|found| marked(found, names.as_ref()));
    [
        (Source::Instances, found_instances),
        (Source::LaunchTemplates, templates),
        (Source::LaunchConfigurations, configurations),
    ]
    .into_iter()
    .chain(by_holders)
    .map(|(source, found)| SourceAnswer { source, found: found.map(in_order) })
    .collect()
}

/// The references, those of them stale whose key is not among the `named`, if those are known.
fn marked<K: Ord>(found: Vec<(K, Reference)>, named: Option<&BTreeSet<K>>) -> Vec<Reference> {
    let is_stale = |key: &K| named.is_some_and(|named| !named.contains(key));
    found
        .into_iter()
        .map(|(key, reference)| Reference { stale: is_stale(&key), ..reference })
        .collect()
}

/// Every machine that is not terminated.
pub(super) fn instances(state: &State) -> Vec<Reference> {
    let living = state.instances.values().filter(|one| one.state != "terminated");
    living
        .map(|one| {
            let by = arn(state, "ec2", &format!("instance/{}", one.instance_id));
            reference(one.image_id.clone(), "instance", by)
        })
        .collect()
}

/// The references by launch configurations, with the names of those.
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
        let by = arn(state, "autoscaling", &place);
        (one.name.as_str(), reference(one.image_id.clone(), "launch_configuration", by))
    });
    Ok(found.collect())
}

/// The references by template versions, with what identifies those.
fn by_templates<'a>(
    state: &State,
    faults: &mut Faults,
    read: &[Read<'a>],
    images: &mut Images,
) -> Result<Vec<(VersionId<'a>, Reference)>, CloudError> {
    let mut found = Vec::new();
    for one in read {
        let Some(text) = one.version.image_id.as_deref() else { continue };
        let by = one.by(state);
        if let Some(image) = images.behind(state, faults, text, &by)? {
            found.push((one.id(), reference(image, "launch_template", by)));
        }
    }
    Ok(found)
}

/// Where the templates were not read, a holder that names one is not read either.
fn by_holders_of(
    state: &State,
    faults: &mut Faults,
    holders: &[FakeLaunchSource<'_>],
    no_templates: Option<&CloudError>,
    images: &mut Images,
) -> FoundReferences {
    let mut found = Vec::new();
    for holder in holders {
        if let (Some(error), false) = (no_templates, holder.versions.is_empty()) {
            return Err(error.clone());
        }
        let versions = holder.versions.iter().filter_map(|one| templates::version_of(state, one));
        let by_version = versions.filter_map(|one| one.version.image_id.as_deref());
        for text in by_version.chain(holder.images.iter().copied()) {
            if let Some(image) = images.behind(state, faults, text, &holder.by)? {
                found.push(reference(image, holder.kind, holder.by.clone()));
            }
        }
    }
    Ok(found)
}

/// What the provider itself finds, ten images a call.
pub(super) fn of_images(
    state: &State,
    faults: &mut Faults,
    images: &[ImageId],
    versions: TemplateVersions,
) -> FoundReferences {
    const ACTION: &str = "ec2:DescribeImageReferences";
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

/// One image that is gone fails the call for all, which are then asked for one by one.
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

/// Everything that DescribeImageReferences looks at. It names templates without their versions.
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
            found.push(reference(image, "launch_template", templates::arn_of(state, template)));
        }
    }
    for parameter in &state.rest.ssm_parameters {
        let Ok(image) = parameter.value.parse() else { continue };
        let name = parameter.name.strip_prefix('/').unwrap_or(&parameter.name);
        let by = arn(state, "ssm", &format!("parameter/{name}"));
        found.push(reference(image, "ssm_parameter", by));
    }
    for recipe in &state.rest.image_recipes {
        let (kind, place) = match recipe.kind {
            RecipeKind::Image => ("image_recipe", "image-recipe"),
            RecipeKind::Container => ("container_recipe", "container-recipe"),
        };
        let place = format!("{place}/{}/{}", recipe.name, recipe.version);
        found.push(reference(recipe.image_id.clone(), kind, arn(state, "imagebuilder", &place)));
    }
    found
}

/// The image that a version's text means now; whether EC2 follows parameters here is not
/// documented.
fn meant(state: &State, text: &str) -> Option<ImageId> {
    match text.strip_prefix("resolve:ssm:") {
        Some(name) => {
            let parameter = state.rest.ssm_parameters.iter().find(|one| one.name == name)?;
            parameter.value.parse().ok()
        }
        None => text.parse().ok(),
    }
}

pub(super) fn arn(state: &State, service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{}:{}:{resource}", state.rest.region(), state.rest.account())
}

fn reference(image_id: ImageId, kind: &str, by: String) -> Reference {
    Reference { image_id, kind: kind.into(), by: by.into(), stale: false }
}

fn in_order(references: Vec<Reference>) -> Vec<Reference> {
    references.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}
