"""What the repository says of itself: policies, schema and permissions."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness import ROOT, Account, image_steward
from worlds import ami, policy, web_fleet

NOBODY = "http://127.0.0.1:9"
README = (ROOT / "README.md").read_text()


def policies() -> list[Path]:
    """Every policy document of the repository, as a file of its own."""
    return sorted([*ROOT.glob("examples/*.toml"), *ROOT.glob("demo/*.toml")])


def scenario_policies() -> dict[str, Any]:
    """The policies of the scenarios: TOML, or JSON where the text begins so."""
    found = {}
    for path in sorted(ROOT.glob("tests/scenarios/*.toml")):
        text = tomllib.loads(path.read_text())["policy"]
        is_json = text.lstrip().startswith("{")
        found[path.stem] = json.loads(text) if is_json else tomllib.loads(text)
    return found


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    done = image_steward(NOBODY, "schema")
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
        done = image_steward(NOBODY, "validate", "--policy", str(path))
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
        {"version": 1, "rule": [], "safety": {"shared_images": "retire"}},
    ],
)
def test_the_schema_refuses_what_the_program_refuses(
    validator: Any, wrong: Any, tmp_path: Path
) -> None:
    assert list(validator.iter_errors(wrong))
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(wrong))
    assert image_steward(NOBODY, "validate", "--policy", str(file)).returncode == 2


def test_the_readme_shows_the_example_policy() -> None:
    shown = tomllib.loads(readme_block("toml", "[[rule]]"))
    assert shown == tomllib.loads((ROOT / "examples/policy.toml").read_text())


def test_plan_makes_exactly_the_calls_that_the_readme_names(
    account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    versions = '[safety]\ntemplate_versions = "all"\n'
    file.write_text(policy().replace("[safety]\n", versions))
    alias = {"version": 1, "image_id": "resolve:ssm:/golden"}
    account.load(
        web_fleet()
        | {
            "ssm_parameters": [{"name": "/golden", "value": ami(7)}],
            "launch_templates": [
                {"launch_template_id": "lt-00000000000000001", "versions": [alias]}
            ],
        }
    )
    done = image_steward(account, "plan", "--policy", str(file))
    assert done.returncode == 0, done.stderr
    named = json.loads(readme_block("json", "Statement"))["Statement"][0]["Action"]
    names = {call["action"] for call in account.calls()}
    made = {name if ":" in name else f"ec2:{name}" for name in names}
    assert made - {"sts:GetCallerIdentity"} == set(named)
