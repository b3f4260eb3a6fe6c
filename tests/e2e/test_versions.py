"""Documents and state tags of other versions are rejected or ignored, and nothing changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import DONE, FAILED, NOWHERE, USAGE, Account, image_steward, write
from sweeps import Sweeps
from test_desk import offline
from worlds import (
    DEPRECATION,
    MARK,
    PLAIN,
    ago,
    ami,
    disabled,
    image,
    policy,
    saved,
    small_fleet,
    snap,
    tagged_snapshot,
    web_fleet,
)

READERS = {
    "plan": ("--policy", "RULES", "--inventory", "FILE"),
    "stale": ("--policy", "RULES", "--inventory", "FILE"),
    "explain": (ami(1), "--policy", "RULES", "--inventory", "FILE"),
    "report": ("--policy", "RULES", "--inventory", "FILE"),
    "simulate": ("--days", "7", "--policy", "RULES", "--inventory", "FILE"),
    "validate": ("--policy", "RULES", "--inventory", "FILE"),
    "init": ("--inventory", "FILE", "--out", "OUT"),
}
NUMBERS = {"newer": 2, "older": 0, "missing": None}


@pytest.fixture
def rules(tmp_path: Path) -> str:
    return write(tmp_path / "policy.toml", policy(PLAIN))


def renumbered(file: str, key: str, number: int | None) -> None:
    """The same document with another number, and a field that only that format has."""
    content = json.loads(Path(file).read_text())
    assert content.pop(key) == 1, "it states its format"
    stated = {} if number is None else {key: number}
    Path(file).write_text(json.dumps({"later": {"a": [1]}} | content | stated))


def refusal(done: Any, file: str, number: int | None, remedy: str) -> None:
    """One line with the file, both numbers and the remedy."""
    assert (done.returncode, done.stdout) == (USAGE, ""), done.stderr
    [line] = done.stderr.splitlines()
    assert f"{file}: " in line
    found = (
        "`format` is missing" if number is None else f"format {number} is not supported"
    )
    assert found in line
    assert "with format 1; " in line
    assert ("update image-steward, or " in line) == (number == 2)
    assert remedy in line


class TestInventory:
    @pytest.mark.parametrize("command", READERS)
    @pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS.keys())
    def test_of_another_format_is_refused(
        self, rules: str, tmp_path: Path, command: str, number: int | None
    ) -> None:
        file = offline(tmp_path, [image(1, 1)])
        renumbered(file, "format", number)
        out = tmp_path / "out"
        names = {"RULES": rules, "FILE": file, "OUT": str(out)}
        arguments = [names.get(one, one) for one in READERS[command]]
        done = image_steward(NOWHERE, command, *arguments)
        refusal(done, file, number, "`image-steward inventory --out FILE`")
        assert not out.exists()
        assert sorted(one.name for one in tmp_path.iterdir()) == sorted(
            {Path(file).name, Path(rules).name}
        )

    def test_that_was_written_is_read(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        account.load(web_fleet())
        file = tmp_path / "saved.json"
        assert (
            image_steward(account, "inventory", "--out", str(file)).returncode == DONE
        )
        assert next(iter(json.loads(file.read_text()).items())) == ("format", 1)
        plan = ("plan", "--policy", rules, "--inventory", str(file))
        assert image_steward(NOWHERE, *plan).returncode == DONE


class TestPlan:
    @pytest.fixture
    def file(self, account: Account, rules: str, tmp_path: Path) -> str:
        account.load(web_fleet())
        file = str(tmp_path / "plan.json")
        done = image_steward(account, "plan", "--policy", rules, "--out", file)
        assert done.returncode == DONE, done.stderr
        account.forget_calls()
        return file

    @pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS.keys())
    def test_of_another_format_is_neither_shown_nor_applied(
        self, account: Account, rules: str, file: str, number: int | None
    ) -> None:
        before = account.fleet()
        renumbered(file, "format", number)
        again = "`image-steward plan --out FILE`"
        refusal(image_steward(NOWHERE, "show", file), file, number, again)
        apply = ("apply", file, "--policy", rules, "--yes")
        refusal(image_steward(account, *apply), file, number, again)
        assert account.calls() == []
        assert account.fleet() == before

    def test_with_a_field_that_is_not_known_is_refused_with_its_place(
        self, account: Account, rules: str, file: str
    ) -> None:
        before = account.fleet()
        content = json.loads(Path(file).read_text())
        content["plan"]["decisions"][2]["held_by"] = "a person"
        Path(file).write_text(json.dumps(content))
        done = image_steward(account, "apply", file, "--policy", rules, "--yes")
        assert (done.returncode, done.stdout) == (USAGE, "")
        assert f"{file}: plan.decisions[2].held_by: unknown field" in (done.stderr)
        assert account.calls() == []
        assert account.fleet() == before


class TestPolicy:
    @pytest.mark.parametrize("version", [0, 2])
    @pytest.mark.parametrize("command", ["validate", "plan", "apply"])
    def test_of_another_version_is_refused(
        self, account: Account, tmp_path: Path, command: str, version: int
    ) -> None:
        account.load(web_fleet())
        account.forget_calls()
        text = policy(PLAIN).replace("version = 1", f'version = {version}\nlater = "a"')
        file = write(tmp_path / "policy.toml", text)
        yes = ["--yes"] if command == "apply" else []
        done = image_steward(account, command, "--policy", file, *yes)
        assert (done.returncode, done.stdout) == (USAGE, "")
        [line] = [one for one in done.stderr.splitlines() if file in one]
        assert f"version {version} is not supported" in line
        assert "this version of image-steward reads a policy with version 1; " in line
        assert ("update image-steward, or " in line) == (version == 2)
        assert "later" not in done.stderr
        assert account.calls() == []


QUARANTINED = {"image-steward:quarantined-until": "2027-01-01T00:00:00Z"}
LATER = {
    "an unknown tag": ({"tags": QUARANTINED}, "state_tag_unknown"),
    "another form": ({"tags": {MARK: f"2 {ago(30)}"}}, "state_tag_unreadable"),
    "something more": (
        {"tags": {MARK: ago(30), DEPRECATION: saved(3, 29) + " later"}},
        "state_tag_unreadable",
    ),
}


class TestStateTags:
    @pytest.mark.parametrize(("more", "reason"), LATER.values(), ids=LATER.keys())
    def test_of_a_later_format_keep_an_image_as_it_is(
        self, account: Account, rules: str, more: dict[str, Any], reason: str
    ) -> None:
        one = {"deprecation_time": ago(29)} | more
        account.load(small_fleet(image(3, 300, **one)))
        before = account.fleet()
        apply = ("apply", "--policy", rules, "--yes", "--format", "json")
        done = image_steward(account, *apply)
        assert done.returncode == DONE, done.stderr
        assert account.fleet() == before
        explain = ("explain", ami(3), "--policy", rules)
        told = json.loads(image_steward(account, *explain, "--format", "json").stdout)
        assert reason in [one["reason"] for one in told["decision"]["reasons"]]
        text = image_steward(account, *explain).stdout
        assert "not changed: this version does not " in text
        planned = image_steward(account, "plan", "--policy", rules)
        assert "update image-steward, or remove the tag" in " ".join(
            planned.stdout.split()
        )

    def test_without_them_the_same_image_goes(
        self, account: Account, rules: str
    ) -> None:
        account.load(small_fleet(image(3, 300)))
        before = account.fleet()
        done = image_steward(account, "apply", "--policy", rules, "--yes")
        assert done.returncode == DONE, done.stderr
        assert account.fleet() != before

    def test_of_a_later_format_are_not_restored(self, account: Account) -> None:
        one = disabled(3, 20)
        value = "2 " + one["tags"][DEPRECATION]
        one["tags"] |= {DEPRECATION: value}
        account.load(small_fleet(one))
        before = account.fleet()
        restore = ("restore", ami(3), "--format", "json")
        done = image_steward(account, *restore)
        assert done.returncode == FAILED
        [answer] = json.loads(done.stdout)
        assert answer["problem"] == {
            "kind": "state_tag_unreadable",
            "image": ami(3),
            "key": DEPRECATION,
            "value": value,
        }
        assert answer["status"] == "untouched"
        assert account.fleet() == before

    def test_of_a_later_format_keep_a_snapshot(
        self, account: Account, command: Sweeps
    ) -> None:
        """Another image that is due is removed in the same sweep."""
        marked = [tagged_snapshot(8, 78, **QUARANTINED), tagged_snapshot(9, 79)]
        account.load(small_fleet(snapshots=marked))
        before = account.fleet()["snapshots"]
        command.reap(policy(PLAIN, '[orphans]\ndelete_after = "30d"\n'))
        left = [one for one in before if one["snapshot_id"] != snap(9)]
        assert len(left) == len(before) - 1
        assert account.fleet()["snapshots"] == left
