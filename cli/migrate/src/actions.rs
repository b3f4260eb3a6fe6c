//! The final action of a Cloud Custodian policy on images.

use super::expression::Mark;
use super::filters::DEFAULT_TAG;
use super::yaml::Node;

/// The name of the action, also as the `op` of `mark-for-op`.
const DEREGISTER: &str = "deregister";

/// The final action on an image.
pub enum FinalAction {
    Deregister { snapshots: bool },
    Mark { days: u32, mark: Mark },
    Deprecate { days: u32, from_creation: bool },
}

/// The final action of a policy, and its other actions.
pub fn final_action(policy: &Node) -> (Option<FinalAction>, Vec<String>) {
    let none = Node { line: policy.line, value: super::yaml::YamlValue::Null };
    let (mut final_action, mut others) = (None, Vec::new());
    for action in policy.get("actions").unwrap_or(&none).elements() {
        let kind = action.text().or_else(|| action.get("type").and_then(Node::text));
        let found = match kind.unwrap_or_default() {
            DEREGISTER => {
                let snapshots = action.get("delete-snapshots").and_then(Node::truth) == Some(true);
                Some(FinalAction::Deregister { snapshots })
            }
            "mark-for-op" if action.get("op").and_then(Node::text) == Some(DEREGISTER) => {
                mark(action)
            }
            "set-deprecation" => deprecation(action),
            _ => None,
        };
        match found {
            Some(found) if rank(&found) > final_action.as_ref().map_or(0, rank) => {
                final_action = Some(found)
            }
            Some(_) => {}
            None => others.push(action.shown()),
        }
    }
    (final_action, others)
}

fn rank(final_action: &FinalAction) -> u8 {
    match final_action {
        FinalAction::Deregister { .. } => 3,
        FinalAction::Mark { .. } => 2,
        FinalAction::Deprecate { .. } => 1,
    }
}

/// `mark-for-op`; the default is four days. `None` for a key that may change the meaning, and for a
/// custom message without the operation and its date, which Custodian cannot read.
fn mark(action: &Node) -> Option<FinalAction> {
    let is_known = |(key, value): &(String, Node)| match key.as_str() {
        "type" | "op" | "tag" | "days" | "hours" | "tz" => true,
        "msg" => value.text().is_some_and(|message| message.ends_with(": {op}@{action_date}")),
        _ => false,
    };
    if !action.entries().iter().all(is_known) {
        return None;
    }
    let (days, hours) = (action.get("days"), action.get("hours"));
    let days = match (days, hours) {
        (None, None) => 4.0,
        _ => {
            let part = |node: Option<&Node>| node.map_or(Some(0.0), Node::number);
            part(days)? + part(hours)? / 24.0
        }
    };
    let tag = action.get("tag").map_or(Some(DEFAULT_TAG), Node::text)?.to_owned();
    Some(FinalAction::Mark { days: whole(days)?, mark: Mark { tag, op: DEREGISTER.to_owned() } })
}

/// `set-deprecation`: `age` counts from the creation of the image, `days` from now. Without either,
/// or with an age of 0, it cancels the deprecation.
fn deprecation(action: &Node) -> Option<FinalAction> {
    let days = |node: &Node| node.number().and_then(whole);
    match (action.get("date"), action.get("days"), action.get("age")) {
        (None, Some(node), _) => {
            Some(FinalAction::Deprecate { days: days(node)?, from_creation: false })
        }
        (None, None, Some(node)) => {
            let days = days(node).filter(|days| *days > 0)?;
            Some(FinalAction::Deprecate { days, from_creation: true })
        }
        _ => None,
    }
}

fn whole(days: f64) -> Option<u32> {
    (0.0..36_000.0).contains(&days).then_some(days.ceil() as u32)
}
