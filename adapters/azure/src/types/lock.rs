//! Locks on subscriptions, resource groups and resources.

use serde::Deserialize;

use super::fields;
use super::open_enum::open_enum;
use crate::arm_id::ArmId;

/// The resource type of a lock.
const LOCK: &str = "microsoft.authorization/locks";

open_enum!(
    /// What a lock prevents.
    LockLevel {
        /// Nothing, by the documentation. It still counts as a lock.
        NotSpecified,
        /// Deletion.
        CanNotDelete,
        /// Deletion and every other change, including tags.
        ReadOnly,
    }
);

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawLock")]
pub struct Lock {
    /// The ID as Azure sent it.
    pub id: String,
    /// The name.
    pub name: String,
    /// The subscription, the resource group or the resource to which the lock applies, with everything
    /// in it. `None` if the ID was not understood: the lock may apply to everything.
    pub scope: Option<ArmId>,
    /// What the lock prevents.
    pub level: LockLevel,
    /// Why the lock was made, in the words of the person who made it.
    pub notes: Option<String>,
}

impl Lock {
    /// Whether the lock may apply to `id`.
    pub fn applies_to(&self, id: &ArmId) -> bool {
        self.scope.as_ref().is_none_or(|scope| id.is_within(scope))
    }
}

#[derive(Deserialize)]
struct RawLock {
    id: String,
    name: String,
    properties: RawLockProperties,
}

#[derive(Deserialize)]
struct RawLockProperties {
    level: LockLevel,
    #[serde(default, deserialize_with = "fields::text")]
    notes: Option<String>,
}

impl From<RawLock> for Lock {
    fn from(RawLock { id, name, properties }: RawLock) -> Self {
        let own = ArmId::parse(&id).ok().filter(|id| id.resource_type() == LOCK);
        let RawLockProperties { level, notes } = properties;
        Self { scope: own.and_then(|own| own.parent()), id, name, level, notes }
    }
}
