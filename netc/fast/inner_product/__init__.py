"""Inner product of plain matrices: by the tile, of a very small batch by dot products."""

from __future__ import annotations

from netc.fast.inner_product import dots, tiles
from netc.fast.inner_product.tiles import Sizes
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.fuse import absorb_relu
from netc.fast.program.lowered import Layout
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
    last = b.last_of(layer)
    x = b.read_plain(b.bottom(layer)).flat
    w, bias = b.param(layer, 0), b.param(layer, 1) if len(b.planned(layer).params) > 1 else NOTHING
    y = b.write_plain(b.top(last)).flat
    sizes, relu = _sizes(b, layer), last != layer
    if dots.supported(sizes.m, sizes.k):
        b.emit(dots.forward(x=x, w=w, bias=bias, y=y, sizes=sizes, relu=relu), "dot products")
    else:
        b.emit(tiles.forward(x, w, bias, y, sizes, _workspace(b, layer), relu), "inner product")


def backward(b: Builder, step: Step) -> None:
    layer, sizes = step.layer, _sizes(b, step.layer)
    dy = b.read_plain(step.top_diffs[0]).flat
    if (target := step.bottom_diffs[0]) is not None:  # before the weights may be updated
        dx = b.write_plain(target).flat
        b.emit(tiles.data_gradient(dy, b.param(layer, 0), dx, sizes, _workspace(b, layer)), "product data gradient")
    if len(b.planned(layer).params) > 1 and (db := b.param_gradient(layer, 1)) is not None:
        b.emit(tiles.bias_gradient(dy=dy, db=db, m=sizes.m, n=sizes.n), "bias gradient")
    if (dw := b.param_gradient(layer, 0)) is not None:
        _weight_gradient(b, layer, dy, dw)


def _weight_gradient(b: Builder, layer: int, dy: Region, dw: Region) -> None:
    """Where the weights may be updated on the way, part by part: most of a net's memory may be one layer's weights."""
    x, sizes, workspace = b.read_plain(b.bottom(layer)).flat, _sizes(b, layer), _workspace(b, layer)
    label = "product weight gradient"
    if not b.in_parts(layer, 0):
        b.emit(tiles.weight_gradient(x, dy, dw, sizes, workspace), label)
        return
    b.emit(tiles.packed_bottom(x, sizes, workspace), label)
    with b.in_variant("accumulating"):
        b.emit(tiles.weight_part(dy, dw, sizes, workspace, (0, sizes.n), True), label)
    index, parts = b.planned(layer).params[0], tiles.parts(sizes)
    place = b.new("part of a gradient", 4 * sizes.k * max(count for _, count in parts))
    for first, count in parts:
        part, _ = place.cut(4 * sizes.k * count)
        with b.in_variant("updating"):
            b.emit(tiles.weight_part(dy, part, sizes, workspace, (first, count), False), label)
        b.update(index, part, first * sizes.k, count * sizes.k)


FAMILY = Family(("InnerProduct",), accepts, forward, backward, absorb_relu)
