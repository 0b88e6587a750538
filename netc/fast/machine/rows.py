"""Gradients of tables that are updated by rows (`netc.kernels.rows.RowGradient`), in compiled programs."""

from __future__ import annotations

from dataclasses import dataclass

from netc.fast.machine.addresses import floats, integers
from netc.fast.machine.launch import Launch, Region
from netc.fast.machine.operands import Read, Update, Write, entry


@dataclass(frozen=True, slots=True)
class RowMemory:
    """The arrays of a row gradient; size: values of a row."""

    values: Region
    rows: Region
    places: Region
    count: Region
    size: int


def clear(gradient: RowMemory) -> Launch:
    """Forget all rows."""
    return _clear(rows=gradient.rows, places=gradient.places, counted=gradient.count)


def place(gradient: RowMemory, asked: Region, found: Region) -> Launch:
    """Write where the gradients of rows of the table are to be added; new ones are zero there. asked, found: int64s."""
    return _place(
        asked=asked, found=found, values=gradient.values, rows=gradient.rows, places=gradient.places,
        counted=gradient.count, asked_for=asked.nbytes // 8, size=gradient.size,
    )  # fmt: skip


@entry
def _clear(tid: int, nth: int, rows: Read[Region], places: Update[Region], counted: Update[Region]) -> None:
    if tid == 0:
        count = integers(counted, 1)
        listed = integers(rows, count[0])
        for i in range(count[0]):
            integers(places + 8 * listed[i], 1)[0] = 0
        count[0] = 0


@entry
def _place(
    tid: int, nth: int, asked: Read[Region], found: Write[Region], values: Update[Region], rows: Update[Region],
    places: Update[Region], counted: Update[Region], asked_for: int, size: int,
) -> None:  # fmt: skip
    """By one thread: the order of rows is that in which they are asked for."""
    if tid == 0:
        count, given, answer = integers(counted, 1), integers(asked, asked_for), integers(found, asked_for)
        for i in range(asked_for):
            there = integers(places + 8 * given[i], 1)
            if there[0] == 0:
                new = count[0]
                integers(rows + 8 * new, 1)[0] = given[i]
                gradient = floats(values + 4 * new * size, size)
                for j in range(size):
                    gradient[j] = 0
                count[0] = new + 1
                there[0] = new + 1
            answer[i] = there[0] - 1
