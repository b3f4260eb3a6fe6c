//! References: the lists of the subscriptions that the policy names, and the Resource Graph over all
//! readable subscriptions, which is late.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use steward::cloud::{CloudError, ReferenceReader, SourceAnswer};
use steward::model::{
    AccountId, ImageId, Reference, ReferenceKind, ReferenceScope, SnapshotReference, Source,
    TemplateVersions,
};

use super::fleet::{FleetHolder, HolderKind};
use super::images::VERSION_READ;
use super::snapshots::DISK_READ;
use super::state::{AzureState, NamedImage, StoredHolder, StoredVersion, folded};
use super::{AzureFake, FakeSubscription};
use crate::fake::faults::error;

const GRAPH_READ: &str = "Microsoft.ResourceGraph/resources/read";

/// The sources that the Compute API lists per subscription, with their action.
const SOURCES: [(Source, HolderKind, &str); 5] = [
    (Source::VirtualMachines, HolderKind::VirtualMachine, "Microsoft.Compute/virtualMachines/read"),
    (Source::ScaleSets, HolderKind::ScaleSet, "Microsoft.Compute/virtualMachineScaleSets/read"),
    (
        Source::ScaleSetInstances,
        HolderKind::ScaleSetInstance,
        "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read",
    ),
    (
        Source::ImageTemplates,
        HolderKind::ImageTemplate,
        "Microsoft.VirtualMachineImages/imageTemplates/read",
    ),
    (Source::ImageVersions, HolderKind::ImageVersion, VERSION_READ),
];

#[async_trait]
impl ReferenceReader for AzureFake {
    async fn list_references(&self, scope: &ReferenceScope) -> Vec<SourceAnswer> {
        let mut inner = self.begin();
        let mut answers: Vec<SourceAnswer> = SOURCES
            .into_iter()
            .map(|(source, kind, action)| SourceAnswer {
                source,
                found: inner.listed(kind, action, &scope.accounts),
                ignored: Vec::new(),
            })
            .collect();
        let found = inner.in_graph(None);
        let source = Source::ResourceGraph;
        answers.push(SourceAnswer { source, found, ignored: Vec::new() });
        answers
    }

    async fn find_references_to(
        &self,
        images: &[ImageId],
        _: TemplateVersions,
    ) -> Result<Vec<Reference>, CloudError> {
        self.begin().in_graph(Some(images))
    }

    /// The instances in the subscription of the images.
    async fn find_instances_of(&self, images: &[ImageId]) -> Result<Vec<Reference>, CloudError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let mut inner = self.begin();
        let mut found = Vec::new();
        for (_, kind, action) in [SOURCES[0], SOURCES[2]] {
            found.extend(inner.listed(kind, action, &[])?);
        }
        found.retain(|one| images.contains(&one.image_id));
        Ok(found)
    }

    async fn list_snapshot_references(
        &self,
        scope: &ReferenceScope,
    ) -> Result<Vec<SnapshotReference>, CloudError> {
        let mut inner = self.begin();
        inner.read(DISK_READ, &[])?;
        inner.check_accounts(VERSION_READ, &scope.accounts)?;
        let (state, clock) = (&inner.state, inner.clock);
        let attached = state.disks.iter().filter_map(|(id, disk)| {
            let arn = folded(disk.attached_to.as_deref()?).into();
            let kind = ReferenceKind::VirtualMachine;
            Some(SnapshotReference { snapshot_id: id.clone(), kind, arn, version: None })
        });
        let needed = state.with_source().filter_map(|(id, stored)| {
            let NamedImage::Disk(disk) = &stored.source else { return None };
            let (kind, arn) = (ReferenceKind::ImageVersion, id.as_str().into());
            Some(SnapshotReference { snapshot_id: disk.clone(), kind, arn, version: None })
        });
        let elsewhere = state.holders.iter().filter_map(|stored| {
            let is_named = scope.accounts.iter().any(|one| one.as_str() == stored.subscription);
            let NamedImage::Disk(disk) = &stored.uses else { return None };
            (is_named && exists(&stored.holder, clock)).then(|| {
                let (kind, arn) = (ReferenceKind::ImageVersion, folded(&stored.holder.id).into());
                SnapshotReference { snapshot_id: disk.clone(), kind, arn, version: None }
            })
        });
        Ok(attached.chain(needed).chain(elsewhere).collect())
    }
}

impl FakeSubscription {
    /// The references of one kind in the subscription and in `accounts`.
    fn listed(
        &mut self,
        kind: HolderKind,
        action: &'static str,
        accounts: &[AccountId],
    ) -> Result<Vec<Reference>, CloudError> {
        self.check_accounts(action, accounts)?;
        let own = &self.state.subscription;
        let mut found = Vec::new();
        for stored in &self.state.holders {
            let is_meant = stored.subscription == own.as_str()
                || accounts.iter().any(|one| one.as_str() == stored.subscription);
            if is_meant && stored.holder.kind == kind && exists(&stored.holder, self.clock) {
                found.extend(self.state.references_of(stored));
            }
        }
        if kind == HolderKind::ImageVersion {
            found.extend(self.state.references_to_sources());
        }
        Ok(found)
    }

    /// The calls that read the subscription and `accounts`.
    fn check_accounts(
        &mut self,
        action: &'static str,
        accounts: &[AccountId],
    ) -> Result<(), CloudError> {
        let own = self.state.subscription.clone();
        for account in std::iter::once(&own).chain(accounts) {
            self.read(action, &[account.as_str()])?;
            if !self.state.may_read(account.as_str()) {
                let exists =
                    self.state.rest.others.iter().any(|one| folded(&one.id) == account.as_str());
                let code = if exists { "AuthorizationFailed" } else { "SubscriptionNotFound" };
                let message = format!("subscription {account} cannot be read");
                return Err(error::of(action, code, &message));
            }
        }
        Ok(())
    }

    /// The references that the Resource Graph shows, to these images or to all. A subscription that
    /// cannot be read is missing, without an error.
    fn in_graph(&mut self, images: Option<&[ImageId]>) -> Result<Vec<Reference>, CloudError> {
        self.read(GRAPH_READ, &[])?;
        if self.state.rest.habits.graph_truncated {
            return Err(error::of(GRAPH_READ, "Truncated", "the response was truncated"));
        }
        let late = SignedDuration::from_mins(self.state.rest.habits.graph_minutes);
        let shown_at = self.clock - late;
        let shown =
            self.state.holders.iter().filter(|one| {
                self.state.may_read(&one.subscription) && exists(&one.holder, shown_at)
            });
        let mut found: Vec<Reference> =
            shown.flat_map(|one| self.state.references_of(one)).collect();
        if let Some(images) = images {
            found.retain(|one| images.contains(&one.image_id));
        }
        Ok(found)
    }
}

/// Whether the resource existed at `at`.
fn exists(holder: &FleetHolder, at: Timestamp) -> bool {
    holder.added_at <= at && holder.removed_at.is_none_or(|removed_at| removed_at > at)
}

impl AzureState {
    fn may_read(&self, subscription: &str) -> bool {
        let is_readable = || {
            let mut others = self.rest.others.iter();
            others.any(|one| one.readable && folded(&one.id) == subscription)
        };
        self.subscription.as_str() == subscription || is_readable()
    }

    /// A definition means the versions that may be its latest one today.
    fn references_of(&self, stored: &StoredHolder) -> Vec<Reference> {
        let StoredHolder { uses, holder, .. } = stored;
        let images = match uses {
            NamedImage::Image(image) => vec![image],
            NamedImage::Definition(definition) => self.latest(definition, &holder.region),
            NamedImage::Disk(_) | NamedImage::Other => Vec::new(),
        };
        let kind = match holder.kind {
            HolderKind::VirtualMachine => ReferenceKind::VirtualMachine,
            HolderKind::ScaleSet => ReferenceKind::ScaleSet,
            HolderKind::ScaleSetInstance => ReferenceKind::ScaleSetInstance,
            HolderKind::ImageTemplate => ReferenceKind::ImageTemplate,
            HolderKind::ImageVersion => ReferenceKind::ImageVersion,
            HolderKind::BatchPool => ReferenceKind::Other("batch_pool".into()),
        };
        let arn: std::sync::Arc<str> = folded(&holder.id).into();
        images
            .into_iter()
            .map(|image| Reference::new(image.clone(), kind.clone(), arn.clone()))
            .collect()
    }

    /// The own versions that need their source, including those that can be restored.
    fn with_source(&self) -> impl Iterator<Item = (&ImageId, &StoredVersion)> {
        let deleted = self.soft_deleted.iter().map(|(id, one)| (id, &one.stored));
        self.versions.iter().chain(deleted).filter(|(_, one)| one.needs_source())
    }

    fn references_to_sources(&self) -> impl Iterator<Item = Reference> {
        self.with_source().filter_map(|(id, one)| match &one.source {
            NamedImage::Image(image) => {
                Some(Reference::new(image.clone(), ReferenceKind::ImageVersion, id.as_str()))
            }
            _ => None,
        })
    }
}
