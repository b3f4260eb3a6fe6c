//! Custodian policies that belong together: one tags an image, another deregisters tagged images.

use std::path::Path;

use super::actions::{FinalAction, final_action};
use super::expression::{Atom, Field, Mark};
use super::filters;
use super::yaml::Node;

/// A policy and its file.
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

    /// The name of the policy, escaped for a comment.
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

    /// The policies that deregister images with this tag.
    pub fn sweeps(&self, mark: &Mark) -> Vec<CustodianPolicy<'a>> {
        let acts = |policy: &&CustodianPolicy<'a>| {
            matches!(final_action(policy.node).0, Some(FinalAction::Deregister { .. }))
                && filters::of(policy.node).marks().contains(&mark)
        };
        self.0.iter().filter(acts).copied().collect()
    }

    /// Whether all policies that deregister images with this tag also delete the snapshots.
    pub fn delete_snapshots(&self, mark: &Mark) -> bool {
        self.sweeps(mark).iter().all(|sweep| {
            matches!(final_action(sweep.node).0, Some(FinalAction::Deregister { snapshots: true }))
        })
    }

    /// Whether a policy sets this tag, and does not itself depend on such a tag.
    pub fn are_left(&self, mark: &Mark) -> bool {
        self.0.iter().any(|policy| {
            matches!(final_action(policy.node).0, Some(FinalAction::Mark { mark: left, .. }) if left == *mark)
                && filters::of(policy.node).marks().is_empty()
        })
    }

    /// A policy that removes the tag from images that are not in use. Images in use are kept
    /// anyway.
    pub fn removed_by(&self, mark: &Mark) -> Option<CustodianPolicy<'a>> {
        let removes = |action: &Node| {
            let kind = action.text().or_else(|| action.get("type").and_then(Node::text));
            let tags = action.get("tags").map(Node::elements);
            matches!(kind, Some("remove-tag" | "untag" | "unmark"))
                && tags.map_or(mark.tag == filters::DEFAULT_TAG, |tags| {
                    tags.iter().any(|tag| tag.text().is_none_or(|tag| tag == mark.tag))
                })
        };
        let removes_tag = |policy: &&CustodianPolicy<'a>| {
            let actions = policy.node.get("actions").map(Node::elements).unwrap_or_default();
            actions.iter().any(removes) && !filters::is_for_used_images(policy.node)
        };
        self.0.iter().find(removes_tag).copied()
    }
}

/// The conditions of the first policy, without the condition that the tag is absent: image-steward
/// does not use that tag.
pub fn without_own_mark(atoms: &[Atom], mark: &Mark) -> Vec<Atom> {
    let mut left = atoms.to_vec();
    for atom in &mut left {
        if matches!(atom, Atom::Mark { mark: own, negated: true, .. } if own == mark) {
            *atom = Atom::Always(
                "the image does not have the tag of mark-for-op, which image-steward does not use"
                    .to_owned(),
            );
        }
    }
    left
}

/// The other conditions of the second policy; `None` if it does not require the tag.
pub fn beside_mark(atoms: &[Atom], mark: &Mark, line: usize) -> Option<Vec<Atom>> {
    let is_own =
        |atom: &Atom| matches!(atom, Atom::Mark { mark: own, negated: false, .. } if own == mark);
    if !atoms.iter().any(is_own) {
        return None;
    }
    let beside = atoms.iter().filter(|atom| !is_own(atom)).filter_map(|atom| match atom {
        Atom::Field { field: Field::Tag(key), glob, negated, .. } if *key == mark.tag => {
            let is_there = !negated && matches!(glob.as_str(), "*" | "?*");
            (!is_there).then(|| Atom::Unknown {
                what: "a condition on the value of the tag of mark-for-op".to_owned(),
                line,
            })
        }
        Atom::Mark { mark, line, .. } => {
            Some(Atom::Unknown { what: format!("also marked-for-op ({mark})"), line: *line })
        }
        other => Some(other.clone()),
    });
    Some(beside.collect())
}
