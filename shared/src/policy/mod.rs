//! The policy: which images are kept, and how the others are retired.
//!
//! [`Policy::parse`] takes TOML, or JSON of the same shape, and answers with a policy that makes
//! sense or with everything that is wrong with it, each mistake with its place and the remedy.

mod check;
mod document;
mod leaves;
mod raw;

use std::fmt;
use std::sync::Arc;

use globset::GlobMatcher;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::cloud::TemplateVersions;
use crate::ids::ImageId;
use crate::tags::{TagNames, Tags};

pub use leaves::GroupBy;

/// A policy that has been checked.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The time zone of calendar rules and of ages in days, weeks, months and years.
    pub timezone: TimeZone,
    /// The names of our own tags.
    pub names: TagNames,
    /// The rules, in order; at least one.
    pub rules: Vec<Rule>,
    /// What bounds a run.
    pub safety: Safety,
    /// What is written on new images.
    pub tagging: Tagging,
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
    /// From first found expired to deregistered.
    pub deregister_after: Age,
    /// From deregistered to snapshots deleted; zero: in one call.
    pub delete_snapshots_after: Age,
}

/// What bounds a run.
#[derive(Debug, Clone)]
pub struct Safety {
    /// Images that one run may deregister.
    pub max_per_run: u32,
    /// The same as a part of the images that the rules match, from 0 to 1.
    pub max_fraction: f64,
    /// Fewer references than this refuse the run.
    pub min_references: u32,
    /// Which versions of launch templates count as use.
    pub template_versions: TemplateVersions,
    /// Images that are never touched, ordered.
    pub pinned: Vec<ImageId>,
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

/// A length of time, not negative and at most 100 years. Days and longer are calendar units of
/// the policy's time zone: a day may have 23 or 25 hours.
#[derive(Debug, Clone, Copy)]
pub struct Age(Span);

impl Age {
    /// The moment this long before `time`.
    pub fn before(self, time: Timestamp, zone: &TimeZone) -> Timestamp {
        // Out of range means longer ago than time itself: nothing is older.
        let earlier = time.to_zoned(zone.clone()).checked_sub(self.0);
        earlier.map_or(Timestamp::MIN, |zoned| zoned.timestamp())
    }

    /// The moment this long after `time`.
    pub fn after(self, time: Timestamp, zone: &TimeZone) -> Timestamp {
        let later = time.to_zoned(zone.clone()).checked_add(self.0);
        later.map_or(Timestamp::MAX, |zoned| zoned.timestamp())
    }

    /// Whether it is no time at all.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
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
        let checked = document::read(text).and_then(check::check);
        checked.map_err(|mut problems| {
            problems.sort_by(|a, b| a.position.cmp(&b.position).then_with(|| a.path.cmp(&b.path)));
            PolicyError { origin: origin.to_owned(), problems }
        })
    }

    /// The JSON Schema of the document, draft 2020-12.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(raw::Document).to_value()
    }
}

#[cfg(test)]
mod tests;
