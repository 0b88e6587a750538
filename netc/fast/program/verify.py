"""What must hold of any program, checked without trusting the lowering or the placement.

- Each launch reaches only into the arrays that it names, and each array is used only while it is alive, in the arena.
- No two arrays that are alive at one time overlap. (What shares memory on purpose, in place or in parts of a Concat's
  top, is one array here.)
- Nothing is read that has not been written since its array came to life, forward then backward.
- No launch touches an array whose size is known only when the net runs, for launches have sizes of their own: but for
  those that write it, and say how large it is.
- Launches between two barriers, which threads run side by side, do not touch what another of them writes; nor does a
  launch write what it reads, unless it does so value by value (in place).

It runs on every program, before anything of it does; it looks at no more bytes than tell the boxes apart (`cells`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise, product

import numpy as np
from numpy.typing import NDArray

from netc.errors import Code, Diagnostic, NetError
from netc.fast.machine.access import Access
from netc.fast.machine.operands import touched
from netc.fast.program.cells import Box, Cells, Marks, box
from netc.fast.program.codes import NOT_WRITTEN, OUTSIDE_ARRAY, OVERLAP, RACE, SIZED_LATE
from netc.fast.program.lowered import Item, Lowered

Used = tuple[Item, list[Access]]


def verify(program: Lowered) -> None:
    """Raise NetError(RUN021..RUN024, RUN029) unless all of the above holds."""
    verify_placement(program)
    setup = [(item, _uses(item)) for item in (*program.setup, *program.constants)]
    forward, backward, updating = (
        [(item, _uses(item)) for item in items] for items in (program.forward, program.backward, program.updating)
    )
    homes = [program.homes[slot] for slot in program.bounded & program.homes.keys()]
    late = {place.base.array for home in homes for place in (home.plain, home.blocked) if place is not None}
    for item, accesses in (*setup, *forward, *backward, *updating):
        _sized_late(program, item, late)
        for one in accesses:
            _inside(program, item, one)
        _value_by_value(program, item, accesses)
    _order(program, setup, [*forward, *backward], *([[*forward, *updating]] if updating else ()))


def _sized_late(program: Lowered, item: Item, late: set[int]) -> None:
    """late: the arrays whose size is known only when the net runs."""
    own = program.counted[item.layer].tops if item.layer in program.counted else frozenset()
    if item.launch is not None and (there := (late - own).intersection(_arrays(item))):
        raise _wrong(SIZED_LATE, f'{_name(item)} uses "{program.memory[min(there)].name}", of unknown size')


def verify_placement(program: Lowered) -> None:
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
            if memory.external is None and not memory.first <= item.wave <= memory.last:
                raise _wrong(OUTSIDE_ARRAY, f'{_name(item)} uses "{memory.name}" when it is not alive')


def _arrays(item: Item) -> Iterator[int]:
    if item.launch is not None:
        yield from (ref.array for ref in item.launch.refs)
    yield from (use.at.array for use in item.uses)


def _uses(item: Item) -> list[Access]:
    """What an item reads and writes."""
    return [use for use in item.uses if not use.empty] if item.launch is None else touched(item.launch)


def _inside(program: Lowered, item: Item, one: Access) -> None:
    memory = program.memory[one.at.array]
    if one.first < 0 or one.end > memory.nbytes:
        where = f'bytes {one.first} to {one.end - 1} of "{memory.name}", which has {memory.nbytes}'
        raise _wrong(OUTSIDE_ARRAY, f"{_name(item)} {one.mode}s {where}")


def _value_by_value(program: Lowered, item: Item, accesses: Sequence[Access]) -> None:
    """Threads share a launch: one may read with its neighbours what another has overwritten."""
    if item.launch is None:
        return
    written = [one for one in accesses if one.mode == "write"]
    for one, other in product([one for one in accesses if one.mode == "read"], written):
        same = (one.at, one.width, one.dims) == (other.at, other.width, other.dims)
        apart = one.at.array != other.at.array or one.end <= other.first or other.end <= one.first
        if not same and not apart and _meet(one, other):
            raise _wrong(RACE, f'{_name(item)} reads "{program.memory[one.at.array].name}" elsewhere than it writes it')


def _meet(one: Access, other: Access) -> bool:
    """Whether two boxes of one array have bytes in common."""
    cells = Cells(max(one.end, other.end), (box(one), box(other)))
    marks = np.zeros(cells.count, np.bool_)
    cells.view(marks, box(one))[...] = True
    return bool(cells.view(marks, box(other)).any())


# ---------------------------------------------------------------- written before it is read


def _order(program: Lowered, setup: Sequence[Used], *passes: Sequence[Used]) -> None:
    """Setup, and what runs once, come before each pass, one launch after the other."""
    cells = _cells(program, (setup, *passes))
    for used in passes:
        written = _Written(program, cells)
        for one in setup:
            written.wave([one])
        for number, wave in groupby(used, key=lambda one: one[0].wave):
            items = list(wave)
            if len(items) > 1:
                _side_by_side(program, cells, items)
            written.wave(items)
            written.forget(number)


def _cells(program: Lowered, passes: Iterable[Sequence[Used]]) -> dict[int, Cells]:
    boxes: dict[int, set[Box]] = {}
    for used in passes:
        for _, accesses in used:
            for one in accesses:
                boxes.setdefault(one.at.array, set()).add(box(one))
    return {array: Cells(program.memory[array].nbytes, found) for array, found in boxes.items()}


class _Written:
    """Which cells of each array have been written since it came to life."""

    def __init__(self, program: Lowered, cells: dict[int, Cells]) -> None:
        self.memory = program.memory
        self.cells = cells
        self.kept = {array for item in (*program.setup, *program.constants) for array in _arrays(item)}
        self.there = set(program.buffers.values())  # state; the others are written before they are read
        self.there |= {array for array, memory in enumerate(self.memory) if memory.external is not None}
        self.marks: dict[int, NDArray[np.bool_]] = {}
        self.whole: set[int] = set()

    def wave(self, used: Sequence[Used]) -> None:
        """Items that may run at the same time."""
        for item, accesses in used:
            for one in accesses:
                if one.mode in ("read", "update"):
                    self._read(item, one)
        for _, accesses in used:
            for one in accesses:
                if one.mode != "read":
                    self._write(one)

    def forget(self, wave: int) -> None:
        """Arrays that die with a wave."""
        for array in [a for a in (*self.marks, *self.whole) if self.memory[a].last <= wave and a not in self.kept]:
            self.marks.pop(array, None)
            self.whole.discard(array)

    def _read(self, item: Item, one: Access) -> None:
        array = one.at.array
        if array in self.whole or array in self.there:
            return
        found = self.marks.get(array)
        if found is None or not self.cells[array].view(found, box(one)).all():
            raise _wrong(NOT_WRITTEN, f'{_name(item)} reads "{self.memory[array].name}" before all of it is written')

    def _write(self, one: Access) -> None:
        array = one.at.array
        if array in self.whole or array in self.there:
            return
        cells = self.cells[array]
        if cells.is_all(box(one)):
            self.whole.add(array)
            return
        if array not in self.marks:
            self.marks[array] = np.zeros(cells.count, np.bool_)
        cells.view(self.marks[array], box(one))[...] = True


def _side_by_side(program: Lowered, cells: dict[int, Cells], used: Sequence[Used]) -> None:
    """Launches of one wave: none touches what another writes."""
    users: dict[int, list[tuple[int, Access]]] = {}
    for number, (_, accesses) in enumerate(used, 1):
        for one in accesses:
            users.setdefault(one.at.array, []).append((number, one))
    for array, uses in users.items():
        changed = any(one.mode != "read" for _, one in uses)
        if changed and uses[0][0] != uses[-1][0] and _overlap([one for _, one in uses]):
            _alone(program, cells[array], used, uses)


def _overlap(boxes: Sequence[Access]) -> bool:
    """Whether the ranges of some boxes have bytes in common (the boxes themselves need not)."""
    order = sorted((one.first, one.end) for one in boxes)
    return any(after < end for (_, end), (after, _) in pairwise(order))


def _alone(
    program: Lowered, cells: Cells, used: Sequence[Used], touched: Sequence[tuple[int, Access]]
) -> None:  # fmt: skip
    """touched: the launches that use one array, by their number in the wave, and what they touch."""
    writer = np.zeros(cells.count, np.int32)
    for number, one in touched:
        if one.mode != "read":
            _touch(program, cells.view(writer, box(one)), number, used, one)
            cells.view(writer, box(one))[...] = number
    for number, one in touched:
        _touch(program, cells.view(writer, box(one)), number, used, one)


def _touch(program: Lowered, writer: Marks, number: int, used: Sequence[Used], one: Access) -> None:
    if ((writer != 0) & (writer != number)).any():
        name = program.memory[one.at.array].name
        raise _wrong(RACE, f'{_name(used[number - 1][0])} touches "{name}" while another launch writes there')


def _name(item: Item) -> str:
    if item.launch is not None:
        return f'launch "{item.launch.label}" of layer {item.layer}, wave {item.wave},'
    return f"{item.step.kind if item.step else 'step'} of layer {item.layer}, wave {item.wave},"


def _wrong(code: Code, message: str) -> NetError:
    return NetError(Diagnostic(code, message))
