//! What holds images in use in the fake.
//!
//! Written from the fleet's side, and not the way the adapter goes about it: here every version
//! is at hand, and what is left to decide is which of them count.

use std::collections::BTreeSet;

use steward::cloud::{CloudError, SourceAnswer, TemplateVersions};
use steward::ids::ImageId;
use steward::inventory::{Reference, Source};

use super::faults::{Faults, error};
use super::state::State;
use crate::fleet::{Group, LaunchTemplate, Specification};

const VERSIONS: &str = "ec2:DescribeLaunchTemplateVersions";

type Found = Result<Vec<Reference>, CloudError>;

pub(super) fn list(
    state: &State,
    faults: &mut Faults,
    versions: TemplateVersions,
) -> Vec<SourceAnswer> {
    let found_instances = faults
        .check("ec2:DescribeInstances", &[])
        .and_then(|()| faults.check_pages("ec2:DescribeInstances", state.instances.len(), 1000))
        .map(|()| instances(state));
    let configurations = configurations(state, faults);
    let groups = groups(state, faults);
    let templates = templates(state, faults, versions, groups.as_deref().unwrap_or_default());
    let by_groups = groups.and_then(|groups| by_groups(state, faults, groups, &templates));
    [
        (Source::Instances, found_instances),
        (Source::LaunchTemplates, templates),
        (Source::LaunchConfigurations, configurations),
        (Source::AutoScalingGroups, by_groups),
    ]
    .into_iter()
    .map(|(source, found)| SourceAnswer { source, found: found.map(in_order) })
    .collect()
}

/// Every machine that is not terminated.
pub(super) fn instances(state: &State) -> Vec<Reference> {
    let living = state.instances.values().filter(|one| one.state != "terminated");
    living
        .map(|one| {
            let by = format!("{}:instance/{}", arn(state, "ec2"), one.instance_id);
            reference(one.image_id.clone(), "instance", by)
        })
        .collect()
}

fn configurations(state: &State, faults: &mut Faults) -> Found {
    const ACTION: &str = "autoscaling:DescribeLaunchConfigurations";
    faults.check(ACTION, &[])?;
    let held = &state.rest.launch_configurations;
    faults.check_pages(ACTION, held.len(), 100)?;
    let found = held.iter().map(|one| {
        let place = "launchConfiguration:0:launchConfigurationName";
        let by = format!("{}:{place}/{}", arn(state, "autoscaling"), one.name);
        reference(one.image_id.clone(), "launch_configuration", by)
    });
    Ok(found.collect())
}

fn groups<'a>(state: &'a State, faults: &mut Faults) -> Result<&'a [Group], CloudError> {
    const ACTION: &str = "autoscaling:DescribeAutoScalingGroups";
    faults.check(ACTION, &[])?;
    let held = &state.rest.auto_scaling_groups;
    faults.check_pages(ACTION, held.len(), 100)?;
    Ok(held)
}

/// The default and the latest version of every template, or all of them, and whatever versions
/// groups pin.
fn templates(
    state: &State,
    faults: &mut Faults,
    versions: TemplateVersions,
    groups: &[Group],
) -> Found {
    if versions == TemplateVersions::All {
        faults.check("ec2:DescribeLaunchTemplates", &[])?;
    }
    faults.check(VERSIONS, &[])?;
    let held = &state.rest.launch_templates;
    let listed: usize =
        held.iter().map(|one| BTreeSet::from([latest(one), one.default_version]).len()).sum();
    faults.check_pages(VERSIONS, listed, 200)?;
    let pinned: BTreeSet<&Specification> = groups.iter().flat_map(specifications).collect();
    let mut found = Vec::new();
    for template in held {
        for version in &template.versions {
            let number = version.version;
            let default = (template.default_version == number).then_some("$Default");
            let latest = (latest(template) == number).then_some("$Latest");
            let names: Vec<&str> = default.into_iter().chain(latest).collect();
            let is_pinned = pinned.iter().any(|one| {
                one.launch_template_id == template.launch_template_id
                    && one.version == number.to_string()
            });
            if versions == TemplateVersions::DefaultAndLatest && names.is_empty() && !is_pinned {
                continue;
            }
            let Some(image) = version.image_id.as_deref() else { continue };
            let Some(image) = resolve(state, faults, image)? else { continue };
            let arn = arn(state, "ec2");
            let id = &template.launch_template_id;
            let mut by = format!("{arn}:launch-template/{id} version {number}");
            if !names.is_empty() {
                by = format!("{by} ({})", names.join(", "));
            }
            found.push(reference(image, "launch_template", by));
        }
    }
    for text in groups.iter().flat_map(own_images) {
        resolve(state, faults, text)?;
    }
    Ok(found)
}

fn by_groups(state: &State, faults: &mut Faults, groups: &[Group], templates: &Found) -> Found {
    let mut found = Vec::new();
    for group in groups {
        let by = format!(
            "{}:autoScalingGroup:0:autoScalingGroupName/{}",
            arn(state, "autoscaling"),
            group.name
        );
        let versions = specifications(group).filter_map(|one| image_of(state, one));
        let named: Vec<&str> = versions.chain(own_images(group)).collect();
        if specifications(group).next().is_some() || !named.is_empty() {
            templates.as_ref().map_err(Clone::clone)?;
        }
        for text in named {
            if let Some(image) = resolve(state, faults, text)? {
                found.push(reference(image, "auto_scaling_group", by.clone()));
            }
        }
    }
    Ok(found)
}

/// Every template version that a group names.
fn specifications(group: &Group) -> impl Iterator<Item = &Specification> {
    let mixed = group.mixed.iter();
    let by_mixed = mixed.flat_map(|mixed| {
        let overrides = mixed.overrides.iter().filter_map(|one| one.launch_template.as_ref());
        std::iter::once(&mixed.launch_template).chain(overrides)
    });
    group.launch_template.iter().chain(by_mixed)
}

/// The images that a group names itself.
fn own_images(group: &Group) -> impl Iterator<Item = &str> {
    let overrides = group.mixed.iter().flat_map(|mixed| &mixed.overrides);
    overrides.filter_map(|one| one.image_id.as_deref())
}

fn latest(template: &LaunchTemplate) -> u32 {
    template.versions.iter().map(|version| version.version).max().unwrap_or_default()
}

fn image_of<'a>(state: &'a State, wanted: &Specification) -> Option<&'a str> {
    let mut held = state.rest.launch_templates.iter();
    let template = held.find(|one| one.launch_template_id == wanted.launch_template_id)?;
    let number = match wanted.version.as_str() {
        "$Latest" => latest(template),
        "$Default" => template.default_version,
        number => number.parse().ok()?,
    };
    let version = template.versions.iter().find(|version| version.version == number)?;
    version.image_id.as_deref()
}

/// The image that a text means; `None` when it is no image id.
fn resolve(state: &State, faults: &mut Faults, text: &str) -> Result<Option<ImageId>, CloudError> {
    const ACTION: &str = "ssm:GetParameter";
    let Some(name) = text.strip_prefix("resolve:ssm:") else { return Ok(text.parse().ok()) };
    faults.check(ACTION, &[name])?;
    let parameter = state.rest.ssm_parameters.iter().find(|one| one.name == name);
    let Some(parameter) = parameter else {
        return Err(error::of(ACTION, "ParameterNotFound", &format!("parameter {name}")));
    };
    match parameter.value.parse() {
        Ok(image) => Ok(Some(image)),
        Err(cause) => Err(error::of(ACTION, "", &format!("parameter {name}: {cause}"))),
    }
}

fn arn(state: &State, service: &str) -> String {
    format!("arn:aws:{service}:{}:{}", state.rest.region(), state.rest.account())
}

fn reference(image_id: ImageId, kind: &str, by: String) -> Reference {
    Reference { image_id, kind: kind.into(), by: by.into() }
}

fn in_order(references: Vec<Reference>) -> Vec<Reference> {
    references.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}
