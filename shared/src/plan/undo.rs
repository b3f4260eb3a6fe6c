//! Undoes the retire steps, and defines the state tags that this needs.
//!
//! Two of the steps lose data: deprecating overwrites a date that the owner may have set, and
//! disabling removes all launch permissions. The old value is saved in a tag first. The value of
//! the tag begins with the ID of the image, so that the tag is ignored on a copy of the image.
//!
//! Anyone who may write tags may write these tags. Therefore a run trusts them only as far as EC2's
//! own data agrees, and restores launch permissions only for the grantees that the policy lists. A
//! person who restores an image makes their own decision.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use super::state_tags::Deprecation;
use super::state_tags::{
    DEPRECATED, DISABLED, NONE, WrittenDeprecation, saved_permissions, unreadable_values,
};
use crate::model::{
    Image, ImageId, ImageState, LaunchPermission, MAX_VALUE, SnapshotId, TagNames, for_others,
    is_false, join_permissions,
};

/// The maximum time by which a deprecation time that was just set is in the future.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// EC2 rounds a deprecation time to the minute.
const ROUNDING: SignedDuration = SignedDuration::from_mins(1);
/// The maximum time between the time in the tag and when the run sets the deprecation time. The tag
/// contains the time at which the run started.
const MAX_RUN: SignedDuration = SignedDuration::from_hours(24);

/// Who undoes the steps on an image.
#[derive(Debug, Clone, Copy)]
pub enum UndoneBy<'a> {
    /// A run. It shares the image only with the listed grantees, and trusts tags only if EC2's data
    /// agrees.
    Run {
        /// The value of `safety.share_back`.
        share_back: &'a [LaunchPermission],
        /// The time of the run.
        now: Timestamp,
    },
    /// A person. They are shown who the image was shared with, and decide about that separately.
    Person,
}

/// How to undo the steps on an image, in the order of the fields. The state tags are removed last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Whether to enable the image, because a step disabled it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub enable: bool,
    /// The launch permissions to restore, if the image has none.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub share_with: Box<[LaunchPermission]>,
    /// The saved launch permissions that are not restored. They remain in the tag.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub not_shared: Box<[LaunchPermission]>,
    /// The deprecation to restore; `None` if no step deprecated the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation: Option<Deprecation>,
    /// The snapshots of the image whose tag `delete-after` is removed.
    pub unmark: Box<[SnapshotId]>,
    /// Whether to keep the state tags of the image.
    #[serde(default, skip_serializing_if = "is_false")]
    pub keep_tags: bool,
}

impl Undo {
    /// How to undo the steps on `image`. `unmark` contains those of its snapshots that have the tag
    /// `delete-after`. `None` if there is nothing to undo, or if a state tag is not understood.
    pub fn of(
        image: &Image,
        unmark: Box<[SnapshotId]>,
        names: &TagNames,
        by: UndoneBy<'_>,
    ) -> Option<Self> {
        if unreadable_values(image, names).next().is_some() {
            return None;
        }
        let is_disabled = image.state == ImageState::Disabled;
        let is_ours = claims_disabling(image, names);
        let enable = match by {
            UndoneBy::Run { now, .. } => enables(image, names, now),
            UndoneBy::Person => is_disabled && is_ours,
        };
        if is_disabled && is_ours && !enable {
            // Only a person may enable the image, and they need the tags for it.
            let undo = Self { unmark, keep_tags: true, ..Self::default() };
            return (!undo.unmark.is_empty()).then_some(undo);
        }
        let (share_with, not_shared): (Vec<_>, Vec<_>) =
            permissions_to_restore(image, names).into_iter().partition(|one| match by {
                UndoneBy::Run { share_back, .. } => enable && share_back.contains(one),
                UndoneBy::Person => false,
            });
        let deprecation = saved_deprecation(image, names).filter(|_| match by {
            UndoneBy::Run { now, .. } => is_deprecated_by_us(image, names, now),
            UndoneBy::Person => true,
        });
        let undo = Self {
            enable,
            share_with: share_with.into(),
            not_shared: not_shared.into(),
            deprecation,
            unmark,
            keep_tags: false,
        };
        let has_tags = undo.tags(names).any(|key| image.tags.has(key));
        (has_tags || enable || !undo.unmark.is_empty()).then_some(undo)
    }

    /// The keys of the state tags to remove last.
    pub fn tag_keys(&self, names: &TagNames) -> Vec<String> {
        self.tags(names).cloned().collect()
    }

    fn tags<'a>(&self, names: &'a TagNames) -> impl Iterator<Item = &'a String> + use<'a> {
        [
            (&names.expired_at, !self.keep_tags),
            (&names.deprecation, !self.keep_tags),
            (&names.launch_permissions, !self.keep_tags && self.not_shared.is_empty()),
        ]
        .into_iter()
        .filter_map(|(key, is_removed)| is_removed.then_some(key))
    }
}

/// Whether a run that undoes the steps on `image` enables it. It does so if a step disabled the
/// image, according to both its own tags and EC2's deprecation time, and if nobody has protected it
/// since.
pub(super) fn enables(image: &Image, names: &TagNames, now: Timestamp) -> bool {
    image.state == ImageState::Disabled
        && !image.protected
        && unreadable_values(image, names).next().is_none()
        && claims_disabling(image, names)
        && disabled_by_us_at(image, names, now).is_some()
}

/// Whether a tag of `image` records that a step disabled it. The tag `deprecation` is not
/// sufficient, because it is also written on images that somebody else disabled.
pub(super) fn claims_disabling(image: &Image, names: &TagNames) -> bool {
    saved_permissions(image, names).is_some()
}

/// The saved launch permissions that `image` lacks, sorted. Permissions of the owner are not
/// included. If the current launch permissions were not read, all saved ones are included.
pub fn permissions_to_restore(image: &Image, names: &TagNames) -> Vec<LaunchPermission> {
    // Nothing was lost, whatever the tag contains.
    if !image.capabilities.loses_permissions() {
        return Vec::new();
    }
    let now = shared_now(image);
    let saved = saved_permissions(image, names).unwrap_or_default();
    let mut lacking: Vec<LaunchPermission> = for_others(&saved, image.owner_id.as_ref())
        .filter(|one| !now.contains(one))
        .cloned()
        .collect();
    lacking.sort();
    lacking.dedup();
    lacking
}

/// The launch permissions to save before `image` is disabled or deregistered: its current ones, or,
/// if it is disabled, those that were saved then. The owner is not included, because they may
/// always launch the image. Empty if the image stays shared when it is disabled.
pub fn permissions_to_save(image: &Image, names: &TagNames) -> Box<[LaunchPermission]> {
    if !image.capabilities.loses_permissions() {
        return Box::default();
    }
    if image.state != ImageState::Disabled {
        return shared_now(image);
    }
    let saved = saved_permissions(image, names).unwrap_or_default();
    for_others(&saved, image.owner_id.as_ref()).cloned().collect()
}

/// Who may launch `image`, besides its owner. For an image that lost its launch permissions when a
/// step disabled it: who could launch it before.
pub(super) fn shared_with(image: &Image, names: &TagNames) -> Box<[LaunchPermission]> {
    match image.capabilities.loses_permissions() {
        true => permissions_to_save(image, names),
        false => shared_now(image),
    }
}

/// Who may currently launch `image`, besides its owner, as far as this was read.
fn shared_now(image: &Image) -> Box<[LaunchPermission]> {
    let now = image.launch_permissions.as_deref().unwrap_or_default();
    for_others(now, image.owner_id.as_ref()).cloned().collect()
}

/// The deprecation that was saved before `image` was deprecated. `None` if no tag of its own
/// contains it.
pub fn saved_deprecation(image: &Image, names: &TagNames) -> Option<Deprecation> {
    WrittenDeprecation::of(image, names).map(|written| written.before)
}

/// The writes in the tag `deprecation` that agree with EC2's deprecation time. A deprecation time
/// in the future was not set by a step, because a step sets the current time.
fn agreed<'a>(
    image: &'a Image,
    names: &TagNames,
    now: Timestamp,
) -> impl Iterator<Item = (&'a str, Timestamp)> + use<'a> {
    let set = image.deprecation_time.filter(|at| !is_to_come(*at, now));
    let writings = WrittenDeprecation::of(image, names).map(|written| written.writings);
    writings.into_iter().flatten().filter(move |(_, at)| {
        set.map(|set| set.duration_since(*at))
            .is_some_and(|later| -ROUNDING <= later && later <= MAX_RUN)
    })
}

/// Whether a step set the deprecation time of `image`, according to both its own tag and EC2.
pub(super) fn is_deprecated_by_us(image: &Image, names: &TagNames, now: Timestamp) -> bool {
    agreed(image, names, now).next().is_some()
}

/// Since when the disabled `image` has been disabled, according to EC2; `None` if this is unknown.
/// It is unknown if somebody disabled the image manually, because that does not set the deprecation
/// time, or if a run was interrupted before it set the time. In both cases, the deprecation time
/// differs from the time in our tag. If they agree, the tag is trusted. It is also assumed that
/// nobody enabled the image in between, because EC2 does not report that.
pub(super) fn disabled_by_us_at(
    image: &Image,
    names: &TagNames,
    now: Timestamp,
) -> Option<Timestamp> {
    agreed(image, names, now).any(|(what, _)| what == DISABLED).then_some(image.deprecation_time)?
}

/// The tag value that saves these launch permissions.
///
/// # Errors
/// The length of the value in characters, if it exceeds the maximum length of a tag value
/// ([`MAX_VALUE`]).
pub fn permissions_tag_value(
    image: &ImageId,
    permissions: &[LaunchPermission],
) -> Result<String, usize> {
    let mut permissions = permissions.to_vec();
    permissions.sort();
    let words =
        if permissions.is_empty() { NONE.to_owned() } else { join_permissions(&permissions, " ") };
    let text = format!("{} {words}", image.in_tags());
    match text.chars().count() {
        length if length > MAX_VALUE => Err(length),
        _ => Ok(text),
    }
}

/// The tag value to save before the deprecation time of `image` is set at `now`. It contains the
/// current deprecation, or `none`; whether the image is disabled or about to be; and the time of
/// writing.
///
/// If a deprecation was saved before, it is saved again, because the current one was set by a step.
/// The exception is a current deprecation time in the future: then somebody has set it since.
pub fn deprecation_tag_value(
    image: &Image,
    names: &TagNames,
    now: Timestamp,
    disabled: bool,
) -> String {
    let id = image.image_id.in_tags();
    let to_come = image.deprecation_time.filter(|at| is_to_come(*at, now)).map(Deprecation::At);
    let current = image.deprecation_time.map_or(Deprecation::None, Deprecation::At);
    let before = to_come.or_else(|| saved_deprecation(image, names)).unwrap_or(current);
    let text = match before {
        Deprecation::None => NONE.to_owned(),
        Deprecation::At(at) => at.to_string(),
    };
    let what = if disabled { DISABLED } else { DEPRECATED };
    // If this run is interrupted before it sets the deprecation time, EC2 still has the time of the
    // previous write.
    match agreed(image, names, now).next() {
        Some((what_before, at)) => format!("{id} {text} {what} {now} {what_before} {at}"),
        None => format!("{id} {text} {what} {now}"),
    }
}

/// Whether a deprecation time is in the future. A time that a step sets is one or two minutes ahead
/// at first, which does not count.
pub(super) fn is_to_come(at: Timestamp, now: Timestamp) -> bool {
    now.checked_add(AHEAD).is_ok_and(|soon| at > soon)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inventory;

    fn image(fields: &str) -> Image {
        let text = format!(
            r#"{{"format":1,"account":"123456789012","region":"eu-central-1","taken_at":"2026-11-22T12:00:00Z",
               "references":[],"images":[{{"image_id":"ami-1",{fields}}}]}}"#
        );
        Inventory::from_json(&text).unwrap().images.remove(0)
    }

    fn names() -> TagNames {
        TagNames::under("s:")
    }

    const FRIEND: &str = "111122223333";

    fn by_run(fields: &str) -> Option<Undo> {
        let share_back = [FRIEND.into()];
        Undo::of(
            &image(fields),
            Box::default(),
            &names(),
            UndoneBy::Run { share_back: &share_back, now: NOW.parse().unwrap() },
        )
    }

    fn by_person(fields: &str) -> Option<Undo> {
        Undo::of(&image(fields), Box::default(), &names(), UndoneBy::Person)
    }

    const AT: &str = "2026-11-01T12:00:00Z";
    const NOW: &str = "2026-11-22T12:00:00Z";

    /// An image that a run disabled. EC2 shows it as deprecated at the time in its tags.
    fn disabled(permissions: &str, more: &str) -> String {
        format!(
            r#""state":"disabled","deprecation_time":"2026-11-01T12:01:00Z","tags":{{
               "s:launch-permissions":"ami-1 {permissions}","s:deprecation":"ami-1 none disabled {AT}"}}{more}"#
        )
    }

    fn shown(permissions: &[LaunchPermission]) -> String {
        join_permissions(permissions, " ")
    }

    #[test]
    fn without_saved_permissions_an_image_stays_disabled() {
        let with = |tags: &str| {
            format!(
                r#""state":"disabled","deprecation_time":"2026-11-01T12:01:00Z","tags":{{{tags}}}"#
            )
        };
        // The owner may have disabled the image before it was deprecated.
        let deprecation = with(&format!(r#""s:deprecation":"ami-1 none disabled {AT}""#));
        assert!(!by_run(&deprecation).unwrap().enable && !by_person(&deprecation).unwrap().enable);
        assert_eq!((by_run(&with("")), by_person(&with(""))), (None, None));
    }

    #[test]
    fn a_run_shares_only_images_that_it_enables_with_listed_grantees() {
        let found = by_run(&disabled("111122223333 666666666666 all", "")).unwrap();
        assert!(found.enable);
        assert_eq!(shown(&found.share_with), FRIEND);
        assert_eq!(shown(&found.not_shared), "666666666666 all");
        assert_eq!(found.deprecation, Some(Deprecation::None));
        assert!(!found.tag_keys(&names()).contains(&names().launch_permissions));
        let found = by_run(&disabled("none", "")).unwrap();
        assert_eq!((shown(&found.share_with), shown(&found.not_shared)), Default::default());
        assert!(found.tag_keys(&names()).contains(&names().launch_permissions));
        // Somebody wrote the tag, or a run was interrupted after it enabled the image.
        let tag = r#""tags":{"s:launch-permissions":"ami-1 111122223333","s:expired-at":"2026-10-01T00:00:00Z"}"#;
        for now in ["[]", r#"["444455556666"]"#] {
            let fields = format!(r#"{tag},"state":"available","launch_permissions":{now}"#);
            let found = by_run(&fields).unwrap();
            assert!(!found.enable);
            assert_eq!(
                (shown(&found.share_with), shown(&found.not_shared)),
                ("".into(), FRIEND.into())
            );
        }
        let tag = r#""tags":{"s:launch-permissions":"ami-1 111122223333"}"#;
        let has = r#""launch_permissions":["111122223333"]"#;
        assert_eq!(by_run(&format!(r#"{tag},"state":"available","launch_permissions":[]"#)), None);
        // The image already has the permission, so it is not restored, and the tag is no longer
        // needed.
        let found = by_run(&format!(r#"{tag},"state":"available",{has}"#)).unwrap();
        assert_eq!(found, Undo::default());
    }

    #[test]
    fn a_run_enables_only_images_that_ec2_shows_as_disabled_by_a_step() {
        let is_left = |fields: &str| assert_eq!(by_run(fields), None, "{fields}");
        is_left(&disabled("none", r#","protected":true"#));
        for set in ["2026-11-01T11:58:00Z", "2026-11-02T12:01:00Z", "2026-12-01T12:00:00Z"] {
            is_left(&disabled("none", "").replace("2026-11-01T12:01:00Z", set));
        }
        is_left(&disabled("none", "").replace(r#""deprecation_time":"2026-11-01T12:01:00Z","#, ""));
        is_left(&disabled("none", "").replace("none disabled", "none deprecated"));
        // A future date was set by the owner, whatever the tag contains.
        is_left(&disabled("none", "").replace("2026-11-01T", "2026-12-01T"));
        is_left(&disabled("none", "").replace(" disabled 2026-11-01T12:00:00Z", ""));
        // A person makes their own decision.
        let found = by_person(&disabled("none", r#","protected":true"#)).unwrap();
        assert!(found.enable);
        // An image that no step disabled is never enabled.
        assert_eq!(by_run(r#""state":"disabled""#), None);
        let found = by_run(r#""state":"disabled","tags":{"s:expired-at":"2026-01-01T00:00:00Z"}"#);
        assert_eq!(found, Some(Undo::default()));
    }

    #[test]
    fn a_run_cancels_only_the_deprecation_that_a_step_set() {
        let tagged = |set: &str, rest: &str| {
            format!(
                r#""state":"available","deprecation_time":"{set}","tags":{{"s:deprecation":"ami-1 {rest}"}}"#
            )
        };
        let ours = tagged("2026-11-01T12:01:00Z", &format!("none deprecated {AT}"));
        assert_eq!(by_run(&ours).unwrap().deprecation, Some(Deprecation::None));
        let later = "2027-01-01T00:00:00Z";
        let ours = tagged("2026-11-01T12:01:00Z", &format!("{later} deprecated {AT}"));
        let at = Deprecation::At(later.parse().unwrap());
        assert_eq!(by_run(&ours).unwrap().deprecation, Some(at));
        for theirs in [
            tagged("2026-10-01T12:00:00Z", &format!("none deprecated {AT}")),
            tagged("2026-12-01T12:01:00Z", "none deprecated 2026-12-01T12:00:00Z"),
            r#""tags":{"s:deprecation":"ami-1 2026-12-01T00:00:00Z deprecated 2026-11-01T12:00:00Z"}"#.to_owned(),
        ] {
            assert_eq!(by_run(&theirs), Some(Undo::default()), "{theirs}");
        }
        let theirs = tagged("2026-10-01T12:00:00Z", &format!("none deprecated {AT}"));
        assert_eq!(by_person(&theirs).unwrap().deprecation, Some(Deprecation::None));
        // A run was interrupted after it rewrote the tag and before it set the time.
        let cut = tagged(
            "2026-11-01T12:01:00Z",
            &format!("none disabled 2026-11-09T12:00:00Z deprecated {AT}"),
        );
        assert_eq!(by_run(&cut).unwrap().deprecation, Some(Deprecation::None));
        assert_eq!(disabled_by_us_at(&image(&cut), &names(), NOW.parse().unwrap()), None);
    }

    #[test]
    fn saved_values_are_parsed() {
        let id: ImageId = "ami-1".parse().unwrap();
        let with: Vec<LaunchPermission> = vec!["all".into(), "111122223333".into()];
        assert_eq!(permissions_tag_value(&id, &with).unwrap(), "ami-1 111122223333 all");
        assert_eq!(permissions_tag_value(&id, &[]).unwrap(), "ami-1 none");
        let at = "2027-01-01T00:00:00Z";
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let passed = r#""deprecation_time":"2026-01-01T00:00:00Z""#;
        let to_come = format!(r#""deprecation_time":"{at}""#);
        let saved = |id: &str| {
            format!(r#","tags":{{"s:deprecation":"{id} none deprecated 2026-11-20T00:00:00Z"}}"#)
        };
        for (fields, value) in [
            (to_come.clone(), format!("ami-1 {at}")),
            (passed.to_owned(), "ami-1 2026-01-01T00:00:00Z".to_owned()),
            (r#""state":"available""#.to_owned(), "ami-1 none".to_owned()),
            // A past date was set by a step if a deprecation was saved. A future date was set by
            // somebody else.
            (format!("{passed}{}", saved("ami-1")), "ami-1 none".to_owned()),
            (format!("{to_come}{}", saved("ami-1")), format!("ami-1 {at}")),
            (format!("{passed}{}", saved("ami-2")), "ami-1 2026-01-01T00:00:00Z".to_owned()),
        ] {
            let image = image(&fields);
            let text = deprecation_tag_value(&image, &names(), now, false);
            assert_eq!(text, format!("{value} deprecated {now}"), "{fields}");
            let text = deprecation_tag_value(&image, &names(), now, true);
            assert_eq!(text, format!("{value} disabled {now}"), "{fields}");
        }
        // The previous write counts until the time is set again.
        let before = image(&disabled("none", ""));
        assert_eq!(
            deprecation_tag_value(&before, &names(), now, true),
            format!("ami-1 none disabled {now} disabled {AT}")
        );
        assert_eq!(disabled_by_us_at(&before, &names(), now), before.deprecation_time);
    }

    #[test]
    fn tags_of_a_copy_are_ignored() {
        let fields = disabled("all", "").replace("\"ami-1 ", "\"ami-2 ");
        assert_eq!(by_run(&fields), Some(Undo::default()));
        assert_eq!(by_person(&fields), Some(Undo::default()));
    }

    #[test]
    fn current_or_previously_saved_permissions_are_saved() {
        let tag = r#""tags":{"s:launch-permissions":"ami-1 111122223333 123456789012"},"owner_id":"123456789012""#;
        let to_save = |fields: &str| {
            shown(&permissions_to_save(&image(&format!("{tag},{fields}")), &names()))
        };
        assert_eq!(to_save(r#""state":"available","launch_permissions":[]"#), "");
        assert_eq!(to_save(r#""state":"available","launch_permissions":["all"]"#), "all");
        assert_eq!(to_save(r#""state":"disabled""#), FRIEND);
        // The owner does not count as another account.
        let own = r#""state":"available","launch_permissions":["123456789012","444455556666"]"#;
        assert_eq!(to_save(own), "444455556666");
    }

    #[test]
    fn too_many_permissions_are_an_error() {
        let id: ImageId = "ami-0123456789abcdef0".parse().unwrap();
        let accounts = |count: u64| -> Vec<LaunchPermission> {
            (0..count).map(|n| format!("{n:012}").into()).collect()
        };
        // The ID has 21 characters, and each account 13.
        assert!(permissions_tag_value(&id, &accounts(18)).is_ok());
        assert_eq!(permissions_tag_value(&id, &accounts(19)), Err(268));
    }
}
