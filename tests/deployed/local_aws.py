"""A local AWS for deployments: ministack as control plane, the stand-in as EC2.

ministack provides CloudFormation, Lambda, EventBridge, Scheduler, SQS, SNS, IAM, logs and
CloudWatch, and runs the functions as local processes. Its EC2 images lack features, so the
project's stand-in provides EC2 and everything else that image-steward reads. Both listen only on
127.0.0.1.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

from harness import (
    FUNCTIONS,
    REGION,
    ROOT,
    Account,
    binary,
    clean_environment,
    require_loopback,
)
from process import Process, accepts, free_port, wait_for

ACCOUNT = "000000000000"
"""The account of ministack, to which the images in the stand-in belong."""
STACK = "hygiene"
SOURCE = "local.ec2"
"""ministack rejects events from `aws.*`, like AWS does from everyone else."""
_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
BUCKET = "code-eu-central-1"
# The services that image-steward reads and changes. ministack provides all others, including the
# policy.
_STANDIN = ("EC2", "AUTO_SCALING", "BATCH", "RBIN")
TEMPLATE = ROOT / "infra/image-steward.yaml"


def archives() -> Path:
    """The directory with the archives of `make dist`: ARCHIVES."""
    if chosen := os.environ.get("ARCHIVES"):
        return Path(chosen)
    raise SystemExit("where are the archives of the functions? Run `make e2e`")


class LocalAws:
    """Both servers, their clients, and the deployment program."""

    def __init__(self) -> None:
        self.account = Account()
        self._port = free_port()
        self._home = Path(tempfile.mkdtemp(prefix="ministack-"))
        self.url = require_loopback(f"http://127.0.0.1:{self._port}")
        environment = clean_environment() | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "MINISTACK_REGION": REGION,
            "HOME": str(self._home),
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
        }
        program = str(Path(__file__).with_name("emulator.py"))
        command = [sys.executable, program]
        self._process = Process(command, environment, self._home)
        wait_for(self._process, lambda: accepts(self._port))
        place = {"LocationConstraint": REGION}
        s3 = self.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        self.template = self._home / "template.yaml"
        self.template.write_text(self.adapted(TEMPLATE.read_text()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
        self.account.__exit__()
        shutil.rmtree(self._home, ignore_errors=True)

    def log(self) -> str:
        """The output of ministack."""
        return self._process.said() + self._process.complained()

    def client(self, service: str, region: str = REGION) -> Any:
        """A client of ministack."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=_KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=_KEYS["AWS_SECRET_ACCESS_KEY"],
            config=Config(proxies={}, retries={"total_max_attempts": 2}),
        )

    def adapted(self, template: str) -> str:
        """The template with local changes: the source of events, and the endpoints."""
        ours = 'STEWARD_TEMPLATE: "1"'
        variables = self.endpoints() | {"STEWARD_EVENT_SOURCE": SOURCE}
        more = [ours, *(f"{key}: {value}" for key, value in variables.items())]
        for old, new, count in (
            ("source: [aws.ec2]", f"source: [{SOURCE}]", 3),
            (ours, f"\n{' ' * 10}".join(more), len(FUNCTIONS)),
        ):
            assert template.count(old) == count, old
            template = template.replace(old, new)
        return template

    def stacks(self) -> dict[str, str]:
        """The status of every existing stack."""
        found = self.client("cloudformation").describe_stacks()["Stacks"]
        return {
            one["StackName"]: one["StackStatus"]
            for one in found
            if one["StackStatus"] != "DELETE_COMPLETE"
        }

    def endpoints(self) -> dict[str, str]:
        """The environment variables that direct an AWS SDK to the local AWS."""
        theirs = {f"AWS_ENDPOINT_URL_{name}": self.account.url for name in _STANDIN}
        return {"AWS_ENDPOINT_URL": self.url} | theirs

    def make(self, target: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run `make` like a person, with credentials for the local AWS."""
        words = [f"{key}={value}" for key, value in settings.items()]
        return subprocess.run(
            ["make", "--no-print-directory", target, *words],
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        return (
            clean_environment()
            | _KEYS
            | self.endpoints()
            | {
                "AWS_CONFIG_FILE": "/dev/null",
                "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_REGION": REGION,
                "STACK": STACK,
                "BUCKET": BUCKET,
                "ARCH": architecture(),
                "ARCHIVES": str(archives()),
                "STEWARD": str(binary("image-steward")),
                "TEMPLATE": str(self.template),
                "YES": "1",
            }
        )

    def deploy(
        self, command: str = "deploy", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the program behind `make deploy`, `make diff` and `make destroy`."""
        environment = self._environment() | settings
        environment = {key: value for key, value in environment.items() if value}
        return subprocess.run(
            [sys.executable, ROOT / "infra/deploy.py", command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def put_event(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Put an event on the default bus, like EC2 or CloudTrail."""
        entry = {
            "Source": SOURCE,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
        }
        answer = self.client("events").put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == 0, answer

    def image_event(self, image_id: str, state: str) -> None:
        """`EC2 AMI State Change`."""
        detail = {"RequestId": "r", "ImageId": image_id, "State": state}
        self.put_event("EC2 AMI State Change", detail | {"ErrorMessage": ""})

    def logs(self, function: str) -> list[dict[str, Any]]:
        """The log of a function: one JSON object per line. Other lines are skipped."""
        logs = self.client("logs")
        group = f"/aws/lambda/{STACK}-{function}"
        lines = []
        for page in logs.get_paginator("filter_log_events").paginate(
            logGroupName=group
        ):
            for event in page["events"]:
                for line in event["message"].splitlines():
                    if line.startswith("{"):
                        lines.append(json.loads(line))
        return lines


def architecture() -> str:
    """Lambda's name of this computer's architecture."""
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


def eventually(look: Callable[[], Any], seconds: float = 30, why: str = "") -> Any:
    """Retry until there is a result."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, why or "it did not happen in time"
        time.sleep(0.2)
    return found
