"""The cost of the functions: size, start time, CPU of the first call, memory.

    python tests/bench/functions.py --binaries DIR [--write docs/cost.md] [--strict]

The release binaries run on this computer, with the local account. Missed targets are reported. With
--strict, the exit code is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from events import image_event, scheduled_event
from harness import FUNCTIONS, Account, steward_environment
from pages import replace_section
from relay import Certificates, Relay
from runtime_api import RuntimeApi
from targets import HEAD, Row
from worlds import ago, ami, image

SCHEMES = ("http", "https")
HOSTS = ("EC2", "EVENTBRIDGE")
STARTS = 20
FIRST_CALLS = 20
FLEETS = (100, 1000, 5000)

ZIP_MB = 4.0
INIT_MS = 10.0
TLS_RATIO = 1.5
MEMORY_MIB = 128
MARGIN = 2

POLICY = """version = 1
[[rule]]
name = "web"
match = { name = "web-*" }
group_by = ["tag:Family"]
keep = { last = 1, daily = 7, weekly = 4 }
# Only tags images as expired, in large batches. Steps are rate-limited, and use no more memory.
retire = { deprecate_after = "7d", disable_after = "7d", deregister_after = "14d" }
[safety]
max_per_run = 10000
max_fraction = 1.0
[orphans]
delete_after = "7d"
[tagging]
set = { ManagedBy = "image-steward", Owner = "web" }
"""


@dataclass(frozen=True)
class Measured:
    """The measurements of one process: durations in milliseconds, memory in MiB."""

    start_cpu: float
    call_cpu: float
    peak: float
    answer: Any


def fleet(size: int) -> dict[str, Any]:
    """Families of 20 images, an instance for every tenth image, an orphan for every fifth."""
    tags = {"Team": "web", "Stage": "production", "CostCenter": "12345"}
    images = [
        image(at, at % 20 * 3 + 1, tags=tags | {"Family": f"web-{at // 20}"})
        for at in range(size)
    ]
    orphans = [
        {
            "snapshot_id": f"snap-{at + size:017x}",
            "started_at": ago(90),
            "description": f"Created by CreateImage(i-1) for {ami(at + size)}",
        }
        for at in range(size // 5)
    ]
    instances = [
        {"instance_id": f"i-{at:017x}", "image_id": ami(at * 10)}
        for at in range(size // 10)
    ]
    return {"images": images, "snapshots": orphans, "instances": instances}


@contextmanager
def started(
    binary: Path, environment: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], RuntimeApi, float]]:
    """The function's process after it requested its first event, and the milliseconds until then."""
    with tempfile.TemporaryDirectory() as bundle, RuntimeApi() as api:
        Path(bundle, "policy.toml").write_text(POLICY)
        told = {
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": binary.parent.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        }
        with tempfile.TemporaryFile() as said:
            begun = monotonic()
            process = subprocess.Popen(
                [binary],
                cwd=bundle,
                env=dict(environment) | told,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            try:
                if not api.polled.wait(10):
                    said.seek(0)
                    raise SystemExit(f"{binary} did not start: {said.read().decode()}")
                yield process, api, (api.polled_at - begun) * 1000
            finally:
                process.kill()
                process.wait()


def cpu_ms(pid: int) -> float:
    """The CPU time of a process's threads, as counted by the scheduler."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((one / "schedstat").read_text().split()[0]) for one in tasks) / 1e6


def peak_mib(pid: int) -> float:
    """The peak memory of a process, including mapped pages of its file."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def one_event(binary: Path, environment: Mapping[str, str], event: Any) -> Measured:
    """A new process and its first event, with the cost of both."""
    with started(binary, environment) as (process, api, _):
        before = cpu_ms(process.pid)
        answer = api.invoke(event)
        call = cpu_ms(process.pid) - before
        return Measured(before, call, peak_mib(process.pid), answer)


def archive_mb(binary: Path) -> float:
    """The size of the deployed archive without the policy, in millions of bytes."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(binary, "bootstrap")
        return file.tell() / 1e6


class Bench:
    """An account, relays to it, and the binaries."""

    def __init__(self, binaries: Path, stack: ExitStack) -> None:
        self.account = stack.enter_context(Account())
        self._certificates = Certificates()
        port = urlsplit(self.account.url).port
        context = self._certificates.context
        self._doors = {
            "http": [stack.enter_context(Relay(port, None)) for _ in HOSTS],
            "https": [stack.enter_context(Relay(port, context)) for _ in HOSTS],
        }
        self._binaries = {name: binaries / name / "bootstrap" for name in FUNCTIONS}
        for binary in self._binaries.values():
            if not binary.exists():
                raise SystemExit(f"{binary} does not exist: run `make functions`")

    def binary(self, name: str) -> Path:
        """The release binary."""
        return self._binaries[name]

    def environment(self, scheme: str) -> dict[str, str]:
        """The environment of a function, in which each service has its own host."""
        doors = {
            f"AWS_ENDPOINT_URL_{host}": door.url
            for host, door in zip(HOSTS, self._doors[scheme], strict=True)
        }
        told = doors | {
            "STEWARD_MODE": "apply",
            "STEWARD_POLICY": "file:policy.toml",
            "STEWARD_EVENT_BUS": "default",
            "SSL_CERT_FILE": str(self._certificates.bundle),
            # Lambda sets no such directory. Reading it too would double the time.
            "SSL_CERT_DIR": None,
        }
        return steward_environment(self.account.url, told)

    def starts(self, name: str) -> tuple[float, float]:
        """The time and CPU until it requests its first event: medians in ms."""
        times, cpu = [], []
        for _ in range(STARTS):
            with started(self.binary(name), self.environment("https")) as (
                process,
                _,
                init,
            ):
                times.append(init)
                cpu.append(cpu_ms(process.pid))
        return statistics.median(times), statistics.median(cpu)

    def first_calls(self, scheme: str) -> tuple[float, float]:
        """CPU of tag-image's first call, without and with its start: medians in ms."""
        found = []
        for _ in range(FIRST_CALLS):
            self.account.load(fleet(20))
            event = image_event(ami(3), "available")
            done = one_event(self.binary("tag-image"), self.environment(scheme), event)
            if not done.answer["tagged"]:
                raise SystemExit(f"tag-image did not tag: {done.answer}")
            found.append(done)
        return (
            statistics.median(one.call_cpu for one in found),
            statistics.median(one.start_cpu + one.call_cpu for one in found),
        )

    def peak(self, name: str, size: int) -> Measured:
        """The function's peak memory for its first event."""
        self.account.load(fleet(size))
        event = scheduled_event()
        if name == "tag-image":
            event = image_event(ami(3), "available")
        return one_event(self.binary(name), self.environment("https"), event)


def sizes(bench: Bench) -> tuple[list[str], list[Row]]:
    """The sizes of binaries and archives."""
    lines = ["| function | binary | archive |", "|---|---|---|"]
    largest = 0.0
    for name in FUNCTIONS:
        archive = archive_mb(bench.binary(name))
        largest = max(largest, archive)
        binary = bench.binary(name).stat().st_size / 1e6
        lines.append(f"| {name} | {binary:.2f} MB | {archive:.2f} MB |")
    return lines, [Row("largest archive", largest, ZIP_MB, "MB")]


def speed(bench: Bench) -> tuple[list[str], list[Row]]:
    """The cost of starting and of the first call."""
    lines = [f"| start, median of {STARTS} | time | CPU |", "|---|---|---|"]
    slowest = 0.0
    for name in FUNCTIONS:
        time, cpu = bench.starts(name)
        slowest = max(slowest, time)
        lines.append(f"| {name} | {time:.1f} ms | {cpu:.1f} ms |")
    # The local account is slow at the first call of each kind.
    bench.first_calls("http")
    (call, cold), (secure_call, secure_cold) = map(bench.first_calls, SCHEMES)
    lines += [
        "",
        f"| CPU of tag-image, median of {FIRST_CALLS} | over HTTP | over TLS |",
        "|---|---|---|",
        f"| the first call | {call:.1f} ms | {secure_call:.1f} ms |",
        f"| the first call and the start before it | {cold:.1f} ms | {secure_cold:.1f} ms |",
    ]
    ratios = [
        Row("CPU of the first call, TLS to HTTP", secure_call / call, TLS_RATIO, ""),
        Row("the same with the start", secure_cold / cold, TLS_RATIO, ""),
    ]
    return lines, [Row("slowest start", slowest, INIT_MS, "ms"), *ratios]


def memory(bench: Bench) -> tuple[list[str], list[Row]]:
    """The peak memory for fleets of some sizes."""
    head = " | ".join(f"{size:,} images" for size in FLEETS)
    lines = [f"| peak memory | {head} |", "|---|" + "---|" * len(FLEETS)]
    largest = 0.0
    for name in FUNCTIONS[:3]:
        peaks = []
        for size in FLEETS:
            done = bench.peak(name, size)
            peaks.append(f"{done.peak:.1f} MiB")
            largest = max(largest, done.peak)
            print(f"{name}, {size} images: {done.peak:.1f} MiB", flush=True)
        lines.append(f"| {name} | {' | '.join(peaks)} |")
    what = f"largest peak, {FLEETS[-1]:,} images, times {MARGIN}"
    return lines, [Row(what, largest * MARGIN, MEMORY_MIB, "MiB")]


def main() -> int:
    """Measure, print, and optionally write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=Path, required=True)
    parser.add_argument("--write", type=Path, help="a page with a marked section")
    parser.add_argument("--strict", action="store_true", help="fail on a missed target")
    options = parser.parse_args()
    with ExitStack() as stack:
        bench = Bench(options.binaries.resolve(), stack)
        parts = [sizes(bench), speed(bench), memory(bench)]
    rows = [row for _, found in parts for row in found]
    today = datetime.now(UTC).date().isoformat()
    targets = HEAD + [row.line() for row in rows]
    tables = ["\n".join(lines) for lines in (targets, *(lines for lines, _ in parts))]
    text = f"Taken on {today}.\n\n" + "\n\n".join(tables)
    print(text)
    if options.write:
        replace_section(options.write, "cost of the functions", text)
    return 1 if options.strict and not all(row.is_met() for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
