"""Gradients of tables of which a pass reads few rows: those rows alone, one after the other.

A table of 100,000 rows, of which a batch reads 1,000, has a gradient with 99,000 rows of zeros. A `RowGradient` has the
others: in the order in which backward first asks for them, so the order does not depend on threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from netc.jit import kernel

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class RowGradient:
    """The gradient of a table. All arrays stay where they are, and take memory only as far as they have been written.

    values: as large as the table; its first `count` rows are gradients, what follows is anything. rows: of each of
    these, which row of the table it is for (int64). places: of each row of the table, its place in `values` plus one; 0
    if it has none (int64). count: how many there are (one int64).
    """

    values: Array
    rows: Array
    places: Array
    count: Array

    @classmethod
    def of(cls, shape: tuple[int, ...], dtype: DTypeLike) -> RowGradient:
        """A gradient of a table of this shape, without rows."""
        every = shape[0]
        return cls(np.zeros(shape, dtype), np.zeros(every, np.int64), np.zeros(every, np.int64), np.zeros(1, np.int64))

    @property
    def touched(self) -> Array:
        """The rows of the table that have a gradient."""
        return self.rows[: int(self.count[0])]

    @property
    def gradients(self) -> Array:
        """Their gradients, as a view: a row each."""
        return self.values[: int(self.count[0])]

    def placed(self, rows: Array) -> Array:
        """Where in `values` the gradients of these rows of the table are to be added; new ones are zero there."""
        found = np.empty(rows.size, np.int64)
        place(rows.reshape(-1), found, self.values.reshape(len(self.places), -1), self.rows, self.places, self.count)
        return found.reshape(rows.shape)

    def clear(self) -> None:
        """Forget all rows."""
        self.places[self.touched] = 0
        self.count[0] = 0

    def whole(self) -> Array:
        """The gradient as an array of the table's shape: a copy, which cannot be written (it would be lost)."""
        found = np.zeros_like(self.values)
        found[self.touched] = self.gradients
        found.flags.writeable = False
        return found


@kernel
def place(asked: Array, found: Array, values: Array, rows: Array, places: Array, count: Array) -> None:
    """RowGradient.placed, on flat arrays; values: rows x size."""
    for i in range(asked.size):
        row = asked[i]
        if places[row] == 0:
            new = count[0]
            rows[new] = row
            for j in range(values.shape[1]):
                values[new, j] = 0
            count[0] = new + 1
            places[row] = new + 1
        found[i] = places[row] - 1


@kernel
def add_rows(target: Array, rows: Array, values: Array) -> None:
    """target[rows[i]] += values[i], in this order. target, values: rows x size."""
    for i in range(rows.size):
        row = rows[i]
        for j in range(values.shape[1]):
            target[row, j] += values[i, j]
