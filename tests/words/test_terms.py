"""Each term of terms.toml is found where it is wrong, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

import words


@pytest.mark.parametrize("term", words.terms(), ids=lambda term: term.wrong)
def test_term(term: words.Term) -> None:
    assert list(term.found(term.wrong)), "the example of a wrong text is not found"
    assert not list(term.found(term.right)), "the example of a right text is found"


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("page.md", "An image\nwhose machine\n", [2]),
        ("page.md", "`machine` and\n```text\nmachine\n```\n", []),
        ("page.md", "[a machine](machine.md)", [1]),
        ("lib.rs", '/// A machine.\nfn machine() {}\nlet x = "a machine";\n', [1, 3]),
        ("lib.rs", "let x = 1;\n#[cfg(test)]\nmod tests {\n    // a machine\n}\n", []),
        ("lib.rs", "// An image that is on\n// its way out.\n", [1]),
        ("lib.rs", 'let x = "for \\\n    good";\n', [1]),
        ("tool.py", '"""A machine."""\nmachine = 1  # a machine\n', [1, 2]),
        ("page.js", "const machine = `a machine`;\n", [1]),
        ("stack.yaml", "# A machine\nDescription: a machine\n", [1, 2]),
        ("lib.rs", "    /// An image that is on\n    /// its way out.\n", [1]),
        ("lib.rs", 'let x = "{a} < 3: the machine is > b";\n', [1]),
        (
            "stack.yaml",
            "Description: >-\n  The machine\nOther: |\n  a machine\n",
            [2, 4],
        ),
        ("Makefile", "machine: ## Start a machine\n", [1]),
    ],
)
def test_what_is_read(name: str, text: str, lines: list[int], tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(text)
    found = [int(line.split(":")[1]) for line in words.check([str(file)])]
    assert found == lines


def test_every_page_and_program_is_read() -> None:
    read = set(words.files())
    assert {"README.md", "docs/policy.md", "CHANGELOG.md", "Makefile"} <= read
    assert {
        "cli/src/args/mod.rs",
        "cli/report/page.html",
        "infra/image-steward.yaml",
    } <= read
