//! `report`: a page for people.

use steward::policy::Policy;
use steward::report::page::{About, Page};

use crate::arguments::{self, VERSION};
use crate::files::{is_standard, name_of, read, write};
use crate::outcome::{CommandError, Exit};
use crate::page::fill;
use crate::seen::see;
use crate::session::Session;

/// Runs `report`.
pub async fn run(arguments: arguments::Report, session: &Session) -> Result<Exit, CommandError> {
    let arguments::Report { policy, world, out } = arguments;
    if is_standard(&policy.policy) && world.inventory.as_deref().is_some_and(is_standard) {
        return Err(CommandError::TwoStandardInputs);
    }
    let policy_file = name_of(&policy.policy);
    let policy = Policy::parse(&read(&policy.policy)?, &policy_file)?;
    let seen = see(world, &policy, &[], session).await?;
    session.progress.end();
    let program = format!("image-steward {VERSION}");
    let about = About { policy_file: &policy_file, program: &program };
    let page = Page::of(&seen.inventory, &policy, &seen.plan, about);
    let title = format!("Images in account {}, {}", seen.plan.account, seen.plan.region);
    write(&out, &fill(&title, &page)?)?;
    if !is_standard(&out) {
        session.hint(format_args!("written: {}", out.display()));
    }
    if let Some(refusal) = &seen.plan.refusal {
        eprintln!("image-steward: refused: {refusal}");
        return Ok(Exit::Refused);
    }
    Ok(Exit::Done)
}
