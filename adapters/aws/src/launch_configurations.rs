//! Launch configurations of Auto Scaling.

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
        let mut found = Vec::new();
        self.each_page(
            ApiCall::DescribeLaunchConfigurations,
            |token| {
                let request = self
                    .autoscaling
                    .describe_launch_configurations()
                    .max_records(PAGE)
                    .set_next_token(token);
                request.send()
            },
            |page| {
                for one in page.launch_configurations.unwrap_or_default() {
                    // One made from a running instance may name no image of its own.
                    let Some(image) = one.image_id.filter(|image| !image.is_empty()) else {
                        continue;
                    };
                    let name = one.launch_configuration_name.unwrap_or_default();
                    let image_id = image.parse().map_err(|cause| {
                        let message = format!("the image of launch configuration {name}: {cause}");
                        bad_answer(ApiCall::DescribeLaunchConfigurations, message)
                    })?;
                    let arn = one.launch_configuration_arn.unwrap_or_else(|| name.clone()).into();
                    let kind = ReferenceKind::LaunchConfiguration;
                    let reference = Reference { image_id, kind, arn, version: None, stale: false };
                    found.push((name, reference));
                }
                Ok(page.next_token)
            },
        )
        .await?;
        Ok(found)
    }
}
