//! `inventory`: saves an inventory of the account.

use steward::collect;
use steward::model::{ComputeEnvironments, ReferenceScope, TemplateVersions};

use crate::context::Context;
use crate::files::write_private;
use crate::outcome::{CommandError, Exit};
use crate::{args, live};

/// Runs `inventory`.
pub async fn run(arguments: args::InventoryArgs, context: &Context) -> Result<Exit, CommandError> {
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
    let scope = ReferenceScope {
        versions,
        compute_environments,
        ignore_templates: Vec::new(),
        accounts: Vec::new(),
    };
    let live = live::connect(place, context).await?;
    let (cloud, now) = (live.cloud(), context.now);
    let mut inventory =
        collect::collect_inventory(cloud, &live.target, &scope, now, context.reading()).await;
    if launch_permissions {
        collect::read_launch_permissions(cloud, &mut inventory, |_| true, context.reading()).await;
    }
    context.progress.end();
    write_private(&out, &format!("{}\n", serde_json::to_string_pretty(&inventory)?))?;
    for unread in &inventory.unread {
        context.warn(format_args!("not read: {unread}"));
    }
    Ok(if inventory.unread.is_empty() { Exit::Done } else { Exit::Part })
}
