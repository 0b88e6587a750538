"""Activations that a layer's launches do for the layer behind it: ReLU, LeakyReLU, PReLU."""

from __future__ import annotations

from netc.fast import prelu, relu
from netc.fast.machine.activation import IDENTITY, RELU, Activation
from netc.fast.machine.addresses import floats
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.layout import PIXEL, blocks
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder


def is_activation(b: Builder, layer: int) -> bool:
    """Whether it is a layer that `activation` knows."""
    return b.plan.graph.nodes[layer].type.name in (*relu.FAMILY.types, *prelu.FAMILY.types)


def activation(b: Builder, layer: int, outputs: int, groups: int = 1) -> Activation:
    """What the last of the layers that this one absorbs does with its `outputs` channels; emits packing the slopes."""
    last = b.last_of(layer)
    if last == layer or not is_activation(b, last):
        return IDENTITY
    slope, given, shared = 0.0, NOTHING, False
    if b.plan.graph.nodes[last].type.name in prelu.FAMILY.types:
        given, shared = b.param(last, 0), prelu.is_shared(b, last)
    elif (slope := relu.slope(b, last)) == 0:
        return RELU
    each = outputs // groups
    slopes = b.new("slopes", groups * blocks(each) * PIXEL)
    b.emit_setup(
        _pack(given=given, slopes=slopes, groups=groups, each=each, shared=shared, slope=slope), "slopes"
    )  # fmt: skip
    return Activation(slopes=slopes)


@entry
def _pack(
    tid: int, nth: int, given: Read[Region], slopes: Write[Region], groups: int, each: int, shared: bool, slope: float
) -> None:
    """Slopes of `each` channels of each group, to blocks of 16: `slope` where none are given."""
    if tid > 0:
        return
    lanes = (each + 15) // 16 * 16
    target = floats(slopes, groups * lanes)
    for i in range(groups * lanes):
        channel = i // lanes * each + min(i % lanes, each - 1)
        target[i] = floats(given, groups * each)[0 if shared else channel] if given else slope
