//! Protections: what keeps an image whatever the rules say.

use foldhash::{HashMap, HashMapExt};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::reason::{Manager, NotEnabled, Reason, Unrecoverable};
use super::state_tags;
use super::undo::{claims_disabling, enables, permissions_to_restore, permissions_to_save};
use super::uses::ReferencesTo;
use crate::model::{
    AccountId, Image, ImageState, Inventory, KeepTag, LaunchPermission, Recyclable, RetentionRule,
    SnapshotId, TagNames, Tags,
};
use crate::policy::{Check, Policy, Rule, Safety, SharedImages};

/// Whether the account that was read owns `image`.
pub(super) fn is_ours(image: &Image, account: &AccountId) -> bool {
    image.owner_id.as_ref() == Some(account)
}

/// Every protection of `image`, which has these `references` and falls under `rule`, if under any.
pub(super) fn protections(
    image: &Image,
    account: &AccountId,
    references: ReferencesTo<'_>,
    rule: Option<&Rule>,
    policy: &Policy,
    now: Timestamp,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !is_ours(image, account) {
        reasons.push(Reason::NotOurs { owner: image.owner_id.clone() });
    }
    if !matches!(image.state, ImageState::Available | ImageState::Disabled | ImageState::Failed) {
        reasons.push(Reason::State { state: image.state });
    }
    if image.protected {
        reasons.push(Reason::Protected);
    }
    if let Some(by) = manager(image) {
        reasons.push(Reason::ManagedElsewhere { by });
    }
    if let Some(tag) = opt_out(&image.tags, &policy.tag_names.keep, now, &policy.timezone) {
        reasons.push(Reason::OptedOut { until: tag.until, note: tag.note });
    }
    if policy.safety.pinned.binary_search(&image.image_id).is_ok() {
        reasons.push(Reason::Pinned);
    }
    let tags = policy.safety.keep_tags_among(&image.tags);
    reasons
        .extend(tags.map(|(key, value)| Reason::KeepTag { key: key.into(), value: value.into() }));
    reasons.extend(state_tags::of_image(image, policy).map(Reason::from));
    reasons.extend(references.reasons());
    let with = shared_with(image, policy);
    // What could not be given back is not taken, whatever the policy says.
    let is_unknown = with.iter().any(|one| matches!(one, LaunchPermission::Unknown(_)));
    // Without a rule nothing says that it may go.
    let keeps_shared = rule.is_none_or(|rule| rule.shared_images == SharedImages::Keep);
    if is_unknown || (keeps_shared && !with.is_empty()) {
        reasons.push(Reason::Shared { with: with.into() });
    }
    if let Some(with) = not_restored(image, policy) {
        reasons.push(Reason::SharingNotRestored { with });
    }
    if image.created_at.is_none() {
        reasons.push(Reason::AgeUnknown);
    }
    reasons
}

/// The launch permissions in the tag of an image that is not disabled, as far as it does not have
/// them: a rescue did not restore them, or somebody else wrote the tag. A person decides which.
fn not_restored(image: &Image, policy: &Policy) -> Option<Box<[LaunchPermission]>> {
    if image.state == ImageState::Disabled {
        return None;
    }
    let with = permissions_to_restore(image, &policy.tag_names);
    (!with.is_empty()).then(|| with.into())
}

/// Why a run does not enable `image` although its tags say that a step disabled it; `None` if it
/// does, or if they do not.
pub(crate) fn not_enabled(image: &Image, names: &TagNames, now: Timestamp) -> Option<NotEnabled> {
    let is_left = image.state == ImageState::Disabled
        && claims_disabling(image, names)
        && !enables(image, names, now);
    is_left.then_some(if image.protected {
        NotEnabled::Protected
    } else {
        NotEnabled::TagsDisagree
    })
}

/// Who may launch `image`, sorted; for an image that a step disabled, who could before.
fn shared_with(image: &Image, policy: &Policy) -> Vec<LaunchPermission> {
    let mut with = permissions_to_save(image, &policy.tag_names).into_vec();
    if image.public {
        with.push(LaunchPermission::Everyone);
    }
    with.sort();
    with.dedup();
    with
}

/// How many accounts and other grantees may launch `image`; `None` when that was not read.
pub(super) fn grantees(image: &Image) -> Option<u32> {
    let permissions = image.launch_permissions.as_ref()?;
    let listed = permissions.contains(&LaunchPermission::Everyone);
    let public = usize::from(image.public && !listed);
    u32::try_from(permissions.len() + public).ok()
}

/// What the Recycle Bin could restore.
pub(super) struct Recovery<'a> {
    /// The rules in effect that keep what is removed for long enough; `None` when the policy does not
    /// require any, or they were not read.
    rules: Option<Vec<&'a RetentionRule>>,
    /// The tags of the snapshots; empty when the rules do not look at tags.
    snapshots: HashMap<&'a SnapshotId, &'a Tags>,
}

/// Whether a rule is about everything in the Region.
fn is_general(rule: &RetentionRule) -> bool {
    rule.tags.is_empty() && rule.except.is_empty()
}

impl<'a> Recovery<'a> {
    pub(super) fn of(inventory: &'a Inventory, safety: &Safety) -> Self {
        let rules = inventory.retention_rules.as_deref();
        let rules = rules.filter(|_| safety.recycle_bin == Check::Required);
        let counts = |rule: &&RetentionRule| rule.in_effect && rule.days >= safety.recycle_bin_days;
        let rules = rules.map(|rules| rules.iter().filter(counts).collect::<Vec<_>>());
        let snapshots = if rules.iter().flatten().any(|rule| !is_general(rule)) {
            inventory.snapshots.iter().map(|one| (&one.snapshot_id, &one.tags)).collect()
        } else {
            HashMap::new()
        };
        Self { rules, snapshots }
    }

    /// What no rule covers at all.
    pub(super) fn missing(&self) -> Vec<Recyclable> {
        let Some(rules) = &self.rules else { return Vec::new() };
        let covered = |what: Recyclable| rules.iter().any(|rule| rule.resource == what);
        [Recyclable::Images, Recyclable::Snapshots]
            .into_iter()
            .filter(|what| !covered(*what))
            .collect()
    }

    /// What of `image` could not be restored.
    pub(super) fn leaves_out(&self, image: &Image) -> Option<Unrecoverable> {
        if !self.covers(Recyclable::Images, &image.tags) {
            return Some(Unrecoverable::Images);
        }
        // The bin takes EBS-backed images only. One that failed holds nothing to be restored.
        let is_failed = image.state == ImageState::Failed;
        if self.rules.is_some() && image.snapshots.is_empty() && !is_failed {
            return Some(Unrecoverable::InstanceStore);
        }
        let all = image.snapshots.iter().all(|snapshot| match self.snapshots.get(snapshot) {
            Some(tags) => self.covers(Recyclable::Snapshots, tags),
            None => self.covers_any_tags(Recyclable::Snapshots),
        });
        if !all {
            return Some(Unrecoverable::Snapshots);
        }
        // Without its snapshots the image could not be restored.
        let days = self.days(Recyclable::Images, Some(&image.tags));
        let sooner = |snapshot: &SnapshotId| self.snapshot_days(snapshot) < days;
        let is_sooner = self.missing().is_empty() && image.snapshots.iter().any(sooner);
        is_sooner.then_some(Unrecoverable::SnapshotsSooner)
    }

    /// Whether the Recycle Bin could restore a resource of this kind with these tags. Also true when
    /// no rule covers that kind at all: then the whole run is refused.
    pub(super) fn covers(&self, what: Recyclable, tags: &Tags) -> bool {
        self.rules.as_ref().is_none_or(|rules| {
            !rules.iter().any(|rule| rule.resource == what)
                || rules.iter().any(|rule| rule.covers(what, tags))
        })
    }

    /// Whether the Recycle Bin could restore a resource of this kind whatever its tags are.
    fn covers_any_tags(&self, what: Recyclable) -> bool {
        self.rules.as_ref().is_none_or(|rules| {
            let mut of_kind = rules.iter().filter(|rule| rule.resource == what).peekable();
            of_kind.peek().is_none() || of_kind.any(|rule| is_general(rule))
        })
    }

    /// For how many days the bin would keep a resource of this kind with these tags, or whatever its
    /// tags are; `None` when that is not required, not known, or not at all.
    fn days(&self, what: Recyclable, tags: Option<&Tags>) -> Option<u32> {
        let rules = self.rules.iter().flatten();
        let covering = rules.filter(|rule| match tags {
            Some(tags) => rule.covers(what, tags),
            None => rule.resource == what && is_general(rule),
        });
        // Where several cover it, the longest one has effect.
        covering.map(|rule| rule.days).max()
    }

    /// For how many days the bin would keep this snapshot.
    pub(super) fn snapshot_days(&self, snapshot: &SnapshotId) -> Option<u32> {
        self.days(Recyclable::Snapshots, self.snapshots.get(snapshot).copied())
    }

    /// Until when the bin would keep a snapshot with these tags that is deleted at `at`.
    pub(super) fn kept_until(&self, tags: &Tags, at: Timestamp) -> Option<Timestamp> {
        let days = self.days(Recyclable::Snapshots, Some(tags))?;
        at.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok()
    }
}

/// The other service that manages `image`. The tags of AWS Backup and Data Lifecycle Manager are
/// reported by users rather than documented; Image Builder documents its own.
pub(super) fn manager(image: &Image) -> Option<Manager> {
    if image.owner_alias.as_deref() == Some("aws-backup-vault") {
        return Some(Manager::AwsBackup);
    }
    manager_by_tags(&image.tags)
}

/// The service that these tags of an image or a snapshot come from.
pub(super) fn manager_by_tags(tags: &Tags) -> Option<Manager> {
    tags.iter().find_map(|(key, value)| match key {
        _ if key.starts_with("aws:backup:") => Some(Manager::AwsBackup),
        "dlm:managed" => Some(Manager::DataLifecycleManager),
        _ if key.starts_with("aws:dlm:") => Some(Manager::DataLifecycleManager),
        "CreatedBy" if value == "EC2 Image Builder" => Some(Manager::ImageBuilder),
        _ => None,
    })
}

/// What the tag `key` says, if it excludes the resource at `now`.
pub(super) fn opt_out(tags: &Tags, key: &str, now: Timestamp, zone: &TimeZone) -> Option<KeepTag> {
    let tag = KeepTag::read(tags.get(key)?, zone);
    tag.until.is_none_or(|until| until > now).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opt_out_holds_for_good_or_until_its_date() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let check = |value: &str| {
            let tags: Tags = [("keep", value)].into_iter().collect();
            opt_out(&tags, "keep", now, &zone).map(|tag| tag.until.map(|until| until.to_string()))
        };
        for value in ["", "true", "yes, please", "2026-13-45", "false"] {
            assert_eq!(check(value), Some(None), "{value:?}");
        }
        assert_eq!(check("2026-11-21"), None);
        assert_eq!(check("2026-11-22"), Some(Some("2026-11-22T23:00:00Z".to_owned())));
        assert_eq!(check(" 2027-01-01T00:00:00Z "), Some(Some("2027-01-01T00:00:00Z".to_owned())));
        assert_eq!(check("2026-11-22T12:00:00Z"), None);
        assert_eq!(opt_out(&Tags::default(), "keep", now, &zone), None);
    }
}
