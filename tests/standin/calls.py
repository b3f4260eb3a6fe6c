"""Shared by all actions: the call, its errors, the table of actions.

An action of the stand-in is a function that takes a `Call` and returns the response as a dict with
boto3's names. `wire.py` converts the HTTP request to the call, and the dict to XML, using
botocore's service models, so that no element name is repeated.
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
    """An error response of AWS: code, message and HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(slots=True)
class Incoming:
    """One request as received. Its parameters are parsed when they are needed."""

    service: str
    region: str
    action: str
    path: str
    body: bytes
    form: dict[str, str]
    """The fields of a query request; empty for the JSON services."""

    def text(self) -> str:
        """The whole text of the request, in which a switch may look for an id."""
        return unquote_plus(f"{self.path} {self.body.decode(errors='replace')}")


class LeaveToMoto(Exception):
    """Raised by an action if the request is not for our resources."""


@dataclass(slots=True)
class Call:
    """One parsed request, with the part of the account that it uses."""

    service: str
    action: str
    params: dict[str, Any]
    world: World
    region: Region
    listed: Region
    """The state that listings show: the current one, unless a switch makes them stale."""
    switches: Switches


Action = Callable[[Call], dict[str, Any]]

ACTIONS: dict[tuple[str, str], Action] = {}
"""(service, action) -> the function that responds. moto handles all others."""


def answers(service: str, action: str) -> Callable[[Action], Action]:
    """Register the decorated function for this action."""

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
"""moto would accept these, but our own listings would never show the result.

An error with a reference to the fleet endpoint is better than a template that was created but does
not exist.
"""


def refuse(service: str, action: str) -> AwsError:
    """The error for an action in `REFUSED`."""
    return AwsError(
        "UnsupportedOperation",
        f"the stand-in does not do {service}:{action}; "
        "change the account with PATCH /_standin/fleet",
    )
