//! The policy: which images are kept, and how the others are retired.
//!
//! [`Policy::parse`] parses TOML, or JSON of the same structure. It returns a checked policy, or
//! all errors at once. Each error has its position, the value and a remedy. The submodules are:
//!
//! - `schema`: the document as written
//! - `scalars`: the types of its values
//! - `glob`: patterns
//! - `parse`: parsing the document
//! - `wrong_type`: messages about values of the wrong type
//! - `check`: converting the document to a [`Policy`]
//! - `digest`: identifying the content of a document
//! - `trust`: the tags that the policy trusts
//! - `needs`: the permissions that a deployment needs for the policy
//! - `pinned`: the images in `safety.pinned`
//! - `support`: the keys that a provider does not support

mod check;
mod digest;
mod glob;
mod needs;
mod parse;
mod pinned;
mod scalars;
mod schema;
mod support;
mod trust;
mod wrong_type;

use std::fmt;
use std::sync::Arc;

pub use check::DEFAULT_PREFIX;
pub use digest::{DigestError, PolicyDigest};
pub use glob::{Glob, GlobError, literal};
use jiff::tz::TimeZone;
pub use needs::{Needs, RetiredInstances};
pub use pinned::{ParsePinnedError, Pinned, PinnedImages};
pub use scalars::{Age, GroupBy};
pub(crate) use support::write_keys;
pub use support::{UnsupportedKey, UnsupportedPolicy, WhyUnsupported};
pub use trust::{TagUse, TrustedTag};

use crate::model::{
    AccountId, ComputeEnvironments, DocumentKind, LaunchPermission, ReferenceScope, TagNames, Tags,
    TemplateVersions,
};

/// A checked policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The time zone of the keep rules `hourly` to `yearly`, and of durations in days, weeks, months
    /// and years.
    pub timezone: TimeZone,
    /// The names of the state tags.
    pub tag_names: TagNames,
    /// The rules, in order. There is at least one.
    pub rules: Vec<Rule>,
    /// The limits and checks of a run.
    pub safety: Safety,
    /// The tags to write on new images.
    pub tagging: Tagging,
    /// Whether orphans are deleted.
    pub orphans: Orphans,
    /// Whether and how source instances are retired.
    pub instances: InstancePolicy,
}

/// A rule of the policy.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The name of the rule: 1 to 64 characters, unique in the policy.
    pub name: Arc<str>,
    /// The conditions that select the rule's images.
    pub matches: Match,
    /// The properties that the images of a family share. If empty, all images of the rule form one
    /// family.
    pub group_by: Vec<GroupBy>,
    /// The keep rules.
    pub keep: Keep,
    /// When the retire steps of expired images are due.
    pub retire: Retire,
    /// Whether images that are shared with other accounts are kept.
    pub shared_images: SharedImages,
    /// Whether the rule sets `shared_images` itself. Otherwise the value comes from `[safety]` or
    /// the default.
    pub overrides_shared_images: bool,
}

/// Conditions that an image must all meet. Without conditions, every image matches.
#[derive(Debug, Clone, Default)]
pub struct Match {
    /// A glob for the image name.
    pub name: Option<Glob>,
    /// Tag keys, each with a glob for its value.
    pub tags: Vec<(String, Glob)>,
    /// A glob for the architecture.
    pub architecture: Option<Glob>,
    /// A glob for the platform.
    pub platform: Option<Glob>,
    /// A glob for the state of the operating system.
    pub os_state: Option<Glob>,
    /// A glob for the owner alias.
    pub owner_alias: Option<Glob>,
    /// The minimum age of an image.
    pub older_than: Option<Age>,
    /// Conditions that exclude an image if it meets them all.
    pub not: Option<Box<Match>>,
}

/// The keep rules of a family. A count of 0 disables a keep rule.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the keys of the document")]
pub struct Keep {
    /// `keep = "all"`: every image of the rule is kept permanently. The other fields are then not
    /// used.
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
    /// The time from when the image is first found expired to deprecating it. `None` skips the
    /// step.
    pub deprecate_after: Option<Age>,
    /// The time from when the image is first found expired to disabling it. `None` skips the step.
    pub disable_after: Option<Age>,
    /// The time from when the image is first found expired to deregistering it.
    pub deregister_after: Age,
    /// The time from the deregistration to deleting the snapshots. If it is zero, the call that
    /// deregisters the image also deletes them.
    pub delete_snapshots_after: Age,
}

/// The limits and checks of a run.
#[derive(Debug, Clone)]
pub struct Safety {
    /// The maximum number of images that a run disables or deregisters.
    pub max_per_run: u32,
    /// The maximum number of snapshots that a run deletes. Snapshots that are deleted by the call
    /// that deregisters their image do not count.
    pub max_snapshots_per_run: u32,
    /// The maximum number of images that a run disables or deregisters, as a fraction of the images
    /// that the rules match, from 0 to 1. The number is rounded up.
    pub max_fraction: f64,
    /// The minimum number of references in the inventory. With fewer, a run removes nothing.
    pub min_references: u32,
    /// Which versions of launch templates count as references.
    pub template_versions: TemplateVersions,
    /// Whether the policy sets `template_versions` itself.
    pub sets_template_versions: bool,
    /// Whether AWS Batch compute environments count as references.
    pub compute_environments: ComputeEnvironments,
    /// Whether the policy sets `compute_environments` itself.
    pub sets_compute_environments: bool,
    /// Whether snapshots are kept that other accounts may create volumes from.
    pub shared_snapshots: SharedSnapshots,
    /// The accounts, organizations and organizational units with which a rescue may share an image
    /// again.
    pub share_back: Vec<LaunchPermission>,
    /// Whether the Recycle Bin must be able to restore everything that a run removes.
    pub recycle_bin: Check,
    /// The minimum retention in days of the Recycle Bin rules.
    pub recycle_bin_days: u32,
    /// Whether a run requests the references to an image from EC2 before each step.
    pub references_check: Check,
    /// The IDs of launch templates whose references are ignored where they cannot be determined.
    pub ignore_templates: Vec<Arc<str>>,
    /// Further Azure subscriptions in which references are searched completely, sorted. Nothing is
    /// removed if one of them could not be read.
    pub subscriptions: Vec<AccountId>,
    /// The API calls for which a response without a list means an empty list. The adapter checks
    /// the names.
    pub absent_is_empty: Vec<String>,
    /// Tag keys, each with a glob for its value. Images and snapshots with any of these tags are
    /// never removed, whatever rule applies.
    pub keep_tags: Vec<(String, Glob)>,
    /// The images to which no step is applied.
    pub pinned: PinnedImages,
}

impl Safety {
    /// The tags in `tags` that match `keep_tags`.
    pub fn keep_tags_among<'a>(
        &'a self,
        tags: &'a Tags,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        matching_tags(&self.keep_tags, tags)
    }

    /// The sources in which references are searched.
    pub fn reference_scope(&self) -> ReferenceScope {
        ReferenceScope {
            versions: self.template_versions,
            compute_environments: self.compute_environments,
            ignore_templates: self.ignore_templates.clone(),
            accounts: self.subscriptions.clone(),
        }
    }
}

/// The `tags` whose key is in `globs` and whose value matches the glob.
pub(crate) fn matching_tags<'a>(
    globs: &'a [(String, Glob)],
    tags: &'a Tags,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    globs.iter().filter_map(|(key, glob)| {
        let value = tags.get(key).filter(|value| glob.is_match(value))?;
        Some((key.as_str(), value))
    })
}

/// Whether images that are shared with other accounts, or are public, are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum SharedImages {
    /// Shared images are kept.
    #[default]
    Keep,
    /// Shared images are retired like all others.
    Retire,
}

/// Whether snapshots that other accounts may create volumes from are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum SharedSnapshots {
    /// Shared snapshots are kept.
    #[default]
    Keep,
    /// Shared snapshots are deleted like all others. Their volume permissions are not read.
    Retire,
}

/// How instances are retired that are tagged for it, after their image is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstancePolicy {
    /// The action for these instances.
    pub retire: RetireAction,
}

/// The action that retires an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum RetireAction {
    /// The instance is kept, whatever its tags.
    #[default]
    Never,
    /// The instance is stopped. It can be started again, and its volumes still incur cost.
    Stop,
    /// The instance is terminated, which cannot be undone.
    Terminate,
}

/// Whether a check is performed before anything is removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Check {
    /// Nothing is removed unless the check passes.
    #[default]
    Required,
    /// The check is skipped.
    Off,
}

/// How orphans are handled: snapshots whose image was not deregistered by image-steward.
#[derive(Debug, Clone, Copy)]
pub enum Orphans {
    /// Orphans are reported and kept.
    Report,
    /// Orphans are tagged, and a later run deletes them.
    Delete {
        /// The time from tagging an orphan to deleting it. It is at least one day.
        after: Age,
    },
}

/// The tags to write on new images.
#[derive(Debug, Clone)]
pub struct Tagging {
    /// The tags that every new image gets.
    pub set: Tags,
    /// The keys of tags to copy from the source instance, in order of priority. An image can
    /// have at most 50 tags.
    pub copy_from_instance: Vec<String>,
    /// Whether the snapshots of the image get the same tags.
    pub snapshots: CopyToSnapshots,
}

/// Whether the snapshots of an image get the tags of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyToSnapshots {
    /// Snapshots get the same tags as the image.
    Yes,
    /// Snapshots get only the state tag with the ID of their image, and provenance tags.
    No,
}

/// A position in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, starting at 1.
    pub line: usize,
    /// The column in characters, starting at 1.
    pub column: usize,
}

/// An error in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path of the invalid value, for example `rule[0].keep.last`. It is empty if the error
    /// concerns the whole document.
    pub path: String,
    /// The position in the document. It is known for TOML, and for a document that is not valid
    /// JSON.
    pub position: Option<Position>,
    /// The cause and the remedy.
    pub message: String,
}

/// All errors in a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    /// The file name of the policy, or another description of its origin.
    pub origin: String,
    /// The errors; at least one.
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
    /// The format of policies.
    pub const DOCUMENT: DocumentKind = DocumentKind {
        name: "a policy",
        key: "version",
        number: 1,
        remedy: "change the policy to version 1, with `version = 1` at the top",
    };

    /// Parses and checks a policy. `origin` names the policy in error messages.
    ///
    /// # Errors
    /// [`PolicyError`] with all errors in the document.
    pub fn parse(text: &str, origin: &str) -> Result<Self, PolicyError> {
        Self::parse_with_digest(text, origin).map(|(policy, _)| policy)
    }

    /// Parses and checks a policy like [`parse`](Self::parse), and computes the digest of the
    /// document.
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

    /// The JSON Schema of policies, draft 2020-12.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(schema::RawPolicy).to_value()
    }
}

#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod tests;
