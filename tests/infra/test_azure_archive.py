"""The package of the functions of Azure, with a small program instead of the real one.
`make functions-azure` checks the real one."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import azure_archive
import check
from harness import ROOT

PROGRAM = "steward-functions-azure"


@pytest.fixture
def binary_file(tmp_path: Path) -> Path:
    path = tmp_path / PROGRAM
    path.write_bytes(b"program")
    return path


def test_the_package_is_a_function_app(tmp_path: Path, binary_file: Path) -> None:
    path = azure_archive.azure_archive(binary_file, tmp_path / "out")
    with zipfile.ZipFile(path) as archive:
        entries = {one.filename: one for one in archive.infolist()}
        app = ROOT / "infra/azure/functions"
        folders = {f"{one.name}/function.json" for one in app.iterdir() if one.is_dir()}
        assert entries.keys() == {"host.json", PROGRAM, *folders}
        for name, entry in entries.items():
            mode = 0o100755 if name == PROGRAM else 0o100644
            assert entry.external_attr >> 16 == mode, name
            source = binary_file if name == PROGRAM else app / name
            assert archive.read(name) == source.read_bytes(), name


def test_the_same_program_has_the_same_package(
    tmp_path: Path, binary_file: Path
) -> None:
    made = [azure_archive.azure_archive(binary_file, tmp_path / one) for one in "ab"]
    assert made[0].read_bytes() == made[1].read_bytes()


def test_the_sizes_are_printed(tmp_path: Path, binary_file: Path) -> None:
    command = [sys.executable, "infra/dist", "azure", "--binary", str(binary_file)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    size = (tmp_path / "out" / azure_archive.PACKAGE).stat().st_size
    assert f"{size:,} bytes (program: 7 bytes)" in done.stdout


def test_a_program_that_was_not_built_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run `make functions-azure`"):
        azure_archive.azure_archive(tmp_path / "missing", tmp_path)


def test_a_package_without_a_program_for_azure_is_found(
    tmp_path: Path, binary_file: Path
) -> None:
    path = azure_archive.azure_archive(binary_file, tmp_path)
    command = [sys.executable, "infra/dist/check.py"]
    done = subprocess.run(
        [*command, str(path)], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "not an ELF program" in done.stderr
    [problem] = check.check_azure(path)
    assert problem == done.stderr.strip()
    unknown = subprocess.run(
        [*command, str(tmp_path), "arm65"], cwd=ROOT, check=False, capture_output=True
    )
    assert unknown.returncode == 2
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("host.json", "{}")
    [problem] = check.check_azure(path)
    assert "lacks `steward-functions-azure`" in problem


def test_the_makefile_builds_what_the_host_starts() -> None:
    assert azure_archive.executable() == PROGRAM
    cargo = (ROOT / "functions/azure/Cargo.toml").read_text()
    assert f'name = "{PROGRAM}"' in cargo
    command = ["make", "--dry-run", "--no-print-directory"]
    lines = [
        subprocess.run(
            [*command, target], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
        for target in ("functions-azure", "functions")
    ]
    assert f"functions/{PROGRAM}" in lines[0]
    assert f"azure/{azure_archive.PACKAGE}" in lines[0]
    # The functions of AWS are built without those of Azure.
    assert "-p tag-image" in lines[1]
    assert "azure" not in lines[1]
