//! The words of each provider, for texts that people read.
//!
//! They are a table in the core and not part of the adapters, because saved inventories and plans
//! are read without an adapter.

mod aws;
mod azure;

use std::fmt;

use super::{ImageId, ImageState, Provider};

/// The words of a provider. The examples are those of AWS.
#[derive(Debug)]
pub struct ProviderWords {
    /// The service that has the images: `EC2`.
    pub service: &'static str,
    /// What owns images: `account`. Its plural ends in `s`.
    pub account: &'static str,
    /// What a run covers: `account and Region`.
    pub place: &'static str,
    /// The same with an article for each part, after "Check": `account and the Region`.
    pub check_place: &'static str,
    /// What to check if an image was not found, as a list after "Check the ID".
    pub check_id: &'static str,
    /// The images and snapshots that were searched: `that the account owns in this Region`.
    pub owned: &'static str,
    /// Who may launch an image, as a plural: `launch permissions`.
    pub permissions: &'static str,
    /// Who may use a snapshot, as a plural: `volume permissions`.
    pub snapshot_permissions: &'static str,
    /// What prevents the removal of an image: `deregistration protection`.
    pub protection: &'static str,
    /// The time that the step `deprecate` sets: `deprecation time`.
    pub deprecation_time: &'static str,
    /// The state of an image after the step `deprecate`, for one or more images: `deprecated`.
    pub deprecated: &'static str,
    /// The state of an image after the step `disable`, for one or more images: `disabled`.
    pub disabled: &'static str,
    /// What the step `deprecate` does, if the name of the step does not describe it.
    pub deprecate_means: Option<&'static str>,
    /// What the step `disable` does, if the name of the step does not describe it.
    pub disable_means: Option<&'static str>,
    /// How an image is removed: `deregister`.
    pub removal: Verb,
    /// Where removed resources are retained, in a sentence: `the Recycle Bin`.
    pub bin: &'static str,
    /// The state of a removed image that can be recovered: `in the Recycle Bin`.
    pub in_bin: &'static str,
    /// The same after "even", as part of a heading: `from the Recycle Bin`.
    pub even_from_bin: &'static str,
    /// Where an image is recovered from: `from the Recycle Bin`.
    pub from_bin: &'static str,
    /// The subject of "covers it" if nothing does: `no Recycle Bin rule`.
    pub no_bin_rule: &'static str,
    /// The same for the whole run: `no Recycle Bin rule in this Region`.
    pub no_bin_rule_here: &'static str,
    /// How to have removed resources retained: `create a rule`.
    pub use_bin: &'static str,
    /// Why an image that the bin does not accept cannot be recovered.
    pub not_accepted: &'static str,
    /// Why an image cannot be recovered, if its capabilities rule it out.
    pub unsupported_recovery: &'static str,
    /// That the images in the bin were not read.
    pub bin_unread: &'static str,
    /// Where an image was not found, after its ID and "is".
    pub gone: &'static str,
    /// The same if the bin was not read completely, after "not found".
    pub gone_as_far_as_read: &'static str,
    /// The provider's command that creates an image from snapshots.
    pub create_image: &'static str,
    /// The provider's command that shares an image.
    pub share_image: &'static str,
    /// The provider's command that undoes the step `disable` for an image.
    pub enable_image: fn(&ImageId) -> String,
    /// The provider's command that removes a tag from an image, given its key and its value.
    pub remove_tag: fn(&ImageId, &str, &str) -> String,
    /// The command that restores an image.
    pub restore_image: fn(&ImageId) -> String,
    /// The stages of a run.
    pub stages: StageWords,
    /// The references that the provider reports, and listings do not contain.
    pub reported_references: &'static str,
    /// A hint that a saved inventory does not contain these references.
    pub not_in_inventory: &'static str,
    /// Why no launch of an image is known.
    pub no_launch: &'static str,
    /// Why a snapshot is not attributed to an image.
    pub not_attributed: &'static str,
    /// What runs an operating system: `instance`. Its plural ends in `s`.
    pub instance: &'static str,
    /// Whose sizes add up to the size of an image: `snapshot`. Its plural ends in `s`.
    pub size_part: &'static str,
    /// The volumes that sizes are based on, as a plural: `volume sizes`.
    pub sizes: &'static str,
    /// Whether snapshots back the images, and are deleted after their images.
    pub has_snapshots: bool,
    /// Whether the name of an image is its ID as it is shown to people.
    pub has_names_as_ids: bool,
    /// The resources one of which uses a reference that is not stale.
    pub stale_users: &'static str,
    /// The resources none of which uses a stale reference: `No Auto Scaling group …`.
    pub no_stale_user: &'static str,
    /// Whether launch templates refer to images.
    pub has_launch_templates: bool,
}

/// A regular verb.
#[derive(Debug)]
pub struct Verb {
    /// The noun: `deregistration`.
    pub noun: &'static str,
    /// The infinitive: `deregister`.
    pub base: &'static str,
    /// After he, she or it: `deregisters`.
    pub third: &'static str,
    /// The past participle: `deregistered`.
    pub done: &'static str,
    /// The present participle: `deregistering`.
    pub doing: &'static str,
}

/// The stages of a run, for a progress display.
#[derive(Debug)]
pub struct StageWords {
    /// Listing images, snapshots and references.
    pub listing: &'static str,
    /// Reading the references that the provider reports.
    pub references: &'static str,
    /// Reading these references and who may launch the images.
    pub references_and_permissions: &'static str,
    /// Reading who may launch the images.
    pub permissions: &'static str,
    /// Disabling and removing images.
    pub retiring: &'static str,
}

impl Provider {
    /// The words of the provider.
    pub fn words(self) -> &'static ProviderWords {
        match self {
            Self::Aws => &aws::WORDS,
            Self::Azure => &azure::WORDS,
        }
    }
}

impl ProviderWords {
    /// The name of an action or a step in a text, given its name in JSON.
    pub fn step(&self, kind: &'static str) -> &'static str {
        if kind == "deregister" { self.removal.base } else { kind }
    }
}

/// A value whose text contains words of the provider. It implements no [`Display`](fmt::Display), so
/// that it cannot be shown in the words of another provider.
pub trait InWords {
    /// Formats the value.
    ///
    /// # Errors
    /// Returns an error only if the formatter does.
    fn format(&self, words: &ProviderWords, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// The value with the words to display it in.
    fn in_words<'a>(&'a self, words: &'a ProviderWords) -> Worded<'a, Self>
    where
        Self: Sized,
    {
        Worded { value: self, words }
    }
}

/// A value that is displayed in the words of a provider.
#[derive(Debug, Clone, Copy)]
pub struct Worded<'a, T> {
    value: &'a T,
    words: &'a ProviderWords,
}

impl<T: InWords> fmt::Display for Worded<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.format(self.words, f)
    }
}

/// Joins the texts of `values` with `separator`.
pub fn join_in_words<T: InWords>(values: &[T], words: &ProviderWords, separator: &str) -> String {
    let texts: Vec<String> = values.iter().map(|one| one.in_words(words).to_string()).collect();
    texts.join(separator)
}

impl InWords for ImageState {
    fn format(&self, words: &ProviderWords, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str(words.disabled),
            Self::Deregistered => f.write_str(words.removal.done),
            other => write!(f, "{other}"),
        }
    }
}
