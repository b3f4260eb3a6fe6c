"""Packing a release, with small programs instead of the real ones. `make dist` checks the real
files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import archives
import check
import release
import sbom
from binaries import LAMBDAS
from harness import ROOT, VENV, binary

FILES = {"top/b": (0o755, b"program"), "top/a": (0o644, b"text")}
DAY = datetime(2026, 11, 29, tzinfo=UTC)
OLDER = "## [1.2.2] - 2026-01-01\n\n- Old.\n\n"
LINKS = "[1.2.3]: https://example.com/v1.2.3\n"
CHANGES = (
    "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-29\n\n### Added\n\n- All.\n\n"
    + OLDER
    + LINKS
)


def packed(write: Any, path: Path, files: Any = FILES) -> bytes:
    write(path, files, DAY)
    return path.read_bytes()


@pytest.mark.parametrize("write", [archives.write_tar, archives.write_zip])
def test_the_same_files_give_the_same_bytes(write: Any, tmp_path: Path) -> None:
    """Independent of the archive's name and the order of files."""
    first = packed(write, tmp_path / "first")
    turned = dict(reversed(FILES.items()))
    assert packed(write, tmp_path / "second", turned) == first
    changed = FILES | {"top/a": (0o644, b"tex!")}
    assert packed(write, tmp_path / "third", changed) != first
    write(tmp_path / "fourth", FILES, datetime(2026, 11, 30, tzinfo=UTC))
    assert (tmp_path / "fourth").read_bytes() != first


def test_names_modes_and_times_of_a_tar(tmp_path: Path) -> None:
    raw = packed(archives.write_tar, tmp_path / "x.tar.gz")
    assert raw[3] == 0, "gzip would keep a file name"
    assert raw[4:8] == bytes(4), "gzip would keep a time"
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        found = [(one.name, one.mode, one.uname, one.mtime) for one in archive]
    when = int(DAY.timestamp())
    assert found == [("top/a", 0o644, "", when), ("top/b", 0o755, "", when)]


def test_names_modes_and_times_of_a_zip(tmp_path: Path) -> None:
    packed(archives.write_zip, tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        modes = {one.filename: one.external_attr >> 16 for one in archive.infolist()}
        assert modes == {"top/a": 0o100644, "top/b": 0o100755}
        assert {one.create_system for one in archive.infolist()} == {3}
        assert {one.date_time for one in archive.infolist()} == {
            (2026, 11, 29, 0, 0, 0)
        }


def test_an_archive_of_the_command(tmp_path: Path) -> None:
    """The command for this computer writes completions and manual for a platform that may differ."""
    other, native = tmp_path / "image-steward", binary("image-steward")
    other.write_bytes(b"program")
    path = archives.command_archive(other, native, "aarch64-linux", tmp_path)
    top = f"image-steward-{release.version()}-aarch64-linux"
    assert path.name == f"{top}.tar.gz"
    with tarfile.open(path) as archive:
        names = archive.getnames()
        bash = archive.extractfile(f"{top}/completions/image-steward.bash").read()
        manual = archive.extractfile(f"{top}/man/image-steward-plan.1").read()
        assert archive.getmember(f"{top}/image-steward").mode == 0o755
    assert b"complete -F" in bash
    assert manual.startswith(b".ie") or b".TH" in manual
    assert {f"{top}/LICENSE-MIT", f"{top}/LICENSE-APACHE", f"{top}/README.md"} <= {
        *names
    }


def test_windows_gets_a_zip(tmp_path: Path) -> None:
    other, native = tmp_path / "image-steward.exe", binary("image-steward")
    other.write_bytes(b"program")
    path = archives.command_archive(other, native, "x86_64-windows", tmp_path)
    assert path.suffix == ".zip"
    assert zipfile.ZipFile(path).testzip() is None


def functions(directory: Path) -> Path:
    for name in release.FUNCTIONS:
        (directory / name).mkdir(parents=True)
        (directory / name / "bootstrap").write_bytes(name.encode())
    return directory


def test_an_archive_for_each_function(tmp_path: Path) -> None:
    """They have the names that the template uses."""
    functions(tmp_path / "lambda")
    archives.function_archives(tmp_path / "lambda", "x86-64", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{name}-x86_64.zip" for name in release.FUNCTIONS
    }
    for path in (tmp_path / "out").iterdir():
        with zipfile.ZipFile(path) as archive:
            [entry] = archive.infolist()
            assert entry.filename == "bootstrap"
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.external_attr >> 16 == 0o100755
            assert archive.read(entry).decode() + "-x86_64.zip" == path.name


def test_all_functions_of_aws() -> None:
    assert sorted(release.FUNCTIONS) == LAMBDAS


def test_what_was_not_built_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"prune-images/bootstrap does not exist; run"):
        archives.function_archives(tmp_path, "arm64", tmp_path / "out")
    with pytest.raises(SystemExit, match=r"nothing does not exist; build the command"):
        nothing = tmp_path / "nothing"
        archives.command_archive(nothing, nothing, "x86_64-linux", tmp_path)


def workspace(directory: Path, changes: str) -> Path:
    cargo = '[workspace.package]\nversion = "1.2.3"\n'
    (directory / "Cargo.toml").write_text(cargo)
    (directory / "CHANGELOG.md").write_text(changes)
    return directory


def test_the_notes_of_a_version(tmp_path: Path) -> None:
    for changes in (CHANGES, CHANGES.replace(OLDER, "")):
        root = workspace(tmp_path, changes)
        assert release.notes(root) == "### Added\n\n- All.\n"


@pytest.mark.parametrize(
    "changes",
    [
        CHANGES.replace("## [1.2.3] - 2026-11-29", "## [Unreleased]"),
        CHANGES.replace("[1.2.3] - 2026-11-29", "[1.2.3]"),
        CHANGES.replace("1.2.3", "1x2.3"),
        CHANGES.replace("### Added\n\n- All.\n", ""),
    ],
)
def test_no_release_without_notes(changes: str, tmp_path: Path) -> None:
    root = workspace(tmp_path, changes)
    with pytest.raises(SystemExit, match=r"CHANGELOG\.md has no section for version"):
        release.notes(root)


def test_the_time_of_a_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    root = workspace(tmp_path, CHANGES)
    assert release.released_at(root) == DAY
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert release.released_at(root) == datetime(1970, 1, 2, tzinfo=UTC)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "today")
    with pytest.raises(SystemExit, match="SOURCE_DATE_EPOCH is `today`"):
        release.released_at(root)
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    (root / "CHANGELOG.md").write_text(CHANGES.replace("11-29", "13-29"))
    with pytest.raises(SystemExit, match="2026-13-29 is not a date"):
        release.released_at(root)


def test_a_tag_must_be_the_versions(tmp_path: Path) -> None:
    root = workspace(tmp_path, CHANGES)
    release.check_tag("v1.2.3", root)
    for tag in ("1.2.3", "v1.2.4", "v1.2.3-rc1", ""):
        with pytest.raises(SystemExit, match="does not match version 1.2.3"):
            release.check_tag(tag, root)


def test_this_version_can_be_released() -> None:
    """As in the workflow, with Python alone, because no packages are installed there."""
    tag = f"v{release.version()}"
    command = [sys.executable, "-I", "-S", ROOT / "infra/dist", "notes", "--tag"]
    done = subprocess.run([*command, tag], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "### Added" in done.stdout
    assert not re.search("^## ", done.stdout, re.MULTILINE)
    wrong = subprocess.run(
        [*command, "v0"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("the tag v0 does not match version")


TREE = """0tool v1.0.0 (/somewhere/tool)
1core v1.0.0 (/somewhere/core)
2serde v2.0.0
3serde_core v2.0.0
1log v0.4.0

0other v1.0.0 (/somewhere/other)
1sso v0.1.0
2serde v2.0.0 (*)
"""


def test_crates_of_a_program() -> None:
    """Dependencies of the other program are excluded. A crate that is listed once counts for all
    its dependents."""
    edges = sbom.read_tree(TREE.splitlines())
    names = {name for name, _ in sbom.reachable(edges, ("tool", "1.0.0"))}
    assert names == {"tool", "core", "serde", "serde_core", "log"}
    names = {name for name, _ in sbom.reachable(edges, ("other", "1.0.0"))}
    assert names == {"other", "sso", "serde", "serde_core"}
    with pytest.raises(SystemExit, match="unexpected line from `cargo tree`: warning"):
        sbom.read_tree(["warning: x"])


def bill(*crates: str) -> dict[str, Any]:
    """In the format of cargo-cyclonedx."""

    def component(name: str) -> dict[str, str]:
        url = f"pkg:cargo/{name}@1.0.0?download_url=file://../{name}"
        return {"name": name, "version": "1.0.0", "bom-ref": name, "purl": url}

    return {
        "metadata": {"component": component("tool")},
        "components": [component(name) for name in crates],
        "dependencies": [
            {"ref": "tool", "dependsOn": [*crates]},
            *({"ref": name} for name in crates),
        ],
    }


def test_a_bill_has_what_is_built() -> None:
    crates = {("tool", "1.0.0"), ("core", "1.0.0")}
    found = sbom.narrowed(bill("core", "sso"), crates)
    assert [one["name"] for one in found["components"]] == ["core"]
    assert found["components"][0]["purl"] == "pkg:cargo/core@1.0.0"
    assert found["dependencies"][0] == {"ref": "tool", "dependsOn": ["core"]}
    assert [one["ref"] for one in found["dependencies"]] == ["tool", "core"]
    with pytest.raises(SystemExit, match=r"does not describe \[\('core', '1.0.0'\)\]"):
        sbom.narrowed(bill("sso"), crates)


def test_the_chart_library_is_in_the_bill() -> None:
    found = sbom.bundled((ROOT / sbom.VENDORED).read_text())
    text = (ROOT / sbom.VENDORED).read_text()
    assert [one["name"] for one in found] == ["@observablehq/plot", "d3"]
    assert found[0]["purl"].startswith("pkg:npm/%40observablehq/plot@")
    assert (
        f"Observable Plot](https://observablehq.com/plot/) {found[0]['version']}"
        in text
    )


def test_checksums(tmp_path: Path) -> None:
    for name in ("b.zip", "a.zip"):
        (tmp_path / name).write_bytes(name.encode())
    archives.write_sums(tmp_path)
    archives.write_sums(tmp_path)
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", archives.SUMS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "a.zip: OK\nb.zip: OK\n"
    assert not list(check.check_sums(tmp_path))
    (tmp_path / "a.zip").write_bytes(b"changed")
    (tmp_path / "c.zip").write_bytes(b"new")
    assert list(check.check_sums(tmp_path)) == [
        "c.zip is in SHA256SUMS or in the directory, but not in both",
        "a.zip has a different checksum than in SHA256SUMS",
    ]


def compiled(directory: Path, target: str, source: str = "int main(void) {return 0;}"):
    """A C program, linked with the same linker as the command."""
    (directory / "main.c").write_text(source)
    output = directory / "bootstrap"
    zig = [VENV / "bin/python", "-m", "ziglang", "cc", "-target", target]
    subprocess.run([*zig, "-s", "-o", output, directory / "main.c"], check=True)
    return output.read_bytes()


OLD, NEW = (2, 17), (2, 34)
# A function that was added in glibc 2.25.
RANDOM = """int getentropy(void *, unsigned long);
int main(void) {char x[8]; return getentropy(x, 8);}"""


@pytest.mark.parametrize("arch", release.TRIPLES)
def test_a_program_for_an_old_system(arch: str, tmp_path: Path) -> None:
    machine = release.TRIPLES[arch].split("-")[0]
    program = compiled(tmp_path, f"{machine}-linux-gnu.2.17")
    assert not list(check.check_program(program, arch, OLD))
    [other] = set(release.TRIPLES) - {arch}
    [problem] = check.check_program(program, other, OLD)
    assert re.match(rf"is built for EM_\w+, not for {other}", problem)
    program = compiled(tmp_path, f"{machine}-linux-gnu.2.28", RANDOM)
    assert list(check.check_program(program, arch, OLD)) == [
        "needs glibc 2.25; the limit is 2.17"
    ]
    assert not list(check.check_program(program, arch, NEW))


def test_paths_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths of the repository, of Cargo's directories and of the home directory. The replacements
    are allowed."""
    settings = {
        "CARGO_HOME": "/some/cargo",
        "CARGO_TARGET_DIR": "/some/target",
        "HOME": "/some/home",
    }
    words = (f'"{one}/x"' for one in (ROOT, *settings.values(), "/cargo", "/target"))
    source = f"const char *p[] = {{{','.join(words)}}};"
    main = "int main(int c, char **v) {return p[c][0];}"
    program = compiled(tmp_path, "x86_64-linux-gnu.2.17", source + main)

    def found(**given: str) -> set[str]:
        for name in settings:
            monkeypatch.setenv(name, given.get(name, "/nowhere"))
        problems = list(check.check_program(program, "x86-64", OLD))
        message = re.compile("contains the local path (.*); see REMAPPED")
        return {message.match(one)[1] for one in problems}

    assert found() == {str(ROOT)}
    for name, place in settings.items():
        assert found(**{name: place}) == {str(ROOT), place}
        assert found(**{name: place[:-1]}) == {str(ROOT)}
    assert found(**settings) == {str(ROOT), *settings.values()}


def test_places_where_they_are_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of `/` is a prefix of every path, and is ignored."""
    for name in ("CARGO_HOME", "CARGO_TARGET_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/")
    assert {*check.places()} == {str(ROOT), f"{ROOT}/target", "/.cargo"}
    monkeypatch.setenv("HOME", "/me")
    assert {*check.places()} == {str(ROOT), f"{ROOT}/target", "/me", "/me/.cargo"}


def test_libraries_of_this_machine(tmp_path: Path) -> None:
    [problem] = check.check_program(b"#!/bin/sh\n", "x86-64", OLD)
    assert problem.startswith("is not an ELF program")
    library = tmp_path / "libown.so"
    zig = [VENV / "bin/python", "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu"]
    (tmp_path / "own.c").write_text("int own(void) {return 1;}")
    subprocess.run([*zig, "-shared", "-o", library, tmp_path / "own.c"], check=True)
    (tmp_path / "use.c").write_text("int own(void);int main(void) {return own();}")
    used = tmp_path / "use"
    subprocess.run([*zig, "-o", used, tmp_path / "use.c", library], check=True)
    problems = list(check.check_program(used.read_bytes(), "x86-64", NEW))
    assert any(one.startswith("needs the library ") for one in problems), problems


def test_an_archive_of_a_function_is_checked(tmp_path: Path) -> None:
    program = compiled(tmp_path, "aarch64-linux-gnu.2.17")
    path = tmp_path / "x.zip"
    archives.write_zip(path, {"bootstrap": (0o755, program)}, DAY)
    assert not list(check.check_function(path, "arm64"))
    archives.write_zip(path, {"bootstrap": (0o644, program)}, DAY)
    assert list(check.check_function(path, "arm64")) == [
        "`bootstrap` has the mode 100644"
    ]
    archives.write_zip(path, {"bootstrap": (0o755, program)} | FILES, DAY)
    assert list(check.check_function(path, "arm64")) == [
        "must contain only the file `bootstrap`"
    ]


def test_an_empty_directory_fails(tmp_path: Path) -> None:
    problems = list(check.check(tmp_path, ["x86-64"]))
    missing = [one for one in problems if one.endswith(": does not exist")]
    assert len(missing) == 2 * (1 + len(release.FUNCTIONS)) + 2
    assert problems[-1] == f"lacks {archives.SUMS}"


def valid_bill(program: str, **changes: Any) -> dict[str, Any]:
    versions = dict(check.locked())
    names = {"steward", "aws-sdk-ec2", "aws-lc-sys", "tokio"}
    names.add("aws-sdk-sso" if program == release.COMMAND else "lambda_runtime")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": sbom.SPEC,
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": program},
            "properties": [{"name": "triple", "value": "x86_64-unknown-linux-gnu"}],
        },
        "components": [
            {
                "type": "library",
                "name": name,
                "version": versions[name],
                "purl": f"pkg:cargo/{name}@{versions[name]}",
            }
            for name in sorted(names)
        ],
    } | changes


@pytest.mark.parametrize("program", [release.COMMAND, "tag-image"])
def test_bills_are_checked(program: str, tmp_path: Path) -> None:
    def problems(text: str) -> list[str]:
        path = tmp_path / "x.cdx.json"
        path.write_text(text)
        return list(check.check_sbom(path, program, "x86_64-unknown-linux-gnu"))

    good = json.dumps(valid_bill(program))
    assert not problems(good)
    for wrong, expected in {
        good.replace("CycloneDX", "SPDX"): "is not valid CycloneDX",
        good.replace('"application"', '"app"'): "is not valid CycloneDX",
        good.replace(program, "other-program"): "describes other-program",
        good.replace("x86_64-unk", "aarch64-unk"): "does not name the platform",
        good.replace("aws-sdk-ec2", "aws-sdk-ecs"): "lacks aws-sdk-ec2",
        json.dumps(
            valid_bill(
                program, serialNumber=f"urn:uuid:{'1' * 8}-1111-4111-8111-{'1' * 12}"
            )
        ): "is not reproducible",
    }.items():
        found = problems(wrong)
        assert any(expected in one for one in found), (expected, found)
    newer = valid_bill(program)
    newer["components"][0]["version"] = "99.0.0"
    assert any("is not in Cargo.lock" in one for one in problems(json.dumps(newer)))
    other = valid_bill(release.COMMAND if program == "tag-image" else "tag-image")
    mine = valid_bill(program)["components"]
    newer["components"] = mine + [x for x in other["components"] if x not in mine]
    unwanted = "aws-sdk-sso" if program == "tag-image" else "lambda_runtime"
    [problem] = problems(json.dumps(newer))
    assert problem == f"contains {unwanted}, which {program} does not use"


def test_the_documentation_names_this_version() -> None:
    """Texts that people copy: names of archives, and tags."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    number = r"(\d+\.\d+\.\d+)"
    tag = rf"(?:download/|tags/|--sign |origin )v{number}"
    named = re.findall(rf"image-steward-{number}-|{tag}", text)
    assert len(named) >= 5
    assert {first or second for first, second in named} == {release.version()}
