//! The cloud providers.

use serde::{Deserialize, Serialize};

/// The provider of an account. It follows from the form of the account ID.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Provider {
    /// Amazon Web Services. An account ID has 12 digits.
    #[default]
    Aws,
    /// Microsoft Azure. An account is a subscription, and its ID is a UUID.
    Azure,
}
