"""The bytes of an array as cells: as few as tell all boxes of a program apart.

Most kernels do the same to every image, and to every plane of it. Where all boxes of an array repeat with one period,
what holds of the first period holds of all, and only that is looked at; what is always touched together is one cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd
from typing import Any

from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from netc.fast.machine.access import Access, Dim

Box = tuple[int, int, tuple[Dim, ...]]  # offset, width, dims
Marks = NDArray[Any]  # of cells


def box(one: Access) -> Box:
    return one.at.offset, one.width, one.dims


class Cells:
    """One array's: `count` cells; the boxes given must lie inside the array's `nbytes`, and none may be empty."""

    def __init__(self, nbytes: int, boxes: Iterable[Box]) -> None:
        self.boxes = _folded(nbytes, set(boxes))
        period = max((end for _, end in map(_reach, self.boxes.values())), default=0)
        size = period
        for offset, width, dims in self.boxes.values():
            size = gcd(size, offset, width, *(step for _, step in dims))
        self.size = max(1, size)
        self.count = period // self.size
        self._views: dict[Box, tuple[int, tuple[int, ...], tuple[int, ...]]] = {}
        for key, (offset, width, dims) in self.boxes.items():
            shape = (*(count for count, _ in dims), width // self.size)
            self._views[key] = offset // self.size, shape, (*(step // self.size for _, step in dims), 1)

    def view(self, marks: Marks, one: Box) -> Marks:
        """The marks of a box's cells, to be read or written."""
        start, shape, strides = self._views[one]
        if len(shape) == 1:
            return marks[start : start + shape[0]]
        return as_strided(marks[start:], shape, tuple(step * marks.itemsize for step in strides))

    def is_all(self, one: Box) -> bool:
        """Whether a box is the whole array."""
        start, shape, _ = self._views[one]
        return start == 0 and shape == (self.count,)


def _reach(one: Box) -> tuple[int, int]:
    """The offsets of a box's lowest byte, and after its highest."""
    offset, width, dims = one
    low = offset + sum(min(0, (count - 1) * step) for count, step in dims)
    return low, offset + width + sum(max(0, (count - 1) * step) for count, step in dims)


def _folded(nbytes: int, boxes: set[Box]) -> dict[Box, Box]:
    """What each box touches of the first period, for the shortest period that all have."""
    steps = {step for _, _, dims in boxes for count, step in dims if count > 1 and step > 0}
    for period in sorted(step for step in steps if nbytes % step == 0):
        found = {}
        for one in boxes:
            first = _in_first(one, period, nbytes)
            if first is None:
                break
            found[one] = first
        else:
            return found
    return {one: one for one in boxes}


def _in_first(one: Box, period: int, nbytes: int) -> Box | None:
    """What a box touches of the first of all periods, if it touches the same of each."""
    offset, width, dims = one
    if (offset, width, dims) == (0, nbytes, ()):
        return 0, period, ()
    inner, reached = [], period  # the periods that outer dims reach
    for count, step in sorted(dims, key=lambda dim: dim[1]):
        if step < 0:
            return None
        if count == 1:
            continue
        if step < period < nbytes == step * count and period % step == 0:
            inner.append((period // step, step))
            reached = nbytes
        elif step >= period:
            if step != reached:
                return None
            reached *= count
        else:
            inner.append((count, step))
    first = offset, width, tuple(reversed(inner))
    return first if reached == nbytes and _reach(first)[1] <= period else None
