"""The account: clients, their raw responses, and waiting."""

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
    """One account and Region."""

    def __init__(self, patience: float, interval: float) -> None:
        region = os.environ.get("REGION") or os.environ.get("AWS_REGION") or None
        profile = os.environ.get("PROFILE") or os.environ.get("AWS_PROFILE") or None
        session = boto3.Session(profile_name=profile, region_name=region)
        config = Config(retries={"mode": "standard", "total_max_attempts": 8})
        session.events.register("before-parse", self._look_at)
        self.clients = {one: session.client(one, config=config) for one in SERVICES}
        self.ec2, self.rbin, self.ssm = (self.clients[one] for one in SERVICES[:3])
        self.region: str = self.ec2.meta.region_name
        self.endpoint: str = self.ec2.meta.endpoint_url
        self.patience = patience
        self.interval = interval
        self._lists: dict[str, tuple[bool, bool]] = {}
        """For each call: whether its list was ever absent, and whether it was ever empty."""
        self._cut: set[str] = set()
        self._whole = 0
        self.id: str = self.clients["sts"].get_caller_identity()["Account"]

    def _look_at(self, operation_model: Any, response_dict: Any, **_: Any) -> None:
        body = response_dict["body"]
        if response_dict["status_code"] >= 300:
            return
        name = operation_model.name
        is_xml = operation_model.metadata["protocol"] in ("ec2", "query")
        if is_xml and body.rstrip().endswith(b"Response>"):
            self._whole += 1
        elif is_xml:
            self._cut.add(name)
            return
        if name in EMPTY_LISTS:
            entries = entries_of(operation_model, body)
            absent, empty = self._lists.get(name, (False, False))
            self._lists[name] = absent or entries is None, empty or entries == 0

    def saw_empty(self, call: str) -> bool:
        """Whether a response of this call so far lacked the list, or had an empty one."""
        return any(self._lists.get(call, ()))

    def judge_lists(self, report: Report) -> None:
        """Record the lists in the responses so far."""
        for call, member in EMPTY_LISTS.items():
            name = f"empty-{call}"
            absent, empty = self._lists.get(call, (False, False))
            if absent:
                report.judge(name, False, f"a response has no element for {member}")
            elif empty:
                report.judge(name, True, f"{member} is present, and empty")
            elif call in self._lists:
                report.unchecked(name, f"{member} was present, but never empty")

    def judge_ends(self, report: Report) -> None:
        """Record the ends of all responses of the run."""
        text = f"{self._whole} responses ended as expected"
        if self._cut:
            text += f"; these did not: {', '.join(sorted(self._cut))}"
        if self._whole or self._cut:
            report.judge("response-end", not self._cut, text)

    def wait(self, probe: Callable[[], T], patience: float | None = None) -> T:
        """Calls `probe` until the result is true. Returns the last result."""
        deadline = time.monotonic() + (self.patience if patience is None else patience)
        while not (found := probe()) and time.monotonic() < deadline:
            time.sleep(self.interval)
        return found

    def wait_for_none(self, probe: Callable[[], list[T]]) -> list[T]:
        """Calls `probe` until the result is empty, or the time is over. Returns the last result."""
        found: list[T] = []

        def is_empty() -> bool:
            nonlocal found
            found = probe()
            return not found

        self.wait(is_empty)
        return found

    def settle(self, call: Callable[..., T], codes: Iterable[str], **params: Any) -> T:
        """The response, when the call no longer fails with one of these codes."""
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return call(**params)
            except ClientError as error:
                if code_of(error) not in codes or time.monotonic() >= deadline:
                    raise
            time.sleep(self.interval)

    def images(self, image: str, **more: Any) -> list[dict[str, Any]]:
        """The own image in a listing."""
        only = [{"Name": "image-id", "Values": [image]}]
        found = self.ec2.describe_images(Owners=["self"], Filters=only, **more)
        return found["Images"]

    def image(self, image: str) -> dict[str, Any]:
        """The own image, which must exist."""
        found = self.wait(lambda: self.images(image, IncludeDisabled=True))
        if not found:
            raise TimeoutError(f"{image} is not listed")
        return found[0]

    def shared_with(self, image: str) -> list[dict[str, str]]:
        """The launch permissions."""
        attribute = "launchPermission"
        found = self.ec2.describe_image_attribute(ImageId=image, Attribute=attribute)
        return found.get("LaunchPermissions", [])

    def tags(self, resource: str) -> dict[str, str]:
        """The tags of a resource in the account or in the Recycle Bin."""
        only = [{"Name": "resource-id", "Values": [resource]}]
        found = self.ec2.describe_tags(Filters=only)["Tags"]
        return {one["Key"]: one["Value"] for one in found}


def entries_of(operation_model: Any, body: bytes) -> int | None:
    """The number of entries in the list of this response; None without a list."""
    member = EMPTY_LISTS[operation_model.name]
    shape = operation_model.output_shape.members[member]
    name = shape.serialization.get("name", member)
    if operation_model.metadata["protocol"] not in ("ec2", "query"):
        found = json.loads(body or b"{}").get(name)
        return None if found is None else len(found)
    root = ElementTree.fromstring(body)
    # The query protocol has the members in `…Result`, EC2 has them directly below the root.
    for element in [*root, *(inner for child in root for inner in child)]:
        if element.tag.rpartition("}")[2] == name:
            return len(element)
    return None


def code_of(error: ClientError) -> str:
    """The error's code."""
    return error.response["Error"]["Code"]


def failure(call: Callable[..., Any], **params: Any) -> str:
    """The code of the error with which the call fails; empty if it succeeds."""
    try:
        call(**params)
    except ClientError as error:
        return code_of(error)
    return ""


def moment(text: str) -> datetime:
    """A time in EC2's format."""
    return datetime.fromisoformat(text)
