//! Launch sources: resources that launch instances by themselves. These are Auto Scaling groups,
//! fleets, Spot requests and compute environments. Each kind has its own file, and [`ALL`] lists them.

use async_trait::async_trait;
use steward::cloud::CloudError;
use steward::model::{ReferenceKind, ReferenceScope, Source};

use super::Aws;
use super::api_call::ApiCall;
use super::auto_scaling_groups::AutoScalingGroups;
use super::compute_environments::BatchEnvironments;
use super::error::bad_response;
use super::fleets::{Fleets, SpotFleets, SpotRequests};
use super::launch_templates::{TemplateKey, VersionKey};

/// All kinds of launch source, in the order of inventories. To add one, implement
/// [`ListLaunchSources`] for a type in a new file, and add the type here.
pub(super) const ALL: &[&dyn ListLaunchSources] =
    &[&AutoScalingGroups, &Fleets, &SpotFleets, &SpotRequests, &BatchEnvironments];

/// Whether launch sources of this kind can refer to launch templates.
pub(super) fn source_names_templates(source: Source) -> bool {
    ALL.iter().any(|one| one.source() == source && one.names_templates())
}

/// Lists the launch sources of one kind.
#[async_trait]
pub(super) trait ListLaunchSources: Sync {
    /// The name of this source in an inventory.
    fn source(&self) -> Source;

    /// Whether the policy includes this source.
    fn is_wanted(&self, _: &ReferenceScope) -> bool {
        true
    }

    /// Whether launch sources of this kind can refer to launch templates.
    fn names_templates(&self) -> bool {
        true
    }

    /// Lists all launch sources of this kind that may still launch instances.
    async fn list(&self, aws: &Aws) -> Result<Vec<LaunchSource>, CloudError>;
}

/// A launch source, with the templates and images that it launches.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LaunchSource {
    pub(super) kind: ReferenceKind,
    pub(super) arn: String,
    /// The call whose response contains it.
    pub(super) call: ApiCall,
    /// All template versions that it refers to, including overrides.
    pub(super) versions: Vec<VersionKey>,
    /// The images that it refers to directly.
    pub(super) images: Vec<String>,
    /// Its launch configuration, which is a separate reference.
    pub(super) configuration: Option<String>,
    /// Whether the Auto Scaling group names no launch configuration, so that its own name is assumed.
    pub(super) is_guess: bool,
}

impl LaunchSource {
    /// A launch source without templates and images.
    pub(super) fn new(kind: ReferenceKind, arn: String, call: ApiCall) -> Self {
        let (versions, images) = (Vec::new(), Vec::new());
        Self { kind, arn, call, versions, images, configuration: None, is_guess: false }
    }

    /// Adds an image, if there is one.
    pub(super) fn add_image(&mut self, image: Option<String>) {
        self.images.extend(image);
    }

    /// A required part of the launch source, which determines what it launches.
    pub(super) fn required<T>(&self, what: &str, part: Option<T>) -> Result<T, CloudError> {
        part.ok_or_else(|| {
            bad_response(self.call, format!("the response lacks the {what} of {}", self.arn))
        })
    }

    /// Adds a template version. Without a version, Auto Scaling, Batch and EC2 use the default version.
    pub(super) fn add_version(
        &mut self,
        id: Option<String>,
        name: Option<String>,
        version: Option<String>,
    ) -> Result<(), CloudError> {
        let [id, name, version] =
            [id, name, version].map(|text| text.filter(|text| !text.is_empty()));
        let template = match (id, name) {
            (Some(id), _) => TemplateKey::Id(id),
            (None, Some(name)) => TemplateKey::Name(name),
            (None, None) => {
                let message =
                    format!("a launch template of {} has neither an ID nor a name", self.arn);
                return Err(bad_response(self.call, message));
            }
        };
        let version = version.unwrap_or_else(|| "$Default".to_owned());
        self.versions.push(VersionKey { template, version });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_without_id_and_name_is_not_passed_over() {
        let mut launch_source =
            LaunchSource::new(ReferenceKind::Fleet, "arn:fleet".into(), ApiCall::DescribeFleets);
        let version = Some("1".to_owned());
        let error = launch_source.add_version(None, Some(String::new()), version);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("ec2:DescribeFleets: a launch template of arn:fleet"), "{error}");
    }

    #[test]
    fn an_absent_version_is_the_default_one() {
        let mut launch_source = LaunchSource::new(
            ReferenceKind::ComputeEnvironment,
            "arn:batch".into(),
            ApiCall::DescribeComputeEnvironments,
        );
        for version in [None, Some(String::new()), Some("$Latest".to_owned())] {
            let id = Some("lt-1".to_owned());
            launch_source.add_version(id, None, version).unwrap();
        }
        let versions: Vec<&str> =
            launch_source.versions.iter().map(|key| key.version.as_str()).collect();
        assert_eq!(versions, ["$Default", "$Default", "$Latest"]);
    }
}
