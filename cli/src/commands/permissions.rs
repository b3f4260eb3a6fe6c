//! `permissions`: the IAM policy that a user or pipeline needs, or a role with it.

use clap::ValueEnum;
use steward_aws::{MAX_INLINE_POLICY, MAX_MANAGED_POLICY, Permissions, Use};

use crate::args::{self, PermissionsFormat, TrustArg, UseArg};
use crate::context::Context;
use crate::files::{print, print_json};
use crate::outcome::{CommandError, Exit};
use crate::role_template::{Role, Trust, cloudformation, terraform};

/// Runs `permissions`.
pub fn run(arguments: args::PermissionsArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::PermissionsArgs {
        uses: asked,
        region,
        prefix,
        shared_images,
        image_parameters,
        format,
        trust,
    } = arguments;
    if format == PermissionsFormat::Json && trust.is_some() {
        return Err(CommandError::TrustWithoutRole);
    }
    let uses = asked.iter().map(|one| match one {
        UseArg::Plan => Use::Plan,
        UseArg::Apply => Use::Apply,
        UseArg::Restore => Use::Restore,
        UseArg::Keep => Use::Keep,
    });
    let permissions =
        Permissions { uses: uses.collect(), region, prefix, shared_images, image_parameters };
    let policy = permissions.document();
    let size = policy.size()?;
    if size > MAX_INLINE_POLICY {
        return Err(CommandError::PolicyTooLarge { size });
    }
    let role = || Role { uses: names(&asked), trust: trusted(trust), policy: &policy };
    match format {
        PermissionsFormat::Json => {
            print_json(&policy)?;
            if size > MAX_MANAGED_POLICY {
                context.hint(format_args!(
                    "the IAM policy has {size} characters, which is too large for a managed policy \
                     ({MAX_MANAGED_POLICY}), but fits in an inline policy of a role ({MAX_INLINE_POLICY})"
                ));
            }
        }
        PermissionsFormat::CloudFormation => print(&cloudformation(&role())?)?,
        PermissionsFormat::Terraform => print(&terraform(&role()))?,
    }
    Ok(Exit::Done)
}

/// The names of the uses, each once, in the order of the help.
fn names(asked: &[UseArg]) -> Vec<String> {
    let known = UseArg::value_variants().iter().filter(|one| asked.contains(one));
    let values = known.filter_map(ValueEnum::to_possible_value);
    values.map(|value| value.get_name().to_owned()).collect()
}

fn trusted(trust: Option<TrustArg>) -> Trust {
    match trust.unwrap_or_default() {
        TrustArg::Principal => Trust::Principal,
        TrustArg::GitHub => Trust::GitHub,
        TrustArg::GitLab => Trust::GitLab,
    }
}
