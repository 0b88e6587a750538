"""Inner product of plain matrices."""

from __future__ import annotations

from netc.kernels.fast import dot
from netc.kernels.fast import inner_product as kernels
from netc.kernels.fast.rows import NOTHING, Ref
from netc.plan.model import Step
from netc.run.lowering.builder import Builder
from netc.run.lowering.model import Layout
from netc.run.lowering.rule import Rule


def accepts(b: Builder, layer: int) -> Layout | None:
    g = b.planned(layer).setup.geometry
    return "plain" if not g.transpose else None


def _sizes(b: Builder, layer: int) -> tuple[int, int, int]:
    g = b.planned(layer).setup.geometry
    return g.rows, g.outputs, g.inputs


def _workspace(b: Builder, layer: int) -> Ref:
    return b.new("workspace", kernels.workspace_bytes(*_sizes(b, layer), b.threads))


def forward(b: Builder, layer: int) -> None:
    last = b.last_of(layer)
    x = b.read_plain(b.bottom(layer)).base
    bias = b.param(layer, 1) if len(b.planned(layer).params) > 1 else NOTHING
    y = b.write_plain(b.top(last)).base
    sizes, relu = _sizes(b, layer), last != layer
    if dot.supported(sizes[0], sizes[2]):
        b.emit(dot.forward(x, b.param(layer, 0), bias, y, sizes, relu, "dot products"))
        return
    work = _workspace(b, layer)
    b.emit(kernels.forward(x, b.param(layer, 0), bias, y, sizes, work, relu, "inner product"))


def backward(b: Builder, step: Step) -> None:
    layer = step.layer
    m, n, _ = sizes = _sizes(b, layer)
    dy = b.read_plain(step.top_diffs[0]).base
    if (target := step.bottom_diffs[0]) is not None:  # before the weights may be updated
        dx = b.write_plain(target).base
        b.emit(kernels.data_gradient(dy, b.param(layer, 0), dx, sizes, _workspace(b, layer), "product data gradient"))
    if len(b.planned(layer).params) > 1 and (db := b.param_gradient(layer, 1)) is not None:
        b.emit(kernels.bias_gradient(dy, db, m, n, "bias gradient"))
    if (dw := b.param_gradient(layer, 0)) is not None:
        _weight_gradient(b, layer, dy, dw)


def _weight_gradient(b: Builder, layer: int, dy: Ref, dw: Ref) -> None:
    """Where the weights may be updated on the way, part by part: most of a net's memory may be one layer's weights."""
    x, sizes, work = b.read_plain(b.bottom(layer)).base, _sizes(b, layer), _workspace(b, layer)
    label = "product weight gradient"
    if not b.in_parts(layer, 0):
        b.emit(kernels.weight_gradient(x, dy, dw, sizes, work, label))
        return
    b.emit([kernels.packed_bottom(x, sizes, work, label)])
    with b.only_when("keeping"):
        b.emit([kernels.weight_part(dy, dw, sizes, work, (0, sizes[1]), True, label)])
    index, (_, _, k), parts = b.planned(layer).params[0], sizes, kernels.parts(sizes)
    place = b.new("part of a gradient", 4 * k * max(count for _, count in parts))
    for first, count in parts:
        with b.only_when("releasing"):
            b.emit([kernels.weight_part(dy, place, sizes, work, (first, count), False, label)])
        b.update(index, place, first * k, count * k)


RULE = Rule(("InnerProduct",), accepts, forward, backward)
