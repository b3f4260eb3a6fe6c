"""Write the pictures of the README and the book, and the README's excerpt of a plan.

`make pictures` runs this. The account is the one of `make demo` at a fixed time, so the pictures
change only when the program's output does; tests/docs/test_pictures.py compares them.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/e2e"))

from rich.console import Console
from rich.text import Text

from harness import Account, image_steward
from make_fleet import make_fleet
from terminal import on_terminal

NOW = datetime(2026, 12, 1, 6, tzinfo=UTC)
# Both are arguments of each command, and are left out of the command line that a picture shows.
ARGUMENTS = ("--policy", str(HERE / "policy.toml"), "--now", NOW.isoformat())
PICTURES = HERE.parent / "docs/pictures"
README = HERE.parent / "README.md"
COLUMNS = 100
FAMILY = "golden · x86_64"
# An image that is in use again after a step, so that `explain` has something to show.
EXPLAINED = "golden-x86_64-20260529"
# Rich's own SVG loads a font from the internet.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def shown(account: Account, *command: str) -> str:
    """What a command prints on a terminal, with its colors."""
    done = on_terminal(account, *command, *ARGUMENTS, "--quiet", columns=COLUMNS)
    assert done.returncode == 0, done.text
    return done.raw.replace("\r\n", "\n")


def svg(command: str, output: str) -> str:
    """A terminal with a command and its output."""
    console = Console(
        record=True,
        width=COLUMNS,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(output), soft_wrap=True)
    drawn = console.export_svg(title="image-steward", code_format=SVG)
    return re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE)


def terminals(account: Account) -> dict[str, str]:
    """The recordings, by the name of their file."""
    return {
        "plan.svg": svg("image-steward plan", shown(account, "plan")),
        "explain.svg": svg(
            f"image-steward explain {EXPLAINED}", shown(account, "explain", EXPLAINED)
        ),
    }


def excerpt(account: Account) -> str:
    """Eight lines of a plan: its family, and the first image that is kept, deprecated and rescued."""
    done = on_terminal(
        account, "plan", "--family", FAMILY, *ARGUMENTS, "--quiet", columns=COLUMNS
    )
    first, *lines = [line for line in done.lines if line]
    chosen = [first]
    for sign, reason in (
        ("=", r"\w+ of last \d+$"),
        ("~", "expired: "),
        ("+", "in use: "),
    ):
        row = next(
            number
            for number, line in enumerate(lines)
            if line.startswith(f"  {sign} ")
            and re.match(reason, lines[number + 1].strip())
            and not lines[number + 2].startswith("      ")
        )
        chosen += lines[row : row + 2]
    return "\n".join([*chosen, "  ..."])


def replaced(text: str, excerpt: str) -> str:
    """The README with this excerpt in its first block of output."""
    block = f"```console\n$ image-steward plan --family '{FAMILY}'\n{excerpt}\n```"
    pattern = r"```console\n\$ image-steward plan --family [^\n]*\n.*?\n```"
    changed, count = re.subn(pattern, lambda _: block, text, count=1, flags=re.DOTALL)
    assert count == 1, "README.md has no block that begins with this command"
    return changed


def screenshots(account: Account) -> None:
    """The first screen of the report, in a light and a dark browser window."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    sys.path.insert(0, str(HERE.parent / "tests/browser"))
    from browser import CHROMIUM, FLAGS

    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        page = Path(directory, "report.html")
        done = image_steward(account, "report", *ARGUMENTS, "--out", str(page))
        assert done.returncode == 0, done.stderr
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for scheme in ("light", "dark"):
            tab = browser.new_page(
                viewport={"width": 1280, "height": 900}, color_scheme=scheme
            )
            tab.goto(page.as_uri())
            tab.wait_for_selector("svg")
            picture = Image.open(io.BytesIO(tab.screenshot()))
            small = picture.convert("RGB").quantize(colors=128)
            small.save(PICTURES / f"report-{scheme}.png", optimize=True)
        browser.close()


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with Account(make_fleet(NOW)) as account:
        for name, drawn in terminals(account).items():
            (PICTURES / name).write_text(drawn)
        README.write_text(replaced(README.read_text(), excerpt(account)))
        screenshots(account)
    sizes = {file.name: file.stat().st_size for file in sorted(PICTURES.iterdir())}
    for name, size in sizes.items():
        print(f"{size / 1000:6.0f} KB  {name}")
    total = sum(sizes.values())
    print(f"{total / 1000:6.0f} KB  together")
    assert total < 400_000, "the pictures are larger than 400 KB"


if __name__ == "__main__":
    main()
