//! Running a property on many random cases, on all processors.

use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The number of cases, and the seed of the first one.
#[expect(clippy::disallowed_methods, reason = "the number of cases is set from outside")]
fn wanted(default: u32) -> (u32, u64) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let cases = number("STEWARD_CASES").map_or(default, |cases| u32::try_from(cases).unwrap());
    (cases, number("STEWARD_SEED").unwrap_or_else(|| RandomState::new().hash_one(0) >> 32))
}

/// Checks the property on `default` cases, or on `STEWARD_CASES`. Panics with the smallest case that
/// fails.
pub fn check_all<S: Strategy>(
    name: &str,
    default: u32,
    strategy: impl Fn() -> S + Sync,
    property: impl Fn(S::Value) -> Result<(), TestCaseError> + Sync,
) where
    S::Value: Debug,
{
    let (cases, seed) = wanted(default);
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get() as u32);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let (strategy, property) = (&strategy, &property);
        let worker = |number: u32| {
            scope.spawn(move || {
                let config = Config {
                    cases: cases / workers + u32::from(number < cases % workers),
                    failure_persistence: None,
                    max_global_rejects: 1_000_000,
                    ..Config::default()
                };
                let mut bytes = [0; 32];
                let start = seed + u64::from(number);
                bytes.iter_mut().zip(start.to_le_bytes()).for_each(|(to, from)| *to = from);
                let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
                let result = TestRunner::new_with_rng(config, rng).run(&strategy(), property);
                result.err().map(|error| format!("{name}, STEWARD_SEED={start}: {error}"))
            })
        };
        let workers: Vec<_> = (0..workers).map(worker).collect();
        workers.into_iter().filter_map(|worker| worker.join().unwrap()).collect()
    });
    println!("{name}: {cases} cases from STEWARD_SEED={seed}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
