//! Subscriptions that the credentials can read.

use serde::Deserialize;

use super::fields;
use super::open_enum::open_enum;
use crate::arm_id::is_subscription_id;

open_enum!(
    /// The state of a subscription.
    SubscriptionState {
        /// Resources can be used and changed.
        Enabled,
        /// A payment is due soon.
        Warned,
        /// A payment is due.
        PastDue,
        /// Resources can only be read.
        Disabled,
        /// It was deleted.
        Deleted,
    }
);

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawSubscription")]
pub struct Subscription {
    /// The ID, in lower case.
    pub id: String,
    /// The name that people see.
    pub display_name: Option<String>,
    /// The state.
    pub state: SubscriptionState,
    /// The ID of the tenant.
    pub tenant_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSubscription {
    subscription_id: String,
    #[serde(default, deserialize_with = "fields::text")]
    display_name: Option<String>,
    state: SubscriptionState,
    #[serde(default, deserialize_with = "fields::text")]
    tenant_id: Option<String>,
}

impl TryFrom<RawSubscription> for Subscription {
    type Error = String;

    fn try_from(raw: RawSubscription) -> Result<Self, String> {
        let RawSubscription { subscription_id: id, display_name, state, tenant_id } = raw;
        match is_subscription_id(&id) {
            true => Ok(Self { id: id.to_lowercase(), display_name, state, tenant_id }),
            false => Err(format!("subscriptionId `{}` is not a GUID", id.escape_debug())),
        }
    }
}
