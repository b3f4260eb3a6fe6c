"""Compare image-steward with other tools that remove old images, on the same local account.

    python tests/bench/peers.py --binaries DIR [--sizes 400,1000] [--repeat 3]
        [--tools image-steward,custodian,boto3,floor] [--write docs/performance.md]

The account enforces EC2's token buckets at their real speed, and every call takes 20 ms. With
the defaults, the program runs for more than an hour. If image-steward misses a target, the
program reports the target as missed and exits with code 1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from harness import Account
from pages import replace_section
from seed import SNAPSHOTS, Seed, User, seed
from targets import HEAD, Row
from tools import FILES, LATENCY, Run, Tool, Tools, calls_of, prepare, run

OURS, CUSTODIAN, FLOOR = "image-steward", "custodian", "floor"
SIZES = (400, 1000)
REPEAT = 3

DEREGISTER = (100, 5)
"""Capacity of EC2's token bucket for DeregisterImage, and its refill per second."""
READ = (100, 20)
"""Capacity and refill per second of the bucket for DescribeImageAttribute."""
WALL_RATIO = 1.05
CPU_OF_CUSTODIAN = 0.3
CPU_OF_FLOOR = 3
PEAK_MB = 24


@dataclass(frozen=True)
class Measured:
    """The runs of all tools on accounts of one size."""

    seed: Seed
    listing: int
    """The number of calls of a plan that has nothing to do."""
    runs: dict[str, list[Run]]

    def median(self, key: str, figure: str) -> float:
        """The median of a figure over the runs of a tool."""
        return statistics.median(getattr(one, figure) for one in self.runs[key])

    def calls(self, key: str) -> float:
        """The median number of calls of a tool."""
        return statistics.median(one.calls.total() for one in self.runs[key])

    def lost(self, key: str) -> Counter[User]:
        """The in-use images that a tool lost in its worst run, by kind of reference."""
        return max((one.lost for one in self.runs[key]), key=Counter.total)


def log(text: str) -> None:
    """Print progress with the time of day."""
    print(f"{datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def listing_of(account: Account, tools: Tools, seed: Seed) -> int:
    """The number of calls of a plan with nothing to do.

    This also warms up the account, whose first calls are slow.
    """
    text = (FILES / "policy.toml").read_text()
    keep_all = text.replace('within = "30d"', 'within = "100y"')
    assert keep_all != text
    prepare(account, seed)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(keep_all)
        file.flush()
        return calls_of(account, tools.steward("plan", Path(file.name)))


def measure(
    account: Account, tools: Tools, chosen: list[Tool], size: int, repeat: int
) -> Measured:
    """Run the tools in turn, `repeat` times, each on a freshly filled account."""
    listing = 0
    if any(tool.key == OURS for tool in chosen):
        listing = listing_of(account, tools, seed(size))
        log(f"{size:,} images: a plan with nothing to do makes {listing} calls")
    runs: dict[str, list[Run]] = {tool.key: [] for tool in chosen}
    for turn in range(1, repeat + 1):
        for tool in chosen:
            log(f"{size:,} images, run {turn} of {repeat}: {tool.name} …")
            # Ages count from the time of the call to seed().
            done = run(account, seed(size), tool)
            runs[tool.key].append(done)
            log(
                f"  {done.wall:.1f} s, CPU {done.cpu:.1f} s, {done.peak:.0f} MB,"
                f" {done.calls.total():,} calls, {done.throttled:,} throttled,"
                f" {done.removed:,} images removed, {done.lost.total()} of them in use"
                + (f"; exit code {done.exit}" if done.exit else "")
            )
    return Measured(seed(size), listing, runs)


def seconds(calls: int, bucket: tuple[int, int]) -> float:
    """How long a bucket takes for this number of calls, in seconds."""
    capacity, refill = bucket
    return max(calls - capacity, 0) / refill


def targets(size: int, found: Measured) -> list[Row]:
    """The targets of image-steward."""
    expired = len(found.seed.expired)
    # Nothing was tagged before, so the calls that tag the snapshots count too.
    calls = expired * (2 + SNAPSHOTS) + expired / 2 + expired + found.listing
    wall = WALL_RATIO * (seconds(expired, DEREGISTER) + seconds(expired, READ))
    most = {name: max(getattr(one, name) for one in found.runs[OURS]) for name in MOST}
    rows = [
        Row("calls", found.calls(OURS), int(calls), "", digits=0),
        Row("throttled calls", most["throttled"], 0, "", digits=0),
        Row("in-use images lost", found.lost(OURS).total(), 0, "", digits=0),
        Row("other kept images lost", most["kept_lost"], 0, "", digits=0),
        Row("expired images left", most["expired_left"], 0, "", digits=0),
    ]
    # A full bucket is enough for a few images. The wall time is then no measure of the pace.
    if wall:
        measured = found.median(OURS, "wall")
        rows.append(Row("wall time", measured, round(wall, 1), "s", digits=1))
    cpu = found.median(OURS, "cpu")
    for key, name, ratio in (
        (CUSTODIAN, "Cloud Custodian", CPU_OF_CUSTODIAN),
        (FLOOR, "lower bound", CPU_OF_FLOOR),
    ):
        if key in found.runs:
            most_cpu = round(ratio * found.median(key, "cpu"), 2)
            rows.append(Row(f"CPU time, {ratio:g} × {name}", cpu, most_cpu, "s"))
    peak = found.median(OURS, "peak")
    rows.append(Row("peak memory", peak, PEAK_MB, "MB", digits=1))
    return [
        Row(
            f"{size:,} images: {row.what}", row.figure, row.target, row.unit, row.digits
        )
        for row in rows
    ]


MOST = ("throttled", "kept_lost", "expired_left")
"""Figures that must be zero in every run."""


def table(size: int, found: Measured, chosen: list[Tool]) -> str:
    """The cost of each tool, and its effect on the account."""
    head = (
        f"| {size:,} images, {len(found.seed.used)} in use, {len(found.seed.expired)} expired"
        " | calls | throttled | wall time | CPU time | peak memory | images removed"
        " | in-use images lost |"
    )
    lines = [head, "|---" * 8 + "|"]
    for tool in chosen:

        def median(figure: str, key: str = tool.key) -> float:
            return found.median(key, figure)

        ended = sum(one.exit != 0 for one in found.runs[tool.key])
        name = tool.name + (f" (failed {ended} times)" if ended else "")
        lines.append(
            f"| {name} | {found.calls(tool.key):,.0f} | {median('throttled'):,.0f}"
            f" | {median('wall'):.1f} s | {median('cpu'):.2f} s | {median('peak'):.1f} MB"
            f" | {median('removed'):,.0f} | {found.lost(tool.key).total()} |"
        )
    return "\n".join(lines)


def table_of_lost(size: int, found: Measured, chosen: list[Tool]) -> str:
    """The in-use images that each tool lost, by kind of reference."""
    names = " | ".join(tool.name for tool in chosen)
    lines = [
        f"| in-use images lost of {size:,}, by reference | in use | {names} |",
        "|---" * (len(chosen) + 2) + "|",
    ]
    for user, there in Counter(found.seed.used.values()).items():
        lost = " | ".join(str(found.lost(tool.key)[user]) for tool in chosen)
        lines.append(f"| {user} | {there} | {lost} |")
    return "\n".join(lines)


def calls_by_name(size: int, found: Measured) -> str:
    """The calls of image-steward's first run, the most frequent first."""
    calls = found.runs[OURS][0].calls.most_common()
    often = [f"{name} {count:,}" for name, count in calls if count > found.listing]
    rest = sum(count for _, count in calls if count <= found.listing)
    return wrapped(
        f"Calls of image-steward for {size:,} images: {', '.join(often)}, others {rest}."
        f" A plan with nothing to do makes {found.listing} calls."
    )


def text_of(
    measured: dict[int, Measured],
    chosen: list[Tool],
    rows: list[Row],
    repeats: dict[int, int],
) -> str:
    """The generated section of docs/performance.md."""
    today = datetime.now(UTC).date().isoformat()
    medians = "; ".join(
        f"{size:,} images: {repeat} run{'s' if repeat > 1 else ''}"
        for size, repeat in repeats.items()
    )
    taken = wrapped(
        f"Measured on {today} on {os.cpu_count()} cores ({processor()}). Each call takes "
        f"{LATENCY * 1000:.0f} ms. Figures are medians ({medians}), except for lost images, "
        "where the worst run counts."
    )
    parts = [taken, *(table(size, found, chosen) for size, found in measured.items())]
    largest = max(measured)
    parts.append(table_of_lost(largest, measured[largest], chosen))
    if rows:
        parts.append("\n".join(HEAD + [row.line() for row in rows]))
        parts += [calls_by_name(size, found) for size, found in measured.items()]
    parts.append("\n".join(line_about(tool) for tool in chosen))
    return "\n\n".join(parts)


def line_about(tool: Tool) -> str:
    """A list entry with the options and versions of a tool, and what it does not check."""
    versions = tool.versions()
    about = f"{tool.options}; {versions}" if versions else tool.options
    return wrapped(f"- **{tool.name}**: {about}. {tool.unchecked}", "  ")


def wrapped(text: str, indent: str = "") -> str:
    """The text in lines of at most 100 characters, as in the rest of the page."""
    return fill(text, 100, subsequent_indent=indent, break_on_hyphens=False)


def processor() -> str:
    """The model name of the processor, as the kernel reports it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


def main() -> int:
    """Measure, print the tables, write them with --write, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=Path, required=True)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument(
        "--repeat",
        default=str(REPEAT),
        help="runs per tool: one number, or one for each size",
    )
    parser.add_argument("--tools", help="keys of the tools to run, separated by commas")
    parser.add_argument(
        "--write", type=Path, help="page whose generated section to replace"
    )
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    repeat = [int(one) for one in options.repeat.split(",")]
    if len(repeat) not in (1, len(sizes)):
        parser.error(f"--repeat: pass one number, or {len(sizes)} separated by commas")
    repeats = dict(zip(sizes, repeat * (len(sizes) // len(repeat)), strict=True))
    tools = Tools(options.binaries.resolve())
    chosen = tools.all()
    if options.tools:
        keys = options.tools.split(",")
        if unknown := set(keys) - {tool.key for tool in chosen}:
            known = ", ".join(tool.key for tool in chosen)
            parser.error(f"--tools: unknown: {', '.join(sorted(unknown))}; use {known}")
        chosen = [tool for tool in chosen if tool.key in keys]
    for tool in chosen:
        if not tool.program.exists():
            raise SystemExit(f"{tool.program} not found; run `make bench-peers`")
    began = time.monotonic()
    with Account() as account:
        measured = {
            size: measure(account, tools, chosen, size, repeat)
            for size, repeat in repeats.items()
        }
    log(f"done in {(time.monotonic() - began) / 60:.0f} minutes")
    rows = []
    if any(tool.key == OURS for tool in chosen):
        rows = [row for size in measured for row in targets(size, measured[size])]
    text = text_of(measured, chosen, rows, repeats)
    print(text)
    if options.write:
        replace_section(options.write, "other tools", text)
    return 0 if all(row.is_met() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
