"""The first layer by products of bfloat16 numbers: what a line of a window has of few channels is a block of a copy.

Pixel (y, x) of the copy has, of each channel, the kernel's width of cells of line y that the windows of top column x
see. So the convolution becomes one of a kernel of one column, over width times channels, in blocks of 32.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any, NamedTuple

from netc.fast.convolution.bf16 import copy_halo
from netc.fast.convolution.geometry import Conv
from netc.fast.machine.access import Access, box, of
from netc.fast.machine.addresses import floats
from netc.fast.machine.bf16 import CHANNELS, copy_bytes, copy_of, halves
from netc.fast.machine.emit import (
    I1,
    I64,
    LANES,
    POINTER,
    VECTOR_BYTES,
    Loop,
    at,
    constant,
    load_masked,
    pointers,
    shuffle,
    store,
    variable,
)
from netc.fast.machine.launch import Launch, Ref, Region
from netc.fast.machine.layout import Blocked, Halo, Plain, blocked
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, Read, Write, entry
from netc.fast.program.builder import Builder
from netc.jit import intrinsic, ir
from netc.jit import numba_types as types


class Weights(NamedTuple):
    """Outputs times channels; lines and columns of the kernel."""

    planes: int
    kh: int
    kw: int


def supported(conv: Conv) -> bool:
    """Whether the kernels here can run it: a window's line of one channel is a part of a vector."""
    return conv.groups == 1 and conv.dilation[1] == 1 and conv.kernel[1] <= LANES


def seen(conv: Conv) -> Conv:
    """The convolution of the copy."""
    (kh, kw), (_, width) = conv.kernel, conv.out
    return replace(
        conv, inputs=conv.inputs * kw, size=(conv.size[0], width), kernel=(kh, 1), stride=(conv.stride[0], 1),
        pad=(conv.pad[0], 0), dilation=(conv.dilation[0], 1),
    )  # fmt: skip


def new_copy(b: Builder, n: int, conv: Conv) -> Blocked:
    """An array for the copy of n images."""
    shape = (n, seen(conv).inputs, *seen(conv).size)
    copy = copy_of(blocked(0, shape, Halo()), 0, copy_halo(seen(conv).halo))
    return replace(copy, base=Ref(b.new("windows in bf16", copy_bytes(copy)).array))


def windows(way: int, x: Plain, copy: Blocked, conv: Conv) -> Launch:
    """The copy of a padded NCHW array; its halo is not written."""
    (_, kw), (_, step), (_, pad) = conv.kernel, conv.stride, conv.pad
    return _windows(way, conv.inputs, kw)(x=x, copy=copy, first=-pad, step=step)


def spread_weights(weights: Region, spread: Region, conv: Conv) -> Launch:
    """Caffe's weights as those of `seen`: [output][channel, column][line]."""
    return _spread(weights=weights, spread=spread, sizes=Weights(conv.outputs * conv.inputs, *conv.kernel))


@entry
def _spread(tid: int, nth: int, weights: Read[Region], spread: Write[Region], sizes: Weights) -> None:
    cells = sizes.kh * sizes.kw
    for item in share(sizes.planes, tid, nth):
        given, made = floats(weights + item * cells * 4, cells), floats(spread + item * cells * 4, cells)
        for cell in range(cells):
            made[cell % sizes.kw * sizes.kh + cell // sizes.kw] = given[cell]


@intrinsic
def _window_pixels(
    _context: Any, way: Any, channels: Any, width: Any, source: Any, plane: Any, step: Any, count: Any, target: Any,
    block: Any,
) -> Any:  # fmt: skip
    """`count` pixels of a copy's line, in blocks `block` bytes apart. Literals: the way, channels, the kernel's width.

    source: the first cell of the first window; plane, step: bytes from a channel, and from a window, to the next.
    """
    number, deep, wide = (x.literal_value for x in (way, channels, width))

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, plane, step, count, target, block = arguments[3:]
        slots = [variable(b, pointer) for pointer in pointers(b, (source, target))]
        present = ir.Constant(ir.VectorType(I1, LANES), [lane < wide for lane in range(LANES)])
        with Loop(b, count, slots, [step, VECTOR_BYTES]):
            place, end = (b.load(slot, typ=POINTER) for slot in slots)
            cells = [load_masked(b, at(b, place, b.mul(plane, ir.Constant(I64, c))), present) for c in range(deep)]
            for i in range(-(-deep * wide // CHANNELS)):
                low, high = (_gathered(b, cells, wide, (2 * i + half) * LANES) for half in range(2))
                store(b, halves(b, number, low, high), at(b, end, b.mul(block, ir.Constant(I64, i))))
        return context.get_dummy_value()

    literals = [types.IntegerLiteral(x) for x in (number, deep, wide)]
    return types.void(*literals, *[types.intp] * 6), codegen


def _gathered(b: Any, cells: list[Any], wide: int, first: int) -> Any:
    """16 of the first `wide` lanes of all vectors one behind the other, from number `first` on; then zeros."""
    found = constant(0)
    for c, vector in enumerate(cells):
        taken = {lane: first + lane - c * wide for lane in range(LANES) if 0 <= first + lane - c * wide < wide}
        if taken:
            found = shuffle(b, found, vector, [LANES + taken[i] if i in taken else i for i in range(LANES)])
    return found


@functools.cache
def _windows(way: int, channels: int, width: int) -> Entry[...]:
    @entry
    def body(tid: int, nth: int, x: Plain, copy: Blocked, first: int, step: int) -> None:
        for item in share(copy.n * copy.h, tid, nth):
            n, line = item // copy.h, item % copy.h
            source = x.inner + n * x.image + line * x.line + first * 4
            target = copy.inner + n * copy.image + line * copy.line
            _window_pixels(way, channels, width, source, x.plane, step * 4, copy.w, target, copy.plane)

    @body.touches
    def _(o: Any) -> list[Access]:
        planes = (o.x.n, o.x.image), (o.x.c, o.x.plane), (o.x.h, o.x.line)
        cells = box("read", o.x.inner + o.first * 4, width * 4, *planes, (o.copy.w, o.step * 4))
        return [cells, of("write", o.copy)]

    return body
