//! The policy: which images are kept, and how the others are retired.
//!
//! [`Policy::parse`] reads TOML, or JSON of the same structure, and returns a checked policy or all
//! errors at once, each with its position, the value and the remedy. Submodules: `schema` (the
//! document as it is written), `scalars` (the types of its values), `glob` (patterns), `parse`
//! (reading it), `wrong_type` (messages about values of the wrong type), `check` (from the document to
//! a [`Policy`]), `digest` (whether two documents say the same), `trust` (the tags that it trusts) and
//! `needs` (what a deployment must allow for it).

mod check;
mod digest;
mod glob;
mod needs;
mod parse;
mod scalars;
mod schema;
mod trust;
mod wrong_type;

use std::fmt;
use std::sync::Arc;

pub use check::DEFAULT_PREFIX;
pub use digest::{DigestError, PolicyDigest};
pub use glob::{Glob, GlobError, literal};
use jiff::tz::TimeZone;
pub use needs::{Needs, RetiredInstances};
pub use scalars::{Age, GroupBy};
pub use trust::{TagUse, TrustedTag};

use crate::model::{
    ComputeEnvironments, ImageId, LaunchPermission, ReferenceScope, TagNames, Tags,
    TemplateVersions,
};

/// A policy that has been checked.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The time zone of calendar rules and of ages in days, weeks, months and years.
    pub timezone: TimeZone,
    /// The names of the state tags.
    pub tag_names: TagNames,
    /// The rules, in order; at least one.
    pub rules: Vec<Rule>,
    /// Limits and checks of a run.
    pub safety: Safety,
    /// The tags of new images.
    pub tagging: Tagging,
    /// What is done about orphans.
    pub orphans: Orphans,
    /// How source instances are retired.
    pub instances: InstancePolicy,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name, 1 to 64 characters, unique in the policy.
    pub name: Arc<str>,
    /// The conditions of the images that it applies to.
    pub matches: Match,
    /// The properties that the images of a family have in common; empty: all images that the rule
    /// matches are one family.
    pub group_by: Vec<GroupBy>,
    /// The keep rules.
    pub keep: Keep,
    /// When the steps of expired images are due.
    pub retire: Retire,
    /// Whether those of its images that other accounts may launch are kept.
    pub shared_images: SharedImages,
    /// Whether the rule itself says so; otherwise `[safety]` or the default does.
    pub overrides_shared_images: bool,
}

/// Conditions that must all hold; no condition matches every image.
#[derive(Debug, Clone, Default)]
pub struct Match {
    /// A glob for the name.
    pub name: Option<Glob>,
    /// Tag keys, each with a glob for the value.
    pub tags: Vec<(String, Glob)>,
    /// A glob for the architecture.
    pub architecture: Option<Glob>,
    /// A glob for the platform.
    pub platform: Option<Glob>,
    /// A glob for the owner's alias.
    pub owner_alias: Option<Glob>,
    /// Only images older than this.
    pub older_than: Option<Age>,
    /// Images that match these conditions are excluded.
    pub not: Option<Box<Match>>,
}

/// The keep rules of a family. A count of 0 keeps nothing.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the keys of the document")]
pub struct Keep {
    /// Every image of the rule, permanently: `keep = "all"`. Then no other key keeps anything.
    pub all: bool,
    pub last: u32,
    pub within: Option<Age>,
    pub hourly: u32,
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
    pub launched_within: Option<Age>,
    pub tags: Vec<(String, Glob)>,
    pub at_least: u32,
}

/// When the retire steps are due.
#[derive(Debug, Clone)]
pub struct Retire {
    /// Counted from when the image was first found expired; `None`: it is not deprecated.
    pub deprecate_after: Option<Age>,
    /// Counted from when the image was first found expired; `None`: it is not disabled.
    pub disable_after: Option<Age>,
    /// Counted from when the image was first found expired.
    pub deregister_after: Age,
    /// Counted from the deregistration; zero: the call that deregisters the image deletes them.
    pub delete_snapshots_after: Age,
}

/// Limits and checks of a run.
#[derive(Debug, Clone)]
pub struct Safety {
    /// The maximum number of images that one run disables or deregisters.
    pub max_per_run: u32,
    /// The maximum number of snapshots that one run deletes, beside those that are deleted with
    /// their images.
    pub max_snapshots_per_run: u32,
    /// The same as a fraction of the images that the rules match, from 0 to 1, rounded up.
    pub max_fraction: f64,
    /// A run with fewer references in the inventory than this is refused.
    pub min_references: u32,
    /// Which versions of launch templates count as references.
    pub template_versions: TemplateVersions,
    /// Whether the compute environments of AWS Batch count as references.
    pub compute_environments: ComputeEnvironments,
    /// Whether snapshots that other accounts may create volumes from are kept.
    pub shared_snapshots: SharedSnapshots,
    /// Those with whom a rescue may share an image again: accounts, organizations and
    /// organizational units.
    pub share_back: Vec<LaunchPermission>,
    /// Whether the Recycle Bin must be able to restore what a run removes.
    pub recycle_bin: Check,
    /// For how many days a rule of the Recycle Bin must keep what is removed.
    pub recycle_bin_days: u32,
    /// Whether EC2 is asked for the references to an image before each step.
    pub references_check: Check,
    /// The ids of launch templates in which what cannot be read is ignored.
    pub ignore_templates: Vec<Arc<str>>,
    /// The names of the calls of which a response without its list is an empty one. The adapter
    /// checks them.
    pub absent_is_empty: Vec<String>,
    /// Tag keys, each with a glob for the value: images and snapshots with any of these tags are
    /// never removed, whatever rule applies.
    pub keep_tags: Vec<(String, Glob)>,
    /// Images that are never changed, sorted.
    pub pinned: Vec<ImageId>,
}

impl Safety {
    /// The tags among `tags` that keep an image or a snapshot, whatever rule applies.
    pub fn keep_tags_among<'a>(
        &'a self,
        tags: &'a Tags,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        matching_tags(&self.keep_tags, tags)
    }

    /// The sources in which references are looked for.
    pub fn reference_scope(&self) -> ReferenceScope {
        ReferenceScope {
            versions: self.template_versions,
            compute_environments: self.compute_environments,
            ignore_templates: self.ignore_templates.clone(),
        }
    }
}

/// Those of `tags` whose key is in `globs`, with a value that its glob matches.
pub(crate) fn matching_tags<'a>(
    globs: &'a [(String, Glob)],
    tags: &'a Tags,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    globs.iter().filter_map(|(key, glob)| {
        let value = tags.get(key).filter(|value| glob.is_match(value))?;
        Some((key.as_str(), value))
    })
}

/// Whether images that other accounts or groups may launch are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum SharedImages {
    /// They are kept.
    #[default]
    Keep,
    /// They are retired like all others.
    Retire,
}

/// Whether snapshots that other accounts or groups may create volumes from are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum SharedSnapshots {
    /// They are kept.
    #[default]
    Keep,
    /// They go like all others, and with whom they are shared is not read.
    Retire,
}

/// How instances are retired that are tagged to be retired once their image exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstancePolicy {
    /// The call that retires them, if any.
    pub retire: RetireAction,
}

/// How an instance is retired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum RetireAction {
    /// It is kept, whatever its tags ask for.
    #[default]
    Never,
    /// It is stopped: its volumes still cost money, and it can be started again.
    Stop,
    /// It is terminated, which cannot be undone.
    Terminate,
}

/// Whether a check is made before anything is removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Check {
    /// Nothing is removed unless the check passes.
    #[default]
    Required,
    /// The check is not made.
    Off,
}

/// What is done about orphans: snapshots whose image was not deregistered by image-steward.
#[derive(Debug, Clone, Copy)]
pub enum Orphans {
    /// They are reported and kept.
    Report,
    /// They are tagged, and deleted in a later run.
    Delete {
        /// Counted from when they were tagged; at least a day.
        after: Age,
    },
}

/// The tags of new images.
#[derive(Debug, Clone)]
pub struct Tagging {
    /// Tags for every new image.
    pub set: Tags,
    /// Keys of tags to copy from the source instance, the most important first: an image can have
    /// 50 tags.
    pub copy_from_instance: Vec<String>,
    /// Whether snapshots get the same tags.
    pub snapshots: CopyToSnapshots,
}

/// Whether an image's snapshots get the image's tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyToSnapshots {
    /// They do.
    Yes,
    /// They get only the state tag with the id of their image.
    No,
}

/// A position in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
}

/// An error in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path of the wrong value, for example `rule[0].keep.last`; empty for the whole document.
    pub path: String,
    /// Its position in the text: known in TOML, and in a document that is not valid JSON.
    pub position: Option<Position>,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// All errors in a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    /// The file name of the document, or another description of its origin.
    pub origin: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, problems } = self;
        for (index, Problem { path, position, message }) in problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{origin}:")?;
            if let Some(Position { line, column }) = position {
                write!(f, "{line}:{column}:")?;
            }
            if !path.is_empty() {
                write!(f, " {path}:")?;
            }
            write!(f, " {message}")?;
        }
        Ok(())
    }
}

impl Policy {
    /// Reads and checks a policy. `origin` is its name in error messages.
    ///
    /// # Errors
    /// [`PolicyError`] with all errors in the document.
    pub fn parse(text: &str, origin: &str) -> Result<Self, PolicyError> {
        Self::parse_with_digest(text, origin).map(|(policy, _)| policy)
    }

    /// The same, with the digest of the document.
    ///
    /// # Errors
    /// [`PolicyError`] with all errors in the document.
    pub fn parse_with_digest(
        text: &str,
        origin: &str,
    ) -> Result<(Self, PolicyDigest), PolicyError> {
        let checked = parse::read(text).and_then(|reading| {
            let digest = reading.digest.clone();
            Ok((check::check(reading)?, digest))
        });
        checked.map_err(|mut problems| {
            problems.sort_by(|a, b| a.position.cmp(&b.position).then_with(|| a.path.cmp(&b.path)));
            PolicyError { origin: origin.to_owned(), problems }
        })
    }

    /// The JSON Schema of the document, draft 2020-12.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(schema::RawPolicy).to_value()
    }
}

#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod tests;
