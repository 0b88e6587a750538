"""Which opening braces of a text are the ones that are never closed.

A closing brace closes the nearest opening one, so the text alone only says how many are missing. Two things say which:
the layout (a closing brace stands below the line of its opening one, the entries of a block below each other), and the
rest of the file, where the same entries stand in the same blocks. The text is cut where an entry of the outermost kind
begins (`layer {` inside a `layer` cannot be meant), and in the part where a brace is missing every place is tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from netc.errors import Source
from netc.language.lexer import NAMES, scanner

MOST_MARKS = 500
"""A part with more braces and entries is not looked at: the work grows with their square."""
MOST_CHARACTERS = 1 << 20
"""A longer text is no net."""
STATEMENT = "="
_BLANKS = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True)
class _Mark:
    """A brace or the name that begins an entry."""

    kind: str  # "open", "close" or "name"
    at: int
    name: str  # an entry's name, or STATEMENT; of an opening brace, the name before it
    line: int  # where its line begins
    indent: str  # the blanks there
    first: bool  # whether nothing else stands before it


def never_closed(source: Source, open_at: list[int]) -> list[int]:
    """Offsets of the brackets that are most likely never closed; none if that cannot be told.

    `open_at` are those that are left open if each closing one closes the nearest.
    """
    if len(source.text) > MOST_CHARACTERS:
        return []
    found = _by_likeness(source.text, len(open_at)) if all(source.text[at] == "{" for at in open_at) else []
    found = found or _by_indentation(source.text)
    return found if len(found) == len(open_at) else []


def _by_likeness(text: str, count: int) -> list[int]:
    marks = list(_marks(text))
    parts = _parts(marks)
    usual = {pair for part in parts if _balance(part) == 0 for pair in _pairs(part)}
    found = []
    for part in parts:
        missing = _balance(part)
        if missing == 1 and len(part) <= MOST_MARKS:
            found.append(_best(part, usual))
        elif missing != 0:
            return []
    return found if len(found) == count else []


def _by_indentation(text: str) -> list[int]:
    """Opening braces that indentation says are not closed: something inside them stands no further right than they do.

    A block whose first entry is not indented says nothing, so a file written flush left gives no answer.
    """
    found: list[int] = []
    stack: list[tuple[int, int, bool]] = []  # offset of `{`, indentation of its line, whether its content is indented
    fresh, lines = False, _Lines(text)
    for match in scanner("plain").finditer(text):
        kind, start = NAMES[match.lastindex or 0], match.start(match.lastindex or 0)
        _, indent, first = lines.of(start)
        column = len(indent) if first else None
        if fresh and stack and column is not None:
            stack[-1] = (*stack[-1][:2], column > stack[-1][1])
        fresh = kind in ("LBRACE", "LANGLE")
        closer = kind in ("RBRACE", "RANGLE")
        while column is not None and stack and stack[-1][2] and column + closer <= stack[-1][1]:
            found.append(stack.pop()[0])
        if fresh:
            stack.append((start, len(indent), False))
        elif closer and stack:
            stack.pop()
        if kind == "END":
            break
    return found + [at for at, _, _ in stack]


class _Lines:
    """Looks up the line of one offset after another; offsets never go back."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.seen = self.line = 0
        self.indent = self._blanks()

    def of(self, at: int) -> tuple[int, str, bool]:
        """Where the line of an offset begins, the blanks there, and whether only they stand before the offset."""
        newline = self.text.rfind("\n", self.seen, at)
        self.seen = max(self.seen, at)
        if newline >= 0:
            self.line = newline + 1
            self.indent = self._blanks()
        return self.line, self.indent, self.line + len(self.indent) == at

    def _blanks(self) -> str:
        found = _BLANKS.match(self.text, self.line)
        return found[0] if found else ""


def _marks(text: str) -> Iterator[_Mark]:
    """The braces and the names of entries, in order."""
    name, last, before, lines = "", "", 0, _Lines(text)
    pending: tuple[int, str, bool] | None = None  # the line of the name that was read last, if it may begin an entry
    for match in scanner("plain").finditer(text):
        kind, at = NAMES[match.lastindex or 0], match.start(match.lastindex or 0)
        if kind == "END":
            return
        line = lines.of(at)
        if pending and kind in ("COLON", "LBRACE"):
            yield _Mark("name", before, name, *pending)
            pending = None
        elif pending and pending[2] and last == "NAME" and kind in ("NAME", "EQUALS", "COMMA"):
            yield _Mark("name", before, STATEMENT, *pending)
        if kind == "LBRACE":
            yield _Mark("open", at, name, *line)
        elif kind == "RBRACE":
            yield _Mark("close", at, "", *line)
        if kind == "NAME" and last != "COLON":
            name, pending = match[match.lastindex or 0], line
        elif kind != "COLON":
            name, pending = "", None
        before, last = at, kind


def _parts(marks: list[_Mark]) -> list[list[_Mark]]:
    """The text cut before each block or statement of a kind that stands in no block (as far as these are balanced)."""
    outermost = set(_outermost(marks))
    parts: list[list[_Mark]] = [[]]
    for mark in marks:
        if mark.kind == "name" and mark.first and (mark.name, mark.indent) in outermost:
            parts.append([])
        parts[-1].append(mark)
    return parts


def _outermost(marks: list[_Mark]) -> Iterator[tuple[str, str]]:
    depth = 0
    for mark in marks:
        if depth == 0 and mark.name and (mark.kind == "open" or mark.name == STATEMENT):
            yield mark.name, mark.indent
        depth += (mark.kind == "open") - (mark.kind == "close")


def _balance(part: list[_Mark]) -> int:
    return sum((mark.kind == "open") - (mark.kind == "close") for mark in part)


def _pairs(part: list[_Mark]) -> Iterator[tuple[str, str]]:
    """Each entry's name with the name of the block it stands in."""
    open_at = [""]
    for mark in part:
        if mark.kind == "open":
            open_at.append(mark.name)
        elif mark.kind == "close" and len(open_at) > 1:
            open_at.pop()
        elif mark.kind == "name":
            yield open_at[-1], mark.name


def _best(part: list[_Mark], usual: set[tuple[str, str]]) -> int:
    """The opening brace that is closed by the best place for one more closing brace."""
    costs: list[tuple[int, int, int]] = []
    for place in range(len(part) + 1):
        if place == len(part) or part[place].kind != "open":
            cost = _cost(part, place, usual)
            if cost is not None:
                costs.append(cost)
    return min(costs)[2] if costs else next(mark.at for mark in part if mark.kind == "open")


def _cost(part: list[_Mark], place: int, usual: set[tuple[str, str]]) -> tuple[int, int, int] | None:
    """Entries in unusual blocks and breaks of the layout; the breaks alone; which opening brace is closed here.

    None if nothing is open at the place.
    """
    stack: list[tuple[_Mark, str | None]] = []  # open braces, with the indentation of the first entry on its own line
    strange = crooked = 0
    closed: int | None = None
    for i, mark in enumerate((*part, None)):
        if i == place:
            if not stack:
                return None
            closed = stack.pop()[0].at
        if mark is None:
            break
        if mark.kind == "name":
            block, indent = stack[-1] if stack else (None, None)
            strange += mark.name != STATEMENT and (block.name if block else "", mark.name) not in usual
            if mark.first and block is not None:
                crooked += indent is not None and indent != mark.indent
                stack[-1] = (block, mark.indent if indent is None else indent)
        elif mark.kind == "open":
            stack.append((mark, None))
        elif stack:
            block = stack.pop()[0]
            crooked += mark.indent != block.indent if mark.first else mark.line != block.line
        else:
            return None
    assert closed is not None
    return strange + crooked, crooked, closed
