//! References to images and snapshots, and the sources in which they are searched.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::inventory::is_false;
use super::{AccountId, ImageId, SnapshotId, arm_id};

/// A reference: a resource that uses an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The image that the resource uses.
    pub image_id: ImageId,
    /// The kind of the resource.
    pub kind: ReferenceKind,
    /// The ARN of the resource, or its ARM ID on Azure.
    pub arn: Arc<str>,
    /// The version of the resource, with its aliases, for example `7 ($Latest)`. `None` if the
    /// resource has no versions or the source did not report one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
    /// Whether nothing that was read launches instances from the resource. This applies to template
    /// versions that no Auto Scaling group, fleet or compute environment uses, and to launch
    /// configurations without an Auto Scaling group. A stale reference still counts as use, because
    /// a person or a program may launch an instance from it at any time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stale: bool,
    /// The name of the resource, if its ARN does not contain it: the name of a launch template, or
    /// the `Name` tag of an instance. It is used only for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
}

impl Reference {
    /// A reference without a version and a name.
    pub fn new(image_id: ImageId, kind: ReferenceKind, arn: impl Into<Arc<str>>) -> Self {
        Self { image_id, kind, arn: arn.into(), version: None, stale: false, name: None }
    }
}

/// A direct reference to a snapshot, not through the image that the snapshot backs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotReference {
    /// The snapshot that the resource refers to.
    pub snapshot_id: SnapshotId,
    /// The kind of the resource.
    pub kind: ReferenceKind,
    /// The ARN of the resource.
    pub arn: Arc<str>,
    /// The version of the resource; see [`Reference::version`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
}

/// The kind of resource that uses an image. The variants are sorted by name, except for `Other`.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
)]
#[cfg_attr(test, derive(strum::EnumIter))]
#[serde(from = "String", into = "String")]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "the field's own terms")]
pub enum ReferenceKind {
    AutoScalingGroup,
    ComputeEnvironment,
    ContainerRecipe,
    Fleet,
    ImageRecipe,
    ImageTemplate,
    ImageVersion,
    Instance,
    LaunchConfiguration,
    LaunchTemplate,
    ScaleSet,
    ScaleSetInstance,
    SpotFleet,
    SpotRequest,
    SsmParameter,
    VirtualMachine,
    /// A kind that this version does not know, as the source reported it.
    #[strum(default, to_string = "{0}")]
    Other(Arc<str>),
}

impl From<String> for ReferenceKind {
    fn from(text: String) -> Self {
        text.parse().unwrap_or_else(|_| Self::Other(text.into()))
    }
}

impl From<ReferenceKind> for String {
    fn from(kind: ReferenceKind) -> Self {
        kind.to_string()
    }
}

impl ReferenceKind {
    /// The kind as text, for example `launch template`.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Other(word) => word.to_string(),
            Self::SsmParameter => "SSM parameter".to_owned(),
            Self::AutoScalingGroup => "Auto Scaling group".to_owned(),
            Self::SpotFleet => "Spot Fleet".to_owned(),
            Self::SpotRequest => "Spot request".to_owned(),
            known => known.to_string().replace('_', " "),
        }
    }
}

/// Displays a resource that uses an image or a snapshot: `launch template web
/// (lt-0123456789abcdef0) v8`. Names are untrusted, so the result is untrusted text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResourceText<'a> {
    pub(crate) kind: &'a ReferenceKind,
    pub(crate) arn: &'a str,
    pub(crate) version: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}

impl fmt::Display for ResourceText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, arn, version, name } = self;
        f.write_str(&kind.words())?;
        match (name.filter(|name| !name.is_empty()), short_id(arn)) {
            (Some(name), id) if name != id => write!(f, " {name} ({id})")?,
            (_, id) => write!(f, " {id}")?,
        }
        version.map_or(Ok(()), |version| match arn.starts_with('/') {
            // Such as `latest`.
            true => write!(f, " ({version})"),
            false => write!(f, " v{version}"),
        })
    }
}

/// The resource ID or name in an ARN, without the resource type: `i-0123456789abcdef0`,
/// `/golden/web`; or the short form of an ARM ID. Other text is returned unchanged.
pub(crate) fn short_id(arn: &str) -> Cow<'_, str> {
    match arm_id::canonical(arn) {
        Some(id) => arm_id::short(&id).into(),
        None => id_in_arn(arn).into(),
    }
}

fn id_in_arn(arn: &str) -> &str {
    let Some(resource) = arn.strip_prefix("arn:").and_then(|rest| rest.splitn(5, ':').nth(4))
    else {
        return arn;
    };
    for name in ["autoScalingGroupName/", "launchConfigurationName/"] {
        if let Some((_, name)) = resource.split_once(name) {
            return name;
        }
    }
    match resource.split_once('/') {
        // Parameter names that are paths begin with a slash.
        Some(("parameter", name)) if name.contains('/') => {
            resource.strip_prefix("parameter").unwrap_or(name)
        }
        Some((_, id)) if !id.is_empty() => id,
        _ => resource,
    }
}

/// Which versions of each launch template are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateVersions {
    /// The default and the latest version of every template, and the versions that fleets, compute
    /// environments and Auto Scaling groups use.
    DefaultAndLatest,
    /// The versions of [`DefaultAndLatest`](Self::DefaultAndLatest), and this many newest versions
    /// of every template.
    Newest(NonZeroU32),
    /// Every version of every template.
    All,
}

/// Whether AWS Batch compute environments are a source of references.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ComputeEnvironments {
    /// Read the compute environments.
    #[default]
    Read,
    /// Skip them, because the account does not use them or may not read them.
    LeaveOut,
}

/// The sources in which references are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceScope {
    /// Which versions of each launch template are read.
    pub versions: TemplateVersions,
    /// Whether AWS Batch compute environments are read.
    pub compute_environments: ComputeEnvironments,
    /// The IDs of launch templates that are ignored where their image or snapshot cannot be
    /// determined. Such a version counts as referring to no image or snapshot.
    pub ignore_templates: Vec<Arc<str>>,
    /// Further accounts that are read completely, besides the one that owns the images. Only Azure
    /// supports this.
    pub accounts: Vec<AccountId>,
}

impl ReferenceScope {
    /// Whether versions of the launch template `id` whose image cannot be determined are ignored.
    pub fn ignores(&self, id: &str) -> bool {
        self.ignore_templates.iter().any(|one| **one == *id)
    }
}

/// A launch template version whose image cannot be determined, and which the policy ignores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IgnoredTemplate {
    /// The ID of the launch template.
    pub launch_template: Arc<str>,
    /// The version of the launch template; see [`Reference::version`].
    pub version: Arc<str>,
    /// The value that the version specifies as its image.
    pub image: Arc<str>,
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn resources_are_displayed_by_name() {
        let text = |kind: ReferenceKind, place: &str, version, name| {
            let arn = format!("arn:aws:{place}");
            ResourceText { kind: &kind, arn: &arn, version, name }.to_string()
        };
        let of = |kind, place| text(kind, place, None, None);
        assert_eq!(
            text(
                ReferenceKind::LaunchTemplate,
                "ec2:eu-central-1:123456789012:launch-template/lt-1",
                Some("8 ($Default)"),
                Some("web")
            ),
            "launch template web (lt-1) v8 ($Default)"
        );
        assert_eq!(
            of(ReferenceKind::Instance, "ec2:eu-central-1:123456789012:instance/i-1"),
            "instance i-1"
        );
        assert_eq!(
            of(ReferenceKind::SsmParameter, "ssm:eu-central-1:123456789012:parameter/golden/web"),
            "SSM parameter /golden/web"
        );
        assert_eq!(
            of(ReferenceKind::SsmParameter, "ssm:eu-central-1:123456789012:parameter/golden"),
            "SSM parameter golden"
        );
        assert_eq!(
            of(
                ReferenceKind::AutoScalingGroup,
                "autoscaling:eu-central-1:123456789012:autoScalingGroup:0:autoScalingGroupName/a/b"
            ),
            "Auto Scaling group a/b"
        );
        assert_eq!(
            of(
                ReferenceKind::ImageRecipe,
                "imagebuilder:eu-central-1:123456789012:image-recipe/web/1.0.0"
            ),
            "image recipe web/1.0.0"
        );
        let odd = ReferenceKind::Other("tomorrow:Thing".into());
        let odd = ResourceText { kind: &odd, arn: "web", version: None, name: Some("") };
        assert_eq!(odd.to_string(), "tomorrow:Thing web");
    }

    #[test]
    fn kinds_are_sorted_by_name() {
        let is_known = |kind: &ReferenceKind| !matches!(kind, ReferenceKind::Other(_));
        let kinds: Vec<_> = ReferenceKind::iter().filter(is_known).collect();
        assert!(kinds.len() > 10);
        assert!(kinds.is_sorted());
        assert!(kinds.iter().map(ToString::to_string).is_sorted());
    }

    #[test]
    fn unknown_kinds_are_kept_as_text() {
        for (kind, word) in [
            (ReferenceKind::LaunchTemplate, "\"launch_template\""),
            (ReferenceKind::SsmParameter, "\"ssm_parameter\""),
            (ReferenceKind::Other("tomorrow:Thing".into()), "\"tomorrow:Thing\""),
        ] {
            assert_eq!(serde_json::to_string(&kind).unwrap(), word);
            assert_eq!(serde_json::from_str::<ReferenceKind>(word).unwrap(), kind);
        }
    }
}
