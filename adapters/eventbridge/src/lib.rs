//! Converts EventBridge events to triggers of `steward`.

mod parse_event;

pub use parse_event::{EC2_SOURCE, EventOrigin, parse};
