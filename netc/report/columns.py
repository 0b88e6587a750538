"""Tables for people that fit the width there is: no number is ever cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from rich.text import Text

SHORTEST = 20
"""Characters that are left of a name at least."""
_GAP = 2  # between columns


@dataclass(frozen=True, slots=True)
class Column:
    """A column of texts, one a row (of several lines, where a row has them).

    right: how it is aligned. short: the same in a shorter form, for where there is little room. dropped: columns go in
    this order where the rest does not fit (0: never). name: cells may be shortened; those of other columns are whole.
    """

    heading: str
    cells: Sequence[str]
    right: bool = False
    short: Sequence[str] | None = None
    dropped: int = 0
    name: bool = False

    @property
    def width(self) -> int:
        return max(len(line) for cell in (self.heading, *self.cells) for line in cell.split("\n"))


def fitted(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns as they fit: first short forms are taken, then names shortened in the middle; where that is not
    enough, columns are dropped in their order. What has no room even then stays as wide as it is.
    """
    found = list(columns)
    steps = [None, *sorted({c.dropped for c in columns if c.dropped})]
    for step in steps:
        if _wide(found) <= width:
            return found
        if step is None:
            found = [replace(c, cells=c.short, short=None) if c.short is not None else c for c in found]
        elif _wide(_shortened(found, width)) > width:
            found = [c for c in found if c.dropped != step]
    return _shortened(found, width)


def table(columns: Sequence[Column], width: int, title: str, totals: int = 0) -> list[Text]:
    """The lines of a table that fits a width, if that can be. totals: how many of the last rows stand below a rule."""
    shown = fitted(columns, width)
    rule = Text("─" * _wide(shown))
    lines = [Text(title, "italic"), Text(_line(shown, [c.heading for c in shown]), "bold"), rule]
    rows = list(zip(*(c.cells for c in shown), strict=True))
    for i, row in enumerate(rows):
        below = i >= len(rows) - totals
        if i == len(rows) - totals:
            lines.append(rule)
        for part in zip_longest(*(cell.split("\n") for cell in row), fillvalue=""):
            lines.append(Text(_line(shown, part), "bold" if below else ""))
    return lines


def _line(columns: Sequence[Column], cells: Sequence[str]) -> str:
    placed = (
        c.rjust(column.width) if column.right else c.ljust(column.width)
        for column, c in zip(columns, cells, strict=True)
    )
    return (" " * _GAP).join(placed).rstrip()


def middle_cut(text: str, length: int) -> str:
    """A text of at most so many characters: both ends of one that is longer, which tell names apart."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def _wide(columns: Sequence[Column]) -> int:
    return sum(c.width + _GAP for c in columns) - _GAP


def _shortened(columns: Sequence[Column], width: int) -> list[Column]:
    """The names of the widest columns shortened, as far as it must be and may."""
    found = list(columns)
    limits = {i: c.width for i, c in enumerate(found) if c.name}
    while _wide(found) > width and any(limit > SHORTEST for limit in limits.values()):
        widest = max(limits, key=lambda i: limits[i])
        limits[widest] -= 1
        cells = ["\n".join(middle_cut(line, limits[widest]) for line in c.split("\n")) for c in columns[widest].cells]
        found[widest] = replace(columns[widest], cells=cells)
    return found


def short_count(count: float) -> str:
    """Three digits and a letter: 3.54 M."""
    for unit in ("", " k", " M", " G", " T"):
        if count < 999.5:
            return f"{count:.3g}{unit}" if unit else f"{count:.0f}"
        count /= 1000
    return f"{count:.0f} P"
