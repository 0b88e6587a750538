"""Depthwise convolution on blocked blobs: each channel by itself, 16 at a time.

Weights lie as [block][kh][kw][16], the order FIRST of `weights` for one input. A tile is a few pixels of a line; its
sums go over the cells of the kernel. The data gradient goes by phases like that of `lines`, a weight gradient is one
sum over images, lines and pixels, in one thread.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from netc.fast.convolution.geometry import Conv, Taps
from netc.fast.machine.access import Access, box, of
from netc.fast.machine.activation import IDENTITY, Activation, code
from netc.fast.machine.addresses import zero
from netc.fast.machine.emit import (
    I64,
    POINTER,
    VECTOR,
    VECTOR_BYTES,
    Below,
    Loop,
    constant,
    load,
    multiply_add,
    pointers,
    store,
    tile_budget,
    variable,
)
from netc.fast.machine.launch import Launch, Region, together
from netc.fast.machine.layout import PIXEL, Blocked
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, entry
from netc.jit import intrinsic, ir
from netc.jit import numba_types as types

MOST_COLUMNS = 8  # of the kernel, in a weight gradient


def supported(conv: Conv) -> bool:
    """Whether each channel gives one channel, and the kernels here can run it both ways."""
    return conv.groups == conv.inputs == conv.outputs and conv.kernel[1] <= MOST_COLUMNS


def packing(conv: Conv) -> Conv:
    """The convolution as which `weights` packs it."""
    return replace(conv, inputs=1, groups=1)


def forward(
    x: Blocked, weights: Region, bias: Region, y: Blocked, conv: Conv, activation: Activation = IDENTITY
) -> Launch:
    """y = x * weights + bias, and what the activation does with that."""
    return _lines(x, weights, bias, y, conv, conv.taps(0), conv.taps(1), activation)


def data_gradient(
    dy: Blocked, weights: Region, bias: Region, dx: Blocked, conv: Conv, activation: Activation = IDENTITY
) -> list[Launch]:
    """dx from dy and the same packed weights; bias, activation: of a Deconvolution, for which dx is the top."""
    return together([
        _lines(dy, weights, bias, dx, conv, down, across, activation)
        for down in conv.back_taps(0) for across in conv.back_taps(1)
    ])  # fmt: skip


def weight_gradient(x: Blocked, dy: Blocked, dw: Region, conv: Conv) -> Launch:
    """dw = the gradient of the packed weights."""
    down, across = conv.taps(0), conv.taps(1)
    return _weights(across.taps, across.reach * PIXEL)(x=x, dy=dy, dw=dw, down=down, across=across)


def _lines(
    x: Blocked, weights: Region, bias: Region, y: Blocked, conv: Conv, down: Taps, across: Taps, activation: Activation
) -> Launch:
    pixels = min(across.positions, 8 if tile_budget() >= 8 else 4)
    kernel = _pixels(pixels, across.positions % pixels, across.step * PIXEL)
    kh, kw = conv.kernel
    return kernel(
        x=x, weights=weights, bias=bias, y=y, down=down, across=across, kh=kh, kw=kw, activation=activation
    )  # fmt: skip


# ---------------------------------------------------------------- kernels


@intrinsic
def _tile(
    _context: Any, pixels: Any, a_step: Any, a: Any, w: Any, c: Any, c_step: Any, bias: Any, below: Any,
    n0: Any, a0: Any, w0: Any, n1: Any, a1: Any, w1: Any,
) -> Any:  # fmt: skip
    """`pixels` sums over n0 x n1 cells, plus bias (its address, 0: none); below, as `Below` takes it."""
    sizes = pixels.literal_value, a_step.literal_value
    sig = types.void(*[types.IntegerLiteral(v) for v in sizes], *[types.intp] * 12)

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _emit(b, sizes, arguments[2:])
        return context.get_dummy_value()

    return sig, codegen


def _emit(b: Any, sizes: tuple[int, int], arguments: Sequence[Any]) -> None:
    pixels, a_step = sizes
    source, weights, target = pointers(b, arguments[:3])
    c_step, bias, below = arguments[3:6]
    none = ir.Constant(I64, 0)
    start = variable(b, constant(0))
    with b.if_then(b.icmp_signed("!=", bias, none)):
        b.store(load(b, b.inttoptr(bias, POINTER)), start)
    sums = [variable(b, b.load(start, typ=VECTOR)) for _ in range(pixels)]
    slots = [variable(b, source), variable(b, weights)]
    with Loop(b, arguments[6], slots, arguments[7:9]), Loop(b, arguments[9], slots, arguments[10:12]):
        place, weight = b.load(slots[0], typ=POINTER), load(b, b.load(slots[1], typ=POINTER))
        for i, total in enumerate(sums):
            value = load(b, place, i * a_step)
            b.store(multiply_add(b, value, weight, b.load(total, typ=VECTOR)), total)
    change = Below(b, below)
    slope = change.slope()
    for total in sums:
        store(b, change(b.load(total, typ=VECTOR), slope), target)
        target = b.gep(target, [c_step], source_etype=ir.IntType(8))


@functools.cache
def _pixels(pixels: int, rest: int, a_step: int) -> Entry[...]:
    """Lines cut into tiles of `pixels` and one of `rest`, whose sources are `a_step` bytes apart."""
    last = rest or pixels

    @entry
    def body(
        tid: int, nth: int, x: Blocked, weights: Region, bias: Region, y: Blocked, down: Taps, across: Taps, kh: int,
        kw: int, activation: Activation,
    ) -> None:  # fmt: skip
        corner = x.inner + down.first * x.line + across.first * 64
        target = y.inner + down.start * y.line + across.start * 64
        cells = weights + (down.cell * kw + across.cell) * 64
        a0, w0, a1, w1 = down.reach * x.line, down.skip * kw * 64, across.reach * 64, across.skip * 64
        c_step = across.stride * 64
        for item in share(y.n * y.blocks, tid, nth):
            n, block = item // y.blocks, item % y.blocks
            w = cells + block * kh * kw * 64
            shift, below = bias + block * 64 if bias else 0, code(activation, block * 64)
            for line in range(down.positions):
                a = corner + n * x.image + block * x.plane + line * down.step * x.line
                c = target + n * y.image + block * y.plane + line * down.stride * y.line
                for _ in range(across.positions // pixels):
                    _tile(pixels, a_step, a, w, c, c_step, shift, below, down.taps, a0, w0, across.taps, a1, w1)
                    a += pixels * a_step
                    c += pixels * c_step
                if rest > 0:
                    _tile(last, a_step, a, w, c, c_step, shift, below, down.taps, a0, w0, across.taps, a1, w1)

    @body.touches
    def _(o: Any) -> Iterator[Access]:
        x, y, down, across = o.x, o.y, o.down, o.across
        yield box(
            "read", x.pixel(down.first, across.first), PIXEL, (y.n, x.image), (y.blocks, x.plane),
            (down.positions, down.step * x.line), (across.positions, a_step),
            (down.taps, down.reach * x.line), (across.taps, across.reach * PIXEL),
        )  # fmt: skip
        yield box(
            "read", o.weights + (down.cell * o.kw + across.cell) * PIXEL, PIXEL, (y.blocks, o.kh * o.kw * PIXEL),
            (down.taps, down.skip * o.kw * PIXEL), (across.taps, across.skip * PIXEL),
        )  # fmt: skip
        yield from (of("read", o.bias), of("read", o.activation.slopes))
        yield box(
            "write", y.pixel(down.start, across.start), PIXEL, (y.n, y.image), (y.blocks, y.plane),
            (down.positions, down.stride * y.line), (across.positions, across.stride * PIXEL),
        )  # fmt: skip

    return body


@intrinsic
def _columns(
    _context: Any, columns: Any, cell: Any, x: Any, dy: Any, dw: Any, lines: Any, x_line: Any, dy_line: Any,
    pixels: Any, x_pixel: Any,
) -> Any:  # fmt: skip
    """dw += the sums of x dy for `columns` cells of the kernel, over lines and pixels."""
    sizes = columns.literal_value, cell.literal_value
    sig = types.void(*[types.IntegerLiteral(v) for v in sizes], *[types.intp] * 8)

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, given, target = pointers(b, arguments[2:5])
        lines, x_line, dy_line, pixels, x_pixel = arguments[5:]
        sums = [variable(b, constant(0)) for _ in range(sizes[0])]
        slots = [variable(b, source), variable(b, given)]
        with Loop(b, lines, slots, [x_line, dy_line]), Loop(b, pixels, slots, [x_pixel, PIXEL]):
            place, diff = b.load(slots[0], typ=POINTER), load(b, b.load(slots[1], typ=POINTER))
            for i, total in enumerate(sums):
                value = load(b, place, i * sizes[1])
                b.store(multiply_add(b, value, diff, b.load(total, typ=VECTOR)), total)
        for i, total in enumerate(sums):
            at = i * VECTOR_BYTES
            store(b, b.fadd(load(b, target, at), b.load(total, typ=VECTOR)), target, at)
        return context.get_dummy_value()

    return sig, codegen


@functools.cache
def _weights(columns: int, cell: int) -> Entry[...]:
    """The `columns` of a line of the kernel at once, which are `cell` bytes apart in x."""

    @entry
    def body(tid: int, nth: int, x: Blocked, dy: Blocked, dw: Region, down: Taps, across: Taps) -> None:
        corner = x.inner + down.first * x.line + across.first * 64
        for item in share(dy.blocks * down.taps, tid, nth):
            block, ky = item // down.taps, item % down.taps
            target = dw + item * columns * 64
            zero(target, columns * 64)
            for n in range(dy.n):
                _columns(
                    columns, cell, corner + n * x.image + block * x.plane + ky * down.reach * x.line,
                    dy.inner + n * dy.image + block * dy.plane, target, dy.h, down.step * x.line, dy.line, dy.w,
                    across.step * 64,
                )  # fmt: skip

    @body.touches
    def _(o: Any) -> list[Access]:
        x, dy, down, across = o.x, o.dy, o.down, o.across
        places = box(
            "read", x.pixel(down.first, across.first), PIXEL, (dy.n, x.image), (dy.blocks, x.plane),
            (down.taps, down.reach * x.line), (columns, cell),
            (dy.h, down.step * x.line), (dy.w, across.step * PIXEL),
        )  # fmt: skip
        return [places, of("read", dy), of("write", o.dw)]

    return body
