//! What a person should know about a plan beside its decisions: parts of the policy that have no
//! effect in this inventory, and tags that people wrote and that have none either.
//!
//! Submodules: `rules`, `pins`, `tags` and `recycle_bin` find the notes, `condition` counts the images
//! that meet each condition of a rule, `near` finds what a text that matches nothing is probably meant
//! to be, and `text` has the sentences.

mod condition;
mod near;
mod pins;
mod recycle_bin;
mod rules;
mod tags;
mod text;

use std::sync::Arc;

pub use condition::{ConditionCount, NearKind, NearMiss, Subject, ValueCount};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RuleImages;
use super::matching::Cutoffs;
use crate::model::{IgnoredTemplate, ImageId, Inventory, ResourceId, Source};
use crate::policy::Policy;

/// Something that a person should know about a plan. It changes no decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(tag = "note", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Note {
    /// The account owns images of other types, which no policy is about.
    OtherImageTypes {
        /// How many.
        count: u32,
    },
    /// A version of a launch template names its image in a way that cannot be read, and the policy
    /// ignores that.
    TemplateIgnored(IgnoredTemplate),
    /// No image falls under a rule.
    RuleMatchesNothing {
        /// The rule.
        rule: Arc<str>,
        /// How many images it matches that rules above it take.
        taken: usize,
        /// Those rules, each with its number of these images.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        taken_by: Vec<RuleCount>,
        /// How many images it would match without its exceptions.
        #[serde(default, skip_serializing_if = "is_zero")]
        excepted: usize,
        /// Each of its conditions by itself, if no image meets all of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conditions: Vec<ConditionCount>,
    },
    /// An exception of a rule excepts no image.
    ExceptionMatchesNothing {
        /// The rule.
        rule: Arc<str>,
        /// The exception in the rule: `match.not`, or `match.not.not`.
        path: String,
        /// Each of its conditions by itself, among the images that it could except.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conditions: Vec<ConditionCount>,
    },
    /// A tag of `keep.tags` keeps none of the rule's images.
    KeepTagMatchesNothing {
        /// The rule.
        rule: Arc<str>,
        /// The key of the tag.
        key: String,
        /// What the rule's images have instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        condition: Option<ConditionCount>,
    },
    /// A tag of `safety.keep_tags` keeps no image and no snapshot.
    SafetyTagMatchesNothing {
        /// The key of the tag.
        key: String,
        /// What the images have instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        condition: Option<ConditionCount>,
    },
    /// None of a rule's images has a tag of its `group_by`: they are in no family, and all are kept.
    GroupTagMatchesNothing {
        /// The rule.
        rule: Arc<str>,
        /// The key of the tag.
        key: String,
        /// How many images that are.
        images: usize,
        /// The key that is probably meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        near: Option<NearMiss>,
    },
    /// `safety.pinned` has the id of an image that is not in the inventory.
    PinMatchesNothing {
        /// The id.
        image_id: ImageId,
        /// An image whose id differs in one place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        near: Option<ImageId>,
    },
    /// More than half of a rule's families have one member, which its keep rules probably keep for
    /// ever.
    SingleFamilies {
        /// The rule.
        rule: Arc<str>,
        /// How many families it has.
        families: usize,
        /// How many of them have one member.
        single: usize,
    },
    /// The Recycle Bin does not keep images until their snapshots may be deleted.
    SnapshotsOutlastBin {
        /// The rule with the longest `delete_snapshots_after`.
        rule: Arc<str>,
        /// For how many days the Recycle Bin keeps images.
        days: u32,
    },
    /// A tag under the prefix of the state tags is not known, and keeps what has it.
    StateTagUnknown {
        /// The key of the tag.
        key: String,
        /// The images and snapshots that have it, sorted.
        resources: Vec<ResourceId>,
    },
    /// The value of a state tag is not understood, and keeps what has it.
    StateTagUnreadable {
        /// The key of the tag.
        key: String,
        /// The images and snapshots that have such a value, sorted.
        resources: Vec<ResourceId>,
    },
    /// A tag is written in other letter case than the one that has an effect.
    TagIgnored {
        /// The key of the tag.
        key: String,
        /// The key that has an effect.
        effective: String,
        /// The images and snapshots that have it, sorted.
        resources: Vec<ResourceId>,
    },
    /// The value of the tag that excludes a resource looks like a date or a duration, and is not a
    /// date: it excludes
    /// the resource permanently.
    KeepDateInvalid {
        /// The key of the tag.
        key: String,
        /// The value.
        value: String,
        /// The images and snapshots that have it, sorted.
        resources: Vec<ResourceId>,
    },
    /// The tag that excludes a resource has ended, and has a reason beside its date.
    KeepEnded {
        /// The key of the tag.
        key: String,
        /// The value.
        value: String,
        /// The images and snapshots that have it, sorted.
        resources: Vec<ResourceId>,
    },
}

/// A rule, and how many images it decides about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCount {
    /// The rule.
    pub rule: Arc<str>,
    /// The number of images.
    pub images: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Note {
    /// Its kind, as in the JSON of a plan.
    pub fn kind(&self) -> &'static str {
        self.into()
    }

    /// Whether something in the policy, or a tag that a person wrote, has no effect, or another one
    /// than it seems to: that costs images or money. Otherwise it is information.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::OtherImageTypes { .. } | Self::TemplateIgnored(_) | Self::KeepEnded { .. } => {
                false
            }
            Self::RuleMatchesNothing { .. }
            | Self::ExceptionMatchesNothing { .. }
            | Self::KeepTagMatchesNothing { .. }
            | Self::SafetyTagMatchesNothing { .. }
            | Self::GroupTagMatchesNothing { .. }
            | Self::PinMatchesNothing { .. }
            | Self::SingleFamilies { .. }
            | Self::SnapshotsOutlastBin { .. }
            | Self::StateTagUnknown { .. }
            | Self::StateTagUnreadable { .. }
            | Self::TagIgnored { .. }
            | Self::KeepDateInvalid { .. } => true,
        }
    }
}

/// The notes: on each rule in their order, then on pins and tags.
pub(super) fn of(
    inventory: &Inventory,
    policy: &Policy,
    cutoffs: &[Cutoffs],
    rules: &[RuleImages<'_>],
    now: Timestamp,
) -> Vec<Note> {
    let mut notes = Vec::new();
    if inventory.other_image_types > 0 {
        notes.push(Note::OtherImageTypes { count: inventory.other_image_types });
    }
    notes.extend(inventory.ignored_templates.iter().cloned().map(Note::TemplateIgnored));
    // Where images could not be read, a rule that matches none means nothing.
    if !inventory.unread.iter().any(|unread| *unread.source == *<&str>::from(Source::Images)) {
        notes.extend(rules::of(inventory, policy, cutoffs, rules));
        notes.extend(pins::keep_tags(inventory, policy));
        notes.extend(pins::of(inventory, policy));
    }
    notes.extend(recycle_bin::of(inventory, policy, now));
    notes.extend(tags::not_understood(inventory, policy));
    notes.extend(tags::of(inventory, policy, now));
    notes
}

#[cfg(test)]
mod tests;
