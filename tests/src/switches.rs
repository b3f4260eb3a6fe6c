//! Injected faults, in the format of the stand-in.
//!
//! Actions have the prefix of their service, for example `ec2:DeregisterImage`, as in the port's
//! errors and in IAM.

use std::collections::BTreeMap;

use serde::Serialize;

/// All switches. The default injects no faults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Switches {
    /// Actions for which the caller has no permission.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Errors for the next calls of an action.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fail: BTreeMap<String, Vec<InjectedFailure>>,
    /// The page of a listing that always fails, starting at 1.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fail_page: BTreeMap<String, u32>,
    /// How many of the next calls take effect, but get an internal error as response.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lost_answer: BTreeMap<String, u32>,
    /// Snapshots that count as in use for some time after their image was deregistered.
    pub snapshot_race: Race,
    /// The result of deleting a snapshot together with its image, instead of `success`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub associated_result: BTreeMap<String, String>,
    /// The server ignores DeleteAssociatedSnapshots.
    pub no_delete_associated: bool,
    /// How many of the next entries the event bus rejects.
    #[serde(skip_serializing_if = "is_zero")]
    pub reject_events: u32,
    /// A deregistered image is reported as not found, as some time later, instead of unavailable.
    pub forget_deregistered: bool,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An error for calls of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InjectedFailure {
    /// The provider's error code.
    pub code: String,
    /// The number of calls that fail; if absent, all. The real adapter retries calls that fail with
    /// throttling or server errors, so a small number has no effect there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Only for calls with this ID.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// Deletes of a snapshot right after its image was deregistered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Race {
    /// The first snapshots are affected, up to this number.
    pub first: u32,
    /// Every nth snapshot is affected; 0 for none.
    pub every: u32,
    /// How many deletes of such a snapshot fail with "in use".
    pub times: u32,
}

impl Switches {
    /// Denies these actions.
    pub fn deny(actions: &[&str]) -> Self {
        Self { deny: actions.iter().map(|action| (*action).into()).collect(), ..Self::default() }
    }

    /// Makes this action always fail.
    pub fn and_fail(mut self, action: &str, code: &str) -> Self {
        let failure = InjectedFailure { code: code.into(), times: None, about: None };
        self.fail.entry(action.into()).or_default().push(failure);
        self
    }

    /// Makes this action fail this many times.
    pub fn and_fail_times(mut self, action: &str, code: &str, times: u32) -> Self {
        let failure = InjectedFailure { code: code.into(), times: Some(times), about: None };
        self.fail.entry(action.into()).or_default().push(failure);
        self
    }

    /// Makes this action always fail for calls with this ID.
    pub fn and_fail_about(mut self, action: &str, code: &str, about: &str) -> Self {
        let failure = InjectedFailure { code: code.into(), times: None, about: Some(about.into()) };
        self.fail.entry(action.into()).or_default().push(failure);
        self
    }

    /// Makes the given page of this listing fail.
    pub fn and_fail_page(mut self, action: &str, page: u32) -> Self {
        self.fail_page.insert(action.into(), page);
        self
    }

    /// Loses the responses to the next calls of this action.
    pub fn and_lose_answers(mut self, action: &str, times: u32) -> Self {
        self.lost_answer.insert(action.into(), times);
        self
    }

    /// Makes the first `first` snapshots of deregistered images be in use for `times` deletes.
    pub fn and_race(mut self, first: u32, times: u32) -> Self {
        self.snapshot_race = Race { first, every: 0, times };
        self
    }
}
