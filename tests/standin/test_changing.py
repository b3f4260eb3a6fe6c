"""Calls of the stand-in that change the account."""

from __future__ import annotations

import time

import pytest

from samples import ACCOUNT, OTHER, ami, image, inst, instance, named, snap, where

EBS = {"VolumeSize": 30, "VolumeType": "io2", "Iops": 100, "DeleteOnTermination": False}


def tagged(kind, **tags):
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    return {"ResourceType": kind, "Tags": pairs}


# Creating images


def test_register_image_keeps_the_devices_as_given(standin, fails):
    standin.load(snapshots=[{"snapshot_id": snap(1)}, {"snapshot_id": snap(2)}])
    devices = [
        {"DeviceName": "/dev/sda1", "Ebs": EBS | {"SnapshotId": snap(1)}},
        {"DeviceName": "/dev/sdb", "Ebs": EBS | {"SnapshotId": snap(2)}},
        {"DeviceName": "/dev/sdc", "VirtualName": "ephemeral0"},
        *({"DeviceName": f"/dev/sd{x}", "NoDevice": ""} for x in "defghijklm"),
    ]
    made = standin.ec2.register_image(
        Name="mine",
        Description="by hand",
        Architecture="arm64",
        RootDeviceName="/dev/sda1",
        BlockDeviceMappings=devices,
        TagSpecifications=[tagged("image", Family="golden")],
    )
    [got] = standin.ec2.describe_images(ImageIds=[made["ImageId"]])["Images"]
    assert got["BlockDeviceMappings"] == devices
    assert (got["Name"], got["Architecture"]) == ("mine", "arm64")
    assert got["Tags"] == [{"Key": "Family", "Value": "golden"}]
    assert got["RootDeviceName"] == "/dev/sda1"
    assert standin.snapshot_ids() == [snap(1), snap(2)]
    register = standin.ec2.register_image
    fails("InvalidAMIName.Duplicate", register, Name="mine")
    missing = [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snap(7)}}]
    code = "InvalidSnapshot.NotFound"
    fails(code, register, Name="other", BlockDeviceMappings=missing)


def test_create_image_makes_snapshots_that_say_so(standin, fails):
    standin.load(images=[image(1, 1, 2)], instances=[instance(1, 1)])
    made = standin.ec2.create_image(
        InstanceId=inst(1),
        Name="fresh",
        TagSpecifications=[tagged("image", A="1"), tagged("snapshot", B="2")],
    )["ImageId"]
    [got] = standin.ec2.describe_images(ImageIds=[made])["Images"]
    assert (got["State"], got["SourceInstanceId"]) == ("available", inst(1))
    assert got["Tags"] == [{"Key": "A", "Value": "1"}]
    used = [one["Ebs"]["SnapshotId"] for one in got["BlockDeviceMappings"]]
    assert len(used) == 2
    for one in standin.ec2.describe_snapshots(SnapshotIds=used)["Snapshots"]:
        text = f"Created by CreateImage({inst(1)}) for {made}"
        assert one["Description"] == text
        assert one["Tags"] == [{"Key": "B", "Value": "2"}]
    create = standin.ec2.create_image
    fails("InvalidInstanceID.NotFound", create, InstanceId=inst(7), Name="fresh")


def test_a_fresh_image_is_pending_for_a_while(standin):
    standin.load(images=[image(1, 1)], instances=[instance(1, 1)])
    standin.switch(pending_seconds=0.5)
    made = standin.ec2.create_image(InstanceId=inst(1), Name="fresh")["ImageId"]

    def state():
        return standin.ec2.describe_images(ImageIds=[made])["Images"][0]["State"]

    assert state() == "pending"
    time.sleep(0.6)
    assert state() == "available"


def test_copy_image_into_another_region(standin):
    standin.load(images=[image(1, 1, tags={"A": "1", "aws:b": "2"})])
    elsewhere = standin.client("ec2", region="us-east-1")
    assert elsewhere.describe_images()["Images"] == []
    made = elsewhere.copy_image(
        Name="copy",
        SourceImageId=ami(1),
        SourceRegion="eu-central-1",
        CopyImageTags=True,
    )["ImageId"]
    [got] = elsewhere.describe_images()["Images"]
    assert (got["SourceImageId"], got["SourceImageRegion"]) == (ami(1), "eu-central-1")
    assert got["Tags"] == [{"Key": "A", "Value": "1"}]
    [copied] = elsewhere.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    text = f"Copied for DestinationAmi {made} from SourceAmi {ami(1)} for "
    assert copied["Description"].startswith(text + f"SourceSnapshot {snap(1)}")
    assert standin.image_ids() == [ami(1)]
    there = standin.control("GET", "fleet?region=us-east-1")
    assert [one["image_id"] for one in there["images"]] == [made]


# Deregistering


def test_plain_deregister_leaves_the_snapshots(standin, fails):
    standin.load(images=[image(1, 1)])
    answer = standin.ec2.deregister_image(ImageId=ami(1))
    assert (answer["Return"], answer["DeleteSnapshotResults"]) == (True, [])
    assert standin.image_ids() == []
    assert standin.snapshot_ids() == [snap(1)]
    deregister = standin.ec2.deregister_image
    fails("InvalidAMIID.Unavailable", deregister, ImageId=ami(1))
    fails("InvalidAMIID.NotFound", deregister, ImageId=ami(7))


def test_deregister_with_snapshots_says_what_became_of_each(standin):
    theirs = {"snapshot_id": snap(4), "owner_id": OTHER}
    standin.load(
        images=[image(1, 1, 2, 3, 4), image(2, 2, state="disabled")],
        snapshots=[theirs],
    )
    standin.switch(associated_result={snap(3): "internal-error"})
    answer = standin.ec2.deregister_image(
        ImageId=ami(1), DeleteAssociatedSnapshots=True
    )
    assert answer["Return"] is True
    assert answer["DeleteSnapshotResults"] == [
        {"SnapshotId": snap(1), "ReturnCode": "success"},
        {"SnapshotId": snap(2), "ReturnCode": "skipped"},
        {"SnapshotId": snap(3), "ReturnCode": "internal-error"},
        {"SnapshotId": snap(4), "ReturnCode": "client-error"},
    ]
    assert standin.snapshot_ids() == [snap(2), snap(3), snap(4)]


def test_deregister_without_the_right_to_delete_snapshots(standin):
    standin.load(images=[image(1, 1)])
    standin.switch(deny=["DeleteSnapshot"])
    answer = standin.ec2.deregister_image(
        ImageId=ami(1), DeleteAssociatedSnapshots=True
    )
    assert answer["DeleteSnapshotResults"][0]["ReturnCode"] == "missing-permissions"
    assert (standin.image_ids(), standin.snapshot_ids()) == ([], [snap(1)])


def test_an_old_server_ignores_the_parameter(standin):
    standin.load(images=[image(1, 1)])
    standin.switch(no_delete_associated=True)
    answer = standin.ec2.deregister_image(
        ImageId=ami(1), DeleteAssociatedSnapshots=True
    )
    assert answer["DeleteSnapshotResults"] == []
    assert standin.snapshot_ids() == [snap(1)]


def test_what_may_not_be_deregistered(standin, fails):
    standin.load(
        images=[
            image(1, owner_id=OTHER),
            image(2, protected="enabled-without-cooldown"),
            image(3, protected="enabled-with-cooldown"),
            image(4, protected="disabled after 2999-01-01T00:00:00Z"),
            image(5, protected="disabled after 2020-01-01T00:00:00Z"),
        ]
    )
    deregister = standin.ec2.deregister_image
    fails("AuthFailure", deregister, ImageId=ami(1))
    for number in (2, 3, 4):
        fails("OperationNotPermitted", deregister, ImageId=ami(number))
    deregister(ImageId=ami(5))
    assert standin.image_ids() == [ami(n) for n in (1, 2, 3, 4)]


def test_a_dry_run_asks_for_permission_only(standin, fails):
    standin.load(images=[image(1, 1)])
    code = "DryRunOperation"
    fails(code, standin.ec2.deregister_image, ImageId=ami(1), DryRun=True)
    fails(code, standin.ec2.delete_snapshot, SnapshotId=snap(1), DryRun=True)
    assert (standin.image_ids(), standin.snapshot_ids()) == ([ami(1)], [snap(1)])
    standin.switch(deny=["DeregisterImage"])
    denied = standin.ec2.deregister_image
    fails("UnauthorizedOperation", denied, ImageId=ami(1), DryRun=True)


# Deleting snapshots


def test_a_snapshot_in_use_stays_until_its_last_image_is_gone(standin, fails):
    standin.load(images=[image(1, 1), image(2, 1, state="disabled")])
    delete = standin.ec2.delete_snapshot
    message = fails("InvalidSnapshot.InUse", delete, SnapshotId=snap(1))
    used_by = f"{ami(1)},{ami(2)}"
    assert message == f"The snapshot {snap(1)} is currently in use by {used_by}"
    standin.ec2.deregister_image(ImageId=ami(1))
    message = fails("InvalidSnapshot.InUse", delete, SnapshotId=snap(1))
    assert message.endswith(f"in use by {ami(2)}")
    standin.ec2.deregister_image(ImageId=ami(2))
    delete(SnapshotId=snap(1))
    assert standin.snapshot_ids() == []
    fails("InvalidSnapshot.NotFound", delete, SnapshotId=snap(1))


def test_a_snapshot_of_another_account_stays(standin, fails):
    standin.load(snapshots=[{"snapshot_id": snap(1), "owner_id": OTHER}])
    fails("AuthFailure", standin.ec2.delete_snapshot, SnapshotId=snap(1))
    assert standin.snapshot_ids() == [snap(1)]


@pytest.mark.parametrize(
    ("race", "hit"), [({"every": 3}, [3, 6]), ({"first": 2, "times": 2}, [1, 2])]
)
def test_the_race_after_deregistering(standin, fails, race, hit):
    numbers = range(1, 8)
    free = {"snapshot_id": snap(99)}
    standin.load(images=[image(n, n) for n in numbers], snapshots=[free])
    standin.switch(snapshot_race=race)
    standin.ec2.delete_snapshot(SnapshotId=snap(99))
    for number in numbers:
        standin.ec2.deregister_image(ImageId=ami(number))
    refused = []
    for number in numbers:
        try:
            standin.ec2.delete_snapshot(SnapshotId=snap(number))
        except standin.ec2.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "InvalidSnapshot.InUse"
            assert error.response["Error"]["Message"].endswith(ami(number))
            refused.append(number)
    assert refused == hit
    for number in hit:
        delete = standin.ec2.delete_snapshot
        for _ in range(race.get("times", 1) - 1):
            fails("InvalidSnapshot.InUse", delete, SnapshotId=snap(number))
        delete(SnapshotId=snap(number))
    assert standin.snapshot_ids() == []


# Tags


def test_tags_are_set_and_taken_away(standin):
    standin.load(
        images=[image(1, 1, tags={"keep": "1", "aws:own": "2"})],
        instances=[instance(1, 1)],
    )
    both = [ami(1), snap(1), inst(1)]
    pairs = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    standin.ec2.create_tags(Resources=both, Tags=pairs)
    fleet = standin.fleet()
    new = {"a": "1", "b": ""}
    assert fleet["images"][0]["tags"] == {"keep": "1", "aws:own": "2"} | new
    assert fleet["snapshots"][0]["tags"] == new
    assert fleet["instances"][0]["tags"] == new
    found = standin.ec2.describe_tags(Filters=where(key="a"))["Tags"]
    assert named(found, "ResourceId") == sorted(both)
    delete = standin.ec2.delete_tags
    delete(Resources=[ami(1)], Tags=[{"Key": "a", "Value": "other"}, {"Key": "b"}])
    assert standin.fleet()["images"][0]["tags"] == {
        "keep": "1",
        "aws:own": "2",
        "a": "1",
    }
    delete(Resources=[ami(1)])
    assert standin.fleet()["images"][0]["tags"] == {"aws:own": "2"}


@pytest.mark.parametrize(
    ("code", "pairs"),
    [
        ("InvalidParameterValue", {"k" * 128: "v"}),
        ("InvalidParameterValue", {"k": "v" * 257}),
        ("InvalidParameterValue", {"aws:k": "v"}),
        ("TagLimitExceeded", {f"k{n}": "v" for n in range(50)}),
        ("MissingParameter", {}),
    ],
)
def test_limits_of_tags(standin, fails, code, pairs):
    standin.load(images=[image(1), image(2, tags={"one": "1", "aws:own": "2"})])
    tags = [{"Key": key, "Value": value} for key, value in pairs.items()]
    create = standin.ec2.create_tags
    fails(code, create, Resources=[ami(1), ami(2)], Tags=tags)
    assert [one["tags"] for one in standin.fleet()["images"]] == [
        {},
        {"one": "1", "aws:own": "2"},
    ]


def test_the_longest_tags_and_the_most_of_them_are_fine(standin):
    standin.load(images=[image(n, tags={"aws:own": "1"}) for n in range(1000)])
    pairs = [{"Key": f"{n:0127}", "Value": "v" * 256} for n in range(50)]
    every = [ami(n) for n in range(1000)]
    standin.ec2.create_tags(Resources=every, Tags=pairs[:2])
    standin.ec2.create_tags(Resources=[ami(1)], Tags=pairs)
    counts = [len(one["tags"]) for one in standin.fleet()["images"]]
    assert sorted(counts) == [3] * 999 + [51]


def test_more_than_1000_resources_are_refused(standin, fails):
    standin.load(images=[image(n) for n in range(1001)])
    every = [ami(n) for n in range(1001)]
    tags = [{"Key": "a", "Value": "1"}]
    create = standin.ec2.create_tags
    fails("InvalidParameterValue", create, Resources=every, Tags=tags)
    assert all(one["tags"] == {} for one in standin.fleet()["images"])


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("InvalidAMIID.NotFound", ami(7)),
        ("InvalidSnapshot.NotFound", snap(7)),
        ("InvalidInstanceID.NotFound", inst(7)),
    ],
)
def test_one_missing_resource_fails_the_whole_call(standin, fails, code, missing):
    standin.load(images=[image(1, tags={"a": "1"})])
    both = {"Resources": [ami(1), missing], "Tags": [{"Key": "a", "Value": "2"}]}
    fails(code, standin.ec2.create_tags, **both)
    fails(code, standin.ec2.delete_tags, Resources=both["Resources"])
    assert standin.fleet()["images"][0]["tags"] == {"a": "1"}


# Other states of an image


def test_disabling_takes_the_launch_permissions_for_good(standin, fails):
    standin.load(images=[image(1, 1, public=True, launch_permissions=[OTHER])])
    standin.ec2.disable_image(ImageId=ami(1))
    [one] = standin.fleet()["images"]
    assert (one["state"], one["public"], one["launch_permissions"]) == (
        "disabled",
        False,
        [],
    )
    delete = standin.ec2.delete_snapshot
    fails("InvalidSnapshot.InUse", delete, SnapshotId=snap(1))
    standin.ec2.enable_image(ImageId=ami(1))
    [one] = standin.fleet()["images"]
    assert (one["state"], one["launch_permissions"]) == ("available", [])


def test_deprecation_and_its_bounds(standin, fails):
    standin.load(images=[image(1)])
    enable = standin.ec2.enable_image_deprecation
    enable(ImageId=ami(1), DeprecateAt="2030-01-02T03:04:05Z")
    assert standin.fleet()["images"][0]["deprecation_time"] == "2030-01-02T03:04:00Z"
    for bad in ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"):
        fails("InvalidParameterValue", enable, ImageId=ami(1), DeprecateAt=bad)
    standin.ec2.disable_image_deprecation(ImageId=ami(1))
    assert standin.fleet()["images"][0]["deprecation_time"] is None


def test_protection_and_its_cooldown(standin, fails):
    standin.load(images=[image(1)])
    enable = standin.ec2.enable_image_deregistration_protection
    disable = standin.ec2.disable_image_deregistration_protection
    enable(ImageId=ami(1))
    disable(ImageId=ami(1))
    assert standin.fleet()["images"][0]["protected"] == "disabled"
    enable(ImageId=ami(1), WithCooldown=True)
    disable(ImageId=ami(1))
    assert standin.fleet()["images"][0]["protected"].startswith("disabled after 2")
    deregister = standin.ec2.deregister_image
    fails("OperationNotPermitted", deregister, ImageId=ami(1))


def test_launch_permissions_change(standin):
    standin.load(images=[image(1, launch_permissions=[OTHER])])
    add = [{"UserId": "111122223333"}, {"Group": "all"}]
    change = {"Add": add, "Remove": [{"UserId": OTHER}]}
    standin.ec2.modify_image_attribute(ImageId=ami(1), LaunchPermission=change)
    [one] = standin.fleet()["images"]
    assert (one["public"], one["launch_permissions"]) == (True, ["111122223333"])


def test_an_instances_life(standin, fails):
    standin.load(images=[image(1), image(2, state="disabled")])
    run = standin.ec2.run_instances
    started = run(ImageId=ami(1), MinCount=1, MaxCount=2)
    assert started["OwnerId"] == ACCOUNT
    one, two = (x["InstanceId"] for x in started["Instances"])
    standin.ec2.stop_instances(InstanceIds=[one])
    standin.ec2.terminate_instances(InstanceIds=[two])
    states = {x["instance_id"]: x["state"] for x in standin.fleet()["instances"]}
    assert states == {one: "stopped", two: "terminated"}
    start = standin.ec2.start_instances
    fails("IncorrectInstanceState", start, InstanceIds=[two])
    code = "InvalidAMIID.NotFound"
    fails(code, run, ImageId=ami(2), MinCount=1, MaxCount=1)


def test_what_moto_would_swallow_is_refused(standin, fails):
    data = {"ImageId": ami(1)}
    create = standin.ec2.create_launch_template_version
    code = "UnsupportedOperation"
    fails(code, create, LaunchTemplateName="web", LaunchTemplateData=data)
