//! The world as a command sees it, and the plan for it.

use std::collections::HashSet;

use jiff::Timestamp;
use steward::cloud::PermissionReadings;
use steward::collect::{self, MissingEvidence};
use steward::model::{Image, ImageId, Inventory};
use steward::plan::snapshots::{SnapshotPlan, plan_snapshots};
use steward::plan::{Plan, plan};
use steward::policy::{Check, Policy};

use crate::args::WorldArgs;
use crate::context::Context;
use crate::files::read_inventory;
use crate::live::{self, Live};
use crate::outcome::CommandError;

/// The world, and what would be done about it.
pub struct Loaded {
    pub inventory: Inventory,
    pub plan: Plan,
    pub snapshots: SnapshotPlan,
    /// What was read of single images and snapshots.
    pub permissions: PermissionReadings,
    /// The account, if it was not read from a file.
    pub live: Option<Live>,
}

/// What is read beside what the plan needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Questions<'a> {
    /// Everything about these images, whatever becomes of them.
    pub images: &'a [ImageId],
    /// With whom all images are shared.
    pub sharing: bool,
}

/// Reads the world that is meant, and plans.
pub async fn load(
    world: WorldArgs,
    policy: &Policy,
    ask: Questions<'_>,
    context: &Context,
) -> Result<Loaded, CommandError> {
    let WorldArgs { place, inventory, now } = world;
    let now = context.planned_for(now.as_ref())?;
    let Some(file) = inventory else {
        let live = live::connect(place, context).await?.under(policy)?;
        let loaded = load_live(&live, policy, now, ask, context).await;
        return Ok(Loaded { live: Some(live), ..loaded });
    };
    let inventory = read_inventory(&file)?;
    if now < inventory.taken_at {
        let taken_at = inventory.taken_at;
        context.warn(format_args!(
            "--now {now} is before the inventory was read ({taken_at}): the plan is for a time in the past"
        ));
    }
    let plan = plan(&inventory, policy, now);
    for note in not_in_inventory(&plan, &inventory, policy) {
        context.hint(format_args!("the inventory does not say {note}"));
    }
    let snapshots = plan_snapshots(&inventory, policy, now);
    let permissions = PermissionReadings::default();
    Ok(Loaded { inventory, plan, snapshots, permissions, live: None })
}

impl Loaded {
    /// Reads everything about one image, and plans again. From a saved inventory nothing can be read.
    pub async fn ask_all_about(&mut self, image: &ImageId, policy: &Policy, context: &Context) {
        if let Some(live) = &self.live {
            let is_asked = |other: &Image| other.image_id == *image;
            let (inventory, reading) = (&mut self.inventory, context.reading());
            collect::read_launch_permissions(&live.aws, inventory, is_asked, reading).await;
            self.ask_about(std::slice::from_ref(image), policy, context).await;
        }
    }

    /// Asks EC2 what refers to `images`, whatever becomes of them, and plans again. From a saved
    /// inventory nothing can be asked.
    pub async fn ask_about(&mut self, images: &[ImageId], policy: &Policy, context: &Context) {
        if images.is_empty() {
            return;
        }
        let Some(live) = &self.live else {
            context.hint("EC2 was not asked what else refers to these images: SSM parameters, say");
            return;
        };
        collect::read_references(&live.aws, &mut self.inventory, policy, images, context.reading())
            .await;
        self.plan = plan(&self.inventory, policy, self.plan.planned_at);
    }
}

/// Reads the account, and plans for the time `now`.
pub async fn load_live(
    live: &Live,
    policy: &Policy,
    now: Timestamp,
    ask: Questions<'_>,
    context: &Context,
) -> Loaded {
    let Questions { images, sharing } = ask;
    let context = context.reading();
    let scope = policy.safety.reference_scope();
    let mut inventory =
        collect::collect_inventory(&live.aws, &live.target, &scope, now, context).await;
    collect::read_references(&live.aws, &mut inventory, policy, images, context).await;
    let is_asked = |image: &Image| sharing || images.contains(&image.image_id);
    collect::read_launch_permissions(&live.aws, &mut inventory, is_asked, context).await;
    let (plan, mut permissions) =
        collect::plan_verified(&live.aws, &mut inventory, policy, now, context).await;
    collect::read_snapshot_references(&live.aws, &mut inventory, policy, context).await;
    let (snapshots, of_snapshots) =
        collect::plan_snapshots_verified(&live.aws, &mut inventory, policy, now, context).await;
    permissions.snapshots = of_snapshots.snapshots;
    Loaded { inventory, plan, snapshots, permissions, live: None }
}

/// What a live run would read before it does anything, and a saved inventory does not hold.
fn not_in_inventory(plan: &Plan, inventory: &Inventory, policy: &Policy) -> Vec<String> {
    let lacking = MissingEvidence::of(plan, inventory, policy, &HashSet::new());
    let mut notes = Vec::new();
    if !lacking.permissions.is_empty() {
        notes.push(format!(
            "with whom {} of the images to go are shared; a live run reads that first, and keeps shared images unless `shared_images` is \"retire\" \
             (see `inventory --launch-permissions`)",
            lacking.permissions.len()
        ));
    }
    if !lacking.references.is_empty() {
        notes.push(format!(
            "whether SSM parameters or image recipes refer to {} of the images to go; a live run asks EC2 first, \
             and keeps those that are",
            lacking.references.len()
        ));
    }
    notes.extend(unknown_bin(inventory, policy));
    notes
}

/// What is not known where the rules of the Recycle Bin were not read, and matter.
pub fn unknown_bin(inventory: &Inventory, policy: &Policy) -> Option<String> {
    let unknown =
        policy.safety.recycle_bin == Check::Required && inventory.retention_rules.is_none();
    unknown.then(|| {
        "which rules the Recycle Bin has; a live run refuses to remove anything without them"
            .to_owned()
    })
}
