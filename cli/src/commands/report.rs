//! `report`: generates the HTML report.

use std::path::Path;

use steward::model::InWords;
use steward::policy::Policy;
use steward::report::page::{About, PageData};
use steward::report::stale;
use steward::simulate::{Growth, simulate_with};

use crate::args::{self, VERSION};
use crate::context::{Context, days_from};
use crate::files::{
    at_most_one_standard, is_standard, name_of, read_policy, read_policy_text, write,
};
use crate::load::{ExtraReads, Loaded, load};
use crate::outcome::{CommandError, Exit};
use crate::page::fill;

/// Runs `report`.
pub async fn run(arguments: args::ReportArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::ReportArgs { policy, input, out, days, against } = arguments;
    at_most_one_standard([Some(&policy.policy), against.as_ref(), input.inventory.as_ref()])?;
    let days = days_from(&days, context.planned_for(input.now.as_ref())?, 0)?;
    let policy_file = short_name(&policy.policy);
    let policy = Policy::parse(&read_policy_text(&policy.policy)?, &name_of(&policy.policy))?;
    let other = against.as_deref().map(read_policy).transpose()?;
    let mut loaded = load(input, &policy, ExtraReads::default(), context).await?;
    let stale = stale(&loaded.plan).into_iter().map(|one| one.image_id);
    loaded.read_references_to(&stale.collect::<Vec<_>>(), &policy, context).await;
    context.progress.end();
    let program = format!("image-steward {VERSION}");
    let about = About { policy_file: &policy_file, program: &program };
    let mut page = PageData::of(&loaded.inventory, &policy, &loaded.plan, &loaded.snapshots, about);
    if days > 0 {
        let future = Future { loaded: &loaded, days, policy: (&policy_file, &policy) };
        let other = against.as_deref().map(short_name).zip(other.as_ref());
        page = page.with_projection(future.projection(other, context)?);
    }
    let title = match &loaded.plan.region {
        Some(region) => format!("Images of account {} in {region}", loaded.plan.account),
        None => format!("Images of subscription {}", loaded.plan.account),
    };
    write(&out, &fill(&title, &page)?)?;
    if !is_standard(&out) {
        context.hint(format_args!("wrote {}", out.display()));
    }
    if let Some(refusal) = &loaded.plan.refusal {
        let refusal = refusal.in_words(loaded.plan.account.provider().words());
        context.warn(format_args!("refused: {refusal}"));
        return Ok(Exit::Refused);
    }
    Ok(Exit::Done)
}

/// The input of the simulations in the report.
struct Future<'a> {
    loaded: &'a Loaded,
    days: u32,
    policy: (&'a str, &'a Policy),
}

impl Future<'_> {
    /// The simulated series of the policy, and of another policy with the same future images.
    fn projection(
        &self,
        other: Option<(String, &Policy)>,
        context: &Context,
    ) -> Result<serde_json::Value, CommandError> {
        let Self { loaded, days, policy: (file, policy) } = *self;
        let now = loaded.plan.planned_at;
        let growth = Growth::of(&loaded.inventory, policy, now);
        let simulate = |policy: &Policy| {
            simulate_with(&loaded.inventory, growth.clone(), policy, now, days, &context.progress)
        };
        let mut projection = serde_json::to_value(simulate(policy).series())?;
        projection["policy"] = file.into();
        projection["days"] = days.into();
        if let Some((file, other)) = other {
            if other.safety.reference_scope() != policy.safety.reference_scope() {
                context.hint(format_args!(
                    "{file} specifies other reference sources; the report uses the sources that {} specifies for \
                     both policies. `simulate` uses the sources of each policy",
                    self.policy.0
                ));
            }
            let theirs = simulate(other);
            let series = theirs.series();
            projection["against"] = file.into();
            projection["against_images"] = series.images.into();
            projection["against_gib"] = series.gib.into();
        }
        Ok(projection)
    }
}

/// The name of a file without its directory, which must not appear in a report for others.
fn short_name(file: &Path) -> String {
    file.file_name().map_or_else(|| name_of(file), |name| name.to_string_lossy().into_owned())
}
