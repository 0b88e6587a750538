"""Local response normalization across channels, on blocked blobs.

y = x s^-beta with s = k + alpha' (sum of x^2 over the neighbours), a neighbour being a lane of this block of 16 or of
the two next to it. The gradient goes over a line twice: first s and dy x s^-(beta + 1) for all channels, kept in a
thread's own workspace, then the sums of the latter.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from netc.fast.machine.emit import (
    I64,
    LANES,
    at,
    constant,
    load,
    multiply_add,
    pointers,
    shuffle,
    splat,
    store,
)
from netc.fast.machine.launch import Launch, Region
from netc.fast.machine.layout import PIXEL, Blocked
from netc.fast.machine.lines import line_at, share
from netc.fast.machine.maths import inverse_three_quarters, power
from netc.fast.machine.operands import Entry, Read, Scratch, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.jit import intrinsic, ir
from netc.jit import numba_types as types
from netc.kernels.geometry import LrnGeometry
from netc.plan.model import Step


class Constants(NamedTuple):
    """reach: neighbours on each side; alpha is already divided by the number of neighbours."""

    reach: int
    alpha: float
    beta: float
    k: float

    @property
    def root(self) -> int:
        """Whether s^-beta is 1 over a root of a root."""
        return int(self.beta == 0.75)


def normalized(x: Blocked, y: Blocked, of: Constants) -> Launch:
    """y = x s^-beta."""
    return _forward(of.reach, of.root)(x=x, y=y, k=of.k, alpha=of.alpha, beta=-of.beta)


def scratch_bytes(x: Blocked) -> int:
    """What one thread needs for the gradient: two lines of all channels."""
    return 2 * x.blocks * x.w * PIXEL


def gradient(x: Blocked, dy: Blocked, dx: Blocked, of: Constants, scratch: Region) -> Launch:
    """dx; scratch: `scratch_bytes` for each thread."""
    return _backward(of.reach, of.root)(
        x=x, dy=dy, dx=dx, scratch=scratch, each=scratch_bytes(x), k=of.k, alpha=of.alpha, beta=-of.beta,
        factor=-2 * of.alpha * of.beta,
    )  # fmt: skip


# ---------------------------------------------------------------- one vector of pixels


def _neighbours(b: Any, vectors: list[Any], reach: int) -> Any:
    """Lane by lane the sum over 2 reach + 1 channels; vectors: of the previous, this and the next block."""
    before, here, after = vectors
    total = here
    for shift in range(1, reach + 1):
        low = shuffle(b, before, here, [LANES - shift + lane for lane in range(LANES)])
        high = shuffle(b, here, after, [shift + lane for lane in range(LANES)])
        total = b.fadd(total, b.fadd(low, high))
    return total


def _around(b: Any, pointer: Any, plane: Any, block: Any, blocks: Any, change: Callable[[Any], Any]) -> list[Any]:
    """Vectors of the three blocks around, zero beyond the first and the last."""
    zero, one = ir.Constant(I64, 0), ir.Constant(I64, 1)
    first = b.icmp_signed("==", block, zero)
    last = b.icmp_signed("==", b.add(block, one), blocks)
    before = load(b, at(b, pointer, b.select(first, zero, b.neg(plane))))
    after = load(b, at(b, pointer, b.select(last, zero, plane)))
    return [
        b.select(first, constant(0), change(before)),
        change(load(b, pointer)),
        b.select(last, constant(0), change(after)),
    ]


def _scale_of(b: Any, x: Any, plane: Any, block: Any, blocks: Any, k: Any, alpha: Any, reach: int) -> Any:
    squares = _around(b, x, plane, block, blocks, lambda v: b.fmul(v, v))
    return multiply_add(b, _neighbours(b, squares, reach), splat(b, alpha), splat(b, k))


def _decayed(b: Any, scale: Any, beta: Any, root: int) -> Any:
    return inverse_three_quarters(b, scale) if root else power(b, scale, splat(b, beta))


@intrinsic
def _normalize(
    _context: Any, reach: Any, root: Any, x: Any, y: Any, plane: Any, block: Any, blocks: Any, k: Any, alpha: Any,
    beta: Any,
) -> Any:  # fmt: skip
    """y = x s^-beta for 16 channels of one pixel."""
    literals = reach.literal_value, root.literal_value
    sig = types.void(*[types.IntegerLiteral(v) for v in literals], *[types.intp] * 5, *[types.float32] * 3)

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, target = pointers(b, arguments[2:4])
        plane, block, blocks, k, alpha, beta = arguments[4:]
        scale = _scale_of(b, source, plane, block, blocks, k, alpha, literals[0])
        store(b, b.fmul(load(b, source), _decayed(b, scale, beta, literals[1])), target)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def _prepare(
    _context: Any, reach: Any, root: Any, x: Any, dy: Any, kept: Any, ratio: Any, plane: Any, block: Any, blocks: Any,
    k: Any, alpha: Any, beta: Any,
) -> Any:  # fmt: skip
    """kept = dy s^-beta and ratio = dy x s^-(beta + 1) for 16 channels of one pixel."""
    literals = reach.literal_value, root.literal_value
    sig = types.void(*[types.IntegerLiteral(v) for v in literals], *[types.intp] * 7, *[types.float32] * 3)

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, given, keep, quotient = pointers(b, arguments[2:6])
        plane, block, blocks, k, alpha, beta = arguments[6:]
        scale = _scale_of(b, source, plane, block, blocks, k, alpha, literals[0])
        part = b.fmul(load(b, given), _decayed(b, scale, beta, literals[1]))
        store(b, part, keep)
        store(b, b.fdiv(b.fmul(part, load(b, source)), scale), quotient)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def _gather(
    _context: Any, reach: Any, x: Any, kept: Any, ratio: Any, dx: Any, plane: Any, block: Any, blocks: Any, factor: Any
) -> Any:
    """dx = kept + factor x (sum of the neighbours' ratios)."""
    size = reach.literal_value
    sig = types.void(types.IntegerLiteral(size), *[types.intp] * 7, types.float32)

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, keep, quotient, target = pointers(b, arguments[1:5])
        plane, block, blocks, factor = arguments[5:]
        total = _neighbours(b, _around(b, quotient, plane, block, blocks, lambda v: v), size)
        scaled = b.fmul(total, b.fmul(load(b, source), splat(b, factor)))
        store(b, b.fadd(load(b, keep), scaled), target)
        return context.get_dummy_value()

    return sig, codegen


# ---------------------------------------------------------------- all pixels


@functools.cache
def _forward(reach: int, root: int) -> Entry[...]:
    @entry
    def body(tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], k: float, alpha: float, beta: float) -> None:
        for item in share(x.n * x.h, tid, nth):
            for block in range(x.blocks):
                at = item // x.h, block, item % x.h
                source, target = line_at(x, at), line_at(y, at)
                for pixel in range(x.w):
                    move = pixel * 64
                    _normalize(reach, root, source + move, target + move, x.plane, block, x.blocks, k, alpha, beta)

    return body


@functools.cache
def _backward(reach: int, root: int) -> Entry[...]:
    @entry
    def body(
        tid: int, nth: int, x: Read[Blocked], dy: Read[Blocked], dx: Write[Blocked], scratch: Scratch[Region],
        each: int, k: float, alpha: float, beta: float, factor: float,
    ) -> None:  # fmt: skip
        step = x.w * 64
        kept = scratch + tid * each
        ratio = kept + x.blocks * step
        for item in share(x.n * x.h, tid, nth):
            for block in range(x.blocks):
                at = item // x.h, block, item % x.h
                source, given = line_at(x, at), line_at(dy, at)
                for pixel in range(x.w):
                    move = pixel * 64
                    made = block * step + move
                    _prepare(
                        reach, root, source + move, given + move, kept + made, ratio + made, x.plane, block, x.blocks,
                        k, alpha, beta,
                    )  # fmt: skip
            for block in range(x.blocks):
                at = item // x.h, block, item % x.h
                source, target = line_at(x, at), line_at(dx, at)
                for pixel in range(x.w):
                    move = pixel * 64
                    made = block * step + move
                    _gather(
                        reach, source + move, kept + made, ratio + made, target + move, step, block, x.blocks, factor
                    )

    return body


# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    g = b.planned(layer).setup.known(LrnGeometry)
    fields = b.plan.graph.nodes[layer].record.lrn_param
    positive = g.k > 0 and g.alpha >= 0  # else a power of a negative number
    return "blocked" if g.across and g.reach < LANES and positive and fields.beta > 0 else None


def _constants(b: Builder, layer: int) -> Constants:
    g = b.planned(layer).setup.known(LrnGeometry)
    return Constants(g.reach, g.alpha, b.plan.graph.nodes[layer].record.lrn_param.beta, g.k)


def forward(b: Builder, layer: int) -> None:
    x = b.read(b.bottom(layer))
    b.emit(normalized(x, b.write(b.top(layer)), _constants(b, layer)), "normalization")


def backward(b: Builder, step: Step) -> None:
    target = step.bottom_diffs[0]
    if target is None:
        return
    x, dy = b.read(b.bottom(step.layer)), b.read(step.top_diffs[0])
    scratch = b.new("workspace", b.threads * scratch_bytes(x))
    b.emit(gradient(x, dy, b.write(target), _constants(b, step.layer), scratch), "normalization gradient")


FAMILY = Family(("LRN",), accepts, forward, backward)
