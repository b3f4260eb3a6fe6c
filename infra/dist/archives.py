"""Reproducible archives: their bytes depend only on their contents."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from release import COMMAND, FUNCTIONS, LAMBDA, ROOT, released_at, version

SHELLS = {
    "bash": f"{COMMAND}.bash",
    "elvish": f"{COMMAND}.elv",
    "fish": f"{COMMAND}.fish",
    "powershell": f"_{COMMAND}.ps1",
    "zsh": f"_{COMMAND}",
}
# The last license is for the chart library in the HTML report, which is compiled into the command.
DOCUMENTS = {
    "CHANGELOG.md": "CHANGELOG.md",
    "LICENSE-APACHE": "LICENSE-APACHE",
    "LICENSE-MIT": "LICENSE-MIT",
    "README.md": "README.md",
    "LICENSE-observable-plot": "cli/report/vendor/plot.LICENSE",
}
TEMPLATES = ("image-steward.yaml", "guardrail.json")
SUMS = "SHA256SUMS"
# The earliest time in the zip format. Archives of functions have this time, so that an unchanged
# program has the same archive in every version, and is not deployed again.
OLDEST = datetime(1980, 1, 1, tzinfo=UTC)
# The file modes of a program, and of any other file.
RUNS, READS = 0o755, 0o644

Files = Mapping[str, tuple[int, bytes]]
"""The mode and the content of each file in an archive."""


def write_tar(path: Path, files: Files, when: datetime) -> None:
    """Write a tar.gz without owners, and without name and time in the gzip header."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed,
        tarfile.open(None, "w", packed, format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.mode, content = files[name]
            entry.size, entry.mtime = len(content), int(when.timestamp())
            archive.addfile(entry, BytesIO(content))


def write_zip(path: Path, files: Files, when: datetime) -> None:
    """Write a zip with Unix attributes, on any operating system."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            mode, content = files[name]
            entry = zipfile.ZipInfo(name, when.timetuple()[:6])
            entry.create_system = 3
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)


def built(path: Path, remedy: str) -> bytes:
    """Read a built file. Fails with the remedy if it does not exist."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SystemExit(f"{path} does not exist; {remedy}") from error


def _run(*command: str | Path) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        error = done.stderr.decode(errors="replace").strip()
        raise SystemExit(f"`{' '.join(map(str, command))}` failed: {error}")
    return done.stdout


def command_archive(binary: Path, native: Path, platform: str, out: Path) -> Path:
    """Pack the command with completions, manual and documents: tar.gz, or zip for Windows.

    `native` is the command for this computer.
    """
    top = f"{COMMAND}-{version()}-{platform}"
    program = built(binary, "build the command first, for example with `make dist`")
    built(native, "build the command for this computer first, as `make dist` does")
    files = {f"{top}/{binary.name}": (RUNS, program)}
    for shell, name in SHELLS.items():
        text = _run(native.absolute(), "completions", shell)
        files[f"{top}/completions/{name}"] = (READS, text)
    with tempfile.TemporaryDirectory() as directory:
        _run(native.absolute(), "man", "--out", directory)
        for page in Path(directory).iterdir():
            files[f"{top}/man/{page.name}"] = (READS, page.read_bytes())
    for name, source in DOCUMENTS.items():
        files[f"{top}/{name}"] = (READS, (ROOT / source).read_bytes())
    out.mkdir(parents=True, exist_ok=True)
    windows = platform.endswith("windows")
    path = out / f"{top}.{'zip' if windows else 'tar.gz'}"
    (write_zip if windows else write_tar)(path, files, released_at())
    return path


def function_archives(binaries: Path, arch: str, out: Path) -> list[Path]:
    """Pack each function for Lambda: a zip with one program, `bootstrap`."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in FUNCTIONS:
        program = built(
            binaries / name / "bootstrap", f"run `make functions ARCH={arch}`"
        )
        path = out / f"{name}-{LAMBDA[arch]}.zip"
        write_zip(path, {"bootstrap": (RUNS, program)}, OLDEST)
        paths.append(path)
    return paths


def copy_templates(source: Path, out: Path) -> None:
    """Copy the templates without changes."""
    for name in TEMPLATES:
        (out / name).write_bytes((source / name).read_bytes())


def write_sums(out: Path) -> None:
    """Write SHA256SUMS for all other files, in the format of `sha256sum --check`."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(out.iterdir())
        if path.name != SUMS
    ]
    (out / SUMS).write_bytes("".join(lines).encode())
