//! The port in memory: an Azure subscription that behaves like a real one, as far as the port can
//! observe.
//!
//! Azure carries out changes of gallery image versions after the call returned. The clock stops until
//! a test sets it, and so do these operations. Where Azure's behavior is not documented,
//! [`AzureHabits`] selects it. As in the [other fake](crate::fake), listings are unsorted, and
//! [`Switches`] inject faults.

mod fleet;
mod images;
mod latest;
mod lifecycle;
mod references;
mod snapshots;
mod state;
mod tags;
mod virtual_machines;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use steward::cloud::CloudError;
use steward::model::{AccountId, AccountRegion, Clock};

pub use self::fleet::*;
use self::state::State;
use crate::fake::faults::{Faults, Plug, error};
use crate::switches::Switches;

/// A subscription in memory. Clones share it.
#[derive(Clone)]
pub struct AzureFake {
    subscription: AccountId,
    inner: Arc<Mutex<FakeSubscription>>,
}

struct FakeSubscription {
    state: State,
    faults: Faults,
    /// The calls that changed something, in order.
    changes: Vec<AzureChange>,
    clock: Timestamp,
}

/// A call that changed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureChange {
    /// The action, for example `Microsoft.Compute/images/delete`.
    pub action: &'static str,
    /// The canonical ID of the resource.
    pub resource: String,
    /// When the call was made.
    pub at: Timestamp,
    /// The number of the call among all calls, starting at 1.
    pub call: usize,
}

impl AzureFake {
    /// Creates a subscription with this content. The time is noon on 22 November 2026.
    pub fn new(fleet: &AzureFleet) -> Self {
        let state = State::new(fleet.clone());
        let subscription = state.subscription.clone();
        let inner = FakeSubscription {
            state,
            faults: Faults::default(),
            changes: Vec::new(),
            clock: "2026-11-22T12:00:00Z".parse().unwrap(),
        };
        Self { subscription, inner: Arc::new(Mutex::new(inner)) }
    }

    /// The subscription and no Region, because a run covers all of them.
    pub fn target(&self) -> AccountRegion {
        AccountRegion { account: self.subscription.clone(), region: None }
    }

    /// The complete content, sorted by canonical ID.
    pub fn world(&self) -> AzureFleet {
        let mut inner = self.lock();
        inner.let_time_pass();
        inner.state.fleet()
    }

    /// Changes the content, like somebody else between two of our calls.
    pub fn change(&self, change: impl FnOnce(&mut AzureFleet)) {
        let mut inner = self.lock();
        inner.let_time_pass();
        let mut fleet = inner.state.fleet();
        change(&mut fleet);
        inner.state = State { operations: inner.state.operations, ..State::new(fleet) };
    }

    /// Sets the clock. Operations that have ended by then take effect.
    pub fn set_clock(&self, now: Timestamp) {
        self.lock().clock = now;
    }

    /// The time by the clock.
    pub fn now(&self) -> Timestamp {
        self.lock().clock
    }

    /// Replaces all switches.
    pub fn set(&self, switches: Switches) {
        self.lock().faults.switches = switches;
    }

    /// After `calls` more calls of any kind, no call takes effect or gets a response.
    pub fn unplug_after_calls(&self, calls: usize) {
        self.lock().faults.plug = Plug::OutAfter(calls);
    }

    /// The `call`th call from now, starting at 1, gets no response, but takes effect if it is a
    /// change. Later calls have no effect.
    pub fn unplug_in_call(&self, call: usize) {
        self.lock().faults.plug = Plug::OutDuring(call.saturating_sub(1));
    }

    /// Undoes [`unplug_after_calls`](Self::unplug_after_calls) and
    /// [`unplug_in_call`](Self::unplug_in_call).
    pub fn plug_in(&self) {
        self.lock().faults.plug = Plug::In;
    }

    /// The number of calls so far, including those without a response.
    pub fn calls_made(&self) -> usize {
        self.lock().faults.calls.values().sum()
    }

    /// The number of calls by action.
    pub fn calls_by_action(&self) -> BTreeMap<&'static str, usize> {
        self.lock().faults.calls.clone()
    }

    /// The changes so far.
    pub fn changes(&self) -> Vec<AzureChange> {
        self.lock().changes.clone()
    }

    fn lock(&self) -> MutexGuard<'_, FakeSubscription> {
        self.inner.lock().expect("no test panics inside the fake")
    }

    fn begin(&self) -> MutexGuard<'_, FakeSubscription> {
        let mut inner = self.lock();
        inner.let_time_pass();
        inner
    }
}

/// Calls take no time.
impl Clock for AzureFake {
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

impl FakeSubscription {
    fn let_time_pass(&mut self) {
        self.state.settle(self.clock);
    }

    /// One reading call.
    fn read(&mut self, action: &'static str, about: &[&str]) -> Result<(), CloudError> {
        self.faults.check(action, about)
    }

    /// One call that changes the resource with this canonical ID.
    fn change(
        &mut self,
        action: &'static str,
        resource: &str,
        change: impl FnOnce(&mut State, Timestamp) -> Result<(), CloudError>,
    ) -> Result<(), CloudError> {
        let answer = self.faults.check(action, &[resource]).and_then(|()| {
            self.state.check_locks(action, resource)?;
            change(&mut self.state, self.clock)?;
            let (resource, at) = (resource.to_owned(), self.clock);
            let call = self.faults.calls.values().sum();
            self.changes.push(AzureChange { action, resource, at, call });
            self.faults.changed(action)
        });
        self.let_time_pass();
        self.faults.delivered(answer)
    }
}

fn not_found(action: &'static str, id: &str) -> CloudError {
    error::of(action, "ResourceNotFound", &format!("The resource '{id}' was not found."))
}
