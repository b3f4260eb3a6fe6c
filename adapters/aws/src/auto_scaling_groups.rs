//! Auto Scaling groups.

use async_trait::async_trait;
use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateOverrides};
use steward::cloud::CloudError;
use steward::model::{ReferenceKind, Source};

use super::Aws;
use super::api_call::ApiCall;
use super::launch_sources::{LaunchSource, ListLaunchSources};

/// The maximum page size of DescribeAutoScalingGroups.
const PAGE: i32 = 100;

/// Auto Scaling groups.
pub(super) struct AutoScalingGroups;

#[async_trait]
impl ListLaunchSources for AutoScalingGroups {
    fn source(&self) -> Source {
        Source::AutoScalingGroups
    }

    async fn list(&self, aws: &Aws) -> Result<Vec<LaunchSource>, CloudError> {
        aws.list(
            ApiCall::DescribeAutoScalingGroups,
            |token| {
                // An account can hide resources from its listings that other AWS services manage.
                let request = aws
                    .clients
                    .autoscaling
                    .describe_auto_scaling_groups()
                    .max_records(PAGE)
                    .include_instances(false)
                    .include_managed_resources(true)
                    .set_next_token(token);
                request.send()
            },
            |page| (page.auto_scaling_groups, page.next_token),
            |group| group_of(group).map(Some),
        )
        .await
    }
}

fn group_of(group: AutoScalingGroup) -> Result<LaunchSource, CloudError> {
    const CALL: ApiCall = ApiCall::DescribeAutoScalingGroups;
    let name = group.auto_scaling_group_name.unwrap_or_default();
    let arn = group.auto_scaling_group_arn.unwrap_or_else(|| name.clone());
    let mut found = LaunchSource::new(ReferenceKind::AutoScalingGroup, arn, CALL);
    // Some names end with spaces.
    let configuration = group.launch_configuration_name.map(|name| name.trim().to_owned());
    found.configuration = configuration.filter(|name| !name.is_empty());
    let mut named = Vec::from_iter(group.launch_template);
    if let Some(mixed) = group.mixed_instances_policy {
        let template = found.required("launch template", mixed.launch_template)?;
        let main = template.launch_template_specification;
        named.push(found.required("launch template", main)?);
        let nothing = LaunchTemplateOverrides::builder().build();
        for one in template.overrides.unwrap_or_default() {
            found.required("override", (one != nothing).then_some(()))?;
            named.extend(one.launch_template_specification);
            found.add_image(one.image_id);
        }
    }
    for one in named {
        let (id, name) = (one.launch_template_id, one.launch_template_name);
        found.add_version(id, name, one.version)?;
    }
    // Some Auto Scaling groups name neither. They used a launch configuration with their own name.
    if found.configuration.is_none() && found.versions.is_empty() {
        found.configuration = Some(name);
        found.is_guess = true;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use aws_sdk_autoscaling::types::{
        LaunchTemplate, LaunchTemplateSpecification, MixedInstancesPolicy,
    };

    use super::super::launch_templates::{TemplateKey, VersionKey};
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
                    .instance_type("m7g.large")
                    .launch_template_specification(specification("lt-3", Some("$Latest")))
                    .build(),
            )
            .overrides(
                LaunchTemplateOverrides::builder()
                    .instance_type("m7g.xlarge")
                    .image_id("ami-1")
                    .build(),
            )
            .build();
        let group = AutoScalingGroup::builder()
            .auto_scaling_group_name("web")
            .auto_scaling_group_arn("arn:web")
            .launch_configuration_name("legacy")
            .launch_template(specification("lt-1", None))
            .mixed_instances_policy(
                MixedInstancesPolicy::builder().launch_template(template).build(),
            )
            .build();
        let expected = LaunchSource {
            kind: ReferenceKind::AutoScalingGroup,
            arn: "arn:web".into(),
            versions: vec![key("lt-1", "$Default"), key("lt-2", "4"), key("lt-3", "$Latest")],
            images: vec!["ami-1".into()],
            configuration: Some("legacy".into()),
            call: ApiCall::DescribeAutoScalingGroups,
            is_guess: false,
        };
        assert_eq!(group_of(group).unwrap(), expected);
    }
}
