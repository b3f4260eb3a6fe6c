//! References: what uses an image or a snapshot, and where they are looked for.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::inventory::is_false;
use super::{ImageId, SnapshotId};

/// Something that uses an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The image that is used.
    pub image_id: ImageId,
    /// The kind of resource that uses it.
    pub kind: ReferenceKind,
    /// The ARN of that resource.
    pub arn: Arc<str>,
    /// The version of that resource, with its aliases, for example `7 ($Latest)`; `None` for a
    /// resource without versions, or where the source did not report one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
    /// Nothing that was read launches instances from it: a template version that no group, fleet
    /// or compute environment uses, or a launch configuration without a group. It still counts as
    /// use, because a person or a program may launch an instance from it at any time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stale: bool,
    /// What people call that resource, where its ARN does not say: the name of a launch template, or
    /// the `Name` tag of an instance. Only for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
}

impl Reference {
    /// The resource `arn` of this kind uses an image; without a version and a name.
    pub fn new(image_id: ImageId, kind: ReferenceKind, arn: impl Into<Arc<str>>) -> Self {
        Self { image_id, kind, arn: arn.into(), version: None, stale: false, name: None }
    }
}

/// Something that names a snapshot directly, not through an image that the snapshot backs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotReference {
    /// The snapshot that is named.
    pub snapshot_id: SnapshotId,
    /// The kind of resource that names it.
    pub kind: ReferenceKind,
    /// The ARN of that resource.
    pub arn: Arc<str>,
    /// The version of that resource; see [`Reference::version`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
}

/// The kinds of resources that use images. The order of the variants is that of their names, as
/// far as they are known.
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
    Instance,
    LaunchConfiguration,
    LaunchTemplate,
    SpotFleet,
    SpotRequest,
    SsmParameter,
    /// A kind that this version does not know, in the words of whoever reported it.
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

/// An ARN, and the version of the resource if it has any, as text shows them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArnAndVersion<'a>(pub &'a str, pub Option<&'a str>);

impl fmt::Display for ArnAndVersion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(arn, version) = self;
        f.write_str(arn)?;
        version.map_or(Ok(()), |version| write!(f, " version {version}"))
    }
}

impl ReferenceKind {
    /// The kind in words, for example `launch template`.
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

/// A resource that uses an image or a snapshot, as text shows it: `launch template web
/// (lt-0123456789abcdef0) v8`. Untrusted text, because names are.
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
        version.map_or(Ok(()), |version| write!(f, " v{version}"))
    }
}

/// What an ARN calls its resource: the id or the name without the type, `i-0123456789abcdef0` or
/// `/golden/web`; the whole text if it is no ARN.
pub(crate) fn short_id(arn: &str) -> &str {
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
        // The names of parameters begin with a slash, or are no paths.
        Some(("parameter", name)) if name.contains('/') => {
            resource.strip_prefix("parameter").unwrap_or(name)
        }
        Some((_, id)) if !id.is_empty() => id,
        _ => resource,
    }
}

/// How much of each launch template is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateVersions {
    /// The default and the latest version of every template, and the versions that groups,
    /// fleets and compute environments pin.
    DefaultAndLatest,
    /// Those, and the newest so many versions of every template.
    Newest(NonZeroU32),
    /// Every version of every template.
    All,
}

/// Whether the compute environments of AWS Batch are a source of references.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ComputeEnvironments {
    /// They are read.
    #[default]
    Read,
    /// They are left out: the account does not use them, or may not read them.
    LeaveOut,
}

/// Where references are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceScope {
    /// How much of each launch template is read.
    pub versions: TemplateVersions,
    /// Whether AWS Batch is asked.
    pub compute_environments: ComputeEnvironments,
    /// The ids of launch templates of which a version that names its image, or a snapshot, in a
    /// way that cannot be read counts as naming none.
    pub ignore_templates: Vec<Arc<str>>,
}

impl ReferenceScope {
    /// Whether what cannot be read in the launch template `id` is ignored.
    pub fn ignores(&self, id: &str) -> bool {
        self.ignore_templates.iter().any(|one| **one == *id)
    }
}

/// A version of a launch template that names its image in a way that cannot be read, and that the
/// policy ignores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IgnoredTemplate {
    /// The id of the launch template.
    pub launch_template: Arc<str>,
    /// The version; see [`Reference::version`].
    pub version: Arc<str>,
    /// What it names as its image.
    pub image: Arc<str>,
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn resources_are_shown_by_what_people_call_them() {
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
    fn kinds_are_in_the_order_of_their_names() {
        let is_known = |kind: &ReferenceKind| !matches!(kind, ReferenceKind::Other(_));
        let kinds: Vec<_> = ReferenceKind::iter().filter(is_known).collect();
        assert!(kinds.len() > 10);
        assert!(kinds.is_sorted());
        assert!(kinds.iter().map(ToString::to_string).is_sorted());
    }

    #[test]
    fn kinds_are_words_and_an_unknown_word_stays_as_it_is() {
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
