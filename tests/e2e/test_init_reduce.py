"""`init --from`: Cloud Custodian's `reduce`, and policies that expire nothing."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness import DONE, NOWHERE, PART, image_steward
from worlds import ACCOUNT, ami

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = ("--now", "2026-11-22T12:00:00Z")

REDUCE = (
    "{type: reduce, group-by: 'tag:Family', sort-by: CreationDate, order: desc, "
    "discard: 2}"
)


def steward(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Without an account, because nothing listens there."""
    return image_steward(NOWHERE, *map(str, arguments))


def world() -> dict[str, Any]:
    """Three families of seven images and one of four without a family, with a week between images.

    The newest of each is kept by its tag, and the second and the last are in use.
    """
    images: list[dict[str, Any]] = []
    used: list[str] = []
    for family, count in [("web", 7), ("db", 7), ("cache", 7), ("", 4)]:
        for number in range(1, count + 1):
            made = NOW - timedelta(days=7 * number, minutes=len(images))
            tags = {"Family": family} if family else {}
            tags["Team"] = "data" if family in {"db", "cache"} else "shop"
            if number == 1:
                tags["Hold"] = "yes"
            images.append(
                {
                    "image_id": ami(len(images) + 1),
                    "name": f"{family or 'loose'}-{number}",
                    "owner_id": ACCOUNT,
                    "created_at": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "state": "available",
                    "architecture": "arm64" if number % 2 else "x86_64",
                    "tags": tags,
                }
            )
            if number in {2, count}:
                used.append(images[-1]["image_id"])
    return {
        "format": 1,
        "account": ACCOUNT,
        "region": "eu-central-1",
        "taken_at": "2026-11-22T12:00:00Z",
        "images": images,
        "references": [
            {"image_id": image_id, "kind": "instance", "arn": f"i-{number}"}
            for number, image_id in enumerate(used)
        ],
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The inventory as a file."""
    file = tmp_path / "saved.json"
    file.write_text(json.dumps(world()))
    return file


def translated(
    tmp_path: Path,
    *filters: str,
    action: str = "deregister",
    more: tuple[str | Path, ...] = (),
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A Custodian policy with these filters, converted to ours."""
    theirs = tmp_path / "theirs.yml"
    lines = "".join(f"  - {one}\n" for one in filters)
    theirs.write_text(
        f"policies:\n- name: p\n  resource: ami\n  filters:\n{lines}  actions: [{action}]\n"
    )
    out = tmp_path / "policy.toml"
    return steward("init", "--from", theirs, "--out", out, "--force", *more), out


def expired(policy: Path, saved: Path) -> set[str]:
    """The names of the images that would be retired."""
    arguments = ("--policy", policy, "--inventory", saved, *AT)
    planned = steward("plan", "--format", "json", *arguments)
    assert planned.returncode == DONE, planned.stderr
    return {
        one["name"]
        for one in json.loads(planned.stdout)["decisions"]
        if any(reason["reason"] == "expired" for reason in one["reasons"])
    }


def age(one: dict[str, Any]) -> float:
    return (NOW - datetime.fromisoformat(one["created_at"])).total_seconds() / 86_400


def reduced(
    images: list[dict[str, Any]], discard: int, by: str | None
) -> list[dict[str, Any]]:
    """As in Custodian: all but the newest of each family."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in sorted(images, key=lambda one: one["created_at"], reverse=True):
        value = "" if by is None else one["tags"].get(by, "")
        groups.setdefault(value, []).append(one)
    return [one for group in groups.values() for one in group[discard:]]


FAMILY = "{'tag:Family': present}"
DATA = "{'tag:Team': data}"
NO_HOLD = "{not: [{'tag:Hold': 'yes'}]}"
OLD = "{type: image-age, days: 20}"


def has_family(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in images if "Family" in one["tags"]]


def not_held(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in images if one["tags"].get("Hold") != "yes"]


def old(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in images if age(one) > 20]


def data(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in images if one["tags"]["Team"] == "data"]


def by_family(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return reduced(images, 2, "Family")


def of_all(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return reduced(images, 3, None)


WHOLE = "{type: reduce, sort-by: {key: CreationDate, value_type: date}, order: desc, discard: 3}"


@pytest.mark.parametrize(
    ("filters", "steps"),
    [
        ([FAMILY, REDUCE], [has_family, by_family]),
        ([FAMILY, REDUCE, "unused"], [has_family, by_family]),
        # Before: images that are in use or young take no place among the newest two.
        ([FAMILY, NO_HOLD, REDUCE], [has_family, not_held, by_family]),
        ([OLD, FAMILY, REDUCE], [old, has_family, by_family]),
        # After: they do.
        ([FAMILY, REDUCE, NO_HOLD], [has_family, by_family, not_held]),
        ([FAMILY, REDUCE, OLD], [has_family, by_family, old]),
        ([DATA, REDUCE, OLD, "unused", NO_HOLD], [data, by_family, old, not_held]),
        # One family.
        ([DATA, WHOLE], [data, of_all]),
        ([WHOLE, "{State: available}", "{Public: false}"], [of_all]),
    ],
)
def test_reduce_keeps_what_theirs_keeps(
    tmp_path: Path, saved: Path, filters: list[str], steps: list[Any]
) -> None:
    fleet = world()
    left = fleet["images"]
    for step in steps:
        left = step(left)
    used = {one["image_id"] for one in fleet["references"]}
    theirs = {one["name"] for one in left if one["image_id"] not in used}
    made, policy = translated(tmp_path, *filters)
    assert made.returncode == DONE, made.stderr
    assert theirs
    assert expired(policy, saved) == theirs, policy.read_text()


def test_what_reduce_puts_in_one_group_for_want_of_a_tag_is_kept(
    tmp_path: Path, saved: Path
) -> None:
    made, policy = translated(tmp_path, REDUCE)
    assert made.returncode == DONE, made.stderr
    text = policy.read_text().replace("\n#   ", " ")
    assert (
        "Images without it are kept; Custodian treats them as one more family" in text
    )
    assert 'group_by = ["tag:Family"]' in text
    assert not any(name.startswith("loose") for name in expired(policy, saved))


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (["{type: reduce, discard: 2, order: desc}"], "no `sort-by`"),
        (["{type: reduce, discard: 2, sort-by: CreationDate}"], "no `order`"),
        ([REDUCE.replace("desc", "asc")], "`order: asc`, which discards the oldest"),
        ([REDUCE.replace("desc", "randomize")], "`order: randomize`"),
        ([REDUCE.replace("desc", "reverse")], "`order: reverse`"),
        ([REDUCE.replace("CreationDate", "Name")], "`sort-by: Name`"),
        (
            [REDUCE.replace("CreationDate", "{key: CreationDate, value_type: number}")],
            "`sort-by: ",
        ),
        (
            [
                REDUCE.replace(
                    "CreationDate", "{key: CreationDate, value_regex: '(.*)'}"
                )
            ],
            "`sort-by: ",
        ),
        ([REDUCE.replace("'tag:Family'", "Name")], "`group-by: Name`"),
        (
            [REDUCE.replace("'tag:Family'", "{key: 'tag:Family', value_type: number}")],
            "`group-by: ",
        ),
        ([REDUCE.replace("discard: 2", "limit: 2")], "`limit: 2`, no `discard`"),
        ([REDUCE.replace("discard: 2", "discard: 2, limit: 1")], "`limit: 1`"),
        (
            [REDUCE.replace("discard: 2", "discard: 2, limit-percent: 10")],
            "`limit-percent: 10`",
        ),
        (
            [REDUCE.replace("discard: 2", "discard-percent: 50")],
            "`discard-percent: 50`",
        ),
        (
            [REDUCE.replace("discard: 2", "discard: 2, null-order: first")],
            "`null-order: first`",
        ),
        ([REDUCE.replace("discard: 2", "discard: 2.5")], "`discard: 2.5`"),
        ([REDUCE.replace("discard: 2", "discard: '2'")], "`discard: "),
        # The position.
        (["unused", REDUCE], "`unused` before `reduce`"),
        (
            ["{Public: false}", REDUCE],
            "images that do not meet it still count in their families",
        ),
        ([REDUCE, DATA], "a condition on tag:Team after `reduce`"),
        ([REDUCE, "{not: [{Name: a}]}"], "a condition on the name after `reduce`"),
        ([NO_HOLD, "{not: [{Name: a}]}", REDUCE], "or by tags before `reduce`"),
        ([REDUCE, REDUCE], "more than one `reduce` filter"),
        (
            ["{or: [{Name: a}, {Name: b}]}", REDUCE],
            "with filters that have alternatives",
        ),
        ([f"{{and: [{REDUCE}]}}"], "within `and`, `or` or `not`"),
        ([f"{{not: [{REDUCE}]}}"], "within `and`, `or` or `not`"),
    ],
)
def test_a_reduce_that_ours_lacks_disarms_the_rule(
    tmp_path: Path, saved: Path, filters: list[str], said: str
) -> None:
    made, policy = translated(tmp_path, FAMILY, *filters)
    assert made.returncode == PART, policy.read_text()
    assert said in made.stderr
    assert "theirs.yml:" in made.stderr
    assert expired(policy, saved) == set()


def test_a_reduce_that_leaves_out_nothing_is_left_out(tmp_path: Path) -> None:
    for reduce in [
        "reduce",
        "{type: reduce, order: randomize}",
        "{type: reduce, discard: 0}",
    ]:
        made, policy = translated(tmp_path, FAMILY, reduce)
        assert made.returncode == DONE, made.stderr
        assert (
            "`reduce` without `discard` or `limit` discards no image"
            in policy.read_text()
        )


def test_reduce_is_not_joined_with_marks(tmp_path: Path, saved: Path) -> None:
    theirs = tmp_path / "theirs.yml"
    theirs.write_text(
        "policies:\n"
        f"- {{name: m, resource: ami, filters: [{REDUCE}], actions: [{{type: mark-for-op, op: deregister}}]}}\n"
        "- {name: d, resource: ami, filters: [{type: marked-for-op, op: deregister}], actions: [deregister]}\n"
    )
    policy = tmp_path / "policy.toml"
    made = steward("init", "--from", theirs, "--out", policy)
    assert made.returncode == PART
    assert "the filter `reduce` with `mark-for-op`" in made.stderr
    assert expired(policy, saved) == set()


def test_a_rule_that_deprecates_others_is_not_joined_with_reduce(
    tmp_path: Path, saved: Path
) -> None:
    """Both match the same images, but keep different ones: `last` and the families differ."""
    theirs = tmp_path / "theirs.yml"
    theirs.write_text(
        "policies:\n"
        f"- {{name: a, resource: ami, filters: [{FAMILY}], actions: [{{type: set-deprecation, days: 1}}]}}\n"
        f"- {{name: b, resource: ami, filters: [{FAMILY}, {REDUCE}], actions: [deregister]}}\n"
    )
    policy = tmp_path / "policy.toml"
    made = steward("init", "--from", theirs, "--out", policy)
    assert made.returncode == PART
    assert "`b`: unreachable after the rule `a`" in made.stderr


class TestNothingExpires:
    """A policy without effect is reported."""

    def test_under_an_inventory(self, tmp_path: Path, saved: Path) -> None:
        where = ("--inventory", saved, *AT)
        made, policy = translated(tmp_path, "{'tag:family': present}", OLD, more=where)
        assert made.returncode == DONE, made.stderr
        text = policy.read_text().replace("\n# ", " ").replace("\n#   ", " ")
        said = (
            "with this inventory, no image expires today (17 no_rule, 8 in_use), and none "
            "in the next 90 days"
        )
        near = "rule p: no image matches; 21 images have the tag `Family`, but none has `family`"
        for what in (said, near):
            assert f"image-steward: warning: {what}\n" in made.stderr
            assert f"Warning: {what}." in text

    def test_not_today_but_later(self, tmp_path: Path, saved: Path) -> None:
        where = ("--inventory", saved, *AT)
        made, _ = translated(
            tmp_path, FAMILY, "{type: image-age, days: 60}", more=where
        )
        assert made.returncode == DONE, made.stderr
        assert "no image expires today (" in made.stderr
        assert "and none in the next" not in made.stderr

    def test_of_one_that_expires_something_nothing_is_said(
        self, tmp_path: Path, saved: Path
    ) -> None:
        made, _ = translated(tmp_path, FAMILY, REDUCE, more=("--inventory", saved, *AT))
        assert made.returncode == DONE, made.stderr
        assert "warning" not in made.stderr

    def test_without_an_inventory(self, tmp_path: Path) -> None:
        made, policy = translated(tmp_path, "{not: [unused]}")
        said = 'no image expires under this policy: its rules keep every image that they match (keep-everything by within = "100y")'
        assert f"image-steward: warning: {said}\n" in made.stderr
        assert "Warning: no image expires under this policy" in policy.read_text()
        made, _ = translated(tmp_path, "{'tag:T': present}", "{'tag:T': absent}")
        assert "(p by keep.tags.T, which match.tags requires)" in made.stderr
        made, _ = translated(tmp_path, "{'tag:T': present}")
        assert "warning" not in made.stderr
