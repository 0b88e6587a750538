"""Updates of tables of which only the rows that have a gradient are updated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netc.kernels.rows import RowGradient
from netc.layer import Array
from netc.run import Parameter
from netc.solve import sparsity
from netc.solve.prepare import PREPARED, prepare
from netc.solve.rule import Rule


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its gradient, its memory and its mask, as rows x values, and the parameter's numbers.

    sums: over several batches, of their gradients.
    """

    index: int
    data: Array
    gradient: RowGradient
    history: tuple[Array, ...]
    numbers: Array
    sums: RowGradient
    mask: Array | None = None

    @property
    def diff(self) -> Array:
        """The gradients of its rows, flat, a view; after an update they hold that."""
        return self.gradient.gradients.reshape(-1)

    def add(self, first: bool) -> None:
        """Add the gradient of a batch to the sum over all batches; first: begin a new sum."""
        if first:
            self.sums.clear()
        places = self.sums.placed(self.gradient.touched)
        self.sums.values[places] += self.gradient.gradients

    def finish(self) -> None:
        """Make the sum the gradient."""
        self.gradient.clear()
        places = self.gradient.placed(self.sums.touched)
        self.gradient.values[places] = self.sums.gradients

    def keep(self) -> None:
        """Put 0 into the gradient where weights are out."""
        if self.mask is not None:
            sparsity.keep(self.diff, self._own(self.mask))

    def update(self, rule: Rule) -> None:
        """One update. Values are updated one by one, so rows may be brought together for it."""
        arrays = [self._own(a) for a in (self.data, *self.history)]
        prepare(arrays[0], self.diff, self.numbers)
        rule.update(arrays[0], self.diff, *arrays[1:], self.numbers[PREPARED:])
        if self.mask is not None:
            sparsity.keep(arrays[0], self._own(self.mask))
        for array, values in zip((self.data, *self.history), arrays, strict=True):
            array[self.gradient.touched] = values.reshape(-1, array.shape[1])

    def _own(self, array: Array) -> Array:
        """Its rows that have a gradient, flat."""
        rows: Array = array[self.gradient.touched].reshape(-1)
        return rows


def table_of(blob: Parameter, history: Sequence[Array], numbers: Array, mask: Array | None) -> Table:
    """The table that a parameter with a gradient of rows is. history: its memory; mask: uint8, flat."""
    assert blob.rows is not None
    shape = blob.array.shape[0], -1
    own = tuple(h.reshape(shape) for h in history)
    mask = None if mask is None else mask.reshape(shape)
    sums = RowGradient.of(blob.array.shape, blob.array.dtype)  # takes no memory before something is added
    return Table(blob.param.index, blob.array.reshape(shape), blob.rows, own, numbers, sums, mask)
