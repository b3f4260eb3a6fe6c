//! Properties that must hold for any Azure subscription and any policy.
//!
//! Subscriptions and policies are random. The subscription is the in-memory one. Which images are in
//! use is computed again from its content, so that neither the plan nor the fake is tested against
//! itself. `STEWARD_CASES` is the number of cases, and `STEWARD_SEED` the seed of the first one.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod attacker;
mod cases;
mod changed_since;
mod crash;
mod days;
mod examples;
mod fleets;
mod in_use;
mod never_removed;
mod policies;
