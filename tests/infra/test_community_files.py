"""CI, issue forms and metadata: schemas accept them, and CI runs what a developer runs."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from harness import ROOT, VENV

GITHUB = ROOT / ".github"
CI = yaml.safe_load((GITHUB / "workflows/ci.yml").read_text())
FORMS = sorted(
    set((GITHUB / "ISSUE_TEMPLATE").iterdir()) - {GITHUB / "ISSUE_TEMPLATE/config.yml"}
)
SCHEMAS = {
    **{form: "vendor.github-issue-forms" for form in FORMS},
    GITHUB / "ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    GITHUB / "dependabot.yml": "vendor.dependabot",
}
PINNED = re.compile(r"actions/[a-z-]+@[0-9a-f]{40}")


def schema_errors(file: Path, schema: str) -> str:
    """What check-jsonschema prints about a file that does not fit."""
    done = subprocess.run(
        [VENV / "bin/check-jsonschema", "--builtin-schema", schema, file],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.name)
def test_forms_fit_their_schemas(file: Path) -> None:
    assert schema_errors(file, SCHEMAS[file]) == ""


def test_a_wrong_form_does_not_fit(tmp_path: Path) -> None:
    wrong = tmp_path / "bug.yml"
    wrong.write_text(FORMS[0].read_text().replace("type: textarea", "type: text"))
    assert "bug.yml" in schema_errors(wrong, "vendor.github-issue-forms")


def fields(form: str) -> set[str]:
    """The fields that a form requires."""
    body = yaml.safe_load((GITHUB / f"ISSUE_TEMPLATE/{form}.yml").read_text())["body"]
    return {one["id"] for one in body if one.get("validations", {}).get("required")}


def test_reports_ask_for_what_explains_a_decision() -> None:
    assert {"what", "version"} <= fields("bug")
    assert {"state", "why", "version", "policy", "explain"} <= fields("wrong-removal")


def test_ci_runs_the_checks_of_a_developer_and_may_only_read() -> None:
    steps = [step for job in CI["jobs"].values() for step in job["steps"]]
    assert [step["run"] for step in steps if "run" in step].count("bash .ci/run") == 1
    stages = re.search(r"for stage in ([a-z0-9 ]+);", (ROOT / ".ci/run").read_text())
    assert stages
    assert stages[1].split() == ["check", "test", "browser", "e2e"]
    assert CI["permissions"] == {}
    for job in CI["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] <= 90
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert all(PINNED.fullmatch(one) for one in used), used


def test_each_target_of_the_contributing_page_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`make ([a-z0-9-]+)", text))
    known = set(
        re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    assert len(named) >= 6
    assert named <= known, named - known


INCLUDED = re.compile(r'include_(?:str|bytes)!\("([^"]+)"\)')


def crates() -> dict[str, Path]:
    """The directories of the crates that can be published."""
    found = {}
    for manifest in (*ROOT.glob("*/Cargo.toml"), *ROOT.glob("*/*/Cargo.toml")):
        package = tomllib.loads(manifest.read_text()).get("package", {})
        if package.get("publish") is not False:
            found[package["name"]] = manifest.parent
    return found


def test_each_crate_that_can_be_published_is_packaged() -> None:
    found = crates()
    listed = re.search(
        r"^PUBLISHED := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert listed
    assert set(listed[1].split()) == found.keys()
    for path in found.values():
        manifest = tomllib.loads((path / "Cargo.toml").read_text())["package"]
        assert manifest["description"] and manifest["categories"]
        for key in ("readme", "keywords", "rust-version", "license"):
            assert manifest[key] == {"workspace": True}, (path, key)


def test_packages_contain_the_files_that_they_include() -> None:
    """`make package` does not build the packages, so it does not detect missing files."""
    seen = 0
    for path in crates().values():
        for source in path.glob("src/**/*.rs"):
            for name in INCLUDED.findall(source.read_text()):
                file = (source.parent / name).resolve()
                assert file.is_file() and file.is_relative_to(path), (source, name)
                seen += 1
    assert seen >= 10
