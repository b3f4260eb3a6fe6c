"""The environment of the demo and the end-to-end tests, all on this computer.

- `Account`: the stand-in for an AWS account, in a separate process.
- `Runtime`: the Lambda runtime API of cargo-lambda, with the real binaries of the functions, which
  get their events from it.
- `image_steward`: the operator's command.

Nothing here can access a real account. Only `steward_environment` creates environments for programs
that use AWS. It passes on no AWS settings of the caller, and rejects endpoints that are not
loopback addresses.

Every started process leads its own process group. The group is stopped at the end of the `with`
block, and so after a failure or Ctrl-C too.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import boto3
from botocore.config import Config

from binaries import ROOT, binary
from deadline import DeadlineRelay
from process import Died, Process, accepts, free_port, wait_for

VENV = ROOT / ".venv"
REGION = "eu-central-1"
FUNCTIONS = ("tag-image", "prune-images", "reap-snapshots", "retire-instance")
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDLOCALONLY",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
}

DONE, FAILED, USAGE, PART, REFUSED, GATE = range(6)
"""The exit codes of the command."""
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there, so a command with this endpoint cannot read an account."""

# Proxies must not be used between these processes.
_open = build_opener(ProxyHandler({})).open


def require_loopback(url: str) -> str:
    """The address, if it is a loopback address. Otherwise fails before anything runs."""
    host = urlsplit(url).hostname or ""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise SystemExit(f"{url} is not an address of this machine: refusing to run")
    return url


def clean_environment() -> dict[str, str]:
    """The caller's environment without AWS and proxy variables."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AWS_", "STEWARD_"))
        and not key.lower().endswith("_proxy")
    }


def steward_environment(
    endpoint: str, settings: Mapping[str, str | None]
) -> dict[str, str]:
    """The environment of the functions and the command. None removes a variable."""
    environment = clean_environment() | KEYS
    environment |= {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for key, value in settings.items():
        if value is None:
            environment.pop(key, None)
        else:
            environment[key] = value
    require_loopback(environment.get("AWS_ENDPOINT_URL", ""))
    return environment


class Account:
    """The local AWS account: its control endpoint, and clients to read it."""

    def __init__(self, fleet: Mapping[str, Any] | None = None) -> None:
        self._clients: dict[str, Any] = {}
        command = [str(VENV / "bin/python"), str(ROOT / "tests/standin")]
        self._process = Process(
            command + ["--exit-with-parent"], clean_environment(), ROOT
        )
        try:
            self.url = require_loopback(self._address())
            if fleet is not None:
                self.load(fleet)
        except BaseException:
            self._process.stop()
            raise

    def _address(self) -> str:
        wait_for(self._process, lambda: "\n" in self._process.said())
        return self._process.said().split()[2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def client(self, service: str) -> Any:
        """A boto3 client for this account."""
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    def _new_client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=require_loopback(self.url),
            region_name=REGION,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )

    def control(self, method: str, path: str, content: Any = None) -> Any:
        """Send a request to the control endpoint."""
        body = None if content is None else json.dumps(content).encode()
        request = Request(f"{self.url}/_standin/{path}", data=body, method=method)
        try:
            with _open(request, timeout=30) as answer:
                return json.load(answer)
        except HTTPError as error:
            said = error.read().decode()
            raise ValueError(f"{method} {path}: {error.code} {said}") from None

    def load(self, fleet: Mapping[str, Any]) -> None:
        """Replace the whole content, turn off all switches, and clear the recorded calls."""
        self.control("POST", "switches", {})
        self.control("POST", "fleet", fleet)
        self.forget_calls()

    def switch(self, **switches: Any) -> None:
        """Replace all switches."""
        self.control("POST", "switches", switches)

    def fleet(self) -> dict[str, Any]:
        """The current content of the account."""
        return self.control("GET", "fleet")

    def set_back(self, tag: str, by: timedelta, but: Container[str] = ()) -> None:
        """Move back the times in a tag of snapshots, except for these ids, and the times at which
        images entered the Recycle Bin.

        This ends waits that are longer than a test or the demo may take.
        """
        fleet = self.fleet()
        recycled = [
            one | {at: earlier(one[at], by) for at in ("entered_at", "leaves_at")}
            for one in fleet["recycled_images"]
        ]
        self.control("PATCH", "fleet", {"recycled_images": recycled})
        for one in fleet["snapshots"]:
            time = one["tags"].get(tag)
            if time is None or one["snapshot_id"] in but:
                continue
            self.client("ec2").create_tags(
                Resources=[one["snapshot_id"]],
                Tags=[{"Key": tag, "Value": earlier(time, by)}],
            )

    def forget_calls(self) -> None:
        """Clear the recorded calls."""
        self.control("DELETE", "calls")

    def calls(self) -> list[dict[str, Any]]:
        """All recorded calls, in order."""
        return self.control("GET", "calls?log=1")

    def mutating_calls(self) -> list[str]:
        """The recorded calls that change something, or try to. Publishing events does not count."""
        names = [call["action"] for call in self.calls()]
        reads = ("Describe", "Get", "List", "PutEvents")
        return [name for name in names if not name.split(":")[-1].startswith(reads)]


def earlier(time: str, by: timedelta) -> str:
    """The time, or both times in a tag's value, moved back."""
    times = [datetime.fromisoformat(one) - by for one in time.split(" marked ")]
    return " marked ".join(f"{one:%Y-%m-%dT%H:%M:%SZ}" for one in times)


class Function:
    """The binary of a function, connected to a runtime API."""

    def __init__(
        self, name: str, port: int, directory: Path, environment: Mapping[str, str]
    ) -> None:
        self.relay = DeadlineRelay(port)
        api = {
            "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{self.relay.port}/.rt/{name}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        }
        self.process = Process([str(binary(name))], environment | api, directory)
        try:
            # A function that waits for an event would take the next one.
            wait_for(self.process, self.relay.connected.is_set)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the process first, so that its connection does not break."""
        self.process.stop()
        self.relay.stop()


class Runtime:
    """The runtime API of cargo-lambda, and the functions that are connected to it.

    It runs with `--only-lambda-apis`: the functions are started here from the binaries that cargo
    built. So each can have its own settings, and new settings take a tenth of a second.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._functions: dict[str, Function] = {}
        self._bundles = Path(tempfile.mkdtemp(prefix="image-steward-"))
        self._port = free_port()
        environment = clean_environment()
        environment["PATH"] = f"{VENV / 'bin'}{os.pathsep}{environment['PATH']}"
        command = "cargo lambda watch --ignore-changes --only-lambda-apis -A 127.0.0.1"
        self._watch = Process(
            [*command.split(), "-P", str(self._port)], environment, ROOT
        )
        try:
            wait_for(self._watch, lambda: accepts(self._port))
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the functions, then the runtime API."""
        for function in self._functions.values():
            function.stop()
        self._watch.stop()
        shutil.rmtree(self._bundles, ignore_errors=True)

    def start(
        self, name: str, policy: str | None = None, **settings: str | None
    ) -> None:
        """Start a function, instead of a running one with the same name.

        The policy is in policy.toml in the working directory, unless a setting names another.
        Raises Died if the function exits.
        """
        if name in self._functions:
            self._functions.pop(name).stop()
        bundle = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._bundles))
        if policy is not None:
            (bundle / "policy.toml").write_text(policy)
        told = {"STEWARD_EVENT_BUS": "default", "STEWARD_POLICY": "file:policy.toml"}
        environment = steward_environment(self._account.url, told | settings)
        self._functions[name] = Function(name, self._port, bundle, environment)

    def invoke(self, name: str, event: Any, seconds: float = 60) -> Any:
        """Send an event and wait for the response. Raises Died if the function exits.

        `seconds` is the time until the function's deadline.
        """
        function = self._functions[name]
        function.relay.seconds = seconds
        url = f"http://127.0.0.1:{self._port}/2015-03-31/functions/{name}/invocations"
        request = Request(url, data=json.dumps(event).encode())
        pool = ThreadPoolExecutor(1)
        answer = pool.submit(_json_of, request, seconds + 30)
        pool.shutdown(wait=False)
        while not answer.done():
            if function.process.exit_code is not None:
                raise Died(function.process.last_words())
            time.sleep(0.005)
        return answer.result()

    def check_logs(self) -> None:
        """Read all logs. Fails if a line has the wrong format."""
        for name in self._functions:
            self.logs(name)

    def logs(self, name: str) -> list[dict[str, Any]]:
        """The log of the function since its start: one JSON object per line."""
        lines = self._functions[name].process.said().splitlines()
        return [json.loads(line, object_pairs_hook=_once) for line in lines]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without repeated keys, which would be lost in CloudWatch."""
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), (
        f"a key comes twice in a line of the log: {keys}"
    )
    return dict(pairs)


def image_steward(
    account: Account | str, *arguments: str, **settings: str | None
) -> subprocess.CompletedProcess[str]:
    """Run the operator's command with the account, or with a local address."""
    url = account if isinstance(account, str) else account.url
    return subprocess.run(
        [str(binary("image-steward")), *arguments],
        env=steward_environment(url, settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def write(file: Path, text: str) -> str:
    """Write a file, and return its path as an argument of the command."""
    file.write_text(text)
    return str(file)


def _json_of(request: Request, seconds: float) -> Any:
    try:
        with _open(request, timeout=seconds) as answer:
            return json.load(answer)
    except HTTPError as error:
        # A function's error, which Lambda itself would send with status 200.
        return json.load(error)
