"""What must hold of any program, checked without trusting the lowering or the placement.

- Each row reaches only into the arrays that it names, and each array is used only while it is alive, in the arena.
- No two arrays that are alive at one time overlap. (What shares memory on purpose, in place or in parts of a Concat's
  top, is one array here.)
- Nothing is read that has not been written since its array came to life, forward then backward.
- Rows between two barriers, which threads run side by side, do not touch what another of them writes; nor does a row
  write what it reads, unless it does so place by place (in place).

`verify` takes about as long as a pass of the net, so it runs in tests; `places` (the second, and the first for whole
arrays) takes little enough to run whenever a net is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, product
from math import gcd

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from netc.errors import Code, Diagnostic, NetError
from netc.kernels.fast import access
from netc.kernels.fast.boxes import Access
from netc.kernels.fast.rows import Ref
from netc.run.codes import NOT_WRITTEN, OUTSIDE_ARRAY, OVERLAP, RACE
from netc.run.lowering.model import Item, Lowered

Used = tuple[Item, list[Access]]


def verify(program: Lowered) -> None:
    """Raise NetError(RUN021..RUN024) unless all of the above holds."""
    places(program)
    setup = [(item, _uses(program, item)) for item in program.setup]
    used = [(item, _uses(program, item)) for item in (*program.forward, *program.backward)]
    for item, accesses in (*setup, *used):
        for one in accesses:
            _inside(program, item, one)
        _place_by_place(program, item, accesses)
    _order(program, setup, used)


def places(program: Lowered) -> None:
    """Raise NetError(RUN021, RUN022) unless each array lies in the arena, and overlaps none that is alive with it."""
    inside = [m for m in program.memory if m.external is None and m.last >= 0]
    order = sorted(inside, key=lambda m: m.offset)
    offset, size, first, last = (
        np.array([getattr(m, name) for m in order], np.int64) for name in ("offset", "nbytes", "first", "last")
    )
    for at in np.flatnonzero((offset < 0) | (offset + size > program.planned_bytes)):
        raise _wrong(OUTSIDE_ARRAY, f'array "{order[at].name}" lies outside the arena')
    reach = np.searchsorted(offset, offset + size)
    for i in range(len(order)):
        j = slice(i + 1, int(reach[i]))
        clash = (first[j] <= last[i]) & (last[j] >= first[i]) & (size[j] > 0)
        if clash.any():
            other = order[i + 1 + int(np.argmax(clash))]
            raise _wrong(OVERLAP, f'"{order[i].name}" and "{other.name}" are alive in the same memory')
    for item in (*program.forward, *program.backward):
        for array in _arrays(item):
            memory = program.memory[array]
            if memory.external is None and not memory.first <= item.group <= memory.last:
                raise _wrong(OUTSIDE_ARRAY, f'{_name(item)} uses "{memory.name}" when it is not alive')


def _arrays(item: Item) -> Iterator[int]:
    if item.row is not None:
        yield from (a.array for a in item.row.arguments if isinstance(a, Ref))
    yield from (use.at.array for use in item.uses)


def _uses(program: Lowered, item: Item) -> list[Access]:
    """What an item reads and writes; of a kernel of which nothing is known, that it may write all of its arrays."""
    if item.row is None:
        return list(item.uses)
    try:
        return access.of(item.row, program.threads)
    except access.UnknownKernelError:
        return [Access("work", Ref(array), program.memory[array].nbytes) for array in _arrays(item)]


def _inside(program: Lowered, item: Item, one: Access) -> None:
    memory = program.memory[one.at.array]
    if one.first < 0 or one.end > memory.nbytes:
        place = f'bytes {one.first} to {one.end - 1} of "{memory.name}", which has {memory.nbytes}'
        raise _wrong(OUTSIDE_ARRAY, f"{_name(item)} {one.mode}s {place}")


def _place_by_place(program: Lowered, item: Item, accesses: Sequence[Access]) -> None:
    """Threads share a row: one may read with its neighbours what another has overwritten."""
    if item.row is None:
        return
    written = [one for one in accesses if one.mode == "write"]
    for one, other in product([one for one in accesses if one.mode == "read"], written):
        same = (one.at, one.width, one.dims) == (other.at, other.width, other.dims)
        apart = one.at.array != other.at.array or one.end <= other.first or other.end <= one.first
        if not same and not apart and _meet(one, other):
            raise _wrong(RACE, f'{_name(item)} reads "{program.memory[one.at.array].name}" elsewhere than it writes it')


def _meet(one: Access, other: Access) -> bool:
    """Whether two boxes of one array have bytes in common."""
    start = min(one.first, other.first)
    marks = np.zeros(max(one.end, other.end) - start, np.bool_)
    _bytes(marks, one, start)[...] = True
    return bool(_bytes(marks, other, start).any())


def _bytes(marks: NDArray[np.bool_], one: Access, start: int) -> NDArray[np.bool_]:
    shape = (*(count for count, _ in one.dims), one.width)
    return as_strided(marks[one.at.offset - start :], shape, (*(step for _, step in one.dims), 1))


# ---------------------------------------------------------------- written before it is read


def _order(program: Lowered, setup: Sequence[Used], used: Sequence[Used]) -> None:
    marks = _Marks(program, [one for _, accesses in (*setup, *used) for one in accesses])
    for item, accesses in setup:  # before the pass, one after the other
        marks.group([(item, accesses)])
    for number, group in groupby(used, key=lambda one: one[0].group):
        marks.group(list(group))
        marks.forget(number)


class _Marks:
    """For each cell of each array, the number of the row that wrote it last (0: none has)."""

    def __init__(self, program: Lowered, accesses: Sequence[Access]) -> None:
        self.memory = program.memory
        self.kept = {array for item in program.setup for array in _arrays(item)}
        self.state = set(program.buffers.values())
        self.cell = [gcd(64, m.nbytes) for m in self.memory]  # the bytes that are always used together
        for one in accesses:
            steps = (step for count, step in one.dims if count > 1)
            self.cell[one.at.array] = gcd(self.cell[one.at.array], one.at.offset, one.width, *steps)
        self.marks: dict[int, NDArray[np.int32]] = {}
        self.row = 0

    def group(self, used: Sequence[Used]) -> None:
        """Rows that may run at the same time."""
        start = self.row + 1
        for number, (item, accesses) in enumerate(used, start):
            for one in accesses:
                if one.mode in ("read", "update"):
                    self._read(item, one, start)
                elif len(used) > 1:
                    self._alone(item, one, start, number)
            self.row = number
            for one in accesses:
                if one.mode != "read":
                    self._view(one)[...] = number
        if len(used) > 1:
            for number, (item, accesses) in enumerate(used, start):
                for one in accesses:
                    self._alone(item, one, start, number)

    def forget(self, group: int) -> None:
        """Arrays that die with a group."""
        for array in [a for a in self.marks if self.memory[a].last <= group and a not in self.kept]:
            del self.marks[array]

    def _read(self, item: Item, one: Access, start: int) -> None:
        found = self._view(one)
        if self.memory[one.at.array].external is not None or one.at.array in self.state:
            return
        if not found.all():
            raise _wrong(NOT_WRITTEN, f'{_name(item)} reads "{self._named(one)}" before all of it is written')

    def _alone(self, item: Item, one: Access, start: int, number: int) -> None:
        found = self._view(one)
        if ((found >= start) & (found != number)).any():
            raise _wrong(RACE, f'{_name(item)} touches "{self._named(one)}" while another row writes there')

    def _named(self, one: Access) -> str:
        return self.memory[one.at.array].name

    def _view(self, one: Access) -> NDArray[np.int32]:
        array, cell = one.at.array, self.cell[one.at.array]
        if array not in self.marks:
            self.marks[array] = np.zeros(self.memory[array].nbytes // cell, np.int32)
        shape = (*(count for count, _ in one.dims), one.width // cell)
        strides = (*(step // cell * 4 for _, step in one.dims), 4)
        return as_strided(self.marks[array][one.at.offset // cell :], shape, strides)


def _name(item: Item) -> str:
    if item.row is not None:
        return f'row "{item.row.label}" of layer {item.layer}, group {item.group},'
    return f"{item.step.kind if item.step else 'step'} of layer {item.layer}, group {item.group},"


def _wrong(code: Code, message: str) -> NetError:
    return NetError(Diagnostic(code, message))
