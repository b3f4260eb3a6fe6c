"""A running stand-in, used over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config

HERE = Path(__file__).parent
REGION = "eu-central-1"


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start a stand-in. Returns the process and its address."""
    command = [sys.executable, str(HERE), "--exit-with-parent", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    words = process.stdout.readline().split()
    assert words[:2] == ["listening", "on"], words
    return process, words[2]


class StandIn:
    """A running stand-in: its control endpoint, and clients without retries."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ec2 = self.client("ec2")
        self.autoscaling = self.client("autoscaling")
        self.batch = self.client("batch")
        self.rbin = self.client("rbin")
        self.ssm = self.client("ssm")
        self.sts = self.client("sts")

    def client(self, service: str, region: str = REGION, key: str = "any") -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def control(self, method: str, path: str, content: Any = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        request = Request(f"{self.url}/_standin/{path}", data=body, method=method)
        try:
            with urlopen(request) as answer:
                return json.load(answer)
        except HTTPError as error:
            return {"status": error.code} | json.load(error)

    def load(self, **fleet: Any) -> None:
        assert self.control("POST", "fleet", fleet) == {}

    def fleet(self) -> Any:
        return self.control("GET", "fleet")

    def switch(self, **switches: Any) -> None:
        assert self.control("POST", "switches", switches) == {}

    def image_ids(self) -> list[str]:
        return [one["image_id"] for one in self.fleet()["images"]]

    def snapshot_ids(self) -> list[str]:
        return [one["snapshot_id"] for one in self.fleet()["snapshots"]]
