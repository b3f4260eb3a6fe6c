"""`plan --pins` and `plan --stale`: what holds images, and what holds them for nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import DONE, FAILED, REFUSED, REGION, USAGE, Account, image_steward
from sweeps import Planner
from worlds import ACCOUNT, INSTANCE, PLAIN, ami, image, policy, small_fleet, web_fleet

RULES = policy(PLAIN)
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
CONFIGURATION = (
    f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:launchConfiguration:0"
    ":launchConfigurationName"
)


def template(number: int, *images: str, default: int = 1) -> dict[str, Any]:
    versions = [{"version": n, "image_id": one} for n, one in enumerate(images, 1)]
    template_id = f"lt-{number:017x}"
    return {
        "launch_template_id": template_id,
        "default_version": default,
        "versions": versions,
    }


def stale_fleet() -> dict[str, Any]:
    """Number 3 is held by a template that nothing uses, number 4 by one that a group uses."""
    used = {"launch_template_id": f"lt-{2:017x}", "version": "$Latest"}
    return small_fleet(
        image(3, 300),
        image(4, 400),
        image(5, 500),
        launch_templates=[template(1, ami(3)), template(2, ami(4), ami(1))],
        launch_configurations=[{"name": "left-over", "image_id": ami(5)}],
        auto_scaling_groups=[{"name": "web", "launch_template": used}],
    )


class TestPins:
    def test_every_reason_in_full(self, account: Account, planner: Planner) -> None:
        account.load(web_fleet())
        done = planner.run(RULES, "--pins", ami(8), "--pins", ami(1))
        assert done.returncode == DONE
        assert done.stdout.splitlines() == [
            f"{ami(8)} web-8: rescue",
            f"  in use: instance {EC2}:instance/{INSTANCE}",
            f"{ami(1)} web-1: keep",
            "  last 1 of 2",
            "  at least 1: is number 1",
        ]

    def test_what_only_ec2_knows_is_asked_for_images_that_are_kept_too(
        self, account: Account, planner: Planner
    ) -> None:
        parameter = {"name": "/golden", "value": ami(1)}
        account.load(web_fleet() | {"ssm_parameters": [parameter]})
        done = planner.run(RULES, "--pins", ami(1), "--format", "json")
        [decision] = json.loads(done.stdout)["decisions"]
        cited = [one for one in decision["reasons"] if one["reason"] == "in_use"]
        arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/golden"
        assert {"reason": "in_use", "kind": "ssm_parameter", "arn": arn} in cited
        assert "ssm_parameter" in planner.run(RULES, "--pins", ami(1)).stdout

    def test_an_image_that_nobody_knows(
        self, account: Account, planner: Planner
    ) -> None:
        account.load(web_fleet())
        both = ("--pins", ami(77), "--pins", ami(1))
        done = planner.run(RULES, *both, "--format", "json")
        assert done.returncode == FAILED
        answer = json.loads(done.stdout)
        assert answer["unknown"] == [ami(77)]
        assert [one["image_id"] for one in answer["decisions"]] == [ami(1)]
        done = planner.run(RULES, *both)
        assert done.returncode == FAILED
        no_such = f"{ami(77)}: no such image in account {ACCOUNT}, Region {REGION}"
        assert no_such in done.stdout.splitlines()

    def test_one_that_goes_says_so(self, account: Account, planner: Planner) -> None:
        account.load(web_fleet())
        done = planner.run(RULES, "--pins", ami(5))
        assert done.stdout.splitlines() == [
            f"{ami(5)} web-5: deregister",
            "  expired: number 5 of 8",
        ]

    def test_a_refusal_is_said_on_standard_error(
        self, account: Account, planner: Planner
    ) -> None:
        account.load(web_fleet())
        account.switch(deny=["DescribeFleets"])
        done = planner.run(RULES, "--pins", ami(5))
        assert done.returncode == REFUSED
        assert "missing permission: ec2:DescribeFleets" in done.stderr


class TestStale:
    def test_the_oldest_first_and_what_else_keeps_them(
        self, account: Account, planner: Planner
    ) -> None:
        account.load(stale_fleet())
        done = planner.run(RULES, "--stale")
        assert done.returncode == DONE
        *found, warning = done.stdout.splitlines()
        assert found == [
            f"{ami(5)} web-5 (500d old): nothing else that was read keeps it",
            f"  {CONFIGURATION}/left-over",
            f"{ami(4)} web-4 (400d old): nothing else that was read keeps it",
            f"  {EC2}:launch-template/lt-{2:017x} version 1 ($Default)",
            f"{ami(3)} web-3 (300d old): nothing else that was read keeps it",
            f"  {EC2}:launch-template/lt-{1:017x} version 1 ($Default, $Latest)",
        ]
        assert warning.endswith("ask before you delete them.")

    def test_the_same_in_json(self, account: Account, planner: Planner) -> None:
        account.load(stale_fleet())
        done = planner.run(RULES, "--stale", "--format", "json")
        assert done.returncode == DONE
        found = {one["image_id"]: one for one in json.loads(done.stdout)["stale"]}
        assert list(found) == [ami(5), ami(4), ami(3)]
        assert all(one["references"] for one in found.values())
        assert found[ami(3)]["other_reasons"] == 0
        # In use by a group, through the latest version.
        assert ami(1) not in found

    def test_none(self, account: Account, planner: Planner) -> None:
        account.load(small_fleet())
        done = planner.run(RULES, "--stale")
        assert done.stdout.startswith("No reference is stale")
        done = planner.run(RULES, "--stale", "--format", "json")
        assert json.loads(done.stdout) == {"stale": []}

    def test_where_a_source_was_not_read_nothing_is_called_stale(
        self, account: Account, planner: Planner
    ) -> None:
        account.load(stale_fleet())
        account.switch(deny=["DescribeSpotFleetRequests"])
        done = planner.run(RULES, "--stale", "--format", "json")
        assert done.returncode == REFUSED
        stale = [one["image_id"] for one in json.loads(done.stdout)["stale"]]
        # Who uses a configuration is told by the groups, and those were read.
        assert stale == [ami(5)]

    def test_a_stale_reference_still_keeps(
        self, account: Account, planner: Planner
    ) -> None:
        account.load(stale_fleet())
        decision = planner.decisions(RULES)[ami(3)]
        assert decision["action"] == "keep"
        assert [one["stale"] for one in decision["reasons"] if "stale" in one]


@pytest.mark.parametrize(
    "arguments",
    [["--pins", ami(1), "--stale"], ["--pins"], ["--pins", "snap-1"]],
)
def test_what_makes_no_sense(account: Account, arguments: list[str]) -> None:
    assert image_steward(account, "plan", *arguments).returncode == USAGE
    assert account.calls() == []


def test_both_work_on_a_saved_inventory(
    account: Account, planner: Planner, tmp_path: Path
) -> None:
    account.load(stale_fleet())
    saved = tmp_path / "saved.json"
    saved.write_text(image_steward(account, "inventory").stdout)
    account.forget_calls()
    offline = ("--inventory", str(saved), "--format", "json")
    done = planner.run(RULES, "--stale", *offline)
    stale = [one["image_id"] for one in json.loads(done.stdout)["stale"]]
    assert stale == [ami(5), ami(4), ami(3)]
    done = planner.run(RULES, "--pins", ami(3), *offline)
    [decision] = json.loads(done.stdout)["decisions"]
    assert decision["action"] == "keep"
    assert account.calls() == []
