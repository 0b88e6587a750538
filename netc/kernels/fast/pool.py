"""Pooling on blocked blobs: maxima with the cell they came from, averages, and their gradients.

16 channels at once. Where the largest value of a window occurs twice, the first cell in reading order counts, and a NaN
counts only as the first cell, as in the reference kernels (netc/kernels/pooling.py).
"""

from __future__ import annotations

from typing import Any

from netc.jit import Entry, entry, intrinsic, ir, kernel
from netc.jit import numba_types as types
from netc.kernels.fast.emit import (
    F32,
    I8,
    I32,
    I64,
    LANES,
    POINTER,
    VECTOR,
    Loop,
    arg,
    constant,
    load,
    pointers,
    splat,
    store,
    variable,
)
from netc.kernels.fast.layout import PIXEL, Blocked
from netc.kernels.fast.memory import zero
from netc.kernels.fast.rows import NOTHING, Ref, Row
from netc.kernels.windows import Axis

INDEX_BYTES = LANES  # a byte a channel for the chosen cell
LOWEST = -3.4028234663852886e38
_INDICES = ir.VectorType(I32, LANES)


# ---------------------------------------------------------------- rows


def index_bytes(y: Blocked) -> int:
    """The size of the array that keeps which cell of its window each maximum came from."""
    return y.n * y.blocks * y.h * y.w * INDEX_BYTES


def supported(height: Axis, width: Axis, maximum: bool) -> bool:
    """Whether the kernels here can run it. A byte must hold the cell that a maximum came from."""
    return height.dilation == width.dilation == 1 and (not maximum or height.kernel * width.kernel < 256)


def max_forward(x: Blocked, y: Blocked, index: Ref | None, height: Axis, width: Axis, label: str = "") -> list[Row]:
    """y = the maxima; their cells go to `index` unless there will be no backward."""
    return [Row(_maxima, _arguments(x, y, index, height, width, True), label)]


def max_backward(dx: Blocked, dy: Blocked, index: Ref, height: Axis, width: Axis, label: str = "") -> list[Row]:
    """dx = each window's diff at the chosen cell."""
    return [Row(_chosen, _arguments(dx, dy, index, height, width, True), label)]


def average_forward(x: Blocked, y: Blocked, height: Axis, width: Axis, count_pad: bool, label: str = "") -> list[Row]:
    """y = the averages; with `count_pad` padded cells count (Caffe), else only cells of the image (TensorFlow)."""
    return [Row(_averages, _arguments(x, y, None, height, width, count_pad), label)]


def average_backward(
    dx: Blocked, dy: Blocked, height: Axis, width: Axis, count_pad: bool, label: str = ""
) -> list[Row]:
    return [Row(_shares, _arguments(dx, dy, None, height, width, count_pad), label)]


def _arguments(
    x: Blocked, y: Blocked, index: Ref | None, height: Axis, width: Axis, count_pad: bool
) -> tuple[int | Ref, ...]:
    ends = (height.size + height.after, width.size + width.after) if count_pad else (height.size, width.size)
    begins = (-height.before, -width.before) if count_pad else (0, 0)
    return (
        x.inner, x.image, x.plane, x.row, y.inner, y.image, y.plane, y.row, NOTHING if index is None else index,
        x.n, x.blocks, height.size, width.size, height.out, width.out, height.kernel, width.kernel,
        height.stride, width.stride, height.before, width.before, *ends, *begins,
    )  # fmt: skip


# ---------------------------------------------------------------- one window


@intrinsic
def _largest(
    _context: Any, x: Any, line: Any, height: Any, width: Any, y: Any, index: Any, first: Any, columns: Any, none: Any
) -> Any:
    """Store the largest of height x width pixels at y, and its cell (first + row * columns + column) at index."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, target = pointers(b, (arguments[0], arguments[4]))
        line, height, width = arguments[1:4]
        index, first, columns, none = arguments[5:]
        best, found = variable(b, constant(LOWEST)), variable(b, _index_splat(b, none))
        cell, slot = variable(b, first), variable(b, source)
        with Loop(b, height, [slot], [line]):
            row_start = b.load(cell, typ=I64)
            with Loop(b, width, [slot], [PIXEL]):
                value = load(b, b.load(slot, typ=POINTER))
                number = b.load(cell, typ=I64)
                fresh = b.icmp_signed("==", b.load(found, typ=_INDICES), _index_splat(b, none))
                larger = b.or_(fresh, b.fcmp_ordered(">", value, b.load(best, typ=VECTOR)))
                b.store(b.select(larger, value, b.load(best, typ=VECTOR)), best)
                b.store(b.select(larger, _index_splat(b, number), b.load(found, typ=_INDICES)), found)
                b.store(b.add(number, ir.Constant(I64, 1)), cell)
            b.store(b.add(row_start, columns), cell)
        store(b, b.load(best, typ=VECTOR), target)
        with b.if_then(b.icmp_signed("!=", index, ir.Constant(I64, 0))):
            narrow = b.trunc(b.load(found, typ=_INDICES), ir.VectorType(I8, LANES))
            b.store(narrow, b.inttoptr(index, POINTER)).align = 1
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9), codegen


@intrinsic
def _spread_chosen(
    _context: Any, x: Any, line: Any, height: Any, width: Any, y: Any, index: Any, first: Any, columns: Any
) -> Any:
    """Add y to the pixel of the window (of x) that index names, channel by channel."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        target, source, names = pointers(b, (arguments[0], arguments[4], arguments[5]))
        line, height, width = arguments[1:4]
        first, columns = arguments[6:]
        narrow = b.load(names, typ=ir.VectorType(I8, LANES))
        narrow.align = 1
        chosen, given = b.zext(narrow, _INDICES), load(b, source)
        cell, slot = variable(b, first), variable(b, target)
        with Loop(b, height, [slot], [line]):
            row_start = b.load(cell, typ=I64)
            with Loop(b, width, [slot], [PIXEL]):
                pixel, number = b.load(slot, typ=POINTER), b.load(cell, typ=I64)
                here = b.icmp_signed("==", chosen, _index_splat(b, number))
                store(b, b.fadd(load(b, pixel), b.select(here, given, constant(0))), pixel)
                b.store(b.add(number, ir.Constant(I64, 1)), cell)
            b.store(b.add(row_start, columns), cell)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 8), codegen


def _index_splat(b: Any, number: Any) -> Any:
    narrow = b.trunc(number, I32)
    one = b.insert_element(ir.Constant(_INDICES, ir.Undefined), narrow, ir.Constant(I32, 0))
    return b.shuffle_vector(one, ir.Constant(_INDICES, ir.Undefined), ir.Constant(_INDICES, [0] * LANES))


@intrinsic
def _average(_context: Any, x: Any, line: Any, height: Any, width: Any, y: Any, count: Any) -> Any:
    """Store the sum of height x width pixels divided by count at y."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        x, y = pointers(b, (arguments[0], arguments[4]))
        total, slot = variable(b, constant(0)), variable(b, x)
        with Loop(b, arguments[2], [slot], [arguments[1]]), Loop(b, arguments[3], [slot], [PIXEL]):
            b.store(b.fadd(b.load(total, typ=VECTOR), load(b, b.load(slot, typ=POINTER))), total)
        store(b, b.fdiv(b.load(total, typ=VECTOR), splat(b, b.sitofp(arguments[5], F32))), y)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), codegen


@intrinsic
def _spread_shares(_context: Any, x: Any, line: Any, height: Any, width: Any, y: Any, count: Any) -> Any:
    """Add y divided by count to height x width pixels of x."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        x, y = pointers(b, (arguments[0], arguments[4]))
        share = b.fdiv(load(b, y), splat(b, b.sitofp(arguments[5], F32)))
        slot = variable(b, x)
        with Loop(b, arguments[2], [slot], [arguments[1]]), Loop(b, arguments[3], [slot], [PIXEL]):
            pixel = b.load(slot, typ=POINTER)
            store(b, b.fadd(load(b, pixel), share), pixel)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), codegen


# ---------------------------------------------------------------- all windows


def _over_windows(kind: int) -> Entry:
    """kind 0: maxima, 1: their gradient, 2: averages, 3: their gradient. A thread's share is whole planes."""

    @entry
    def body(row: int, tid: int, nth: int) -> None:
        x, x_image, x_plane, x_line = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
        y, y_image, y_plane, y_line, index = arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7), arg(row, 8)
        images, planes, height, width = arg(row, 9), arg(row, 10), arg(row, 11), arg(row, 12)
        out_h, out_w, kernel_h, kernel_w = arg(row, 13), arg(row, 14), arg(row, 15), arg(row, 16)
        stride_h, stride_w, pad_h, pad_w = arg(row, 17), arg(row, 18), arg(row, 19), arg(row, 20)
        end_h, end_w, begin_h, begin_w = arg(row, 21), arg(row, 22), arg(row, 23), arg(row, 24)
        items = images * planes
        for item in range(items * tid // nth, items * (tid + 1) // nth):
            n, block = item // planes, item % planes
            x_start = x + n * x_image + block * x_plane
            if kind % 2 == 1:
                for line in range(height):
                    zero(x_start + line * x_line, width * 64)
            for oh in range(out_h):
                top, low, high = _clip(oh * stride_h - pad_h, kernel_h, 0, height)
                _, low_count, high_count = _clip(oh * stride_h - pad_h, kernel_h, begin_h, end_h)
                lines = high_count - low_count
                for ow in range(out_w):
                    left, first, last = _clip(ow * stride_w - pad_w, kernel_w, 0, width)
                    _, first_count, last_count = _clip(ow * stride_w - pad_w, kernel_w, begin_w, end_w)
                    count = max(lines * (last_count - first_count), 1)
                    source = x_start + low * x_line + first * 64
                    target = y + n * y_image + block * y_plane + oh * y_line + ow * 64
                    place = index + ((item * out_h + oh) * out_w + ow) * 16 if index != 0 else 0
                    cell = (low - top) * kernel_w + first - left
                    if kind == 0:
                        _largest(
                            source, x_line, high - low, last - first, target, place, cell, kernel_w, kernel_h * kernel_w
                        )
                    elif kind == 1:
                        _spread_chosen(source, x_line, high - low, last - first, target, place, cell, kernel_w)
                    elif kind == 2:
                        _average(source, x_line, high - low, last - first, target, count)
                    else:
                        _spread_shares(source, x_line, high - low, last - first, target, count)

    return body


@kernel(inline="always")
def _clip(start: int, size: int, begin: int, end: int) -> tuple[int, int, int]:
    """start, and the part first..last-1 of start..start+size-1 that lies in begin..end-1."""
    first = max(start, begin)
    return start, first, max(first, min(start + size, end))


_maxima, _chosen, _averages, _shares = (_over_windows(kind) for kind in range(4))
