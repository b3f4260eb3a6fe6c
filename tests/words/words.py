"""Find terms that the project does not use: `python tests/words/words.py [FILE ...]`; see terms.toml.

Without arguments, it reads all pages, and the comments and strings of all programs except tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pygments.lexers import get_lexer_for_filename
from pygments.token import Comment, Literal, Name, String, Text

ROOT = Path(__file__).parents[2]
PROSE = re.compile(r".*\.md")
PROGRAM = re.compile(
    r"(shared/src|adapters|cli|functions|infra|demo|examples|Makefile|\.github).*"
)
LEXED = {".rs", ".py", ".js", ".css", ".html", ".toml", ".yaml", ".yml"}
# Name.Constant is a block scalar of YAML.
READ = (Comment, String, Literal.Scalar)
# Fenced blocks and code spans contain names and output of the program. The sources of the program are
# read too.
CODE = re.compile(
    r"^ *```.*?^ *```|``.+?``|`[^`\n]+`|\]\([^)\s]*\)|</?[a-z][^>\n]*>",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Term:
    """A term that is not used."""

    find: re.Pattern[str]
    allowed: tuple[re.Pattern[str], ...]
    write: str
    wrong: str
    right: str

    def found(self, text: str) -> Iterator[re.Match[str]]:
        """Each match outside the phrases that are allowed."""
        spans = [match.span() for one in self.allowed for match in one.finditer(text)]
        for match in self.find.finditer(text):
            if not any(a <= match.start() and match.end() <= b for a, b in spans):
                yield match


def terms() -> list[Term]:
    """The terms of terms.toml."""
    listed = tomllib.loads((ROOT / "tests/words/terms.toml").read_text())["term"]

    def pattern(text: str) -> re.Pattern[str]:
        # A phrase can continue on the next line, after the characters that begin a comment line.
        spaced = text.replace(" ", r"[\s/!#*\\]+")
        return re.compile(rf"(?<![\w-])(?:{spaced})(?![\w-])", re.IGNORECASE)

    return [
        Term(
            pattern(term["find"]),
            tuple(pattern(one) for one in term.get("allowed", [])),
            term["write"],
            term["wrong"],
            term["right"],
        )
        for term in listed
    ]


def blanked(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def prose(path: str, text: str) -> str:
    """The text of a file for readers, at its place; everything else is blank."""
    if path.endswith(".md"):
        return CODE.sub(blanked, text)
    if path.endswith(".rs"):
        # Unit tests are at the end of a file.
        text = text.split("\n#[cfg(test)]\nmod tests {", 1)[0]
    html, yaml = path.endswith(".html"), path.endswith((".yaml", ".yml"))
    kept: list[str] = []
    for kind, value in get_lexer_for_filename(path).get_tokens(text):
        read = any(kind in one for one in READ) or (html and kind in Text)
        read = read or (yaml and kind in Name.Constant)
        kept.append(value if read else re.sub(r"\S", "\0", value))
    joined = "".join(kept)
    # In JavaScript, backquotes hold text.
    return joined if path.endswith(".js") else CODE.sub(blanked, joined)


def files() -> list[str]:
    """The files of the repository that are checked."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return [
        path
        for path in listed
        if PROSE.fullmatch(path)
        or (
            PROGRAM.fullmatch(path)
            and (Path(path).suffix in LEXED or path == "Makefile")
            and not re.search(r"(^|/)(vendor/|tests?(/|\.rs$|_))", path)
        )
    ]


def check(paths: Iterable[str]) -> list[str]:
    """One line for each term that is found."""
    known = terms()
    found = []
    for path in paths:
        text = prose(path, (ROOT / path).read_text())
        for term in known:
            for match in term.found(text):
                line = 1 + text.count("\n", 0, match.start())
                words = " ".join(match[0].split())
                found.append((path, line, f"`{words}`: write {term.write}"))
    return [f"{path}:{line}: {message}" for path, line, message in sorted(found)]


if __name__ == "__main__":
    found = check(sys.argv[1:] or files())
    print("\n".join(found) or "The texts contain no term of tests/words/terms.toml.")
    sys.exit(bool(found))
