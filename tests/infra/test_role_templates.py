"""The roles that `image-steward permissions` writes: CloudFormation and Terraform are equivalent to
JSON."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import boto3
import hcl2
import pytest
import yaml
from moto import mock_aws

from exercised import Template
from harness import DONE, NOWHERE, USAGE, VENV, image_steward

TRUSTS = ("principal", "github", "gitlab")
USES = (("plan",), ("apply",), ("restore",), ("keep",), ("apply", "restore"))
# Texts with a special meaning in YAML, in HCL and in IAM.
STRANGE = (
    *("--prefix", 'a"b: %{c} ${d} \\ # *?'),
    *("--region", "cn-north-1", "--shared-images", "--image-parameter", "/golden/*"),
)
CASES = [
    *product(USES, TRUSTS, [()]),
    *product([("plan",), ("apply", "restore")], TRUSTS, [STRANGE]),
]
GITHUB, GITLAB = "repo:acme/images", "project_path:acme/images:ref_type"
ROLE = "arn:aws:iam::123456789012:role/ci"
# The options of each trust, and its permissions for reading only and for changing.
GIVEN = {
    "principal": ROLE,
    "github": f"{GITHUB}:environment:production",
    "gitlab": f"{GITLAB}:branch:ref:main",
}
GOOD_FOR_ALL = {
    "principal": [
        ROLE,
        "arn:aws-us-gov:iam::123456789012:user/a/b@c",
        "arn:aws:iam::123456789012:root",
    ],
    "github": [
        GIVEN["github"],
        f"{GITHUB}:ref:refs/heads/feature/x",
        "repo:acme@12/images@34:environment:production",
    ],
    "gitlab": [GIVEN["gitlab"], "project_path:a/b/c:ref_type:branch:ref:release/1"],
}
GOOD_FOR_READING = {
    "principal": [],
    "github": [f"{GITHUB}:pull_request", f"{GITHUB}:ref:refs/tags/v1"],
    "gitlab": [f"{GITLAB}:branch:ref:*", f"{GITLAB}:tag:ref:v1"],
}
NEVER = {
    "principal": [
        "",
        "*",
        "arn:aws:iam::123456789012:*",
        "arn:aws:iam::123456789012:role/*",
        "123456789012",
    ],
    "github": [
        *(
            "",
            "*",
            "repo:*",
            "repo:acme/*",
            "repo:acme/*:pull_request",
            "repo:*/images:pull_request",
        ),
        *(
            GITHUB,
            f"{GITHUB}:*",
            f"{GITHUB}:ref:*",
            f"{GITHUB}:ref:refs/heads/*",
            f"{GITHUB}:environment:*",
        ),
        *(
            f"{GITHUB}:environment:",
            f"{GITHUB}:environment:prod?",
            f"{GITHUB}:environment:${{aws:username}}",
        ),
        *(
            f"x{GITHUB}:environment:a",
            f"{GITHUB}:pull_request:environment:a",
            f"{GITHUB}:environment:a,repo:*",
        ),
    ],
    "gitlab": [
        *("", "*", "project_path:*", "project_path:acme/*:ref_type:branch:ref:main"),
        *(
            "project_path:acme:ref_type:branch:ref:main",
            f"{GITLAB}:*",
            f"{GITLAB}:*:ref:main",
        ),
        *(
            f"{GITLAB}:branch:ref:",
            f"{GITLAB}:branch:ref:m*",
            f"{GITLAB}:branch:ref:**",
        ),
        f"{GITLAB}:branch:ref:${{aws:username}}",
    ],
}


def test_every_use_is_tested() -> None:
    done = image_steward(NOWHERE, "permissions", "--help")
    described = done.stdout.split("Arguments:", 1)[1].split("Options:", 1)[0]
    listed = re.search(r"\[possible values: ([a-z, ]+)\]", " ".join(described.split()))
    known = (
        set(listed[1].split(", "))
        if listed
        else set(re.findall(r"^ +- ([a-z]+)", described, re.MULTILINE))
    )
    assert known == {use for uses in USES for use in uses}


def printed(*arguments: str) -> str:
    done = image_steward(NOWHERE, "permissions", *arguments)
    assert (done.returncode, done.stderr) == (DONE, ""), done.stderr
    return done.stdout


def document(*arguments: str) -> dict[str, Any]:
    """The policy as printed without --format."""
    return json.loads(printed(*arguments))


def template(uses: tuple[str, ...], trust: str, options: tuple[str, ...] = ()) -> str:
    return printed(*uses, *options, "--format", "cloudformation", "--trust", trust)


def terraform(uses: tuple[str, ...], trust: str, options: tuple[str, ...] = ()) -> str:
    return printed(*uses, *options, "--format", "terraform", "--trust", trust)


def is_reading(uses: tuple[str, ...]) -> bool:
    return uses == ("plan",)


def expected_trust(uses: tuple[str, ...], trust: str, issuer: str) -> dict[str, Any]:
    """The statement about who may assume the role, with the values in `GIVEN`."""
    given = GIVEN[trust]
    if trust == "principal":
        return {
            "Sid": "TrustedPrincipal",
            "Effect": "Allow",
            "Principal": {"AWS": given},
            "Action": "sts:AssumeRole",
        }
    host = {"github": "token.actions.githubusercontent.com", "gitlab": "gitlab.com"}[
        trust
    ]
    audience = {f"{host}:aud": "sts.amazonaws.com"}
    subject = {f"{host}:sub": [given]}
    # Only there may a subject be a pattern.
    is_pattern = trust == "gitlab" and is_reading(uses)
    conditions = (
        {"StringEquals": audience, "StringLike": subject}
        if is_pattern
        else {"StringEquals": audience | subject}
    )
    return {
        "Sid": {"github": "GitHubActions", "gitlab": "GitLabCI"}[trust],
        "Effect": "Allow",
        "Principal": {"Federated": f"{issuer}{host}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": conditions,
    }


def test_cfn_lint_has_nothing_to_say(tmp_path: Path) -> None:
    for number, case in enumerate(CASES):
        (tmp_path / f"{number}.yaml").write_text(template(*case))
    command = [VENV / "bin/cfn-lint", *tmp_path.iterdir()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("cloudformation")


@pytest.mark.parametrize(("uses", "trust", "options"), CASES)
def test_the_role_of_cloudformation(
    moto: Any, uses: tuple[str, ...], trust: str, options: tuple[str, ...]
) -> None:
    key = "TrustedPrincipal" if trust == "principal" else "Subjects"
    moto.create_stack(
        StackName="role",
        TemplateBody=template(uses, trust, options),
        Parameters=[{"ParameterKey": key, "ParameterValue": GIVEN[trust]}],
        Capabilities=["CAPABILITY_IAM"],
    )
    [stack] = moto.describe_stacks(StackName="role")["Stacks"]
    [output] = stack["Outputs"]
    iam = boto3.client("iam")
    [role] = iam.list_roles()["Roles"]
    assert (output["OutputKey"], output["OutputValue"]) == ("RoleArn", role["Arn"])
    issuer = "arn:aws:iam::123456789012:oidc-provider/"
    assert role["AssumeRolePolicyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [expected_trust(uses, trust, issuer)],
    }
    name = role["RoleName"]
    [policy] = iam.list_role_policies(RoleName=name)["PolicyNames"]
    made = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    # moto 5.2 keeps Python's format.
    assert ast.literal_eval(made) == document(*uses, *options)


def patterns(uses: tuple[str, ...], trust: str) -> list[str]:
    """The patterns with which both formats check the trusted principals."""
    [parameter] = yaml.load(template(uses, trust), Template)["Parameters"].values()
    assert "Default" not in parameter
    found = re.findall(r'regex\(("\S+"),', terraform(uses, trust))
    assert len(found) == 1
    return [parameter["AllowedPattern"], json.loads(found[0])]


@pytest.mark.parametrize(("uses", "trust"), list(product(USES, TRUSTS)))
def test_nobody_is_trusted_by_a_wildcard(uses: tuple[str, ...], trust: str) -> None:
    reading = GOOD_FOR_READING[trust]
    good = GOOD_FOR_ALL[trust] + (reading if is_reading(uses) else [])
    bad = NEVER[trust] + ([] if is_reading(uses) else reading)
    for pattern in patterns(uses, trust):
        assert pattern.startswith("^") and pattern.endswith("$")
        for one in good:
            assert re.fullmatch(pattern, one), one
        for one in bad:
            assert not re.fullmatch(pattern, one), one


def text(literal: str) -> str:
    """The value of an HCL literal."""
    assert literal.startswith('"') and literal.endswith('"'), literal
    # Without doubling it would be an expression.
    assert not re.search(r"(?<!\$)\$\{|(?<!%)%\{", literal), literal
    return json.loads(literal).replace("$${", "${").replace("%%{", "%{")


def texts(literals: list[str]) -> list[str]:
    return [text(one) for one in literals]


def statement(block: dict[str, Any]) -> dict[str, Any]:
    """A block of `aws_iam_policy_document` in IAM's format."""
    found = {
        "Sid": text(block["sid"]),
        "Effect": text(block["effect"]),
        "Action": texts(block["actions"]),
        "Resource": texts(block["resources"]),
    }
    conditions: dict[str, dict[str, str]] = {}
    for one in block.get("condition", []):
        [value] = texts(one["values"])
        conditions.setdefault(text(one["test"]), {})[text(one["variable"])] = value
    return found | ({"Condition": conditions} if conditions else {})


def blocks(source: str, kind: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """The blocks of that kind, by their labels."""
    found = {}
    for one in hcl2.loads(source)[kind]:
        labels = []
        while len(one) == 1 or not one.get("__is_block__"):
            [(label, one)] = one.items()
            labels.append(text(label))
        found[tuple(labels)] = one
    return found


@pytest.mark.parametrize(("uses", "trust", "options"), CASES)
def test_the_role_of_terraform(
    uses: tuple[str, ...], trust: str, options: tuple[str, ...]
) -> None:
    source = terraform(uses, trust, options)
    name = "_".join(("image_steward", *uses))
    data = blocks(source, "data")
    policy = data[("aws_iam_policy_document", name)]["statement"]
    assert [statement(one) for one in policy] == document(*uses, *options)["Statement"]
    [trusts] = data[("aws_iam_policy_document", f"{name}_trust")]["statement"]
    [principals] = trusts["principals"]
    is_principal = trust == "principal"
    variable = f"{name}_trusted_principal" if is_principal else f"{name}_subjects"
    given = f"${{var.{variable}}}"
    expected = expected_trust(uses, trust, "")
    assert text(trusts["sid"]) == expected["Sid"]
    assert texts(trusts["actions"]) == [expected["Action"]]
    [kind] = expected["Principal"]
    assert text(principals["type"]) == kind
    if is_principal:
        assert principals["identifiers"] == [given]
    else:
        assert principals["identifiers"] == [
            f"${{data.aws_iam_openid_connect_provider.{name}.arn}}"
        ]
        provider = data[("aws_iam_openid_connect_provider", name)]
        assert text(provider["url"]) == f"https://{expected['Principal'][kind]}"
        found: dict[str, dict[str, Any]] = {}
        for one in trusts["condition"]:
            values = one["values"]
            value = [GIVEN[trust]] if values == given else text(values[0])
            found.setdefault(text(one["test"]), {})[text(one["variable"])] = value
        assert found == expected["Condition"]
    [((kind, label), role)] = [
        one for one in blocks(source, "resource").items() if one[0][0] == "aws_iam_role"
    ]
    assert label == name
    assert (
        role["assume_role_policy"]
        == f"${{data.aws_iam_policy_document.{name}_trust.json}}"
    )
    attached = blocks(source, "resource")[("aws_iam_role_policy", name)]
    assert attached["policy"] == f"${{data.aws_iam_policy_document.{name}.json}}"
    assert attached["role"] == f"${{aws_iam_role.{name}.id}}"
    [checked] = blocks(source, "variable").items()
    assert checked[0] == (variable,)
    # Without a default, a role cannot be deployed that trusts an unknown principal.
    assert "default" not in checked[1]
    assert list(blocks(source, "output")) == [(f"{name}_role_arn",)]


ATTRIBUTE = re.compile(r"^( *)(\w+)( *)= (.*)$")


@pytest.mark.parametrize(("uses", "trust", "options"), CASES)
def test_terraform_fmt_would_change_nothing(
    uses: tuple[str, ...], trust: str, options: tuple[str, ...]
) -> None:
    """Terraform's format: two spaces per level, and aligned `=` in adjacent lines, unless a value
    has several lines."""
    source = terraform(uses, trust, options)
    assert (
        source.endswith("}\n")
        and not source.endswith("\n\n")
        and "\n\n\n" not in source
    )
    level = 0
    group: list[tuple[int, int]] = []
    for line in [*source.splitlines(), ""]:
        assert line == line.rstrip()
        closes = line.strip() in ("}", "]")
        if line:
            assert len(line) - len(line.lstrip()) == 2 * (level - closes), line
        level += line.endswith(("{", "[")) - closes
        attribute = ATTRIBUTE.match(line)
        if attribute and not line.endswith("["):
            group.append((len(attribute[2]), len(attribute[2] + attribute[3])))
            continue
        assert not attribute or attribute[3] == " ", line
        longest = max((name for name, _ in group), default=0)
        assert all(column == longest + 1 for _, column in group), (group, line)
        group = []
    assert level == 0


def parameters(number: int) -> list[str]:
    """More parameters than any policy can have."""
    return [
        f"--image-parameter=/team-{one:04}/golden/image/id" for one in range(number)
    ]


def size(policy: dict[str, Any]) -> int:
    return len("".join(json.dumps(policy, separators=(",", ":")).split()))


def test_a_policy_that_iam_would_not_hold_is_not_written() -> None:
    managed = image_steward(NOWHERE, "permissions", *parameters(50))
    assert (managed.returncode, managed.stderr) == (DONE, "")
    assert size(json.loads(managed.stdout)) <= 6144
    inline = image_steward(NOWHERE, "permissions", *parameters(120))
    assert inline.returncode == DONE
    characters = size(json.loads(inline.stdout))
    assert 6144 < characters <= 10240
    assert f"has {characters} characters" in inline.stderr
    assert "6144" in inline.stderr and "10240" in inline.stderr
    for form in ("json", "cloudformation", "terraform"):
        large = image_steward(
            NOWHERE, "permissions", *parameters(200), "--format", form
        )
        assert (large.returncode, large.stdout) == (USAGE, "")
        assert "/golden/*" in large.stderr
    # In a role it is inline.
    assert (
        image_steward(
            NOWHERE, "permissions", *parameters(120), "--format", "terraform"
        ).stderr
        == ""
    )


def test_only_a_role_trusts_somebody() -> None:
    alone = image_steward(NOWHERE, "permissions", "--trust", "github")
    assert (alone.returncode, alone.stdout) == (USAGE, "")
    assert "--format" in alone.stderr
    for form in ("cloudformation", "terraform"):
        assert printed("--format", form) == printed(
            "plan", "--format", form, "--trust", "principal"
        )


def test_a_use_that_is_named_twice_counts_once() -> None:
    for form in ("cloudformation", "terraform"):
        twice = printed("restore", "apply", "restore", "--format", form)
        assert twice == printed("apply", "restore", "--format", form)
