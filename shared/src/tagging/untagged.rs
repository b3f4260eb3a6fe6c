//! Finds recent images that lack tags because an event was lost or failed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::{TagPlan, copies_from_instance, plan_tags};
use crate::model::{
    AccountId, Image, ImageId, ImageState, InstanceId, ResourceId, Snapshot, SnapshotId, Tags,
};
use crate::policy::Policy;

/// The age up to which a sweep tags an image.
pub const TAGGED_FOR: SignedDuration = SignedDuration::from_hours(24 * 30);
/// The maximum number of different tag sets that one sweep writes. Each set is one call for up to
/// 1,000 resources. An image with provenance needs two sets, one of them for its snapshots. At the
/// 10 calls per second that EC2 sustains, 200 sets take 20 seconds.
pub const MAX_TAG_SETS: usize = 200;

/// Images that lack tags, with their snapshots.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Untagged {
    /// The images to tag, oldest first. This order tags every image before it is older than 30
    /// days.
    pub images: Vec<Image>,
    /// The snapshots of `images`.
    pub snapshots: Vec<Snapshot>,
    /// Images that would exceed [`MAX_TAG_SETS`]. The next sweep tags them.
    pub later: Vec<ImageId>,
}

/// Finds the images that lack tags. Tags to copy from their instances are not considered here,
/// because the instances have not been read.
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
    let of_young: BTreeSet<&SnapshotId> =
        young.iter().flat_map(|image| image.all_snapshots()).collect();
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
        found.images.iter().flat_map(|image| image.all_snapshots()).collect();
    let needed = snapshots.iter().filter(|one| needed.contains(&one.snapshot_id));
    found.snapshots = needed.cloned().collect();
    found
}

/// Whether a sweep tags `image` if it lacks tags. Sweeps tag the same images as the event does, and
/// images that have been disabled since.
fn is_meant(image: &Image, account: &AccountId, now: Timestamp) -> bool {
    image.owner_id.as_ref() == Some(account)
        && matches!(image.state, ImageState::Available | ImageState::Disabled)
        && image.created_at.is_some_and(|at| now.duration_since(at) <= TAGGED_FOR)
}

/// The tags that several images lack, in the order in which the images were added.
pub struct MissingTags<'a> {
    policy: &'a Policy,
    /// The snapshots with the tags planned so far. Images may share a snapshot.
    snapshots: HashMap<SnapshotId, Snapshot>,
    sets: BTreeSet<Tags>,
    images: Vec<(ImageId, TagPlan)>,
}

impl<'a> MissingTags<'a> {
    /// Creates an empty set. `snapshots` contains the snapshots of all images that will be added.
    pub fn new(snapshots: &[Snapshot], policy: &'a Policy) -> Self {
        let snapshots =
            snapshots.iter().map(|one| (one.snapshot_id.clone(), one.clone())).collect();
        Self { policy, snapshots, sets: BTreeSet::new(), images: Vec::new() }
    }

    fn lacks_nothing(&self, image: &Image) -> bool {
        self.plan(image, None).writes.is_empty()
    }

    /// The instance whose tags must still be copied to `image`. If the image and its snapshots
    /// already name the instance, its tags were copied in the same call, and no sweep reads the
    /// instance again.
    pub fn instance_of<'i>(&self, image: &'i Image) -> Option<&'i InstanceId> {
        let key = &self.policy.tag_names.source_instance;
        let lacks = copies_from_instance(image, self.policy)
            && self.plan(image, None).writes.keys().any(|tags| tags.has(key));
        image.source_instance.as_ref().filter(|_| lacks)
    }

    /// Adds the tags that `image` and its snapshots lack, unless they would exceed
    /// [`MAX_TAG_SETS`]. Returns whether they were added. `source` contains the tags of the source
    /// instance.
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

    /// Each tag set with the resources that get it, each resource with its image.
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
        let own = image.all_snapshots().filter_map(|id| self.snapshots.get(id));
        let own: Vec<Snapshot> = own.cloned().collect();
        plan_tags(image, source, &own, self.policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let text = "version = 1\n[[rule]]\nname = \"a\"\nkeep = { last = 1 }\n\
                    [tagging]\nset = { ManagedBy = \"us\" }\ncopy_from_instance = [\"Team\"]\n";
        Policy::parse(text, "test").unwrap()
    }

    fn image(n: usize, created_at: &str) -> Image {
        let text = format!(
            r#"{{"image_id":"ami-{n}","owner_id":"123456789012","state":"available","created_at":"{created_at}",
                "snapshots":["snap-{n}","snap-9"],"source_instance":"i-{n}"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn snapshots() -> Vec<Snapshot> {
        ["snap-1", "snap-2", "snap-9"].map(|id| Snapshot::new(id.parse().unwrap())).into()
    }

    fn found(images: &[Image]) -> Untagged {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        find_untagged(images, &snapshots(), &"123456789012".parse().unwrap(), &policy(), now)
    }

    fn ids(images: &[Image]) -> Vec<&str> {
        images.iter().map(|image| image.image_id.as_str()).collect()
    }

    #[test]
    fn images_of_the_last_30_days_are_found_oldest_first() {
        let images = [image(1, "2026-11-20T00:00:00Z"), image(2, "2026-10-23T12:00:00Z")];
        assert_eq!(ids(&found(&images).images), ["ami-2", "ami-1"]);
        let old = [image(1, "2026-11-20T00:00:00Z"), image(2, "2026-10-23T11:59:59Z")];
        let found = found(&old);
        assert_eq!((ids(&found.images), found.snapshots.len()), (vec!["ami-1"], 2));
    }

    /// The result is the same as with one event per image: the first event tags the snapshot, and
    /// the second event keeps the existing tags.
    #[test]
    fn a_shared_snapshot_gets_the_tags_of_the_older_image() {
        let images = [image(1, "2026-11-20T00:00:00Z"), image(2, "2026-11-19T00:00:00Z")];
        let found = found(&images);
        let policy = policy();
        let mut missing = MissingTags::new(&found.snapshots, &policy);
        let team: Tags = [("Team", "web")].into_iter().collect();
        assert!(found.images.iter().all(|image| missing.add(image, Some(&team))));
        let shared = ResourceId::Snapshot("snap-9".parse().unwrap());
        let writes = missing.writes();
        let of_shared: Vec<_> =
            writes.iter().filter(|(_, owned)| owned.iter().any(|(_, id)| **id == shared)).collect();
        let [(tags, _)] = &of_shared[..] else { panic!("{of_shared:?}") };
        assert_eq!(tags.get("image-steward:image"), Some("ami-2"));
        assert_eq!(tags.get("image-steward:source-instance"), Some("i-2"));
    }

    #[test]
    fn an_instance_is_read_only_for_an_image_that_does_not_name_it_yet() {
        let policy = policy();
        let mut one = image(1, "2026-11-20T00:00:00Z");
        let bare = snapshots();
        let instance = |image: &Image, snapshots: &[Snapshot]| {
            MissingTags::new(snapshots, &policy).instance_of(image).is_some()
        };
        assert!(instance(&one, &bare));
        let named: Tags = [("image-steward:source-instance", "i-1")].into_iter().collect();
        one.tags = named.clone();
        assert!(instance(&one, &bare), "its snapshots lack the tags");
        let tagged: Vec<Snapshot> =
            bare.into_iter().map(|one| Snapshot { tags: named.clone(), ..one }).collect();
        assert!(!instance(&one, &tagged));
        assert_eq!(found(std::slice::from_ref(&one)).images.len(), 1, "it lacks ManagedBy");
        one.tags = Tags::default();
        one.source_instance = None;
        assert!(!instance(&one, &tagged));
    }
}
