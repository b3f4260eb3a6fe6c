//! `validate`: checks a policy for errors.

use serde::Serialize;
use steward::plan::notes::Note;
use steward::plan::plan;
use steward::policy::{Needs, Policy, PolicyDigest, TrustedTag};
use steward::report::{notes_text, trusted_tags_text};

use crate::args::{self, Format, PolicyArgs};
use crate::context::Context;
use crate::files::{
    at_most_one_standard, name_of, print, print_json, read_inventory, read_policy_text,
};
use crate::outcome::{CommandError, Exit};
use crate::strict;

/// A valid policy.
#[derive(Serialize)]
struct Valid<'a> {
    digest: &'a PolicyDigest,
    rules: Vec<&'a str>,
    tag_prefix: &'a str,
    /// The permissions that a deployment needs.
    needs: Needs,
    /// Tags that decide what is kept: anyone who can change them can change the decisions.
    trusted_tags: Vec<TrustedTag>,
    /// Entries without effect in the inventory; absent without an inventory.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<&'a [Note]>,
}

/// Runs `validate`.
pub fn run(arguments: args::ValidateArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::ValidateArgs { policy: PolicyArgs { policy: file }, inventory, strict, output } =
        arguments;
    at_most_one_standard([Some(&file), inventory.as_ref()])?;
    let name = name_of(&file);
    let (policy, digest) = Policy::parse_with_digest(&read_policy_text(&file)?, &name)?;
    steward_aws::check_absent_lists(&policy.safety.absent_is_empty)?;
    let inventory = inventory.as_deref().map(read_inventory).transpose()?;
    let notes = inventory.map(|inventory| plan(&inventory, &policy, inventory.taken_at).notes);
    let failure = strict::failure(strict, notes.as_deref().unwrap_or_default(), context);
    let rules: Vec<_> = policy.rules.iter().map(|rule| rule.name.as_ref()).collect();
    match output.format {
        Format::Json => print_json(&Valid {
            digest: &digest,
            rules,
            tag_prefix: policy.tag_names.prefix(),
            needs: policy.needs(),
            trusted_tags: policy.trusted_tags(),
            notes: notes.as_deref(),
        })?,
        Format::Table => {
            print(&format!("{name}: valid; rules: {}\nDigest: {digest}\n", rules.join(", ")))?;
            print(&trusted_tags_text(&policy, context.style))?;
            print(&notes_text(&notes.unwrap_or_default(), context.style))?;
        }
    }
    Ok(failure.unwrap_or(Exit::Done))
}
