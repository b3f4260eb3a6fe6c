"""Accounts generated from a seed, and the report's page for each."""

from __future__ import annotations

import json
import random
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "cli/report"
DAY = 86400
NOW = 1_795_000_000  # 2026-11-18
KINDS = ["instance", "launch template", "Auto Scaling group", "SSM parameter"]
STEPS = ["deprecate", "disable", "deregister"]
STAYS = ["keep", "rescue"]
PER_RUN = 50

Document = dict[str, Any]


@cache
def template() -> tuple[str, dict[str, str]]:
    """The template, and the values of the placeholders that are the same in every page."""
    page = (REPORT / "page.html").read_text()
    scripts = re.findall(r"\w+\.js", re.search(r"SCRIPT(.*), in this order", page)[1])
    parts = {
        "STYLE": (REPORT / "page.css").read_text(),
        "CHARTS": (REPORT / "vendor/plot.min.js").read_text(),
        "SCRIPT": "\n".join((REPORT / name).read_text() for name in scripts),
    }
    return page, parts


def write_page(data: Document, file: Path) -> Path:
    """The page of this document, filled like the command does."""
    page, parts = template()
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace(
        "<", "\\u003c"
    )
    where = f"account {data['account']} in {data['region']}"
    if data.get("provider") == "azure":
        where = f"subscription {data['account']}"
    title = f"Images of {where}"
    filled = parts | {"DATA": text, "TITLE": escape(title)}
    file.write_text(re.sub(r"\{\{(\w+)\}\}", lambda hit: filled[hit[1]], page))
    return file


class Strings:
    """The string table of the document."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.places.setdefault(text, len(self.places))


def hex_id(prefix: str, dice: random.Random) -> str:
    return f"{prefix}-{dice.getrandbits(68):017x}"


def holder(dice: random.Random, strings: Strings) -> list[int | None]:
    """A reference: kind, ARN, length of the name at its end, staleness; version, name."""
    kind = dice.choice(KINDS)
    instance, template = hex_id("i", dice), hex_id("lt", dice)
    number, group = dice.randint(1, 90), f"{dice.getrandbits(32):08x}"
    arn = {
        "instance": f"ec2:eu-central-1:123456789012:instance/{instance}",
        "launch template": f"ec2:eu-central-1:123456789012:launch-template/{template}",
        "Auto Scaling group": f"autoscaling:eu-central-1:123456789012:autoScalingGroup:{group}:autoScalingGroupName/web-{dice.randint(1, 40)}",
        "SSM parameter": f"ssm:eu-central-1:123456789012:parameter/images/golden/{dice.randint(1, 40)}",
    }[kind]
    is_template = kind == "launch template"
    version = strings(str(number)) if is_template else None
    name = strings(f"web-{template[-2:]}") if is_template else None
    stale = int(is_template and dice.random() < 0.4)
    row = [strings(kind), strings(f"arn:aws:{arn}"), len(arn.rsplit("/")[-1]), stale]
    return [*row, version, name] if is_template else row


def image(
    place: int, family: int, age: float, dice: random.Random, strings: Strings
) -> list[Any]:
    """An image that is the newest of its family, has references, or is not kept."""
    rank = place + 1
    made = NOW - int(age * DAY) - dice.randrange(DAY)
    held = dice.random() < 0.35 / (1 + place / 12)
    holders = [holder(dice, strings) for _ in range(dice.randint(1, 3))] if held else []
    reasons = [strings(f"last {rank} of 5")] if rank <= 5 else []
    action, state, expired, step, at = "keep", "available", None, None, None
    if not holders and not reasons:
        expired = NOW - dice.randint(0, 25) * DAY
        action = dice.choice(
            ["wait", "wait", "wait", "deprecate", "disable", "deregister"]
        )
        action = "expire" if expired == NOW else action
        step = [*STEPS, "delete_snapshots"][
            STEPS.index(action) + 1 if action in STEPS else 0
        ]
        at = NOW + dice.randint(1, 60) * DAY
        reasons = [strings(f"expired: number {rank} of 40")]
        state = "disabled" if action == "deregister" else "available"
        if action == "wait" and dice.random() < 0.1:
            reasons.append(strings("deferred: max_per_run allows 50"))
    elif dice.random() < 0.05:  # In use or kept by a rule.
        action = "rescue"
    snapshots = [hex_id("snap", dice) for _ in range(1 if dice.random() < 0.8 else 2)]
    name = f"family-{family:03d}-{dice.choice(['x86_64', 'arm64'])}-{rank:05d}"
    gib = None if dice.random() < 0.005 else dice.choice([8, 8, 16, 30, 50, 100])
    return [hex_id("ami", dice), name, family, made, state, action, reasons, holders, expired, step, at, gib, snapshots, None]  # fmt: skip


def share(images: list[list[Any]], dice: random.Random) -> None:
    """Makes some images share a snapshot. It counts for the image that is kept, else for the
    oldest."""
    for place, newer in enumerate(images[1::2]):
        older = images[2 * place]
        if newer[2] != older[2] or dice.random() > 0.08:
            continue
        newer, older = sorted((newer, older), key=lambda row: -row[3])
        counted, other = (
            (newer, older)
            if newer[5] in STAYS and older[5] not in STAYS
            else (older, newer)
        )
        if counted[11] is not None:
            other[11:] = [0, counted[12][:1], images.index(counted)]


def gone_row(dice: random.Random, strings: Strings) -> list[Any]:
    """A snapshot whose image does not exist."""
    action = dice.choice(["keep", "keep", "mark", "delete"])
    at, why = {
        "keep": (NOW + dice.randint(1, 40) * DAY, "not before its date"),
        "mark": (None, "orphaned: its image is gone"),
        "delete": (NOW - dice.randint(0, 3) * DAY, "due"),
    }[action]
    if action == "keep" and dice.random() < 0.2:
        at, why = None, "orphans stay"
    gib = None if dice.random() < 0.02 else 30
    return [hex_id("ami", dice), hex_id("snap", dice), gib, action, at, [strings(why)]]


def month(images: list[list[Any]], gone: list[list[Any]]) -> list[list[Any]]:
    """All steps of the next 31 days with a cap per day. A step follows a week after the previous
    one."""
    taken: dict[int, int] = {}
    found: list[list[Any]] = []
    chain = [*STEPS, "delete_snapshots"]

    def add(place: int | None, step: str, at: int, snapshots: list[str], gib: Any):
        while step in STEPS[1:] and taken.get(at, 0) >= PER_RUN:
            at += DAY
        if at <= NOW + 31 * DAY:
            taken[at] = taken.get(at, 0) + (step in STEPS[1:])
            ids = snapshots if step == "delete_snapshots" or place is None else []
            found.append([place, step, at, ids, gib])

    for place, row in enumerate(images):
        action, step, at = row[5], row[9], row[10]
        now = {"expire": "mark"}.get(action, action)
        if now in ("rescue", "mark", *STEPS):
            add(place, now, NOW, row[12], row[11])
        following = chain[chain.index(step) :] if step else []
        for number, one in enumerate(following):
            add(place, one, at + number * 7 * DAY, row[12], row[11])
    for _, snapshot, gib, action, at, _ in gone:
        if action == "mark":
            add(None, "mark", NOW, [snapshot], gib)
        elif at is not None:
            add(None, "delete_snapshots", max(at, NOW), [snapshot], gib)
    return sorted(found, key=lambda one: one[2])


def summary(
    images: list[list[Any]], uncovered_family: int | None = None
) -> dict[str, int]:
    actions = [row[5] for row in images]
    going = [row for row in images if row[5] == "deregister"]
    expired = [row for row in images if row[5] not in STAYS]
    uncovered = [row for row in images if row[2] == uncovered_family]
    names = ["keep", "rescue", "wait", "expire", "deprecate", "disable", "deregister"]
    return {name: actions.count(name) for name in names} | {
        "images": len(images),
        "expired_total": len(expired),
        "uncovered": len(uncovered),
        "images_gib": sum(row[11] or 0 for row in images),
        "uncovered_gib": sum(row[11] or 0 for row in uncovered),
        "in_use": sum(bool(row[7]) for row in images),
        "deferred": sum(len(row[6]) > 1 for row in images),
        "snapshots": sum(len(row[12]) for row in going),
        "snapshots_gib": sum(row[11] or 0 for row in going),
        "expired_gib": sum(row[11] or 0 for row in expired),
        "sizes_unknown": sum(len(row[12]) for row in expired if row[11] is None),
    }


def projection(
    images: list[list[Any]], gone: list[list[Any]], families: int
) -> Document:
    """Half a year in which the new policy retires more images than the old one."""
    left = sum(row[2] or 0 for row in gone)
    weeks = range(27)
    of = [[row for row in images if row[2] == family] for family in range(families)]
    sizes = [(len(rows), sum(row[11] or 0 for row in rows)) for rows in of]

    def course(start: int, slope: float) -> list[int]:
        return [max(0, round(start * (1 + slope * week))) for week in weeks]

    parts = [
        {"family": family, "images": course(count, -0.015), "gib": course(gib, -0.015)}
        for family, (count, gib) in enumerate(sizes)
    ]
    return {
        "policy": "new.toml",
        "against": "old.toml",
        "days": 182,
        "at": [NOW + week * 7 * DAY for week in weeks],
        "images": [sum(part["images"][week] for part in parts) for week in weeks],
        "gib": [
            sum(part["gib"][week] for part in parts) + course(left, -0.03)[week]
            for week in weeks
        ],
        "families": parts,
        "against_images": course(len(images), 0.01),
        "against_gib": course(sum(gib for _, gib in sizes) + left, 0.012),
    }


def sample(
    images: int, families: int = 0, seed: int = 1, projected: bool = True
) -> Document:
    """An account with this many images, in this many families."""
    dice = random.Random(seed)
    strings = Strings()
    families = families or max(1, min(60, images // 6))
    weights = [1 / (1 + family) ** 0.7 for family in range(families)]
    chosen = sorted(dice.choices(range(families), weights, k=images))
    rows: list[list[Any]] = []
    for family in range(families):
        count = chosen.count(family)
        pace = 900 / max(30, count)
        rows += [
            image(place, family, place * pace, dice, strings) for place in range(count)
        ]
    share(rows, dice)
    gone = [gone_row(dice, strings) for _ in range(min(images // 5, 400))]
    named = [
        {
            "name": f"golden · service-{n:03d}",
            "rule": "golden",
            "family": f"tag:Family=service-{n:03d}",
        }
        for n in range(families)
    ]
    if families > 3:
        named[-1] = {"name": "not covered", "rule": None, "family": None}
        named[-2] = {
            "name": "scratch: family unknown",
            "rule": "scratch",
            "family": None,
        }
        named[-3] = {"name": "scratch", "rule": "scratch", "family": "all"}
    expired = [row for row in rows if row[5] not in STAYS]
    return {
        "format": 1,
        "account": "123456789012",
        "region": "eu-central-1",
        "taken_at": NOW - 600,
        "planned_at": NOW,
        "policy": "policy.toml",
        "program": "image-steward 0.1.0 (abc1234)",
        "keep_tag": "image-steward:keep",
        "refusal": None,
        "unread": [],
        "price": {
            "usd_per_gib_month": 0.054,
            "region": "eu-central-1",
            "as_of": "2026-11-01",
            "note": "EBS snapshots, standard tier, list price",
        },
        "summary": summary(rows, families - 1 if families > 3 else None),
        "first_deletion": NOW + 14 * DAY if expired else None,
        "bin_days_assumed": False,
        "strings": list(strings.places),
        "families": named if images else [],
        "images": rows,
        "month": month(rows, gone) if projected else None,
        "gone": gone,
        "projection": projection(rows, gone, families)
        if projected and images
        else None,
    }


HOSTILE = [
    "</script><img src=x onerror=\"document.title='owned'\">",
    "<!--<script>",
    "web\u202egpj.exe",
    "a\u2066b\u2069c\u200bd\ufeffe",
    "tab\tline\nnul\x00bell\x07",
    "{{SCRIPT}} {{DATA}}",
    "javascript:alert(1)",
    "e" + "\u0301" * 60,
    "__proto__",
    "'\"`&amp;&lt;",
    "\u05e2\u05d1\u05e8\u05d9\u05ea",
    "x" * 128,
]


def hostile() -> Document:
    """Names, families, reasons and ARNs that try to be parsed as HTML or script."""
    data = sample(24, families=4)
    for row, text in zip(data["images"], HOSTILE * 2, strict=True):
        row[1] = text
    strings = data["strings"]
    data["strings"] = [
        f"{text} {HOSTILE[place % 4]}" for place, text in enumerate(strings)
    ]
    data["families"] = [
        {"name": text, "rule": text, "family": text} for text in HOSTILE[:4]
    ]
    data["refusal"] = f"refused {HOSTILE[0]}"
    data["unread"] = [
        {"source": HOSTILE[0], "error": HOSTILE[2], "permission": HOSTILE[0]}
    ]
    data["policy"] = data["program"] = data["keep_tag"] = data["region"] = HOSTILE[0]
    data["projection"]["policy"] = data["projection"]["against"] = HOSTILE[0]
    return data


def refused() -> Document:
    data = sample(40)
    data["strings"].append("refused")
    for row in data["images"]:
        if row[5] in STEPS:
            row[6].append(len(data["strings"]) - 1)
            row[9:11] = [row[5], NOW]
        if row[5] in ("expire", *STEPS):
            row[5] = "wait"
    data["summary"] = summary(data["images"]) | {"deferred": 0}
    data["first_deletion"] = None
    for row in data["gone"]:
        row[3] = "keep"
    data["month"] = [one for one in data["month"] if one[1] == "rescue"]
    data["refusal"] = "2 sources of references could not be read: nothing is removed"
    data["unread"] = [
        {
            "source": "instances",
            "error": "You are not authorized to perform this operation",
            "permission": "ec2:DescribeInstances",
        },
        {"source": "launch_templates", "error": "the connection was closed"},
    ]
    return data
