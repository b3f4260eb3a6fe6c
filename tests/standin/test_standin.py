"""The process, the fleet file, the call counter and the switches."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from running import HERE, StandIn, start
from samples import ACCOUNT, OTHER, ami, image, inst, instance, lt, snap, template

FULL = {
    "account": "210987654321",
    "region": "us-west-2",
    "images": [
        image(
            1,
            1,
            2,
            name="golden",
            tags={"Family": "golden"},
            ephemeral=["ephemeral0"],
            no_device=["/dev/sdz"],
            created_at="2026-01-02T03:04:05Z",
        ),
        image(2, 9, owner_id=OTHER),
    ],
    "snapshots": [{"snapshot_id": snap(1), "size_gib": 20}],
    "instances": [instance(1, 1, state="stopped")],
    "launch_templates": [template(1, ami(1), None, name="web")],
    "launch_configurations": [{"name": "legacy", "image_id": ami(1)}],
    "auto_scaling_groups": [{"name": "web", "launch_configuration": "legacy"}],
    "ssm_parameters": [
        {"name": "/image-steward/policy", "value": "x", "type": "SecureString"}
    ],
}


# The process


def test_starts_with_a_fleet_file_and_ends_at_once(tmp_path):
    file = tmp_path / "fleet.json"
    file.write_text(json.dumps(FULL))
    for signum in (signal.SIGTERM, signal.SIGINT):
        process, url = start("--fleet", str(file))
        standin = StandIn(url)
        assert standin.sts.get_caller_identity()["Account"] == "210987654321"
        assert standin.fleet()["region"] == "us-west-2"
        ec2 = standin.client("ec2", region="us-west-2")
        [one] = ec2.describe_images(Owners=["self"])["Images"]
        assert one["OwnerId"] == "210987654321"
        began = time.monotonic()
        process.send_signal(signum)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 1


def test_ends_with_its_parent():
    script = (
        "import subprocess, sys, time\n"
        f"command = [sys.executable, {str(HERE)!r}, '--exit-with-parent']\n"
        "pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.DEVNULL}\n"
        "one = subprocess.Popen(command, text=True, **pipes)\n"
        "print(one.pid, one.stdout.readline())\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    pid = parent.stdout.split()[0]
    stat = f"/proc/{pid}/stat"
    for _ in range(50):
        try:
            with open(stat) as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except FileNotFoundError:
            return
        time.sleep(0.1)
    pytest.fail("it is still there")


def test_a_bad_fleet_file_ends_it_with_every_error(tmp_path):
    file = tmp_path / "fleet.json"
    bad = {
        "imagse": [],
        "images": [
            {"image_id": "ami-1"},
            image(2, created_at="yesterday", colour="red"),
            {"name": "nameless"},
            image(3),
            image(3),
        ],
        "instances": [instance(1, 1, state="asleep")],
        "launch_templates": [template(1, ami(1), default_version=7)],
        "auto_scaling_groups": [{"name": "a", "mixed": {}}],
        "ssm_parameters": [{"name": "/aws/x", "value": ""}],
    }
    file.write_text(json.dumps(bad))
    command = [sys.executable, str(HERE), "--fleet", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stdout == ""
    for text in (
        "fleet: unknown key 'imagse'",
        "images[0] (ami-1): image_id is 'ami-1', which is not ami- and 8 or 17",
        f"images[1] ({ami(2)}): unknown key 'colour'",
        f"images[1] ({ami(2)}): created_at is 'yesterday', which is not a time",
        "images[2]: there is no 'image_id'",
        f"images[4] ({ami(3)}): the image_id is there twice",
        f"instances[0] ({inst(1)}): state is 'asleep', which is not an instance state",
        f"launch_templates[0] ({lt(1)}): default_version is none of the versions",
        "ssm_parameters[0] (/aws/x): name is '/aws/x', which is not a parameter name",
        "ssm_parameters[0] (/aws/x): value is '', which is not a value",
        "auto_scaling_groups[0] (a): mixed: there is no 'launch_template'",
    ):
        assert text in run.stderr
    file.write_text("{")
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, "fleet.json" in run.stderr) == (2, True)


def test_a_fleet_of_5000_starts_and_lists_in_seconds(tmp_path):
    file = tmp_path / "fleet.json"
    images = [image(n, n, tags={"N": str(n)}) for n in range(5000)]
    file.write_text(json.dumps({"images": images}))
    began = time.monotonic()
    process, url = start("--fleet", str(file))
    assert time.monotonic() - began < 4
    ec2 = StandIn(url).ec2
    began = time.monotonic()
    pages = ec2.get_paginator("describe_images").paginate(
        PaginationConfig={"PageSize": 1000}
    )
    assert [len(page["Images"]) for page in pages] == [1000] * 5
    assert time.monotonic() - began < 5
    process.kill()
    process.wait()


# The fleet endpoint


def test_a_fleet_comes_back_complete(standin):
    standin.load(**FULL)
    got = standin.fleet()
    assert (got["account"], got["region"]) == ("210987654321", "us-west-2")
    first, second = got["images"]
    assert FULL["images"][0].items() <= first.items()
    assert (first["owner_id"], second["owner_id"]) == ("210987654321", OTHER)
    # Snapshots that are not listed are created with their image, but not for images of others.
    assert [
        (one["snapshot_id"], one["size_gib"], one["started_at"])
        for one in got["snapshots"]
    ] == [
        (snap(1), 20, "2026-01-01T00:00:00Z"),
        (snap(2), 8, "2026-01-02T03:04:05Z"),
    ]
    assert got["ssm_parameters"] == FULL["ssm_parameters"]
    standin.load(**got)
    assert standin.fleet() == got


def test_a_parameter_set_over_the_wire_is_in_the_fleet(standin):
    standin.ssm.put_parameter(Name="/golden", Value=ami(1), Type="String")
    got = standin.fleet()["ssm_parameters"]
    assert got == [{"name": "/golden", "value": ami(1), "type": "String"}]


def test_a_new_fleet_leaves_nothing_of_the_old(standin):
    standin.load(**FULL)
    standin.load()
    got = standin.fleet()
    assert (got.pop("account"), got.pop("region")) == (ACCOUNT, "eu-central-1")
    assert [one["rule_id"] for one in got.pop("retention_rules")] == [
        "images",
        "snapshots",
    ]
    assert all(section == [] for section in got.values())


def test_a_shared_snapshot_was_made_for_its_oldest_image(standin):
    days = ["2026-01-03T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]
    standin.load(images=[image(n, 1, created_at=day) for n, day in enumerate(days)])
    [one] = standin.fleet()["snapshots"]
    assert one["started_at"] == "2026-01-01T00:00:00Z"
    made_for = f"Created by CreateImage(i-00000000000000000) for {ami(1)}"
    assert one["description"] == made_for
    assert one["volume_id"] == snap(1).replace("snap-", "vol-")


def test_patching_adds_and_replaces(standin):
    standin.load(images=[image(1, 1, name="old"), image(2, 2)])
    change = {"images": [image(1, 3, name="new")], "instances": [instance(1, 2)]}
    assert standin.control("PATCH", "fleet", change) == {}
    got = standin.fleet()
    assert [one["name"] for one in got["images"]] == ["new", ami(2)]
    assert [one["image_id"] for one in got["instances"]] == [ami(2)]
    standin.ec2.delete_snapshot(SnapshotId=snap(1))


def test_a_bad_fleet_changes_nothing(standin):
    standin.load(images=[image(1)])
    answer = standin.control("POST", "fleet", {"images": [{"image_id": 7}]})
    assert answer["status"] == 400
    assert answer["errors"] == ["images[0] (7): image_id is 7, which is not a string"]
    assert standin.image_ids() == [ami(1)]


# The call counter


def test_calls_are_counted_and_logged_in_order(standin, fails):
    standin.load(images=[image(1)], ssm_parameters=[{"name": "/p", "value": "v"}])
    standin.ec2.describe_images(Owners=["self"], MaxResults=10)
    standin.autoscaling.describe_auto_scaling_groups()
    standin.ssm.get_parameter(Name="/p")
    standin.ec2.describe_images()
    fails("InvalidAMIID.NotFound", standin.ec2.deregister_image, ImageId=ami(7))
    assert standin.control("GET", "calls") == {
        "DescribeImages": 2,
        "autoscaling:DescribeAutoScalingGroups": 1,
        "ssm:GetParameter": 1,
        "DeregisterImage": 1,
    }
    log = standin.control("GET", "calls?log=1")
    assert [(one["action"], one["params"], one["answer"]) for one in log] == [
        ("DescribeImages", {"Owners": ["self"], "MaxResults": 10}, "ok"),
        ("autoscaling:DescribeAutoScalingGroups", {}, "ok"),
        ("ssm:GetParameter", {"Name": "/p"}, "ok"),
        ("DescribeImages", {}, "ok"),
        ("DeregisterImage", {"ImageId": ami(7)}, "InvalidAMIID.NotFound"),
    ]
    standin.control("DELETE", "calls")
    assert standin.control("GET", "calls") == {}


# The switches


def test_denied_calls_say_so_as_each_service_does(standin, fails):
    denied = ["DescribeLaunchTemplateVersions", "ssm:GetParameter"]
    standin.switch(deny=[*denied, "autoscaling:DescribeAutoScalingGroups"])
    versions = standin.ec2.describe_launch_template_versions
    message = fails("UnauthorizedOperation", versions, Versions=["$Latest"])
    assert message.startswith("You are not authorized to perform this operation. User")
    assert "perform: ec2:DescribeLaunchTemplateVersions because" in message
    fails("AccessDenied", standin.autoscaling.describe_auto_scaling_groups)
    fails("AccessDeniedException", standin.ssm.get_parameter, Name="/p")
    standin.ec2.describe_images()
    standin.switch()
    standin.autoscaling.describe_auto_scaling_groups()


def test_an_error_for_the_next_calls(standin):
    standin.load(images=[image(1), image(2)])
    limit = {"code": "RequestLimitExceeded", "times": 2}
    never = {"code": "InvalidAMIID.Unavailable", "match": ami(2), "message": "no"}
    standin.switch(fail={"DeregisterImage": [limit, never]})
    seen = []
    for number in (1, 1, 2, 2, 1):
        try:
            standin.ec2.deregister_image(ImageId=ami(number))
            seen.append("ok")
        except standin.ec2.exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            seen.append((error.response["Error"]["Code"], status))
    limited, unavailable = (
        ("RequestLimitExceeded", 503),
        ("InvalidAMIID.Unavailable", 400),
    )
    assert seen == [limited, limited, unavailable, unavailable, "ok"]


def test_errors_for_motos_actions(standin, fails):
    standin.switch(fail={"sts:GetCallerIdentity": {"code": "ExpiredToken"}})
    fails("ExpiredToken", standin.sts.get_caller_identity)


def test_a_page_that_fails(standin, fails):
    standin.load(images=[image(n) for n in range(30)])
    standin.switch(fail_page={"DescribeImages": 2})
    describe = standin.ec2.describe_images
    token = describe(MaxResults=10)["NextToken"]
    for _ in range(2):
        fails("InternalError", describe, MaxResults=10, NextToken=token)
    standin.switch()
    assert len(describe(MaxResults=10, NextToken=token)["Images"]) == 10


def test_an_answer_that_is_lost(standin, fails):
    standin.load(images=[image(1), image(2)])
    standin.switch(lost_answer={"DeregisterImage": 1})
    deregister = standin.ec2.deregister_image
    fails("InvalidAMIID.NotFound", deregister, ImageId=ami(7))
    fails("InternalError", deregister, ImageId=ami(1))
    assert standin.image_ids() == [ami(2)]
    fails("InvalidAMIID.Unavailable", deregister, ImageId=ami(1))
    deregister(ImageId=ami(2))


def test_an_answer_of_motos_that_is_lost(standin, fails):
    standin.load(ssm_parameters=[{"name": "/a", "value": "b"}])
    standin.switch(lost_answer={"ssm:GetParameter": 1})
    get = standin.ssm.get_parameter
    fails("ParameterNotFound", get, Name="/x")
    fails("InternalError", get, Name="/a")
    assert get(Name="/a")["Parameter"]["Value"] == "b"


def test_a_bucket_throttles_and_refills(standin, fails):
    bucket = {"capacity": 2, "per_second": 10}
    standin.switch(buckets={"DescribeImages": bucket})
    describe = standin.ec2.describe_images
    describe()
    describe()
    fails("RequestLimitExceeded", describe)
    time.sleep(0.15)
    describe()


@pytest.mark.parametrize(
    ("switches", "error"),
    [
        ({"denny": []}, "unknown switch 'denny'"),
        ({"deny": "x"}, "deny: 'x' has the wrong type"),
        ({"deny": ["DescribeImage"]}, "AWS has no action 'DescribeImage'"),
        ({"fail": {"DescribeImages": {}}}, "fail.DescribeImages: there is no code"),
        ({"snapshot_race": {"evry": 5}}, "snapshot_race: unknown key 'evry'"),
        (
            {"associated_result": {snap(1): "gone"}},
            "associated_result: unknown return code 'gone'",
        ),
    ],
)
def test_misspelt_switches_are_refused(standin, switches, error):
    answer = standin.control("POST", "switches", switches)
    assert (answer["status"], answer["errors"]) == (400, [error])


def test_many_at_once(standin):
    standin.load(images=[image(n, n) for n in range(200)])

    def retire(number):
        return standin.ec2.deregister_image(
            ImageId=ami(number), DeleteAssociatedSnapshots=True
        )["DeleteSnapshotResults"][0]["ReturnCode"]

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(retire, range(200))) == {"success"}
    assert (standin.image_ids(), standin.snapshot_ids()) == ([], [])
    assert standin.control("GET", "calls") == {"DeregisterImage": 200}
