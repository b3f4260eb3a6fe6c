"""Checks the files of `make dist`, as its last step, or the package of `make functions-azure`.

Checks the architecture and the C library of each program, the archives, the SBOMs and the checksums.
Needs the Python packages of the dependency group `dist`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from archives import DOCUMENTS, RUNS, SHELLS, SUMS
from azure_archive import ARCH, AZURE_LIBC, executable
from release import COMMAND, FUNCTIONS, LAMBDA, PLATFORMS, ROOT, TRIPLES, version

MACHINES = {"x86-64": "EM_X86_64", "arm64": "EM_AARCH64"}
# The maximum glibc versions. The command runs on RHEL 7 and all distributions that are still supported,
# the functions on Amazon Linux 2023.
COMMAND_LIBC, FUNCTION_LIBC = (2, 17), (2, 34)
# Libraries of glibc and of the compiler, which every Linux system has.
LIBRARIES = {
    f"{name}.so"
    for name in ("libc", "libdl", "libgcc_s", "libm", "libpthread", "librt", "libutil")
}
MAX_COMMAND = 40_000_000

Problems = Iterator[str]


def libraries(elf: ELFFile) -> Iterator[str]:
    """The shared libraries of a program, without versions."""
    for tag in elf.get_section_by_name(".dynamic").iter_tags("DT_NEEDED"):
        yield f"{tag.needed.split('.so')[0]}.so"


def newest_libc(elf: ELFFile) -> tuple[int, ...]:
    """The glibc version that a program requires."""
    found = [(0,)]
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, needed in section.iter_versions():
                for one in needed:
                    library, _, number = one.name.partition("_")
                    if library == "GLIBC":
                        private = not number.replace(".", "").isdecimal()
                        found.append(
                            (99,) if private else tuple(map(int, number.split(".")))
                        )
    return max(found)


def places() -> list[str]:
    """The local directories that Cargo reads and writes."""
    home = Path.home()
    cargo = os.environ.get("CARGO_HOME") or home / ".cargo"
    target = os.environ.get("CARGO_TARGET_DIR") or "target"
    found = {str(Path(ROOT, one)) for one in ("", home, cargo, target)}
    # Users without a home directory, for example in containers, have `/`, which every path starts with.
    return sorted(found - {"/"})


def check_program(content: bytes, arch: str, libc: tuple[int, ...]) -> Problems:
    """Check that a program runs on its architecture, with this version of glibc or a later one."""
    try:
        elf = ELFFile(BytesIO(content))
    except ELFError as error:
        yield f"is not an ELF program: {error}"
        return
    if elf["e_machine"] != MACHINES[arch]:
        yield f"is built for {elf['e_machine']}, not for {arch} ({MACHINES[arch]})"
    if elf.get_section_by_name(".dynamic"):
        needs = newest_libc(elf)
        if needs > libc:
            shown = ".".join(map(str, needs))
            yield f"needs glibc {shown}; the limit is {'.'.join(map(str, libc))}"
        for one in sorted(set(libraries(elf)) - LIBRARIES):
            if not one.startswith("ld-linux"):
                yield f"needs the library {one}, which not every system has"
    for place in places():
        if f"{place}/".encode() in content:
            yield f"contains the local path {place}; see REMAPPED in the Makefile"


def check_tar(path: Path, arch: str) -> Problems:
    """Check the archive of the command."""
    top = path.name.removesuffix(".tar.gz")
    expected = {COMMAND, *DOCUMENTS, f"man/{COMMAND}.1", f"man/{COMMAND}-plan.1"}
    expected |= {f"completions/{name}" for name in SHELLS.values()}
    with tarfile.open(path) as archive:
        entries = {one.name: one for one in archive}
        if missing := {f"{top}/{name}" for name in expected} - entries.keys():
            yield f"lacks {', '.join(sorted(missing))}"
        for name, one in entries.items():
            mode = RUNS if name == f"{top}/{COMMAND}" else 0o644
            if (one.mode, one.uid, one.uname) != (mode, 0, ""):
                yield f"{name} has the mode {one.mode:o} and the owner {one.uid} {one.uname}"
            if not name.startswith(f"{top}/"):
                yield f"{name} is not in the directory {top}"
            content = archive.extractfile(one).read()
            if not content:
                yield f"{name} is empty"
            if name == f"{top}/{COMMAND}":
                yield from check_program(content, arch, COMMAND_LIBC)
                if len(content) > MAX_COMMAND:
                    yield f"{name} has {len(content)} bytes; the limit is {MAX_COMMAND}"


def check_function(path: Path, arch: str) -> Problems:
    """Check the archive of a function."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if [one.filename for one in entries] != ["bootstrap"]:
            yield "must contain only the file `bootstrap`"
            return
        if entries[0].external_attr >> 16 != 0o100000 | RUNS:
            yield f"`bootstrap` has the mode {entries[0].external_attr >> 16:o}"
        yield from check_program(archive.read("bootstrap"), arch, FUNCTION_LIBC)


def check_azure(path: Path) -> Problems:
    """Check the package of the functions of Azure."""
    with zipfile.ZipFile(path) as archive:
        entries = {one.filename: one.external_attr >> 16 for one in archive.infolist()}
        name = executable()
        if entries.get(name) != 0o100000 | RUNS:
            yield f"lacks `{name}`, or it is not executable"
            return
        yield from check_program(archive.read(name), ARCH, AZURE_LIBC)


def locked(root: Path = ROOT) -> set[tuple[str, str]]:
    """The crates in Cargo.lock, with their versions."""
    lock = tomllib.loads((root / "Cargo.lock").read_text())
    return {(one["name"], one["version"]) for one in lock["package"]}


def check_sbom(path: Path, program: str, triple: str) -> Problems:
    """Check that an SBOM is valid, describes this program, and has the versions of Cargo.lock."""
    text = path.read_text()
    if problem := JsonStrictValidator(SchemaVersion.V1_5).validate_str(text):
        yield f"is not valid CycloneDX: {problem}"
        return
    bom: dict[str, Any] = json.loads(text)
    if bom["metadata"]["component"]["name"] != program:
        yield f"describes {bom['metadata']['component']['name']}, not {program}"
    if triple not in json.dumps(bom["metadata"].get("properties", "")):
        yield f"does not name the platform {triple}"
    crates = {
        (one["name"], one["version"])
        for one in bom["components"]
        if one["purl"].startswith("pkg:cargo/")
    }
    for name, number in sorted(crates - locked()):
        yield f"contains {name} {number}, which is not in Cargo.lock"
    names = {name for name, _ in crates}
    wanted = {"steward", "aws-sdk-ec2", "aws-lc-sys", "tokio"}
    wanted.add("aws-sdk-sso" if program == COMMAND else "lambda_runtime")
    for name in sorted(wanted - names):
        yield f"lacks {name}"
    unwanted = {"lambda_runtime"} if program == COMMAND else {"aws-sdk-sso", "clap"}
    for name in sorted((unwanted | {"proptest", "syn"}) & names):
        yield f"contains {name}, which {program} does not use"
    if "serialNumber" in bom or "file:///tmp" in text or str(ROOT) in text:
        yield "is not reproducible: it has a serial number or a local path"


def check_sums(out: Path) -> Problems:
    """Check that SHA256SUMS contains all other files, with the correct checksums."""
    sums = out / SUMS
    if not sums.exists():
        yield f"lacks {SUMS}"
        return
    lines = (line.split("  ", 1) for line in sums.read_text().splitlines())
    listed = {name: digest for digest, name in lines}
    files = {one.name for one in out.iterdir()} - {SUMS}
    for name in sorted(files ^ listed.keys()):
        yield f"{name} is in {SUMS} or in the directory, but not in both"
    for name in sorted(files & listed.keys()):
        if hashlib.sha256((out / name).read_bytes()).hexdigest() != listed[name]:
            yield f"{name} has a different checksum than in {SUMS}"


def check(out: Path, arches: list[str]) -> Problems:
    """Find all problems in the directory."""
    for arch in arches:
        checks = {f"{COMMAND}-{version()}-{PLATFORMS[arch]}": (COMMAND, check_tar)}
        for name in FUNCTIONS:
            checks[f"{name}-{LAMBDA[arch]}"] = (name, check_function)
        for stem, (program, check_archive) in checks.items():
            suffix = "tar.gz" if program == COMMAND else "zip"
            archive, bom = out / f"{stem}.{suffix}", out / f"{stem}.cdx.json"
            for path in (archive, bom):
                if not path.exists():
                    yield f"{path.name}: does not exist"
            if archive.exists():
                for problem in check_archive(archive, arch):
                    yield f"{archive.name}: {problem}"
            if bom.exists():
                for problem in check_sbom(bom, program, TRIPLES[arch]):
                    yield f"{bom.name}: {problem}"
    for template in ("image-steward.yaml", "guardrail.json"):
        if not (out / template).exists():
            yield f"{template}: does not exist"
    yield from check_sums(out)


def main() -> None:
    """Print all problems, and fail if there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="a directory, or the package for Azure")
    parser.add_argument("arches", nargs="*", metavar="ARCH", help="of the directory")
    given = parser.parse_args()
    if wrong := set(given.arches) - TRIPLES.keys():
        parser.error(f"unknown architectures: {', '.join(sorted(wrong))}")
    if not given.arches:
        if problems := list(check_azure(given.out)):
            raise SystemExit("\n".join(problems))
        return
    if problems := list(check(given.out, given.arches)):
        raise SystemExit("\n".join(problems))
    print(f"Checked {len(list(given.out.iterdir()))} files in {given.out}.")


if __name__ == "__main__":
    main()
