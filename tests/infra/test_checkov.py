"""The CloudFormation templates, checked with checkov for insecure settings.

checkov treats a value with `!If` as unknown, and accepts it. So it checks the stack's template
twice: as written, and with every option selected. Values that options replace (for example
`SqsManagedSseEnabled`) and settings without a checkov check are in test_templates.py.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.decode import cfn_yaml

from harness import DONE, NOWHERE, ROOT, VENV, clean_environment, image_steward

CONFIG = ROOT / "infra/checkov.yaml"
STACK = ROOT / "infra/image-steward.yaml"
NO_VALUE = {"Ref": "AWS::NoValue"}
KEY = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"
ENCRYPTED = """\
      SqsManagedSseEnabled: !If [HasQueueKey, !Ref "AWS::NoValue", true]
      KmsMasterKeyId: !If [HasQueueKey, !Ref QueueKeyArn, !Ref "AWS::NoValue"]
"""
SCHEDULERS = """\
            Principal: { Service: scheduler.amazonaws.com }
            Action: sts:AssumeRole
"""
READ = """\
            Action: ssm:GetParameters
            Resource: !If
"""
RETIRE = """\
                  Action: !If [TerminatesInstances, [ec2:StopInstances, ec2:TerminateInstances], [ec2:StopInstances]]
                  Resource: !Sub "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:instance/*"
"""
MAY_DO_ALL = '"*"\n            Resource: "*"\n            NotRead: !If\n'
# Changes to a copy of the template, and the checks of checkov that must fail.
BAD = {
    "queue": (ENCRYPTED, "", "CKV_AWS_27 AWS::SQS::Queue.DeadLetters"),
    "topic": (
        "      KmsMasterKeyId: !If [HasTopicKey,",
        "      NotRead: !If [HasTopicKey,",
        "CKV_AWS_26 AWS::SNS::Topic.Topic",
    ),
    "retention": (
        "      RetentionInDays: !Ref LogDays\n",
        "",
        "CKV_AWS_66 AWS::Logs::LogGroup.TagImageLogs",
    ),
    "trust": (
        SCHEDULERS,
        SCHEDULERS.replace("Service: scheduler.amazonaws.com", 'AWS: "*"'),
        "CKV_AWS_60 AWS::IAM::Role.SchedulerRole",
    ),
    "policy": (
        READ,
        READ.replace("ssm:GetParameters\n            Resource: !If\n", MAY_DO_ALL),
        "CKV_AWS_63 AWS::IAM::Policy.EveryFunction",
    ),
    # Only if an option is selected.
    "role": (
        RETIRE,
        '                  Action: "*"\n                  Resource: "*"\n',
        "CKV_AWS_62 AWS::IAM::Role.RetireInstanceRole",
    ),
    "permission": (
        "      Principal: events.amazonaws.com\n      SourceArn: !GetAtt ImageGone.Arn\n",
        "      Principal: events.amazonaws.com\n",
        "CKV_AWS_364 AWS::Lambda::Permission.ImageGoneReaps",
    ),
    "secret": (
        "          STEWARD_MODE: !Ref Mode\n",
        "          STEWARD_MODE: !Ref Mode\n          KEY: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
        "CKV_AWS_45 AWS::Lambda::Function.TagImage",
    ),
}

Report = Mapping[str, Any]
Findings = set[tuple[str, str]]


def chosen(value: Any) -> Any:
    """A value with the first branch of every `!If`."""
    if isinstance(value, dict):
        if value.keys() == {"Fn::If"}:
            return chosen(value["Fn::If"][1])
        found = {key: chosen(one) for key, one in value.items()}
        return {key: one for key, one in found.items() if one != NO_VALUE}
    if isinstance(value, list):
        return [one for one in map(chosen, value) if one != NO_VALUE]
    return value


def with_every_option(file: Path) -> str:
    """The template with the branches of all options, and a key for each kind of resource."""
    template = cfn_yaml.load(str(file))
    keys = [name for name in template["Parameters"] if name.endswith("KeyArn")]
    assert sorted(keys) == ["LogKeyArn", "QueueKeyArn", "TopicKeyArn"]
    for name in keys:
        template["Parameters"][name]["Default"] = KEY
    return json.dumps(template | {"Resources": chosen(template["Resources"])})


def checkov(directory: Path, *options: str) -> Report:
    """The results of checkov for all templates in a directory, without network access."""
    configured = ("AWS_", "BC_", "CKV_", "CHECKOV_", "PRISMA_")
    environment = {
        key: value
        for key, value in clean_environment().items()
        if not key.startswith(configured)
    }
    done = subprocess.run(
        [
            *(VENV / "checkov/bin/checkov", "--directory", directory),
            *("--output", "json", *options),
        ],
        # Otherwise it requests its newest version from PyPI.
        env=environment
        | {"CKV_SKIP_PACKAGE_UPDATE_CHECK": "true", "HOME": str(directory)},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0, report["results"]
    return report


def findings(report: Report, kind: str, name: str) -> Findings:
    """The failed, passed and skipped checks of a file, with their resources."""
    return {
        (one["check_id"], one["resource"])
        for one in report["results"][f"{kind}_checks"]
        if Path(one["file_path"]).stem == name
    }


def configured() -> set[str]:
    """The checks that infra/checkov.yaml skips."""
    return set(yaml.safe_load(CONFIG.read_text())["skip-check"])


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with all templates for users."""
    found = tmp_path_factory.mktemp("good")
    (found / "stack.yaml").write_text(STACK.read_text())
    (found / "options.json").write_text(with_every_option(STACK))
    example = Path(ROOT, "docs/events/examples.yaml").read_text()
    (found / "examples.yaml").write_text(example)
    for trust in ("principal", "github", "gitlab"):
        for uses in (["plan"], ["apply", "restore", "keep"]):
            printed = image_steward(
                NOWHERE,
                *("permissions", *uses),
                *("--format", "cloudformation", "--trust", trust),
            )
            assert printed.returncode == DONE, printed.stderr
            (found / f"{trust}-{uses[0]}.yaml").write_text(printed.stdout)
    return found


@pytest.fixture(scope="module")
def accepted(good: Path) -> Report:
    return checkov(good, "--config-file", str(CONFIG))


def test_checkov_has_nothing_to_say(good: Path, accepted: Report) -> None:
    failed = accepted["results"]["failed_checks"]
    assert [
        (one["check_id"], one["file_path"], one["resource"]) for one in failed
    ] == []
    for file in good.glob("*.*"):
        assert findings(accepted, "passed", file.stem), f"{file.name} was not read"


def test_every_exception_applies_and_has_a_reason(good: Path, tmp_path: Path) -> None:
    # Without the configuration, and without comments that skip checks.
    comments = set()
    for file in good.iterdir():
        text = file.read_text()
        comments |= set(re.findall("checkov:skip=(.*?):.+", text))
        (tmp_path / file.name).write_text(text.replace("checkov:skip=", ""))
    report = checkov(tmp_path, "--framework", "cloudformation", "--skip-download")
    failed = {one["check_id"] for one in report["results"]["failed_checks"]}
    assert failed == configured() | comments
    [limit] = [
        resource
        for check, resource in findings(report, "failed", "stack")
        if check == "CKV_AWS_115"
    ]
    assert limit == "AWS::Lambda::Function.TagImage"
    lines = CONFIG.read_text().partition("skip-check:\n")[2].splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        assert line.startswith("  #") or before.startswith("  # "), line


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The results for a copy with all errors, each in another resource."""
    text = STACK.read_text()
    for good_, bad, _ in BAD.values():
        assert good_ in text, good_
        text = text.replace(good_, bad, 1)
    copy = tmp_path_factory.mktemp("copy") / "bad.yaml"
    copy.write_text(text)
    found = tmp_path_factory.mktemp("bad")
    (found / "bad.json").write_text(with_every_option(copy))
    return checkov(found, "--config-file", str(CONFIG))


@pytest.mark.parametrize("name", BAD)
def test_checkov_sees_a_bad_copy(refused: Report, name: str) -> None:
    check, resource = BAD[name][2].split(" ")
    assert (check, resource) in findings(refused, "failed", "bad")
