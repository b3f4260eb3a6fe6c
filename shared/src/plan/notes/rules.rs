//! Finds parts of a rule that have no effect: the rule itself, its exceptions, its families and its
//! tags.

use std::sync::Arc;

use foldhash::HashSet;

use super::condition::{self, NearMiss};
use super::{Note, RuleCount, near};
use crate::model::{Image, ImageId, Inventory};
use crate::plan::matching::{self, Cutoffs, IdleException};
use crate::plan::{RuleImages, family};
use crate::policy::{GroupBy, Policy, Rule};

/// The minimum number of families for comparing their sizes.
const MIN_FAMILIES: usize = 4;

/// The notes about each rule, in the order of the policy.
pub(super) fn of(
    inventory: &Inventory,
    policy: &Policy,
    cutoffs: &[Cutoffs],
    rules: &[RuleImages<'_>],
) -> Vec<Note> {
    let mut notes = Vec::new();
    for ((rule, cutoffs), images) in policy.rules.iter().zip(cutoffs).zip(rules) {
        if images.images.is_empty() {
            let all: Vec<&Image> = inventory.images.iter().collect();
            let taken = matching_images(rule, cutoffs, &all);
            let is_reached = taken.is_empty();
            notes.push(match is_reached {
                true => matches_nothing(rule, cutoffs, &all),
                false => never_reached(rule, taken.len(), &taken_by(&taken, policy, rules)),
            });
            if !is_reached {
                notes.extend(exceptions(rule, cutoffs, inventory));
            }
            continue;
        }
        notes.extend(exceptions(rule, cutoffs, inventory));
        notes.extend(keep_tags(rule, &images.images));
        notes.extend(group_tags(rule, &images.images));
        notes.extend(group_definition(rule, &images.images));
        notes.extend(single_families(rule, images));
    }
    notes
}

fn matching_images<'a>(rule: &Rule, cutoffs: &Cutoffs, images: &[&'a Image]) -> Vec<&'a Image> {
    let matching = |image: &&&Image| matching::is_match(&rule.matches, cutoffs, image);
    images.iter().filter(matching).copied().collect()
}

fn matches_nothing(rule: &Rule, cutoffs: &Cutoffs, images: &[&Image]) -> Note {
    let but_exceptions =
        |image: &&&Image| matching::is_match_but_exceptions(&rule.matches, cutoffs, image);
    Note::RuleMatchesNothing {
        rule: rule.name.clone(),
        taken: 0,
        taken_by: Vec::new(),
        excepted: images.iter().filter(but_exceptions).count(),
        conditions: condition::count(&rule.matches, cutoffs, "match", images),
    }
}

fn never_reached(rule: &Rule, taken: usize, taken_by: &[RuleCount]) -> Note {
    Note::RuleMatchesNothing {
        rule: rule.name.clone(),
        taken,
        taken_by: taken_by.to_vec(),
        excepted: 0,
        conditions: Vec::new(),
    }
}

/// The rules that apply to these images, in the order of the policy.
fn taken_by(taken: &[&Image], policy: &Policy, rules: &[RuleImages<'_>]) -> Vec<RuleCount> {
    let taken: HashSet<&ImageId> = taken.iter().map(|image| &image.image_id).collect();
    let counts = policy.rules.iter().zip(rules).map(|(rule, images)| {
        let is_taken = |image: &&&Image| taken.contains(&image.image_id);
        RuleCount { rule: rule.name.clone(), images: images.images.iter().filter(is_taken).count() }
    });
    counts.filter(|one| one.images > 0).collect()
}

fn exceptions(rule: &Rule, cutoffs: &Cutoffs, inventory: &Inventory) -> Vec<Note> {
    let idle = matching::idle_exceptions(&rule.matches, cutoffs, &inventory.images);
    let note = |one: IdleException<'_>| {
        let IdleException { path, matches, cutoffs, within } = one;
        let conditions = condition::count(matches, cutoffs, &path, &within);
        Note::ExceptionMatchesNothing { rule: rule.name.clone(), path, conditions }
    };
    idle.into_iter().map(note).collect()
}

fn keep_tags(rule: &Rule, images: &[&Image]) -> Vec<Note> {
    let idle = rule.keep.tags.iter().filter_map(|(key, glob)| {
        let has_it = |image: &&Image| image.tags.get(key).is_some_and(|value| glob.is_match(value));
        (!images.iter().any(has_it)).then(|| Note::KeepTagMatchesNothing {
            rule: rule.name.clone(),
            key: key.clone(),
            condition: Some(condition::count_tag(key, glob, "keep", images)),
        })
    });
    idle.collect()
}

/// The tags in `group_by` that no image of the rule has. All these images are in no family, and
/// kept.
fn group_tags(rule: &Rule, images: &[&Image]) -> Vec<Note> {
    let ranked: Vec<&Image> =
        images.iter().copied().filter(|image| family::is_ranked(image)).collect();
    let missing = |key: &&String| {
        !ranked.is_empty()
            && !ranked.iter().any(|one| one.tags.get(key).is_some_and(|value| !value.is_empty()))
    };
    let keys = rule.group_by.iter().filter_map(|by| match by {
        GroupBy::Tag(key) => Some(key),
        GroupBy::Architecture | GroupBy::Platform | GroupBy::Definition | GroupBy::NamePrefix => {
            None
        }
    });
    let note = |key: &String| Note::GroupTagMatchesNothing {
        rule: rule.name.clone(),
        key: key.clone(),
        images: ranked.len(),
        near: near::tag_key(key, None, &ranked).filter(|near: &NearMiss| near.text != *key),
    };
    keys.filter(missing).map(note).collect()
}

/// Notes that no image of the rule has an image definition, if `group_by` names it.
fn group_definition(rule: &Rule, images: &[&Image]) -> Option<Note> {
    let ranked = images.iter().filter(|image| family::is_ranked(image));
    let ranked: Vec<_> = ranked.map(|image| image.definition.as_deref()).collect();
    let has_one = ranked.iter().flatten().any(|definition| !definition.is_empty());
    let is_noted = rule.group_by.contains(&GroupBy::Definition) && !ranked.is_empty() && !has_one;
    let rule = rule.name.clone();
    is_noted.then_some(Note::GroupDefinitionMatchesNothing { rule, images: ranked.len() })
}

/// Notes that most families have one image, which the rule keeps because no newer one replaces it.
fn single_families(rule: &Rule, images: &RuleImages<'_>) -> Option<Note> {
    let single = images.families.sizes().filter(|size| *size == 1).count();
    let families = images.families.sizes().len();
    let is_noted =
        !rule.keep.all && keeps_newest(rule) && families >= MIN_FAMILIES && single * 2 > families;
    let rule: Arc<str> = rule.name.clone();
    is_noted.then_some(Note::SingleFamilies { rule, families, single })
}

/// Whether the rule keeps the newest image of a family, whatever its age.
fn keeps_newest(rule: &Rule) -> bool {
    let keep = &rule.keep;
    let counts =
        [keep.last, keep.hourly, keep.daily, keep.weekly, keep.monthly, keep.yearly, keep.at_least];
    counts.into_iter().any(|count| count > 0)
}
