"""`image-steward apply` asks for confirmation. Without a terminal it needs --yes or a saved plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import DONE, FAILED, NOWHERE, REFUSED, USAGE, Account, image_steward, write
from terminal import on_terminal
from worlds import (
    DUE,
    ami,
    image_ids,
    policy,
    recycled,
    small_fleet,
    snap,
    snapshot_ids,
    tagged_snapshot,
    web_fleet,
)

QUESTION = "Type yes to apply:"
INTERRUPTED = 130
DUE_NOW = policy(
    'deprecate_after = "0d", disable_after = "never", deregister_after = "7d"'
)


@pytest.fixture
def rules(tmp_path: Path) -> str:
    return write(tmp_path / "policy.toml", DUE_NOW)


@pytest.fixture
def saved(account: Account, rules: str) -> str:
    """A saved plan for `web_fleet`."""
    account.load(web_fleet())
    file = str(Path(rules).with_name("plan.json"))
    assert (
        image_steward(account, "plan", "--policy", rules, "--out", file).returncode
        == DONE
    )
    return file


def is_unchanged(account: Account) -> bool:
    return not account.mutating_calls() and set(DUE) <= image_ids(account.fleet())


class TestWithoutATerminal:
    def test_it_needs_yes_or_a_saved_plan(self, rules: str) -> None:
        done = image_steward(NOWHERE, "apply", "--policy", rules)
        assert done.returncode == USAGE
        [line] = done.stderr.splitlines()
        assert "pass --yes, or save and apply a plan" in line

    @pytest.mark.parametrize("option", ["--yes", "-y"])
    def test_yes_applies(self, account: Account, rules: str, option: str) -> None:
        account.load(web_fleet())
        done = image_steward(account, "apply", "--policy", rules, option)
        assert done.returncode == DONE, done.stderr
        assert QUESTION not in done.stdout + done.stderr
        assert not set(DUE) & image_ids(account.fleet())

    def test_a_saved_plan_is_applied(
        self, account: Account, rules: str, saved: str
    ) -> None:
        done = image_steward(account, "apply", saved, "--policy", rules)
        assert done.returncode == DONE, done.stderr
        assert not set(DUE) & image_ids(account.fleet())


class TestOnATerminal:
    @pytest.mark.parametrize("is_saved", [False, True], ids=["now", "saved"])
    def test_yes_applies_what_was_shown(
        self, account: Account, rules: str, saved: str, is_saved: bool
    ) -> None:
        plan = [saved] if is_saved else []
        shown = on_terminal(
            account, "apply", *plan, "--policy", rules, answer="yes\n", prompt=QUESTION
        )
        assert shown.returncode == DONE, shown.text
        before, after = shown.text.split(QUESTION)
        for one in DUE:
            assert one in before
        assert "Done: " in after
        assert not set(DUE) & image_ids(account.fleet())

    @pytest.mark.parametrize("is_saved", [False, True], ids=["now", "saved"])
    @pytest.mark.parametrize("answer", ["no\n", "y\n", "\n", "YES please\n", "\x04"])
    def test_anything_else_changes_nothing(
        self, account: Account, rules: str, saved: str, answer: str, is_saved: bool
    ) -> None:
        plan = [saved] if is_saved else []
        account.forget_calls()
        shown = on_terminal(
            account, "apply", *plan, "--policy", rules, answer=answer, prompt=QUESTION
        )
        assert shown.returncode == FAILED
        assert "not applied; nothing was changed" in shown.text
        assert is_unchanged(account)

    @pytest.mark.parametrize("is_saved", [False, True], ids=["now", "saved"])
    def test_ctrl_c_changes_nothing(
        self, account: Account, rules: str, saved: str, is_saved: bool
    ) -> None:
        plan = [saved] if is_saved else []
        account.forget_calls()
        shown = on_terminal(
            account, "apply", *plan, "--policy", rules, answer="\x03", prompt=QUESTION
        )
        assert shown.returncode == INTERRUPTED
        assert "interrupted; nothing was changed" in shown.text
        assert is_unchanged(account)

    @pytest.mark.parametrize("is_saved", [False, True], ids=["now", "saved"])
    def test_yes_as_an_option_skips_the_question(
        self, account: Account, rules: str, saved: str, is_saved: bool
    ) -> None:
        plan = [saved] if is_saved else []
        shown = on_terminal(account, "apply", *plan, "--policy", rules, "--yes")
        assert shown.returncode == DONE
        assert not set(DUE) & image_ids(account.fleet())

    def test_json_comes_after_the_answer(self, account: Account, rules: str) -> None:
        account.load(web_fleet())
        options = ("--policy", rules, "--format", "json")
        shown = on_terminal(account, "apply", *options, answer="yes\n", prompt=QUESTION)
        before, after = shown.text.split(QUESTION)
        assert DUE[0] in before
        assert json.loads(after[after.index("{") :])["images"]["steps"]

    def test_snapshots_that_are_due_are_asked_about(
        self, account: Account, rules: str
    ) -> None:
        account.load(
            small_fleet(
                snapshots=[tagged_snapshot(9, 9)], recycled_images=[recycled(9)]
            )
        )
        for answer, is_left in (("no\n", True), ("yes\n", False)):
            shown = on_terminal(
                account, "apply", "--policy", rules, answer=answer, prompt=QUESTION
            )
            assert snap(9) in shown.text.split(QUESTION)[0]
            assert (snap(9) in snapshot_ids(account.fleet())) == is_left

    def test_nothing_is_asked_where_nothing_is_to_be_done(
        self, account: Account, rules: str
    ) -> None:
        account.load(small_fleet())
        shown = on_terminal(account, "apply", "--policy", rules)
        assert shown.returncode == DONE
        assert "Nothing to do." in shown.text
        assert account.mutating_calls() == []

    def test_nothing_is_asked_about_a_refusal(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        account.switch(deny=["DescribeInstances"])
        account.forget_calls()
        shown = on_terminal(account, "apply", "--policy", rules, columns=200)
        assert shown.returncode == REFUSED
        assert "Refused: " in shown.text
        assert ami(5) in image_ids(account.fleet())
        assert not set(account.mutating_calls()) & {"DeregisterImage", "DeleteSnapshot"}
