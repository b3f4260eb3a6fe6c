//! Metrics in CloudWatch's embedded metric format: one log line, no call.
//!
//! The format is a JSON object whose `_aws` field lists which fields are metrics ("Specification:
//! CloudWatch embedded metric format" in the CloudWatch user guide). A crate would add a registry
//! and a background task for a single line at the end of a run.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::apply::Counts;

/// The CloudWatch namespace of the metrics.
pub const NAMESPACE: &str = "ImageSteward";

/// The metrics that every sweep reports, even if they are zero: alarms evaluate several sweeps in a
/// row or a missing sweep.
const OF_EVERY_SWEEP: [&str; 2] = ["Runs", "NotReached"];

/// Returns the metrics of one run of `function` as one log line. Their timestamp is the end of the
/// run, `took` after `began`, because an alarm evaluates the last minutes and a run can take
/// longer.
///
/// Counts are plain counts, `GiBFreed` is in GiB (for which CloudWatch has no unit), `Seconds` is
/// in seconds. `Runs` is 1 for a scheduled sweep and 0 for a run that another event started, so
/// that an alarm can detect missing sweeps. The line contains all counts, but only those above
/// zero, `Runs` and `NotReached` are metrics, because CloudWatch charges the same for a zero.
pub fn metrics(
    function: &str,
    counts: &Counts,
    is_sweep: bool,
    took: Duration,
    began: Timestamp,
) -> Value {
    let ended = began.saturating_add(took).unwrap_or(began);
    let values = values(counts, is_sweep, took);
    let told = values.iter().filter(|(name, _, value)| {
        *value != json!(0) || (is_sweep && OF_EVERY_SWEEP.contains(name))
    });
    let names: Vec<Value> =
        told.map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": ended.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["Function"]],
                "Metrics": names,
            }],
        },
        "Function": function,
    });
    if let Some(line) = line.as_object_mut() {
        line.extend(values.into_iter().map(|(name, _, value)| (name.to_owned(), value)));
    }
    line
}

fn values(
    counts: &Counts,
    is_sweep: bool,
    took: Duration,
) -> Vec<(&'static str, &'static str, Value)> {
    let Counts {
        images_seen,
        images_in_use,
        images_kept,
        images_expired,
        images_deprecated,
        images_disabled,
        images_deregistered,
        images_rescued,
        images_deferred,
        images_tagged,
        snapshots_marked,
        snapshots_deleted,
        gib_freed,
        instances_retired,
        refused,
        failed,
        not_reached,
        events_lost,
    } = counts;
    let count = |name, value: &usize| (name, "Count", json!(value));
    vec![
        ("Runs", "Count", json!(usize::from(is_sweep))),
        count("ImagesSeen", images_seen),
        count("ImagesInUse", images_in_use),
        count("ImagesKept", images_kept),
        count("ImagesExpired", images_expired),
        count("ImagesDeprecated", images_deprecated),
        count("ImagesDisabled", images_disabled),
        count("ImagesDeregistered", images_deregistered),
        count("ImagesRescued", images_rescued),
        count("ImagesDeferred", images_deferred),
        count("ImagesTagged", images_tagged),
        count("SnapshotsMarked", snapshots_marked),
        count("SnapshotsDeleted", snapshots_deleted),
        ("GiBFreed", "None", json!(gib_freed)),
        count("InstancesRetired", instances_retired),
        count("Refused", refused),
        count("Failed", failed),
        count("NotReached", not_reached),
        count("EventsLost", events_lost),
        ("Seconds", "Seconds", json!(took.as_secs_f64())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sweep_counts_as_a_run() {
        let began = "2026-11-22T12:00:00Z".parse().unwrap();
        let counts = Counts { images_seen: 1, events_lost: 2, ..Counts::default() };
        let line = metrics("steward-reap-snapshots", &counts, false, Duration::ZERO, began);
        let told = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        let names: Vec<_> = told.iter().map(|one| one["Name"].as_str().unwrap()).collect();
        assert_eq!(names, ["ImagesSeen", "EventsLost", "Seconds"]);
        assert_eq!((&line["Runs"], &line["NotReached"]), (&json!(0), &json!(0)));
    }

    #[test]
    fn every_metric_that_is_announced_has_a_value() {
        let counts = Counts { images_seen: 7, gib_freed: 16, refused: 1, ..Counts::default() };
        let began = "2026-11-22T12:00:00.5Z".parse().unwrap();
        let took = Duration::from_millis(1500);
        let line = metrics("steward-prune-images", &counts, true, took, began);
        assert_eq!(line["_aws"]["Timestamp"], 1_795_348_802_000_i64);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "ImageSteward");
        for dimension in directive["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        // CloudWatch accepts at most 100 metrics per directive.
        assert!(metrics.len() <= 100);
        for metric in metrics {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        assert_eq!(line["ImagesSeen"], 7);
        assert_eq!(line["GiBFreed"], 16);
        assert_eq!(line["Seconds"], 1.5);
        assert_eq!(line["Runs"], 1);
        let names: Vec<_> = metrics.iter().map(|one| one["Name"].as_str().unwrap()).collect();
        assert_eq!(names, ["Runs", "ImagesSeen", "GiBFreed", "Refused", "NotReached", "Seconds"]);
        assert_eq!(line["ImagesKept"], 0, "a zero is in the log but is not a metric");
        // Everything is at the top level: the directive, the dimension and every count.
        assert_eq!(
            line.as_object().unwrap().len(),
            values(&counts, true, Duration::ZERO).len() + 2
        );
    }
}
