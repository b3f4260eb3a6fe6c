//! Running use cases on the fake.

use jiff::Timestamp;
use steward::jobs::{Job, Mode};
use steward::model::AccountRegion;
use steward::policy::Policy;
use steward::progress::RunContext;

use crate::fake::Fake;

/// Blocks this thread until `work` is complete.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// Runs `work` on `fake` at the time `now` without a deadline.
pub fn with_job<T>(
    fake: &Fake,
    policy: &Policy,
    mode: Mode,
    now: Timestamp,
    work: impl AsyncFnOnce(&Job<'_>) -> T,
) -> T {
    let target =
        AccountRegion { account: fake.account().clone(), region: Some(fake.region().clone()) };
    let context = RunContext { clock: fake, ..RunContext::UNLIMITED };
    run(work(&Job {
        cloud: fake,
        instances: fake,
        bus: None,
        target: &target,
        policy,
        mode,
        now,
        context,
    }))
}
