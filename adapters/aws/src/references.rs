//! Collects the references to images from all sources.
//!
//! Launch templates and launch sources depend on each other: an Auto Scaling group may refer to a
//! version that no listing contains, and its image is known only after that version is read.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use futures_util::join;
use steward::cloud::{CloudError, ReferenceReader, SourceAnswer};
use steward::model::{
    IgnoredTemplate, ImageId, Reference, ReferenceKind, ReferenceScope, SnapshotReference, Source,
    TemplateVersions,
};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;
use super::image_references::{MAX_IMAGES, wanted};
use super::image_texts::{ResolvedImages, TextError, snapshots_in};
use super::launch_configurations::NamedConfiguration;
use super::launch_sources::{self, LaunchSource};
use super::launch_templates::{Named, Templates, VersionKey, VersionRead};
use super::pagination::{FILTER_VALUES, filter};

const TEMPLATES: ApiCall = ApiCall::DescribeLaunchTemplateVersions;

/// The launch sources of each kind, or the error from listing them.
type Listed = [(Source, Result<Vec<LaunchSource>, CloudError>)];
/// The references from each source, or the error.
type SourceResults = Vec<(Source, Result<Vec<Reference>, CloudError>)>;

/// A template version that refers to an image.
struct TemplateUse<'a> {
    id: &'a str,
    name: Option<&'a str>,
    number: i64,
    label: String,
    image_id: ImageId,
}

#[async_trait]
impl ReferenceReader for Aws {
    async fn list_references(&self, scope: &ReferenceScope) -> Vec<SourceAnswer> {
        let launch_sources = launch_sources::ALL.iter().filter(|one| one.is_wanted(scope));
        let launch_sources = join_all(launch_sources.map(|one| async {
            let listed = one.list(self).await;
            (one.source(), listed)
        }));
        let (instances, templates, configurations, mut listed) = join!(
            Box::pin(self.instances()),
            Box::pin(self.templates(scope.versions)),
            Box::pin(self.launch_configurations()),
            launch_sources,
        );
        if let Ok(configurations) = &configurations {
            check_guesses(&mut listed, configurations);
        }
        let mut ignored = Vec::new();
        let (templates, by_launch_sources) =
            self.templates_and_launch_sources(templates, &listed, scope, &mut ignored).await;
        let configurations =
            configurations.map(|all| by_configurations(all, &listed, &by_launch_sources));
        [
            (Source::Instances, instances),
            (Source::LaunchTemplates, templates),
            (Source::LaunchConfigurations, configurations),
        ]
        .into_iter()
        .chain(by_launch_sources)
        .map(|(source, found)| {
            let is_templates = source == Source::LaunchTemplates;
            let ignored = if is_templates { std::mem::take(&mut ignored) } else { Vec::new() };
            SourceAnswer { source, found: found.map(in_order), ignored }
        })
        .collect()
    }

    async fn find_references_to(
        &self,
        images: &[ImageId],
        versions: TemplateVersions,
    ) -> Result<Vec<Reference>, CloudError> {
        let types = wanted(versions);
        let mut found = BTreeSet::new();
        for some in images.chunks(MAX_IMAGES) {
            found.extend(self.references_to_some(some, &types).await?);
        }
        Ok(found.into_iter().collect())
    }

    async fn find_instances_of(&self, images: &[ImageId]) -> Result<Vec<Reference>, CloudError> {
        let mut found = Vec::new();
        for some in images.chunks(FILTER_VALUES) {
            let filter = filter("image-id", some.iter().map(ImageId::as_str));
            found.extend(self.living(Some(filter)).await?);
        }
        Ok(found)
    }

    /// The snapshots in the block device mappings of launch configurations and template versions.
    async fn list_snapshot_references(
        &self,
        scope: &ReferenceScope,
    ) -> Result<Vec<SnapshotReference>, CloudError> {
        let (templates, configurations) = join!(
            Box::pin(self.templates(scope.versions)),
            Box::pin(self.launch_configurations()),
        );
        let mut templates = templates?;
        templates.keep(scope.versions, &Named::default());
        let mut found = BTreeSet::new();
        for version in templates.iter() {
            let arn: Arc<str> = self.template_arn(version.id).into();
            let label: Arc<str> = version.label.as_str().into();
            if let Some(problem) = version.problem {
                if !scope.ignores(version.id) {
                    return Err(TextError::Unreadable(problem.clone()).in_template(version.id));
                }
                continue;
            }
            for text in version.snapshots {
                let snapshots = match snapshots_in(TEMPLATES, text, || version.to_string()) {
                    Err(TextError::Unreadable(_)) if scope.ignores(version.id) => continue,
                    snapshots => snapshots.map_err(|error| error.in_template(version.id))?,
                };
                found.extend(snapshots.into_iter().map(|snapshot_id| {
                    let (arn, version) = (arn.clone(), Some(label.clone()));
                    let kind = ReferenceKind::LaunchTemplate;
                    SnapshotReference { snapshot_id, kind, arn, version }
                }));
            }
        }
        for NamedConfiguration { reference, snapshots, name: _ } in configurations? {
            let Reference { kind, arn, .. } = reference;
            found.extend(snapshots.into_iter().map(|snapshot_id| {
                let (kind, arn) = (kind.clone(), arn.clone());
                SnapshotReference { snapshot_id, kind, arn, version: None }
            }));
        }
        Ok(found.into_iter().collect())
    }
}

impl Aws {
    /// The references from launch templates and from launch sources.
    async fn templates_and_launch_sources(
        &self,
        templates: Result<Templates, CloudError>,
        listed: &Listed,
        scope: &ReferenceScope,
        ignored: &mut Vec<IgnoredTemplate>,
    ) -> (Result<Vec<Reference>, CloudError>, SourceResults) {
        let templates = match templates {
            Ok(templates) => self.complete(templates, listed, scope.versions).await,
            Err(error) => Err(error),
        };
        let mut images = ResolvedImages::default();
        let uses = match &templates {
            Ok(templates) => self.uses(templates, scope, &mut images, ignored).await,
            Err(error) => Err(error.clone()),
        };
        let usable = match (&templates, &uses) {
            (Ok(templates), Ok(_)) => Ok(templates),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        let mut answers = SourceResults::new();
        for (source, launch_sources) in listed {
            let found = match launch_sources {
                Ok(launch_sources) => {
                    self.by_launch_sources(launch_sources, usable, scope, &mut images).await
                }
                Err(error) => Err(error.clone()),
            };
            answers.push((*source, found));
        }
        let is_known = |(source, found): &(Source, Result<_, _>)| {
            found.is_ok() || !launch_sources::source_names_templates(*source)
        };
        let named = usable.ok().filter(|_| answers.iter().all(is_known));
        let named = named.map(|templates| templates.named(keys(listed)));
        (uses.map(|uses| self.by_templates(uses, named.as_ref())), answers)
    }

    /// Reads the versions that launch sources refer to, and drops the others outside `versions`.
    async fn complete(
        &self,
        mut templates: Templates,
        listed: &Listed,
        versions: TemplateVersions,
    ) -> Result<Templates, CloudError> {
        self.add_pinned(&mut templates, keys(listed).cloned()).await?;
        let pinned = templates.named(keys(listed));
        templates.keep(versions, &pinned);
        Ok(templates)
    }

    /// The images of each version. An image field that cannot be resolved is an error, or is added to
    /// `ignored` if the policy ignores the template.
    async fn uses<'a>(
        &self,
        templates: &'a Templates,
        scope: &ReferenceScope,
        images: &mut ResolvedImages,
        ignored: &mut Vec<IgnoredTemplate>,
    ) -> Result<Vec<TemplateUse<'a>>, CloudError> {
        let mut found = Vec::new();
        for version in templates.iter() {
            let named = match self.images_of(&version, images, || version.to_string()).await {
                Err(TextError::Unreadable(_)) if scope.ignores(version.id) => {
                    ignored.push(IgnoredTemplate {
                        launch_template: version.id.into(),
                        version: version.label.into(),
                        image: version.image.unwrap_or_default().into(),
                    });
                    continue;
                }
                named => named.map_err(|error| error.in_template(version.id))?,
            };
            let (id, name, number) = (version.id, version.name, version.number);
            found.extend(named.into_iter().map(|image_id| {
                let label = version.label.clone();
                TemplateUse { id, name, number, label, image_id }
            }));
        }
        Ok(found)
    }

    /// The images of a template version; empty if it has no image field.
    async fn images_of(
        &self,
        version: &VersionRead<'_>,
        images: &mut ResolvedImages,
        user: impl FnOnce() -> String + Send,
    ) -> Result<Vec<ImageId>, TextError> {
        match (version.problem, version.image) {
            (Some(problem), _) => Err(TextError::Unreadable(problem.clone())),
            (None, Some(text)) => self.images_behind(images, TEMPLATES, text, user).await,
            (None, None) => Ok(Vec::new()),
        }
    }

    /// The references from launch templates. Versions that are not in `named` are stale, if `named` is
    /// known.
    fn by_templates(&self, uses: Vec<TemplateUse<'_>>, named: Option<&Named>) -> Vec<Reference> {
        let found =
            uses.into_iter().map(|TemplateUse { id, name, number, label, image_id }| Reference {
                image_id,
                kind: ReferenceKind::LaunchTemplate,
                arn: self.template_arn(id).into(),
                version: Some(label.into()),
                stale: named.is_some_and(|named| !named.has(id, number)),
                name: name.map(Into::into),
            });
        found.collect()
    }

    fn template_arn(&self, id: &str) -> String {
        self.arn("ec2", &format!("launch-template/{id}"))
    }

    /// The references from launch sources. If the templates could not be read, a launch source with a
    /// template is an error too, because its references would be incomplete.
    async fn by_launch_sources(
        &self,
        launch_sources: &[LaunchSource],
        templates: Result<&Templates, &CloudError>,
        scope: &ReferenceScope,
        images: &mut ResolvedImages,
    ) -> Result<Vec<Reference>, CloudError> {
        let mut found = Vec::new();
        for LaunchSource { kind, arn, call, versions, images: own, .. } in launch_sources {
            let mut named = Vec::new();
            for key in versions {
                let Some(version) = templates.map_err(Clone::clone)?.version(key)? else {
                    continue;
                };
                match self.images_of(&version, images, || arn.clone()).await {
                    Err(TextError::Unreadable(_)) if scope.ignores(version.id) => {}
                    images => {
                        named.extend(images.map_err(|error| error.in_template(version.id))?);
                    }
                }
            }
            for text in own {
                named.extend(self.images_behind(images, *call, text, || arn.clone()).await?);
            }
            found.extend(named.into_iter().map(|image_id| {
                let (kind, arn) = (kind.clone(), arn.as_str());
                Reference::new(image_id, kind, arn)
            }));
        }
        Ok(found)
    }
}

/// Replaces the result of a source by an error if an Auto Scaling group has neither template nor
/// configuration, and no configuration has the same name.
fn check_guesses(
    listed: &mut [(Source, Result<Vec<LaunchSource>, CloudError>)],
    configurations: &[NamedConfiguration],
) {
    for (_, found) in listed {
        let Ok(launch_sources) = found else { continue };
        let unknown = launch_sources.iter().find(|one| {
            let name = one.configuration.as_deref();
            one.is_guess && !configurations.iter().any(|other| Some(&*other.name) == name)
        });
        if let Some(LaunchSource { arn, call, .. }) = unknown {
            let message = format!("{arn} has neither a launch template nor a launch configuration");
            *found = Err(bad_response(*call, message));
        }
    }
}

/// All launch sources that could be listed.
fn launch_sources(listed: &Listed) -> impl Iterator<Item = &LaunchSource> {
    listed.iter().flat_map(|(_, launch_sources)| launch_sources.as_deref().unwrap_or_default())
}

/// All template versions that launch sources refer to.
fn keys(listed: &Listed) -> impl Iterator<Item = &VersionKey> {
    launch_sources(listed).flat_map(|launch_source| &launch_source.versions)
}

/// Whether the source was read without an error, or was skipped.
fn is_read(answers: &SourceResults, source: Source) -> bool {
    answers.iter().all(|(one, found)| *one != source || found.is_ok())
}

/// The references from launch configurations. If the Auto Scaling groups are known, configurations
/// that none of them uses are stale.
fn by_configurations(
    all: Vec<NamedConfiguration>,
    listed: &Listed,
    answers: &SourceResults,
) -> Vec<Reference> {
    let named: Option<BTreeSet<&str>> = is_read(answers, Source::AutoScalingGroups)
        .then(|| launch_sources(listed).filter_map(|one| one.configuration.as_deref()).collect());
    let found = all.into_iter().map(|NamedConfiguration { name, reference, snapshots: _ }| {
        let stale = named.as_ref().is_some_and(|named| !named.contains(name.as_str()));
        Reference { stale, ..reference }
    });
    found.collect()
}

/// Sorts and deduplicates references, so that two runs over the same account print the same.
fn in_order(references: Vec<Reference>) -> Vec<Reference> {
    references.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(configuration: &str) -> LaunchSource {
        let call = ApiCall::DescribeAutoScalingGroups;
        let group = LaunchSource::new(ReferenceKind::AutoScalingGroup, "arn:web".into(), call);
        LaunchSource { configuration: Some(configuration.to_owned()), ..group }
    }

    #[test]
    fn a_configuration_without_a_group_is_stale_where_the_groups_are_known() {
        let reference = |name: &str| {
            Reference::new("ami-1".parse().unwrap(), ReferenceKind::LaunchConfiguration, name)
        };
        let configuration = |name: &str| NamedConfiguration {
            name: name.to_owned(),
            reference: reference(name),
            snapshots: Vec::new(),
        };
        let all = || vec![configuration("old"), configuration("new")];
        let listed = [(Source::AutoScalingGroups, Ok(vec![group("new")]))];
        for (answer, stale) in [(Ok(Vec::new()), vec![true, false]), (failed(), vec![false, false])]
        {
            let answers = vec![(Source::AutoScalingGroups, answer)];
            let found = by_configurations(all(), &listed, &answers);
            assert_eq!(found.iter().map(|one| one.stale).collect::<Vec<_>>(), stale);
        }
    }

    fn failed() -> Result<Vec<Reference>, CloudError> {
        Err(bad_response(ApiCall::DescribeAutoScalingGroups, "no".into()))
    }

    #[test]
    fn a_source_that_is_left_out_is_not_unread() {
        let answers = vec![(Source::Fleets, failed()), (Source::SpotFleets, Ok(Vec::new()))];
        assert!(!is_read(&answers, Source::Fleets));
        assert!(is_read(&answers, Source::SpotFleets));
        assert!(is_read(&answers, Source::ComputeEnvironments));
    }

    #[test]
    fn a_group_that_names_nothing_may_have_a_configuration_of_its_own_name() {
        let kind = ReferenceKind::LaunchConfiguration;
        let reference = Reference::new("ami-1".parse().unwrap(), kind, "arn");
        let configuration =
            NamedConfiguration { name: "web".to_owned(), reference, snapshots: Vec::new() };
        for (name, is_guess, is_known) in
            [("web", true, true), ("api", true, false), ("api", false, true)]
        {
            let group = LaunchSource { is_guess, ..group(name) };
            let mut listed = vec![(Source::AutoScalingGroups, Ok(vec![group]))];
            check_guesses(&mut listed, std::slice::from_ref(&configuration));
            assert_eq!(listed[0].1.is_ok(), is_known, "{name}");
        }
    }
}
