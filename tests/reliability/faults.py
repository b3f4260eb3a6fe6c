"""The faults, the calls that they affect, and the proxy that injects them."""

from __future__ import annotations

import json
from typing import Any, Self
from urllib.request import ProxyHandler, Request, build_opener

from harness import ROOT, VENV, clean_environment, require_loopback
from process import Process, accepts, free_port, wait_for

_open = build_opener(ProxyHandler({})).open

# More consecutive failures than the command's four attempts, followed by some successes: so some
# calls fail completely, some succeed after retries, and some succeed at once.
SOME = {"sequence": {"fail": 5, "pass": 3}}
FAULTS: dict[str, dict[str, Any]] = {
    "throttled": {"error": {"code": "RequestLimitExceeded", "status": 503}} | SOME,
    "error 500": {"error": {"code": "InternalError", "status": 500}} | SOME,
    "reset": {"reset": True} | SOME,
    "truncated": {"response": {"truncate_frac": 0.6}} | SOME,
    "answer lost": {"response": {"abort_frac": 0.1}} | SOME,
    # Longer than the 30 s that the command waits for a response, and only once.
    "timed out": {"timeout_ms": 31_000, "times": 1},
}

CHANGES = (
    "ec2:CreateTags",
    "ec2:DeleteTags",
    "ec2:EnableImageDeprecation",
    "ec2:DisableImageDeprecation",
    "ec2:DisableImage",
    "ec2:EnableImage",
    "ec2:ModifyImageAttribute",
    "ec2:DeregisterImage",
    "ec2:DeleteSnapshot",
)
READS = (
    "ec2:DescribeImages",
    "ec2:DescribeSnapshots",
    "ec2:DescribeInstances",
    "ec2:DescribeImageAttribute",
    "ec2:DescribeSnapshotAttribute",
    "ec2:DescribeImageReferences",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeFleets",
    "ec2:DescribeSpotFleetRequests",
    "ec2:DescribeSpotInstanceRequests",
    "ec2:DescribeLockedSnapshots",
    "ec2:ListImagesInRecycleBin",
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeLaunchConfigurations",
    "batch:DescribeComputeEnvironments",
    "rbin:ListRules",
    "rbin:GetRule",
    "ssm:GetParameter",
)
# A timeout takes half a minute each. So it is tried only on the changes, and on one reading call of
# each kind.
TIMED_OUT = (*CHANGES, "ec2:DescribeImages", "ec2:DescribeImageReferences")
FEW = (
    "ec2:CreateTags",
    "ec2:DisableImage",
    "ec2:DeregisterImage",
    "ec2:DeleteSnapshot",
    "ec2:DescribeInstances",
)


def cells(few: bool) -> list[tuple[str, str]]:
    """Every fault on every call for which it is tried."""
    if few:
        return [(fault, call) for fault in list(FAULTS)[:5] for call in FEW]
    return [
        (fault, call)
        for fault in FAULTS
        for call in (TIMED_OUT if fault == "timed out" else (*CHANGES, *READS))
    ]


class Proxy:
    """microburst between the command and the local account."""

    def __init__(self, upstream: str) -> None:
        port = free_port()
        self.url = require_loopback(f"http://127.0.0.1:{port}")
        command = f"{VENV / 'bin/microburst'} -u {upstream} -p {port} --host 127.0.0.1 --no-resign"
        self._process = Process(command.split(), clean_environment(), ROOT)
        try:
            wait_for(self._process, lambda: accepts(port))
        except BaseException:
            self._process.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def inject(self, fault: str, call: str) -> None:
        """From now on the fault affects this call, and no other."""
        service, operation = call.split(":")
        rule = {"service": service, "operation": operation} | FAULTS[fault]
        self._control("POST", [rule])

    def stop_faults(self) -> int:
        """Remove the fault. Returns how often the last one occurred."""
        (rule,) = self._control("GET")
        self._control("POST", [])
        return rule["fired_count"]

    def _control(self, method: str, content: Any = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        request = Request(f"{self.url}/_microburst/rules", data=body, method=method)
        with _open(request, timeout=30) as answer:
            return json.load(answer)
