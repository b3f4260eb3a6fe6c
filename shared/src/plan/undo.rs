//! What the steps leave behind on an image, and how each is taken back.
//!
//! Two of the steps destroy something: deprecating overwrites a date that the owner may have set,
//! and disabling takes all launch permissions away. What was there before is written into a tag
//! first. The text begins with the image's own id, so that a copy of the image, made with all
//! tags, is not taken for it: it would be shared with whom the original was shared.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{
    Image, ImageId, ImageState, LaunchPermission, MAX_VALUE, SnapshotId, TagNames, is_false,
    join_permissions,
};

/// The word for no deprecation, and for no launch permission.
const NONE: &str = "none";

/// How the steps that were taken on an image are taken back, in this order; the tags that say
/// so go last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// We disabled it: enable it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub enable: bool,
    /// The launch permissions that it had before.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub share_with: Box<[LaunchPermission]>,
    /// We deprecated it: what its deprecation was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation: Option<Deprecation>,
    /// Its snapshots that carry `delete-after`.
    pub unmark: Box<[SnapshotId]>,
}

/// The deprecation that an image had before ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deprecation {
    /// None.
    None,
    /// From this time on.
    At(Timestamp),
}

impl Undo {
    /// How to take back what was done to `image`, of whose snapshots these are marked; `None` when
    /// it carries no mark of ours at all.
    pub fn of(image: &Image, unmark: Box<[SnapshotId]>, names: &TagNames) -> Option<Self> {
        let keys = [&names.expired_at, &names.launch_permissions, &names.deprecation];
        if unmark.is_empty() && !keys.iter().any(|key| image.tags.has(key)) {
            return None;
        }
        let permissions = permissions_before(image, names);
        // Sharing again what is shared already does no harm; a crash may have come in between.
        // One that is available and shared was never disabled, and may have lost some since.
        let is_shared = image.launch_permissions.as_deref().is_some_and(|with| !with.is_empty());
        Some(Self {
            enable: permissions.is_some() && image.state == ImageState::Disabled,
            share_with: permissions.filter(|_| !is_shared).unwrap_or_default(),
            deprecation: deprecation_before(image, names),
            unmark,
        })
    }

    /// The keys of the tags that go last.
    pub fn marks(names: &TagNames) -> [String; 3] {
        [names.launch_permissions.clone(), names.deprecation.clone(), names.expired_at.clone()]
    }
}

/// The launch permissions that `image` had before we disabled it; `None` when we did not.
pub fn permissions_before(image: &Image, names: &TagNames) -> Option<Box<[LaunchPermission]>> {
    let text = own_text(image, image.tags.get(&names.launch_permissions)?)?;
    Some(text.split_whitespace().filter(|word| *word != NONE).map(LaunchPermission::from).collect())
}

/// The launch permissions to write down before `image` is disabled: those that it has. One without
/// any that was disabled by us before has those from then: it was enabled by hand, or a rescue
/// did not come to its end.
pub fn permissions_now(image: &Image, names: &TagNames) -> Box<[LaunchPermission]> {
    match image.launch_permissions.as_deref() {
        Some(permissions) if !permissions.is_empty() => permissions.into(),
        _ => permissions_before(image, names).unwrap_or_default(),
    }
}

/// The deprecation that `image` had before ours; `None` when we did not deprecate it.
pub fn deprecation_before(image: &Image, names: &TagNames) -> Option<Deprecation> {
    let text = own_text(image, image.tags.get(&names.deprecation)?)?;
    // What cannot be read was not written by us, and is left as it is.
    match text {
        NONE => Some(Deprecation::None),
        time => time.parse().ok().map(Deprecation::At),
    }
}

/// The text behind the image's own id; `None` when the tag is another image's.
fn own_text<'a>(image: &Image, value: &'a str) -> Option<&'a str> {
    let (id, text) = value.trim().split_once(' ')?;
    (id == image.image_id.as_str()).then_some(text.trim())
}

/// The tag's value for these launch permissions.
///
/// # Errors
/// The length of the value, in characters, when it is longer than a tag's value may be
/// ([`MAX_VALUE`]).
pub fn permissions_text(
    image: &ImageId,
    permissions: &[LaunchPermission],
) -> Result<String, usize> {
    let mut permissions = permissions.to_vec();
    permissions.sort();
    let words =
        if permissions.is_empty() { NONE.to_owned() } else { join_permissions(&permissions, " ") };
    let text = format!("{image} {words}");
    match text.chars().count() {
        length if length > MAX_VALUE => Err(length),
        _ => Ok(text),
    }
}

/// The tag's value for the deprecation that an image has before ours.
pub fn deprecation_text(image: &ImageId, at: Option<Timestamp>) -> String {
    match at {
        Some(at) => format!("{image} {at}"),
        None => format!("{image} {NONE}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inventory;

    fn image(fields: &str) -> Image {
        let text = format!(
            r#"{{"account":"123456789012","region":"eu-central-1","taken_at":"2026-11-22T12:00:00Z",
               "references":[],"images":[{{"image_id":"ami-1",{fields}}}]}}"#
        );
        Inventory::from_json(&text).unwrap().images.remove(0)
    }

    fn undo(fields: &str) -> Option<Undo> {
        Undo::of(&image(fields), Box::default(), &TagNames::under("s:"))
    }

    #[test]
    fn what_was_written_down_is_read_back() {
        let id: ImageId = "ami-1".parse().unwrap();
        let with: Vec<LaunchPermission> = vec!["all".into(), "111122223333".into()];
        assert_eq!(permissions_text(&id, &with).unwrap(), "ami-1 111122223333 all");
        assert_eq!(permissions_text(&id, &[]).unwrap(), "ami-1 none");
        let found = undo(
            r#""state":"disabled","tags":{"s:launch-permissions":"ami-1 111122223333 all","s:deprecation":"ami-1 none"}"#,
        )
        .unwrap();
        assert!(found.enable);
        assert_eq!(found.share_with, Box::from(["111122223333".into(), "all".into()]));
        assert_eq!(found.deprecation, Some(Deprecation::None));
        let at = "2027-01-01T00:00:00Z";
        assert_eq!(deprecation_text(&id, Some(at.parse().unwrap())), format!("ami-1 {at}"));
        let found = undo(&format!(r#""tags":{{"s:deprecation":"ami-1 {at}"}}"#)).unwrap();
        assert_eq!(found.deprecation, Some(Deprecation::At(at.parse().unwrap())));
    }

    #[test]
    fn the_tags_of_a_copy_mean_nothing() {
        let found = undo(
            r#""state":"disabled","tags":{"s:launch-permissions":"ami-2 all","s:deprecation":"ami-2 none"}"#,
        );
        assert_eq!(found, Some(Undo::default()));
    }

    #[test]
    fn permissions_are_not_lost_between_enabling_and_sharing() {
        let tag = r#""tags":{"s:launch-permissions":"ami-1 111122223333"}"#;
        let now = |fields: &str| -> Vec<String> {
            let image = image(&format!("{tag},{fields}"));
            permissions_now(&image, &TagNames::under("s:"))
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(now(r#""state":"available","launch_permissions":[]"#), ["111122223333"]);
        assert_eq!(now(r#""state":"available","launch_permissions":["all"]"#), ["all"]);
        // Whom its owner shares it with by now is the owner's affair.
        let found = undo(&format!(r#"{tag},"state":"available","launch_permissions":["all"]"#));
        assert_eq!(found, Some(Undo::default()));
    }

    #[test]
    fn what_we_did_not_disable_is_not_enabled() {
        assert_eq!(undo(r#""state":"disabled""#), None);
        let found = undo(r#""state":"disabled","tags":{"s:expired-at":"2026-01-01T00:00:00Z"}"#);
        assert_eq!(found, Some(Undo::default()));
    }

    #[test]
    fn too_many_permissions_do_not_fit() {
        let id: ImageId = "ami-0123456789abcdef0".parse().unwrap();
        let accounts = |count: u64| -> Vec<LaunchPermission> {
            (0..count).map(|n| format!("{n:012}").into()).collect()
        };
        // 21 characters for the id, and 13 for each account.
        assert!(permissions_text(&id, &accounts(18)).is_ok());
        assert_eq!(permissions_text(&id, &accounts(19)), Err(268));
    }
}
