//! The texts about reasons, refusals and results, one of each kind.

use std::fmt::Write as _;

use jiff::Timestamp;
use steward::apply::{Change, Failure, Outcome, RestoreStep, StepKind, StepRecord, StepResult};
use steward::collect::NameError;
use steward::model::{
    ImageId, ImageRef, ImageState, InWords, Provider, ReferenceKind, ResourceId, SnapshotId,
};
use steward::opt_out::{OptOut, OptOutStatus};
use steward::plan::Refusal;
use steward::plan::reason::{Cap, NotEnabled, Reason, Unrecoverable};
use steward::plan::snapshots::{SnapshotAction, SnapshotReason};
use steward::report::{
    Ids, differences_text, opt_out_text, outcome_line, outcome_text, preview_text,
    restored_summary, restored_text,
};
use steward::restore::{RestorableState, RestorePreview, RestoreProblem, RestoreStatus, Restored};
use steward::saved_plan::{Difference, Differences};

use super::{case, now, web};

fn disk() -> SnapshotId {
    let group = "/subscriptions/0f0e0d0c-1234-5678-9abc-def012345678/resourceGroups/Build";
    format!("{group}/providers/Microsoft.Compute/disks/web-2026-08").parse().unwrap()
}

/// One reason of each kind whose text may contain a word of the provider.
pub(super) fn reasons() -> Vec<Reason> {
    let unrecoverable = [
        Unrecoverable::Images,
        Unrecoverable::Snapshots,
        Unrecoverable::SnapshotsSooner,
        Unrecoverable::InstanceStore,
        Unrecoverable::Unsupported,
        Unrecoverable::Sooner { days: 3 },
    ];
    let enabling = [NotEnabled::Protected, NotEnabled::TagsDisagree, NotEnabled::NoTag];
    let states = [ImageState::Disabled, ImageState::Deregistered, ImageState::Transient];
    let mut reasons = vec![
        Reason::NotOurs { owner: Some(case().plan.account) },
        Reason::NotOurs { owner: None },
        Reason::Protected { by: None },
        Reason::Protected { by: Some("its end-of-life date 2027-01-01".into()) },
        Reason::InUse {
            kind: ReferenceKind::VirtualMachine,
            arn: disk().as_str().into(),
            version: None,
            stale: false,
            name: None,
        },
        Reason::Shared { with: Box::new(["all".into(), "tenant/x".into()]) },
        Reason::SharingNotRestored { with: Box::new(["all".into()]) },
        Reason::AgeUnknown,
        Reason::Deferred { cap: Cap::MaxPerRun, limit: 50 },
        Reason::PermissionsTooLong { characters: 300, most: 256 },
        Reason::PermissionsUnread { error: "AuthorizationFailed".into() },
        Reason::Unverified,
        Reason::NotAnnounced,
        Reason::Refused,
    ];
    reasons.extend(unrecoverable.map(|what| Reason::NotRecoverable { what }));
    reasons.extend(enabling.map(|why| Reason::NotEnabled { why }));
    reasons.extend(states.map(|state| Reason::State { state }));
    reasons
}

fn snapshot_reasons() -> Vec<SnapshotReason> {
    let image = || web("1.0.0");
    vec![
        SnapshotReason::Due { since: now() },
        SnapshotReason::NotMarked,
        SnapshotReason::ImageExists { image: image() },
        SnapshotReason::UsedBy { image: image() },
        SnapshotReason::Orphaned { image: image() },
        SnapshotReason::OriginUnverified { image: image() },
        SnapshotReason::ImageInRecycleBin { image: image() },
        SnapshotReason::RecycleBinUnread,
        SnapshotReason::NotAttributed,
        SnapshotReason::EntryUnknown { image: image() },
        SnapshotReason::ImageKeptLonger { image: image(), until: now() },
        SnapshotReason::Locked,
        SnapshotReason::PermissionsUnread { error: "AuthorizationFailed".into() },
        SnapshotReason::NotRecoverable,
        SnapshotReason::Unverified,
    ]
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::TooFewReferences { seen: 0, at_least: 1 },
        Refusal::NotRecoverable { missing: vec![steward::model::Recyclable::Images], days: 7 },
        Refusal::PlanOutdated { differences: 2 },
    ]
}

fn changes() -> Vec<Change> {
    vec![
        Change::Gone,
        Change::Kept { reasons: vec![Reason::Protected { by: None }] },
        Change::SnapshotKept { reasons: vec![SnapshotReason::Locked] },
        Change::Snapshots,
        Change::State { state: ImageState::Disabled },
        Change::LaunchPermissions,
        Change::Deprecation,
        Change::SnapshotFate,
        Change::Undo,
        Change::ImageExists { image: web("1.0.0") },
        Change::Action { action: "deregister", reasons: vec![Reason::AgeUnknown] },
        Change::SnapshotAction { action: SnapshotAction::Delete, reasons: Vec::new() },
        Change::NotPlanned,
    ]
}

fn problems() -> Vec<RestoreProblem> {
    let image = || web("1.3.0");
    let why = [NotEnabled::NoTag, NotEnabled::Protected, NotEnabled::TagsDisagree];
    let mut problems = vec![
        RestoreProblem::Gone { image: image(), snapshots: Vec::new() },
        RestoreProblem::Gone { image: image(), snapshots: vec![disk()] },
        RestoreProblem::StateTagUnreadable {
            image: image(),
            key: "image-steward:deprecation".into(),
            value: "of another version; rm -r".into(),
        },
        RestoreProblem::Failed(Failure { code: "Conflict".into(), message: "busy".into() }),
    ];
    problems.extend(why.map(|why| RestoreProblem::NotEnabled { image: image(), why }));
    problems
}

fn restored() -> Vec<Restored> {
    let of = |image: ImageId, status, done: Vec<RestoreStep>, problem| Restored {
        image_id: image,
        status,
        done,
        not_shared: Vec::new(),
        problem,
    };
    let from_bin = vec![
        RestoreStep::SnapshotRecovered { snapshot: disk() },
        RestoreStep::ImageRecovered,
        RestoreStep::SnapshotUnmarked { snapshot: disk() },
        RestoreStep::StateTagsRemoved,
    ];
    let at = Timestamp::UNIX_EPOCH;
    let mut all = vec![
        of(web("1.0.0"), RestoreStatus::Restored, from_bin, None),
        of(web("1.3.0"), RestoreStatus::Restored, vec![RestoreStep::Enabled], None),
        of(web("1.4.0"), RestoreStatus::Restored, vec![RestoreStep::DeprecationCancelled], None),
        of(
            web("1.5.0"),
            RestoreStatus::Restored,
            vec![RestoreStep::DeprecationRestored { at }],
            None,
        ),
        of(web("1.6.0"), RestoreStatus::Untouched, Vec::new(), None),
    ];
    let failed = problems().into_iter().map(|problem| {
        let status = match problem {
            RestoreProblem::Gone { .. } => RestoreStatus::Gone,
            RestoreProblem::Failed(_) => RestoreStatus::Failed,
            _ => RestoreStatus::Untouched,
        };
        of(web("1.3.0"), status, Vec::new(), Some(problem))
    });
    all.extend(failed);
    all
}

fn previews() -> Vec<RestorePreview> {
    let states = [
        RestorableState::Recycled,
        RestorableState::Disabled,
        RestorableState::Deprecated,
        RestorableState::Expired,
        RestorableState::Untouched,
        RestorableState::Gone,
    ];
    let of = |state| RestorePreview {
        image_id: web("1.3.0"),
        name: Some("Golden/web/1.3.0".into()),
        state,
        not_shared: Vec::new(),
        problem: None,
    };
    states.into_iter().map(of).collect()
}

fn outcome() -> Outcome {
    let image = || ResourceId::from(&web("1.3.0"));
    let snapshot = ResourceId::from(&disk());
    let steps = [
        StepKind::Expire,
        StepKind::Deprecate,
        StepKind::Disable,
        StepKind::Rescue,
        StepKind::Deregister,
    ];
    let mut records: Vec<StepRecord> =
        steps.into_iter().map(|step| StepRecord::new(image(), step, StepResult::Done)).collect();
    let failed = StepResult::Failed(Failure { code: String::new(), message: "busy".into() });
    records.extend([
        StepRecord::new(image(), StepKind::Deregister, failed),
        StepRecord::new(image(), StepKind::Disable, StepResult::NotReached),
        StepRecord::new(snapshot, StepKind::DeleteSnapshot, StepResult::Done),
    ]);
    records.extend(
        changes().into_iter().map(|change| {
            StepRecord::new(image(), StepKind::Deregister, StepResult::Changed(change))
        }),
    );
    Outcome { steps: records, ..Outcome::default() }
}

fn differences() -> Differences {
    let resource = || ResourceId::from(&web("1.3.0"));
    let changed = changes().into_iter().map(|change| Difference {
        resource: resource(),
        planned: "deregister",
        change,
    });
    Differences { changed: changed.collect(), left_for_later: vec![resource()] }
}

fn opted_out() -> Vec<OptOut> {
    let of = |resource: ResourceId, status| OptOut {
        resource,
        name: Some("Golden/web/1.3.0".into()),
        status,
        before: None,
        value: Some("2026-12-12 tests".to_owned()),
        problem: None,
    };
    vec![
        of((&web("1.3.0")).into(), OptOutStatus::Kept),
        of((&web("1.3.0")).into(), OptOutStatus::Gone),
    ]
}

/// The texts, by name.
pub(super) fn texts() -> Vec<(&'static str, String)> {
    let words = Provider::Azure.words();
    let mut said = String::new();
    for (of, texts) in [
        ("reasons", in_words(&reasons())),
        ("reasons of snapshots", in_words(&snapshot_reasons())),
        ("refusals", in_words(&refusals())),
        ("changes", in_words(&changes())),
        ("problems", in_words(&problems())),
    ] {
        let _ = writeln!(said, "{of}:\n  {}", texts.join("\n  "));
    }
    let _ = writeln!(said, "stages: {:#?}", words.stages);
    let restored = restored();
    let restored = format!("{}\n{}", restored_text(&restored), restored_summary(&restored));
    let outcome = outcome();
    vec![
        ("in-words", said),
        ("restored", restored),
        ("restore-preview", preview_text(&previews(), Ids::All)),
        ("outcome", outcome_text(&outcome, Ids::All) + &outcome_line(&outcome)),
        ("differences", differences_text(&differences(), Ids::All)),
        ("opted-out", opt_out_text(&opted_out(), "image-steward:keep")),
    ]
}

fn in_words<T: InWords>(values: &[T]) -> Vec<String> {
    values.iter().map(|one| one.in_words(Provider::Azure.words()).to_string()).collect()
}

#[test]
fn an_image_is_found_by_the_text_that_tables_show() {
    let inventory = case().inventory;
    let find = |text: &str| {
        let asked: ImageRef = text.parse().unwrap();
        steward::collect::find_in(&asked, &inventory, now())
    };
    for text in ["Golden/web/1.3.0", "golden/WEB/1.3.0", web("1.3.0").as_str()] {
        assert_eq!(find(text).unwrap(), web("1.3.0"), "{text}");
    }
    let managed = find("Web-Old-1").unwrap();
    assert_eq!(find("build/web-old-1").unwrap(), managed);
    assert!(matches!(find("web"), Err(NameError::Unknown { .. })));
}
