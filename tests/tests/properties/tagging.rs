//! Tags of images without an event: a lost event makes no difference after the next sweep.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use steward::events::Trigger;
use steward::jobs::Mode;
use steward::model::{ImageState, Tags};
use steward::policy::Policy;
use steward_tests::fake::Fake;
use steward_tests::fleet::{Fleet, FleetImage, FleetInstance, FleetSnapshot};

use super::cases;
use super::runs::{job, run, scheduled_sweep, target};
use super::worlds::{HOUR, ago, image_id, now, snapshot_id};

const CREATED_BY: &str = "image-steward:created-by";

/// A policy whose rule does not depend on the tags that it writes.
fn a_policy() -> impl Strategy<Value = Policy> {
    let shape = (0_u32..4, any::<bool>(), any::<bool>(), any::<bool>(), 0_u8..2);
    shape.prop_map(|(last, sets, copies, to_snapshots, steps)| {
        let set = if sets { "set = { ManagedBy = \"us\" }\n" } else { "" };
        let copy = if copies { "copy_from_instance = [\"Team\", \"Absent\"]\n" } else { "" };
        let retire = ["disable_after = \"7d\"", "disable_after = \"0d\""][usize::from(steps)];
        let text = format!(
            "version = 1\n[[rule]]\nname = \"all\"\nkeep = {{ last = {last}, within = \"1d\" }}\n\
             retire = {{ deprecate_after = \"0d\", {retire}, deregister_after = \"14d\" }}\n\
             [safety]\nmin_references = 0\nmax_fraction = 1.0\n\
             [tagging]\n{set}{copy}copy_to_snapshots = {to_snapshots}\n"
        );
        Policy::parse(&text, "random").unwrap_or_else(|error| panic!("{error}"))
    })
}

/// An image of the last 30 days with its own snapshots, and whether its event was lost.
fn an_image(n: usize) -> impl Strategy<Value = (FleetImage, Vec<FleetSnapshot>, bool)> {
    let tags = (
        option::weighted(0.2, prop_oneof![Just("Team"), Just("ManagedBy"), Just(CREATED_BY)]),
        option::weighted(
            0.2,
            prop_oneof![
                Just(("aws:backup:source-resource", "i-1")),
                Just(("dlm:managed", "true")),
                Just(("CreatedBy", "EC2 Image Builder")),
            ],
        ),
        option::weighted(0.1, Just("image-steward:keep")),
        prop_oneof![8 => Just(0_usize), 1 => Just(43), 1 => Just(46), 1 => Just(50)],
    );
    let source = (option::weighted(0.6, 0_usize..3), option::weighted(0.3, Just(())));
    let ours = prop::bool::weighted(0.9);
    (1_i64..24 * 30, 0_usize..3, tags, source, ours, any::<bool>()).prop_map(
        move |(age, snapshots, (own, managed, keep, many), (instance, copied), ours, lost)| {
            let ids = (0..snapshots).map(|one| snapshot_id(n * 3 + one));
            let mut image = FleetImage::new(image_id(n), ids.clone());
            image.name = Some(format!("web-{n}"));
            image.created_at = ago(age * HOUR);
            image.source_instance = instance.map(|one| format!("i-{one}").parse().unwrap());
            image.source_image = copied.map(|()| image_id(90));
            if !ours {
                image.owner_id = Some("999999999999".parse().unwrap());
            }
            let mut tags: BTreeMap<String, String> =
                (0..many).map(|one| (format!("k{one}"), String::new())).collect();
            let marks = managed.into_iter().chain(own.or(keep).map(|key| (key, "theirs")));
            if many < 46 {
                tags.extend(marks.map(|(key, value)| (key.to_owned(), value.to_owned())));
            }
            image.tags = tags.into_iter().collect();
            let snapshots = ids.map(|id| FleetSnapshot::new(id, ago(age * HOUR))).collect();
            (image, snapshots, lost)
        },
    )
}

fn a_world() -> impl Strategy<Value = (Fleet, Vec<bool>)> {
    let images: Vec<_> = (0..6).map(an_image).collect();
    (images, vec(any::<bool>(), 3)).prop_map(|(images, teams)| {
        let mut fleet = Fleet::default();
        let mut lost = Vec::new();
        for (image, snapshots, one) in images {
            fleet.images.push(image);
            fleet.snapshots.extend(snapshots);
            lost.push(one);
        }
        for (n, has_team) in teams.into_iter().enumerate() {
            let mut instance = FleetInstance::new(format!("i-{n}").parse().unwrap(), image_id(80));
            if has_team {
                instance.tags = [("Team", format!("team-{n}"))].into_iter().collect();
            }
            fleet.instances.push(instance);
        }
        (fleet, lost)
    })
}

/// The events of all images that are not `lost`, an hour before the sweep.
fn events(fake: &Fake, policy: &Policy, lost: &[bool]) {
    let at = now() - SignedDuration::from_hours(1);
    for (image, _) in fake.world().images.iter().zip(lost).filter(|(_, lost)| !**lost) {
        let trigger = Trigger::Image {
            image: image.image_id.clone(),
            state: ImageState::Available,
            message: String::new(),
            at: Some(at),
        };
        run(job(fake, &target(fake), policy, Mode::Apply, at).tag_image(&trigger)).unwrap();
    }
}

/// The account without the tag that only CloudTrail provides.
fn up_to_creator(fake: &Fake) -> Fleet {
    let mut world = fake.world();
    let without = |tags: &mut Tags| *tags = tags.without(&[CREATED_BY.to_owned()]);
    world.images.iter_mut().for_each(|one| without(&mut one.tags));
    world.snapshots.iter_mut().for_each(|one| without(&mut one.tags));
    world
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_lost_event_makes_no_difference_after_the_next_sweep((fleet, lost) in a_world(), policy in a_policy()) {
        let (heard, missed) = (Fake::new(&fleet), Fake::new(&fleet));
        events(&heard, &policy, &[false; 6]);
        events(&missed, &policy, &lost);
        scheduled_sweep(&heard, &policy, now());
        scheduled_sweep(&missed, &policy, now());
        prop_assert_eq!(up_to_creator(&missed), up_to_creator(&heard));
        // Another sweep changes nothing.
        let after = missed.world();
        missed.forget_calls();
        let report = scheduled_sweep(&missed, &policy, now());
        prop_assert_eq!(report.counts.unwrap().images_tagged, 0);
        prop_assert_eq!(missed.world().snapshots, after.snapshots);
    }
}
