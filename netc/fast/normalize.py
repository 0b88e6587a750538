"""Normalize across the channels of each pixel (SSD), on blocked blobs, where it does not learn. Scales lie plain."""

from __future__ import annotations

from typing import Any

from netc.fast.machine.emit import (
    I64,
    LANES,
    POINTER,
    VECTOR,
    VECTOR_BYTES,
    Loop,
    broadcast,
    constant,
    lanes_below,
    load,
    load_masked,
    multiply_add,
    pointers,
    shuffle,
    splat,
    square_root,
    store,
    variable,
)
from netc.fast.machine.launch import Region
from netc.fast.machine.layout import Blocked
from netc.fast.machine.lines import line_at, share
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.jit import intrinsic, ir
from netc.jit import numba_types as types
from netc.plan.model import Step


@intrinsic
def _pixel(
    _context: Any, x: Any, x_plane: Any, y: Any, y_plane: Any, channels: Any, scales: Any, shared: Any, eps: Any
) -> Any:  # fmt: skip
    """y = scale * x / sqrt(the sum of x^2 over the channels + eps) for one pixel; y may be x.

    scales: an address of one for each channel, or of one for all if `shared`.
    """

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, target, scales = pointers(b, (arguments[0], arguments[2], arguments[5]))
        x_plane, y_plane, channels, shared, eps = (arguments[i] for i in (1, 3, 4, 6, 7))
        sixteen = ir.Constant(I64, LANES)
        blocks = b.sdiv(b.add(channels, ir.Constant(I64, LANES - 1)), sixteen)
        total, slot = variable(b, constant(0)), variable(b, source)
        with Loop(b, blocks, [slot], [x_plane]):
            value = load(b, b.load(slot, typ=POINTER))
            b.store(multiply_add(b, value, value, b.load(total, typ=VECTOR)), total)
        length = square_root(b, b.fadd(_over_lanes(b, b.load(total, typ=VECTOR)), splat(b, eps)))
        one = broadcast(b, scales)
        slots = [slot, variable(b, target), variable(b, scales)]
        left = variable(b, channels)
        with Loop(b, blocks, slots, [x_plane, y_plane, VECTOR_BYTES]):
            here, there, given = (b.load(one, typ=POINTER) for one in slots)
            some = b.select(b.icmp_signed("!=", shared, ir.Constant(I64, 0)), ir.Constant(I64, 0), b.load(left))
            own = load_masked(b, given, lanes_below(b, some))
            scale = b.select(b.icmp_signed("!=", shared, ir.Constant(I64, 0)), one, own)
            store(b, b.fmul(b.fdiv(load(b, here), length), scale), there)
            b.store(b.sub(b.load(left), sixteen), left)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7, types.float32), codegen


def _over_lanes(b: Any, vector: Any) -> Any:
    """The sum of all lanes, in every lane: halves onto halves."""
    for half in (8, 4, 2, 1):
        vector = b.fadd(vector, shuffle(b, vector, vector, [lane ^ half for lane in range(LANES)]))
    return vector


@entry
def _normalized(
    tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], scales: Read[Region], shared: bool, eps: float
) -> None:
    for item in share(x.n * x.h, tid, nth):
        place = item // x.h, 0, item % x.h
        source, target = line_at(x, place), line_at(y, place)
        for pixel in range(x.w):
            _pixel(source + pixel * 64, x.plane, target + pixel * 64, y.plane, x.c, scales, shared, eps)


# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    node = b.plan.graph.nodes[layer]
    blocked = b.native.get(node.bottoms[0]) == "blocked" and len(b.plan.shapes[node.bottoms[0]]) == 4
    alone = not node.record.norm_param.across_spatial and b.backward_of(layer) is None
    return "blocked" if blocked and alone else None


def forward(b: Builder, layer: int) -> None:
    p, x = b.plan.graph.nodes[layer].record.norm_param, b.read(b.bottom(layer))
    y, scales = b.write(b.top(layer)), b.param(layer, 0)
    b.emit(_normalized(x=x, y=y, scales=scales, shared=p.channel_shared, eps=p.eps), "normalize")


def backward(b: Builder, step: Step) -> None:
    raise NotImplementedError("a layer with a backward step is not accepted")


FAMILY = Family(("Normalize",), accepts, forward, backward)
