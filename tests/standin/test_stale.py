"""Delayed listings, while reads of one resource show its current state."""

from __future__ import annotations

import time

import pytest

from samples import ami, image, inst, instance, lt, named, snap, template, where

FOREVER = 1e9
BEFORE = {
    "images": [image(1, 1, tags={"a": "1"}), image(2, 2)],
    "instances": [instance(1, 1)],
    "launch_templates": [
        template(1, ami(1), name="web"),
        template(2, "resolve:ssm:/golden", name="alias"),
    ],
    "launch_configurations": [{"name": "old", "image_id": ami(1)}],
    "auto_scaling_groups": [{"name": "old"}],
    "fleets": [{"fleet_id": "fleet-1"}],
    "spot_fleets": [{"spot_fleet_request_id": "sfr-1"}],
    "spot_requests": [{"spot_instance_request_id": "sir-1", "image_id": ami(1)}],
    "compute_environments": [{"name": "old"}],
    "image_recipes": [{"name": "old", "image_id": ami(1)}],
    "ssm_parameters": [
        {"name": "/golden", "value": ami(1)},
        {"name": "/silver", "value": ami(9)},
    ],
}
CHANGE = {
    "images": [image(3, 3)],
    "instances": [instance(2, 2)],
    "launch_templates": [
        template(1, ami(2), ami(2), name="web"),
        template(2, ami(9), name="alias"),
    ],
    "launch_configurations": [{"name": "new", "image_id": ami(2)}],
    "auto_scaling_groups": [{"name": "new"}],
    "fleets": [{"fleet_id": "fleet-2"}],
    "spot_fleets": [{"spot_fleet_request_id": "sfr-2"}],
    "spot_requests": [{"spot_instance_request_id": "sir-2", "image_id": ami(2)}],
    "compute_environments": [{"name": "new"}],
    "image_recipes": [{"name": "new", "image_id": ami(2)}],
    "ssm_parameters": [{"name": "/golden", "value": ami(2)}],
}
DEFAULTS = ["$Default", "$Latest"]


def references(standin):
    asked = {"ImageIds": [ami(1), ami(2)], "IncludeAllResourceTypes": True}
    found = standin.ec2.describe_image_references(**asked)["ImageReferences"]
    return sorted((one["ImageId"], one["Arn"].split(":", 5)[5]) for one in found)


def listings(standin):
    """The result of every delayed listing, by name."""
    ec2, scaling = standin.ec2, standin.autoscaling
    instances = ec2.describe_instances()["Reservations"]
    versions = ec2.describe_launch_template_versions(Versions=DEFAULTS)
    fleets = ec2.describe_spot_fleet_requests()["SpotFleetRequestConfigs"]
    requests = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    configurations = scaling.describe_launch_configurations()["LaunchConfigurations"]
    groups = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    batch = standin.batch.describe_compute_environments()["computeEnvironments"]
    snapshots = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    templates = ec2.describe_launch_templates()["LaunchTemplates"]
    return {
        "images": named(ec2.describe_images(Owners=["self"])["Images"]),
        "snapshots": named(snapshots, "SnapshotId"),
        "instances": named([one["Instances"][0] for one in instances], "InstanceId"),
        "tags": named(ec2.describe_tags()["Tags"], "Key"),
        "references": references(standin),
        "templates": [one["LatestVersionNumber"] for one in templates],
        "versions": sorted(
            one["LaunchTemplateData"]["ImageId"]
            for one in versions["LaunchTemplateVersions"]
        ),
        "configurations": named(configurations, "LaunchConfigurationName"),
        "groups": named(groups, "AutoScalingGroupName"),
        "fleets": named(ec2.describe_fleets()["Fleets"], "FleetId"),
        "spot fleets": named(fleets, "SpotFleetRequestId"),
        "spot requests": named(requests, "SpotInstanceRequestId"),
        "environments": named(batch, "computeEnvironmentName"),
    }


def change(standin):
    """Changes by somebody else in the meantime."""
    assert standin.control("PATCH", "fleet", CHANGE) == {}
    ec2 = standin.ec2
    tag = [{"Key": "b", "Value": "2"}]
    ec2.create_tags(Resources=[ami(1), snap(1), inst(1)], Tags=tag)
    ec2.deregister_image(ImageId=ami(2))
    ec2.delete_snapshot(SnapshotId=snap(2))


def test_every_listing_shows_the_account_as_it_was(standin):
    standin.load(**BEFORE)
    before = listings(standin)
    assert before["references"] == [
        (ami(1), "image-recipe/old/1.0.0"),
        (ami(1), f"instance/{inst(1)}"),
        (ami(1), f"launch-template/{lt(1)}"),
        (ami(1), f"launch-template/{lt(2)}"),
        (ami(1), "parameter/golden"),
    ]
    standin.switch(stale_seconds=FOREVER)
    change(standin)
    assert listings(standin) == before
    standin.switch()
    after = listings(standin)
    for name, said in before.items():
        assert after[name] != said, name


def test_whoever_names_ids_sees_the_present(standin, fails):
    standin.load(**BEFORE)
    standin.switch(stale_seconds=FOREVER)
    change(standin)
    ec2 = standin.ec2
    assert ec2.describe_images(ImageIds=[ami(2)])["Images"] == []
    assert ec2.describe_images(Filters=where(image_id=ami(2)))["Images"] == []
    [one] = ec2.describe_images(ImageIds=[ami(1)])["Images"]
    assert {"Key": "b", "Value": "2"} in one["Tags"]
    code = "InvalidSnapshot.NotFound"
    fails(code, ec2.describe_snapshots, SnapshotIds=[snap(2)])
    found = ec2.describe_snapshots(Filters=where(snapshot_id=snap(3)))
    assert named(found["Snapshots"], "SnapshotId") == [snap(3)]
    for asked in (
        {"InstanceIds": [inst(2)]},
        {"Filters": where(image_id=ami(2))},
        {"Filters": where(instance_id=inst(2))},
    ):
        assert len(ec2.describe_instances(**asked)["Reservations"]) == 1
    tags = ec2.describe_tags(Filters=where(resource_id=ami(1)))["Tags"]
    assert named(tags, "Key") == ["a", "b"]
    [template_now] = ec2.describe_launch_templates(LaunchTemplateIds=[lt(1)])[
        "LaunchTemplates"
    ]
    assert template_now["LatestVersionNumber"] == 2
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=lt(1))
    assert len(versions["LaunchTemplateVersions"]) == 2
    groups = standin.autoscaling.describe_auto_scaling_groups
    assert len(groups(AutoScalingGroupNames=["new"])["AutoScalingGroups"]) == 1
    standin.rbin.get_rule(Identifier="images")
    assert standin.ssm.get_parameter(Name="/golden")["Parameter"]["Value"] == ami(2)
    # Listings do not contain resources in the Recycle Bin.
    assert named(ec2.list_images_in_recycle_bin()["Images"]) == [ami(2)]
    assert standin.image_ids() == [ami(1), ami(3)]


def test_it_ends_by_itself(standin):
    standin.load(images=[image(1)])
    standin.switch(stale_seconds=0.8)
    standin.ec2.deregister_image(ImageId=ami(1))
    assert named(standin.ec2.describe_images()["Images"]) == [ami(1)]
    time.sleep(0.9)
    assert standin.ec2.describe_images()["Images"] == []


def test_other_regions_lag_behind_too(standin):
    standin.load(images=[image(1, 1)])
    standin.control("PATCH", "fleet", {"region": "us-east-1", "images": [image(2)]})
    standin.switch(stale_seconds=FOREVER)
    for region, number in (("us-east-1", 3), ("eu-west-1", 4)):
        patch = {"region": region, "images": [image(number)]}
        standin.control("PATCH", "fleet", patch)
    there = standin.client("ec2", region="us-east-1")
    assert named(there.describe_images()["Images"]) == [ami(2)]
    elsewhere = standin.client("ec2", region="eu-west-1")
    assert elsewhere.describe_images()["Images"] == []


@pytest.mark.parametrize("bad", ["1", [1]])
def test_a_time_that_is_none_is_refused(standin, bad):
    answer = standin.control("POST", "switches", {"stale_seconds": bad})
    assert answer["errors"] == [f"stale_seconds: {bad!r} has the wrong type"]
