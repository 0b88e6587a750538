"""Pooling on blocked blobs: MAX (and its mask) and AVE, 16 channels at once.

Where the largest value of a window occurs twice, the first cell in reading order counts, and a NaN counts only as the
first cell, as in the reference kernels (netc/kernels/pooling.py).
"""

from __future__ import annotations

from typing import Any

from netc.fast.machine.access import Access, of
from netc.fast.machine.addresses import bytes_at, zero
from netc.fast.machine.emit import (
    F32,
    I8,
    I32,
    I64,
    LANES,
    POINTER,
    VECTOR,
    Loop,
    constant,
    load,
    pointers,
    splat,
    store,
    variable,
)
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.layout import PIXEL, Blocked
from netc.fast.machine.lines import line_of, lines_of, share, spot
from netc.fast.machine.operands import Entry, Read, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.jit import intrinsic, ir, kernel
from netc.jit import numba_types as types
from netc.kernels.pooling import Planes
from netc.kernels.windows import Axis
from netc.plan.model import Step

LOWEST = -3.4028234663852886e38
_INDICES = ir.VectorType(I32, LANES)


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


def _over_windows(kind: int) -> Entry[...]:
    """kind 0: maxima, 1: their gradient, 2: averages, 3: their gradient. A thread's share is whole planes.

    x: the bottom, or its diff; y: the top, or its diff; index: a byte a value of y, the cell of the window that the
    maximum came from (not of averages). count_pad: cells of the padding count in an average (Caffe), else only those of
    the image (TensorFlow).
    """

    @entry
    def body(
        tid: int, nth: int, x: Blocked, y: Blocked, index: Region, height: Axis, width: Axis, count_pad: bool
    ) -> None:
        begin_h, begin_w, end_h, end_w = 0, 0, height.size, width.size
        if count_pad:
            begin_h, begin_w = -height.before, -width.before
            end_h, end_w = height.size + height.after, width.size + width.after
        kernel_w = width.kernel
        for item in share(x.n * x.blocks, tid, nth):
            n, block = item // x.blocks, item % x.blocks
            x_start = x.inner + n * x.image + block * x.plane
            if kind % 2 == 1:
                for line in range(x.h):
                    zero(x_start + line * x.line, x.w * 64)
            for oh in range(y.h):
                start = oh * height.stride - height.before
                low, high = _clip(start, height.kernel, 0, x.h)
                first_line, last_line = _clip(start, height.kernel, begin_h, end_h)
                lines, top = last_line - first_line, start
                for ow in range(y.w):
                    left = ow * width.stride - width.before
                    first, last = _clip(left, kernel_w, 0, x.w)
                    first_column, last_column = _clip(left, kernel_w, begin_w, end_w)
                    count = max(lines * (last_column - first_column), 1)
                    source = x_start + low * x.line + first * 64
                    target = y.inner + n * y.image + block * y.plane + oh * y.line + ow * 64
                    place = index + ((item * y.h + oh) * y.w + ow) * 16 if index else 0
                    cell = (low - top) * kernel_w + first - left
                    if kind == 0:
                        _largest(
                            source, x.line, high - low, last - first, target, place, cell, kernel_w,
                            height.kernel * kernel_w,
                        )  # fmt: skip
                    elif kind == 1:
                        _spread_chosen(source, x.line, high - low, last - first, target, place, cell, kernel_w)
                    elif kind == 2:
                        _average(source, x.line, high - low, last - first, target, count)
                    else:
                        _spread_shares(source, x.line, high - low, last - first, target, count)

    @body.touches
    def _(o: Any) -> list[Access]:
        if kind % 2:
            return [of("write", o.x), of("read", o.y), of("read", o.index)]
        return [of("read", o.x), of("write", o.y), of("write", o.index)]

    return body


@kernel(inline="always")
def _clip(start: int, size: int, begin: int, end: int) -> tuple[int, int]:
    """The part first..last-1 of start..start+size-1 that lies in begin..end-1."""
    first = max(start, begin)
    return first, max(first, min(start + size, end))


maxima, chosen, averages, shares = (_over_windows(kind) for kind in range(4))


@entry
def mask(
    tid: int, nth: int, index: Read[Region], y: Write[Blocked], height: Axis, width: Axis, last_lanes: int
) -> None:
    """y = the place of each maximum in its plane (-1: there is none), from the cells that `maxima` kept.

    last_lanes: channels of the last block.
    """
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        _, block, line = at
        lanes = last_lanes if block == y.blocks - 1 else 16
        target = line_of(y, at)
        cells = bytes_at(index + item * y.w * 16, y.w * 16)
        for i in range(y.w * 16):
            cell = int(cells[i])
            h = line * height.stride - height.before + cell // width.kernel
            w = i // 16 * width.stride - width.before + cell % width.kernel
            found = h * width.size + w if cell < height.kernel * width.kernel else -1
            target[i] = found if i % 16 < lanes else 0


# ---------------------------------------------------------------- the layer


def _fields(b: Builder, layer: int) -> Any:
    return b.plan.graph.nodes[layer].record.pooling_param


def _axes(b: Builder, layer: int) -> tuple[Axis, Axis]:
    planes = b.planned(layer).setup.known(Planes)
    return planes.height, planes.width


def accepts(b: Builder, layer: int) -> Layout | None:
    """Not with dilation, nor a window of which a byte cannot name the cell that a maximum came from."""
    (height, width), method = _axes(b, layer), _fields(b, layer).pool
    known = height.dilation == width.dilation == 1 and (
        method == "AVE" or (method == "MAX" and height.kernel * width.kernel < 256)
    )
    return "blocked" if known else None


def forward(b: Builder, layer: int) -> None:
    height, width = _axes(b, layer)
    x, y = b.read(b.bottom(layer)), b.write(b.top(layer))
    if _fields(b, layer).pool == "AVE":
        count_pad = _fields(b, layer).padding == "EXPLICIT"
        b.emit(averages(x=x, y=y, index=NOTHING, height=height, width=width, count_pad=count_pad), "average")
        return
    index = NOTHING
    masked = len(b.plan.graph.nodes[layer].tops) > 1
    if b.planned(layer).needs_backward or masked:
        index = b.kept[layer, "index"] = b.new("pool index", y.values)
    b.emit(maxima(x=x, y=y, index=index, height=height, width=width, count_pad=True), "maximum")
    if masked:
        places = b.write(b.top(layer, 1))
        last_lanes = places.c - (places.blocks - 1) * LANES
        b.emit(mask(index=index, y=places, height=height, width=width, last_lanes=last_lanes), "mask")


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    if target is None:
        return
    height, width = _axes(b, layer)
    dy, dx = b.read(step.top_diffs[0]), b.write(target)
    if _fields(b, layer).pool == "AVE":
        count_pad = _fields(b, layer).padding == "EXPLICIT"
        b.emit(shares(x=dx, y=dy, index=NOTHING, height=height, width=width, count_pad=count_pad), "average gradient")
    else:
        index = b.kept[layer, "index"]
        b.emit(chosen(x=dx, y=dy, index=index, height=height, width=width, count_pad=True), "maximum gradient")


FAMILY = Family(("Pooling",), accepts, forward, backward)
