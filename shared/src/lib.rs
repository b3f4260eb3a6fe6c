//! steward decides which machine images to keep, retires the others in steps, deletes their
//! snapshots too, and explains every decision.
//!
//! Data flows one way: event or schedule → [`collect`] (an [`Inventory`](model::Inventory)) →
//! [`plan`] → [`apply`] → [`report`]. All decisions are made in [`plan`], a pure function of
//! inventory, [`policy`] and time; [`apply`] makes none. [`cloud`] holds the ports that adapters
//! implement, and [`jobs`] the use cases of the functions and the command.
//!
//! Dependencies point one way too: a module may use only those that stand above it in the list
//! below, which a test checks. There is no SDK, no async runtime, no clock, no environment and no
//! process-wide state in this crate: callers pass the time, the ports and the settings.

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
