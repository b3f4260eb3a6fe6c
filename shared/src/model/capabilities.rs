//! What can be done with an image. The adapter knows this, and the plan skips steps that do not exist.

use serde::{Deserialize, Serialize};

/// The retire steps that exist for an image, and whether it can be recovered after its removal. The
/// default is that of an AMI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// Whether the image can be deprecated, and whether the provider then shows since when.
    #[serde(default = "yes")]
    pub deprecate: bool,
    /// Whether the image can be disabled, and what this does.
    #[serde(default)]
    pub disable: Disabling,
    /// Whether the image can be recovered after it is deregistered.
    #[serde(default)]
    pub recovery: Recoverability,
}

/// What disabling an image does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disabling {
    /// Nobody can launch the image, and it loses its launch permissions. Its deprecation time is set
    /// by a call of its own, before.
    #[default]
    Unshares,
    /// The image is not launched unless its ID is given. It stays shared. The same call sets its
    /// deprecation time.
    ExcludesFromLatest,
    /// The image cannot be disabled.
    Unsupported,
}

/// Whether an image can be recovered after it is deregistered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recoverability {
    /// The retention rules in the inventory decide.
    #[default]
    ByRules,
    /// The image can be recovered for this number of days.
    Days(u32),
    /// The image cannot be recovered.
    Unsupported,
}

/// How it is known which image a snapshot was created for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// The provider writes it into the description.
    #[default]
    Description,
    /// The provider does not record it. Only the state tag `image` shows it.
    StateTag,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self { deprecate: true, disable: Disabling::default(), recovery: Recoverability::default() }
    }
}

impl Capabilities {
    /// Whether disabling the image removes its launch permissions, so that they must be saved first.
    pub(crate) fn loses_permissions(self) -> bool {
        self.disable == Disabling::Unshares
    }
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn yes() -> bool {
    true
}
