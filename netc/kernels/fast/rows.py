"""Rows of a step table: which kernel runs on which addresses. A row is made before memory exists.

The kernels' files make rows (they alone know the order of a kernel's arguments), the lowering pass strings them
together and the executor binds references to addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from netc.jit import Entry

WIDTH = 64  # int64s a row of the table: the kernel's address, whether to wait after it, and its arguments
HEADER = 2


@dataclass(frozen=True, slots=True)
class Ref:
    """A place in memory: `offset` bytes into array number `array`."""

    array: int
    offset: int = 0

    def __add__(self, offset: int) -> Ref:
        return Ref(self.array, self.offset + offset)


Argument = int | Ref
NOTHING = 0  # the address that kernels take for "not there"


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel on its arguments. `wait`: all threads must have ended it before the next row starts."""

    kernel: Entry
    arguments: tuple[Argument, ...]
    label: str = ""
    wait: bool = True

    def shift(self, moved: Callable[[Ref], Ref]) -> Row:
        """The row with every reference replaced."""
        return replace(self, arguments=tuple(moved(a) if isinstance(a, Ref) else a for a in self.arguments))


def together(rows: Sequence[Row]) -> list[Row]:
    """Rows that touch different memory: threads wait only after the last one."""
    return [replace(row, wait=False) for row in rows[:-1]] + list(rows[-1:])


def bind(rows: Sequence[Row], address: Callable[[int], int]) -> NDArray[np.int64]:
    """The table: one line of `WIDTH` int64s a row, references replaced by addresses."""
    table = np.zeros((len(rows), WIDTH), np.int64)
    for line, row in zip(table, rows, strict=True):
        values = [address(a.array) + a.offset if isinstance(a, Ref) else a for a in row.arguments]
        line[:HEADER] = row.kernel.address, row.wait
        line[HEADER : HEADER + len(values)] = values
    return table
