"""The guarantees of the harness: no access to a real account, and no remaining processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import Account, require_loopback, steward_environment


@pytest.mark.parametrize(
    "url",
    [
        "https://ec2.eu-central-1.amazonaws.com",
        "http://10.0.0.1:4566",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com:80",
        "",
    ],
)
def test_only_this_machine_is_spoken_to(url: str) -> None:
    with pytest.raises(SystemExit, match="refusing"):
        require_loopback(url)
    with pytest.raises(SystemExit, match="refusing"):
        steward_environment(url, {})


def test_an_endpoint_that_is_taken_away_is_refused_too() -> None:
    with pytest.raises(SystemExit, match="refusing"):
        steward_environment("http://127.0.0.1:1", {"AWS_ENDPOINT_URL": None})


def test_nothing_of_the_callers_aws_settings_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = {
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "secret",
        "AWS_ENDPOINT_URL_EC2": "https://ec2.eu-central-1.amazonaws.com",
        "AWS_CONFIG_FILE": "/home/them/.aws/config",
        "STEWARD_MODE": "apply",
        "HTTPS_PROXY": "http://10.0.0.1",
    }
    for key, value in theirs.items():
        monkeypatch.setenv(key, value)
    environment = steward_environment("http://127.0.0.1:1", {})
    assert {key for key in theirs if environment.get(key) == theirs[key]} == set()


DEMO_LIKE = """
import sys, time
sys.path.insert(0, {here!r})
from harness import Account, Runtime
from process import exit_when_killed
from worlds import policy
exit_when_killed()
with Account({{}}) as account, Runtime(account) as runtime:
    runtime.start("prune-images", policy())
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="asks Linux for the processes"
)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_everything_is_stopped_when_the_run_is(how: signal.Signals) -> None:
    here = str(Path(__file__).parent)
    marker = f"harness-test-{os.getpid()}-{how}"
    run = subprocess.Popen(
        [sys.executable, "-c", DEMO_LIKE.format(here=here)],
        env=os.environ | {"MARKER": marker},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    started = processes_with(marker) - {run.pid}
    # At least the account, cargo-lambda and the function.
    assert len(started) >= 3
    run.send_signal(how)
    run.wait(10)
    assert gone_within_a_second(marker)


def test_a_process_that_does_not_start_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("harness.ROOT", tmp_path)
    with pytest.raises(Exception, match="can't find|No such file"):
        Account()


def gone_within_a_second(marker: str) -> bool:
    end = time.monotonic() + 1
    while processes_with(marker):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def processes_with(marker: str) -> set[int]:
    """The processes whose environment contains this value."""
    wanted = f"MARKER={marker}".encode()
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.add(int(entry.name))
        except OSError:
            continue
    return found
