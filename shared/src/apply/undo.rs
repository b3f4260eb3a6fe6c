//! Taking back what the steps did to an image.

use std::sync::Arc;

use jiff::Timestamp;

use crate::cloud::{Cloud, CloudError, ErrorKind, ResourceId};
use crate::ids::ImageId;
use crate::plan::undo::{Deprecation, Undo};
use crate::tags::TagNames;

/// Takes `what` back, and says in a few words each what was done. The marks go last: whatever
/// stops this in the middle, a later run finds them and does it again.
///
/// # Errors
/// The first call that failed; for launch permissions only after all else was taken back.
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
    let (shared, unshared) = share(image, share_with, cloud).await;
    if !shared.is_empty() {
        done.push(format!("shared with {} again", shared.join(", ")));
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
    // Who could not be given back what they had stands in a tag still.
    if let Some(error) = unshared {
        return Err(error);
    }
    remove_tags(&ResourceId::Image(image.clone()), &Undo::marks(names), cloud).await?;
    Ok(done)
}

/// Shares `image` with all of them, or with as many as possible: one account that is closed by now
/// must not keep the others away. Says with whom it is shared, and what failed if not with all.
async fn share(
    image: &ImageId,
    with: &[Arc<str>],
    cloud: &impl Cloud,
) -> (Vec<Arc<str>>, Option<CloudError>) {
    if with.is_empty() {
        return (Vec::new(), None);
    }
    match cloud.share(image, with).await {
        Ok(()) => return (with.to_vec(), None),
        Err(error) if error.kind != ErrorKind::Other || with.len() == 1 => {
            return (Vec::new(), Some(error));
        }
        Err(_) => {}
    }
    let (mut shared, mut failed) = (Vec::new(), None);
    for one in with {
        match cloud.share(image, std::slice::from_ref(one)).await {
            Ok(()) => shared.push(one.clone()),
            Err(error) => failed = Some(error),
        }
    }
    (shared, failed)
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
