//! Command lines of amicleaner. What they mean was read in the source of aws-amicleaner 0.2.2
//! (`amicleaner/utils.py`, `cli.py`, `core.py`, `fetch.py`).

use std::collections::BTreeMap;
use std::path::Path;

use steward::suggest::{
    SuggestedKeep, SuggestedMatch, SuggestedRule, any_of, literal, rule_name, shown,
};

use super::command_line::{Options, ShellCommand, parse};
use super::{MigrateError, Writing};

/// What is said at the top of a policy that came from there.
pub const HEAD: &str = "From amicleaner: it counts as in use the images of instances, of launch configurations without \
    an Auto Scaling group, and of groups that are scaled to zero, and does not read launch templates. image-steward reads \
    all of these, and launch templates, fleets, Spot requests, AWS Batch, SSM parameters and more. amicleaner deletes \
    snapshots at once, image-steward after a week. In one respect this policy is LESS strict: --keep-previous counts \
    images that are not in use, and `last` counts all images of a family. So `last` is twice as high; raise it if more \
    images of a family are in use at once.";

/// Writes the rules of every call.
pub fn translate(
    file: &Path,
    commands: &[ShellCommand],
    writing: &mut Writing,
) -> Result<(), MigrateError> {
    for ShellCommand { line, words } in commands {
        let line = *line;
        let wrong = |message: String| MigrateError::Wrong { file: file.to_owned(), line, message };
        let words = words.as_ref().ok_or_else(|| wrong("a quote is not closed".to_owned()))?;
        let options = parse(words).map_err(wrong)?;
        write(AmicleanerCall { file, line, writing }, words, options);
    }
    Ok(())
}

/// A call on its way.
struct AmicleanerCall<'a> {
    file: &'a Path,
    line: usize,
    writing: &'a mut Writing,
}

impl AmicleanerCall<'_> {
    fn leave_out(self, mut comments: Vec<String>, what: &str) {
        comments.push(format!("NOT TRANSLATED: {what}"));
        self.writing.leave_out(self.file, self.line, what);
        self.writing.note(comments);
    }

    fn add(&mut self, about: &str, rule: SuggestedRule) {
        self.writing.add_rule(self.file, self.line, about, rule);
    }
}

fn write(call: AmicleanerCall<'_>, words: &[String], options: Options) {
    let told: Vec<String> = words.iter().map(|word| shown(word)).collect();
    let mut comments = vec![format!("Theirs: amicleaner {} (line {}).", told.join(" "), call.line)];
    let Options {
        mapping_key,
        mapping_values,
        excluded,
        keep_previous,
        min_days,
        from_ids,
        check_orphans,
        force,
        only_tells,
    } = options;
    if only_tells {
        comments.push("It retires no image, so there is no rule for it.".to_owned());
        return call.writing.note(comments);
    }
    if check_orphans {
        comments.push(
            "--check-orphans lists snapshots without an image and asks before it deletes them: see [orphans] below, which \
             does so without asking."
                .to_owned(),
        );
    }
    if !from_ids.is_empty() {
        let what = "--from-ids removes the images that are named, in use or not. A policy names none to remove: they \
                    fall under the rules like all others.";
        return call.leave_out(comments, what);
    }
    if !force {
        comments.push("Without --force-delete theirs asks; here `image-steward plan` shows what `apply` does.".to_owned());
    }
    let Some(last) = last(keep_previous.unwrap_or(4), &mut comments) else {
        let what = "--keep-previous with a number below 0 removes only so many of the oldest.";
        return call.leave_out(comments, what);
    };
    let older_than = min_days.filter(|days| *days > 0).map(|days| {
        comments.push(format!(
            "--ami-min-days {days}: younger images are kept and do not count among the newest, as in theirs."
        ));
        format!("{}d", days.min(36_000))
    });
    let keep = SuggestedKeep { last: Some(last), ..SuggestedKeep::default() };
    let matches = SuggestedMatch { older_than, ..SuggestedMatch::default() };
    let rule = SuggestedRule { comments, keep, matches, ..SuggestedRule::default() };
    match mapping_key.as_deref() {
        Some("name") => by_name(call, rule, &mapping_values, &excluded),
        None | Some("tags") => by_tags(call, rule, mapping_values, &excluded),
        Some(_) => {
            let what =
                "--mapping-key is neither `name` nor `tags`, and theirs finds no group by it.";
            call.leave_out(rule.comments, what);
        }
    }
}

/// Twice what theirs keeps, because theirs does not count what is in use. `None` for a number below
/// none, which theirs takes for a place from the end.
fn last(previous: i64, comments: &mut Vec<String>) -> Option<u32> {
    match u32::try_from(previous) {
        Ok(0) => {
            comments.push(
                "--keep-previous 0 keeps no image but those in use; here the newest of a family stays."
                    .to_owned(),
            );
            Some(1)
        }
        Err(_) if previous < 0 => None,
        number => {
            let last = number.unwrap_or(u32::MAX).saturating_mul(2).min(1_000_000);
            comments.push(format!(
                "--keep-previous {previous} keeps so many beside those in use; `last` counts those in use too, and is \
                 {last}."
            ));
            Some(last)
        }
    }
}

/// Theirs joins all images whose name holds a text.
fn by_name(
    mut call: AmicleanerCall<'_>,
    rule: SuggestedRule,
    values: &[String],
    excluded: &[String],
) {
    if values.iter().any(String::is_empty) {
        let what = "--mapping-values has an empty text, which every name holds; theirs leaves that group out.";
        return call.leave_out(rule.comments, what);
    }
    for value in values {
        let mut rule = rule.clone();
        rule.name = rule_name(value, &mut call.writing.names);
        rule.matches.name = Some(holding(value));
        rule.group_by = vec!["name_prefix".to_owned(), "architecture".to_owned()];
        rule.comments.push(
            "Theirs takes all images with this text in their name for one group. Here their names, without numbers, dates \
             and versions at the end, tell families apart; without group_by it is as theirs."
                .to_owned(),
        );
        if !excluded.is_empty() {
            // Theirs looks at excluded values only with tags; so it is stricter to keep them here.
            let exceptions = any_of(excluded.iter().map(|value| holding(value)));
            rule.matches.not =
                Some(Box::new(SuggestedMatch { name: exceptions, ..SuggestedMatch::default() }));
            rule.comments.push(
                "Theirs looks at excluded values only with tags. Here such names are kept."
                    .to_owned(),
            );
        }
        call.add(value, rule);
    }
}

/// The glob of what holds a text. Every text holds the empty one; an image without a name has no
/// text, and an exception by its name keeps it.
fn holding(text: &str) -> String {
    if text.is_empty() { "*".to_owned() } else { format!("*{}*", literal(text)) }
}

/// Theirs joins all images with the same values of some tags.
fn by_tags(
    mut call: AmicleanerCall<'_>,
    mut rule: SuggestedRule,
    mut keys: Vec<String>,
    excluded: &[String],
) {
    if keys.is_empty() {
        keys = vec!["environment".to_owned(), "role".to_owned()];
        rule.comments.push("Its defaults: groups by the tags environment and role.".to_owned());
    }
    keys.sort();
    keys.dedup();
    if keys.iter().any(String::is_empty) {
        let what = "--mapping-values has an empty text, which is no tag's key.";
        return call.leave_out(rule.comments, what);
    }
    if keys.len() > 1 && excluded.iter().any(|value| value.contains('.')) {
        let what = "--excluded-mapping-values has a full stop, with which theirs joins the values of several tags.";
        return call.leave_out(rule.comments, what);
    }
    rule.name = rule_name(&format!("by-{}", keys.join("-")), &mut call.writing.names);
    // Theirs removes nothing of the group whose values are all empty.
    rule.matches.tags = keys.iter().map(|key| (key.clone(), "?*".to_owned())).collect();
    rule.group_by = keys.iter().map(|key| format!("tag:{key}")).collect();
    rule.group_by.push("architecture".to_owned());
    rule.comments.push(
        "Images that lack one of these tags, or a value of it, are kept; theirs leaves out only those that lack all of \
         them."
            .to_owned(),
    );
    rule.comments.push(
        "LESS STRICT if images have a tag whose key is a part of one of these (`env` of `environment`): theirs takes its \
         value for a family, or an excluded one, too. Then add it to group_by, and to keep.tags."
            .to_owned(),
    );
    if !excluded.is_empty() {
        let glob = any_of(excluded.iter().map(|value| holding(value))).unwrap_or_default();
        let kept: BTreeMap<String, String> =
            keys.iter().map(|key| (key.clone(), glob.clone())).collect();
        rule.keep.tags = kept;
        rule.comments.push(
            "Images with an excluded value in any of these tags are kept. (In theirs, several excluded values cancel one \
             another; here each counts.)"
                .to_owned(),
        );
    }
    let about = rule.name.clone();
    call.add(&about, rule);
}
