//! Events that start a run. Adapters parse them, for example `adapters/eventbridge`.

use jiff::Timestamp;

use crate::model::{ImageId, ImageState};

/// The meaning of an event for the functions. Delivery is at least once, best effort and unordered,
/// and anybody can send anything. An event that is not understood is a value, never an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The state of an image changed. It may have changed again since.
    Image {
        /// The image whose state changed.
        image: ImageId,
        /// The new state.
        state: ImageState,
        /// The provider's error message, if the image failed.
        message: String,
        /// When the state changed. `None` if the event does not specify it.
        at: Option<Timestamp>,
    },
    /// Somebody started to create an image, according to CloudTrail. The image may not exist yet.
    Creating {
        /// The new image.
        image: ImageId,
        /// The creator: an ARN, a service name or an ID. `None` if the event names nobody.
        by: Option<String>,
        /// When the creation started. `None` if the event does not specify it.
        at: Option<Timestamp>,
    },
    /// The schedule starts a sweep.
    Schedule,
    /// An event that no function handles.
    Ignored {
        /// The event's source and detail-type.
        what: String,
    },
    /// An event from a source that may not send this type, or about another account or Region.
    Rejected {
        /// The reason, for the log.
        why: String,
    },
    /// Not an event, or an event without a required field.
    Malformed {
        /// The reason, for the log.
        why: String,
    },
}
