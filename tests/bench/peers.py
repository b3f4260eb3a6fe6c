"""Compares image-steward with other tools that remove old images, on the same local account.

    python tests/bench/peers.py --binaries DIR [--sizes 400,1000] [--repeat 3]
        [--tools image-steward,custodian,boto3,floor] [--write docs/performance.md]

The account has EC2's token buckets at their real speed, and every call takes 20 ms. With the
defaults it takes more than an hour. Targets that image-steward misses are reported, and the exit
code is 1.
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
"""The capacity of EC2's bucket for DeregisterImage, and its refill per second."""
READ = (100, 20)
"""The bucket for DescribeImageAttribute."""
WALL_RATIO = 1.05
CPU_OF_CUSTODIAN = 0.3
CPU_OF_FLOOR = 3
PEAK_MB = 24


@dataclass(frozen=True)
class Measured:
    """All runs on accounts of one size."""

    seed: Seed
    listing: int
    """The number of calls of a plan without steps."""
    runs: dict[str, list[Run]]

    def median(self, key: str, figure: str) -> float:
        """The median over a tool's runs."""
        return statistics.median(getattr(one, figure) for one in self.runs[key])

    def calls(self, key: str) -> float:
        """The median number of calls of a tool."""
        return statistics.median(one.calls.total() for one in self.runs[key])

    def lost(self, key: str) -> Counter[User]:
        """The maximum number of used images that a tool removed in a run, by kind of reference."""
        return max((one.lost for one in self.runs[key]), key=Counter.total)


def say(text: str) -> None:
    """Progress, with the time of day."""
    print(f"{datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def listing_of(account: Account, tools: Tools, seed: Seed) -> int:
    """The calls of a plan without steps. It also warms up the account, whose first calls are slow."""
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
    """Run the tools in turn, `repeat` times, each on a newly filled account."""
    listing = 0
    if any(tool.key == OURS for tool in chosen):
        listing = listing_of(account, tools, seed(size))
        say(f"{size:,} images: a plan with nothing to do takes {listing} calls")
    runs: dict[str, list[Run]] = {tool.key: [] for tool in chosen}
    for turn in range(1, repeat + 1):
        for tool in chosen:
            say(f"{size:,} images, run {turn} of {repeat}: {tool.name} …")
            # Ages count from now.
            done = run(account, seed(size), tool)
            runs[tool.key].append(done)
            say(
                f"  {done.wall:.1f} s, CPU {done.cpu:.1f} s, {done.peak:.0f} MB,"
                f" {done.calls.total():,} calls, {done.throttled:,} throttled,"
                f" {done.removed:,} images removed, {done.lost.total()} of them in use"
                + (f"; exit code {done.exit}" if done.exit else "")
            )
    return Measured(seed(size), listing, runs)


def seconds(calls: int, bucket: tuple[int, int]) -> float:
    """How long a bucket takes for this many calls."""
    capacity, refill = bucket
    return max(calls - capacity, 0) / refill


def targets(size: int, found: Measured) -> list[Row]:
    """The targets of image-steward."""
    expired = len(found.seed.expired)
    # There were no state tags before, so the calls that tag snapshots count too.
    calls = expired * (2 + SNAPSHOTS) + expired / 2 + expired + found.listing
    wall = WALL_RATIO * (seconds(expired, DEREGISTER) + seconds(expired, READ))
    most = {name: max(getattr(one, name) for one in found.runs[OURS]) for name in MOST}
    rows = [
        Row("calls", found.calls(OURS), int(calls), "", digits=0),
        Row("throttled calls", most["throttled"], 0, "", digits=0),
        Row("used images lost", found.lost(OURS).total(), 0, "", digits=0),
        Row("other kept images lost", most["kept_lost"], 0, "", digits=0),
        Row("expired images left", most["expired_left"], 0, "", digits=0),
    ]
    # A full bucket is enough for a few images, and shows nothing about more.
    if wall:
        measured = found.median(OURS, "wall")
        rows.append(Row("wall", measured, round(wall, 1), "s", digits=1))
    cpu = found.median(OURS, "cpu")
    for key, name, ratio in (
        (CUSTODIAN, "Cloud Custodian's", CPU_OF_CUSTODIAN),
        (FLOOR, "that of the fewest calls", CPU_OF_FLOOR),
    ):
        if key in found.runs:
            most_cpu = round(ratio * found.median(key, "cpu"), 2)
            rows.append(Row(f"CPU, {ratio:g} × {name}", cpu, most_cpu, "s"))
    peak = found.median(OURS, "peak")
    rows.append(Row("peak memory", peak, PEAK_MB, "MB", digits=1))
    return [
        Row(
            f"{size:,} images: {row.what}", row.figure, row.target, row.unit, row.digits
        )
        for row in rows
    ]


MOST = ("throttled", "kept_lost", "expired_left")
"""Results that must not occur in any run."""


def table(size: int, found: Measured, chosen: list[Tool]) -> str:
    """The cost of the tools, and the changes to the account."""
    head = (
        f"| {size:,} images, {len(found.seed.used)} in use, {len(found.seed.expired)} expired"
        " | calls | throttled | wall | CPU | peak memory | images removed | used images lost |"
    )
    lines = [head, "|---" * 8 + "|"]
    for tool in chosen:

        def median(figure: str, key: str = tool.key) -> float:
            return found.median(key, figure)

        ended = sum(one.exit != 0 for one in found.runs[tool.key])
        name = tool.name + (f" (ended with an error {ended} times)" if ended else "")
        lines.append(
            f"| {name} | {found.calls(tool.key):,.0f} | {median('throttled'):,.0f}"
            f" | {median('wall'):.1f} s | {median('cpu'):.2f} s | {median('peak'):.1f} MB"
            f" | {median('removed'):,.0f} | {found.lost(tool.key).total()} |"
        )
    return "\n".join(lines)


def table_of_lost(size: int, found: Measured, chosen: list[Tool]) -> str:
    """The kinds of references that the tools missed."""
    names = " | ".join(tool.name for tool in chosen)
    lines = [
        f"| used images lost of {size:,}, used by | in use | {names} |",
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
    return (
        f"image-steward's calls for {size:,} images: {', '.join(often)}, others {rest};"
        f" a plan with nothing to do takes {found.listing}."
    )


def text_of(
    measured: dict[int, Measured],
    chosen: list[Tool],
    rows: list[Row],
    repeats: dict[int, int],
) -> str:
    """The complete section of the page."""
    today = datetime.now(UTC).date().isoformat()
    medians = " and ".join(
        f"{repeat} for {size:,} images" for size, repeat in repeats.items()
    )
    taken = (
        f"Taken on {today} on {os.cpu_count()} cores ({processor()}), medians of "
        f"{medians}, and the most lost images; each call takes {LATENCY * 1000:.0f} ms."
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
    """Version, options, and what is not checked."""
    versions = tool.versions()
    about = f"{tool.options}; {versions}" if versions else tool.options
    return f"- **{tool.name}**: {about}. {tool.unchecked}"


def processor() -> str:
    """The CPU's name from the kernel."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


def main() -> int:
    """Measure, print, and optionally write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=Path, required=True)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument(
        "--repeat", default=str(REPEAT), help="how often, or how often for each size"
    )
    parser.add_argument("--tools", help="some of them, with commas")
    parser.add_argument("--write", type=Path, help="a page with a marked section")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    repeat = [int(one) for one in options.repeat.split(",")]
    if len(repeat) not in (1, len(sizes)):
        parser.error(f"--repeat: write one number, or {len(sizes)} with commas")
    repeats = dict(zip(sizes, repeat * (len(sizes) // len(repeat)), strict=True))
    tools = Tools(options.binaries.resolve())
    chosen = tools.all()
    if options.tools:
        keys = options.tools.split(",")
        if unknown := set(keys) - {tool.key for tool in chosen}:
            known = ", ".join(tool.key for tool in chosen)
            parser.error(f"--tools: {', '.join(sorted(unknown))}: there are {known}")
        chosen = [tool for tool in chosen if tool.key in keys]
    for tool in chosen:
        if not tool.program.exists():
            raise SystemExit(f"{tool.program} does not exist: run `make bench-peers`")
    began = time.monotonic()
    with Account() as account:
        measured = {
            size: measure(account, tools, chosen, size, repeat)
            for size, repeat in repeats.items()
        }
    say(f"done in {(time.monotonic() - began) / 60:.0f} minutes")
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
