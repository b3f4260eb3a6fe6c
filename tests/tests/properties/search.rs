//! Running a comparison on many random cases, on all processors. The result is the smallest case of
//! each kind of harm.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::harm::{Harm, HarmKind};

/// How often a kind of harm was found, and the number of the first case.
#[derive(Clone)]
struct Seen {
    count: usize,
    first: u64,
}

/// Settings from the environment.
struct Wanted {
    /// `STEWARD_CASES`: the number of cases.
    cases: u64,
    /// `STEWARD_SEED`: the seed of the first case. The others use the following numbers.
    seed: u64,
    /// `STEWARD_SHRINKS`: how many smaller cases are tried for each kind of harm.
    shrinks: u64,
}

#[expect(clippy::disallowed_methods, reason = "the number of cases is set from outside")]
fn wanted() -> Wanted {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    Wanted {
        cases: number("STEWARD_CASES").unwrap_or(100),
        seed: number("STEWARD_SEED").unwrap_or_else(|| RandomState::new().hash_one(0) >> 32),
        shrinks: number("STEWARD_SHRINKS").unwrap_or(2_000),
    }
}

fn case<S: Strategy>(strategy: &S, seed: u64) -> S::Tree {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(seed.to_le_bytes()).for_each(|(to, from)| *to = from);
    let config = Config { failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    strategy.new_tree(&mut TestRunner::new_with_rng(config, rng)).unwrap()
}

/// Compares all cases and prints how often each kind of harm was found. Panics with the smallest
/// case of each undocumented kind, as described by `tell`.
pub fn search<S: Strategy>(
    name: &str,
    strategy: impl Fn() -> S + Sync,
    harms: impl Fn(&S::Value) -> Vec<Harm> + Sync,
    tell: impl Fn(&S::Value, &HarmKind) -> String,
) {
    let Wanted { cases, seed, shrinks } = wanted();
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let all: Mutex<BTreeMap<HarmKind, Seen>> = Mutex::default();
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (all, strategy, harms) = (&all, &strategy, &harms);
            scope.spawn(move || {
                let strategy = strategy();
                for seed in (seed..seed + cases).skip(worker as usize).step_by(workers as usize) {
                    let mut kinds: Vec<HarmKind> = harms(&case(&strategy, seed).current())
                        .into_iter()
                        .map(|one| one.kind)
                        .collect();
                    kinds.sort();
                    kinds.dedup();
                    let mut all = all.lock().unwrap();
                    for kind in kinds {
                        let seen = all.entry(kind).or_insert(Seen { count: 0, first: seed });
                        seen.count += 1;
                        seen.first = seen.first.min(seed);
                    }
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    println!("{name}: {cases} cases from STEWARD_SEED={seed}");
    for (kind, Seen { count, .. }) in &all {
        println!("{count:6} {kind:?}{}", if kind.is_documented() { " (documented)" } else { "" });
    }
    let strategy = strategy();
    let mut texts = Vec::new();
    for (kind, Seen { first, .. }) in all.iter().filter(|(kind, _)| !kind.is_documented()) {
        let fails = |value: &S::Value| harms(value).iter().any(|one| one.kind == *kind);
        let smallest = shrink(case(&strategy, *first), shrinks, fails);
        texts.push(format!("== {kind:?} (STEWARD_SEED={first})\n{}\n", tell(&smallest, kind)));
    }
    assert!(texts.is_empty(), "{}", texts.join("\n"));
}

fn shrink<T: ValueTree>(mut tree: T, most: u64, fails: impl Fn(&T::Value) -> bool) -> T::Value {
    let mut smallest = tree.current();
    if !tree.simplify() {
        return smallest;
    }
    for _ in 0..most {
        let value = tree.current();
        let goes_on = if fails(&value) {
            smallest = value;
            tree.simplify()
        } else {
            tree.complicate()
        };
        if !goes_on {
            break;
        }
    }
    smallest
}
