"""The service control policy for organizations, and what it must cover."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from policy_sentry.querying.actions import get_action_data

from harness import ROOT
from test_templates import actions, resources, tag_names
from test_templates import statements as statements_of_roles

FILE = ROOT / "infra/guardrail.json"
# AWS's size limit for a service control policy, without white space.
LONGEST = 5_120


def statements() -> dict[str, dict[str, Any]]:
    return {one["Sid"]: one for one in json.loads(FILE.read_text())["Statement"]}


def test_it_is_a_service_control_policy() -> None:
    policy = json.loads(FILE.read_text())
    assert policy.keys() == {"Version", "Statement"}
    assert policy["Version"] == "2012-10-17"
    assert len(json.dumps(policy, separators=(",", ":"))) < LONGEST
    for sid, one in statements().items():
        assert re.fullmatch("[A-Za-z0-9]+", sid)
        # An SCP has no principals. An SCP that allows actions would deny all others.
        assert one.keys() == {"Sid", "Effect", "Action", "Resource", "Condition"}, sid
        assert one["Effect"] == "Deny", sid


@pytest.mark.parametrize("name", tag_names())
def test_every_tag_of_ours_is_covered(name: str) -> None:
    condition = statements()["StateTagsAreWrittenByImageSteward"]["Condition"]
    # One of our tag keys among others is enough.
    pattern = condition["ForAnyValue:StringLike"]["aws:TagKeys"]
    assert fnmatchcase(f"image-steward:{name}", pattern)


def test_services_know_its_keys() -> None:
    one = statements()["StateTagsAreWrittenByImageSteward"]
    assert {"ec2:CreateTags", "ec2:DeleteTags"} <= set(one["Action"])
    for action in one["Action"]:
        service, name = action.split(":")
        rows = get_action_data(service, name)[service]
        for row in rows:
            if row["resource_arn_format"] != "*":
                assert "aws:TagKeys" in row["condition_keys"], row


@pytest.mark.parametrize(
    "action",
    [
        "ebs:StartSnapshot",
        "ec2:CopyImage",
        "ec2:CopySnapshot",
        "ec2:CreateImage",
        "ec2:CreateRestoreImageTask",
        "ec2:CreateSnapshot",
        "ec2:CreateSnapshots",
        "ec2:ImportImage",
        "ec2:ImportSnapshot",
        "ec2:RegisterImage",
        "ec2:RunInstances",
    ],
)
def test_calls_that_bring_tags_ask_for_createtags(action: str) -> None:
    service, name = action.split(":")
    rows = get_action_data(service, name)[service]
    assert any("ec2:CreateTags" in row["dependent_actions"] for row in rows)


def test_a_deletion_without_keys_is_covered() -> None:
    one = statements()["NobodyElseDeletesAllTagsAtOnce"]
    assert one["Action"] == "ec2:DeleteTags"
    assert one["Condition"]["Null"] == {"aws:TagKeys": "true"}
    kinds = {arn.rpartition(":")[2] for arn in one["Resource"]}
    assert kinds == {"image/*", "snapshot/*", "instance/*"}


def test_our_roles_and_the_operators_are_excepted() -> None:
    excepted = [
        one["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
        for one in statements().values()
    ]
    assert excepted[0] == excepted[1]
    # The roles that may write our tags, with the names that CloudFormation creates.
    roles = {
        f"arn:aws:iam::*:role/image-steward-{role}-*"
        for role, one in statements_of_roles()
        if one["Effect"] == "Allow" and "ec2:CreateTags" in actions(one)
    }
    operators = "arn:aws:iam::*:role/image-steward-operators"
    assert set(excepted[0]) == roles | {operators}
    text = Path(ROOT, "SECURITY.md").read_text()
    assert "`image-steward-operators`" in text
    for role in roles:
        logical = role.removesuffix("-*").rpartition("-")[2]
        # CloudFormation creates the role's name from the stack's name and the logical id.
        assert "RoleName" not in resources("image-steward")[logical]["Properties"]
        assert f"`STACK-{logical}-…`" in text
