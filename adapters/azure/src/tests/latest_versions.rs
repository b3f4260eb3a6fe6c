//! The meaning of `latest`, against a naive model with complete knowledge.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;

use crate::arm_id::{ArmId, VersionNumber};
use crate::latest::{RegionFacts, VersionFacts, latest, replication_to_read};
use crate::types::{Location, ProvisioningState, ReplicationState};

const REGIONS: [&str; 3] = ["West US", "eastus", "northeurope"];

fn location(name: &str) -> Location {
    Location::new(name).unwrap()
}

fn id(name: &str) -> ArmId {
    let definition = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/a/\
                      providers/Microsoft.Compute/galleries/g/images/i/versions/";
    format!("{definition}{name}").parse().unwrap()
}

/// The truth about a version in a region.
#[derive(Debug, Clone)]
struct TrueRegion {
    name: &'static str,
    is_excluded: bool,
    is_available: bool,
}

/// The truth about a version.
#[derive(Debug, Clone)]
struct TrueVersion {
    number: VersionNumber,
    state: ProvisioningState,
    is_excluded: bool,
    regions: Vec<TrueRegion>,
    is_soft_deleted: bool,
    /// What Azure would do during and after an operation, regardless of the flags.
    serves_in_transition: bool,
}

/// What an observer does not see.
#[derive(Debug, Clone)]
struct Hidden {
    number: bool,
    state: bool,
    regions: bool,
    replication: bool,
}

impl TrueVersion {
    /// Whether Azure starts this version at a location, if no higher one is started.
    fn is_started_at(&self, at: &str) -> bool {
        if self.is_soft_deleted {
            return false;
        }
        if self.state != ProvisioningState::Succeeded {
            return self.serves_in_transition;
        }
        let region = self.regions.iter().find(|region| region.name == at);
        !self.is_excluded && region.is_some_and(|one| one.is_available && !one.is_excluded)
    }

    fn seen(&self, hidden: &Hidden) -> VersionFacts {
        // A number that is not seen is a name that is not a number.
        let (name, number) = match hidden.number {
            true => (format!("v-{}", self.number), None),
            false => (self.number.to_string(), Some(self.number)),
        };
        let regions = self.regions.iter().map(|region| RegionFacts {
            location: location(region.name),
            is_excluded: region.is_excluded,
            replication: match (hidden.replication, region.is_available) {
                (true, _) => None,
                (false, true) => Some(ReplicationState::Completed),
                (false, false) => Some(ReplicationState::Replicating),
            },
        });
        let is_hidden = hidden.state;
        VersionFacts {
            id: id(&name),
            number,
            state: match is_hidden {
                true => ProvisioningState::Unknown("Tomorrow".to_owned()),
                false => self.state.clone(),
            },
            is_excluded: self.is_excluded,
            regions: (!hidden.regions).then(|| regions.collect()),
            is_soft_deleted: self.is_soft_deleted,
        }
    }
}

/// The positions of the versions that Azure starts: the highest one. Two, if two have one number.
fn truly_latest(versions: &[TrueVersion], at: &str) -> BTreeSet<usize> {
    let started = |version: &&TrueVersion| version.is_started_at(at);
    let highest = versions.iter().filter(started).map(|version| version.number).max();
    let is_it =
        |version: &TrueVersion| Some(version.number) == highest && version.is_started_at(at);
    (0..versions.len()).filter(|at| is_it(&versions[*at])).collect()
}

fn number() -> impl Strategy<Value = VersionNumber> {
    let part = || select(vec![0, 1, 2, 9, 10, 250_627]);
    (part(), part(), part()).prop_map(|(major, minor, patch)| VersionNumber { major, minor, patch })
}

fn state() -> impl Strategy<Value = ProvisioningState> {
    use ProvisioningState::{Creating, Deleting, Failed, Migrating, Succeeded, Updating};
    prop_oneof![
        4 => Just(Succeeded),
        1 => select(vec![Creating, Updating, Failed, Deleting, Migrating]),
    ]
}

fn regions() -> impl Strategy<Value = Vec<TrueRegion>> {
    let all = REGIONS.map(|name| {
        (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.8)).prop_map(
            move |(is_target, is_excluded, is_available)| {
                is_target.then_some(TrueRegion { name, is_excluded, is_available })
            },
        )
    });
    all.prop_map(|all| all.into_iter().flatten().collect())
}

fn version() -> impl Strategy<Value = TrueVersion> {
    let rare = || prop::bool::weighted(0.15);
    (number(), state(), rare(), regions(), rare(), any::<bool>()).prop_map(
        |(number, state, is_excluded, regions, is_soft_deleted, serves_in_transition)| {
            TrueVersion {
                number,
                state,
                is_excluded,
                regions,
                is_soft_deleted,
                serves_in_transition,
            }
        },
    )
}

fn hidden() -> impl Strategy<Value = Hidden> {
    let rare = || prop::bool::weighted(0.15);
    (rare(), rare(), rare(), rare()).prop_map(|(number, state, regions, replication)| Hidden {
        number,
        state,
        regions,
        replication,
    })
}

/// Versions with different numbers, as in Azure.
fn versions() -> impl Strategy<Value = Vec<(TrueVersion, Hidden)>> {
    prop::collection::vec((version(), hidden()), 0..7).prop_map(|all| {
        let mut numbers = BTreeSet::new();
        all.into_iter().filter(|(version, _)| numbers.insert(version.number)).collect()
    })
}

const NOTHING: Hidden = Hidden { number: false, state: false, regions: false, replication: false };

fn held(versions: &[VersionFacts], at: Option<&str>) -> BTreeSet<ArmId> {
    let at = at.map(location);
    latest(versions, at.as_ref()).versions.into_iter().map(|version| version.id.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is hidden, and whatever it is in truth, the version that Azure starts is held.
    #[test]
    fn the_true_latest_version_is_held(all in versions(), is_region_known in any::<bool>()) {
        let (truth, hidden): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let seen: Vec<VersionFacts> =
            truth.iter().zip(&hidden).map(|(version, hidden)| version.seen(hidden)).collect();
        for at in REGIONS.into_iter().chain(["elsewhere"]) {
            let held = held(&seen, is_region_known.then_some(at));
            for position in truly_latest(&truth, at) {
                prop_assert!(held.contains(&seen[position].id), "{at}: {:?}", seen[position]);
            }
            if truly_latest(&truth, at).is_empty() {
                prop_assert_eq!(held.is_empty(), seen.is_empty());
            }
        }
    }

    /// With complete knowledge, the result is the naive one; nothing resolvable holds everything.
    #[test]
    fn complete_knowledge_gives_the_naive_result(all in versions()) {
        let mut truth: Vec<TrueVersion> = all.into_iter().map(|(version, _)| version).collect();
        for version in &mut truth {
            version.state = ProvisioningState::Succeeded;
            // A replica that is not complete is not certain to be unavailable.
            version.regions.iter_mut().for_each(|region| region.is_available = true);
        }
        let seen: Vec<VersionFacts> = truth.iter().map(|version| version.seen(&NOTHING)).collect();
        for at in REGIONS {
            let naive: BTreeSet<ArmId> =
                truly_latest(&truth, at).into_iter().map(|position| seen[position].id.clone()).collect();
            let here = location(at);
            let found = latest(&seen, Some(&here));
            prop_assert_eq!(found.is_certain, !naive.is_empty());
            let everything = || seen.iter().map(|version| version.id.clone()).collect();
            let expected = if naive.is_empty() { everything() } else { naive };
            prop_assert_eq!(held(&seen, Some(at)), expected);
            prop_assert_eq!(replication_to_read(&seen, &here), None);
        }
    }

    /// Less knowledge holds at least as much.
    #[test]
    fn hiding_more_holds_more(all in versions(), more in prop::collection::vec(hidden(), 7)) {
        let some: Vec<VersionFacts> = all.iter().map(|(version, hidden)| version.seen(hidden)).collect();
        let less: Vec<VersionFacts> = all.iter().zip(more).map(|((version, hidden), more)| version.seen(&Hidden {
            // The name must not change.
            number: hidden.number,
            state: hidden.state || more.state,
            regions: hidden.regions || more.regions,
            replication: hidden.replication || more.replication,
        })).collect();
        for at in REGIONS {
            prop_assert!(held(&less, Some(at)).is_superset(&held(&some, Some(at))));
        }
        prop_assert_eq!(held(&some, None).len(), some.len());
    }

    /// Reading the replication as advised ends, and reads no version that cannot matter.
    #[test]
    fn advised_readings_make_the_result_certain(all in versions()) {
        for at in REGIONS {
            let here = location(at);
            let unread = Hidden { replication: true, ..NOTHING };
            let mut seen: Vec<VersionFacts> = all.iter().map(|(version, _)| version.seen(&unread)).collect();
            let mut readings = 0;
            while let Some(next) = replication_to_read(&seen, &here).map(|version| version.id.clone()) {
                let position = seen.iter().position(|version| version.id == next).unwrap();
                prop_assert!(held(&seen, Some(at)).contains(&next));
                seen[position] = all[position].0.seen(&NOTHING);
                readings += 1;
                prop_assert!(readings <= all.len());
            }
            let complete: Vec<VersionFacts> = all.iter().map(|(version, _)| version.seen(&NOTHING)).collect();
            prop_assert_eq!(held(&seen, Some(at)), held(&complete, Some(at)));
        }
    }
}

fn facts(
    name: &str,
    state: ProvisioningState,
    replication: Option<ReplicationState>,
) -> VersionFacts {
    VersionFacts {
        id: id(name),
        number: name.parse().ok(),
        state,
        is_excluded: false,
        regions: Some(vec![RegionFacts {
            location: location("West US"),
            is_excluded: false,
            replication,
        }]),
        is_soft_deleted: false,
    }
}

fn names(versions: &[VersionFacts], at: Option<&str>) -> Vec<String> {
    let at = at.map(location);
    let found = latest(versions, at.as_ref()).versions;
    found.into_iter().map(|version| version.id.name().to_owned()).collect()
}

#[test]
fn the_highest_number_is_the_latest() {
    let done = || Some(ReplicationState::Completed);
    let ready = |name| facts(name, ProvisioningState::Succeeded, done());
    let mut all = vec![ready("1.9.0"), ready("1.10.0"), ready("1.2.0")];
    assert_eq!(names(&all, Some("westus")), ["1.10.0"]);
    assert_eq!(names(&all, Some("eastus")), ["1.10.0", "1.9.0", "1.2.0"]);
    assert_eq!(names(&all, None), ["1.10.0", "1.9.0", "1.2.0"]);

    all[1].is_excluded = true;
    assert_eq!(names(&all, Some("West US")), ["1.9.0"]);
    all[1].is_excluded = false;
    all[1].is_soft_deleted = true;
    assert_eq!(names(&all, Some("West US")), ["1.9.0"]);
    all[1].is_soft_deleted = false;

    // A version that is being created may become the latest one at any time.
    all.push(facts("2.0.0", ProvisioningState::Creating, None));
    assert_eq!(names(&all, Some("West US")), ["2.0.0", "1.10.0"]);
    all.push(facts("1.0.0", ProvisioningState::Creating, None));
    assert_eq!(names(&all, Some("West US")), ["2.0.0", "1.10.0"]);
    // A name that is not a number may be the highest one.
    all.push(ready("preview"));
    assert_eq!(names(&all, Some("West US")), ["preview", "2.0.0", "1.10.0"]);
}

#[test]
fn an_empty_definition_has_no_latest_version() {
    assert_eq!(names(&[], Some("westus")), Vec::<String>::new());
}
