"""The next month, snapshots of images that no longer exist, and unknown sizes."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime

from browser import Opened
from conftest import Open
from pages import DAY, NOW, Document, sample, summary
from test_report import at_most, total, unsized


def month_rows(one: Opened) -> list[tuple[str, str, str, str, str]]:
    """The entries of the list of steps, from its first page to its last."""
    steps = one.page.locator("#month .paged").nth(1)
    one.page.evaluate("document.querySelectorAll('#month .paged')[1].id = 'steps'")
    found = []
    for _ in one.pages("#steps"):
        cells = (one.column(place, "#steps") for place in range(1, 6))
        found += list(zip(*cells, strict=True))
    text = steps.locator(".count").inner_text()
    assert re.match(rf"{len(found):,} (of [\d,]+ )?steps?\b", text), text
    return found


WORDS = {
    "rescue": "rescue",
    "mark": "tag as expired",
    "deprecate": "deprecate",
    "disable": "disable",
    "deregister": "deregister",
    "delete_snapshots": "delete its snapshots",
}


def date(at: int) -> str:
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
    return f"{text} (now)" if at == NOW else text


def test_month_is_that_of_the_simulation(show: Open) -> None:
    data = sample(300)
    one = show(data)
    gone = {row[1]: row[0] for row in data["gone"]}
    wanted = []
    for place, step, at, snapshots, gib in data["month"]:
        row = data["images"][place] if place is not None else None
        image, name = (
            (row[0], row[1]) if row else (gone[snapshots[0]], "(deregistered)")
        )
        word = WORDS[step] if row or step != "mark" else "tag for deletion"
        size = "unknown" if gib is None else f"{gib:,}"
        wanted.append((date(at), word, image + name + "".join(snapshots), size))
    found = [(at, step, image, gib) for at, step, image, _, gib in month_rows(one)]
    assert len({step for _, step, _, _ in found}) == 7
    assert sorted(found) == sorted(wanted)
    assert [at for at, *_ in found] == sorted(at for at, *_ in found)
    text = one.texts("#month p")[0]
    assert "with daily runs under the limits in the policy" in text
    assert "if nothing changes and no image is created" in text
    gone_now = [row for row in data["month"] if row[1] == "delete_snapshots"]
    count = sum(len(row[3]) for row in gone_now)
    unknown = sum(len(row[3]) for row in gone_now if row[4] is None)
    freed = at_most(sum(row[4] or 0 for row in gone_now), unknown)
    assert f"Deleting {count} snapshots frees {freed}." in text


def test_month_is_counted_by_date(show: Open) -> None:
    data = sample(300)
    one = show(data)
    wanted: Counter[tuple[str, str]] = Counter()
    for place, step, at, snapshots, _ in data["month"]:
        names = WORDS | {"delete_snapshots": "delete snapshots"}
        what = names[step] if place is not None or step != "mark" else "tag snapshots"
        wanted[date(at), what] += len(snapshots) or 1
    table = one.page.locator("#month table").first
    heads = [
        text.strip().lower() for text in table.locator("thead th").all_text_contents()
    ]
    found: Counter[tuple[str, str]] = Counter()
    for row in table.locator("tbody tr").all():
        cells = row.locator("th, td").all_text_contents()
        for head, cell in list(zip(heads, cells, strict=True))[1:-1]:
            found[cells[0], head] += int(cell.replace(",", "") or 0)
    assert +found == wanted


def test_month_is_searched(show: Open) -> None:
    data = sample(300)
    one = show(data)
    place, _, _, snapshots, _ = next(
        row for row in data["month"] if row[1] == "delete_snapshots" and row[0]
    )
    image = data["images"][place][0]
    one.page.fill("#find-step", f"delete {snapshots[0]}")
    assert [row[2][:21] for row in month_rows(one)] == [image]
    one.page.fill("#find-step", "no such thing")
    assert "No step matches." in one.text("#month")


def test_an_image_that_goes_within_the_month_is_named(show: Open) -> None:
    data = sample(60)
    for row in data["month"]:
        if row[1] == "delete_snapshots":
            row[0] = None
    one = show(data)
    owners = {(row[0], one) for row in data["images"] for one in row[12]}
    found = [row[2] for row in month_rows(one) if row[1] == "delete its snapshots"]
    named = [text for text in found if "(deregistered)" not in text]
    assert named
    for text in named:
        assert (text[:21], text[text.index("snap-") :][:22]) in owners


def test_how_to_stop_it_is_said_if_there_is_something_to_stop(show: Open) -> None:
    stop = "To stop the steps of an image, keep it"
    one = show(sample(300))
    command = "image-steward keep IMAGE --region eu-central-1"
    assert stop in one.text("#month") and command in one.text("#month")
    rescues = sample(300)
    rescues["month"] = [row for row in rescues["month"] if row[1] == "rescue"]
    assert rescues["month"]
    for data in (sample(0), sample(0, projected=False), rescues):
        text = show(data).text("#month")
        assert stop not in text and "image-steward keep" not in text


def test_without_a_simulation_the_month_has_the_next_steps(show: Open) -> None:
    data = sample(300) | {"month": None}
    one = show(data)
    text = one.texts("#month p")[0]
    assert (
        "The list does not include later steps, and ignores the limits in the policy"
        in text
    )
    assert "daily runs" not in text
    until = NOW + 31 * DAY
    wanted = [
        row[0]
        for row in data["images"]
        if row[5] in ("deprecate", "disable", "deregister")
    ]
    wanted += [
        row[0] for row in data["images"] if row[10] is not None and row[10] <= until
    ]
    wanted += [
        row[0]
        for row in data["gone"]
        if row[3] == "delete" or (row[4] is not None and NOW < row[4] <= until)
    ]
    rows = month_rows(one)
    assert sorted(row[2][:21] for row in rows) == sorted(wanted)
    days = [row[0] for row in rows]
    assert days == sorted(days)
    assert "image-steward:keep" in one.text("#month")


def test_gone_images_have_their_snapshots(show: Open) -> None:
    data = sample(100)
    one = show(data)
    rows = one.texts("#timelines tbody tr")
    heads = [text.strip() for text in one.texts("#timelines thead th")]
    assert heads[:4] == [
        "Snapshot",
        "Deregistered image",
        "Decision",
        "Can be deleted from",
    ]
    fates = {"keep": "Keep", "mark": "Tag now", "delete": "Delete now"}
    assert {row[3] for row in data["gone"]} == set(fates)
    for image, snapshot, gib, action, at, because in data["gone"]:
        row = next(row for row in rows if row.startswith(snapshot))
        when = "no date" if at is None else date(at).removesuffix(" (now)")
        why = data["strings"][because[0]]
        size = "unknown" if gib is None else f"{gib}"
        assert row == f"{snapshot}{image}{fates[action]}{when}{why}{size}"


def test_gone_images_are_a_strip_of_their_own(show: Open) -> None:
    data = sample(300)
    one = show(data)
    strip = one.page.locator(".family").last
    text = strip.locator("summary").inner_text()
    actions = Counter(row[3] for row in data["gone"])
    unknown = sum(row[2] is None for row in data["gone"])
    assert "deregistered, snapshots remain" in text
    assert f"{len(data['gone'])} snapshots of {len(data['gone'])} images" in text
    assert (f"plus {unknown} snapshot" in text) == (unknown > 0)
    assert f"{actions['keep']} kept, {actions['mark']} tag now" in text
    assert len(strip.locator("path.gone").get_attribute("d")) > 20
    strip.locator("summary").click()
    strip.locator(".line").first.wait_for()
    while strip.locator(".more").is_visible():
        strip.locator(".more").click()
    lines = strip.locator(".line").all_text_contents()
    assert len(lines) == len(data["gone"])
    for line, (image, snapshot, *_, because) in zip(lines, data["gone"], strict=True):
        assert line.startswith(f"{snapshot}of {image}, deregistered")
        assert data["strings"][because[0]] in line
    assert show(sample(1)).page.locator("path.gone").count() == 0


def test_gone_images_are_counted_where_no_image_is_left(show: Open) -> None:
    data = sample(0) | {"gone": [["ami-1", "snap-1", 30, "mark", None, [0]]]}
    data["strings"] = ["orphaned"]
    one = show(data)
    assert f"{at_most(30)}: 1 is tagged now" in one.text("#summary")
    assert at_most(30) in one.text("#time")
    assert "snap-1" in one.text("#timelines")


def unknown_sizes(data: Document) -> Document:
    """The page with one kept, one expired and one removed image of unknown size."""
    rows = data["images"]
    kept = next(row for row in rows if row[5] == "keep" and row[11])
    going = next(row for row in rows if row[5] == "deregister" and row[11])
    for row in (kept, going):
        row[11] = None
    data["gone"][0][2] = None
    data["summary"] = summary(rows)
    return data


def test_no_bound_without_what_has_no_known_size(show: Open) -> None:
    data = unknown_sizes(sample(60))
    one = show(data)
    images = unsized(data)
    everything = images + sum(row[2] is None for row in data["gone"])
    going = unsized(data, {"deregister"})
    assert 0 < going < images < everything
    for text in (one.text("#summary"), one.texts(".tiles li")[-1]):
        assert at_most(data["summary"]["snapshots_gib"], going) in text
    assert at_most(total(data), everything) in one.text("#time")
    label = one.page.locator(".chart").first.get_attribute("aria-label")
    assert at_most(total(data), everything) in label
    assert "max." not in one.texts(".chart")[0]
    one.page.locator("#time summary").first.click()
    head = one.page.locator("#time thead").first.text_content()
    assert "GiB, where known" in head and "Max." not in head
    # A tip on the chart says the same.
    chart = one.page.locator(".chart svg").first
    box = chart.bounding_box()
    for part in (0.2, 0.9):
        one.page.mouse.move(box["x"] + box["width"] * part, box["y"] + 150)
        assert "of unknown size" in chart.locator("[aria-label=tip]").text_content()


def test_a_size_that_only_the_summary_misses_is_said(show: Open) -> None:
    data = sample(60)
    for row in data["images"]:  # All of them have a size, if only of one snapshot.
        row[11] = row[11] or 8
    data["summary"] = summary(data["images"]) | {"sizes_unknown": 3}
    one = show(data)
    assert "plus 3 snapshots of unknown size" in one.texts(".tiles li")[0]
    assert "plus 3 snapshots of unknown size" in one.text("#time")


def test_a_shared_snapshot_is_counted_with_another_image(show: Open) -> None:
    data = sample(300)
    one = show(data)
    shared = next(row for row in data["images"] if row[13] is not None)
    other = data["images"][shared[13]]
    one.page.fill("#search", shared[0])
    assert one.column(8) == ["shared"]
    cell = one.page.locator("#images tbody abbr")
    assert cell.get_attribute("title") == f"counted with {other[0]}"
    one.page.locator("#images .open").click()
    assert f"its snapshot is counted with {other[0]}" in one.text("#images .detail")
    # An image that also has its own snapshot keeps its number.
    shared[11] = 8
    one = show(data)
    one.page.fill("#search", shared[0])
    assert one.column(8) == ["8"]
    one.page.locator("#images .open").click()
    assert f"it shares is counted with {other[0]}" in one.text("#images .detail")
