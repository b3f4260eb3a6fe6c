"""The deployed functions work: events and schedules arrive, and the account changes."""

from __future__ import annotations

import json
from typing import Any

from harness import FUNCTIONS, REGION
from local_aws import ACCOUNT, SOURCE, STACK, LocalAws, eventually
from worlds import ago, ami, disabled, snap

TAG = "image-steward:retire-when-imaged"


def load(aws: LocalAws, **fleet: Any) -> None:
    aws.account.load({"account": ACCOUNT, "region": REGION} | fleet)


def image(aws: LocalAws, number: int) -> dict[str, Any] | None:
    images = {one["image_id"]: one for one in aws.account.fleet()["images"]}
    return images.get(ami(number))


def snapshots(aws: LocalAws) -> dict[str, Any]:
    return {one["snapshot_id"]: one for one in aws.account.fleet()["snapshots"]}


def an_instance(number: int, of: int, **more: Any) -> dict[str, Any]:
    return {"instance_id": f"i-{number:017x}", "image_id": ami(of)} | more


def test_a_new_image_is_tagged_and_its_instance_stopped(deployed: LocalAws) -> None:
    load(
        deployed,
        images=[
            {
                "image_id": ami(2),
                "name": "web-2",
                "created_at": ago(0.01),
                "snapshots": [snap(2)],
                "source_instance": "i-00000000000000001",
            }
        ],
        instances=[an_instance(1, of=1, tags={"Team": "red", TAG: "web-2"})],
    )
    deployed.image_event(ami(2), "available")
    tags = eventually(lambda: image(deployed, 2)["tags"])
    assert tags == {
        "ManagedBy": "image-steward",
        "Team": "red",
        "image-steward:source-instance": "i-00000000000000001",
    }
    eventually(lambda: "Team" in snapshots(deployed)[snap(2)]["tags"])
    assert snapshots(deployed)[snap(2)]["tags"]["image-steward:image"] == ami(2)
    state = lambda: deployed.account.fleet()["instances"][0]["state"]
    eventually(lambda: state() == "stopped", why="the instance still runs")


def test_who_made_it_is_written_down(deployed: LocalAws) -> None:
    load(deployed, images=[{"image_id": ami(3), "snapshots": [snap(3)]}])
    alice = f"arn:aws:iam::{ACCOUNT}:user/alice"
    deployed.put_event(
        "AWS API Call via CloudTrail",
        {
            "eventSource": "ec2.amazonaws.com",
            "eventName": "CreateImage",
            "awsRegion": REGION,
            "recipientAccountId": ACCOUNT,
            "userIdentity": {"type": "IAMUser", "arn": alice},
            "responseElements": {"imageId": ami(3)},
        },
    )
    key = "image-steward:created-by"
    eventually(lambda: image(deployed, 3)["tags"].get(key) == alice)
    eventually(lambda: snapshots(deployed)[snap(3)]["tags"].get(key) == alice)


def test_the_schedule_sweeps(deployed: LocalAws, policy: Any) -> None:
    load(
        deployed,
        images=[
            {"image_id": ami(1), "name": "web-1", "created_at": ago(90)},
            {"image_id": ami(2), "name": "web-2", "created_at": ago(80)},
            disabled(3, 20, created_at=ago(70)),
            {"image_id": ami(4), "name": "web-4", "created_at": ago(60)},
        ],
        instances=[an_instance(1, of=1)],
    )
    queue = deployed.client("sqs").create_queue(QueueName="listener")["QueueUrl"]
    listen(deployed, queue)
    parameters = "PruneSchedule='rate(1 minute)'"
    done = deployed.deploy(POLICY=str(policy), PARAMETERS=parameters)
    assert done.returncode == 0, done.stdout + done.stderr
    eventually(lambda: image(deployed, 3) is None, 150, "the schedule did not sweep")
    assert image(deployed, 1)["tags"] == {}, "it is in use"
    assert image(deployed, 2)["deprecation_time"] is not None
    assert image(deployed, 4)["tags"] == {}, "it is the newest"
    assert "image-steward:delete-after" in snapshots(deployed)[snap(3)]["tags"]
    told = eventually(lambda: heard(deployed, queue, "Sweep Completed"))
    assert told["detail"]["images_deregistered"] == 1
    [line] = [
        one
        for one in eventually(lambda: metrics(deployed, "prune-images"))
        if one["ImagesDeregistered"] == 1
    ]
    assert line["Function"] == f"{STACK}-prune-images"
    assert (line["ImagesSeen"], line["ImagesInUse"], line["Runs"]) == (4, 1, 1)


def test_owners_hear_of_it_before_the_step(deployed: LocalAws) -> None:
    """Notices contain the date and the tag that excludes the resource. Refusals are sent too."""
    load(
        deployed,
        images=[
            {"image_id": ami(at), "name": f"web-{at}", "created_at": ago(90 - at)}
            for at in (1, 2, 3)
        ],
        instances=[an_instance(1, of=1)],
    )
    queue = subscribed(deployed, "owner")
    published = deployed.client("sqs").create_queue(QueueName="published")["QueueUrl"]
    listen(deployed, published)
    sweep(deployed)
    notice = lambda: mails(deployed, queue, "Next step: disable, not before 2")
    mail = json.loads(eventually(notice, why="no notice"))
    kind, _, rest = mail["notice"].partition(": ")
    assert rest.startswith(f"{ami(2)} in account {ACCOUNT}, {REGION}."), mail
    assert "add the tag image-steward:keep: " in rest
    event = eventually(lambda: heard(deployed, published, kind))
    assert mail["detail"] == event["detail"]
    assert mail["detail"]["reasons"][0]["text"] == "expired: 2nd of 3"
    load(deployed, images=[{"image_id": ami(1), "name": "web-1"}])
    sweep(deployed)
    mail = json.loads(eventually(lambda: mails(deployed, queue, "refused")))
    assert f"prune-images in account {ACCOUNT}, {REGION}" in mail["notice"]
    assert mail["detail"]["refusal"]["text"]


def test_what_people_write_does_not_break_a_notice(deployed: LocalAws) -> None:
    """Quotes, backslashes and line breaks, for example in a refusal."""
    queue = subscribed(deployed, "reader")
    text = 'the rule "web"\\ of \'a\'\n\tcould <at> not be read: {"no": [1]}'
    detail = {
        "account": ACCOUNT,
        "region": REGION,
        "function": "any",
        "refusal": {"reason": "unread", "text": text},
    }
    entry = {
        "Source": "image-steward",
        "DetailType": "Sweep Refused",
        "Detail": json.dumps(detail),
        "EventBusName": STACK,
    }
    put = lambda one: deployed.client("events").put_events(Entries=[one])
    assert put(entry)["FailedEntryCount"] == 0
    mail = json.loads(eventually(lambda: mails(deployed, queue, "refused")))
    assert mail["detail"] == detail


def test_nobody_else_is_heard(deployed: LocalAws) -> None:
    """An event on the default bus is not a notice. The bus of the stack denies all principals
    except the roles."""
    queue = subscribed(deployed, "sceptic")
    events = deployed.client("events")
    for bus, function in (("default", "forged-outside"), (STACK, "forged-inside")):
        detail = {"account": ACCOUNT, "function": function, "refusal": {"text": "a"}}
        entry = {
            "Source": "image-steward",
            "DetailType": "Sweep Refused",
            "Detail": json.dumps(detail),
            "EventBusName": bus,
        }
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
    # The emulator does not enforce policies, so the second event arrives. It is the last one.
    came: list[str] = []
    inside = lambda: (
        came.extend(texts(deployed, queue))
        or any("forged-inside" in text for text in came)
    )
    eventually(inside, why="the bus of the stack is not heard")
    came += texts(deployed, queue, wait=2)
    assert not [text for text in came if "forged-outside" in text]
    [deny] = json.loads(events.describe_event_bus(Name=STACK)["Policy"])["Statement"]
    assert (deny["Effect"], deny["Action"]) == ("Deny", "events:PutEvents")
    allowed = deny["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
    roles = {
        deployed.client("lambda").get_function_configuration(
            FunctionName=f"{STACK}-{name}"
        )["Role"]
        for name in FUNCTIONS
    }
    assert set(allowed) == roles
    assert len(roles) == len(FUNCTIONS)


def subscribed(aws: LocalAws, name: str) -> str:
    """A queue that receives the notices, like a mailbox."""
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topics = [one["TopicArn"] for one in sns.list_topics()["Topics"]]
    [topic] = [arn for arn in topics if arn.endswith(f":{STACK}-notices")]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"]
    )
    return queue


def sweep(aws: LocalAws) -> None:
    """An image sweep, as started by the schedule."""
    event = {"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {}}
    done = aws.client("lambda").invoke(
        FunctionName=f"{STACK}-prune-images", Payload=json.dumps(event)
    )
    assert "FunctionError" not in done, done["Payload"].read()


def texts(aws: LocalAws, queue: str, wait: int = 0) -> list[str]:
    """The next notices, at most ten. Waits this many seconds."""
    found = aws.client("sqs").receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=wait
    )
    return [json.loads(one["Body"])["Message"] for one in found.get("Messages", [])]


def mails(aws: LocalAws, queue: str, word: str) -> str | None:
    """The first of the next notices that contains this word."""
    return next((text for text in texts(aws, queue) if word in text), None)


def listen(aws: LocalAws, queue: str) -> None:
    """Subscribe a queue to the events, like a rule of a user."""
    events, sqs = aws.client("events"), aws.client("sqs")
    bus = {"EventBusName": STACK}
    pattern = '{"source": ["image-steward"]}'
    events.put_rule(Name="listener", EventPattern=pattern, **bus)
    names = ["QueueArn"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    target = {"Id": "q", "Arn": arn["QueueArn"]}
    events.put_targets(Rule="listener", Targets=[target], **bus)


def heard(aws: LocalAws, queue: str, detail_type: str) -> dict[str, Any] | None:
    """The next event of this kind in the queue."""
    found = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    told = [json.loads(one["Body"]) for one in found.get("Messages", [])]
    return next((one for one in told if one["detail-type"] == detail_type), None)


def metrics(aws: LocalAws, function: str) -> list[dict[str, Any]]:
    return [line for line in aws.logs(function) if "_aws" in line]


def test_the_snapshots_of_an_image_deregistered_by_hand_go(deployed: LocalAws) -> None:
    tags = {"image-steward:image": ami(9)}
    # A copy of a snapshot has no volume, and would not be changed.
    orphan = {"snapshot_id": snap(9), "tags": tags, "started_at": ago(50)}
    orphan["volume_id"] = "vol-00000000000000009"
    made = f"Created by CreateImage(i-00000000000000001) for {ami(9)}"
    orphan["description"] = made
    load(deployed, snapshots=[orphan])
    deployed.image_event(ami(9), "deregistered")
    mark = "image-steward:delete-after"
    eventually(lambda: mark in snapshots(deployed)[snap(9)]["tags"], why="not marked")
    # A day passes.
    marked = snapshots(deployed)[snap(9)]["tags"] | {
        mark: f"{ago(0.01)} marked {ago(1.01)}"
    }
    load(deployed, snapshots=[orphan | {"tags": marked}])
    deployed.image_event(ami(9), "deregistered")
    eventually(lambda: snap(9) not in snapshots(deployed), why="not deleted")


def test_what_cannot_be_done_lands_in_the_queue(deployed: LocalAws) -> None:
    load(deployed, images=[{"image_id": ami(7)}])
    deployed.account.switch(deny=["DescribeImages"])
    # Delivers events like EventBridge. The emulator's own rules invoke functions directly, without
    # the queue that retries and fails.
    event = {
        "source": SOURCE,
        "detail-type": "EC2 AMI State Change",
        "account": ACCOUNT,
        "region": REGION,
        "detail": {"ImageId": ami(7), "State": "available"},
    }
    deployed.client("lambda").invoke(
        FunctionName=f"{STACK}-tag-image",
        InvocationType="Event",
        Payload=json.dumps(event),
    )
    sqs = deployed.client("sqs")
    queue = sqs.get_queue_url(QueueName=f"{STACK}-dead-letters")["QueueUrl"]

    def letter() -> Any:
        found = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)
        return found.get("Messages")

    [message] = eventually(letter, 60, "nothing in the dead-letter queue")
    body = json.loads(message["Body"])
    assert body["requestPayload"]["detail"]["ImageId"] == ami(7)
    assert body["requestContext"]["approximateInvokeCount"] == 3
    assert "ec2:DescribeImages" in json.dumps(body["responsePayload"])
    deployed.account.switch()
    assert image(deployed, 7)["tags"] == {}


def test_nonsense_is_answered_and_changes_nothing(deployed: LocalAws) -> None:
    load(deployed, images=[{"image_id": ami(7), "snapshots": [snap(7)]}])
    before = deployed.account.fleet()
    for detail in (
        {"ImageId": "snap-1", "State": "available"},
        {"ImageId": {"a": []}, "State": "available"},
        {"State": "deregistered"},
    ):
        deployed.put_event("EC2 AMI State Change", detail)
    ignored = lambda: [
        one
        for function in ("tag-image", "reap-snapshots")
        for one in deployed.logs(function)
        if "malformed" in one.get("reason", "")
    ]
    eventually(lambda: len(ignored()) >= 3)
    assert deployed.account.fleet() == before
