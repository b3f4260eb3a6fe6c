"""What only all tests together can tell: the calls that were made, the events that were sent.

Named to come last. A role of infra/ that allows what no function ever called is too
wide, and one that lacks what a function called would fail in an account.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import FUNCTIONS, ROOT, Account

ROLES = {name: name.title().replace("-", "") + "Role" for name in FUNCTIONS}
# What AWS calls in a function's name or the runtime does for it, and nobody sees here.
NOT_SEEN = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:SendMessage",
}
# What EC2 calls in its caller's name for DescribeImageReferences: a condition of the role
# leaves them to EC2 (AWS's policy AmazonEC2ImageReferencesAccessPolicy).
FOR_REFERENCES = {
    "imagebuilder:GetContainerRecipe",
    "imagebuilder:ListContainerRecipes",
    "imagebuilder:ListImageRecipes",
    "ssm:DescribeParameters",
    "ssm:GetParameters",
}
NEEDS_NO_PERMISSION = {"sts:GetCallerIdentity"}


class Template(yaml.SafeLoader):
    """Reads CloudFormation's own tags as what they are applied to."""


def _plain(loader: Any, _: str, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


Template.add_multi_constructor("!", _plain)


def allowed(role: str) -> set[str]:
    """Every action that the role allows."""
    text = Path(ROOT, "infra/foundation.yaml").read_text()
    resources = yaml.load(text, Template)["Resources"]
    found: set[str] = set()
    for policy in resources[role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                actions = statement["Action"]
                found |= {actions} if isinstance(actions, str) else set(actions)
    return found


@pytest.fixture(scope="session")
def called(
    running_account: Account, request: pytest.FixtureRequest
) -> dict[str, set[str]]:
    """What each function called in this session."""
    apps = running_account.control("GET", "apps")
    prefix = "image-steward."
    return {
        app.removeprefix(prefix): set(actions)
        for app, actions in apps.items()
        if app.startswith(prefix)
    }


def only_after_all_others(request: pytest.FixtureRequest) -> None:
    """Skip what counts on all the other tests, where some of them did not run."""
    modules = {Path(item.fspath).name for item in request.session.items}
    every = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    if modules != every or request.config.option.keyword:
        pytest.skip("only after all the other tests here")


def test_every_kind_of_event_was_told_of(
    kinds_told: set[str], request: pytest.FixtureRequest
) -> None:
    """Each of them was compared with its schema: see conftest."""
    only_after_all_others(request)
    schemas = Path(ROOT, "docs/events").glob("*.schema.json")
    every = {json.loads(path.read_text())["title"] for path in schemas}
    assert kinds_told == every


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_role_allows_all_that_its_function_calls(
    called: dict[str, set[str]], name: str
) -> None:
    lacking = called.get(name, set()) - allowed(ROLES[name]) - NEEDS_NO_PERMISSION
    assert not lacking, f"{ROLES[name]} lacks {sorted(lacking)}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_role_allows_nothing_that_its_function_never_calls(
    called: dict[str, set[str]], name: str, request: pytest.FixtureRequest
) -> None:
    only_after_all_others(request)
    more = FOR_REFERENCES if name == "prune-images" else set()
    too_wide = allowed(ROLES[name]) - called[name] - NOT_SEEN - more
    # EC2 itself checks this one, when it deletes snapshots together with an image.
    if name == "prune-images" and "ec2:DeregisterImage" in called[name]:
        too_wide -= {"ec2:DeleteSnapshot"}
    assert not too_wide, f"{ROLES[name]} allows {sorted(too_wide)}, never called"
