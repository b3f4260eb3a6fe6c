//! An attacker who writes, removes or copies our tags, creates launch templates or sends events.
//! The functions must not do anything to a resource that they would not do without the attacker,
//! nor do it earlier.
//!
//! The same account is run twice for 40 days, with and without the attacker. The people act the
//! same in both. `STEWARD_CASES` is the number of random accounts.

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use steward::jobs::FunctionKind;
use steward::model::Tags;
use steward::plan::snapshots::made_for;
use steward_tests::fleet::{Fleet, LaunchTemplate, TemplateVersion};

use super::accounts::{
    AccountPolicy, FRIEND, IMAGES, PREFIX, STRANGER, describe, some_fleet, some_policy, told_about,
};
use super::harm::{Harm, HarmKind, compare};
use super::history::{AccountHistory, Moment, day, image_event, our_tags};
use super::people::{People, some_people};
use super::search::search;

const DAYS: usize = 40;
const SECRET: &str = "hunter2-correct-horse";

/// Images, snapshots and instances are identified by their current index in the account's lists, or
/// all are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Image(usize),
    Snapshot(usize),
    Instance(usize),
    Images,
    Snapshots,
    Instances,
}

/// The state tags. `keep` is added, and never removed or changed.
const IMAGE_KEYS: [&str; 3] = ["expired-at", "deprecation", "launch-permissions"];
const SNAPSHOT_KEYS: [&str; 2] = ["image", "delete-after"];
const OTHER_KEYS: [&str; 5] =
    ["keep", "created-by", "retire-when-imaged", "source-instance", "source-image"];

/// A part of a tag's value.
#[derive(Debug, Clone, PartialEq)]
enum ValueWord {
    /// The ID of the tagged resource.
    Own,
    /// The ID of the image at this index.
    Image(usize),
    /// The ID of an image that does not exist.
    Missing,
    /// The ID of the image for which the snapshot was created.
    MadeFor,
    /// This many hours ago; negative values are in the future.
    Ago(i64),
    /// This many hours ago, as a date.
    Date(i64),
    /// The deprecation time in EC2 plus this many minutes.
    Agreeing(i64),
    Text(&'static str),
}

#[derive(Debug, Clone)]
enum Attack {
    Write(Target, Vec<(&'static str, Vec<ValueWord>)>),
    Remove(Target, Vec<&'static str>),
    /// Copies the state tags that the first resource had this many days ago to the second. With
    /// `own`, IDs of the first are replaced by the second's. All times are moved back by this many
    /// hours.
    Copy {
        from: Target,
        days: usize,
        on: Target,
        own: bool,
        earlier: i64,
    },
    /// Creates a launch template with this image field.
    Template(Vec<ValueWord>),
    /// Deletes the attacker's templates.
    RemoveTemplates,
    /// Sends an event with this state of the image to all functions.
    Event(&'static str, usize, &'static str),
    /// Sends an event in the format of CloudTrail.
    Creating(usize, &'static str),
}

fn hours() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0_i64),
        Just(1),
        Just(24),
        Just(24 * 7),
        Just(24 * 15),
        Just(24 * 400),
        Just(-24 * 30),
        0_i64..24 * 40,
    ]
}

fn time() -> impl Strategy<Value = ValueWord> {
    prop_oneof![
        4 => hours().prop_map(ValueWord::Ago),
        1 => hours().prop_map(ValueWord::Date),
        2 => prop_oneof![Just(0_i64), Just(-1), Just(1)].prop_map(ValueWord::Agreeing),
        1 => prop_oneof![Just("never"), Just(""), Just("1970-01-01T00:00:00Z"), Just("yesterday"),
            Just("9999-12-31T00:00:00Z")].prop_map(ValueWord::Text),
    ]
}

fn image() -> impl Strategy<Value = usize> {
    0..IMAGES + 2
}

/// An account or group with which to share.
fn somebody() -> impl Strategy<Value = ValueWord> {
    let words = [
        STRANGER,
        "all",
        FRIEND,
        "none",
        "arn:aws:organizations::666666666666:organization/o-666666",
        "arn:aws:organizations::666666666666:ou/o-666666/ou-1-1",
    ];
    prop::sample::select(words.to_vec()).prop_map(ValueWord::Text)
}

/// The resource in the tag's value.
fn id() -> impl Strategy<Value = ValueWord> {
    prop_oneof![
        6 => Just(ValueWord::Own),
        2 => image().prop_map(ValueWord::Image),
        1 => Just(ValueWord::Missing),
    ]
}

/// A plausible value of a tag, or a value of another tag.
fn value_of(key: &'static str) -> BoxedStrategy<Vec<ValueWord>> {
    let text = |text| Just(ValueWord::Text(text));
    match key {
        "expired-at" => prop_oneof![3 => vec(time(), 1), 1 => vec(time(), 2)].boxed(),
        "delete-after" => {
            let dated = (time(), time())
                .prop_map(|(due, marked)| vec![due, ValueWord::Text("marked"), marked]);
            prop_oneof![2 => vec(time(), 1), 3 => dated, 1 => vec(time(), 2)].boxed()
        }
        "deprecation" => {
            let before = prop_oneof![3 => text("none"), 1 => time()];
            let disabled = prop_oneof![2 => Just(None), 3 => time().prop_map(Some)];
            (id(), before, disabled)
                .prop_map(|(id, before, disabled)| {
                    let timed =
                        disabled.into_iter().flat_map(|at| [ValueWord::Text("disabled"), at]);
                    [id, before].into_iter().chain(timed).collect()
                })
                .boxed()
        }
        "launch-permissions" => (id(), vec(somebody(), 0..4), proptest::option::of(time()))
            .prop_map(|(id, with, at)| [id].into_iter().chain(with).chain(at).collect())
            .boxed(),
        "keep" => prop_oneof![
            Just(vec![ValueWord::Text("attacker")]),
            vec(hours().prop_map(ValueWord::Date), 1)
        ]
        .boxed(),
        "image" => {
            let id = prop_oneof![
                4 => Just(ValueWord::MadeFor),
                1 => image().prop_map(ValueWord::Image),
                1 => Just(ValueWord::Missing),
            ];
            vec(id, 1).boxed()
        }
        _ => vec(
            prop_oneof![3 => image().prop_map(ValueWord::Image), 1 => Just(ValueWord::Missing)],
            1,
        )
        .boxed(),
    }
}

fn tag(key: &'static str) -> impl Strategy<Value = (&'static str, Vec<ValueWord>)> {
    let any = prop_oneof![9 => value_of(key), 1 => value_of("deprecation"), 1 => value_of("delete-after")];
    any.prop_map(move |value| (key, value))
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        5 => image().prop_map(Target::Image),
        4 => (0_usize..16).prop_map(Target::Snapshot),
        1 => (0_usize..3).prop_map(Target::Instance),
    ]
}

/// One resource, or all.
fn some_of(one: impl Strategy<Value = Target>, all: Target) -> impl Strategy<Value = Target> {
    prop_oneof![2 => one, 1 => Just(all)]
}

fn writing() -> impl Strategy<Value = Attack> {
    let keys = IMAGE_KEYS.iter().chain(&SNAPSHOT_KEYS).chain(&OTHER_KEYS);
    let any = proptest::strategy::Union::new(keys.map(|key| tag(key).boxed()));
    let images = || some_of(image().prop_map(Target::Image), Target::Images);
    let snapshots = some_of((0_usize..16).prop_map(Target::Snapshot), Target::Snapshots);
    let instances = some_of((0_usize..3).prop_map(Target::Instance), Target::Instances);
    let image_tags = (tag("expired-at"), tag("deprecation"), tag("launch-permissions"))
        .prop_map(|(one, two, three)| vec![one, two, three]);
    let snapshot_tags = (tag("delete-after"), tag("image")).prop_map(|(one, two)| vec![one, two]);
    let writes = |(on, tags)| Attack::Write(on, tags);
    prop_oneof![
        4 => (target(), vec(any, 1..3)).prop_map(writes),
        4 => (images(), image_tags).prop_map(writes),
        2 => (images(), vec(tag("expired-at"), 1)).prop_map(writes),
        4 => (snapshots, snapshot_tags).prop_map(writes),
        2 => (instances, vec(tag("retire-when-imaged"), 1)).prop_map(writes),
    ]
}

fn an_attack() -> impl Strategy<Value = Attack> {
    let keys = IMAGE_KEYS.iter().chain(&SNAPSHOT_KEYS).chain(&OTHER_KEYS).copied();
    let keys: Vec<&'static str> = keys.filter(|key| *key != "keep").collect();
    let some_keys = prop_oneof![
        2 => Just(keys.clone()),
        1 => prop::sample::select(keys).prop_map(|key| vec![key]),
    ];
    let named = prop_oneof![
        2 => image().prop_map(|n| vec![ValueWord::Image(n)]),
        1 => Just(vec![ValueWord::Missing]),
        1 => Just(vec![ValueWord::Text("resolve:ssm:/prod/db/password")]),
        1 => Just(vec![ValueWord::Text("resolve:ssm:/nowhere")]),
        1 => Just(vec![ValueWord::Text("golden image")]),
    ];
    let states = prop::sample::select(vec!["available", "deregistered", "disabled", "failed"]);
    let sources = || prop::sample::select(vec!["aws.ec2", "attacker"]);
    prop_oneof![
        10 => writing(),
        3 => (some_of(target(), Target::Images), some_keys).prop_map(|(on, keys)| Attack::Remove(on, keys)),
        3 => (target(), 0_usize..20, target(), any::<bool>(), prop_oneof![Just(0_i64), hours()])
            .prop_map(|(from, days, on, own, earlier)| Attack::Copy { from, days, on, own, earlier }),
        1 => named.prop_map(Attack::Template),
        1 => Just(Attack::RemoveTemplates),
        1 => (states, image(), sources()).prop_map(|(state, n, source)| Attack::Event(state, n, source)),
        1 => (image(), sources()).prop_map(|(n, source)| Attack::Creating(n, source)),
    ]
}

/// An attacker who wants images removed earlier.
fn hurrying() -> impl Strategy<Value = Attack> {
    let since = || hours().prop_map(|hours| ("expired-at", vec![ValueWord::Ago(hours.abs())]));
    let agrees = Just((
        "deprecation",
        vec![
            ValueWord::Own,
            ValueWord::Text("none"),
            ValueWord::Text("disabled"),
            ValueWord::Agreeing(0),
        ],
    ));
    let tags = prop_oneof![
        3 => since().prop_map(|one| vec![one]),
        1 => (since(), agrees).prop_map(|(one, two)| vec![one, two]),
    ];
    let images = some_of(image().prop_map(Target::Image), Target::Images);
    (images, tags).prop_map(|(on, tags)| Attack::Write(on, tags))
}

/// An attacker who wants images enabled and shared.
fn releasing() -> impl Strategy<Value = Attack> {
    let time = prop_oneof![4 => Just(ValueWord::Agreeing(0)), 1 => time()];
    let images = some_of(image().prop_map(Target::Image), Target::Images);
    (images, vec(somebody(), 0..3), time).prop_map(|(on, with, at)| {
        let deprecation =
            vec![ValueWord::Own, ValueWord::Text("none"), ValueWord::Text("disabled"), at];
        let permissions = [ValueWord::Own].into_iter().chain(with).collect();
        Attack::Write(on, vec![("deprecation", deprecation), ("launch-permissions", permissions)])
    })
}

/// An attacker who wants snapshots deleted.
fn deleting() -> impl Strategy<Value = Attack> {
    let snapshots = some_of((0_usize..16).prop_map(Target::Snapshot), Target::Snapshots);
    let since = hours().prop_map(|hours| {
        let due = ValueWord::Ago(hours.abs());
        ("delete-after", vec![due.clone(), ValueWord::Text("marked"), due])
    });
    let own = Just(("snapshot", vec![ValueWord::Own]));
    (snapshots, since, tag("image"), own)
        .prop_map(|(on, one, two, three)| Attack::Write(on, vec![one, two, three]))
}

/// The actions of an attacker, with their times.
type Attacks = Vec<(usize, bool, Attack)>;

/// One of these attackers, or one with arbitrary actions.
fn some_attacks() -> impl Strategy<Value = Attacks> {
    fn often(attack: impl Strategy<Value = Attack>, most: usize) -> impl Strategy<Value = Attacks> {
        vec((prop_oneof![0..DAYS, 0..8_usize], any::<bool>(), attack), 1..most)
    }
    let attacks = prop_oneof![
        3 => often(an_attack(), 24),
        1 => often(hurrying(), 6),
        1 => often(releasing(), 12),
        1 => often(deleting(), 12),
        1 => often(prop_oneof![hurrying(), releasing(), deleting()], 24),
    ];
    attacks.prop_map(|mut all| {
        all.sort_by_key(|(day, late, _)| (*day, *late));
        all
    })
}

/// The current resources of a target.
fn ids_of(world: &Fleet, target: Target) -> Vec<String> {
    let images = || world.images.iter().map(|one| one.image_id.to_string()).collect::<Vec<_>>();
    let snapshots = || world.snapshots.iter().map(|one| one.snapshot_id.to_string()).collect();
    let instances = || world.instances.iter().map(|one| one.instance_id.to_string()).collect();
    let one = |all: Vec<String>, place: usize| {
        let place = place.checked_rem(all.len());
        all.into_iter().skip(place.unwrap_or_default()).take(1).collect()
    };
    match target {
        Target::Image(place) => one(images(), place),
        Target::Snapshot(place) => one(snapshots(), place),
        Target::Instance(place) => one(instances(), place),
        Target::Images => images(),
        Target::Snapshots => snapshots(),
        Target::Instances => instances(),
    }
}

/// The image at this index, or one that does not exist.
fn image_at(world: &Fleet, place: usize) -> String {
    ids_of(world, Target::Image(place)).pop().unwrap_or_else(|| "ami-0".to_owned())
}

fn tags_of<'f>(world: &'f Fleet, id: &str) -> Option<&'f Tags> {
    let image = world.images.iter().find(|one| one.image_id.as_str() == id).map(|one| &one.tags);
    let snapshot =
        || world.snapshots.iter().find(|one| one.snapshot_id.as_str() == id).map(|one| &one.tags);
    let instance =
        || world.instances.iter().find(|one| one.instance_id.as_str() == id).map(|one| &one.tags);
    image.or_else(snapshot).or_else(instance)
}

fn set_tags(history: &mut AccountHistory<'_>, id: &str, tags: &Tags) {
    history.change(|fleet| {
        let image = fleet
            .images
            .iter_mut()
            .find(|one| one.image_id.as_str() == id)
            .map(|one| &mut one.tags);
        let snapshot = fleet
            .snapshots
            .iter_mut()
            .find(|one| one.snapshot_id.as_str() == id)
            .map(|one| &mut one.tags);
        let instance = fleet
            .instances
            .iter_mut()
            .find(|one| one.instance_id.as_str() == id)
            .map(|one| &mut one.tags);
        if let Some(held) = image.or(snapshot).or(instance) {
            *held = tags.clone();
        }
    });
}

/// The text of a value on the resource `own`.
fn render(words: &[ValueWord], world: &Fleet, own: &str, now: Timestamp) -> String {
    let ago = |hours: i64| now - SignedDuration::from_hours(hours);
    let image = world.images.iter().find(|one| one.image_id.as_str() == own);
    let words = words.iter().map(|word| match word {
        ValueWord::Own => own.to_owned(),
        ValueWord::Image(place) => image_at(world, *place),
        ValueWord::Missing => "ami-0".to_owned(),
        ValueWord::MadeFor => {
            let snapshot = world.snapshots.iter().find(|one| one.snapshot_id.as_str() == own);
            let image = snapshot.and_then(|one| made_for(&one.description));
            image.map_or_else(|| "ami-0".to_owned(), |image| image.to_string())
        }
        ValueWord::Ago(hours) => ago(*hours).to_string(),
        ValueWord::Date(hours) => ago(*hours).to_zoned(jiff::tz::TimeZone::UTC).date().to_string(),
        ValueWord::Agreeing(minutes) => {
            let at = image.and_then(|one| one.deprecation_time).unwrap_or(now);
            (at + SignedDuration::from_mins(*minutes)).to_string()
        }
        ValueWord::Text(text) => (*text).to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The same value for another resource and other times.
fn rewrite(value: &str, from: &str, own: Option<&str>, earlier: i64) -> String {
    let words = value.split(' ').map(|word| match (word.parse::<Timestamp>(), own) {
        (Ok(at), _) => (at - SignedDuration::from_hours(earlier)).to_string(),
        (Err(_), Some(own)) if word == from => own.to_owned(),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

impl Attack {
    fn apply(&self, history: &mut AccountHistory<'_>, today: usize, now: Timestamp) {
        let world = history.world.clone();
        match self {
            Self::Write(on, tags) => {
                for id in ids_of(&world, *on) {
                    let new = tags.iter().map(|(name, value)| {
                        (format!("{PREFIX}{name}"), render(value, &world, &id, now))
                    });
                    write(history, today, &id, new.collect());
                }
            }
            Self::Remove(on, keys) => {
                let keys: Vec<String> = keys.iter().map(|name| format!("{PREFIX}{name}")).collect();
                for id in ids_of(&world, *on) {
                    let Some(held) = tags_of(&world, &id) else { continue };
                    let left = held.without(&keys);
                    if left != *held {
                        history.note(|| format!("day {today:2} attacker: {id} loses {keys:?}"));
                        set_tags(history, &id, &left);
                    }
                }
            }
            Self::Copy { from, days, on, own, earlier } => {
                let back = days.checked_sub(1).and_then(|days| today.checked_sub(1 + days));
                let past = back.and_then(|day| history.days.get(day)).unwrap_or(&world).clone();
                let Some(from) = ids_of(&past, *from).pop() else { return };
                let Some(tags) = tags_of(&past, &from) else { return };
                for id in ids_of(&world, *on) {
                    let own = own.then_some(id.as_str());
                    let new = our_tags(tags)
                        .map(|(key, value)| (key.to_owned(), rewrite(value, &from, own, *earlier)));
                    write(history, today, &id, new.collect());
                }
            }
            Self::Template(words) => {
                let text = render(words, &world, "", now);
                history.note(|| format!("day {today:2} attacker: a template names {text}"));
                let id = format!("lt-attack{today}{}", world.launch_templates.len());
                let version =
                    TemplateVersion { version: 1, image_id: Some(text), snapshots: Vec::new() };
                let template = LaunchTemplate {
                    launch_template_id: id,
                    name: None,
                    default_version: 1,
                    versions: vec![version],
                };
                history.change(|fleet| fleet.launch_templates.push(template));
            }
            Self::RemoveTemplates => {
                history.note(|| format!("day {today:2} attacker: removes the templates"));
                history.change(|fleet| {
                    fleet
                        .launch_templates
                        .retain(|one| !one.launch_template_id.starts_with("lt-attack"));
                });
            }
            Self::Event(state, place, source) => {
                let id = image_at(&world, *place);
                self.send(history, today, now, &image_event(&id, state, source, now));
            }
            Self::Creating(place, source) => {
                let id = image_at(&world, *place);
                let event = json!({
                    "version": "0", "id": "e", "detail-type": "AWS API Call via CloudTrail",
                    "source": source, "account": "123456789012", "region": "eu-central-1",
                    "time": now.to_string(), "resources": [],
                    "detail": {
                        "eventSource": "ec2.amazonaws.com", "eventName": "CreateImage",
                        "awsRegion": "eu-central-1",
                        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/attacker"},
                        "responseElements": {"imageId": id},
                    },
                });
                self.send(history, today, now, &event);
            }
        }
    }

    fn send(
        &self,
        history: &mut AccountHistory<'_>,
        today: usize,
        now: Timestamp,
        event: &serde_json::Value,
    ) {
        history.note(|| format!("day {today:2} attacker: {self:?}"));
        for kind in
            [FunctionKind::TagImage, FunctionKind::ReapSnapshots, FunctionKind::RetireInstance]
        {
            history.run(today, now, kind, event);
        }
    }
}

/// Writes tags, except an existing `keep`: changing it could shorten it.
fn write(history: &mut AccountHistory<'_>, today: usize, id: &str, mut new: Vec<(String, String)>) {
    let world = history.world.clone();
    let Some(held) = tags_of(&world, id) else { return };
    new.retain(|(key, _)| !key.ends_with(":keep") || !held.has(key));
    if !new.is_empty() {
        history.note(|| format!("day {today:2} attacker: {id} gets {new:?}"));
        set_tags(history, id, &held.with(&new.into_iter().collect()));
    }
}

type AttackCase = (Attacks, Vec<(usize, People)>, Fleet, AccountPolicy);

fn cases() -> impl Strategy<Value = AttackCase> {
    (some_attacks(), some_people(DAYS, 5), some_fleet().prop_map(with_secret), some_policy())
}

/// With a parameter that must not be read.
fn with_secret(mut fleet: Fleet) -> Fleet {
    let parameter = json!({"name": "/prod/db/password", "value": SECRET});
    fleet.ssm_parameters.push(serde_json::from_value(parameter).unwrap());
    fleet
}

/// Runs the account with and without the attacker. The days before the first attack are run only
/// once.
fn run_both<T>(
    case: &AttackCase,
    log: bool,
    then: impl for<'a> FnOnce(&'a AccountHistory<'a>, &'a AccountHistory<'a>) -> T,
) -> T {
    let (attacks, people, fleet, account) = case;
    let policy = account.policy();
    let begin = attacks.first().map_or(DAYS, |(day, ..)| *day);
    let mut honest = AccountHistory::new(account, &policy, fleet);
    honest.log = log.then(Vec::new);
    for today in 0..begin {
        honest.day(today, people, |_, _| {});
    }
    let mut attacked = honest.fork();
    attacked.secret = Some(SECRET);
    for today in begin..DAYS {
        honest.day(today, people, |_, _| {});
        attacked.day(today, people, |history, moment| {
            let late = moment == Moment::BetweenSweeps;
            let now = match late {
                false => day(today) - SignedDuration::from_hours(1),
                true => day(today) + SignedDuration::from_mins(30),
            };
            let meant = attacks.iter().filter(|(on, at, _)| (*on, *at) == (today, late));
            for (_, _, attack) in meant {
                attack.apply(history, today, now);
            }
        });
    }
    then(&honest, &attacked)
}

fn harms(case: &AttackCase) -> Vec<Harm> {
    run_both(case, false, compare)
}

fn tell(case: &AttackCase, kind: &HarmKind) -> String {
    let (_, _, fleet, account) = case;
    run_both(case, true, |honest, attacked| {
        let harm = compare(honest, attacked).into_iter().find(|one| one.kind == *kind);
        let harm = harm.map(|one| one.text).unwrap_or_default();
        let [without, with] = [honest, attacked]
            .map(|one| told_about(&harm, one, one.log.as_deref().unwrap_or_default()));
        let lines: Vec<String> = describe(fleet).lines().map(str::to_owned).collect();
        format!(
            "{account:?}-- account, noon of day 0 is {}\n{}\n-- without the attacker\n{without}\n-- with\n{with}\n\
             -- harm: {harm}",
            day(0),
            told_about(&harm, attacked, &lines),
        )
    })
}

#[test]
fn an_attacker_gets_nothing_done_and_nothing_sooner() {
    search("attacker", cases, harms, tell);
}
