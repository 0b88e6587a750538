"""Tables that are updated by rows, in programs: their gradients have the rows that a pass reads, and no others."""

from __future__ import annotations

from math import prod

from netc.fast.machine.launch import Region
from netc.fast.machine.rows import RowMemory, place
from netc.fast.program.builder import Builder
from netc.fast.program.lowered import External, Rows


def rows_of(b: Builder, index: int) -> RowMemory | None:
    """The gradient of a parameter that is updated by rows; None of another one."""
    param = b.plan.params[index]
    if not param.rows:
        return None
    rows, places, count = (b.outside(External(kind, index)) for kind in ("rows", "places", "count"))
    return RowMemory(b.gradient(index), rows, places, count, prod(param.shape[1:]))


def placed(b: Builder, layer: int, position: int, rows: Region) -> Region:
    """Emit what says where in the gradient of a layer's table those of these rows (int64s) are to be added."""
    gradient = rows_of(b, b.planned(layer).params[position])
    if gradient is None:
        return rows
    found = b.new("places of rows", rows.nbytes)
    b.emit(place(gradient, rows, found), "places of rows")
    return found


def update(b: Builder, index: int, gradient: RowMemory) -> None:
    """Emit the update of the rows of a table that have a gradient."""
    b.update(index, gradient.values, Rows(gradient.rows, gradient.count, gradient.size))
