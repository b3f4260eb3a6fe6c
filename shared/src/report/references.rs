//! References that nothing seems to need: the opposite question to what a plan removes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::style::{OutputStyle, Tone};
use crate::model::{ImageId, ReferenceKind, Region, ResourceText, TemplateVersions, short_id};
use crate::plan::reason::Reason;
use crate::plan::{Decision, Plan};
use crate::text_fmt::{counted, printable, shell_word, short_age, thousands};

/// The maximum number of versions that DeleteLaunchTemplateVersions takes.
const MAX_VERSIONS: usize = 200;
/// What the version of a template is called that cannot be deleted.
const DEFAULT: &str = "$Default";

/// An image with references that nothing seems to need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// The image.
    pub image_id: ImageId,
    /// Its name.
    pub name: Arc<str>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// The size of its storage; see [`Decision::size_gib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_gib: Option<u32>,
    /// What refers to it, and launches no instance as far as is known.
    pub references: Vec<StaleReference>,
    /// How many other reasons keep it. Without any, it would expire once these are deleted.
    pub other_reasons: usize,
}

/// A reference that nothing seems to need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleReference {
    /// The kind of what refers to the image.
    pub kind: ReferenceKind,
    /// Its ARN.
    pub arn: Arc<str>,
    /// Its version; see [`Reference::version`](crate::model::Reference::version).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
    /// What people call it; see [`Reference::name`](crate::model::Reference::name).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
}

/// A launch template or launch configuration that nothing seems to need, or some of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleResource {
    /// Its kind.
    pub kind: ReferenceKind,
    /// Its ARN.
    pub arn: Arc<str>,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// The versions that nothing seems to need, the oldest first; empty for what has no versions.
    pub versions: Vec<Arc<str>>,
    /// The images that these keep.
    pub images: BTreeSet<ImageId>,
    /// The commands of the AWS CLI that delete it, or these versions. `OTHER_VERSION` is for a person to
    /// choose: EC2 does not delete the default version of a template.
    pub commands: Vec<String>,
}

/// The images that are kept by stale references, the oldest first.
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

/// What keeps those images, by ARN, with the commands that delete it.
pub fn stale_resources(found: &[Stale], region: &Region) -> Vec<StaleResource> {
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

/// The number of a version: its label has more.
fn number(version: &str) -> Option<u64> {
    version.split_whitespace().next()?.parse().ok()
}

fn commands(resource: &StaleResource, region: &Region) -> Vec<String> {
    let id = shell_word(short_id(&resource.arn));
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
            // Never the whole template: a group may use a version of it that nobody listed.
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

/// [`stale`] for people, by what refers to the images. `policy_versions` are the versions of
/// templates that a plan counts.
pub fn stale_text(plan: &Plan, policy_versions: TemplateVersions, style: OutputStyle) -> String {
    let found = stale(plan);
    let mut text = String::new();
    if found.is_empty() {
        let none = "No reference is stale, as far as is known: groups, fleets or instances use all that refer to images.";
        style.paragraph(&mut text, 0, none);
        return text;
    }
    for resource in stale_resources(&found, &plan.region) {
        resource_text(&mut text, &resource, &found, plan, style);
        text.push('\n');
    }
    let alone: Vec<&Stale> = found.iter().filter(|one| one.other_reasons == 0).collect();
    let gib: u64 = alone.iter().filter_map(|one| one.size_gib).map(u64::from).sum();
    let usd = super::Price::in_region(&plan.region).of(gib);
    let line = format!(
        "They refer to {}. Nothing else keeps {} of them: at most {} GiB, {} a month.",
        counted(found.len(), "image"),
        thousands(alone.len()),
        thousands(gib),
        usd.about()
    );
    style.paragraph(&mut text, 0, &line);
    let warning = "No group, fleet or compute environment uses these, but a person or a program may: ask before \
                   you delete them.";
    style.paragraph(&mut text, 0, warning);
    if policy_versions != TemplateVersions::All {
        let note = "All versions are listed here. A plan counts those of safety.template_versions and those that EC2 \
                    reports, so that it may expire an image that only an older version refers to.";
        style.paragraph(&mut text, 0, note);
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
            1 => "1 other reason keeps it".to_owned(),
            more => format!("{} other reasons keep it", thousands(more)),
        };
        let line = format!("{version}{image_id} {name}{age}; {others}");
        style.paragraph(text, 2, &printable(&line));
    }
    let is_default = resource.versions.iter().any(|version| version.contains(DEFAULT));
    for command in commands {
        // To be copied: it is not wrapped.
        let _ = writeln!(text, "  {}", printable(command));
    }
    if is_default {
        let note =
            "EC2 does not delete the default version: choose another one for OTHER_VERSION first.";
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
        let region = "eu-central-1".parse().unwrap();
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
