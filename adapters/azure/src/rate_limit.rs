//! Keeps calls below the rate limits of Azure.
//!
//! Azure reports the limits with each response. A resource provider has a budget for each kind of
//! operation: `x-ms-ratelimit-remaining-resource: Microsoft.Compute/DeleteGalleryImageVersion3Min;147,…`. Azure
//! Resource Manager has budgets for reads, writes and deletions. Other callers share them, so the last
//! report counts, less the calls that were sent since.
//!
//! The rule is the same for each budget of a subscription:
//! - While more than a reserve remains ([`MIN_RESERVE`], or a tenth of the highest value seen), calls
//!   are not delayed.
//! - Below, calls are sent one after the other, at the rate at which the budget returns: the
//!   window divided by the highest value seen, at most [`MAX_SPACING`].
//! - After a throttled call with a wait (`Retry-After`), no such call is sent before its end. If that
//!   is longer than [`MAX_RETRY_AFTER`], such calls fail.
//!
//! The limits of a provider also depend on the location, which the call does not always name. Then
//! the location with the smallest budget slows the calls to the others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::reply::Reply;
use crate::retry::MAX_RETRY_AFTER;

/// The smallest budget at which calls are delayed. More than [`MAX_CONCURRENT`] calls, whose
/// responses have not been read yet.
const MIN_RESERVE: u32 = 10;
/// The longest interval between calls from one budget, while the provider does not throttle them.
const MAX_SPACING: Duration = Duration::from_secs(15);
/// The maximum number of calls without a response at one time.
pub(crate) const MAX_CONCURRENT: usize = 8;
/// The wait after a response with an exhausted quota of Resource Graph, if it does not name one.
/// Documented are 15 queries in 5 seconds.
const QUOTA_WINDOW: Duration = Duration::from_secs(5);

/// The budgets of Azure Resource Manager, and the time in which an empty one is full again. The
/// times are not verified; the documentation only describes token buckets.
const MANAGER_BUDGETS: [(&str, u64); 6] = [
    ("x-ms-ratelimit-remaining-subscription-reads", 10),
    ("x-ms-ratelimit-remaining-subscription-writes", 20),
    ("x-ms-ratelimit-remaining-subscription-deletes", 20),
    ("x-ms-ratelimit-remaining-subscription-global-reads", 10),
    ("x-ms-ratelimit-remaining-subscription-global-writes", 20),
    ("x-ms-ratelimit-remaining-subscription-global-deletes", 20),
];

/// A budget that Azure reports: its name, the calls that remain, and the time in which it returns.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Budget {
    name: String,
    remaining: u32,
    window: Duration,
}

/// What is known about one budget of a subscription.
#[derive(Debug, Default)]
struct BudgetState {
    /// Reported last, less the calls that were sent since.
    remaining: u32,
    /// The highest value reported.
    highest: u32,
    window: Duration,
    /// When the next call may be sent, while there is less than the reserve.
    next: Duration,
}

impl BudgetState {
    fn reserve(&self) -> u32 {
        MIN_RESERVE.max(self.highest / 10)
    }

    fn spacing(&self) -> Duration {
        (self.window / self.highest.max(1)).min(MAX_SPACING)
    }

    /// Takes one call from the budget. Returns when it may be sent.
    fn take(&mut self, now: Duration) -> Duration {
        let is_low = self.remaining <= self.reserve();
        self.remaining = self.remaining.saturating_sub(1);
        if !is_low {
            return now;
        }
        let at = self.next.max(now);
        self.next = at + self.spacing();
        at
    }
}

/// A subscription and the permission that a call needs.
type CallKey = (String, &'static str);

#[derive(Debug, Default)]
struct LimitState {
    /// The names of the budgets that the last response to a call reported.
    budgets_of: HashMap<CallKey, Vec<String>>,
    /// By subscription and name.
    budgets: HashMap<(String, String), BudgetState>,
    /// The end of the wait that Azure asked for.
    blocked: HashMap<CallKey, Duration>,
}

/// Azure asked for this wait, which is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockedFor(pub(crate) Duration);

/// The rate limits of all calls.
#[derive(Debug, Default)]
pub(crate) struct RateLimits(Mutex<LimitState>);

impl RateLimits {
    fn state(&self) -> MutexGuard<'_, LimitState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the call from its budgets. Returns how long to wait before it is sent.
    ///
    /// # Errors
    /// [`BlockedFor`] if Azure asked for a longer wait than [`MAX_RETRY_AFTER`].
    pub(crate) fn delay(
        &self,
        subscription: &str,
        call: &'static str,
        now: Duration,
    ) -> Result<Duration, BlockedFor> {
        let mut state = self.state();
        let LimitState { budgets_of, budgets, blocked } = &mut *state;
        let key = (subscription.to_owned(), call);
        let mut at = blocked.get(&key).copied().unwrap_or_default().max(now);
        if at - now > MAX_RETRY_AFTER {
            return Err(BlockedFor(at - now));
        }
        for name in budgets_of.get(&key).into_iter().flatten() {
            if let Some(budget) = budgets.get_mut(&(subscription.to_owned(), name.clone())) {
                at = at.max(budget.take(now));
            }
        }
        Ok(at - now)
    }

    /// Delays all calls of this kind by `wait`.
    pub(crate) fn block(
        &self,
        subscription: &str,
        call: &'static str,
        now: Duration,
        wait: Duration,
    ) {
        let mut state = self.state();
        let end = state.blocked.entry((subscription.to_owned(), call)).or_default();
        *end = (now + wait).max(*end);
    }

    /// Records the budgets that a response reports.
    pub(crate) fn observe(
        &self,
        subscription: &str,
        call: &'static str,
        reply: &Reply,
        now: Duration,
    ) {
        if let Some(wait) = exhausted_quota(reply) {
            self.block(subscription, call, now, wait);
        }
        let found = budgets(reply);
        if found.is_empty() {
            return;
        }
        let mut state = self.state();
        let names = found.iter().map(|budget| budget.name.clone()).collect();
        state.budgets_of.insert((subscription.to_owned(), call), names);
        for Budget { name, remaining, window } in found {
            let known = state.budgets.entry((subscription.to_owned(), name)).or_default();
            known.remaining = remaining;
            known.highest = known.highest.max(remaining);
            known.window = window;
        }
    }
}

/// The budgets in the headers of a response. Unknown forms are ignored: the retries handle the
/// throttling that follows.
fn budgets(reply: &Reply) -> Vec<Budget> {
    let mut found = Vec::new();
    for (name, seconds) in MANAGER_BUDGETS {
        if let Some(remaining) = reply.header(name).and_then(|value| value.trim().parse().ok()) {
            let window = Duration::from_secs(seconds);
            found.push(Budget { name: name.to_owned(), remaining, window });
        }
    }
    let header = reply.header("x-ms-ratelimit-remaining-resource").unwrap_or_default();
    found.extend(header.split(',').filter_map(provider_budget));
    found
}

/// Parses `Microsoft.Compute/GetGallery3Min;347`. The window is in the name.
fn provider_budget(text: &str) -> Option<Budget> {
    let (name, remaining) = text.trim().split_once(';')?;
    let number = name.strip_suffix("Min")?;
    let digits = number.rsplit(|c: char| !c.is_ascii_digit()).next()?;
    let minutes: u64 = digits.parse().ok().filter(|minutes| (1..=24 * 60).contains(minutes))?;
    let remaining = remaining.trim().parse().ok()?;
    let window = Duration::from_secs(minutes * 60);
    Some(Budget { name: name.to_owned(), remaining, window })
}

/// The wait until Resource Graph accepts the next query, if its quota is exhausted.
fn exhausted_quota(reply: &Reply) -> Option<Duration> {
    let remaining: u32 = reply.header("x-ms-user-quota-remaining")?.trim().parse().ok()?;
    if remaining > 0 {
        return None;
    }
    let resets = reply.header("x-ms-user-quota-resets-after").and_then(hours_minutes_seconds);
    Some(resets.unwrap_or(QUOTA_WINDOW))
}

/// Parses `00:00:05`, also with a fraction of a second, which is rounded up.
fn hours_minutes_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let mut parts = whole.split(':').map(|part| part.parse::<u32>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || minutes >= 60 || seconds >= 60 {
        return None;
    }
    let rounded = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    let total = u64::from(hours) * 3600 + u64::from(minutes) * 60 + u64::from(seconds) + rounded;
    Some(Duration::from_secs(total))
}

#[cfg(test)]
mod tests;
