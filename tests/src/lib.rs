//! Test support: accounts against which the port runs.
//!
//! [`fake::Fake`] is an account in memory. [`standin::Standin`] is an account behind a local HTTP
//! server, to which the real adapter connects. Both are loaded from a [`fleet::Fleet`] and follow
//! the same [`switches::Switches`]. The contract in `tests/tests/contract/` verifies that they
//! behave the same, so that tests on the fake also hold for the adapter.
//!
//! [`azure_fake::AzureFake`] is an Azure subscription in memory, and [`azure_standin::AzureStandin`] is
//! one behind a local HTTPS server. Their contract is in `tests/tests/azure_contract/`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test support: a panic fails the test"
)]

pub mod azure_fake;
pub mod azure_standin;
pub mod fake;
pub mod fleet;
pub mod golden;
#[cfg(feature = "wire")]
pub mod http;
pub mod jobs;
pub mod short_ids;
pub mod source_text;
#[cfg(feature = "wire")]
pub mod standin;
mod standin_process;
pub mod switches;

/// For removals whose check never becomes too old.
pub const FRESH: steward::cloud::Freshness<'static> = &|| true;
