//! Formats notes as text.

use std::fmt;

use super::{Note, RuleCount, condition};
use crate::model::{IgnoredTemplate, ResourceId};
use crate::text_fmt::{counted, thousands};

/// The maximum number of resources that a message lists.
const MAX_NAMED: usize = 10;

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherImageTypes { count } => {
                let count = usize::try_from(*count).unwrap_or(usize::MAX);
                write!(f, "{} ignored (kernels or ramdisks)", counted(count, "image"))
            }
            Self::TemplateIgnored(IgnoredTemplate { launch_template, version, image }) => write!(
                f,
                "launch template {launch_template} version {version}: its image `{image}` is not an image ID; \
                 ignored because of safety.ignore_templates"
            ),
            Self::RuleMatchesNothing { rule, taken: 0, taken_by: _, excepted, conditions } => {
                write!(f, "rule {rule}: no image matches")?;
                match (excepted, condition::text(conditions)) {
                    (0, None) => Ok(()),
                    (0, Some(text)) => write!(f, "; {text}"),
                    (excepted, _) => {
                        write!(f, "; match.not excludes all {}", counted(*excepted, "image"))
                    }
                }
            }
            Self::RuleMatchesNothing { rule, taken, taken_by, excepted: _, conditions: _ } => {
                let images = counted(*taken, "image");
                write!(f, "rule {rule}: earlier rules match all of its images ({images}")?;
                for (index, RuleCount { rule, images }) in taken_by.iter().enumerate() {
                    let separator = if index == 0 { ": " } else { ", " };
                    write!(f, "{separator}{rule} {}", thousands(*images))?;
                }
                f.write_str("); move this rule before them, or narrow the earlier rules")
            }
            Self::ExceptionMatchesNothing { rule, path, conditions } => {
                write!(f, "rule {rule}: {path} excludes no image")?;
                let is_clear = conditions.iter().any(|one| one.images == 0 && !one.has_hint());
                match condition::text(conditions).filter(|_| !is_clear) {
                    Some(text) => write!(f, "; {text}"),
                    None => Ok(()),
                }
            }
            Self::KeepTagMatchesNothing { rule, key, condition } => {
                write!(f, "rule {rule}: keep.tags.{key} matches none of its images")?;
                match condition.as_ref().filter(|condition| condition.has_hint()) {
                    Some(condition) => write!(f, "; {condition}"),
                    None => Ok(()),
                }
            }
            Self::SafetyTagMatchesNothing { key, condition } => {
                write!(f, "safety.keep_tags.{key} matches no image and no snapshot")?;
                match condition.as_ref().filter(|condition| condition.has_hint()) {
                    Some(condition) => write!(f, "; {condition}"),
                    None => Ok(()),
                }
            }
            Self::GroupTagMatchesNothing { rule, key, images, near } => {
                let all = counted(*images, "image");
                write!(
                    f,
                    "rule {rule}: none of its {all} has the tag {} in group_by, so all of them are kept",
                    condition::quoted(key)
                )?;
                match near {
                    Some(near) => write!(f, "; {}", condition::have_tag(near.images, &near.text)),
                    None => Ok(()),
                }
            }
            Self::PinMatchesNothing { image_id, near } => {
                write!(f, "safety.pinned: {image_id} does not exist")?;
                match near {
                    Some(near) => write!(f, "; did you mean {near}?"),
                    None => Ok(()),
                }
            }
            Self::DefinitionPinMatchesNothing { definition, near } => {
                write!(f, "safety.pinned: {definition} has no versions")?;
                match near {
                    Some(near) => write!(f, "; did you mean {near}?"),
                    None => Ok(()),
                }
            }
            Self::GroupDefinitionMatchesNothing { rule, images } => write!(
                f,
                "rule {rule}: none of its {} has an image definition, which group_by names, so all of them are kept",
                counted(*images, "image")
            ),
            Self::KeyWithoutEffect(key) => write!(f, "{key}"),
            Self::SingleFamilies { rule, families, single } => write!(
                f,
                "rule {rule}: {} of its {} families have one image, which is probably kept permanently; \
                 check group_by",
                thousands(*single),
                thousands(*families)
            ),
            Self::SnapshotsOutlastBin { rule, days } => write!(
                f,
                "rule {rule}: delete_snapshots_after is too long, because images leave the Recycle Bin after {}: \
                 their snapshots are then orphans, which are not deleted; retain images longer, shorten \
                 delete_snapshots_after, or add [orphans]",
                counted(usize::try_from(*days).unwrap_or(usize::MAX), "day")
            ),
            Self::StateTagUnknown { key, resources } => write!(
                f,
                "this version does not know the tag {key} on {}, so resources with this tag are not changed; update \
                 image-steward, or remove the tag",
                named(resources)
            ),
            Self::StateTagUnreadable { key, resources } => write!(
                f,
                "this version does not understand the value of the tag {key} on {}, so resources with such a value are \
                 not changed; update image-steward, or remove the tag",
                named(resources)
            ),
            Self::TagIgnored { key, effective, resources } => write!(
                f,
                "the tag {key} on {} has no effect; with this policy, the tag is {effective} (case-sensitive)",
                named(resources)
            ),
            Self::KeepDateInvalid { key, value, resources } => write!(
                f,
                "the tag {key}=`{value}` on {} never expires, because its value is not a date such as 2026-12-24",
                named(resources)
            ),
            Self::KeepEnded { key, value, resources } => {
                write!(f, "the tag {key}=`{value}` on {} has expired", named(resources))
            }
        }
    }
}

/// Lists the first of these resources, and the number of the others.
fn named(resources: &[ResourceId]) -> String {
    let ids: Vec<String> =
        resources.iter().take(MAX_NAMED).map(|one| one.short().into_owned()).collect();
    match resources.len().saturating_sub(MAX_NAMED) {
        0 => ids.join(", "),
        more => format!("{} and {} more", ids.join(", "), thousands(more)),
    }
}
