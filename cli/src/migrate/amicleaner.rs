//! Command lines of amicleaner. What they mean was read in the source of aws-amicleaner 0.2.2
//! (`amicleaner/utils.py`, `cli.py`, `core.py`, `fetch.py`).

use std::collections::BTreeMap;
use std::path::Path;

use steward::draft::{Entry, Keep, Match, Rule, any_of, literal, rule_name, shown};

use super::{MigrateError, Writing};

/// What is said at the top of a policy that came from there.
pub const HEAD: &str = "From amicleaner: it takes for used what instances run, what launch configurations name that no \
    Auto Scaling group has, and those of groups that are scaled to zero; launch templates it does not look at. Ours looks \
    at all of that, at launch templates, fleets, Spot requests, Batch, SSM parameters and more. Theirs deletes snapshots \
    in the same minute, ours after a week. One thing is LESS strict here: its --keep-previous counts images that are not \
    in use, and `last` counts all of a family. So `last` is twice as high; if more images of a family are in use at once \
    than it keeps, raise it.";

/// One call of amicleaner.
pub struct Command {
    line: usize,
    words: Option<Vec<String>>,
}

/// The options of a call; those that only report or ask are left out.
#[derive(Default)]
struct Options {
    mapping_key: Option<String>,
    mapping_values: Vec<String>,
    excluded: Vec<String>,
    keep_previous: Option<i64>,
    min_days: Option<i64>,
    from_ids: Vec<String>,
    check_orphans: bool,
    force: bool,
}

/// The options that it knows, and how many values they take.
const KNOWN: [(&str, Values); 10] = [
    ("--version", Values::None),
    ("--from-ids", Values::Several),
    ("--full-report", Values::None),
    ("--mapping-key", Values::One),
    ("--mapping-values", Values::Several),
    ("--excluded-mapping-values", Values::Several),
    ("--keep-previous", Values::One),
    ("--force-delete", Values::None),
    ("--check-orphans", Values::None),
    ("--ami-min-days", Values::One),
];

#[derive(Clone, Copy, PartialEq)]
enum Values {
    None,
    One,
    Several,
}

/// The calls in a text: a command line, a script, a crontab.
pub fn commands(text: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((first, line)) = lines.next() {
        let mut whole = first.to_owned();
        while let Some(head) = whole.trim_end().strip_suffix('\\') {
            let Some((next, _)) = lines.next() else { break };
            whole = format!("{head} {next}");
        }
        if whole.trim_start().starts_with('#') || !whole.contains("amicleaner") {
            continue;
        }
        match shlex::split(&whole) {
            Some(words) => {
                commands.extend(call_in(&words).map(|words| Command { line, words: Some(words) }));
            }
            None => commands.push(Command { line, words: None }),
        }
    }
    commands
}

/// The words after the program's name, up to the end of the command.
fn call_in(words: &[String]) -> Option<Vec<String>> {
    let is_program = |word: &String| {
        let name = word.rsplit('/').next().unwrap_or(word);
        let name = name.split(':').next().unwrap_or(name);
        matches!(name, "amicleaner" | "amicleaner.cli" | "aws-amicleaner")
    };
    let is_end = |word: &str| {
        matches!(word, "|" | "||" | "&&" | ";" | "&")
            || word.trim_start_matches(['1', '2', '&']).starts_with('>')
    };
    let after = words.iter().rposition(is_program)? + 1;
    // Installing it is no call.
    if words.iter().take(after).any(|word| word == "install" || word == "pull" || word == "build") {
        return None;
    }
    let rest = words.get(after..).unwrap_or_default();
    let mut call = Vec::new();
    for word in rest {
        if is_end(word) {
            break;
        }
        match word.strip_suffix(';') {
            Some(last) => {
                call.push(last.to_owned());
                break;
            }
            None => call.push(word.clone()),
        }
    }
    Some(call)
}

/// Writes the rules of every call.
pub fn translate(
    file: &Path,
    commands: &[Command],
    writing: &mut Writing,
) -> Result<(), MigrateError> {
    for Command { line, words } in commands {
        let line = *line;
        let wrong = |message: String| MigrateError::Wrong { file: file.to_owned(), line, message };
        let words = words.as_ref().ok_or_else(|| wrong("a quote is not closed".to_owned()))?;
        let options = parse(words).map_err(wrong)?;
        write(file, line, words, options, writing);
    }
    Ok(())
}

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let (name, takes) = option(name)?;
        let mut values: Vec<String> = inline.into_iter().collect();
        while takes == Values::Several || (takes == Values::One && values.is_empty()) {
            match words.next_if(|next| !is_option(next)) {
                Some(value) => values.push(value.clone()),
                None => break,
            }
        }
        if (takes == Values::None) != values.is_empty() {
            return Err(format!("amicleaner's {name} has too few or too many values"));
        }
        if let Some(variable) = values.iter().find(|value| value.contains(['$', '`'])) {
            return Err(format!("`{}` is a variable: write its value instead", shown(variable)));
        }
        options.set(name, values)?;
    }
    if options.mapping_key.is_some() && options.mapping_values.is_empty() {
        return Err("amicleaner needs --mapping-values with --mapping-key".to_owned());
    }
    Ok(options)
}

/// A negative number is a value.
fn is_option(word: &str) -> bool {
    word.starts_with('-') && word.parse::<i64>().is_err()
}

/// Its full name: it takes beginnings of names too, if they are of one option only.
fn option(name: &str) -> Result<(&'static str, Values), String> {
    match name {
        "-v" => return Ok(("--version", Values::None)),
        "-f" => return Ok(("--force-delete", Values::None)),
        // As its README has it.
        "-excluded-mapping-values" => return Ok(("--excluded-mapping-values", Values::Several)),
        _ => {}
    }
    if let Some(exact) = KNOWN.iter().find(|(known, _)| *known == name) {
        return Ok(*exact);
    }
    let mut begins = KNOWN.iter().filter(|(known, _)| name.len() > 2 && known.starts_with(name));
    match (begins.next(), begins.next()) {
        (Some(only), None) => Ok(*only),
        _ => Err(format!("amicleaner has no option `{}`", shown(name))),
    }
}

impl Options {
    fn set(&mut self, name: &str, values: Vec<String>) -> Result<(), String> {
        let number = || {
            let text = values.first().map(String::as_str).unwrap_or_default();
            text.parse::<i64>()
                .map(Some)
                .map_err(|_| format!("`{}` is no number for {name}", shown(text)))
        };
        match name {
            "--from-ids" => self.from_ids = values,
            "--mapping-key" => self.mapping_key = values.into_iter().next(),
            "--mapping-values" => self.mapping_values = values,
            "--excluded-mapping-values" => self.excluded = values,
            "--keep-previous" => self.keep_previous = number()?,
            "--ami-min-days" => self.min_days = number()?,
            "--check-orphans" => self.check_orphans = true,
            "--force-delete" => self.force = true,
            _ => {}
        }
        Ok(())
    }
}

fn write(file: &Path, line: usize, words: &[String], options: Options, writing: &mut Writing) {
    let told: Vec<String> = words.iter().map(|word| shown(word)).collect();
    let told = told.join(" ");
    let mut comments = vec![format!("Theirs: amicleaner {told} (line {line}).")];
    let Options {
        mapping_key,
        mapping_values,
        excluded,
        keep_previous,
        min_days,
        from_ids,
        check_orphans,
        force,
    } = options;
    if check_orphans {
        comments.push(
            "--check-orphans lists snapshots without an image and asks before it deletes them: see [orphans] below, which \
             does so without asking."
                .to_owned(),
        );
    }
    if !from_ids.is_empty() {
        comments.push(
            "NOT TRANSLATED: --from-ids removes the images that are named, in use or not. A policy names none to remove: \
             they fall under the rules like all others."
                .to_owned(),
        );
        writing.leave_out(file, line, "--from-ids removes images by name, whatever uses them");
        return writing.note(comments);
    }
    if !force {
        comments.push("Without --force-delete theirs asks; here `image-steward plan` shows what `apply` does.".to_owned());
    }
    let keep =
        Keep { last: Some(last(keep_previous.unwrap_or(4), &mut comments)), ..Keep::default() };
    let older_than = min_days.filter(|days| *days > 0).map(|days| {
        comments.push(format!(
            "--ami-min-days {days}: younger images are kept and do not count among the newest, as in theirs."
        ));
        format!("{}d", days.min(36_000))
    });
    let mut rule = Rule { comments, keep, ..Rule::default() };
    rule.matches.older_than = older_than;
    match mapping_key.as_deref() {
        Some("name") => by_name(rule, &mapping_values, &excluded, writing),
        None | Some("tags") => by_tags(rule, mapping_values, &excluded, writing),
        Some(other) => {
            rule.comments.push(format!(
                "NOT TRANSLATED: --mapping-key {} is neither `name` nor `tags`, and theirs finds no group by it.",
                shown(other)
            ));
            writing.leave_out(file, line, "--mapping-key is neither `name` nor `tags`");
            writing.note(rule.comments);
        }
    }
}

/// Twice what theirs keeps, because theirs does not count what is in use.
fn last(previous: i64, comments: &mut Vec<String>) -> u32 {
    if previous <= 0 {
        comments.push(
            "--keep-previous 0 keeps no image but those in use; here the newest of a family stays."
                .to_owned(),
        );
        return 1;
    }
    let last = u32::try_from(previous).unwrap_or(u32::MAX).saturating_mul(2).min(1_000_000);
    comments.push(format!(
        "--keep-previous {previous} keeps so many beside those in use; `last` counts those in use too, and is {last}."
    ));
    last
}

/// Theirs joins all images whose name holds a text.
fn by_name(rule: Rule, values: &[String], excluded: &[String], writing: &mut Writing) {
    for value in values {
        let mut rule = rule.clone();
        rule.name = rule_name(value, &mut writing.names);
        rule.matches.name = Some(format!("*{}*", literal(value)));
        rule.group_by = vec!["name_prefix".to_owned(), "architecture".to_owned()];
        rule.comments.push(
            "Theirs takes all images with this text in their name for one group. Here their names, without numbers, dates \
             and versions at the end, tell families apart; without group_by it is as theirs."
                .to_owned(),
        );
        if !excluded.is_empty() {
            // Theirs looks at excluded values only with tags; so it is stricter to keep them here.
            let exceptions = any_of(excluded.iter().map(|value| format!("*{}*", literal(value))));
            rule.matches.not = Some(Box::new(Match { name: exceptions, ..Match::default() }));
            rule.comments.push(
                "Theirs looks at excluded values only with tags. Here such names are kept."
                    .to_owned(),
            );
        }
        writing.entries.push(Entry::Rule(rule));
    }
}

/// Theirs joins all images with the same values of some tags.
fn by_tags(mut rule: Rule, mut keys: Vec<String>, excluded: &[String], writing: &mut Writing) {
    if keys.is_empty() {
        keys = vec!["environment".to_owned(), "role".to_owned()];
        rule.comments.push("Its defaults: groups by the tags environment and role.".to_owned());
    }
    keys.sort();
    keys.dedup();
    rule.name = rule_name(&format!("by-{}", keys.join("-")), &mut writing.names);
    rule.matches.tags = keys.iter().map(|key| (key.clone(), "*".to_owned())).collect();
    rule.group_by = keys.iter().map(|key| format!("tag:{key}")).collect();
    rule.group_by.push("architecture".to_owned());
    rule.comments.push(
        "Images that lack one of these tags are kept; theirs leaves out only those that lack all of them, and takes a tag \
         whose key is only a part of one of these for it."
            .to_owned(),
    );
    if !excluded.is_empty() {
        let glob = any_of(excluded.iter().map(|value| format!("*{}*", literal(value))))
            .unwrap_or_default();
        let kept: BTreeMap<String, String> =
            keys.iter().map(|key| (key.clone(), glob.clone())).collect();
        rule.keep.tags = kept;
        rule.comments.push(
            "Images with an excluded value in any of these tags are kept. (In theirs, several excluded values cancel one \
             another; here each counts.)"
                .to_owned(),
        );
    }
    writing.entries.push(Entry::Rule(rule));
}
