//! Reading launch templates: the versions to request, and the requests.

use std::collections::{BTreeMap, BTreeSet};

use steward::cloud::{CloudError, ErrorKind};
use steward::model::TemplateVersions;

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;
use super::launch_templates::{TemplateKey, Templates, VersionKey};

/// The maximum page size of the two listings, and the maximum number of versions per call.
const PAGE: i32 = 200;
const VERSIONS: usize = 200;

impl Aws {
    /// The templates with at least the versions in `versions`. The newest versions of a template are
    /// known only after all its versions were read.
    pub(super) async fn templates(
        &self,
        versions: TemplateVersions,
    ) -> Result<Templates, CloudError> {
        let mut found = Templates::default();
        match versions {
            TemplateVersions::DefaultAndLatest => {
                let both = ["$Default", "$Latest"].map(String::from);
                self.add_versions(&mut found, None, &both).await?;
            }
            TemplateVersions::Newest(_) | TemplateVersions::All => {
                for id in self.template_ids().await? {
                    self.add_all_of(&mut found, id).await?;
                }
            }
        }
        Ok(found)
    }

    /// Reads the versions in `wanted` that were not read before. A version that does not exist, for
    /// example because its template was deleted, refers to no image and is recorded as missing.
    pub(super) async fn add_pinned(
        &self,
        found: &mut Templates,
        wanted: impl IntoIterator<Item = VersionKey>,
    ) -> Result<(), CloudError> {
        let mut missing: BTreeMap<TemplateKey, BTreeSet<String>> = BTreeMap::new();
        for key in wanted {
            if !found.has(&key) {
                missing.entry(key.template).or_default().insert(key.version);
            }
        }
        for (template, versions) in missing {
            let versions: Vec<String> = versions.into_iter().collect();
            for some in versions.chunks(VERSIONS) {
                self.add_those_that_exist(found, &template, some).await?;
            }
        }
        Ok(())
    }

    /// Reads the versions that exist. One missing version fails the whole call. Then each version is
    /// requested individually.
    async fn add_those_that_exist(
        &self,
        found: &mut Templates,
        template: &TemplateKey,
        versions: &[String],
    ) -> Result<(), CloudError> {
        match self.add_versions(found, Some(template), versions).await {
            Err(error) if error.kind == ErrorKind::NotFound && versions.len() > 1 => {
                for version in versions.chunks(1) {
                    Box::pin(self.add_those_that_exist(found, template, version)).await?;
                }
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                let error = error.message;
                tracing::warn!(
                    ?template,
                    ?versions,
                    error,
                    "a reference to a launch template version that does not exist"
                );
                for version in versions {
                    let (template, version) = (template.clone(), version.clone());
                    found.add_gone(VersionKey { template, version });
                }
                Ok(())
            }
            other => other,
        }
    }

    /// Reads these versions of one template, or of all templates if `template` is `None`.
    async fn add_versions(
        &self,
        found: &mut Templates,
        template: Option<&TemplateKey>,
        versions: &[String],
    ) -> Result<(), CloudError> {
        let (id, name) = match template {
            Some(TemplateKey::Id(id)) => (Some(id.clone()), None),
            Some(TemplateKey::Name(name)) => (None, Some(name.clone())),
            None => (None, None),
        };
        let versions = (!versions.is_empty()).then(|| versions.to_vec());
        self.each_page(
            ApiCall::DescribeLaunchTemplateVersions,
            |token| {
                // An account can hide resources from its listings that other AWS services manage.
                let request = self
                    .clients
                    .ec2
                    .describe_launch_template_versions()
                    .set_launch_template_id(id.clone())
                    .set_launch_template_name(name.clone())
                    .set_versions(versions.clone())
                    .max_results(PAGE)
                    .include_managed_resources(true)
                    .set_next_token(token);
                request.send()
            },
            |page| {
                let call = ApiCall::DescribeLaunchTemplateVersions;
                for version in self.listed(call, page.launch_template_versions)? {
                    found.add(version)?;
                }
                Ok(page.next_token)
            },
        )
        .await?;
        Ok(())
    }

    async fn add_all_of(&self, found: &mut Templates, id: String) -> Result<(), CloudError> {
        match self.add_versions(found, Some(&TemplateKey::Id(id)), &[]).await {
            // The template was deleted after it was listed.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    async fn template_ids(&self) -> Result<Vec<String>, CloudError> {
        self.list(
            ApiCall::DescribeLaunchTemplates,
            |token| {
                let request = self
                    .clients
                    .ec2
                    .describe_launch_templates()
                    .max_results(PAGE)
                    .include_managed_resources(true)
                    .set_next_token(token);
                request.send()
            },
            |page| (page.launch_templates, page.next_token),
            |template| {
                let missing = || {
                    let message = "the response contains a template without an ID".to_owned();
                    bad_response(ApiCall::DescribeLaunchTemplates, message)
                };
                let id = template.launch_template_id.filter(|id| !id.is_empty());
                id.ok_or_else(missing).map(Some)
            },
        )
        .await
    }
}
