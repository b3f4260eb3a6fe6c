//! Sources that could not be read.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// A source: one part of what an inventory contains.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Source {
    Images,
    Snapshots,
    LaunchPermissions,
    Instances,
    LaunchTemplates,
    LaunchConfigurations,
    AutoScalingGroups,
    Fleets,
    SpotFleets,
    SpotRequests,
    ComputeEnvironments,
    ImageReferences,
    SnapshotReferences,
    LockedSnapshots,
    VolumePermissions,
    RetentionRules,
    RecycledImages,
    VirtualMachines,
    ScaleSets,
    ScaleSetInstances,
    ImageTemplates,
    ImageVersions,
    ResourceGraph,
}

/// A source that could not be read completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// The name of the source: one of [`Source`], or any other word in a saved inventory of another
    /// tool.
    pub source: Arc<str>,
    /// Why the source could not be read.
    pub error: Arc<str>,
    /// The missing permission, if that was the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<Arc<str>>,
}

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            deny_unknown_fields,
            expecting = "a source name, or an object with source, error and permission"
        )]
        enum UnreadForm {
            Name(Arc<str>),
            #[serde(rename_all = "snake_case")]
            Full {
                source: Arc<str>,
                #[serde(default)]
                error: Option<Arc<str>>,
                #[serde(default)]
                permission: Option<Arc<str>>,
            },
        }
        let (source, error, permission) = match UnreadForm::deserialize(deserializer)? {
            UnreadForm::Name(source) => (source, None, None),
            UnreadForm::Full { source, error, permission } => (source, error, permission),
        };
        Ok(Self { source, error: error.unwrap_or_else(|| "not read".into()), permission })
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, error, permission } = self;
        write!(f, "{source}: {error}")?;
        match permission {
            Some(permission) => write!(f, " (missing permission: {permission})"),
            None => Ok(()),
        }
    }
}
