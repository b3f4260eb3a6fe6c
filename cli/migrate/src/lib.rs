//! Translates policies of other tools into the nearest image-steward policy.
//!
//! A comment reports everything without an equivalent, and the translation then keeps more images.
//! A rule that would match more images than its source is written as a comment only.

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

/// The result of a translation.
pub struct Migrated {
    /// The translated policy.
    pub document: SuggestedPolicy,
    /// The number of rules that are not comments.
    pub rules: usize,
    /// What could not be translated, with its file and line.
    pub left_out: Vec<String>,
}

/// A file that cannot be translated.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe them")]
pub enum MigrateError {
    #[error("{}:{}:{}: {}", file.display(), cause.line, cause.column, cause.message)]
    Yaml { file: PathBuf, cause: YamlError },
    #[error("{}:{line}: {message}", file.display())]
    Wrong { file: PathBuf, line: usize, message: String },
    #[error(
        "{}:{line}: unknown format at `{seen}`; expected Cloud Custodian policies (YAML or JSON with `policies:` at \
         the top), or amicleaner command lines (`amicleaner --mapping-key …`, also in a crontab or a script)",
        file.display()
    )]
    Unknown { file: PathBuf, line: usize, seen: String },
}

/// The translation so far.
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

    /// Adds a rule, as a comment if no image would reach it.
    fn add_rule(&mut self, file: &Path, line: usize, about: &str, mut rule: SuggestedRule) {
        let Some(earlier) = merge::decides_before(&mut self.entries, &rule) else {
            return self.entries.push(Entry::Rule(rule));
        };
        let name = earlier.name.clone();
        rule.comments.push(format!(
            "UNREACHABLE: the rule `{name}` above matches all images of this rule, and only the first matching rule \
             applies. Remove one of the two rules, or move this rule before the other."
        ));
        self.leave_out(
            file,
            line,
            &format!("`{}`: unreachable after the rule `{name}`", shown(about)),
        );
        self.entries.push(Entry::Suggestion(rule));
    }

    fn leave_out(&mut self, file: &Path, line: usize, what: &str) {
        self.left_out.push(format!("{}:{line}: {what}", file.display()));
    }
}

/// The content of a file.
enum SourceFile {
    Custodian(Vec<yaml::Node>),
    Amicleaner(Vec<command_line::ShellCommand>),
}

/// Translates files, each with its text, in the given order.
pub fn migrate(files: &[(PathBuf, String)]) -> Result<Migrated, MigrateError> {
    let read = files.iter().map(|(file, text)| Ok((file.as_path(), read_one(file, text)?)));
    let read = read.collect::<Result<Vec<_>, MigrateError>>()?;
    // A policy may act on images that a policy in another file has tagged.
    let marks = MarkIndex::of(read.iter().flat_map(|(file, source)| match source {
        SourceFile::Custodian(policies) => CustodianPolicy::all(file, policies),
        SourceFile::Amicleaner(_) => Vec::new(),
    }));
    let mut writing = Writing::default();
    for (file, source) in &read {
        match source {
            SourceFile::Custodian(policies) => {
                writing.tools.insert(Tool::Custodian);
                for policy in CustodianPolicy::all(file, policies) {
                    custodian::translate(policy, &marks, &mut writing);
                }
            }
            SourceFile::Amicleaner(commands) => {
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
        "Limits of a run: conservative values, or the limits of the source where those are lower."
            .to_owned(),
    );
    let orphans = vec![
        "Snapshots whose image no longer exists are reported and kept. To delete them, set how long after they were found:".to_owned(),
    ];
    let document = SuggestedPolicy { head: head(files, &tools), entries, safety, orphans };
    Ok(Migrated { document, rules, left_out })
}

fn read_one(file: &Path, text: &str) -> Result<SourceFile, MigrateError> {
    let commands = command_line::commands(text);
    match yaml::read(text) {
        Ok(root) if root.get("policies").is_some() => {
            Ok(SourceFile::Custodian(custodian::policies(file, &root)?.to_vec()))
        }
        Err(cause) if text.lines().any(|line| line.starts_with("policies:")) => {
            Err(MigrateError::Yaml { file: file.to_owned(), cause })
        }
        _ if !commands.is_empty() => Ok(SourceFile::Amicleaner(commands)),
        _ => {
            let has_text =
                |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
            let first = text.lines().zip(1..).find(|(line, _)| has_text(line));
            let (seen, line) = first.unwrap_or(("", 1));
            Err(MigrateError::Unknown { file: file.to_owned(), line, seen: shown(seen.trim()) })
        }
    }
}

/// The comment at the top: the sources, and the differences from them.
fn head(files: &[(PathBuf, String)], tools: &BTreeSet<Tool>) -> Vec<String> {
    let names: Vec<String> =
        files.iter().map(|(file, _)| shown(&file.display().to_string())).collect();
    let mut head = vec![
        format!(
            "Generated by `image-steward init --from` from {}. It is the nearest equivalent, not an exact translation; \
             review it. No image changes until you run `image-steward apply`, or deploy the functions in apply mode.",
            names.join(", ")
        ),
        "This policy is always stricter in these respects:".to_owned(),
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
        "Only the first rule that matches an image applies to it. An image that no rule \
         matches is kept."
            .to_owned(),
    );
    head
}

/// Formats the comments of a rule as a list below the first one.
fn list_points(entry: &mut Entry) {
    let comments = match entry {
        Entry::Note(comments) => comments,
        Entry::Rule(rule) | Entry::Suggestion(rule) => &mut rule.comments,
    };
    for comment in comments.iter_mut().skip(1).filter(|comment| !comment.starts_with(SOURCE)) {
        comment.insert_str(0, "- ");
    }
}

/// How the comment that names the source of a rule begins.
const SOURCE: &str = "Source: ";

const STRICTER: [(&str, &str); 6] = [
    ("in use", "an image with a reference is never removed, even if no rule checks for use"),
    ("missing data", "if a source cannot be read, the run removes nothing"),
    ("steps", "deprecate, disable, deregister, delete snapshots; each step can be undone"),
    ("Recycle Bin", "nothing is removed unless its rules cover images and snapshots (recycle_bin)"),
    (
        "limits",
        "a run disables or deregisters a limited number of images (max_per_run, max_fraction)",
    ),
    ("families", "the newest image of a family is kept, however old it is"),
];

const LESS_STRICT: &str = "This policy is LESS strict in these respects: other tools do not see disabled images, but \
    image-steward retires them like other images; and a failed image is removed one day after its creation, whatever \
    the rule that matches it specifies.";

/// The rule of a policy that would have no other rule.
fn nothing() -> SuggestedRule {
    SuggestedRule {
        comments: vec![
            "Nothing above could be translated into a rule. A policy needs at least one rule; this one keeps every image."
                .to_owned(),
        ],
        name: "keep-everything".to_owned(),
        keep: SuggestedKeep { within: Some("100y".to_owned()), ..SuggestedKeep::default() },
        retire: SuggestedRetire::default(),
        ..SuggestedRule::default()
    }
}
