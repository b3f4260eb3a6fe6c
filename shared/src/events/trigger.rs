//! What starts a run. The adapters parse events into it, for example `adapters/eventbridge`.

use jiff::Timestamp;

use crate::model::{ImageId, ImageState};

/// What an event means to the functions. Delivery is at least once, best effort and in any order,
/// and anybody may send anything: what is not understood is a value, never an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// An image has come into a state. It may have left it again since.
    Image {
        /// The image.
        image: ImageId,
        /// The state.
        state: ImageState,
        /// The provider's words, for a failed image.
        message: String,
        /// When; `None` when the event does not say.
        at: Option<Timestamp>,
    },
    /// Somebody began to make an image, as CloudTrail tells. It may be there, or not yet.
    Creating {
        /// The image.
        image: ImageId,
        /// Who: an ARN, the name of a service, or an id; `None` when the event names nobody.
        by: Option<String>,
        /// When; `None` when the event does not say.
        at: Option<Timestamp>,
    },
    /// The schedule: time for a sweep.
    Schedule,
    /// An event that is none of our business.
    Ignored {
        /// Its source and detail-type.
        what: String,
    },
    /// An event that does not come from where its kind must come from, or is about another account
    /// or Region.
    Rejected {
        /// What is wrong.
        why: String,
    },
    /// Not an event, or one that lacks what its kind must have.
    Malformed {
        /// What is wrong.
        why: String,
    },
}
