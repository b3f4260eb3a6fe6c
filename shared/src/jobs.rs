//! The jobs behind the functions and the command: event or tick → inventory → plan → apply.
//!
//! A job takes the port, the policy, the time and a deadline, and answers with a value. In plan
//! mode it calls nothing that changes the world.

use jiff::Timestamp;
use serde::Serialize;

use crate::apply::{self, Changed, Deadline, FailedStep, Failure, Outcome, Status};
use crate::cloud::{Cloud, CloudError, SnapshotScope};
use crate::event::Trigger;
use crate::ids::{ImageId, SnapshotId};
use crate::inventory::{Image, ImageState};
use crate::plan::reap::{SnapshotAction, SnapshotDecision};
use crate::plan::{Action, Decision, Plan, Summary};
use crate::policy::Policy;
use crate::survey::{self, Home};
use crate::tagging::{TagPlan, plan_tags};

/// An answer may have 6 MB; a decision with many reasons takes about 1 KB of it, and the ids of
/// what was done come on top.
pub const MOST_STEPS: usize = 1000;

/// Whether a run may change anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It says what it would do.
    #[default]
    Plan,
    /// It does it.
    Apply,
}

/// What every job needs.
#[derive(Debug)]
pub struct Job<'a, C, D> {
    /// The port.
    pub cloud: &'a C,
    /// The account and Region.
    pub home: &'a Home,
    /// The policy.
    pub policy: &'a Policy,
    /// Whether anything may be changed.
    pub mode: Mode,
    /// The time that all ages are counted from.
    pub now: Timestamp,
    /// When to stop.
    pub deadline: &'a D,
}

/// A job's answer to an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The event was none of this function's business, or made no sense; nothing was done.
    Ignored {
        /// Why.
        why: String,
    },
    /// An image was tagged, or would be.
    Tagged(Tagged),
    /// A sweep over the images.
    Pruned(Pruned),
    /// A sweep over the snapshots.
    Reaped(Reaped),
}

/// What became of a new image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tagged {
    /// Whether anything was changed.
    pub mode: Mode,
    /// The image.
    pub image_id: ImageId,
    /// Resources, each with the tags that it got or would get.
    pub tagged: Vec<TaggedResource>,
    /// Tags that there was no room for: resource and key.
    pub dropped: Vec<(String, String)>,
    /// What failed.
    pub failed: Vec<Failure>,
    /// What was gone by then.
    pub changed: Vec<Changed>,
}

/// A resource and its new tags.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaggedResource {
    /// The image or snapshot.
    pub id: String,
    /// The tags that it got or would get.
    pub tags: crate::tags::Tags,
}

/// A sweep over the images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pruned {
    /// Whether anything was changed.
    pub mode: Mode,
    /// The counts of the plan.
    pub summary: Summary,
    /// The decisions of the plan that change something, at most [`MOST_STEPS`]; the log has all.
    pub steps: Vec<Decision>,
    /// What was done.
    pub outcome: Outcome,
}

/// A sweep over the snapshots.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reaped {
    /// Whether anything was changed.
    pub mode: Mode,
    /// The orphans that are to be marked.
    pub orphans: Vec<SnapshotId>,
    /// The snapshots whose time has come.
    pub due: Vec<SnapshotId>,
    /// The marked snapshots and the orphans that are kept, and why.
    pub kept: Vec<SnapshotDecision>,
    /// What was done.
    pub outcome: Outcome,
}

/// All that a job tried failed: the runtime should know, and try again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JobError {
    /// The event was earlier than the provider's own listing: to be sent again.
    #[error("{0} is said to be available, but is pending still; send the event again")]
    NotYet(ImageId),
    /// A call that the job cannot do without.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// Every step failed.
    #[error("nothing succeeded, {count} failed; the first: {} of {}: {}", first.step.as_str(), first.id, first.message)]
    AllFailed {
        /// How many.
        count: usize,
        /// One of them.
        first: Failure,
    },
}

impl Outcome {
    /// # Errors
    /// [`JobError::AllFailed`] when nothing that was tried succeeded.
    fn or_all_failed(self) -> Result<Self, JobError> {
        match self.failed.first() {
            Some(first) if self.status() == Status::Failed => {
                Err(JobError::AllFailed { count: self.failed.len(), first: first.clone() })
            }
            _ => Ok(self),
        }
    }
}

impl<C: Cloud, D: Deadline> Job<'_, C, D> {
    /// An image became available: tag it and its snapshots.
    ///
    /// # Errors
    /// When the image cannot be read, or no tag can be written.
    pub async fn tag_image(&self, trigger: &Trigger) -> Result<Answer, JobError> {
        let image = match trigger {
            Trigger::Image { image, state: ImageState::Available, .. } => {
                match self.elsewhere(trigger) {
                    Some(why) => return Ok(ignored(why)),
                    None => image,
                }
            }
            Trigger::Image { image, state: ImageState::Failed, message, .. } => {
                tracing::warn!(image_id = %image, message, "image failed");
                return Ok(ignored(format!("{image} failed: {message}")));
            }
            other => return Ok(ignored(not_for_us(other))),
        };
        let Some(found) = self.cloud.find_image(image).await? else {
            return Ok(ignored(format!("{image} is gone")));
        };
        // The event may be old: what counts is the image as it is now.
        if found.state == ImageState::Pending {
            return Err(JobError::NotYet(image.clone()));
        }
        if found.state != ImageState::Available {
            return Ok(ignored(format!("{image} is {} by now", found.state)));
        }
        if found.owner_id.as_ref() != Some(&self.home.account) {
            return Ok(ignored(format!("{image} belongs to another account")));
        }
        let plan = self.plan_tags(&found).await?;
        let mut tagged = Tagged {
            mode: self.mode,
            image_id: image.clone(),
            tagged: Vec::new(),
            dropped: plan.dropped.iter().map(|(id, key)| (id.to_string(), key.clone())).collect(),
            failed: Vec::new(),
            changed: Vec::new(),
        };
        for (id, key) in &tagged.dropped {
            tracing::warn!(image_id = %image, resource_id = id, key, "no room for this tag");
        }
        self.write_tags(&plan, &mut tagged).await;
        match tagged.failed.first() {
            Some(first) if tagged.tagged.is_empty() => {
                Err(JobError::AllFailed { count: tagged.failed.len(), first: first.clone() })
            }
            _ => Ok(Answer::Tagged(tagged)),
        }
    }

    async fn plan_tags(&self, image: &Image) -> Result<TagPlan, CloudError> {
        let source = match &image.source_instance {
            Some(instance) => self.cloud.find_instance_tags(instance).await?,
            None => None,
        };
        let snapshots = self.cloud.find_snapshots(&image.snapshots).await?;
        Ok(plan_tags(image, source.as_ref(), &snapshots, self.policy))
    }

    async fn write_tags(&self, plan: &TagPlan, tagged: &mut Tagged) {
        for (tags, resources) in &plan.writes {
            let results = match self.mode {
                Mode::Plan => resources.iter().map(|_| Ok(())).collect(),
                Mode::Apply => apply::tag_each(self.cloud, resources, tags).await,
            };
            for (resource, result) in resources.iter().zip(results) {
                let id = resource.to_string();
                match result {
                    Ok(()) => {
                        tracing::info!(image_id = %tagged.image_id, resource_id = id, mode = ?self.mode, "tagged");
                        tagged.tagged.push(TaggedResource { id, tags: tags.clone() });
                    }
                    Err(error) if error.kind == crate::cloud::ErrorKind::NotFound => {
                        tagged.changed.push(Changed { id, because: "it is gone".to_owned() });
                    }
                    Err(error) => tagged.failed.push(Failure {
                        id,
                        step: FailedStep::Tag,
                        code: error.code.clone(),
                        message: error.to_string(),
                    }),
                }
            }
        }
    }

    /// The schedule: retire what the policy does not keep.
    ///
    /// # Errors
    /// When everything that was tried failed.
    pub async fn prune_images(&self, trigger: &Trigger) -> Result<Answer, JobError> {
        if *trigger != Trigger::Schedule {
            return Ok(ignored(not_for_us(trigger)));
        }
        let plan = self.plan_images().await;
        let outcome = self.apply_images(&plan).await.or_all_failed()?;
        let steps = plan.decisions.into_iter().filter(changes_something).take(MOST_STEPS).collect();
        Ok(Answer::Pruned(Pruned { mode: self.mode, summary: plan.summary, steps, outcome }))
    }

    /// Reads the world and plans.
    pub async fn plan_images(&self) -> Plan {
        let scope = self.policy.safety.reference_scope();
        let mut inventory = survey::take_inventory(self.cloud, self.home, &scope, self.now).await;
        let plan = survey::plan_with_evidence(
            self.cloud,
            &mut inventory,
            self.policy,
            self.now,
            self.deadline,
        )
        .await;
        log_plan(&plan);
        plan
    }

    /// Carries out a plan, or in plan mode says that nothing was done.
    pub async fn apply_images(&self, plan: &Plan) -> Outcome {
        match self.mode {
            Mode::Apply => apply::apply(plan, self.policy, self.cloud, self.deadline).await,
            Mode::Plan => Outcome {
                refused: plan.refusal.as_ref().map(ToString::to_string),
                ..Outcome::default()
            },
        }
    }

    /// An image was deregistered, or the schedule: delete the snapshots that no image needs.
    ///
    /// # Errors
    /// When everything that was tried failed.
    pub async fn reap_snapshots(&self, trigger: &Trigger) -> Result<Answer, JobError> {
        let scope = match trigger {
            Trigger::Schedule => SnapshotScope::Own,
            Trigger::Image { image, state: ImageState::Deregistered, .. } => {
                match self.elsewhere(trigger) {
                    Some(why) => return Ok(ignored(why)),
                    None => SnapshotScope::Tagged {
                        key: self.policy.names.image.clone(),
                        value: image.to_string(),
                    },
                }
            }
            other => return Ok(ignored(not_for_us(other))),
        };
        let mut reaped = self.reap(&scope).await;
        reaped.outcome = reaped.outcome.or_all_failed()?;
        reaped.kept.truncate(MOST_STEPS);
        Ok(Answer::Reaped(reaped))
    }

    /// Plans for the marked snapshots of `scope`, and in apply mode deletes those that are due.
    pub async fn reap(&self, scope: &SnapshotScope) -> Reaped {
        let (cloud, policy, now) = (self.cloud, self.policy, self.now);
        let mut inventory =
            survey::take_snapshot_inventory(cloud, self.home, scope, policy, now).await;
        let plan =
            survey::plan_snapshots_with_evidence(cloud, &mut inventory, policy, now, self.deadline)
                .await;
        let outcome = match self.mode {
            Mode::Apply => {
                apply::apply_snapshots(&plan, self.policy, self.cloud, self.deadline).await
            }
            Mode::Plan => Outcome::default(),
        };
        let (mut orphans, mut due, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for decision in plan.decisions {
            match decision.action {
                SnapshotAction::Mark => orphans.push(decision.snapshot_id),
                SnapshotAction::Delete => due.push(decision.snapshot_id),
                SnapshotAction::Keep => kept.push(decision),
            }
        }
        Reaped { mode: self.mode, orphans, due, kept, outcome }
    }

    /// Why an event about another account or Region is not for us.
    fn elsewhere(&self, trigger: &Trigger) -> Option<String> {
        let Trigger::Image { account, region, .. } = trigger else { return None };
        let Home { account: our_account, region: our_region } = self.home;
        match (account, region) {
            (Some(account), _) if account != our_account => Some(format!(
                "the event is from account {account}, this function runs in {our_account}"
            )),
            (_, Some(region)) if region != our_region => {
                Some(format!("the event is from {region}, this function runs in {our_region}"))
            }
            _ => None,
        }
    }
}

fn ignored(why: String) -> Answer {
    tracing::warn!(why, "event ignored");
    Answer::Ignored { why }
}

fn not_for_us(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Malformed { why } => format!("malformed event: {why}"),
        Trigger::Ignored { what } => format!("unknown event: {what}"),
        Trigger::Schedule => "this function does nothing on a schedule".to_owned(),
        Trigger::Image { image, state, .. } => format!("nothing to do when {image} is {state}"),
    }
}

fn changes_something(decision: &Decision) -> bool {
    !matches!(decision.action, Action::Keep | Action::Wait)
}

/// One line for each image that something is to be done about, and one for the whole.
fn log_plan(plan: &Plan) {
    for decision in plan.decisions.iter().filter(|decision| changes_something(decision)) {
        let because: Vec<_> = decision.because.iter().map(ToString::to_string).collect();
        tracing::info!(
            image_id = %decision.image_id,
            action = crate::report::action_word(&decision.action),
            rule = decision.rule.as_deref(),
            group = decision.group.as_deref(),
            because = because.join(", "),
            "planned"
        );
    }
    if let Some(refusal) = &plan.refusal {
        tracing::error!(%refusal, "refused: nothing is removed");
    }
    let counts = &plan.summary;
    tracing::info!(
        images = counts.images,
        in_use = counts.in_use,
        keep = counts.keep,
        rescue = counts.rescue,
        wait = counts.wait,
        expire = counts.expire,
        deprecate = counts.deprecate,
        disable = counts.disable,
        deregister = counts.deregister,
        deferred = counts.deferred,
        snapshots = counts.snapshots,
        snapshots_gib = counts.snapshots_gib,
        "plan"
    );
}
