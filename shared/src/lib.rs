//! The core.
pub mod cloud;
pub mod ids;
pub mod inventory;
pub mod policy;
pub mod tags;
