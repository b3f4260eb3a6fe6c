"""The page of the report, read by its words: what it says is what the document says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Playwright

from browser import opened
from conftest import Open
from pages import (
    DAY,
    HOSTILE,
    NOW,
    REPORT,
    Document,
    hostile,
    refused,
    sample,
    template,
    write_page,
)

DECISIONS = ["keep", "rescue", "wait", "expire", "deprecate", "disable", "deregister"]
HIDDEN = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


def taken(data: Document, decision: str) -> list[str]:
    """The ids of the images of which that is decided, as the page's filter has it."""
    if decision == "in_use":
        return [row[0] for row in data["images"] if row[7]]
    free = decision == "rescue"
    return [
        row[0] for row in data["images"] if row[5] == decision and (free or not row[7])
    ]


def shown(count: int, of: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}" + (
        f" of {of:,}" if count != of else ""
    )


@pytest.mark.parametrize(
    "data",
    [sample(0), sample(1), sample(20), sample(40, projected=False), sample(900, 500)],
    ids=["none", "one", "few", "no projection", "many families"],
)
def test_opens_with_any_number_of_images(show: Open, data: Document) -> None:
    one = show(data)
    count = len(data["images"])
    assert one.page.title() == "Images of account 123456789012 in eu-central-1"
    assert one.texts("main h2")[-1] == "All images"
    assert one.text("#images .count").startswith(shown(count, count))
    assert one.page.locator(".chart svg").count() >= (2 if count else 0)
    for step in ("#time", "#timelines", "#month", "#pins", "#images"):
        assert len(one.text(step)) > 40, f"{step} says nothing"
    if count == 0:
        assert "There are no images" in one.text("#story")
        assert "No image exists." in one.text("#images")


def test_says_what_would_happen(show: Open) -> None:
    data = sample(812)
    one = show(data)
    counts = data["summary"]
    story = one.text("#story")
    kept = len(taken(data, "keep"))
    assert story.startswith(
        f"Of 812 images, {counts['in_use']} are in use, {kept} are kept"
    )
    assert f"deprecate {counts['deprecate']}, disable {counts['disable']}" in story
    assert f"deregister {counts['deregister']} of them" in story
    gib = counts["snapshots_gib"]
    assert f"frees at most {gib:,} GiB, about USD {gib * 0.054:,.0f} a month" in story
    facts = one.text("#facts")
    for fact in (
        "123456789012",
        "eu-central-1",
        "2026-11-18 11:06 UTC",
        "policy.toml",
        "abc1234",
    ):
        assert fact in facts
    price = one.text("#price")
    assert "upper bound" in price
    assert "USD 0.054 for a GiB and month in eu-central-1 as of 2026-11-01" in price
    assert one.page.locator("#refusal").is_hidden()


def test_refusal_is_the_first_thing_that_is_said(show: Open) -> None:
    one = show(refused())
    assert one.texts("main h2")[0] == "The plan refuses to remove anything"
    text = one.text("#refusal")
    for word in (
        "2 sources of references",
        "ec2:DescribeInstances",
        "launch templates: the conn",
    ):
        assert word in text
    assert "none of these steps is taken" in one.text("#month")


def test_chart_has_its_numbers(show: Open) -> None:
    data = sample(300)
    one = show(data)
    gib = sum(row[11] or 0 for row in data["images"])
    one.page.locator("#time summary").first.click()
    rows = one.page.locator("#time table").first.locator("tbody tr")
    texts = [row.split("\t") for row in rows.all_inner_texts()]
    last = [row for row in texts if "simulated" not in row[0]][-1]
    assert last[0].strip() == "2026-11-18"
    assert last[1:3] == [f"{gib:,}", f"{gib * 0.054:,.0f}"]
    future = [row for row in texts if "simulated" in row[0]]
    plan = data["projection"]
    assert future[-1][1] == f"{plan['gib'][-1]:,}"
    assert future[-1][3] == f"{plan['against_gib'][-1]:,}"
    # The families and the others are the whole, in each row.
    for row in texts:
        numbers = [int(cell.replace(",", "")) for cell in row[4:]]
        assert abs(sum(numbers) - int(row[1].replace(",", ""))) <= len(numbers)
    assert one.page.locator(".chart").first.locator("[stroke-dasharray]").count() == 2
    assert "at most USD a month" in one.texts(".chart")[0]


def test_without_a_projection_and_a_price(show: Open) -> None:
    data = sample(30, projected=False) | {"price": None}
    one = show(data)
    assert one.page.locator(".chart").first.locator("[stroke-dasharray]").count() == 0
    assert "USD" not in one.text("#time")
    assert "No price is known" in one.text("#price")


def test_families_are_made_as_they_are_opened(show: Open) -> None:
    data = sample(3000, 500)
    one = show(data)
    page = one.page
    assert page.locator(".family").count() == 25
    assert page.locator(".line").count() == 0
    first = page.locator(".family").first
    first.locator("summary").click()
    rows = first.locator(".line")
    rows.first.wait_for()
    label = first.locator("summary strong").inner_text()
    family = int(label[-3:])
    images = sorted(
        (r for r in data["images"] if r[2] == family), key=lambda r: (-r[3], r[0])
    )
    while first.locator(".more").is_visible():
        first.locator(".more").click()
    assert [row.split(" ")[0] for row in rows.all_text_contents()] == [
        row[0] for row in images
    ]
    # Why it is kept, or what comes next and when.
    for text, row in zip(rows.all_text_contents(), images, strict=True):
        assert row[9] is None or f"; next: {row[9].replace('_s', ' its s')} 202" in text
        assert row[7] or data["strings"][row[6][0]] in text
    page.fill("#find-family", "SERVICE-123")
    assert page.locator(".family").count() == 1
    page.keyboard.press("Escape")
    more = page.locator(".families > .more")
    while more.is_visible():
        more.click()
    assert page.locator(".family").count() == len({row[2] for row in data["images"]})


def test_month_has_every_step_that_comes(show: Open) -> None:
    data = sample(300)
    one = show(data)
    until = NOW + 31 * DAY
    wanted = [
        row[0]
        for row in data["images"]
        if row[5] in ("deprecate", "disable", "deregister")
    ]
    wanted += [
        row[0] for row in data["images"] if row[10] is not None and row[10] <= until
    ]
    wanted += [row[0] for row in data["gone"] if row[3] <= until]
    found, dates = [], []
    for _ in one.pages("#month"):
        found += one.column(1, "#month")
        dates += one.column(3, "#month")
    assert sorted(found) == sorted(wanted)
    days = [re.search(r"\d{4}-\d\d-\d\d", text)[0] for text in dates]
    assert days == sorted(days)
    assert "image-steward:keep" in one.texts("#month p")[0]


def test_pins_are_those_of_old_images(show: Open) -> None:
    data = sample(300)
    one = show(data)
    words = data["strings"]
    old = [row for row in data["images"] if NOW - row[3] > 90 * DAY]
    wanted = [(row[0], words[by], stale) for row in old for _, by, stale in row[7]]
    found = []
    for _ in one.pages("#pins"):
        cells = zip(*(one.column(place, "#pins") for place in (1, 6, 5)), strict=True)
        found += [(image, by, int(stale == "stale")) for image, by, stale in cells]
    note = "Nothing that was read starts machines from it."
    assert all((note in by) == bool(stale) for _, by, stale in found)
    assert sorted((a, b.replace(note, ""), c) for a, b, c in found) == sorted(wanted)
    assert one.column(3, "#pins") == sorted(one.column(3, "#pins"))


def test_gone_images_have_their_snapshots(show: Open) -> None:
    data = sample(100)
    one = show(data)
    rows = one.texts("#timelines tbody tr")
    for image, snapshots, *_ in data["gone"]:
        assert sum(image in row and snapshots[0] in row for row in rows) == 1


def test_names_of_other_people_are_inert(show: Open) -> None:
    one = show(hostile())
    page = one.page
    for opener in page.locator(
        ".family summary, .numbers summary, #images .open"
    ).all():
        opener.click()
    assert page.locator("img, iframe, object, a[href^=javascript]").count() == 0
    assert page.locator("script").count() == 3
    assert "owned" not in page.title() or "onerror" in page.title()
    text = page.evaluate("document.body.innerText")
    assert not HIDDEN.search(text)
    for mark in (
        "web\\u{202e}gpj.exe",
        "\\u{2066}",
        "nul\\u{0}bell\\u{7}",
        HOSTILE[0],
        "{{DATA}}",
    ):
        assert mark in text
    # What is filled in is never filled again.
    assert text.count("{{SCRIPT}} {{DATA}}") >= 2


def test_policy_of_the_page_forbids_the_network(show: Open) -> None:
    one = show(sample(1))
    blocked = one.page.evaluate(
        """async () => {
            const seen = [];
            document.addEventListener("securitypolicyviolation", (one) => seen.push(one.effectiveDirective));
            await fetch("http://127.0.0.1:9/").catch(() => {});
            const image = new Image();
            await new Promise((done) => { image.onerror = done; image.src = "http://127.0.0.1:9/x.png"; });
            await new Promise((done) => setTimeout(done, 50));
            return seen;
        }"""
    )
    assert sorted(blocked) == ["connect-src", "img-src"]
    assert all("Content Security Policy" in problem for problem in one.problems)
    one.problems.clear()
    # Chromium tells of requests that it did not let out.
    one.requests = [
        url for url in one.requests if not url.startswith("http://127.0.0.1:9/")
    ]


def test_unknown_format_is_said(show: Open) -> None:
    one = show(sample(1) | {"format": 2})
    assert "its format is 2, and this page reads 1" in one.text("#trouble")


def test_template_and_library() -> None:
    page, parts = template()
    assert set(re.findall(r"\{\{(\w+)\}\}", page)) == {*parts, "TITLE", "DATA"}
    named = re.findall(r"\w+\.js", re.search(r"SCRIPT(.*), in this order", page)[1])
    assert sorted(named) == sorted(file.name for file in REPORT.glob("*.js"))
    for name in ("SCRIPT", "CHARTS", "STYLE"):
        # Any of these could end the element that it stands in, or keep it from ending.
        assert not re.search(r"</(script|style)|<!--", parts[name], re.IGNORECASE), name
    assert len(parts["CHARTS"]) <= 350 * 1024
    ours = parts["SCRIPT"]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b", ours
    )


def test_large_account_opens_at_once(playwright: Playwright, tmp_path: Path) -> None:
    data = sample(20_000, 300)
    file = write_page(data, tmp_path / "large.html")
    assert file.stat().st_size <= 5_000_000
    with opened(playwright, file) as one:
        times = sorted(one.goto() for _ in range(3))
        print(f"{file.stat().st_size:,} bytes, ready after {times} ms")
        assert times[1] < 1000
        wanted = data["images"][12_345][0]
        took = one.page.evaluate(
            """(text) => {
                const field = document.getElementById("search");
                const start = performance.now();
                field.value = text;
                field.dispatchEvent(new Event("input"));
                document.body.getBoundingClientRect();
                return performance.now() - start;
            }""",
            wanted,
        )
        print(f"searched in {took} ms")
        assert took < 1000
        assert one.column(1) == [wanted]
        assert one.page.evaluate("document.querySelectorAll('*').length") < 10_000
