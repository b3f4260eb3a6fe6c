//! Policies of Custodian that work together: one marks an image, another deregisters what is marked.

use std::path::Path;

use super::actions::{Fate, fate};
use super::expression::{Atom, Field, Mark};
use super::filters;
use super::yaml::Node;

/// A policy, and the file that it stands in.
#[derive(Clone, Copy)]
pub struct CustodianPolicy<'a> {
    pub file: &'a Path,
    pub node: &'a Node,
}

impl<'a> CustodianPolicy<'a> {
    pub fn all(file: &'a Path, policies: &'a [Node]) -> Vec<Self> {
        policies.iter().map(|node| Self { file, node }).collect()
    }

    pub fn is_for_images(&self) -> bool {
        matches!(self.node.get("resource").and_then(Node::text), Some("ami" | "aws.ami"))
    }

    /// As it may stand in a comment.
    pub fn name(&self) -> String {
        let name = self.node.get("name").and_then(Node::text);
        steward::suggest::shown(name.unwrap_or("without a name"))
    }
}

/// All policies for images, of all files.
pub struct MarkIndex<'a>(Vec<CustodianPolicy<'a>>);

impl<'a> MarkIndex<'a> {
    pub fn of(policies: impl IntoIterator<Item = CustodianPolicy<'a>>) -> Self {
        Self(policies.into_iter().filter(CustodianPolicy::is_for_images).collect())
    }

    /// The policies that deregister what carries this mark.
    pub fn sweeps(&self, mark: &Mark) -> Vec<CustodianPolicy<'a>> {
        let acts = |policy: &&CustodianPolicy<'a>| {
            matches!(fate(policy.node).0, Some(Fate::Deregister { .. }))
                && filters::of(policy.node).marks().contains(&mark)
        };
        self.0.iter().filter(acts).copied().collect()
    }

    /// Whether all that deregister what carries this mark delete the snapshots too.
    pub fn delete_snapshots(&self, mark: &Mark) -> bool {
        self.sweeps(mark)
            .iter()
            .all(|sweep| matches!(fate(sweep.node).0, Some(Fate::Deregister { snapshots: true })))
    }

    /// Whether a policy leaves this mark, and does not only pass on another one.
    pub fn are_left(&self, mark: &Mark) -> bool {
        self.0.iter().any(|policy| {
            matches!(fate(policy.node).0, Some(Fate::Mark { mark: left, .. }) if left == *mark)
                && filters::of(policy.node).marks().is_empty()
        })
    }

    /// A policy that takes the mark from images that nothing uses; those in use are safe anyway.
    pub fn taken_back(&self, mark: &Mark) -> Option<CustodianPolicy<'a>> {
        let takes = |action: &Node| {
            let kind = action.text().or_else(|| action.get("type").and_then(Node::text));
            let tags = action.get("tags").map(Node::elements);
            matches!(kind, Some("remove-tag" | "untag" | "unmark"))
                && tags.map_or(mark.tag == filters::DEFAULT_TAG, |tags| {
                    tags.iter().any(|tag| tag.text().is_none_or(|tag| tag == mark.tag))
                })
        };
        let takes_back = |policy: &&CustodianPolicy<'a>| {
            let actions = policy.node.get("actions").map(Node::elements).unwrap_or_default();
            actions.iter().any(takes) && !filters::is_for_used_images(policy.node)
        };
        self.0.iter().find(takes_back).copied()
    }
}

/// What the marking policy asks for, without that the mark is not there yet: here there are none.
pub fn without_own_mark(atoms: &[Atom], mark: &Mark) -> Vec<Atom> {
    let mut left = atoms.to_vec();
    for atom in &mut left {
        if matches!(atom, Atom::Mark { mark: own, negated: true, .. } if own == mark) {
            *atom = Atom::Always("not marked yet: there are no marks here".to_owned());
        }
    }
    left
}

/// What the second half asks for beside the mark; `None` when it does not ask for that.
pub fn beside_mark(atoms: &[Atom], mark: &Mark, line: usize) -> Option<Vec<Atom>> {
    let is_own =
        |atom: &Atom| matches!(atom, Atom::Mark { mark: own, negated: false, .. } if own == mark);
    if !atoms.iter().any(is_own) {
        return None;
    }
    let beside = atoms.iter().filter(|atom| !is_own(atom)).filter_map(|atom| match atom {
        Atom::Field { field: Field::Tag(key), glob, negated, .. } if *key == mark.tag => {
            let is_there = !negated && matches!(glob.as_str(), "*" | "?*");
            (!is_there).then(|| Atom::Unknown { what: "what the mark says".to_owned(), line })
        }
        Atom::Mark { mark, line, .. } => {
            Some(Atom::Unknown { what: format!("marked-for-op ({mark}) too"), line: *line })
        }
        other => Some(other.clone()),
    });
    Some(beside.collect())
}
