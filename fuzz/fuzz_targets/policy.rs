//! Fuzzes policy documents. A policy is read, or rejected with the position and a remedy. With any policy,
//! images in use are kept.
#![no_main]

use std::sync::LazyLock;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use steward::model::Inventory;
use steward::plan::snapshots::plan_snapshots;
use steward::plan::{Action, plan};
use steward::policy::Policy;

static WORLD: LazyLock<Inventory> = LazyLock::new(|| {
    Inventory::from_json(include_str!("../seeds/inventory/world.json")).expect("valid inventory")
});

fuzz_target!(|text: &str| {
    let policy = match Policy::parse(text, "fuzzed") {
        Ok(policy) => policy,
        Err(error) => {
            assert!(!error.problems.is_empty());
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().expect("valid time");
    let found = plan(&WORLD, &policy, now);
    assert_eq!(found.decisions.len(), WORLD.images.len());
    for decision in &found.decisions {
        assert!(!decision.reasons.is_empty());
        let used = WORLD.references.iter().any(|one| one.image_id == decision.image_id);
        let stays = matches!(decision.action, Action::Keep | Action::Rescue(_));
        assert!(stays || !used, "{} is in use: {decision:?}", decision.image_id);
    }
    plan_snapshots(&WORLD, &policy, now);
});
