//! Random fleets and policies, and what a sweep does to them; and, computed from the fleet itself,
//! what is in use, what a rule keeps, and what would be lost.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use steward::apply::NoDeadline;
use steward::cloud::{ComputeEnvironments, ReferenceScope, SnapshotScope, TemplateVersions};
use steward::ids::{ImageId, SnapshotId};
use steward::inventory::Inventory;
use steward::jobs::{Job, Mode};
use steward::plan::{Action, Plan};
use steward::policy::Policy;
use steward::survey::{self, Home};
use steward_tests::fake::Fake;
use steward_tests::fleet::{
    Fleet, FleetImage, FleetInstance, FleetSnapshot, Group, LaunchConfiguration, LaunchTemplate,
    Specification, TemplateVersion,
};

pub const HOUR: i64 = 3600;

pub fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

pub fn image_id(n: usize) -> ImageId {
    format!("ami-{n:02}").parse().unwrap()
}

pub fn snapshot_id(n: usize) -> SnapshotId {
    format!("snap-{n:02}").parse().unwrap()
}

/// One random image: number, age in hours, and the rest.
pub fn an_image(n: usize) -> impl Strategy<Value = FleetImage> {
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
            // A disabled image cannot be shared.
            image.public = public && state != "disabled";
            image.launch_permissions = if shared && state != "disabled" {
                vec!["111122223333".to_owned()]
            } else {
                Vec::new()
            };
            image.last_launched_at = launched.map(|hours| ago(hours * HOUR));
            image
        },
    )
}

pub fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// Who uses which image: (kind of holder, image).
pub fn a_fleet() -> impl Strategy<Value = Fleet> {
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
pub fn hold(fleet: &mut Fleet, number: usize, kind: u8, image: &ImageId) {
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
                snapshots: Vec::new(),
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
pub fn in_use(fleet: &Fleet) -> BTreeSet<String> {
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
pub struct Rules {
    pub last: u32,
    pub within_hours: u32,
    pub daily: u32,
    pub weekly: u32,
    pub at_least: u32,
    pub max_per_run: u32,
    pub max_fraction: f64,
    pub grouped: bool,
    pub text: String,
}

impl Rules {
    /// A cap leaves work for the next run; some properties are about a run that does all.
    pub fn lift_caps(&mut self) {
        self.text =
            self.text.replace(&format!("max_per_run = {}", self.max_per_run), "max_per_run = 1000");
        self.text = self
            .text
            .replace(&format!("max_fraction = {:.1}", self.max_fraction), "max_fraction = 1.0");
    }

    pub fn policy(&self) -> Policy {
        Policy::parse(&self.text, "random").unwrap_or_else(|error| panic!("{error}"))
    }
}

pub fn some_rules() -> impl Strategy<Value = Rules> {
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

pub fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

pub fn home(fake: &Fake) -> Home {
    Home { account: fake.account().clone(), region: fake.region().clone() }
}

pub fn inventory(fake: &Fake) -> Inventory {
    let scope = ReferenceScope {
        versions: TemplateVersions::DefaultAndLatest,
        compute_environments: ComputeEnvironments::Read,
    };
    run(survey::take_inventory(fake, &home(fake), &scope, now()))
}

/// One sweep over images in apply mode.
pub fn sweep(fake: &Fake, policy: &Policy, now: Timestamp) -> Plan {
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
pub fn planned(fake: &Fake, policy: &Policy) -> Plan {
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
pub fn reap(fake: &Fake, policy: &Policy, now: Timestamp) {
    let home = home(fake);
    let job =
        Job { cloud: fake, home: &home, policy, mode: Mode::Apply, now, deadline: &NoDeadline };
    let _ = run(job.reap(&SnapshotScope::Own));
}

pub fn images_left(fake: &Fake) -> BTreeSet<String> {
    fake.world().images.iter().map(|image| image.image_id.to_string()).collect()
}

pub fn removes(action: &Action) -> bool {
    matches!(action, Action::Deregister { .. } | Action::Expire)
}

/// Which images take part in the ranking, newest first, by family: computed from the fleet.
pub fn families(fleet: &Fleet, rules: &Rules) -> BTreeMap<String, Vec<(Timestamp, String)>> {
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
pub fn kept_by_rule(fleet: &Fleet, rules: &Rules) -> BTreeSet<String> {
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
pub fn lost_from_sight(before: &Fleet, fake: &Fake) -> Vec<SnapshotId> {
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
