"""EventBridge: a bus that records its events."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from calls import AwsError, Call, answers

_AT_MOST = 10


@answers("events", "PutEvents")
def put_events(call: Call) -> dict[str, Any]:
    """Accept all entries, except those that a switch or their own format rejects."""
    entries = call.params.get("Entries", [])
    if not 1 <= len(entries) <= _AT_MOST:
        text = f"{len(entries)} entries: there may be 1 to {_AT_MOST}"
        raise AwsError("ValidationException", text)
    results = [_put(call, entry) for entry in entries]
    failed = sum("ErrorCode" in result for result in results)
    return {"FailedEntryCount": failed, "Entries": results}


def _put(call: Call, entry: dict[str, Any]) -> dict[str, str]:
    if call.switches.rejects_event():
        return {"ErrorCode": "InternalFailure", "ErrorMessage": "rejected by a switch"}
    if entry.get("Source", "").startswith("aws."):
        text = "Parameter Source is not valid. Reason: Not authorized for the source"
        return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": text}
    try:
        detail = json.loads(entry.get("Detail", ""))
    except ValueError:
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    call.world.events.append(entry | {"Detail": detail})
    return {"EventId": str(uuid4())}
