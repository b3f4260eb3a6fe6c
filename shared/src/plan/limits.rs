//! Limits of a run, which defer steps, and refusals, which prevent every removal.

use super::protect::Recovery;
use super::reason::{Cap, Reason};
use super::steps::StepDraft;
use super::{Action, Refusal};
use crate::model::Inventory;
use crate::policy::{Policy, Safety, UnsupportedPolicy};

/// The reason to remove nothing, if there is one. `matched` is the number of images that rules
/// match and may retire.
///
/// A key that was meant to protect images, and that the provider does not support, always causes a
/// refusal: without it, the policy would remove what its author wanted to keep.
///
/// A source that could not be read always causes a refusal, so that a missing permission is noticed
/// on the first day. Too few references cause a refusal only if a rule matches an image.
pub(super) fn refusal(inventory: &Inventory, policy: &Policy, matched: usize) -> Option<Refusal> {
    let safety = &policy.safety;
    if let Err(UnsupportedPolicy { keys }) = policy.check_for(inventory.account.provider()) {
        return Some(Refusal::UnsupportedPolicy { keys });
    }
    if !inventory.unread.is_empty() {
        return Some(Refusal::Unread { sources: inventory.unread.clone() });
    }
    let seen = inventory.references.len();
    let enough = usize::try_from(safety.min_references).is_ok_and(|at_least| seen >= at_least);
    if !enough && matched > 0 {
        return Some(Refusal::TooFewReferences { seen, at_least: safety.min_references });
    }
    let missing = Recovery::of(inventory, safety).missing();
    let days = safety.recycle_bin_days;
    (!missing.is_empty() && matched > 0).then_some(Refusal::NotRecoverable { missing, days })
}

/// Defers the steps that exceed the limits. Images that have been expired longest come first.
pub(super) fn apply_caps(steps: &mut [StepDraft], safety: &Safety, matched: usize) {
    let (cap, limit) = cap(safety, matched);
    let mut going: Vec<usize> = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| {
            matches!(step.decision.action, Action::Deregister { .. } | Action::Disable { .. })
        })
        .map(|(position, _)| position)
        .collect();
    going.sort_by_cached_key(|position| {
        steps.get(*position).map(|StepDraft { decision, .. }| {
            (
                decision.expired_at.or(decision.created_at),
                decision.created_at,
                decision.image_id.clone(),
            )
        })
    });
    let allowed = usize::try_from(limit).unwrap_or(usize::MAX);
    for position in going.into_iter().skip(allowed) {
        if let Some(step) = steps.get_mut(position) {
            step.hold_back();
            step.decision.reasons.push(Reason::Deferred { cap, limit });
        }
    }
}

/// The limit that allows fewer images, and the number of images that it allows.
fn cap(safety: &Safety, matched: usize) -> (Cap, u32) {
    // In binary, 0.28 of 25 is 7.000000000000001, which must be rounded to 7 and not up to 8.
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

/// Replaces every step towards removal with waiting.
pub(super) fn refuse(steps: &mut [StepDraft]) {
    for step in steps {
        if !matches!(step.decision.action, Action::Keep | Action::Wait | Action::Rescue(_)) {
            step.hold_back();
            step.decision.action = Action::Wait;
            step.decision.reasons.push(Reason::Refused);
        }
    }
}
