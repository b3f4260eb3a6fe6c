//! Mutated responses. Every element of every response that the adapter reads is removed, renamed,
//! repeated, moved, commented out or given another shape, and every response is truncated. Each
//! reading must then return everything that it returns for the original responses, or fail.
//! `optional.toml` lists the elements that are not removed, because no reader could notice that.

#![cfg(feature = "wire")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod json;
mod readings;
mod relay;
mod xml;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use steward_aws::{Aws, Connect, connect};
use steward_tests::standin::{Standin, options};

use self::readings::{Finding, PortReading, READINGS};
use self::relay::Relay;

/// Fewer would mean that some responses are not tested.
const AT_LEAST: usize = 5_000;
/// Relays that test mutations in parallel.
const WORKERS: usize = 2;

/// A mutated response.
struct Mutation {
    /// The request whose response is mutated.
    request: String,
    /// The change.
    what: String,
    body: String,
}

/// The elements that may be absent in a valid response, by the call and by the reason. They are not
/// removed, renamed or emptied.
#[derive(Deserialize)]
struct Optional(BTreeMap<String, BTreeMap<String, Vec<String>>>);

impl Optional {
    fn read() -> Self {
        toml::from_str(include_str!("optional.toml")).unwrap()
    }

    /// Whether the element at `path` may be absent in a valid response. `path` has names joined by
    /// `/`, without list indexes.
    fn has(&self, call: &str, path: &str) -> bool {
        let of = |call: &str| self.0.get(call).into_iter().flat_map(|reasons| reasons.values());
        of(call).flatten().any(|one| path == one)
    }
}

/// The result of a reading for the original responses, and the requests that it makes.
struct Baseline {
    reading: &'static PortReading,
    finding: Finding,
    requests: BTreeSet<String>,
}

/// Blocks this thread until `work`, which uses the network, is complete.
fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn connected(relay: &Relay) -> Aws {
    connect(Connect { endpoint: Some(relay.url()), ..options() }).await.unwrap()
}

async fn baselines(relay: &Relay) -> Vec<Baseline> {
    let aws = connected(relay).await;
    let mut found = Vec::new();
    for reading in READINGS {
        relay.forget_requests();
        let finding = (reading.read)(&aws).await;
        let finding = finding.unwrap_or_else(|error| panic!("{}: {error}", reading.name));
        found.push(Baseline { reading, finding, requests: relay.requests() });
    }
    found
}

/// A relay with the responses to all readings, and the results of the readings.
fn recorded(standin: &Standin) -> (Relay, Vec<Baseline>) {
    let relay = Relay::start(standin.address());
    let baselines = run(async {
        standin.load(&readings::fleet()).await;
        baselines(&relay).await
    });
    (relay, baselines)
}

fn mutations(relay: &Relay) -> Vec<Mutation> {
    let optional = Optional::read();
    let mut found = Vec::new();
    for (request, response) in relay.responses() {
        let call = relay::call_of(&request);
        let optional = |path: &str| optional.has(&call, path);
        let changed = match response.trim_start().starts_with('<') {
            true => xml::mutations(&response, optional),
            false => json::mutations(&response, optional),
        };
        let (request, call) = (&request, &call);
        found.extend(changed.into_iter().map(|(what, body)| Mutation {
            request: request.clone(),
            what: format!("{call}: {what}"),
            body,
        }));
    }
    found
}

/// Tests the mutations, and returns the wrong results.
async fn misread(relay: &Relay, baselines: &[Baseline], mutations: &[&Mutation]) -> Vec<String> {
    let mut found = Vec::new();
    let aws = connected(relay).await;
    for Mutation { request, what, body } in mutations {
        relay.mutate(request, body);
        for Baseline { reading, finding, .. } in
            baselines.iter().filter(|baseline| baseline.requests.contains(request))
        {
            if let Ok(other) = (reading.read)(&aws).await {
                let lost = finding.lost_in(&other);
                found.extend(lost.iter().map(|lost| format!("{what}: {}: {lost}", reading.name)));
            }
        }
    }
    found
}

/// Tests one of every `one_in` mutations.
fn assert_that_nothing_is_hidden(one_in: usize) {
    let standin = Standin::start();
    let (relay, baselines) = recorded(&standin);
    let mutations = mutations(&relay);
    let mutations: Vec<&Mutation> = mutations.iter().step_by(one_in).collect();
    println!("{} readings, {} mutations", baselines.len(), mutations.len());
    assert!(mutations.len() >= AT_LEAST);
    let found: BTreeSet<String> = std::thread::scope(|scope| {
        let share = mutations.len().div_ceil(WORKERS);
        let workers: Vec<_> = mutations
            .chunks(share)
            .map(|some| {
                let (relay, baselines) = (relay.another(), &baselines);
                scope.spawn(move || run(misread(&relay, baselines, some)))
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let shown: Vec<&str> = found.iter().map(String::as_str).take(100).collect();
    assert!(found.is_empty(), "{} misread:\n{}", found.len(), shown.join("\n"));
}

#[test]
fn a_response_that_was_changed_hides_nothing() {
    assert_that_nothing_is_hidden(3);
}

#[test]
#[ignore = "takes two minutes: make soak"]
fn no_change_of_a_response_hides_anything() {
    assert_that_nothing_is_hidden(1);
}

/// The list must not contain elements that no longer exist.
#[test]
fn every_optional_element_is_in_a_response() {
    let standin = Standin::start();
    let (relay, _) = recorded(&standin);
    let mut paths: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (request, response) in relay.responses() {
        let of = match response.trim_start().starts_with('<') {
            true => xml::paths(&response),
            false => json::paths(&response),
        };
        paths.entry(relay::call_of(&request)).or_default().extend(of);
    }
    for (call, reasons) in &Optional::read().0 {
        for path in reasons.values().flatten() {
            let known = paths.get(call).is_some_and(|paths| paths.contains(path));
            assert!(known, "{call} has no {path}");
        }
    }
}
