"""Deconvolution on blocked blobs: a convolution the other way round.

Its forward is the data gradient of the convolution that goes from its top to its bottom, and its data gradient that
convolution's forward; the weights lie in the same order.
"""

from __future__ import annotations

from dataclasses import replace

from netc.fast.machine.launch import Ref
from netc.fast.machine.layout import Blocked
from netc.fast.old import groups
from netc.fast.old.groups import by_channel
from netc.fast.old.kernels import conv as kernels
from netc.fast.old.kernels import depthwise
from netc.fast.old.kernels.affine import Affine
from netc.fast.old.kernels.conv import Conv
from netc.fast.old.kernels.weights import (
    BACKWARD,
    FIRST,
    FORWARD,
    add_bias_gradient,
    add_weight_gradient,
    pack_bias,
    pack_weights,
)
from netc.fast.old.nothing import NOTHING
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.model import Layout
from netc.plan.model import Step


def _given(b: Builder, layer: int) -> Conv | None:
    """The convolution from top to bottom, as the file says it."""
    node, g = b.plan.graph.nodes[layer], b.planned(layer).setup.geometry
    bottom = b.plan.shapes[node.bottoms[0]]
    if len(node.bottoms) != 1 or len(bottom) != 4 or len(g.columns.axes) != 2 or g.channels != bottom[1]:
        return None
    return Conv.of(g.columns.channels, g.channels, g.groups, g.columns.axes)


def _geometry(b: Builder, layer: int) -> tuple[Conv, Conv]:
    """That, and as the kernels run it."""
    given = _given(b, layer)
    assert given is not None
    return given, groups.whole(given)


def accepts(b: Builder, layer: int) -> Layout | None:
    given = _given(b, layer)
    if given is None or not groups.supported(given):
        return None
    conv = groups.whole(given)
    b.want(b.bottom(layer), conv.gradient_halo)
    step = next((s for s in b.plan.backward if s.kind == "backward" and s.layer == layer), None)
    if step is not None:
        b.want(step.top_diffs[0], conv.halo)
    return "blocked"


def _of_bias(conv: Conv) -> Conv:
    """The convolution as whose outputs the bias is packed."""
    if by_channel(conv):
        return depthwise.packing(conv)
    return replace(conv, inputs=conv.outputs, outputs=conv.inputs)


def _weights(b: Builder, layer: int, conv: Conv, order: int) -> Ref:
    size = depthwise.packed_bytes(conv) if by_channel(conv) else conv.packed_bytes
    laid, order = (depthwise.packing(conv), FIRST) if by_channel(conv) else (conv, order)
    packed = b.new("packed weights", size)
    b.emit_setup(pack_weights(b.param(layer, 0), packed, laid, order, NOTHING, "weights"))
    return packed


def _has_bias(b: Builder, layer: int) -> bool:
    return len(b.planned(layer).params) > 1


def forward(b: Builder, layer: int) -> None:
    given, conv = _geometry(b, layer)
    groups.spread_weights(b, layer, given)
    bias: Ref | int = NOTHING
    if _has_bias(b, layer):
        bias = b.new("packed bias", Affine.nbytes(conv.inputs, _of_bias(conv).groups))
        b.emit_setup(pack_bias(b.param(layer, 1), bias, _of_bias(conv), "bias"))
    weights = _weights(b, layer, conv, BACKWARD)
    x, y = b.read(b.bottom(layer)), b.write(b.top(layer))
    if by_channel(conv):
        b.emit(depthwise.data_gradient(x, weights, y, conv, "depthwise deconvolution", bias))
    else:
        b.emit(kernels.data_gradient(x, weights, y, conv, False, "deconvolution", bias))


def backward(b: Builder, step: Step) -> None:
    layer = step.layer
    given, conv = _geometry(b, layer)
    dy = b.read(step.top_diffs[0])
    if _has_bias(b, layer) and (bias := b.param_gradient(layer, 1)) is not None:
        sums = b.new("bias gradient", Affine.nbytes(conv.inputs, _of_bias(conv).groups))
        b.emit(kernels.bias_gradient(dy, sums, "bias gradient"))
        b.emit(add_bias_gradient(sums, bias, _of_bias(conv), "bias gradient"))
    if (gradient := b.param_gradient(layer, 0)) is not None:
        place = groups.cleared_gradient(b, given, gradient)
        _weight_gradient(b, dy, b.read(b.bottom(layer)), conv, place)
        groups.collect_gradient(b, given, place, gradient)
    if (target := step.bottom_diffs[0]) is not None:
        weights = _weights(b, layer, conv, FORWARD)
        if by_channel(conv):
            b.emit(depthwise.forward(dy, weights, NOTHING, b.write(target), conv, False, "depthwise data gradient"))
        else:
            b.emit(kernels.forward(dy, weights, NOTHING, b.write(target), conv, label="data gradient"))


def _weight_gradient(b: Builder, dy: Blocked, x: Blocked, conv: Conv, place: Ref) -> None:
    if by_channel(conv):
        packed = b.new("weight gradient", depthwise.packed_bytes(conv))
        b.emit(depthwise.weight_gradient(dy, x, packed, conv, "depthwise weight gradient"))
        b.emit(add_weight_gradient(packed, place, depthwise.packing(conv), FIRST, "weight gradient"))
    else:
        packed = b.new("weight gradient", conv.packed_bytes)
        b.emit(kernels.weight_gradient(dy, x, packed, conv, "weight gradient"))
        b.emit(add_weight_gradient(packed, place, conv, FORWARD, "weight gradient"))


FAMILY = Family(("Deconvolution",), accepts, forward, backward)
