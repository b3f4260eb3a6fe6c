"""Reading an outcome in JSON: one record per step."""

from __future__ import annotations

from typing import Any


def taken(outcome: dict[str, Any], step: str) -> list[str]:
    """The resources to which this step was applied."""
    done = with_result(outcome, "done")
    return [one["resource"] for one in done if one["step"] == step]


def with_result(outcome: dict[str, Any], result: str) -> list[dict[str, Any]]:
    """The records of the steps with this result."""
    return [one for one in outcome["steps"] if one["result"] == result]


def resources(records: list[dict[str, Any]]) -> list[str]:
    """The resource of each record."""
    return [one["resource"] for one in records]


def unread(outcome: dict[str, Any]) -> list[dict[str, Any]]:
    """The sources that could not be read, which must be the cause of a refusal."""
    assert outcome["refusal"]["reason"] == "unread", outcome["refusal"]
    return outcome["refusal"]["sources"]


def reasons(decision: dict[str, Any]) -> set[str]:
    """The kinds of the reasons of a decision."""
    return {one["reason"] for one in decision["reasons"]}
