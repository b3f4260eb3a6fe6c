"""Reading calls of the stand-in."""

from __future__ import annotations

import pytest

from samples import (
    ACCOUNT,
    OTHER,
    ami,
    image,
    inst,
    instance,
    joined,
    named,
    paged,
    snap,
    where,
)

REGION = "eu-central-1"


def test_every_field_of_an_image_is_on_the_wire(standin):
    full = {
        "name": "golden-2026-01-02",
        "created_at": "2026-01-02T04:04:05+01:00",
        "architecture": "arm64",
        "platform": "windows",
        "description": "a <golden> & old image",
        "tags": {"Family": "golden"},
        "ephemeral": ["ephemeral0"],
        "no_device": ["/dev/sdz"],
        "last_launched_at": "2026-03-01T00:00:00Z",
        "deprecation_time": "2026-04-01T00:00:00Z",
        "protected": "enabled-with-cooldown",
        "launch_permissions": ["111122223333"],
        "source_instance": inst(9),
        "source_image": ami(8),
        "owner_alias": "aws-backup-vault",
    }
    standin.load(images=[image(1, 1, 2, **full)])
    [got] = standin.ec2.describe_images(Owners=["self"])["Images"]
    devices = got.pop("BlockDeviceMappings")
    expected = {
        "ImageId": ami(1),
        "Name": "golden-2026-01-02",
        "Description": "a <golden> & old image",
        "State": "available",
        "OwnerId": ACCOUNT,
        "ImageOwnerAlias": "aws-backup-vault",
        "Public": False,
        "Architecture": "arm64",
        "Platform": "windows",
        "PlatformDetails": "Windows",
        "CreationDate": "2026-01-02T03:04:05.000Z",
        "LastLaunchedTime": "2026-03-01T00:00:00Z",
        "DeprecationTime": "2026-04-01T00:00:00.000Z",
        "DeregistrationProtection": "enabled-with-cooldown",
        "SourceInstanceId": inst(9),
        "SourceImageId": ami(8),
        "SourceImageRegion": REGION,
        "RootDeviceName": "/dev/xvda",
        "RootDeviceType": "ebs",
        "VirtualizationType": "hvm",
        "Hypervisor": "xen",
        "ImageType": "machine",
        "Tags": [{"Key": "Family", "Value": "golden"}],
    }
    assert {key: got.get(key) for key in expected} == expected
    ebs = [one["Ebs"]["SnapshotId"] for one in devices if "Ebs" in one]
    assert ebs == [snap(1), snap(2)]
    assert devices[2] == {"DeviceName": "/dev/sdc", "VirtualName": "ephemeral0"}
    assert devices[3] == {"DeviceName": "/dev/sdz", "NoDevice": ""}


def test_what_is_not_so_is_absent(standin):
    standin.load(images=[image(1)])
    [got] = standin.ec2.describe_images()["Images"]
    for key in ("LastLaunchedTime", "Platform", "DeprecationTime", "SourceInstanceId"):
        assert key not in got
    assert got["RootDeviceType"] == "instance-store"
    assert got["BlockDeviceMappings"] == []


def test_images_come_in_pages_and_in_no_order(standin):
    standin.load(images=[image(n) for n in range(25)])
    pages = paged(standin.ec2.describe_images, "Images", MaxResults=10)
    assert [len(page) for page in pages] == [10, 10, 5]
    listed = [one["ImageId"] for page in pages for one in page]
    assert len(set(listed)) == 25
    assert listed != sorted(listed)
    again = standin.ec2.describe_images()["Images"]
    assert [one["ImageId"] for one in again] == listed
    assert len(paged(standin.ec2.describe_images, "Images", MaxResults=1)) == 25


def test_an_image_that_goes_between_two_pages_hides_no_other(standin):
    standin.load(images=[image(n) for n in range(6)])
    first = standin.ec2.describe_images(MaxResults=3)
    standin.ec2.deregister_image(ImageId=first["Images"][0]["ImageId"])
    second = standin.ec2.describe_images(MaxResults=3, NextToken=first["NextToken"])
    assert named(first["Images"] + second["Images"]) == [ami(n) for n in range(6)]


@pytest.mark.parametrize("size", [0, 1001])
def test_a_page_size_out_of_bounds_is_refused(standin, fails, size):
    fails("InvalidParameterValue", standin.ec2.describe_images, MaxResults=size)


def test_a_made_up_token_is_refused(standin, fails):
    fails("InvalidParameterValue", standin.ec2.describe_images, NextToken="abc")


def test_ids_and_a_page_size_exclude_each_other(standin, fails):
    standin.load(images=[image(1, 1)], instances=[instance(1, 1)])
    code = "InvalidParameterCombination"
    fails(code, standin.ec2.describe_images, ImageIds=[ami(1)], MaxResults=5)
    fails(code, standin.ec2.describe_snapshots, SnapshotIds=[snap(1)], MaxResults=5)
    fails(code, standin.ec2.describe_instances, InstanceIds=[inst(1)], MaxResults=5)


def test_images_of_others_are_there_but_not_ours(standin):
    standin.load(images=[image(1), image(2, owner_id=OTHER, public=True)])
    assert named(standin.ec2.describe_images()["Images"]) == [ami(1), ami(2)]
    ours = standin.ec2.describe_images(Owners=["self"])["Images"]
    assert named(ours) == [ami(1)]
    theirs = standin.ec2.describe_images(Owners=[OTHER])["Images"]
    assert named(theirs) == [ami(2)]
    assert theirs[0]["Public"] is True
    assert "DeregistrationProtection" not in theirs[0]


def test_disabled_images_are_hidden_unless_asked_for(standin):
    standin.load(images=[image(1), image(2, state="disabled")])
    assert named(standin.ec2.describe_images()["Images"]) == [ami(1)]
    assert standin.ec2.describe_images(ImageIds=[ami(2)])["Images"] == []
    both = standin.ec2.describe_images(IncludeDisabled=True)["Images"]
    assert {one["ImageId"]: one["State"] for one in both} == {
        ami(1): "available",
        ami(2): "disabled",
    }


def test_deprecated_images_of_others_are_hidden_unless_asked_for(standin):
    old = {"deprecation_time": "2026-01-01T00:00:00Z"}
    standin.load(images=[image(1, **old), image(2, owner_id=OTHER, **old)])
    assert named(standin.ec2.describe_images()["Images"]) == [ami(1)]
    both = standin.ec2.describe_images(IncludeDeprecated=True)["Images"]
    assert named(both) == [ami(1), ami(2)]


def test_unknown_malformed_and_deregistered_ids(standin, fails):
    standin.load(images=[image(1)])
    describe = standin.ec2.describe_images
    message = fails("InvalidAMIID.NotFound", describe, ImageIds=[ami(1), ami(7)])
    assert ami(7) in message
    fails("InvalidAMIID.Malformed", describe, ImageIds=["golden"])
    standin.ec2.deregister_image(ImageId=ami(1))
    assert describe(ImageIds=[ami(1)])["Images"] == []
    standin.switch(forget_deregistered=True)
    fails("InvalidAMIID.NotFound", describe, ImageIds=[ami(1)])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"image_id": ami(1)}, [1]),
        ({"name": "golden-*"}, [1, 2]),
        ({"name": "golden*[a]"}, []),
        ({"state": "disabled"}, [3]),
        ({"tag__Family": "golden"}, [1]),
        ({"tag_key": "Family"}, [1, 2]),
        ({"block_device_mapping.snapshot_id": snap(2)}, [1, 2]),
        ({"is_public": "true"}, [3]),
        ({"owner_id": ACCOUNT}, [1, 2, 3]),
        ({"tag_key": "Family", "name": "golden-b"}, [2]),
    ],
)
def test_filters_of_images(standin, wanted, expected):
    standin.load(
        images=[
            image(1, 1, 2, name="golden-a", tags={"Family": "golden"}),
            image(2, 2, name="golden-b", tags={"Family": "other"}),
            image(3, name="old", state="disabled", public=True),
        ]
    )
    got = standin.ec2.describe_images(Filters=where(**wanted), IncludeDisabled=True)
    assert named(got["Images"]) == [ami(n) for n in expected]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a*b", [1, 2, 3, 4]),
        (r"a\*b", [1]),
        ("a?b", [1, 2, 4]),
        (r"a\?b", [2]),
        (r"a\\b", [4]),
        ("a.b", []),
    ],
)
def test_a_backslash_takes_the_meaning_of_a_wildcard_away(standin, pattern, expected):
    values = ["a*b", "a?b", "a\nnd b", "a\\b"]
    standin.load(
        snapshots=[
            {"snapshot_id": snap(n), "tags": {"t": value}}
            for n, value in enumerate(values, 1)
        ],
        images=[image(n, tags={"t": value}) for n, value in enumerate(values, 1)],
    )
    found = standin.ec2.describe_snapshots(Filters=where(tag__t=pattern))["Snapshots"]
    assert named(found, "SnapshotId") == [snap(n) for n in expected]
    filters = where(key="t", value=pattern, resource_type="image")
    found = standin.ec2.describe_tags(Filters=filters)["Tags"]
    assert named(found, "ResourceId") == [ami(n) for n in expected]


def test_tags_one_by_one_in_pages(standin, fails):
    tags = {"a": "1", "b": "2"}
    standin.load(
        images=[image(n, n, tags=tags) for n in range(10)],
        instances=[instance(n, n, tags={"a": "3"}) for n in range(5)],
    )
    describe = standin.ec2.describe_tags
    pages = paged(describe, "Tags", MaxResults=10)
    assert [len(page) for page in pages] == [10, 10, 5]
    assert len({(one["ResourceId"], one["Key"]) for one in joined(pages)}) == 25
    assert len(describe(MaxResults=1000)["Tags"]) == 25
    fails("InvalidParameterValue", describe, MaxResults=1001)
    for wanted, number in (
        ({"key": "a"}, 15),
        ({"value": "1"}, 10),
        ({"key": "a", "value": "3"}, 5),
        ({"resource_type": "instance"}, 5),
        ({"resource_id": ami(3)}, 2),
    ):
        assert len(describe(Filters=where(**wanted))["Tags"]) == number
    fails("InvalidParameterValue", describe, Filters=where(tag__a="1"))


def test_instances_are_filtered_by_several_images_and_by_wildcards(standin):
    states = ["running", "stopped"]
    some = [instance(n, n % 4, state=states[n % 2]) for n in range(12)]
    standin.load(instances=some)

    def found(*values, **more):
        by_image = {"Name": "image-id", "Values": list(values)}
        answer = standin.ec2.describe_instances(Filters=[by_image, *where(**more)])
        groups = answer["Reservations"]
        return named([one["Instances"][0] for one in groups], "InstanceId")

    assert found(ami(1)) == [inst(n) for n in (1, 5, 9)]
    both = [inst(n) for n in (1, 2, 5, 6, 9, 10)]
    assert found(ami(1), ami(2), ami(1), ami(77)) == both
    assert found(ami(1), ami(2), instance_state_name="stopped") == both[::2]
    assert len(found("ami-*")) == 12
    assert found(ami(77)) == []


def test_an_unknown_filter_is_an_error(standin, fails):
    describe = standin.ec2.describe_images
    fails("InvalidParameterValue", describe, Filters=where(colour="red"))


def test_every_field_of_a_snapshot_is_on_the_wire(standin):
    one = {
        "snapshot_id": snap(1),
        "started_at": "2026-01-02T03:04:05Z",
        "size_gib": 20,
        "tags": {"a": ""},
        "description": "Created by CreateImage(i-1) for ami-1",
        "state": "error",
        "volume_id": "vol-00000000000000001",
    }
    standin.load(snapshots=[one])
    [got] = standin.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert got.pop("StartTime").isoformat() == "2026-01-02T03:04:05+00:00"
    assert got == {
        "SnapshotId": snap(1),
        "VolumeId": "vol-00000000000000001",
        "State": "error",
        "Progress": "0%",
        "OwnerId": ACCOUNT,
        "VolumeSize": 20,
        "FullSnapshotSizeInBytes": 20 * 1024**3,
        "Description": "Created by CreateImage(i-1) for ami-1",
        "StorageTier": "standard",
        "Encrypted": False,
        "Tags": [{"Key": "a", "Value": ""}],
    }


def test_snapshots_by_page_owner_id_and_filter(standin, fails):
    some = [{"snapshot_id": snap(n), "tags": {"N": str(n)}} for n in range(12)]
    standin.load(snapshots=[*some, {"snapshot_id": snap(99), "owner_id": OTHER}])
    describe = standin.ec2.describe_snapshots
    pages = paged(describe, "Snapshots", OwnerIds=["self"], MaxResults=5)
    assert [len(page) for page in pages] == [5, 5, 2]
    assert named(joined(pages), "SnapshotId") == [snap(n) for n in range(12)]
    three = describe(SnapshotIds=[snap(3), snap(99)], OwnerIds=["self"])["Snapshots"]
    assert named(three, "SnapshotId") == [snap(3)]
    for wanted in ({"tag__N": "7"}, {"snapshot_id": snap(7)}):
        found = describe(Filters=where(**wanted))["Snapshots"]
        assert named(found, "SnapshotId") == [snap(7)]
    assert len(describe(Filters=where(tag_key="N"))["Snapshots"]) == 12
    assert describe(Filters=where(status="pending"))["Snapshots"] == []
    fails("InvalidSnapshot.NotFound", describe, SnapshotIds=[snap(1), snap(77)])


def test_instances_of_every_state_by_page_and_filter(standin, fails):
    states = ["running", "stopped", "terminated"]
    some = [instance(n, n, state=states[n % 3]) for n in range(1, 10)]
    standin.load(images=[image(1)], instances=some)
    describe = standin.ec2.describe_instances
    pages = paged(describe, "Reservations", MaxResults=5)
    found = [one for page in pages for group in page for one in group["Instances"]]
    assert [len(page) for page in pages] == [5, 4]
    assert {one["InstanceId"]: one["State"]["Name"] for one in found} == {
        one["instance_id"]: one["state"] for one in some
    }
    for wanted, number in (
        ({"image_id": ami(4)}, 1),
        ({"instance_id": inst(4)}, 1),
        ({"instance_state_name": "stopped"}, 3),
    ):
        assert len(describe(Filters=where(**wanted))["Reservations"]) == number
    fails("InvalidInstanceID.NotFound", describe, InstanceIds=[inst(77)])


def test_launch_permissions_are_for_the_owner(standin, fails):
    standin.load(
        images=[
            image(1, public=True, launch_permissions=["111122223333"]),
            image(2, owner_id=OTHER),
        ]
    )
    ask = standin.ec2.describe_image_attribute
    got = ask(ImageId=ami(1), Attribute="launchPermission")["LaunchPermissions"]
    assert got == [{"Group": "all"}, {"UserId": "111122223333"}]
    fails("AuthFailure", ask, ImageId=ami(2), Attribute="launchPermission")
    fails("InvalidAMIID.NotFound", ask, ImageId=ami(3), Attribute="launchPermission")


def test_the_services_that_are_motos(standin, fails):
    standin.load(ssm_parameters=[{"name": "/image-steward/policy", "value": "x = 1"}])
    got = standin.ssm.get_parameter(Name="/image-steward/policy")
    assert got["Parameter"]["Value"] == "x = 1"
    assert standin.sts.get_caller_identity()["Account"] == ACCOUNT
    other_key = standin.client("sts", key="AKIASOMETHINGELSE")
    assert other_key.get_caller_identity()["Account"] == ACCOUNT
    standin.ssm.put_parameter(Name="/p/2", Value="b", Type="String")
    standin.ssm.put_parameter(Name="/p/1", Value="a", Type="String")
    standin.ssm.put_parameter(Name="/p/2", Value="c", Overwrite=True)
    got = standin.ssm.get_parameters(Names=["/p/3", "/p/2", "/p/1"])
    found = [(one["Name"], one["Value"], one["Version"]) for one in got["Parameters"]]
    assert sorted(found) == [("/p/1", "a", 1), ("/p/2", "c", 2)]
    assert got["InvalidParameters"] == ["/p/3"]
    # Twice, because moto's own reset once failed the second time.
    for value in ("a", "b"):
        standin.load(ssm_parameters=[{"name": "/p", "value": value}])
        assert standin.ssm.get_parameter(Name="/p")["Parameter"]["Value"] == value
        name = "/image-steward/policy"
        fails("ParameterNotFound", standin.ssm.get_parameter, Name=name)
