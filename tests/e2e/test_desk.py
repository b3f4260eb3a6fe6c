"""What an operator sees: plans in files, explanations, terminals, and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
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
    REGION,
    USAGE,
    Account,
    binary,
    image_steward,
    steward_environment,
    write,
)
from terminal import on_terminal
from worlds import (
    ACCOUNT,
    DUE,
    INSTANCE,
    MARK,
    PLAIN,
    ago,
    ami,
    due,
    image,
    image_ids,
    policy,
    snap,
    web_fleet,
)

INTERRUPTED = 130


@pytest.fixture
def rules(tmp_path: Path) -> str:
    return write(tmp_path / "policy.toml", policy(PLAIN))


@pytest.fixture
def saved(account: Account, rules: str, tmp_path: Path) -> str:
    """A plan for `web_fleet` in a file."""
    account.load(web_fleet())
    file = str(tmp_path / "plan.json")
    done = image_steward(account, "plan", "--policy", rules, "--out", file)
    assert done.returncode == DONE, done.stderr
    account.forget_calls()
    return file


def apply_saved(
    account: Account, file: str, *more: str
) -> subprocess.CompletedProcess[str]:
    """Apply a saved plan with the policy in the same directory."""
    rules = str(Path(file).with_name("policy.toml"))
    return image_steward(account, "apply", file, "--policy", rules, *more)


def digest_of(rules: str) -> str:
    """The digest of a policy."""
    done = image_steward(NOWHERE, "validate", "--policy", rules, "--format", "json")
    return json.loads(done.stdout)["digest"]


def offline(tmp_path: Path, images: list[Any], **more: Any) -> str:
    """A saved inventory with these images, which are own and available."""
    own = {"owner_id": ACCOUNT, "state": "available"}
    inventory = {
        "format": 1,
        "account": ACCOUNT,
        "region": "eu-central-1",
        "taken_at": ago(0),
        "images": [own | one for one in images],
        "references": [{"image_id": ami(1), "kind": "instance", "arn": "arn:i-1"}],
    }
    return write(tmp_path / "saved.json", json.dumps(inventory | more))


class TestPlan:
    def test_families_are_counted_and_only_changes_are_listed(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        shown = image_steward(account, "plan", "--policy", rules)
        assert shown.returncode == DONE, shown.stderr
        first, *lines, last = shown.stdout.splitlines()
        account_line = f"Account {ACCOUNT}, {REGION}: 8 images, 64 GiB, USD 3.46"
        assert first == f"{account_line} a month"
        assert "web: 8 images, 1 in use, 3 kept (1 to rescue), 5 expired" in lines
        [total] = [line for line in lines if line.startswith("web    ")]
        assert total.split() == ["web", "8", "1", "3", "5", "64", "3.46", "2.16"]
        listed = {i for i in image_ids(web_fleet()) if f" {i} " in shown.stdout}
        # 1 and 2 are kept.
        assert listed == image_ids(web_fleet()) - {ami(1), ami(2)}
        counts = "1 to rescue, 1 to tag as expired, 3 to deregister, 1 waiting; "
        assert last.startswith(
            counts + "3 of 8 kept (1 in use). Applying the plan now "
        )
        assert "deregisters 3 images and deletes their snapshots from 2" in last
        assert last.endswith("; it eventually saves at most USD 2.16 a month.")
        assert (
            "in eu-central-1 (EBS snapshots, standard tier, list price" in shown.stdout
        )

    def test_what_a_kept_image_shares_and_what_has_no_size_is_not_promised(
        self, rules: str, tmp_path: Path
    ) -> None:
        sizes = [{"snapshot_id": snap(n), "size_gib": 8} for n in (1, 2, 3)]
        going = image(3, 40, marked=10, snapshots=[snap(1), snap(3), snap(9)])
        images = [image(1, 1), image(2, 2), going]
        file = offline(tmp_path, images, snapshots=[*sizes, {"snapshot_id": snap(9)}])
        arguments = ("plan", "--policy", rules, "--inventory", file)
        shown = image_steward(NOWHERE, *arguments).stdout
        assert ", 1 to deregister, then delete 2 of 3 snapshots from " in shown
        assert "at most USD 0.43 a month, without 1 snapshot of unknown" in shown

    def test_all_lists_all_with_every_reason(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        shown = image_steward(account, "plan", "--policy", rules, "--all").stdout
        for image_id in image_ids(web_fleet()):
            assert shown.count(f" {image_id} ") == 1
        assert "1st of last 2; 1st of at least 1" in shown

    def test_why_filters_by_reason_in_every_format(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        plan = ("plan", "--policy", rules, "--reason", "in_use,at_least")
        shown = image_steward(account, *plan).stdout
        assert ami(1) in shown
        assert ami(8) in shown
        assert ami(5) not in shown
        as_json = json.loads(image_steward(account, *plan, "--format", "json").stdout)
        assert {one["image_id"] for one in as_json["decisions"]} == {ami(1), ami(8)}
        lines = image_steward(account, *plan, "--format", "jsonl").stdout.splitlines()
        assert {json.loads(line)["image_id"] for line in lines} == {ami(1), ami(8)}

    def test_an_unknown_reason_is_answered_with_the_known_ones(
        self, account: Account, rules: str
    ) -> None:
        done = image_steward(account, "plan", "--policy", rules, "--reason", "in-use")
        assert done.returncode == USAGE
        assert "in_use" in done.stderr

    def test_json_lines_are_one_decision_each(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        done = image_steward(account, "plan", "--policy", rules, "--format", "jsonl")
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert {one["image_id"] for one in found} == image_ids(web_fleet())


class TestSavedPlan:
    def test_exactly_that_is_done(self, account: Account, saved: str) -> None:
        before = account.fleet()
        done = apply_saved(account, saved)
        assert done.returncode == DONE, done.stdout + done.stderr
        after = account.fleet()
        assert image_ids(before) - image_ids(after) == set(DUE)
        marked = {i["image_id"] for i in after["images"] if MARK in i["tags"]}
        assert marked == {ami(3), ami(4)}
        assert MARK not in tags(after, ami(8))

    def test_it_needs_the_policy_of_the_operator(
        self, account: Account, saved: str, rules: str, tmp_path: Path
    ) -> None:
        """Anyone who may write the file can change its policy."""
        theirs = digest_of(rules)
        other = write(tmp_path / "other.toml", policy(PLAIN, last=1))
        for expected in (("--policy", other), ("--expect-policy", digest_of(other))):
            done = image_steward(account, "apply", saved, *expected)
            assert done.returncode == USAGE
            for part in (theirs, digest_of(other), "plan again"):
                assert part in done.stderr
        missing = image_steward(account, "apply", saved, "--policy", "missing.toml")
        assert missing.returncode == USAGE
        for part in ("missing.toml not found", "--policy", "--expect-policy"):
            assert part in missing.stderr
        for wrong in ("sha256:", theirs[:-1], "0" * 64):
            done = image_steward(account, "apply", saved, "--expect-policy", wrong)
            assert done.returncode == USAGE
            assert "64 hexadecimal digits" in done.stderr
        both = ("--policy", rules, "--expect-policy", theirs)
        assert image_steward(account, "apply", saved, *both).returncode == USAGE
        alone = image_steward(account, "apply", "--expect-policy", theirs)
        assert alone.returncode == USAGE
        assert account.calls() == []

    def test_a_digest_stands_for_the_policy(
        self, account: Account, saved: str, rules: str
    ) -> None:
        expected = digest_of(rules)
        Path(rules).unlink()
        done = image_steward(account, "apply", saved, "--expect-policy", expected)
        assert done.returncode == DONE, done.stderr

    def test_a_policy_that_says_the_same_is_the_same(
        self, account: Account, saved: str, rules: str
    ) -> None:
        text = Path(rules).read_text()
        Path(rules).write_text("# Looked at.\n\n" + text.replace(" = ", "="))
        assert apply_saved(account, saved).returncode == DONE

    def test_the_digest_is_told_when_the_plan_is_saved(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        account.load(web_fleet())
        out = ("--out", str(tmp_path / "plan.json"))
        for form in ("table", "json", "jsonl"):
            arguments = ("plan", "--policy", rules, "--format", form, *out)
            done = image_steward(account, *arguments)
            assert digest_of(rules) in done.stderr, form
        assert f"Digest: {digest_of(rules)}\n" in (
            image_steward(NOWHERE, "validate", "--policy", rules).stdout
        )

    def test_a_crafted_file_removes_nothing_that_is_kept(
        self, account: Account, tmp_path: Path
    ) -> None:
        """Excluded images, over the cap, with any content, at any time."""
        text = policy(PLAIN).replace("max_fraction", "max_per_run = 2\nmax_fraction")
        write(tmp_path / "policy.toml", text)
        fleet = web_fleet()
        for one in fleet["images"][1:]:
            one.setdefault("tags", {})["image-steward:keep"] = ""
        account.load(fleet)
        before = account.fleet()
        theirs = write(tmp_path / "theirs.toml", policy(PLAIN, last=1))
        file = tmp_path / "plan.json"
        saved = ("plan", "--policy", theirs, "--out", str(file))
        assert image_steward(account, *saved).returncode == DONE
        plan = json.loads(file.read_text())
        for one in plan["plan"]["decisions"]:
            for key in ("save", "deprecation", "enable", "unmark"):
                one.pop(key, None)
            one |= {
                "action": "deregister",
                "reasons": [],
                "removal": {
                    "snapshots": one["snapshots"],
                    "delete_after": ago(300),
                    "fate": "delete_with_image",
                },
            }
        crafted = plan | {"policy": text}
        for planned_at in (plan["plan"]["planned_at"], ago(0.9), ago(-0.003)):
            crafted["plan"]["planned_at"] = planned_at
            file.write_text(json.dumps(crafted))
            account.forget_calls()
            done = apply_saved(account, str(file))
            assert done.returncode == REFUSED, done.stdout + done.stderr
            assert "differences)" in done.stdout
            assert account.mutating_calls() == []
        # With another policy, the plan is not even compared.
        file.write_text(json.dumps(crafted | {"policy": plan["policy"]}))
        assert apply_saved(account, str(file)).returncode == USAGE
        assert account.fleet() == before

    def test_a_second_time_nothing_is_done_and_it_says_why(
        self, account: Account, saved: str
    ) -> None:
        apply_saved(account, saved)
        account.forget_calls()
        again = apply_saved(account, saved)
        assert again.returncode == REFUSED
        gone = f"changed: {ami(5)}: planned: deregister; no longer exists"
        assert gone in again.stdout
        assert account.mutating_calls() == []

    @pytest.mark.parametrize(
        ("change", "changed", "text", "kind"),
        [
            ("used", ami(5), "the action would now be rescue (in use: inst", "action"),
            ("kept", ami(6), "the action would now be rescue (excluded by", "action"),
            ("newer", None, "", ""),
            ("shared", ami(7), "the action would now be rescue (shared", "action"),
            ("snapshots", ami(5), "snapshots changed since planning", "snapshots"),
        ],
    )
    def test_a_world_that_changed_is_told_and_nothing_is_done(
        self,
        account: Account,
        saved: str,
        change: str,
        changed: str | None,
        text: str,
        kind: str,
    ) -> None:
        fleet = account.fleet()
        if change == "used":
            instance = fleet["instances"][0]
            more = {"instance_id": "i-00000000000000002", "image_id": ami(5)}
            fleet["instances"].append(instance | more)
        if change == "kept":
            tags(fleet, ami(6))["image-steward:keep"] = ""
        if change == "shared":
            at(fleet, ami(7))["launch_permissions"] = ["999988887777"]
        if change == "newer":
            # A newer image takes the place of number 2. The plan does not change number 2.
            fleet["images"].append(image(20, 0.01, snapshots=[]))
        if change == "snapshots":
            at(fleet, ami(5))["snapshots"].append(snap(77))
            fleet["snapshots"].append({"snapshot_id": snap(77)})
        account.load(fleet)
        before = account.fleet()
        done = apply_saved(account, saved)
        if changed is None:
            assert done.returncode == DONE, done.stdout
            assert "the next plan will include them (1): " + ami(2) in done.stdout
            assert image_ids(before) - image_ids(account.fleet()) == set(DUE)
            return
        assert done.returncode == REFUSED
        assert f"changed: {changed}: planned: deregister; {text}" in done.stdout
        assert "the account has changed since planning (1 diff" in done.stdout
        assert account.mutating_calls() == []
        assert account.fleet() == before
        as_json = apply_saved(account, saved, "--format", "json")
        assert as_json.returncode == REFUSED
        answer = json.loads(as_json.stdout)
        [difference] = answer["differences"]["changed"]
        keys = ("resource", "planned", "change")
        found = tuple(difference[key] for key in keys)
        assert found == (changed, "deregister", kind)
        outdated = {"reason": "plan_outdated", "differences": 1}
        assert answer["images"]["refusal"] == outdated

    def test_what_cannot_be_read_now_refuses_it(
        self, account: Account, saved: str
    ) -> None:
        account.switch(deny=["DescribeInstances"])
        done = apply_saved(account, saved)
        assert done.returncode == REFUSED
        assert "missing permission: ec2:DescribeInstances" in done.stdout
        assert account.mutating_calls() == []

    def test_another_region_or_account_refuses_it(
        self, account: Account, saved: str
    ) -> None:
        done = apply_saved(account, saved, "--region", "us-east-1")
        assert done.returncode == USAGE
        for part in ("eu-central-1", "us-east-1", ACCOUNT, "--region"):
            assert part in done.stderr
        other = json.loads(Path(saved).read_text())
        other["plan"]["account"] = "999988887777"
        Path(saved).write_text(json.dumps(other))
        done = apply_saved(account, saved)
        assert done.returncode == USAGE
        assert "account 999988887777" in done.stderr
        assert account.mutating_calls() == []

    @pytest.mark.parametrize(
        ("planned", "expected"),
        [(1.1, "a plan expires after one day"), (-1, "dated in the future")],
    )
    def test_a_plan_of_another_day_is_not_applied(
        self,
        account: Account,
        rules: str,
        tmp_path: Path,
        planned: float,
        expected: str,
    ) -> None:
        account.load(web_fleet())
        file = str(tmp_path / "plan.json")
        arguments = ("--policy", rules, "--now", ago(planned), "--out", file)
        assert image_steward(account, "plan", *arguments).returncode == DONE
        account.forget_calls()
        done = apply_saved(account, file)
        assert done.returncode == USAGE
        assert expected in done.stderr
        assert account.mutating_calls() == []

    def test_the_file_chooses_and_never_says_what_is_done(
        self, account: Account, saved: str
    ) -> None:
        plan = json.loads(Path(saved).read_text())
        decisions = plan["plan"]["decisions"]
        for one in decisions:
            # A value that apply would accept as its own tag.
            one["expired_at"] = plan["plan"]["planned_at"]
            one["reasons"] = []
        chosen = [one for one in decisions if one["image_id"] != ami(6)]
        plan["plan"]["decisions"] = chosen * 2
        Path(saved).write_text(json.dumps(plan))
        marks = {i: tags(account.fleet(), i)[MARK] for i in (ami(4), ami(6))}
        done = apply_saved(account, saved)
        assert done.returncode == DONE, done.stdout + done.stderr
        assert "deregistered (2)" in done.stdout
        after = account.fleet()
        assert image_ids(web_fleet()) - image_ids(after) == {ami(5), ami(7)}
        assert {i: tags(after, i)[MARK] for i in marks} == marks

    def test_a_file_that_lay_about_takes_no_time_from_the_snapshots(
        self, account: Account, tmp_path: Path
    ) -> None:
        text = policy(f'{PLAIN}, delete_snapshots_after = "12h"')
        rules = write(tmp_path / "policy.toml", text)
        account.load(web_fleet())
        file = str(tmp_path / "plan.json")
        arguments = ("--policy", rules, "--now", ago(0.95), "--out", file)
        image_steward(account, "plan", *arguments)
        assert apply_saved(account, file).returncode == DONE
        snapshots = account.fleet()["snapshots"]
        after = next(one for one in snapshots if one["snapshot_id"] == snap(5))
        assert after["tags"]["image-steward:delete-after"] > ago(-0.45)

    def test_a_refusal_about_snapshots_is_said(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        matches_nothing = Path(rules).read_text().replace("web-*", "nothing-*")
        rules = write(tmp_path / "policy.toml", matches_nothing)
        account.load(web_fleet() | {"retention_rules": []})
        file = str(tmp_path / "plan.json")
        image_steward(account, "plan", "--policy", rules, "--out", file)
        done = apply_saved(account, file)
        assert done.returncode == REFUSED
        assert "rescued (5)" in done.stdout
        assert (
            "Refused: no Recycle Bin rule in this Region retains snapshots"
            in done.stdout
        )

    def test_what_was_done_is_said_even_if_nobody_listens(
        self, account: Account, saved: str
    ) -> None:
        command = [str(binary("image-steward")), "apply", saved, "--format", "json"]
        command += ["--policy", str(Path(saved).with_name("policy.toml"))]
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                command,
                env=steward_environment(account.url, {}),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert done.returncode == PART
        assert "deregistered (3): " + ami(5) in done.stderr

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("version = 1", "not a saved plan"),
            ('{"format": 1}', "not a saved plan"),
        ],
    )
    def test_what_is_no_plan_says_so(
        self, account: Account, rules: str, tmp_path: Path, text: str, expected: str
    ) -> None:
        file = write(tmp_path / "plan.json", text)
        done = apply_saved(account, file)
        assert done.returncode == USAGE
        assert f"{file}: {expected}" in done.stderr

    def test_a_refused_plan_refuses(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        account.load(web_fleet())
        account.switch(deny=["DescribeInstances"])
        file = str(tmp_path / "plan.json")
        plan = image_steward(account, "plan", "--policy", rules, "--out", file)
        assert plan.returncode == REFUSED
        account.switch()
        account.forget_calls()
        assert apply_saved(account, file).returncode == REFUSED
        assert account.mutating_calls() == []

    def test_it_goes_through_pipes(self, account: Account, rules: str) -> None:
        account.load(web_fleet())
        arguments = ("plan", "--policy", rules, "--out", "-")
        plan = image_steward(account, *arguments).stdout
        done = piped(account, plan, "apply", "-", "--policy", rules)
        assert done.returncode == DONE, done.stderr
        assert image_ids(web_fleet()) - image_ids(account.fleet()) == set(DUE)


class TestFiles:
    def test_a_link_stays_one_and_a_mode_what_it_is(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        account.load(web_fleet())
        target, link = tmp_path / "real.html", tmp_path / "page.html"
        target.write_text("old")
        target.chmod(0o640)
        link.symlink_to(target)
        report = ("report", "--policy", rules, "--out")
        assert image_steward(account, *report, str(link)).returncode == DONE
        assert link.is_symlink()
        assert "<html" in target.read_text()
        assert target.stat().st_mode & 0o777 == 0o640
        new = tmp_path / "new.html"
        image_steward(account, *report, str(new))
        beside = tmp_path / "beside"
        beside.touch()
        assert new.stat().st_mode == beside.stat().st_mode
        assert {one.name for one in tmp_path.iterdir()} == {
            "beside",
            "new.html",
            "page.html",
            "policy.toml",
            "real.html",
        }

    def test_what_is_in_an_account_is_for_its_owner_alone(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        account.load(web_fleet())
        before = os.umask(0)
        try:
            for command in (("plan", "--policy", rules), ("inventory",)):
                new, old = tmp_path / "new.json", tmp_path / "old.json"
                dangling, link = tmp_path / "dangling.json", tmp_path / "link.json"
                old.write_text("old")
                old.chmod(0o644)
                link.symlink_to(dangling)
                # A process that has the file open can still read the old content.
                with old.open() as reader:
                    for file in (new, old, link):
                        arguments = (*command, "--out", str(file))
                        assert image_steward(account, *arguments).returncode == DONE
                    assert reader.read() == "old"
                for file in (new, old, dangling):
                    assert file.stat().st_mode & 0o777 == 0o600, (command, file)
                    assert json.loads(file.read_text())
                    file.unlink()
                link.unlink()
        finally:
            os.umask(before)

    def test_without_a_policy_it_says_how_to_come_by_one(
        self, account: Account, tmp_path: Path
    ) -> None:
        for command in (("plan",), ("report",), ("explain", ami(1))):
            done = subprocess.run(
                [str(binary("image-steward")), *command],
                env=steward_environment(account.url, {}),
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == USAGE
            assert "policy.toml not found" in done.stderr
            assert "image-steward init" in done.stderr


class TestStale:
    def test_what_ec2_alone_knows_is_asked_for(
        self, account: Account, rules: str
    ) -> None:
        fleet = web_fleet()
        template = {
            "launch_template_id": "lt-00000000000000001",
            "default_version": 1,
            "versions": [{"version": 1, "image_id": ami(7)}],
        }
        parameter = {"name": "/golden", "value": ami(7)}
        account.load(
            fleet | {"launch_templates": [template], "ssm_parameters": [parameter]}
        )
        stale = image_steward(account, "stale", "--policy", rules).stdout
        [line] = [one for one in stale.splitlines() if ami(7) in one]
        assert line.endswith("also kept for 1 other reason")


class TestExplain:
    def test_the_whole_story(self, account: Account, rules: str) -> None:
        account.load(web_fleet())
        done = image_steward(account, "explain", ami(8), "--policy", rules)
        assert done.returncode == DONE, done.stderr
        said = done.stdout
        for part in (
            f"{ami(8)} web-8",
            "created ",
            f"snapshot {snap(8)}",
            "number 8 of 8",
            f"instance {INSTANCE} (found in instances): arn:aws:ec2:",
            "last = 2   does not match: number 8; 6 places too low",
            "kept again, to be rescued by the next run in apply mode",
            f"image-steward keep {ami(8)}",
            f"image-steward restore {ami(8)}",
        ):
            assert part in said, said
        assert account.mutating_calls() == []

    def test_what_is_on_its_way_out_has_dates(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        said = image_steward(account, "explain", ami(4), "--policy", rules).stdout
        assert "expired, waiting for the next step" in said
        assert "deregister (after 7d): from 2" in said
        assert "expired since " in said

    def test_offline_it_tells_the_same(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        account.load(web_fleet())
        file = str(tmp_path / "saved.json")
        image_steward(account, "inventory", "--launch-permissions", "--out", file)
        explain = ("explain", ami(8), "--policy", rules, "--format", "json")
        live = json.loads(image_steward(account, *explain).stdout)
        account.forget_calls()
        now = live["planned_at"]
        told = image_steward(account, *explain, "--inventory", file, "--now", now)
        offline = json.loads(told.stdout)
        # It is verified live too, although an image in use is kept whatever its permissions are.
        assert live["image"]["launch_permissions"] == []
        assert offline == live
        assert account.calls() == []

    def test_an_image_in_the_recycle_bin(self, account: Account, rules: str) -> None:
        account.load(web_fleet())
        image_steward(account, "apply", "--yes", "--policy", rules)
        done = image_steward(account, "explain", ami(5), "--policy", rules)
        assert done.returncode == DONE, done.stderr
        assert "in the Recycle Bin, with the name web-5" in done.stdout
        assert "permanently deleted 2" in done.stdout
        assert f"{snap(5)} exists, " in done.stdout
        assert "kept for now: not before 2" in done.stdout
        assert f"image-steward restore {ami(5)}" in done.stdout

    def test_an_image_that_is_gone_is_told_by_its_ledger(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        ledger = {"image-steward:image": ami(9), "image-steward:delete-after": due(-3)}
        orphan = {"snapshot_id": snap(9), "tags": ledger}
        file = offline(tmp_path, [image(1, 1)], snapshots=[orphan])
        explain = ("explain", ami(9), "--policy", rules)
        done = image_steward(account, *explain, "--inventory", file)
        assert done.returncode == DONE
        assert f"{snap(9)} exists; kept for now: not before 2" in done.stdout
        account.load({"images": [image(1, 1)], "snapshots": [orphan]})
        live = image_steward(account, *explain)
        assert live.returncode == DONE
        assert f"{snap(9)} exists" in live.stdout

    def test_an_unknown_id(self, account: Account, rules: str) -> None:
        account.load(web_fleet())
        done = image_steward(account, "explain", ami(404), "--policy", rules)
        assert done.returncode == FAILED
        assert "nor in the Recycle Bin there" in done.stdout
        bad = image_steward(account, "explain", "i-1", "--policy", rules)
        assert bad.returncode == USAGE
        assert "not an image ID" in bad.stderr

    def test_what_could_not_be_read_is_said(self, account: Account, rules: str) -> None:
        account.load(web_fleet())
        account.switch(deny=["ListImagesInRecycleBin", "DescribeInstances"])
        gone = image_steward(account, "explain", ami(404), "--policy", rules)
        assert "Some sources could not be read" in gone.stdout
        assert "ec2:ListImagesInRecycleBin" in gone.stdout
        here = image_steward(account, "explain", ami(1), "--policy", rules)
        assert "could not be read: instances" in here.stdout


class TestTerminal:
    def test_signs_and_colours_only_on_a_terminal(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        account.load(web_fleet())
        plan = ("plan", "--policy", rules)
        shown = on_terminal(account, *plan)
        assert shown.returncode == DONE
        assert f"  - {ami(5)} web-5" in shown.text
        assert "\x1b[31m-\x1b[0m" in shown.raw
        piped = image_steward(account, *plan).stdout
        assert "\x1b" not in piped
        assert f"  - {ami(5)} web-5" in piped

    @pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
    def test_colours_can_be_unwanted(
        self, account: Account, rules: str, settings: dict[str, str]
    ) -> None:
        account.load(web_fleet())
        shown = on_terminal(account, "-q", "plan", "--policy", rules, **settings)
        assert "\x1b[31m" not in shown.raw
        assert f"  - {ami(5)} web-5" in shown.text

    def test_sixty_columns_cut_no_id(self, account: Account, tmp_path: Path) -> None:
        rules = write(tmp_path / "policy.toml", policy(PLAIN))
        name = "web-" + "a-rather-long-name-" * 5
        images = [image(n, n + 20, marked=10, name=name) for n in range(1, 9)]
        file = offline(tmp_path, images)
        arguments = ("--policy", rules, "--inventory", file)
        for command in (("plan", "--all"), ("explain", ami(7)), ("stale",)):
            shown = on_terminal(account, "-q", *command, *arguments, columns=60)
            # Only a text without spaces may be longer than the width of the terminal.
            long = [line for line in shown.lines if len(line) > 60]
            for line in long:
                copied = line.lstrip().startswith(("aws ", "image-steward ", "or "))
                assert copied or " " not in line.strip(), line
        shown = on_terminal(account, "-q", "plan", "--all", *arguments, columns=60)
        for number in range(1, 9):
            assert shown.text.count(ami(number)) == 1

    def test_progress_is_shown_on_a_terminal_and_not_in_pipes(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        shown = on_terminal(account, "plan", "--policy", rules)
        assert "reading the account" in shown.text
        assert re.search(r"\d+ calls", shown.text)
        # The line is cleared when the result is printed, and not drawn again.
        drawn, result = shown.raw.split("Account ", 1)
        assert drawn.rindex("\x1b[2K") > drawn.rindex(" per second")
        assert " per second" not in result
        quiet = on_terminal(account, "-q", "plan", "--policy", rules)
        assert "reading" not in quiet.text
        piped = image_steward(account, "plan", "--policy", rules)
        assert piped.stderr == ""


class TestInterrupt:
    def test_ctrl_c_stops_after_the_call_in_flight_and_says_what_was_not_done(
        self, account: Account, rules: str
    ) -> None:
        # 90 calls may be made at once, then 5 a second.
        images = [image(n, n + 20, marked=10) for n in range(1, 123)]
        account.load(
            {
                "account": ACCOUNT,
                "images": images,
                "instances": [{"instance_id": INSTANCE, "image_id": ami(1)}],
            }
        )
        rules = write(Path(rules), without_cap())
        process = start(account, "apply", "--yes", "--policy", rules)
        wait_until(lambda: count(account, "DeregisterImage") >= 60)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
        calls = count(account, "DeregisterImage")
        assert process.returncode == PART, said + errors
        assert "stopping after the calls in progress" in errors
        left = image_ids(account.fleet())
        gone = {one["image_id"] for one in images} - left
        assert len(gone) == calls < 120
        [done] = [one for one in said.splitlines() if one.startswith("deregistered (")]
        assert done.startswith(f"deregistered ({len(gone)}): ")
        assert set(re.findall(r"ami-\w+", done)) < gone
        [rest] = [one for one in said.splitlines() if one.startswith("not reached")]
        due = {ami(n) for n in range(3, 123)} - gone
        assert f" ({len(due)}): " in rest
        assert set(re.findall(r"ami-\w+", rest)) < due
        # And it started nothing else.
        assert "DeleteSnapshot" not in [call["action"] for call in account.calls()]
        assert "Snapshots skipped (interrupted)." in said
        # The next run does the rest.
        again = image_steward(account, "apply", "--yes", "--policy", rules)
        assert again.returncode == DONE, again.stdout
        assert image_ids(account.fleet()) == {ami(1), ami(2)}

    def test_while_it_only_reads_nothing_was_changed(
        self, account: Account, tmp_path: Path
    ) -> None:
        rules = write(tmp_path / "policy.toml", without_cap())
        # Launch permissions are read one by one: 90 at once, then 19 a second.
        images = [image(n, n, marked=10) for n in range(1, 400)]
        account.load(
            {
                "account": ACCOUNT,
                "images": images,
                "instances": [{"instance_id": INSTANCE, "image_id": ami(1)}],
            }
        )
        process = start(account, "plan", "--policy", rules)
        wait_until(lambda: count(account, "DescribeImageAttribute") >= 50)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
        assert process.returncode == INTERRUPTED
        assert "interrupted; nothing was changed" in errors
        assert said == ""
        assert account.mutating_calls() == []


class TestConventions:
    def test_the_version_has_its_commit(self, account: Account) -> None:
        said = image_steward(account, "--version").stdout
        assert re.fullmatch(
            r"image-steward \d+\.\d+\.\d+ \(([0-9a-f]{12}|commit unknown)\)\n", said
        )

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "elvish", "powershell"])
    def test_shells_can_complete(self, account: Account, shell: str) -> None:
        done = image_steward(account, "completions", shell)
        assert done.returncode == DONE
        assert "explain" in done.stdout
        if shell == "bash":
            checked = subprocess.run(
                ["bash", "-n"], input=done.stdout, text=True, check=False
            )
            assert checked.returncode == 0

    def test_bash_completes_commands_and_options(
        self, account: Account, tmp_path: Path
    ) -> None:
        script = image_steward(account, "completions", "bash").stdout
        ask = """
        COMP_WORDS=(image-steward %s); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
        complete=$(complete -p image-steward | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        $complete image-steward "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        echo "${COMPREPLY[@]}"
        """
        for words, expected in (("expl", "explain"), ("plan --rea", "--reason")):
            done = subprocess.run(
                ["bash", "-c", script + ask % words],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.stdout.split() == [expected], done.stderr

    def test_the_manual_has_every_command(
        self, account: Account, tmp_path: Path
    ) -> None:
        page = image_steward(account, "man").stdout
        listed = image_steward(account, "--help").stdout
        commands = re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE)
        assert image_steward(account, "man", "--out", str(tmp_path)).returncode == DONE
        pages = {file.name for file in tmp_path.iterdir()}
        known = {f"image-steward-{one}.1" for one in commands if one != "help"}
        assert pages == known | {"image-steward.1"}
        assert (tmp_path / "image-steward.1").read_text() == page
        for name in pages:
            assert '.SH "EXIT STATUS"' in (tmp_path / name).read_text(), name
        assert {"plan", "apply", "explain", "restore", "report"} <= set(commands)
        for command in commands:
            if command != "help":
                assert f"image\\-steward\\-{command}(1)" in page, command

    def test_every_command_that_does_something_has_an_example(
        self, account: Account
    ) -> None:
        listed = image_steward(account, "--help").stdout
        for command in re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE):
            if command in ("help", "schema"):
                continue
            said = image_steward(account, command, "--help").stdout
            assert re.search(rf"Examples?:\n  .*image-steward {command}", said), command

    def test_standard_input_is_a_file(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        file = offline(tmp_path, [image(n, n) for n in range(1, 5)])
        text = Path(rules).read_text()
        done = piped(account, text, "plan", "--policy", "-", "--inventory", file)
        assert done.returncode == DONE, done.stderr
        both = piped(account, text, "plan", "--policy", "-", "--inventory", "-")
        assert both.returncode == USAGE
        assert "only one file can be read from standard input" in both.stderr
        bad = piped(account, "version = 2", "validate", "--policy", "-")
        assert "standard input:1:11" in bad.stderr

    def test_the_endpoint_can_be_given(self, account: Account, rules: str) -> None:
        account.load(web_fleet())
        done = image_steward(
            NOWHERE, "plan", "--policy", rules, "--endpoint-url", account.url
        )
        assert done.returncode == DONE, done.stderr

    def test_quiet_leaves_errors_only(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        file = offline(tmp_path, [image(n, n) for n in range(1, 5)])
        plan = ("plan", "--policy", rules, "--inventory", file)
        assert "not in the inventory: " in image_steward(account, *plan).stderr
        assert image_steward(account, "-q", *plan).stderr == ""
        bad = image_steward(account, "-q", "plan", "--policy", "/nowhere")
        assert "/nowhere" in bad.stderr


class TestBadInput:
    def test_a_field_that_is_not_known_is_named(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        file = offline(tmp_path, [image(1, 1, spin="up")])
        for command in (
            ("plan",),
            ("explain", ami(1)),
            ("report",),
            ("simulate", "--days", "7"),
        ):
            arguments = (*command, "--policy", rules, "--inventory", file)
            done = image_steward(account, *arguments)
            assert done.returncode == USAGE
            assert f"{file}: images[0].spin: unknown field `spin`" in done.stderr
            assert "could be a reason to keep an image" in done.stderr

    def test_a_page_that_cannot_be_written_says_where(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        file = offline(tmp_path, [image(n, n) for n in range(1, 4)])
        there = str(tmp_path / "nowhere" / "report.html")
        arguments = ("--policy", rules, "--inventory", file, "--out", there)
        done = image_steward(account, "report", *arguments)
        assert done.returncode == FAILED
        assert f"cannot write {there}: No such file" in done.stderr


class TestSize:
    def test_fifty_thousand_images(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        images = [image(n, n / 24, name=f"web-{n}") for n in range(1, 50_001)]
        file = offline(tmp_path, images)
        began = time.monotonic()
        arguments = ("--policy", rules, "--inventory", file)
        done = image_steward(account, "-q", "plan", *arguments)
        assert done.returncode == DONE, done.stderr
        assert "49,998 to tag as expired; 2 of 50,000 kept" in done.stdout
        assert len(done.stdout.splitlines()) < 60
        told = image_steward(account, "-q", "explain", ami(49_999), *arguments)
        assert "number 49999 of 50000" in told.stdout
        # Both of them, unoptimized.
        assert time.monotonic() - began < 60


def without_cap() -> str:
    return policy(PLAIN).replace("[safety]", "[safety]\nmax_per_run = 1000")


def at(fleet: dict[str, Any], image_id: str) -> dict[str, Any]:
    return next(one for one in fleet["images"] if one["image_id"] == image_id)


def tags(fleet: dict[str, Any], image_id: str) -> dict[str, str]:
    return at(fleet, image_id)["tags"]


def piped(
    account: Account, text: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(binary("image-steward")), *arguments],
        env=steward_environment(account.url, {}),
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def start(account: Account, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(binary("image-steward")), *arguments],
        env=steward_environment(account.url, {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def count(account: Account, action: str) -> int:
    return sum(call["action"] == action for call in account.calls())


def wait_until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
