//! The Azure adapter: calls Azure Resource Manager with the HTTP client and the credentials of the
//! Azure SDK.
//!
//! [`Client`] has one method for each kind of call. `endpoint` decides which URLs are called,
//! `credentials` as whom, `token` keeps the access token. `send` sends a call: it waits for the
//! `rate_limit`, and repeats what `retry` allows. `response_check` reads responses, `error` classifies
//! all error codes. `pagination` reads listings, `operations` follows changes that take long,
//! `resource_graph` queries many subscriptions at once.

mod client;
mod credentials;
mod endpoint;
mod error;
mod operations;
mod pagination;
mod rate_limit;
mod reply;
mod resource_graph;
mod response_check;
mod retry;
mod send;
#[cfg(test)]
mod testing;
mod time;
mod token;
mod transport;

pub use self::client::{Client, ClientSettings};
pub use self::credentials::{CredentialChoice, CredentialKind, FixedToken};
pub use self::endpoint::{Endpoint, InvalidEndpoint, PUBLIC_ENDPOINT};
pub use self::operations::{Operation, Started};
pub use self::resource_graph::Row;
