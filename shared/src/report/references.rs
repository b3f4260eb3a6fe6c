//! Stale references: references that keep images although nothing seems to use them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::id_and_name;
use super::price::size_and_cost;
use super::style::{OutputStyle, Tone};
use crate::model::{
    ImageId, ProviderWords, ReferenceKind, Region, ResourceText, TemplateVersions, short_id,
};
use crate::plan::reason::Reason;
use crate::plan::{Decision, Plan};
use crate::text_fmt::{counted, printable, shell_word, short_age, thousands};

/// The maximum number of versions per DeleteLaunchTemplateVersions call.
const MAX_VERSIONS: usize = 200;
/// The label of the template version that cannot be deleted.
const DEFAULT: &str = "$Default";

/// An image with stale references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// The ID of the image.
    pub image_id: ImageId,
    /// The name of the image.
    pub name: Arc<str>,
    /// When the image was created.
    pub created_at: Option<Timestamp>,
    /// The size of the image's storage; see [`Decision::size_gib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_gib: Option<u32>,
    /// The stale references. As far as is known, no instance is launched through them.
    pub references: Vec<StaleReference>,
    /// The number of other reasons that keep the image. If 0, it expires once the references are
    /// deleted.
    pub other_reasons: usize,
}

/// A stale reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleReference {
    /// The kind of resource that refers to the image.
    pub kind: ReferenceKind,
    /// The ARN of that resource.
    pub arn: Arc<str>,
    /// The version of that resource; see [`Reference::version`](crate::model::Reference::version).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
    /// The display name of that resource; see [`Reference::name`](crate::model::Reference::name).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
}

/// A launch template or launch configuration, all or some versions of which are stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleResource {
    /// The kind of resource.
    pub kind: ReferenceKind,
    /// The ARN of the resource.
    pub arn: Arc<str>,
    /// The display name of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// The stale versions, oldest first. Empty for a resource without versions.
    pub versions: Vec<Arc<str>>,
    /// The images that the resource refers to.
    pub images: BTreeSet<ImageId>,
    /// AWS CLI commands that delete the resource or these versions. The user must replace
    /// `OTHER_VERSION`, because EC2 does not delete the default version of a template.
    pub commands: Vec<String>,
}

/// Returns the images that stale references keep, oldest first.
pub fn stale(plan: &Plan) -> Vec<Stale> {
    let of = |decision: &Decision| {
        let mut references: Vec<StaleReference> = Vec::new();
        for reason in &decision.reasons {
            if let Reason::InUse { kind, arn, version, stale: true, name } = reason {
                let (kind, arn, version) = (kind.clone(), arn.clone(), version.clone());
                references.push(StaleReference { kind, arn, version, name: name.clone() });
            }
        }
        let other_reasons = decision.reasons.len() - references.len();
        (!references.is_empty()).then(|| Stale {
            image_id: decision.image_id.clone(),
            name: decision.name.clone(),
            created_at: decision.created_at,
            size_gib: decision.size_gib,
            references,
            other_reasons,
        })
    };
    let mut found: Vec<Stale> = plan.decisions.iter().filter_map(of).collect();
    found.sort_by_key(|one| (one.created_at, one.image_id.clone()));
    found
}

/// Returns the resources that contain the stale references, by ARN, with the commands that delete
/// them.
pub fn stale_resources(found: &[Stale], region: &Option<Region>) -> Vec<StaleResource> {
    let mut resources: BTreeMap<(&ReferenceKind, &Arc<str>), StaleResource> = BTreeMap::new();
    for Stale { image_id, references, .. } in found {
        for StaleReference { kind, arn, version, name } in references {
            let new = || StaleResource {
                kind: kind.clone(),
                arn: arn.clone(),
                name: name.clone(),
                versions: Vec::new(),
                images: BTreeSet::new(),
                commands: Vec::new(),
            };
            let resource = resources.entry((kind, arn)).or_insert_with(new);
            resource.images.insert(image_id.clone());
            resource.versions.extend(version.clone());
        }
    }
    let mut resources: Vec<StaleResource> = resources.into_values().collect();
    for resource in &mut resources {
        resource.versions.sort_by_key(|version| (number(version), version.clone()));
        resource.versions.dedup();
        resource.commands = commands(resource, region);
    }
    resources
}

/// Returns the version number. The label can contain more.
fn number(version: &str) -> Option<u64> {
    version.split_whitespace().next()?.parse().ok()
}

fn commands(resource: &StaleResource, region: &Option<Region>) -> Vec<String> {
    let id = shell_word(&short_id(&resource.arn));
    // The provider without Regions has no launch templates and launch configurations.
    let Some(region) = region else { return Vec::new() };
    match resource.kind {
        ReferenceKind::LaunchConfiguration => vec![format!(
            "aws autoscaling delete-launch-configuration --region {region} --launch-configuration-name {id}"
        )],
        ReferenceKind::LaunchTemplate => {
            let (default, others): (Vec<&Arc<str>>, Vec<&Arc<str>>) =
                resource.versions.iter().partition(|version| version.contains(DEFAULT));
            let numbers: Vec<u64> = others.into_iter().filter_map(|one| number(one)).collect();
            let some = |numbers: &[u64]| {
                let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
                format!(
                    "aws ec2 delete-launch-template-versions --region {region} --launch-template-id {id} --versions {}",
                    numbers.join(" ")
                )
            };
            let mut commands: Vec<String> = numbers.chunks(MAX_VERSIONS).map(some).collect();
            // Never delete the whole template: an Auto Scaling group may use a version that was not listed.
            let default: Vec<u64> = default.into_iter().filter_map(|one| number(one)).collect();
            if !default.is_empty() {
                commands.push(format!(
                    "aws ec2 modify-launch-template --region {region} --launch-template-id {id} --default-version OTHER_VERSION"
                ));
                commands.push(some(&default));
            }
            commands
        }
        _ => Vec::new(),
    }
}

/// Formats the result of [`stale`], by resource. `policy_versions` are the template versions that a
/// plan counts as references.
pub fn stale_text(plan: &Plan, policy_versions: TemplateVersions, style: OutputStyle) -> String {
    let found = stale(plan);
    let mut text = String::new();
    if found.is_empty() {
        let users = plan.account.provider().words().stale_users;
        let none = format!("No stale references found: {users} uses each reference that was read.");
        style.paragraph(&mut text, 0, &none);
        return text;
    }
    for resource in stale_resources(&found, &plan.region) {
        resource_text(&mut text, &resource, &found, plan, style);
        text.push('\n');
    }
    let alone: Vec<&Stale> = found.iter().filter(|one| one.other_reasons == 0).collect();
    let gib: u64 = alone.iter().filter_map(|one| one.size_gib).map(u64::from).sum();
    let price = super::Price::in_region(&plan.region);
    let images = counted(found.len(), "image");
    let line = match alone.len() {
        0 => format!("These references are to {images}, also kept for other reasons."),
        alone => format!(
            "These references are to {images}. Nothing else keeps {} of them: at most {}.",
            thousands(alone),
            size_and_cost(gib, price.as_ref(), ", ")
        ),
    };
    style.paragraph(&mut text, 0, &line);
    let ProviderWords { no_stale_user, service, has_launch_templates, .. } =
        plan.account.provider().words();
    let warning = format!(
        "{no_stale_user} uses these references, but people or programs might. Ask their owners before you delete \
         them."
    );
    style.paragraph(&mut text, 0, &warning);
    if policy_versions != TemplateVersions::All && *has_launch_templates {
        let note = format!(
            "This list includes all versions. A plan counts only the versions that safety.template_versions \
             specifies and those that {service} reports. An image to which only another version refers can therefore \
             expire."
        );
        style.paragraph(&mut text, 0, &note);
    }
    text
}

fn resource_text(
    text: &mut String,
    resource: &StaleResource,
    found: &[Stale],
    plan: &Plan,
    style: OutputStyle,
) {
    let StaleResource { kind, arn, name, images, commands, .. } = resource;
    let title = ResourceText { kind, arn, version: None, name: name.as_deref() };
    let heading =
        format!("{}: refers to {}", printable(&title.to_string()), counted(images.len(), "image"));
    style.paragraph(text, 0, &style.tone(Tone::Heading, &heading));
    for Stale { image_id, name, created_at, references, other_reasons, .. } in found {
        let ours = references.iter().filter(|one| (&one.kind, &one.arn) == (kind, arn));
        let versions: Vec<String> = ours
            .clone()
            .filter_map(|one| one.version.as_deref().map(|version| format!("v{version}")))
            .collect();
        if ours.count() == 0 {
            continue;
        }
        let version = match versions.is_empty() {
            true => String::new(),
            false => format!("{}: ", versions.join(", ")),
        };
        let age = created_at.map(|made| short_age(made, plan.planned_at));
        let age = age.map(|age| format!(" ({age} old)")).unwrap_or_default();
        let others = match other_reasons {
            0 => "nothing else keeps it".to_owned(),
            1 => "also kept for 1 other reason".to_owned(),
            more => format!("also kept for {} other reasons", thousands(more)),
        };
        let line = format!("{version}{}{age}; {others}", id_and_name(image_id, name));
        style.paragraph(text, 2, &printable(&line));
    }
    let is_default = resource.versions.iter().any(|version| version.contains(DEFAULT));
    for command in commands {
        // Not wrapped, so that the command can be copied.
        let _ = writeln!(text, "  {}", printable(command));
    }
    if is_default {
        let note = "EC2 does not delete a default version. First make another version the default: replace \
                    OTHER_VERSION with its number.";
        style.paragraph(text, 2, note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(kind: ReferenceKind, resource: &str, versions: &[&str]) -> Stale {
        let arn: Arc<str> = format!("arn:aws:ec2:eu-central-1:123456789012:{resource}").into();
        let reference = |version: Option<&str>| StaleReference {
            kind: kind.clone(),
            arn: arn.clone(),
            version: version.map(Into::into),
            name: None,
        };
        let references = match versions {
            [] => vec![reference(None)],
            versions => versions.iter().map(|version| reference(Some(version))).collect(),
        };
        Stale {
            image_id: "ami-1".parse().unwrap(),
            name: "web".into(),
            created_at: None,
            size_gib: None,
            references,
            other_reasons: 0,
        }
    }

    fn commands_of(found: Stale) -> Vec<String> {
        let region = Some("eu-central-1".parse().unwrap());
        let resources = stale_resources(&[found], &region);
        resources.into_iter().flat_map(|one| one.commands).collect()
    }

    #[test]
    fn versions_are_deleted_by_number_and_a_template_never() {
        let template = |versions: &[&str]| {
            commands_of(found(ReferenceKind::LaunchTemplate, "launch-template/lt-1", versions))
        };
        let delete = "aws ec2 delete-launch-template-versions --region eu-central-1 --launch-template-id lt-1 --versions";
        assert_eq!(template(&["10", "9 ($Latest)"]), [format!("{delete} 9 10")]);
        assert_eq!(
            template(&["2", "1 ($Default)"]),
            [
                format!("{delete} 2"),
                "aws ec2 modify-launch-template --region eu-central-1 --launch-template-id lt-1 --default-version OTHER_VERSION"
                    .to_owned(),
                format!("{delete} 1"),
            ]
        );
        let many: Vec<String> = (1..=201).map(|version| version.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(template(&many).len(), 2);
    }

    #[test]
    fn the_name_of_a_configuration_is_one_word_for_the_shell() {
        let place = "launchConfiguration:0:launchConfigurationName/old $(reboot)";
        let commands = commands_of(found(ReferenceKind::LaunchConfiguration, place, &[]));
        let expected = "aws autoscaling delete-launch-configuration --region eu-central-1 \
                        --launch-configuration-name 'old $(reboot)'";
        assert_eq!(commands, [expected]);
    }
}
