//! Injected faults, and the errors that the fake returns.

use std::collections::BTreeMap;

use steward::cloud::{CloudError, ErrorKind};

use crate::switches::Switches;

/// The current switches. Counters in them are decremented here.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) switches: Switches,
    /// The number of changes until the fake stops responding.
    pub(crate) changes_left: Option<usize>,
    pub(crate) plug: Plug,
    /// The number of provider calls, by action.
    pub(crate) calls: BTreeMap<&'static str, usize>,
}

/// Whether the fake still responds.
#[derive(Default)]
pub(crate) enum Plug {
    #[default]
    In,
    /// The fake stops responding after this many calls.
    OutAfter(usize),
    /// After this many calls, one call takes effect but gets no response. The fake does not respond
    /// to later calls.
    OutDuring(usize),
    /// The current call takes effect, but its response is lost.
    Dying,
}

impl Faults {
    /// Called when a call begins. Returns the injected error, if there is one.
    pub(crate) fn check(&mut self, action: &'static str, about: &[&str]) -> Result<(), CloudError> {
        *self.calls.entry(action).or_default() += 1;
        let arrives = self.changes_left != Some(0) && self.arrives(action);
        if !arrives {
            return Err(error::unreachable(action));
        }
        if self.switches.deny.iter().any(|denied| denied == action) {
            return Err(error::denied(action));
        }
        for failure in self.switches.fail.get_mut(action).into_iter().flatten() {
            let meant = failure
                .about
                .as_ref()
                .is_none_or(|text| about.iter().any(|id| id.contains(text.as_str())));
            if failure.times == Some(0) || !meant {
                continue;
            }
            if let Some(times) = &mut failure.times {
                *times -= 1;
            }
            return Err(error::of(action, &failure.code, "because a switch says so"));
        }
        Ok(())
    }

    /// Whether the call takes effect. For a reading call without a response this makes no
    /// difference.
    fn arrives(&mut self, action: &str) -> bool {
        match &mut self.plug {
            Plug::In => true,
            Plug::OutAfter(0) => false,
            Plug::OutDuring(0) if changes(action) => {
                self.plug = Plug::Dying;
                true
            }
            Plug::OutDuring(0) | Plug::Dying => {
                self.plug = Plug::OutAfter(0);
                false
            }
            Plug::OutAfter(left) | Plug::OutDuring(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// The error of a page that fails, if the listing is long enough to have that page.
    pub(crate) fn check_pages(
        &self,
        action: &'static str,
        items: usize,
        page: usize,
    ) -> Result<(), CloudError> {
        let pages = items.div_ceil(page).max(1);
        match self.switches.fail_page.get(action) {
            Some(failing) if *failing as usize <= pages => {
                Err(error::of(action, "InternalError", "An internal error has occurred"))
            }
            _ => Ok(()),
        }
    }

    /// Called after a change took effect. Returns an error if the response is lost.
    pub(crate) fn changed(&mut self, action: &'static str) -> Result<(), CloudError> {
        if let Some(left) = &mut self.changes_left {
            *left = left.saturating_sub(1);
        }
        if matches!(self.plug, Plug::Dying) {
            return Err(error::unreachable(action));
        }
        match self.switches.lost_answer.get_mut(action) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(error::of(action, "InternalError", "An internal error has occurred"))
            }
            _ => Ok(()),
        }
    }

    /// The response, or an error if the response is lost. Errors can be lost too.
    pub(crate) fn delivered<T>(&self, answer: Result<T, CloudError>) -> Result<T, CloudError> {
        match answer {
            Err(error) if matches!(self.plug, Plug::Dying) => Err(error::unreachable(error.call)),
            other => other,
        }
    }
}

/// Whether calls of this action change the account.
fn changes(action: &str) -> bool {
    if !action.contains(':') {
        return !action.ends_with("/read");
    }
    let verb = action.split_once(':').map_or(action, |(_, verb)| verb);
    !["Describe", "List", "Get"].iter().any(|reading| verb.starts_with(reading))
}

/// The errors of the fake.
pub(crate) mod error {
    use super::{CloudError, ErrorKind};

    pub(crate) const IN_USE: &str = "InvalidSnapshot.InUse";

    /// An error response. The kinds are repeated here, as the contract requires them, so that the
    /// adapter's table is not tested against itself.
    pub(crate) fn of(action: &'static str, code: &str, message: &str) -> CloudError {
        let kind = match code {
            "UnauthorizedOperation"
            | "AccessDenied"
            | "AccessDeniedException"
            | "AuthorizationFailed" => ErrorKind::Denied,
            "RequestLimitExceeded" | "TooManyRequests" => ErrorKind::Throttled,
            "ExpiredToken" | "ExpiredAuthenticationToken" | "SubscriptionNotFound" => {
                ErrorKind::Credentials
            }
            "AnotherOperationInProgress" => ErrorKind::Busy,
            "InvalidAMIID.Unavailable" => ErrorKind::NotFound,
            _ if code.ends_with("NotFound") => ErrorKind::NotFound,
            _ if code.ends_with("NotFoundException") => ErrorKind::NotFound,
            _ => ErrorKind::Other,
        };
        CloudError { call: action, kind, code: code.into(), message: message.into() }
    }

    pub(crate) fn denied(action: &'static str) -> CloudError {
        let code = match action.split_once(':') {
            Some(("ec2", _)) => "UnauthorizedOperation",
            Some(("ssm" | "rbin" | "batch", _)) => "AccessDeniedException",
            Some(_) => "AccessDenied",
            // An action of Azure, such as `Microsoft.Compute/images/read`.
            None => "AuthorizationFailed",
        };
        of(action, code, &format!("You are not authorized to perform: {action}"))
    }

    pub(crate) fn unreachable(action: &'static str) -> CloudError {
        let message = "no answer: the fake was unplugged".into();
        CloudError { call: action, kind: ErrorKind::Unreachable, code: String::new(), message }
    }
}

/// Sorts a listing into a deterministic order on which no test can rely.
pub(crate) fn in_hash_order<T>(mut items: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
    // FNV-1a.
    let hash = |text: &str| {
        text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    items.sort_by_cached_key(|item| hash(key(item)));
    items
}
