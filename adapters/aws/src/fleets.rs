//! EC2 fleets, Spot fleets and Spot requests.
//!
//! Finished ones are dropped here and not by a filter. A filter would have to list the states that
//! count, and would miss unknown states. Instant fleets are not in any listing. They launch their
//! instances once, and the instances are references themselves.

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    BatchState, FleetData, FleetLaunchTemplateOverrides, FleetStateCode, SpotFleetRequestConfig,
    SpotInstanceRequest, SpotInstanceState,
};
use steward::cloud::CloudError;
use steward::model::{ReferenceKind, Source};

use super::Aws;
use super::api_call::ApiCall;
use super::launch_sources::{LaunchSource, ListLaunchSources};

/// The maximum page size of the three listings.
const PAGE: i32 = 1000;

/// Reads EC2 fleets.
pub(super) struct Fleets;

#[async_trait]
impl ListLaunchSources for Fleets {
    fn source(&self) -> Source {
        Source::Fleets
    }

    async fn list(&self, aws: &Aws) -> Result<Vec<LaunchSource>, CloudError> {
        aws.list(
            ApiCall::DescribeFleets,
            |token| {
                let request =
                    aws.clients.ec2.describe_fleets().max_results(PAGE).set_next_token(token);
                request.send()
            },
            |page| (page.fleets, page.next_token),
            |fleet| {
                if is_fleet_over(fleet.fleet_state.as_ref()) {
                    return Ok(None);
                }
                let id = fleet.fleet_id().unwrap_or_default();
                let arn = aws.arn("ec2", &format!("fleet/{id}"));
                fleet_of(arn, fleet).map(Some)
            },
        )
        .await
    }
}

/// Reads Spot fleets.
pub(super) struct SpotFleets;

#[async_trait]
impl ListLaunchSources for SpotFleets {
    fn source(&self) -> Source {
        Source::SpotFleets
    }

    async fn list(&self, aws: &Aws) -> Result<Vec<LaunchSource>, CloudError> {
        aws.list(
            ApiCall::DescribeSpotFleetRequests,
            |token| {
                let request = aws
                    .clients
                    .ec2
                    .describe_spot_fleet_requests()
                    .max_results(PAGE)
                    .set_next_token(token);
                request.send()
            },
            |page| (page.spot_fleet_request_configs, page.next_token),
            |fleet| {
                if is_spot_fleet_over(fleet.spot_fleet_request_state.as_ref()) {
                    return Ok(None);
                }
                let id = fleet.spot_fleet_request_id().unwrap_or_default();
                let arn = aws.arn("ec2", &format!("spot-fleet-request/{id}"));
                spot_fleet_of(arn, fleet).map(Some)
            },
        )
        .await
    }
}

/// Reads Spot requests.
pub(super) struct SpotRequests;

#[async_trait]
impl ListLaunchSources for SpotRequests {
    fn source(&self) -> Source {
        Source::SpotRequests
    }

    fn names_templates(&self) -> bool {
        false
    }

    async fn list(&self, aws: &Aws) -> Result<Vec<LaunchSource>, CloudError> {
        aws.list(
            ApiCall::DescribeSpotInstanceRequests,
            |token| {
                let request = aws
                    .clients
                    .ec2
                    .describe_spot_instance_requests()
                    .max_results(PAGE)
                    .set_next_token(token);
                request.send()
            },
            |page| (page.spot_instance_requests, page.next_token),
            |request| {
                if is_request_over(request.state.as_ref()) {
                    return Ok(None);
                }
                let id = request.spot_instance_request_id().unwrap_or_default();
                let arn = aws.arn("ec2", &format!("spot-instances-request/{id}"));
                request_of(arn, request).map(Some)
            },
        )
        .await
    }
}

fn is_fleet_over(state: Option<&FleetStateCode>) -> bool {
    matches!(
        state,
        Some(
            FleetStateCode::Deleted
                | FleetStateCode::DeletedRunning
                | FleetStateCode::DeletedTerminatingInstances
                | FleetStateCode::Failed
        )
    )
}

fn is_spot_fleet_over(state: Option<&BatchState>) -> bool {
    matches!(
        state,
        Some(
            BatchState::Cancelled
                | BatchState::CancelledRunning
                | BatchState::CancelledTerminatingInstances
                | BatchState::Failed
        )
    )
}

/// Whether a Spot request is finished. Open and active requests are not. A disabled request has a
/// stopped instance, which is a reference itself.
fn is_request_over(state: Option<&SpotInstanceState>) -> bool {
    matches!(
        state,
        Some(
            SpotInstanceState::Cancelled
                | SpotInstanceState::Closed
                | SpotInstanceState::Disabled
                | SpotInstanceState::Failed
        )
    )
}

fn fleet_of(arn: String, fleet: FleetData) -> Result<LaunchSource, CloudError> {
    const CALL: ApiCall = ApiCall::DescribeFleets;
    let mut found = LaunchSource::new(ReferenceKind::Fleet, arn, CALL);
    let configs = fleet.launch_template_configs.filter(|configs| !configs.is_empty());
    for config in found.required("launch templates", configs)? {
        let nothing = FleetLaunchTemplateOverrides::builder().build();
        let mut names_image = false;
        for one in config.overrides.unwrap_or_default() {
            found.required("override", (one != nothing).then_some(()))?;
            names_image |= one.image_id.is_some();
            found.add_image(one.image_id);
        }
        match config.launch_template_specification {
            None if names_image => {}
            one => {
                let one = found.required("launch template", one)?;
                let (id, name) = (one.launch_template_id, one.launch_template_name);
                found.add_version(id, name, one.version)?;
            }
        }
    }
    Ok(found)
}

fn spot_fleet_of(arn: String, fleet: SpotFleetRequestConfig) -> Result<LaunchSource, CloudError> {
    const CALL: ApiCall = ApiCall::DescribeSpotFleetRequests;
    let mut found = LaunchSource::new(ReferenceKind::SpotFleet, arn, CALL);
    let config = found.required("configuration", fleet.spot_fleet_request_config)?;
    for one in config.launch_specifications.unwrap_or_default() {
        let image = one.image_id.filter(|image| !image.is_empty());
        found.images.push(found.required("image", image)?);
    }
    for config in config.launch_template_configs.unwrap_or_default() {
        let one = found.required("launch template", config.launch_template_specification)?;
        let (id, name) = (one.launch_template_id, one.launch_template_name);
        found.add_version(id, name, one.version)?;
    }
    let names_something = !found.images.is_empty() || !found.versions.is_empty();
    found.required("launch specifications", names_something.then_some(()))?;
    Ok(found)
}

fn request_of(arn: String, request: SpotInstanceRequest) -> Result<LaunchSource, CloudError> {
    const CALL: ApiCall = ApiCall::DescribeSpotInstanceRequests;
    let mut found = LaunchSource::new(ReferenceKind::SpotRequest, arn, CALL);
    let image = request.launch_specification.and_then(|launch| launch.image_id);
    let image = image.filter(|image| !image.is_empty());
    found.images.push(found.required("image", image)?);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{
        FleetLaunchTemplateConfig, FleetLaunchTemplateSpecification, LaunchSpecification,
        LaunchTemplateConfig, SpotFleetLaunchSpecification, SpotFleetRequestConfigData,
    };

    use super::super::launch_templates::{TemplateKey, VersionKey};
    use super::*;

    fn specification(id: &str, version: &str) -> FleetLaunchTemplateSpecification {
        FleetLaunchTemplateSpecification::builder().launch_template_id(id).version(version).build()
    }

    fn key(id: &str, version: &str) -> VersionKey {
        VersionKey { template: TemplateKey::Id(id.into()), version: version.into() }
    }

    #[test]
    fn a_fleet_names_templates_and_images_in_each_of_its_configs() {
        let image = FleetLaunchTemplateOverrides::builder().image_id("ami-1").build();
        let none = FleetLaunchTemplateOverrides::builder().subnet_id("subnet-1").build();
        let fleet = FleetData::builder()
            .launch_template_configs(
                FleetLaunchTemplateConfig::builder()
                    .launch_template_specification(specification("lt-1", "3"))
                    .overrides(none)
                    .build(),
            )
            .launch_template_configs(
                FleetLaunchTemplateConfig::builder()
                    .launch_template_specification(specification("lt-2", ""))
                    .overrides(image)
                    .build(),
            )
            .build();
        let found = fleet_of("arn:fleet".into(), fleet).unwrap();
        assert_eq!(found.versions, [key("lt-1", "3"), key("lt-2", "$Default")]);
        assert_eq!((found.kind, found.images), (ReferenceKind::Fleet, vec!["ami-1".to_owned()]));
    }

    #[test]
    fn a_spot_fleet_names_images_or_templates() {
        let image = SpotFleetLaunchSpecification::builder().image_id("ami-1").build();
        let template = LaunchTemplateConfig::builder()
            .launch_template_specification(specification("lt-1", "$Latest"))
            .build();
        let config = SpotFleetRequestConfigData::builder()
            .iam_fleet_role("arn:role")
            .target_capacity(1)
            .launch_specifications(image)
            .launch_template_configs(template);
        let fleet =
            SpotFleetRequestConfig::builder().spot_fleet_request_config(config.build()).build();
        let found = spot_fleet_of("arn:spot".into(), fleet).unwrap();
        assert_eq!(found.versions, [key("lt-1", "$Latest")]);
        assert_eq!(
            (found.kind, found.images),
            (ReferenceKind::SpotFleet, vec!["ami-1".to_owned()])
        );
    }

    #[test]
    fn a_request_names_an_image() {
        let launch = LaunchSpecification::builder().image_id("ami-1").build();
        let request = SpotInstanceRequest::builder().launch_specification(launch).build();
        let found = request_of("arn:request".into(), request).unwrap();
        assert_eq!(
            (found.kind, found.images),
            (ReferenceKind::SpotRequest, vec!["ami-1".to_owned()])
        );
    }

    #[test]
    fn a_state_that_is_not_known_is_use() {
        assert!(!is_fleet_over(None) && !is_spot_fleet_over(None) && !is_request_over(None));
        for (state, over) in [
            ("submitted", false),
            ("active", false),
            ("modifying", false),
            ("an unknown state", false),
            ("deleted", true),
            ("deleted_running", true),
            ("deleted_terminating", true),
            ("failed", true),
        ] {
            assert_eq!(is_fleet_over(Some(&state.into())), over, "{state}");
        }
        for (state, over) in [
            ("submitted", false),
            ("active", false),
            ("modifying", false),
            ("an unknown state", false),
            ("cancelled", true),
            ("cancelled_running", true),
            ("cancelled_terminating", true),
            ("failed", true),
        ] {
            assert_eq!(is_spot_fleet_over(Some(&state.into())), over, "{state}");
        }
        for (state, over) in [
            ("open", false),
            ("active", false),
            ("an unknown state", false),
            ("closed", true),
            ("cancelled", true),
            ("disabled", true),
            ("failed", true),
        ] {
            assert_eq!(is_request_over(Some(&state.into())), over, "{state}");
        }
    }
}
