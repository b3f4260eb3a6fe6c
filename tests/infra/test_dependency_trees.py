"""What the functions are built from: those of AWS contain nothing of Azure, and the reverse."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from typing import Any

import pytest

from harness import ROOT

# aws-lc is the cryptography of rustls, also for Azure.
AWS = re.compile(r"aws[-_](?!lc-).*|steward-(aws|lambda|eventbridge)|lambda_runtime.*")
AZURE = re.compile(r"azure_.*|typespec.*|steward-azure.*")
# What only a program needs that runs something.
RUNTIME = re.compile(r"tokio|hyper.*|reqwest|rustls|async-io|async-std|smol")
FUNCTIONS = sorted(path.name for path in (ROOT / "functions").iterdir())
ADAPTERS = sorted(path.name for path in (ROOT / "adapters").iterdir())


@cache
def metadata() -> dict[str, Any]:
    rustc = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True)
    [platform] = re.findall(r"^host: (.*)$", rustc.stdout, re.MULTILINE)
    # Without building: the crates of this platform were downloaded for the build.
    done = subprocess.run(
        [
            *("cargo", "metadata", "--format-version", "1", "--locked"),
            *("--offline", "--filter-platform", platform),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@cache
def tree(package: str) -> frozenset[str]:
    """The names of all packages that are compiled into a package of this workspace."""
    names = {one["id"]: one["name"] for one in metadata()["packages"]}
    nodes = {one["id"]: one for one in metadata()["resolve"]["nodes"]}
    [start] = [one for one in metadata()["workspace_members"] if names[one] == package]
    found, waiting = set(), [start]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        for dependency in nodes[one]["deps"]:
            # Neither the tests nor the build scripts are part of the program.
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return frozenset(names[one] for one in found - {start})


def of(pattern: re.Pattern[str], package: str) -> set[str]:
    return {name for name in tree(package) if pattern.fullmatch(name)}


def is_of_azure(function: str) -> bool:
    return function.startswith("azure")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_contains_one_provider(function: str) -> None:
    [package] = re.findall(
        r'^name = "(.*)"',
        (ROOT / f"functions/{function}/Cargo.toml").read_text(),
        re.MULTILINE,
    )[:1]
    ours, other = (AZURE, AWS) if is_of_azure(function) else (AWS, AZURE)
    assert of(ours, package), "the pattern matches something"
    assert not of(other, package)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_contains_one_provider(adapter: str) -> None:
    package = f"steward-{adapter}"
    assert "steward" in tree(package)
    assert not of(AWS if is_of_azure(adapter) else AZURE, package)


def test_the_patterns_match_the_packages_of_the_providers() -> None:
    for name in (
        "aws-sdk-ec2",
        "aws_lambda_events",
        "steward-lambda",
        "lambda_runtime",
    ):
        assert AWS.fullmatch(name) and not AZURE.fullmatch(name), name
    for name in ("azure_core", "azure_identity", "typespec_client_core"):
        assert AZURE.fullmatch(name) and not AWS.fullmatch(name), name
    assert not AWS.fullmatch("aws-lc-rs")


def test_the_core_contains_no_provider_and_runs_nothing() -> None:
    assert "serde_json" in tree("steward")
    for pattern in (AWS, AZURE, RUNTIME):
        assert not of(pattern, "steward")


def test_the_functions_of_azure_have_one_tls_implementation() -> None:
    """That of the AWS SDK: rustls with AWS-LC."""
    assert {"rustls", "aws-lc-rs"} <= tree("azure-functions")
    assert not tree("azure-functions") & {"native-tls", "openssl", "axum"}
