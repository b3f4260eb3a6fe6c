//! `inventory`: read the account and write it down.

use jiff::Timestamp;
use steward::cloud::{ComputeEnvironments, ReferenceScope, TemplateVersions};
use steward::survey;

use crate::arguments;
use crate::files::print_json;
use crate::live;
use crate::outcome::{CommandError, Exit};

/// Runs `inventory`.
pub async fn run(arguments: arguments::Inventory, now: Timestamp) -> Result<Exit, CommandError> {
    let arguments::Inventory {
        place,
        all_template_versions,
        no_compute_environments,
        launch_permissions,
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
    let mut inventory = survey::take_inventory(&live.aws, &live.home, &scope, now).await;
    if launch_permissions {
        survey::read_launch_permissions(&live.aws, &mut inventory).await;
    }
    print_json(&inventory)?;
    for unread in &inventory.unread {
        eprintln!("image-steward: not read: {unread}");
    }
    Ok(if inventory.unread.is_empty() { Exit::Done } else { Exit::Part })
}
