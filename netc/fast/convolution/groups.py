"""Groups of convolutions: each channel by itself, whole blocks, or several taken together with zeros between them.

m groups of a x b channels become one group of m a x m b. The work is m times as much, at the tile's speed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from netc.fast.convolution import depthwise
from netc.fast.convolution.geometry import Conv
from netc.fast.machine.addresses import floats, zero
from netc.fast.machine.emit import LANES
from netc.fast.machine.launch import Region
from netc.fast.machine.lines import share
from netc.fast.machine.moves import clear
from netc.fast.machine.operands import Read, Update, Write, entry
from netc.fast.program.builder import Builder

MOST = 32  # groups that are taken together


class Spread(NamedTuple):
    """Outputs, outputs of a group, floats of an output's weights, and groups that become one."""

    outputs: int
    group: int
    length: int
    merged: int


@entry
def _spread(tid: int, nth: int, weights: Read[Region], spread: Write[Region], sizes: Spread) -> None:
    """spread = the weights with zeros, in Caffe's order."""
    length = sizes.length
    for o in share(sizes.outputs, tid, nth):
        given, line = floats(weights + o * length * 4, length), spread + o * length * sizes.merged * 4
        zero(line, length * sizes.merged * 4)
        here = floats(line + o // sizes.group % sizes.merged * length * 4, length)
        for i in range(length):
            here[i] = given[i]


@entry
def _collect(tid: int, nth: int, spread: Read[Region], gradient: Update[Region], sizes: Spread) -> None:
    """gradient += what lies in the place of the weights."""
    length, count = sizes.length, sizes.merged
    for o in share(sizes.outputs, tid, nth):
        there = floats(spread + (o * count + o // sizes.group % count) * length * 4, length)
        sums = floats(gradient + o * length * 4, length)
        for i in range(length):
            sums[i] += there[i]


# ---------------------------------------------------------------- a layer's groups


def supported(conv: Conv) -> bool:
    """Whether there are kernels for it, one way or another."""
    return depthwise.supported(conv) or _together(conv) > 0


def by_channel(conv: Conv) -> bool:
    """Whether a convolution is a depthwise one: each of several channels by itself."""
    return conv.groups > 1 and depthwise.supported(conv)


def whole(given: Conv) -> Conv:
    """The convolution as the kernels run it: groups that fill no blocks taken together."""
    return given if by_channel(given) else replace(given, groups=given.groups // _together(given))


def _together(conv: Conv) -> int:
    """How many groups must become one so that groups are whole blocks (or there is one group); 0: too many."""
    outs, ins = conv.outputs // conv.groups, conv.inputs // conv.groups
    for count in range(1, min(conv.groups, MOST) + 1):
        filled = count == conv.groups or (count * outs % LANES == 0 == count * ins % LANES)
        if conv.groups % count == 0 and filled:
            return count
    return 0


def _sizes(given: Conv) -> Spread:
    length = given.inputs // given.groups * given.cells
    return Spread(given.outputs, given.outputs // given.groups, length, given.groups // whole(given).groups)


def _new(b: Builder, name: str, sizes: Spread) -> Region:
    """An array for the weights with zeros."""
    return b.new(name, sizes.outputs * sizes.length * sizes.merged * 4)


def spread_weights(b: Builder, layer: int, given: Conv) -> None:
    """Where groups are taken together, let weights with zeros stand for the layer's own from here on."""
    b.weights.pop((layer, 0), None)  # where the layer runs again, from the same ones
    sizes = _sizes(given)
    if sizes.merged > 1:
        spread = _new(b, "weights with zeros", sizes)
        b.emit_setup(_spread(weights=b.param(layer, 0), spread=spread, sizes=sizes), "weights")
        b.weights[layer, 0] = spread


def cleared_gradient(b: Builder, given: Conv, gradient: Region) -> Region:
    """Where the gradient of the weights is to be added: the layer's own, or zeros where groups are taken together."""
    sizes = _sizes(given)
    if sizes.merged == 1:
        return gradient
    spread = _new(b, "gradient with zeros", sizes)
    b.emit(clear(spread), "weight gradient")
    return spread


def collect_gradient(b: Builder, given: Conv, spread: Region, gradient: Region) -> None:
    """Add what was added there to the layer's own gradient."""
    if spread != gradient:
        b.emit(_collect(spread=spread, gradient=gradient, sizes=_sizes(given)), "weight gradient")
