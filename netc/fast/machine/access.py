"""Boxes of bytes: what a launch reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netc.fast.machine.launch import Ref, Region
from netc.fast.machine.layout import PIXEL, Blocked, Plain

Mode = Literal["read", "write", "update", "scratch"]
Dim = tuple[int, int]  # how often, and how many bytes apart


@dataclass(frozen=True, slots=True)
class Access:
    """Runs of `width` bytes from `at` on, repeated along `dims`.

    read: what was there matters; write: it does not, and all of it is there afterwards; update: both; scratch:
    written and read by the launch alone.
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


def box(mode: Mode, at: Ref, width: int, *dims: Dim) -> Access:
    """Runs of `width` bytes along `dims`, the outermost first; an empty one where there is nothing."""
    if not at:
        return Access(mode, at, 0)
    merged: list[Dim] = []
    for count, step in reversed(dims):  # what lies without gaps is one run
        if not merged and step == width and count > 0:
            width *= count
        elif count != 1:
            merged.append((count, step))
    return Access(mode, at, width, tuple(reversed(merged)))


def of(mode: Mode, memory: Region | Blocked | Plain) -> Access:
    """All of an array or of a blob (but its halo)."""
    if isinstance(memory, Region):
        return Access(mode, Ref(memory.array, memory.offset), memory.nbytes)
    pixel, planes = (PIXEL, memory.blocks) if isinstance(memory, Blocked) else (4, memory.c)
    dims = (memory.n, memory.image), (planes, memory.plane), (memory.h, memory.line)
    return box(mode, memory.inner, memory.w * pixel, *dims)
