"""The functions: configured here and nowhere else, deployed by cargo-lambda.

See docs/decisions/0014-who-owns-a-functions-configuration.md.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from settings import ROOT, Stop

# So that the same binary and policy give the same archive, to the last byte.
_LONG_AGO = 1_577_836_800
_RUNTIME = "provided.al2023"
_DIGEST = "image-steward-digest"


@dataclass(frozen=True)
class Function:
    """The configuration of one function, but for what differs between accounts."""

    name: str
    role: str
    memory: int
    """In MiB: twice what docs/cost.md measured for 5,000 images, at least 128."""
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
    more_env: dict[str, str]
    tags: dict[str, str]

    def name(self, function: Function) -> str:
        """The name that AWS knows the function by."""
        return f"{self.stack}-{function.name}"

    def environment(self) -> dict[str, str]:
        """The variables that the functions run with."""
        return self.more_env | {
            "STEWARD_MODE": self.mode,
            "STEWARD_POLICY": "file:policy.toml",
            "STEWARD_EVENT_BUS": self.event_bus,
        }

    def differences(self, function: Function, role: str) -> list[str]:
        """What is not as it should be, a line each; empty when nothing is to be done."""
        name = self.name(function)
        found = deployed(self.client, name)
        if found is None:
            return [f"  + function {name}"]
        held = found["Configuration"]
        reserved = self.client.get_function_concurrency(FunctionName=name)
        wanted = {
            "role": (held["Role"], role),
            "memory": (held["MemorySize"], function.memory),
            "timeout": (held["Timeout"], function.timeout),
            "runtime": (held["Runtime"], _RUNTIME),
            "concurrency": (
                reserved.get("ReservedConcurrentExecutions"),
                function.concurrency,
            ),
            "code or policy": (
                found.get("Tags", {}).get(_DIGEST, "")[:12],
                self.digest(function)[:12],
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

    def digest(self, function: Function) -> str:
        """What is in the archive, as one word."""
        digest = hashlib.sha256(self.binary(function).read_bytes())
        digest.update(self.policy.read_bytes())
        return digest.hexdigest()

    def deploy(self, function: Function, role: str) -> None:
        """Create the function or bring it up to date."""
        name = self.name(function)
        tags = self.tags | {_DIGEST: self.digest(function)}
        with tempfile.TemporaryDirectory() as staged:
            for source, target in (
                (self.binary(function), "bootstrap"),
                (self.policy, "policy.toml"),
            ):
                path = Path(staged, target)
                shutil.copyfile(source, path)
                path.chmod(0o755 if target == "bootstrap" else 0o644)
                os.utime(path, (_LONG_AGO, _LONG_AGO))
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
            for key, value in tags.items():
                command += ["--tag", f"{key}={value}"]
            command = [str(word) for word in (*command, name)]
            done = subprocess.run(
                command, cwd=staged, check=False, capture_output=True, text=True
            )
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split())
            raise Stop(f"deploying {name} failed: {said}")
        self.client.get_waiter("function_active_v2").wait(FunctionName=name)
        self.client.get_waiter("function_updated_v2").wait(FunctionName=name)
        arn = self.client.get_function_configuration(FunctionName=name)["FunctionArn"]
        self.client.tag_resource(Resource=arn, Tags=tags)
        if function.concurrency is not None:
            self._reserve(name, function.concurrency)

    def _reserve(self, name: str, number: int) -> None:
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


def deployed(client: Any, name: str) -> dict[str, Any] | None:
    """The function as it is; None when there is none."""
    try:
        return client.get_function(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return None


def delete(client: Any, name: str) -> bool:
    """Delete the function; whether there was one."""
    try:
        client.delete_function(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return False
    return True
