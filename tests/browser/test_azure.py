"""The page of an Azure subscription: its words, and what it shows about images."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from browser import Opened
from conftest import Open
from pages import ROOT, Document, sample

GOLDEN = ROOT / "tests/tests/azure_texts/golden/page-json.snap"
# Words that mean something only on AWS. Part of an ID, `batchAccounts` is not a word.
WORDS_OF_AWS = re.compile(
    r"\b(ec2|ami|amis|aws|arn|regions?|recycle bin|ebs|ssm|accounts?|deregist\w*"
    r"|launch templates?|auto scaling|usd|fleet)\b",
    re.IGNORECASE,
)


def document() -> Document:
    """The data of the report about the saved inventory of the Rust tests."""
    return json.loads(GOLDEN.read_text().split("\n---\n", 1)[1])


@pytest.fixture
def page(show: Open) -> Opened:
    return show(document())


def everything(opened: Opened) -> str:
    """All texts of the page, also of what is closed."""
    for button in opened.page.locator("#images button.open").all():
        button.click()
    for closed in opened.page.locator("details > summary").all():
        closed.click()
    return opened.page.locator("body").inner_text()


def test_no_text_contains_a_word_of_aws(page: Opened) -> None:
    lines = [one for one in everything(page).splitlines() if WORDS_OF_AWS.search(one)]
    assert lines == []


def test_the_words_of_aws_are_found_in_its_own_page(show: Open) -> None:
    text = everything(show(sample(3)))
    for word in ["Account", "Region", "Deregister now", "Recycle Bin", "USD"]:
        assert word in text


def test_a_specialized_image_that_is_shared_is_a_warning(page: Opened) -> None:
    box = page.text("#exposed")
    assert "2 specialized images are shared" in box
    assert "golden/db/3.1.0" in box
    assert "golden/web" not in box


def test_the_details_list_disks_and_the_full_id(page: Opened) -> None:
    text = everything(page)
    ids = [one["id"] for one in document()["details"].values()]
    assert ids
    for one in ids:
        assert one in text
    assert "data disk 0, 512 GiB" in text
    assert "operating system, 127 GiB" in text
    assert "data disk 1, size unknown" in text
    assert "build/db-2026-11" in text
    assert "not confirmed; the image takes no place in its family" in text


def test_references_have_the_names_that_people_know(page: Opened) -> None:
    text = everything(page)
    assert "scale set prod/web (latest)" in text
    assert "virtual machine prod/web-7" in text


def test_the_command_names_the_subscription(page: Opened) -> None:
    account = document()["account"]
    command = f"image-steward keep IMAGE --subscription {account}"
    assert command in page.text("#month pre")
    assert account in page.text("#facts")


def test_an_unknown_provider_is_an_error(show: Open, tmp_path: Path) -> None:
    opened = show(document() | {"provider": "other"})
    assert "provider other is not supported" in opened.text("#trouble")
