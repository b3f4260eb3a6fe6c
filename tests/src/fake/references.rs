//! What holds images in use in the fake.

use std::collections::{BTreeMap, BTreeSet};

use steward::cloud::{CloudError, ReferenceScope, SourceAnswer, TemplateVersions};
use steward::ids::ImageId;
use steward::inventory::{Reference, Source};

use super::faults::Faults;
use super::holders::{Holder, Holders};
use super::state::State;
use super::templates::{self, Images, Read};
use crate::fleet::RecipeKind;

type Found = Result<Vec<Reference>, CloudError>;

pub(super) fn list(
    state: &State,
    faults: &mut Faults,
    scope: &ReferenceScope,
) -> Vec<SourceAnswer> {
    let found_instances = faults
        .check("ec2:DescribeInstances", &[])
        .and_then(|()| faults.check_pages("ec2:DescribeInstances", state.instances.len(), 1000))
        .map(|()| instances(state));
    let holders = Holders::read(state, faults, scope.compute_environments);
    let configurations = configurations(state, faults, &holders);
    let read = templates::read(state, faults, scope.versions, &holders.pinned())
        .and_then(|read| Ok((images(state, faults, &read, &holders)?, read)));
    let by_templates = match &read {
        Ok((images, read)) => Ok(by_templates(state, read, images, &holders)),
        Err(error) => Err(error.clone()),
    };
    let mut answers = vec![
        (Source::Instances, found_instances),
        (Source::LaunchTemplates, by_templates),
        (Source::LaunchConfigurations, configurations),
    ];
    for (source, found) in holders.sources() {
        let read = read.as_ref().map(|(images, _)| images);
        answers.push((source, found.and_then(|found| by_holders(state, &found, read))));
    }
    answers
        .into_iter()
        .map(|(source, found)| SourceAnswer { source, found: found.map(in_order) })
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

/// A configuration without a group starts nothing, as far as the groups are known.
fn configurations(state: &State, faults: &mut Faults, holders: &Holders<'_>) -> Found {
    const ACTION: &str = "autoscaling:DescribeLaunchConfigurations";
    faults.check(ACTION, &[])?;
    let held = &state.rest.launch_configurations;
    faults.check_pages(ACTION, held.len(), 100)?;
    let named = holders.launch_configurations();
    let found = held.iter().map(|one| {
        let place = format!("launchConfiguration:0:launchConfigurationName/{}", one.name);
        let by = arn(state, "autoscaling", &place);
        Reference {
            stale: named.as_ref().is_some_and(|named| !named.contains(one.name.as_str())),
            ..reference(one.image_id.clone(), "launch_configuration", by)
        }
    });
    Ok(found.collect())
}

/// The images behind everything that templates and holders name.
fn images(
    state: &State,
    faults: &mut Faults,
    read: &[Read<'_>],
    holders: &Holders<'_>,
) -> Result<Images, CloudError> {
    let mut images = Images::default();
    for one in read {
        if let Some(text) = &one.version.image_id {
            images.add(state, faults, text, &one.by(state))?;
        }
    }
    for holder in holders.iter() {
        for text in &holder.images {
            images.add(state, faults, text, &holder.by)?;
        }
    }
    Ok(images)
}

/// A version that nothing names starts nothing, as far as everything that might is known.
fn by_templates(
    state: &State,
    read: &[Read<'_>],
    images: &Images,
    holders: &Holders<'_>,
) -> Vec<Reference> {
    let named = holders.versions(state);
    let found = read.iter().filter_map(|one| {
        let image = images.get(one.version.image_id.as_deref()?)?;
        let key = (one.template.launch_template_id.clone(), one.version.version);
        Some(Reference {
            stale: named.as_ref().is_some_and(|named| !named.contains(&key)),
            ..reference(image.clone(), "launch_template", one.by(state))
        })
    });
    found.collect()
}

/// Where the templates were not read, who needs them is not read either.
fn by_holders(
    state: &State,
    holders: &[Holder<'_>],
    images: Result<&Images, &CloudError>,
) -> Found {
    let mut found = Vec::new();
    for holder in holders {
        if holder.versions.is_empty() && holder.images.is_empty() {
            continue;
        }
        let images = images.map_err(Clone::clone)?;
        let versions = holder.versions.iter().filter_map(|one| templates::version_of(state, one));
        let by_version = versions.filter_map(|one| one.version.image_id.as_deref());
        for text in by_version.chain(holder.images.iter().copied()) {
            if let Some(image) = images.get(text) {
                found.push(reference(image.clone(), holder.kind, holder.by.clone()));
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
) -> Found {
    const ACTION: &str = "ec2:DescribeImageReferences";
    let mut known: BTreeMap<ImageId, Vec<Reference>> = BTreeMap::new();
    for reference in known_to_ec2(state, versions) {
        known.entry(reference.image_id.clone()).or_default().push(reference);
    }
    let mut found = Vec::new();
    for some in images.chunks(10) {
        let about: Vec<&str> = some.iter().map(ImageId::as_str).collect();
        faults.check(ACTION, &about)?;
        let of_some = some.iter().filter_map(|image| known.get(image)).flatten();
        faults.check_pages(ACTION, of_some.clone().count(), 1000)?;
        found.extend(of_some.cloned());
    }
    Ok(in_order(found))
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
