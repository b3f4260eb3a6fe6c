//! Reading an account once for two policies.

use jiff::Timestamp;
use steward::collect;
use steward::model::Inventory;
use steward::plan::{Plan, plan};
use steward::policy::Policy;

use crate::context::Context;
use crate::live::Live;
use crate::load::Loaded;

/// Whether both policies read references from the same sources, so that both can use one inventory.
pub fn have_same_references(one: &Policy, other: &Policy) -> bool {
    one.safety.reference_scope() == other.safety.reference_scope()
}

/// Verifies what `policy` needs in the `known` inventory, or reads the whole account first.
pub async fn read_for(
    live: &Live,
    policy: &Policy,
    known: Option<Inventory>,
    now: Timestamp,
    context: &Context,
) -> (Inventory, Plan) {
    let (cloud, context) = (live.cloud(), context.reading());
    let mut inventory = match known {
        Some(known) => known,
        None => {
            let scope = policy.safety.reference_scope();
            collect::collect_inventory(cloud, &live.target, &scope, now, context).await
        }
    };
    let (plan, _) = collect::plan_verified(cloud, &mut inventory, policy, now, context).await;
    (inventory, plan)
}

/// The plan of the `other` policy for the account that was loaded for `policy`.
pub async fn plan_of_other(
    loaded: &Loaded,
    policy: &Policy,
    other: &Policy,
    context: &Context,
) -> Plan {
    let now = loaded.plan.planned_at;
    let Some(live) = &loaded.live else { return plan(&loaded.inventory, other, now) };
    let known = have_same_references(policy, other).then(|| loaded.inventory.clone());
    read_for(live, other, known, now, context).await.1
}
