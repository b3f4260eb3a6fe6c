"""What all tests here have used together: every kind of event, and every permission of a role.

A role in infra/ must not allow calls that no function made, and must not lack calls that a function
made. The same holds for the policies for people that `permissions` prints. This is known only after
all tests in all worker processes have run, so it is checked at the end of the session fixture
`exercised`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from binaries import binary
from harness import FUNCTIONS, ROOT

ROLES = {name: name.title().replace("-", "") + "Role" for name in FUNCTIONS}
READING = {"plan", "explain", "report", "simulate", "inventory", "init", "stale"}
# The uses for `permissions`, and the commands that each must allow.
PERMISSIONS = {
    "plan": READING,
    "apply": READING | {"apply"},
    "restore": {"restore"},
    "keep": {"keep", "unkeep"},
}
# Calls that AWS makes on behalf of a function or that the runtime makes, which are not recorded
# here.
NOT_SEEN = {
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:SendMessage",
}
# Calls that EC2 makes on behalf of its caller for DescribeImageReferences. A condition of the role
# allows them only to EC2 (AWS managed policy AmazonEC2ImageReferencesAccessPolicy).
FOR_REFERENCES = {
    "imagebuilder:GetContainerRecipe",
    "imagebuilder:ListContainerRecipes",
    "imagebuilder:ListImageRecipes",
    "ssm:DescribeParameters",
    "ssm:GetParameters",
}
NEEDS_NO_PERMISSION = {"sts:GetCallerIdentity"}
APP = "image-steward."


class Template(yaml.SafeLoader):
    """Parses CloudFormation's YAML tags as the value to which they are applied."""


def _plain(loader: Any, _: str, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


Template.add_multi_constructor("!", _plain)


@dataclass
class Exercised:
    """The kinds of all published events, and the calls of each function."""

    events: set[str] = field(default_factory=set)
    calls: dict[str, set[str]] = field(default_factory=dict)

    def add_calls(self, apps: dict[str, list[str]]) -> None:
        """Add calls by the application that made them."""
        for app, actions in apps.items():
            if app.startswith(APP):
                self.calls.setdefault(app, set()).update(actions)

    def check(self, session: pytest.Session, directory: Path, worker: str) -> None:
        """Write this to the directory for the other worker processes. The last one checks all."""
        file = directory / f"exercised-{worker}.json"
        content = {"events": self.events, "calls": self.calls}
        file.with_suffix(".part").write_text(json.dumps(content, default=sorted))
        file.with_suffix(".part").rename(file)
        parts = [json.loads(p.read_text()) for p in directory.glob("exercised-*.json")]
        if len(parts) < int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")):
            return
        everything = Exercised()
        for part in parts:
            everything.events.update(part["events"])
            everything.add_calls(part["calls"])
        problems = list(everything.problems(is_complete(session)))
        assert not problems, "\n".join(problems)

    def problems(self, is_complete: bool) -> Iterator[str]:
        """The permissions that the roles lack, and those that a complete test run does not use."""
        schemas = Path(ROOT, "docs/events").glob("*.schema.json")
        every = {json.loads(path.read_text())["title"] for path in schemas}
        if is_complete and every != self.events:
            unlike = sorted(every ^ self.events)
            yield f"events without a test, or without a schema: {unlike}"
        for name, role in ROLES.items():
            called, may = self.calls.get(APP + name, set()), allowed(role)
            if lacking := called - may - NEEDS_NO_PERMISSION:
                yield f"{role} lacks {sorted(lacking)}"
            more = may - called - NOT_SEEN
            if name == "prune-images":
                more -= FOR_REFERENCES
                # EC2 checks this permission itself when it deletes snapshots together with an
                # image.
                if "ec2:DeregisterImage" in called:
                    more -= {"ec2:DeleteSnapshot"}
            if is_complete and more:
                yield f"{role} allows {sorted(more)}, which {name} never called"
        yield from self.problems_of_people(is_complete)

    def problems_of_people(self, is_complete: bool) -> Iterator[str]:
        """The same check for the commands, and the policies that `permissions` prints."""
        commands = set().union(*PERMISSIONS.values())
        known = {APP + name for name in (*commands, *ROLES)}
        if unknown := sorted(self.calls.keys() - known):
            yield f"calls of what `permissions` does not know: {unknown}"
        for use, names in PERMISSIONS.items():
            called = set().union(*(self.calls.get(APP + name, set()) for name in names))
            may = permitted(use)
            if lacking := called - may - NEEDS_NO_PERMISSION:
                yield f"`permissions {use}` lacks {sorted(lacking)}"
            if is_complete and (more := may - called - FOR_REFERENCES):
                yield f"`permissions {use}` allows {sorted(more)}, which was never called"


def allowed(role: str) -> set[str]:
    """All actions that the role allows, with any values of the template's parameters."""
    text = Path(ROOT, "infra/image-steward.yaml").read_text()
    resources = yaml.load(text, Template)["Resources"]
    policies = resources[role]["Properties"]["Policies"]
    for one in resources.values():
        if one["Type"] == "AWS::IAM::Policy" and role in one["Properties"]["Roles"]:
            policies.append(one["Properties"])
    found: set[str] = set()
    for policy in policies:
        for one in policy["PolicyDocument"]["Statement"]:
            # `!If [condition, statement, AWS::NoValue]`
            statement = one[1] if isinstance(one, list) else one
            if statement["Effect"] == "Allow":
                found |= set(actions(statement["Action"]))
    return found


def permitted(use: str) -> set[str]:
    """All actions that `permissions` allows for this use."""
    command = [str(binary("image-steward")), "permissions", use, "--shared-images"]
    printed = subprocess.run(command, check=True, capture_output=True).stdout
    statements = json.loads(printed)["Statement"]
    return {action for statement in statements for action in statement["Action"]}


def actions(value: Any) -> Iterator[str]:
    """The actions of a statement, in all branches of an `!If`."""
    if isinstance(value, str):
        if ":" in value:
            yield value
        return
    for one in value:
        yield from actions(one)


def is_complete(session: pytest.Session) -> bool:
    """Whether all tests in this directory run."""
    modules = {item.path.name for item in session.items}
    every = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    option = session.config.option
    chosen = option.keyword or option.markexpr or option.deselect or option.lf
    chosen = chosen or any("::" in one for one in session.config.args)
    stopped = session.shouldstop or session.shouldfail
    return modules == every and not chosen and not stopped
