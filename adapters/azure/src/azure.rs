//! The adapter: a subscription, and what was read of it a moment ago.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use steward::cloud::{CloudError, ErrorKind};
use steward::model::AccountId;
use steward::progress::Progress;
use tokio::sync::Mutex;

use crate::client::{Client, ClientSettings};
use crate::credentials::{CredentialChoice, CredentialKind, FixedToken};
use crate::galleries::GalleryListing;
use crate::launch_sources::LaunchingResources;
use crate::snapshots::DisksAndSnapshots;
use crate::tag_updates::TagChanges;
use crate::types::{GraphRow, Lock};

/// How long a listing may serve again within a run. Right before a removal, image references are
/// checked in batches; without this, every batch would list the whole subscription.
const MAX_LISTING_AGE: Duration = Duration::from_secs(30);
/// The same for the galleries with all their versions, which take one call for each gallery and each
/// definition. Before a removal, every version is read again by its ID, and so is the listing of its
/// definition if a resource launches the latest version.
const MAX_GALLERY_AGE: Duration = Duration::from_secs(120);

/// How to connect to a subscription.
#[derive(Debug, Clone)]
pub struct AzureOptions {
    /// The subscription whose images are managed.
    pub subscription: AccountId,
    /// The URL of Azure Resource Manager, for a sovereign cloud or a stand-in.
    pub endpoint: Option<String>,
    /// The kind of credentials. `None` takes the first kind that is configured.
    pub credentials: Option<CredentialKind>,
    /// A fixed token for a stand-in on a loopback address, instead of credentials.
    pub token: Option<FixedToken>,
    /// The application name in the user agent.
    pub app: Option<String>,
    /// Receives a report of every call and of all throttling.
    pub progress: Option<Arc<dyn Progress>>,
    /// How long to wait for Azure to carry out a change. `None` does not wait: a later run sees the
    /// result.
    pub patience: Option<Duration>,
    /// The wait before the first retry, for a stand-in.
    pub first_backoff: Option<Duration>,
}

impl AzureOptions {
    /// The defaults for a subscription.
    pub fn to(subscription: AccountId) -> Self {
        Self {
            subscription,
            endpoint: None,
            credentials: None,
            token: None,
            app: None,
            progress: None,
            patience: None,
            first_backoff: None,
        }
    }
}

/// Chooses the credentials and checks that they can read the subscription, with one call.
///
/// # Errors
/// The credentials are not configured or not accepted, or the subscription cannot be read.
pub async fn connect(options: AzureOptions) -> Result<Azure, CloudError> {
    let AzureOptions {
        subscription,
        endpoint,
        credentials,
        token,
        app,
        progress,
        patience,
        first_backoff,
    } = options;
    let credentials = match (token, credentials) {
        (Some(token), _) => CredentialChoice::Token(token),
        (None, Some(kind)) => CredentialChoice::Kind(kind),
        (None, None) => CredentialChoice::Automatic,
    };
    let settings = ClientSettings { endpoint, credentials, app, first_backoff, progress };
    let azure = Azure::new(Client::new(settings)?, subscription, patience);
    azure.check_subscription().await?;
    Ok(azure)
}

/// A connected subscription: implements the ports of the core.
#[derive(Clone)]
pub struct Azure {
    pub(crate) client: Client,
    pub(crate) subscription: AccountId,
    pub(crate) patience: Option<Duration>,
    memory: Arc<Memory>,
}

/// Omits what was read, which is long.
impl fmt::Debug for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Azure").field("subscription", &self.subscription).finish_non_exhaustive()
    }
}

/// What was read a moment ago, and the subscriptions in which references are searched.
///
/// Each listing has a lock that is held while it is read, so that calls at the same time share one
/// reading.
#[derive(Default)]
struct Memory {
    galleries: Mutex<Remembered<GalleryListing>>,
    sources: Mutex<Remembered<LaunchingResources>>,
    graph: Mutex<Remembered<Vec<GraphRow>>>,
    locks: Mutex<Remembered<Vec<Lock>>>,
    disks: Mutex<Remembered<DisksAndSnapshots>>,
    /// The subscriptions of the last search for references, besides the own one.
    accounts: std::sync::Mutex<Vec<AccountId>>,
    /// The subscriptions in which the credentials have the permissions that lists need.
    checked: std::sync::Mutex<BTreeSet<AccountId>>,
    /// The last change of the tags of each image.
    tag_changes: std::sync::Mutex<TagChanges>,
}

/// A reading and its time by the client's clock.
struct Remembered<T>(Option<(Duration, Arc<T>)>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Remembered<T> {
    fn recent(&self, now: Duration, most: Duration) -> Option<Arc<T>> {
        let (at, value) = self.0.as_ref()?;
        (now.saturating_sub(*at) <= most).then(|| value.clone())
    }
}

macro_rules! remembered {
    ($($(#[$doc:meta])* $name:ident: $field:ident, $type:ty, $read:ident, $most:expr;)+) => {
        impl Azure {
            $($(#[$doc])* pub(crate) async fn $name(&self) -> Result<Arc<$type>, CloudError> {
                let mut held = self.memory.$field.lock().await;
                let began = self.client.inner.time.now();
                if let Some(recent) = held.recent(began, $most) {
                    return Ok(recent);
                }
                let read = Arc::new(self.$read().await?);
                *held = Remembered(Some((began, read.clone())));
                Ok(read)
            })+
        }
    };
}

remembered! {
    /// The galleries with their definitions and versions.
    galleries: galleries, GalleryListing, read_galleries, MAX_GALLERY_AGE;
    /// The resources that launch from images, in all subscriptions of the last search.
    launch_sources: sources, LaunchingResources, read_launch_sources, MAX_LISTING_AGE;
    /// The rows of Resource Graph that name images, of all subscriptions that can be read.
    graph_rows: graph, Vec<GraphRow>, read_graph_rows, MAX_LISTING_AGE;
    /// The locks in the subscription.
    locks: locks, Vec<Lock>, read_locks, MAX_LISTING_AGE;
    /// The managed disks and snapshots of the subscription.
    disks_and_snapshots: disks, DisksAndSnapshots, read_disks_and_snapshots, MAX_LISTING_AGE;
}

macro_rules! read_again {
    ($($(#[$doc:meta])* $fresh:ident: $name:ident, $field:ident, $type:ty;)+) => {
        impl Azure {
            $($(#[$doc])* pub(crate) async fn $fresh(&self) -> Result<Arc<$type>, CloudError> {
                *self.memory.$field.lock().await = Remembered::default();
                self.$name().await
            })+
        }
    };
}

read_again! {
    /// The galleries, whatever was read before.
    fresh_galleries: galleries, galleries, GalleryListing;
    /// The resources that launch from images, whatever was read before.
    fresh_launch_sources: launch_sources, sources, LaunchingResources;
    /// The locks, whatever was read before.
    fresh_locks: locks, locks, Vec<Lock>;
    /// The managed disks and snapshots, whatever was read before.
    fresh_disks_and_snapshots: disks_and_snapshots, disks, DisksAndSnapshots;
}

#[cfg(test)]
impl Azure {
    /// A connection that nothing was read with.
    pub(crate) fn over(client: Client, subscription: AccountId) -> Self {
        Self { client, subscription, patience: None, memory: Arc::default() }
    }
}

impl Azure {
    pub(crate) fn new(client: Client, subscription: AccountId, patience: Option<Duration>) -> Self {
        Self { client, subscription, patience, memory: Arc::default() }
    }

    /// An adapter that was not connected, for the subscription of the resource with this ID.
    #[cfg(test)]
    pub(crate) fn of(client: Client, id: &str) -> Self {
        let subscription = id.split('/').nth(2).and_then(|id| id.parse().ok());
        let subscription = subscription.expect("the ID of a resource");
        Self { client, subscription, patience: None, memory: Arc::default() }
    }

    /// The subscription whose images are managed.
    pub fn subscription(&self) -> &AccountId {
        &self.subscription
    }

    /// The kind of the credentials, as text.
    pub fn credentials(&self) -> String {
        self.client.credential_kind().map_or("fixed token".to_owned(), |kind| kind.to_string())
    }

    /// The same connection for another run: with the same credentials and rate limits, but without
    /// what was read before.
    #[must_use]
    pub fn for_another_run(&self) -> Self {
        Self { memory: Arc::default(), ..self.clone() }
    }

    /// The galleries if they were listed a moment ago.
    pub(crate) async fn recent_galleries(&self) -> Option<Arc<GalleryListing>> {
        let held = self.memory.galleries.lock().await;
        held.recent(self.client.inner.time.now(), MAX_GALLERY_AGE)
    }

    /// Forgets the listings of disks and snapshots, after a change.
    pub(crate) async fn forget_disks(&self) {
        *self.memory.disks.lock().await = Remembered::default();
    }

    pub(crate) fn was_checked(&self, subscription: &AccountId) -> bool {
        let checked = self.memory.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.contains(subscription)
    }

    pub(crate) fn note_checked(&self, subscription: &AccountId) {
        let mut checked = self.memory.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.insert(subscription.clone());
    }

    /// The subscriptions of the last search for references, besides the own one.
    pub(crate) fn accounts(&self) -> Vec<AccountId> {
        self.memory.accounts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last change of the tags of each image.
    pub(crate) fn tag_changes(&self) -> MutexGuard<'_, TagChanges> {
        self.memory.tag_changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Searches for references in these subscriptions too from now on.
    pub(crate) fn search_in(&self, accounts: &[AccountId]) {
        let mut held = self.memory.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        *held = accounts.to_vec();
    }
}

/// An error for a change that the resource does not support.
pub(crate) fn unsupported(call: &'static str, what: impl Into<String>) -> CloudError {
    CloudError {
        call,
        kind: ErrorKind::Other,
        code: "Unsupported".to_owned(),
        message: what.into(),
    }
}

/// An error for a change that another operation on the resource delays.
pub(crate) fn busy(call: &'static str, what: impl Into<String>) -> CloudError {
    CloudError { call, kind: ErrorKind::Busy, code: "Busy".to_owned(), message: what.into() }
}
