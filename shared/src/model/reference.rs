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
