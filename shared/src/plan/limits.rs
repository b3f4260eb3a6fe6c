//! What bounds a run: caps, which defer, and refusals, which stop every removal.

use jiff::Timestamp;

use super::reason::{Cap, Reason};
use super::{Action, Decision, Refusal};
use crate::inventory::Inventory;
use crate::policy::Safety;

/// Why nothing at all may be removed. `matched` is the number of images that the rules match.
///
/// What could not be read refuses always, so that a missing permission is found on the first
/// day; too few references refuse as soon as a rule matches an image.
pub(super) fn refusal(inventory: &Inventory, safety: &Safety, matched: usize) -> Option<Refusal> {
    if !inventory.unread.is_empty() {
        return Some(Refusal::Unread { sources: inventory.unread.clone() });
    }
    let seen = inventory.references.len();
    let enough = usize::try_from(safety.min_references).is_ok_and(|at_least| seen >= at_least);
    if !enough && matched > 0 {
        return Some(Refusal::TooFewReferences { seen, at_least: safety.min_references });
    }
    None
}

/// Defers what goes beyond the caps. The images that have been expired the longest go first.
pub(super) fn apply_caps(
    decisions: &mut [Decision],
    safety: &Safety,
    matched: usize,
    now: Timestamp,
) {
    let (cap, limit) = cap(safety, matched);
    let mut going: Vec<usize> = decisions
        .iter()
        .enumerate()
        .filter(|(_, decision)| matches!(decision.action, Action::Deregister { .. }))
        .map(|(position, _)| position)
        .collect();
    going.sort_by_key(|position| {
        decisions.get(*position).map(|decision| {
            (
                decision.expired_at.or(decision.created_at),
                decision.created_at,
                decision.image_id.clone(),
            )
        })
    });
    let allowed = usize::try_from(limit).unwrap_or(usize::MAX);
    for position in going.into_iter().skip(allowed) {
        if let Some(decision) = decisions.get_mut(position) {
            // An image that has not been marked yet is marked now, so that it waits its turn.
            let unmarked = decision.expired_at == Some(now);
            decision.action = if unmarked { Action::Expire } else { Action::Wait };
            decision.because.push(Reason::Deferred { cap, limit });
        }
    }
}

/// The cap that allows fewer images, and how many.
fn cap(safety: &Safety, matched: usize) -> (Cap, u32) {
    // 0.28 of 25 is 7.000000000000001 in binary, and must still be 7 when it is rounded up.
    const DUST: f64 = 1e-9;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an account has far fewer than 2^32 images, and the fraction is from 0 to 1"
    )]
    let part = (safety.max_fraction * matched as f64 - DUST).ceil() as u32;
    if part < safety.max_per_run {
        (Cap::MaxFraction, part)
    } else {
        (Cap::MaxPerRun, safety.max_per_run)
    }
}

/// Turns every step towards removal into waiting.
pub(super) fn refuse(decisions: &mut [Decision]) {
    for decision in decisions {
        if matches!(decision.action, Action::Deregister { .. } | Action::Expire) {
            decision.action = Action::Wait;
            decision.because.push(Reason::Refused);
        }
    }
}
