//! steward decides which machine images to keep and retires the others step by step. It also
//! deletes their snapshots, and it explains every decision.
//!
//! Data flows in one direction: event or schedule → [`collect`] (an
//! [`Inventory`](model::Inventory)) → [`plan`] → [`apply`] → [`report`]. [`plan`] makes all
//! decisions. It is a pure function of the inventory, the [`policy`] and the time. [`apply`]
//! decides nothing. [`cloud`] defines the ports that adapters implement. [`jobs`] contains the use
//! cases of the functions and the command.
//!
//! Dependencies also point in one direction: a module may use only the modules listed above it
//! below. A test checks this. This crate uses no SDK, async runtime, clock or environment
//! variables, and has no process-wide state. Callers pass in the time, the ports and the settings.

pub mod text_fmt;

pub mod time_input;

pub mod model;

pub mod progress;

pub mod policy;

pub mod plan;

pub mod tagging;

pub mod cloud;

pub mod collect;

pub mod apply;

pub mod restore;

pub mod opt_out;

pub mod events;

pub mod saved_plan;

pub mod simulate;

pub mod suggest;

pub mod report;

pub mod jobs;
