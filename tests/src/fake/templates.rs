//! Launch templates in the fake: the versions that are read, and their images and snapshots.
//!
//! The fake has all versions. This file selects those that count.

use std::collections::{BTreeMap, BTreeSet};

use steward::cloud::{CloudError, ErrorKind};
use steward::model::{ImageId, TemplateVersions};

use super::faults::{Faults, error};
use super::references::arn;
use super::state::State;
use crate::fleet::{LaunchTemplate, Specification, TemplateVersion};

const VERSIONS: &str = "ec2:DescribeLaunchTemplateVersions";
/// The maximum page size of templates and of versions.
const PAGE: usize = 200;

/// A version that was read.
#[derive(Clone, Copy)]
pub(super) struct ReadVersion<'a> {
    pub(super) template: &'a LaunchTemplate,
    pub(super) version: &'a TemplateVersion,
}

/// The key of a version: the ID of its template, and its number.
pub(super) type VersionId<'a> = (&'a str, u32);

impl<'a> ReadVersion<'a> {
    pub(super) fn id(&self) -> VersionId<'a> {
        (&self.template.launch_template_id, self.version.version)
    }

    /// The ARN of the template.
    pub(super) fn arn(&self, state: &State) -> String {
        arn_of(state, self.template)
    }

    /// The number, with `$Default` and `$Latest` in parentheses where they apply.
    pub(super) fn version(&self) -> String {
        let number = self.version.version;
        let default = (self.template.default_version == number).then_some("$Default");
        let latest = (latest(self.template) == number).then_some("$Latest");
        let aliases: Vec<&str> = default.into_iter().chain(latest).collect();
        if aliases.is_empty() {
            number.to_string()
        } else {
            format!("{number} ({})", aliases.join(", "))
        }
    }
}

pub(super) fn arn_of(state: &State, template: &LaunchTemplate) -> String {
    arn(state, "ec2", &format!("launch-template/{}", template.launch_template_id))
}

/// The versions in this scope, and the versions that launch sources refer to.
pub(super) fn read<'a>(
    state: &'a State,
    faults: &mut Faults,
    versions: TemplateVersions,
    pinned: &BTreeSet<&Specification>,
) -> Result<Vec<ReadVersion<'a>>, CloudError> {
    let mut found = Vec::new();
    for template in listed(state, faults, versions)? {
        let newest = newest_first(template);
        for (place, version) in newest.into_iter().enumerate() {
            let number = version.version;
            let wanted = match versions {
                TemplateVersions::DefaultAndLatest => false,
                TemplateVersions::Newest(count) => place < count.get() as usize,
                TemplateVersions::All => true,
            };
            let is_pinned = pinned.iter().any(|one| {
                one.launch_template_id == template.launch_template_id
                    && one.version == number.to_string()
            });
            if wanted
                || is_pinned
                || number == template.default_version
                || number == latest(template)
            {
                found.push(ReadVersion { template, version });
            }
        }
    }
    Ok(found)
}

/// The templates, with the calls for reading their versions: one listing for the default and latest
/// versions of all templates, otherwise one for each template.
fn listed<'a>(
    state: &'a State,
    faults: &mut Faults,
    versions: TemplateVersions,
) -> Result<Vec<&'a LaunchTemplate>, CloudError> {
    const TEMPLATES: &str = "ec2:DescribeLaunchTemplates";
    let held = &state.rest.launch_templates;
    if versions == TemplateVersions::DefaultAndLatest {
        faults.check(VERSIONS, &[])?;
        let both = |one| BTreeSet::from([latest(one), one.default_version]).len();
        faults.check_pages(VERSIONS, held.iter().map(both).sum(), PAGE)?;
        return Ok(held.iter().collect());
    }
    faults.check(TEMPLATES, &[])?;
    faults.check_pages(TEMPLATES, held.len(), PAGE)?;
    let mut found = Vec::new();
    for template in held {
        match faults.check(VERSIONS, &[&template.launch_template_id]) {
            Ok(()) => found.push(template),
            // The template was deleted after it was listed.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        faults.check_pages(VERSIONS, template.versions.len(), PAGE)?;
    }
    Ok(found)
}

pub(super) fn newest_first(template: &LaunchTemplate) -> Vec<&TemplateVersion> {
    let mut versions: Vec<&TemplateVersion> = template.versions.iter().collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.version));
    versions
}

fn latest(template: &LaunchTemplate) -> u32 {
    template.versions.iter().map(|version| version.version).max().unwrap_or_default()
}

/// The version to which a specification refers, if it exists.
pub(super) fn version_of<'a>(state: &'a State, wanted: &Specification) -> Option<ReadVersion<'a>> {
    let mut held = state.rest.launch_templates.iter();
    let template = held.find(|one| one.launch_template_id == wanted.launch_template_id)?;
    let number = match wanted.version.as_str() {
        "$Latest" => latest(template),
        "$Default" => template.default_version,
        number => number.parse().ok()?,
    };
    let version = template.versions.iter().find(|version| version.version == number)?;
    Some(ReadVersion { template, version })
}

/// The images of the texts in templates and launch sources. Each parameter is read once.
#[derive(Default)]
pub(super) struct AliasedImages(BTreeMap<String, Result<ImageId, CloudError>>);

impl AliasedImages {
    /// The image to which `user` refers with `text`.
    pub(super) fn behind(
        &mut self,
        state: &State,
        faults: &mut Faults,
        text: &str,
        user: &str,
    ) -> Result<ImageId, CloudError> {
        let answer = match (self.0.get(text), text.strip_prefix("resolve:ssm:")) {
            (Some(answer), _) => answer.clone(),
            (None, alias) => {
                let answer = match alias {
                    Some(name) => parameter(state, faults, name),
                    None => id_in(text).ok_or_else(|| {
                        error::of(VERSIONS, "", "the image field contains no image ID")
                    }),
                };
                self.0.insert(text.to_owned(), answer.clone());
                answer
            }
        };
        answer.map_err(|error| {
            let message = format!("{user}: {}", error.message);
            CloudError { message, ..error }
        })
    }
}

/// The image ID in `text`, alone or at the end, in upper or lower case.
fn id_in(text: &str) -> Option<ImageId> {
    let text = text.trim().to_lowercase();
    text.rsplit(['/', ' ']).next()?.parse().ok()
}

fn parameter(state: &State, faults: &mut Faults, name: &str) -> Result<ImageId, CloudError> {
    const ACTION: &str = "ssm:GetParameter";
    let who = format!("parameter {name}");
    faults.check(ACTION, &[name]).map_err(|error| {
        let message = format!("{who}: {}", error.message);
        CloudError { message, ..error }
    })?;
    let parameter = state.rest.ssm_parameters.iter().find(|one| one.name == name);
    let Some(parameter) = parameter else {
        return Err(error::of(ACTION, "ParameterNotFound", &who));
    };
    if !parameter.is_plain() {
        return Err(error::of(ACTION, "", &format!("{who} is of type SecureString")));
    }
    let parsed = parameter.value.trim().parse();
    parsed.map_err(|_| error::of(ACTION, "", &format!("{who} contains no image ID")))
}
