"""Local response normalization across channels, on blocked blobs.

y = x s^-beta with s = k + alpha' (sum of x^2 over the neighbours), a neighbour being a lane of this block of 16 or of
the two next to it. The gradient goes over a line twice: first s and dy x s^-(beta + 1) for all channels, kept in a
thread's own workspace, then the sums of the latter.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from netc.fast.machine.emit import (
    F32,
    I32,
    I64,
    LANES,
    arg,
    at,
    constant,
    load,
    multiply_add,
    pointers,
    shuffle,
    splat,
    store,
)
from netc.fast.machine.launch import Launch, Ref
from netc.fast.machine.layout import PIXEL, Blocked
from netc.fast.machine.maths import inverse_three_quarters, power
from netc.fast.old.kernels.pointwise import bits
from netc.jit import Entry, entry, intrinsic, ir
from netc.jit import numba_types as types


def workspace_bytes(x: Blocked) -> int:
    """What one thread needs for the gradient: two lines of all channels."""
    return 2 * x.blocks * x.w * PIXEL


def forward(x: Blocked, y: Blocked, reach: int, alpha: float, beta: float, k: float, label: str = "") -> list[Launch]:
    """alpha is already divided by the number of neighbours."""
    arguments = (*_places(x, x, y), 0, 0, bits(k), bits(alpha), bits(-beta))
    return [Launch(_forward(reach, int(beta == 0.75)), arguments, label)]


def backward(
    x: Blocked, dy: Blocked, dx: Blocked, reach: int, alpha: float, beta: float, k: float, work: Ref, label: str = ""
) -> list[Launch]:
    arguments = (
        *_places(x, dy, dx),
        work,
        workspace_bytes(x),
        bits(k),
        bits(alpha),
        bits(-beta),
        bits(-2 * alpha * beta),
    )
    return [Launch(_backward(reach, int(beta == 0.75)), arguments, label)]


def _places(a: Blocked, b: Blocked, c: Blocked) -> tuple[int | Ref, ...]:
    places = [x for blob in (a, b, c) for x in (blob.inner, blob.image, blob.plane, blob.line)]
    return *places, a.n, a.blocks, a.h, a.w


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


def _float(b: Any, raw: Any) -> Any:
    """A vector of the float whose bits are the low half of an i64."""
    return splat(b, b.bitcast(b.trunc(raw, I32), F32))


def _scale_of(b: Any, x: Any, plane: Any, block: Any, blocks: Any, k: Any, alpha: Any, reach: int) -> Any:
    squares = _around(b, x, plane, block, blocks, lambda v: b.fmul(v, v))
    return multiply_add(b, _neighbours(b, squares, reach), _float(b, alpha), _float(b, k))


def _decayed(b: Any, scale: Any, beta: Any, root: int) -> Any:
    return inverse_three_quarters(b, scale) if root else power(b, scale, _float(b, beta))


@intrinsic
def _normalize(
    _context: Any, reach: Any, root: Any, x: Any, y: Any, plane: Any, block: Any, blocks: Any, k: Any, alpha: Any,
    beta: Any,
) -> Any:  # fmt: skip
    """y = x s^-beta for 16 channels of one pixel."""
    literals = reach.literal_value, root.literal_value
    sig = types.void(*[types.IntegerLiteral(v) for v in literals], *[types.intp] * 8)

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
    sig = types.void(*[types.IntegerLiteral(v) for v in literals], *[types.intp] * 10)

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
    sig = types.void(types.IntegerLiteral(size), *[types.intp] * 8)

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, keep, quotient, target = pointers(b, arguments[1:5])
        plane, block, blocks, factor = arguments[5:]
        total = _neighbours(b, _around(b, quotient, plane, block, blocks, lambda v: v), size)
        scaled = b.fmul(total, b.fmul(load(b, source), _float(b, factor)))
        store(b, b.fadd(load(b, keep), scaled), target)
        return context.get_dummy_value()

    return sig, codegen


# ---------------------------------------------------------------- all pixels


@functools.cache
def _forward(reach: int, root: int) -> Entry:
    @entry
    def body(row: int, tid: int, nth: int) -> None:
        x, x_image, x_plane, x_line = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
        y, y_image, y_plane, y_line = arg(row, 8), arg(row, 9), arg(row, 10), arg(row, 11)
        images, blocks, height, width = arg(row, 12), arg(row, 13), arg(row, 14), arg(row, 15)
        k, alpha, beta = arg(row, 18), arg(row, 19), arg(row, 20)
        items = images * height
        for item in range(items * tid // nth, items * (tid + 1) // nth):
            n, line = item // height, item % height
            for block in range(blocks):
                source = x + n * x_image + block * x_plane + line * x_line
                target = y + n * y_image + block * y_plane + line * y_line
                for pixel in range(width):
                    _normalize(
                        reach, root, source + pixel * 64, target + pixel * 64, x_plane, block, blocks, k, alpha, beta
                    )

    return body


@functools.cache
def _backward(reach: int, root: int) -> Entry:
    @entry
    def body(row: int, tid: int, nth: int) -> None:
        x, x_image, x_plane, x_line = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
        dy, dy_image, dy_plane, dy_line = arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7)
        dx, dx_image, dx_plane, dx_line = arg(row, 8), arg(row, 9), arg(row, 10), arg(row, 11)
        images, blocks, height, width = arg(row, 12), arg(row, 13), arg(row, 14), arg(row, 15)
        k, alpha, beta, factor = arg(row, 18), arg(row, 19), arg(row, 20), arg(row, 21)
        step = width * 64
        kept = arg(row, 16) + tid * arg(row, 17)
        ratio = kept + blocks * step
        items = images * height
        for item in range(items * tid // nth, items * (tid + 1) // nth):
            n, line = item // height, item % height
            for block in range(blocks):
                source = x + n * x_image + block * x_plane + line * x_line
                given = dy + n * dy_image + block * dy_plane + line * dy_line
                for pixel in range(width):
                    at = block * step + pixel * 64
                    _prepare(
                        reach, root, source + pixel * 64, given + pixel * 64, kept + at, ratio + at, x_plane, block,
                        blocks, k, alpha, beta,
                    )  # fmt: skip
            for block in range(blocks):
                source = x + n * x_image + block * x_plane + line * x_line
                target = dx + n * dx_image + block * dx_plane + line * dx_line
                for pixel in range(width):
                    at = block * step + pixel * 64
                    _gather(
                        reach, source + pixel * 64, kept + at, ratio + at, target + pixel * 64, step, block, blocks,
                        factor,
                    )  # fmt: skip

    return body
