"""One image sweep, by the operator's command or by the function.

Both have the same guarantees, so they share the tests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from events import scheduled_event
from harness import REFUSED, Account, Runtime, image_steward

HOW = ("command", "function")


class Sweeps:
    """Applies policies to the account, with the command or the function (`how`)."""

    def __init__(
        self, how: str, account: Account, request: Any, directory: Path
    ) -> None:
        self.how = how
        self._account = account
        self._request = request
        self._file = directory / "policy.toml"

    def prune(self, policy: str) -> dict[str, Any]:
        """The outcome for images."""
        if self.how == "function":
            answer = self._invoke("prune-images", policy)
            return answer["outcome"]
        return self._apply(policy)["images"]

    def reap(self, policy: str) -> dict[str, Any]:
        """The results for snapshots."""
        if self.how == "function":
            return self._invoke("reap-snapshots", policy)
        return self._apply(policy)["snapshots"]

    def _invoke(self, name: str, policy: str) -> dict[str, Any]:
        # A runtime takes a second to start, and the command needs none.
        runtime: Runtime = self._request.getfixturevalue("running_runtime")
        runtime.start(name, policy, STEWARD_MODE="apply")
        return runtime.invoke(name, scheduled_event())

    def _apply(self, policy: str) -> dict[str, Any]:
        self._file.write_text(policy)
        arguments = ("apply", "--yes", "--policy", str(self._file), "--format", "json")
        done = image_steward(self._account, *arguments)
        assert done.stdout, done.stderr
        answer = json.loads(done.stdout)
        outcomes = (answer["images"], answer["snapshots"]["outcome"])
        refused = any(one["refusal"] for one in outcomes)
        assert (done.returncode == REFUSED) == refused, done.stderr
        return answer


@pytest.fixture(params=HOW)
def sweeps(request: pytest.FixtureRequest, account: Account, tmp_path: Path) -> Sweeps:
    """Sweeps by the command. The same test runs again for the functions."""
    return Sweeps(request.param, account, request, tmp_path)


@pytest.fixture
def command(request: pytest.FixtureRequest, account: Account, tmp_path: Path) -> Sweeps:
    """Sweeps by the command only, if the function cannot differ."""
    return Sweeps("command", account, request, tmp_path)


class Planner:
    """`image-steward plan` and `stale` with a policy."""

    def __init__(self, account: Account, directory: Path) -> None:
        self._account = account
        self._file = directory / "planned.toml"

    def run(self, policy: str, *arguments: str) -> Any:
        """The completed process of `plan`."""
        return self.command("plan", policy, *arguments)

    def command(self, command: str, policy: str, *arguments: str) -> Any:
        """The completed process."""
        self._file.write_text(policy)
        return image_steward(
            self._account, command, "--policy", str(self._file), *arguments
        )

    def decisions(self, policy: str) -> dict[str, dict[str, Any]]:
        """The decision for each image."""
        done = self.run(policy, "--format", "json")
        assert done.stdout, done.stderr
        return {one["image_id"]: one for one in json.loads(done.stdout)["decisions"]}

    def snapshots(self, policy: str) -> dict[str, dict[str, Any]]:
        """The decision for each tagged or orphaned snapshot."""
        done = self.run(policy, "--format", "json")
        assert done.stdout, done.stderr
        found = json.loads(done.stdout)["marked_snapshots"]
        return {one["snapshot_id"]: one for one in found}


@pytest.fixture
def planner(account: Account, tmp_path: Path) -> Planner:
    return Planner(account, tmp_path)
