"""Using the report's page: search, sorting, keyboard, print, small screens, dark and light mode."""

from __future__ import annotations

import re
from io import BytesIO
from itertools import pairwise

import pytest
from pypdf import PdfReader

from browser import Opened
from conftest import Open
from pages import DAY, NOW, Document, hostile, refused, sample
from test_report import DECISIONS, shown, taken

COLUMNS = 9
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 360, "height": 740}


def test_search(show: Open) -> None:
    data = sample(300)
    one = show(data)
    page, words, rows = one.page, data["strings"], data["images"]

    def found(text: str) -> list[str]:
        page.fill("#search", text)
        ids: list[str] = []
        for _ in one.pages():
            ids += one.column(1)
        assert one.text("#images .count").startswith(shown(len(ids), 300))
        return sorted(ids)

    assert found(rows[7][0].upper()) == [rows[7][0]]
    assert found("family-002-") == sorted(row[0] for row in rows if row[2] == 2)
    held = next(row for row in rows if row[7])
    arn = words[held[7][0][1]]
    assert held[0] in found(arn)
    users = [row[0] for row in rows if held[12][0] in row[12]]
    assert found(held[12][0]) == sorted(users)
    both = found("family-001- last")
    assert both == sorted(
        row[0]
        for row in rows
        if row[2] == 1 and "last" in " ".join(words[n] for n in row[6])
    )
    assert found("no such thing") == []
    assert "No image matches." in one.text("#images")
    page.focus("#search")
    page.keyboard.press("Escape")
    assert page.input_value("#search") == ""
    assert one.text("#images .count").startswith("300 images")


def sorted_as(values: list[str], number: bool) -> list[str]:
    """The known values of a column in the expected order."""
    key = (lambda text: float(text.replace(",", ""))) if number else str.lower
    unknown = ("", "unknown", "shared")
    return sorted((one for one in values if one not in unknown), key=key)


@pytest.mark.parametrize("column", range(1, COLUMNS + 1))
def test_sorts_by_every_column_both_ways(show: Open, column: int) -> None:
    one = show(sample(120))
    head = one.page.locator("#images thead th").nth(column - 1)
    number = "number" in (head.get_attribute("class") or "")
    shown = {}
    for _ in range(2):
        head.locator("button").click()
        values = [value for _ in one.pages() for value in one.column(column)]
        shown[head.get_attribute("aria-sort")] = values
    assert set(shown) == {"ascending", "descending"}
    assert one.page.locator("#images thead [aria-sort$=ending]").count() == 1
    assert len(shown["ascending"]) == len(shown["descending"]) == 120
    if "Next step" in head.inner_text():  # By its date, not by its word.
        shown = {
            way: [text.split(" ")[-1] for text in texts] for way, texts in shown.items()
        }
    elif "Reason" in head.inner_text():
        shown = {
            way: [re.sub(r" \(and .*", "", x) for x in texts]
            for way, texts in shown.items()
        }
    elif "Decision" in head.inner_text():
        shown = {
            way: [x.removesuffix(" (disabled)") for x in texts]
            for way, texts in shown.items()
        }
    up = sorted_as(shown["ascending"], number)
    assert shown["ascending"][: len(up)] == up
    # Unknown values are last in both orders.
    assert shown["descending"][: len(up)] == up[::-1]


@pytest.mark.parametrize("decision", ["in_use", *DECISIONS])
def test_filter(show: Open, decision: str) -> None:
    data = sample(400)
    one = show(data)
    one.page.select_option("#decision", decision)
    found = [image for _ in one.pages() for image in one.column(1)]
    assert found
    assert sorted(found) == sorted(taken(data, decision))
    assert one.text("#images .count").startswith(shown(len(found), 400))
    assert (
        f"({len(found)})" in one.page.locator("#decision option:checked").inner_text()
    )


def test_row_opens(show: Open) -> None:
    data = sample(60)
    one = show(data)
    words = data["strings"]
    row = max(data["images"], key=lambda row: (len(row[7]), len(row[6])))
    one.page.fill("#search", row[0])
    opener = one.page.locator("#images .open")
    assert opener.get_attribute("aria-label") == f"Details of {row[0]}"
    opener.click()
    assert opener.get_attribute("aria-expanded") == "true"
    detail = one.text(f"#{opener.get_attribute('aria-controls')}")
    for text in [
        *(words[n] for n in row[6]),
        *(words[arn] for _, arn, *_ in row[7]),
        *row[12],
    ]:
        assert text in detail
    opener.click()
    assert one.page.locator("#images .detail").count() == 0
    assert opener.get_attribute("aria-expanded") == "false"


def tab_to(one: Opened, selector: str, most: int = 150) -> None:
    """Presses Tab until that element has the focus. Every element with the focus on the way must be
    visible."""
    for _ in range(most):
        one.page.keyboard.press("Tab")
        seen = one.page.evaluate(
            """() => {
                const box = document.activeElement.getBoundingClientRect();
                const outline = getComputedStyle(document.activeElement);
                return [box.width > 0 && box.height > 0, outline.outlineStyle, parseFloat(outline.outlineWidth)];
            }"""
        )
        where = one.page.evaluate("document.activeElement.outerHTML.slice(0, 90)")
        assert seen[0] and seen[1] != "none" and seen[2] >= 2, (
            f"no focus to be seen: {where}"
        )
        if one.page.evaluate(
            "(wanted) => document.activeElement.matches(wanted)", selector
        ):
            return
    raise AssertionError(f"Tab does not reach {selector}")


def test_everything_by_keyboard(show: Open) -> None:
    one = show(sample(200, 40), reduced_motion="reduce")
    page = one.page
    page.keyboard.press("Tab")
    assert one.focused().inner_text() == "Skip to the report"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to(one, "#time summary")
    page.keyboard.press("Enter")
    assert page.locator("#time details").first.get_attribute("open") is not None
    tab_to(one, "#find-family")
    page.keyboard.type("service-001")
    assert page.locator(".family").count() == 1
    page.keyboard.press("Escape")
    assert page.locator(".family").count() == 26
    tab_to(one, ".family summary")
    page.keyboard.press("Enter")
    page.locator(".family .line").first.wait_for()
    tab_to(one, ".families > .more")
    page.keyboard.press("Enter")
    # The button may be removed. Then the first of the new families has the focus.
    assert page.evaluate("document.activeElement.closest('.family') !== null")
    tab_to(one, "#search")
    page.keyboard.type("family-000")
    tab_to(one, "#decision")
    page.keyboard.press("ArrowDown")
    assert page.input_value("#decision") == "in_use"
    page.keyboard.press("ArrowUp")
    tab_to(one, "#images thead button")
    page.keyboard.press("Enter")
    assert (
        page.locator("#images thead th").first.get_attribute("aria-sort") == "ascending"
    )
    assert one.focused().inner_text().startswith("Image")
    tab_to(one, "#images .open")
    page.keyboard.press("Space")
    assert page.locator("#images .detail").count() == 1


def test_pages_turn_by_keyboard_and_keep_the_focus(show: Open) -> None:
    one = show(sample(120))
    button = one.page.locator("#images .pager button", has_text="Next")
    button.focus()
    for _ in range(3):  # Once more than there are pages.
        one.page.keyboard.press("Enter")
    assert "showing 101 to 120" in one.text("#images .count")
    assert one.focused().inner_text() == "Next"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("data", [sample(60), refused(), hostile(), sample(0)], ids=["few", "refused", "hostile", "none"])  # fmt: skip
def test_no_barrier(
    show: Open, data: Document, viewport: dict[str, int], scheme: str
) -> None:
    one = show(data, viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    for selector in (".family summary", ".numbers summary", "#images .open"):
        if one.page.locator(selector).count() > 0:
            one.page.locator(selector).first.click()
    assert one.violations() == []
    ground = one.page.evaluate(
        "getComputedStyle(document.documentElement).backgroundColor"
    )
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(19, 23, 30)")


@pytest.mark.parametrize("data", [sample(60), refused(), hostile()], ids=["few", "refused", "hostile"])  # fmt: skip
@pytest.mark.parametrize("width", [360, 768, 1280, 2560])
def test_fits_the_width_and_cuts_no_id(show: Open, data: Document, width: int) -> None:
    one = show(data, viewport={"width": width, "height": 800})
    for opener in one.page.locator(".family summary, #images .open").all()[:8]:
        opener.click()
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    cut = one.page.evaluate(
        """() => [...document.querySelectorAll("td .id, th .id, .line .id")]
            .filter((one) => one.getClientRects().length > 1 || getComputedStyle(one).textOverflow === "ellipsis")
            .map((one) => one.textContent)"""
    )
    assert cut == []


def test_labels_of_charts_do_not_overlap(show: Open) -> None:
    for width in (360, 1280):
        data = sample(300)
        for row in data["images"]:  # Numbers of seven digits need their place.
            row[11] = 9_999
        one = show(data, viewport={"width": width, "height": 800})
        overlaps = one.page.evaluate(
            """() => [...document.querySelectorAll(".chart svg")].flatMap((chart) => {
                const texts = [...chart.querySelectorAll("text")].filter((text) => text.textContent);
                const boxes = texts.map((text) => [text.textContent, text.getBoundingClientRect()]);
                return boxes.flatMap(([name, a], place) => boxes.slice(place + 1)
                    .filter(([, b]) => a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)
                    .map(([other]) => `${name} / ${other}`));
            })"""
        )
        assert overlaps == []
        outside = one.page.evaluate(
            """() => [...document.querySelectorAll(".chart")].flatMap((chart) => {
                const box = chart.getBoundingClientRect();
                const inside = ({ left, right }) => left >= box.left && right <= box.right;
                return [...chart.querySelectorAll("text")]
                    .filter((text) => text.textContent && !inside(text.getBoundingClientRect()))
                    .map((text) => text.textContent);
            })"""
        )
        assert outside == []


@pytest.mark.parametrize("count", [20, 300, 3000])
@pytest.mark.parametrize("width", [360, 500, 1280])
def test_labels_of_the_timelines_do_not_overlap(
    show: Open, width: int, count: int
) -> None:
    data = sample(count)
    if count == 20:  # A young account: planned stands in the middle.
        for row in data["images"]:
            row[3] = max(row[3], NOW - 30 * DAY)
    one = show(data, viewport={"width": width, "height": 800})
    boxes = one.page.evaluate(
        """() => [...document.querySelectorAll(".tick")]
            .map((tick) => [tick.textContent, tick.getBoundingClientRect()])
            .filter(([, box]) => box.width > 0)
            .map(([text, box]) => [box.left, box.right, text]).sort((a, b) => a[0] - b[0])"""
    )
    assert "planned" in [text for *_, text in boxes]
    assert boxes[0][0] >= 0 and boxes[-1][1] <= width
    for (_, end, a), (start, _, b) in pairwise(boxes):
        assert end + 2 <= start, f"{a} / {b}"


def test_all_columns_fit_a_usual_screen(show: Open) -> None:
    data = sample(300)
    for row in data["images"]:
        row[1] = f"{row[1]}-with-a-name-that-is-rather-long-2026-11-18"
    one = show(data, viewport=WIDE)
    heads = [text.strip() for text in one.texts("#images thead th")]
    assert heads == [
        "Image",
        "Name",
        "Decision",
        "Reason",
        "Family",
        "Next step",
        "Created",
        "Max. GiB",
        "Max. USD a month",
    ]
    for table in one.page.locator(".framed").all():
        width = "one => one.scrollWidth - one.clientWidth"
        assert table.evaluate(width) == 0, table


# The elements that are outside the screen or hidden.
CUT = """(selector) => [...document.querySelectorAll(selector)].filter((one) => one.textContent.trim()).filter((one) => {
    const box = one.getBoundingClientRect();
    const style = getComputedStyle(one);
    return box.width === 0 || box.left < 0 || box.right > innerWidth || style.textOverflow === "ellipsis"
        || (style.overflowX !== "visible" && one.scrollWidth > one.clientWidth);
}).map((one) => one.textContent)"""


@pytest.mark.parametrize("data", [sample(60), hostile()], ids=["few", "hostile"])
@pytest.mark.parametrize("width", [360, 1300])
def test_nothing_in_a_table_is_cut_off(show: Open, data: Document, width: int) -> None:
    one = show(data, viewport={"width": width, "height": 900})
    for opener in one.page.locator("#images .open").all()[:3]:
        opener.click()
    parts = ".paged td, .paged th[scope=row], .paged td *:not(wbr), .about *, pre, .facts dd"
    assert one.page.locator(parts).count() > 100
    visible = f":is({parts}):not([hidden])"
    assert one.page.evaluate(CUT, visible) == []


def test_rows_are_cards_on_a_small_screen(show: Open) -> None:
    data = sample(60)
    one = show(data, viewport=NARROW)
    assert one.page.locator("#images thead").is_hidden()
    row = one.page.locator("#images tbody tr").first
    cells = row.locator("td, th").all()
    tops = [cell.bounding_box()["y"] for cell in cells if cell.is_visible()]
    assert tops == sorted(set(tops)), "a cell stands beside another"
    labels = [
        cell.evaluate("one => getComputedStyle(one, '::before').content")
        for cell in cells[:5]
    ]
    assert labels == ['"Image"', '"Name"', '"Decision"', '"Reason"', '"Family"']
    for place in (2, 3):  # The decision and the reason.
        assert cells[place].is_visible() and cells[place].text_content()
    # A menu replaces the table head. The table still has its roles for screen readers.
    one.page.get_by_label("Sort by").last.select_option(label="Name, ascending")
    names = one.column(2)
    assert names == sorted(names) and len(names) == 20
    assert row.get_attribute("role") == "row"
    assert cells[1].get_attribute("role") == "cell"
    wide = show(data, viewport=WIDE)
    assert wide.page.get_by_label("Sort by").last.is_hidden()
    assert wide.page.locator("#images thead").is_visible()


def test_paper(show: Open) -> None:
    data = sample(812)
    one = show(data, color_scheme="dark")
    one.page.locator("#images .pager button", has_text="Next").click()
    before = one.text("#images .count"), one.column(1)
    reader = PdfReader(BytesIO(one.page.pdf(format="A4")))
    text = " ".join(" ".join(sheet.extract_text().split()) for sheet in reader.pages)
    newest = sorted(data["images"], key=lambda row: -row[3])
    printed = text[text.rindex("All images") :]
    ids = re.findall(r"ami-[0-9a-f]{17}", printed)
    assert len(ids) == 300
    assert set(ids) <= {row[0] for row in newest[:301]}
    assert "512 more images not printed." in printed
    assert text.count("Next step") > 4, "the table's head is on each sheet"
    for control in ("Previous", "Search ID", "Skip to"):
        assert control not in text
    assert "Storage in GiB" in text and "upper bound" in text
    # The screen layout is unchanged.
    assert (one.text("#images .count"), one.column(1)) == before


def test_paper_shows_what_the_search_left(show: Open) -> None:
    one = show(sample(20))
    ids = one.column(1)
    one.page.fill("#search", ids[3])
    reader = PdfReader(BytesIO(one.page.pdf(format="A4")))
    text = " ".join(" ".join(sheet.extract_text().split()) for sheet in reader.pages)
    assert re.findall(r"ami-[0-9a-f]{17}", text[text.rindex("All images") :]) == [
        ids[3]
    ]
    # Even so few images are shown in their families.
    assert all(text.count(image) >= 1 for image in ids)
    assert one.page.locator(".family[open]").count() == 0
