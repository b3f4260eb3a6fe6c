//! The ports: traits for external services, which the adapters implement.
//!
//! Reads ([`View`]) and changes ([`Cloud`]) are separate, so that read-only code cannot change
//! anything. [`Instances`] stops and terminates instances, [`EventBus`] publishes events. All of
//! them can be used as `&dyn`. The in-memory fake and every adapter must pass the same contract
//! tests (`tests/tests/contract`).

mod change;
mod error;
mod event_bus;
mod instances;
mod readings;
mod view;

pub use change::{
    Cloud, Deregistered, Freshness, ImageWriter, PermissionWriter, RecycleBinWriter,
    SnapshotDeletion, SnapshotWriter, TagWriter,
};
pub use error::{CloudError, ErrorKind};
pub use event_bus::{EventBus, MAX_BATCH, MAX_BATCH_BYTES, Message, NamedBus};
pub use instances::Instances;
pub use readings::{MAX_READING_AGE, PermissionReadings, Readings};
pub use view::{
    ASKED_TOGETHER, ImageListing, ImageReader, PermissionReader, RecycleBinReader, ReferenceReader,
    SnapshotReader, SnapshotScope, SourceAnswer, TagReader, View,
};
