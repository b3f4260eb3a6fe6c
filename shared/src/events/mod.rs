//! Events that start a run ([`Trigger`]) and events that a run publishes ([`Event`]).

mod bounded;
mod build;
mod publish;
mod schema;
mod trigger;
mod types;

pub use build::EventBuilder;
pub use publish::{Published, publish, publish_each};
pub use schema::schemas;
pub use trigger::Trigger;
pub use types::{
    Event, EventHeader, EventNote, EventReason, ImageStep, ImageTagged, InstanceRetired, NextStep,
    SOURCE, SnapshotStep, SweepCompleted, SweepRefused, VERSION,
};
