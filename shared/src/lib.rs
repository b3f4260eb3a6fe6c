//! steward decides which machine images to keep, retires the others in steps, deletes their
//! snapshots too, and can say why for each one.
//!
//! Data flows one way: event or tick → [`survey`] (an [`inventory`]) → [`plan`] → [`apply`] →
//! [`report`]. All choices are made in [`plan`], a pure function of inventory, [`policy`] and
//! time; [`apply`] makes none. [`cloud`] is the only port to the outside, [`aws`] its
//! implementation on the real SDK (feature `aws`); [`jobs`] ties the pieces together for the
//! functions and the command.
//!
//! Layers, each of which knows only those before it: `progress`, `wording`, `ids`, `tags`, `inventory` · `cloud` ·
//! `policy`, `event` · `plan`, `tagging` · `simulate` · `survey`, `apply` · `restore`, `jobs`, `saved`,
//! `report` · `announce` · `aws` beside
//! them, seen by nobody in here but [`function`]. There is no clock and no environment in this
//! crate: callers pass the time, and the variables that they were started with.

pub mod announce;
pub mod apply;
#[cfg(feature = "aws")]
pub mod aws;
pub mod cloud;
pub mod draft;
pub mod event;
#[cfg(feature = "aws")]
pub mod function;
pub mod ids;
pub mod inventory;
pub mod jobs;
pub mod plan;
pub mod policy;
pub mod progress;
pub mod report;
pub mod restore;
pub mod saved;
pub mod simulate;
pub mod survey;
pub mod tagging;
pub mod tags;
pub mod wording;
