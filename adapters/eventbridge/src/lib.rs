//! EventBridge events as triggers of steward.

mod parse_event;

pub use parse_event::parse;
