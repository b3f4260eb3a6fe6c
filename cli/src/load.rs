//! Loading an account or a saved inventory, and planning for it.

use std::collections::HashSet;

use jiff::Timestamp;
use steward::cloud::PermissionReadings;
use steward::collect::{self, MissingEvidence};
use steward::model::{Image, ImageId, Inventory, Provider, ProviderWords};
use steward::plan::snapshots::{SnapshotPlan, plan_snapshots};
use steward::plan::{Plan, plan};
use steward::policy::{Check, Policy};

use crate::args::InputArgs;
use crate::context::Context;
use crate::files::read_inventory;
use crate::live::{self, Live};
use crate::outcome::CommandError;

/// An inventory and its plans.
pub struct Loaded {
    pub inventory: Inventory,
    pub plan: Plan,
    pub snapshots: SnapshotPlan,
    /// Permissions that were read per image or snapshot.
    pub permissions: PermissionReadings,
    /// The account, unless a saved inventory was read.
    pub live: Option<Live>,
}

/// What to read in addition to what the plan needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExtraReads<'a> {
    /// Everything about these images, whatever their decision.
    pub images: &'a [ImageId],
    /// The launch permissions of all images.
    pub sharing: bool,
}

/// Reads the account or the saved inventory, and plans.
pub async fn load(
    input: InputArgs,
    policy: &Policy,
    extra: ExtraReads<'_>,
    context: &Context,
) -> Result<Loaded, CommandError> {
    let InputArgs { place, inventory, now } = input;
    let now = context.planned_for(now.as_ref())?;
    let Some(file) = inventory else {
        let live = live::connect(place, context).await?.under(policy)?;
        let loaded = load_live(&live, policy, now, extra, context).await;
        return Ok(Loaded { live: Some(live), ..loaded });
    };
    let inventory = read_inventory(&file)?;
    if now < inventory.taken_at {
        let taken_at = inventory.taken_at;
        context.warn(format_args!(
            "--now {now} is earlier than the inventory ({taken_at}); the plan is for a time in the past"
        ));
    }
    let plan = plan(&inventory, policy, now);
    for note in not_in_inventory(&plan, &inventory, policy) {
        context.hint(format_args!("not in the inventory: {note}"));
    }
    let snapshots = plan_snapshots(&inventory, policy, now);
    let permissions = PermissionReadings::default();
    Ok(Loaded { inventory, plan, snapshots, permissions, live: None })
}

impl Loaded {
    /// Reads everything about one image, and plans again. Does nothing for a saved inventory.
    pub async fn read_all_about(&mut self, image: &ImageId, policy: &Policy, context: &Context) {
        if let Some(live) = &self.live {
            let is_selected = |other: &Image| other.image_id == *image;
            let (inventory, reading) = (&mut self.inventory, context.reading());
            collect::read_launch_permissions(live.cloud(), inventory, is_selected, reading).await;
            self.read_references_to(std::slice::from_ref(image), policy, context).await;
        }
    }

    /// Asks EC2 for the references to `images`, whatever their decision, and plans again. For a
    /// saved inventory, it only prints a hint.
    pub async fn read_references_to(
        &mut self,
        images: &[ImageId],
        policy: &Policy,
        context: &Context,
    ) {
        if images.is_empty() {
            return;
        }
        let Some(live) = &self.live else {
            context.hint(self.plan.account.provider().words().not_in_inventory);
            return;
        };
        collect::read_references(
            live.cloud(),
            &mut self.inventory,
            policy,
            images,
            context.reading(),
        )
        .await;
        self.plan = plan(&self.inventory, policy, self.plan.planned_at);
    }
}

/// Reads the account, and plans for the time `now`.
pub async fn load_live(
    live: &Live,
    policy: &Policy,
    now: Timestamp,
    extra: ExtraReads<'_>,
    context: &Context,
) -> Loaded {
    let ExtraReads { images, sharing } = extra;
    let context = context.reading();
    let scope = policy.safety.reference_scope();
    let mut inventory =
        collect::collect_inventory(live.cloud(), &live.target, &scope, now, context).await;
    collect::read_references(live.cloud(), &mut inventory, policy, images, context).await;
    let is_selected = |image: &Image| sharing || images.contains(&image.image_id);
    collect::read_launch_permissions(live.cloud(), &mut inventory, is_selected, context).await;
    let (plan, mut permissions) =
        collect::plan_verified(live.cloud(), &mut inventory, policy, now, context).await;
    collect::read_snapshot_references(live.cloud(), &mut inventory, policy, context).await;
    let (snapshots, of_snapshots) =
        collect::plan_snapshots_verified(live.cloud(), &mut inventory, policy, now, context).await;
    permissions.snapshots = of_snapshots.snapshots;
    Loaded { inventory, plan, snapshots, permissions, live: None }
}

/// What a live run reads before it changes anything, but a saved inventory does not contain.
fn not_in_inventory(plan: &Plan, inventory: &Inventory, policy: &Policy) -> Vec<String> {
    let lacking = MissingEvidence::of(plan, inventory, policy, &HashSet::new());
    let ProviderWords { account, permissions, reported_references, .. } =
        inventory.account.provider().words();
    let mut notes = Vec::new();
    if !lacking.permissions.is_empty() {
        notes.push(format!(
            "{permissions} of {} images to retire; a run with access to the {account} reads them first, and keeps \
             shared images unless `shared_images` is \"retire\" (see `inventory --launch-permissions`)",
            lacking.permissions.len()
        ));
    }
    if !lacking.references.is_empty() {
        notes.push(format!(
            "{reported_references} to {} images to retire; a run with access to the {account} reads them first, and keeps images with references",
            lacking.references.len()
        ));
    }
    notes.extend(unknown_bin(inventory, policy));
    notes
}

/// The note for an inventory without the retention rules of the Recycle Bin, if the policy requires
/// them.
pub fn unknown_bin(inventory: &Inventory, policy: &Policy) -> Option<String> {
    // Azure has no such rules.
    let has_rules = inventory.account.provider() == Provider::Aws;
    let is_required = policy.safety.recycle_bin == Check::Required;
    let unknown = has_rules && is_required && inventory.retention_rules.is_none();
    unknown.then(|| {
        "retention rules of the Recycle Bin; a run with access to the account reads them first, and removes nothing \
         if there are none".to_owned()
    })
}
