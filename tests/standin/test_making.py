"""Creating and deleting snapshots of volumes, launch templates and Recycle Bin rules."""

from __future__ import annotations

import pytest

from samples import OTHER, ami, image, snap


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


def test_launch_templates_are_made_and_deleted(standin, fails):
    standin.load(images=[image(1)])
    ec2 = standin.ec2
    device = {"DeviceName": "/dev/xvdb", "Ebs": {"SnapshotId": snap(7)}}
    data = {"ImageId": ami(1), "BlockDeviceMappings": [device]}
    wanted = {"LaunchTemplateName": "web", "LaunchTemplateData": data}
    made = ec2.create_launch_template(**wanted)["LaunchTemplate"]
    code = "InvalidLaunchTemplateName.AlreadyExistsException"
    fails(code, ec2.create_launch_template, **wanted)
    [held] = standin.fleet()["launch_templates"]
    version = {"version": 1, "image_id": ami(1), "snapshots": [snap(7)]}
    assert (held["name"], held["versions"]) == ("web", [version])
    everything = {"ImageIds": [ami(1)], "IncludeAllResourceTypes": True}
    [found] = ec2.describe_image_references(**everything)["ImageReferences"]
    assert found["Arn"].endswith(made["LaunchTemplateId"])
    ec2.delete_launch_template(LaunchTemplateName="web")
    assert standin.fleet()["launch_templates"] == []
    assert ec2.describe_image_references(**everything)["ImageReferences"] == []
    code = "InvalidLaunchTemplateName.NotFoundException"
    fails(code, ec2.delete_launch_template, LaunchTemplateName="web")


def test_a_snapshot_is_shared_and_not_shared_any_more(standin, fails):
    standin.load(snapshots=[{"snapshot_id": snap(1)}])

    def change(**permissions):
        return standin.ec2.modify_snapshot_attribute(
            SnapshotId=snap(1), CreateVolumePermission=permissions
        )

    def held():
        [one] = standin.fleet()["snapshots"]
        return one["create_volume_permissions"], one["public"]

    change(Add=[{"UserId": OTHER}, {"Group": "all"}])
    assert held() == ([OTHER], True)
    change(Add=[{"UserId": OTHER}], Remove=[{"Group": "all"}])
    assert held() == ([OTHER], False)
    change(Remove=[{"UserId": OTHER}])
    assert held() == ([], False)
    fails("InvalidParameterValue", change)
