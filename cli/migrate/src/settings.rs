//! Translates the other settings of a Custodian policy, and the steps of its rule.

use steward::suggest::{SuggestedRetire, SuggestedRule, shown};

use super::actions::FinalAction;
use super::custodian::Translation;
use super::mark_index::CustodianPolicy;
use super::merge::{AT_ONCE, NEVER, ONLY_DEPRECATES};
use super::yaml::{Node, YamlValue};

impl<'a> Translation<'a> {
    /// Translates the settings of a policy other than filters and actions.
    pub fn read_settings(&mut self, policy: CustodianPolicy<'a>) {
        for (key, value) in policy.node.entries() {
            match key.as_str() {
                "name" | "resource" | "filters" | "actions" | "description" | "comment"
                | "comments" | "tags" | "metadata" | "title" | "source" => {}
                "mode" if is_timed(value) => {}
                "query" if is_own(value) => {}
                "max-resources" | "max-resources-percent" if self.cap(key, value) => {}
                _ => {
                    let what = format!(
                        "the setting `{}: {}` of `{}`",
                        shown(key),
                        value.shown(),
                        policy.name()
                    );
                    self.missing.push((policy.file, value.line, what));
                }
            }
        }
    }

    /// Translates a limit: a number, a percentage, or a table of one or both. Returns whether it is
    /// valid.
    fn cap(&mut self, key: &str, value: &Node) -> bool {
        let (amount, percent) = match (key, &value.value) {
            ("max-resources", YamlValue::Number(_)) => (Some(value), None),
            ("max-resources", _) => (value.get("amount"), value.get("percent")),
            _ => (None, Some(value)),
        };
        let amount = amount.map(|node| node.number().filter(|most| (1.0..=1e6).contains(most)));
        let percent =
            percent.map(|node| node.number().filter(|most| (1e-6..=100.0).contains(most)));
        if (amount, percent) == (None, None) || amount == Some(None) || percent == Some(None) {
            return false;
        }
        let (amount, percent) = (amount.flatten(), percent.flatten());
        let safety = &mut self.writing.safety;
        if let Some(most) = amount {
            safety.max_per_run = safety.max_per_run.min(most as u32);
        }
        if let Some(percent) = percent {
            safety.max_fraction = safety.max_fraction.min(percent / 100.0);
        }
        self.comments.push(format!(
            "Its limit ({}: {}) applies to all rules together, in [safety], unless the limit there is lower. If more images \
             are due, image-steward retires images up to the limit, and the others in later runs; Custodian retires none.",
            shown(key),
            value.shown()
        ));
        true
    }

    pub fn retire(&mut self, rule: &mut SuggestedRule, final_action: &FinalAction, age: f64) {
        let mut whole_days = age.ceil() as u32;
        match final_action {
            FinalAction::Deregister { snapshots } => {
                self.comments.push(format!(
                    "{AT_ONCE}; here, they are retired in steps, and deregistered two weeks after they were found expired."
                ));
                if !snapshots {
                    self.leave_snapshots(rule);
                }
            }
            FinalAction::Mark { days, mark } => {
                let days = (*days).max(1);
                rule.retire = SuggestedRetire {
                    disable_after: format!("{}d", days.min(7)),
                    deregister_after: format!("{days}d"),
                    ..SuggestedRetire::default()
                };
                self.comments.push(format!(
                    "Custodian tags an image and acts {days} days later; here, the waiting times of the steps replace this delay."
                ));
                if !self.marks.delete_snapshots(mark) {
                    self.leave_snapshots(rule);
                }
            }
            FinalAction::Deprecate { days, from_creation } => {
                let mut after = "0d".to_owned();
                if *from_creation {
                    whole_days = whole_days.max(*days);
                } else {
                    after = format!("{days}d");
                }
                rule.retire = SuggestedRetire {
                    deprecate_after: after,
                    disable_after: "never".to_owned(),
                    deregister_after: NEVER.to_owned(),
                    delete_snapshots_after: NEVER.to_owned(),
                };
                self.comments.push(format!(
                    "{ONLY_DEPRECATES}. So does this rule, because it deregisters images only after {NEVER}."
                ));
            }
        }
        if whole_days > 0 {
            rule.keep.within = Some(format!("{whole_days}d"));
        }
    }

    fn leave_snapshots(&mut self, rule: &mut SuggestedRule) {
        NEVER.clone_into(&mut rule.retire.delete_snapshots_after);
        self.comments.push(format!(
            "Custodian keeps the snapshots (no `delete-snapshots: true`), and this rule keeps them for {NEVER}. They \
             continue to cost money; set \"7d\" to delete them a week after their image."
        ));
    }
}

/// Whether Custodian evaluates all images on each run. In other modes, it acts only on images from
/// events.
fn is_timed(mode: &Node) -> bool {
    matches!(mode.get("type").and_then(Node::text), Some("periodic" | "schedule" | "pull"))
}

/// Whether a query selects the images of the account itself, which is the default of Custodian.
fn is_own(query: &Node) -> bool {
    query.elements().iter().all(|part| {
        matches!(part.entries(), [(key, owners)] if key == "Owners"
            && owners.elements().iter().all(|owner| owner.text() == Some("self"))
            && !owners.elements().is_empty())
    })
}
