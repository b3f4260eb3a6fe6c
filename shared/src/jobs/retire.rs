//! Machines that asked to be retired once their image is there.

use super::{Answer, Job, JobError, Mode, Report, Retired, Work, all_failed, not_for_us};
use crate::apply::{Deadline, FailedStep, Failure, MARGIN, Outcome};
use crate::cloud::{Cloud, CloudError, ErrorKind, Machine, Machines};
use crate::event::Trigger;
use crate::inventory::{Image, ImageState};
use crate::plan::instance::{InstanceAction, InstanceDecision, asks_for, decide_instance};
use crate::report::Counts;

impl<C: Cloud + Machines, D: Deadline> Job<'_, C, D> {
    /// An image became available, or the schedule, which makes up for events that were missed or
    /// came too early: retire the machines that asked to be retired once it is there.
    ///
    /// # Errors
    /// When machines or images cannot be listed.
    pub async fn retire_instances(&self, trigger: &Trigger) -> Result<Report, JobError> {
        let only = match trigger {
            Trigger::Schedule => None,
            Trigger::Image { image, state: ImageState::Available, account, region, .. } => {
                match self.elsewhere(account.as_ref(), region.as_ref()) {
                    Some(why) => return Ok(Report::ignored(why)),
                    None => Some(image),
                }
            }
            other => return Ok(Report::ignored(not_for_us(other))),
        };
        let machines =
            self.cloud.list_machines_tagged(&self.policy.names.retire_when_imaged).await?;
        let images = match only {
            _ if machines.is_empty() => Vec::new(),
            None => self.cloud.list_images().await?,
            Some(image) => self.cloud.find_image(image).await?.into_iter().collect(),
        };
        let mut retired = Retired {
            mode: self.mode,
            retired: Vec::new(),
            kept: Vec::new(),
            not_reached: Vec::new(),
            failed: Vec::new(),
        };
        for machine in &machines {
            let image = images.iter().find(|image| asks_for(machine, image, self.policy));
            // An event is about one image: the other machines do not wait for it.
            if only.is_some() && image.is_none() {
                continue;
            }
            if self.deadline.left() < MARGIN {
                retired.not_reached.push(machine.instance_id.clone());
                continue;
            }
            self.retire_one(machine, image, &mut retired).await;
        }
        Ok(self.report_retired(retired, only.is_none()))
    }

    async fn retire_one(&self, machine: &Machine, image: Option<&Image>, retired: &mut Retired) {
        let instance_id = &machine.instance_id;
        let result = match self.decide(machine, image).await {
            Ok(decision) if decision.action == InstanceAction::Keep => {
                let because: Vec<_> = decision.because.iter().map(ToString::to_string).collect();
                tracing::warn!(%instance_id, because = because.join("; "), "not retired");
                retired.kept.push(decision);
                return;
            }
            Ok(decision) => self.end(&decision).await.map(|()| decision),
            Err(error) => Err(error),
        };
        match result {
            Ok(decision) => {
                tracing::info!(%instance_id, action = ?decision.action, mode = ?self.mode, "retired");
                retired.retired.push(decision);
            }
            // Gone between two calls: whoever ended it, nothing is left to be done.
            Err(error) if error.kind == ErrorKind::NotFound => {
                tracing::info!(%instance_id, "it is gone");
            }
            Err(error) => {
                tracing::error!(%instance_id, %error, "retiring failed");
                retired.failed.push(Failure {
                    id: instance_id.to_string(),
                    step: FailedStep::Retire,
                    code: error.code.clone(),
                    message: error.to_string(),
                });
            }
        }
    }

    async fn decide(
        &self,
        machine: &Machine,
        image: Option<&Image>,
    ) -> Result<InstanceDecision, CloudError> {
        let snapshots = match image {
            Some(image) => self.cloud.find_snapshots(&image.snapshots).await?,
            None => Vec::new(),
        };
        // What stands in its way is read last, right before the step.
        let guards = self.cloud.find_guards(&machine.instance_id).await?;
        let image = image.map(|image| (image, snapshots.as_slice()));
        let account = &self.home.account;
        Ok(decide_instance(machine, &guards, image, account, self.policy, self.now))
    }

    async fn end(&self, decision: &InstanceDecision) -> Result<(), CloudError> {
        match (self.mode, decision.action) {
            (Mode::Plan, _) | (_, InstanceAction::Keep) => Ok(()),
            (Mode::Apply, InstanceAction::Stop) => self.cloud.stop(&decision.instance_id).await,
            (Mode::Apply, InstanceAction::Terminate) => {
                self.cloud.terminate(&decision.instance_id).await
            }
        }
    }

    fn report_retired(&self, retired: Retired, is_sweep: bool) -> Report {
        let mut events = Vec::new();
        let mut counts = Counts {
            failed: retired.failed.len(),
            not_reached: retired.not_reached.len(),
            ..Counts::default()
        };
        if self.mode == Mode::Apply {
            events.extend(retired.retired.iter().filter_map(|one| self.news().of_instance(one)));
            counts.instances_retired = retired.retired.len();
        }
        if is_sweep {
            let outcome = Outcome {
                not_reached: retired.not_reached.iter().map(ToString::to_string).collect(),
                failed: retired.failed.clone(),
                ..Outcome::default()
            };
            let function = Work::RetireInstance.as_str();
            events.extend(self.news().of_sweep(function, self.mode, &outcome, &counts));
        }
        let failure = if retired.retired.is_empty() { all_failed(&retired.failed) } else { None };
        Report { answer: Answer::Retired(retired), events, counts: Some(counts), failure }
    }
}
