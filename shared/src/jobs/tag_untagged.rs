//! The part of a sweep that tags young images whose event was lost, or did not succeed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Job, Mode, TaggedResource};
use crate::apply::{Change, MARGIN, StepKind, StepRecord, StepResult, TagBatches};
use crate::cloud::{CloudError, ErrorKind};
use crate::events::Event;
use crate::model::{ImageId, InstanceId, ResourceId, SnapshotId, Tags};
use crate::tagging::{MissingTags, Untagged, find_untagged};

/// What a sweep did about images without their tags.
#[derive(Default)]
pub(super) struct LateTagging {
    /// What was written, or would be, by image.
    pub(super) tagged: BTreeMap<ImageId, Vec<TaggedResource>>,
    /// How the steps ended; none in plan mode.
    pub(super) steps: Vec<StepRecord>,
}

impl LateTagging {
    fn record(&mut self, resource: impl Into<ResourceId>, result: StepResult) {
        self.steps.push(StepRecord::new(resource, StepKind::Tag, result));
    }

    fn fail(&mut self, resource: impl Into<ResourceId>, error: &CloudError) {
        self.steps.push(StepRecord::failed(resource, StepKind::Tag, error));
    }
}

impl Job<'_> {
    /// Tags what a listing shows without its tags, after everything else that a sweep does. Images
    /// and snapshots are read again before: others may have tagged them, or they may be gone.
    pub(super) async fn tag_untagged(
        &self,
        found: Untagged,
        batches: &TagBatches<'_>,
    ) -> LateTagging {
        let mut late = LateTagging::default();
        if self.mode == Mode::Apply {
            for image in &found.later {
                late.record(image, StepResult::Deferred);
            }
        }
        if found.images.is_empty() {
            return late;
        }
        self.context.stage("tagging images without tags", Some(found.images.len()));
        let ids: Vec<ImageId> = found.images.iter().map(|one| one.image_id.clone()).collect();
        let now = match self.mode {
            Mode::Plan => Ok(found),
            Mode::Apply if self.context.left() < MARGIN => {
                for image in &ids {
                    late.record(image, StepResult::NotReached);
                }
                return late;
            }
            Mode::Apply => self.read_untagged(&found).await,
        };
        let now = match now {
            Ok(now) => now,
            Err(error) => {
                for image in &ids {
                    late.fail(image, &error);
                }
                return late;
            }
        };
        let missing = self.plan_missing_tags(&now, &mut late).await;
        let mut writes = missing.writes();
        // Where much is denied, another sweep begins with other sets.
        let begin = batches.begin(writes.len());
        writes.rotate_left(begin);
        for (tags, owned) in writes {
            let resources: Vec<ResourceId> = owned.iter().map(|(_, one)| (*one).clone()).collect();
            let results = match self.mode {
                Mode::Plan => resources.iter().map(|_| Ok(())).collect(),
                Mode::Apply if self.context.left() < MARGIN => {
                    for resource in &resources {
                        late.record(resource.clone(), StepResult::NotReached);
                    }
                    continue;
                }
                Mode::Apply => batches.set_tags(&resources, tags).await,
            };
            for ((image, resource), result) in owned.into_iter().zip(results) {
                self.note(image, resource, tags, result, &mut late);
            }
        }
        late
    }

    fn note(
        &self,
        image: &ImageId,
        resource: &ResourceId,
        tags: &Tags,
        result: Result<(), CloudError>,
        late: &mut LateTagging,
    ) {
        match result {
            Ok(()) => {
                tracing::info!(image_id = %image, resource_id = %resource, mode = ?self.mode, "tagged");
                if self.mode == Mode::Apply {
                    late.record(resource.clone(), StepResult::Done);
                }
                let one = TaggedResource { resource: resource.clone(), tags: tags.clone() };
                late.tagged.entry(image.clone()).or_default().push(one);
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                late.record(resource.clone(), StepResult::Changed(Change::Gone));
            }
            Err(error) => late.fail(resource.clone(), &error),
        }
    }

    /// The same images as they are at this moment, without those that lack nothing any more.
    async fn read_untagged(&self, found: &Untagged) -> Result<Untagged, CloudError> {
        let ids: BTreeSet<&ImageId> = found.images.iter().map(|one| &one.image_id).collect();
        let ids: Vec<ImageId> = ids.into_iter().cloned().collect();
        let images = self.cloud.find_images(&ids).await?;
        let snapshots: Vec<SnapshotId> =
            found.snapshots.iter().map(|one| one.snapshot_id.clone()).collect();
        let snapshots = match snapshots.is_empty() {
            true => Vec::new(),
            false => self.cloud.find_snapshots(&snapshots).await?,
        };
        let account = &self.target.account;
        Ok(find_untagged(&images, &snapshots, account, self.policy, self.now))
    }

    /// What these images lack, the tags of their instances included. An image whose instance cannot
    /// be read is left to the next sweep.
    async fn plan_missing_tags(&self, found: &Untagged, late: &mut LateTagging) -> MissingTags<'_> {
        let mut missing = MissingTags::new(&found.snapshots, self.policy);
        let mut instances: BTreeMap<&InstanceId, Option<Tags>> = BTreeMap::new();
        for image in &found.images {
            let mut source = None;
            if let Some(instance) = missing.instance_of(image) {
                if !instances.contains_key(instance) {
                    if self.context.left() < MARGIN {
                        late.record(&image.image_id, StepResult::NotReached);
                        continue;
                    }
                    match self.cloud.find_instance_tags(instance).await {
                        Ok(tags) => drop(instances.insert(instance, tags)),
                        Err(error) => {
                            late.fail(&image.image_id, &error);
                            continue;
                        }
                    }
                }
                source = instances.get(instance).and_then(Option::as_ref);
            }
            if !missing.add(image, source) && self.mode == Mode::Apply {
                late.record(&image.image_id, StepResult::Deferred);
            }
        }
        missing
    }

    /// The events of the images that were tagged; none in plan mode.
    pub(super) fn events_of_tagging(&self, late: &LateTagging) -> Vec<Event> {
        if self.mode == Mode::Plan {
            return Vec::new();
        }
        let of_image = |(image, tagged): (&ImageId, &Vec<TaggedResource>)| {
            let written = tagged.iter().map(|one| (one.resource.as_str(), &one.tags));
            self.events().of_tagging(image, written)
        };
        late.tagged.iter().filter_map(of_image).collect()
    }
}
