//! What must hold for every fleet and every policy.
//!
//! Fleets and policies are random; the account is the in-memory one, which the port's contract
//! holds to the real adapter's behaviour. What is in use, and what a rule keeps, is computed
//! here a second time and from the fleet itself, so that the plan is not tested against itself.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a verdict")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use steward::apply::NoDeadline;
use steward::cloud::{SnapshotScope, TemplateVersions};
use steward::ids::{ImageId, SnapshotId};
use steward::inventory::Inventory;
use steward::jobs::{Job, Mode};
use steward::plan::reason::Reason;
use steward::plan::{Action, Plan, plan};
use steward::policy::Policy;
use steward::survey::{self, Home};
use steward_tests::fake::{Call, Fake};
use steward_tests::fleet::{
    Fleet, FleetImage, FleetInstance, FleetSnapshot, Group, LaunchConfiguration, LaunchTemplate,
    Specification, TemplateVersion,
};
use steward_tests::switches::Switches;

const HOUR: i64 = 3600;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn image_id(n: usize) -> ImageId {
    format!("ami-{n:02}").parse().unwrap()
}

fn snapshot_id(n: usize) -> SnapshotId {
    format!("snap-{n:02}").parse().unwrap()
}

/// One random image: number, age in hours, and the rest.
fn an_image(n: usize) -> impl Strategy<Value = FleetImage> {
    let shape = (
        0_i64..24 * 400,
        prop_oneof![8 => Just("available"), 1 => Just("disabled"), 1 => Just("failed"), 1 => Just("pending")],
        prop_oneof![Just("web"), Just("db"), Just("ci")],
        prop_oneof![Just("x86_64"), Just("arm64")],
        vec(0_usize..24, 0..3),
        option::weighted(0.15, prop_oneof![Just(""), Just("2026-11-01"), Just("2027-01-01")]),
        option::weighted(0.3, 0_i64..24 * 40),
        (
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.1),
        ),
        option::weighted(0.2, 0_i64..24 * 200),
    );
    shape.prop_map(
        move |(age, state, family, architecture, snapshots, keep, expired, flags, launched)| {
            let (protected, public, shared, pinned) = flags;
            let mut tags = vec![("Family", family.to_owned())];
            if let Some(keep) = keep {
                tags.push(("image-steward:keep", keep.to_owned()));
            }
            if let Some(hours) = expired {
                tags.push(("image-steward:expired-at", ago(hours * HOUR).to_string()));
            }
            if pinned {
                tags.push(("Pinned", "yes".to_owned()));
            }
            let mut image = FleetImage::new(image_id(n), snapshots.into_iter().map(snapshot_id));
            image.name = Some(format!("{family}-{n}"));
            image.created_at = ago(age * HOUR);
            image.state = state.to_owned();
            image.architecture = architecture.to_owned();
            image.tags = tags.into_iter().collect();
            image.protected =
                if protected { "enabled-without-cooldown" } else { "disabled" }.to_owned();
            image.public = public;
            image.launch_permissions =
                if shared { vec!["111122223333".parse().unwrap()] } else { Vec::new() };
            image.last_launched_at = launched.map(|hours| ago(hours * HOUR));
            image
        },
    )
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// Who uses which image: (kind of holder, image).
fn a_fleet() -> impl Strategy<Value = Fleet> {
    let images: Vec<_> = (0..18).map(an_image).collect();
    let uses = vec((0_u8..5, 0_usize..24), 0..6);
    let marks = vec(option::weighted(0.2, (0_usize..24, -24_i64..24 * 20)), 24);
    (images, 0_usize..=18, uses, marks).prop_map(|(mut images, count, uses, marks)| {
        images.truncate(count);
        let snapshots = marks.into_iter().enumerate().map(|(n, mark)| {
            let mut snapshot = FleetSnapshot::new(snapshot_id(n), ago(1000 * HOUR));
            if let Some((image, due)) = mark {
                snapshot.tags = [
                    ("image-steward:image", image_id(image).to_string()),
                    ("image-steward:delete-after", ago(due * HOUR).to_string()),
                ]
                .into_iter()
                .collect();
            }
            snapshot
        });
        let mut fleet = Fleet { images, snapshots: snapshots.collect(), ..Fleet::default() };
        for (number, (kind, image)) in uses.into_iter().enumerate() {
            hold(&mut fleet, number, kind, &image_id(image));
        }
        fleet
    })
}

/// Lets a holder of the given kind hold `image`.
fn hold(fleet: &mut Fleet, number: usize, kind: u8, image: &ImageId) {
    let other = ImageId::to_string(&"ami-elsewhere".parse().unwrap());
    let template = |versions: &[&str], default_version: u32| LaunchTemplate {
        launch_template_id: format!("lt-{number}"),
        name: None,
        default_version,
        versions: (1..)
            .zip(versions)
            .map(|(version, image)| TemplateVersion {
                version,
                image_id: Some((*image).to_owned()),
            })
            .collect(),
    };
    match kind {
        0 | 1 => fleet.instances.push(FleetInstance {
            instance_id: format!("i-{number}").parse().unwrap(),
            image_id: image.clone(),
            state: if kind == 0 { "running" } else { "stopped" }.to_owned(),
            tags: steward::tags::Tags::default(),
        }),
        2 => fleet.launch_templates.push(template(&[&other, image.as_str()], 1)),
        3 => fleet
            .launch_configurations
            .push(LaunchConfiguration { name: format!("lc-{number}"), image_id: image.clone() }),
        _ => {
            // Held only by the version that a group pins: neither the default nor the latest.
            fleet.launch_templates.push(template(&[&other, image.as_str(), &other], 1));
            fleet.auto_scaling_groups.push(Group {
                name: format!("asg-{number}"),
                launch_template: Some(Specification {
                    launch_template_id: format!("lt-{number}"),
                    version: "2".to_owned(),
                }),
                ..Group::default()
            });
        }
    }
}

/// The images that [`hold`] put to use: read from the fleet, not from the plan.
fn in_use(fleet: &Fleet) -> BTreeSet<String> {
    let mut used: BTreeSet<String> =
        fleet.instances.iter().map(|instance| instance.image_id.to_string()).collect();
    let versions = fleet.launch_templates.iter().flat_map(|template| &template.versions);
    used.extend(versions.filter_map(|version| version.image_id.clone()));
    used.extend(
        fleet.launch_configurations.iter().map(|configuration| configuration.image_id.to_string()),
    );
    used
}

/// The numbers of a random policy, and the policy.
#[derive(Debug, Clone)]
struct Rules {
    last: u32,
    within_hours: u32,
    daily: u32,
    weekly: u32,
    at_least: u32,
    max_per_run: u32,
    max_fraction: f64,
    grouped: bool,
    text: String,
}

impl Rules {
    /// A cap leaves work for the next run; some properties are about a run that does all.
    fn lift_caps(&mut self) {
        self.text =
            self.text.replace(&format!("max_per_run = {}", self.max_per_run), "max_per_run = 1000");
        self.text = self
            .text
            .replace(&format!("max_fraction = {:.1}", self.max_fraction), "max_fraction = 1.0");
    }

    fn policy(&self) -> Policy {
        Policy::parse(&self.text, "random").unwrap_or_else(|error| panic!("{error}"))
    }
}

fn some_rules() -> impl Strategy<Value = Rules> {
    let counts = (0_u32..5, 0_u32..2000, 0_u32..4, 0_u32..4, 0_u32..3);
    let limits = (0_u32..8, prop_oneof![Just(0.0), Just(0.1), Just(0.5), Just(1.0)]);
    let steps =
        (prop_oneof![Just("0d"), Just("7d")], prop_oneof![Just("0d"), Just("1d"), Just("7d")]);
    (counts, limits, any::<bool>(), steps).prop_map(|(counts, limits, grouped, steps)| {
        let (last, within_hours, daily, weekly, at_least) = counts;
        let (max_per_run, max_fraction) = limits;
        let (deregister, delete) = steps;
        let group_by = if grouped { r#"["tag:Family", "architecture"]"# } else { "[]" };
        let text = format!(
            "version = 1\ntimezone = \"Europe/Berlin\"\n\
             [[rule]]\nname = \"random\"\ngroup_by = {group_by}\n\
             keep = {{ last = {last}, within = \"{within_hours}h\", daily = {daily}, weekly = {weekly}, at_least = {at_least}, tags = {{ Pinned = \"*\" }} }}\n\
             retire = {{ deregister_after = \"{deregister}\", delete_snapshots_after = \"{delete}\" }}\n\
             [safety]\nmax_per_run = {max_per_run}\nmax_fraction = {max_fraction:.1}\nmin_references = 0\n"
        );
        Rules { last, within_hours, daily, weekly, at_least, max_per_run, max_fraction, grouped, text }
    })
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn home(fake: &Fake) -> Home {
    Home { account: fake.account().clone(), region: fake.region().clone() }
}

fn inventory(fake: &Fake) -> Inventory {
    run(survey::take_inventory(fake, &home(fake), TemplateVersions::DefaultAndLatest, now()))
}

/// One sweep over images in apply mode.
fn sweep(fake: &Fake, policy: &Policy, now: Timestamp) -> Plan {
    let home = home(fake);
    let job =
        Job { cloud: fake, home: &home, policy, mode: Mode::Apply, now, deadline: &NoDeadline };
    run(async {
        let plan = job.plan_images().await;
        job.apply_images(&plan).await;
        plan
    })
}

/// The plan of a sweep, with all the evidence that one looks at.
fn planned(fake: &Fake, policy: &Policy) -> Plan {
    let home = home(fake);
    let job = Job {
        cloud: fake,
        home: &home,
        policy,
        mode: Mode::Plan,
        now: now(),
        deadline: &NoDeadline,
    };
    run(job.plan_images())
}

/// One sweep over snapshots in apply mode.
fn reap(fake: &Fake, policy: &Policy, now: Timestamp) {
    let home = home(fake);
    let job =
        Job { cloud: fake, home: &home, policy, mode: Mode::Apply, now, deadline: &NoDeadline };
    let _ = run(job.reap(&SnapshotScope::Own));
}

fn images_left(fake: &Fake) -> BTreeSet<String> {
    fake.world().images.iter().map(|image| image.image_id.to_string()).collect()
}

fn removes(action: &Action) -> bool {
    matches!(action, Action::Deregister { .. } | Action::Expire)
}

/// Which images take part in the ranking, newest first, by family: computed from the fleet.
fn families(fleet: &Fleet, rules: &Rules) -> BTreeMap<String, Vec<(Timestamp, String)>> {
    let mut families: BTreeMap<String, Vec<(Timestamp, String)>> = BTreeMap::new();
    for image in &fleet.images {
        if image.state == "available" || image.state == "disabled" {
            let family = if rules.grouped {
                format!("{:?}{}", image.tags.get("Family"), image.architecture)
            } else {
                String::new()
            };
            families
                .entry(family)
                .or_default()
                .push((image.created_at, image.image_id.to_string()));
        }
    }
    for members in families.values_mut() {
        members.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    }
    families
}

/// The images that the rule keeps by rank, age or day, computed from the fleet.
fn kept_by_rule(fleet: &Fleet, rules: &Rules) -> BTreeSet<String> {
    let young = ago(i64::from(rules.within_hours) * HOUR);
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let mut kept = BTreeSet::new();
    for members in families(fleet, rules).values() {
        let (mut days, mut weeks) = (BTreeSet::new(), BTreeSet::new());
        for (rank, (created_at, id)) in (1_u32..).zip(members) {
            let date = created_at.to_zoned(zone.clone()).date();
            let day = !days.contains(&date) && days.len() < rules.daily as usize;
            let monday = date.iso_week_date();
            let monday = (monday.year(), monday.week());
            let week = !weeks.contains(&monday) && weeks.len() < rules.weekly as usize;
            if day {
                days.insert(date);
            }
            if week {
                weeks.insert(monday);
            }
            let is_young = rules.within_hours > 0 && *created_at >= young;
            if rank <= rules.last || rank <= rules.at_least || is_young || day || week {
                kept.insert(id.clone());
            }
        }
    }
    kept
}

/// Snapshots of images that are gone which nobody would ever find again: they exist, no image
/// uses them, and they do not carry the ledger.
fn lost_from_sight(before: &Fleet, fake: &Fake) -> Vec<SnapshotId> {
    let after = fake.world();
    let left: BTreeSet<_> = after.images.iter().map(|image| &image.image_id).collect();
    let used: BTreeSet<_> = after.images.iter().flat_map(|image| &image.snapshots).collect();
    let gone = before.images.iter().filter(|image| !left.contains(&image.image_id));
    let orphaned: BTreeSet<_> = gone
        .flat_map(|image| &image.snapshots)
        .filter(|snapshot| !used.contains(snapshot))
        .collect();
    let has_ledger = |tags: &steward::tags::Tags| {
        tags.has("image-steward:image") && tags.has("image-steward:delete-after")
    };
    after
        .snapshots
        .iter()
        .filter(|snapshot| orphaned.contains(&snapshot.snapshot_id) && !has_ledger(&snapshot.tags))
        .map(|snapshot| snapshot.snapshot_id.clone())
        .collect()
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn every_image_has_one_decision(fleet in a_fleet(), rules in some_rules()) {
        let world = inventory(&Fake::new(&fleet));
        let found = plan(&world, &rules.policy(), now());
        let mut decided: Vec<_> = found.decisions.iter().map(|decision| decision.image_id.clone()).collect();
        decided.sort();
        let mut listed: Vec<_> = world.images.iter().map(|image| image.image_id.clone()).collect();
        listed.sort();
        prop_assert_eq!(decided, listed);
        for decision in &found.decisions {
            prop_assert!(!decision.because.is_empty(), "{} has no reason", decision.image_id);
        }
    }

    #[test]
    fn what_is_in_use_is_never_removed(fleet in a_fleet(), rules in some_rules()) {
        let fake = Fake::new(&fleet);
        let before = images_left(&fake);
        let used = in_use(&fleet);
        for days in [0, 8, 20] {
            sweep(&fake, &rules.policy(), now() + SignedDuration::from_hours(24 * days));
            reap(&fake, &rules.policy(), now() + SignedDuration::from_hours(24 * days));
        }
        let after = images_left(&fake);
        for image in before.intersection(&used) {
            prop_assert!(after.contains(image), "{image} is in use and gone");
        }
        let held: BTreeSet<_> = fake.world().images.iter().flat_map(|image| image.snapshots.clone()).collect();
        let left: BTreeSet<_> = fake.world().snapshots.iter().map(|s| s.snapshot_id.clone()).collect();
        prop_assert!(held.is_subset(&left), "an image lost a snapshot");
    }

    #[test]
    fn a_kept_image_is_never_removed(fleet in a_fleet(), rules in some_rules()) {
        let fake = Fake::new(&fleet);
        let kept = kept_by_rule(&fleet, &rules);
        let found = sweep(&fake, &rules.policy(), now());
        let after = images_left(&fake);
        for image in kept {
            prop_assert!(after.contains(&image), "{image} is kept by the rule and gone");
        }
        for decision in found.decisions.iter().filter(|decision| !removes(&decision.action)) {
            prop_assert!(after.contains(decision.image_id.as_str()), "{} was to stay", decision.image_id);
        }
        for image in &fleet.images {
            let shared = image.public || !image.launch_permissions.is_empty();
            let opted_out = image.tags.get("image-steward:keep").is_some_and(|value| value != "2026-11-01");
            if shared || opted_out || image.protected != "disabled" || image.tags.has("Pinned") {
                prop_assert!(after.contains(image.image_id.as_str()), "{} is protected and gone", image.image_id);
            }
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(fleet in a_fleet(), rules in some_rules(), seed in any::<u64>()) {
        let world = inventory(&Fake::new(&fleet));
        let mut shuffled = world.clone();
        let key = |text: &str| text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        shuffled.images.sort_by_key(|image| key(image.image_id.as_str()));
        shuffled.snapshots.sort_by_key(|snapshot| key(snapshot.snapshot_id.as_str()));
        shuffled.references.sort_by_key(|reference| key(&reference.by));
        let bytes = |world: &Inventory| serde_json::to_string(&plan(world, &rules.policy(), now())).unwrap();
        prop_assert_eq!(bytes(&world), bytes(&shuffled));
    }

    #[test]
    fn replanning_after_applying_removes_nothing(fleet in a_fleet(), mut rules in some_rules()) {
        rules.lift_caps();
        let fake = Fake::new(&fleet);
        let first = sweep(&fake, &rules.policy(), now());
        let again = planned(&fake, &rules.policy());
        for decision in &again.decisions {
            prop_assert!(!removes(&decision.action), "{} is removed only now: {decision:?}", decision.image_id);
            prop_assert!(!matches!(decision.action, Action::Rescue { .. }), "{decision:?}");
        }
        // The plan itself, applied once more, changes nothing either.
        let policy = rules.policy();
        let left = images_left(&fake);
        let outcome = run(steward::apply::apply(&first, &policy, &fake, &NoDeadline));
        prop_assert_eq!(outcome.deregistered, Vec::<ImageId>::new());
        prop_assert_eq!(images_left(&fake), left);
    }

    #[test]
    fn the_floor_holds(fleet in a_fleet(), rules in some_rules()) {
        let fake = Fake::new(&fleet);
        for days in [0, 8, 20] {
            sweep(&fake, &rules.policy(), now() + SignedDuration::from_hours(24 * days));
        }
        let after = images_left(&fake);
        for members in families(&fleet, &rules).values() {
            let left = members.iter().filter(|(_, id)| after.contains(id)).count();
            let floor = members.len().min(rules.at_least as usize);
            prop_assert!(left >= floor, "{left} of {} left, the floor is {floor}", members.len());
        }
    }

    #[test]
    fn caps_hold(fleet in a_fleet(), rules in some_rules()) {
        let fake = Fake::new(&fleet);
        let before = images_left(&fake).len();
        let found = sweep(&fake, &rules.policy(), now());
        let gone = before - images_left(&fake).len();
        prop_assert!(gone <= rules.max_per_run as usize);
        // Every image matches the one rule.
        prop_assert!(gone as f64 <= (rules.max_fraction * before as f64).ceil());
        prop_assert_eq!(found.summary.deregister, gone);
    }

    #[test]
    fn an_unread_source_removes_nothing(fleet in a_fleet(), rules in some_rules(), source in 0_usize..6) {
        let action = [
            "ec2:DescribeImages",
            "ec2:DescribeSnapshots",
            "ec2:DescribeInstances",
            "ec2:DescribeLaunchTemplateVersions",
            "autoscaling:DescribeLaunchConfigurations",
            "autoscaling:DescribeAutoScalingGroups",
        ][source];
        let fake = Fake::new(&fleet);
        fake.set(Switches::deny(&[action]));
        let found = sweep(&fake, &rules.policy(), now());
        prop_assert!(found.refusal.is_some());
        prop_assert_eq!(images_left(&fake).len(), fleet.images.len());
        let marked = fake.calls().iter().any(|call| matches!(call, Call::SetTags(..) | Call::Deregister(..)));
        prop_assert!(!marked, "something was marked or removed");
    }

    #[test]
    fn plan_mode_changes_nothing(fleet in a_fleet(), rules in some_rules()) {
        let fake = Fake::new(&fleet);
        let (home, policy) = (home(&fake), rules.policy());
        let job = Job { cloud: &fake, home: &home, policy: &policy, mode: Mode::Plan, now: now(), deadline: &NoDeadline };
        run(async {
            let plan = job.plan_images().await;
            job.apply_images(&plan).await;
            let _ = job.reap(&SnapshotScope::Own).await;
        });
        prop_assert!(fake.calls().iter().all(|call| !call.changes()));
    }

    #[test]
    fn a_snapshot_goes_only_when_due_and_unused(fleet in a_fleet(), rules in some_rules()) {
        let fake = Fake::new(&fleet);
        reap(&fake, &rules.policy(), now());
        let left: BTreeSet<_> = fake.world().snapshots.iter().map(|s| s.snapshot_id.clone()).collect();
        let images: BTreeSet<_> = fleet.images.iter().map(|image| image.image_id.to_string()).collect();
        let used: BTreeSet<_> = fleet.images.iter().flat_map(|image| image.snapshots.clone()).collect();
        for snapshot in &fleet.snapshots {
            let due = snapshot.tags.get("image-steward:delete-after").is_some_and(|at| at.parse::<Timestamp>().unwrap() <= now());
            let orphan = snapshot.tags.get("image-steward:image").is_some_and(|image| !images.contains(image));
            let goes = due && orphan && !used.contains(&snapshot.snapshot_id);
            prop_assert_eq!(!left.contains(&snapshot.snapshot_id), goes, "{}", snapshot.snapshot_id);
        }
    }

    #[test]
    fn the_snapshots_of_a_removed_image_go_too(fleet in a_fleet(), rules in some_rules(), ignored in any::<bool>()) {
        let (fake, policy) = (Fake::new(&fleet), rules.policy());
        // An old server ignores the wish to delete the snapshots with the image.
        fake.set(Switches { no_delete_associated: ignored, ..Switches::default() });
        sweep(&fake, &policy, now());
        prop_assert_eq!(lost_from_sight(&fleet, &fake), Vec::<SnapshotId>::new());
        let removed: Vec<_> = {
            let left = images_left(&fake);
            fleet.images.iter().filter(|image| !left.contains(image.image_id.as_str())).cloned().collect()
        };
        // The longest time that a rule here leaves them is a week.
        reap(&fake, &policy, now() + SignedDuration::from_hours(24 * 8));
        let world = fake.world();
        let used: BTreeSet<_> = world.images.iter().flat_map(|image| &image.snapshots).collect();
        for snapshot in removed.iter().flat_map(|image| &image.snapshots) {
            let exists = world.snapshots.iter().any(|left| left.snapshot_id == *snapshot);
            prop_assert_eq!(exists, used.contains(snapshot), "{}", snapshot);
        }
    }

    #[test]
    fn after_a_crash_later_runs_end_where_an_uncrashed_run_ends(
        fleet in a_fleet(), mut rules in some_rules(), crash_after in 0_usize..12, lost in any::<bool>(),
    ) {
        rules.lift_caps();
        let policy = rules.policy();
        let finish = |fake: &Fake| {
            for days in [0, 1, 8, 9, 16, 17, 30, 31, 60, 61] {
                let later = now() + SignedDuration::from_hours(24 * days);
                sweep(fake, &policy, later);
                reap(fake, &policy, later);
            }
        };
        let (smooth, crashed) = (Fake::new(&fleet), Fake::new(&fleet));
        if lost {
            crashed.set(Switches::default().and_lose_answers("ec2:DeregisterImage", 2).and_lose_answers("ec2:CreateTags", 1));
        }
        crashed.unplug_after(crash_after);
        sweep(&crashed, &policy, now());
        crashed.plug_in();
        prop_assert_eq!(lost_from_sight(&fleet, &crashed), Vec::<SnapshotId>::new());
        crashed.set(Switches::default());
        finish(&smooth);
        finish(&crashed);
        // Marks may have been set at other times; what exists must be the same.
        prop_assert_eq!(images_left(&crashed), images_left(&smooth));
        let snapshots = |fake: &Fake| fake.world().snapshots.iter().map(|s| s.snapshot_id.clone()).collect::<Vec<_>>();
        prop_assert_eq!(snapshots(&crashed), snapshots(&smooth));
    }
}

#[test]
fn reasons_of_kept_images_include_the_use() {
    let mut fleet = Fleet::default();
    fleet.images.push(FleetImage::new(image_id(1), []));
    hold(&mut fleet, 1, 4, &image_id(1));
    let found = plan(
        &inventory(&Fake::new(&fleet)),
        &Policy::parse("version = 1\n[[rule]]\nname = \"a\"\nkeep = { last = 1 }\n", "p").unwrap(),
        now(),
    );
    let uses: Vec<_> = found.decisions[0]
        .because
        .iter()
        .filter(|reason| matches!(reason, Reason::InUse { .. }))
        .collect();
    assert_eq!(uses.len(), 2, "the group and the template's version: {uses:?}");
}
