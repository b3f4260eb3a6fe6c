"""Instances with their protections, and the event bus."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.config import Config

from samples import ami

TAG = "image-steward:retire-when-imaged"


def instance(number, **more):
    return {"instance_id": f"i-{number:08x}", "image_id": ami(1)} | more


@pytest.fixture
def account(standin):
    standin.load(
        images=[{"image_id": ami(1)}],
        instances=[
            instance(1, tags={TAG: "web"}, launched_at="2026-11-01T10:00:00Z"),
            instance(2, protected=True, stop_protected=True, group="web"),
            instance(
                3,
                tags={"Team": "red"},
                volumes=["vol-0000001a"],
                kept_volumes=["vol-0000001b"],
            ),
        ],
    )
    return standin


def states(standin):
    return [one["state"] for one in standin.fleet()["instances"]]


def test_what_is_listed(account):
    describe = account.ec2.describe_instances
    tagged = describe(Filters=[{"Name": "tag-key", "Values": [TAG]}])
    [[one]] = [found["Instances"] for found in tagged["Reservations"]]
    assert one["InstanceId"] == "i-00000001"
    assert one["LaunchTime"].isoformat() == "2026-11-01T10:00:00+00:00"
    [[one]] = [
        found["Instances"]
        for found in describe(InstanceIds=["i-00000002"])["Reservations"]
    ]
    assert one["Tags"] == [{"Key": "aws:autoscaling:groupName", "Value": "web"}]


def test_what_volumes_go_with_it(account):
    answer = account.ec2.describe_instances(InstanceIds=["i-00000003"])
    [[one]] = [found["Instances"] for found in answer["Reservations"]]
    ends = {
        mapping["Ebs"]["VolumeId"]: mapping["Ebs"]["DeleteOnTermination"]
        for mapping in one["BlockDeviceMappings"]
    }
    assert ends == {"vol-0000001a": True, "vol-0000001b": False}


def test_what_protects(account, fails):
    describe = account.ec2.describe_instance_attribute
    for instance, value in (("i-00000001", False), ("i-00000002", True)):
        ends = describe(InstanceId=instance, Attribute="disableApiTermination")
        assert ends["DisableApiTermination"] == {"Value": value}
        stops = describe(InstanceId=instance, Attribute="disableApiStop")
        assert stops["DisableApiStop"] == {"Value": value}
    unknown = {"InstanceId": "i-0000000f", "Attribute": "disableApiStop"}
    fails("InvalidInstanceID.NotFound", describe, **unknown)
    other = {"InstanceId": "i-00000001", "Attribute": "userData"}
    fails("InvalidParameterValue", describe, **other)


def test_members_of_groups(account):
    describe = account.autoscaling.describe_auto_scaling_instances
    [member] = describe()["AutoScalingInstances"]
    assert (member["InstanceId"], member["AutoScalingGroupName"]) == (
        "i-00000002",
        "web",
    )
    assert describe(InstanceIds=["i-00000001"])["AutoScalingInstances"] == []


def test_ends(account, fails):
    both = {"InstanceIds": ["i-00000001", "i-00000002"]}
    fails("OperationNotPermitted", account.ec2.stop_instances, **both)
    fails("OperationNotPermitted", account.ec2.terminate_instances, **both)
    assert states(account) == ["running", "running", "running"]
    one = {"InstanceIds": ["i-00000001"]}
    account.ec2.stop_instances(**one)
    account.ec2.stop_instances(**one)
    assert states(account)[0] == "stopped"
    account.ec2.terminate_instances(**one)
    account.ec2.terminate_instances(**one)
    assert states(account)[0] == "terminated"
    fails("IncorrectInstanceState", account.ec2.stop_instances, **one)


def entry(**more):
    return {"Source": "image-steward", "DetailType": "News", "Detail": "{}"} | more


def test_the_bus_writes_down_what_it_is_told(standin, fails):
    put = standin.client("events").put_events
    told = put(Entries=[entry(Detail=json.dumps({"n": n})) for n in range(10)])
    assert told["FailedEntryCount"] == 0
    assert all("EventId" in one for one in told["Entries"])
    found = standin.control("GET", "events")
    assert [one["Detail"] for one in found] == [{"n": n} for n in range(10)]
    assert {one["DetailType"] for one in found} == {"News"}
    fails("ValidationException", put, Entries=[entry()] * 11)
    standin.control("DELETE", "events")
    assert standin.control("GET", "events") == []


def test_the_bus_says_which_entries_it_did_not_take(standin):
    put = standin.client("events").put_events
    standin.switch(reject_events=1)
    told = put(Entries=[entry(), entry(Source="aws.ec2"), entry(Detail="{"), entry()])
    codes = [one.get("ErrorCode") for one in told["Entries"]]
    assert codes == [
        "InternalFailure",
        "NotAuthorizedForSourceException",
        "MalformedDetail",
        None,
    ]
    assert told["FailedEntryCount"] == 3
    assert len(standin.control("GET", "events")) == 1


def test_calls_are_told_apart_by_program(standin):
    ec2 = boto3.client(
        "ec2",
        endpoint_url=standin.url,
        region_name="eu-central-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(user_agent_appid="image-steward.test"),
    )
    ec2.describe_images(Owners=["self"])
    standin.control("DELETE", "calls")
    apps = standin.control("GET", "apps")
    assert apps["image-steward.test"] == ["ec2:DescribeImages"]
