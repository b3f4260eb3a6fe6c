//! Undoing the retire steps, and the state tags that this needs.
//!
//! Two of the steps destroy something: deprecating overwrites a date that the owner may have set,
//! and disabling removes all launch permissions. The old value is saved in a tag first. The tag's
//! value begins with the image's own id, so that the tag of a copy of the image is ignored: the
//! copy would otherwise be shared with the accounts of the original.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::{
    Image, ImageId, ImageState, LaunchPermission, MAX_VALUE, SnapshotId, TagNames, for_others,
    is_false, join_permissions,
};

/// The saved value for no deprecation, and for no launch permission.
const NONE: &str = "none";
/// After a saved deprecation, before a time: the image was disabled then, or about to be.
const TIMED: &str = "disabled";
/// How far ahead a deprecation time is that was set just now, at most.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// How the steps on an image are undone, in this order. The state tags are removed last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Whether to enable it, because a step disabled it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub enable: bool,
    /// The launch permissions to restore.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub share_with: Box<[LaunchPermission]>,
    /// The deprecation to restore; `None` when no step deprecated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation: Option<Deprecation>,
    /// Its snapshots whose tag `delete-after` is removed.
    pub unmark: Box<[SnapshotId]>,
}

/// The deprecation that an image had before a step deprecated it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deprecation {
    /// It was not deprecated.
    None,
    /// It was deprecated, or to be deprecated, at this time.
    At(Timestamp),
}

impl Undo {
    /// How to undo the steps on `image`; `unmark` are those of its snapshots with `delete-after`.
    /// `None` when neither it nor they carry a state tag.
    pub fn of(image: &Image, unmark: Box<[SnapshotId]>, names: &TagNames) -> Option<Self> {
        let keys = [&names.expired_at, &names.launch_permissions, &names.deprecation];
        if unmark.is_empty() && !keys.iter().any(|key| image.tags.has(key)) {
            return None;
        }
        let permissions = saved_permissions(image, names);
        // Sharing again what is shared already does no harm; a crash may have come in between.
        // One that is available and shared was never disabled, and may have lost some since.
        let is_shared = !shared_now(image).is_empty();
        Some(Self {
            enable: enables(image, names),
            share_with: permissions
                .filter(|_| !is_shared)
                .map(|saved| for_others(&saved, image.owner_id.as_ref()).cloned().collect())
                .unwrap_or_default(),
            deprecation: saved_deprecation(image, names),
            unmark,
        })
    }

    /// The keys of the state tags that are removed last.
    pub fn tag_keys(names: &TagNames) -> [String; 3] {
        [names.launch_permissions.clone(), names.deprecation.clone(), names.expired_at.clone()]
    }
}

/// Whether undoing the steps on `image` enables it: a step disabled it.
pub(super) fn enables(image: &Image, names: &TagNames) -> bool {
    image.state == ImageState::Disabled && saved_permissions(image, names).is_some()
}

/// The launch permissions that were saved before `image` was disabled; `None` when none of its
/// own tags saves them.
pub fn saved_permissions(image: &Image, names: &TagNames) -> Option<Box<[LaunchPermission]>> {
    let text = own_value(image, image.tags.get(&names.launch_permissions)?)?;
    Some(text.split_whitespace().filter(|word| *word != NONE).map(LaunchPermission::from).collect())
}

/// The launch permissions to save before `image` is disabled: those that it has, or those that are
/// saved already when it has none, because it was enabled by hand or a rescue was interrupted. The
/// owner is not among them: it may launch the image anyway.
pub fn permissions_to_save(image: &Image, names: &TagNames) -> Box<[LaunchPermission]> {
    let now = shared_now(image);
    if !now.is_empty() {
        return now;
    }
    let saved = saved_permissions(image, names).unwrap_or_default();
    for_others(&saved, image.owner_id.as_ref()).cloned().collect()
}

/// Who may launch `image` now, besides its owner, as far as that has been read.
fn shared_now(image: &Image) -> Box<[LaunchPermission]> {
    let now = image.launch_permissions.as_deref().unwrap_or_default();
    for_others(now, image.owner_id.as_ref()).cloned().collect()
}

/// The deprecation that was saved before `image` was deprecated; `None` when none of its own tags
/// saves it.
pub fn saved_deprecation(image: &Image, names: &TagNames) -> Option<Deprecation> {
    // What cannot be read was not written by us, and is left as it is.
    match saved_words(image, names)?.next()? {
        NONE => Some(Deprecation::None),
        time => time.parse().ok().map(Deprecation::At),
    }
}

/// When the deprecation time of `image` was last about to be set because it was disabled, or about
/// to be: what its own tag says.
pub(super) fn timed_at(image: &Image, names: &TagNames) -> Option<Timestamp> {
    let mut words = saved_words(image, names)?.skip(1);
    words.next().filter(|word| *word == TIMED)?;
    words.next()?.parse().ok()
}

fn saved_words<'a>(image: &'a Image, names: &TagNames) -> Option<impl Iterator<Item = &'a str>> {
    let text = own_value(image, image.tags.get(&names.deprecation)?)?;
    Some(text.split_whitespace())
}

/// The value after the image's own id; `None` when the tag was copied from another image.
fn own_value<'a>(image: &Image, value: &'a str) -> Option<&'a str> {
    let (id, text) = value.trim().split_once(' ')?;
    (id == image.image_id.as_str()).then_some(text.trim())
}

/// The tag value that saves these launch permissions.
///
/// # Errors
/// The length of the value, in characters, when it is longer than a tag's value may be
/// ([`MAX_VALUE`]).
pub fn permissions_tag_value(
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

/// The tag value to save before the deprecation time of `image` is set at `now`: the date that it
/// has, or that it has none, and for an image that is disabled, or is to be, the time of writing.
///
/// What was saved before is kept, because the date that it has by now is ours, unless that is one to
/// come: then somebody has set it since.
pub fn deprecation_tag_value(
    image: &Image,
    names: &TagNames,
    now: Timestamp,
    disabled: bool,
) -> String {
    let id = &image.image_id;
    let to_come = image.deprecation_time.filter(|at| is_to_come(*at, now)).map(Deprecation::At);
    let current = image.deprecation_time.map_or(Deprecation::None, Deprecation::At);
    let before = to_come.or_else(|| saved_deprecation(image, names)).unwrap_or(current);
    let text = match before {
        Deprecation::None => NONE.to_owned(),
        Deprecation::At(at) => at.to_string(),
    };
    if disabled { format!("{id} {text} {TIMED} {now}") } else { format!("{id} {text}") }
}

/// Whether a deprecation time is still to come. One that we set is a minute or two ahead at first.
pub(super) fn is_to_come(at: Timestamp, now: Timestamp) -> bool {
    now.checked_add(AHEAD).is_ok_and(|soon| at > soon)
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
        assert_eq!(permissions_tag_value(&id, &with).unwrap(), "ami-1 111122223333 all");
        assert_eq!(permissions_tag_value(&id, &[]).unwrap(), "ami-1 none");
        let found = undo(
            r#""state":"disabled","tags":{"s:launch-permissions":"ami-1 111122223333 all","s:deprecation":"ami-1 none"}"#,
        )
        .unwrap();
        assert!(found.enable);
        assert_eq!(found.share_with, Box::from(["111122223333".into(), "all".into()]));
        assert_eq!(found.deprecation, Some(Deprecation::None));
        let at = "2027-01-01T00:00:00Z";
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let passed = r#""deprecation_time":"2026-01-01T00:00:00Z""#;
        let to_come = format!(r#""deprecation_time":"{at}""#);
        let saved = |id: &str| format!(r#","tags":{{"s:deprecation":"{id} none"}}"#);
        for (fields, value) in [
            (to_come.clone(), format!("ami-1 {at}")),
            (passed.to_owned(), "ami-1 2026-01-01T00:00:00Z".to_owned()),
            (r#""state":"available""#.to_owned(), "ami-1 none".to_owned()),
            // A date that has passed since something was saved is ours, one to come is somebody's.
            (format!("{passed}{}", saved("ami-1")), "ami-1 none".to_owned()),
            (format!("{to_come}{}", saved("ami-1")), format!("ami-1 {at}")),
            (format!("{passed}{}", saved("ami-2")), "ami-1 2026-01-01T00:00:00Z".to_owned()),
        ] {
            let (image, names) = (image(&fields), TagNames::under("s:"));
            assert_eq!(deprecation_tag_value(&image, &names, now, false), value, "{fields}");
            let timed = deprecation_tag_value(&image, &names, now, true);
            assert_eq!(timed, format!("{value} disabled {now}"), "{fields}");
        }
        let timed = image(&format!(r#""tags":{{"s:deprecation":"ami-1 none disabled {at}"}}"#));
        let names = TagNames::under("s:");
        assert_eq!(saved_deprecation(&timed, &names), Some(Deprecation::None));
        assert_eq!(timed_at(&timed, &names), Some(at.parse().unwrap()));
        assert_eq!(
            timed_at(&image(r#""tags":{"s:deprecation":"ami-1 none disabled"}"#), &names),
            None
        );
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
            permissions_to_save(&image, &TagNames::under("s:"))
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(now(r#""state":"available","launch_permissions":[]"#), ["111122223333"]);
        assert_eq!(now(r#""state":"available","launch_permissions":["all"]"#), ["all"]);
        // The owner is nobody else.
        let own = r#""owner_id":"123456789012","launch_permissions":["123456789012"]"#;
        assert_eq!(now(own), ["111122223333"]);
        let both =
            r#""owner_id":"123456789012","launch_permissions":["123456789012","444455556666"]"#;
        assert_eq!(now(both), ["444455556666"]);
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
        assert!(permissions_tag_value(&id, &accounts(18)).is_ok());
        assert_eq!(permissions_tag_value(&id, &accounts(19)), Err(268));
    }
}
