//! The morning after a bad policy: `restore` undoes everything that a policy did to an account, as
//! long as the Recycle Bin keeps the resources.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;
use steward::model::{ImageId, InWords, Provider, TagNames, Tags};
use steward::restore::{RestoreOptions, RestoreStatus, images_since, restore, share_again};
use steward_tests::fake::Fake;
use steward_tests::fleet::Fleet;

use super::rules::some_rules;
use super::runs::{reap, run, sweep};
use super::worlds::{a_fleet, now};

/// The fleet before this tool was ever run on it.
fn untouched(mut fleet: Fleet) -> Fleet {
    let ours = ["expired-at", "deprecation", "launch-permissions", "image", "delete-after"]
        .map(|name| format!("image-steward:{name}"));
    for image in &mut fleet.images {
        image.tags = image.tags.without(&ours);
    }
    for snapshot in &mut fleet.snapshots {
        snapshot.tags = snapshot.tags.without(&ours);
    }
    fleet
}

proptest! {
    #![proptest_config(super::cases(300))]

    #[test]
    fn whatever_a_policy_did_is_taken_back(
        fleet in a_fleet().prop_map(untouched), mut rules in some_rules(), days in 0_usize..4, twice in any::<bool>(), found_by_tags in any::<bool>(),
    ) {
        rules.lift_caps();
        let (fake, policy, names) = (Fake::new(&fleet), rules.policy(), TagNames::under("image-steward:"));
        let before = fake.world();
        let mut at = now();
        for day in [0, 1, 8, 9].into_iter().take(days + 1) {
            at = now() + SignedDuration::from_hours(24 * day);
            sweep(&fake, &policy, at);
            reap(&fake, &policy, at);
        }
        let options = RestoreOptions { found_by_tags, ..RestoreOptions::default() };
        let images = run(images_since(now(), &names, &fake)).unwrap();
        for image in images.iter().cycle().take(images.len() * if twice { 2 } else { 1 }) {
            let mut restored = run(restore(image, &options, &names, at, &fake));
            let is_back = matches!(restored.status, RestoreStatus::Restored | RestoreStatus::Untouched);
            prop_assert!(is_back, "{restored:?}");
            let with = restored.not_shared.clone();
            if !with.is_empty() {
                run(share_again(&mut restored, &with, &names, &fake));
                prop_assert_eq!((&restored.not_shared, &restored.problem), (&vec![], &None));
            }
        }
        let after = fake.world();
        for was in &before.images {
            let Some(is) = after.images.iter().find(|one| one.image_id == was.image_id) else {
                // A failed image cannot be launched, but is restored too.
                return Err(TestCaseError::fail(format!("{} is not back", was.image_id)));
            };
            // EC2 accepts no deprecation time in the past. The restored time is then set by the
            // restore, or not set.
            let mut was = was.clone();
            if was.deprecation_time.is_some_and(|date| date <= at) {
                prop_assert!(is.deprecation_time.is_some());
                was.deprecation_time = is.deprecation_time;
            }
            prop_assert_eq!(is, &was);
        }
        let left: BTreeSet<_> = after.snapshots.iter().map(|one| &one.snapshot_id).collect();
        let needed: BTreeSet<_> = before.images.iter().flat_map(|image| &image.snapshots).collect();
        prop_assert!(needed.is_subset(&left), "an image lacks a snapshot");
        let used = |tags: &Tags| tags.has("image-steward:delete-after");
        let doomed = after.snapshots.iter().find(|one| needed.contains(&one.snapshot_id) && used(&one.tags));
        prop_assert_eq!(doomed, None);
    }
}

#[test]
fn an_unknown_image_is_gone_and_nothing_is_changed() {
    let fake = Fake::new(&Fleet::default());
    let image: ImageId = "ami-00".parse().unwrap();
    let names = TagNames::under("image-steward:");
    let restored = run(restore(&image, &RestoreOptions::default(), &names, now(), &fake));
    assert_eq!(restored.status, RestoreStatus::Gone);
    let problem = restored.problem.unwrap().in_words(Provider::Aws.words()).to_string();
    assert!(problem.contains("no snapshot refers to it"));
    assert!(fake.calls().iter().all(|call| !call.changes()));
}
