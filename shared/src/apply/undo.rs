//! Taking back what the steps did to an image.

use jiff::Timestamp;

use crate::cloud::{Cloud, CloudError, ErrorKind, ResourceId};
use crate::ids::ImageId;
use crate::plan::undo::{Deprecation, Undo};
use crate::tags::TagNames;

/// Takes `what` back, and says in a few words each what was done. The marks go last: whatever
/// stops this in the middle, a later run finds them and does it again.
///
/// # Errors
/// The first call that failed.
pub async fn undo(
    image: &ImageId,
    what: &Undo,
    names: &TagNames,
    now: Timestamp,
    cloud: &impl Cloud,
) -> Result<Vec<String>, CloudError> {
    let Undo { enable, share_with, deprecation, unmark } = what;
    let mut done = Vec::new();
    if *enable {
        cloud.enable(image).await?;
        done.push("enabled".to_owned());
    }
    if !share_with.is_empty() {
        cloud.share(image, share_with).await?;
        done.push(format!("shared with {} again", share_with.join(", ")));
    }
    match deprecation {
        None => {}
        Some(Deprecation::None) => {
            cloud.cancel_deprecation(image).await?;
            done.push("no longer deprecated".to_owned());
        }
        // Its own date has passed by now: it would be deprecated without us too.
        Some(Deprecation::At(at)) if *at <= now => {}
        Some(Deprecation::At(at)) => {
            cloud.deprecate(image, *at).await?;
            done.push(format!("deprecated from {at} on, as before"));
        }
    }
    for snapshot in unmark {
        let key = std::slice::from_ref(&names.delete_after);
        if remove_tags(&ResourceId::Snapshot(snapshot.clone()), key, cloud).await? {
            done.push(format!("{snapshot} unmarked"));
        }
    }
    remove_tags(&ResourceId::Image(image.clone()), &Undo::marks(names), cloud).await?;
    Ok(done)
}

/// Removes tags; whether there still was something to remove them from.
async fn remove_tags(
    resource: &ResourceId,
    keys: &[String],
    cloud: &impl Cloud,
) -> Result<bool, CloudError> {
    match cloud.remove_tags(std::slice::from_ref(resource), keys).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
