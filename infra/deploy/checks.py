"""What must hold before anything in the account is changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
)

from settings import EXAMPLE, Settings, Stop

DEFAULT_PREFIX = "image-steward:"
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


def parameters(given: dict[str, str], known: set[str]) -> None:
    """Every parameter is one of the templates', and none that is set from elsewhere."""
    settable = known - FROM_ELSEWHERE
    for key in given:
        if key not in settable:
            raise Stop(
                f"PARAMETERS: there is no `{key}`; there are {', '.join(sorted(settable))}"
            )


def chosen_policy(settings: Settings, *, is_first: bool) -> Path:
    """The policy that was said, or the example for a first deployment in plan mode."""
    if settings.policy is not None:
        return settings.policy
    if not is_first:
        raise Stop(
            "which policy? Write POLICY=FILE; the example is taken only for a first"
            " deployment in plan mode"
        )
    return EXAMPLE


def policy(settings: Settings, chosen: Path, region: str) -> Path:
    """The policy, after it was found valid and planned with."""
    if not settings.steward.exists():
        raise Stop(f"{settings.steward} does not exist; run `make build`")
    _steward(settings, chosen, ["validate"], accepted=(0,))
    print(f"With {chosen.name}, image-steward would:", flush=True)
    # A refusal is an answer, too: the Recycle Bin rules may come with this deployment.
    _steward(settings, chosen, ["plan", "--region", region], accepted=(0, 4))
    return chosen


def _steward(
    settings: Settings, policy: Path, words: list[str], accepted: tuple[int, ...]
) -> None:
    command = [settings.steward, *words, "--policy", policy]
    done = subprocess.run(command, check=False)
    if done.returncode not in accepted:
        raise Stop(f"`image-steward {words[0]}` failed: see above; nothing was changed")


def tag_prefix(policy: Path) -> str:
    """What the project's own tags begin with under this policy, TOML or JSON."""
    text = policy.read_text(encoding="utf-8-sig")
    is_json = text.lstrip().startswith("{")
    try:
        document = json.loads(text) if is_json else tomllib.loads(text)
    except ValueError as error:
        # Inline tables over several lines are TOML 1.1, which Python does not read.
        raise Stop(f"{policy} cannot be read for its prefix: {error}") from None
    prefix = document.get("tagging", {}).get("prefix", DEFAULT_PREFIX)
    # It becomes a part of patterns in the roles.
    if not re.fullmatch(r"[\w .:/=+@-]+", prefix):
        raise Stop(f"the prefix `{prefix}`: write letters, digits, spaces and .:/=+-@_")
    return prefix
