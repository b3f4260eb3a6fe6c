//! `permissions`: the IAM policy that a person needs.

use steward_aws::{Permissions, Use};

use crate::args;
use crate::files::print_json;
use crate::outcome::{CommandError, Exit};

/// Runs `permissions`.
pub fn run(arguments: args::PermissionsArgs) -> Result<Exit, CommandError> {
    let args::PermissionsArgs { uses, region, prefix, shared_images, image_parameters } = arguments;
    let uses = uses.into_iter().map(|one| match one {
        args::UseArg::Plan => Use::Plan,
        args::UseArg::Apply => Use::Apply,
        args::UseArg::Restore => Use::Restore,
        args::UseArg::Keep => Use::Keep,
    });
    let permissions =
        Permissions { uses: uses.collect(), region, prefix, shared_images, image_parameters };
    print_json(&permissions.document())?;
    Ok(Exit::Done)
}
