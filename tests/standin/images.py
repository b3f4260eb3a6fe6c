"""Reading images: DescribeImages and the attributes of an image."""

from __future__ import annotations

import re
from typing import Any

from calls import AwsError, Call, answers
from listing import Paging, Values, filtered, not_both, page, shown, tag_set
from world import Image, Region, now, with_millis

_PAGING = Paging(at_most=1000, default=None)
_FILTERS: dict[str, Values] = {
    "image-id": lambda image: [image.image_id],
    "name": lambda image: [image.name],
    "state": lambda image: [image.state_now()],
    "architecture": lambda image: [image.architecture],
    "description": lambda image: [image.description],
    "platform": lambda image: [image.platform],
    "is-public": lambda image: [str(image.public).lower()],
    "owner-id": lambda image: [image.owner_id],
    "owner-alias": lambda image: [image.owner_alias],
    "source-instance-id": lambda image: [image.source_instance],
    "source-image-id": lambda image: [image.source_image],
    "root-device-type": lambda image: [root_device_type(image)],
    "block-device-mapping.snapshot-id": lambda image: image.snapshot_ids(),
}


@answers("ec2", "DescribeImages")
def describe_images(call: Call) -> dict[str, Any]:
    """Disabled images only on request. A deregistered id returns an empty list."""
    not_both(call, "ImageIds", _PAGING)
    region = shown(call, "ImageIds")
    if ids := call.params.get("ImageIds"):
        images = [
            region.images[image_id]
            for image_id in dict.fromkeys(ids)
            if _exists(call, image_id)
        ]
    else:
        images = [
            image
            for image in region.images.values()
            if not _deprecation_hides(call, image)
        ]
    if not call.params.get("IncludeDisabled"):
        images = [image for image in images if image.state != "disabled"]
    if owners := call.params.get("Owners"):
        images = [image for image in images if _owned_by(call, image, owners)]
    if users := call.params.get("ExecutableUsers"):
        images = [image for image in images if _launchable_by(call, image, users)]
    images = filtered(call, images, _FILTERS, tagged=True)
    images, token = page(call, _PAGING, images, lambda image: image.image_id)
    account = call.world.account
    return {
        "Images": [_described(region, image, account) for image in images],
        "NextToken": token,
    }


def _exists(call: Call, image_id: str) -> bool:
    if image_id in call.region.images:
        return True
    if image_id in call.region.deregistered:
        if not call.switches.forget_deregistered:
            return False
    elif not re.fullmatch(r"ami-[0-9a-f]{8,17}", image_id):
        text = f'Invalid id: "{image_id}" (expecting "ami-...")'
        raise AwsError("InvalidAMIID.Malformed", text)
    raise no_such_image(image_id)


def _deprecation_hides(call: Call, image: Image) -> bool:
    """Owners see their own deprecated images, others only on request."""
    return (
        image.deprecation_time is not None
        and image.owner_id != call.world.account
        and not call.params.get("IncludeDeprecated", False)
        and image.deprecation_time <= now()
    )


def _owned_by(call: Call, image: Image, owners: list[str]) -> bool:
    return (
        image.owner_id in owners
        or ("self" in owners and image.owner_id == call.world.account)
        or (image.owner_alias is not None and image.owner_alias in owners)
    )


def _launchable_by(call: Call, image: Image, users: list[str]) -> bool:
    named = {call.world.account if user == "self" else user for user in users}
    return ("all" in named and image.public) or not named.isdisjoint(
        image.launch_permissions
    )


def root_device_type(image: Image) -> str:
    """An image without EBS devices has an instance store root device."""
    has_ebs = any("Ebs" in device for device in image.devices)
    return "ebs" if has_ebs else "instance-store"


def _described(region: Region, image: Image, account: str) -> dict[str, Any]:
    mine = image.owner_id == account
    return {
        "ImageId": image.image_id,
        "ImageLocation": f"{image.owner_id}/{image.name}",
        "State": image.state_now(),
        "OwnerId": image.owner_id,
        "CreationDate": with_millis(image.created_at),
        "Public": image.public,
        "Architecture": image.architecture,
        "ImageType": "machine",
        "Platform": image.platform,
        "PlatformDetails": "Windows" if image.platform == "windows" else "Linux/UNIX",
        "ImageOwnerAlias": image.owner_alias,
        "Name": image.name,
        "Description": image.description or None,
        "RootDeviceType": root_device_type(image),
        "RootDeviceName": image.root_device,
        "VirtualizationType": "hvm",
        "Hypervisor": "xen",
        "EnaSupport": True,
        "BlockDeviceMappings": image.devices,
        "Tags": tag_set(image.tags),
        "DeprecationTime": with_millis(image.deprecation_time),
        "DeregistrationProtection": image.protected if mine else None,
        "LastLaunchedTime": image.last_launched_at if mine else None,
        "SourceInstanceId": image.source_instance if mine else None,
        "SourceImageId": image.source_image,
        "SourceImageRegion": (
            (image.source_region or region.name) if image.source_image else None
        ),
    }


@answers("ec2", "DescribeImageAttribute")
def describe_image_attribute(call: Call) -> dict[str, Any]:
    """One attribute. Only the owner may read it, for example launch permissions."""
    image = own_image(call)
    answer: dict[str, Any] = {"ImageId": image.image_id}
    match call.params.get("Attribute"):
        case "launchPermission":
            answer["LaunchPermissions"] = _permissions(image)
        case "description":
            answer["Description"] = {"Value": image.description}
        case "blockDeviceMapping":
            answer["BlockDeviceMappings"] = image.devices
        case "lastLaunchedTime":
            answer["LastLaunchedTime"] = {"Value": image.last_launched_at}
        case "deregistrationProtection":
            answer["DeregistrationProtection"] = {"Value": image.protected}
        case other:
            text = f"the stand-in does not know the attribute '{other}'"
            raise AwsError("InvalidParameterValue", text)
    return answer


def _permissions(image: Image) -> list[dict[str, str]]:
    """A disabled image is not shared, even if the fleet file has permissions."""
    if image.state == "disabled":
        return []
    groups = [{"Group": "all"}] if image.public else []
    return groups + [{_kind_of(one): one} for one in image.launch_permissions]


def _kind_of(holder: str) -> str:
    if ":organization/" in holder:
        return "OrganizationArn"
    return "OrganizationalUnitArn" if ":ou/" in holder else "UserId"


def own_image(call: Call) -> Image:
    """The image in the call. Fails unless it exists and is ours."""
    image_id = call.params.get("ImageId", "")
    image = call.region.images.get(image_id)
    if image is None:
        gone = image_id in call.region.deregistered
        if gone and not call.switches.forget_deregistered:
            raise unavailable(image_id)
        raise no_such_image(image_id)
    if image.owner_id != call.world.account:
        raise AwsError("AuthFailure", f"Not authorized for image:{image_id}", 403)
    return image


def unavailable(image_id: str) -> AwsError:
    """The error for an image that can no longer be used."""
    text = f"The image ID '{image_id}' is no longer available"
    return AwsError("InvalidAMIID.Unavailable", text)


def no_such_image(image_id: str) -> AwsError:
    """The error for an id that never existed here."""
    text = f"The image id '[{image_id}]' does not exist"
    return AwsError("InvalidAMIID.NotFound", text)
