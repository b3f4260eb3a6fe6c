"""The programs that the tests run."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAMBDAS = sorted(
    path.name
    for path in (ROOT / "functions").iterdir()
    if not path.name.startswith("azure")
)
"""The functions of AWS. The functions of Azure are one program, in `functions/azure`."""


@cache
def binary(name: str) -> Path:
    """A binary of the last `cargo build`, or the one in the directory STEWARD_BIN."""
    if chosen := os.environ.get("STEWARD_BIN"):
        return Path(chosen) / name
    told = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    found = Path(json.loads(told.stdout)["target_directory"]) / "debug" / name
    if not found.exists():
        raise SystemExit(f"{found} does not exist: run `make build`")
    return found
