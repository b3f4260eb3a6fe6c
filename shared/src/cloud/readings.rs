//! Permissions, which take one call per resource, with the time of reading.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{ImageId, LaunchPermission, SnapshotId};

/// The maximum age of a reading when the check of a batch begins.
pub const MAX_READING_AGE: Duration = Duration::from_secs(5 * 60);

/// The permissions of images and snapshots that a run has read. Each takes one call, so each is
/// read once, and again only if the reading would be older than [`MAX_READING_AGE`] when the check
/// of its batch begins.
#[derive(Debug, Clone, Default)]
pub struct PermissionReadings {
    /// Who may launch each image.
    pub images: Readings<ImageId>,
    /// Who may create volumes from each snapshot.
    pub snapshots: Readings<SnapshotId>,
}

/// The readings of one type of resource.
#[derive(Debug, Clone)]
pub struct Readings<I>(HashMap<I, PermissionReading>);

#[derive(Debug, Clone)]
struct PermissionReading {
    at: Duration,
    with: Arc<[LaunchPermission]>,
}

impl<I> Default for Readings<I> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<I: Eq + Hash> Readings<I> {
    /// Records the permissions of `resource`. `at` is the time of the request, by the run's clock.
    pub fn note(&mut self, resource: I, with: Arc<[LaunchPermission]>, at: Duration) {
        self.0.insert(resource, PermissionReading { at, with });
    }

    /// Returns the permissions of `resource`, if they were read at most [`MAX_READING_AGE`] before
    /// `now`.
    pub fn recent(&self, resource: &I, now: Duration) -> Option<&[LaunchPermission]> {
        let reading = self.0.get(resource)?;
        (now.saturating_sub(reading.at) <= MAX_READING_AGE).then_some(&reading.with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_counts_for_five_minutes() {
        let image: ImageId = "ami-1".parse().unwrap();
        let mut readings = Readings::default();
        let minute = Duration::from_secs(60);
        readings.note(image.clone(), Arc::from([LaunchPermission::Everyone]), minute);
        assert_eq!(readings.recent(&image, 6 * minute), Some(&[LaunchPermission::Everyone][..]));
        assert_eq!(readings.recent(&image, 6 * minute + Duration::from_millis(1)), None);
        assert_eq!(readings.recent(&"ami-2".parse().unwrap(), minute), None);
    }
}
