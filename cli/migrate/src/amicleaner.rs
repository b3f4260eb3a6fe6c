//! Translates amicleaner command lines, based on the source of aws-amicleaner 0.2.2
//! (`amicleaner/utils.py`, `cli.py`, `core.py`, `fetch.py`).

use std::collections::BTreeMap;
use std::path::Path;

use steward::suggest::{
    SuggestedKeep, SuggestedMatch, SuggestedRule, any_of, literal, rule_name, shown,
};

use super::command_line::{Options, ShellCommand, parse};
use super::{MigrateError, SOURCE, Writing};

/// The comment at the top of a policy translated from amicleaner.
pub const HEAD: &str = "From amicleaner: for amicleaner, an image is in use if an instance, a launch configuration \
    without an Auto Scaling group, or an Auto Scaling group that is scaled to zero uses it; amicleaner does not \
    read launch templates. image-steward reads all of these, and launch templates, fleets, Spot requests, AWS Batch, SSM \
    parameters and more. amicleaner deletes snapshots immediately, image-steward after a week. This policy is LESS strict \
    in one more respect: --keep-previous counts only images that are not in use, but `last` counts all images of a family. \
    Therefore `last` is twice as high; raise it if more images of a family are in use at the same time.";

/// Translates every call into rules.
pub fn translate(
    file: &Path,
    commands: &[ShellCommand],
    writing: &mut Writing,
) -> Result<(), MigrateError> {
    for ShellCommand { line, words } in commands {
        let line = *line;
        let wrong = |message: String| MigrateError::Wrong { file: file.to_owned(), line, message };
        let words = words.as_ref().ok_or_else(|| wrong("unclosed quote".to_owned()))?;
        let options = parse(words).map_err(wrong)?;
        write(AmicleanerCall { file, line, writing }, words, options);
    }
    Ok(())
}

/// A call that is being translated.
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
    let arguments: Vec<String> = words.iter().map(|word| shown(word)).collect();
    let mut comments =
        vec![format!("{SOURCE}amicleaner {} (line {}).", arguments.join(" "), call.line)];
    let Options {
        mapping_key,
        mapping_values,
        excluded,
        keep_previous,
        min_days,
        from_ids,
        check_orphans,
        force,
        is_only_info,
    } = options;
    if is_only_info {
        comments.push("It retires no image, so it needs no rule.".to_owned());
        return call.writing.note(comments);
    }
    if check_orphans {
        comments.push(
            "--check-orphans lists snapshots without an image and asks for confirmation before it deletes them. See \
             [orphans] below, which deletes them without confirmation."
                .to_owned(),
        );
    }
    if !from_ids.is_empty() {
        let what = "--from-ids removes the listed images, even if they are in use. A policy cannot list images to \
                    remove; its rules apply to these images like to all others.";
        return call.leave_out(comments, what);
    }
    if !force {
        comments.push("Without --force-delete, amicleaner asks for confirmation; here, `image-steward plan` shows what `apply` does.".to_owned());
    }
    let Some(last) = last(keep_previous.unwrap_or(4), &mut comments) else {
        let what =
            "--keep-previous with a negative number removes only that many of the oldest images.";
        return call.leave_out(comments, what);
    };
    let older_than = min_days.filter(|days| *days > 0).map(|days| {
        comments.push(format!(
            "--ami-min-days {days}: younger images are kept and do not count among the newest, as in amicleaner."
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
                "--mapping-key is neither `name` nor `tags`, so amicleaner selects no images.";
            call.leave_out(rule.comments, what);
        }
    }
}

/// Twice `--keep-previous`, because amicleaner does not count images in use. `None` for a negative
/// number, which amicleaner uses as an index from the end.
fn last(previous: i64, comments: &mut Vec<String>) -> Option<u32> {
    match u32::try_from(previous) {
        Ok(0) => {
            comments.push(
                "--keep-previous 0 keeps only images in use; here, the newest image of a family is also kept."
                    .to_owned(),
            );
            Some(1)
        }
        Err(_) if previous < 0 => None,
        number => {
            let last = number.unwrap_or(u32::MAX).saturating_mul(2).min(1_000_000);
            comments.push(format!(
                "--keep-previous {previous} keeps that many images in addition to images in use; `last` also counts \
                 images in use, so it is {last}."
            ));
            Some(last)
        }
    }
}

/// For `--mapping-key name`, amicleaner treats all images whose name contains a text as one family.
fn by_name(
    mut call: AmicleanerCall<'_>,
    rule: SuggestedRule,
    values: &[String],
    excluded: &[String],
) {
    if values.iter().any(String::is_empty) {
        let what = "--mapping-values contains an empty text, which every name contains; amicleaner skips those images.";
        return call.leave_out(rule.comments, what);
    }
    for value in values {
        let mut rule = rule.clone();
        rule.name = rule_name(value, &mut call.writing.names);
        rule.matches.name = Some(holding(value));
        rule.group_by = vec!["name_prefix".to_owned(), "architecture".to_owned()];
        rule.comments.push(
            "amicleaner treats all images with this text in their name as one family. Here, images are in one family if \
             their names differ only in a number, date or version at the end; remove group_by to get the behavior of \
             amicleaner."
                .to_owned(),
        );
        if !excluded.is_empty() {
            // amicleaner ignores excluded values for names; keeping the images is stricter.
            let exceptions = any_of(excluded.iter().map(|value| holding(value)));
            rule.matches.not =
                Some(Box::new(SuggestedMatch { name: exceptions, ..SuggestedMatch::default() }));
            rule.comments.push(
                "amicleaner applies excluded values only to tags. Here, images with such names are kept."
                    .to_owned(),
            );
        }
        call.add(value, rule);
    }
}

/// A glob for values that contain `text`; the empty text is in every value. An image without a name
/// matches no glob, so an exception by name keeps it.
fn holding(text: &str) -> String {
    if text.is_empty() { "*".to_owned() } else { format!("*{}*", literal(text)) }
}

/// For `--mapping-key tags`, amicleaner treats all images with the same tag values as one family.
fn by_tags(
    mut call: AmicleanerCall<'_>,
    mut rule: SuggestedRule,
    mut keys: Vec<String>,
    excluded: &[String],
) {
    if keys.is_empty() {
        keys = vec!["environment".to_owned(), "role".to_owned()];
        rule.comments
            .push("Default of amicleaner: families by the tags environment and role.".to_owned());
    }
    keys.sort();
    keys.dedup();
    if keys.iter().any(String::is_empty) {
        let what = "--mapping-values contains an empty text, which is not a tag key.";
        return call.leave_out(rule.comments, what);
    }
    if keys.len() > 1 && excluded.iter().any(|value| value.contains('.')) {
        let what = "--excluded-mapping-values contains a full stop, which amicleaner uses to join the values of several tags.";
        return call.leave_out(rule.comments, what);
    }
    rule.name = rule_name(&format!("by-{}", keys.join("-")), &mut call.writing.names);
    // amicleaner removes no image whose values are all empty.
    rule.matches.tags = keys.iter().map(|key| (key.clone(), "?*".to_owned())).collect();
    rule.group_by = keys.iter().map(|key| format!("tag:{key}")).collect();
    rule.group_by.push("architecture".to_owned());
    rule.comments.push(
        "Images that lack one of these tags, or have an empty value for it, are kept; amicleaner skips only images that \
         lack all of them."
            .to_owned(),
    );
    rule.comments.push(
        "LESS STRICT if images have a tag whose key is part of one of these keys (`env` of `environment`): amicleaner \
         also uses the value of that tag for families and exclusions. In that case, add the tag to group_by and to \
         keep.tags."
            .to_owned(),
    );
    if !excluded.is_empty() {
        let glob = any_of(excluded.iter().map(|value| holding(value))).unwrap_or_default();
        let kept: BTreeMap<String, String> =
            keys.iter().map(|key| (key.clone(), glob.clone())).collect();
        rule.keep.tags = kept;
        rule.comments.push(
            "Images with an excluded value in any of these tags are kept. (In amicleaner, several excluded values cancel \
             each other; here, each one applies.)"
                .to_owned(),
        );
    }
    let about = rule.name.clone();
    call.add(&about, rule);
}
