"""Depthwise convolution on blocked blobs: each channel by itself, 16 at a time.

Weights lie as [block][kh][kw][16], the order FIRST of `weights` for one input. A tile is a few pixels of a line; its
sums go over the cells of the kernel. The data gradient goes by phases like that of `conv`, a weight gradient is one sum
over images, lines and pixels, in one thread.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from netc.fast.machine.emit import (
    I64,
    POINTER,
    VECTOR,
    VECTOR_BYTES,
    Loop,
    arg,
    clip_below,
    constant,
    load,
    multiply_add,
    pointers,
    store,
    tile_budget,
    variable,
)
from netc.fast.machine.launch import Argument, Launch, Ref, together
from netc.fast.machine.layout import PIXEL, Blocked
from netc.fast.machine.memory import zero
from netc.fast.old.kernels.conv import Conv, phases
from netc.fast.old.nothing import NOTHING
from netc.jit import Entry, entry, intrinsic, ir
from netc.jit import numba_types as types

MOST_COLUMNS = 8  # of the kernel, in a weight gradient


def supported(conv: Conv) -> bool:
    """Whether each channel gives one channel, and the kernels here can run it both ways."""
    return conv.groups == conv.inputs == conv.outputs and conv.kernel[1] <= MOST_COLUMNS


def packing(conv: Conv) -> Conv:
    """The convolution as which `weights` packs it."""
    return replace(conv, inputs=1, groups=1)


def packed_bytes(conv: Conv) -> int:
    return packing(conv).out_blocks * conv.cells * VECTOR_BYTES


def forward(
    x: Blocked, weights: Ref, bias: Ref | int, y: Blocked, conv: Conv, relu: bool = False, label: str = ""
) -> list[Launch]:
    """y = x * weights + bias, clipped at 0 for ReLU."""
    (kh, kw), (sh, sw), (dh, dw) = conv.kernel, conv.stride, conv.dilation
    loops = (kh, dh * x.line, kw * PIXEL, kw, dw * PIXEL, PIXEL)
    places = (x.pixel(-conv.pad[0], -conv.pad[1]), weights, y.inner, bias)
    return [_lines(places, (x, y), (y.h, y.w), (sh * x.line, sw * PIXEL, y.line, PIXEL), loops, relu, conv, label)]


def data_gradient(
    dy: Blocked, weights: Ref, dx: Blocked, conv: Conv, label: str = "", bias: Ref | int = NOTHING
) -> list[Launch]:
    """dx from dy and the same packed weights, plus the bias of a Deconvolution (for which dx is the top)."""
    kw, (sh, sw) = conv.kernel[1], conv.stride
    rows = []
    for down in phases(conv, 0):
        for across in phases(conv, 1):
            loops = (
                down.taps, -down.back * dy.line, down.skip * kw * PIXEL,
                across.taps, -across.back * PIXEL, across.skip * PIXEL,
            )  # fmt: skip
            first = (down.cell * kw + across.cell) * PIXEL if down.taps and across.taps else 0
            places = (dy.pixel(down.first, across.first), weights + first, dx.pixel(down.start, across.start), bias)
            steps = (dy.line, PIXEL, sh * dx.line, sw * PIXEL)
            rows.append(_lines(places, (dy, dx), (down.count, across.count), steps, loops, False, conv, label))
    return together(rows)


def weight_gradient(x: Blocked, dy: Blocked, dw: Ref, conv: Conv, label: str = "") -> list[Launch]:
    """The gradient of the packed weights."""
    (kh, kw), (sh, sw), (dh, dwid) = conv.kernel, conv.stride, conv.dilation
    arguments = (
        x.pixel(-conv.pad[0], -conv.pad[1]), dy.inner, dw, x.n, x.blocks, kh, dy.h, dy.w,
        x.image, x.plane, sh * x.line, sw * PIXEL, dh * x.line, dy.image, dy.plane, dy.line,
    )  # fmt: skip
    return [Launch(_weights(kw, dwid * PIXEL), arguments, label)]


def _lines(
    places: tuple[Argument, ...], blobs: tuple[Blocked, Blocked], size: tuple[int, int], steps: tuple[int, ...],
    loops: tuple[int, ...], relu: bool, conv: Conv, label: str,
) -> Launch:  # fmt: skip
    source, target = blobs
    height, width = size
    pixels = min(width, 8 if tile_budget() >= 8 else 4)
    arguments = (
        *places, source.image, source.plane, target.image, target.plane, target.n, target.blocks, height,
        width // pixels, *steps, conv.cells * PIXEL, *loops, int(relu),
    )  # fmt: skip
    return Launch(_pixels(pixels, width % pixels, steps[1]), arguments, label)


# ---------------------------------------------------------------- kernels


@intrinsic
def _tile(
    _context: Any, pixels: Any, a_step: Any, a: Any, w: Any, c: Any, c_step: Any, bias: Any, relu: Any,
    n0: Any, a0: Any, w0: Any, n1: Any, a1: Any, w1: Any,
) -> Any:  # fmt: skip
    """`pixels` sums over n0 x n1 cells, plus bias (its address, 0: none)."""
    sizes = pixels.literal_value, a_step.literal_value
    sig = types.void(*[types.IntegerLiteral(v) for v in sizes], *[types.intp] * 12)

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _emit(b, sizes, arguments[2:])
        return context.get_dummy_value()

    return sig, codegen


def _emit(b: Any, sizes: tuple[int, int], arguments: Sequence[Any]) -> None:
    pixels, a_step = sizes
    source, weights, target = pointers(b, arguments[:3])
    c_step, bias, relu = arguments[3:6]
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
    floor = b.select(b.icmp_signed("!=", relu, none), constant(0), constant(float("-inf")))
    for total in sums:
        store(b, clip_below(b, b.load(total, typ=VECTOR), floor), target)
        target = b.gep(target, [c_step], source_etype=ir.IntType(8))


@functools.cache
def _pixels(pixels: int, rest: int, a_step: int) -> Entry:
    last = rest or pixels

    @entry
    def body(row: int, tid: int, nth: int) -> None:
        source, weights, target, bias = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
        a_image, a_plane, c_image, c_plane = arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7)
        images, blocks, height, full = arg(row, 8), arg(row, 9), arg(row, 10), arg(row, 11)
        a_line, c_line, c_step, w_block = arg(row, 12), arg(row, 14), arg(row, 15), arg(row, 16)
        n0, a0, w0, n1, a1, w1 = arg(row, 17), arg(row, 18), arg(row, 19), arg(row, 20), arg(row, 21), arg(row, 22)
        relu = arg(row, 23)
        items = images * blocks
        for item in range(items * tid // nth, items * (tid + 1) // nth):
            n, block = item // blocks, item % blocks
            w = weights + block * w_block
            shift = bias + block * 64 if bias != 0 else 0
            for y in range(height):
                a = source + n * a_image + block * a_plane + y * a_line
                c = target + n * c_image + block * c_plane + y * c_line
                for _ in range(full):
                    _tile(pixels, a_step, a, w, c, c_step, shift, relu, n0, a0, w0, n1, a1, w1)
                    a += pixels * a_step
                    c += pixels * c_step
                if rest > 0:
                    _tile(last, a_step, a, w, c, c_step, shift, relu, n0, a0, w0, n1, a1, w1)

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
def _weights(columns: int, cell: int) -> Entry:
    @entry
    def body(row: int, tid: int, nth: int) -> None:
        x, dy, dw = arg(row, 0), arg(row, 1), arg(row, 2)
        images, blocks, kh, height, width = arg(row, 3), arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7)
        x_image, x_plane, x_line, x_pixel = arg(row, 8), arg(row, 9), arg(row, 10), arg(row, 11)
        cell_line, dy_image, dy_plane, dy_line = arg(row, 12), arg(row, 13), arg(row, 14), arg(row, 15)
        items = blocks * kh
        for item in range(items * tid // nth, items * (tid + 1) // nth):
            block, ky = item // kh, item % kh
            target = dw + item * columns * 64
            zero(target, columns * 64)
            for n in range(images):
                _columns(
                    columns, cell, x + n * x_image + block * x_plane + ky * cell_line,
                    dy + n * dy_image + block * dy_plane, target, height, x_line, dy_line, width, x_pixel,
                )  # fmt: skip

    return body
