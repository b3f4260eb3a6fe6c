//! Reading Auto Scaling launch configurations.

use aws_sdk_autoscaling::types::{Ebs, LaunchConfiguration};
use steward::cloud::CloudError;
use steward::model::{Reference, ReferenceKind, SnapshotId};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;
use super::image_texts::snapshots_in;

/// The maximum page size of DescribeLaunchConfigurations.
const PAGE: i32 = 100;

/// A launch configuration, with what it refers to.
pub(super) struct NamedConfiguration {
    pub(super) name: String,
    /// The reference to its image.
    pub(super) reference: Reference,
    /// The snapshots in its own block device mappings.
    pub(super) snapshots: Vec<SnapshotId>,
}

impl Aws {
    /// Lists all launch configurations.
    pub(super) async fn launch_configurations(
        &self,
    ) -> Result<Vec<NamedConfiguration>, CloudError> {
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
            |one| configuration_of(one).map(Some),
        )
        .await
    }
}

fn configuration_of(configuration: LaunchConfiguration) -> Result<NamedConfiguration, CloudError> {
    const CALL: ApiCall = ApiCall::DescribeLaunchConfigurations;
    // The service model requires an image. A configuration that was created from an instance has the
    // instance's image.
    let image = configuration.image_id.unwrap_or_default();
    let name = configuration.launch_configuration_name.unwrap_or_default();
    let image_id = image.parse().map_err(|cause| {
        let message = format!("invalid image ID in launch configuration {name}: {cause}");
        bad_response(CALL, message)
    })?;
    let devices = configuration.block_device_mappings.ok_or_else(|| {
        bad_response(CALL, format!("the response lacks the devices of launch configuration {name}"))
    })?;
    let mut snapshots = Vec::new();
    let no_volume = Ebs::builder().build();
    let named =
        devices.into_iter().filter_map(|device| match device.ebs.filter(|ebs| *ebs != no_volume) {
            Some(ebs) => ebs.snapshot_id,
            None if device.virtual_name.is_some() || device.no_device == Some(true) => None,
            // An unknown kind of device, which may refer to a snapshot.
            None => Some(format!("device {}", device.device_name.unwrap_or_default())),
        });
    for text in named {
        let user = || format!("launch configuration {name}");
        snapshots.extend(snapshots_in(CALL, &text, user)?);
    }
    let arn = configuration.launch_configuration_arn.unwrap_or_else(|| name.clone());
    let kind = ReferenceKind::LaunchConfiguration;
    let reference = Reference::new(image_id, kind, arn);
    Ok(NamedConfiguration { name, reference, snapshots })
}
