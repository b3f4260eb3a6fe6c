"""Launch sources: EC2 fleets, Spot fleets, Spot requests, AWS Batch."""

from __future__ import annotations

import pytest

from samples import ami, joined, lt, named, paged, template, where

WEB = {"launch_template_id": lt(1)}
THIRD = WEB | {"version": "3"}


def on_wire(version):
    return {
        "LaunchTemplateId": lt(1),
        "LaunchTemplateName": "web",
        "Version": version,
    }


def test_fleets_with_templates_and_images(standin, fails):
    standin.load(
        launch_templates=[template(1, ami(1), name="web")],
        fleets=[
            {
                "fleet_id": "fleet-a",
                "launch_templates": [WEB, THIRD],
                "images": [ami(5), "resolve:ssm:/golden"],
            },
            {"fleet_id": "fleet-b", "images": [ami(6)], "state": "deleted_running"},
            {"fleet_id": "fleet-c"},
        ],
    )
    describe = standin.ec2.describe_fleets
    found = {one["FleetId"]: one for one in describe()["Fleets"]}
    assert {key: one["FleetState"] for key, one in found.items()} == {
        "fleet-a": "active",
        "fleet-b": "deleted_running",
        "fleet-c": "active",
    }
    assert found["fleet-a"]["LaunchTemplateConfigs"] == [
        {
            "LaunchTemplateSpecification": on_wire("$Default"),
            "Overrides": [{"ImageId": ami(5)}, {"ImageId": "resolve:ssm:/golden"}],
        },
        {"LaunchTemplateSpecification": on_wire("3"), "Overrides": []},
    ]
    [config] = found["fleet-b"]["LaunchTemplateConfigs"]
    assert config == {"Overrides": [{"ImageId": ami(6)}]}
    assert found["fleet-c"]["LaunchTemplateConfigs"] == []
    one = describe(FleetIds=["fleet-b"])["Fleets"]
    assert named(one, "FleetId") == ["fleet-b"]
    one = describe(Filters=where(fleet_state="active"))["Fleets"]
    assert named(one, "FleetId") == ["fleet-a", "fleet-c"]
    fails("InvalidFleetId.NotFound", describe, FleetIds=["fleet-x"])


def test_spot_fleets_with_templates_and_images(standin, fails):
    standin.load(
        launch_templates=[template(1, ami(1), name="web")],
        spot_fleets=[
            {
                "spot_fleet_request_id": "sfr-a",
                "launch_templates": [THIRD],
                "images": [ami(5), ami(6)],
            },
            {"spot_fleet_request_id": "sfr-b", "state": "cancelled"},
        ],
    )
    describe = standin.ec2.describe_spot_fleet_requests
    found = {
        one["SpotFleetRequestId"]: one for one in describe()["SpotFleetRequestConfigs"]
    }
    states = {key: one["SpotFleetRequestState"] for key, one in found.items()}
    assert states == {"sfr-a": "active", "sfr-b": "cancelled"}
    config = found["sfr-a"]["SpotFleetRequestConfig"]
    assert named(config["LaunchSpecifications"]) == [ami(5), ami(6)]
    [template_config] = config["LaunchTemplateConfigs"]
    assert template_config["LaunchTemplateSpecification"] == on_wire("3")
    config = found["sfr-b"]["SpotFleetRequestConfig"]
    assert config["LaunchSpecifications"] == config["LaunchTemplateConfigs"] == []
    chosen = describe(SpotFleetRequestIds=["sfr-b"])["SpotFleetRequestConfigs"]
    assert named(chosen, "SpotFleetRequestId") == ["sfr-b"]
    code = "InvalidSpotFleetRequestId.NotFound"
    fails(code, describe, SpotFleetRequestIds=["sfr-x"])


def test_spot_requests(standin, fails):
    states = ["open", "active", "closed", "something-new"]
    standin.load(
        spot_requests=[
            {"spot_instance_request_id": f"sir-{n}", "image_id": ami(n), "state": state}
            for n, state in enumerate(states)
        ]
    )
    describe = standin.ec2.describe_spot_instance_requests
    found = {
        one["SpotInstanceRequestId"]: (
            one["State"],
            one["LaunchSpecification"]["ImageId"],
        )
        for one in describe()["SpotInstanceRequests"]
    }
    assert found == {f"sir-{n}": (state, ami(n)) for n, state in enumerate(states)}
    for wanted in ({"Filters": where(state="closed")}, {"Ids": ["sir-2"]}):
        if ids := wanted.pop("Ids", None):
            wanted["SpotInstanceRequestIds"] = ids
        [one] = describe(**wanted)["SpotInstanceRequests"]
        assert one["SpotInstanceRequestId"] == "sir-2"
    code = "InvalidSpotInstanceRequestID.NotFound"
    fails(code, describe, SpotInstanceRequestIds=["sir-x"])


@pytest.mark.parametrize(
    ("section", "key", "prefix", "call", "items"),
    [
        ("fleets", "fleet_id", "fleet", "describe_fleets", "Fleets"),
        (
            "spot_fleets",
            "spot_fleet_request_id",
            "sfr",
            "describe_spot_fleet_requests",
            "SpotFleetRequestConfigs",
        ),
        (
            "spot_requests",
            "spot_instance_request_id",
            "sir",
            "describe_spot_instance_requests",
            "SpotInstanceRequests",
        ),
    ],
)
def test_all_three_come_in_pages(standin, fails, section, key, prefix, call, items):
    image_id = {"image_id": ami(1)} if prefix == "sir" else {}
    some = [{key: f"{prefix}-{n}"} | image_id for n in range(25)]
    standin.load(**{section: some})
    describe = getattr(standin.ec2, call)
    pages = paged(describe, items, MaxResults=10)
    assert [len(page) for page in pages] == [10, 10, 5]
    assert len({str(one) for one in joined(pages)}) == 25
    assert len(describe(MaxResults=1000)[items]) == 25
    fails("InvalidParameterValue", describe, MaxResults=1001)


def test_compute_environments(standin):
    standin.load(
        compute_environments=[
            {
                "name": "a",
                "image_id": ami(1),
                "image_id_overrides": [ami(2), ami(3)],
                "launch_templates": [WEB, THIRD, WEB | {"version": "$Latest"}],
            },
            {"name": "b", "status": "DELETED"},
        ]
    )
    describe = standin.batch.describe_compute_environments
    found = {
        one["computeEnvironmentName"]: one for one in describe()["computeEnvironments"]
    }
    a, b = found["a"], found["b"]
    arn = "arn:aws:batch:eu-central-1:123456789012:compute-environment/a"
    assert (a["computeEnvironmentArn"], a["status"]) == (arn, "VALID")
    resources = a["computeResources"]
    assert resources["imageId"] == ami(1)
    overrides = [one["imageIdOverride"] for one in resources["ec2Configuration"]]
    assert overrides == [ami(2), ami(3)]
    assert resources["launchTemplate"] == {
        "launchTemplateId": lt(1),
        "version": "$Default",
        "overrides": [
            {"launchTemplateId": lt(1), "version": "3"},
            {"launchTemplateId": lt(1), "version": "$Latest"},
        ],
    }
    assert b["status"] == "DELETED"
    assert "imageId" not in b["computeResources"]
    assert "launchTemplate" not in b["computeResources"]
    for wanted in ("a", arn):
        [one] = describe(computeEnvironments=[wanted, "x"])["computeEnvironments"]
        assert one["computeEnvironmentName"] == "a"


def test_compute_environments_come_a_hundred_at_a_time(standin, fails):
    standin.load(compute_environments=[{"name": f"e{n}"} for n in range(250)])
    describe = standin.batch.describe_compute_environments
    pages = list(
        standin.batch.get_paginator("describe_compute_environments").paginate()
    )
    sizes = [len(page["computeEnvironments"]) for page in pages]
    assert sizes == [100, 100, 50]
    names = {
        one["computeEnvironmentName"]
        for page in pages
        for one in page["computeEnvironments"]
    }
    assert len(names) == 250
    assert len(describe(maxResults=7)["computeEnvironments"]) == 7
    fails("ClientException", describe, maxResults=101)
    fails("ClientException", describe, nextToken="abc")


# The JSON services, and the switches


def test_calls_of_the_json_services_are_logged(standin, fails):
    standin.batch.describe_compute_environments(maxResults=5)
    standin.rbin.list_rules(ResourceType="EC2_IMAGE")
    standin.rbin.get_rule(Identifier="images")
    fails("ResourceNotFoundException", standin.rbin.get_rule, Identifier="x y/z")
    log = standin.control("GET", "calls?log=1")
    assert [(one["action"], one["params"], one["answer"]) for one in log] == [
        ("batch:DescribeComputeEnvironments", {"maxResults": 5}, "ok"),
        ("rbin:ListRules", {"ResourceType": "EC2_IMAGE"}, "ok"),
        ("rbin:GetRule", {"Identifier": "images"}, "ok"),
        ("rbin:GetRule", {"Identifier": "x y/z"}, "ResourceNotFoundException"),
    ]
    assert standin.control("GET", "calls")["rbin:GetRule"] == 2


CALLS = [
    ("rbin:ListRules", lambda s: s.rbin.list_rules(ResourceType="EC2_IMAGE")),
    ("rbin:GetRule", lambda s: s.rbin.get_rule(Identifier="images")),
    (
        "batch:DescribeComputeEnvironments",
        lambda s: s.batch.describe_compute_environments(),
    ),
    ("DescribeFleets", lambda s: s.ec2.describe_fleets()),
    ("DescribeSpotFleetRequests", lambda s: s.ec2.describe_spot_fleet_requests()),
    ("DescribeLockedSnapshots", lambda s: s.ec2.describe_locked_snapshots()),
    ("ListImagesInRecycleBin", lambda s: s.ec2.list_images_in_recycle_bin()),
]


@pytest.mark.parametrize(("action", "call"), CALLS)
def test_every_switch_works_for_the_new_actions(standin, fails, action, call):
    is_ec2 = ":" not in action
    standin.switch(deny=[action])
    denied = "UnauthorizedOperation" if is_ec2 else "AccessDeniedException"
    assert action.split(":")[-1] in fails(denied, call, s=standin)
    standin.switch(fail={action: {"code": "Odd", "times": 1}})
    fails("Odd", call, s=standin)
    call(standin)
    standin.switch(lost_answer={action: 1})
    fails("InternalError", call, s=standin)
    call(standin)
    standin.switch(buckets={action: {"capacity": 1, "per_second": 0}})
    call(standin)
    limit = "RequestLimitExceeded" if is_ec2 else "ThrottlingException"
    fails(limit, call, s=standin)
    if action != "rbin:GetRule":
        standin.switch(fail_page={action: 1})
        fails("InternalError", call, s=standin)


def test_a_failure_can_be_about_one_rule(standin, fails):
    failure = {"code": "InternalServerException", "status": 500, "match": "snapshots"}
    standin.switch(fail={"rbin:GetRule": failure})
    get = standin.rbin.get_rule
    get(Identifier="images")
    fails("InternalServerException", get, Identifier="snapshots")


def test_what_the_json_services_do_not_do_here(standin, fails):
    code = "UnsupportedOperation"
    fails(code, standin.batch.describe_job_queues)
    fails(code, standin.rbin.unlock_rule, Identifier="0123456789a")


def test_moto_is_not_asked_about_any_of_this(standin, fails):
    ec2, code = standin.ec2, "UnsupportedOperation"
    fails(code, ec2.lock_snapshot, SnapshotId="snap-00000001", LockMode="governance")
    fails(code, ec2.cancel_spot_instance_requests, SpotInstanceRequestIds=["sir-1"])
    fails(code, ec2.delete_fleets, FleetIds=["fleet-a"], TerminateInstances=False)
