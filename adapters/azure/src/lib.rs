//! The Azure adapter: calls Azure Resource Manager with the HTTP client and the credentials of the
//! Azure SDK.
//!
//! [`Client`] has one method for each kind of call. `endpoint` decides which URLs are called,
//! `credentials` as whom, `token` keeps the access token. `send` sends a call: it waits for the
//! `rate_limit`, and repeats what `retry` allows. `response_check` reads responses, `error` classifies
//! all error codes. `pagination` reads listings, `operations` follows changes that take long,
//! `resource_graph` queries many subscriptions at once.

mod api;
pub mod arm_id;
mod azure;
mod client;
mod credentials;
mod endpoint;
mod error;
mod galleries;
mod granted;
mod image_lifecycle;
mod image_mapping;
mod images;
pub mod latest;
mod launch_sources;
mod operations;
mod pagination;
mod patience;
mod permissions;
mod rate_limit;
mod recycle_bin;
mod references;
mod reply;
mod resource_graph;
mod response_check;
mod retry;
mod send;
mod snapshots;
mod tag_updates;
mod tags;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod time;
mod token;
mod transport;
pub mod types;
mod virtual_machines;

pub use self::api::{RoleUse, actions};
pub use self::azure::{Azure, AzureOptions, connect};
pub use self::client::{Client, ClientSettings};
pub use self::credentials::{CredentialChoice, CredentialKind, FixedToken};
pub use self::endpoint::{Endpoint, InvalidEndpoint, PUBLIC_ENDPOINT};
pub use self::operations::{Operation, Started};
pub use self::resource_graph::GraphFields;
