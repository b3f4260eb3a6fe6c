"""The AWS account: clients, inspection of raw responses, and waiting."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar
from xml.etree import ElementTree

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from assumptions import EMPTY_LISTS
from report import Report

T = TypeVar("T")
SERVICES = ("ec2", "rbin", "ssm", "autoscaling", "batch", "sts")


class Account:
    """One account and Region.

    `patience` is the time to wait for a state and `interval` the time between polls, in seconds.
    """

    def __init__(self, patience: float, interval: float) -> None:
        region = os.environ.get("REGION") or os.environ.get("AWS_REGION") or None
        profile = os.environ.get("PROFILE") or os.environ.get("AWS_PROFILE") or None
        session = boto3.Session(profile_name=profile, region_name=region)
        config = Config(retries={"mode": "standard", "total_max_attempts": 8})
        session.events.register("before-parse", self._inspect)
        self.clients = {one: session.client(one, config=config) for one in SERVICES}
        self.ec2, self.rbin, self.ssm = (self.clients[one] for one in SERVICES[:3])
        self.region: str = self.ec2.meta.region_name
        self.endpoint: str = self.ec2.meta.endpoint_url
        self.patience = patience
        self.interval = interval
        self._lists: dict[str, tuple[bool, bool]] = {}
        """For each call: whether any response lacked its list, and whether any list was empty."""
        self._truncated: set[str] = set()
        self._complete = 0
        self.id: str = self.clients["sts"].get_caller_identity()["Account"]

    def _inspect(self, operation_model: Any, response_dict: Any, **_: Any) -> None:
        body = response_dict["body"]
        if response_dict["status_code"] >= 300:
            return
        name = operation_model.name
        is_xml = operation_model.metadata["protocol"] in ("ec2", "query")
        if is_xml and body.rstrip().endswith(b"Response>"):
            self._complete += 1
        elif is_xml:
            self._truncated.add(name)
            return
        if name in EMPTY_LISTS:
            entries = entries_of(operation_model, body)
            absent, empty = self._lists.get(name, (False, False))
            self._lists[name] = absent or entries is None, empty or entries == 0

    def saw_empty(self, call: str) -> bool:
        """Whether the list of this call was absent or empty in any response so far."""
        return any(self._lists.get(call, ()))

    def judge_lists(self, report: Report) -> None:
        """Record whether the responses so far contain their lists."""
        for call, member in EMPTY_LISTS.items():
            name = f"empty-{call}"
            absent, empty = self._lists.get(call, (False, False))
            if absent:
                report.judge(name, False, f"a response has no {member} element")
            elif empty:
                report.judge(name, True, f"{member} is present and empty")
            elif call in self._lists:
                report.unchecked(name, f"{member} was present but never empty")

    def judge_ends(self, report: Report) -> None:
        """Record whether all responses of the run were complete."""
        text = f"{self._complete} responses ended as expected"
        if self._truncated:
            text += f"; these did not: {', '.join(sorted(self._truncated))}"
        if self._complete or self._truncated:
            report.judge("response-end", not self._truncated, text)

    def wait(self, probe: Callable[[], T], patience: float | None = None) -> T:
        """Poll until `probe` is true or `patience` seconds are over, and return its last value."""
        deadline = time.monotonic() + (self.patience if patience is None else patience)
        while not (found := probe()) and time.monotonic() < deadline:
            time.sleep(self.interval)
        return found

    def wait_for_none(self, probe: Callable[[], list[T]]) -> list[T]:
        """Poll until `probe` is empty or the time is over, and return its last value."""
        found: list[T] = []

        def is_empty() -> bool:
            nonlocal found
            found = probe()
            return not found

        self.wait(is_empty)
        return found

    def settle(self, call: Callable[..., T], codes: Iterable[str], **params: Any) -> T:
        """Repeat the call while it fails with one of these codes, and return the response."""
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return call(**params)
            except ClientError as error:
                if code_of(error) not in codes or time.monotonic() >= deadline:
                    raise
            time.sleep(self.interval)

    def images(self, image: str, **more: Any) -> list[dict[str, Any]]:
        """The entries of DescribeImages for an image of this account: one or none."""
        only = [{"Name": "image-id", "Values": [image]}]
        found = self.ec2.describe_images(Owners=["self"], Filters=only, **more)
        return found["Images"]

    def image(self, image: str) -> dict[str, Any]:
        """Wait until the image is listed, and return it; TimeoutError if it is never listed."""
        found = self.wait(lambda: self.images(image, IncludeDisabled=True))
        if not found:
            raise TimeoutError(f"{image} is not listed")
        return found[0]

    def shared_with(self, image: str) -> list[dict[str, str]]:
        """The launch permissions of an image."""
        attribute = "launchPermission"
        found = self.ec2.describe_image_attribute(ImageId=image, Attribute=attribute)
        return found.get("LaunchPermissions", [])

    def tags(self, resource: str) -> dict[str, str]:
        """The tags of a resource, even if it is in the Recycle Bin."""
        only = [{"Name": "resource-id", "Values": [resource]}]
        found = self.ec2.describe_tags(Filters=only)["Tags"]
        return {one["Key"]: one["Value"] for one in found}


def entries_of(operation_model: Any, body: bytes) -> int | None:
    """The number of entries in the list of a response; None if the list is absent."""
    member = EMPTY_LISTS[operation_model.name]
    shape = operation_model.output_shape.members[member]
    name = shape.serialization.get("name", member)
    if operation_model.metadata["protocol"] not in ("ec2", "query"):
        found = json.loads(body or b"{}").get(name)
        return None if found is None else len(found)
    root = ElementTree.fromstring(body)
    # In the query protocol, members are in `…Result`. In the EC2 protocol, they are in the root.
    for element in [*root, *(inner for child in root for inner in child)]:
        if element.tag.rpartition("}")[2] == name:
            return len(element)
    return None


def code_of(error: ClientError) -> str:
    """The AWS error code."""
    return error.response["Error"]["Code"]


def failure(call: Callable[..., Any], **params: Any) -> str:
    """The error code with which the call fails; empty if the call succeeds."""
    try:
        call(**params)
    except ClientError as error:
        return code_of(error)
    return ""


def moment(text: str) -> datetime:
    """Parse a time in the format of EC2."""
    return datetime.fromisoformat(text)
