"""What must hold before anything in the account is changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
FROM_ELSEWHERE |= {"PrunePeriod", "ReapPeriod", "RetirePeriod"}


@dataclass(frozen=True)
class Caller:
    """A session whose credentials work, in a Region, and the account that it is in."""

    session: boto3.Session
    partition: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in this account and Region."""
        place = f"{self.session.region_name}:{self.account}"
        return f"arn:{self.partition}:{service}:{place}:{resource}"


def caller(settings: Settings) -> Caller:
    """Who deploys, and where."""
    try:
        # boto3 itself does not look at AWS_REGION, which all other SDKs do.
        region = settings.region or os.environ.get("AWS_REGION")
        found = boto3.Session(region_name=region)
        if found.region_name is None:
            raise NoRegionError
        identity = found.client("sts").get_caller_identity()
    except NoRegionError:
        raise Stop("no Region; write REGION=…, or set AWS_REGION") from None
    except NoCredentialsError:
        raise Stop(
            "no AWS credentials; set AWS_PROFILE to a profile that has some"
        ) from None
    except (ClientError, BotoCoreError) as error:
        raise Stop(f"the AWS credentials do not work: {error}") from None
    print(f"Account {identity['Account']}, Region {found.region_name}.", flush=True)
    return Caller(found, identity["Arn"].split(":")[1], identity["Account"])


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
    if name == "default":
        raise Stop("STACK is `default`, as every account's event bus is; write another")


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
    """An event bus that is not the stack's own exists. Others may put events on it too."""
    try:
        client.describe_event_bus(Name=name)
    except client.exceptions.ResourceNotFoundException:
        raise Stop(
            f"there is no event bus `{name}`; make it, or write"
            ' PARAMETERS="EventBus=" for one that belongs to the stack'
        ) from None
    print(
        f"Warning: whoever may put events on the event bus `{name}` can send notices in"
        ' the name of image-steward; PARAMETERS="EventBus=" makes a bus on which only'
        " its functions may.",
        flush=True,
    )


def rules_of_others(client: Any, stack: str) -> None:
    """Stop if the stack's own bus has rules of others: it could not be deleted with them."""
    try:
        pages = client.get_paginator("list_rules").paginate(EventBusName=stack)
        names = [rule["Name"] for page in pages for rule in page["Rules"]]
    except client.exceptions.ResourceNotFoundException:
        return
    if others := [name for name in names if not name.startswith(f"{stack}-notice-")]:
        raise Stop(
            f"the event bus {stack} has rules that are not of this deployment"
            f" ({', '.join(others)}): delete them first"
        )


def parameter_arns(names: str, caller: Caller) -> list[str]:
    """The ARNs of SSM parameters that are given by name, by path (`/golden/*`) or by ARN."""
    arns = []
    for name in filter(None, (one.strip() for one in names.split(","))):
        if re.fullmatch(
            r"arn:[a-z0-9-]+:ssm:[a-z0-9-]+:[0-9]{12}:parameter/(?!\*$).+", name
        ):
            arns.append(name)
        elif re.fullmatch(r"/?[A-Za-z0-9_.-][A-Za-z0-9_./-]*\*?", name):
            arns.append(caller.arn("ssm", f"parameter/{name.removeprefix('/')}"))
        else:
            raise Stop(
                f"PARAMETERS: ImageParameters has `{name}`, which is no parameter; write"
                " a name, a path such as /golden/*, or an ARN"
            )
    return arns


def notices(mode: str, value: Callable[[str], str]) -> None:
    """In apply mode somebody hears of alarms, refusals and coming steps, unless nobody is to."""
    chosen, email = value("Notices"), value("NoticeEmail")
    topic = value("NoticeTopicArn")
    if email and topic:
        raise Stop(
            "PARAMETERS: there are both NoticeEmail and NoticeTopicArn; subscribe the"
            ' address to the topic, and write "NoticeEmail="'
        )
    if chosen == "none" and (email or topic):
        which = "NoticeEmail" if email else "NoticeTopicArn"
        raise Stop(
            f'PARAMETERS: Notices is `none`, but there is {which}; write "Notices=off", or'
            f' "{which}="'
        )
    if mode == "apply" and chosen == "off" and not (email or topic):
        raise Stop(
            "who is notified of alarms, refusals and coming removals? In apply mode write"
            ' PARAMETERS="NoticeEmail=ADDRESS", "NoticeTopicArn=ARN", "Notices=on" for a'
            ' topic to subscribe to, or "Notices=none" for nobody'
        )


def topic(sns: Any, arn: str, region: str) -> None:
    """The topic is there, in this Region, and rules may publish on it as far as that is seen."""
    if arn.split(":")[3] != region:
        raise Stop(
            f"PARAMETERS: NoticeTopicArn is in {arn.split(':')[3]}, which alarms and rules"
            f" in {region} cannot reach; name a topic in {region}"
        )
    try:
        attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    except sns.exceptions.NotFoundException:
        raise Stop(
            f"there is no topic {arn}; make it, or write NoticeEmail=ADDRESS"
        ) from None
    except ClientError:
        # A topic of another account may not let itself be seen.
        return
    if "events.amazonaws.com" not in attributes.get("Policy", ""):
        print(
            f"Warning: the policy of {arn} does not name events.amazonaws.com, so that"
            " notices may not reach it: see infra/README.md.",
            flush=True,
        )


def subscribers(sns: Any, arn: str) -> None:
    """Say so if nobody hears what is published on the topic."""
    try:
        attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    except ClientError:
        return
    if attributes.get("SubscriptionsConfirmed") == "0":
        print(
            f"Nobody has confirmed a subscription to {arn} yet: until then, alarms and"
            " notices reach nobody."
        )


def permissions(mode: str, policy: Path, value: Callable[[str], str]) -> None:
    """The roles may do what the policy says: an error in apply mode, else a warning."""
    for problem in _lacking(_document(policy), value):
        if mode == "apply":
            raise Stop(problem)
        print(f"Warning: {problem}.", flush=True)


def _lacking(document: dict[str, Any], value: Callable[[str], str]) -> Iterator[str]:
    if value("RetireSharedImages") != "on":
        for place, word in _shared_images(document):
            if word not in (None, "keep"):
                yield (
                    f'the policy has {place} = "{word}", but the roles may not restore'
                    ' launch permissions; write PARAMETERS="RetireSharedImages=on", or'
                    ' "keep" in the policy'
                )
    wanted = _table(document.get("instances")).get("retire")
    policies, roles = ("never", "stop", "terminate"), ("off", "stop", "terminate")
    allowed = value("RetireInstances")
    if wanted in policies and policies.index(wanted) > roles.index(allowed):
        at_most = policies[roles.index(allowed)]
        yield (
            f'the policy has instances.retire = "{wanted}", but the roles may not do that'
            f' (RetireInstances is `{allowed}`); write PARAMETERS="RetireInstances={wanted}",'
            f' or "{at_most}" in the policy'
        )


def _shared_images(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "safety.shared_images", _table(document.get("safety")).get("shared_images")
    rules = document.get("rule")
    for index, rule in enumerate(rules if isinstance(rules, list) else []):
        yield f"rule[{index}].shared_images", _table(rule).get("shared_images")


def _table(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _document(policy: Path) -> dict[str, Any]:
    """The policy, which is TOML or JSON; `image-steward validate` says what is wrong with it."""
    text = policy.read_bytes()
    for read in (lambda: tomllib.loads(text.decode()), lambda: json.loads(text)):
        try:
            return _table(read())
        except ValueError:
            continue
    return {}


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
