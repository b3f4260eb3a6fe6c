//! The part of a sweep that tags young images whose event was lost or failed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Job, Mode, TaggedResource};
use crate::apply::{Change, MARGIN, StepKind, StepRecord, StepResult, TagBatches};
use crate::cloud::{CloudError, ErrorKind};
use crate::events::Event;
use crate::model::{ImageId, InstanceId, ResourceId, SnapshotId, Tags};
use crate::tagging::{MissingTags, Untagged, find_untagged};

/// The result of tagging images without tags in a sweep.
#[derive(Default)]
pub(super) struct LateTagging {
    /// The tags that were written or, in plan mode, would be, by image.
    pub(super) tagged: BTreeMap<ImageId, Vec<TaggedResource>>,
    /// The records of the steps. Empty in plan mode.
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
    /// Tags the images and snapshots that the listings show without tags, at the end of a sweep.
    /// Reads them again first, because they may have been tagged or deleted since.
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
        self.context.stage("tagging untagged images", Some(found.images.len()));
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
        // If many calls are denied, another sweep begins with other tag sets.
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

    /// Reads the images again and returns those that still lack tags.
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

    /// Returns the missing tags of these images, including tags from their instances. An image
    /// whose instance cannot be read is left to the next sweep.
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

    /// Creates the events of the images that were tagged. Empty in plan mode.
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
