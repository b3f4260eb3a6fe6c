"""References to images: each source keeps the image and is cited. Without it, the image is removed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness import REFUSED, REGION, Account
from outcomes import taken, unread, with_result
from sweeps import Planner, Sweeps
from worlds import (
    ACCOUNT,
    PLAIN,
    ami,
    image,
    image_ids,
    policy,
    safety,
    small_fleet,
    tags_of,
)

HELD = ami(3)
RULES = policy(PLAIN)
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
TEMPLATE = "lt-00000000000000001"


def template(*images: str | None, default: int = 1) -> dict[str, Any]:
    """A launch template with a version for each image."""
    versions = [{"version": n, "image_id": one} for n, one in enumerate(images, 1)]
    one = {"launch_template_id": TEMPLATE, "default_version": default}
    return {"launch_templates": [one | {"versions": versions}]}


# Version 2 is neither the default nor the latest.
OLD_VERSION = template(None, HELD, None)
PINNED = {"launch_templates": [{"launch_template_id": TEMPLATE, "version": "2"}]}
FLEET = {"fleet_id": "fleet-1"}
SPOT_FLEET = {"spot_fleet_request_id": "sfr-1"}
BATCH = {"name": "night"}
BATCH_ARN = f"arn:aws:batch:{REGION}:{ACCOUNT}:compute-environment/night"
RECIPE = f"arn:aws:imagebuilder:{REGION}:{ACCOUNT}"

HOLDERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "fleet": (
        {"fleets": [FLEET | {"images": [HELD]}]},
        "fleet",
        f"{EC2}:fleet/fleet-1",
    ),
    "fleet by template": (
        OLD_VERSION | {"fleets": [FLEET | PINNED]},
        "fleet",
        f"{EC2}:fleet/fleet-1",
    ),
    "spot fleet": (
        {"spot_fleets": [SPOT_FLEET | {"images": [HELD]}]},
        "spot_fleet",
        f"{EC2}:spot-fleet-request/sfr-1",
    ),
    "spot fleet by template": (
        OLD_VERSION | {"spot_fleets": [SPOT_FLEET | PINNED]},
        "spot_fleet",
        f"{EC2}:spot-fleet-request/sfr-1",
    ),
    "spot request": (
        {"spot_requests": [{"spot_instance_request_id": "sir-1", "image_id": HELD}]},
        "spot_request",
        f"{EC2}:spot-instances-request/sir-1",
    ),
    "Batch": (
        {"compute_environments": [BATCH | {"image_id": HELD}]},
        "compute_environment",
        BATCH_ARN,
    ),
    "Batch by override": (
        {"compute_environments": [BATCH | {"image_id_overrides": [ami(1), HELD]}]},
        "compute_environment",
        BATCH_ARN,
    ),
    "Batch by template": (
        OLD_VERSION | {"compute_environments": [BATCH | PINNED]},
        "compute_environment",
        BATCH_ARN,
    ),
    "parameter": (
        {"ssm_parameters": [{"name": "/golden/web", "value": HELD}]},
        "ssm_parameter",
        f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/golden/web",
    ),
    "launch template by parameter": (
        template("resolve:ssm:/golden/web")
        | {"ssm_parameters": [{"name": "/golden/web", "value": HELD}]},
        "launch_template",
        f"{EC2}:launch-template/{TEMPLATE}",
    ),
    "image recipe": (
        {"image_recipes": [{"name": "web", "image_id": HELD}]},
        "image_recipe",
        f"{RECIPE}:image-recipe/web/1.0.0",
    ),
    "container recipe": (
        {"image_recipes": [{"name": "web", "kind": "container", "image_id": HELD}]},
        "container_recipe",
        f"{RECIPE}:container-recipe/web/1.0.0",
    ),
    "one of the ten newest versions": (
        OLD_VERSION,
        "launch_template",
        f"{EC2}:launch-template/{TEMPLATE}",
    ),
}
CASES = pytest.mark.parametrize(
    ("more", "kind", "arn"), HOLDERS.values(), ids=HOLDERS.keys()
)


def due_fleet(**more: Any) -> dict[str, Any]:
    """Two images that are due. Number 3 may have references, number 4 has none."""
    return small_fleet(image(3, 40, 10), image(4, 50, 10), **more)


class TestHolders:
    @CASES
    def test_each_keeps_its_image_and_is_cited(
        self,
        account: Account,
        planner: Planner,
        more: dict[str, Any],
        kind: str,
        arn: str,
    ) -> None:
        account.load(due_fleet(**more))
        decisions = planner.decisions(RULES)
        cited = [
            (one["kind"], one["arn"])
            for one in decisions[HELD]["reasons"]
            if one["reason"] == "in_use"
        ]
        assert (kind, arn) in cited
        assert decisions[HELD]["action"] == "rescue"
        assert decisions[ami(4)]["action"] == "deregister"

    @CASES
    def test_and_no_sweep_removes_it(
        self,
        account: Account,
        sweeps: Sweeps,
        more: dict[str, Any],
        kind: str,
        arn: str,
    ) -> None:
        account.load(due_fleet(**more))
        done = sweeps.prune(RULES)
        assert taken(done, "rescue") == [HELD]
        assert taken(done, "deregister") == [ami(4)]
        assert tags_of(account.fleet(), HELD) == {}

    @pytest.mark.parametrize(
        "over",
        [
            {"fleets": [FLEET | {"images": [HELD], "state": "deleted"}]},
            {"spot_fleets": [SPOT_FLEET | {"images": [HELD], "state": "cancelled"}]},
            {
                "spot_requests": [
                    {
                        "spot_instance_request_id": "sir-1",
                        "image_id": HELD,
                        "state": "closed",
                    }
                ]
            },
            {"compute_environments": [BATCH | {"image_id": HELD, "status": "DELETED"}]},
        ],
        ids=lambda over: next(iter(over)),
    )
    def test_what_is_over_holds_nothing(
        self, account: Account, command: Sweeps, over: dict[str, Any]
    ) -> None:
        account.load(due_fleet(**over))
        assert taken(command.prune(RULES), "deregister") == [HELD, ami(4)]

    @pytest.mark.parametrize(
        "strange",
        [
            {"fleets": [FLEET | {"images": [HELD], "state": "dreaming"}]},
            {"spot_fleets": [SPOT_FLEET | {"images": [HELD], "state": "dreaming"}]},
            {"compute_environments": [BATCH | {"image_id": HELD, "status": "DREAMY"}]},
        ],
        ids=lambda strange: next(iter(strange)),
    )
    def test_what_is_in_a_state_that_nobody_knows_holds(
        self, account: Account, command: Sweeps, strange: dict[str, Any]
    ) -> None:
        account.load(due_fleet(**strange))
        assert taken(command.prune(RULES), "deregister") == [ami(4)]


SOURCES = (
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplateVersions",
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeLaunchConfigurations",
    "ec2:DescribeFleets",
    "ec2:DescribeSpotFleetRequests",
    "ec2:DescribeSpotInstanceRequests",
    "batch:DescribeComputeEnvironments",
    "ec2:DescribeImageReferences",
)


class TestUnread:
    @pytest.mark.parametrize("call", SOURCES)
    def test_a_denied_source_refuses_and_names_the_permission(
        self, account: Account, sweeps: Sweeps, call: str
    ) -> None:
        account.load(due_fleet())
        account.switch(deny=[call.removeprefix("ec2:")])
        before = account.fleet()
        [source] = unread(sweeps.prune(RULES))
        assert source["permission"] == call
        assert account.fleet() == before

    @pytest.mark.parametrize("call", SOURCES)
    def test_a_source_that_fails_refuses(
        self, account: Account, command: Sweeps, call: str
    ) -> None:
        account.load(due_fleet())
        failure = {"code": "InternalError", "status": 400}
        account.switch(fail={call.removeprefix("ec2:"): [failure]})
        before = account.fleet()
        [source] = unread(command.prune(RULES))
        assert f"{call}: " in source["error"]
        assert "permission" not in source
        assert account.fleet() == before

    @pytest.mark.parametrize("call", SOURCES)
    def test_the_plan_says_it_once_and_clearly(
        self, account: Account, planner: Planner, call: str
    ) -> None:
        account.load(due_fleet())
        account.switch(deny=[call.removeprefix("ec2:")])
        done = planner.run(RULES)
        assert done.returncode == REFUSED
        said = [one for one in done.stdout.splitlines() if "missing permission" in one]
        assert len(said) == 1
        assert said[0].startswith("Refused: ")
        assert said[0].count(call) >= 1

    def test_a_second_page_that_fails_is_no_page(
        self, account: Account, command: Sweeps
    ) -> None:
        many = [
            {"fleet_id": f"fleet-{n:04}", "images": [HELD if n == 1000 else ami(1)]}
            for n in range(1001)
        ]
        account.load(due_fleet(fleets=many))
        account.switch(fail_page={"DescribeFleets": 2})
        [source] = unread(command.prune(RULES))
        assert "ec2:DescribeFleets" in source["error"]
        account.switch()
        assert taken(command.prune(RULES), "rescue") == [HELD]

    @pytest.mark.parametrize(
        ("key", "call"),
        [
            ("compute_environments", "batch:DescribeComputeEnvironments"),
            ("references_check", "DescribeImageReferences"),
        ],
    )
    def test_a_source_that_is_off_is_not_asked(
        self, account: Account, sweeps: Sweeps, key: str, call: str
    ) -> None:
        account.load(due_fleet())
        account.switch(deny=[call])
        rules = safety(**{key: '"off"'})
        done = sweeps.prune(rules)
        assert done["refusal"] is None
        assert taken(done, "disable") == [HELD, ami(4)]
        assert call not in {one["action"] for one in account.calls()}


class TestTemplateVersions:
    @pytest.mark.parametrize(
        ("versions", "kept"),
        [
            ('"default+latest"', False),
            ("2", False),
            ("3", True),
            ("4", True),
            ('"all"', True),
        ],
    )
    def test_a_number_reads_so_many_of_the_newest(
        self, account: Account, command: Sweeps, versions: str, kept: bool
    ) -> None:
        # The third newest. Tested without EC2's check, which covers the newest ten versions.
        old = template(ami(1), HELD, None, None)
        account.load(due_fleet(**old))
        rules = safety(template_versions=versions, references_check='"off"')
        done = command.prune(rules)
        assert taken(done, "rescue") == ([HELD] if kept else [])
        assert taken(done, "disable") == ([ami(4)] if kept else [HELD, ami(4)])

    @pytest.mark.parametrize(("versions", "kept"), [("11", False), ("12", True)])
    def test_the_check_looks_as_deep_as_that(
        self, account: Account, command: Sweeps, versions: str, kept: bool
    ) -> None:
        # The twelfth newest.
        account.load(due_fleet(**template(ami(1), HELD, *[None] * 11)))
        done = command.prune(safety(template_versions=versions))
        assert taken(done, "rescue") == ([HELD] if kept else [])


def test_what_began_to_be_used_since_the_plan_is_left_alone(
    account: Account, command: Sweeps
) -> None:
    """The check right before the removal has to wait, and somebody launches the image first."""
    account.load(due_fleet())
    once_a_second = {"capacity": 1, "per_second": 1}
    account.switch(buckets={"DescribeImageReferences": once_a_second})
    with ThreadPoolExecutor(1) as pool:
        sweep = pool.submit(command.prune, RULES)
        # The plan's own check. The other one follows a second later.
        while not has_called(account, "DescribeImageReferences"):
            assert not sweep.done(), sweep.result()
        more = {"name": "/golden/web", "value": HELD}
        account.control("PATCH", "fleet", {"ssm_parameters": [more]})
        done = sweep.result()
    assert taken(done, "deregister") == [ami(4)]
    [changed] = with_result(done, "changed")
    assert (changed["resource"], changed["change"]) == (HELD, "kept")
    [reason] = changed["reasons"]
    assert (reason["reason"], reason["kind"]) == ("in_use", "ssm_parameter")
    assert HELD in image_ids(account.fleet())


def has_called(account: Account, action: str) -> bool:
    return any(one["action"] == action for one in account.calls())
