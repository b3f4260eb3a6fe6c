"""Inject one kind of fault into one call at a time, and check the account afterwards.

    python tests/reliability/run.py [--functions] [--write docs/reliability.md]

For each combination of fault and call, the account is filled again. `image-steward apply` runs once
while the fault occurs, and twice without it. With --functions, prune-images and reap-snapshots run
instead, for the most important combinations only. The final state of the account must be the same as
after three runs without faults. The exit code is 1 if a final state differs, or if a fault never
occurred.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from textwrap import fill
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from events import scheduled_event
from faults import FAULTS, Proxy, cells
from harness import Account, Runtime, image_steward
from pages import replace_section
from world import IN_USE, POLICY, world

# More than a small computer has cores: most of the time is spent waiting between attempts.
WORKERS = 4
FUNCTIONS = ("prune-images", "reap-snapshots")


@dataclass(slots=True)
class Cell:
    """The result of one fault on one call."""

    fault: str
    call: str
    hits: int = 0
    runs: int = 0
    lost_in_use: set[str] = field(default_factory=set)
    untracked: set[str] = field(default_factory=set)
    kept_changed: set[str] = field(default_factory=set)
    not_shared: set[str] = field(default_factory=set)
    differs: list[str] = field(default_factory=list)

    def is_good(self) -> bool:
        """Whether the fault occurred and did no harm."""
        harm = self.lost_in_use | self.untracked | self.kept_changed
        return self.hits > 0 and not harm and not self.differs


def _state_tags(tags: dict[str, str]) -> list[str]:
    return sorted(key for key in tags if key.startswith("image-steward:"))


def state_of(fleet: dict[str, Any]) -> dict[str, Any]:
    """The state that is compared at the end; it has no times."""
    images = {
        one["image_id"]: (
            one["state"],
            one["deprecation_time"] is not None,
            sorted(one["launch_permissions"]),
            one["public"],
            _state_tags(one["tags"]),
        )
        for one in fleet["images"]
    }
    snapshots = {
        one["snapshot_id"]: _state_tags(one["tags"]) for one in fleet["snapshots"]
    }
    binned = {
        one[kind][f"{kind}_id"]: "in the Recycle Bin"
        for kind in ("image", "snapshot")
        for one in fleet[f"recycled_{kind}s"]
    }
    return images | snapshots | binned


def is_left_for_a_person(found: Any, smooth: Any) -> bool:
    """Whether a rescue was interrupted between enabling an image and sharing it.

    No later run shares the image, because anyone can have written the tag. `restore` shares it.
    """
    if not isinstance(found, tuple) or not isinstance(smooth, tuple):
        return False
    private = (*smooth[:2], [], False, ["image-steward:launch-permissions"])
    return found == private and bool(smooth[2])


def harm_to_used(fleet: dict[str, Any]) -> set[str]:
    """The images in use that can no longer be launched."""
    there = {one["image_id"]: one["state"] for one in fleet["images"]}
    began = {
        one["image_id"]: one.get("state", "available") for one in world()["images"]
    }
    return {one for one in IN_USE if there.get(one) not in {"available", began[one]}}


def untracked(fleet: dict[str, Any]) -> set[str]:
    """Unused snapshots of images that no longer exist, if they lack a state tag."""
    there = {one["image_id"] for one in fleet["images"]}
    used = {one for image in fleet["images"] for one in image["snapshots"]}
    gone = [one for one in world()["images"] if one["image_id"] not in there]
    theirs = {one for image in gone for one in image["snapshots"]} - used
    needed = {"image-steward:image", "image-steward:delete-after"}
    return {
        one["snapshot_id"]
        for one in fleet["snapshots"]
        if one["snapshot_id"] in theirs and not needed <= one["tags"].keys()
    }


class Bench:
    """An account, its proxy, and the command or the functions that run there."""

    def __init__(self, functions: bool) -> None:
        self.account = Account()
        self.proxy = Proxy(self.account.url)
        self.policy = Path(tempfile.mkdtemp(prefix="reliability-")) / "policy.toml"
        self.policy.write_text(POLICY)
        self.runtime = Runtime(self.proxy) if functions else None
        if self.runtime:
            for name in FUNCTIONS:
                self.runtime.start(name, POLICY, STEWARD_MODE="apply")

    def close(self) -> None:
        """Stop the functions, the proxy and the account."""
        if self.runtime:
            self.runtime.stop()
        self.proxy.__exit__()
        self.account.__exit__()

    def apply(self) -> bool:
        """Run once through the proxy, and return whether the run succeeded."""
        if self.runtime:
            responses = [
                self.runtime.invoke(name, scheduled_event(), 300) for name in FUNCTIONS
            ]
            return not any("errorMessage" in one for one in responses)
        done = image_steward(
            self.proxy.url, "apply", "--yes", "--policy", str(self.policy)
        )
        return done.returncode == 0

    def smooth(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state of the account before and after three runs without faults."""
        self.account.load(world())
        before = state_of(self.account.fleet())
        for _ in range(3):
            if not self.apply():
                raise SystemExit("a run without faults failed")
        return before, state_of(self.account.fleet())

    def cell(
        self, fault: str, call: str, before: dict[str, Any], smooth: dict[str, Any]
    ) -> Cell:
        """Run once with the fault and twice without it."""
        cell = Cell(fault, call)
        self.account.load(world())
        self.proxy.inject(fault, call)
        self.apply()
        cell.hits = self.proxy.stop_faults()
        after_fault = self.account.fleet()
        for _ in range(2):
            self.apply()
        cell.runs = 3
        end = self.account.fleet()
        for fleet in (after_fault, end):
            cell.lost_in_use |= harm_to_used(fleet)
            cell.untracked |= untracked(fleet)
        found = state_of(end)
        kept = {one for one, state in smooth.items() if before.get(one) == state}
        cell.kept_changed = {one for one in kept if found.get(one) != smooth[one]}
        differing = {
            one
            for one in found.keys() | smooth.keys()
            if found.get(one) != smooth.get(one)
        }
        cell.not_shared = {
            one
            for one in differing
            if is_left_for_a_person(found.get(one), smooth.get(one))
        }
        cell.differs = [
            f"{one}: {found.get(one)} instead of {smooth.get(one)}"
            for one in sorted(differing - cell.not_shared)
        ]
        return cell


def run(functions: bool) -> list[Cell]:
    """Run all combinations, on a few accounts at a time."""
    benches = [Bench(functions) for _ in range(WORKERS)]
    try:
        before, smooth = benches[0].smooth()
        if not are_checks_effective(benches[0]):
            raise SystemExit("the checks did not detect a removed image in use")

        free: SimpleQueue[Bench] = SimpleQueue()
        for bench in benches:
            free.put(bench)

        def work(fault: str, call: str) -> Cell:
            bench = free.get()
            try:
                cell = bench.cell(fault, call, before, smooth)
            finally:
                free.put(bench)
            word = "ok" if cell.is_good() else "BAD"
            differing = "".join(f"\n       {line}" for line in cell.differs)
            print(
                f"{word:4} {fault:12} {call:45} hits {cell.hits}{differing}", flush=True
            )
            return cell

        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(work, *zip(*cells(few=functions), strict=True)))
    finally:
        for bench in benches:
            bench.close()


def are_checks_effective(bench: Bench) -> bool:
    """Whether the checks detect that an image in use was removed."""
    bench.account.load(world())
    victim = min(IN_USE)
    bench.account.client("ec2").deregister_image(ImageId=victim)
    fleet = bench.account.fleet()
    snapshots = next(
        o["snapshots"] for o in world()["images"] if o["image_id"] == victim
    )
    return harm_to_used(fleet) == {victim} and untracked(fleet) == set(snapshots)


def table(found: list[Cell], seconds: float) -> str:
    """The summary and the table as Markdown, with a row per call and a column per fault."""
    by_place = {(cell.call, cell.fault): cell for cell in found}
    calls = list(dict.fromkeys(cell.call for cell in found))
    lines = [
        f"| call | {' | '.join(FAULTS)} |",
        f"|---|{'---|' * len(FAULTS)}",
    ]
    for call in calls:
        results = []
        for fault in FAULTS:
            cell = by_place.get((call, fault))
            if cell is None:
                results.append("")
            else:
                results.append(
                    f"{'same' if cell.is_good() else '**differs**'} ({cell.hits})"
                )
        lines.append(f"| {call} | {' | '.join(results)} |")
    hits = sum(cell.hits for cell in found)
    runs = sum(cell.runs for cell in found)
    lost = len([one for cell in found for one in cell.lost_in_use])
    snapshots = len([one for cell in found for one in cell.untracked])
    touched = len([one for cell in found for one in cell.kept_changed])
    waiting = len([one for cell in found for one in cell.not_shared])
    today = datetime.now(UTC).date().isoformat()
    summary = (
        f"{today}, microburst {version('microburst')}, moto {version('moto')}: "
        f"{len(found)} combinations, {runs} runs, {hits} faults, {seconds:.0f} s. "
        f"In-use images lost: **{lost}**. Untracked snapshots: **{snapshots}**. "
        f"Kept images changed: **{touched}**. "
        f"Images left for a person to share: {waiting}. "
        f"Different final states: **{len([c for c in found if not c.is_good()])}**."
    )
    return "\n".join([fill(summary, 100, break_on_hyphens=False), "", *lines])


def main() -> int:
    """Run, print the summary, write the table with --write, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--functions",
        action="store_true",
        help="test the functions, with 25 combinations",
    )
    parser.add_argument(
        "--write", type=Path, help="page whose generated section to replace"
    )
    options = parser.parse_args()
    began = time.monotonic()
    found = run(options.functions)
    text = table(found, time.monotonic() - began)
    print(text.partition("\n\n")[0])
    if options.write:
        who = "functions" if options.functions else "command"
        replace_section(options.write, f"faults on the {who}", text)
    return 0 if all(cell.is_good() for cell in found) else 1


if __name__ == "__main__":
    sys.exit(main())
