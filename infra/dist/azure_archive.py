"""The package of the functions of Azure: a ZIP with the program and the files of the function app."""

from __future__ import annotations

import json
from pathlib import Path

from archives import OLDEST, READS, RUNS, built, write_zip
from release import ROOT

FUNCTION_APP = ROOT / "infra/azure/functions"
PACKAGE = "image-steward-azure-functions.zip"
# The Flex Consumption plan runs only x86-64. Linux images of Azure Functions have a newer glibc.
ARCH, AZURE_LIBC = "x86-64", (2, 17)


def executable(directory: Path = FUNCTION_APP) -> str:
    """The name of the program, as the Functions host starts it."""
    host = json.loads((directory / "host.json").read_text(encoding="utf-8"))
    return host["customHandler"]["description"]["defaultExecutablePath"]


def azure_archive(binary: Path, out: Path) -> Path:
    """Pack host.json, a directory for each function, and the program."""
    program = built(binary, "run `make functions-azure`")
    files = {executable(): (RUNS, program)}
    for path in [FUNCTION_APP / "host.json", *FUNCTION_APP.glob("*/function.json")]:
        name = path.relative_to(FUNCTION_APP).as_posix()
        files[name] = (READS, path.read_bytes())
    out.mkdir(parents=True, exist_ok=True)
    path = out / PACKAGE
    write_zip(path, files, OLDEST)
    return path
