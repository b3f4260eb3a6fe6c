//! Permissions that take one call for each resource, with the time of reading.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{ImageId, LaunchPermission, SnapshotId};

/// How old a reading may be when the check of a batch begins whose steps rest on it.
pub const MAX_READING_AGE: Duration = Duration::from_secs(5 * 60);

/// With whom images and snapshots are shared, as far as a run has read it. That takes a call for each, so
/// that each is read once, and again if the reading would be older than [`MAX_READING_AGE`] when the check
/// of its batch begins.
#[derive(Debug, Clone, Default)]
pub struct PermissionReadings {
    /// Who may launch an image.
    pub images: Readings<ImageId>,
    /// Who may create volumes from a snapshot.
    pub snapshots: Readings<SnapshotId>,
}

/// The readings of one kind of resource.
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
    /// Notes with whom `resource` is shared, which was asked for at `at` by the run's clock.
    pub fn note(&mut self, resource: I, with: Arc<[LaunchPermission]>, at: Duration) {
        self.0.insert(resource, PermissionReading { at, with });
    }

    /// With whom `resource` is shared, if that was read so lately that it counts at `now`.
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
