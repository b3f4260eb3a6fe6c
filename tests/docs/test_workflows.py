"""The pipelines in docs/ci.md: linters accept them, their commands exist, and their permissions are
minimal."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml

from book import Block, blocks
from harness import NOWHERE, VENV, image_steward

PAGE = "docs/ci.md"
GITHUB, GITLAB, ATLANTIS = "# GitHub workflow\n", "# GitLab pipeline\n", "version: 3\n"
# Well-known publishers, whose major versions are compatible.
ACTION = re.compile(r"(actions|aws-actions)/[a-z-]+@v\d+")
ZIZMOR = """rules:
  unpinned-uses:
    config:
      policies:
        "actions/*": ref-pin
        "aws-actions/*": ref-pin
"""


def on_page(language: str, start: str = "") -> list[Block]:
    found = [one for one in blocks(language) if one.page == PAGE]
    return [one for one in found if one.text.startswith(start)]


WORKFLOWS = on_page("yaml", GITHUB)
PIPELINES = on_page("yaml", GITLAB)


class OneKey(yaml.SafeLoader):
    """`on` is a key here, not a boolean as in YAML 1.1."""


OneKey.yaml_implicit_resolvers = {
    first: [one for one in found if one[0] != "tag:yaml.org,2002:bool"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
OneKey.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf")
)


def read(block: Block) -> dict[str, Any]:
    return yaml.load(block.text, OneKey)


def lint(*command: str | Path) -> None:
    program, *arguments = command
    done = subprocess.run(
        [VENV / "bin" / program, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def in_place(block: Block, directory: Path) -> Path:
    """The workflow in a repository, in the directory where the linters look for it."""
    file = directory / ".github/workflows/workflow.yml"
    file.parent.mkdir(parents=True)
    file.write_text(block.text)
    (directory / "zizmor.yml").write_text(ZIZMOR)
    return file


def test_every_block_is_checked() -> None:
    assert len(WORKFLOWS) >= 2
    assert len(PIPELINES) == 1
    assert len(on_page("yaml", ATLANTIS)) == 1
    assert len(on_page("yaml")) == len(WORKFLOWS) + len(PIPELINES) + 1
    others = {one.language for one in blocks("yml", "YAML", "github", "gitlab")}
    assert not others


LINTERS = {
    "actionlint": ("-shellcheck", VENV / "bin/shellcheck", "-pyflakes", ""),
    "zizmor": ("--offline", "--no-progress"),
    "check-jsonschema": ("--builtin-schema", "vendor.github-workflows"),
}


def lint_workflow(program: str, file: Path) -> None:
    config = ("--config", file.parents[2] / "zizmor.yml") if program == "zizmor" else ()
    lint(program, *LINTERS[program], *config, file)


@pytest.mark.parametrize("program", LINTERS)
@pytest.mark.parametrize("block", WORKFLOWS, ids=str)
def test_linters_have_nothing_to_say(
    block: Block, program: str, tmp_path: Path
) -> None:
    lint_workflow(program, in_place(block, tmp_path))


@pytest.mark.parametrize(
    ("right", "wrong", "program"),
    [
        ("needs: plan", "needs: plam", "actionlint"),
        ('"$GITHUB_STEP_SUMMARY"', "$GITHUB_STEP_SUMMARY", "actionlint"),
        ("role-to-assume:", "role-to-asume:", "actionlint"),
        ("persist-credentials: false", "fetch-tags: false", "zizmor"),
        ("/checkout@v6", "/checkout", "zizmor"),
        ("pull-requests: write", "pull-requests: write-all", "check-jsonschema"),
    ],
)
def test_the_linters_see_mistakes(
    right: str, wrong: str, program: str, tmp_path: Path
) -> None:
    block = next(one for one in WORKFLOWS if right in one.text)
    file = in_place(block, tmp_path)
    file.write_text(block.text.replace(right, wrong))
    with pytest.raises(AssertionError, match=r"workflow\.yml"):
        lint_workflow(program, file)


@pytest.mark.parametrize("block", PIPELINES, ids=str)
def test_schema_of_gitlab(block: Block, tmp_path: Path) -> None:
    file = tmp_path / ".gitlab-ci.yml"
    file.write_text(block.text)
    lint("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", file)
    scripts = list(scripts_of(block))
    assert len(scripts) >= 3
    for number, script in enumerate(scripts):
        (tmp_path / f"{number}.sh").write_text(f"#!/bin/sh\n{script}")
    lint("shellcheck", *tmp_path.glob("*.sh"))


@pytest.mark.parametrize("block", [*blocks("hcl")], ids=str)
def test_terraform_can_be_read(block: Block) -> None:
    assert hcl2.loads(block.text)


def jobs(block: Block) -> dict[str, dict[str, Any]]:
    """The CI jobs of a workflow or a pipeline, except those that are only extended."""
    found = read(block)
    if "jobs" in found:
        return found["jobs"]
    return {
        name: one
        for name, one in found.items()
        if isinstance(one, dict) and not name.startswith(".")
    }


def scripts_of(block: Block) -> Iterator[str]:
    for job in jobs(block).values():
        for step in job.get("steps", []):
            if "run" in step:
                yield step["run"]
        if "script" in job:
            yield "\n".join(job["script"])


@pytest.mark.parametrize("block", WORKFLOWS, ids=str)
def test_a_job_has_no_right_that_it_does_not_use(block: Block) -> None:
    assert read(block)["permissions"] == {}
    for name, job in jobs(block).items():
        uses = [step.get("uses", "") for step in job["steps"]]
        text = str(job["steps"])
        expected = set()
        if any(one.startswith("actions/checkout@") for one in uses):
            expected.add(("contents", "read"))
        if any("configure-aws-credentials@" in one for one in uses):
            expected.add(("id-token", "write"))
        if "gh pr comment" in text:
            expected.add(("pull-requests", "write"))
            # A job with write permissions runs no code of the pull request.
            assert len(expected) == 1, name
        assert set(job["permissions"].items()) == expected, name
        assert job["timeout-minutes"] <= 60, name


@pytest.mark.parametrize("block", WORKFLOWS, ids=str)
def test_nothing_from_outside_is_run(block: Block) -> None:
    for job in jobs(block).values():
        for step in job["steps"]:
            if action := step.get("uses"):
                assert ACTION.fullmatch(action), action
    for script in scripts_of(block):
        assert "${{" not in script, script


@pytest.mark.parametrize("block", WORKFLOWS, ids=str)
def test_only_an_approved_job_may_change_anything(block: Block) -> None:
    for name, job in jobs(block).items():
        text = str(job["steps"])
        applies = "image-steward apply" in text
        assert applies == ("IMAGE_STEWARD_APPLY_ROLE" in text), name
        assert applies == ("environment" in job), name
        if applies:
            assert "pull_request" not in read(block)["on"]


@pytest.mark.parametrize("block", PIPELINES, ids=str)
def test_only_a_manual_job_may_change_anything(block: Block) -> None:
    applying = []
    for name, job in jobs(block).items():
        applies = "image-steward apply" in str(job["script"])
        role = "$APPLY_ROLE" if applies else "$PLAN_ROLE"
        assert job["variables"]["AWS_ROLE_ARN"] == role, name
        if applies:
            applying.append(name)
            [rule] = job["rules"]
            assert rule["when"] == "manual"
            assert "environment" in job
    assert applying


@cache
def said(*command: str) -> str:
    done = image_steward(NOWHERE, *command, "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(script: str) -> Iterator[list[str]]:
    """The calls of image-steward in a script, with their arguments."""
    for line in script.replace("\\\n", " ").splitlines():
        words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
        for at, word in enumerate(words):
            is_first = at == 0 or set(words[at - 1]) <= set("&|;({")
            if word == "image-steward" and is_first:
                rest = words[at + 1 :]
                end = (n for n, one in enumerate(rest) if set(one) <= set("<>&|;()}"))
                yield rest[: next(end, len(rest))]


def shell_words(line: str) -> list[str]:
    [found] = commands(line)
    return found


def test_what_is_taken_for_a_command() -> None:
    assert shell_words("image-steward plan \\\n  --strict > a || b=$?") == [
        "plan",
        "--strict",
    ]
    assert shell_words("a && image-steward apply p.json --yes; c") == [
        "apply",
        "p.json",
        "--yes",
    ]
    assert not list(commands('echo image-steward plan; ls "$X/image-steward.tar.gz"'))


@pytest.mark.parametrize("block", on_page("yaml"), ids=str)
def test_every_option_exists(block: Block) -> None:
    if block.text.startswith(ATLANTIS):
        found = [
            step["run"]
            for one in read(block)["workflows"].values()
            for step in one["plan"]["steps"]
            if isinstance(step, dict)
        ]
    else:
        found = list(scripts_of(block))
    called = [words for script in found for words in commands(script)]
    assert called
    assert len(called) == sum(script.count("image-steward ") for script in found) - sum(
        script.count("/usr/local/bin image-steward ") for script in found
    )
    for command, *words in called:
        known = set(re.findall(r"(?<![\w-])--[a-z-]+", said(command)))
        for word in words:
            if word.startswith("--"):
                assert word in known, f"`image-steward {command}` has no {word}"
        for option, value in pairwise(words):
            if option == "--format":
                assert value in said(command).split("--format", 1)[1], value
