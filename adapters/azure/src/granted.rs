//! The permissions of the credentials in a subscription.
//!
//! A list of all resources of a subscription contains only those that the credentials may read. With a
//! role on a resource group, it is shorter and not an error, and an image could seem unused. So the
//! permissions in the whole subscription are read before such lists count.

use serde::Deserialize;
use steward::cloud::{CloudError, ErrorKind};
use steward::model::AccountId;

use crate::api::{
    DISKS, IMAGE_TEMPLATES, READ_PERMISSIONS, SCALE_SET_INSTANCES, SCALE_SETS, VIRTUAL_MACHINES,
};
use crate::azure::Azure;

/// The API version of permissions.
const VERSION: &str = "2022-04-01";

/// The permissions of one role assignment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Granted {
    /// Patterns of allowed actions. `*` is any text.
    actions: Vec<String>,
    /// Patterns of actions that are not allowed although a pattern in `actions` matches.
    #[serde(default)]
    not_actions: Vec<String>,
}

impl Granted {
    fn allows(&self, action: &str) -> bool {
        let is_in = |patterns: &[String]| patterns.iter().any(|one| is_match(one, action));
        is_in(&self.actions) && !is_in(&self.not_actions)
    }
}

/// Whether a pattern with `*` matches an action. Case is ignored.
fn is_match(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_lowercase(), action.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| action.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    let mut rest = rest;
    for part in between {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Azure {
    /// Checks that the credentials may read, in the whole subscription, all resources that launch from
    /// images.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`], with the first permission that is missing.
    pub(crate) async fn check_permissions(
        &self,
        subscription: &AccountId,
    ) -> Result<(), CloudError> {
        if self.was_checked(subscription) {
            return Ok(());
        }
        let path =
            format!("/subscriptions/{subscription}/providers/Microsoft.Authorization/permissions");
        let granted: Vec<Granted> =
            self.client.list(READ_PERMISSIONS, &path, &[("api-version", VERSION)]).await?;
        let needed = [VIRTUAL_MACHINES, SCALE_SETS, SCALE_SET_INSTANCES, DISKS, IMAGE_TEMPLATES];
        let missing = needed.iter().find(|api| !granted.iter().any(|one| one.allows(api.read)));
        if let Some(api) = missing {
            return Err(CloudError {
                call: api.read,
                kind: ErrorKind::Denied,
                code: "NotGranted".to_owned(),
                message:
                    "not granted in the whole subscription, so lists may be incomplete; assign \
                          the role on the subscription"
                        .to_owned(),
            });
        }
        self.note_checked(subscription);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_actions_match_as_in_roles() {
        let read = "Microsoft.Compute/virtualMachines/read";
        for pattern in [
            "*",
            "*/read",
            "Microsoft.Compute/*",
            "microsoft.compute/virtualmachines/READ",
            "Microsoft.Compute/*/read",
            "*/virtualMachines/*",
        ] {
            assert!(is_match(pattern, read), "{pattern}");
        }
        for pattern in [
            "",
            "*/write",
            "Microsoft.Compute",
            "Microsoft.Compute/virtualMachines",
            "Microsoft.Compute/galleries/*",
            "*/read/*",
            "Microsoft.Compute/virtualMachines/rea",
        ] {
            assert!(!is_match(pattern, read), "{pattern}");
        }
        let granted = |actions: &[&str], not: &[&str]| Granted {
            actions: actions.iter().map(|one| (*one).to_owned()).collect(),
            not_actions: not.iter().map(|one| (*one).to_owned()).collect(),
        };
        assert!(granted(&["*"], &["*/write"]).allows(read));
        assert!(!granted(&["*"], &["Microsoft.Compute/*"]).allows(read));
        assert!(!granted(&[], &[]).allows(read));
    }
}
