//! Young images without their tags: an event that was lost, or did not succeed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::{TagPlan, copies_from_instance, plan_tags};
use crate::model::{
    AccountId, Image, ImageId, ImageState, InstanceId, ResourceId, Snapshot, SnapshotId, Tags,
};
use crate::policy::Policy;

/// For how long after its creation a sweep tags an image.
pub const TAGGED_FOR: SignedDuration = SignedDuration::from_hours(24 * 30);
/// The maximum number of different sets of tags that one sweep writes; each is a call for up to
/// 1,000 resources. An image with its provenance takes two, one of them for its snapshots. At the
/// 10 calls a second that EC2 allows in the long run, this is 20 seconds.
pub const MAX_TAG_SETS: usize = 200;

/// The images that lack tags.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Untagged {
    /// The oldest first: none of them leaves the last 30 days while younger ones are tagged.
    pub images: Vec<Image>,
    /// The snapshots of these.
    pub snapshots: Vec<Snapshot>,
    /// Those that would exceed [`MAX_TAG_SETS`]: the next sweep tags them.
    pub later: Vec<ImageId>,
}

/// Finds the images that lack tags. What they lack of their instance's tags is not known here.
pub fn find_untagged(
    images: &[Image],
    snapshots: &[Snapshot],
    account: &AccountId,
    policy: &Policy,
    now: Timestamp,
) -> Untagged {
    let mut young: Vec<&Image> =
        images.iter().filter(|image| is_meant(image, account, now)).collect();
    young.sort_by_key(|image| (image.created_at, &image.image_id));
    let of_young: BTreeSet<&SnapshotId> = young.iter().flat_map(|image| &image.snapshots).collect();
    let snapshots = snapshots.iter().filter(|one| of_young.contains(&one.snapshot_id));
    let snapshots: Vec<Snapshot> = snapshots.cloned().collect();
    let mut missing = MissingTags::new(&snapshots, policy);
    let mut found = Untagged::default();
    for image in young {
        if missing.lacks_nothing(image) {
            continue;
        }
        match missing.add(image, None) {
            true => found.images.push(image.clone()),
            false => found.later.push(image.image_id.clone()),
        }
    }
    let needed: BTreeSet<&SnapshotId> =
        found.images.iter().flat_map(|image| &image.snapshots).collect();
    let needed = snapshots.iter().filter(|one| needed.contains(&one.snapshot_id));
    found.snapshots = needed.cloned().collect();
    found
}

/// Whether a sweep tags `image` if it lacks tags: the same images as the event does, and those that
/// were disabled since.
fn is_meant(image: &Image, account: &AccountId, now: Timestamp) -> bool {
    image.owner_id.as_ref() == Some(account)
        && matches!(image.state, ImageState::Available | ImageState::Disabled)
        && image.created_at.is_some_and(|at| now.duration_since(at) <= TAGGED_FOR)
}

/// The tags that several images lack, in the order in which they were added.
pub struct MissingTags<'a> {
    policy: &'a Policy,
    /// With the tags that were decided on so far: images may share a snapshot.
    snapshots: HashMap<SnapshotId, Snapshot>,
    sets: BTreeSet<Tags>,
    images: Vec<(ImageId, TagPlan)>,
}

impl<'a> MissingTags<'a> {
    /// No image yet; these are the snapshots of all that will be added.
    pub fn new(snapshots: &[Snapshot], policy: &'a Policy) -> Self {
        let snapshots =
            snapshots.iter().map(|one| (one.snapshot_id.clone(), one.clone())).collect();
        Self { policy, snapshots, sets: BTreeSet::new(), images: Vec::new() }
    }

    fn lacks_nothing(&self, image: &Image) -> bool {
        self.plan(image, None).writes.is_empty()
    }

    /// The instance whose tags `image` still lacks. Where the image and its snapshots already name
    /// the instance, its tags were copied in the same call: no sweep reads it again.
    pub fn instance_of<'i>(&self, image: &'i Image) -> Option<&'i InstanceId> {
        let key = &self.policy.tag_names.source_instance;
        let lacks = copies_from_instance(image, self.policy)
            && self.plan(image, None).writes.keys().any(|tags| tags.has(key));
        image.source_instance.as_ref().filter(|_| lacks)
    }

    /// Adds what `image` and its snapshots lack, unless that would exceed [`MAX_TAG_SETS`]; says
    /// whether it did. `source` holds the tags of its instance.
    pub fn add(&mut self, image: &Image, source: Option<&Tags>) -> bool {
        let plan = self.plan(image, source);
        let new = plan.writes.keys().filter(|tags| !self.sets.contains(*tags)).count();
        if self.sets.len() + new > MAX_TAG_SETS {
            return false;
        }
        for (tags, resources) in &plan.writes {
            self.sets.insert(tags.clone());
            for id in resources.iter().filter_map(ResourceId::as_snapshot) {
                if let Some(snapshot) = self.snapshots.get_mut(id) {
                    snapshot.tags = snapshot.tags.with(tags);
                }
            }
        }
        self.images.push((image.image_id.clone(), plan));
        true
    }

    /// Every set of tags with the resources that get it, each with its image.
    pub fn writes(&self) -> Vec<(&Tags, Vec<(&ImageId, &ResourceId)>)> {
        let mut writes: BTreeMap<&Tags, Vec<(&ImageId, &ResourceId)>> = BTreeMap::new();
        for (image, plan) in &self.images {
            for (tags, resources) in &plan.writes {
                let together = writes.entry(tags).or_default();
                together.extend(resources.iter().map(|resource| (image, resource)));
            }
        }
        writes.into_iter().collect()
    }

    fn plan(&self, image: &Image, source: Option<&Tags>) -> TagPlan {
        let own = image.snapshots.iter().filter_map(|id| self.snapshots.get(id));
        let own: Vec<Snapshot> = own.cloned().collect();
        plan_tags(image, source, &own, self.policy)
    }
}
