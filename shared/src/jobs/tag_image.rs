//! Tagging a new image and its snapshots.

use super::{
    Answer, DroppedTag, Job, JobError, JobReport, Mode, Omitted, Tagged, TaggedResource,
    any_failed, not_for_us,
};
use crate::apply::{self, Change, Counts, StepKind, StepRecord, StepResult};
use crate::cloud::{CloudError, ErrorKind};
use crate::events::Trigger;
use crate::model::{Image, ImageId, ImageState};
use crate::tagging::{TagPlan, copies_from_instance, creator_value, plan_creator, plan_tags};

/// The meaning of an event for an image.
#[derive(Clone, Copy)]
enum ImageEvent<'a> {
    /// The image became available.
    Available,
    /// Somebody creates the image; `None` if CloudTrail names nobody.
    Creating(Option<&'a str>),
}

enum ImageLookup {
    Ours(Box<Image>),
    Foreign,
    Nowhere,
}

impl Job<'_> {
    /// Tags an image that became available and its snapshots. For the creation of an image, records
    /// who creates it. The two events can arrive in either order.
    ///
    /// # Errors
    /// Returns an error if the image cannot be read or is not available yet.
    pub async fn tag_image(&self, trigger: &Trigger) -> Result<JobReport, JobError> {
        let (image, event, at) = match trigger {
            Trigger::Image { image, state: ImageState::Available, at, .. } => {
                (image, ImageEvent::Available, at)
            }
            Trigger::Image { image, state: ImageState::Failed, message, .. } => {
                tracing::warn!(image_id = %image, error = message, "image failed");
                return Ok(JobReport::ignored(format!("{image} failed: {message}")));
            }
            Trigger::Creating { image, by, at } => (image, ImageEvent::Creating(by.as_deref()), at),
            other => return Ok(JobReport::ignored(not_for_us(other))),
        };
        let found = match self.image_of_ours(image).await? {
            ImageLookup::Ours(found) => found,
            // The provider does not list the image yet.
            ImageLookup::Nowhere if self.is_young(*at) => {
                return Err(JobError::NotVisibleYet(image.clone()));
            }
            ImageLookup::Nowhere => {
                return Ok(JobReport::ignored(format!("{image} no longer exists")));
            }
            ImageLookup::Foreign => {
                let account = image.provider().words().account;
                return Ok(JobReport::ignored(format!("{image} belongs to another {account}")));
            }
        };
        let mut tagged = Tagged {
            mode: self.mode,
            image_id: image.clone(),
            tagged: Vec::new(),
            dropped: Vec::new(),
            not_tagged: Vec::new(),
            omitted: Omitted::default(),
        };
        match (event, found.state) {
            (ImageEvent::Creating(Some(creator)), _) => {
                self.tag_creator(&found, creator, &mut tagged).await?;
            }
            // No creator to record. The new image is still tagged.
            (_, ImageState::Available) => self.tag_new(&found, &mut tagged).await?,
            (ImageEvent::Creating(None), state) => {
                return Ok(JobReport::ignored(format!(
                    "{image} is {state}, and CloudTrail does not name its creator"
                )));
            }
            // The provider does not list the new state yet.
            (ImageEvent::Available, ImageState::Pending) => {
                return Err(JobError::StillPending(image.clone()));
            }
            // The event is old. The current state decides.
            (ImageEvent::Available, state) => {
                return Ok(JobReport::ignored(format!("{image} is now {state}")));
            }
        }
        Ok(self.report_tagged(tagged, matches!(event, ImageEvent::Available)))
    }

    async fn image_of_ours(&self, image: &ImageId) -> Result<ImageLookup, CloudError> {
        Ok(match self.cloud.find_image(image).await? {
            None => ImageLookup::Nowhere,
            Some(found) if found.owner_id.as_ref() == Some(&self.target.account) => {
                ImageLookup::Ours(Box::new(found))
            }
            Some(_) => ImageLookup::Foreign,
        })
    }

    async fn tag_new(&self, image: &Image, tagged: &mut Tagged) -> Result<(), CloudError> {
        let source = match &image.source_instance {
            Some(instance) if copies_from_instance(image, self.policy) => {
                self.cloud.find_instance_tags(instance).await?
            }
            _ => None,
        };
        let own: Vec<_> = image.all_snapshots().cloned().collect();
        let snapshots = self.cloud.find_snapshots(&own).await?;
        let plan = plan_tags(image, source.as_ref(), &snapshots, self.policy);
        self.write_tags(&plan, tagged).await;
        Ok(())
    }

    /// An image that is still being created may not list its snapshots yet. Its snapshots get the
    /// tag when it becomes available. If that happens while this tag is written, they get it here.
    async fn tag_creator(
        &self,
        image: &Image,
        creator: &str,
        tagged: &mut Tagged,
    ) -> Result<(), CloudError> {
        let creator = &creator_value(creator);
        let bare = Image { snapshots: Box::default(), ..image.clone() };
        self.write_tags(&plan_creator(&bare, &[], creator, self.policy), tagged).await;
        if let Some(now) = self.cloud.find_image(&image.image_id).await? {
            let own: Vec<_> = now.all_snapshots().cloned().collect();
            let snapshots = self.cloud.find_snapshots(&own).await?;
            // In plan mode the image lacks its tag. Add it here, so that it is not reported twice.
            let now = Image { tags: self.creator_tag(creator).with(&now.tags), ..now };
            self.write_tags(&plan_creator(&now, &snapshots, creator, self.policy), tagged).await;
        }
        Ok(())
    }

    fn creator_tag(&self, creator: &str) -> crate::model::Tags {
        [(self.policy.tag_names.created_by.as_str(), creator)].into_iter().collect()
    }

    async fn write_tags(&self, plan: &TagPlan, tagged: &mut Tagged) {
        for (id, key) in &plan.dropped {
            tracing::warn!(image_id = %tagged.image_id, resource_id = %id, key, "tag skipped: tag limit reached");
            tagged.dropped.push(DroppedTag { resource: id.clone(), key: key.clone() });
        }
        let batches = apply::TagBatches::new(self.cloud, self.now);
        for (tags, resources) in &plan.writes {
            let results = match self.mode {
                Mode::Plan => resources.iter().map(|_| Ok(())).collect(),
                Mode::Apply => batches.set_tags(resources, tags).await,
            };
            for (resource, result) in resources.iter().zip(results) {
                match result {
                    Ok(()) => {
                        tracing::info!(image_id = %tagged.image_id, resource_id = %resource, mode = ?self.mode, "tagged");
                        let (resource, tags) = (resource.clone(), tags.clone());
                        tagged.tagged.push(TaggedResource { resource, tags });
                    }
                    Err(error) if error.kind == ErrorKind::NotFound => {
                        let gone = StepResult::Changed(Change::Gone);
                        tagged.not_tagged.push(StepRecord::new(resource, StepKind::Tag, gone));
                    }
                    Err(error) => {
                        tagged.not_tagged.push(StepRecord::failed(resource, StepKind::Tag, &error));
                    }
                }
            }
        }
    }

    fn report_tagged(&self, tagged: Tagged, is_new: bool) -> JobReport {
        let is_done = self.mode == Mode::Apply && !tagged.tagged.is_empty();
        let counts = Counts {
            images_seen: 1,
            images_tagged: usize::from(is_done && is_new),
            failed: tagged.not_tagged.iter().filter(|one| one.failure().is_some()).count(),
            ..Counts::default()
        };
        // Written tags stay. When the event is retried, the missing ones are written.
        let failure = any_failed(tagged.not_tagged.iter(), tagged.tagged.len());
        let events = match self.mode {
            Mode::Plan => None,
            Mode::Apply => self.events().of_tagging(
                &tagged.image_id,
                tagged.tagged.iter().map(|one| (one.resource.as_str(), &one.tags)),
            ),
        };
        let events = events.into_iter().collect();
        let (answer, counts) = (Answer::Tagged(tagged).bounded(), Some(counts));
        JobReport { answer, events, counts, is_sweep: false, failure }
    }
}
