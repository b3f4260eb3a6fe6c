//! The port in memory: an account that behaves like a real one, as far as the port can observe.
//!
//! Each file implements the ports of one resource. The clock stops until a test sets it. There are
//! no threads. Listings have a deterministic but clearly unsorted order, because AWS guarantees
//! none. [`Switches`] inject faults. Errors are those that remain after the retries of the real
//! adapter.

mod call;
mod event_bus;
pub(crate) mod faults;
mod images;
mod instances;
mod launch_sources;
mod permissions;
mod recycle_bin;
mod references;
mod snapshots;
mod state;
mod tags;
mod templates;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use steward::cloud::{CloudError, Freshness, Message};
use steward::model::{AccountId, Clock, Region};

pub use self::call::Call;
use self::faults::{Faults, Plug};
use self::state::State;
use crate::fleet::Fleet;
use crate::switches::{InjectedFailure, Switches};
pub use permissions::CLOSED_ACCOUNT;

/// An account in memory. Clones share it.
#[derive(Clone)]
pub struct Fake {
    account: AccountId,
    region: Region,
    inner: Arc<Mutex<FakeAccount>>,
}

struct FakeAccount {
    state: State,
    /// The state that listings show, instead of the current state.
    frozen: Option<State>,
    faults: Faults,
    /// All calls, with the time of each.
    calls: Vec<(Duration, Call)>,
    messages: Vec<Message>,
    /// The current time of the account.
    clock: Timestamp,
    /// How long the runs have taken so far.
    elapsed: Duration,
    /// The duration of each call.
    latency: Duration,
    /// How long a removal waits for the rate limit.
    turn: Duration,
}

impl Fake {
    /// Creates an account with this content.
    pub fn new(fleet: &Fleet) -> Self {
        let inner = FakeAccount {
            state: State::new(fleet.clone()),
            frozen: None,
            faults: Faults::default(),
            calls: Vec::new(),
            messages: Vec::new(),
            clock: "2026-11-22T12:00:00Z".parse().unwrap(),
            elapsed: Duration::ZERO,
            latency: Duration::ZERO,
            turn: Duration::ZERO,
        };
        Self {
            account: fleet.account(),
            region: fleet.region(),
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The Region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The complete content of the account, sorted.
    pub fn world(&self) -> Fleet {
        let mut inner = self.lock();
        inner.let_time_pass();
        inner.state.fleet()
    }

    /// Changes the content, like somebody else between two of our calls.
    pub fn change(&self, change: impl FnOnce(&mut Fleet)) {
        self.lock().state.change(change);
    }

    /// Sets the account's clock, which the Recycle Bin and deprecation use. The initial time is
    /// noon on 22 November 2026.
    pub fn set_clock(&self, now: Timestamp) {
        self.lock().clock = now;
    }

    /// From now on, each call takes `latency`, and each removal first waits for `turn`.
    pub fn take_time(&self, latency: Duration, turn: Duration) {
        let mut inner = self.lock();
        (inner.latency, inner.turn) = (latency, turn);
    }

    /// Waits for the rate limit of a removal. Returns whether its check is still recent then.
    fn turn_comes(&self, check: Freshness<'_>) -> bool {
        let mut inner = self.lock();
        let turn = inner.turn;
        inner.elapsed += turn;
        // The check uses the fake's clock.
        drop(inner);
        check()
    }

    /// Replaces all switches.
    pub fn set(&self, switches: Switches) {
        self.lock().faults.switches = switches;
    }

    /// Makes the next `times` calls of `action` fail, for example `ec2:DeregisterImage`.
    pub fn fail(&self, action: &str, times: u32, code: &str) {
        let failure = InjectedFailure { code: code.into(), times: Some(times), about: None };
        self.lock().faults.switches.fail.entry(action.into()).or_default().push(failure);
    }

    /// From now on, listings show the account at this moment. A plan is always a little outdated.
    pub fn freeze_listings(&self) {
        let mut inner = self.lock();
        inner.frozen = Some(inner.state.clone());
    }

    /// Listings show the current state again.
    pub fn thaw_listings(&self) {
        self.lock().frozen = None;
    }

    /// After `changes` more changing calls, no call gets a response: for the account, as if the
    /// process was killed.
    pub fn unplug_after(&self, changes: usize) {
        self.lock().faults.changes_left = Some(changes);
    }

    /// After `calls` more calls of any kind, as counted by [`Fake::calls_made`], no call takes
    /// effect or gets a response.
    pub fn unplug_after_calls(&self, calls: usize) {
        self.lock().faults.plug = Plug::OutAfter(calls);
    }

    /// The `call`th call from now, starting at 1, gets no response, but takes effect if it is a
    /// change. Later calls have no effect.
    pub fn unplug_in_call(&self, call: usize) {
        self.lock().faults.plug = Plug::OutDuring(call.saturating_sub(1));
    }

    /// Undoes [`Fake::unplug_after`], [`Fake::unplug_after_calls`] and [`Fake::unplug_in_call`].
    pub fn plug_in(&self) {
        let mut inner = self.lock();
        inner.faults.changes_left = None;
        inner.faults.plug = Plug::In;
    }

    /// The number of provider calls so far, including those without a response. A call of the port
    /// may be several or none of them. The pages of a listing count as one.
    pub fn calls_made(&self) -> usize {
        self.lock().faults.calls.values().sum()
    }

    /// The number of provider calls by action, for example `ec2:DescribeImages`.
    pub fn calls_by_action(&self) -> BTreeMap<&'static str, usize> {
        self.lock().faults.calls.clone()
    }

    /// All calls so far in order, including failed ones.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.iter().map(|(_, call)| call.clone()).collect()
    }

    /// All calls, each with its time by the fake's clock.
    pub fn timed_calls(&self) -> Vec<(Duration, Call)> {
        self.lock().calls.clone()
    }

    /// The changing calls so far.
    pub fn changing_calls(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::changes).collect()
    }

    /// The events published so far.
    pub fn messages(&self) -> Vec<Message> {
        self.lock().messages.clone()
    }

    /// Clears the recorded calls.
    pub fn forget_calls(&self) {
        let mut inner = self.lock();
        inner.calls.clear();
        inner.faults.calls.clear();
    }

    fn lock(&self) -> MutexGuard<'_, FakeAccount> {
        self.inner.lock().expect("no test panics inside the fake")
    }

    fn begin(&self, call: Call) -> MutexGuard<'_, FakeAccount> {
        let mut inner = self.lock();
        let (sent_at, latency) = (inner.elapsed, inner.latency);
        inner.calls.push((sent_at, call));
        inner.elapsed += latency;
        inner.let_time_pass();
        inner
    }

    /// Makes a changing call, and returns its response or the injected error.
    fn changing<T>(
        &self,
        call: Call,
        change: impl FnOnce(&mut FakeAccount) -> Result<T, CloudError>,
    ) -> Result<T, CloudError> {
        let mut inner = self.begin(call);
        let answer = change(&mut inner);
        inner.faults.delivered(answer)
    }
}

/// The total duration of the calls.
impl Clock for Fake {
    fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }
}

impl FakeAccount {
    /// The state that listings show, together with the faults that apply.
    fn listing(&mut self) -> (&State, &mut Faults) {
        (self.frozen.as_ref().unwrap_or(&self.state), &mut self.faults)
    }

    fn let_time_pass(&mut self) {
        self.state.empty_bin(self.clock);
    }
}
