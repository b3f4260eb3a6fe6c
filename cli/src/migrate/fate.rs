//! What a policy of Cloud Custodian does to images in the end.

use super::filters;
use super::yaml::Node;

/// What a policy does to an image in the end.
pub enum Fate {
    Deregister { snapshots: bool },
    Mark { days: u32, tag: String },
    Deprecate { days: u32, from_creation: bool },
}

impl Fate {
    /// Whether it is this tag that says which images were marked.
    pub fn marks_with(&self, key: &str) -> bool {
        matches!(self, Self::Mark { tag, .. } if tag == key)
    }
}

/// What the policies of a file say together about marking now and deregistering later.
#[derive(Clone, Copy)]
pub struct Marks {
    /// Some policy marks.
    pub are_left: bool,
    /// Every policy that acts on marks deletes snapshots too, and there is one.
    pub delete_snapshots: bool,
}

impl Marks {
    pub fn of(policies: &[Node]) -> Self {
        let ends: Vec<bool> = policies
            .iter()
            .filter(|policy| policy.get("filters").is_some_and(filters::asks_for_mark))
            .map(|policy| matches!(fate(policy).0, Some(Fate::Deregister { snapshots: true })))
            .collect();
        Self {
            are_left: policies
                .iter()
                .any(|policy| matches!(fate(policy).0, Some(Fate::Mark { .. }))),
            delete_snapshots: !ends.is_empty() && ends.iter().all(|deletes| *deletes),
        }
    }
}

/// What a policy does in the end, and what else it does.
pub fn fate(policy: &Node) -> (Option<Fate>, Vec<String>) {
    let none = Node { line: policy.line, value: super::yaml::Value::Null };
    let (mut fate, mut others) = (None, Vec::new());
    for action in policy.get("actions").unwrap_or(&none).elements() {
        let kind = action.text().or_else(|| action.get("type").and_then(Node::text));
        let found = match kind.unwrap_or_default() {
            "deregister" => {
                let snapshots = action.get("delete-snapshots").and_then(Node::truth) == Some(true);
                Some(Fate::Deregister { snapshots })
            }
            "mark-for-op" if action.get("op").and_then(Node::text) == Some("deregister") => {
                mark(action)
            }
            "set-deprecation" => deprecation(action),
            _ => None,
        };
        match found {
            Some(found) if rank(&found) > fate.as_ref().map_or(0, rank) => fate = Some(found),
            Some(_) => {}
            None => others.push(action.shown()),
        }
    }
    (fate, others)
}

fn rank(fate: &Fate) -> u8 {
    match fate {
        Fate::Deregister { .. } => 3,
        Fate::Mark { .. } => 2,
        Fate::Deprecate { .. } => 1,
    }
}

/// Four days, unless days or hours are said.
fn mark(action: &Node) -> Option<Fate> {
    let (days, hours) = (action.get("days"), action.get("hours"));
    let days = match (days, hours) {
        (None, None) => 4.0,
        _ => {
            let part = |node: Option<&Node>| node.map_or(Some(0.0), Node::number);
            part(days)? + part(hours)? / 24.0
        }
    };
    let tag = action.get("tag").and_then(Node::text).unwrap_or("maid_status").to_owned();
    Some(Fate::Mark { days: whole(days)?, tag })
}

/// `age` counts from the image's making, `days` from now; without either it takes deprecation back.
fn deprecation(action: &Node) -> Option<Fate> {
    let days = |key| action.get(key).and_then(Node::number).and_then(whole);
    if action.get("date").is_some() {
        return None;
    }
    match (days("days"), days("age")) {
        (Some(days), _) => Some(Fate::Deprecate { days, from_creation: false }),
        (None, Some(days)) => Some(Fate::Deprecate { days, from_creation: true }),
        (None, None) => None,
    }
}

fn whole(days: f64) -> Option<u32> {
    (0.0..36_000.0).contains(&days).then_some(days.ceil() as u32)
}
