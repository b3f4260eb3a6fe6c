//! Decides which tags a new image and its snapshots get.
//!
//! Only missing tags are written. An existing tag keeps its value, whoever wrote it. Therefore
//! tagging a resource twice changes nothing.

mod untagged;

use std::collections::BTreeMap;

use crate::model::{
    Image, MAX_KEY, MAX_TAGS, MAX_VALUE, ResourceId, Snapshot, SnapshotId, Tags, is_reserved,
};
use crate::plan::is_managed;
use crate::policy::{CopyToSnapshots, Policy};
use crate::text_fmt::printable;

pub use self::untagged::{MAX_TAG_SETS, MissingTags, TAGGED_FOR, Untagged, find_untagged};

/// The tags to write, and the tags that cannot be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagPlan {
    /// The tags to write, each set with the resources that get it.
    pub writes: BTreeMap<Tags, Vec<ResourceId>>,
    /// Tag keys that are not written because the resource has too many tags, or because they exceed
    /// the provider's limits.
    pub dropped: Vec<(ResourceId, String)>,
}

/// Whether the policy copies tags from the source instance of `image`. Images that another service
/// manages get only provenance tags.
pub fn copies_from_instance(image: &Image, policy: &Policy) -> bool {
    image.source_instance.is_some()
        && !policy.tagging.copy_from_instance.is_empty()
        && !is_managed(image)
}

/// Decides which tags `image` and its `snapshots` get. `source` contains the tags of the source
/// instance, if that instance still exists. An image that another service manages gets only
/// provenance tags.
pub fn plan_tags(
    image: &Image,
    source: Option<&Tags>,
    snapshots: &[Snapshot],
    policy: &Policy,
) -> TagPlan {
    let names = &policy.tag_names;
    let mut provenance = Vec::new();
    if let Some(instance) = &image.source_instance {
        provenance.push((names.source_instance.clone(), instance.to_string()));
    }
    if let Some(source_image) = &image.source_image {
        provenance.push((names.source_image.clone(), source_image.to_string()));
    }
    // The creator may have been recorded before the image became available.
    if let Some(creator) = image.tags.get(&names.created_by) {
        provenance.push((names.created_by.clone(), creator.to_owned()));
    }
    if is_managed(image) {
        // With the policy's tags, it would look like an image that the policy applies to.
        return with_room(image, snapshots, policy, &provenance, provenance.clone());
    }
    let set = policy.tagging.set.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    let copied = policy.tagging.copy_from_instance.iter().filter_map(|key| {
        let value = source?.get(key)?;
        Some((key.clone(), value.to_owned()))
    });
    let wanted: Vec<(String, String)> =
        provenance.iter().cloned().chain(set).chain(copied).collect();

    with_room(image, snapshots, policy, &provenance, wanted)
}

/// The value of the tag `created-by` for the creator that an event names. Invisible characters are
/// escaped, and the value is cut to the maximum length of a tag value.
pub fn creator_value(named: &str) -> String {
    printable(named).chars().take(MAX_VALUE).collect()
}

/// Decides where to write the tag `created-by`: on `image`, its `snapshots`, or both. `creator` is
/// a [`creator_value`].
pub fn plan_creator(
    image: &Image,
    snapshots: &[Snapshot],
    creator: &str,
    policy: &Policy,
) -> TagPlan {
    // If two events name different creators, the first one is used, for the snapshots too.
    let creator = image.tags.get(&policy.tag_names.created_by).unwrap_or(creator);
    let wanted = vec![(policy.tag_names.created_by.clone(), creator.to_owned())];
    with_room(image, snapshots, policy, &wanted, wanted.clone())
}

/// The image gets the tags in `wanted`. Its snapshots get the same tags, or only `provenance`,
/// depending on the policy.
fn with_room(
    image: &Image,
    snapshots: &[Snapshot],
    policy: &Policy,
    provenance: &[(String, String)],
    wanted: Vec<(String, String)>,
) -> TagPlan {
    let names = &policy.tag_names;
    let mut plan = TagPlan::default();
    // Retiring and rescuing an image needs these state tags.
    let ours = [&names.expired_at, &names.deprecation, &names.launch_permissions, &names.keep]
        .map(String::as_str);
    plan.add(ResourceId::Image(image.image_id.clone()), &image.tags, &wanted, &ours);
    let wanted = match policy.tagging.snapshots {
        CopyToSnapshots::Yes => wanted,
        CopyToSnapshots::No => provenance.to_vec(),
    };
    for snapshot_id in image.all_snapshots() {
        let Some(tags) = tags_of(snapshot_id, snapshots) else { continue };
        let mut wanted = wanted.clone();
        wanted.insert(0, (names.image.clone(), image.image_id.to_string()));
        let ours = [&names.image, &names.delete_after].map(String::as_str);
        plan.add(ResourceId::Snapshot(snapshot_id.clone()), tags, &wanted, &ours);
    }
    plan
}

/// The tags of a snapshot; `None` if the snapshot was not found and therefore cannot be tagged.
fn tags_of<'a>(id: &SnapshotId, snapshots: &'a [Snapshot]) -> Option<&'a Tags> {
    snapshots.iter().find(|snapshot| snapshot.snapshot_id == *id).map(|snapshot| &snapshot.tags)
}

impl TagPlan {
    /// Adds the `wanted` tags that `resource` lacks, the most important first, up to the maximum
    /// number of tags. Space for the tags in `ours` stays reserved.
    fn add(
        &mut self,
        resource: ResourceId,
        present: &Tags,
        wanted: &[(String, String)],
        ours: &[&str],
    ) {
        let counted = present.iter().filter(|(key, _)| !is_reserved(key)).count();
        let mut adding: BTreeMap<&str, &str> = BTreeMap::new();
        for (key, value) in wanted {
            let is_added = |key: &str| adding.keys().any(|added| present.is_same_key(added, key));
            if present.has(key) || is_added(key) {
                continue;
            }
            let kept_free = ours.iter().filter(|own| {
                !present.is_same_key(own, key) && !present.has(own) && !is_added(own)
            });
            let has_room = counted + adding.len() + kept_free.count() < MAX_TAGS;
            let fits = key.chars().count() <= MAX_KEY && value.chars().count() <= MAX_VALUE;
            if has_room && fits && !is_reserved(key) {
                adding.insert(key, value);
            } else {
                self.dropped.push((resource.clone(), key.clone()));
            }
        }
        if !adding.is_empty() {
            self.writes.entry(adding.into_iter().collect()).or_default().push(resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(tagging: &str) -> Policy {
        let text = format!(
            "version = 1\n[[rule]]\nname = \"a\"\nkeep = {{ last = 1 }}\n[tagging]\n{tagging}\n"
        );
        Policy::parse(&text, "test").unwrap()
    }

    fn image(tags: &[(&str, &str)]) -> Image {
        let mut image: Image = serde_json::from_str(
            r#"{"image_id":"ami-1","snapshots":["snap-1","snap-2"],"source_instance":"i-1","source_image":"ami-0"}"#,
        )
        .unwrap();
        image.tags = tags.iter().copied().collect();
        image
    }

    fn snapshot(id: &str, tags: &[(&str, &str)]) -> Snapshot {
        Snapshot { tags: tags.iter().copied().collect(), ..Snapshot::new(id.parse().unwrap()) }
    }

    /// The tags that `resource` gets, as `key=value`.
    fn given(plan: &TagPlan, resource: &str) -> Vec<String> {
        let writes = plan
            .writes
            .iter()
            .filter(|(_, resources)| resources.iter().any(|r| r.as_str() == resource));
        writes
            .flat_map(|(tags, _)| tags.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn image_and_snapshots_get_provenance_set_and_copied_tags() {
        let policy =
            policy("set = { ManagedBy = \"us\" }\ncopy_from_instance = [\"Team\", \"Absent\"]");
        let source: Tags = [("Team", "web"), ("Secret", "x")].into_iter().collect();
        let snapshots = [snapshot("snap-1", &[]), snapshot("snap-2", &[])];
        let plan = plan_tags(&image(&[]), Some(&source), &snapshots, &policy);
        let common = ["image-steward:source-image=ami-0", "image-steward:source-instance=i-1"];
        assert_eq!(given(&plan, "ami-1"), ["ManagedBy=us", "Team=web", common[0], common[1]]);
        let expected =
            ["ManagedBy=us", "Team=web", "image-steward:image=ami-1", common[0], common[1]];
        assert_eq!(given(&plan, "snap-1"), expected);
        assert_eq!(given(&plan, "snap-2"), expected);
        assert!(plan.dropped.is_empty());
    }

    #[test]
    fn images_that_another_service_manages_get_no_tags_of_the_policy() {
        let policy = policy("set = { Family = \"golden\" }\ncopy_from_instance = [\"Team\"]");
        let source: Tags = [("Team", "web")].into_iter().collect();
        let common = ["image-steward:source-image=ami-0", "image-steward:source-instance=i-1"];
        for managed in [
            ("aws:backup:source-resource", "i-1:8e1c"),
            ("aws:dlm:lifecycle-policy-id", "policy-1"),
            ("dlm:managed", "true"),
            ("CreatedBy", "EC2 Image Builder"),
        ] {
            let image = image(&[managed]);
            let plan = plan_tags(&image, Some(&source), &[snapshot("snap-1", &[])], &policy);
            assert_eq!(given(&plan, "ami-1"), common, "{managed:?}");
            assert_eq!(given(&plan, "snap-1"), ["image-steward:image=ami-1", common[0], common[1]]);
            assert!(!copies_from_instance(&image, &policy));
        }
        let image = image(&[("CreatedBy", "alice")]);
        let plan = plan_tags(&image, Some(&source), &[], &policy);
        assert!(given(&plan, "ami-1").contains(&"Family=golden".to_owned()));
        assert!(copies_from_instance(&image, &policy));
    }

    #[test]
    fn existing_values_are_kept_and_tagging_is_idempotent() {
        let policy = policy("set = { Team = \"ours\" }\ncopy_to_snapshots = false");
        let mut image = image(&[("Team", "theirs")]);
        let mut snapshots =
            [snapshot("snap-1", &[("image-steward:image", "ami-9")]), snapshot("snap-2", &[])];
        let plan = plan_tags(&image, None, &snapshots, &policy);
        assert!(given(&plan, "ami-1").iter().all(|tag| !tag.starts_with("Team")), "{plan:?}");
        assert!(
            given(&plan, "snap-1").iter().all(|tag| !tag.starts_with("image-steward:image=")),
            "{plan:?}"
        );
        assert!(given(&plan, "snap-2").iter().all(|tag| !tag.starts_with("Team")), "{plan:?}");
        for (tags, resources) in &plan.writes {
            for resource in resources {
                match resource {
                    ResourceId::Image(_) => image.tags = image.tags.with(tags),
                    ResourceId::Snapshot(id) => {
                        let found = snapshots
                            .iter_mut()
                            .find(|snapshot| snapshot.snapshot_id == *id)
                            .unwrap();
                        found.tags = found.tags.with(tags);
                    }
                    ResourceId::Instance(id) => panic!("{id} is neither an image nor a snapshot"),
                }
            }
        }
        assert_eq!(plan_tags(&image, None, &snapshots, &policy), TagPlan::default());
    }

    #[test]
    fn a_tag_in_another_case_exists_on_azure_and_is_added_once() {
        let policy = policy("set = { Team = \"a\", team = \"b\", Owner = \"c\" }");
        let mut image = image(&[("OWNER", "theirs"), ("Image-Steward:Source-Image", "ami-9")]);
        let tags_given = |image: &Image| given(&plan_tags(image, None, &[], &policy), "ami-1");
        let on_aws = tags_given(&image);
        assert!(["Team=a", "team=b", "Owner=c"].iter().all(|tag| on_aws.contains(&(*tag).into())));
        image.tags.ignore_case();
        assert_eq!(tags_given(&image), ["Team=a", "image-steward:source-instance=i-1"]);
    }

    #[test]
    fn space_for_state_tags_is_reserved() {
        let policy = policy("set = { A = \"1\", B = \"2\" }");
        let many: Vec<(String, String)> =
            (0..48).map(|n| (format!("k{n}"), String::new())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let aws = [many[..45].to_vec(), vec![("aws:x", "does not count")]].concat();
        let plan = plan_tags(&image(&aws), None, &[snapshot("snap-1", &many)], &policy);
        // Another tag would use the space reserved for four tags on an image and two on a snapshot.
        assert_eq!(given(&plan, "ami-1"), ["image-steward:source-instance=i-1"]);
        assert_eq!(given(&plan, "snap-1"), ["image-steward:image=ami-1"]);
        let dropped: Vec<_> = plan.dropped.iter().map(|(id, key)| format!("{id} {key}")).collect();
        assert_eq!(
            dropped,
            [
                "ami-1 image-steward:source-image",
                "ami-1 A",
                "ami-1 B",
                "snap-1 image-steward:source-instance",
                "snap-1 image-steward:source-image",
                "snap-1 A",
                "snap-1 B"
            ]
        );
    }

    #[test]
    fn aws_tags_are_never_written_even_when_the_instance_has_them() {
        let mut policy = policy("copy_from_instance = [\"Team\"]");
        policy.tagging.copy_from_instance =
            vec!["aws:autoscaling:groupName".into(), "AWS:x".into()];
        let source: Tags =
            [("aws:autoscaling:groupName", "g"), ("AWS:x", "y")].into_iter().collect();
        let plan = plan_tags(&image(&[]), Some(&source), &[], &policy);
        assert!(
            given(&plan, "ami-1").iter().all(|tag| !tag.to_lowercase().starts_with("aws:")),
            "{plan:?}"
        );
        assert_eq!(plan.dropped.len(), 2);
    }
}
