//! Policies of other tools, written as the nearest policy of ours.
//!
//! Whatever has no equivalent is said in a comment, and then the stricter choice is made: images
//! are kept. A rule that would catch more images than theirs is written as a comment only.

mod actions;
mod amicleaner;
mod command_line;
mod custodian;
mod expression;
mod filters;
mod globs;
mod mark_for_op;
mod mark_index;
mod merge;
mod reduce;
mod settings;
mod yaml;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mark_index::{CustodianPolicy, MarkIndex};
use steward::suggest::{
    Entry, SuggestedKeep, SuggestedPolicy, SuggestedRetire, SuggestedRule, SuggestedSafety, shown,
};
use yaml::YamlError;

/// What was made of somebody else's policies.
pub struct Migrated {
    /// The policy.
    pub document: SuggestedPolicy,
    /// How many rules decide something.
    pub rules: usize,
    /// What could not be translated, with its place.
    pub left_out: Vec<String>,
}

/// A file that is none of those that are known.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum MigrateError {
    #[error("{}:{}:{}: {}", file.display(), cause.line, cause.column, cause.message)]
    Yaml { file: PathBuf, cause: YamlError },
    #[error("{}:{line}: {message}", file.display())]
    Wrong { file: PathBuf, line: usize, message: String },
    #[error(
        "{}:{line}: `{seen}` is neither of what is read here: a file of Cloud Custodian policies (YAML or JSON with \
         `policies:` at the top), or command lines of amicleaner (`amicleaner --mapping-key …`, also from a crontab \
         or a script)",
        file.display()
    )]
    Unknown { file: PathBuf, line: usize, seen: String },
}

/// What the parts of a migration add to.
#[derive(Default)]
struct Writing {
    entries: Vec<Entry>,
    safety: SuggestedSafety,
    names: BTreeSet<String>,
    left_out: Vec<String>,
    tools: BTreeSet<Tool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tool {
    Custodian,
    Amicleaner,
}

impl Writing {
    fn note(&mut self, paragraphs: Vec<String>) {
        self.entries.push(Entry::Note(paragraphs));
    }

    /// Adds a rule, if an image would reach it.
    fn add_rule(&mut self, file: &Path, line: usize, about: &str, mut rule: SuggestedRule) {
        let Some(earlier) = merge::decides_before(&mut self.entries, &rule) else {
            return self.entries.push(Entry::Rule(rule));
        };
        let name = earlier.name.clone();
        rule.comments.push(format!(
            "NO IMAGE WOULD REACH IT: the rule `{name}` above matches all of its images, and the first that matches \
             decides. Choose one, or put this one before it."
        ));
        self.leave_out(
            file,
            line,
            &format!("`{}`: the rule `{name}` decides before it", shown(about)),
        );
        self.entries.push(Entry::Suggestion(rule));
    }

    fn leave_out(&mut self, file: &Path, line: usize, what: &str) {
        self.left_out.push(format!("{}:{line}: {what}", file.display()));
    }
}

/// A file that was read.
enum Theirs {
    Custodian(Vec<yaml::Node>),
    Amicleaner(Vec<command_line::ShellCommand>),
}

/// Translates files, each with its text, in their order.
pub fn migrate(files: &[(PathBuf, String)]) -> Result<Migrated, MigrateError> {
    let read = files.iter().map(|(file, text)| Ok((file.as_path(), read_one(file, text)?)));
    let read = read.collect::<Result<Vec<_>, MigrateError>>()?;
    // A policy may act on what one of another file has marked.
    let marks = MarkIndex::of(read.iter().flat_map(|(file, theirs)| match theirs {
        Theirs::Custodian(policies) => CustodianPolicy::all(file, policies),
        Theirs::Amicleaner(_) => Vec::new(),
    }));
    let mut writing = Writing::default();
    for (file, theirs) in &read {
        match theirs {
            Theirs::Custodian(policies) => {
                writing.tools.insert(Tool::Custodian);
                for policy in CustodianPolicy::all(file, policies) {
                    custodian::translate(policy, &marks, &mut writing);
                }
            }
            Theirs::Amicleaner(commands) => {
                writing.tools.insert(Tool::Amicleaner);
                amicleaner::translate(file, commands, &mut writing)?;
            }
        }
    }
    let is_rule = |entry: &&Entry| matches!(entry, Entry::Rule(_));
    let rules = writing.entries.iter().filter(is_rule).count();
    if rules == 0 {
        writing.entries.push(Entry::Rule(nothing()));
    }
    let Writing { mut entries, mut safety, names: _, left_out, tools } = writing;
    entries.iter_mut().for_each(list_points);
    safety.comments.push(
        "What bounds a run. These are the careful values, or theirs where those are lower."
            .to_owned(),
    );
    let orphans = vec![
        "Snapshots whose image is gone are reported, and stay. To delete them, so long after they were found:".to_owned(),
    ];
    let document = SuggestedPolicy { head: head(files, &tools), entries, safety, orphans };
    Ok(Migrated { document, rules, left_out })
}

fn read_one(file: &Path, text: &str) -> Result<Theirs, MigrateError> {
    let commands = command_line::commands(text);
    match yaml::read(text) {
        Ok(root) if root.get("policies").is_some() => {
            Ok(Theirs::Custodian(custodian::policies(file, &root)?.to_vec()))
        }
        Err(cause) if text.lines().any(|line| line.starts_with("policies:")) => {
            Err(MigrateError::Yaml { file: file.to_owned(), cause })
        }
        _ if !commands.is_empty() => Ok(Theirs::Amicleaner(commands)),
        _ => {
            let told = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
            let first = text.lines().zip(1..).find(|(line, _)| told(line));
            let (seen, line) = first.unwrap_or(("", 1));
            Err(MigrateError::Unknown { file: file.to_owned(), line, seen: shown(seen.trim()) })
        }
    }
}

/// What stands at the top: where this comes from, and where ours is stricter.
fn head(files: &[(PathBuf, String)], tools: &BTreeSet<Tool>) -> Vec<String> {
    let names: Vec<String> =
        files.iter().map(|(file, _)| shown(&file.display().to_string())).collect();
    let mut head = vec![
        format!(
            "Written by `image-steward init --from` from {}. It is the nearest policy, not the same one; read it. Nothing \
             happens to an image before somebody runs `image-steward apply`, or deploys the functions with MODE=apply.",
            names.join(", ")
        ),
        "Where this is stricter, always:".to_owned(),
    ];
    head.extend(STRICTER.iter().map(|(what, how)| format!("   {what:<22} {how}")));
    head.push(LESS_STRICT.to_owned());
    if tools.contains(&Tool::Custodian) {
        head.push(custodian::HEAD.to_owned());
    }
    if tools.contains(&Tool::Amicleaner) {
        head.push(amicleaner::HEAD.to_owned());
    }
    head.push(
        "The first rule that matches an image decides about it, and the ones below never see it. An image that no rule \
         matches is kept."
            .to_owned(),
    );
    head
}

/// What is said of one rule is a list under its first line.
fn list_points(entry: &mut Entry) {
    let comments = match entry {
        Entry::Note(comments) => comments,
        Entry::Rule(rule) | Entry::Suggestion(rule) => &mut rule.comments,
    };
    for comment in comments.iter_mut().skip(1).filter(|comment| !comment.starts_with("Theirs: ")) {
        comment.insert_str(0, "- ");
    }
}

const STRICTER: [(&str, &str); 6] = [
    ("in use", "an image that anything refers to is never touched, whether a rule asks or not"),
    ("evidence", "what could not be read refuses every removal of the run"),
    ("steps", "deprecated, disabled, deregistered, then the snapshots: each can be taken back"),
    ("Recycle Bin", "without rules for images and snapshots nothing is removed (recycle_bin)"),
    ("caps", "a run disables or deregisters only so many (max_per_run, max_fraction)"),
    ("families", "the newest image of a family is kept, however old it is"),
];

const LESS_STRICT: &str = "Where this is LESS strict: theirs does not see disabled images, ours retires them like others; \
    and an image that failed goes a day after it was made, whatever the rule that matches it says.";

/// The rule of a policy in which nothing else could be written.
fn nothing() -> SuggestedRule {
    SuggestedRule {
        comments: vec![
            "Nothing above could be written as a rule that decides. A policy has at least one: this keeps everything."
                .to_owned(),
        ],
        name: "keep-everything".to_owned(),
        keep: SuggestedKeep { within: Some("100y".to_owned()), ..SuggestedKeep::default() },
        retire: SuggestedRetire::default(),
        ..SuggestedRule::default()
    }
}
