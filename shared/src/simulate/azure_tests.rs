//! Simulations of an Azure subscription.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::model::{Disabling, ImageState, Recoverability};
use crate::progress::NoProgress;

const SUBSCRIPTION: &str = "0f0e0d0c-1234-5678-9abc-def012345678";
const STEPS: &str =
    "retire = { deprecate_after = \"0d\", disable_after = \"2d\", deregister_after = \"4d\" }";

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn arm(rest: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Compute/{rest}")
}

fn policy(safety: &str) -> Policy {
    let text = format!(
        "version = 1\n[[rule]]\nname = \"all\"\ngroup_by = [\"definition\"]\nkeep = {{ last = 2 }}\n{STEPS}\n\
         [[rule]]\nname = \"managed\"\nkeep = {{ last = 2 }}\n{STEPS}\n\
         [safety]\nmax_fraction = 1.0\n{safety}"
    );
    // The second rule applies to managed images.
    let text = text.replacen("group_by", "match = { name = \"gal/*\" }\ngroup_by", 1);
    Policy::parse(&text, "test").unwrap()
}

/// An image that was created this many days before, an hour ago.
fn image(id: &str, name: &str, day: i64, more: Value) -> Value {
    let made = now() - SignedDuration::from_hours(24 * day + 1);
    let mut image = json!({
        "image_id": arm(id), "name": name, "owner_id": SUBSCRIPTION, "state": "available",
        "created_at": made.to_string(), "os_state": "generalized",
    });
    let Value::Object(more) = more else { panic!("{more}") };
    image.as_object_mut().unwrap().extend(more);
    image
}

/// One version a day, with soft delete for this number of days.
fn versions(count: i64, days: u32) -> Vec<Value> {
    let version = |day: i64| {
        let number = count - day;
        let more = json!({
            "definition": "gal/web", "tags": { "Team": "web", "Image-Steward:Created-By": "x" },
            "launch_permissions": ["tenant/0f0e0d0c-1234-5678-9abc-def012345678"],
            "capabilities": { "disable": "excludes_from_latest", "recovery": { "days": days } },
            "sources": [arm("snapshots/source")], "unconfirmed": day == 0,
        });
        let id = format!("galleries/gal/images/web/versions/1.0.{number}");
        image(&id, &format!("gal/web/1.0.{number}"), day, more)
    };
    (0..count).map(version).collect()
}

/// One managed image a day.
fn managed(count: i64) -> Vec<Value> {
    let can = json!({ "deprecate": false, "disable": "unsupported", "recovery": "unsupported" });
    (0..count)
        .map(|day| {
            let name = format!("base-{}", count - day);
            image(&format!("images/{name}"), &name, day, json!({ "capabilities": can }))
        })
        .collect()
}

fn world(images: Vec<Value>) -> Inventory {
    let inventory = json!({
        "format": 1, "account": SUBSCRIPTION, "taken_at": now().to_string(), "images": images,
        "references": [{ "image_id": arm("images/other"), "kind": "virtual_machine", "arn": arm("virtualMachines/vm") }],
    });
    Inventory::from_json(&inventory.to_string()).unwrap()
}

#[test]
fn a_new_version_is_of_the_same_definition_and_can_do_the_same() {
    let policy = policy("");
    let mut world = SimulatedWorld::new(world(versions(4, 14)));
    let mut growth = Growth::of(world.inventory(), &policy, now());
    assert_eq!(growth.make(&mut world, &policy.tag_names, now() + DAY), 1);
    let image = world.inventory().images.last().unwrap();
    let definition = arm("galleries/gal/images/web").to_lowercase();
    assert_eq!(image.image_id.as_str(), format!("{definition}/versions/_simulated-000001"));
    assert!(growth::is_simulated(&image.image_id));
    assert!(!growth::is_simulated(&world.inventory().images[0].image_id));
    assert_eq!(image.image_id.definition(), Some(definition.as_str()));
    assert_eq!(image.definition.as_deref(), Some("gal/web"));
    assert_eq!(image.capabilities.disable, Disabling::ExcludesFromLatest);
    assert_eq!(image.capabilities.recovery, Recoverability::Days(14));
    assert_eq!((image.sources.len(), image.unconfirmed), (0, false));
    // A state tag in another case is one, and the copy of the others ignores case, too.
    assert_eq!((image.tags.len(), image.tags.get("TEAM")), (1, Some("web")));
    // A managed image is in the same resource group.
    let mut world = SimulatedWorld::new(self::world(managed(4)));
    let mut growth = Growth::of(world.inventory(), &policy, now());
    growth.make(&mut world, &policy.tag_names, now() + DAY);
    let image = world.inventory().images.last().unwrap();
    assert_eq!(image.image_id.as_str(), arm("images/_simulated-000001").to_lowercase());
    assert!(growth::is_simulated(&image.image_id));
}

#[test]
fn versions_take_all_steps_stay_shared_and_are_retained_by_soft_delete() {
    let images = versions(5, 14);
    let policy = policy("shared_images = \"retire\"\n");
    let mut world = SimulatedWorld::new(world(images));
    let oldest = world.inventory().images[4].image_id.clone();
    let mut seen = Vec::new();
    for day in 0..=30 {
        let at = now() + SignedDuration::from_hours(24 * day);
        world.let_time_pass(at);
        let plan = plan(world.inventory(), &policy, at);
        assert_eq!(plan.refusal, None);
        world.sweep(&plan, &policy);
        let image = world.inventory().images.iter().find(|image| image.image_id == oldest);
        let recycled = world.inventory().recycled_images.iter().flatten();
        let is_recycled = recycled.clone().any(|image| image.image_id == oldest);
        let now = match image {
            Some(image) => {
                assert_eq!(image.launch_permissions.as_deref().unwrap().len(), 1);
                format!("{} {}", image.state, image.deprecation_time.is_some())
            }
            None => if is_recycled { "retained" } else { "deleted" }.to_owned(),
        };
        if seen.last().is_none_or(|(_, last)| *last != now) {
            seen.push((day, now));
        }
    }
    let expected = [(0, "available true"), (2, "disabled true"), (4, "retained"), (18, "deleted")];
    assert_eq!(seen, expected.map(|(day, text)| (day, text.to_owned())));
}

#[test]
fn a_managed_image_has_no_steps_before_its_deletion_which_is_final() {
    let found = |safety: &str| simulate(&world(managed(5)), &policy(safety), now(), 7, &NoProgress);
    let kept = found("").points[1].done;
    assert_eq!((kept.expired, kept.deregistered), (3 + 6, 0));
    let done = found("recycle_bin = \"optional\"\n").points[1].done;
    assert_eq!((done.deprecated, done.disabled, done.deregistered), (0, 0, 3 + 2));
    let mut world = SimulatedWorld::new(world(managed(5)));
    let policy = policy("recycle_bin = \"optional\"\n");
    for day in [0, 4] {
        let at = now() + SignedDuration::from_hours(24 * day);
        world.sweep(&plan(world.inventory(), &policy, at), &policy);
    }
    assert_eq!(world.inventory().images.len(), 2);
    assert_eq!(world.inventory().recycled_images.as_deref(), Some(&[][..]));
}

#[test]
fn a_version_that_is_wanted_again_is_included_in_latest_and_stays_shared() {
    let wide = policy("shared_images = \"retire\"\n");
    let mut world = SimulatedWorld::new(world(versions(5, 14)));
    for day in [0, 2] {
        let at = now() + SignedDuration::from_hours(24 * day);
        world.sweep(&plan(world.inventory(), &wide, at), &wide);
    }
    let disabled = |world: &SimulatedWorld| {
        let images = world.inventory().images.iter();
        images.filter(|image| image.state == ImageState::Disabled).count()
    };
    assert_eq!(disabled(&world), 2);
    let keeps = policy("shared_images = \"keep\"\n");
    let at = now() + SignedDuration::from_hours(24 * 3);
    let done = world.sweep(&plan(world.inventory(), &keeps, at), &keeps);
    assert_eq!(done.rescued, 2);
    assert_eq!(disabled(&world), 0);
    for image in &world.inventory().images {
        assert_eq!(image.launch_permissions.as_deref().unwrap().len(), 1);
        assert_eq!(image.deprecation_time, None);
    }
}

#[test]
fn the_size_of_an_image_without_snapshots_is_its_own() {
    let found = plan(&world(managed(1)), &policy(""), now());
    let mut decision = found.decisions[0].clone();
    decision.size_gib = Some(30);
    assert_eq!(own_gib(&decision), 30);
    decision.snapshots = Box::new([arm("snapshots/s").parse().unwrap()]);
    assert_eq!(own_gib(&decision), 0);
}
