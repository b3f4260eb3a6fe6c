"""The repository's own files: policies and schema."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness import NOWHERE, ROOT, image_steward

README = (ROOT / "README.md").read_text()


def policies() -> list[Path]:
    """All policy documents of the repository, each in a file."""
    return sorted([*ROOT.glob("examples/*.toml"), *ROOT.glob("demo/*.toml")])


SHORT_ID = re.compile(r"\bID\(([^)]*)\)", re.IGNORECASE)
IN_SUBSCRIPTION = "/SUBSCRIPTIONS/0F0E0D0C-1234-5678-9ABC-DEF012345678"
TYPES = {
    1: "IMAGES/{}",
    2: "GALLERIES/{}/IMAGES/{}",
    3: "GALLERIES/{}/IMAGES/{}/VERSIONS/{}",
}


def long_id(short: re.Match[str]) -> str:
    """The ID of Azure that `ID(gallery/definition/1.0.0)` means in a scenario."""
    names = short[1].upper().split("/")
    kind = TYPES[len(names)].format(*names)
    return f"{IN_SUBSCRIPTION}/RESOURCEGROUPS/GOLDEN/PROVIDERS/MICROSOFT.COMPUTE/{kind}"


def scenario_policies() -> dict[str, Any]:
    """The policies of the scenarios, in TOML, or in JSON if the text starts like it."""
    found = {}
    for path in sorted(ROOT.glob("tests/scenarios/*.toml")):
        text = SHORT_ID.sub(long_id, tomllib.loads(path.read_text())["policy"])
        is_json = text.lstrip().startswith("{")
        found[path.stem] = json.loads(text) if is_json else tomllib.loads(text)
    return found


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    done = image_steward(NOWHERE, "schema")
    schema = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def readme_block(language: str, having: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(block for block in blocks if having in block)


def is_policy(path: Path) -> bool:
    return "rule" in tomllib.loads(path.read_text())


def test_every_policy_is_valid_and_fits_the_schema(validator: Any) -> None:
    files = [path for path in policies() if is_policy(path)]
    assert len(files) >= 2, files
    for path in files:
        done = image_steward(NOWHERE, "validate", "--policy", str(path))
        assert done.returncode == 0, done.stderr
        validator.validate(tomllib.loads(path.read_text()))
    scenarios = scenario_policies()
    assert len(scenarios) >= 25
    for name, document in scenarios.items():
        errors = [error.message for error in validator.iter_errors(document)]
        assert not errors, f"{name}: {errors}"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"version": 2, "rule": [{"name": "a", "keep": {"last": 1}}]},
        {"version": 1, "rule": [{"name": "a", "keep": {"lastt": 1}}]},
        {"version": 1, "rule": [{"name": "a", "keep": {"last": -1}}]},
        {"version": 1, "rule": [{"name": "a"}]},
        {"version": 1, "rule": [{"keep": {"last": 1}}]},
        {"version": 1, "rule": [], "safety": {"max_fraction": 2}},
        {"version": 1, "rule": [], "safety": {"shared_images": "sell"}},
        {"version": 1, "rule": [{"name": "a", "keep": "most"}]},
        {"version": 1, "rule": [{"name": "a", "keep": ["all"]}]},
        {
            "version": 1,
            "rule": [{"name": "a", "keep": "all", "shared_images": "sell"}],
        },
        {"version": 1, "rule": [], "safety": {"keep_tags": ["Hold"]}},
        {"version": 1, "rule": [], "safety": {"recycle_bin": "off"}},
        {"version": 1, "rule": [], "safety": {"references_check": False}},
        {"version": 1, "rule": [], "safety": {"compute_environments": "optional"}},
        {"version": 1, "rule": [], "safety": {"template_versions": 0}},
        {"version": 1, "rule": [], "orphans": {}},
        {"version": 1, "rule": [], "orphans": {"delete_after": "never"}},
        {
            "version": 1,
            "rule": [
                {
                    "name": "a",
                    "keep": {"last": 1},
                    "retire": {"deregister_after": "never"},
                }
            ],
        },
    ],
)
def test_the_schema_refuses_what_the_program_refuses(
    validator: Any, wrong: Any, tmp_path: Path
) -> None:
    assert list(validator.iter_errors(wrong))
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(wrong))
    assert image_steward(NOWHERE, "validate", "--policy", str(file)).returncode == 2


def test_the_readme_shows_a_rule_of_the_example_policy() -> None:
    shown = tomllib.loads(readme_block("toml", "[[rule]]"))
    example = tomllib.loads((ROOT / "examples/policy.toml").read_text())
    assert shown == {"rule": example["rule"][:1]}
