"""A row's arguments by number, for `access`."""

from __future__ import annotations

from typing import Any

from netc.fast.machine.access import Access, Dim, Mode
from netc.fast.machine.launch import Argument, Ref
from netc.fast.machine.layout import PIXEL


class Given:
    """A row's arguments: `g[i]` as a number, `g.read(i, ...)` and so on as boxes from the place that argument i is."""

    def __init__(self, arguments: tuple[Argument, ...], literals: dict[str, Any], threads: int) -> None:
        self.arguments = arguments
        self.literals = literals
        self.threads = threads

    def __getitem__(self, index: int) -> int:
        found = self.arguments[index]
        assert isinstance(found, int)
        return found

    def box(self, mode: Mode, index: int, width: int, *dims: Dim) -> Access:
        """A box from argument `index` on; an empty one where that is not there."""
        at = self.arguments[index]
        if not isinstance(at, Ref) or not at:
            return Access(mode, Ref(-1), 0)
        merged: list[Dim] = []
        for count, step in reversed(dims):  # what lies without gaps is one run
            if not merged and step == width and count > 0:
                width *= count
            elif count != 1:
                merged.append((count, step))
        return Access(mode, at, width, tuple(reversed(merged)))

    def read(self, index: int, width: int, *dims: Dim) -> Access:
        return self.box("read", index, width, *dims)

    def write(self, index: int, width: int, *dims: Dim) -> Access:
        return self.box("write", index, width, *dims)

    def update(self, index: int, width: int, *dims: Dim) -> Access:
        return self.box("update", index, width, *dims)

    def work(self, index: int, width: int, *dims: Dim) -> Access:
        return self.box("work", index, width, *dims)

    def blob(self, mode: Mode, index: int, size: int) -> Access:
        """A blob whose place, image, plane and row start at `index`; images, planes, lines and width at `size`."""
        n, planes, lines, width = (self[size + i] for i in range(4))
        dims = ((n, self[index + 1]), (planes, self[index + 2]), (lines, self[index + 3]))
        return self.box(mode, index, width * PIXEL, *dims)
