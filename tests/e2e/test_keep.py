"""`image-steward keep` and `unkeep`: the tag that excludes images and snapshots."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exercised import permitted
from harness import DONE, FAILED, NOWHERE, PART, USAGE, Account, image_steward, write
from sweeps import Sweeps
from test_permissions import denied, document, run
from worlds import (
    STRANGER,
    ami,
    disabled,
    image,
    image_ids,
    image_of,
    policy,
    small_fleet,
    snap,
    tags_of,
)

KEEP = "image-steward:keep"
GONE = policy('deregister_after = "0d", delete_snapshots_after = "7d"')


def ended(account: Account, *arguments: str, code: int = DONE) -> list[Any]:
    """The JSON of the command."""
    done = image_steward(account, *arguments, "--format", "json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def in_days(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


@pytest.fixture
def fleet(account: Account) -> Account:
    """web-1 and web-2 are kept by the policy, 3, 4 and 5 are not."""
    account.load(small_fleet(image(3, 30), image(4, 40), image(5, 50)))
    return account


class TestKeep:
    def test_it_keeps_for_a_while_and_says_so(
        self, fleet: Account, command: Sweeps
    ) -> None:
        options = ("--for", "2w", "--reason", "release candidate")
        done = image_steward(fleet, "keep", ami(3), *options)
        assert done.returncode == DONE
        # One day more, whatever the time zone is.
        end = in_days(15)
        said = f"{ami(3)} web-3: kept until the end of {end}: release candidate\n"
        assert done.stdout == said
        assert tags_of(fleet.fleet(), ami(3))[KEEP] == f"{end} release candidate"
        command.prune(GONE)
        left = image_ids(fleet.fleet())
        assert ami(3) in left
        assert not {ami(4), ami(5)} & left

    def test_without_an_end_it_keeps_permanently(self, fleet: Account) -> None:
        [answer] = ended(fleet, "keep", ami(3))
        assert answer == {
            "resource": ami(3),
            "name": "web-3",
            "status": "kept",
            "value": "true",
        }
        [answer] = ended(fleet, "keep", ami(3), "--reason", "legal hold")
        assert (answer["before"], answer["value"]) == ("true", "legal hold")
        again = image_steward(fleet, "keep", ami(3), "--reason", "legal hold")
        assert again.stdout.endswith(
            "nothing to do: already kept permanently: legal hold\n"
        )

    def test_what_it_replaces_is_said(self, fleet: Account) -> None:
        image_steward(fleet, "keep", ami(3), "--reason", "legal hold")
        shorter = ("keep", ami(3), "--until", "2099-12-24")
        done = image_steward(fleet, *shorter)
        assert done.returncode == FAILED
        assert "unchanged: kept permanently: legal hold, which is" in done.stdout
        assert tags_of(fleet.fleet(), ami(3))[KEEP] == "legal hold"
        done = image_steward(fleet, *shorter, "--shorten")
        assert done.returncode == DONE
        now = "kept until the end of 2099-12-24 (before: kept permanently: legal hold)"
        assert now in done.stdout

    def test_the_prefix_is_that_of_the_policy(
        self, fleet: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Otherwise the tag would have no effect with that policy."""
        file = write(tmp_path / "policy.toml", policy(tagging='prefix = "acme:"\n'))
        image_steward(fleet, "keep", ami(3), "--policy", file)
        assert tags_of(fleet.fleet(), ami(3))["acme:keep"] == "true"
        monkeypatch.chdir(tmp_path)
        image_steward(fleet, "keep", ami(4))
        assert tags_of(fleet.fleet(), ami(4))["acme:keep"] == "true"
        image_steward(fleet, "keep", ami(5), "--prefix", "other:")
        assert tags_of(fleet.fleet(), ami(5))["other:keep"] == "true"

    def test_hours_end_at_a_time(self, fleet: Account) -> None:
        [answer] = ended(fleet, "keep", ami(3), "--for", "12h")
        end = datetime.fromisoformat(answer["value"])
        assert timedelta(hours=11) < end - datetime.now(UTC) <= timedelta(hours=12)

    def test_several_by_id_and_name_and_snapshots_in_one_call(
        self, fleet: Account
    ) -> None:
        asked = ("web-4", ami(3), snap(5), ami(4))
        answers = ended(fleet, "keep", *asked, "--until", "tomorrow")
        found = [(one["resource"], one["value"]) for one in answers]
        assert found == [(one, in_days(1)) for one in (ami(4), ami(3), snap(5))]
        assert fleet.mutating_calls() == ["CreateTags"]
        for one in (ami(3), ami(4), snap(5)):
            assert tags_of(fleet.fleet(), one)[KEEP] == in_days(1)

    def test_the_plan_and_explain_have_the_reason(
        self, fleet: Account, tmp_path: Path
    ) -> None:
        image_steward(
            fleet, "keep", ami(3), "--until", "2099-12-24", "--reason", "audit of 2026"
        )
        rules = write(tmp_path / "policy.toml", GONE)
        planned = ended(fleet, "plan", "--policy", rules)
        [one] = [one for one in planned["decisions"] if one["image_id"] == ami(3)]
        assert one["reasons"][0] == {
            "reason": "opted_out",
            "until": "2099-12-25T00:00:00Z",
            "note": "audit of 2026",
        }
        said = image_steward(fleet, "explain", "web-3", "--policy", rules).stdout
        assert "excluded by tag until 2099-12-25 (audit of 2026)" in said

    def test_another_prefix(self, fleet: Account) -> None:
        ended(fleet, "keep", ami(3), "--prefix", "acme/")
        assert tags_of(fleet.fleet(), ami(3))["acme/keep"] == "true"
        assert KEEP not in tags_of(fleet.fleet(), ami(3))

    def test_one_that_is_not_there_is_said_and_the_others_are_kept(
        self, fleet: Account
    ) -> None:
        answers = ended(fleet, "keep", ami(3), ami(77), code=PART)
        assert [one["status"] for one in answers] == ["kept", "gone"]
        [answer] = ended(fleet, "keep", ami(77), code=FAILED)
        assert answer["status"] == "gone"

    def test_a_denied_call_is_a_failure_of_each(self, fleet: Account) -> None:
        fleet.switch(deny=["CreateTags"])
        answers = ended(fleet, "keep", ami(3), ami(4), code=FAILED)
        assert {one["status"] for one in answers} == {"failed"}
        assert "ec2:CreateTags" in answers[0]["problem"]["message"]
        assert "value" not in answers[0]

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            (["--for", "2026-12-12"], "a date is not a duration"),
            (["--for", "6m"], "`m` could mean minutes or months"),
            (["--for", "0d"], "longer than zero"),
            (["--for", "-2w"], "longer than zero"),
            (["--for", "soon"], "such as 2w"),
            (["--until", "soon"], "such as 2026-11-28"),
            (["--until", "yesterday"], "is in the past"),
            (["--until", "2020-01-01"], "is in the past"),
            (["--for", "2w", "--until", "2099-01-01"], "cannot be used with"),
            (["--reason", "2099-12-24"], "begins like a date"),
            (["--reason", "2w of tests"], "begins like a date"),
            (["--reason", "a" * 257], "shorten the reason by 1"),
            (["--reason", "a\nb"], "control character"),
            (["--until", "2099-01-01", "--reason", "or 2100-01-01"], "a later date"),
        ],
    )
    def test_what_would_not_be_understood_is_not_written(
        self, fleet: Account, options: list[str], why: str
    ) -> None:
        done = image_steward(fleet, "keep", ami(3), *options)
        assert done.returncode == USAGE
        assert why in done.stderr
        assert fleet.calls() == []

    def test_a_date_in_the_value_ends_the_keeping(
        self, fleet: Account, command: Sweeps
    ) -> None:
        """A value that is not understood keeps permanently."""
        values = {3: "2020-01-01 release", 4: "2020-01-01, release", 5: "2w"}
        for number, value in values.items():
            fleet.client("ec2").create_tags(
                Resources=[ami(number)], Tags=[{"Key": KEEP, "Value": value}]
            )
        command.prune(GONE)
        left = image_ids(fleet.fleet())
        assert ami(3) not in left
        assert {ami(4), ami(5)} <= left


class TestUnkeep:
    def test_it_removes_the_tag(self, fleet: Account) -> None:
        ended(fleet, "keep", ami(3), "--until", "2099-12-24", "--reason", "audit")
        done = image_steward(fleet, "unkeep", "web-3", ami(4))
        assert done.returncode == DONE
        assert done.stdout.splitlines() == [
            f"{ami(3)} web-3: no longer kept (before: kept until the end of 2099-12-24: audit)",
            f"{ami(4)} web-4: nothing to remove: the tag {KEEP} does not exist",
        ]
        assert KEEP not in tags_of(fleet.fleet(), ami(3))

    def test_nothing_is_called_for_nothing(self, fleet: Account) -> None:
        [answer] = ended(fleet, "unkeep", snap(3))
        assert answer == {"resource": snap(3), "status": "not_kept"}
        assert fleet.mutating_calls() == []

    def test_it_removes_no_other_tag(self, fleet: Account) -> None:
        ended(fleet, "keep", ami(3))
        fleet.client("ec2").create_tags(
            Resources=[ami(3)], Tags=[{"Key": "Team", "Value": "web"}]
        )
        ended(fleet, "unkeep", ami(3))
        assert tags_of(fleet.fleet(), ami(3)) == {"Team": "web"}


class TestNames:
    def test_an_unknown_name_is_an_error(self, fleet: Account) -> None:
        for command in ("keep", "unkeep"):
            done = image_steward(fleet, command, ami(3), "nobody")
            assert done.returncode == FAILED
            assert "no image has the name `nobody`" in done.stderr
        assert fleet.mutating_calls() == []

    def test_an_ambiguous_name_lists_the_candidates(self, account: Account) -> None:
        account.load(small_fleet(image(3, 30, name="twin"), image(4, 40, name="twin")))
        done = image_steward(account, "keep", "twin")
        assert done.returncode == USAGE
        assert "2 images have the name `twin`; pass an image ID instead:" in done.stderr
        assert f"  {ami(3)}  twin  30 days old" in done.stderr
        assert f"  {ami(4)}  twin  40 days old" in done.stderr
        assert account.mutating_calls() == []

    def test_only_the_own_images_have_names(self, account: Account) -> None:
        theirs = image(3, 30, name="twin", owner_id=STRANGER, public=True)
        account.load(small_fleet(theirs, image(4, 40, name="twin")))
        [answer] = ended(account, "keep", "twin")
        assert answer["resource"] == ami(4)


class TestPermissions:
    def test_they_are_enough_and_no_more(self, fleet: Account) -> None:
        statements = document("keep")
        seen: set[str] = set()
        for command in (["keep", ami(3), snap(4)], ["unkeep", ami(3), snap(4)]):
            calls, before = run(fleet, *command)
            assert denied(statements, calls, before, seen) == []
        writing = {one for one in permitted("keep") if "Describe" not in one}
        assert writing == seen == {"ec2:CreateTags", "ec2:DeleteTags"}

    def test_only_that_tag(self) -> None:
        [write_tag] = [one for one in document("keep") if one["Sid"] == "WriteKeepTag"]
        condition = write_tag["Condition"]["ForAllValues:StringLike"]
        assert condition == {"aws:TagKeys": KEEP}


def test_a_disabled_image_is_kept_and_the_next_run_restores_it(
    account: Account, command: Sweeps
) -> None:
    account.load(small_fleet(disabled(3, 10)))
    assert ended(account, "keep", "web-3")[0]["status"] == "kept"
    command.prune(GONE)
    assert image_of(account.fleet(), ami(3))["state"] == "available"


def test_no_account_is_asked_about_a_wrong_command_line() -> None:
    assert image_steward(NOWHERE, "keep").returncode == USAGE
    assert image_steward(NOWHERE, "unkeep", " ").returncode == USAGE
