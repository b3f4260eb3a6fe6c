"""The functions: configured here and nowhere else, deployed by cargo-lambda.

See docs/decisions/0014-who-owns-a-functions-configuration.md.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from botocore.exceptions import ClientError

from settings import ROOT, Stop
from stacks import is_ours

# So that the same binary and policy give the same archive, to the last byte.
_LONG_AGO = 1_577_836_800
_RUNTIME = "provided.al2023"
EVENT_SOURCE = "STEWARD_EVENT_SOURCE"
# Its default in the functions.
_EC2 = "aws.ec2"
_DIGEST = "image-steward-digest"
_POLICY = "image-steward-policy"


@dataclass(frozen=True)
class Function:
    """The configuration of one function, but for what differs between accounts."""

    name: str
    role: str
    memory: int
    """In MiB; 128 would do (docs/cost.md). Sweeps get more, because CPU comes with it."""
    timeout: int
    """In seconds."""
    concurrency: int | None
    """How many may run at once; None: as many as the account allows."""


FUNCTIONS = (
    Function("tag-image", "TagImageRoleArn", 128, 60, None),
    # A sweep must not meet another one.
    Function("prune-images", "PruneImagesRoleArn", 256, 900, 1),
    Function("reap-snapshots", "ReapSnapshotsRoleArn", 256, 900, 1),
    Function("retire-instance", "RetireInstanceRoleArn", 128, 120, 1),
)


@dataclass
class Deployment:
    """All that the functions of one stack have in common."""

    client: Any
    cargo_lambda: Path
    stack: str
    mode: str
    policy: Path
    binaries: Path
    event_bus: str
    event_source: str
    """The source of the events about images that the functions believe."""
    more_env: dict[str, str]
    tags: dict[str, str]

    def name(self, function: Function) -> str:
        """The name that AWS knows the function by."""
        return f"{self.stack}-{function.name}"

    def environment(self) -> dict[str, str]:
        """The variables that the functions run with."""
        chosen = self.more_env | {
            "STEWARD_MODE": self.mode,
            "STEWARD_POLICY": "file:policy.toml",
            "STEWARD_EVENT_BUS": self.event_bus,
        }
        if self.event_source != _EC2:
            chosen[EVENT_SOURCE] = self.event_source
        return chosen

    def is_missing(self, function: Function) -> bool:
        """Whether it is not there."""
        return deployed(self.client, self.name(function), self.tags) is None

    def differences(self, function: Function, role: str) -> list[str]:
        """What is not as it should be, a line each; empty when nothing is to be done."""
        name = self.name(function)
        found = deployed(self.client, name, self.tags)
        if found is None:
            return [f"  + function {name}"]
        held = found["Configuration"]
        reserved = self.client.get_function_concurrency(FunctionName=name)
        wanted = {
            "role": (held["Role"], role),
            "memory": (held["MemorySize"], function.memory),
            "timeout": (held["Timeout"], function.timeout),
            "runtime": (held["Runtime"], _RUNTIME),
            "architecture": (
                held.get("Architectures", ["x86_64"])[0],
                architecture(self.binary(function)),
            ),
            "concurrency": (
                reserved.get("ReservedConcurrentExecutions"),
                function.concurrency,
            ),
            "code or policy": (
                found.get("Tags", {}).get(_DIGEST),
                self.mark(function, held),
            ),
        }
        before = held.get("Environment", {}).get("Variables", {})
        after = self.environment()
        for key in sorted(before.keys() | after.keys()):
            wanted[key] = (before.get(key), after.get(key))
        return [
            f"  ~ function {name}: {what}: {one} → {other}"
            for what, (one, other) in wanted.items()
            if one != other
        ]

    def binary(self, function: Function) -> Path:
        """The release binary."""
        found = self.binaries / function.name / "bootstrap"
        if not found.exists():
            raise Stop(f"{found} does not exist; run `make functions`")
        return found

    def mark(self, function: Function, held: dict[str, Any]) -> str:
        """What goes into the archive, and what Lambda says that it has, as one word.

        The tag holds it once both are the same: so neither code that was changed by hand
        nor an upload that failed looks like what was deployed.
        """
        digest = hashlib.sha256(self.binary(function).read_bytes())
        digest.update(self.policy.read_bytes())
        code = hashlib.sha256(held["CodeSha256"].encode())
        return f"{digest.hexdigest()[:12]}-{code.hexdigest()[:12]}"

    def deploy(self, function: Function, role: str) -> None:
        """Create the function or bring it up to date.

        One that is there rests meanwhile, and after a failure until the next attempt: it
        never runs with the new mode and the old policy.
        """
        name = self.name(function)
        if found := deployed(self.client, name, self.tags):
            self._reserve(name, 0)
            self._adapt(name, found["Configuration"], function, role)
        with tempfile.TemporaryDirectory() as staged:
            self._stage(function, Path(staged))
            command = self._command(function, role)
            for seconds in (5, 10, 15, 20, 0):
                done = subprocess.run(
                    command, cwd=staged, check=False, capture_output=True, text=True
                )
                said = " ".join((done.stderr or done.stdout).split())
                # A role is not known everywhere at once.
                if done.returncode == 0 or "cannot be assumed" not in said:
                    break
                time.sleep(seconds)
        if done.returncode != 0:
            raise Stop(f"deploying {name} failed: {said}")
        self._wait(name)
        held = self.client.get_function_configuration(FunctionName=name)
        policy = hashlib.sha256(self.policy.read_bytes()).hexdigest()
        tags = self.tags | {_DIGEST: self.mark(function, held), _POLICY: policy}
        self.client.tag_resource(Resource=held["FunctionArn"], Tags=tags)
        self._reserve(name, function.concurrency)

    def _stage(self, function: Function, staged: Path) -> None:
        for source, target in (
            (self.binary(function), "bootstrap"),
            (self.policy, "policy.toml"),
        ):
            path = staged / target
            shutil.copyfile(source, path)
            path.chmod(0o755 if target == "bootstrap" else 0o644)
            os.utime(path, (_LONG_AGO, _LONG_AGO))

    def _command(self, function: Function, role: str) -> list[str]:
        command = [
            *(self.cargo_lambda, "lambda", "deploy"),
            *("--manifest-path", ROOT / "Cargo.toml"),
            *("--binary-path", "bootstrap", "--include", "policy.toml"),
            *("--region", self.client.meta.region_name),
            *("--role", role, "--runtime", _RUNTIME),
            *("--memory", function.memory, "--timeout", function.timeout),
            *("--retry-attempts", 3, "--output-format", "json"),
        ]
        for key, value in self.environment().items():
            command += ["--env-var", f"{key}={value}"]
        for key, value in self.tags.items():
            command += ["--tag", f"{key}={value}"]
        return [str(word) for word in (*command, self.name(function))]

    def _adapt(
        self, name: str, held: dict[str, Any], function: Function, role: str
    ) -> None:
        """What cargo-lambda sets when it makes a function, and leaves as it is later."""
        if (held["Role"], held["Runtime"]) != (role, _RUNTIME):
            self.client.update_function_configuration(
                FunctionName=name, Role=role, Runtime=_RUNTIME
            )
            self._wait(name)
        wanted = architecture(self.binary(function))
        if held.get("Architectures", [wanted]) != [wanted]:
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
                file.write(self.binary(function), "bootstrap")
            self.client.update_function_code(
                FunctionName=name, ZipFile=archive.getvalue(), Architectures=[wanted]
            )
            self._wait(name)

    def _wait(self, name: str) -> None:
        self.client.get_waiter("function_active_v2").wait(FunctionName=name)
        self.client.get_waiter("function_updated_v2").wait(FunctionName=name)

    def _reserve(self, name: str, number: int | None) -> None:
        if number is None:
            self.client.delete_function_concurrency(FunctionName=name)
            return
        try:
            self.client.put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=number
            )
        except ClientError as error:
            # New accounts may have ten in all, none of which can be reserved.
            raise Stop(
                f"{name} may not run alone: {error}; ask AWS to raise the account's"
                " quota of concurrent executions, then run this again"
            ) from None


def architecture(binary: Path) -> str:
    """What Lambda calls the machine that the binary is for, from its ELF header."""
    with binary.open("rb") as file:
        header = file.read(20)
    machines = {b"\x3e\x00": "x86_64", b"\xb7\x00": "arm64"}
    if header[:4] != b"\x7fELF" or header[18:20] not in machines:
        raise Stop(f"{binary} is no program for Lambda; run `make functions`")
    return machines[header[18:20]]


def deployed(client: Any, name: str, tags: dict[str, str]) -> dict[str, Any] | None:
    """The function as it is; None when there is none. One that is not ours is not touched."""
    try:
        found = client.get_function(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return None
    if not is_ours(found.get("Tags", {}), tags):
        raise Stop(
            f"there is a function {name} that is not of this deployment; write another"
            " STACK="
        )
    return found


def variables(held: dict[str, Any]) -> dict[str, str]:
    """The environment variables of a deployed function."""
    return held["Configuration"].get("Environment", {}).get("Variables", {})


def present_mode(found: list[dict[str, Any]]) -> str | None:
    """The mode of these functions; None when there are none."""
    modes = {variables(one).get("STEWARD_MODE", "plan") for one in found}
    if len(modes) > 1:
        raise Stop(
            "some functions are in plan mode, others in apply mode; write MODE=plan or"
            " MODE=apply"
        )
    return next(iter(modes), None)


def present_policy(found: list[dict[str, Any]]) -> bytes | None:
    """The policy that these functions were deployed with; None when none ever was."""
    done = [one for one in found if _POLICY in one.get("Tags", {})]
    digests = {one["Tags"][_POLICY] for one in done}
    if not done:
        return None
    if len(digests) > 1:
        raise Stop("not all functions have the same policy; write POLICY=FILE")
    with urlopen(done[0]["Code"]["Location"], timeout=60) as answer:
        archive = io.BytesIO(answer.read())
    try:
        policy = zipfile.ZipFile(archive).read("policy.toml")
    except (KeyError, zipfile.BadZipFile):
        policy = b""
    if hashlib.sha256(policy).hexdigest() not in digests:
        raise Stop("the deployed policy was changed by hand; write POLICY=FILE")
    return policy


def delete(client: Any, name: str, tags: dict[str, str]) -> bool:
    """Delete the function; whether there was one."""
    if deployed(client, name, tags) is None:
        return False
    client.delete_function(FunctionName=name)
    return True
