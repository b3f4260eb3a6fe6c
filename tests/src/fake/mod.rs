//! The port in memory: an account that behaves like the real one, as far as the port can tell.
//!
//! Each file implements the ports of one resource. The clock stands still until a test sets it;
//! there are no threads, and listings come in a fixed order that is plainly not sorted, as AWS
//! promises none. What goes wrong is set by [`Switches`]; errors are those that are left after
//! the real adapter's own retries.

mod call;
mod event_bus;
mod faults;
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
    /// What the listings show instead of the present state.
    frozen: Option<State>,
    faults: Faults,
    /// Every call, and when it was sent.
    calls: Vec<(Duration, Call)>,
    messages: Vec<Message>,
    /// What time the account takes it to be.
    clock: Timestamp,
    /// How long the runs have taken so far.
    elapsed: Duration,
    /// How long every call takes.
    latency: Duration,
    /// How long a removal waits for its turn.
    turn: Duration,
}

impl Fake {
    /// An account with this content.
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

    /// Everything that the account holds now, complete and in order.
    pub fn world(&self) -> Fleet {
        let mut inner = self.lock();
        inner.let_time_pass();
        inner.state.fleet()
    }

    /// Changes the content as somebody else would, between two calls of ours.
    pub fn change(&self, change: impl FnOnce(&mut Fleet)) {
        self.lock().state.change(change);
    }

    /// Sets the account's clock, which is at noon of 22 November 2026 until then. The Recycle Bin
    /// and deprecation go by it.
    pub fn set_clock(&self, now: Timestamp) {
        self.lock().clock = now;
    }

    /// From now on every call takes `latency`, and a removal waits for `turn` before.
    pub fn take_time(&self, latency: Duration, turn: Duration) {
        let mut inner = self.lock();
        (inner.latency, inner.turn) = (latency, turn);
    }

    /// Lets a removal wait for its turn; whether its check is still fresh then.
    fn turn_comes(&self, check: Freshness<'_>) -> bool {
        let mut inner = self.lock();
        let turn = inner.turn;
        inner.elapsed += turn;
        // The check looks at the fake's own clock.
        drop(inner);
        check()
    }

    /// Replaces all switches.
    pub fn set(&self, switches: Switches) {
        self.lock().faults.switches = switches;
    }

    /// Lets the next `times` calls of `action` fail, for example `ec2:DeregisterImage`.
    pub fn fail(&self, action: &str, times: u32, code: &str) {
        let failure = InjectedFailure { code: code.into(), times: Some(times), about: None };
        self.lock().faults.switches.fail.entry(action.into()).or_default().push(failure);
    }

    /// From now on the listings show the account as it is at this moment, whatever happens to
    /// it: a plan is always a little old.
    pub fn freeze_listings(&self) {
        let mut inner = self.lock();
        inner.frozen = Some(inner.state.clone());
    }

    /// The listings show the present again.
    pub fn thaw_listings(&self) {
        self.lock().frozen = None;
    }

    /// After `changes` more calls that change something, no call gets an answer any more: the
    /// process was killed there, as far as the account can tell.
    pub fn unplug_after(&self, changes: usize) {
        self.lock().faults.changes_left = Some(changes);
    }

    /// After `calls` more calls of any kind, as [`Fake::calls_made`] counts them, none gets an
    /// answer any more, and none has any effect.
    pub fn unplug_after_calls(&self, calls: usize) {
        self.lock().faults.plug = Plug::OutAfter(calls);
    }

    /// The `call`th call from now, the next one being the first, gets no answer any more; but if
    /// it changes something, that takes effect. Those after it are as good as not made.
    pub fn unplug_in_call(&self, call: usize) {
        self.lock().faults.plug = Plug::OutDuring(call.saturating_sub(1));
    }

    /// Undoes [`Fake::unplug_after`], [`Fake::unplug_after_calls`] and [`Fake::unplug_in_call`].
    pub fn plug_in(&self) {
        let mut inner = self.lock();
        inner.faults.changes_left = None;
        inner.faults.plug = Plug::In;
    }

    /// How many calls to the provider there were so far, those included that got no answer. A call
    /// of the port may be several of them, or none; the pages of a listing count as one.
    pub fn calls_made(&self) -> usize {
        self.lock().faults.calls.values().sum()
    }

    /// The same by action, for example `ec2:DescribeImages`.
    pub fn calls_by_action(&self) -> BTreeMap<&'static str, usize> {
        self.lock().faults.calls.clone()
    }

    /// Every call so far, in order; those that failed too.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.iter().map(|(_, call)| call.clone()).collect()
    }

    /// The same, each with the time when it was sent, by the fake's own clock.
    pub fn timed_calls(&self) -> Vec<(Duration, Call)> {
        self.lock().calls.clone()
    }

    /// The calls so far that were to change something.
    pub fn changing_calls(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::changes).collect()
    }

    /// The events published so far.
    pub fn messages(&self) -> Vec<Message> {
        self.lock().messages.clone()
    }

    /// Forgets the calls.
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

    /// A call that changes something, and what remains of its answer.
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

/// The time that the calls have taken.
impl Clock for Fake {
    fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }
}

impl FakeAccount {
    /// What listings show, beside the faults that they may run into.
    fn listing(&mut self) -> (&State, &mut Faults) {
        (self.frozen.as_ref().unwrap_or(&self.state), &mut self.faults)
    }

    fn let_time_pass(&mut self) {
        self.state.empty_bin(self.clock);
    }
}
