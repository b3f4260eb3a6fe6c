"""The template for Azure, checked with checkov for insecure settings.

checkov does not evaluate expressions, so it reads the evaluated template: every resource, with its
final name and properties.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from arm_template import deploy
from harness import ROOT
from test_checkov import Report, checkov, findings

CONFIG = ROOT / "infra/azure/checkov.yaml"
TEMPLATE = json.loads((ROOT / "infra/azure/image-steward.json").read_text())
# Changes to the evaluated template, and the checks of checkov that must fail.
BAD: dict[str, tuple[str, str, Any, str]] = {
    "https": ("Microsoft.Web/sites", "httpsOnly", False, "CKV_AZURE_14"),
    "tls": ("Microsoft.Web/sites", "siteConfig", {}, "CKV_AZURE_15"),
    "ftp": (
        "Microsoft.Web/sites",
        "siteConfig",
        {"ftpsState": "AllAllowed"},
        "CKV_AZURE_78",
    ),
    "storage": (
        "Microsoft.Storage/storageAccounts",
        "minimumTlsVersion",
        "TLS1_0",
        "CKV_AZURE_44",
    ),
    "role": (
        "Microsoft.Authorization/roleDefinitions",
        "permissions",
        [{"actions": ["*"]}],
        "CKV_AZURE_39",
    ),
}


def evaluated(path: Path) -> list[dict[str, Any]]:
    """Writes the evaluated template, and returns its resources."""
    deployment = deploy(
        TEMPLATE,
        policyText="version = 1",
        mode="apply",
        retireInstances="terminate",
        packageUri="https://packages.example/image-steward.zip",
    )
    resources = [one.body for one in deployment.all()]
    write(path, resources)
    return resources


def write(path: Path, resources: list[dict[str, Any]]) -> None:
    template = {key: TEMPLATE[key] for key in ("$schema", "contentVersion")}
    path.write_text(json.dumps(template | {"resources": resources}, indent=2))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("azure")
    evaluated(directory / "stack.json")
    return directory


def test_checkov_has_nothing_to_say(good: Path) -> None:
    report = checkov(good, "--config-file", str(CONFIG))
    failed = report["results"]["failed_checks"]
    assert [(one["check_id"], one["resource"]) for one in failed] == []
    read = {resource for _, resource in findings(report, "passed", "stack")}
    for kind in ("Microsoft.Web/sites", "Microsoft.Storage/storageAccounts"):
        assert any(one.startswith(f"{kind}.") for one in read), kind


def test_every_exception_applies_and_has_a_reason(good: Path) -> None:
    report = checkov(good, "--framework", "arm", "--skip-download")
    failed = {one["check_id"] for one in report["results"]["failed_checks"]}
    assert failed == set(yaml.safe_load(CONFIG.read_text())["skip-check"])
    lines = CONFIG.read_text().partition("skip-check:\n")[2].splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        assert line.startswith("  #") or before.startswith("  # "), line


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The results for one copy of the template for each error."""
    directory = tmp_path_factory.mktemp("bad")
    for name, (kind, key, value, _) in BAD.items():
        path = directory / f"{name}.json"
        resources = evaluated(path)
        for one in resources:
            if one["type"] == kind:
                one["properties"] |= {key: value}
        write(path, resources)
    return checkov(directory, "--config-file", str(CONFIG))


@pytest.mark.parametrize("name", BAD)
def test_checkov_sees_a_bad_copy(refused: Report, name: str) -> None:
    kind, _, _, check = BAD[name]
    found = findings(refused, "failed", name)
    assert check in {check for check, resource in found if resource.startswith(kind)}, (
        found
    )
