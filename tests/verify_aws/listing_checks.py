"""Checks that only read: empty lists, page sizes, missing ids."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from account import Account, code_of, failure
from report import Report
from resources import KEY

NOWHERE = "ami-00000000000000000"
NONE = f"{KEY}-none"


def _only(name: str, value: str) -> dict[str, Any]:
    return {"Filters": [{"Name": name, "Values": [value]}]}


_PAGE = {"MaxResults": 1000}
_MANAGED = {"IncludeManagedResources": True}
_NO_TAG = _only(f"tag:{KEY}", NONE)
_OWN_TAG = [{"ResourceTagKey": KEY, "ResourceTagValue": NONE}]

LISTINGS: list[tuple[str, str, list[dict[str, Any]]]] = [
    ("ec2", "ListImagesInRecycleBin", [_PAGE]),
    ("ec2", "ListSnapshotsInRecycleBin", [_PAGE]),
    (
        "ec2",
        "DescribeLockedSnapshots",
        [_PAGE, _PAGE | _only("lock-state", "compliance-cooloff")],
    ),
    ("ec2", "DescribeFleets", [_PAGE, _PAGE | _only("fleet-state", "failed")]),
    ("ec2", "DescribeSpotFleetRequests", [_PAGE]),
    (
        "ec2",
        "DescribeSpotInstanceRequests",
        [_PAGE, _PAGE | _only("launch.image-id", NOWHERE)],
    ),
    (
        "batch",
        "DescribeComputeEnvironments",
        [{"maxResults": 100}, {"computeEnvironments": [NONE]}],
    ),
    (
        "rbin",
        "ListRules",
        [
            {"ResourceType": "EC2_IMAGE"} | _PAGE,
            {"ResourceType": "EC2_IMAGE", "ResourceTags": _OWN_TAG} | _PAGE,
        ],
    ),
    (
        "ec2",
        "DescribeImages",
        [{"Owners": ["self"], "IncludeDisabled": True} | _PAGE | _NO_TAG],
    ),
    ("ec2", "DescribeSnapshots", [{"OwnerIds": ["self"]} | _PAGE | _NO_TAG]),
    ("ec2", "DescribeInstances", [_PAGE | _MANAGED | _only("image-id", NOWHERE)]),
    (
        "ec2",
        "DescribeLaunchTemplates",
        [{"MaxResults": 200}, _only("launch-template-name", NONE)],
    ),
    (
        "ec2",
        "DescribeLaunchTemplateVersions",
        [
            {"Versions": ["$Latest", "$Default"], "MaxResults": 200}
            | _MANAGED
            | _only("image-id", NOWHERE)
        ],
    ),
    (
        "autoscaling",
        "DescribeLaunchConfigurations",
        [{"MaxRecords": 100}, {"LaunchConfigurationNames": [NONE]}],
    ),
    (
        "autoscaling",
        "DescribeAutoScalingGroups",
        [
            {"MaxRecords": 100, "IncludeInstances": False},
            {"AutoScalingGroupNames": [NONE]},
        ],
    ),
    (
        "autoscaling",
        "DescribeAutoScalingInstances",
        [{"InstanceIds": ["i-00000000000000000"]}],
    ),
    ("ec2", "DescribeTags", [_PAGE | _only("key", NONE)]),
]
"""Each listing, with parameters to try in order until the list is empty."""

_REFUSED = ("InvalidParameterValue", "InvalidParameterCombination", "UnknownParameter")
_REFUSED += (
    "InvalidMaxResults",
    "ValidationError",
    "ValidationException",
    "ClientException",
)


def check_listings(account: Account, report: Report) -> None:
    """Make every listing return nothing. The account records the raw responses."""
    sizes: list[str] = []
    managed: list[str] = []
    skipped: list[str] = []
    for service, call, attempts in LISTINGS:
        function = getattr(account.clients[service], xform_name(call))
        for params in attempts:
            try:
                function(**params)
            except ClientError as error:
                code = code_of(error)
                text = f"{call}: {code}"
                if code not in _REFUSED:
                    skipped.append(text)
                elif "IncludeManagedResources" in params:
                    managed.append(text)
                else:
                    sizes.append(text)
                report.unchecked(f"empty-{call}", str(error))
            except BotoCoreError as error:
                # Some Regions lack some services.
                skipped.append(f"{call}: {error}")
                report.unchecked(f"empty-{call}", str(error))
            if account.saw_empty(call):
                break
    denied = f"; not checked: {', '.join(skipped)}" if skipped else ""
    accepted = f"{len(LISTINGS) - len(sizes)} listings accepted theirs"
    report.judge("page-sizes", not sizes, ", ".join(sizes) or f"{accepted}{denied}")
    report.judge("managed-resources", not managed, ", ".join(managed) or "accepted")


def check_missing_ids(account: Account, report: Report) -> None:
    """EC2's response to ids that never existed."""
    ec2 = account.ec2
    image, snapshot = f"ami-0{token_hex(8)}", f"snap-0{token_hex(8)}"
    with report.checking("image-missing"):
        code = failure(ec2.describe_images, ImageIds=[image])
        report.judge(
            "image-missing", code == "InvalidAMIID.NotFound", code or "no error"
        )
    with report.checking("image-ids-with-page-size"):
        code = failure(ec2.describe_images, ImageIds=[image], MaxResults=1000)
        holds = code == "InvalidParameterCombination"
        report.judge("image-ids-with-page-size", holds, code or "no error")
    with report.checking("snapshot-missing"):
        code = failure(ec2.delete_snapshot, SnapshotId=snapshot)
        holds = code == "InvalidSnapshot.NotFound"
        report.judge("snapshot-missing", holds, code or "no error")
    with report.checking("bin-unknown-image"):
        try:
            found = ec2.list_images_in_recycle_bin(ImageIds=[image])["Images"]
            report.judge("bin-unknown-image", not found, f"{len(found)} images")
        except ClientError as error:
            report.judge("bin-unknown-image", False, str(error))
    with report.checking("restore-missing"):
        codes = [
            failure(ec2.restore_image_from_recycle_bin, ImageId=image),
            failure(ec2.restore_snapshot_from_recycle_bin, SnapshotId=snapshot),
        ]
        accepted = ("InvalidAMIID.Unavailable", "InvalidAMIID.Malformed")
        holds = all(one.endswith("NotFound") or one in accepted for one in codes)
        report.judge(
            "restore-missing", holds, ", ".join(one or "no error" for one in codes)
        )
