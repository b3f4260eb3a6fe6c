//! What starts machines by itself, in one shape: groups, fleets, spot requests and compute
//! environments. How each is read is the business of its own file.

use steward::cloud::CloudError;
use super::error::bad_answer;
use super::rate_limit::ApiCall;
use super::templates::{TemplateKey, VersionKey};

/// One such thing, and what it starts machines from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LaunchSource {
    /// Its kind, as references name it.
    pub(super) kind: &'static str,
    pub(super) arn: String,
    /// Every template version that it names, overrides included.
    pub(super) versions: Vec<VersionKey>,
    /// The images that it names itself.
    pub(super) images: Vec<String>,
    /// The launch configuration that it names, which is a reference of its own.
    pub(super) configuration: Option<String>,
}

impl LaunchSource {
    pub(super) fn new(kind: &'static str, arn: String) -> Self {
        Self { kind, arn, ..Self::default() }
    }

    /// Adds what `action` showed it to name: an image, or nothing.
    pub(super) fn add_image(&mut self, image: Option<String>) {
        self.images.extend(image.filter(|image| !image.is_empty()));
    }

    /// Adds the version of a template that `action` showed it to name. Without a version that is
    /// the default one, for Auto Scaling and Batch as well as for EC2.
    pub(super) fn add_version(
        &mut self,
        action: ApiCall,
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
                return Err(bad_answer(action, message));
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
        let mut launch_source = LaunchSource::new("fleet", "arn:fleet".into());
        let version = Some("1".to_owned());
        let error = launch_source.add_version(ApiCall::DescribeFleets, None, Some(String::new()), version);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("ec2:DescribeFleets: arn:fleet names"), "{error}");
    }

    #[test]
    fn an_absent_version_is_the_default_one() {
        let mut launch_source = LaunchSource::new("compute_environment", "arn:batch".into());
        for version in [None, Some(String::new()), Some("$Latest".to_owned())] {
            let id = Some("lt-1".to_owned());
            launch_source.add_version(ApiCall::DescribeComputeEnvironments, id, None, version).unwrap();
        }
        let versions: Vec<&str> = launch_source.versions.iter().map(|key| key.version.as_str()).collect();
        assert_eq!(versions, ["$Default", "$Default", "$Latest"]);
    }
}
