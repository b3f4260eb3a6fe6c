"""Deregister old images and delete their snapshots, as scripts in many blog posts do.

The script keeps images that are younger than 30 days or have the tag Preferred=true. It also keeps
images that an instance or the default version of a launch template uses; terminated instances do
not count. It checks nothing else: no other versions of launch templates, no Auto Scaling groups,
launch configurations, fleets, Spot requests, compute environments or SSM parameters. It does not
check whether an image is shared, or whether a snapshot also belongs to another image. It checks
once, before it removes the first image. Retries are the defaults of boto3.
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
