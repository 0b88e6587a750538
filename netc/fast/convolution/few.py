"""Convolution of 1 x 1 to few channels, from a blocked bottom to a plain top: what a net says of each pixel.

Blocks would be mostly lanes that are not there. Here lanes are input channels: 16 pixels' products are summed over
blocks, then over lanes, halves onto halves, which leaves a vector of 16 pixels. Weights lie as the layer has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netc.fast.convolution.geometry import Conv
from netc.fast.machine.emit import (
    I64,
    LANES,
    POINTER,
    VECTOR,
    VECTOR_BYTES,
    Loop,
    at,
    broadcast,
    constant,
    lanes_below,
    load,
    multiply_add,
    pointers,
    shuffle,
    store_masked,
    variable,
)
from netc.fast.machine.launch import Launch, Region
from netc.fast.machine.layout import PIXEL, Blocked, Plain
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Read, Write, entry
from netc.jit import intrinsic, ir
from netc.jit import numba_types as types

SUM_COST = 45  # of a sum over the lanes of 16 vectors, in multiply-adds of a vector
GAIN = 0.7  # of the time of the direct kernel, which leaves a top to be unpacked


def faster(conv: Conv) -> bool:
    """Whether this takes less time than the direct kernel, and can run it."""
    plain = conv.kernel == conv.stride == (1, 1) and conv.pad == (0, 0) and conv.groups == 1
    here = conv.outputs * (LANES * conv.in_blocks + SUM_COST)
    return plain and conv.inputs % LANES == 0 and here < GAIN * LANES * LANES * conv.in_blocks * conv.out_blocks


def forward(x: Blocked, weights: Region, bias: Region, y: Plain) -> Launch:
    """y = x * weights + bias (if there is one); weights and bias as the layer has them."""
    return _few(x=x, weights=weights, bias=bias, y=y)


@intrinsic
def _pixels(
    _context: Any, source: Any, plane: Any, blocks: Any, weights: Any, bias: Any, target: Any, here: Any
) -> Any:  # fmt: skip
    """One output of 16 pixels, of which the first `here` are there; bias: its address (0: none)."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _emit(b, arguments)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7), codegen


def _emit(b: Any, arguments: Sequence[Any]) -> None:
    source, weights, target = pointers(b, (arguments[0], arguments[3], arguments[5]))
    plane, blocks, bias, here = (arguments[i] for i in (1, 2, 4, 6))
    none = ir.Constant(I64, 0)
    start = variable(b, constant(0))
    with b.if_then(b.icmp_signed("!=", bias, none)):
        b.store(broadcast(b, b.inttoptr(bias, POINTER)), start)
    last = b.sub(here, ir.Constant(I64, 1))
    steps = [b.select(b.icmp_signed("<", ir.Constant(I64, i), here), ir.Constant(I64, i), last) for i in range(LANES)]
    offsets = [b.mul(step, ir.Constant(I64, PIXEL)) for step in steps]  # of those that are not there: the last again
    sums = [variable(b, constant(0)) for _ in range(LANES)]
    slots = [variable(b, source), variable(b, weights)]
    with Loop(b, blocks, slots, [plane, VECTOR_BYTES]):
        place, weight = b.load(slots[0], typ=POINTER), load(b, b.load(slots[1], typ=POINTER))
        for offset, total in zip(offsets, sums, strict=True):
            b.store(multiply_add(b, load(b, at(b, place, offset)), weight, b.load(total, typ=VECTOR)), total)
    whole = _over_lanes(b, [b.load(total, typ=VECTOR) for total in sums])
    store_masked(b, b.fadd(whole, b.load(start, typ=VECTOR)), target, lanes_below(b, here))


def _over_lanes(b: Any, vectors: list[Any]) -> Any:
    """The vector of the sums over the lanes of each of 16 vectors: pairs of vectors become one, halves onto halves."""
    width = LANES
    while width > 1:
        low = [lane for lane in range(2 * LANES) if lane % width < width // 2]
        high = [lane + width // 2 for lane in low]
        pairs = zip(vectors[0::2], vectors[1::2], strict=True)
        vectors = [b.fadd(shuffle(b, u, v, low), shuffle(b, u, v, high)) for u, v in pairs]
        width //= 2
    return vectors[0]


@entry
def _few(tid: int, nth: int, x: Read[Blocked], weights: Read[Region], bias: Read[Region], y: Write[Plain]) -> None:
    for item in share(x.n * x.h, tid, nth):
        n, line = item // x.h, item % x.h
        source, target = x.inner + n * x.image + line * x.line, y.inner + n * y.image + line * y.line
        for pixel in range(0, x.w, 16):
            for output in range(y.c):
                _pixels(
                    source + pixel * 64, x.plane, x.blocks, weights + output * x.c * 4,
                    bias + output * 4 if bias else 0, target + output * y.plane + pixel * 4, min(16, x.w - pixel),
                )  # fmt: skip
