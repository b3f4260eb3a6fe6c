//! The resources that launch from images: virtual machines, scale sets with their instances, and
//! templates of Image Builder, in the own subscription and in the others that the policy names.

use std::collections::HashMap;

use futures_util::future::{join_all, try_join_all};
use steward::cloud::{CloudError, ErrorKind};
use steward::model::{AccountId, ReferenceKind, Source};

use crate::api::{
    DISKS, IMAGE_TEMPLATES, ResourceApi, SCALE_SET_INSTANCES, SCALE_SETS, SUBSCRIPTIONS,
    VIRTUAL_MACHINES,
};
use crate::arm_id::ArmId;
use crate::azure::Azure;
use crate::types::{
    BuilderTemplate, Disk, GraphRow, ImageTarget, Location, MachineStorage, ScaleSet,
    ScaleSetInstance, Subscription, SubscriptionState, VirtualMachine,
};

/// The types of resource that may name an image, and that Resource Graph has in its table
/// `resources`. The text of each row is searched for IDs of images.
const GRAPH_TYPES: &str = "'microsoft.compute/virtualmachines', \
     'microsoft.compute/virtualmachinescalesets', \
     'microsoft.virtualmachineimages/imagetemplates', \
     'microsoft.azurefleet/fleets', \
     'microsoft.batch/batchaccounts/pools', \
     'microsoft.devopsinfrastructure/pools', \
     'microsoft.servicefabric/managedclusters/nodetypes', \
     'microsoft.devtestlab/labs/customimages', \
     'microsoft.devcenter/devcenters/devboxdefinitions', \
     'microsoft.labservices/labs'";

/// An error code of a provider that the subscription does not use, so that it has no such resources.
const NOT_REGISTERED: &str = "MissingSubscriptionRegistration";

/// A resource that launches from images.
#[derive(Debug, Clone)]
pub(crate) struct LaunchingResource {
    pub(crate) kind: ReferenceKind,
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    /// Where it launches. `None` if this is unknown.
    pub(crate) location: Option<Location>,
    pub(crate) targets: Vec<ImageTarget>,
    /// The version that it was launched from, for a resource that is running.
    pub(crate) launched: Launched,
    /// The disks that it uses, and those that it copies.
    pub(crate) disks: Vec<ArmId>,
}

/// What is known of the version of a running resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Launched {
    /// The resource launches others, and is not running itself.
    Nothing,
    /// It was launched from what its image reference names.
    Named,
    /// It names a definition, and this version is that of its disk.
    Version(ArmId),
    /// It names a definition, and nothing shows the version.
    Unknown,
}

impl Launched {
    /// What the image references of a running resource show.
    pub(crate) fn of<'a>(mut targets: impl Iterator<Item = &'a ImageTarget>) -> Self {
        let is_unknown = targets.any(|target| {
            matches!(target, ImageTarget::Definition { exact: None, .. })
                || matches!(target, ImageTarget::Shared(shared) if shared.version.is_none())
        });
        if is_unknown { Self::Unknown } else { Self::Named }
    }
}

/// The resources of each source, or why it could not be read.
#[derive(Debug)]
pub(crate) struct LaunchingResources(
    pub(crate) Vec<(Source, Result<Vec<LaunchingResource>, CloudError>)>,
);

impl LaunchingResources {
    /// All resources, if every source was read.
    pub(crate) fn all(&self) -> Result<impl Iterator<Item = &LaunchingResource>, CloudError> {
        for (_, found) in &self.0 {
            found.as_ref().map_err(Clone::clone)?;
        }
        Ok(self.0.iter().flat_map(|(_, found)| found.iter().flatten()))
    }
}

impl Azure {
    /// The subscriptions in which references are searched.
    pub(crate) fn searched(&self) -> Vec<AccountId> {
        let mut all = self.accounts();
        all.push(self.subscription.clone());
        all.sort();
        all.dedup();
        all
    }

    pub(crate) async fn read_launch_sources(&self) -> Result<LaunchingResources, CloudError> {
        let searched = self.searched();
        let machines = join_all(searched.iter().map(|one| self.virtual_machines(one)));
        let sets = join_all(searched.iter().map(|one| self.scale_sets(one)));
        let templates = join_all(searched.iter().map(|one| self.image_templates(one)));
        let (machines, sets, templates) = futures_util::join!(machines, sets, templates);
        let (mut models, mut instances) = (Vec::new(), Vec::new());
        for (of_set, of_instances) in sets {
            models.push(of_set);
            instances.push(of_instances);
        }
        let mut sources = [
            (Source::VirtualMachines, joined(machines, &searched)),
            (Source::ScaleSets, joined(models, &searched)),
            (Source::ScaleSetInstances, joined(instances, &searched)),
            (Source::ImageTemplates, joined(templates, &searched)),
        ];
        self.add_launched_versions(&mut sources).await;
        Ok(LaunchingResources(sources.into()))
    }

    async fn list_in<T: serde::de::DeserializeOwned + Send>(
        &self,
        api: ResourceApi,
        subscription: &AccountId,
    ) -> Result<Vec<T>, CloudError> {
        self.client.list(api.read, &api.in_subscription(subscription), &api.query()).await
    }

    async fn virtual_machines(
        &self,
        subscription: &AccountId,
    ) -> Result<Vec<LaunchingResource>, CloudError> {
        self.check_permissions(subscription).await?;
        let found: Vec<VirtualMachine> = self.list_in(VIRTUAL_MACHINES, subscription).await?;
        Ok(found
            .into_iter()
            .map(|one| {
                let location = one.region().cloned();
                let storage = &one.properties.storage;
                running(ReferenceKind::VirtualMachine, &one.id, Some(one.name), location, storage)
            })
            .collect())
    }

    /// The models of the scale sets, and the instances of those with uniform orchestration. The
    /// instances of the others are virtual machines.
    async fn scale_sets(
        &self,
        subscription: &AccountId,
    ) -> (Result<Vec<LaunchingResource>, CloudError>, Result<Vec<LaunchingResource>, CloudError>)
    {
        let sets: Vec<ScaleSet> = match self.list_in(SCALE_SETS, subscription).await {
            Ok(sets) => sets,
            Err(error) => return (Err(error.clone()), Err(error)),
        };
        let own = sets.iter().filter(|one| one.properties.has_own_instances());
        let instances = try_join_all(own.map(|set| self.instances_of(set))).await;
        let instances = instances.map(|found| found.into_iter().flatten().collect());
        let models = sets.into_iter().filter_map(|set| {
            let model = set.properties.model.as_ref()?;
            Some(LaunchingResource {
                kind: ReferenceKind::ScaleSet,
                id: set.id.to_string(),
                targets: model.targets(),
                disks: model.data_sources.clone(),
                location: set.region().cloned(),
                name: Some(set.name),
                launched: Launched::Nothing,
            })
        });
        (Ok(models.collect()), instances)
    }

    async fn instances_of(&self, set: &ScaleSet) -> Result<Vec<LaunchingResource>, CloudError> {
        let api = SCALE_SET_INSTANCES;
        let path = format!("{}/virtualMachines", set.id);
        let listed = self.client.list(api.read, &path, &api.query()).await;
        let found: Vec<ScaleSetInstance> = match listed {
            // The set was deleted after it was listed, and its instances with it.
            Err(error) if error.kind == ErrorKind::NotFound => Vec::new(),
            listed => listed?,
        };
        let location = set.region().cloned();
        Ok(found
            .into_iter()
            .map(|one| {
                let storage = &one.properties.storage;
                let kind = ReferenceKind::ScaleSetInstance;
                running(kind, &one.id, Some(one.name), location.clone(), storage)
            })
            .collect())
    }

    async fn image_templates(
        &self,
        subscription: &AccountId,
    ) -> Result<Vec<LaunchingResource>, CloudError> {
        let found: Vec<BuilderTemplate> = match self.list_in(IMAGE_TEMPLATES, subscription).await {
            Err(error) if error.code == NOT_REGISTERED => Vec::new(),
            found => found?,
        };
        Ok(found
            .into_iter()
            .map(|one| LaunchingResource {
                kind: ReferenceKind::ImageTemplate,
                id: one.id.to_string(),
                targets: one.properties.source.targets(),
                location: one.region().cloned(),
                name: Some(one.name),
                launched: Launched::Nothing,
                disks: Vec::new(),
            })
            .collect())
    }

    /// Adds the versions of running resources that name only a definition, from their disks. Without
    /// such resources, the disks are not read.
    async fn add_launched_versions(
        &self,
        sources: &mut [(Source, Result<Vec<LaunchingResource>, CloudError>)],
    ) {
        let all: Vec<&mut LaunchingResource> =
            sources.iter_mut().flat_map(|(_, found)| found.iter_mut().flatten()).collect();
        if !all.iter().any(|one| one.launched == Launched::Unknown) {
            return;
        }
        let searched = self.searched();
        let disks = join_all(searched.iter().map(|one| self.list_in::<Disk>(DISKS, one))).await;
        // A disk that could not be read leaves the version unknown, and all versions in use.
        let versions: HashMap<ArmId, ArmId> = disks
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|disk| {
                let mut targets = disk.properties.creation_data.targets().into_iter();
                let version = targets.find_map(|target| match target {
                    ImageTarget::Version(version) => Some(version),
                    ImageTarget::Definition { exact, .. } => exact,
                    ImageTarget::ManagedImage(_) | ImageTarget::Shared(_) => None,
                })?;
                Some((disk.id, version))
            })
            .collect();
        for one in all.into_iter().filter(|one| one.launched == Launched::Unknown) {
            if let Some(version) = one.disks.first().and_then(|disk| versions.get(disk)) {
                one.launched = Launched::Version(version.clone());
            }
        }
    }

    /// Reads the rows of Resource Graph that name an image, in all subscriptions that the credentials
    /// can read. They may show that an image is in use, and never that it is not.
    pub(crate) async fn read_graph_rows(&self) -> Result<Vec<GraphRow>, CloudError> {
        let query = SUBSCRIPTIONS.query();
        let readable: Vec<Subscription> =
            self.client.list(SUBSCRIPTIONS.read, "/subscriptions", &query).await?;
        let ids: Vec<&str> = readable
            .iter()
            .filter(|one| one.state != SubscriptionState::Deleted)
            .map(|one| one.id.as_str())
            .collect();
        let named =
            "tostring(properties) contains '/images/' | project id, type, location, properties";
        let resources = format!("resources | where type in~ ({GRAPH_TYPES}) | where {named}");
        let instances = format!(
            "computeresources | where type =~ 'microsoft.compute/virtualmachinescalesets/virtualmachines' | where {named}"
        );
        let (mut rows, instances) = futures_util::try_join!(
            self.client.query_resource_graph::<GraphRow>(&ids, &resources),
            self.client.query_resource_graph::<GraphRow>(&ids, &instances),
        )?;
        rows.extend(instances);
        Ok(rows)
    }

    /// Reads the own subscription and those that the policy names, so that a missing role is noticed
    /// at once.
    pub(crate) async fn check_subscription(&self) -> Result<(), CloudError> {
        let path = format!("/subscriptions/{}", self.subscription);
        let found: Subscription =
            self.client.get(SUBSCRIPTIONS.read, &path, &SUBSCRIPTIONS.query()).await?;
        if found.id != self.subscription.as_str() {
            let message = format!("the response is about subscription {}", found.id);
            return Err(crate::error::bad_response(SUBSCRIPTIONS.read, message));
        }
        Ok(())
    }
}

/// A resource that is running.
fn running(
    kind: ReferenceKind,
    id: &ArmId,
    name: Option<String>,
    location: Option<Location>,
    storage: &MachineStorage,
) -> LaunchingResource {
    let targets = storage.targets();
    let launched = Launched::of(targets.iter());
    let disks = storage.os_disk.iter().chain(&storage.data_disks).chain(&storage.data_sources);
    LaunchingResource {
        kind,
        id: id.to_string(),
        name,
        location,
        targets,
        launched,
        disks: disks.cloned().collect(),
    }
}

/// The resources of all subscriptions, or the first error, which names its subscription.
fn joined(
    found: Vec<Result<Vec<LaunchingResource>, CloudError>>,
    subscriptions: &[AccountId],
) -> Result<Vec<LaunchingResource>, CloudError> {
    let mut all = Vec::new();
    for (found, subscription) in found.into_iter().zip(subscriptions) {
        all.extend(found.map_err(|error| CloudError {
            message: format!("subscription {subscription}: {}", error.message),
            ..error
        })?);
    }
    Ok(all)
}
