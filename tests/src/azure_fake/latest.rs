//! Which versions a reference to a definition uses.

use steward::model::ImageId;

use super::fleet::{FleetState, FleetTarget, Replica};
use super::state::{AzureState, StoredVersion};

/// Whether `latest` may be this version in a region, as far as the responses show.
enum Eligible {
    Yes,
    No,
    Perhaps,
}

/// Whether two names are of the same region: `West Europe` and `westeurope`.
pub(super) fn is_same_region(a: &str, b: &str) -> bool {
    let plain = |text: &str| {
        text.chars().filter(|c| *c != ' ').flat_map(char::to_lowercase).collect::<String>()
    };
    plain(a) == plain(b)
}

impl AzureState {
    /// The versions of a definition that an instance in `region` may be started from today. All
    /// versions if none of them certainly can be.
    pub(super) fn latest(&self, definition: &str, region: &str) -> Vec<&ImageId> {
        let of = self.versions.iter().filter(|(_, one)| one.definition == definition);
        let mut all: Vec<(&ImageId, &StoredVersion)> = of.collect();
        all.sort_by_key(|(_, one)| std::cmp::Reverse(one.number));
        let mut found = Vec::new();
        for (id, one) in &all {
            match eligible(one, region) {
                Eligible::No => {}
                Eligible::Perhaps => found.push(*id),
                Eligible::Yes => {
                    found.push(*id);
                    return found;
                }
            }
        }
        all.into_iter().map(|(id, _)| id).collect()
    }
}

fn eligible(stored: &StoredVersion, region: &str) -> Eligible {
    let version = &stored.version;
    let here = |target: &&FleetTarget| is_same_region(&target.region, region);
    // During an operation, and after a failed one, each of the following values may be an old one.
    if version.state != FleetState::Succeeded {
        return Eligible::Perhaps;
    }
    let Some(target) = version.targets.iter().find(here) else { return Eligible::No };
    match target.replica {
        _ if version.excluded || target.excluded => Eligible::No,
        Replica::Completed if version.replicas_read => Eligible::Yes,
        _ => Eligible::Perhaps,
    }
}
