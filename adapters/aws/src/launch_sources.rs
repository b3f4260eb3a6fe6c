//! What launches instances by itself, in one shape: Auto Scaling groups, fleets, spot requests and
//! compute environments. Each kind is read in a file of its own, and [`ALL`] lists them.

use async_trait::async_trait;
use steward::cloud::CloudError;
use steward::model::{ReferenceKind, ReferenceScope, Source};

use super::Aws;
use super::api_call::ApiCall;
use super::auto_scaling_groups::AutoScalingGroups;
use super::compute_environments::BatchEnvironments;
use super::error::bad_answer;
use super::fleets::{Fleets, SpotFleets, SpotRequests};
use super::launch_templates::{TemplateKey, VersionKey};

/// Every kind of launch source, in the order in which inventories list them. To add one, write a
/// file with a type that implements [`ListLaunchSources`], and add the type here.
pub(super) const ALL: &[&dyn ListLaunchSources] =
    &[&AutoScalingGroups, &Fleets, &SpotFleets, &SpotRequests, &BatchEnvironments];

/// Whether the launch sources that `source` lists can name launch templates.
pub(super) fn source_names_templates(source: Source) -> bool {
    ALL.iter().any(|one| one.source() == source && one.names_templates())
}

/// Lists the launch sources of one kind.
#[async_trait]
pub(super) trait ListLaunchSources: Sync {
    /// What an inventory calls this source.
    fn source(&self) -> Source;

    /// Whether the policy wants this source to be read.
    fn is_wanted(&self, _: &ReferenceScope) -> bool {
        true
    }

    /// Whether launch sources of this kind can name launch templates.
    fn names_templates(&self) -> bool {
        true
    }

    /// Lists all launch sources of this kind that may still launch instances.
    async fn list(&self, aws: &Aws) -> Result<Vec<LaunchSource>, CloudError>;
}

/// One launch source, and what it launches instances from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LaunchSource {
    pub(super) kind: ReferenceKind,
    pub(super) arn: String,
    /// The call that showed it.
    pub(super) call: ApiCall,
    /// Every template version that it names, overrides included.
    pub(super) versions: Vec<VersionKey>,
    /// The images that it names itself.
    pub(super) images: Vec<String>,
    /// The launch configuration that it names, which is a reference of its own.
    pub(super) configuration: Option<String>,
    /// Whether the launch configuration is not named, but taken to have the name of the group.
    pub(super) is_guess: bool,
}

impl LaunchSource {
    /// A launch source that names nothing yet.
    pub(super) fn new(kind: ReferenceKind, arn: String, call: ApiCall) -> Self {
        let (versions, images) = (Vec::new(), Vec::new());
        Self { kind, arn, call, versions, images, configuration: None, is_guess: false }
    }

    /// Adds what it was shown to name: an image, or nothing.
    pub(super) fn add_image(&mut self, image: Option<String>) {
        self.images.extend(image);
    }

    /// The part of it that decides what it launches, which it cannot be without.
    pub(super) fn required<T>(&self, what: &str, part: Option<T>) -> Result<T, CloudError> {
        part.ok_or_else(|| bad_answer(self.call, format!("{} came without its {what}", self.arn)))
    }

    /// Adds the version of a template that it was shown to name. Without a version that is
    /// the default one, for Auto Scaling and Batch as well as for EC2.
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
                let message = format!("{} names a launch template without id and name", self.arn);
                return Err(bad_answer(self.call, message));
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
        assert!(error.starts_with("ec2:DescribeFleets: arn:fleet names"), "{error}");
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
