//! Checks whether the Recycle Bin retains images until their snapshots may be deleted.

use jiff::{SignedDuration, Timestamp};

use super::Note;
use crate::model::{Inventory, Recyclable, RetentionRule};
use crate::policy::{Check, Orphans, Policy, Rule};

/// The interval between two scheduled sweeps.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// Whether the snapshots of an image that is deregistered now become orphans that the policy does
/// not delete. This happens if the image leaves the Recycle Bin before a daily sweep finds that its
/// snapshots are due.
pub(super) fn of(inventory: &Inventory, policy: &Policy, now: Timestamp) -> Option<Note> {
    if policy.safety.recycle_bin == Check::Off || !matches!(policy.orphans, Orphans::Report) {
        return None;
    }
    let of_images = |rule: &&RetentionRule| {
        rule.resource == Recyclable::Images
            && rule.in_effect
            && rule.days >= policy.safety.recycle_bin_days
    };
    let days =
        inventory.retention_rules.iter().flatten().filter(of_images).map(|rule| rule.days).min()?;
    let due = |rule: &Rule| rule.retire.delete_snapshots_after.after(now, &policy.timezone);
    let retiring = policy.rules.iter().filter(|rule| !rule.keep.all);
    let longest = retiring.max_by_key(|rule| due(rule))?;
    let waited = due(longest).duration_since(now) + A_DAY;
    let is_late = waited > SignedDuration::from_hours(24 * i64::from(days));
    is_late.then(|| Note::SnapshotsOutlastBin { rule: longest.name.clone(), days })
}
