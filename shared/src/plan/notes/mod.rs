//! Notes: information about a plan other than its decisions. Notes report parts of the policy that
//! have no effect with this inventory, and tags written by people that have no effect.
//!
//! Submodules: `rules`, `pins`, `tags` and `recycle_bin` find the notes. `condition` counts the
//! images that meet each condition of a rule. `near` finds what a value that matches nothing was
//! probably meant to be. `text` formats the notes.

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
use crate::model::{DefinitionId, IgnoredTemplate, ImageId, Inventory, ResourceId, Source};
use crate::policy::{Policy, UnsupportedKey};

/// A note about a plan. Notes do not change decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(tag = "note", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Note {
    /// The account owns kernel or ramdisk images, to which policies do not apply.
    OtherImageTypes {
        /// The number of these images.
        count: u32,
    },
    /// The image of a launch template version cannot be determined, and the policy ignores the
    /// version.
    TemplateIgnored(IgnoredTemplate),
    /// A rule applies to no image.
    RuleMatchesNothing {
        /// The name of the rule.
        rule: Arc<str>,
        /// The number of images that the rule matches, but to which earlier rules apply.
        taken: usize,
        /// These earlier rules, each with its number of these images.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        taken_by: Vec<RuleCount>,
        /// The number of images that the rule would match without its exceptions.
        #[serde(default, skip_serializing_if = "is_zero")]
        excepted: usize,
        /// The number of images that meet each condition, if no image meets all of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conditions: Vec<ConditionCount>,
    },
    /// An exception of a rule excludes no image.
    ExceptionMatchesNothing {
        /// The name of the rule.
        rule: Arc<str>,
        /// The path of the exception in the rule: `match.not`, or `match.not.not`.
        path: String,
        /// The number of images that meet each condition, among the images that the exception could
        /// exclude.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conditions: Vec<ConditionCount>,
    },
    /// A tag in `keep.tags` matches none of the rule's images.
    KeepTagMatchesNothing {
        /// The name of the rule.
        rule: Arc<str>,
        /// The tag key.
        key: String,
        /// What the rule's images have instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        condition: Option<ConditionCount>,
    },
    /// A tag in `safety.keep_tags` matches no image and no snapshot.
    SafetyTagMatchesNothing {
        /// The tag key.
        key: String,
        /// What the images have instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        condition: Option<ConditionCount>,
    },
    /// None of a rule's images has a tag that `group_by` names. They are in no family, and all of
    /// them are kept.
    GroupTagMatchesNothing {
        /// The name of the rule.
        rule: Arc<str>,
        /// The tag key.
        key: String,
        /// The number of images of the rule.
        images: usize,
        /// The key that the policy probably means.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        near: Option<NearMiss>,
    },
    /// `safety.pinned` contains the ID of an image that is not in the inventory.
    PinMatchesNothing {
        /// The image ID in the policy.
        image_id: ImageId,
        /// An image in the inventory whose ID differs in one place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        near: Option<ImageId>,
    },
    /// `safety.pinned` contains the ID of an image definition of which the inventory has no version.
    DefinitionPinMatchesNothing {
        /// The ID in the policy.
        definition: DefinitionId,
        /// A definition in the inventory whose ID differs in one place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        near: Option<DefinitionId>,
    },
    /// None of a rule's images has the image definition that `group_by` names. They are in no
    /// family, and all of them are kept.
    GroupDefinitionMatchesNothing {
        /// The name of the rule.
        rule: Arc<str>,
        /// The number of images of the rule.
        images: usize,
    },
    /// The policy has a key that has no effect for this provider.
    KeyWithoutEffect(UnsupportedKey),
    /// More than half of a rule's families have only one image, which its keep rules probably keep
    /// forever.
    SingleFamilies {
        /// The name of the rule.
        rule: Arc<str>,
        /// The number of families of the rule.
        families: usize,
        /// The number of families with one image.
        single: usize,
    },
    /// Images leave the Recycle Bin before their snapshots may be deleted.
    SnapshotsOutlastBin {
        /// The rule with the longest `delete_snapshots_after`.
        rule: Arc<str>,
        /// The retention of images in the Recycle Bin, in days.
        days: u32,
    },
    /// Resources have an unknown tag with the prefix of the state tags, and are therefore not
    /// changed.
    StateTagUnknown {
        /// The tag key.
        key: String,
        /// The images and snapshots with the tag, sorted.
        resources: Vec<ResourceId>,
    },
    /// Resources have a state tag with a value that is not understood, and are therefore not
    /// changed.
    StateTagUnreadable {
        /// The tag key.
        key: String,
        /// The images and snapshots with such a value, sorted.
        resources: Vec<ResourceId>,
    },
    /// A tag key differs in letter case or prefix from the key that has an effect.
    TagIgnored {
        /// The tag key.
        key: String,
        /// The key that has an effect.
        effective: String,
        /// The images and snapshots with the tag, sorted.
        resources: Vec<ResourceId>,
    },
    /// The value of a `keep` tag looks like a date or a duration, but is not a valid date. It
    /// excludes the resource permanently.
    KeepDateInvalid {
        /// The tag key.
        key: String,
        /// The tag value.
        value: String,
        /// The images and snapshots with the tag, sorted.
        resources: Vec<ResourceId>,
    },
    /// The date in a `keep` tag that also contains a reason has passed.
    KeepEnded {
        /// The tag key.
        key: String,
        /// The tag value.
        value: String,
        /// The images and snapshots with the tag, sorted.
        resources: Vec<ResourceId>,
    },
}

/// A rule, and a number of images to which it applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCount {
    /// The name of the rule.
    pub rule: Arc<str>,
    /// The number of images.
    pub images: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Note {
    /// The name of the kind, as in the JSON of a plan.
    pub fn kind(&self) -> &'static str {
        self.into()
    }

    /// Whether the note is a warning: part of the policy, or a tag written by a person, has no
    /// effect or an unexpected one, which costs images or money. Otherwise the note is information.
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
            | Self::DefinitionPinMatchesNothing { .. }
            | Self::GroupDefinitionMatchesNothing { .. }
            | Self::KeyWithoutEffect(_)
            | Self::SingleFamilies { .. }
            | Self::SnapshotsOutlastBin { .. }
            | Self::StateTagUnknown { .. }
            | Self::StateTagUnreadable { .. }
            | Self::TagIgnored { .. }
            | Self::KeepDateInvalid { .. } => true,
        }
    }
}

/// Collects the notes: first those about each rule, in order, then those about pinned images and
/// tags.
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
    let idle = policy.keys_without_effect(inventory.account.provider());
    notes.extend(idle.into_iter().map(Note::KeyWithoutEffect));
    // If images could not be read, it means nothing that a rule matches none.
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
