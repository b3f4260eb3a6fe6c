"""Helpers for fleets and calls in the tests of this directory."""

from __future__ import annotations

from typing import Any

ACCOUNT = "123456789012"
OTHER = "999988887777"


def ami(number: int) -> str:
    return f"ami-{number:017x}"


def snap(number: int) -> str:
    return f"snap-{number:017x}"


def inst(number: int) -> str:
    return f"i-{number:017x}"


def lt(number: int) -> str:
    return f"lt-{number:017x}"


def image(number: int, *snapshots: int, **more: Any) -> dict[str, Any]:
    return {"image_id": ami(number), "snapshots": [snap(s) for s in snapshots]} | more


def instance(number: int, image_number: int, **more: Any) -> dict[str, Any]:
    return {"instance_id": inst(number), "image_id": ami(image_number)} | more


def template(number: int, *image_ids: str | None, **more: Any) -> dict[str, Any]:
    versions = [{"version": n, "image_id": one} for n, one in enumerate(image_ids, 1)]
    return {"launch_template_id": lt(number), "versions": versions} | more


def where(**values: str) -> list[dict[str, Any]]:
    """Filters: `where(image_id=…, tag__Family=…)` for image-id and tag:Family."""
    return [
        {"Name": name.replace("__", ":").replace("_", "-"), "Values": [value]}
        for name, value in values.items()
    ]


def paged(call: Any, items: str, **params: Any) -> list[list[Any]]:
    """All pages of a listing."""
    pages = []
    while True:
        answer = call(**params)
        pages.append(answer[items])
        if not answer.get("NextToken"):
            return pages
        params["NextToken"] = answer["NextToken"]


def named(found: list[dict[str, Any]], key: str = "ImageId") -> list[str]:
    """The ids in a listing, sorted."""
    return sorted(one[key] for one in found)


def joined(pages: list[list[Any]]) -> list[Any]:
    """All pages as one list."""
    return [one for page in pages for one in page]
