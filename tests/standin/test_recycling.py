"""The Recycle Bin: its rules, moving resources to it, listing it, restoring from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from samples import OTHER, ami, image, inst, instance, joined, named, paged, snap, where

SOON = "2999-01-01T00:00:00Z"
AGO = "2026-01-01T00:00:00Z"


def rule(rule_id, resource="images", days=14, **more):
    return {"rule_id": rule_id, "resource": resource, "days": days} | more


def binned(number, *snapshots, leaves_at=SOON, **more):
    held = image(number, *snapshots, **more)
    return {"image": held, "entered_at": AGO, "leaves_at": leaves_at}


def binned_snapshot(number, leaves_at=SOON, **more):
    held = {"snapshot_id": snap(number)} | more
    return {"snapshot": held, "entered_at": AGO, "leaves_at": leaves_at}


def moment(text):
    return datetime.fromisoformat(text)


def in_bin(standin):
    """The ids of images and snapshots in the bin."""
    images = standin.ec2.list_images_in_recycle_bin()["Images"]
    snapshots = standin.ec2.list_snapshots_in_recycle_bin()["Snapshots"]
    return named(images) + named(snapshots, "SnapshotId")


# Moving resources to the bin


def test_an_image_goes_in_as_it_is_and_loses_its_sharing(standin):
    kept = {
        "name": "golden",
        "description": "old",
        "tags": {"Family": "golden", "aws:own": "1"},
        "state": "disabled",
        "deprecation_time": "2026-02-01T00:00:00Z",
    }
    shared = {"public": True, "launch_permissions": [OTHER]}
    standin.load(images=[image(1, 1, **kept, **shared)])
    began = datetime.now(UTC).replace(microsecond=0)
    standin.ec2.deregister_image(ImageId=ami(1))
    fleet = standin.fleet()
    assert fleet["images"] == []
    assert [one["snapshot_id"] for one in fleet["snapshots"]] == [snap(1)]
    [held] = fleet["recycled_images"]
    assert kept.items() <= held["image"].items()
    assert held["image"]["snapshots"] == [snap(1)]
    assert (held["image"]["public"], held["image"]["launch_permissions"]) == (False, [])
    entered = moment(held["entered_at"])
    assert began <= entered <= datetime.now(UTC)
    assert moment(held["leaves_at"]) == entered + timedelta(days=14)


def test_a_snapshot_goes_in_with_its_tags_and_loses_its_sharing(standin):
    kept = {"tags": {"a": "1"}, "description": "of a volume", "volume_id": "vol-1"}
    shared = {"public": True, "create_volume_permissions": [OTHER]}
    standin.load(
        snapshots=[{"snapshot_id": snap(1)} | kept | shared],
        retention_rules=[rule("a", "snapshots", 3)],
    )
    standin.ec2.delete_snapshot(SnapshotId=snap(1))
    fleet = standin.fleet()
    assert fleet["snapshots"] == []
    [held] = fleet["recycled_snapshots"]
    assert kept.items() <= held["snapshot"].items()
    assert held["snapshot"]["public"] is False
    assert held["snapshot"]["create_volume_permissions"] == []
    days = moment(held["leaves_at"]) - moment(held["entered_at"])
    assert days == timedelta(days=3)


def test_snapshots_deleted_with_their_image_go_in_too(standin):
    standin.load(images=[image(1, 1, 2), image(2, 2)])
    standin.ec2.deregister_image(ImageId=ami(1), DeleteAssociatedSnapshots=True)
    assert in_bin(standin) == [ami(1), snap(1)]
    assert standin.snapshot_ids() == [snap(2)]


@pytest.mark.parametrize(
    ("tags", "rules", "days"),
    [
        ({}, None, 14),
        ({}, [], None),
        ({}, [rule("a")], 14),
        ({}, [rule("a", "snapshots")], None),
        ({}, [rule("a", in_effect=False)], None),
        ({}, [rule("a", days=3), rule("b", days=30), rule("c", days=7)], 30),
        ({"a": "1"}, [rule("a", tags={"a": "1"})], 14),
        ({"a": "1"}, [rule("a", tags={"b": "2", "a": "1"})], 14),
        ({"a": "2"}, [rule("a", tags={"a": "1"})], None),
        ({}, [rule("a", tags={"a": "1"})], None),
        ({"a": "1"}, [rule("a", **{"except": {"a": "1"}})], None),
        ({"a": "2"}, [rule("a", **{"except": {"a": "1"}})], 14),
        ({"a": "1", "b": "2"}, [rule("a", **{"except": {"c": "", "b": "2"}})], None),
        ({"a": "", "b": "1"}, [rule("a", tags={"a": ""})], 14),
    ],
)
def test_what_a_rule_covers(standin, tags, rules, days):
    rules = {} if rules is None else {"retention_rules": rules}
    standin.load(images=[image(1, 1, tags=tags)], **rules)
    standin.ec2.deregister_image(ImageId=ami(1))
    held = standin.fleet()["recycled_images"]
    kept = [moment(one["leaves_at"]) - moment(one["entered_at"]) for one in held]
    assert kept == ([] if days is None else [timedelta(days=days)])


# A resource in the bin does not exist for other calls


def test_what_is_in_the_bin_is_gone(standin, fails):
    standin.load(
        recycled_images=[binned(1, 1)],
        recycled_snapshots=[binned_snapshot(2)],
        snapshots=[{"snapshot_id": snap(1)}],
    )
    ec2 = standin.ec2
    assert ec2.describe_images(IncludeDisabled=True)["Images"] == []
    assert ec2.describe_images(ImageIds=[ami(1)])["Images"] == []
    fails("InvalidAMIID.Unavailable", ec2.deregister_image, ImageId=ami(1))
    fails("InvalidAMIID.Unavailable", ec2.disable_image, ImageId=ami(1))
    ids = [snap(2)]
    fails("InvalidSnapshot.NotFound", ec2.describe_snapshots, SnapshotIds=ids)
    fails("InvalidSnapshot.NotFound", ec2.delete_snapshot, SnapshotId=snap(2))
    listed = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert named(listed, "SnapshotId") == [snap(1)]
    # An image in the bin does not use its snapshots.
    ec2.delete_snapshot(SnapshotId=snap(1))
    standin.switch(forget_deregistered=True)
    fails("InvalidAMIID.NotFound", ec2.deregister_image, ImageId=ami(1))


def test_the_bin_is_listed_without_tags(standin):
    standin.load(
        recycled_images=[
            binned(1, name="golden", description="old", tags={"a": "1"}),
            binned(2),
        ],
        recycled_snapshots=[
            binned_snapshot(1, description="x", volume_id="vol-9", tags={"a": "1"}),
            binned_snapshot(2),
        ],
    )
    images = standin.ec2.list_images_in_recycle_bin(ImageIds=[ami(1), ami(7)])
    times = {
        "RecycleBinEnterTime": moment(AGO),
        "RecycleBinExitTime": moment(SOON),
    }
    assert images["Images"] == [
        {"ImageId": ami(1), "Name": "golden", "Description": "old"} | times
    ]
    snapshots = standin.ec2.list_snapshots_in_recycle_bin(SnapshotIds=[snap(1)])
    assert snapshots["Snapshots"] == [
        {"SnapshotId": snap(1), "Description": "x", "VolumeId": "vol-9"} | times
    ]
    assert in_bin(standin) == [ami(1), ami(2), snap(1), snap(2)]


def test_the_bin_is_listed_in_pages(standin, fails):
    numbers = range(25)
    standin.load(
        recycled_images=[binned(n) for n in numbers],
        recycled_snapshots=[binned_snapshot(n) for n in numbers],
    )
    for call, items, key, make in (
        (standin.ec2.list_images_in_recycle_bin, "Images", "ImageId", ami),
        (standin.ec2.list_snapshots_in_recycle_bin, "Snapshots", "SnapshotId", snap),
    ):
        pages = paged(call, items, MaxResults=10)
        assert [len(page) for page in pages] == [10, 10, 5]
        assert named(joined(pages), key) == [make(n) for n in numbers]
        assert len(call(MaxResults=1000)[items]) == 25
        fails("InvalidParameterValue", call, MaxResults=1001)


def test_what_is_past_its_time_is_gone(standin, fails):
    standin.load(
        recycled_images=[binned(1, leaves_at=AGO), binned(2)],
        recycled_snapshots=[binned_snapshot(1, leaves_at=AGO), binned_snapshot(2)],
    )
    ec2 = standin.ec2
    assert in_bin(standin) == [ami(2), snap(2)]
    code = "InvalidAMIID.NotFound"
    fails(code, ec2.restore_image_from_recycle_bin, ImageId=ami(1))
    code = "InvalidSnapshot.NotFound"
    fails(code, ec2.restore_snapshot_from_recycle_bin, SnapshotId=snap(1))
    fails(code, ec2.create_tags, Resources=[snap(1)], Tags=[{"Key": "a"}])
    fleet = standin.fleet()
    assert [one["image"]["image_id"] for one in fleet["recycled_images"]] == [ami(2)]
    held = [one["snapshot"]["snapshot_id"] for one in fleet["recycled_snapshots"]]
    assert held == [snap(2)]


def test_tags_of_what_is_in_the_bin(standin, fails):
    tags = {"old": "1"}
    standin.load(
        images=[image(3, tags=tags)],
        recycled_images=[binned(1, tags=tags)],
        recycled_snapshots=[binned_snapshot(1, tags=tags)],
    )
    ec2, both = standin.ec2, [ami(1), snap(1)]
    ec2.create_tags(Resources=both, Tags=[{"Key": "new", "Value": "2"}])
    found = ec2.describe_tags(Filters=where(key="new", value="2"))["Tags"]
    assert named(found, "ResourceId") == both
    assert named(found, "ResourceType") == ["image", "snapshot"]
    ec2.delete_tags(Resources=both, Tags=[{"Key": "old"}])
    found = ec2.describe_tags(Filters=where(key="old"))["Tags"]
    assert named(found, "ResourceId") == [ami(3)]
    fleet = standin.fleet()
    assert fleet["recycled_images"][0]["image"]["tags"] == {"new": "2"}
    assert fleet["recycled_snapshots"][0]["snapshot"]["tags"] == {"new": "2"}


# Restoring


def test_an_image_comes_back_as_it_was_but_shared_with_nobody(standin, fails):
    kept = {
        "name": "golden",
        "tags": {"a": "1"},
        "state": "disabled",
        "deprecation_time": "2026-02-01T00:00:00Z",
        "protected": "enabled-with-cooldown",
        "source_instance": inst(3),
        "ephemeral": ["ephemeral0"],
    }
    shared = {"public": True, "launch_permissions": [OTHER]}
    standin.load(
        recycled_images=[binned(1, 1, 2, **kept, **shared)],
        snapshots=[{"snapshot_id": snap(n)} for n in (1, 2)],
    )
    restore = standin.ec2.restore_image_from_recycle_bin
    assert restore(ImageId=ami(1))["Return"] is True
    fleet = standin.fleet()
    [one] = fleet["images"]
    assert kept.items() <= one.items()
    assert one["snapshots"] == [snap(1), snap(2)]
    assert (one["public"], one["launch_permissions"]) == (False, [])
    assert fleet["recycled_images"] == []
    delete = standin.ec2.delete_snapshot
    fails("InvalidSnapshot.InUse", delete, SnapshotId=snap(1))
    fails("InvalidAMIID.NotFound", restore, ImageId=ami(1))


def test_an_image_needs_its_snapshots_to_come_back(standin, fails):
    standin.load(images=[image(1, 1, 2), image(3, 3)])
    ec2 = standin.ec2
    ec2.deregister_image(ImageId=ami(1), DeleteAssociatedSnapshots=True)
    restore = ec2.restore_image_from_recycle_bin
    ec2.restore_snapshot_from_recycle_bin(SnapshotId=snap(1))
    message = fails("InvalidSnapshot.NotFound", restore, ImageId=ami(1))
    assert snap(2) in message
    assert in_bin(standin) == [ami(1), snap(2)]
    ec2.restore_snapshot_from_recycle_bin(SnapshotId=snap(2))
    restore(ImageId=ami(1))
    assert standin.image_ids() == [ami(1), ami(3)]
    assert in_bin(standin) == []
    fails("InvalidAMIID.NotFound", restore, ImageId=ami(3))
    fails("InvalidAMIID.NotFound", restore, ImageId=ami(7))
    # It can be repeated any number of times.
    ec2.deregister_image(ImageId=ami(1))
    restore(ImageId=ami(1))


def test_a_snapshot_comes_back_as_it_was(standin, fails):
    kept = {
        "tags": {"a": "1"},
        "description": "x",
        "volume_id": "vol-9",
        "size_gib": 20,
        "started_at": "2026-01-02T03:04:05Z",
    }
    standin.load(recycled_snapshots=[binned_snapshot(1, **kept)])
    restore = standin.ec2.restore_snapshot_from_recycle_bin
    answer = restore(SnapshotId=snap(1))
    assert (answer["SnapshotId"], answer["VolumeId"]) == (snap(1), "vol-9")
    assert (answer["VolumeSize"], answer["State"]) == (20, "completed")
    fleet = standin.fleet()
    [one] = fleet["snapshots"]
    assert kept.items() <= one.items()
    assert fleet["recycled_snapshots"] == []
    fails("InvalidSnapshot.NotFound", restore, SnapshotId=snap(1))


def test_an_instance_of_an_image_in_the_bin_can_be_imaged(standin):
    standin.load(images=[image(1, 1, 2)], instances=[instance(1, 1)])
    standin.ec2.deregister_image(ImageId=ami(1))
    made = standin.ec2.create_image(InstanceId=inst(1), Name="fresh")["ImageId"]
    [got] = standin.ec2.describe_images(ImageIds=[made])["Images"]
    assert len(got["BlockDeviceMappings"]) == 2


# Rules


def test_rules_are_listed_by_kind_without_tags_and_status(standin, fails):
    standin.load(
        retention_rules=[
            rule("i1", days=3, tags={"a": "1"}),
            rule("i2", in_effect=False),
            rule("s1", "snapshots"),
        ]
    )
    listed = standin.rbin.list_rules(ResourceType="EC2_IMAGE")["Rules"]
    first = next(one for one in listed if one["Identifier"] == "i1")
    assert first == {
        "Identifier": "i1",
        "Description": "",
        "RetentionPeriod": {"RetentionPeriodValue": 3, "RetentionPeriodUnit": "DAYS"},
        "LockState": "unlocked",
        "RuleArn": "arn:aws:rbin:eu-central-1:123456789012:rule/i1",
    }
    assert named(listed, "Identifier") == ["i1", "i2"]
    listed = standin.rbin.list_rules(ResourceType="EBS_SNAPSHOT")["Rules"]
    assert named(listed, "Identifier") == ["s1"]
    assert standin.rbin.list_rules(ResourceType="EBS_VOLUME")["Rules"] == []
    fails("ValidationException", standin.rbin.list_rules, ResourceType="AMI")
    fails(
        "ValidationException",
        standin.rbin.list_rules,
        ResourceType="EC2_IMAGE",
        LockState="locked",
    )


def test_one_rule_with_all_that_it_says(standin, fails):
    standin.load(
        retention_rules=[
            rule("i1", days=3, tags={"a": "1", "b": ""}, **{"except": {"keep": "no"}}),
            rule("s1", "snapshots", in_effect=False),
        ]
    )
    get = standin.rbin.get_rule
    got = get(Identifier="i1")
    assert (got["ResourceType"], got["Status"]) == ("EC2_IMAGE", "available")
    period = {"RetentionPeriodValue": 3, "RetentionPeriodUnit": "DAYS"}
    assert got["RetentionPeriod"] == period
    # A tag without a value has none.
    assert got["ResourceTags"] == [
        {"ResourceTagKey": "a", "ResourceTagValue": "1"},
        {"ResourceTagKey": "b"},
    ]
    assert got["ExcludeResourceTags"] == [
        {"ResourceTagKey": "keep", "ResourceTagValue": "no"}
    ]
    got = get(Identifier="s1")
    assert (got["ResourceType"], got["Status"]) == ("EBS_SNAPSHOT", "pending")
    fails("ResourceNotFoundException", get, Identifier="x")


def test_rules_come_in_pages(standin, fails):
    standin.load(retention_rules=[rule(f"r{n}") for n in range(25)])
    listing, kind = standin.rbin.list_rules, "EC2_IMAGE"
    pages = paged(listing, "Rules", ResourceType=kind, MaxResults=10)
    assert [len(page) for page in pages] == [10, 10, 5]
    assert len({one["Identifier"] for one in joined(pages)}) == 25
    fails("ValidationException", listing, ResourceType=kind, MaxResults=1001)


def test_the_two_rules_that_nobody_has_to_write(standin):
    usual = [
        rule(kind, kind, in_effect=True, tags={}, **{"except": {}})
        for kind in ("images", "snapshots")
    ]
    standin.load()
    assert standin.fleet()["retention_rules"] == usual
    # A patch without them does not change them.
    standin.load(retention_rules=[rule("a")])
    standin.control("PATCH", "fleet", {"images": [image(1)]})
    assert [one["rule_id"] for one in standin.fleet()["retention_rules"]] == ["a"]
    standin.control("PATCH", "fleet", {"retention_rules": [rule("a", days=2)]})
    assert [one["days"] for one in standin.fleet()["retention_rules"]] == [2]
    standin.load(retention_rules=[])
    assert standin.fleet()["retention_rules"] == []
