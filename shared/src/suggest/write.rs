//! Writes a policy as TOML with comments. The result is valid whatever names and tags contain.
//!
//! All policies are written by this module: `init` and the migration from other tools both create a
//! [`SuggestedPolicy`].

use std::collections::BTreeMap;
use std::fmt::Write;

use super::text::{bare_or_quoted, comment, quoted};
use crate::model::Provider;

/// A policy to be written.
#[derive(Debug, Clone, Default)]
pub struct SuggestedPolicy {
    /// The comments at the top, one paragraph per element.
    pub head: Vec<String>,
    /// The rules in order, with the comments between them.
    pub entries: Vec<Entry>,
    /// Limits and checks of a run.
    pub safety: SuggestedSafety,
    /// The comment above `[orphans]`, a section that is itself commented out.
    pub orphans: Vec<String>,
}

/// An entry in the list of rules.
#[derive(Debug, Clone)]
pub enum Entry {
    /// Comments without a rule.
    Note(Vec<String>),
    /// A rule.
    Rule(SuggestedRule),
    /// A rule that is commented out, for a person to review and enable.
    Suggestion(SuggestedRule),
}

/// A rule to be written. Its texts are valid globs: see [`literal`](super::literal).
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the names are the keys of the policy")]
pub struct SuggestedRule {
    /// The comments above the rule, one paragraph per element.
    pub comments: Vec<String>,
    pub name: String,
    pub matches: SuggestedMatch,
    pub group_by: Vec<String>,
    pub keep: SuggestedKeep,
    pub retire: SuggestedRetire,
}

/// The conditions of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the keys of the policy")]
pub struct SuggestedMatch {
    pub name: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub architecture: Option<String>,
    pub platform: Option<String>,
    pub older_than: Option<String>,
    pub not: Option<Box<SuggestedMatch>>,
}

/// The keep rules of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the keys of the policy")]
pub struct SuggestedKeep {
    pub last: Option<u32>,
    pub within: Option<String>,
    pub launched_within: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// The retire steps of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the keys of the policy")]
pub struct SuggestedRetire {
    pub deprecate_after: String,
    pub disable_after: String,
    pub deregister_after: String,
    pub delete_snapshots_after: String,
}

impl Default for SuggestedRetire {
    /// Returns the policy's defaults.
    fn default() -> Self {
        Self {
            deprecate_after: "0d".to_owned(),
            disable_after: "7d".to_owned(),
            deregister_after: "14d".to_owned(),
            delete_snapshots_after: "7d".to_owned(),
        }
    }
}

/// Limits and checks of a run.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the keys of the policy")]
pub struct SuggestedSafety {
    /// The provider of the account. Keys that have no effect for it are omitted in the whole policy.
    pub provider: Provider,
    /// The comments above `[safety]`, one paragraph per element.
    pub comments: Vec<String>,
    pub max_per_run: u32,
    pub max_fraction: f64,
    pub min_references: usize,
}

impl Default for SuggestedSafety {
    /// Returns the policy's defaults.
    fn default() -> Self {
        Self {
            provider: Provider::default(),
            comments: Vec::new(),
            max_per_run: 50,
            max_fraction: 0.25,
            min_references: 1,
        }
    }
}

impl SuggestedPolicy {
    /// Formats the policy as TOML.
    pub fn to_toml(&self) -> String {
        let Self { head, entries, safety, orphans } = self;
        let mut text = String::new();
        comment(&mut text, head);
        text.push_str("version = 1\n");
        text.push_str(
            "# timezone = \"Europe/Berlin\"   # defines when days and months begin; default: UTC\n",
        );
        for entry in entries {
            text.push('\n');
            match entry {
                Entry::Note(paragraphs) => comment(&mut text, paragraphs),
                Entry::Rule(rule) => {
                    comment(&mut text, &rule.comments);
                    text.push_str(&rule.to_toml(safety.provider));
                }
                Entry::Suggestion(rule) => {
                    comment(&mut text, &rule.comments);
                    for line in rule.to_toml(safety.provider).lines() {
                        text.push_str("# ");
                        text.push_str(line);
                        text.push('\n');
                    }
                }
            }
        }
        text.push('\n');
        text.push_str(&safety.to_toml());
        text.push('\n');
        comment(&mut text, orphans);
        text.push_str("# [orphans]\n# delete_after = \"30d\"\n");
        text
    }
}

impl SuggestedRule {
    fn to_toml(&self, provider: Provider) -> String {
        let Self { comments: _, name, matches, group_by, keep, retire } = self;
        let mut text = format!("[[rule]]\nname = {}\n", quoted(name));
        if *matches != SuggestedMatch::default() {
            line(&mut text, "match", &matches.to_toml());
        }
        if !group_by.is_empty() {
            let by: Vec<String> = group_by.iter().map(|by| quoted(by)).collect();
            line(&mut text, "group_by", &format!("[{}]", by.join(", ")));
        }
        line(&mut text, "keep", &keep.to_toml());
        line(&mut text, "retire", &retire.to_toml(provider));
        text
    }
}

impl SuggestedMatch {
    fn to_toml(&self) -> String {
        let Self { name, tags, architecture, platform, older_than, not } = self;
        let mut table = Inline::default();
        table.text("name", name.as_deref());
        table.globs("tags", tags);
        table.text("architecture", architecture.as_deref());
        table.text("platform", platform.as_deref());
        table.text("older_than", older_than.as_deref());
        table.plain("not", not.as_ref().map(|not| not.to_toml()));
        table.close()
    }
}

impl SuggestedKeep {
    fn to_toml(&self) -> String {
        let Self { last, within, launched_within, tags } = self;
        let mut table = Inline::default();
        table.plain("last", last.map(|last| last.to_string()));
        table.text("within", within.as_deref());
        table.text("launched_within", launched_within.as_deref());
        table.globs("tags", tags);
        table.close()
    }
}

impl SuggestedRetire {
    fn to_toml(&self, provider: Provider) -> String {
        let Self { deprecate_after, disable_after, deregister_after, delete_snapshots_after } =
            self;
        let mut table = Inline::default();
        table.text("deprecate_after", Some(deprecate_after));
        table.text("disable_after", Some(disable_after));
        table.text("deregister_after", Some(deregister_after));
        // On Azure, no snapshots back an image.
        if provider == Provider::Aws {
            table.text("delete_snapshots_after", Some(delete_snapshots_after));
        }
        table.close()
    }
}

impl SuggestedSafety {
    fn to_toml(&self) -> String {
        let Self { provider, comments, max_per_run, max_fraction, min_references } = self;
        let mut text = String::new();
        comment(&mut text, comments);
        let limits = [
            (
                format!("max_per_run = {max_per_run}"),
                match provider {
                    Provider::Aws => {
                        "maximum number of images that one run disables or deregisters"
                    }
                    Provider::Azure => "maximum number of images that one run disables or deletes",
                },
            ),
            (
                format!("max_fraction = {max_fraction:?}"),
                "the same limit as a fraction of the images that the rules match",
            ),
            (
                format!("min_references = {min_references}"),
                "refuse to remove anything if fewer references to images are found",
            ),
        ];
        let checks = match provider {
            Provider::Aws => AWS_CHECKS,
            Provider::Azure => AZURE_CHECKS,
        };
        text.push_str("[safety]\n");
        let limits = limits.iter().map(|(value, why)| (value.as_str(), *why));
        for (value, why) in limits.chain(checks.iter().copied()) {
            let _ = writeln!(text, "{value:<37} # {why}");
        }
        text
    }
}

/// The checks of a run on AWS, each with its comment.
const AWS_CHECKS: &[(&str, &str)] = &[
    (
        "template_versions = \"default+latest\"",
        "launch template versions that count as references; or \"all\"",
    ),
    ("compute_environments = \"required\"", "references by AWS Batch; \"off\" ignores them"),
    ("shared_images = \"keep\"", "keep images that other accounts may launch; or \"retire\""),
    (
        "shared_snapshots = \"keep\"",
        "keep snapshots that other accounts may use; \"retire\" saves a call per snapshot",
    ),
    (
        "recycle_bin = \"required\"",
        "remove nothing without Recycle Bin rules for images and snapshots",
    ),
    ("references_check = \"required\"", "read references from EC2 again before each removal"),
    ("pinned = []", "IDs of images that are never removed"),
];

/// The checks of a run on Azure, each with its comment.
const AZURE_CHECKS: &[(&str, &str)] = &[
    ("shared_images = \"keep\"", "keep images that other subscriptions may use; or \"retire\""),
    (
        "recycle_bin = \"required\"",
        "delete only what soft delete retains; \"optional\" allows managed images",
    ),
    ("references_check = \"required\"", "search references again before each removal"),
    ("subscriptions = []", "further subscriptions in which references are searched"),
    ("pinned = []", "IDs of images and image definitions that are never removed"),
];

/// Builds an inline table.
#[derive(Default)]
struct Inline(Vec<String>);

impl Inline {
    fn plain(&mut self, key: &str, value: Option<String>) {
        self.0.extend(value.map(|value| format!("{key} = {value}")));
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        self.plain(key, value.map(quoted));
    }

    fn globs(&mut self, key: &str, globs: &BTreeMap<String, String>) {
        let mut table = Self::default();
        for (key, glob) in globs {
            table.text(&bare_or_quoted(key), Some(glob));
        }
        if !table.0.is_empty() {
            self.plain(key, Some(table.close()));
        }
    }

    fn close(self) -> String {
        if self.0.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", self.0.join(", ")) }
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {value}");
}

#[cfg(test)]
mod tests {
    use super::super::text::any_of;
    use super::*;
    use crate::policy::{Policy, literal};

    const HOSTILE: [&str; 12] = [
        "a\"b",
        "a\\b",
        "a\nb\r\n[[rule]]",
        "a*b?c",
        "[a-z]",
        "{a,b}",
        "a,b",
        "ä\u{202E}ö",
        "\u{7F}\u{0}",
        "'''",
        "]",
        "!^-",
    ];

    #[test]
    fn a_hostile_text_matches_itself_and_nothing_else() {
        for text in HOSTILE {
            let rule = SuggestedRule {
                name: "r".to_owned(),
                comments: vec![text.to_owned(), format!("  {text}")],
                matches: SuggestedMatch {
                    name: any_of([literal(text), literal("other,one")]),
                    tags: BTreeMap::from([(text.to_owned(), literal(text))]),
                    ..SuggestedMatch::default()
                },
                group_by: vec![format!("tag:{text}")],
                keep: SuggestedKeep { last: Some(1), ..SuggestedKeep::default() },
                ..SuggestedRule::default()
            };
            let entries = vec![Entry::Suggestion(rule.clone()), Entry::Rule(rule)];
            let written = SuggestedPolicy { entries, ..SuggestedPolicy::default() }.to_toml();
            let policy =
                Policy::parse(&written, "test").unwrap_or_else(|e| panic!("{e}\n{written}"));
            assert_eq!(policy.rules.len(), 1, "{written}");
            let matches = &policy.rules[0].matches;
            let name = matches.name.as_ref().unwrap();
            assert!(name.is_match(text) && name.is_match("other,one"), "{text:?}: {}", name);
            assert!(!name.is_match(&format!("{text}x")) && !name.is_match("other"), "{text:?}");
            let (key, value) = &matches.tags[0];
            assert!(key == text && value.is_match(text), "{text:?}: {}", value);
        }
    }
}
