//! The policy: which images are kept, and how the others are retired.
//!
//! [`Policy::parse`] takes TOML, or JSON of the same shape, and answers with a policy that makes
//! sense or with everything that is wrong with it, each mistake with its place and the remedy.

mod check;
mod parse;
mod scalars;
mod schema;

use std::fmt;
use std::sync::Arc;

pub use check::DEFAULT_PREFIX;
use globset::GlobMatcher;
use jiff::tz::TimeZone;
pub use scalars::{Age, GroupBy};

use crate::model::{
    ComputeEnvironments, ImageId, ReferenceScope, TagNames, Tags, TemplateVersions,
};

/// A policy that has been checked.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The time zone of calendar rules and of ages in days, weeks, months and years.
    pub timezone: TimeZone,
    /// The names of our own tags.
    pub tag_names: TagNames,
    /// The rules, in order; at least one.
    pub rules: Vec<Rule>,
    /// What bounds a run.
    pub safety: Safety,
    /// What is written on new images.
    pub tagging: Tagging,
    /// What becomes of snapshots whose image is gone without our doing.
    pub orphans: Orphans,
    /// What becomes of machines that asked to be retired.
    pub instances: InstancePolicy,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub name: Arc<str>,
    /// The images it is for.
    pub matches: Match,
    /// What makes images members of one family; empty: all of them are one.
    pub group_by: Vec<GroupBy>,
    /// What is kept.
    pub keep: Keep,
    /// How the others are retired.
    pub retire: Retire,
}

/// Conditions that must all hold; no condition matches every image.
#[derive(Debug, Clone, Default)]
pub struct Match {
    /// Over the name.
    pub name: Option<GlobMatcher>,
    /// Key, and a glob over the value.
    pub tags: Vec<(String, GlobMatcher)>,
    /// Over the architecture.
    pub architecture: Option<GlobMatcher>,
    /// Over the platform.
    pub platform: Option<GlobMatcher>,
    /// Over the owner's alias.
    pub owner_alias: Option<GlobMatcher>,
    /// Only images older than this.
    pub older_than: Option<Age>,
    /// Exceptions.
    pub not: Option<Box<Match>>,
}

/// What is kept in a family; counts of 0 keep nothing.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the keys of the document")]
pub struct Keep {
    pub last: u32,
    pub within: Option<Age>,
    pub hourly: u32,
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
    pub launched_within: Option<Age>,
    pub tags: Vec<(String, GlobMatcher)>,
    pub at_least: u32,
}

/// The times of the retire steps.
#[derive(Debug, Clone)]
pub struct Retire {
    /// From first found expired to deprecated; `None`: never.
    pub deprecate_after: Option<Age>,
    /// From first found expired to disabled; `None`: never.
    pub disable_after: Option<Age>,
    /// From first found expired to deregistered.
    pub deregister_after: Age,
    /// From deregistered to snapshots deleted; zero: in one call.
    pub delete_snapshots_after: Age,
}

/// What bounds a run.
#[derive(Debug, Clone)]
pub struct Safety {
    /// Images that one run may disable or deregister.
    pub max_per_run: u32,
    /// The same as a part of the images that the rules match, from 0 to 1.
    pub max_fraction: f64,
    /// Fewer references than this refuse the run.
    pub min_references: u32,
    /// Which versions of launch templates count as use.
    pub template_versions: TemplateVersions,
    /// Whether the compute environments of AWS Batch count as use.
    pub compute_environments: ComputeEnvironments,
    /// What becomes of images that others may launch.
    pub shared_images: SharedImages,
    /// Whether what is removed must be recoverable.
    pub recycle_bin: Check,
    /// Whether the provider is asked what refers to an image before anything is done to it.
    pub references_check: Check,
    /// Images that are never touched, ordered.
    pub pinned: Vec<ImageId>,
}

impl Safety {
    /// Where references are looked for.
    pub fn reference_scope(&self) -> ReferenceScope {
        ReferenceScope {
            versions: self.template_versions,
            compute_environments: self.compute_environments,
        }
    }
}

/// What becomes of images that other accounts or groups may launch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum SharedImages {
    /// They are kept.
    #[default]
    Keep,
    /// They are retired like all others.
    Retire,
}

/// What becomes of machines that asked to be retired once their image is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstancePolicy {
    /// How they end.
    pub retire: RetireAction,
}

/// How a machine ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum RetireAction {
    /// It is stopped: it costs its volumes, and can be started again.
    #[default]
    Stop,
    /// It is terminated, for good.
    Terminate,
}

/// Whether a precaution is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Check {
    /// Without it nothing is removed.
    #[default]
    Required,
    /// It is left out.
    Off,
}

/// What becomes of snapshots whose image is gone without our doing.
#[derive(Debug, Clone, Copy)]
pub enum Orphans {
    /// They are reported, and stay.
    Report,
    /// They are marked, and deleted this long after.
    Delete {
        /// From marked to deleted.
        after: Age,
    },
}

/// What is written on new images.
#[derive(Debug, Clone)]
pub struct Tagging {
    /// Tags for every new image.
    pub set: Tags,
    /// Keys of tags to copy from the source machine, in order of importance.
    pub copy_from_instance: Vec<String>,
    /// Whether snapshots get the same tags.
    pub snapshots: CopyToSnapshots,
}

/// Whether an image's snapshots get the image's tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyToSnapshots {
    /// They do.
    Yes,
    /// They get only the tag that names their image.
    No,
}

/// A place in a text, both numbers from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Position {
    fn in_text(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

/// One thing that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path to it, for example `rule[0].keep.last`; empty for the whole document.
    pub path: String,
    /// Where it stands in the text, when that is known: always in TOML, and in JSON that cannot
    /// be read as JSON.
    pub position: Option<Position>,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// A policy that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    /// What the document is called: a file name, or where else it came from.
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
    /// Reads a policy. `origin` is what error messages call it.
    ///
    /// # Errors
    /// [`PolicyError`] with every mistake in the document.
    pub fn parse(text: &str, origin: &str) -> Result<Self, PolicyError> {
        let checked = parse::read(text).and_then(check::check);
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
mod tests;
