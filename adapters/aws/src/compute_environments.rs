//! Compute environments of AWS Batch.
//!
//! Batch reads the image of a template version when an environment is created or its infrastructure
//! is updated. It does not report which version `$Latest` or `$Default` was at that time. This module
//! reads the version that the environment would use now. The Auto Scaling groups, fleets and
//! instances that Batch creates are read like all others.

use async_trait::async_trait;
use aws_sdk_batch::types::{CeStatus, CeType, ComputeEnvironmentDetail};
use steward::cloud::CloudError;
use steward::model::{ComputeEnvironments, ReferenceKind, ReferenceScope, Source};

use super::Aws;
use super::api_call::ApiCall;
use super::launch_sources::{LaunchSource, ListLaunchSources};

/// The maximum page size of DescribeComputeEnvironments.
const PAGE: i32 = 100;

/// Reads the compute environments of AWS Batch.
pub(super) struct BatchEnvironments;

#[async_trait]
impl ListLaunchSources for BatchEnvironments {
    fn source(&self) -> Source {
        Source::ComputeEnvironments
    }

    fn is_wanted(&self, scope: &ReferenceScope) -> bool {
        scope.compute_environments == ComputeEnvironments::Read
    }

    async fn list(&self, aws: &Aws) -> Result<Vec<LaunchSource>, CloudError> {
        let mut found = Vec::new();
        aws.each_page(
            ApiCall::DescribeComputeEnvironments,
            |token| {
                let request = aws
                    .clients
                    .batch
                    .describe_compute_environments()
                    .max_results(PAGE)
                    .set_next_token(token);
                request.send()
            },
            |page| {
                let call = ApiCall::DescribeComputeEnvironments;
                for environment in aws.listed(call, page.compute_environments)? {
                    if !is_over(environment.status.as_ref()) {
                        found.push(environment_of(environment)?);
                    }
                }
                Ok(page.next_token)
            },
        )
        .await?;
        Ok(found)
    }
}

fn is_over(status: Option<&CeStatus>) -> bool {
    matches!(status, Some(CeStatus::Deleted | CeStatus::Deleting))
}

fn environment_of(environment: ComputeEnvironmentDetail) -> Result<LaunchSource, CloudError> {
    const CALL: ApiCall = ApiCall::DescribeComputeEnvironments;
    let name = environment.compute_environment_name.unwrap_or_default();
    let arn = environment.compute_environment_arn.unwrap_or(name);
    let mut found = LaunchSource::new(ReferenceKind::ComputeEnvironment, arn, CALL);
    if environment.r#type == Some(CeType::Unmanaged) && environment.compute_resources.is_none() {
        return Ok(found);
    }
    let resources = environment.compute_resources;
    let resources = found.required("compute resources", resources)?;
    #[expect(deprecated, reason = "older environments name their image in it")]
    found.add_image(resources.image_id.filter(|image| !image.is_empty()));
    for one in resources.ec2_configuration.unwrap_or_default() {
        found.add_image(one.image_id_override.filter(|image| !image.is_empty()));
    }
    let Some(template) = resources.launch_template else { return Ok(found) };
    // An empty ID or name means that the template was removed.
    let names = [&template.launch_template_id, &template.launch_template_name];
    let is_cleared = names.iter().any(|name| name.as_deref() == Some(""))
        && names.iter().all(|name| name.as_deref().unwrap_or_default().is_empty());
    if is_cleared {
        return Ok(found);
    }
    let (id, name) = (template.launch_template_id, template.launch_template_name);
    found.add_version(id, name, template.version)?;
    for one in template.overrides.unwrap_or_default() {
        found.add_version(one.launch_template_id, one.launch_template_name, one.version)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use aws_sdk_batch::types::{
        ComputeResource, Ec2Configuration, LaunchTemplateSpecification,
        LaunchTemplateSpecificationOverride,
    };

    use super::super::launch_templates::{TemplateKey, VersionKey};
    use super::*;

    #[test]
    #[expect(deprecated, reason = "older environments name an image themselves")]
    fn every_place_that_can_name_a_template_or_an_image_is_read() {
        let template = LaunchTemplateSpecification::builder()
            .launch_template_id("lt-1")
            .version("")
            .overrides(
                LaunchTemplateSpecificationOverride::builder()
                    .launch_template_name("gpu")
                    .version("4")
                    .build(),
            )
            .build();
        let resources = ComputeResource::builder()
            .image_id("ami-1")
            .ec2_configuration(Ec2Configuration::builder().image_id_override("ami-2").build())
            .ec2_configuration(Ec2Configuration::builder().image_type("ECS_AL2023").build())
            .launch_template(template)
            .build();
        let environment = ComputeEnvironmentDetail::builder()
            .compute_environment_name("night")
            .compute_environment_arn("arn:night")
            .compute_resources(resources)
            .build();
        let key = |template, version: &str| VersionKey { template, version: version.to_owned() };
        let expected = LaunchSource {
            kind: ReferenceKind::ComputeEnvironment,
            arn: "arn:night".into(),
            versions: vec![
                key(TemplateKey::Id("lt-1".into()), "$Default"),
                key(TemplateKey::Name("gpu".into()), "4"),
            ],
            images: vec!["ami-1".into(), "ami-2".into()],
            configuration: None,
            call: ApiCall::DescribeComputeEnvironments,
            is_guess: false,
        };
        assert_eq!(environment_of(environment).unwrap(), expected);
    }

    #[test]
    fn a_status_that_is_not_known_is_use() {
        for (status, over) in [
            (None, false),
            (Some("VALID"), false),
            (Some("INVALID"), false),
            (Some("A STATUS OF TOMORROW"), false),
            (Some("DELETING"), true),
            (Some("DELETED"), true),
        ] {
            assert_eq!(is_over(status.map(CeStatus::from).as_ref()), over, "{status:?}");
        }
    }
}
