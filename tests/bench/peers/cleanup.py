"""Deregister old images and delete their snapshots, like the scripts in many blog posts.

It keeps images that are younger than 30 days, have the tag Preferred=true, or are used by an
instance that is not terminated or by the default version of a launch template. It checks nothing
else: no other versions of a template, no Auto Scaling groups, launch configurations, fleets, Spot
requests, compute environments or SSM parameters, not whether an image is shared, and not whether a
snapshot also belongs to another image. It checks only once, before the first removal. Retries are
boto3's defaults.
"""

from datetime import UTC, datetime, timedelta

import boto3
from botocore.exceptions import ClientError

DAYS = 30

ec2 = boto3.client("ec2")


def used_images():
    states = ["pending", "running", "stopping", "stopped"]
    filters = [{"Name": "instance-state-name", "Values": states}]
    pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
    for page in pages:
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                yield instance["ImageId"]
    pages = ec2.get_paginator("describe_launch_template_versions")
    for page in pages.paginate(Versions=["$Default"]):
        for version in page["LaunchTemplateVersions"]:
            yield version["LaunchTemplateData"].get("ImageId")


def main():
    limit = datetime.now(UTC) - timedelta(days=DAYS)
    used = set(used_images())
    for image in ec2.describe_images(Owners=["self"])["Images"]:
        tags = {tag["Key"]: tag["Value"] for tag in image.get("Tags", [])}
        created = datetime.fromisoformat(image["CreationDate"])
        if created > limit or tags.get("Preferred") == "true":
            continue
        if image["ImageId"] in used:
            continue
        try:
            ec2.deregister_image(ImageId=image["ImageId"])
        except ClientError as error:
            print(f"{image['ImageId']}: {error}")
            continue
        for device in image["BlockDeviceMappings"]:
            if "Ebs" in device and "SnapshotId" in device["Ebs"]:
                snapshot = device["Ebs"]["SnapshotId"]
                try:
                    ec2.delete_snapshot(SnapshotId=snapshot)
                except ClientError as error:
                    print(f"{snapshot}: {error}")


if __name__ == "__main__":
    main()
