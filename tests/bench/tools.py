"""The tools that `make bench-peers` measures, and running one of them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import REGION, ROOT, VENV, Account, steward_environment
from seed import Seed, User

HERE = Path(__file__).resolve().parent
FILES = HERE / "peers"
PEERS = VENV / "peers" / "bin"
LATENCY = 0.02

BUCKETS = {
    (100, 5): ["DeregisterImage", "DeleteSnapshot", "ModifyImageAttribute"],
    (100, 10): ["CreateTags", "DeleteTags"],
    (50, 5): [
        "DisableImage",
        "DisableImageDeprecation",
        "EnableImage",
        "EnableImageDeprecation",
    ],
    (50, 3): ["DescribeSpotFleetRequests"],
    (100, 20): [
        "DescribeFleets",
        "DescribeImageAttribute",
        "DescribeImageReferences",
        "DescribeImages",
        "DescribeInstances",
        "DescribeLaunchTemplates",
        "DescribeLaunchTemplateVersions",
        "DescribeLockedSnapshots",
        "DescribeSnapshotAttribute",
        "DescribeSnapshots",
        "DescribeSpotInstanceRequests",
        "DescribeTags",
        "ListImagesInRecycleBin",
        "ListSnapshotsInRecycleBin",
    ],
}
"""EC2's token buckets: capacity and refill per second, from the EC2 documentation."""
THROTTLED = ("RequestLimitExceeded", "ThrottlingException")


@dataclass(frozen=True)
class Tool:
    """How to run a tool, and what to state about it."""

    key: str
    """Its name on the command line."""
    name: str
    program: Path
    command: Callable[[Path, Seed], list[str]]
    """Called with a separate directory."""
    versions: Callable[[], str]
    options: str
    unchecked: str


@dataclass(frozen=True)
class Run:
    """The cost of one run of a tool, and the changes to the account."""

    calls: Counter[str]
    throttled: int
    wall: float
    cpu: float
    peak: float
    removed: int
    lost: Counter[User]
    kept_lost: int
    expired_left: int
    exit: int


class Tools:
    """The four tools, with the binaries of image-steward in this directory."""

    def __init__(self, binaries: Path) -> None:
        self._profile = binaries.name
        self._steward = binaries / "image-steward"
        self._floor = binaries / "examples" / "floor"
        self._custodian = PEERS / "custodian"
        self._python = PEERS / "python"

    def all(self) -> list[Tool]:
        """In the order of their runs."""
        return [
            Tool(
                key="image-steward",
                name="image-steward",
                program=self._steward,
                command=lambda *_: self.steward(
                    "apply", FILES / "policy.toml", "--yes"
                ),
                versions=lambda: _said([str(self._steward), "--version"]),
                options=(
                    "`image-steward apply --yes` with `tests/bench/peers/policy.toml`, "
                    f"built in the profile `{self._profile}`"
                ),
                unchecked="Not checked: what [is not read](safety.md#what-it-does-not-see).",
            ),
            Tool(
                key="custodian",
                name="Cloud Custodian",
                program=self._custodian,
                command=self._custodian_command,
                versions=lambda: self._versions_of("c7n", "boto3"),
                options=(
                    "`custodian run` with `tests/bench/peers/custodian.yml`, "
                    "the example for old unused images of its documentation"
                ),
                unchecked=(
                    "Not checked: templates that no Auto Scaling group names, images that a "
                    "group's overrides name, fleets and spot requests, AWS Batch, SSM "
                    "parameters, whether an image is shared, and anything that changes while "
                    "it runs."
                ),
            ),
            Tool(
                key="boto3",
                name="a script with boto3",
                program=self._python,
                command=lambda *_: [str(self._python), str(FILES / "cleanup.py")],
                versions=lambda: self._versions_of("boto3"),
                options="`tests/bench/peers/cleanup.py`, with boto3's default retries",
                unchecked=(
                    "Not checked: versions of templates other than the default, Auto Scaling "
                    "groups and their launch configurations, fleets and spot requests, AWS "
                    "Batch, SSM parameters, whether an image is shared, and anything that "
                    "changes while it runs."
                ),
            ),
            Tool(
                key="floor",
                name="the fewest calls",
                program=self._floor,
                command=self._floor_command,
                versions=lambda: "",
                options=(
                    "`tests/examples/floor.rs`, which is told which images to remove, on "
                    "image-steward's own client of EC2"
                ),
                unchecked="Nothing is checked.",
            ),
        ]

    def steward(self, verb: str, policy: Path, *more: str) -> list[str]:
        """Our command, without progress."""
        arguments = ["--policy", str(policy), "--region", REGION, "--quiet"]
        return [str(self._steward), verb, *more, *arguments]

    def _custodian_command(self, directory: Path, _: Seed) -> list[str]:
        # Cached data must not be used in the next run.
        cache = ["--cache", str(directory / "cache")]
        out = ["--output-dir", str(directory / "out"), "--region", REGION]
        policy = str(FILES / "custodian.yml")
        return [str(self._custodian), "run", *cache, *out, policy]

    def _floor_command(self, directory: Path, seed: Seed) -> list[str]:
        ids = directory / "expired.txt"
        ids.write_text("".join(f"{one}\n" for one in seed.expired))
        return [str(self._floor), str(ids)]

    def _versions_of(self, *packages: str) -> str:
        ask = (
            "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
        )
        found = _said([str(self._python), "-c", ask, *packages]).split()
        named = zip(packages, found, strict=True)
        return ", ".join(f"{name} {version}" for name, version in named)


def _said(command: list[str]) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.strip()


def prepare(account: Account, seed: Seed) -> None:
    """Fill the account and the token buckets."""
    account.load(seed.fleet)
    buckets = {
        action: {"capacity": capacity, "per_second": refill}
        for (capacity, refill), actions in BUCKETS.items()
        for action in actions
    }
    account.switch(buckets=buckets, latency_seconds=LATENCY)


def calls_of(account: Account, command: list[str]) -> int:
    """The number of calls of this command, which must succeed."""
    with tempfile.TemporaryDirectory() as directory:
        measured = _measured(account, command, Path(directory))
    if measured["exit"] != 0:
        raise SystemExit(f"{command}: exit code {measured['exit']}")
    return len(account.calls())


def run(account: Account, seed: Seed, tool: Tool) -> Run:
    """Run a tool on a newly filled account."""
    prepare(account, seed)
    with tempfile.TemporaryDirectory() as directory:
        command = tool.command(Path(directory), seed)
        measured = _measured(account, command, Path(directory))
    log = account.calls()
    limited = {action for actions in BUCKETS.values() for action in actions}
    calls = Counter(one["action"] for one in log)
    # The log contains the service of all calls except EC2's.
    if unlimited := {one for one in calls if ":" not in one} - limited:
        raise SystemExit(f"BUCKETS lacks {sorted(unlimited)}, called by {tool.name}")
    fleet = account.fleet()
    left = {one["image_id"] for one in fleet["images"]}
    return Run(
        calls=calls,
        throttled=sum(one["answer"] in THROTTLED for one in log),
        wall=measured["wall"],
        cpu=measured["cpu"],
        peak=measured["peak"],
        removed=seed.removed(fleet),
        lost=seed.lost(fleet),
        kept_lost=seed.kept_lost(fleet),
        expired_left=len(left.intersection(seed.expired)),
        exit=measured["exit"],
    )


def _measured(account: Account, command: list[str], directory: Path) -> dict[str, Any]:
    """Run a command. Returns its cost; on failure, raises with the end of its output."""
    file, said = directory / "measured.json", directory / "said"
    environment = steward_environment(
        account.url, {"HOME": str(directory), "AWS_DEFAULT_REGION": REGION}
    )
    launcher = [sys.executable, "-I", "-S", str(HERE / "measured.py"), str(file)]
    with said.open("w") as out:
        subprocess.run(
            launcher + command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=True,
        )
    measured = json.loads(file.read_text())
    if measured["exit"] != 0:
        last = said.read_text(errors="replace").splitlines()[-10:]
        print("\n".join(line[:300] for line in last), file=sys.stderr)
    return measured
