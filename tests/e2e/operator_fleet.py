"""The account of a platform team: 312 images of five kinds, with references to some of them.

Golden images by family and architecture, preview images of pull requests, EKS nodes that are shared
with twelve accounts, application images with a version and a date in their names, and images that
nobody maintains.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from worlds import ACCOUNT, ami, snap

FAMILIES = {"base": 16, "web": 16, "worker": 16, "db": 40}
"""All golden families, with the GiB of one of their images."""
ARCHITECTURES = ("x86_64", "arm64")
SHARED_WITH = [f"{number:012}" for number in range(210000000001, 210000000013)]
GOLDEN, PREVIEW, EKS, APP, FORGOTTEN = 112, 63, 32, 80, 25

POLICY = """version = 1

[[rule]]
name = "golden"
match = { name = "golden-*" }
group_by = ["tag:Family", "architecture"]
keep = { last = 5, monthly = 12, launched_within = "90d" }

[[rule]]
name = "preview"
match = { name = "preview-pr-*" }
keep = { within = "3d" }

[[rule]]
name = "eks"
match = { name = "eks-node-*" }
group_by = ["tag:K8s"]
keep = { last = 4 }

[[rule]]
name = "app"
match = { name = "app-*" }
group_by = ["name_prefix"]
keep = { last = 3 }

[safety]
max_fraction = 1.0
"""


class _Maker:
    """Numbers the images from 1, and adds a snapshot to each."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.images: list[dict[str, Any]] = []
        self.snapshots: list[dict[str, Any]] = []

    def add(self, name: str, days: float, gib: int, **more: Any) -> str:
        number = len(self.images) + 1
        created = (self.now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        image = {"image_id": ami(number), "name": name, "created_at": created}
        self.images.append(image | {"snapshots": [snap(number)], "tags": {}} | more)
        self.snapshots.append(
            {
                "snapshot_id": snap(number),
                "started_at": created,
                "size_gib": gib,
                "description": f"Created by CreateImage(i-0123) for {ami(number)}",
            }
        )
        return ami(number)

    def day(self, days: float) -> str:
        return (self.now - timedelta(days=days)).strftime("%Y%m%d")


def operator_fleet() -> dict[str, Any]:
    """The account for the stand-in: `Account(operator_fleet())`."""
    make = _Maker(datetime.now(UTC))
    golden: dict[tuple[str, str], list[str]] = {}
    for family, gib in FAMILIES.items():
        for architecture in ARCHITECTURES:
            tags = {"Family": family, "Team": "platform", "arch": architecture}
            golden[family, architecture] = [
                make.add(
                    f"golden-{family}-{make.day(2 + 14 * age)}-{architecture}",
                    2 + 14 * age,
                    gib,
                    tags=tags,
                    architecture=architecture,
                )
                for age in range(GOLDEN // 8)
            ]
    for number in range(PREVIEW):
        name = f"preview-pr-{1200 + number}-1"
        tags = {"PullRequest": str(1200 + number), "Team": "payments"}
        make.add(name, 0.5 + number, 20, tags=tags)
    for version in ("1.29", "1.30", "1.31", "1.32"):
        for age in range(EKS // 4):
            days = 5 + 30 * age
            name = f"eks-node-{version}-v{make.day(days)}"
            tags = {"Component": "eks-node", "K8s": version}
            make.add(name, days, 20, tags=tags, launch_permissions=SHARED_WITH)
    apps: dict[str, list[str]] = {}
    for release in range(APP // 2):
        days = 1 + 9 * release
        for label, architecture in (("amd64", "x86_64"), ("arm64", "arm64")):
            minor, patch = 40 - release, release % 3
            name = f"app-v1.{minor}.{patch}-{make.day(days)}-{label}"
            made = make.add(
                name, days, 12, tags={"Team": "search"}, architecture=architecture
            )
            apps.setdefault(label, []).append(made)
    forgotten = [
        make.add(f"old-jenkins-{number}", 400 + 20 * number, 200)
        if number % 2
        else make.add(f"manual backup before upgrade {number}", 420 + 20 * number, 200)
        for number in range(FORGOTTEN)
    ]
    web, workers = golden["web", "x86_64"], golden["worker", "arm64"]
    template = {
        "launch_template_id": "lt-0aaa0000000000001",
        "name": "web",
        "default_version": len(web),
        "versions": [
            {"version": number, "image_id": image}
            for number, image in enumerate(reversed(web), 1)
        ],
    }
    used = [web[0], web[0], web[3], workers[2], apps["amd64"][1], forgotten[4]]
    return {
        "account": ACCOUNT,
        "images": make.images,
        "snapshots": make.snapshots,
        "instances": [
            {"instance_id": f"i-{number:017x}", "image_id": image}
            for number, image in enumerate(used, 1)
        ],
        "launch_templates": [template],
        "auto_scaling_groups": [
            {
                "name": "web",
                "launch_template": {
                    "launch_template_id": "lt-0aaa0000000000001",
                    "version": "$Default",
                },
            }
        ],
        "ssm_parameters": [{"name": "/golden/web", "value": web[8]}],
    }
