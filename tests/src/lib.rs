//! Test support: accounts to run the port against.
//!
//! [`fake::Fake`] is an account in memory, [`standin::Standin`] one behind a local HTTP server,
//! which the real adapter talks to. Both are filled from one [`fleet::Fleet`], both obey the same
//! [`switches::Switches`], and the contract in `tests/tests/contract/` holds them to the same
//! behaviour, so that whatever is tested on the fake is true of the adapter.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test support: a panic is a verdict")]

pub mod fake;
pub mod fleet;
pub mod golden;
#[cfg(feature = "wire")]
pub mod http;
pub mod jobs;
pub mod source_text;
#[cfg(feature = "wire")]
pub mod standin;
pub mod switches;

/// For removals whose check never grows old.
pub const FRESH: steward::cloud::Freshness<'static> = &|| true;
