"""What every action has in common: the call, its errors, the table of actions.

An action of the stand-in is a function that takes a `Call` and returns the
answer as a dict spelled like boto3's.  `wire.py` turns the HTTP request into
the call and the dict into XML, by botocore's own description of the service,
so that no element name is written down twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from switches import Switches
    from world import Region, World


class AwsError(Exception):
    """An error answer as AWS words it: a code, a message, an HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(slots=True)
class Incoming:
    """One request as it came in; what it asks for in detail is read when needed."""

    service: str
    region: str
    action: str
    path: str
    body: bytes
    form: dict[str, str]
    """The fields of a query request; empty for the JSON services."""

    def text(self) -> str:
        """All that the caller wrote, in which a switch may look for an id."""
        return unquote_plus(f"{self.path} {self.body.decode(errors='replace')}")


class LeaveToMoto(Exception):
    """Raised by an action that finds the request is not about our resources."""


@dataclass(slots=True)
class Call:
    """One request, parsed, with the part of the account it speaks to."""

    service: str
    action: str
    params: dict[str, Any]
    world: World
    region: Region
    listed: Region
    """What listings show: the same, unless the switch makes them stale."""
    switches: Switches


Action = Callable[[Call], dict[str, Any]]

ACTIONS: dict[tuple[str, str], Action] = {}
"""(service, action) -> the function that answers it; the rest is moto's."""


def answers(service: str, action: str) -> Callable[[Action], Action]:
    """Enter the decorated function as the answer to this action."""

    def enter(function: Action) -> Action:
        ACTIONS[service, action] = function
        return function

    return enter


REFUSED = {
    ("ec2", action)
    for action in (
        "CancelSpotFleetRequests",
        "CancelSpotInstanceRequests",
        "CopySnapshot",
        "CreateFleet",
        "CreateLaunchTemplateVersion",
        "CreateRestoreImageTask",
        "CreateSnapshots",
        "DeleteFleets",
        "DeleteLaunchTemplateVersions",
        "DescribeFleetHistory",
        "DescribeFleetInstances",
        "DescribeSpotFleetInstances",
        "DescribeSpotFleetRequestHistory",
        "ImportImage",
        "ImportSnapshot",
        "LockSnapshot",
        "ModifyFleet",
        "ModifyLaunchTemplate",
        "ModifySpotFleetRequest",
        "RequestSpotFleet",
        "RequestSpotInstances",
        "ResetImageAttribute",
        "ResetSnapshotAttribute",
        "UnlockSnapshot",
    )
} | {
    ("autoscaling", action)
    for action in (
        "CreateAutoScalingGroup",
        "CreateLaunchConfiguration",
        "DeleteAutoScalingGroup",
        "DeleteLaunchConfiguration",
        "UpdateAutoScalingGroup",
    )
}
"""Moto would answer these, into a state that our own listings never show.

An error that points at the fleet endpoint is kinder than a template that was
created and is not there.
"""


def refuse(service: str, action: str) -> AwsError:
    """The error for an action in `REFUSED`."""
    return AwsError(
        "UnsupportedOperation",
        f"the stand-in does not do {service}:{action}; "
        "change the account with PATCH /_standin/fleet",
    )
