//! Auto Scaling: groups and launch configurations.

use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateSpecification};

use super::Aws;
use super::error::bad_answer;
use super::pace::Action;
use super::pages::Pages;
use super::templates::{TemplateKey, VersionKey};
use crate::cloud::CloudError;
use crate::inventory::Reference;

/// The largest page of the two listings.
const PAGE: i32 = 100;

/// What a group starts machines from, apart from its launch configuration, which is a
/// reference of its own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) arn: String,
    /// Every template version that the group names, overrides included.
    pub(super) versions: Vec<VersionKey>,
    /// The images that overrides name themselves.
    pub(super) images: Vec<String>,
}

impl Aws {
    pub(super) async fn groups(&self) -> Result<Vec<Group>, CloudError> {
        let mut found = Vec::new();
        let mut pages = Pages::of(Action::DescribeAutoScalingGroups);
        while let Some(token) = pages.next() {
            // An account may hide from its listings what other AWS services manage in it.
            let request = self
                .autoscaling
                .describe_auto_scaling_groups()
                .max_records(PAGE)
                .include_instances(false)
                .include_managed_resources(true)
                .set_next_token(token);
            let page = self.send(Action::DescribeAutoScalingGroups, request.send()).await?;
            for group in page.auto_scaling_groups.unwrap_or_default() {
                found.push(group_of(group)?);
            }
            pages.turn(page.next_token)?;
        }
        Ok(found)
    }

    pub(super) async fn launch_configurations(&self) -> Result<Vec<Reference>, CloudError> {
        let mut found = Vec::new();
        let mut pages = Pages::of(Action::DescribeLaunchConfigurations);
        while let Some(token) = pages.next() {
            let request = self
                .autoscaling
                .describe_launch_configurations()
                .max_records(PAGE)
                .set_next_token(token);
            let page = self.send(Action::DescribeLaunchConfigurations, request.send()).await?;
            for one in page.launch_configurations.unwrap_or_default() {
                // One made from a running machine may name no image of its own.
                let Some(image) = one.image_id.filter(|image| !image.is_empty()) else { continue };
                let name = one.launch_configuration_name.unwrap_or_default();
                let image_id = image.parse().map_err(|cause| {
                    let message = format!("the image of launch configuration {name}: {cause}");
                    bad_answer(Action::DescribeLaunchConfigurations, message)
                })?;
                let by = one.launch_configuration_arn.unwrap_or(name).into();
                found.push(Reference { image_id, kind: "launch_configuration".into(), by });
            }
            pages.turn(page.next_token)?;
        }
        Ok(found)
    }
}

fn group_of(group: AutoScalingGroup) -> Result<Group, CloudError> {
    let name = group.auto_scaling_group_name.unwrap_or_default();
    let mut found = Group {
        arn: group.auto_scaling_group_arn.unwrap_or_else(|| name.clone()),
        ..Group::default()
    };
    let mut named = Vec::from_iter(group.launch_template);
    if let Some(template) = group.mixed_instances_policy.and_then(|mixed| mixed.launch_template) {
        named.extend(template.launch_template_specification);
        for one in template.overrides.unwrap_or_default() {
            named.extend(one.launch_template_specification);
            found.images.extend(one.image_id.filter(|image| !image.is_empty()));
        }
    }
    for specification in named {
        found.versions.push(version_of(specification).ok_or_else(|| {
            let message = format!("group {name} names a launch template without id and name");
            bad_answer(Action::DescribeAutoScalingGroups, message)
        })?);
    }
    Ok(found)
}

fn version_of(specification: LaunchTemplateSpecification) -> Option<VersionKey> {
    let name = specification.launch_template_name;
    let template = match specification.launch_template_id {
        Some(id) => TemplateKey::Id(id),
        None => TemplateKey::Name(name?),
    };
    // Auto Scaling's own default, where a group names no version.
    let version = specification.version.unwrap_or_else(|| "$Default".to_owned());
    Some(VersionKey { template, version })
}

#[cfg(test)]
mod tests {
    use aws_sdk_autoscaling::types::{
        LaunchTemplate, LaunchTemplateOverrides, MixedInstancesPolicy,
    };

    use super::*;

    fn specification(id: &str, version: Option<&str>) -> LaunchTemplateSpecification {
        let specification = LaunchTemplateSpecification::builder().launch_template_id(id);
        specification.set_version(version.map(str::to_owned)).build()
    }

    fn key(id: &str, version: &str) -> VersionKey {
        VersionKey { template: TemplateKey::Id(id.into()), version: version.into() }
    }

    #[test]
    fn every_place_that_can_name_a_template_or_an_image_is_read() {
        let template = LaunchTemplate::builder()
            .launch_template_specification(specification("lt-2", Some("4")))
            .overrides(
                LaunchTemplateOverrides::builder()
                    .launch_template_specification(specification("lt-3", Some("$Latest")))
                    .build(),
            )
            .overrides(LaunchTemplateOverrides::builder().image_id("ami-1").build())
            .build();
        let group = AutoScalingGroup::builder()
            .auto_scaling_group_name("web")
            .auto_scaling_group_arn("arn:web")
            .launch_template(specification("lt-1", None))
            .mixed_instances_policy(
                MixedInstancesPolicy::builder().launch_template(template).build(),
            )
            .build();
        let expected = Group {
            arn: "arn:web".into(),
            versions: vec![key("lt-1", "$Default"), key("lt-2", "4"), key("lt-3", "$Latest")],
            images: vec!["ami-1".into()],
        };
        assert_eq!(group_of(group).unwrap(), expected);
    }

    #[test]
    fn a_template_without_id_and_name_is_not_passed_over() {
        let group = AutoScalingGroup::builder()
            .auto_scaling_group_name("web")
            .launch_template(LaunchTemplateSpecification::builder().version("1").build())
            .build();
        assert!(group_of(group).unwrap_err().message.contains("group web"));
    }
}
