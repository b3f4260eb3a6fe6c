"""What the demo and the end-to-end tests run on, all of it on this machine.

- `Account`: the stand-in for an AWS account, in a process of its own.
- `Runtime`: cargo-lambda's Lambda runtime API, and the real function binaries
  that take their events from it.
- `image_steward`: the operator's command.

Nothing here can reach a real account: `steward_environment` is the only place
that makes an environment for something that speaks to AWS, it passes on no AWS
setting of the caller, and it refuses an endpoint that is not loopback.

Everything that is started leads a process group of its own, and is stopped by
that group's number: at the end of the `with` block, and so on failure and on
Ctrl-C too.
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
"""Nothing listens there: a command that is given this endpoint cannot read an account."""

# A proxy of the machine has no business between these processes.
_open = build_opener(ProxyHandler({})).open


def require_loopback(url: str) -> str:
    """The address, if it is one of this machine; otherwise nothing may run."""
    host = urlsplit(url).hostname or ""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise SystemExit(f"{url} is not an address of this machine: refusing to run")
    return url


def clean_environment() -> dict[str, str]:
    """The caller's environment without anything that concerns AWS or proxies."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AWS_", "STEWARD_"))
        and not key.lower().endswith("_proxy")
    }


def steward_environment(
    endpoint: str, settings: Mapping[str, str | None]
) -> dict[str, str]:
    """What the functions and the command run with; None takes a variable away."""
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
    """The local AWS account: its control endpoint, and clients to look at it."""

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
        """A boto3 client that speaks to this account and to no other."""
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
        """A request to the control endpoint."""
        body = None if content is None else json.dumps(content).encode()
        request = Request(f"{self.url}/_standin/{path}", data=body, method=method)
        try:
            with _open(request, timeout=30) as answer:
                return json.load(answer)
        except HTTPError as error:
            said = error.read().decode()
            raise ValueError(f"{method} {path}: {error.code} {said}") from None

    def load(self, fleet: Mapping[str, Any]) -> None:
        """Replace the whole content, turn all switches off, forget all calls."""
        self.control("POST", "switches", {})
        self.control("POST", "fleet", fleet)
        self.forget_calls()

    def switch(self, **switches: Any) -> None:
        """Replace all switches."""
        self.control("POST", "switches", switches)

    def fleet(self) -> dict[str, Any]:
        """What the account holds now."""
        return self.control("GET", "fleet")

    def set_back(self, tag: str, by: timedelta, but: Container[str] = ()) -> None:
        """Set back the times that snapshots carry in a tag, for all but these ids, and the times at
        which images entered the Recycle Bin.

        So a wait ends that is longer than a test or the demo may take.
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
        """Start counting anew."""
        self.control("DELETE", "calls")

    def calls(self) -> list[dict[str, Any]]:
        """Every call since then, in order."""
        return self.control("GET", "calls?log=1")

    def mutating_calls(self) -> list[str]:
        """Those of them that change something, or try to; news change nothing."""
        names = [call["action"] for call in self.calls()]
        reads = ("Describe", "Get", "List", "PutEvents")
        return [name for name in names if not name.split(":")[-1].startswith(reads)]


def earlier(time: str, by: timedelta) -> str:
    """This time, or each of two in a tag's value, set back."""
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
            # An event for a function that never comes would wait for the next one.
            wait_for(self.process, self.relay.connected.is_set)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the process first, so that it sees no broken connection."""
        self.process.stop()
        self.relay.stop()


class Runtime:
    """cargo-lambda's runtime API, and the functions that are connected to it.

    It runs with `--only-lambda-apis`: the functions are started here, from the
    binaries that cargo has built. So each can have settings of its own, and new
    settings take a tenth of a second.
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
        """Stop the functions, then what they are connected to."""
        for function in self._functions.values():
            function.stop()
        self._watch.stop()
        shutil.rmtree(self._bundles, ignore_errors=True)

    def start(
        self, name: str, policy: str | None = None, **settings: str | None
    ) -> None:
        """Start a function, in place of one of the same name that runs already.

        The policy is in the file policy.toml where it runs, unless a setting says
        otherwise. Died when the function gives up by itself.
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
        """Send an event and wait for the answer; Died when the function dies of it.

        `seconds` is the time that the function is told it has.
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
        """Read every log, which fails if a line is not as it should be."""
        for name in self._functions:
            self.logs(name)

    def logs(self, name: str) -> list[dict[str, Any]]:
        """What the function has logged since it was started: a JSON object a line."""
        lines = self._functions[name].process.said().splitlines()
        return [json.loads(line, object_pairs_hook=_once) for line in lines]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that it has twice would be lost on the way to CloudWatch."""
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), (
        f"a key comes twice in a line of the log: {keys}"
    )
    return dict(pairs)


def image_steward(
    account: Account | str, *arguments: str, **settings: str | None
) -> subprocess.CompletedProcess[str]:
    """Run the operator's command against the account, or an address of this machine."""
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
    """Write a file; its path, as an argument of the command."""
    file.write_text(text)
    return str(file)


def _json_of(request: Request, seconds: float) -> Any:
    try:
        with _open(request, timeout=seconds) as answer:
            return json.load(answer)
    except HTTPError as error:
        # A function's error; Lambda itself would send it with status 200.
        return json.load(error)
