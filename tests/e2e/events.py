"""The events of EventBridge in the documented formats."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from harness import REGION
from worlds import ACCOUNT


def image_event(image_id: str, state: str, **changed: Any) -> dict[str, Any]:
    """`EC2 AMI State Change`. `changed` replaces fields of the event."""
    detail = {
        "RequestId": str(uuid.uuid4()),
        "ImageId": image_id,
        "State": state,
        "ErrorMessage": "",
    }
    # In real events, the account is missing in this ARN too.
    arn = f"arn:aws:ec2:{REGION}::image/{image_id}"
    event = _event("EC2 AMI State Change", "aws.ec2", [arn], detail)
    return event | changed


def scheduled_event() -> dict[str, Any]:
    """The event of a rule with a schedule."""
    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/image-steward-sweep"
    return _event("Scheduled Event", "aws.events", [arn], {})


def _event(
    kind: str, source: str, resources: list[str], detail: dict[str, Any]
) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": resources,
        "detail": detail,
    }
