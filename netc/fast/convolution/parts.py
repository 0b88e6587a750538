"""What Convolution and Deconvolution have in common: their groups, and how weights and biases are packed.

A Deconvolution is a convolution from its top to its bottom, so that what is an output there is an input here; weights
lie in the same order.
"""

from __future__ import annotations

from netc.fast.convolution import depthwise, gradients
from netc.fast.convolution.geometry import Conv
from netc.fast.convolution.groups import by_channel
from netc.fast.convolution.weights import (
    FIRST,
    FORWARD,
    add_bias_gradient,
    add_weight_gradient,
    bias_bytes,
    pack_bias,
    pack_weights,
    packed_bytes,
)
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.layout import Blocked, Plain
from netc.fast.program.builder import Builder
from netc.kernels.gemm_convolution import ConvolutionGeometry


def given(b: Builder, layer: int) -> Conv | None:
    """The layer as the file says it: one bottom of 4 axes, 2 of which windows slide over."""
    node, g = b.plan.graph.nodes[layer], b.planned(layer).setup.known(ConvolutionGeometry)
    bottom, axes = b.plan.shapes[node.bottoms[0]], g.columns.axes
    if len(node.bottoms) != 1 or len(bottom) != 4 or len(axes) != 2:
        return None
    return Conv.of(g.columns.channels, g.filters, g.groups, axes)


def has_bias(b: Builder, layer: int) -> bool:
    return len(b.planned(layer).params) > 1


def laid(conv: Conv) -> Conv:
    """The convolution as which biases, and each channel's own weights, are packed."""
    return depthwise.packing(conv) if by_channel(conv) else conv


def weights(b: Builder, layer: int, conv: Conv, order: int, factor: Region = NOTHING) -> Region:
    """Emit the packing of the weights; the packed ones. A channel's own weights have but one order."""
    order = FIRST if by_channel(conv) else order
    packed = b.new("packed weights", packed_bytes(laid(conv), order))
    b.emit_setup(pack_weights(b.param(layer, 0), packed, laid(conv), order, factor), "weights")
    return packed


def bias(b: Builder, layer: int, conv: Conv) -> Region:
    """Emit the packing of the bias, one for each output of the convolution; the packed one, if there is one."""
    if not has_bias(b, layer):
        return NOTHING
    packed = b.new("packed bias", bias_bytes(laid(conv)))
    b.emit_setup(pack_bias(b.param(layer, 1), packed, laid(conv)), "bias")
    return packed


def bias_gradient(b: Builder, layer: int, dy: Blocked, conv: Conv) -> None:
    """Emit the gradient of that."""
    if has_bias(b, layer) and (target := b.param_gradient(layer, 1)) is not None:
        sums = b.new("bias gradient", bias_bytes(laid(conv)))
        b.emit(gradients.bias_gradient(dy, sums), "bias gradient")
        b.emit(add_bias_gradient(sums, target, laid(conv)), "bias gradient")


def weight_gradient(b: Builder, x: Blocked | Plain, dy: Blocked, target: Region, conv: Conv) -> None:
    """Emit target += the gradient of the weights; a plain x is that of a first layer."""
    order = FIRST if by_channel(conv) or isinstance(x, Plain) else FORWARD
    packed = b.new("weight gradient", packed_bytes(laid(conv), order))
    if isinstance(x, Plain):
        b.emit(gradients.weight_gradient_first(x, dy, packed, conv), "weight gradient")
    elif by_channel(conv):
        b.emit(depthwise.weight_gradient(x, dy, packed, conv), "depthwise weight gradient")
    else:
        b.emit(gradients.weight_gradient(x, dy, packed, conv), "weight gradient")
    b.emit(add_weight_gradient(packed, target, laid(conv), order), "weight gradient")
