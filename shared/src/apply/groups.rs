//! Resources for which one call will do.

use crate::model::ResourceId;

/// Resources by what is done with them, in the order in which that came up; each with the position of the
/// image or snapshot that it is done for.
pub(super) struct Groups<K>(Vec<(K, Vec<(usize, ResourceId)>)>);

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq> Groups<K> {
    /// Adds `resource`, with which `what` is done for the one at position `at`.
    pub(super) fn add(&mut self, what: K, at: usize, resource: ResourceId) {
        match self.0.iter_mut().find(|(same, _)| *same == what) {
            Some((_, members)) => members.push((at, resource)),
            None => self.0.push((what, vec![(at, resource)])),
        }
    }
}

impl<K> Groups<K> {
    /// What is done, for which positions, and with which resources.
    pub(super) fn into_calls(self) -> impl Iterator<Item = (K, Vec<usize>, Vec<ResourceId>)> {
        self.0.into_iter().map(|(what, members)| {
            let (at, resources) = members.into_iter().unzip();
            (what, at, resources)
        })
    }
}
