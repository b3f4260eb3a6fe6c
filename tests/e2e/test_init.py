"""`init`: a first policy from an account, and from configurations of other tools."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from harness import (
    DONE,
    FAILED,
    NOWHERE,
    PART,
    USAGE,
    Account,
    binary,
    image_steward,
    steward_environment,
)
from worlds import ACCOUNT, ami, image, image_ids, small_fleet, web_fleet

FIXTURES = Path(__file__).parent / "fixtures"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = ("--now", "2026-11-22T12:00:00Z")


def steward(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Without an account, because nothing listens there."""
    return image_steward(NOWHERE, *map(str, arguments))


def plan_of(policy: Path, *where: str | Path) -> dict[str, Any]:
    """The plan of the real command, after it validated the policy."""
    valid = steward("validate", "--policy", policy)
    assert valid.returncode == DONE, valid.stderr + policy.read_text()
    planned = steward("plan", "--policy", policy, "--format", "json", *where)
    assert planned.returncode == DONE, planned.stderr
    return json.loads(planned.stdout)


def expired(plan: dict[str, Any]) -> set[str]:
    """The names of the images that would be retired."""
    reasons = {"expired", "failed"}
    return {
        one["name"]
        for one in plan["decisions"]
        if any(reason["reason"] in reasons for reason in one["reasons"])
    }


def assert_nothing_in_use_goes(plan: dict[str, Any]) -> None:
    used = [
        one
        for one in plan["decisions"]
        if any(reason["reason"] == "in_use" for reason in one["reasons"])
    ]
    assert used
    assert {one["action"] for one in used} <= {"keep", "rescue"}


def world() -> dict[str, Any]:
    """A saved inventory with families of several kinds. The numbers are ages in days."""
    images: list[dict[str, Any]] = []

    def family(name: str, ages: list[int], **tags: str) -> None:
        for number, age in enumerate(ages, 1):
            made = NOW - timedelta(days=age)
            images.append(
                {
                    "image_id": ami(len(images) + 1),
                    "name": f"{name}-{number}",
                    "owner_id": ACCOUNT,
                    "created_at": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "state": "available",
                    "architecture": "x86_64",
                    "tags": tags,
                }
            )

    family("web", [10, 35, 50, 95, 120, 200])
    images[3]["tags"] = {"Environment": "prod"}
    images[4]["tags"] = {"Keep": "yes"}
    family("golden", [20, 60, 200, 300], Family="golden")
    family("pr", [1, 10, 30])
    family("pr-release", [50, 60])
    family("dev", [5, 25, 40], Environment="dev")
    family("db", [30, 45, 90, 100, 110, 120])
    family("shop", list(range(10, 90, 10)), Environment="test", Family="shop")
    family("till", list(range(10, 90, 10)), Environment="production", Family="till")
    family("marked", [70, 80], custodian_cleanup="deregister@2026/12/01")
    ids = {one["name"]: one["image_id"] for one in images}
    used = ["web-6", "golden-4", "db-1", "shop-8"]
    return {
        "format": 1,
        "account": ACCOUNT,
        "region": "eu-central-1",
        "taken_at": "2026-11-22T12:00:00Z",
        "images": images,
        "references": [
            {"image_id": ids[name], "kind": "instance", "arn": f"i-{number}"}
            for number, name in enumerate(used)
        ],
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The inventory as a file."""
    file = tmp_path / "saved.json"
    file.write_text(json.dumps(world()))
    return file


class TestFromAnAccount:
    def test_the_policy_is_valid_and_finds_little(
        self, account: Account, tmp_path: Path
    ) -> None:
        account.load(web_fleet())
        before = account.fleet()
        policy = tmp_path / "policy.toml"
        made = image_steward(account, "init", "--out", str(policy))
        assert made.returncode == DONE, made.stderr
        assert made.stdout == ""
        assert (
            "1 rule for 8 of 8 images; at most 0 of them are expired today"
            in made.stderr
        )
        assert account.mutating_calls() == []
        assert account.fleet() == before
        arguments = ("--policy", str(policy))
        assert image_steward(account, "validate", *arguments).returncode == DONE
        planned = image_steward(account, "plan", *arguments, "--format", "json")
        assert planned.returncode == DONE, planned.stderr
        plan = json.loads(planned.stdout)
        assert expired(plan) == set()
        assert {one["rule"] for one in plan["decisions"]} == {"web"}
        assert_nothing_in_use_goes(plan)

    def test_what_could_not_be_read_is_said_in_the_policy_too(
        self, account: Account, tmp_path: Path
    ) -> None:
        account.load(small_fleet())
        account.switch(deny=["DescribeInstances"])
        policy = tmp_path / "policy.toml"
        made = image_steward(account, "init", "--out", str(policy))
        assert made.returncode == PART
        assert "not read: instances" in made.stderr
        assert (
            "# WARNING: SOME SOURCES COULD NOT BE READ: instances" in policy.read_text()
        )
        assert steward("validate", "--policy", policy).returncode == DONE

    def test_an_empty_account_gets_an_example(self, account: Account) -> None:
        made = image_steward(account, "init", "--out", "-")
        assert made.returncode == DONE
        assert "# No family was found" in made.stdout
        assert 'name = "example"' in made.stdout

    def test_hostile_names_and_tags(self, account: Account, tmp_path: Path) -> None:
        names = ['a"b', "a(b)", "[x]", "a'b", "a/b@c", "..."]
        images = [
            image(
                10 * row + column,
                40 * column,
                name=f"{name}-{column}",
                tags={"Role": f'{name}"\\{{*,?}}'},
            )
            for row, name in enumerate(names, 1)
            for column in range(1, 6)
        ]
        fleet = small_fleet(*images)
        fleet["instances"][0]["image_id"] = ami(15)
        account.load(fleet)
        policy = tmp_path / "policy.toml"
        made = image_steward(account, "init", "--out", str(policy))
        assert made.returncode == DONE, made.stderr
        planned = image_steward(
            account, "plan", "--policy", str(policy), "--format", "json"
        )
        plan = json.loads(planned.stdout)
        assert {one["image_id"] for one in plan["decisions"] if one["rule"]} == (
            image_ids(account.fleet())
        )
        assert_nothing_in_use_goes(plan)
        assert expired(plan)


class TestTheFile:
    def test_it_is_not_written_over(self, saved: Path, tmp_path: Path) -> None:
        policy = tmp_path / "policy.toml"
        policy.write_text("mine")
        arguments = ("init", "--inventory", saved, "--out", policy)
        refused = steward(*arguments)
        assert refused.returncode == USAGE
        assert "--force" in refused.stderr
        assert policy.read_text() == "mine"
        assert steward(*arguments, "--force").returncode == DONE
        assert policy.read_text().startswith("# A first policy")

    def test_it_is_policy_toml_unless_said_otherwise(
        self, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert steward("init", "--inventory", saved).returncode == DONE
        assert steward("validate").returncode == DONE

    def test_a_directory_that_is_not_there(self, saved: Path, tmp_path: Path) -> None:
        there = tmp_path / "no" / "policy.toml"
        failed = steward("init", "--inventory", saved, "--out", there)
        assert failed.returncode == FAILED
        assert str(there) in failed.stderr

    def test_the_same_inventory_makes_the_same_text(self, saved: Path) -> None:
        arguments = ("init", "--inventory", saved, *AT, "--out", "-")
        first, second = steward(*arguments), steward(*arguments)
        assert first.stdout == second.stdout != ""


def test_a_first_policy_from_a_saved_inventory(saved: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    made = steward("init", "--inventory", saved, *AT, "--out", policy)
    assert made.returncode == DONE, made.stderr
    plan = plan_of(policy, "--inventory", saved, *AT)
    assert {one["rule"] for one in plan["decisions"]} == {
        "golden",
        "shop",
        "till",
        "pr-release",
        "marked",
        "web",
        "dev",
        "db",
        "pr",
    }
    assert_nothing_in_use_goes(plan)
    # Families without images in use keep three, and those younger than 30 days.
    assert expired(plan) == {
        *("till-4", "till-5", "till-6", "till-7", "till-8"),
        # db-1 is in use and the newest: three, and 60 days, a little more than its age of 30 days.
        *("db-4", "db-5", "db-6"),
    }


@pytest.mark.parametrize(
    ("file", "exit_code", "rules", "gone"),
    [
        (
            "custodian/deregister-old.yml",
            DONE,
            ["old-images"],
            {"web-4", "web-5", "golden-3", "db-4", "db-5", "db-6"},
        ),
        ("custodian/unused.yml", DONE, ["web-images"], {"web-2", "web-3"}),
        (
            "custodian/mark-and-sweep.yml",
            DONE,
            ["mark-unused-images"],
            {
                *("web-4", "web-5", "golden-3", "db-3", "db-4", "db-5", "db-6"),
                *("shop-7", "till-7", "till-8"),
            },
        ),
        (
            "custodian/deprecate-then-deregister.yml",
            DONE,
            ["deprecate-golden"],
            {"golden-2", "golden-3"},
        ),
        (
            "custodian/blocks.yml",
            DONE,
            ["short-lived", "short-lived-2"],
            {"pr-2", "pr-3", "dev-2", "dev-3"},
        ),
        (
            "custodian/without-equivalent.yml",
            PART,
            ["web-still-works"],
            {"web-3", "web-4", "web-5"},
        ),
        (
            "amicleaner/crontab.txt",
            DONE,
            ["web", "db", "by-Environment-Family"],
            {"db-5", "db-6", "shop-7"},
        ),
        ("amicleaner/script.sh", PART, ["by-environment-role"], set()),
    ],
)
def test_a_translated_policy_is_valid_and_retires_what_theirs_would(
    saved: Path,
    tmp_path: Path,
    file: str,
    exit_code: int,
    rules: list[str],
    gone: set[str],
) -> None:
    policy = tmp_path / "policy.toml"
    where = ("--inventory", saved, *AT)
    made = steward("init", "--from", FIXTURES / file, *where, "--out", policy)
    assert made.returncode == exit_code, made.stderr
    assert (exit_code == PART) == ("not translated: " in made.stderr)
    valid = steward("validate", "--policy", policy, "--format", "json")
    assert json.loads(valid.stdout)["rules"] == rules
    plan = plan_of(policy, *where)
    assert expired(plan) == gone
    assert_nothing_in_use_goes(plan)
    text = policy.read_text().replace("\n# ", " ").replace("\n#   ", " ")
    assert f"{len(gone)} of them are expired today" in text


def translated(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "theirs"
    file.write_text(text)
    return steward("init", "--from", file, "--out", "-")


def test_what_a_translation_says(tmp_path: Path) -> None:
    file = FIXTURES / "custodian/unused.yml"
    made = steward("init", "--from", file, "--out", "-")
    for said in (
        "max_per_run = 20 ",
        'recycle_bin = "required"',
        "its `unused` filter reads instances",
        "deregisters images immediately; here, they are retired in steps, and deregistered two weeks",
        "Skipped actions without an equivalent: {type: notify",
        'delete_snapshots_after = "7d"',
    ):
        # Comments are wrapped.
        assert said in re.sub(r"\n# +", " ", made.stdout)
    left = steward("init", "--from", FIXTURES / "custodian/deregister-old.yml", "-o-")
    assert 'delete_snapshots_after = "100y"' in left.stdout
    assert "does not check whether an image is in use" in left.stdout


def test_several_files_make_one_policy(tmp_path: Path, saved: Path) -> None:
    policy = tmp_path / "policy.toml"
    files = ("custodian/blocks.yml", "amicleaner/crontab.txt")
    sources = [part for file in files for part in ("--from", FIXTURES / file)]
    assert steward("init", *sources, "--out", policy).returncode == DONE
    plan = plan_of(policy, "--inventory", saved, *AT)
    assert {"pr-3", "db-6"} <= expired(plan)


@pytest.mark.parametrize(
    "condition",
    [
        "{type: unused, value: false}",
        "{type: image-age, days: 2, op: lt}",
        "{type: cross-account}",
        "{type: value, key: Name, op: regex, value: '^web-(a|b)'}",
        "{type: value, key: Name, op: glob, value: 'web-[!]x'}",
        "{not: [{type: value, key: Name, op: regex, value: '^web'}]}",
        "{not: [{type: image-age, days: 2}]}",
        "{not: [unused]}",
        "{type: value, key: OwnerId, value: '123456789012'}",
        "{type: value, key: 'tag:Version', op: gt, value: 3}",
        "{type: value, key: CreationDate, value_type: age, op: lt, value: 9}",
        "{or: [unused, {type: event, key: a, value: b}]}",
        "{type: something-of-next-year}",
        "12",
        # An unknown key.
        "{type: image-age, days: 2, hours: 3}",
        "{type: image-age, <<: {op: lt, days: 30}}",
        "{type: unused, since: 3}",
        "{type: value, key: Name, value: web, of: 3}",
        # The other tool reads the word before the comparison: these are always true, and never.
        "{not: [{type: value, key: 'tag:X', op: ne, value: present}]}",
        "{not: [{type: value, key: 'tag:X', op: ne, value: absent}]}",
        "{not: [{type: value, key: Platform, op: ne, value: absent}]}",
        "{type: value, key: Name, op: contains, value: present}",
        # No glob, and character classes that ours would parse differently.
        "{type: value, key: Name, op: glob, value: '[z-a]x'}",
        "{type: value, key: Name, op: glob, value: '[a-c-e]x'}",
        # Values that the other tool inserts, and values that its parser does not read as text.
        "{type: value, key: Name, op: glob, value: 'web-{region}-*'}",
        "{type: value, key: Name, op: not-in, value: ['web-{region}']}",
        "{'tag:X': yes}",
        "{'tag:X': 2026-01-01}",
        "{'tag:X': 1_000}",
        "{type: image-age, days: 010}",
    ],
)
def test_a_condition_that_ours_lacks_disarms_the_rule(
    tmp_path: Path, saved: Path, condition: str
) -> None:
    """Without it the rule would match more images. So no effective rule has the policy's name."""
    made = translated(
        tmp_path,
        "policies:\n- name: p\n  resource: ami\n  filters:\n"
        f"  - 'tag:Team': web\n  - {condition}\n  actions: [deregister]\n",
    )
    assert made.returncode == PART
    assert "not translated: " in made.stderr
    assert "\n# [[rule]]\n" in made.stdout
    policy = tmp_path / "policy.toml"
    policy.write_text(made.stdout)
    assert expired(plan_of(policy, "--inventory", saved, *AT)) == set()


@pytest.mark.parametrize(
    ("condition", "rule"),
    [
        ("{'tag:Team': web}", 'match = { tags = { Team = "web" } }'),
        ("{'tag:Team': present}", 'match = { tags = { Team = "*" } }'),
        ("{'tag:Te am': empty}", 'tags = { "Te am" = "?*" } }'),
        (
            "{type: value, key: 'tag:T', op: ne, value: 'a*'}",
            'keep = { last = 1, tags = { T = "a[*]" } }',
        ),
        (
            "{type: value, key: 'tag:T', op: in, value: [a, b]}",
            'match = { tags = { T = "{a,b}" } }',
        ),
        (
            "{not: [{'tag:T': a}, {Name: b}]}",
            'match = { not = { name = "b" } }',
        ),
        ("{Name: 'b\"'}", 'match = { name = "b\\"" }'),
        (
            "{type: value, key: Name, op: regex-case, value: '^web\\.[.]'}",
            None,
        ),
        (
            "{type: value, key: Name, op: regex-case, value: '^web\\.x.*y$'}",
            'match = { name = "web.x*y" }',
        ),
        ("{Architecture: arm64}", 'match = { architecture = "arm64" }'),
        ("{Platform: windows}", 'match = { platform = "Windows*" }'),
        ("{Platform: absent}", 'match = { not = { platform = "Windows*" } }'),
        ("{State: available}", "State: image-steward checks the state itself"),
        ("{'tag:T': 'yes'}", 'match = { tags = { T = "yes" } }'),
        ("{'tag:T': 1.2.3}", 'match = { tags = { T = "1.2.3" } }'),
        ("{not: [{'tag:T': absent}]}", 'keep = { last = 1, tags = { T = "absent" } }'),
        ("{not: [{'tag:T': absent}]}", 'match = { tags = { T = "*" } }'),
        (
            "{type: value, key: Name, op: glob, value: 'a/**/[0-9]?b.[!x]*'}",
            'match = { name = "a/*/[0-9]?b.[!x]*" }',
        ),
        (
            "{not: [{type: value, key: Name, op: regex-case, value: '^a-.+'}]}",
            'match = { not = { name = "a-?*" } }',
        ),
        (
            "{not: [{type: value, key: Name, op: glob, value: '[!a]x-?'}]}",
            'match = { not = { name = "[!a]x-?" } }',
        ),
        (
            "{type: value, key: Name, op: regex-case, value: 'web-..$'}",
            'match = { name = "web-??" }',
        ),
        (
            "{type: value, key: 'tag:X', op: not-in, value: ['', a]}",
            'tags = { X = "{,a}" }',
        ),
        ("{type: image-age, <<: {days: 9, type: x}}", 'within = "9d"'),
        (
            "{type: value, key: CreationDate, value_type: age, op: gt, value: 9.5}",
            'within = "10d"',
        ),
    ],
)
def test_conditions_that_ours_has(
    tmp_path: Path, condition: str, rule: str | None
) -> None:
    made = translated(
        tmp_path,
        "policies:\n- name: p\n  resource: ami\n  filters:\n"
        f"  - {condition}\n  actions: [deregister]\n",
    )
    assert made.returncode == (PART if rule is None else DONE), made.stderr
    assert rule is None or rule in made.stdout


def test_an_exception_by_a_pattern_excepts_what_theirs_does(tmp_path: Path) -> None:
    """`[!a]` is one character, even if that has two bytes."""
    saved = tmp_path / "saved.json"
    names = ["äx-1", "äx-2", "bx-1", "ax-1", "ax-2"]
    images = [
        {
            "image_id": ami(number),
            "name": name,
            "owner_id": ACCOUNT,
            "created_at": f"2026-0{10 - number}-01T00:00:00Z",
            "state": "available",
            "architecture": "x86_64",
        }
        for number, name in enumerate(names, 1)
    ]
    taken = {
        "format": 1,
        "account": ACCOUNT,
        "region": "eu-central-1",
        "taken_at": AT[1],
    }
    used = [{"image_id": ami(1), "kind": "instance", "arn": "i-1"}]
    saved.write_text(json.dumps(taken | {"images": images, "references": used}))
    policy = tmp_path / "policy.toml"
    gone = {}
    for pattern in ("[!a]x-*", "[b]x-*"):
        policy.write_text(
            translated(
                tmp_path,
                "policies:\n- name: p\n  resource: ami\n  filters: [{not: [{type: value, "
                f"key: Name, op: glob, value: '{pattern}'}}]}}]\n  actions: [deregister]\n",
            ).stdout
        )
        plan = plan_of(policy, "--inventory", saved, *AT)
        gone[pattern] = {name for name in names if not fnmatch(name, pattern)} & (
            expired(plan)
        )
        assert gone[pattern] == expired(plan)
    assert gone == {"[!a]x-*": {"ax-2"}, "[b]x-*": {"äx-2", "ax-2"}}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("policies:\n  - name: [a\n", ":3:1:", "flow sequence"),
        ("policies: 3\n", ":1:", "not a list"),
        ("policies:\n- name: x\n", ":2:", "resource"),
        ("\n# hm\nhello\n", ":3:", "Cloud Custodian"),
        ("", ":1:", "amicleaner"),
        ("amicleaner --nope\n", ":1:", "unknown amicleaner option `--nope`"),
        ("\namicleaner --mapping-key name\n", ":2:", "--mapping-values"),
        ("amicleaner --keep-previous many\n", ":1:", "invalid number `many`"),
        ("amicleaner --keep-previous $N\n", ":1:", "variable"),
        ("amicleaner 'a\n", ":1:", "quote"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_place(
    tmp_path: Path, text: str, place: str, words: str
) -> None:
    made = translated(tmp_path, text)
    assert made.returncode == USAGE
    assert f"{tmp_path / 'theirs'}{place}" in made.stderr
    assert words in made.stderr
    assert made.stdout == ""


def test_a_policy_from_standard_input(tmp_path: Path) -> None:
    file = FIXTURES / "custodian/unused.yml"
    from_file = steward("init", "--from", file, "--out", "-")
    with file.open() as source:
        piped = subprocess.run(
            [binary("image-steward"), "init", "--from", "-", "--out", "-"],
            env=steward_environment(NOWHERE, {}),
            stdin=source,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert piped.returncode == DONE, piped.stderr
    assert "from standard input." in piped.stdout
    assert (
        piped.stdout.split("version = 1")[1] == from_file.stdout.split("version = 1")[1]
    )


def of_two(first: str, second: str) -> str:
    return "policies:" + "".join(
        f"\n- name: {name}\n  resource: ami\n{text}"
        for name, text in (("first", first), ("second", second))
    )


DEREGISTER = "  actions: [deregister]"
DEV = "  filters: [{'tag:Env': dev}, {type: image-age, days: 3}]\n"


@pytest.mark.parametrize(
    ("text", "is_reached"),
    [
        (of_two(DEREGISTER, DEV + DEREGISTER), False),
        (of_two(DEV + DEREGISTER, DEREGISTER), True),
        (of_two(DEV + DEREGISTER, DEV.replace("dev", "test") + DEREGISTER), True),
        (of_two(DEV.replace("dev", "present") + DEREGISTER, DEV + DEREGISTER), False),
        # Only one more exception by tag: the first rule keeps the image, so the second never
        # matches it.
        (
            of_two(DEV.replace("dev", "absent") + DEREGISTER, DEV + DEREGISTER),
            False,
        ),
        (
            of_two("  actions: [{type: set-deprecation, days: 3}]", DEV + DEREGISTER),
            False,
        ),
        (
            of_two(DEREGISTER, "  filters: [{or: [unused, {Name: x}]}]\n" + DEREGISTER),
            False,
        ),
        ("amicleaner --mapping-key name --mapping-values web web-db", False),
        ("amicleaner --mapping-key name --mapping-values web-db web", True),
        ("amicleaner\namicleaner --ami-min-days 3", False),
        ("amicleaner --ami-min-days 3\namicleaner", True),
    ],
)
def test_a_rule_that_no_image_would_reach_is_named(
    tmp_path: Path, text: str, is_reached: bool
) -> None:
    made = translated(tmp_path, text)
    assert made.returncode == (DONE if is_reached else PART), made.stderr
    assert ("unreachable after the rule" in made.stderr) == (not is_reached)
    assert ("UNREACHABLE: the rule `" in made.stdout) == (not is_reached)
    assert made.stdout.count("\n[[rule]]\n") == (2 if is_reached else 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('--mapping-key name --mapping-values ""', "contains an empty text"),
        ('--mapping-key name --mapping-values web ""', "contains an empty text"),
        ('--mapping-key tags --mapping-values ""', "contains an empty text"),
        ("--keep-previous -2", "a negative number"),
        (
            "--mapping-key tags --mapping-values a b --excluded-mapping-values x.y",
            "a full stop",
        ),
        ("--mapping-key nmae --mapping-values a", "neither `name` nor `tags`"),
    ],
)
def test_calls_that_ours_lacks_make_no_rule(
    tmp_path: Path, options: str, said: str
) -> None:
    made = translated(tmp_path, f"amicleaner {options} -f\n")
    assert made.returncode == PART, made.stdout
    assert said in made.stderr
    assert f"# - NOT TRANSLATED: {made.stderr.split(': ')[3][:20]}" in made.stdout
    assert 'name = "keep-everything"' in made.stdout


def test_what_amicleaner_only_tells_makes_no_rule(tmp_path: Path) -> None:
    for option in ("--version", "-v", "--help", "-h", "--vers -f"):
        made = translated(tmp_path, f"amicleaner {option}\n")
        assert made.returncode == DONE, made.stderr
        assert 'name = "keep-everything"' in made.stdout


def test_every_call_of_a_line_counts(tmp_path: Path) -> None:
    made = translated(
        tmp_path,
        "amicleaner --mapping-key name --mapping-values a -f >/tmp/a 2>&1 && "
        "amicleaner --mapping-key name --mapping-values b -f; amicleaner -f | tee log\n",
    )
    assert made.returncode == DONE, made.stderr
    names = [line for line in made.stdout.splitlines() if line.startswith("name = ")]
    assert names == ['name = "a"', 'name = "b"', 'name = "by-environment-role"']


def test_a_tag_without_a_value_makes_no_family(tmp_path: Path) -> None:
    """The other tool removes nothing from the family whose values are all empty."""
    made = translated(tmp_path, "amicleaner --mapping-values Role -f\n")
    assert 'match = { tags = { Role = "?*" } }' in made.stdout


MARK = """
- name: mark
  resource: ami
  filters: [{type: image-age, days: 30}, unused]
  actions: [{type: mark-for-op, op: deregister, days: 7}]
"""
SWEEP = """
- name: sweep
  resource: ami
  filters: [{type: marked-for-op, op: deregister}]
  actions: [{type: deregister, delete-snapshots: true}]
"""


def marking(*policies: str) -> str:
    return "policies:" + "".join(policies)


def test_marks_that_no_policy_leaves_are_not_acted_on(tmp_path: Path) -> None:
    made = translated(tmp_path, marking(SWEEP))
    assert made.returncode == PART
    assert "add the file that has the policy with mark-for-op" in made.stderr
    assert 'name = "keep-everything"' in made.stdout


def test_the_halves_may_stand_in_two_files(tmp_path: Path) -> None:
    files = [tmp_path / "sweep.yml", tmp_path / "mark.yml"]
    for file, text in zip(files, (SWEEP, MARK), strict=True):
        file.write_text(marking(text))
    sources = [part for file in files for part in ("--from", file)]
    made = steward("init", *sources, "--out", "-")
    assert made.returncode == DONE, made.stderr
    assert 'deregister_after = "7d"' in made.stdout


@pytest.mark.parametrize(
    ("second", "keep", "match"),
    [
        (SWEEP, 'within = "30d" }', None),
        (
            SWEEP.replace(
                "op: deregister}",
                "op: deregister}, {'tag:Env': dev}, {type: image-age, days: 365}, unused",
            ),
            'within = "365d" }',
            '{ tags = { Env = "dev" } }',
        ),
        (
            SWEEP.replace(
                "s: [{type: m", "s: [{'tag:maid_status': not-null}, {type: m"
            ).replace(
                "op: deregister}", "op: deregister, skew: 2}, {'tag:Hold': absent}"
            ),
            'within = "30d", tags = { Hold = "*" } }',
            None,
        ),
    ],
)
def test_what_both_halves_ask_for_is_one_rule(
    tmp_path: Path, second: str, keep: str, match: str | None
) -> None:
    made = translated(tmp_path, marking(MARK, second))
    assert made.returncode == DONE, made.stderr
    assert made.stdout.count("\n[[rule]]\n") == 1
    assert f"\nkeep = {{ last = 1, {keep}\n" in made.stdout
    assert ("\nmatch = " in made.stdout) == (match is not None)
    assert match is None or f"\nmatch = {match}\n" in made.stdout
    assert 'deregister_after = "7d", delete_snapshots_after = "7d"' in made.stdout


def test_the_second_half_may_have_alternatives_without_a_mark(tmp_path: Path) -> None:
    either = SWEEP.replace(
        "[{type: marked-for-op, op: deregister}]",
        "[{or: [{and: [{type: marked-for-op, op: deregister}, {'tag:Env': dev}]}, "
        "{'tag:Kill': now}]}]",
    )
    made = translated(tmp_path, marking(MARK, either))
    assert made.returncode == DONE, made.stderr
    rules = made.stdout.split("\n[[rule]]\n")[1:]
    wanted = ('Env = "dev"', 'Kill = "now"', "within")
    assert [[what in rule for what in wanted] for rule in rules] == [
        [True, False, True],
        [False, True, False],
    ]


def test_what_is_not_known_in_another_file_is_found_there(tmp_path: Path) -> None:
    files = [tmp_path / "mark.yml", tmp_path / "sweep.yml"]
    other = SWEEP.replace("op: deregister}", "op: deregister}, {type: event}")
    for file, text in zip(files, (MARK, other), strict=True):
        file.write_text(marking(text))
    sources = [part for file in files for part in ("--from", file)]
    made = steward("init", *sources, "--out", "-")
    assert made.returncode == PART, made.stderr
    assert f"{files[0]}:2: `mark`: in `sweep` (" in made.stderr
    assert ":4): the filter {type: event}" in made.stderr


def test_the_alternatives_of_a_policy_do_not_hide_one_another(tmp_path: Path) -> None:
    text = of_two(
        "  filters: [{or: [{type: image-age, days: 90}, {and: [{'tag:Env': dev}, "
        "{type: image-age, days: 30}]}]}]\n" + DEREGISTER,
        DEREGISTER,
    )
    made = translated(tmp_path, text)
    rules = made.stdout.split("[[rule]]\n")[1:]
    assert ['Env = "dev"' in rule for rule in rules] == [True, False, False]
    assert ['within = "30d"' in rules[0], 'within = "90d"' in rules[1]] == [True, True]
    # Only the second policy never has an effect.
    assert made.returncode == PART
    assert made.stderr.count("not translated: ") == 1


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ((MARK,), "no policy in these files deregisters images with that tag"),
        (
            (MARK, SWEEP.replace("op: deregister}]", "op: deregister, tag: b}]")),
            "`mark` schedules an operation by a tag (tag:maid_status for deregister), but no policy",
        ),
        (
            (MARK, SWEEP.replace("{type: deregister, delete-snapshots: true}", "tag")),
            "no policy in these files deregisters images with that tag",
        ),
        (
            (MARK, SWEEP.replace("op: deregister}]", "op: set-deprecation}]")),
            "acts on a tag that no policy in these files sets",
        ),
        (
            (MARK, SWEEP.replace("op: deregister}", "op: deregister}, {type: event}")),
            "in `sweep`: the filter {type: event}",
        ),
        (
            (MARK, SWEEP + "  conditions: [{region: eu-west-1}]\n"),
            "the setting `conditions: [{region: eu-west-1}]` of `sweep`",
        ),
        (
            (
                MARK,
                SWEEP.replace("s: [{type: m", "s: [{'tag:maid_status': x}, {type: m"),
            ),
            "in `sweep`: a condition on the value of the tag",
        ),
        (
            (
                SWEEP.replace("[{type: m", "[{not: [{type: m").replace(
                    "p: deregister}]", "p: deregister}]}]"
                ),
            ),
            "not: marked-for-op (tag:maid_status for deregister)",
        ),
        (
            (
                MARK,
                SWEEP,
                MARK.replace("mark\n", "unmark\n")
                .replace("unused", "'tag:A': b")
                .replace("{type: mark-for-op, op: deregister, days: 7}", "unmark"),
            ),
            "`unmark`, which removes the tag of mark-for-op from some images",
        ),
        (
            (MARK.replace("days: 7}", "days: 7, msg: soon}"), SWEEP),
            "acts on a tag that no policy in these files sets",
        ),
        (
            (
                MARK.replace(
                    "unused", "{or: [unused, {type: marked-for-op, op: deregister}]}"
                ),
                SWEEP,
            ),
            "acts on images tagged by mark-for-op, but does not deregister",
        ),
    ],
)
def test_halves_that_ours_lacks_make_no_rule(
    tmp_path: Path, policies: tuple[str, ...], said: str
) -> None:
    made = translated(tmp_path, marking(*policies))
    assert made.returncode == PART, made.stdout
    assert said in made.stderr
    assert made.stdout.count("\n[[rule]]\n") == 1
    assert 'name = "keep-everything"' in made.stdout


def test_not_marked_yet_is_asked_of_no_image(tmp_path: Path) -> None:
    first = MARK.replace(
        "unused]", "unused, {not: [{type: marked-for-op, op: deregister}]}]"
    )
    made = translated(tmp_path, marking(first, SWEEP))
    assert made.returncode == DONE, made.stderr
    assert 'keep = { last = 1, within = "30d" }' in made.stdout
    other = translated(tmp_path, marking(first.replace("]}]", "]}, 'x']"), SWEEP))
    assert other.returncode == PART


def test_only_the_mark_s_tag_keeps_what_carries_it_already(tmp_path: Path) -> None:
    first = MARK.replace("unused", "{'tag:maid_status': absent}")
    made = translated(tmp_path, marking(first, SWEEP))
    assert made.returncode == DONE
    assert 'tags = { maid_status = "*" }' in made.stdout
    assert "Remove the tag when Custodian" in made.stdout.replace("\n#   ", " ")


@pytest.mark.parametrize(
    ("where", "cap", "bounds"),
    [
        (0, "max-resources: 9", ("9", "0.25")),
        (1, "max-resources: 2", ("2", "0.25")),
        (1, "max-resources: 99", ("50", "0.25")),
        (1, "max-resources-percent: 0.5", ("50", "0.005")),
        (1, "max-resources: {amount: 3, percent: 10, op: and}", ("3", "0.1")),
        (0, "max-resources: many", None),
        (1, "max-resources: {amount: many, percent: 10}", None),
        (1, "max-resources-percent: 0", None),
    ],
)
def test_their_caps_bound_a_run(
    tmp_path: Path, where: int, cap: str, bounds: tuple[str, str] | None
) -> None:
    policies = [MARK, SWEEP]
    policies[where] += f"  {cap}\n"
    made = translated(tmp_path, marking(*policies))
    assert made.returncode == (PART if bounds is None else DONE), made.stderr
    if bounds is None:
        assert "the setting `max-resources" in made.stderr
    else:
        per_run, fraction = bounds
        assert f"\nmax_per_run = {per_run} " in made.stdout
        assert f"\nmax_fraction = {fraction} " in made.stdout


@pytest.mark.parametrize(
    ("more", "exit_code"),
    [
        ("mode: {type: periodic, schedule: rate(1 day)}", DONE),
        ("mode: {type: pull}", DONE),
        ("mode: {type: cloudtrail, events: [CreateImage]}", PART),
        ("mode: {events: [CreateImage]}", PART),
        ("query: [{Owners: [self]}]", DONE),
        ("query: [{Owners: [self]}, {ImageIds: [ami-1]}]", PART),
        ("region: eu-west-1", PART),
    ],
)
def test_what_a_policy_says_of_itself(
    tmp_path: Path, more: str, exit_code: int
) -> None:
    made = translated(
        tmp_path,
        f"policies:\n- name: p\n  resource: ami\n  {more}\n  actions: [deregister]\n",
    )
    assert made.returncode == exit_code, made.stderr


@pytest.mark.parametrize(
    ("action", "rules"),
    [
        ("{type: set-deprecation, age: 9}", 1),
        ("{type: set-deprecation, days: 0}", 1),
        ("{type: set-deprecation, age: 0}", 0),
        ("{type: set-deprecation}", 0),
        ("{type: set-deprecation, date: '2027-01-01', days: 3}", 0),
    ],
)
def test_deprecating_and_taking_it_back(
    tmp_path: Path, action: str, rules: int
) -> None:
    made = translated(
        tmp_path,
        f"policies:\n- name: p\n  resource: ami\n  actions: [{action}]\n",
    )
    assert made.returncode == DONE, made.stderr
    assert made.stdout.count('\nname = "p"\n') == rules
