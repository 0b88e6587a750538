"""Boxes of bytes: what a row of a step table reads and writes. `access` says it of each kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from netc.kernels.fast.rows import Argument, Ref

Mode = Literal["read", "write", "update", "work"]
Dim = tuple[int, int]  # how often, and how many bytes apart
PIXEL = 64


@dataclass(frozen=True, slots=True)
class Access:
    """Runs of `width` bytes from `at` on, repeated along `dims`.

    read: what was there matters; write: it does not, and all of it is there afterwards; update: both; work: written
    and read by the row alone.
    """

    mode: Mode
    at: Ref
    width: int
    dims: tuple[Dim, ...] = ()

    @property
    def first(self) -> int:
        """The offset of its lowest byte."""
        return self.at.offset + sum(min(0, (count - 1) * step) for count, step in self.dims)

    @property
    def end(self) -> int:
        """The offset after its highest byte."""
        return self.at.offset + self.width + sum(max(0, (count - 1) * step) for count, step in self.dims)

    @property
    def empty(self) -> bool:
        return self.width <= 0 or any(count <= 0 for count, _ in self.dims)


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
        if not isinstance(at, Ref):
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
