"""Snapshots of volumes, and rules of the Recycle Bin: made and deleted over the wire."""

from __future__ import annotations

import pytest


def test_a_snapshot_of_a_volume(standin, fails):
    zone = standin.ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
    volume = standin.ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "1"}]}]
    create = standin.ec2.create_snapshot
    made = create(VolumeId=volume, Description="a backup", TagSpecifications=tags)
    assert (made["VolumeId"], made["VolumeSize"]) == (volume, 1)
    [held] = standin.fleet()["snapshots"]
    assert held["snapshot_id"] == made["SnapshotId"]
    assert (held["description"], held["volume_id"]) == ("a backup", volume)
    assert (held["tags"], held["size_gib"]) == ({"a": "1"}, 1)
    standin.ec2.delete_volume(VolumeId=volume)
    fails("InvalidVolume.NotFound", create, VolumeId=volume)


def test_rules_are_made_and_deleted(standin, fails):
    standin.load(retention_rules=[])
    wanted = {
        "RetentionPeriod": {"RetentionPeriodValue": 1, "RetentionPeriodUnit": "DAYS"},
        "ResourceType": "EC2_IMAGE",
    }
    tag = {"ResourceTagKey": "a", "ResourceTagValue": "1"}
    made = standin.rbin.create_rule(**wanted, ResourceTags=[tag])
    assert (made["Status"], made["ResourceTags"]) == ("pending", [tag])
    held = standin.rbin.get_rule(Identifier=made["Identifier"])
    assert (held["Status"], held["ResourceTags"]) == ("available", [tag])
    [rule] = standin.fleet()["retention_rules"]
    assert (rule["resource"], rule["days"], rule["tags"]) == ("images", 1, {"a": "1"})
    standin.rbin.delete_rule(Identifier=made["Identifier"])
    assert standin.fleet()["retention_rules"] == []
    code = "ResourceNotFoundException"
    fails(code, standin.rbin.delete_rule, Identifier=made["Identifier"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"ResourceType": "EBS_VOLUME"},
        {
            "RetentionPeriod": {
                "RetentionPeriodValue": 366,
                "RetentionPeriodUnit": "DAYS",
            }
        },
        {
            "ResourceTags": [{"ResourceTagKey": "a"}],
            "ExcludeResourceTags": [{"ResourceTagKey": "b"}],
        },
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(standin, fails, wrong):
    wanted = {
        "RetentionPeriod": {"RetentionPeriodValue": 1, "RetentionPeriodUnit": "DAYS"},
        "ResourceType": "EC2_IMAGE",
    }
    fails("ValidationException", standin.rbin.create_rule, **wanted | wrong)
