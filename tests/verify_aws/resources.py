"""The resources of a run. All have the same tag, with which they are found again."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from account import Account

KEY = "image-steward-verify-aws"
DEVICE = "/dev/xvda"
NOT_VISIBLE = (
    "InvalidSnapshot.NotFound",
    "InvalidAMIID.NotFound",
    "InvalidVolume.NotFound",
)
"""Errors that can occur right after the resource was created."""
DAYS = 1


class Resources:
    """The resources of one run, by the tag `image-steward-verify-aws`."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.run = f"verify-{token_hex(4)}"
        self.other = f"{self.run}-not-recycled"
        """The tag's value on resources that the Recycle Bin rules do not cover."""
        self.parameters = [f"/{KEY}/{self.run}/text", f"/{KEY}/{self.run}/image"]
        self.description = f"image-steward verify-aws {self.run}"
        self.image = ""
        self.snapshot = ""
        self.images: list[str] = []
        self.volumes: list[str] = []
        self.rule_ids: list[str] = []

    def tagged(self, kind: str, value: str | None = None) -> list[dict[str, Any]]:
        """The specification that tags a new resource of this kind."""
        tag = {"Key": KEY, "Value": value or self.run}
        return [{"ResourceType": kind, "Tags": [tag]}]

    def make_rules(self) -> None:
        """Two Recycle Bin rules, only for resources with the tag."""
        for kind in ("EBS_SNAPSHOT", "EC2_IMAGE"):
            made = self.account.rbin.create_rule(
                ResourceType=kind,
                RetentionPeriod={
                    "RetentionPeriodValue": DAYS,
                    "RetentionPeriodUnit": "DAYS",
                },
                Description=self.description,
                Tags=[{"Key": KEY, "Value": self.run}],
                ResourceTags=[{"ResourceTagKey": KEY, "ResourceTagValue": self.run}],
            )
            self.rule_ids.append(made["Identifier"])

    def rules(self) -> list[dict[str, Any]]:
        """The complete rules of this run."""
        wanted = {"ResourceTagKey": KEY, "ResourceTagValue": self.run}
        rbin = self.account.rbin
        found = []
        for kind in ("EBS_SNAPSHOT", "EC2_IMAGE"):
            for page in rbin.get_paginator("list_rules").paginate(ResourceType=kind):
                for one in page["Rules"]:
                    rule = rbin.get_rule(Identifier=one["Identifier"])
                    if wanted in rule.get("ResourceTags", []):
                        found.append(rule)
        return found

    def make_image(self) -> None:
        """A volume, its snapshot, and an image from it. The volume is deleted again."""
        account, ec2 = self.account, self.account.ec2
        zones = ec2.describe_availability_zones(
            Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}]
        )["AvailabilityZones"]
        zone = next(one["ZoneName"] for one in zones if one["State"] == "available")
        volume = ec2.create_volume(
            AvailabilityZone=zone,
            Size=1,
            VolumeType="gp3",
            TagSpecifications=self.tagged("volume"),
        )["VolumeId"]
        self.volumes.append(volume)
        self._await("volume", lambda: self._volume_state(volume) == "available")
        made = account.settle(
            ec2.create_snapshot,
            NOT_VISIBLE,
            VolumeId=volume,
            Description=self.description,
            TagSpecifications=self.tagged("snapshot"),
        )
        self.snapshot = made["SnapshotId"]
        self._await("snapshot", lambda: self._snapshot_state() == "completed")
        ec2.delete_volume(VolumeId=volume)
        self.image = self.register(self.run)

    def register(self, value: str) -> str:
        """An image of the snapshot with this tag value, when it is available."""
        account = self.account
        image = account.settle(
            account.ec2.register_image,
            NOT_VISIBLE,
            Name=f"{KEY} {value}",
            Description=self.description,
            Architecture="x86_64",
            VirtualizationType="hvm",
            EnaSupport=True,
            RootDeviceName=DEVICE,
            BlockDeviceMappings=[
                {"DeviceName": DEVICE, "Ebs": {"SnapshotId": self.snapshot}}
            ],
            TagSpecifications=self.tagged("image", value),
        )["ImageId"]
        self.images.append(image)
        self._await("image", lambda: self._image_state(image) == "available")
        return image

    def _await(self, what: str, probe: Any) -> None:
        if not self.account.wait(probe):
            raise TimeoutError(f"the {what} was not ready in time")

    def _volume_state(self, volume: str) -> str:
        only = [{"Name": "volume-id", "Values": [volume]}]
        found = self.account.ec2.describe_volumes(Filters=only)["Volumes"]
        return found[0]["State"] if found else ""

    def _snapshot_state(self) -> str:
        only = [{"Name": "snapshot-id", "Values": [self.snapshot]}]
        found = self.account.ec2.describe_snapshots(OwnerIds=["self"], Filters=only)
        return found["Snapshots"][0]["State"] if found["Snapshots"] else ""

    def _image_state(self, image: str) -> str:
        found = self.account.images(image)
        return found[0]["State"] if found else ""
