//! Checks a document beyond the types of its values: required keys, unique rule names, the order of
//! the steps, and that each rule keeps something. Fills in the defaults.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::parse::{Problems, Reading};
use super::scalars::{AgeOrNever, Count, RawGlob, Word};
use super::schema::{self, RawKeepOrAll, RawRecycleBin};
use super::{
    Age, Check, CopyToSnapshots, Glob, InstancePolicy, Keep, Match, Orphans, Policy, Problem,
    Retire, Rule, Safety, SharedImages, Tagging,
};
use crate::model::{
    ComputeEnvironments, MAX_KEY, MAX_VALUE, TagNames, TemplateVersions, is_reserved,
};

/// The default of `tagging.prefix`, the prefix of all state tag names.
pub const DEFAULT_PREFIX: &str = "image-steward:";
/// The maximum length of `tagging.prefix`, in characters. With the longest state tag name,
/// `launch-permissions` (18 characters), the key is still shorter than [`MAX_KEY`].
const MAX_PREFIX: usize = 100;

/// Checks a document and converts it to a policy.
///
/// # Errors
/// All errors in the document: those found while it was parsed, and those found here.
pub(super) fn check(reading: Reading<'_>) -> Result<Policy, Vec<Problem>> {
    let Reading { document, mut problems, digest: _ } = reading;
    let schema::RawPolicy { version, timezone, rule, safety, tagging, orphans, instances } =
        document;
    let stated = version.map(|Count(number)| number.into());
    if let Err(error) = Policy::DOCUMENT.check(stated.as_ref()) {
        if stated.is_some() {
            // The rest of the document may be valid in that version.
            problems.found.clear();
            problems.note(Policy::DOCUMENT.key, error);
            return Err(problems.found);
        }
        problems.note(Policy::DOCUMENT.key, error);
    }
    let timezone = check_timezone(timezone, &mut problems);
    let prefix = check_prefix(tagging.prefix.as_deref(), &mut problems);
    if rule.is_empty() {
        problems.note("rule", "no rules; add at least one [[rule]]");
    }
    let mut names = BTreeSet::new();
    let shared_images = or_default(safety.shared_images);
    let rules = rule
        .into_iter()
        .enumerate()
        .map(|(index, rule)| {
            let path = format!("rule[{index}]");
            check_rule(rule, shared_images, &path, &mut names, &mut problems)
        })
        .collect();
    let policy = Policy {
        timezone,
        rules,
        safety: check_safety(safety),
        tagging: check_tagging(tagging, &prefix, &mut problems),
        orphans: check_orphans(orphans, &mut problems),
        instances: check_instances(instances),
        tag_names: TagNames::under(&prefix),
    };
    if problems.found.is_empty() { Ok(policy) } else { Err(problems.found) }
}

fn check_timezone(name: Option<String>, problems: &mut Problems<'_>) -> TimeZone {
    let Some(name) = name else { return TimeZone::UTC };
    TimeZone::get(&name).unwrap_or_else(|_| {
        problems.note(
            "timezone",
            format!(
                "unknown time zone `{name}`; use an IANA name such as \"Europe/Berlin\" or \"UTC\""
            ),
        );
        TimeZone::UTC
    })
}

fn check_rule(
    rule: schema::RawRule,
    shared_images: SharedImages,
    path: &str,
    names: &mut BTreeSet<String>,
    problems: &mut Problems<'_>,
) -> Rule {
    let schema::RawRule { name, matches, group_by, keep, retire, shared_images: own } = rule;
    match &name {
        None => problems.note(&format!("{path}.name"), "missing; give the rule a unique name"),
        Some(name) if name.trim().is_empty() || name.chars().count() > 64 => {
            problems.note(
                &format!("{path}.name"),
                "the name of a rule must have 1 to 64 characters; change the name",
            );
        }
        Some(name) if !names.insert(name.clone()) => {
            problems.note(
                &format!("{path}.name"),
                format!("duplicate rule name `{name}`; rename one of the rules"),
            );
        }
        Some(_) => {}
    }
    if matches!(keep, Some(RawKeepOrAll::All)) && retire.is_some() {
        problems.note(
            &format!("{path}.retire"),
            "a rule with `keep = \"all\"` retires nothing; remove `retire`, or specify what to keep, for example `keep = { last = 5 }`",
        );
    }
    Rule {
        name: name.unwrap_or_default().into(),
        matches: check_match(matches.unwrap_or_default(), &format!("{path}.match"), problems),
        group_by,
        keep: check_keep(keep, &format!("{path}.keep"), problems),
        retire: check_retire(retire.unwrap_or_default(), &format!("{path}.retire"), problems),
        overrides_shared_images: own.is_some(),
        shared_images: own.map_or(shared_images, |word| word.0),
    }
}

fn check_match(matches: schema::RawMatch, path: &str, problems: &mut Problems<'_>) -> Match {
    let schema::RawMatch {
        name,
        tags,
        architecture,
        platform,
        os_state,
        owner_alias,
        older_than,
        not,
    } = matches;
    let not = not.map(|not| {
        let path = format!("{path}.not");
        let checked = check_match(*not, &path, problems);
        if checked.is_empty() {
            problems.note(
                &path,
                "without a condition, `not` excludes every image; add a condition, or remove `not`",
            );
        }
        Box::new(checked)
    });
    Match {
        name: name.map(|glob| glob.0),
        tags: tag_globs(tags),
        architecture: architecture.map(|glob| glob.0),
        platform: platform.map(|glob| glob.0),
        os_state: os_state.map(|glob| glob.0),
        owner_alias: owner_alias.map(|glob| glob.0),
        older_than,
        not,
    }
}

impl Match {
    fn is_empty(&self) -> bool {
        let Self { name, tags, architecture, platform, os_state, owner_alias, older_than, not } =
            self;
        let globs = [name, architecture, platform, os_state, owner_alias];
        globs.iter().all(|glob| glob.is_none())
            && tags.is_empty()
            && older_than.is_none()
            && not.is_none()
    }
}

fn tag_globs(tags: BTreeMap<String, RawGlob>) -> Vec<(String, Glob)> {
    tags.into_iter().map(|(key, glob)| (key, glob.0)).collect()
}

fn check_keep(keep: Option<RawKeepOrAll>, path: &str, problems: &mut Problems<'_>) -> Keep {
    const REMEDY: &str = "specify what to keep, for example `keep = { last = 5 }`, or `keep = \"all\"` for every image";
    let missing = keep.is_none();
    let (all, keep) = match keep {
        Some(RawKeepOrAll::All) => (true, None),
        Some(RawKeepOrAll::Rules(keep)) => (false, Some(*keep)),
        None => (false, None),
    };
    let schema::RawKeep {
        last,
        within,
        hourly,
        daily,
        weekly,
        monthly,
        yearly,
        launched_within,
        tags,
        at_least,
    } = keep.unwrap_or_default();
    let has_minimum = at_least.is_some_and(|count| count.0 > 0);
    let count = |count: Option<Count>| count.map_or(0, |count| count.0);
    let age = |age: Option<Age>| age.filter(|age| !age.is_zero());
    let keep = Keep {
        all,
        last: count(last),
        within: age(within),
        hourly: count(hourly),
        daily: count(daily),
        weekly: count(weekly),
        monthly: count(monthly),
        yearly: count(yearly),
        launched_within: age(launched_within),
        tags: tag_globs(tags),
        at_least: if all { 0 } else { at_least.map_or(1, |count| count.0) },
    };
    let counts = [keep.last, keep.hourly, keep.daily, keep.weekly, keep.monthly, keep.yearly];
    let ages = [keep.within, keep.launched_within];
    if missing {
        problems.note(path, format!("missing; {REMEDY}"));
    } else if !all
        && counts.iter().all(|count| *count == 0)
        && ages.iter().all(|age| age.is_none())
        && keep.tags.is_empty()
        && !has_minimum
    {
        problems.note(path, format!("keeps nothing; {REMEDY}"));
    }
    keep
}

/// An omitted step defaults to no later than the deregistration. A step must not be due before an
/// earlier step.
fn check_retire(retire: schema::RawRetire, path: &str, problems: &mut Problems<'_>) -> Retire {
    let schema::RawRetire {
        deprecate_after,
        disable_after,
        deregister_after,
        delete_snapshots_after,
    } = retire;
    let days = |age: Option<Age>, default: i32| age.unwrap_or_else(|| Age::of_days(default));
    let deregister_after = days(deregister_after, 14);
    let step = |given: Option<AgeOrNever>, default: i32| match given {
        Some(AgeOrNever::After(age)) => Some(age),
        Some(AgeOrNever::Never) => None,
        None => Some(Age::of_days(default).min(deregister_after)),
    };
    let retire = Retire {
        deprecate_after: step(deprecate_after, 0),
        disable_after: step(disable_after, 7),
        deregister_after,
        delete_snapshots_after: days(delete_snapshots_after, 7),
    };
    let steps = [
        ("deprecate_after", retire.deprecate_after),
        ("disable_after", retire.disable_after),
        ("deregister_after", Some(retire.deregister_after)),
    ];
    let mut earlier: Option<(&str, Age)> = None;
    for (key, age) in steps {
        let Some(age) = age else { continue };
        match earlier {
            Some((name, before)) if age.is_shorter_than(before) => problems.note(
                &format!("{path}.{key}"),
                format!(
                    "shorter than {name}, which is an earlier step; increase it, or decrease {name}"
                ),
            ),
            _ => earlier = Some((key, age)),
        }
    }
    retire
}

fn check_orphans(orphans: Option<schema::RawOrphans>, problems: &mut Problems<'_>) -> Orphans {
    let Some(schema::RawOrphans { delete_after }) = orphans else { return Orphans::Report };
    const PATH: &str = "orphans.delete_after";
    let Some(after) = delete_after else {
        problems.note(
            PATH,
            "missing; add it, for example `delete_after = \"30d\"`, or remove [orphans]",
        );
        return Orphans::Report;
    };
    if after.is_shorter_than(Age::of_days(1)) {
        problems.note(PATH, "less than a day, which leaves no time to object; use at least \"1d\"");
    }
    Orphans::Delete { after }
}

/// The value of an optional enum, or its default if it is omitted.
fn or_default<T: Default>(word: Option<Word<T>>) -> T {
    word.map(|word| word.0).unwrap_or_default()
}

fn check_instances(instances: schema::RawInstances) -> InstancePolicy {
    let schema::RawInstances { retire } = instances;
    InstancePolicy { retire: or_default(retire) }
}

fn check_safety(safety: schema::RawSafety) -> Safety {
    let schema::RawSafety {
        max_per_run,
        max_snapshots_per_run,
        max_fraction,
        min_references,
        template_versions,
        compute_environments,
        shared_images: _,
        shared_snapshots,
        share_back,
        recycle_bin,
        recycle_bin_days,
        references_check,
        ignore_templates,
        subscriptions,
        absent_is_empty,
        keep_tags,
        pinned,
    } = safety;
    let mut subscriptions = subscriptions;
    subscriptions.sort();
    subscriptions.dedup();
    let max_per_run = max_per_run.map_or(50, |count| count.0);
    Safety {
        max_per_run,
        max_snapshots_per_run: max_snapshots_per_run
            .map_or(max_per_run.saturating_mul(4), |count| count.0),
        max_fraction: max_fraction.map_or(0.25, |fraction| fraction.0),
        min_references: min_references.map_or(1, |count| count.0),
        sets_template_versions: template_versions.is_some(),
        template_versions: template_versions
            .map_or(TemplateVersions::DefaultAndLatest, |versions| versions.0),
        sets_compute_environments: compute_environments.is_some(),
        compute_environments: match or_default(compute_environments) {
            Check::Required => ComputeEnvironments::Read,
            Check::Off => ComputeEnvironments::LeaveOut,
        },
        shared_snapshots: or_default(shared_snapshots),
        share_back: share_back.into_iter().map(|one| one.0).collect(),
        recycle_bin: match recycle_bin {
            None | Some(Word(RawRecycleBin::Required)) => Check::Required,
            Some(Word(RawRecycleBin::Optional)) => Check::Off,
        },
        recycle_bin_days: recycle_bin_days.map_or(7, |count| count.0),
        references_check: or_default(references_check),
        ignore_templates: ignore_templates.into_iter().map(Into::into).collect(),
        subscriptions,
        absent_is_empty,
        keep_tags: tag_globs(keep_tags),
        pinned: pinned.into_iter().collect(),
    }
}

fn check_prefix(prefix: Option<&str>, problems: &mut Problems<'_>) -> String {
    let prefix = prefix.unwrap_or(DEFAULT_PREFIX);
    let length = prefix.chars().count();
    if length == 0 || length > MAX_PREFIX {
        problems.note(
            "tagging.prefix",
            format!("a prefix must have 1 to {MAX_PREFIX} characters; change it"),
        );
    } else if is_reserved(prefix) {
        problems
            .note("tagging.prefix", "the prefix `aws:` is reserved for AWS; choose another prefix");
    } else if let Some(other) = prefix.chars().find(|one| !is_for_prefixes(*one)) {
        let allowed = "use only letters, digits, spaces and `+ - = . _ : / @`";
        problems.note("tagging.prefix", format!("a prefix cannot contain {other:?}; {allowed}"));
    }
    prefix.to_owned()
}

/// The ASCII characters that AWS allows in the tags of every service
/// (<https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>). The
/// prefix becomes part of patterns in IAM roles, where `*` is a wildcard.
fn is_for_prefixes(one: char) -> bool {
    one.is_ascii_alphanumeric() || " +-=._:/@".contains(one)
}

fn check_tagging(
    tagging: schema::RawTagging,
    prefix: &str,
    problems: &mut Problems<'_>,
) -> Tagging {
    let schema::RawTagging { set, copy_from_instance, copy_to_snapshots, prefix: _ } = tagging;
    for (key, value) in &set {
        let path = format!("tagging.set.{key}");
        check_key(key, &path, prefix, problems);
        if value.chars().count() > MAX_VALUE {
            problems.note(
                &path,
                format!("a tag value must have at most {MAX_VALUE} characters; shorten it"),
            );
        }
    }
    for (index, key) in copy_from_instance.iter().enumerate() {
        check_key(key, &format!("tagging.copy_from_instance[{index}]"), prefix, problems);
    }
    Tagging {
        set: set.into_iter().collect(),
        copy_from_instance,
        snapshots: if copy_to_snapshots.unwrap_or(true) {
            CopyToSnapshots::Yes
        } else {
            CopyToSnapshots::No
        },
    }
}

fn check_key(key: &str, path: &str, prefix: &str, problems: &mut Problems<'_>) {
    let length = key.chars().count();
    if length == 0 || length > MAX_KEY {
        problems.note(path, format!("a tag key must have 1 to {MAX_KEY} characters; change it"));
    } else if is_reserved(key) {
        problems.note(path, "tag keys that begin with `aws:` are reserved for AWS; remove it");
    } else if key.starts_with(prefix) {
        problems.note(
            path,
            format!(
                "tag keys that begin with `{prefix}` are reserved for image-steward; remove it"
            ),
        );
    }
}
