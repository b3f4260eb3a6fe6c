//! The explanation of one image: its description, references, keep rules, steps and dates, and the
//! commands to keep or restore it.

mod steps;
mod text;
mod verdicts;

use std::collections::HashSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use self::steps::{Milestone, When};
pub use self::text::{explanation_text, gone_text};
pub use self::verdicts::{RuleOutcome, Verdict};
use crate::model::{
    AccountId, Image, ImageId, ImageState, Inventory, ReferenceKind, Region, SnapshotId, Source,
    TagNames, Unread,
};
use crate::plan::reason::Reason;
use crate::plan::{Decision, Plan, Refusal};
use crate::policy::{DEFAULT_PREFIX, Policy};
use crate::text_fmt::{date, shell_word};

/// The explanation of an existing image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The account of the plan.
    pub account: AccountId,
    /// The Region of the plan.
    pub region: Option<Region>,
    /// The time for which the plan was computed.
    pub planned_at: Timestamp,
    /// The image.
    pub image: Image,
    /// The image's snapshots, with their sizes in GiB if known.
    pub snapshots: Vec<(SnapshotId, Option<u32>)>,
    /// The image's rank in its family (the newest is 1), and the size of the family.
    pub rank: Option<(usize, usize)>,
    /// The references to the image, and how they were found.
    pub references: Vec<CitedReference>,
    /// Sources that could not be read. They may contain further references.
    pub unread: Vec<Unread>,
    /// Reasons that protect the image regardless of its rule, except references.
    pub untouchable: Vec<Reason>,
    /// The keep rules of the image's rule, each with its result.
    pub keep_rules: Vec<Verdict>,
    /// The plan's decision on the image.
    pub decision: Decision,
    /// Why the plan removes nothing, if it is refused.
    pub refusal: Option<Refusal>,
    /// The retire steps with their dates. If the image is kept, as they would be.
    pub steps: Vec<Milestone>,
    /// Commands and settings that keep the image.
    pub to_keep: Vec<String>,
    /// The command that restores the image.
    pub to_bring_back: String,
}

/// A reference to the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CitedReference {
    /// The kind of resource that refers to the image, for example `instance`.
    pub kind: ReferenceKind,
    /// The ARN of that resource.
    pub arn: Arc<str>,
    /// The version of that resource; see [`Reference::version`](crate::model::Reference::version).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
    /// The display name of that resource; see [`Reference::name`](crate::model::Reference::name).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Whether no resource that was read launches instances through this reference.
    pub stale: bool,
    /// The source that reports this kind; `None` for a kind that this version does not know.
    pub source: Option<Source>,
}

/// Explains `image` under `plan`. Returns `None` if the inventory does not contain it.
pub fn explain(
    image: &ImageId,
    inventory: &Inventory,
    policy: &Policy,
    plan: &Plan,
) -> Option<Explanation> {
    let place = plan.decisions.iter().position(|one| one.image_id == *image)?;
    let decision = plan.decisions.get(place)?;
    let image = inventory.images.iter().find(|one| one.image_id == *image)?;
    let family = counted_with(image, family_of(place, plan), inventory);
    let rank = decision.family.as_ref().and_then(|_| {
        let place = family.iter().position(|one| one.image_id == image.image_id)?;
        Some((place + 1, family.len()))
    });
    let rule = policy.rules.iter().find(|rule| Some(&rule.name) == decision.rule.as_ref());
    let ranked = rank.map(|(rank, _)| (rank, &*family));
    let size = |id: &SnapshotId| {
        let found = inventory.snapshots.iter().find(|one| one.snapshot_id == *id);
        found.and_then(|one| one.size_gib)
    };
    Some(Explanation {
        account: plan.account.clone(),
        region: plan.region.clone(),
        planned_at: plan.planned_at,
        snapshots: image.snapshots.iter().map(|id| (id.clone(), size(id))).collect(),
        rank,
        references: decision.reasons.iter().filter_map(found).collect(),
        unread: inventory.unread.clone(),
        untouchable: decision.reasons.iter().filter(|one| is_untouchable(one)).cloned().collect(),
        keep_rules: rule
            .map(|rule| verdicts::of(rule, image, decision, ranked, policy, plan.planned_at))
            .unwrap_or_default(),
        refusal: plan.refusal.clone(),
        steps: rule.map(|rule| steps::of(rule, image, decision, policy, plan)).unwrap_or_default(),
        to_keep: to_keep(image, policy, plan),
        to_bring_back: restore_command(&image.image_id, &plan.region, &policy.tag_names),
        decision: decision.clone(),
        image: image.clone(),
    })
}

/// Returns the decisions on the family of the decision at `place`, newest image first.
fn family_of(place: usize, plan: &Plan) -> &[Decision] {
    let Some(decision) = plan.decisions.get(place) else { return &[] };
    let is_kin = |other: &Decision| other.rule == decision.rule && other.family == decision.family;
    let (before, after) = plan.decisions.split_at(place);
    let first = before.iter().rposition(|other| !is_kin(other)).map_or(0, |at| at + 1);
    let end = after.iter().position(|other| !is_kin(other)).map_or(after.len(), |at| at);
    plan.decisions.get(first..place + end).unwrap_or_default()
}

/// Returns the members of a family that count for the rank of `image`. For an image that can be
/// launched, disabled images do not count, nor do others whose availability was not confirmed.
fn counted_with<'a>(
    image: &Image,
    family: &'a [Decision],
    inventory: &Inventory,
) -> Vec<&'a Decision> {
    if image.state == ImageState::Disabled {
        return family.iter().collect();
    }
    let takes_no_place = |one: &&Image| {
        let is_unconfirmed = one.unconfirmed && one.image_id != image.image_id;
        one.state == ImageState::Disabled || is_unconfirmed
    };
    let others = inventory.images.iter().filter(takes_no_place);
    let others: HashSet<&ImageId> = others.map(|one| &one.image_id).collect();
    family.iter().filter(|one| !others.contains(&one.image_id)).collect()
}

fn found(reason: &Reason) -> Option<CitedReference> {
    let Reason::InUse { kind, arn, version, stale, name } = reason else { return None };
    let source = match kind {
        ReferenceKind::Instance => Some(Source::Instances),
        // Only the listing reports the version. The provider's response about references does not.
        ReferenceKind::LaunchTemplate if version.is_some() => Some(Source::LaunchTemplates),
        ReferenceKind::LaunchConfiguration => Some(Source::LaunchConfigurations),
        ReferenceKind::AutoScalingGroup => Some(Source::AutoScalingGroups),
        ReferenceKind::Fleet => Some(Source::Fleets),
        ReferenceKind::SpotFleet => Some(Source::SpotFleets),
        ReferenceKind::SpotRequest => Some(Source::SpotRequests),
        ReferenceKind::ComputeEnvironment => Some(Source::ComputeEnvironments),
        ReferenceKind::LaunchTemplate
        | ReferenceKind::SsmParameter
        | ReferenceKind::ImageRecipe
        | ReferenceKind::ContainerRecipe => Some(Source::ImageReferences),
        ReferenceKind::VirtualMachine => Some(Source::VirtualMachines),
        ReferenceKind::ScaleSet => Some(Source::ScaleSets),
        ReferenceKind::ScaleSetInstance => Some(Source::ScaleSetInstances),
        ReferenceKind::ImageTemplate => Some(Source::ImageTemplates),
        ReferenceKind::ImageVersion => Some(Source::ImageVersions),
        ReferenceKind::Other(_) => None,
    };
    let (kind, arn, version) = (kind.clone(), arn.clone(), version.clone());
    Some(CitedReference { kind, arn, version, name: name.clone(), stale: *stale, source })
}

/// Returns whether the reason applies before any keep rule.
fn is_untouchable(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::NotOurs { .. }
            | Reason::State { .. }
            | Reason::Protected { .. }
            | Reason::ManagedElsewhere { .. }
            | Reason::OptedOut { .. }
            | Reason::Pinned
            | Reason::KeepTag { .. }
            | Reason::Shared { .. }
            | Reason::AgeUnknown
            | Reason::GroupUnknown { .. }
            | Reason::NoRule
    )
}

fn to_keep(image: &Image, policy: &Policy, plan: &Plan) -> Vec<String> {
    let (id, region) = (&image.image_id, &plan.region);
    let quarter = SignedDuration::from_hours(24 * 90);
    let until = plan.planned_at.checked_add(quarter).unwrap_or(Timestamp::MAX);
    vec![
        in_place("keep", id, region, &policy.tag_names),
        format!("or until a date (inclusive): --until {}, or --for 2w", date(until)),
        format!("or in the policy, under [safety]: pinned = [\"{id}\"]"),
    ]
}

/// Returns the command that restores `image`.
fn restore_command(image: &ImageId, region: &Option<Region>, names: &TagNames) -> String {
    in_place("restore", image, region, names)
}

/// Returns a command for `image`, with its options.
fn in_place(command: &str, image: &ImageId, region: &Option<Region>, names: &TagNames) -> String {
    let place = match region {
        Some(region) => format!("--region {region}"),
        None => format!("--subscription {}", image.account_in_id().unwrap_or("SUBSCRIPTION")),
    };
    let command = format!("image-steward {command} {} {place}", shell_word(image.as_str()));
    match names.prefix() {
        DEFAULT_PREFIX => command,
        prefix => format!("{command} --prefix {}", shell_word(prefix)),
    }
}

#[cfg(test)]
mod tests;
