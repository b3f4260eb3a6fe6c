"""The release workflow: the linters accept it, and it has minimal permissions."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import release
from harness import ROOT, VENV

WORKFLOWS = sorted((ROOT / ".github/workflows").iterdir())
WORKFLOW = ROOT / ".github/workflows/release.yml"
LINTERS = {
    "actionlint": ("-shellcheck", VENV / "bin/shellcheck", "-pyflakes", ""),
    "zizmor": ("--offline", "--no-progress", "--persona", "auditor"),
    "check-jsonschema": ("--builtin-schema", "vendor.github-workflows"),
}
# Pinned to a commit, with the tag in a comment for updates.
PINNED = re.compile(r"uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def lint(program: str, file: Path) -> str:
    """The output of a linter that reports problems."""
    done = subprocess.run(
        [VENV / "bin" / program, *LINTERS[program], file],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.parametrize("program", LINTERS)
@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_linters_have_nothing_to_say(file: Path, program: str) -> None:
    assert lint(program, file) == ""


@pytest.mark.parametrize(
    ("right", "wrong", "program"),
    [
        ("needs: [linux, other]", "needs: [linux, others]", "actionlint"),
        ('--tag "$GITHUB_REF_NAME"\n', "--tag $GITHUB_REF_NAME\n", "actionlint"),
        ("persist-credentials: false", "fetch-tags: false", "zizmor"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "zizmor"),
        ("permissions: {}", "permissions: write-all", "zizmor"),
        ('"$PROGRAM" --version', "${{ github.ref_name }} --version", "zizmor"),
        ("attestations: write ", "attestations: writes ", "check-jsonschema"),
    ],
)
def test_the_linters_see_mistakes(
    right: str, wrong: str, program: str, tmp_path: Path
) -> None:
    file = tmp_path / ".github/workflows/release.yml"
    file.parent.mkdir(parents=True)
    shutil.copy(WORKFLOW, file)
    assert right in file.read_text()
    assert lint(program, file) == ""
    file.write_text(file.read_text().replace(right, wrong))
    assert "release.yml" in lint(program, file)


def jobs() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(WORKFLOW.read_text())["jobs"]


def test_only_the_last_job_may_write() -> None:
    read = {"contents": "read"}
    rights = {name: job["permissions"] for name, job in jobs().items()}
    last = rights.pop("publish")
    assert all(one == read for one in rights.values())
    assert last == {
        "contents": "write",
        "id-token": "write",
        "attestations": "write",
    }
    assert set(jobs()["publish"]["needs"]) == rights.keys()


def test_actions_are_pinned_and_nothing_is_cached() -> None:
    lines = [one.strip("- ") for one in WORKFLOW.read_text().splitlines()]
    used = [one for one in lines if one.startswith("uses:")]
    assert len(used) >= 5
    assert all(PINNED.fullmatch(one) for one in used), used
    assert not [one for one in lines if "cache" in one.lower() and one[0] != "#"]


@pytest.mark.parametrize(
    ("tag", "kind"), [("v0.2.0", []), ("v0.3.0-rc.1", ["--prerelease"])]
)
def test_a_tag_with_a_hyphen_is_a_prerelease(
    tag: str, kind: list[str], tmp_path: Path
) -> None:
    for program, said in (("python3", "notes"), ("gh", '"$@"')):
        stub = tmp_path / program
        stub.write_text(f"#!/bin/bash\nprintf '%s\\n' {said}\n")
        stub.chmod(0o755)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/SHA256SUMS").touch()
    [step] = [
        one
        for one in jobs()["publish"]["steps"]
        if one.get("name") == "Create the release"
    ]
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "GITHUB_REF_NAME": tag,
            "RUNNER_TEMP": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.split("\n")
    notes = str(tmp_path / "notes.md")
    title = f"image-steward {tag[1:]}"
    begin = ["release", "create", tag, "--verify-tag", "--title", title]
    assert words == [*begin, "--notes-file", notes, *kind, "dist/SHA256SUMS", ""]


def test_each_archive_has_its_bill_of_materials() -> None:
    """The SBOMs of the other platforms are written where cargo-cyclonedx is installed."""
    text = WORKFLOW.read_text()
    bills = re.findall(r"sbom --triple (\S+) --platform (\S+)", text)
    built = {
        one["platform"] for one in jobs()["other"]["strategy"]["matrix"]["include"]
    }
    assert {platform for _, platform in bills} == built
    assert not built & {*release.PLATFORMS.values()}
    for triple, platform in bills:
        assert triple.split("-")[0] == platform.split("-")[0]
