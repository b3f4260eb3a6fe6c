"""Launch permissions of images, volume permissions of snapshots, and locked snapshots."""

from __future__ import annotations

import pytest

from samples import OTHER, ami, image, joined, named, paged, snap, where

ORGANIZATION = "arn:aws:organizations::123456789012:organization/o-abc123"
UNIT = "arn:aws:organizations::123456789012:ou/o-abc123/ou-abc1-def2"
EVERYBODY = {"public": True, "launch_permissions": [OTHER, ORGANIZATION, UNIT]}
ON_WIRE = [
    {"Group": "all"},
    {"UserId": OTHER},
    {"OrganizationArn": ORGANIZATION},
    {"OrganizationalUnitArn": UNIT},
]


def permissions(standin, number=1):
    ask = standin.ec2.describe_image_attribute
    got = ask(ImageId=ami(number), Attribute="launchPermission")
    return got["LaunchPermissions"]


def sharing(standin):
    [one] = standin.fleet()["images"]
    return one["public"], one["launch_permissions"]


def test_every_kind_of_holder_is_told(standin):
    standin.load(images=[image(1, **EVERYBODY)])
    assert permissions(standin) == ON_WIRE


def test_every_kind_of_holder_is_added_and_removed(standin):
    standin.load(images=[image(1)])
    modify = standin.ec2.modify_image_attribute
    for _ in range(2):
        modify(ImageId=ami(1), LaunchPermission={"Add": ON_WIRE})
        assert sharing(standin) == (True, [OTHER, ORGANIZATION, UNIT])
    change = {"Remove": [ON_WIRE[0], ON_WIRE[2]]}
    modify(ImageId=ami(1), LaunchPermission=change)
    assert sharing(standin) == (False, [OTHER, UNIT])


def test_the_older_spelling_works_too(standin):
    standin.load(images=[image(1)])
    lists = {
        "Attribute": "launchPermission",
        "UserIds": [OTHER],
        "UserGroups": ["all"],
        "OrganizationArns": [ORGANIZATION],
        "OrganizationalUnitArns": [UNIT],
    }
    modify = standin.ec2.modify_image_attribute
    modify(ImageId=ami(1), OperationType="add", **lists)
    assert sharing(standin) == (True, [OTHER, ORGANIZATION, UNIT])
    modify(ImageId=ami(1), OperationType="remove", **lists)
    assert sharing(standin) == (False, [])


@pytest.mark.parametrize(
    "bad",
    [
        {"UserId": "12345"},
        {"Group": "some"},
        {"OrganizationArn": UNIT},
        {"OrganizationalUnitArn": ORGANIZATION},
    ],
)
def test_a_holder_of_another_form_is_refused(standin, fails, bad):
    standin.load(images=[image(1)])
    change = {"Add": [{"UserId": OTHER}, bad]}
    modify = standin.ec2.modify_image_attribute
    code = "InvalidAMIAttributeItemValue"
    fails(code, modify, ImageId=ami(1), LaunchPermission=change)
    assert sharing(standin) == (False, [])


def test_a_disabled_image_is_shared_with_nobody(standin, fails):
    standin.load(images=[image(1, state="disabled", **EVERYBODY)])
    assert permissions(standin) == []
    modify = standin.ec2.modify_image_attribute
    code, change = "InvalidAMIID.Unavailable", {"Add": [{"UserId": OTHER}]}
    fails(code, modify, ImageId=ami(1), LaunchPermission=change)
    modify(ImageId=ami(1), Description={"Value": "new"})
    [one] = standin.fleet()["images"]
    assert one["description"] == "new"
    standin.ec2.enable_image(ImageId=ami(1))
    assert sharing(standin) == (False, [])
    modify(ImageId=ami(1), LaunchPermission=change)
    assert sharing(standin) == (False, [OTHER])


def test_disabling_and_enabling_twice_is_done_twice(standin):
    standin.load(images=[image(1, **EVERYBODY), image(2, state="failed")])
    for _ in range(2):
        standin.ec2.enable_image(ImageId=ami(1))
    # Nothing was disabled, so no permission was removed.
    assert permissions(standin) == ON_WIRE
    for _ in range(2):
        standin.ec2.disable_image(ImageId=ami(1))
    assert permissions(standin) == []
    standin.ec2.enable_image(ImageId=ami(2))
    assert [one["state"] for one in standin.fleet()["images"]] == ["disabled", "failed"]


def test_volume_permissions_are_for_the_owner(standin, fails):
    standin.load(
        snapshots=[
            {
                "snapshot_id": snap(1),
                "public": True,
                "create_volume_permissions": [OTHER],
            },
            {"snapshot_id": snap(2)},
            {"snapshot_id": snap(3), "owner_id": OTHER},
        ]
    )
    ask, attribute = standin.ec2.describe_snapshot_attribute, "createVolumePermission"
    got = ask(SnapshotId=snap(1), Attribute=attribute)
    assert got["SnapshotId"] == snap(1)
    assert got["CreateVolumePermissions"] == [{"Group": "all"}, {"UserId": OTHER}]
    got = ask(SnapshotId=snap(2), Attribute=attribute)
    assert got["CreateVolumePermissions"] == []
    fails("AuthFailure", ask, SnapshotId=snap(3), Attribute=attribute)
    fails("InvalidSnapshot.NotFound", ask, SnapshotId=snap(7), Attribute=attribute)
    fails("InvalidParameterValue", ask, SnapshotId=snap(1), Attribute="productCodes")


# Locked snapshots


def test_a_locked_snapshot_stays(standin, fails):
    locked = {"snapshot_id": snap(1), "locked": True}
    standin.load(images=[image(1, 1, 2)], snapshots=[locked])
    answer = standin.ec2.deregister_image(
        ImageId=ami(1), DeleteAssociatedSnapshots=True
    )
    assert answer["DeleteSnapshotResults"] == [
        {"SnapshotId": snap(1), "ReturnCode": "client-error"},
        {"SnapshotId": snap(2), "ReturnCode": "success"},
    ]
    fails("SnapshotLocked", standin.ec2.delete_snapshot, SnapshotId=snap(1))
    assert standin.snapshot_ids() == [snap(1)]


def test_locked_snapshots_are_listed(standin, fails):
    some = [{"snapshot_id": snap(n), "locked": n % 2 == 0} for n in range(50)]
    theirs = {"snapshot_id": snap(98), "owner_id": OTHER, "locked": True}
    standin.load(snapshots=[*some, theirs])
    describe = standin.ec2.describe_locked_snapshots
    pages = paged(describe, "Snapshots", MaxResults=10)
    assert [len(page) for page in pages] == [10, 10, 5]
    even = [snap(n) for n in range(0, 50, 2)]
    assert named(joined(pages), "SnapshotId") == even
    assert {one["LockState"] for one in joined(pages)} == {"governance"}
    chosen = describe(SnapshotIds=[snap(1), snap(2)])["Snapshots"]
    assert named(chosen, "SnapshotId") == [snap(2)]
    assert describe(Filters=where(lock_state="expired"))["Snapshots"] == []
    fails("InvalidSnapshot.NotFound", describe, SnapshotIds=[snap(99)])
