//! The earliest date of a deletion.

use jiff::Timestamp;

use crate::plan::Plan;
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan, SnapshotReason};

/// Returns the earliest time at which an image is deregistered or a snapshot is deleted, if nothing
/// changes. It is a lower bound, because limits and verification only delay. `None` if nothing is
/// expired, and for a refused plan, because it is unknown how long a refusal lasts.
pub fn first_deletion(plan: &Plan, snapshots: &SnapshotPlan) -> Option<Timestamp> {
    let of_images = || plan.decisions.iter().filter_map(|one| one.deregister_at).min();
    let of_snapshots = || first_snapshot(snapshots);
    let images = plan.refusal.is_none().then(of_images).flatten();
    let snapshots = snapshots.refusal.is_none().then(of_snapshots).flatten();
    let first = images.into_iter().chain(snapshots).min();
    // A step that a limit deferred is overdue.
    first.map(|at| at.max(plan.planned_at))
}

/// Returns the earliest deletion of a snapshot whose image no longer exists.
fn first_snapshot(plan: &SnapshotPlan) -> Option<Timestamp> {
    let dates = plan.decisions.iter().filter_map(|one| match one.action {
        SnapshotAction::Delete => Some(plan.planned_at),
        SnapshotAction::Mark => one.delete_after,
        // Only its date keeps the snapshot.
        SnapshotAction::Keep => match &one.reasons[..] {
            [SnapshotReason::NotBefore { at }] => Some(*at),
            _ => None,
        },
    });
    dates.min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inventory;
    use crate::plan::plan;
    use crate::plan::snapshots::plan_snapshots;
    use crate::policy::Policy;

    const NOW: &str = "2026-12-01T06:00:00Z";

    fn first(images: &str, snapshots: &str, more: &str) -> Option<String> {
        let inventory = format!(
            r#"{{"format":1,"account":"123456789012","region":"eu-central-1","taken_at":"{NOW}",
                "images":[{images}],"snapshots":[{snapshots}],"references":[]}}"#
        );
        let inventory = Inventory::from_json(&inventory).unwrap();
        let policy = "version = 1\n[[rule]]\nname = \"web\"\nmatch = { name = \"web-*\" }\n\
             keep = { last = 1 }\nretire = { disable_after = \"5d\", deregister_after = \"9d\" }\n\
             [safety]\nmax_fraction = 1.0\nshared_snapshots = \"retire\"\n";
        let policy = Policy::parse(&format!("{policy}{more}"), "p").unwrap();
        let plan = plan(&inventory, &policy, inventory.taken_at);
        let snapshots = plan_snapshots(&inventory, &policy, plan.planned_at);
        first_deletion(&plan, &snapshots).map(|at| at.to_string())
    }

    fn image(id: &str, created: &str, state: &str, tags: &str) -> String {
        format!(
            r#"{{"image_id":"{id}","name":"web-{id}","owner_id":"123456789012","state":"{state}",
                "created_at":"{created}","tags":{{{tags}}}}}"#
        )
    }

    const NEWEST: &str = "2026-11-30T00:00:00Z";
    const NONE: &str = "min_references = 0\n";
    const OLD: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn an_image_is_not_deregistered_before_its_time() {
        let newest = image("ami-1", NEWEST, "available", "");
        assert_eq!(first(&newest, "", NONE), None);
        let expired = image("ami-2", OLD, "available", "");
        let both = format!("{newest},{expired}");
        assert_eq!(first(&both, "", NONE).as_deref(), Some("2026-12-10T06:00:00Z"));
        // A failed image is removed a day after it was created.
        let failed = image("ami-3", "2026-12-01T02:00:00Z", "failed", "");
        let all = format!("{both},{failed}");
        assert_eq!(first(&all, "", NONE).as_deref(), Some("2026-12-02T02:00:00Z"));
        // A time in the past becomes now.
        let late = image("ami-3", OLD, "failed", "");
        let all = format!("{both},{late}");
        assert_eq!(first(&all, "", NONE).as_deref(), Some(NOW));
    }

    #[test]
    fn a_refused_plan_has_no_date() {
        let images =
            [("ami-1", NEWEST), ("ami-2", OLD)].map(|(id, at)| image(id, at, "available", ""));
        assert_eq!(first(&images.join(","), "", "min_references = 1\n"), None);
    }

    #[test]
    fn a_snapshot_whose_image_is_gone_counts() {
        let first = |tags: &str| {
            let snapshot = format!(
                r#"{{"snapshot_id":"snap-1","size_gib":8,"started_at":"2026-01-01T00:00:00Z",
                    "volume_id":"vol-1","description":"Created by CreateImage(i-1) for ami-9","tags":{{{tags}
                    "image-steward:image":"ami-9","image-steward:delete-after":"2026-12-05T00:00:00Z marked 2026-11-28T00:00:00Z"}}}}"#
            );
            first("", &snapshot, NONE)
        };
        assert_eq!(first("").as_deref(), Some("2026-12-05T00:00:00Z"));
        assert_eq!(first(r#""image-steward:keep":"","#), None);
    }
}
