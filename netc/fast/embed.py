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
from netc.kernels.labels import indices
from netc.plan.model import Step


@entry
def _rows(
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
def _rows_gradient(
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


def forward(b: Builder, layer: int) -> None:
    node, params = b.plan.graph.nodes[layer], b.planned(layer).params
    table = b.param(layer, 0)
    vectors, size = b.plan.params[params[0]].shape
    found = classes(b, layer, 0, vectors, lambda record, values: indices(record, values, vectors))
    b.kept[layer, "index"] = found.found
    bias = b.param(layer, 1) if len(params) > 1 else NOTHING
    y = b.write_plain(b.data(node.tops[0])).flat
    b.emit(_rows(index=found.found, table=table, bias=bias, y=y, count=found.count, size=size), "rows of the table")


def backward(b: Builder, step: Step) -> None:
    layer, index = step.layer, b.kept[step.layer, "index"]
    dy, size = b.read_plain(step.top_diffs[0]).flat, b.plan.params[b.planned(layer).params[0]].shape[1]
    count = prod(b.shape(b.bottom(layer)))
    if (gradient := b.param_gradient(layer, 0)) is not None:
        b.emit(_rows_gradient(index=index, dy=dy, gradient=gradient, count=count, size=size), "rows' gradient")
    if len(b.planned(layer).params) > 1 and (db := b.param_gradient(layer, 1)) is not None:
        b.emit(bias_gradient(dy=dy, db=db, m=count, n=size), "bias gradient")


FAMILY = Family(("Embed",), accepts, forward, backward)
