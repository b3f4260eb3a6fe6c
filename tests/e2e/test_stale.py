"""`stale`: references that are probably unused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness import DONE, REFUSED, REGION, Account, image_steward
from sweeps import Planner
from worlds import PLAIN, ami, image, policy, small_fleet

RULES = policy(PLAIN)
OTHER = "EC2 does not delete a default version. First make another version the default: replace OTHER_VERSION with its number."


def template(number: int, *images: str, default: int = 1) -> dict[str, Any]:
    versions = [{"version": n, "image_id": one} for n, one in enumerate(images, 1)]
    template_id = f"lt-{number:017x}"
    return {
        "launch_template_id": template_id,
        "name": f"t{number}",
        "default_version": default,
        "versions": versions,
    }


def stale_fleet() -> dict[str, Any]:
    """A template that nothing uses refers to number 3, a template that an Auto Scaling group uses
    to number 4."""
    used = {"launch_template_id": f"lt-{2:017x}", "version": "$Latest"}
    return small_fleet(
        image(3, 300),
        image(4, 400),
        image(5, 500),
        launch_templates=[template(1, ami(3)), template(2, ami(4), ami(1))],
        launch_configurations=[{"name": "left-over", "image_id": ami(5)}],
        auto_scaling_groups=[{"name": "web", "launch_template": used}],
    )


def stale(planner: Planner, *more: str) -> list[dict[str, Any]]:
    done = planner.command("stale", RULES, "--format", "json", *more)
    found: list[dict[str, Any]] = json.loads(done.stdout)["stale"]
    return found


class TestStale:
    def test_the_oldest_first_and_what_else_keeps_them(
        self, account: Account, planner: Planner
    ) -> None:
        account.load(stale_fleet())
        done = planner.command("stale", RULES)
        assert done.returncode == DONE
        *blocks, end = done.stdout.split("\n\n")
        delete = f"aws ec2 delete-launch-template-versions --region {REGION}"
        choose = f"aws ec2 modify-launch-template --region {REGION}"
        other = "--default-version OTHER_VERSION"
        assert blocks == [
            (
                "launch configuration left-over: refers to 1 image\n"
                f"  {ami(5)} web-5 (500d old); nothing else keeps it\n"
                f"  aws autoscaling delete-launch-configuration --region {REGION}"
                " --launch-configuration-name left-over"
            ),
            (
                f"launch template t1 (lt-{1:017x}): refers to 1 image\n"
                f"  v1 ($Default, $Latest): {ami(3)} web-3 (300d old); "
                "nothing else keeps it\n"
                f"  {choose} --launch-template-id lt-{1:017x} {other}\n"
                f"  {delete} --launch-template-id lt-{1:017x} --versions 1\n  {OTHER}"
            ),
            (
                f"launch template t2 (lt-{2:017x}): refers to 1 image\n"
                f"  v1 ($Default): {ami(4)} web-4 (400d old); nothing else keeps it\n"
                f"  {choose} --launch-template-id lt-{2:017x} {other}\n"
                f"  {delete} --launch-template-id lt-{2:017x} --versions 1\n  {OTHER}"
            ),
        ]
        total, warning, counted = end.splitlines()
        assert total.startswith(
            "These references are to 3 images. Nothing else keeps 3 of them: "
        )
        assert warning.endswith("Ask their owners before you delete them.")
        assert "safety.template_versions" in counted

    def test_the_same_in_json(self, account: Account, planner: Planner) -> None:
        account.load(stale_fleet())
        done = planner.command("stale", RULES, "--format", "json")
        assert done.returncode == DONE
        found = {one["image_id"]: one for one in json.loads(done.stdout)["stale"]}
        assert list(found) == [ami(5), ami(4), ami(3)]
        assert all(one["references"] for one in found.values())
        assert found[ami(3)]["other_reasons"] == 0
        # In use by an Auto Scaling group, through the latest version.
        assert ami(1) not in found

    def test_none(self, account: Account, planner: Planner) -> None:
        account.load(small_fleet())
        done = planner.command("stale", RULES)
        assert done.stdout.startswith("No stale references found")
        done = planner.command("stale", RULES, "--format", "json")
        assert json.loads(done.stdout) == {"stale": [], "resources": []}

    def test_where_a_source_was_not_read_nothing_is_called_stale(
        self, account: Account, planner: Planner
    ) -> None:
        account.load(stale_fleet())
        account.switch(deny=["DescribeSpotFleetRequests"])
        done = planner.command("stale", RULES, "--format", "json")
        assert done.returncode == REFUSED
        found = [one["image_id"] for one in json.loads(done.stdout)["stale"]]
        # The Auto Scaling groups show which configurations are used, and they were read.
        assert found == [ami(5)]

    def test_a_stale_reference_still_keeps(
        self, account: Account, planner: Planner
    ) -> None:
        account.load(stale_fleet())
        decision = planner.decisions(RULES)[ami(3)]
        assert decision["action"] == "keep"
        assert [one["stale"] for one in decision["reasons"] if "stale" in one]


def test_all_template_versions_are_read(account: Account, planner: Planner) -> None:
    """Independent of the sources in the policy, because the output decides nothing."""
    used = {"launch_template_id": f"lt-{1:017x}", "version": "$Latest"}
    fleet = small_fleet(
        image(3, 300),
        launch_templates=[template(1, ami(1), ami(3), *[ami(1)] * 11)],
        auto_scaling_groups=[{"name": "web", "launch_template": used}],
    )
    account.load(fleet)
    assert [one["image_id"] for one in stale(planner)] == [ami(3), ami(1)]
    reasons = planner.decisions(RULES)[ami(3)]["reasons"]
    assert "in_use" not in [one["reason"] for one in reasons]


def test_on_a_saved_inventory(
    account: Account, planner: Planner, tmp_path: Path
) -> None:
    account.load(stale_fleet())
    saved = tmp_path / "saved.json"
    saved.write_text(image_steward(account, "inventory").stdout)
    account.forget_calls()
    found = stale(planner, "--inventory", str(saved))
    assert [one["image_id"] for one in found] == [ami(5), ami(4), ami(3)]
    assert account.calls() == []
