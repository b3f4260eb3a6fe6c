//! Resources that share one call.

use crate::model::ResourceId;

/// Resources grouped by operation, in the order in which the operations were added. Each resource
/// has the position of the image or snapshot that it belongs to.
pub(super) struct Groups<K>(Vec<(K, Vec<(usize, ResourceId)>)>);

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq> Groups<K> {
    /// Adds `resource` to the operation `what`, for the image or snapshot at position `at`.
    pub(super) fn add(&mut self, what: K, at: usize, resource: ResourceId) {
        match self.0.iter_mut().find(|(same, _)| *same == what) {
            Some((_, members)) => members.push((at, resource)),
            None => self.0.push((what, vec![(at, resource)])),
        }
    }
}

impl<K> Groups<K> {
    /// Returns each operation with its positions and resources.
    pub(super) fn into_calls(self) -> impl Iterator<Item = (K, Vec<usize>, Vec<ResourceId>)> {
        self.0.into_iter().map(|(what, members)| {
            let (at, resources) = members.into_iter().unzip();
            (what, at, resources)
        })
    }
}
