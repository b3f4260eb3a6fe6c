//! Which version of a definition the word `latest` means.
//!
//! A scale set whose model names a definition starts its next instance from the highest version that
//! is not excluded, and is available in the region of the scale set. That need not be the newest
//! version. It can differ between regions.

use crate::arm_id::{ArmId, VersionNumber};
use crate::types::{ImageVersion, Location, ProvisioningState, ReplicationState};

/// What is known of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionFacts {
    /// The version.
    pub id: ArmId,
    /// The number. `None` if the name is not a number: the version may be the highest one.
    pub number: Option<VersionNumber>,
    /// The state of the last operation.
    pub state: ProvisioningState,
    /// Whether the version is excluded in all regions.
    pub is_excluded: bool,
    /// The regions to which it is replicated. `None` if they are unknown.
    pub regions: Option<Vec<RegionFacts>>,
    /// Whether it was soft-deleted. Such a version can only be used by its ID.
    pub is_soft_deleted: bool,
}

/// What is known of a version in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionFacts {
    /// The region.
    pub location: Location,
    /// Whether the version is excluded in this region.
    pub is_excluded: bool,
    /// The state of the replication. `None` if it was not read.
    pub replication: Option<ReplicationState>,
}

impl From<&ImageVersion> for VersionFacts {
    fn from(version: &ImageVersion) -> Self {
        let properties = &version.properties;
        let status = properties.replication_status.iter().flat_map(|status| &status.summary);
        let regions = properties.publishing_profile.target_regions.as_ref().map(|targets| {
            let mut regions: Vec<RegionFacts> = targets
                .iter()
                .map(|target| RegionFacts {
                    location: target.name.clone(),
                    is_excluded: target.exclude_from_latest,
                    replication: None,
                })
                .collect();
            for one in status {
                match regions.iter_mut().find(|region| region.location == one.region) {
                    // Two different states of one region are no state.
                    Some(region) => {
                        region.replication = match region.replication.take() {
                            None => Some(one.state.clone()),
                            Some(other) if other == one.state => Some(other),
                            Some(_) => Some(ReplicationState::Unknown(String::new())),
                        }
                    }
                    // A replica in a region that is not a target, or no longer.
                    None => regions.push(RegionFacts {
                        location: one.region.clone(),
                        is_excluded: false,
                        replication: Some(ReplicationState::Unknown(String::new())),
                    }),
                }
            }
            regions
        });
        Self {
            id: version.id.clone(),
            number: version.number().ok(),
            state: properties.provisioning_state.clone(),
            is_excluded: properties.publishing_profile.exclude_from_latest,
            regions,
            is_soft_deleted: false,
        }
    }
}

/// Whether a version can be the latest one in a region, apart from its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Eligibility {
    Yes,
    No,
    Unknown,
}

impl VersionFacts {
    fn is_eligible(&self, location: &Location) -> Eligibility {
        if self.is_soft_deleted {
            return Eligibility::No;
        }
        // During an operation, and after a failed one, the flags and regions may be those before or
        // those after it.
        if self.state != ProvisioningState::Succeeded {
            return Eligibility::Unknown;
        }
        if self.is_excluded {
            return Eligibility::No;
        }
        let Some(regions) = &self.regions else { return Eligibility::Unknown };
        let mut found = regions.iter().filter(|region| region.location == *location);
        match (found.next(), found.next()) {
            (None, _) => Eligibility::No,
            // Azure does not list a region twice.
            (Some(_), Some(_)) => Eligibility::Unknown,
            (Some(region), None) if region.is_excluded => Eligibility::No,
            (Some(region), None) => match region.replication {
                Some(ReplicationState::Completed) => Eligibility::Yes,
                _ => Eligibility::Unknown,
            },
        }
    }

    /// Whether only the replication is unknown.
    fn lacks_replication(&self, location: &Location) -> bool {
        let mut regions = self.regions.iter().flatten();
        self.state == ProvisioningState::Succeeded
            && self.is_eligible(location) == Eligibility::Unknown
            && regions.any(|region| region.location == *location && region.replication.is_none())
    }
}

/// The versions that `latest` may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest<'a> {
    /// The versions, from the highest number. Versions without a number come first.
    pub versions: Vec<&'a VersionFacts>,
    /// Whether the only version is certain to be the latest one.
    pub is_certain: bool,
}

/// The versions that `latest` may mean for a start at `location` today.
///
/// - If everything relevant is known, it is one version.
/// - If something is unknown, the result has every version that `latest` may mean.
/// - If no version is certain to be available, or the location is unknown (`None`), the result has all
///   versions.
pub fn latest<'a>(versions: &'a [VersionFacts], location: Option<&Location>) -> Latest<'a> {
    let sorted = from_the_highest(versions);
    let all = || Latest { versions: sorted.clone(), is_certain: false };
    let Some(location) = location else { return all() };
    let mut found: Vec<&VersionFacts> = Vec::new();
    let mut certain: Option<VersionNumber> = None;
    for version in &sorted {
        // Lower ones are never the latest.
        if certain.is_some() && version.number != certain {
            break;
        }
        match version.is_eligible(location) {
            Eligibility::No => {}
            Eligibility::Unknown => found.push(version),
            Eligibility::Yes => {
                found.push(version);
                certain = version.number;
            }
        }
    }
    match certain {
        None => all(),
        Some(_) => Latest { is_certain: found.len() == 1, versions: found },
    }
}

/// The version whose replication to read next, so that [`latest`] becomes certain: the highest one
/// that may be the latest, and of which only the replication is unknown. `None` if no further reading
/// helps.
pub fn replication_to_read<'a>(
    versions: &'a [VersionFacts],
    location: &Location,
) -> Option<&'a VersionFacts> {
    from_the_highest(versions)
        .into_iter()
        .take_while(|version| {
            version.number.is_none() || version.is_eligible(location) != Eligibility::Yes
        })
        .find(|version| version.lacks_replication(location))
}

fn from_the_highest(versions: &[VersionFacts]) -> Vec<&VersionFacts> {
    let mut sorted: Vec<&VersionFacts> = versions.iter().collect();
    sorted.sort_by_key(|version| {
        let number = version.number;
        (number.is_some(), std::cmp::Reverse(number), &version.id)
    });
    sorted
}
