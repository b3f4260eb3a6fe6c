//! Protections: reasons that keep an image whatever the rules are.

use foldhash::{HashMap, HashMapExt};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::reason::{Manager, NotEnabled, Reason, Unrecoverable};
use super::state_tags;
use super::undo::{self, claims_disabling, enables, permissions_to_restore};
use super::uses::ReferencesTo;
use crate::model::{
    AccountId, Image, ImageState, Inventory, KeepTag, LaunchPermission, Recoverability, Recyclable,
    RetentionRule, Snapshot, SnapshotId, TagNames, Tags,
};
use crate::policy::{Check, Policy, Rule, Safety, SharedImages};

/// Whether the account of the inventory owns `image`.
pub(super) fn is_ours(image: &Image, account: &AccountId) -> bool {
    image.owner_id.as_ref() == Some(account)
}

/// Whether a run may change an image in this state.
pub(super) fn has_final_state(image: &Image) -> bool {
    matches!(image.state, ImageState::Available | ImageState::Disabled | ImageState::Failed)
}

/// All protections of `image`, which has these `references` and is matched by `rule`, if any.
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
    if !has_final_state(image) {
        reasons.push(Reason::State { state: image.state });
    }
    if image.protected {
        reasons.push(Reason::Protected { by: image.protected_by.clone() });
    }
    if let Some(by) = manager(image) {
        reasons.push(Reason::ManagedElsewhere { by });
    }
    if let Some(tag) = opt_out(&image.tags, &policy.tag_names.keep, now, &policy.timezone) {
        reasons.push(Reason::OptedOut { until: tag.until, note: tag.note });
    }
    if policy.safety.pinned.contains(&image.image_id) {
        reasons.push(Reason::Pinned);
    }
    let tags = policy.safety.keep_tags_among(&image.tags);
    reasons
        .extend(tags.map(|(key, value)| Reason::KeepTag { key: key.into(), value: value.into() }));
    reasons.extend(state_tags::of_image(image, policy).map(Reason::from));
    reasons.extend(references.reasons());
    let with = shared_with(image, policy);
    // A permission that could not be restored is not removed, whatever the policy allows.
    let provider = image.image_id.provider();
    let is_unknown = with.iter().any(|one| !one.is_known_to(provider));
    // Without a rule, nothing allows shared images to be retired.
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

/// The launch permissions that are saved in the tag of an image that is not disabled, but that the
/// image does not have. Either a rescue did not restore them, or somebody else wrote the tag. A
/// person must decide which.
fn not_restored(image: &Image, policy: &Policy) -> Option<Box<[LaunchPermission]>> {
    if image.state == ImageState::Disabled {
        return None;
    }
    let with = permissions_to_restore(image, &policy.tag_names);
    (!with.is_empty()).then(|| with.into())
}

/// Why a run does not enable `image` although its tags record that a step disabled it. `None` if
/// the run enables it, or if the tags record nothing.
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

/// Who may launch `image`, sorted. For an image that a step disabled: who could launch it before.
fn shared_with(image: &Image, policy: &Policy) -> Vec<LaunchPermission> {
    let mut with = undo::shared_with(image, &policy.tag_names).into_vec();
    if image.public {
        with.push(LaunchPermission::Everyone);
    }
    with.sort();
    with.dedup();
    with
}

/// The number of accounts and other grantees that may launch `image`; `None` if this was not read.
pub(super) fn grantees(image: &Image) -> Option<u32> {
    let permissions = image.launch_permissions.as_ref()?;
    let listed = permissions.contains(&LaunchPermission::Everyone);
    let public = usize::from(image.public && !listed);
    u32::try_from(permissions.len() + public).ok()
}

/// What the Recycle Bin could restore.
pub(super) struct Recovery<'a> {
    /// The rules in effect with a sufficient retention. `None` if the policy does not require any,
    /// or if they were not read.
    rules: Option<Vec<&'a RetentionRule>>,
    /// The tags of the snapshots. Empty if no rule depends on tags.
    snapshots: HashMap<&'a SnapshotId, &'a Tags>,
    /// The minimum retention in days; `None` if the policy does not require any.
    required_days: Option<u32>,
}

/// Whether a rule applies to all resources in the Region.
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
        Self { rules, snapshots, required_days: required_days(safety) }
    }

    /// The kinds of resource that no rule covers.
    pub(super) fn missing(&self) -> Vec<Recyclable> {
        let Some(rules) = &self.rules else { return Vec::new() };
        let covered = |what: Recyclable| rules.iter().any(|rule| rule.resource == what);
        [Recyclable::Images, Recyclable::Snapshots]
            .into_iter()
            .filter(|what| !covered(*what))
            .collect()
    }

    /// Which part of `image` could not be restored.
    pub(super) fn leaves_out(&self, image: &Image) -> Option<Unrecoverable> {
        if image.capabilities.recovery != Recoverability::ByRules {
            return unrecoverable(image.capabilities.recovery, self.required_days);
        }
        if !self.covers(Recyclable::Images, &image.tags) {
            return Some(Unrecoverable::Images);
        }
        // The Recycle Bin accepts only EBS-backed images. A failed image has nothing to restore.
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
        // The image could not be restored without its snapshots.
        let days = self.days(Recyclable::Images, Some(&image.tags));
        let sooner = |snapshot: &SnapshotId| self.snapshot_days(snapshot) < days;
        let is_sooner = self.missing().is_empty() && image.snapshots.iter().any(sooner);
        is_sooner.then_some(Unrecoverable::SnapshotsSooner)
    }

    /// Whether `snapshot` could be restored after its deletion, as far as the policy requires it.
    pub(super) fn covers_snapshot(&self, snapshot: &Snapshot) -> bool {
        match snapshot.recovery {
            Recoverability::ByRules => self.covers(Recyclable::Snapshots, &snapshot.tags),
            recovery => unrecoverable(recovery, self.required_days).is_none(),
        }
    }

    /// Whether the Recycle Bin could restore a resource of this kind with these tags. Also true if
    /// no rule covers the kind at all, because then the whole run is refused.
    pub(super) fn covers(&self, what: Recyclable, tags: &Tags) -> bool {
        self.rules.as_ref().is_none_or(|rules| {
            !rules.iter().any(|rule| rule.resource == what)
                || rules.iter().any(|rule| rule.covers(what, tags))
        })
    }

    /// Whether the Recycle Bin could restore a resource of this kind, whatever its tags are.
    fn covers_any_tags(&self, what: Recyclable) -> bool {
        self.rules.as_ref().is_none_or(|rules| {
            let mut of_kind = rules.iter().filter(|rule| rule.resource == what).peekable();
            of_kind.peek().is_none() || of_kind.any(|rule| is_general(rule))
        })
    }

    /// The retention in days for a resource of this kind with these tags, or, without `tags`, for
    /// any tags. `None` if the policy does not require a retention, if it is unknown, or if there
    /// is none.
    fn days(&self, what: Recyclable, tags: Option<&Tags>) -> Option<u32> {
        let rules = self.rules.iter().flatten();
        let covering = rules.filter(|rule| match tags {
            Some(tags) => rule.covers(what, tags),
            None => rule.resource == what && is_general(rule),
        });
        // If several rules cover the resource, the longest retention applies.
        covering.map(|rule| rule.days).max()
    }

    /// The retention of this snapshot in days.
    pub(super) fn snapshot_days(&self, snapshot: &SnapshotId) -> Option<u32> {
        self.days(Recyclable::Snapshots, self.snapshots.get(snapshot).copied())
    }

    /// When a snapshot with these tags, deleted at `at`, leaves the Recycle Bin.
    pub(super) fn kept_until(&self, tags: &Tags, at: Timestamp) -> Option<Timestamp> {
        let days = self.days(Recyclable::Snapshots, Some(tags))?;
        at.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok()
    }
}

/// The minimum retention in days of what is removed; `None` if the policy does not require any.
fn required_days(safety: &Safety) -> Option<u32> {
    (safety.recycle_bin == Check::Required).then_some(safety.recycle_bin_days)
}

/// Why a resource that can be recovered like this could not be restored for as long as required.
/// `None` if it could, or if this depends on rules.
fn unrecoverable(recovery: Recoverability, required_days: Option<u32>) -> Option<Unrecoverable> {
    match (recovery, required_days?) {
        (Recoverability::ByRules, _) => None,
        (Recoverability::Unsupported, _) => Some(Unrecoverable::Unsupported),
        (Recoverability::Days(days), required) => {
            (days < required).then_some(Unrecoverable::Sooner { days })
        }
    }
}

/// Why `image`, as it is now, could not be restored after its removal, as far as the provider
/// reports it with the image.
pub(super) fn unrecoverable_now(image: &Image, safety: &Safety) -> Option<Unrecoverable> {
    unrecoverable(image.capabilities.recovery, required_days(safety))
}

/// The other service that manages `image`. The tags of AWS Backup and Data Lifecycle Manager are
/// not documented, but reported by users. Image Builder documents its tag.
pub(super) fn manager(image: &Image) -> Option<Manager> {
    if image.owner_alias.as_deref() == Some("aws-backup-vault") {
        return Some(Manager::AwsBackup);
    }
    manager_by_tags(&image.tags)
}

/// The service that wrote these tags of an image or a snapshot.
pub(super) fn manager_by_tags(tags: &Tags) -> Option<Manager> {
    tags.iter().find_map(|(key, value)| match key {
        _ if key.starts_with("aws:backup:") => Some(Manager::AwsBackup),
        _ if key.eq_ignore_ascii_case("RSVaultBackup") => Some(Manager::AzureBackup),
        "dlm:managed" => Some(Manager::DataLifecycleManager),
        _ if key.starts_with("aws:dlm:") => Some(Manager::DataLifecycleManager),
        "CreatedBy" if value == "EC2 Image Builder" => Some(Manager::ImageBuilder),
        _ => None,
    })
}

/// The content of the tag `key`, if it excludes the resource at `now`.
pub(super) fn opt_out(tags: &Tags, key: &str, now: Timestamp, zone: &TimeZone) -> Option<KeepTag> {
    let tag = KeepTag::read(tags.get(key)?, zone);
    tag.until.is_none_or(|until| until > now).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opt_out_is_permanent_or_ends_at_its_date() {
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
