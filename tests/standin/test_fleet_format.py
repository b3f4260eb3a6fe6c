"""The complete fleet file: defaults, and invalid values."""

from __future__ import annotations

import pytest

from samples import ACCOUNT, OTHER, ami, image, lt, snap, template

AGO = "2026-01-01T00:00:00Z"
LATER = "2999-01-01T00:00:00Z"
LEAST = {
    "images": [{"image_id": ami(1)}],
    "snapshots": [{"snapshot_id": snap(1)}],
    "launch_templates": [template(1, None)],
    "fleets": [{"fleet_id": "fleet-1"}],
    "spot_fleets": [{"spot_fleet_request_id": "sfr-1"}],
    "spot_requests": [{"spot_instance_request_id": "sir-1", "image_id": ami(1)}],
    "compute_environments": [{"name": "batch"}],
    "image_recipes": [{"name": "web", "image_id": ami(1)}],
    "retention_rules": [{"rule_id": "r1", "resource": "images"}],
    "recycled_images": [
        {
            "image": {"image_id": ami(2), "snapshots": [snap(8)]},
            "entered_at": AGO,
            "leaves_at": LATER,
        }
    ],
    "recycled_snapshots": [
        {
            "snapshot": {"snapshot_id": snap(2)},
            "entered_at": "2026-01-01T02:00:00+02:00",
            "leaves_at": LATER,
        }
    ],
}
SNAPSHOT = {
    "snapshot_id": snap(1),
    "owner_id": ACCOUNT,
    "started_at": AGO,
    "size_gib": 8,
    "tags": {},
    "description": "",
    "state": "completed",
    "volume_id": "vol-ffffffff",
    "locked": False,
    "create_volume_permissions": [],
    "public": False,
}
NOTHING = {"launch_templates": [], "images": []}
FILLED = {
    "snapshots": [SNAPSHOT],
    "fleets": [{"fleet_id": "fleet-1", "state": "active"} | NOTHING],
    "spot_fleets": [{"spot_fleet_request_id": "sfr-1", "state": "active"} | NOTHING],
    "spot_requests": [
        {"spot_instance_request_id": "sir-1", "state": "open", "image_id": ami(1)}
    ],
    "compute_environments": [
        {
            "name": "batch",
            "status": "VALID",
            "image_id": None,
            "image_id_overrides": [],
            "launch_templates": [],
        }
    ],
    "image_recipes": [
        {"name": "web", "version": "1.0.0", "kind": "image", "image_id": ami(1)}
    ],
    "retention_rules": [
        {
            "rule_id": "r1",
            "resource": "images",
            "days": 14,
            "in_effect": True,
            "tags": {},
            "except": {},
        }
    ],
    "recycled_snapshots": [
        {
            "snapshot": SNAPSHOT | {"snapshot_id": snap(2)},
            "entered_at": AGO,
            "leaves_at": LATER,
        }
    ],
}


def test_everything_is_filled_in(standin):
    standin.load(**LEAST)
    got = standin.fleet()
    assert {section: got[section] for section in FILLED} == FILLED
    [held] = got["recycled_images"]
    expected = got["images"][0] | {"image_id": ami(2), "name": ami(2)}
    # Snapshots of an image in the bin are not created, because they may be deleted.
    assert held["image"] == expected | {"snapshots": [snap(8)]}
    assert (held["entered_at"], held["leaves_at"]) == (AGO, LATER)
    [version] = got["launch_templates"][0]["versions"]
    assert version == {"version": 1, "image_id": None, "snapshots": []}
    standin.load(**got)
    assert standin.fleet() == got


def test_a_rich_fleet_comes_back_as_it_was(standin):
    spec = {"launch_template_id": lt(1), "version": "3"}
    held = {"launch_templates": [spec], "images": [ami(1), "resolve:ssm:/golden"]}
    rich = {
        "images": [
            image(
                1,
                launch_permissions=[
                    OTHER,
                    "arn:aws:organizations::123456789012:organization/o-abc123",
                    "arn:aws:organizations::123456789012:ou/o-abc123/ou-abc1-def2",
                ],
            )
        ],
        "fleets": [{"fleet_id": "fleet-1", "state": "failed"} | held],
        "spot_fleets": [{"spot_fleet_request_id": "sfr-1", "state": "odd"} | held],
        "compute_environments": [
            {
                "name": "a",
                "status": "INVALID",
                "image_id": ami(1),
                "image_id_overrides": [ami(2)],
                "launch_templates": [spec],
            }
        ],
        "image_recipes": [
            {"name": "a", "version": "1.0.0", "kind": "container", "image_id": ami(1)},
            {"name": "a", "version": "1.0.0", "kind": "image", "image_id": ami(2)},
            {"name": "a", "version": "1.0.1", "kind": "image", "image_id": ami(3)},
        ],
        "retention_rules": [
            {
                "rule_id": "r1",
                "resource": "snapshots",
                "days": 365,
                "in_effect": False,
                "tags": {"a": "1"},
                "except": {"b": ""},
            }
        ],
        "snapshots": [
            SNAPSHOT
            | {
                "volume_id": "vol-0123456789abcdef0",
                "locked": True,
                "create_volume_permissions": [OTHER],
                "public": True,
            }
        ],
    }
    standin.load(**rich)
    got = standin.fleet()
    assert rich["images"][0].items() <= got["images"][0].items()
    for section in rich.keys() - {"images", "image_recipes"}:
        assert got[section] == rich[section], section
    by_id = sorted(rich["image_recipes"], key=lambda one: (one["version"], one["kind"]))
    assert got["image_recipes"] == by_id


@pytest.mark.parametrize(
    ("section", "key", "ids"),
    [
        ("fleets", "fleet_id", ["fleet-2", "fleet-1"]),
        ("spot_fleets", "spot_fleet_request_id", ["sfr-2", "sfr-1"]),
        ("compute_environments", "name", ["b", "a"]),
    ],
)
def test_sections_are_sorted_and_patched_by_id(standin, section, key, ids):
    standin.load(**{section: [{key: one} for one in ids]})
    assert [one[key] for one in standin.fleet()[section]] == sorted(ids)
    word = "status" if section == "compute_environments" else "state"
    change = {section: [{key: ids[0], word: "gone"}]}
    assert standin.control("PATCH", "fleet", change) == {}
    words = {one[key]: one[word] for one in standin.fleet()[section]}
    assert words[ids[0]] == "gone"
    assert words.keys() == set(ids)


def test_patching_moves_things_into_the_bin_and_back(standin, fails):
    standin.load(images=[image(1, 1)])
    times = {"entered_at": AGO, "leaves_at": LATER}
    change = {
        "recycled_images": [{"image": image(1, 1)} | times],
        "recycled_snapshots": [{"snapshot": {"snapshot_id": snap(1)}} | times],
    }
    assert standin.control("PATCH", "fleet", change) == {}
    got = standin.fleet()
    assert (got["images"], got["snapshots"]) == ([], [])
    describe = standin.ec2.describe_images
    assert describe(ImageIds=[ami(1)])["Images"] == []
    back = {"images": [image(1)], "snapshots": [{"snapshot_id": snap(1)}]}
    assert standin.control("PATCH", "fleet", back) == {}
    got = standin.fleet()
    assert (got["recycled_images"], got["recycled_snapshots"]) == ([], [])
    assert len(describe(ImageIds=[ami(1)])["Images"]) == 1


def binned(**more):
    times = {"entered_at": AGO, "leaves_at": LATER}
    return {"image": {"image_id": ami(1)} | more} | times


BAD_VERSION = {"version": 1, "snapshots": ["vol-1"]}


@pytest.mark.parametrize(
    ("section", "entry", "error"),
    [
        (
            "images",
            image(1, launch_permissions=["all"]),
            "'all', which is not an account of 12 digits or an organization's ARN",
        ),
        (
            "snapshots",
            {"snapshot_id": snap(1), "locked": "no"},
            "locked is 'no', which is neither true nor false",
        ),
        (
            "snapshots",
            {"snapshot_id": snap(1), "create_volume_permissions": [1]},
            "create_volume_permissions is 1, which is not a string",
        ),
        (
            "snapshots",
            {"snapshot_id": snap(1), "volume_id": ""},
            "volume_id is '', which is not a string of at least one character",
        ),
        (
            "launch_templates",
            {"launch_template_id": lt(1), "versions": [BAD_VERSION]},
            "'vol-1', which is not snap- and 8 or 17 of 0-9 and a-f",
        ),
        (
            "fleets",
            {"fleet_id": "lot-1"},
            "fleet_id is 'lot-1', which is not fleet-… and letters, digits or dashes",
        ),
        (
            "fleets",
            {"fleet_id": "fleet-1", "launch_templates": [{}]},
            "launch_templates: there is no 'launch_template_id'",
        ),
        (
            "spot_fleets",
            {"spot_fleet_request_id": "sfr-1", "images": ["web"]},
            "images is 'web', which is not an image id or resolve:ssm:NAME",
        ),
        (
            "spot_requests",
            {"spot_instance_request_id": "sir-1"},
            "there is no 'image_id'",
        ),
        (
            "compute_environments",
            {"name": "a", "image_id_overrides": ["x"]},
            "image_id_overrides is 'x', which is not an image id or resolve:ssm:NAME",
        ),
        (
            "image_recipes",
            {"name": "a", "kind": "pie", "image_id": ami(1)},
            "kind is 'pie', which is not image or container",
        ),
        (
            "retention_rules",
            {"rule_id": "r1", "resource": "images", "days": 3651},
            "days is 3651, which is more than 3650",
        ),
        ("retention_rules", {"rule_id": "r2"}, "there is no 'resource'"),
        (
            "retention_rules",
            {"rule_id": "r2", "resource": "volumes"},
            "resource is 'volumes', which is not images or snapshots",
        ),
        ("recycled_images", binned(colour="red"), "image: unknown key 'colour'"),
        (
            "recycled_snapshots",
            {"snapshot": {"snapshot_id": snap(1)}, "entered_at": AGO},
            "there is no 'leaves_at'",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(standin, section, entry, error):
    standin.load(images=[image(9)])
    answer = standin.control("POST", "fleet", {section: [entry]})
    assert answer["status"] == 400
    [got] = answer["errors"]
    assert got.startswith(f"{section}[0] (")
    assert got.endswith(error)
    assert standin.image_ids() == [ami(9)]


@pytest.mark.parametrize(
    ("fleet", "error"),
    [
        (
            {"image_recipes": [{"name": "a", "image_id": ami(1)}] * 2},
            "image_recipes[1] (a): the name and version and kind is there twice",
        ),
        (
            {"recycled_images": [binned(), binned()]},
            f"recycled_images[1] ({ami(1)}): the image.image_id is there twice",
        ),
        (
            {"recycled_images": [binned()], "images": [image(1)]},
            f"recycled_images[0] ({ami(1)}): is among the images too",
        ),
        ({"retention_rules": None}, "retention_rules: is not a list"),
    ],
)
def test_what_is_there_twice_is_refused(standin, fleet, error):
    answer = standin.control("POST", "fleet", fleet)
    assert (answer["status"], answer["errors"]) == (400, [error])
