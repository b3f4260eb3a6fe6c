"""The operator's command: the real binary, with and without failures."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from harness import (
    DONE,
    FAILED,
    NOWHERE,
    PART,
    REFUSED,
    USAGE,
    Account,
    image_steward,
    write,
)
from outcomes import taken, with_result
from worlds import (
    DUE,
    DUE_SNAPSHOTS,
    INSTANCE,
    PLAIN,
    ami,
    image,
    image_ids,
    policy,
    recycled,
    snap,
    snapshot_ids,
    tagged_snapshot,
    web_fleet,
)

NO_KEYS: dict[str, str | None] = {
    "AWS_ACCESS_KEY_ID": None,
    "AWS_SECRET_ACCESS_KEY": None,
    # People do not set this, so it must be fast without it.
    "AWS_EC2_METADATA_DISABLED": None,
}


@pytest.fixture
def rules(tmp_path: Path) -> str:
    """A policy file."""
    return write(tmp_path / "policy.toml", policy())


def decisions(text: str) -> dict[str, str]:
    return {one["image_id"]: one["action"] for one in json.loads(text)["decisions"]}


class TestGoodWeather:
    def test_plan_decides_about_every_image_and_changes_nothing(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        before = account.fleet()
        planned = image_steward(account, "plan", "--policy", rules, "--format", "json")
        assert planned.returncode == DONE
        actions = decisions(planned.stdout)
        assert actions.keys() == image_ids(before)
        assert {
            one for one, action in actions.items() if action == "deregister"
        } == set(DUE)
        assert account.mutating_calls() == []
        assert account.fleet() == before

    def test_a_saved_inventory_gives_the_same_plan(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        shared = image(10, 80, marked=10, launch_permissions=["999988887777"])
        fleet = web_fleet()
        account.load(fleet | {"images": [*fleet["images"], shared]})
        arguments = ("plan", "--policy", rules, "--format", "json")
        live = image_steward(account, *arguments)
        saved = image_steward(account, "inventory", "--launch-permissions")
        assert saved.returncode == DONE
        file = write(tmp_path / "saved.json", saved.stdout)
        now = json.loads(live.stdout)["planned_at"]
        account.forget_calls()
        offline = image_steward(account, *arguments, "--inventory", file, "--now", now)
        assert offline.returncode == DONE
        assert account.calls() == []
        told = [json.loads(done.stdout) for done in (offline, live)]
        # A live plan verifies only images that would change.
        for decision in (one for plan in told for one in plan["decisions"]):
            decision.pop("shared_with", None)
        assert told[0] == told[1]

    def test_an_offline_plan_says_what_the_inventory_leaves_open(
        self, account: Account, tmp_path: Path
    ) -> None:
        rules = write(tmp_path / "policy.toml", policy(PLAIN))
        account.load(web_fleet())
        saved = image_steward(account, "inventory")
        file = write(tmp_path / "saved.json", saved.stdout)
        offline = image_steward(account, "plan", "--policy", rules, "--inventory", file)
        assert offline.returncode == DONE
        # One is newly expired, and three are due.
        assert "launch permissions of 4 images to retire" in offline.stderr
        # These, and one that waits.
        assert "recipes to 5 images to retire" in offline.stderr
        assert "retention rules of the Recycle Bin" in offline.stderr

    def test_apply_removes_what_is_due_and_a_second_time_nothing(
        self, account: Account, tmp_path: Path
    ) -> None:
        at_once = policy('deregister_after = "7d", delete_snapshots_after = "0d"')
        rules = write(tmp_path / "policy.toml", at_once)
        account.load(web_fleet())
        before = account.fleet()
        applied = image_steward(account, "apply", "--yes", "--policy", rules)
        assert applied.returncode == DONE, applied.stderr
        once = account.fleet()
        assert image_ids(before) - image_ids(once) == set(DUE)
        assert snapshot_ids(before) - snapshot_ids(once) == set(DUE_SNAPSHOTS)
        account.forget_calls()
        assert (
            image_steward(account, "apply", "--yes", "--policy", rules).returncode
            == DONE
        )
        assert account.mutating_calls() == []
        assert account.fleet() == once

    def test_apply_reaps_what_earlier_runs_left(
        self, account: Account, rules: str
    ) -> None:
        left = {
            "snapshots": [tagged_snapshot(31, 40)],
            "recycled_images": [recycled(40)],
        }
        account.load(web_fleet() | left)
        applied = image_steward(account, "apply", "--yes", "--policy", rules)
        assert applied.returncode == DONE
        assert snap(31) not in snapshot_ids(account.fleet())


class TestOutcomes:
    def test_one_failure_is_done_in_part_and_said(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        failure = {"code": "OperationNotPermitted", "match": ami(6)}
        account.switch(fail={"DeregisterImage": [failure]})
        applied = image_steward(account, "apply", "--yes", "--policy", rules)
        assert applied.returncode == PART
        said = applied.stdout + applied.stderr
        [line] = [one for one in said.splitlines() if one.startswith("failed:")]
        assert ami(6) in line
        assert "ec2:DeregisterImage" in line
        assert image_ids(account.fleet()) == image_ids(web_fleet()) - {ami(5), ami(7)}

    def test_what_was_done_is_said_although_the_other_half_failed(
        self, account: Account, rules: str
    ) -> None:
        left = {
            "snapshots": [tagged_snapshot(99, 99)],
            "recycled_images": [recycled(99)],
        }
        account.load(web_fleet() | left)
        account.switch(deny=["DeleteSnapshot"])
        done = image_steward(
            account, "apply", "--yes", "--policy", rules, "--format", "json"
        )
        assert done.returncode == PART, done.stderr
        said = json.loads(done.stdout)
        assert taken(said["images"], "deregister") == DUE
        [failure] = with_result(said["snapshots"]["outcome"], "failed")
        assert failure["resource"] == snap(99)
        assert failure["step"] == "delete_snapshot"

    def test_nothing_done_is_failed_and_not_in_part(
        self, account: Account, tmp_path: Path
    ) -> None:
        rules = write(tmp_path / "policy.toml", policy(PLAIN))
        fleet = web_fleet()
        fleet["images"] = [one for one in fleet["images"] if one["image_id"] != ami(3)]
        # Number 8 would be rescued.
        fleet["images"].pop()
        fleet["instances"] = [{"instance_id": INSTANCE, "image_id": ami(1)}]
        account.load(fleet)
        account.switch(deny=["DeregisterImage"])
        done = image_steward(account, "apply", "--yes", "--policy", rules)
        assert done.returncode == FAILED, done.stdout

    def test_control_characters_do_not_reach_the_terminal(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        account.load({"images": [image(1, 1)]})
        saved = json.loads(image_steward(account, "inventory").stdout)
        saved["images"][0]["name"] = "web-\x1b[2J"
        file = write(tmp_path / "saved.json", json.dumps(saved))
        arguments = ("--policy", rules, "--inventory", file)
        done = image_steward(account, "plan", "--all", *arguments)
        assert "\x1b" not in done.stdout
        assert "web-\\u{1b}[2J" in done.stdout

    @pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"]])
    @pytest.mark.parametrize(
        "denied",
        [
            "ec2:DescribeInstances",
            "ec2:DescribeImages",
            "ec2:DescribeSnapshots",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:DescribeImageAttribute",
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeLaunchConfigurations",
        ],
    )
    def test_one_denied_call_refuses_and_names_the_permission(
        self, account: Account, rules: str, command: list[str], denied: str
    ) -> None:
        account.load(web_fleet())
        account.switch(deny=[denied.removeprefix("ec2:")])
        done = image_steward(account, *command, "--policy", rules)
        assert done.returncode == REFUSED
        assert f"missing permission: {denied}" in done.stdout + done.stderr
        assert image_ids(account.fleet()) == image_ids(web_fleet())
        removing = ("DeregisterImage", "DeleteSnapshot")
        assert not set(removing) & set(account.mutating_calls())

    def test_a_refusal_is_in_the_json_and_on_standard_error(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        account.switch(deny=["DescribeInstances"])
        planned = image_steward(account, "plan", "--policy", rules, "--format", "json")
        assert planned.returncode == REFUSED
        assert json.loads(planned.stdout)["refusal"]["reason"] == "unread"
        assert_one_line(planned.stderr, "ec2:DescribeInstances")

    def test_an_incomplete_inventory_says_so(self, account: Account) -> None:
        account.load(web_fleet())
        account.switch(deny=["DescribeInstances"])
        saved = image_steward(account, "inventory")
        assert saved.returncode == PART
        [unread] = json.loads(saved.stdout)["unread"]
        assert unread["permission"] == "ec2:DescribeInstances"
        assert_one_line(saved.stderr, "ec2:DescribeInstances")

    def test_an_empty_account_is_one_line(self, account: Account, rules: str) -> None:
        planned = image_steward(account, "plan", "--policy", rules)
        assert planned.returncode == DONE
        assert_one_line(planned.stdout, "No images found in account 123456789012")

    def test_so_is_the_wrong_region(self, account: Account, rules: str) -> None:
        account.load(web_fleet())
        arguments = ("--policy", rules, "--region", "us-east-1")
        planned = image_steward(account, "plan", *arguments)
        assert planned.returncode == DONE
        assert_one_line(planned.stdout, "us-east-1")


class TestBadWeather:
    @pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"]])
    def test_no_credentials(
        self, account: Account, rules: str, command: list[str]
    ) -> None:
        started = time.monotonic()
        done = image_steward(account, *command, "--policy", rules, **NO_KEYS)
        assert time.monotonic() - started < 2
        assert done.returncode == FAILED
        assert_one_line(done.stderr, "no AWS credentials")

    def test_no_credentials_where_no_instance_metadata_answers(
        self, account: Account, rules: str, black_hole: str
    ) -> None:
        """As on a laptop: no instance metadata, and connections are not refused."""
        started = time.monotonic()
        service = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": black_hole}
        done = image_steward(account, "plan", "--policy", rules, **NO_KEYS | service)
        assert time.monotonic() - started < 6
        assert done.returncode == FAILED
        assert_one_line(done.stderr, "no AWS credentials")

    def test_a_profile_that_was_asked_for_wins_over_keys_in_the_environment(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        asked = tmp_path / "asked"
        script = tmp_path / "credentials"
        keys = '{"Version": 1, "AccessKeyId": "AKIDSTAGING", "SecretAccessKey": "x"}'
        script.write_text(f"#!/bin/sh\ntouch {asked}\necho '{keys}'\n")
        script.chmod(0o755)
        config = tmp_path / "config"
        config.write_text(f"[profile staging]\ncredential_process = {script}\n")
        settings = {"AWS_CONFIG_FILE": str(config)}
        arguments = ("plan", "--policy", rules, "--profile")
        done = image_steward(account, *arguments, "staging", **settings)
        assert done.returncode == REFUSED or done.returncode == DONE, done.stderr
        assert asked.exists()
        missing = image_steward(account, *arguments, "nope", **settings)
        assert missing.returncode == FAILED
        assert len(missing.stderr.splitlines()) == 1
        assert "nope" in missing.stderr

    def test_no_region(self, account: Account, rules: str) -> None:
        for unset in (None, ""):
            done = image_steward(account, "plan", "--policy", rules, AWS_REGION=unset)
            assert done.returncode == FAILED
            assert_one_line(done.stderr, "no Region")

    @pytest.mark.parametrize("region", ["mars", "EU Central 1", "eu_central_1"])
    def test_a_region_that_is_none(
        self, account: Account, rules: str, region: str
    ) -> None:
        done = image_steward(account, "plan", "--policy", rules, "--region", region)
        assert done.returncode == USAGE
        assert f"`{region}` is not a Region" in done.stderr
        done = image_steward(account, "plan", "--policy", rules, AWS_REGION=region)
        assert done.returncode == FAILED
        assert_one_line(done.stderr, f"`{region}` is not a Region")

    def test_an_endpoint_that_is_none(self, account: Account, rules: str) -> None:
        for url in ("not a url", "127.0.0.1:4566", "http://", "http://[bad", "ftp://a"):
            done = image_steward(
                account, "plan", "--policy", rules, "--endpoint-url", url
            )
            assert done.returncode == USAGE
            assert "not a URL; expected for example https://" in done.stderr

    def test_a_time_before_the_inventory(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        saved = tmp_path / "saved.json"
        saved.write_text(image_steward(account, "inventory").stdout)
        # The byte order mark with which some editors start a file.
        saved.write_text("\ufeff" + saved.read_text())
        plan = ("plan", "--policy", rules, "--inventory", str(saved), "--now")
        done = image_steward(account, *plan, "2020-01-01T00:00:00Z")
        assert done.returncode == 0
        assert "is earlier than the inventory" in done.stderr
        done = image_steward(account, *plan, "2099-01-01T00:00:00Z")
        assert "is earlier than the inventory" not in done.stderr

    def test_nobody_answers(self, rules: str) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}"
            started = time.monotonic()
            done = image_steward(url, "plan", "--policy", rules)
        assert time.monotonic() - started < 15
        assert done.returncode == FAILED
        assert_one_line(done.stderr, "no response")

    @pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"], ["validate"]])
    def test_no_policy(
        self, account: Account, command: list[str], tmp_path: Path
    ) -> None:
        file = str(tmp_path / "absent.toml")
        done = image_steward(account, *command, "--policy", file)
        assert done.returncode == USAGE
        assert_one_line(done.stderr, file)
        assert account.calls() == []

    @pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"], ["validate"]])
    def test_every_error_of_a_policy_with_its_line(
        self, account: Account, command: list[str], tmp_path: Path
    ) -> None:
        wrong = [
            "version = 1",
            "[[rule]]",
            'name = "a"',
            "keep = {}",
            "[[rule]]",
            'name = "a"',
            "keep = { lust = 1, last = -1 }",
            'match = { name = "[" }',
            "[safety]",
            "max_fraction = 7",
        ]
        file = write(tmp_path / "policy.toml", "\n".join(wrong))
        done = image_steward(account, *command, "--policy", file)
        assert done.returncode == USAGE
        places = [
            int(line.removeprefix(file).split(":")[1])
            for line in done.stderr.splitlines()
            if line.startswith(file)
        ]
        assert places == [4, 6, 7, 7, 8, 10]
        assert account.calls() == []

    @pytest.mark.parametrize("text", ["", "{}", "[1]", '{"images": 1}', "not JSON"])
    def test_an_inventory_that_is_none(
        self, account: Account, rules: str, tmp_path: Path, text: str
    ) -> None:
        file = write(tmp_path / "saved.json", text)
        done = image_steward(account, "plan", "--policy", rules, "--inventory", file)
        assert done.returncode == USAGE
        assert_one_line(done.stderr, file)

    @pytest.mark.parametrize(
        "arguments",
        [[], ["plam"], ["plan", "--format", "xml"], ["plan", "--now", "tomorrow"]],
    )
    def test_a_command_line_that_means_nothing(
        self, account: Account, arguments: list[str]
    ) -> None:
        assert image_steward(account, *arguments).returncode == USAGE
        assert account.calls() == []


def assert_one_line(text: str, says: str) -> None:
    lines: list[Any] = text.splitlines()
    assert len(lines) == 1, text
    assert says in lines[0]


def test_what_has_no_effect_is_noted(account: Account, tmp_path: Path) -> None:
    """By `validate` for a saved inventory, and by `plan` above its decisions."""
    unused = '[[rule]]\nname = "db"\nmatch = { name = "db-*" }\nkeep = { last = 1 }\n'
    rules = write(tmp_path / "policy.toml", policy(more=unused))
    account.load(web_fleet())
    saved = image_steward(account, "inventory").stdout
    inventory = write(tmp_path / "saved.json", saved)
    arguments = ("--policy", rules, "--inventory", inventory)
    condition = {"path": "match.name", "subject": "name", "pattern": "db-*"}
    counted = {
        **condition,
        "images": 0,
        "with_value": len(image_ids(json.loads(saved))),
    }
    noted = {
        "note": "rule_matches_nothing",
        "rule": "db",
        "taken": 0,
        "conditions": [counted],
    }
    said = "note: rule db: no image matches; no name matches `db-*`"

    valid = image_steward(NOWHERE, "validate", *arguments)
    assert valid.returncode == DONE
    assert f"\n{said}\n" in valid.stdout
    valid = image_steward(NOWHERE, "validate", *arguments, "--format", "json")
    assert noted in json.loads(valid.stdout)["notes"]
    alone = image_steward(NOWHERE, "validate", *arguments[:2], "--format", "json")
    assert "notes" not in json.loads(alone.stdout)

    planned = image_steward(NOWHERE, "plan", *arguments)
    first, notes, table = planned.stdout.split("\n\n")[:3]
    assert first.startswith("Account ")
    assert said in notes.splitlines()
    assert all(line.startswith("note: ") for line in notes.splitlines())
    assert table.startswith("RULE ")
    planned = image_steward(NOWHERE, "plan", *arguments, "--format", "json")
    assert noted in json.loads(planned.stdout)["notes"]


def test_strict_fails_on_what_has_no_effect(account: Account, tmp_path: Path) -> None:
    """`plan` and `validate` still print everything. `apply` changes nothing."""
    near = '[[rule]]\nname = "near"\nmatch = { name = "web" }\nkeep = { last = 1 }\n'
    rules = write(tmp_path / "policy.toml", policy(more=near))
    good = write(tmp_path / "good.toml", policy())
    account.load(web_fleet())
    inventory = write(
        tmp_path / "saved.json", image_steward(account, "inventory").stdout
    )
    saved = ("--quiet", "--inventory", inventory)
    said = "image-steward: 1 warning about entries without effect (--strict): rule near: no image matches"
    for command in ["plan", "validate"]:
        lax = image_steward(NOWHERE, command, "--policy", rules, *saved)
        strict = image_steward(NOWHERE, command, "--policy", rules, *saved, "--strict")
        assert (lax.returncode, strict.returncode) == (DONE, USAGE)
        assert (lax.stdout, lax.stderr) == (strict.stdout, "")
        assert_one_line(strict.stderr, said)
        assert "images match `web*`" in strict.stderr
        fine = image_steward(NOWHERE, command, "--policy", good, *saved, "--strict")
        assert (fine.returncode, fine.stderr) == (DONE, "")
    assert (
        image_steward(NOWHERE, "validate", "--policy", rules, "--strict").returncode
        == USAGE
    )

    plan = tmp_path / "plan.json"
    made = image_steward(account, "plan", "--policy", rules, "--out", plan, "--strict")
    assert made.returncode == USAGE
    for what in [(), (plan,)]:
        account.forget_calls()
        refused = image_steward(
            account, "apply", *what, "--policy", rules, "--strict", "--yes"
        )
        assert refused.returncode == USAGE
        assert said in refused.stderr
        assert account.mutating_calls() == []


def test_validate_lists_the_tags_that_are_trusted(tmp_path: Path) -> None:
    rule = 'group_by = ["tag:Family"]\nkeep = { last = 2, tags = { Release = "*" } }'
    text = policy(PLAIN).replace("keep = { last = 2 }", rule)
    text = text.replace("[safety]", '[safety]\nkeep_tags = { Team = "payments" }')
    rules = write(tmp_path / "policy.toml", text)
    listed = [
        "Anyone who can write these tags can change what is kept or retired:",
        "  Family: group_by of rule web",
        "  Release: keep.tags of rule web",
        "  Team: safety.keep_tags",
        "  image-steward:keep: exclusion",
        "  tags in Recycle Bin rules: an image that no rule covers is kept",
    ]
    done = image_steward(NOWHERE, "validate", "--policy", rules)
    assert done.stdout.splitlines()[2:] == listed
    arguments = ("validate", "--policy", rules, "--format", "json")
    assert json.loads(image_steward(NOWHERE, *arguments).stdout)["trusted_tags"] == [
        {"key": "Family", "uses": [{"use": "group_by", "rule": "web"}]},
        {"key": "Release", "uses": [{"use": "keep", "rule": "web"}]},
        {"key": "Team", "uses": [{"use": "safety_keep"}]},
        {"key": "image-steward:keep", "uses": [{"use": "opt_out"}]},
    ]
    write(
        tmp_path / "policy.toml",
        text.replace("[safety]", '[safety]\nrecycle_bin = "optional"'),
    )
    done = image_steward(NOWHERE, "validate", "--policy", rules)
    assert done.stdout.splitlines()[2:] == listed[:-1]


def test_validate_names_what_a_deployment_must_allow(tmp_path: Path) -> None:
    def needs(text: str) -> dict[str, Any]:
        rules = write(tmp_path / "policy.toml", text)
        arguments = ("validate", "--policy", rules, "--format", "json")
        return json.loads(image_steward(NOWHERE, *arguments).stdout)["needs"]

    nothing = {"retire_shared_images": [], "retire_instances": "off"}
    assert needs(policy()) == nothing
    retire = 'shared_images = "retire"\n'
    own = policy(more='[instances]\nretire = "stop"').replace(
        "[safety]", f'{retire}[[rule]]\nname = "all"\nkeep.last = 1\n[safety]'
    )
    assert needs(own) == {
        "retire_shared_images": ["rule[0].shared_images"],
        "retire_instances": "stop",
    }
    every = own.replace("[safety]", f"[safety]\n{retire}")
    assert needs(every)["retire_shared_images"] == [
        "safety.shared_images",
        "rule[0].shared_images",
    ]
