"""The pages of the documentation as lists of parts, each with the marks that stand before it.

A mark is an HTML comment, which readers do not see: `<!-- KEY: VALUE -->`. CONTRIBUTING.md lists the keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]
MADE = re.compile(r"[A-Z]{3}\d{3}\.md|diagnostics/README\.md")
"""Pages that are made from the codes, and compared with them (tests/diagnostics/test_pages.py)."""
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md")),
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if not MADE.search(str(path))),
]
KEYS = {"file", "given", "not run", "shortened", "exit", "output of", "held by", "run", "measured", "excerpt of"}

_MARK = re.compile(r"<!--\s*([a-z ]+?)(?::\s*(.*?))?\s*-->", re.S)
_FENCE = re.compile(r"( *)(```+|~~~+)\s*(\S*)[^\n]*$")
_INLINE = re.compile(r"(`+)(.+?)\1(?!`)", re.S)

Kind = Literal["heading", "block", "table", "prose"]


@dataclass(frozen=True)
class Part:
    """A heading, a fenced block, a table or a paragraph, in the order of the page.

    info: what stands behind the fence (`sh`, `python`, ...). section: the headings above it, and its own.
    """

    kind: Kind
    line: int
    text: str
    info: str = ""
    marks: dict[str, str] = field(default_factory=dict)
    section: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """The text on one line."""
        return " ".join(self.text.split())

    def inline(self) -> list[str]:
        """What stands in backticks."""
        return [" ".join(m[2].split()) for m in _INLINE.finditer(self.text)] if self.kind != "block" else []

    def bare(self) -> str:
        """The text on one line without what stands in backticks, the targets of links, and numbers of lists."""
        text = re.sub(r"^\s*\d+\. ", "", self.text, flags=re.M)
        text = re.sub(r"\]\([^)]*\)", "]", _INLINE.sub(" ` ", text))
        return " ".join(text.split())

    def rows(self) -> list[list[str]]:
        """The cells of a table, its head first."""
        lines = [line for line in self.text.splitlines() if not re.fullmatch(r"[|\s:-]+", line)]
        return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines]


def parts(path: Path) -> list[Part]:
    """The parts of a page. Raises AssertionError for a mark of an unknown key, or before nothing."""
    return list(_parts(path.read_text(encoding="utf-8").splitlines(), path.name))


def _parts(lines: list[str], page: str) -> Iterator[Part]:
    marks: dict[str, str] = {}
    section: tuple[str, ...] = ()
    i = 0
    while i < len(lines):
        start, line = i, lines[i]
        if line.lstrip().startswith("<!--"):
            i = _end(lines, i, lambda at: "-->" in lines[at]) + 1
            key, value = _mark("\n".join(lines[start:i]), f"{page}:{start + 1}")
            assert key not in marks, f"{page}:{start + 1}: two marks `{key}` before one part"
            marks[key] = value
            continue
        if not line.strip():
            i += 1
            continue
        if line.startswith("#"):
            depth = len(line) - len(line.lstrip("#"))
            section = (*section[: depth - 1], line.strip("# "))
            part = Part("heading", start + 1, line, marks=marks, section=section)
            i += 1
        elif fence := _FENCE.match(line):
            i = _end(lines, i + 1, lambda at, f=fence: lines[at].strip() == f[2]) + 1
            text = "".join(each[len(fence[1]) :] + "\n" for each in lines[start + 1 : i - 1])
            part = Part("block", start + 1, text, fence[3], marks, section)
        else:
            table = line.lstrip().startswith("|")
            i = _end(lines, i, lambda at, t=table: _over(lines[at], t))
            part = Part("table" if table else "prose", start + 1, "\n".join(lines[start:i]), "", marks, section)
        marks = {}
        yield part
    assert not marks, f"{page}: marks before nothing"


def _over(line: str, table: bool) -> bool:
    bare = line.lstrip()
    return not bare or bool(_FENCE.match(line)) or bare.startswith("<!--") or bare.startswith("|") != table


def _end(lines: list[str], at: int, over: object) -> int:
    assert callable(over)
    while at < len(lines) and not over(at):
        at += 1
    return at


def _mark(text: str, place: str) -> tuple[str, str]:
    match = _MARK.fullmatch(text.strip())
    assert match, f"{place}: a comment that is no mark: `<!-- KEY: VALUE -->`"
    assert match[1] in KEYS, f"{place}: no mark is called `{match[1]}`; there are {', '.join(sorted(KEYS))}"
    return match[1], " ".join((match[2] or "").split())
