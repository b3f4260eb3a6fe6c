//! References to images, with repetitions removed.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::reason::Reason;
use crate::model::{ImageId, Inventory, Reference};

/// The references to each image, sorted.
pub(super) struct Uses<'a> {
    by_image: HashMap<&'a ImageId, Vec<&'a Reference>>,
    /// The names of resources by ARN, as far as any source reported one.
    names: HashMap<&'a str, &'a Arc<str>>,
}

impl<'a> Uses<'a> {
    pub(super) fn of(inventory: &'a Inventory) -> Self {
        let mut by_image: HashMap<&ImageId, Vec<&Reference>> = HashMap::new();
        let mut names = HashMap::new();
        for reference in &inventory.references {
            by_image.entry(&reference.image_id).or_default().push(reference);
            if let Some(name) = &reference.name {
                names.insert(&*reference.arn, name);
            }
        }
        for references in by_image.values_mut() {
            references.sort();
            references.dedup();
        }
        Self { by_image, names }
    }

    pub(super) fn of_image(&self, image: &ImageId) -> ReferencesTo<'_> {
        let references = self.by_image.get(image).map_or(&[][..], Vec::as_slice);
        ReferencesTo { references, names: Some(&self.names) }
    }
}

/// The references to one image, sorted.
#[derive(Clone, Copy)]
pub(super) struct ReferencesTo<'a> {
    references: &'a [&'a Reference],
    names: Option<&'a HashMap<&'a str, &'a Arc<str>>>,
}

impl<'a> ReferencesTo<'a> {
    /// References whose names come only from the references themselves.
    pub(super) fn new(references: &'a [&'a Reference]) -> Self {
        Self { references, names: None }
    }

    /// One reason for each resource that uses the image, and for each of its versions if it has
    /// any.
    ///
    /// Several sources report the same resource: EC2 reports a launch template without its version,
    /// and an instance without its name. Such repetitions are omitted.
    pub(super) fn reasons(self) -> impl Iterator<Item = Reason> {
        let Self { references, names } = self;
        let following = references.iter().skip(1).map(Some).chain([None]);
        references.iter().zip(following).filter_map(move |(reference, next)| {
            // A reference without a version is sorted before those of the same resource with a
            // version.
            let is_repeated = next.is_some_and(|next| {
                (&next.kind, &next.arn) == (&reference.kind, &reference.arn)
                    && (reference.version.is_none()
                        || (&next.version, next.stale) == (&reference.version, reference.stale))
            });
            let known = names.and_then(|names| names.get(&*reference.arn).copied());
            (!is_repeated).then(|| Reason::InUse {
                kind: reference.kind.clone(),
                arn: reference.arn.clone(),
                version: reference.version.clone(),
                stale: reference.stale,
                name: reference.name.as_ref().or(known).cloned(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Provider, ReferenceKind, join_in_words};

    fn reasons(references: Vec<Reference>) -> Vec<String> {
        let image: ImageId = "ami-1".parse().unwrap();
        let mut inventory = Inventory::from_json(
            r#"{"format":1,"account":"123456789012","region":"eu-central-1","taken_at":"2026-11-22T12:00:00Z",
                "images":[],"references":[]}"#,
        )
        .unwrap();
        inventory.references = references;
        let uses = Uses::of(&inventory);
        let reasons = uses.of_image(&image).reasons();
        reasons.map(|one| join_in_words(&[one], Provider::Aws.words(), "")).collect()
    }

    fn template(image: &str, version: Option<&str>) -> Reference {
        let kind = ReferenceKind::LaunchTemplate;
        let arn = "arn:aws:ec2:eu-central-1:123456789012:launch-template/lt-1";
        let reference = Reference::new(image.parse().unwrap(), kind, arn);
        let name = version.map(|_| "web".into());
        Reference { version: version.map(Into::into), stale: version.is_some(), name, ..reference }
    }

    #[test]
    fn a_resource_reported_by_two_sources_is_one_reference() {
        let instance = |name: Option<&str>| {
            let arn = "arn:aws:ec2:eu-central-1:123456789012:instance/i-1";
            let reference = Reference::new("ami-1".parse().unwrap(), ReferenceKind::Instance, arn);
            Reference { name: name.map(Into::into), ..reference }
        };
        let found = reasons(vec![
            template("ami-1", None),
            template("ami-1", Some("8")),
            template("ami-1", Some("9")),
            instance(Some("db")),
            instance(None),
        ]);
        assert_eq!(
            found,
            [
                "in use: instance db (i-1)",
                "in use: launch template web (lt-1) v8 (stale)",
                "in use: launch template web (lt-1) v9 (stale)",
            ]
        );
    }

    #[test]
    fn a_name_from_another_source_is_used() {
        let found = reasons(vec![template("ami-1", None), template("ami-2", Some("8"))]);
        assert_eq!(found, ["in use: launch template web (lt-1)"]);
    }
}
