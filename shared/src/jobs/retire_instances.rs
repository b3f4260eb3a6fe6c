//! Machines that asked to be retired once their image is there.

use super::{Answer, Job, JobError, MAX_STEPS, Mode, Report, Retired, FunctionKind, all_failed, not_for_us};
use crate::model::{Deadline, ImageId, InstanceId, ImageState};
use crate::apply::{FailedStep, Failure, MARGIN, Status, Counts};
use crate::cloud::{Cloud, CloudError, ErrorKind, Instances};
use crate::events::Trigger;
use crate::plan::instance::{InstanceAction, InstanceDecision, asks_for, decide_instance, is_at_its_end};

impl<C: Cloud + Instances, D: Deadline> Job<'_, C, D> {
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
        let instances =
            self.cloud.list_instances_tagged(&self.policy.names.retire_when_imaged).await?;
        let images = match only {
            _ if instances.is_empty() => Vec::new(),
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
        for instance in &instances {
            let image = images.iter().find(|image| asks_for(instance, image, self.policy));
            // An event is about one image: the other machines do not wait for it. And a machine
            // that was stopped still carries its tag.
            let is_meant = only.is_none() || image.is_some();
            if !is_meant || is_at_its_end(instance, self.policy) {
                continue;
            }
            if self.deadline.left() < MARGIN {
                retired.not_reached.push(instance.instance_id.clone());
                continue;
            }
            let image = image.map(|image| &image.image_id);
            self.retire_one(&instance.instance_id, image, &mut retired).await;
        }
        retired.kept.truncate(MAX_STEPS);
        Ok(self.report_retired(retired, only.is_none()))
    }

    async fn retire_one(
        &self,
        instance_id: &InstanceId,
        image: Option<&ImageId>,
        retired: &mut Retired,
    ) {
        let result = match self.decide(instance_id, image).await {
            Ok(None) => return tracing::info!(%instance_id, "it is gone"),
            Ok(Some(decision)) if decision.action == InstanceAction::Keep => {
                let reasons: Vec<_> = decision.reasons.iter().map(ToString::to_string).collect();
                tracing::warn!(%instance_id, reasons = reasons.join("; "), "not retired");
                retired.kept.push(decision);
                return;
            }
            Ok(Some(decision)) => self.end(&decision).await.map(|()| decision),
            Err(error) => Err(error),
        };
        match result {
            Ok(decision) => {
                let said = match self.mode {
                    Mode::Plan => "planned",
                    Mode::Apply => "retired",
                };
                let image_id = decision.image_id.as_ref().map(ImageId::as_str);
                tracing::info!(%instance_id, image_id, action = ?decision.action, "{said}");
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

    /// Decides by what everything is at this moment: the listing may be minutes old. `None` when
    /// the machine is gone.
    async fn decide(
        &self,
        instance_id: &InstanceId,
        image: Option<&ImageId>,
    ) -> Result<Option<InstanceDecision>, CloudError> {
        let image = match image {
            Some(image) => self.cloud.find_image(image).await?,
            None => None,
        };
        let snapshots = match &image {
            Some(image) => self.cloud.find_snapshots(&image.snapshots).await?,
            None => Vec::new(),
        };
        let protection = self.cloud.find_instance_protection(instance_id).await?;
        let Some(instance) = self.cloud.find_instance(instance_id).await? else { return Ok(None) };
        let image = image.as_ref().filter(|image| asks_for(&instance, image, self.policy));
        let image = image.map(|image| (image, snapshots.as_slice()));
        let account = &self.target.account;
        Ok(Some(decide_instance(&instance, &protection, image, account, self.policy, self.now)))
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
        let mut counts = Counts {
            failed: retired.failed.len(),
            not_reached: retired.not_reached.len(),
            ..Counts::default()
        };
        if self.mode == Mode::Apply {
            counts.instances_retired = retired.retired.len();
        }
        let mut events = Vec::new();
        if is_sweep {
            let function = FunctionKind::RetireInstance.as_str();
            let status = retired.status();
            events.extend(self.news().of_sweep(function, self.mode, status, None, &counts));
        }
        if self.mode == Mode::Apply {
            events.extend(retired.retired.iter().filter_map(|one| self.news().of_instance(one)));
        }
        let failure = if retired.retired.is_empty() { all_failed(&retired.failed) } else { None };
        Report { answer: Answer::Retired(retired), events, counts: Some(counts), failure }
    }
}

impl Retired {
    fn status(&self) -> Status {
        match (self.failed.is_empty(), self.retired.is_empty(), self.not_reached.is_empty()) {
            (false, true, _) => Status::Failed,
            (false, false, _) | (true, _, false) => Status::Part,
            (true, _, true) => Status::Done,
        }
    }
}
