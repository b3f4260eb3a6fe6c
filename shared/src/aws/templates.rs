//! Launch templates: which image each of their versions names.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::LaunchTemplateVersion;

use super::Aws;
use super::error::bad_answer;
use super::pace::Action;
use super::pages::Pages;
use crate::cloud::{CloudError, ErrorKind, TemplateVersions};

/// The largest page of the two listings, and the most versions that one call names.
const PAGE: i32 = 200;
const VERSIONS: usize = 200;

/// What a template is called by those that use it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TemplateKey {
    Id(String),
    Name(String),
}

/// One version of one template, as its users write it down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VersionKey {
    pub(super) template: TemplateKey,
    /// A number, `$Latest` or `$Default`.
    pub(super) version: String,
}

/// The templates as far as they were read.
#[derive(Debug, Default)]
pub(super) struct Templates {
    by_id: BTreeMap<String, Template>,
    ids: BTreeMap<String, String>,
}

/// The versions of one template that were read.
#[derive(Debug, Default)]
pub(super) struct Template {
    default: Option<i64>,
    /// By number: what the version names as its image, which may be `resolve:ssm:…` or nothing.
    images: BTreeMap<i64, Option<String>>,
}

impl Template {
    /// The version that `$Latest` means: the one of the highest number, always.
    fn latest(&self) -> Option<i64> {
        self.images.last_key_value().map(|(number, _)| *number)
    }

    /// The number of a version, with what else it is called.
    fn label(&self, number: i64) -> String {
        let default = (self.default == Some(number)).then_some("$Default");
        let latest = (self.latest() == Some(number)).then_some("$Latest");
        let names: Vec<&str> = default.into_iter().chain(latest).collect();
        if names.is_empty() {
            format!("version {number}")
        } else {
            format!("version {number} ({})", names.join(", "))
        }
    }
}

impl Templates {
    fn add(&mut self, version: LaunchTemplateVersion) -> Result<(), CloudError> {
        let (Some(id), Some(number)) = (version.launch_template_id, version.version_number) else {
            let message = "a version came without its template's id or its number".to_owned();
            return Err(bad_answer(Action::DescribeLaunchTemplateVersions, message));
        };
        if let Some(name) = version.launch_template_name {
            self.ids.insert(name, id.clone());
        }
        let template = self.by_id.entry(id).or_default();
        if version.default_version == Some(true) {
            template.default = Some(number);
        }
        template.images.insert(number, version.launch_template_data.and_then(|data| data.image_id));
        Ok(())
    }

    /// What the version names as its image: `None` when that version has not been read,
    /// `Some(None)` when it names none.
    pub(super) fn image_of(&self, key: &VersionKey) -> Option<Option<&str>> {
        let id = match &key.template {
            TemplateKey::Id(id) => id,
            TemplateKey::Name(name) => self.ids.get(name)?,
        };
        let template = self.by_id.get(id)?;
        let number = match key.version.as_str() {
            "$Latest" => template.latest()?,
            "$Default" => template.default?,
            number => number.parse().ok()?,
        };
        template.images.get(&number).map(Option::as_deref)
    }

    /// Every version that was read and names an image: the template's id, the version with its
    /// other names, and the image.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, String, &str)> {
        self.by_id.iter().flat_map(|(id, template)| {
            let named = template.images.iter();
            named.filter_map(move |(number, image)| {
                Some((id.as_str(), template.label(*number), image.as_deref()?))
            })
        })
    }
}

impl Aws {
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
            TemplateVersions::All => {
                for id in self.template_ids().await? {
                    self.add_all_of(&mut found, id).await?;
                }
            }
        }
        Ok(found)
    }

    /// Reads the versions of `wanted` that were not read before. A version that does not exist
    /// (its template was deleted, say) holds no image and stays unread.
    pub(super) async fn add_pinned(
        &self,
        found: &mut Templates,
        wanted: impl IntoIterator<Item = VersionKey>,
    ) -> Result<(), CloudError> {
        let mut missing: BTreeMap<TemplateKey, BTreeSet<String>> = BTreeMap::new();
        for key in wanted {
            if found.image_of(&key).is_none() {
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

    /// One version that does not exist fails the call for all, so that the others are then
    /// asked for one by one.
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
                let message = error.message;
                tracing::warn!(?template, ?versions, message, "a group pins what does not exist");
                Ok(())
            }
            other => other,
        }
    }

    /// Reads these versions of one template; without a template, of all of them.
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
        let mut pages = Pages::of(Action::DescribeLaunchTemplateVersions);
        while let Some(token) = pages.next() {
            // An account may hide from its listings what other AWS services manage in it.
            let request = self
                .ec2
                .describe_launch_template_versions()
                .set_launch_template_id(id.clone())
                .set_launch_template_name(name.clone())
                .set_versions(versions.clone())
                .max_results(PAGE)
                .include_managed_resources(true)
                .set_next_token(token);
            let page = self.send(Action::DescribeLaunchTemplateVersions, request.send()).await?;
            for version in page.launch_template_versions.unwrap_or_default() {
                found.add(version)?;
            }
            pages.turn(page.next_token)?;
        }
        Ok(())
    }

    async fn add_all_of(&self, found: &mut Templates, id: String) -> Result<(), CloudError> {
        match self.add_versions(found, Some(&TemplateKey::Id(id)), &[]).await {
            // It was deleted since the listing.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    async fn template_ids(&self) -> Result<Vec<String>, CloudError> {
        let mut found = Vec::new();
        let mut pages = Pages::of(Action::DescribeLaunchTemplates);
        while let Some(token) = pages.next() {
            let request = self
                .ec2
                .describe_launch_templates()
                .max_results(PAGE)
                .include_managed_resources(true)
                .set_next_token(token);
            let page = self.send(Action::DescribeLaunchTemplates, request.send()).await?;
            for template in page.launch_templates.unwrap_or_default() {
                found.push(template.launch_template_id.ok_or_else(|| {
                    let message = "a template came without its id".to_owned();
                    bad_answer(Action::DescribeLaunchTemplates, message)
                })?);
            }
            pages.turn(page.next_token)?;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::ResponseLaunchTemplateData;

    use super::*;

    fn templates() -> Templates {
        let mut found = Templates::default();
        for (number, default) in [(2, true), (7, false)] {
            let image = format!("ami-{number}");
            let data = ResponseLaunchTemplateData::builder().image_id(image).build();
            let version = LaunchTemplateVersion::builder()
                .launch_template_id("lt-1")
                .launch_template_name("web")
                .version_number(number)
                .default_version(default)
                .launch_template_data(data);
            found.add(version.build()).unwrap();
        }
        found
    }

    #[test]
    fn versions_are_found_by_number_and_by_name() {
        let found = templates();
        let by_id = TemplateKey::Id("lt-1".into());
        let by_name = TemplateKey::Name("web".into());
        for template in [by_id, by_name] {
            for (version, image) in [
                ("$Latest", Some("ami-7")),
                ("$Default", Some("ami-2")),
                ("2", Some("ami-2")),
                ("3", None),
            ] {
                let key = VersionKey { template: template.clone(), version: version.into() };
                assert_eq!(found.image_of(&key).flatten(), image, "{key:?}");
            }
        }
    }

    #[test]
    fn labels_say_what_else_a_version_is_called() {
        let found = templates();
        let labels: Vec<String> = found.iter().map(|(_, label, _)| label).collect();
        assert_eq!(labels, ["version 2 ($Default)", "version 7 ($Latest)"]);
    }
}
