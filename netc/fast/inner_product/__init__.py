"""Inner product of plain matrices: by the tile, of a very small batch by dots, of many rows as large products."""

from __future__ import annotations

from collections.abc import Callable

from netc.fast import batch_norm, dropout, relu
from netc.fast.activation import activation, is_activation
from netc.fast.batch_norm.affine import Affine
from netc.fast.inner_product import bf16, dots, many, tiles
from netc.fast.inner_product.ends import Ends
from netc.fast.inner_product.tiles import Sizes
from netc.fast.machine.launch import NOTHING, Launch, Region
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.fuse import absorb_chain
from netc.fast.program.lowered import Layout, Values
from netc.kernels.geometry import InnerProductGeometry
from netc.plan.model import Step


def accepts(b: Builder, layer: int) -> Layout | None:
    g = b.planned(layer).setup.known(InnerProductGeometry)
    return "plain" if not g.transpose else None


def _sizes(b: Builder, layer: int) -> Sizes:
    g = b.planned(layer).setup.known(InnerProductGeometry)
    return Sizes(g.rows, g.outputs, g.inputs)


def _workspace(b: Builder, layer: int) -> Region:
    return b.new("workspace", tiles.workspace_bytes(_sizes(b, layer), b.threads))


def forward(b: Builder, layer: int) -> None:
    sizes, ends = _sizes(b, layer), _ends(b, layer)
    x, w = b.read_plain(b.bottom(layer)).flat, b.param(layer, 0)
    y = b.write_plain(b.top(b.last_of(layer))).flat
    if bf16.chosen(b, sizes):
        bf16.forward(b, layer, x, ends, y, sizes)
    elif dots.supported(sizes.m, sizes.k):
        b.emit(dots.forward(x=x, w=w, ends=ends, y=y, sizes=sizes), "dot products")
    elif many.supported(sizes.m):
        many.forward(b, x, w, ends, y, sizes)
    else:
        b.emit(tiles.forward(x, w, ends, y, sizes, _workspace(b, layer)), "inner product")


def _ends(b: Builder, layer: int) -> Ends:
    """The bias, BatchNorm, Scale and Bias layers, and an activation."""
    outputs = _sizes(b, layer).n
    bias = b.param(layer, 1) if len(b.planned(layer).params) > 1 else NOTHING
    change = activation(b, layer, outputs)
    folded = [i for i in b.absorbed(layer) if batch_norm.folds(b, i)]
    if not folded:
        return Ends.of(NOTHING, bias, change)
    affine = Affine.new(b, outputs)
    b.emit_setup(affine.start(), "fold")
    b.emit_setup(affine.scale(NOTHING, bias), "fold")
    for other in folded:
        b.emit_setup(batch_norm.fold(b, other, affine), "fold")
    return Ends.of(affine.factor, affine.shift, change)


def absorb(b: Builder, head: int) -> None:
    """Stored statistics, scales and biases of each output, then an activation."""
    matrix = len(b.plan.shapes[b.plan.graph.nodes[head].tops[0]]) == 2

    def takes(_last: int, reader: int) -> bool:
        return dropout.folds(b, reader) or (matrix and batch_norm.folds(b, reader))

    def ends(reader: int) -> bool:
        return is_activation(b, reader) and (matrix or b.plan.graph.nodes[reader].type.name in relu.FAMILY.types)

    absorb_chain(b, head, takes, ends)


def backward(b: Builder, step: Step) -> None:
    layer, sizes = step.layer, _sizes(b, step.layer)
    dy = b.read_plain(step.top_diffs[0]).flat
    if (target := step.bottom_diffs[0]) is not None:  # before the weights may be updated
        _data_gradient(b, layer, dy, b.write_plain(target).flat)
    if len(b.planned(layer).params) > 1 and (db := b.param_gradient(layer, 1)) is not None:
        b.emit(tiles.bias_gradient(dy=dy, db=db, m=sizes.m, n=sizes.n), "bias gradient")
    if (dw := b.param_gradient(layer, 0)) is not None:
        if bf16.chosen_for_weights(b, sizes):
            bf16.weight_gradient(b, b.read_plain(b.bottom(layer)).flat, dy, dw, sizes)
        else:
            _weight_gradient(b, layer, dy, dw)


def _data_gradient(b: Builder, layer: int, dy: Region, dx: Region) -> None:
    sizes, w, label = _sizes(b, layer), b.param(layer, 0), "product data gradient"
    if bf16.chosen_back(b, sizes):
        bf16.data_gradient(b, layer, dy, dx, sizes)
    elif many.supported(sizes.m):
        b.emit(many.data_gradient(b, dy, w, dx, sizes), label)
    else:
        b.emit(tiles.data_gradient(dy, w, dx, sizes, _workspace(b, layer)), label)


def _weight_gradient(b: Builder, layer: int, dy: Region, dw: Region) -> None:
    """Where the weights may be updated on the way, part by part: most of a net's memory may be one layer's weights."""
    sizes, label = _sizes(b, layer), "product weight gradient"
    part = _parts_of_gradient(b, layer, dy, label)
    if not b.in_parts(layer, 0):
        b.emit(part(dw, (0, sizes.n), True), label)
        return
    with b.in_variant("accumulating"):
        b.emit(part(dw, (0, sizes.n), True), label)
    index, parts = b.planned(layer).params[0], tiles.parts(sizes)
    place = b.new("part of a gradient", 4 * sizes.k * max(count for _, count in parts))
    for first, count in parts:
        own, _ = place.cut(4 * sizes.k * count)
        with b.in_variant("updating"):
            b.emit(part(own, (first, count), False), label)
        b.update(index, own, Values(first * sizes.k, count * sizes.k))


def _parts_of_gradient(
    b: Builder, layer: int, dy: Region, label: str
) -> Callable[[Region, tuple[int, int], bool], Launch]:
    """Emits what all parts of a weight gradient need, and makes the launches of parts: (dw, (first, count), add)."""
    x, sizes = b.read_plain(b.bottom(layer)).flat, _sizes(b, layer)
    if many.supported(sizes.m):
        panels = b.new("packed bottom", many.panel_bytes(sizes))
        b.emit(many.packed_bottom(x, panels, sizes), label)
        return lambda dw, part, add: many.weight_part(b, dy, dw, panels, sizes, part, add)
    workspace = _workspace(b, layer)
    b.emit(tiles.packed_bottom(x, sizes, workspace), label)
    return lambda dw, part, add: tiles.weight_part(dy, dw, sizes, workspace, part, add)


FAMILY = Family(("InnerProduct",), accepts, forward, backward, absorb)
