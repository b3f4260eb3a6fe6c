//! Launch sources in the fake: Auto Scaling groups, fleets, Spot requests, AWS Batch.

use std::collections::BTreeSet;

use steward::cloud::CloudError;
use steward::model::{ComputeEnvironments, ReferenceKind, Source};

use super::faults::Faults;
use super::references::arn;
use super::state::State;
use super::templates::{VersionId, version_of};
use crate::fleet::{
    AutoScalingGroup, ComputeEnvironment, Ec2Fleet, Specification, SpotFleet, SpotRequest,
};

/// A launch source, with everything from which it can launch an instance.
pub(super) struct FakeLaunchSource<'a> {
    pub(super) kind: ReferenceKind,
    pub(super) arn: String,
    pub(super) versions: Vec<&'a Specification>,
    /// The images that it refers to directly.
    pub(super) images: Vec<&'a str>,
    launch_configuration: Option<&'a str>,
}

/// The result of each source, in the order of the response.
pub(super) struct FakeLaunchSources<'a>(
    Vec<(Source, Result<Vec<FakeLaunchSource<'a>>, CloudError>)>,
);

impl<'a> FakeLaunchSources<'a> {
    pub(super) fn read(
        state: &'a State,
        faults: &mut Faults,
        compute_environments: ComputeEnvironments,
    ) -> Self {
        let mut found = vec![
            (Source::AutoScalingGroups, groups(state, faults)),
            (Source::Fleets, fleets(state, faults)),
            (Source::SpotFleets, spot_fleets(state, faults)),
            (Source::SpotRequests, spot_requests(state, faults)),
        ];
        match compute_environments {
            ComputeEnvironments::Read => {
                found.push((Source::ComputeEnvironments, environments(state, faults)));
            }
            ComputeEnvironments::LeaveOut => {}
        }
        Self(found)
    }

    /// Each source with its result, in the order of the response.
    pub(super) fn sources(
        &self,
    ) -> impl Iterator<Item = (Source, Result<&[FakeLaunchSource<'a>], CloudError>)> {
        self.0.iter().map(|(source, found)| (*source, found.as_deref().map_err(Clone::clone)))
    }

    fn iter(&self) -> impl Iterator<Item = &FakeLaunchSource<'a>> {
        self.0.iter().filter_map(|(_, found)| found.as_ref().ok()).flatten()
    }

    /// All versions that launch sources refer to.
    pub(super) fn pinned(&self) -> BTreeSet<&'a Specification> {
        self.iter().flat_map(|one| &one.versions).copied().collect()
    }

    /// The existing versions that a launch source refers to.
    pub(super) fn versions(&self, state: &'a State) -> BTreeSet<VersionId<'a>> {
        let named = self.pinned().into_iter().filter_map(|one| version_of(state, one));
        named.map(|one| one.id()).collect()
    }

    /// The launch configurations of Auto Scaling groups.
    pub(super) fn launch_configurations(&self) -> BTreeSet<&'a str> {
        self.iter().filter_map(|one| one.launch_configuration).collect()
    }
}

type FoundSources<'a> = Result<Vec<FakeLaunchSource<'a>>, CloudError>;

/// Reads one listing.
fn listing<'a, T>(
    faults: &mut Faults,
    action: &'static str,
    held: &'a [T],
    page: usize,
) -> Result<&'a [T], CloudError> {
    faults.check(action, &[])?;
    faults.check_pages(action, held.len(), page)?;
    Ok(held)
}

fn groups<'a>(state: &'a State, faults: &mut Faults) -> FoundSources<'a> {
    let held = &state.rest.auto_scaling_groups;
    let held = listing(faults, "autoscaling:DescribeAutoScalingGroups", held, 100)?;
    let launch_source = |group: &'a AutoScalingGroup| {
        let place = format!("autoScalingGroup:0:autoScalingGroupName/{}", group.name);
        let mixed = group.mixed.iter();
        let overrides = mixed.clone().flat_map(|mixed| &mixed.overrides);
        let versions = group.launch_template.iter();
        let versions = versions.chain(mixed.map(|mixed| &mixed.launch_template));
        FakeLaunchSource {
            kind: ReferenceKind::AutoScalingGroup,
            arn: arn(state, "autoscaling", &place),
            versions: versions
                .chain(overrides.clone().filter_map(|one| one.launch_template.as_ref()))
                .collect(),
            images: overrides.filter_map(|one| one.image_id.as_deref()).collect(),
            launch_configuration: group.launch_configuration.as_deref(),
        }
    };
    Ok(held.iter().map(launch_source).collect())
}

fn fleets<'a>(state: &'a State, faults: &mut Faults) -> FoundSources<'a> {
    const OVER: [&str; 4] = ["deleted", "deleted_running", "deleted_terminating", "failed"];
    let held = listing(faults, "ec2:DescribeFleets", &state.rest.fleets, 1000)?;
    let launch_source = |one: &'a Ec2Fleet| FakeLaunchSource {
        kind: ReferenceKind::Fleet,
        arn: arn(state, "ec2", &format!("fleet/{}", one.fleet_id)),
        versions: one.launch_templates.iter().collect(),
        images: one.images.iter().map(String::as_str).collect(),
        launch_configuration: None,
    };
    Ok(held.iter().filter(|one| !OVER.contains(&one.state.as_str())).map(launch_source).collect())
}

fn spot_fleets<'a>(state: &'a State, faults: &mut Faults) -> FoundSources<'a> {
    const OVER: [&str; 4] = ["cancelled", "cancelled_running", "cancelled_terminating", "failed"];
    let action = "ec2:DescribeSpotFleetRequests";
    let held = listing(faults, action, &state.rest.spot_fleets, 1000)?;
    let launch_source = |one: &'a SpotFleet| FakeLaunchSource {
        kind: ReferenceKind::SpotFleet,
        arn: arn(state, "ec2", &format!("spot-fleet-request/{}", one.spot_fleet_request_id)),
        versions: one.launch_templates.iter().collect(),
        images: one.images.iter().map(String::as_str).collect(),
        launch_configuration: None,
    };
    Ok(held.iter().filter(|one| !OVER.contains(&one.state.as_str())).map(launch_source).collect())
}

fn spot_requests<'a>(state: &'a State, faults: &mut Faults) -> FoundSources<'a> {
    let action = "ec2:DescribeSpotInstanceRequests";
    let held = listing(faults, action, &state.rest.spot_requests, 1000)?;
    let launch_source = |one: &'a SpotRequest| {
        let id = &one.spot_instance_request_id;
        FakeLaunchSource {
            kind: ReferenceKind::SpotRequest,
            arn: arn(state, "ec2", &format!("spot-instances-request/{id}")),
            versions: Vec::new(),
            images: vec![&one.image_id],
            launch_configuration: None,
        }
    };
    let living = held.iter().filter(|one| ["open", "active"].contains(&one.state.as_str()));
    Ok(living.map(launch_source).collect())
}

fn environments<'a>(state: &'a State, faults: &mut Faults) -> FoundSources<'a> {
    let action = "batch:DescribeComputeEnvironments";
    let held = listing(faults, action, &state.rest.compute_environments, 100)?;
    let launch_source = |one: &'a ComputeEnvironment| FakeLaunchSource {
        kind: ReferenceKind::ComputeEnvironment,
        arn: arn(state, "batch", &format!("compute-environment/{}", one.name)),
        versions: one.launch_templates.iter().collect(),
        images: one.image_id.iter().chain(&one.image_id_overrides).map(String::as_str).collect(),
        launch_configuration: None,
    };
    let living = held.iter().filter(|one| !["DELETED", "DELETING"].contains(&one.status.as_str()));
    Ok(living.map(launch_source).collect())
}
