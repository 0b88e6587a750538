"""Embed: rows of a table. A gradient's rows are added to in the order of the positions; threads share its columns."""

from __future__ import annotations

from math import prod

from netc.fast.inner_product.tiles import bias_gradient
from netc.fast.labels import classes
from netc.fast.machine.addresses import floats, integers
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Read, Update, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.fast.program.rows import placed
from netc.kernels.labels import indices
from netc.layer import Shape
from netc.plan.model import Step


@entry
def rows(
    tid: int, nth: int, index: Read[Region], table: Read[Region], bias: Read[Region], y: Write[Region], count: int,
    size: int,
) -> None:  # fmt: skip
    """y[i] = table[index[i]] + bias."""
    found, shift = integers(index, count), floats(bias, size)
    for i in share(count, tid, nth):
        source, target = floats(table + found[i] * size * 4, size), floats(y + i * size * 4, size)
        for j in range(size):
            target[j] = source[j] + shift[j] if bias else source[j]


@entry
def rows_gradient(
    tid: int, nth: int, index: Read[Region], dy: Read[Region], gradient: Update[Region], count: int, size: int
) -> None:  # fmt: skip
    """gradient[index[i]] += dy[i]."""
    found, first, last = integers(index, count), size * tid // nth, size * (tid + 1) // nth
    for i in range(count):
        source = floats(dy + (i * size + first) * 4, last - first)
        target = floats(gradient + (found[i] * size + first) * 4, last - first)
        for j in range(last - first):
            target[j] += source[j]


# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    return None if 0 in b.shape(b.bottom(layer)) else "plain"


def table_shape(b: Builder, layer: int) -> Shape:
    """How many vectors there are, and of how many values."""
    return b.plan.params[b.planned(layer).params[0]].shape


def index(b: Builder, layer: int) -> Region:
    """Emit what makes indices of the bottom, an int64 for each position; they are kept for backward."""
    vectors, record = table_shape(b, layer)[0], b.plan.graph.nodes[layer].record
    found = classes(b, layer, 0, vectors, lambda values: indices(record, values, vectors)).found
    b.kept[layer, "index"] = found
    return found


def forward(b: Builder, layer: int) -> None:
    table, found, count = b.param(layer, 0), index(b, layer), prod(b.shape(b.bottom(layer)))
    bias = b.param(layer, 1) if len(b.planned(layer).params) > 1 else NOTHING
    y = b.write_plain(b.top(layer)).flat
    size = table_shape(b, layer)[1]
    b.emit(rows(index=found, table=table, bias=bias, y=y, count=count, size=size), "rows of the table")


def backward(b: Builder, step: Step) -> None:
    layer, found = step.layer, b.kept[step.layer, "index"]
    dy, size = b.read_plain(step.top_diffs[0]).flat, table_shape(b, layer)[1]
    count = prod(b.shape(b.bottom(layer)))
    if (gradient := b.param_gradient(layer, 0)) is not None:
        places = placed(b, layer, 0, found)
        b.emit(rows_gradient(index=places, dy=dy, gradient=gradient, count=count, size=size), "rows' gradient")
    if len(b.planned(layer).params) > 1 and (db := b.param_gradient(layer, 1)) is not None:
        b.emit(bias_gradient(dy=dy, db=db, m=count, n=size), "bias gradient")


FAMILY = Family(("Embed",), accepts, forward, backward)
