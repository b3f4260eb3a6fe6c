//! Fuzzes saved inventories. An inventory is read, or rejected with an error. Reading what was written
//! returns the same inventory. Every image gets one decision, and images in use are kept.
#![no_main]

use std::sync::LazyLock;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use steward::model::Inventory;
use steward::plan::snapshots::{SnapshotAction, plan_snapshots};
use steward::plan::{Action, plan};
use steward::policy::Policy;

/// A policy that removes everything that may be removed.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let text = "version = 1\n[[rule]]\nname = \"all\"\ngroup_by = [\"name_prefix\", \"tag:Family\"]\n\
                keep = { last = 1, within = \"1d\", weekly = 2, launched_within = \"30d\" }\n\
                retire = { disable_after = \"1d\", deregister_after = \"2d\", delete_snapshots_after = \"0d\" }\n\
                [safety]\nmax_per_run = 1000\nmax_fraction = 1.0\nmin_references = 0\nshared_images = \"retire\"\n\
                [orphans]\ndelete_after = \"1d\"\n";
    Policy::parse(text, "eager").expect("valid policy")
});

fuzz_target!(|text: &str| {
    let world = match Inventory::from_json(text) {
        Ok(world) => world,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = serde_json::to_string(&world).expect("inventories can be serialized");
    assert_eq!(Inventory::from_json(&written).expect("written inventory can be read"), world);
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().expect("valid time");
    let found = plan(&world, &POLICY, now);
    assert_eq!(found.decisions.len(), world.images.len());
    for decision in &found.decisions {
        assert!(!decision.reasons.is_empty());
        let used = world.references.iter().any(|one| one.image_id == decision.image_id);
        let stays = matches!(decision.action, Action::Keep | Action::Rescue(_));
        assert!(stays || !used, "{} is in use: {decision:?}", decision.image_id);
        assert!(stays || matches!(decision.action, Action::Wait) || found.refusal.is_none());
    }
    let snapshots = plan_snapshots(&world, &POLICY, now);
    for decision in &snapshots.decisions {
        let used = world.images.iter().any(|image| {
            image.state != steward::model::ImageState::Deregistered
                && image.snapshots.contains(&decision.snapshot_id)
        });
        assert!(!used || decision.action == SnapshotAction::Keep, "{decision:?}");
    }
});
