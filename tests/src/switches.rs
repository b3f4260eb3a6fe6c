//! What goes wrong on purpose, in the form that the stand-in takes.
//!
//! Actions are named with their service, for example `ec2:DeregisterImage`, as the port's errors
//! and IAM name them.

use std::collections::BTreeMap;

use serde::Serialize;

/// All switches; the default is an account in which nothing goes wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Switches {
    /// Actions that the caller has no permission for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Errors for the next calls of an action.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fail: BTreeMap<String, Vec<InjectedFailure>>,
    /// The page of a listing, from 1, that always fails.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fail_page: BTreeMap<String, u32>,
    /// How many of the next calls take effect and are then answered with an internal error.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lost_answer: BTreeMap<String, u32>,
    /// Snapshots that count as in use for a while after their image was deregistered.
    pub snapshot_race: Race,
    /// What a snapshot's deletion together with its image comes to, instead of `success`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub associated_result: BTreeMap<String, String>,
    /// The server does not know DeleteAssociatedSnapshots, and ignores it.
    pub no_delete_associated: bool,
    /// How many of the next entries the event bus does not take.
    #[serde(skip_serializing_if = "is_zero")]
    pub reject_events: u32,
    /// A deregistered image is not found, as it is some time later, instead of unavailable.
    pub forget_deregistered: bool,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An error for calls of one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InjectedFailure {
    /// The provider's error code.
    pub code: String,
    /// For how many calls; always, when absent. The real adapter repeats calls that fail with
    /// throttling and server errors, so that there a few are not seen at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Only for calls about this id.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// Deleting a snapshot right after its image was deregistered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Race {
    /// The first so many snapshots are affected.
    pub first: u32,
    /// Each so-manyth snapshot is affected; 0 for none.
    pub every: u32,
    /// How many deletes of such a snapshot answer "in use".
    pub times: u32,
}

impl Switches {
    /// Without the permission for these actions.
    pub fn deny(actions: &[&str]) -> Self {
        Self { deny: actions.iter().map(|action| (*action).into()).collect(), ..Self::default() }
    }

    /// And this action fails, always.
    pub fn and_fail(mut self, action: &str, code: &str) -> Self {
        let failure = InjectedFailure { code: code.into(), times: None, about: None };
        self.fail.entry(action.into()).or_default().push(failure);
        self
    }

    /// And this action fails so many times.
    pub fn and_fail_times(mut self, action: &str, code: &str, times: u32) -> Self {
        let failure = InjectedFailure { code: code.into(), times: Some(times), about: None };
        self.fail.entry(action.into()).or_default().push(failure);
        self
    }

    /// And this action fails for calls about this id, always.
    pub fn and_fail_about(mut self, action: &str, code: &str, about: &str) -> Self {
        let failure = InjectedFailure { code: code.into(), times: None, about: Some(about.into()) };
        self.fail.entry(action.into()).or_default().push(failure);
        self
    }

    /// And the given page of this listing fails.
    pub fn and_fail_page(mut self, action: &str, page: u32) -> Self {
        self.fail_page.insert(action.into(), page);
        self
    }

    /// And the answers to the next calls of this action are lost.
    pub fn and_lose_answers(mut self, action: &str, times: u32) -> Self {
        self.lost_answer.insert(action.into(), times);
        self
    }

    /// And the first `first` snapshots of deregistered images are in use for `times` deletes.
    pub fn and_race(mut self, first: u32, times: u32) -> Self {
        self.snapshot_race = Race { first, every: 0, times };
        self
    }
}
