"""What must hold before anything in the account is changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
)

from settings import Settings, Stop

# The program itself says these to the templates.
FROM_ELSEWHERE = {"Stack", "DeadLetterQueueArn", "SchedulerRoleArn", "TopicArn"}


def session(settings: Settings) -> boto3.Session:
    """A session whose credentials work, in a Region."""
    try:
        # boto3 itself does not look at AWS_REGION, which all other SDKs do.
        region = settings.region or os.environ.get("AWS_REGION")
        found = boto3.Session(region_name=region)
        if found.region_name is None:
            raise NoRegionError
        caller = found.client("sts").get_caller_identity()
    except NoRegionError:
        raise Stop("no Region; write REGION=…, or set AWS_REGION") from None
    except NoCredentialsError:
        raise Stop(
            "no AWS credentials; set AWS_PROFILE to a profile that has some"
        ) from None
    except (ClientError, BotoCoreError) as error:
        raise Stop(f"the AWS credentials do not work: {error}") from None
    print(f"Account {caller['Account']}, Region {found.region_name}.", flush=True)
    return found


def cargo_lambda() -> Path:
    """cargo-lambda, from the same Python environment as this program."""
    tool = Path(sys.executable).with_name("cargo-lambda")
    if not tool.exists():
        raise Stop("cargo-lambda is missing; run `make venv`")
    return tool


def parameters(given: dict[str, str], known: dict[str, dict[str, Any]]) -> None:
    """Every parameter is one of the templates', and has a value that they take."""
    for key, value in given.items():
        if key not in known or key in FROM_ELSEWHERE:
            settable = ", ".join(sorted(known.keys() - FROM_ELSEWHERE))
            raise Stop(f"PARAMETERS: there is no `{key}`; there are {settable}")
        _fits(f"PARAMETERS: {key}", value, known[key])


def stack_name(name: str, known: dict[str, dict[str, Any]]) -> None:
    """It can be the beginning of all names, and is not that of another one's second stack."""
    _fits("STACK", name, known["Stack"])
    if name.endswith("-wiring"):
        raise Stop(f"STACK is `{name}`; write one that does not end in -wiring")


def _fits(what: str, value: str, rule: dict[str, Any]) -> None:
    allowed = [str(one) for one in rule.get("AllowedValues", [])]
    if allowed and value not in allowed:
        raise Stop(f"{what} is `{value}`; write one of {', '.join(allowed)}")
    if rule["Type"] == "Number":
        low, high = rule.get("MinValue", 0), rule.get("MaxValue", 0)
        if high and not (value.isdecimal() and low <= int(value) <= high):
            raise Stop(f"{what} is `{value}`; write a number from {low} to {high}")
    pattern = rule.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        raise Stop(f"{what} is `{value}`, which does not fit {pattern}")


def event_bus(client: Any, name: str) -> None:
    """The bus is there."""
    try:
        client.describe_event_bus(Name=name)
    except client.exceptions.ResourceNotFoundException:
        raise Stop(
            f"there is no event bus `{name}`; make it, or write"
            ' PARAMETERS="EventBus=default"'
        ) from None


def policy(settings: Settings, chosen: Path, region: str) -> str:
    """The policy is valid, and can be planned with; its prefix for tags is returned."""
    if not settings.steward.exists():
        raise Stop(f"{settings.steward} does not exist; run `make build`")
    command = [settings.steward, "validate", "--policy", chosen, "--format", "json"]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Stop("`image-steward validate` failed: see above; nothing was changed")
    prefix = json.loads(done.stdout)["tag_prefix"]
    # It becomes a part of patterns in the roles.
    if not re.fullmatch(r"[\w .:/=+@-]+", prefix, re.ASCII):
        raise Stop(
            f"tagging.prefix is `{prefix}`, which cannot stand in a role; write letters,"
            " digits, spaces and .:/=+-@_"
        )
    print(f"With {chosen.name}, image-steward would:", flush=True)
    command = [settings.steward, "plan", "--policy", chosen, "--region", region]
    # A refusal is an answer, too: the Recycle Bin rules may come with this deployment.
    if subprocess.run(command, check=False).returncode not in (0, 4):
        raise Stop("`image-steward plan` failed: see above; nothing was changed")
    return prefix
