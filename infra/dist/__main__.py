"""Packs release files from built programs. `make dist` builds the programs and runs this.

Needs only Python, and cargo-cyclonedx for SBOMs. See docs/releasing.md.
"""

from __future__ import annotations

import argparse
import platform
import shutil
from pathlib import Path

from archives import command_archive, copy_templates, function_archives, write_sums
from azure_archive import azure_archive
from release import (
    COMMAND,
    FUNCTIONS,
    LAMBDA,
    PLATFORMS,
    ROOT,
    TRIPLES,
    check_tag,
    notes,
    version,
)
from sbom import write_sboms


def pack_linux(target: Path, out: Path, arches: list[str]) -> None:
    """Write all files of `make dist`."""
    shutil.rmtree(out, ignore_errors=True)
    here = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86-64"
    native = target / TRIPLES[here] / "release" / COMMAND
    for arch in arches:
        triple = TRIPLES[arch]
        command_archive(
            target / triple / "release" / COMMAND, native, PLATFORMS[arch], out
        )
        function_archives(target / f"lambda-{arch}", arch, out)
        command_sbom(triple, PLATFORMS[arch], out)
        names = {name: out / f"{name}-{LAMBDA[arch]}.cdx.json" for name in FUNCTIONS}
        write_sboms(FUNCTIONS, triple, names)
    copy_templates(ROOT / "infra", out)
    write_sums(out)


def command_sbom(triple: str, platform: str, out: Path) -> None:
    """Write the SBOM of the command for a platform."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{COMMAND}-{version()}-{platform}.cdx.json"
    write_sboms([COMMAND], triple, {COMMAND: path})


def main() -> None:
    """Parse the command line and run the subcommand."""
    parser = argparse.ArgumentParser(prog="infra/dist", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    linux = commands.add_parser("linux", help="pack all files of `make dist`")
    linux.add_argument("--target", type=Path, required=True, help="cargo's target directory")
    linux.add_argument("--out", type=Path, required=True)
    linux.add_argument("arches", nargs="+", choices=TRIPLES, metavar="ARCH")
    packed = commands.add_parser("functions", help="pack only the functions")
    packed.add_argument("--binaries", type=Path, required=True)
    packed.add_argument("--arch", choices=TRIPLES, required=True)
    packed.add_argument("--out", type=Path, required=True)
    azure = commands.add_parser("azure", help="pack only the functions of Azure")
    azure.add_argument("--binary", type=Path, required=True)
    azure.add_argument("--out", type=Path, required=True)
    single = commands.add_parser("command", help="pack only the command")
    single.add_argument("--binary", type=Path, required=True)
    single.add_argument("--native", type=Path, help="the command for this computer")
    single.add_argument("--platform", required=True, help="for example x86_64-macos")
    single.add_argument("--out", type=Path, required=True)
    bill = commands.add_parser("sbom", help="write only the command's SBOM")
    bill.add_argument("--triple", required=True, help="Rust target triple")
    bill.add_argument("--platform", required=True)
    bill.add_argument("--out", type=Path, required=True)
    sums = commands.add_parser("sums", help="write SHA256SUMS for a directory")
    sums.add_argument("--out", type=Path, required=True)
    text = commands.add_parser("notes", help="print the version's changelog section")
    text.add_argument("--tag", help="fail if this tag does not match the version")
    given = parser.parse_args()
    match given.command:
        case "linux":
            pack_linux(given.target, given.out, given.arches)
        case "functions":
            function_archives(given.binaries, given.arch, given.out)
        case "azure":
            path = azure_archive(given.binary, given.out)
            program = given.binary.stat().st_size
            print(f"{path}: {path.stat().st_size:,} bytes (program: {program:,} bytes)")
        case "command":
            native = given.native or given.binary
            command_archive(given.binary, native, given.platform, given.out)
        case "sbom":
            command_sbom(given.triple, given.platform, given.out)
        case "sums":
            write_sums(given.out)
        case "notes":
            if given.tag is not None:
                check_tag(given.tag)
            print(notes(), end="")


if __name__ == "__main__":
    main()
