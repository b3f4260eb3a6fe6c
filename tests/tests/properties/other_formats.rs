//! State tags in an unknown form, as a later version may write them. Resources with such a tag
//! remain unchanged.

use proptest::prelude::*;
use steward::model::{ImageId, Inventory, SnapshotId, TagNames, Tags};
use steward::plan::reason::Reason;
use steward::plan::snapshots::{SnapshotAction, SnapshotReason, plan_snapshots};
use steward::plan::{Action, plan};
use steward::policy::{DEFAULT_PREFIX, Policy};
use steward_tests::fake::Fake;

use super::rules::some_rules;
use super::worlds::{a_fleet, ago, image_id, now};
use super::{cases, inventory};

/// How a value differs from those that this program writes.
#[derive(Debug, Clone)]
enum OtherForm {
    Before(String),
    After(String),
    Instead(String),
}

impl OtherForm {
    fn of(&self, value: &str) -> String {
        match self {
            Self::Before(text) => format!("{text}{value}"),
            Self::After(text) => format!("{value}{text}"),
            Self::Instead(text) => text.clone(),
        }
    }
}

/// A format number, or any other text.
fn another_form() -> impl Strategy<Value = OtherForm> {
    let before = [
        "2 ",
        "v2 ",
        "2:",
        "02 ",
        "format=2 ",
        "{",
        "\"",
        " ",
        "none ",
        "ami-0dead00 ",
        "2026-01-01T00:00:00Z ",
    ];
    let after = [" 2", " v2", " held", ";held", "}", "[UTC]", " ", " disabled", " marked", "/"];
    prop_oneof![
        prop::sample::select(before.to_vec()).prop_map(|text| OtherForm::Before(text.to_owned())),
        "[a-z0-9=:.-]{0,6} ".prop_map(OtherForm::Before),
        prop::sample::select(after.to_vec()).prop_map(|text| OtherForm::After(text.to_owned())),
        " [a-z]{1,6}".prop_map(OtherForm::After),
        prop_oneof![Just(""), Just("2"), Just("none"), Just("ami-"), Just("now")]
            .prop_map(|text| OtherForm::Instead(text.to_owned())),
    ]
}

/// The state tags of images and snapshots, and the others, which have no effect here or which
/// people write in any form.
const OF_IMAGES: [&str; 3] = ["expired-at", "deprecation", "launch-permissions"];
const OF_SNAPSHOTS: [&str; 2] = ["image", "delete-after"];
const OTHERS: [&str; 5] =
    ["keep", "created-by", "retire-when-imaged", "source-instance", "source-image"];

fn a_key() -> impl Strategy<Value = &'static str> {
    prop::sample::select([&OF_IMAGES[..], &OF_SNAPSHOTS, &OTHERS].concat())
}

/// A value as this program writes it on the image or snapshot `own`.
fn value_of(key: &str, own: &str) -> String {
    let (week_ago, year_ago) = (ago(7 * 24 * 3600), ago(365 * 24 * 3600));
    match key {
        "expired-at" => year_ago.to_string(),
        "deprecation" => format!("{own} none disabled {year_ago}"),
        "launch-permissions" => format!("{own} 111122223333"),
        "delete-after" => format!("{week_ago} marked {year_ago}"),
        "keep" => "2026-01-01".to_owned(),
        _ => image_id(1).to_string(),
    }
}

/// The plan's next step for the image. The removing steps are 2 and 3.
fn image_step(world: &Inventory, policy: &Policy, image: &ImageId) -> (u8, bool) {
    let found = plan(world, policy, now());
    let decision = found.decisions.iter().find(|one| one.image_id == *image).unwrap();
    let step = match decision.action {
        Action::Keep => 0,
        Action::Wait | Action::Expire | Action::Deprecate { .. } | Action::Rescue(_) => 1,
        Action::Disable { .. } => 2,
        Action::Deregister { .. } => 3,
    };
    (step, decision.reasons.iter().any(Reason::is_unknown_state))
}

fn snapshot_step(world: &Inventory, policy: &Policy, snapshot: &SnapshotId) -> (u8, bool) {
    let found = plan_snapshots(world, policy, now());
    let decision = found.decisions.iter().find(|one| one.snapshot_id == *snapshot);
    let step = match decision.map(|one| one.action) {
        None | Some(SnapshotAction::Keep) => 0,
        Some(SnapshotAction::Mark) => 1,
        Some(SnapshotAction::Delete) => 2,
    };
    let is_unknown = |reason: &SnapshotReason| {
        matches!(reason.kind(), "state_tag_unknown" | "state_tag_unreadable")
    };
    // A snapshot that an image uses has no decision, and is kept.
    let is_reported = decision.is_none_or(|one| one.reasons.iter().any(is_unknown));
    (step, is_reported)
}

fn with(tags: &Tags, key: &str, value: &str) -> Tags {
    tags.with(&[(key, value)].into_iter().collect())
}

/// Whether the value was copied with the tags of another image. Then it is ignored.
fn is_of_another(value: &str, own: &str) -> bool {
    value.split_once(' ').is_some_and(|(id, _)| id != own && id.parse::<ImageId>().is_ok())
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_state_tag_in_another_form_lets_nothing_go(
        fleet in a_fleet(),
        mut rules in some_rules(),
        key in a_key(),
        form in another_form(),
    ) {
        rules.lift_caps();
        let (policy, names) = (rules.policy(), TagNames::under(DEFAULT_PREFIX));
        let full = format!("{DEFAULT_PREFIX}{key}");
        prop_assert!(names.all().contains(&full.as_str()));
        let world = inventory(&Fake::new(&fleet));
        for at in 0..world.images.len() {
            let image = world.images[at].image_id.clone();
            let value = form.of(&value_of(key, image.as_str()));
            let mut other = world.clone();
            other.images[at].tags = world.images[at].tags.without(std::slice::from_ref(&full));
            let (without, _) = image_step(&other, &policy, &image);
            other.images[at].tags = with(&world.images[at].tags, &full, &value);
            let (step, is_reported) = image_step(&other, &policy, &image);
            prop_assert!(step <= without || step < 2, "{image} {key}={value}: {step}, without it {without}");
            let is_ignored = key != "expired-at" && is_of_another(&value, image.as_str());
            if OF_IMAGES.contains(&key) && !is_ignored {
                prop_assert!(step == 0 && is_reported, "{image} {key}={value}: {step}");
            }
        }
        for at in 0..world.snapshots.len() {
            let snapshot = world.snapshots[at].snapshot_id.clone();
            let value = form.of(&value_of(key, snapshot.as_str()));
            let mut other = world.clone();
            other.snapshots[at].tags = world.snapshots[at].tags.without(std::slice::from_ref(&full));
            let (without, _) = snapshot_step(&other, &policy, &snapshot);
            other.snapshots[at].tags = with(&world.snapshots[at].tags, &full, &value);
            let (step, is_reported) = snapshot_step(&other, &policy, &snapshot);
            prop_assert!(step <= without || step < 2, "{snapshot} {key}={value}: {step}, without it {without}");
            if OF_SNAPSHOTS.contains(&key) {
                prop_assert!(step == 0, "{snapshot} {key}={value}: {step}");
                prop_assert!(is_reported || key == "image", "{snapshot} {key}={value}");
            }
        }
    }

    #[test]
    fn a_state_tag_that_is_not_known_lets_nothing_go(
        fleet in a_fleet(),
        mut rules in some_rules(),
        key in "[A-Za-z0-9-]{0,12}",
        value in "[a-z0-9: -]{0,12}",
    ) {
        rules.lift_caps();
        let policy = rules.policy();
        let key = format!("{DEFAULT_PREFIX}{key}");
        prop_assume!(!policy.tag_names.all().contains(&key.as_str()));
        let mut world = inventory(&Fake::new(&fleet));
        for image in &mut world.images {
            image.tags = with(&image.tags, &key, &value);
        }
        for snapshot in &mut world.snapshots {
            snapshot.tags = with(&snapshot.tags, &key, &value);
        }
        for decision in plan(&world, &policy, now()).decisions {
            prop_assert_eq!(&decision.action, &Action::Keep, "{}", decision.image_id);
            prop_assert!(decision.reasons.iter().any(|one| one.kind() == "state_tag_unknown"));
        }
        for decision in plan_snapshots(&world, &policy, now()).decisions {
            prop_assert_eq!(decision.action, SnapshotAction::Keep, "{}", decision.snapshot_id);
            prop_assert!(decision.reasons.iter().any(|one| one.kind() == "state_tag_unknown"));
        }
    }
}
