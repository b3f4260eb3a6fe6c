"""Network faults, one kind on one call at a time, and their effects on an account.

    python tests/reliability/run.py [--functions] [--write docs/reliability.md]

For every cell, the account is filled, `image-steward apply` runs with the fault, and then twice
without it. With --functions, prune-images and reap-snapshots run instead, only for the most
important cells. At the end, the account must be the same as after three runs without a fault. The
exit code is 1 if a cell differs, or if its fault never occurred.
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
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from events import scheduled_event
from faults import FAULTS, Proxy, cells
from harness import Account, Runtime, image_steward
from pages import replace_section
from world import IN_USE, POLICY, world

# More than the cores of a small computer, because most of a cell's time is waiting between
# attempts.
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
    lost_from_sight: set[str] = field(default_factory=set)
    kept_touched: set[str] = field(default_factory=set)
    not_shared: set[str] = field(default_factory=set)
    differs: list[str] = field(default_factory=list)

    def is_good(self) -> bool:
        """Whether the fault occurred and did no harm."""
        harm = self.lost_in_use | self.lost_from_sight | self.kept_touched
        return self.hits > 0 and not harm and not self.differs


def _ours(tags: dict[str, str]) -> list[str]:
    return sorted(key for key in tags if key.startswith("image-steward:"))


def state_of(fleet: dict[str, Any]) -> dict[str, Any]:
    """The parts that must be the same at the end: everything except times."""
    images = {
        one["image_id"]: (
            one["state"],
            one["deprecation_time"] is not None,
            sorted(one["launch_permissions"]),
            one["public"],
            _ours(one["tags"]),
        )
        for one in fleet["images"]
    }
    snapshots = {one["snapshot_id"]: _ours(one["tags"]) for one in fleet["snapshots"]}
    binned = {
        one[kind][f"{kind}_id"]: "in the Recycle Bin"
        for kind in ("image", "snapshot")
        for one in fleet[f"recycled_{kind}s"]
    }
    return images | snapshots | binned


def is_left_to_a_person(found: Any, smooth: Any) -> bool:
    """Whether a rescue was interrupted between enabling an image and sharing it.

    No later run shares it, because anyone may have written the tag. `restore` does.
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


def lost_from_sight(fleet: dict[str, Any]) -> set[str]:
    """Snapshots of removed images that no run would find again."""
    there = {one["image_id"] for one in fleet["images"]}
    used = {one for image in fleet["images"] for one in image["snapshots"]}
    gone = [one for one in world()["images"] if one["image_id"] not in there]
    theirs = {one for image in gone for one in image["snapshots"]} - used
    ledger = {"image-steward:image", "image-steward:delete-after"}
    return {
        one["snapshot_id"]
        for one in fleet["snapshots"]
        if one["snapshot_id"] in theirs and not ledger <= one["tags"].keys()
    }


class Bench:
    """An account with its proxy, and the programs that run there."""

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
        """Stop all of them."""
        if self.runtime:
            self.runtime.stop()
        self.proxy.__exit__()
        self.account.__exit__()

    def apply(self) -> bool:
        """One run through the proxy. Returns whether it succeeded."""
        if self.runtime:
            answers = [
                self.runtime.invoke(name, scheduled_event(), 300) for name in FUNCTIONS
            ]
            return not any("errorMessage" in answer for answer in answers)
        done = image_steward(
            self.proxy.url, "apply", "--yes", "--policy", str(self.policy)
        )
        return done.returncode == 0

    def smooth(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The account at the start, and after three runs without a fault."""
        self.account.load(world())
        before = state_of(self.account.fleet())
        for _ in range(3):
            if not self.apply():
                raise SystemExit("a run without faults did not end well")
        return before, state_of(self.account.fleet())

    def cell(
        self, fault: str, call: str, before: dict[str, Any], smooth: dict[str, Any]
    ) -> Cell:
        """One run with the fault, two without."""
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
            cell.lost_from_sight |= lost_from_sight(fleet)
        found = state_of(end)
        kept = {one for one, state in smooth.items() if before.get(one) == state}
        cell.kept_touched = {one for one in kept if found.get(one) != smooth[one]}
        differing = {
            one
            for one in found.keys() | smooth.keys()
            if found.get(one) != smooth.get(one)
        }
        cell.not_shared = {
            one
            for one in differing
            if is_left_to_a_person(found.get(one), smooth.get(one))
        }
        cell.differs = [
            f"{one}: {found.get(one)} instead of {smooth.get(one)}"
            for one in sorted(differing - cell.not_shared)
        ]
        return cell


def run(functions: bool) -> list[Cell]:
    """All cells, a few accounts in parallel."""
    benches = [Bench(functions) for _ in range(WORKERS)]
    try:
        before, smooth = benches[0].smooth()
        if not harm_to_used_can_be_seen(benches[0]):
            raise SystemExit("the check of images in use sees nothing")

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


def harm_to_used_can_be_seen(bench: Bench) -> bool:
    """The checks are useful only if they can find violations."""
    bench.account.load(world())
    victim = min(IN_USE)
    bench.account.client("ec2").deregister_image(ImageId=victim)
    fleet = bench.account.fleet()
    snapshots = next(
        o["snapshots"] for o in world()["images"] if o["image_id"] == victim
    )
    return harm_to_used(fleet) == {victim} and lost_from_sight(fleet) == set(snapshots)


def table(found: list[Cell], seconds: float) -> str:
    """The cells as Markdown, with one row per call and one column per fault."""
    by_place = {(cell.call, cell.fault): cell for cell in found}
    calls = list(dict.fromkeys(cell.call for cell in found))
    lines = [
        f"| call | {' | '.join(FAULTS)} |",
        f"|---|{'---|' * len(FAULTS)}",
    ]
    for call in calls:
        marks = []
        for fault in FAULTS:
            cell = by_place.get((call, fault))
            if cell is None:
                marks.append("")
            else:
                marks.append(
                    f"{'equal' if cell.is_good() else '**differs**'} ({cell.hits})"
                )
        lines.append(f"| {call} | {' | '.join(marks)} |")
    hits = sum(cell.hits for cell in found)
    runs = sum(cell.runs for cell in found)
    lost = len([one for cell in found for one in cell.lost_in_use])
    sight = len([one for cell in found for one in cell.lost_from_sight])
    touched = len([one for cell in found for one in cell.kept_touched])
    waiting = len([one for cell in found for one in cell.not_shared])
    today = datetime.now(UTC).date().isoformat()
    summary = (
        f"{today}, microburst {version('microburst')}, moto {version('moto')}: "
        f"{len(found)} cells, {runs} runs, {hits} faults, {seconds:.0f} s. "
        f"Images lost in use: **{lost}**. Snapshots lost from sight: **{sight}**. "
        f"Kept images touched: **{touched}**. "
        f"Images that wait for a person to share them: {waiting}. "
        f"Ends that differ: **{len([c for c in found if not c.is_good()])}**."
    )
    return "\n".join([summary, "", *lines])


def main() -> int:
    """Run, print, and optionally write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--functions", action="store_true", help="25 cells only")
    parser.add_argument("--write", type=Path, help="a page with a marked section")
    options = parser.parse_args()
    began = time.monotonic()
    found = run(options.functions)
    text = table(found, time.monotonic() - began)
    print(text.splitlines()[0])
    if options.write:
        who = "functions" if options.functions else "command"
        replace_section(options.write, f"faults on the {who}", text)
    return 0 if all(cell.is_good() for cell in found) else 1


if __name__ == "__main__":
    sys.exit(main())
