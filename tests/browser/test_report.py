"""The text of the report's page agrees with the document."""

from __future__ import annotations

import re
from math import ceil
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
    """The ids of the images with that decision, as the page's filter shows them."""
    if decision == "in_use":
        return [row[0] for row in data["images"] if row[7]]
    free = decision == "rescue"
    return [
        row[0] for row in data["images"] if row[5] == decision and (free or not row[7])
    ]


def at_most(gib: float, unknown: int = 0, usd: float = 0.054) -> str:
    """A bound as the page shows it. It excludes resources of unknown size."""
    cost = gib * usd
    money = "0" if cost == 0 else f"{cost:,.2f}" if cost < 10 else f"{ceil(cost):,}"
    plus = f", plus {unknown} snapshot{'s' * (unknown != 1)} of unknown size"
    return f"at most {gib:,} GiB, USD {money} a month" + plus * (unknown > 0)


def unsized(data: Document, actions: set[str] | None = None) -> int:
    """The number of snapshots of unknown size of these images, or of all images."""
    images = [row for row in data["images"] if actions is None or row[5] in actions]
    return len({one for row in images if row[11] is None for one in row[12]})


def total(data: Document) -> int:
    """The GiB of all snapshots, whether or not their image exists."""
    return sum(row[11] or 0 for row in data["images"]) + sum(
        row[2] or 0 for row in data["gone"]
    )


def shown(count: int, of: int) -> str:
    return (f"{count:,} of " if count != of else "") + f"{of:,} image{'s' * (of != 1)}"


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
    for step in ("#time", "#timelines", "#month", "#references", "#images"):
        assert len(one.text(step)) > 40, f"{step} says nothing"
    if count == 0:
        assert "This account has no images" in one.text("#summary")
        assert "There are no images." in one.text("#images")


def test_says_what_would_happen(show: Open) -> None:
    data = sample(812)
    one = show(data)
    counts = data["summary"]
    story = one.text("#summary")
    kept = len(taken(data, "keep"))
    assert story.startswith(
        f"Of 812 images, {counts['in_use']} are in use, {kept} are kept"
    )
    # Every statement about an image occurs once.
    first = story.split(".")[0]
    whole, *parts = (int(text) for text in re.findall(r"\d+", first))
    free = sum(row[5] == "rescue" and not row[7] for row in data["images"])
    assert sum(parts) == whole == 812
    assert f"{free} are not in use but would be rescued" in first
    assert f"{counts['expire']} would be tagged as expired now" in first
    assert f"{counts['deprecate']} deprecated, {counts['disable']} disabled" in first
    assert f"and {counts['deregister']} deregistered" in first
    going = at_most(counts["snapshots_gib"], unsized(data, {"deregister"}))
    removed = f"Deregistering {counts['deregister']} images and deleting their "
    assert removed in story and f" snapshots frees {going}." in story
    expired = {"wait", "expire", "deprecate", "disable", "deregister"}
    count = sum(row[5] in expired for row in data["images"])
    uncovered = [row for row in data["images"] if row[2] == len(data["families"]) - 1]
    noun = "image, so it is" if len(uncovered) == 1 else "images, so they are"
    assert uncovered and f"No rule matches {len(uncovered)} {noun} kept" in story
    # The first card is what would be saved.
    card = one.texts(".tiles li")[0]
    gib, missing = counts["expired_gib"], unsized(data, expired)
    assert card.startswith(f"Savings, at mostUSD {ceil(gib * 0.054):,} a month")
    assert f"{gib:,} GiB, when all {count} expired images are deregistered" in card
    assert f"plus {missing} snapshots of unknown size" in card and missing > 1
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
    assert "USD 0.054 per GiB-month in eu-central-1 as of 2026-11-01" in price
    assert one.page.locator("#refusal").is_hidden()


def test_refusal_is_the_first_thing_that_is_said(show: Open) -> None:
    one = show(refused())
    assert one.texts("main h2")[0] == "The plan is refused: nothing is removed"
    text = one.text("#refusal")
    for word in (
        "2 sources of references",
        "ec2:DescribeInstances",
        "launch templates: the conn",
    ):
        assert word in text
    assert "they do not retire any image further" in one.text("#month")
    without = show(refused() | {"month": None})
    assert "none of these steps is applied" in without.text("#month")


def test_chart_has_its_numbers(show: Open) -> None:
    data = sample(300)
    one = show(data)
    gib = total(data)
    assert data["gone"] and gib == data["projection"]["gib"][0]
    one.page.locator("#time summary").first.click()
    rows = one.page.locator("#time table").first.locator("tbody tr")
    rows.first.wait_for()
    texts = [
        [cell.strip() for cell in row.split("\t")] for row in rows.all_inner_texts()
    ]
    last = [row for row in texts if "simulated" not in row[0]][-1]
    assert last[0] == "2026-11-18"
    assert last[1:3] == [f"{gib:,}", f"{ceil(gib * 0.054):,}"]
    gone = sum(row[2] or 0 for row in data["gone"])
    assert last[-1] == f"{gone:,}"
    head = one.texts("#time thead")[0]
    assert head.endswith("GiB: deregistered, snapshots remain")
    assert f"{gone:,} GiB to {len(data['gone'])} snapshots of dereg" in one.text(
        "#time"
    )
    assert "begins with the same total" in one.text("#time")
    future = [row for row in texts if "simulated" in row[0]]
    assert future[0][1] == last[1]
    plan = data["projection"]
    assert future[-1][1] == f"{plan['gib'][-1]:,}"
    assert future[-1][3] == f"{plan['against_gib'][-1]:,}"
    # In each row, the families and the others add up to the total.
    for row in texts:
        numbers = [int(cell.replace(",", "")) for cell in row[4:]]
        assert abs(sum(numbers) - int(row[1].replace(",", ""))) <= len(numbers)
    assert one.page.locator(".chart").first.locator("[stroke-dasharray]").count() == 2
    assert "max." not in one.texts(".chart")[0], "some sizes are not known"
    assert unsized(sample(20)) == 0
    assert "max. USD a month" in show(sample(20)).texts(".chart")[0]


def test_without_a_projection_and_a_price(show: Open) -> None:
    data = sample(30, projected=False) | {"price": None}
    one = show(data)
    assert one.page.locator(".chart").first.locator("[stroke-dasharray]").count() == 0
    assert "USD" not in one.text("#time")
    assert "price in this Region is unknown" in one.text("#price")


def test_families_are_made_as_they_are_opened(show: Open) -> None:
    data = sample(3000, 500)
    one = show(data)
    page = one.page
    assert page.locator(".family").count() == 26  # With what is gone.
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
    # Why it is kept, or the next step and its time.
    for text, row in zip(rows.all_text_contents(), images, strict=True):
        assert row[9] is None or f"; next: {row[9].replace('_s', ' its s')} 202" in text
        assert row[7] or data["strings"][row[6][0]] in text
    page.fill("#find-family", "SERVICE-123")
    assert page.locator(".family").count() == 1
    page.keyboard.press("Escape")
    more = page.locator(".families > .more")
    while more.is_visible():
        more.click()
    assert page.locator(".family").count() == 1 + len(
        {row[2] for row in data["images"]}
    )


def test_old_images_are_pinned_by_each_resource_once(show: Open) -> None:
    data = sample(300)
    words = data["strings"]
    # EC2 also reports a template with this name, without its versions.
    again = next(
        row
        for row in data["images"]
        if NOW - row[3] > 90 * DAY and row[7] and row[7][0][4:]
    )
    again[7].append([*again[7][0][:3], 0])
    # Another image of the same template.
    older = next(
        row for row in data["images"] if NOW - row[3] > 90 * DAY and row is not again
    )
    older[7] = [again[7][0]]
    one = show(data)
    old = [row for row in data["images"] if NOW - row[3] > 90 * DAY]
    wanted: dict[str, set[tuple[str, str]]] = {}
    for row in old:
        for _, arn, _, _, *more in row[7]:
            version = more[0] if more else None
            if row is not again or version is not None or arn != again[7][0][1]:
                text = "" if version is None else f"v{words[version]} "
                wanted.setdefault(words[arn], set()).add((text, row[0]))
    found = {}
    for _ in one.pages("#references"):
        while (more := one.page.locator("#references td .more:visible")).count():
            more.first.click()
        for row in one.page.locator("#references tbody tr").all():
            arn = row.locator(".arn").text_content()
            assert arn not in found, "a resource is on the page twice"
            uses = [text.strip() for text in row.locator("li").all_text_contents()]
            found[arn] = {
                (re.match(r"(v\d+ )?", use)[0], re.search(r"ami-\w+", use)[0])
                for use in uses
            }
            assert len(found[arn]) == len(uses)
    assert found == wanted
    assert len(found[words[again[7][0][1]]]) == 2
    assert one.column(3, "#references") == sorted(one.column(3, "#references"))
    name = words[again[7][0][5]]
    one.page.fill("#search", again[0])
    assert f"launch template {name}" in one.column(4)[0]


def test_the_first_card_has_the_date_of_the_first_deletion(show: Open) -> None:
    def card(**more: object) -> str:
        return show(sample(60) | more).texts(".tiles li")[0]

    assert card().endswith("Nothing is deleted before 2026-12-02.")
    assert card(first_deletion=NOW).endswith("would be now, 2026-11-18.")
    gib = sample(60)["summary"]["expired_gib"]
    assert card(price=None).startswith(f"Savings, at most{gib:,} GiBWhen all")
    text = show(refused()).texts(".tiles li")[0]
    assert text.endswith("The plan is refused: nothing is deleted.")
    assert not re.search(r"20\d\d-", text)
    text = show(sample(0)).texts(".tiles li")[0]
    assert text == (
        "Savings, at mostUSD 0 a monthNo image is expired. Nothing would be deleted."
    )


def test_a_refused_plan_has_no_dates_of_steps(show: Open) -> None:
    data = refused()
    one = show(data)
    waiting = [row for row in data["images"] if row[9]]
    steps = [text for _ in one.pages() for text in one.column(6) if text]
    assert len(steps) == len(waiting) > 0
    assert all(text.endswith(", no date") for text in steps)


def test_what_no_rule_covers_is_said(show: Open) -> None:
    data = sample(60)
    for family in data["families"]:
        family |= {"name": "not covered", "rule": None, "family": None}
    data["summary"] |= {"uncovered": 60}
    one = show(data)
    assert "No rule of the policy matches an image" in one.text("#summary")
    assert "no rule matches" not in one.page.content()


def test_families_are_named_and_their_keys_are_not_hidden(show: Open) -> None:
    data = sample(60)
    one = show(data)
    family = next(row for row in data["images"] if row[2] == 0)
    one.page.fill("#search", f"{family[0]} tag:family=service-000")
    assert [text.replace("\u00a0", " ") for text in one.column(5)] == [
        "golden · service-000"
    ]
    name = one.page.locator("#images td [title]").first
    assert name.get_attribute("title") == "tag:Family=service-000"
    one.page.locator("#images .open").click()
    assert "tag:Family=service-000" in one.text("#images .detail")
    one.page.fill("#find-family", "Family=service-001")
    assert one.page.locator(".family").count() == 1


@pytest.mark.parametrize(
    ("images", "gib", "difference"),
    [
        (46, 1360, "46 images and USD 74 a month less"),
        (-1, -1000, "1 image and USD 54 a month more"),
        (46, -1000, "46 images less, USD 54 a month more"),
        (46, 0, "46 images less, the same storage"),
        (0, 1000, "the same number of images, USD 54 a month less"),
        (0, 0, "no difference"),
    ],
)
def test_two_policies_are_compared_in_a_sentence(
    show: Open, images: int, gib: int, difference: str
) -> None:
    data = sample(20)
    plan = data["projection"]
    plan["images"][-1], plan["gib"][-1] = 214, 3120
    plan["against_images"][-1], plan["against_gib"][-1] = 214 + images, 3120 + gib
    one = show(data)
    assert one.text("#compared") == (
        "After 182 days, 214 images and at most 3,120 GiB remain with new.toml, "
        f"and {214 + images} images and {3120 + gib:,} GiB with old.toml: "
        f"{difference} with new.toml. "
        "GiB and USD are upper bounds."
    )
    assert "policy.toml, compared with old.toml" in one.text("#facts")


def test_policies_of_one_file_name_are_told_apart(show: Open) -> None:
    data = sample(20)
    data["projection"] |= {"policy": "policy.toml", "against": "policy.toml"}
    one = show(data)
    assert " with the other policy.toml: " in one.text("#compared")
    assert "compared with the other policy.toml" in one.text("#facts")
    data["projection"]["against_gib"] = data["projection"]["against_images"] = None
    assert show(data).page.locator("#compared").count() == 0


def test_what_is_newly_expired_is_called_so(show: Open) -> None:
    one = show(sample(300))
    assert "Marked" not in one.page.content()
    assert any(
        text.startswith("Newly expired (") for text in one.texts("#decision option")
    )
    assert "rescue now" in one.texts("#timelines .legend")[0]


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
    # Inserted values are not searched for placeholders.
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
    # Chromium reports blocked requests.
    one.requests = [
        url for url in one.requests if not url.startswith("http://127.0.0.1:9/")
    ]


def test_unknown_format_is_said(show: Open) -> None:
    one = show(sample(1) | {"format": 2})
    assert "format 2 is not supported; this page supports format 1" in one.text(
        "#trouble"
    )


def test_template_and_library() -> None:
    page, parts = template()
    assert set(re.findall(r"\{\{(\w+)\}\}", page)) == {*parts, "TITLE", "DATA"}
    named = re.findall(r"\w+\.js", re.search(r"SCRIPT(.*), in this order", page)[1])
    assert sorted(named) == sorted(file.name for file in REPORT.glob("*.js"))
    for name in ("SCRIPT", "CHARTS", "STYLE"):
        # Any of these could end the enclosing element, or prevent its end.
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
