"""Software bills of materials (SBOMs) in CycloneDX format, with the crates in each program.

cargo-cyclonedx describes the crates. It unifies the features of the whole workspace, so its output
contains crates that a program does not use (single sign-on in the functions). `cargo tree` lists the
crates that are compiled.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from release import COMMAND, ROOT, released_at

Crate = tuple[str, str]
"""Name and version."""
LINE = re.compile(r"(\d+)(\S+) v(\S+)")
SPEC = "1.5"
VENDORED = "cli/report/vendor/README.md"


def read_tree(lines: Iterable[str]) -> dict[Crate, set[Crate]]:
    """The dependencies of each crate, from `cargo tree --prefix depth`."""
    edges: dict[Crate, set[Crate]] = defaultdict(set)
    above: list[Crate] = []
    for line in filter(None, lines):
        found = LINE.match(line)
        if not found:
            raise SystemExit(f"unexpected line from `cargo tree`: {line}")
        crate = (found[2], found[3])
        del above[int(found[1]) :]
        if above:
            edges[above[-1]].add(crate)
        above.append(crate)
    return edges


def reachable(edges: dict[Crate, set[Crate]], root: Crate) -> set[Crate]:
    """A crate with all its direct and transitive dependencies."""
    seen, waiting = {root}, [root]
    while waiting:
        new = edges.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def narrowed(bom: dict[str, Any], crates: set[Crate]) -> dict[str, Any]:
    """The SBOM with only these crates."""
    kept = [one for one in bom["components"] if (one["name"], one["version"]) in crates]
    missing = crates - {(one["name"], one["version"]) for one in kept}
    program = bom["metadata"]["component"]
    missing.discard((program["name"], program["version"]))
    if missing:
        raise SystemExit(f"cargo-cyclonedx does not describe {sorted(missing)}")
    for one in [*kept, program]:
        one["purl"] = one["purl"].split("?download_url=file:")[0]
    refs = {program["bom-ref"], *(one["bom-ref"] for one in kept)}
    edges = [
        one | {"dependsOn": [ref for ref in one.get("dependsOn", ()) if ref in refs]}
        for one in bom["dependencies"]
        if one["ref"] in refs
    ]
    return bom | {"components": kept, "dependencies": edges}


def bundled(readme: str) -> list[dict[str, Any]]:
    """The npm packages in the HTML report's chart library, from the command that built it."""
    [line] = [one for one in readme.splitlines() if one.strip().startswith("npm i")]
    packages = [one.rpartition("@") for one in line.split() if "@" in one]
    return [
        {
            "type": "library",
            "bom-ref": f"npm:{name}@{number}",
            "name": name,
            "version": number,
            "scope": "required",
            "licenses": [{"license": {"id": "ISC"}}],
            "purl": f"pkg:npm/{name.replace('@', '%40')}@{number}",
        }
        for name, _, number in packages
        if name != "esbuild"
    ]


def _cargo(directory: Path, *arguments: str) -> str:
    environment = os.environ | {
        "SOURCE_DATE_EPOCH": str(int(released_at().timestamp()))
    }
    done = subprocess.run(
        ["cargo", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"`cargo {' '.join(arguments)}` failed: {done.stderr.strip()}")
    return done.stdout


def write_sboms(packages: Iterable[str], triple: str, outputs: dict[str, Path]) -> None:
    """Write an SBOM for each program in `outputs`. The programs are built together from `packages`."""
    selected = [part for name in packages for part in ("--package", name)]
    tree = _cargo(
        ROOT, "tree", "--locked", *selected, "--edges", "normal,no-proc-macro",
        "--target", triple, "--prefix", "depth", "--format", "{p}",
    )  # fmt: skip
    edges = read_tree(tree.splitlines())
    with tempfile.TemporaryDirectory() as directory:
        # cargo-cyclonedx writes its output next to each manifest, so it runs in a copy.
        copy = Path(directory).resolve() / "workspace"
        ignored = shutil.ignore_patterns("target", ".*", "docs", "demo", "*.json")
        shutil.copytree(ROOT, copy, ignore=ignored)
        _cargo(
            copy, "cyclonedx", "--format", "json", "--describe", "binaries",
            "--target", triple, "--no-build-deps", "--spec-version", SPEC, "--quiet",
        )  # fmt: skip
        for name, path in outputs.items():
            [written] = copy.rglob(f"{name}_bin.cdx.json")
            # Replace local paths: our packages have paths relative to the workspace.
            text = written.read_text().replace(f"path+file://{copy}", "path+file://")
            bom = json.loads(text)
            program = bom["metadata"]["component"]
            crates = reachable(edges, (program["name"], program["version"]))
            bom = narrowed(bom, crates)
            if name == COMMAND:
                bom["components"] += bundled((ROOT / VENDORED).read_text())
            path.write_text(json.dumps(bom, indent=1) + "\n")
