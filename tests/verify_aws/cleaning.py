"""Deleting the resources of a run, and listing those that remain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from account import code_of
from resources import KEY, Resources

_DONE = (
    "InvalidAMIID.Unavailable",
    "InvalidAMIID.NotFound",
    "InvalidSnapshot.NotFound",
    "InvalidVolume.NotFound",
    "InvalidLaunchTemplateName.NotFoundException",
    "ParameterNotFound",
    "ResourceNotFoundException",
)


class Cleaner:
    """Deletes the resources with the tag of a run. A failure does not stop it."""

    def __init__(self, made: Resources) -> None:
        self._made = made
        self._account = made.account
        self.failed: list[str] = []

    def clean(self) -> None:
        """References first, the rules of the Recycle Bin last."""
        made, ec2 = self._made, self._account.ec2
        for name in made.parameters:
            self._remove(
                f"parameter {name}", self._account.ssm.delete_parameter, Name=name
            )
        name = f"{KEY}-{made.run}"
        delete = ec2.delete_launch_template
        if self._templates():
            self._remove(f"launch template {name}", delete, LaunchTemplateName=name)
        for image in self._images():
            self._remove(f"image {image}", self._deregister, ImageId=image)
        for snapshot in self._snapshots():
            self._remove(f"snapshot {snapshot}", self._delete, SnapshotId=snapshot)
        for volume in self._volumes():
            self._remove(f"volume {volume}", self._delete_volume, VolumeId=volume)
        for rule in dict.fromkeys(self._rules() + made.rule_ids):
            delete = self._account.rbin.delete_rule
            self._remove(f"retention rule {rule}", delete, Identifier=rule)

    def outside(self) -> list[str]:
        """The resources that remain outside the Recycle Bin."""
        left = self._account.wait_for_none(self._left)
        return left + [f"{one} (could not be removed)" for one in self.failed]

    def _left(self) -> list[str]:
        left = [f"image {one}" for one in self._images(known=False)]
        left += [f"snapshot {one}" for one in self._snapshots(known=False)]
        left += [f"volume {one}" for one in self._volumes(known=False)]
        left += [f"launch template {one}" for one in self._templates()]
        left += [f"retention rule {one}" for one in self._rules()]
        names = self._try(self._account.ssm.get_parameters, Names=self._made.parameters)
        left += [f"parameter {one['Name']}" for one in names.get("Parameters", [])]
        return left

    def in_bin(self) -> list[str]:
        """The resources that remain in the Recycle Bin, and until when."""
        left = []
        for what, kind in (("images", "Image"), ("snapshots", "Snapshot")):
            listed = self._pages(f"list_{what}_in_recycle_bin", f"{kind}s")
            mine = {*self._made.images, self._made.snapshot}
            for one in listed:
                if one[f"{kind}Id"] in mine:
                    until = one.get("RecycleBinExitTime")
                    left.append(f"{kind.lower()} {one[f'{kind}Id']} until {until}")
        return left

    def _deregister(self, ImageId: str) -> None:
        ec2 = self._account.ec2
        found = self._account.images(ImageId, IncludeDisabled=True)
        word = found[0].get("DeregistrationProtection") if found else None
        if word not in (None, "disabled"):
            ec2.disable_image_deregistration_protection(ImageId=ImageId)
        ec2.deregister_image(ImageId=ImageId, DeleteAssociatedSnapshots=True)

    def _delete(self, SnapshotId: str) -> None:
        delete = self._account.ec2.delete_snapshot
        self._account.settle(delete, ("InvalidSnapshot.InUse",), SnapshotId=SnapshotId)

    def _delete_volume(self, VolumeId: str) -> None:
        delete = self._account.ec2.delete_volume
        # It is still being created, or its snapshot has only just started.
        codes = ("IncorrectState", "VolumeInUse")
        self._account.settle(delete, codes, VolumeId=VolumeId)

    def _images(self, known: bool = True) -> list[str]:
        more = {"Owners": ["self"], "IncludeDisabled": True}
        found = self._found("images", "Images", "ImageId", **more)
        return list(dict.fromkeys(found + self._made.images * known))

    def _snapshots(self, known: bool = True) -> list[str]:
        found = self._found("snapshots", "Snapshots", "SnapshotId", OwnerIds=["self"])
        held = [self._made.snapshot] if known and self._made.snapshot else []
        return list(dict.fromkeys(found + held))

    def _volumes(self, known: bool = True) -> list[str]:
        found = self._found("volumes", "Volumes", "VolumeId")
        return list(dict.fromkeys(found + self._made.volumes * known))

    def _templates(self) -> list[str]:
        names = [f"{KEY}-{self._made.run}"]
        describe = self._account.ec2.describe_launch_templates
        found = self._try(describe, LaunchTemplateNames=names)
        return [one["LaunchTemplateName"] for one in found.get("LaunchTemplates", [])]

    def _rules(self) -> list[str]:
        try:
            return [one["Identifier"] for one in self._made.rules()]
        except (ClientError, BotoCoreError) as error:
            self._note(f"retention rules: {error}")
            return []

    def _found(self, what: str, member: str, name: str, **more: Any) -> list[str]:
        """The ids of the resources with the tag of this run."""
        values = [self._made.run, self._made.other]
        only = [{"Name": f"tag:{KEY}", "Values": values}]
        found = self._pages(f"describe_{what}", member, Filters=only, **more)
        return [one[name] for one in found]

    def _pages(
        self, operation: str, member: str, **params: Any
    ) -> list[dict[str, Any]]:
        try:
            pages = self._account.ec2.get_paginator(operation).paginate(**params)
            return [one for page in pages for one in page.get(member, [])]
        except (ClientError, BotoCoreError) as error:
            self._note(f"{operation}: {error}")
            return []

    def _try(self, call: Callable[..., Any], **params: Any) -> dict[str, Any]:
        try:
            return call(**params)
        except ClientError as error:
            if code_of(error) not in _DONE:
                self._note(str(error))
        except BotoCoreError as error:
            self._note(str(error))
        return {}

    def _remove(self, what: str, call: Callable[..., Any], **params: Any) -> None:
        try:
            call(**params)
        except ClientError as error:
            if code_of(error) not in _DONE:
                self._note(f"{what}: {error}")
        except (BotoCoreError, TimeoutError) as error:
            self._note(f"{what}: {error}")

    def _note(self, text: str) -> None:
        if text not in self.failed:
            self.failed.append(text)
