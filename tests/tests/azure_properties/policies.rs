//! Random policies for a subscription.

use proptest::option;
use proptest::prelude::*;
use steward::policy::Policy;

use super::fleets::NAMED;

/// A random policy, with the values that a test needs.
#[derive(Clone)]
pub struct AzurePolicy {
    /// When an expired image is deprecated, disabled and deregistered, in days.
    pub waits: (Option<i64>, Option<i64>, i64),
    pub at_least: u32,
    pub grouped: bool,
    pub keeps_shared: bool,
    /// The days for which a removed image must be recoverable; `None` if it need not be.
    pub recycle_bin_days: Option<u32>,
    pub orphans: Option<i64>,
    /// Whether the policy names another subscription.
    pub names_other: bool,
    pub text: String,
}

impl std::fmt::Debug for AzurePolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl AzurePolicy {
    pub fn policy(&self) -> Policy {
        Policy::parse(&self.text, "random").unwrap_or_else(|error| panic!("{error}"))
    }

    /// Limits are per run, so a run after a crash does not count the steps of the one before.
    pub fn lift_caps(&mut self) {
        self.text = self.text.replace("max_per_run = 2\n", "max_per_run = 1000\n");
        self.text = self.text.replace("max_fraction = 0.5\n", "max_fraction = 1.0\n");
    }

    /// The same policy, which also names this subscription.
    pub fn and_names(&self, subscription: &str) -> Self {
        let before = "subscriptions = [";
        let text = self.text.replace(before, &format!("{before}\"{subscription}\", "));
        Self { text, ..self.clone() }
    }

    /// The subscriptions, besides that of the images, in which references are read completely.
    pub fn named(&self) -> Vec<&'static str> {
        self.names_other.then_some(NAMED).into_iter().collect()
    }
}

const WAITS: [(Option<i64>, Option<i64>, i64); 10] = [
    (Some(0), Some(7), 14),
    (Some(0), Some(1), 3),
    (Some(2), Some(5), 9),
    (Some(0), None, 5),
    (Some(1), None, 7),
    (Some(0), Some(0), 0),
    (Some(0), Some(0), 7),
    (None, Some(1), 7),
    (None, Some(5), 5),
    (Some(3), Some(3), 3),
];

fn never(days: Option<i64>) -> String {
    days.map_or("never".to_owned(), |days| format!("{days}d"))
}

pub fn some_policy() -> impl Strategy<Value = AzurePolicy> {
    let keep = (0_u32..3, 0_u32..2, prop_oneof![3 => Just(0), 1 => 1_u32..3]);
    let caps = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    let bin =
        prop_oneof![1 => Just(None), 2 => prop::sample::select(vec![1, 7, 10]).prop_map(Some)];
    let shape = (
        prop::sample::select(&WAITS[..]),
        any::<bool>(),
        prop_oneof![Just("keep"), Just("retire")],
        option::of(prop_oneof![Just(1_i64), Just(7)]),
        bin,
        any::<bool>(),
        prop::bool::weighted(0.7),
        prop::sample::select(vec!["0d", "1d", "7d"]),
    );
    (keep, caps, shape).prop_map(|((last, at_least, daily), (few, half), shape)| {
        let (waits, grouped, shared, orphans, recycle_bin_days, names_other, asks, delete) = shape;
        let (deprecate, disable, deregister) = waits;
        let group_by = if grouped { "[\"tag:FAMILY\"]" } else { "[]" };
        let bin = match recycle_bin_days {
            None => "recycle_bin = \"optional\"\n".to_owned(),
            Some(days) => format!("recycle_bin_days = {days}\n"),
        };
        let other = if names_other { format!("\"{NAMED}\"") } else { String::new() };
        let mut text = format!(
            "version = 1\n[[rule]]\nname = \"random\"\ngroup_by = {group_by}\n\
             keep = {{ last = {last}, at_least = {at_least}, daily = {daily}, tags = {{ Pinned = \"*\" }} }}\n\
             retire = {{ deprecate_after = \"{}\", disable_after = \"{}\", deregister_after = \"{deregister}d\", delete_snapshots_after = \"{delete}\" }}\n\
             [safety]\nmax_per_run = {}\nmax_fraction = {:.1}\nmin_references = 0\n\
             shared_images = \"{shared}\"\nreferences_check = \"{}\"\nsubscriptions = [{other}]\n{bin}",
            never(deprecate),
            never(disable),
            if few { 2 } else { 1000 },
            if half { 0.5 } else { 1.0 },
            if asks { "required" } else { "off" },
        );
        if let Some(days) = orphans {
            text.push_str(&format!("[orphans]\ndelete_after = \"{days}d\"\n"));
        }
        AzurePolicy {
            waits,
            at_least,
            grouped,
            keeps_shared: shared == "keep",
            recycle_bin_days,
            orphans,
            names_other,
            text,
        }
    })
}
