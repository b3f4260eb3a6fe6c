//! `inventory`: read the account and write it down.

use steward::model::{ComputeEnvironments, ReferenceScope, TemplateVersions};
use steward::collect;

use crate::{arguments, live};
use crate::files::write;
use crate::outcome::{CommandError, Exit};
use crate::context::Context;

/// Runs `inventory`.
pub async fn run(arguments: args::InventoryArgs, session: &Context) -> Result<Exit, CommandError> {
    let args::InventoryArgs {
        place,
        all_template_versions,
        no_compute_environments,
        launch_permissions,
        out,
    } = arguments;
    let compute_environments = if no_compute_environments {
        ComputeEnvironments::LeaveOut
    } else {
        ComputeEnvironments::Read
    };
    let versions = if all_template_versions {
        TemplateVersions::All
    } else {
        TemplateVersions::DefaultAndLatest
    };
    let scope = ReferenceScope { versions, compute_environments };
    let live = live::connect(place).await?;
    let (aws, now) = (&live.aws, session.now);
    let mut inventory = survey::collect_inventory(aws, &live.target, &scope, now).await;
    if launch_permissions {
        survey::read_launch_permissions(aws, &mut inventory).await;
    }
    session.progress.end();
    write(&out, &format!("{}\n", serde_json::to_string_pretty(&inventory)?))?;
    for unread in &inventory.unread {
        session.warn(format_args!("not read: {unread}"));
    }
    Ok(if inventory.unread.is_empty() { Exit::Done } else { Exit::Part })
}
