//! Launch configurations of Auto Scaling.

use aws_sdk_autoscaling::types::LaunchConfiguration;
use steward::cloud::CloudError;
use steward::model::{Reference, ReferenceKind};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_answer;

/// The largest page that DescribeLaunchConfigurations gives.
const PAGE: i32 = 100;

impl Aws {
    /// Each launch configuration's name, and the reference that it is.
    pub(super) async fn launch_configurations(
        &self,
    ) -> Result<Vec<(String, Reference)>, CloudError> {
        self.list(
            ApiCall::DescribeLaunchConfigurations,
            |token| {
                let request = self
                    .clients
                    .autoscaling
                    .describe_launch_configurations()
                    .max_records(PAGE)
                    .set_next_token(token);
                request.send()
            },
            |page| (page.launch_configurations, page.next_token),
            configuration_of,
        )
        .await
    }
}

fn configuration_of(
    configuration: LaunchConfiguration,
) -> Result<Option<(String, Reference)>, CloudError> {
    // One created from a running instance may name no image of its own.
    let image = configuration.image_id.filter(|image| !image.is_empty());
    let Some(image) = image else { return Ok(None) };
    let name = configuration.launch_configuration_name.unwrap_or_default();
    let image_id = image.parse().map_err(|cause| {
        let message = format!("the image of launch configuration {name}: {cause}");
        bad_answer(ApiCall::DescribeLaunchConfigurations, message)
    })?;
    let arn = configuration.launch_configuration_arn.unwrap_or_else(|| name.clone()).into();
    let kind = ReferenceKind::LaunchConfiguration;
    Ok(Some((name, Reference { image_id, kind, arn, version: None, stale: false })))
}
