//! Retiring instances that carry the retire tag, once their image is complete.

use super::{
    Answer, FunctionKind, Job, JobError, JobReport, Mode, Omitted, Retired, all_failed, any_failed,
    not_for_us,
};
use crate::apply::{Counts, MARGIN, Status, StepKind, StepRecord, StepResult};
use crate::cloud::{CloudError, ErrorKind};
use crate::events::Trigger;
use crate::model::{ImageId, ImageState, InstanceId, join_in_words};
use crate::plan::instance::{
    InstanceAction, InstanceDecision, NOT_ALLOWED, asks_for, decide_instance, is_at_its_end,
    not_allowed,
};
use crate::policy::RetireAction;

impl Job<'_> {
    /// Retires the tagged instances whose image is complete: when an image becomes available, and
    /// on the schedule, which makes up for events that were missed or arrived too early.
    ///
    /// # Errors
    /// Returns an error if instances or images cannot be listed, or if the image is not listed yet.
    pub async fn retire_instances(&self, trigger: &Trigger) -> Result<JobReport, JobError> {
        let (only, at) = match trigger {
            Trigger::Schedule => (None, None),
            Trigger::Image { image, state: ImageState::Available, at, .. } => (Some(image), *at),
            other => return Ok(JobReport::ignored(not_for_us(other))),
        };
        let is_allowed = self.policy.instances.retire != RetireAction::Never;
        if only.is_some() && !is_allowed {
            return Ok(JobReport::ignored(NOT_ALLOWED.to_owned()));
        }
        let instances =
            self.instances.list_instances_tagged(&self.policy.tag_names.retire_when_imaged).await?;
        let images = match only {
            _ if instances.is_empty() || !is_allowed => Vec::new(),
            None => self.cloud.list_images().await?.images,
            Some(image) => self.cloud.find_image(image).await?.into_iter().collect(),
        };
        if let (Some(image), true) = (only, images.is_empty())
            && instances.iter().any(|one| !is_at_its_end(one, self.policy))
            && self.is_young(at)
        {
            return Err(JobError::NotVisibleYet(image.clone()));
        }
        let mut retired = Retired {
            mode: self.mode,
            retired: Vec::new(),
            kept: Vec::new(),
            not_retired: Vec::new(),
            omitted: Omitted::default(),
        };
        for instance in &instances {
            let image = images.iter().find(|image| asks_for(instance, image, self.policy));
            // An event concerns one image, so the other instances are skipped. A stopped instance
            // still carries its tag.
            let is_meant = only.is_none() || image.is_some();
            if !is_meant || is_at_its_end(instance, self.policy) {
                continue;
            }
            if let Some(decision) = not_allowed(instance, self.policy) {
                log_kept(&decision);
                retired.kept.push(decision);
                continue;
            }
            if self.context.left() < MARGIN {
                let id = &instance.instance_id;
                let record = StepRecord::new(id, StepKind::RetireInstance, StepResult::NotReached);
                retired.not_retired.push(record);
                continue;
            }
            let image = image.map(|image| &image.image_id);
            self.retire_one(&instance.instance_id, image, &mut retired).await;
        }
        Ok(self.report_retired(retired, only.is_none()))
    }

    async fn retire_one(
        &self,
        instance_id: &InstanceId,
        image: Option<&ImageId>,
        retired: &mut Retired,
    ) {
        let result = match self.decide(instance_id, image).await {
            Ok(None) => return tracing::info!(%instance_id, "instance no longer exists"),
            Ok(Some(decision)) if decision.action == InstanceAction::Keep => {
                log_kept(&decision);
                retired.kept.push(decision);
                return;
            }
            Ok(Some(decision)) => self.end(&decision).await.map(|()| decision),
            Err(error) => Err(error),
        };
        match result {
            Ok(decision) => {
                let message = match self.mode {
                    Mode::Plan => "planned",
                    Mode::Apply => "retired",
                };
                let image_id = decision.image_id.as_ref().map(ImageId::as_str);
                tracing::info!(%instance_id, image_id, action = ?decision.action, "{message}");
                retired.retired.push(decision);
            }
            // The instance was terminated between two calls. Nothing is left to do.
            Err(error) if error.kind == ErrorKind::NotFound => {
                tracing::info!(%instance_id, "instance no longer exists");
            }
            Err(error) => {
                let step = StepKind::RetireInstance;
                retired.not_retired.push(StepRecord::failed(instance_id, step, &error));
            }
        }
    }

    /// Decides from current data, because the listing can be minutes old. Returns `None` if the
    /// instance no longer exists.
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
        let protection = self.instances.find_instance_protection(instance_id).await?;
        let Some(instance) = self.instances.find_instance(instance_id).await? else {
            return Ok(None);
        };
        let image = image.as_ref().filter(|image| asks_for(&instance, image, self.policy));
        let image = image.map(|image| (image, snapshots.as_slice()));
        let account = &self.target.account;
        Ok(Some(decide_instance(&instance, &protection, image, account, self.policy, self.now)))
    }

    async fn end(&self, decision: &InstanceDecision) -> Result<(), CloudError> {
        match (self.mode, decision.action) {
            (Mode::Plan, _) | (_, InstanceAction::Keep) => Ok(()),
            (Mode::Apply, InstanceAction::Stop) => self.instances.stop(&decision.instance_id).await,
            (Mode::Apply, InstanceAction::Terminate) => {
                self.instances.terminate(&decision.instance_id).await
            }
        }
    }

    fn report_retired(&self, retired: Retired, is_sweep: bool) -> JobReport {
        let mut counts = Counts {
            failed: retired.failed().count(),
            not_reached: retired.not_retired.len() - retired.failed().count(),
            ..Counts::default()
        };
        if self.mode == Mode::Apply {
            counts.instances_retired = retired.retired.len();
        }
        let mut events = Vec::new();
        if is_sweep {
            let function = FunctionKind::RetireInstance.name();
            let status = retired.status();
            events.extend(self.events().of_sweep(function, self.mode, status, None, &counts, &[]));
        }
        if self.mode == Mode::Apply {
            events.extend(retired.retired.iter().filter_map(|one| self.events().of_instance(one)));
        }
        let failure = match (is_sweep, retired.retired.len()) {
            (true, 0) => all_failed(retired.failed()),
            (true, _) => None,
            (false, done) => any_failed(retired.failed(), done),
        };
        let (answer, counts) = (Answer::Retired(retired).bounded(), Some(counts));
        JobReport { answer, events, counts, is_sweep, failure }
    }
}

fn log_kept(decision: &InstanceDecision) {
    let InstanceDecision { instance_id, reasons, .. } = decision;
    let reasons = join_in_words(reasons, instance_id.provider().words(), "; ");
    tracing::warn!(%instance_id, reasons, "instance not retired");
}

impl Retired {
    fn failed(&self) -> impl Iterator<Item = &StepRecord> {
        self.not_retired.iter().filter(|one| one.failure().is_some())
    }

    fn status(&self) -> Status {
        let (failed, left) = (self.failed().count(), self.not_retired.len());
        match (failed, left, self.retired.is_empty()) {
            (0, 0, _) => Status::Done,
            (0, _, _) | (_, _, false) => Status::Part,
            (_, _, true) => Status::Failed,
        }
    }
}
