"""The lists in the book agree with the program: keys, reasons, events, metrics, exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from book import DOCS, schema_paths
from harness import NOWHERE, ROOT, image_steward

SHARED = ROOT / "shared/src"
QUOTED = re.compile(r"`([^`\n]+)`")


def page(name: str) -> str:
    return (DOCS / name).read_text()


def part(name: str, heading: str) -> str:
    """The part of a page from this heading to the next one of the same or a higher level."""
    text = page(name)
    start = text.index(f"\n{heading}\n")
    level = len(heading) - len(heading.lstrip("#"))
    end = re.search(
        rf"^#{{1,{level}}} ", text[start + len(heading) + 2 :], re.MULTILINE
    )
    return text[start : start + len(heading) + 2 + end.start()] if end else text[start:]


def first_column(text: str) -> set[str]:
    """All words in backquotes in the first column of the tables there."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {word for row in rows for word in QUOTED.findall(row)}


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def variants(file: str, enum: str) -> set[str]:
    """The variants of a public enum in the core, with serde's names."""
    text = (SHARED / file).read_text()
    body = re.search(rf"pub enum {enum} \{{\n(.*?)^\}}", text, re.MULTILINE | re.DOTALL)
    assert body, f"{file} has no enum {enum}"
    return {snake(one) for one in re.findall(r"^    ([A-Z]\w*)", body[1], re.MULTILINE)}


def test_every_key_of_the_policy() -> None:
    schema = json.loads(image_steward(NOWHERE, "schema").stdout)
    keys = schema_paths(schema)
    assert len(keys) >= 45
    told = re.findall(r"^#{3,4} `([a-z_.]+)`$", page("policy.md"), re.MULTILINE)
    assert len(told) == len(set(told)), "a key stands there twice"
    assert set(told) == keys


def test_every_key_says_its_type() -> None:
    sections = re.split(r"^#{3,4} `([a-z_.]+)`$", page("policy.md"), flags=re.MULTILINE)
    kinds = r"Text|Number|Count|Glob|List|Table|Duration|`"
    for key, text in zip(sections[1::2], sections[2::2], strict=True):
        assert re.match(rf"\s*(?:{kinds})", text), f"{key} says not what it takes"


def metrics() -> set[str]:
    """The metrics of a run: a name and a unit, or a count."""
    text = (SHARED / "report/metrics.rs").read_text()
    found = re.findall(r'\("(\w+)", "(?:Count|None|Seconds)",', text)
    return {*found, *re.findall(r'count\("(\w+)",', text)}


SAFETY = "safety.md"
LISTS: dict[str, tuple[Callable[[], set[str]], Callable[[], set[str]]]] = {
    "reasons about images": (
        lambda: variants("plan/reason.rs", "Reason"),
        lambda: first_column(part(SAFETY, "### Reasons for images")),
    ),
    "refusals": (
        lambda: variants("plan/refusal.rs", "Refusal"),
        lambda: first_column(part(SAFETY, "## Refusals")),
    ),
    "sources": (
        lambda: variants("model/unread.rs", "Source"),
        lambda: first_column(part(SAFETY, "## Sources")),
    ),
    "steps that fail": (
        lambda: variants("apply/outcome.rs", "StepKind"),
        lambda: first_column(part("runbook.md", "## Failed steps")),
    ),
    "results of steps": (
        lambda: variants("apply/outcome.rs", "StepResult"),
        lambda: first_column(part("commands.md", "### Outcomes")),
    ),
    "changes since a plan": (
        lambda: variants("apply/change.rs", "Change"),
        lambda: first_column(part("commands.md", "### Changes since a plan")),
    ),
    "statuses of a restore": (
        lambda: variants("restore.rs", "RestoreStatus"),
        lambda: first_column(part("commands.md", "### Restored images")),
    ),
    "metrics": (
        metrics,
        lambda: first_column(part("events/README.md", "## Metrics")),
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_complete(name: str) -> None:
    has, told = LISTS[name]
    assert has(), name
    assert told() == has()


@pytest.mark.parametrize(
    ("file", "enum", "heading"),
    [
        ("plan/snapshots/reason.rs", "SnapshotReason", "## Snapshots"),
        ("plan/instance.rs", "InstanceReason", "## Instances"),
    ],
)
def test_every_reason_about(file: str, enum: str, heading: str) -> None:
    text = part(SAFETY, heading)
    known = variants(file, enum)
    assert known <= set(QUOTED.findall(text))
    assert first_column(text) <= known


def test_every_event() -> None:
    schemas = {one.name for one in DOCS.glob("events/*.schema.json")}
    assert len(schemas) >= 11
    text = page("events/README.md")
    rows = re.findall(
        r"^\| \[([A-Z][A-Za-z ]+)\]\(([a-z-]+\.schema\.json)\)", text, re.MULTILINE
    )
    assert {file for _, file in rows} == schemas
    kinds = variants("events/types.rs", "Event")
    assert {name.lower().replace(" ", "_") for name, _ in rows} == kinds


def test_every_refusal_has_a_remedy() -> None:
    text = part("runbook.md", "## Refused runs")
    told = set(re.findall(r"^### `(\w+)`", text, re.MULTILINE))
    assert told == variants("plan/refusal.rs", "Refusal")


def test_every_page_is_in_the_summary() -> None:
    summary = re.sub(r"<!--.*?-->", "", page("SUMMARY.md"), flags=re.DOTALL)
    told = re.findall(r"\]\(([^)]+\.md)\)", summary)
    here = {str(one.relative_to(DOCS)) for one in DOCS.rglob("*.md")} - {"SUMMARY.md"}
    assert len(told) == len(set(told))
    assert set(told) == here
    decisions = {one.name for one in DOCS.glob("decisions/0*.md")}
    listed = re.findall(r"\]\((0\d+-[^)]+)\)", page("decisions/README.md"))
    assert set(listed) == decisions


STATUS = re.compile(r"\d{4}-\d{2}-\d{2}\. (Accepted|Superseded by \[\d+\]\(\S+\))")


@pytest.mark.parametrize(
    "name", sorted(one.name for one in DOCS.glob("decisions/0*.md"))
)
def test_every_decision_has_its_form(name: str) -> None:
    title, _, status, *rest = page(f"decisions/{name}").splitlines()
    assert title.startswith(f"# {int(name[:4])}. ")
    assert STATUS.match(status), status
    headings = [line for line in rest if line.startswith("## ")]
    assert headings == ["## Context", "## Decision", "## Consequences"]
