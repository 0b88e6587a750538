"""The gradient of weights by products of bfloat16 numbers: sums over positions, of which two are a word.

Both operands lie along one long line of positions, of which each line of pixels takes `pitch`, an even number. The
bottom lies turned, [image][channel][position], with its halo: 32 positions of 16 channels are a tile register, and a
cell of the kernel is another first position. The top's diff lies as [image][block][positions / 2][16 channels][2], with
zeros where a line ends. Of strides, only those of 1 x 1 are known here: its bottom is the pixels that it sees.

The packed gradient is that of the float32 kernels. Each block of it is one sum, over images and then positions, in one
thread; it is added to in memory, band by band, so that what is read of a band stays in the caches.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any, NamedTuple

from netc.fast.convolution.bf16 import thinned
from netc.fast.convolution.geometry import Conv
from netc.fast.convolution.lines import Lying
from netc.fast.machine.access import Access, box, of
from netc.fast.machine.addresses import zero
from netc.fast.machine.bf16 import halves, words
from netc.fast.machine.bf16_tiles import TILE_ROWS, begin_tiles, end_tiles, weight_rows, weight_tile
from netc.fast.machine.emit import (
    I64,
    LANES,
    POINTER,
    VECTOR_BYTES,
    Loop,
    at,
    constant,
    load,
    load_rows,
    pointers,
    spaced_rows,
    store,
    transpose,
    variable,
)
from netc.fast.machine.launch import Launch, Ref, Region
from netc.fast.machine.layout import PIXEL, Blocked
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, Read, Write, entry
from netc.jit import intrinsic, ir
from netc.jit import numba_types as types

STEP = 32  # positions of a step: 16 words
BANDS = 8, 32  # steps of a band, for kernels of several cells and of one
CHUNK_BYTES = 1 << 19  # of the packed gradient that is added to in turn, in the second-level cache


class Strip(NamedTuple):
    """How operands lie: positions from a line to the next; before the bottom's first pixel, and of one channel of it;
    steps of a plane of the top."""

    pitch: int
    first: int
    length: int
    steps: int


class Cells(NamedTuple):
    """The kernel: its cells, and positions from one to the next; positions of the first before the bottom's first."""

    kh: int
    kw: int
    down: int
    across: int
    before: int


class Blocks(NamedTuple):
    """Images; groups; blocks of a group's inputs and outputs; steps of a band; bytes of a chunk."""

    n: int
    groups: int
    ins: int
    outs: int
    band: int
    chunk: int


class Size(NamedTuple):
    """Of a blob: images, blocks, lines and pixels of a line."""

    n: int
    blocks: int
    h: int
    w: int


Spread = tuple[Ref, Size, Lying]
"""A blob: its first pixel, its size, and how it lies."""


def supported(conv: Conv) -> bool:
    """Whether the kernels here can run it: all pixels that a cell sees are side by side."""
    return thinned(conv)[0].stride == (1, 1)


def strip(conv: Conv) -> Strip:
    """How the operands of a convolution without a stride lie."""
    halo = conv.halo
    left = max(halo.left, halo.right)
    pitch = -(-max(left + conv.size[1], conv.out[1]) // 2) * 2
    steps = -(-((conv.out[0] - 1) * pitch + conv.out[1]) // STEP)
    reach = ((conv.kernel[0] - 1) * conv.dilation[0]) * pitch + (conv.kernel[1] - 1) * conv.dilation[1]
    first = halo.top * pitch + left
    ends = first + conv.size[0] * pitch, first + reach + steps * STEP
    return Strip(pitch, first, -(-(max(ends) + STEP) // STEP) * STEP, steps)


def turned_bytes(n: int, conv: Conv) -> int:
    """What the bottom of n images takes."""
    return n * conv.groups * conv.in_blocks * LANES * strip(thinned(conv)[0]).length * 2


def pairs_bytes(n: int, conv: Conv) -> int:
    """What the top's diff takes."""
    return n * conv.groups * conv.out_blocks * strip(thinned(conv)[0]).steps * STEP * LANES * 2


def weight_gradient(
    way: int, x: Blocked, dy: Blocked, turned: Region, pairs: Region, dw: Region, conv: Conv
) -> list[Launch]:
    """dw = the gradient of packed weights. turned, pairs: workspace for the operands."""
    seen, (down, across) = thinned(conv)
    bottom = Size(x.n, x.blocks, *seen.size), Lying(x.image, x.plane, down * x.line, across * PIXEL)
    top = Size(dy.n, dy.blocks, dy.h, dy.w), Lying(dy.image, dy.plane, dy.line, PIXEL)
    return sums(way, (x.inner, *bottom), (dy.inner, *top), turned, pairs, dw, seen)


def sums(way: int, bottom: Spread, top: Spread, turned: Region, pairs: Region, dw: Region, conv: Conv) -> list[Launch]:
    """The same of a convolution without a stride, of a bottom and a top's diff that may lie anyhow."""
    (x, size, x_lies), (dy, top_size, dy_lies) = bottom, top
    lies, dilation = strip(conv), conv.dilation
    before = conv.pad[0] * lies.pitch + conv.pad[1]
    cells = Cells(*conv.kernel, dilation[0] * lies.pitch, dilation[1], before)
    blocks = Blocks(size.n, conv.groups, conv.in_blocks, conv.out_blocks, BANDS[conv.cells == 1], CHUNK_BYTES)
    return [
        replace(_turned(way)(x=x, pixels=size, lies=x_lies, turned=turned, strip=lies), wait=False),
        _paired(way)(dy=dy, pixels=top_size, lies=dy_lies, pairs=pairs, strip=lies),
        _sums(way)(turned=turned, pairs=pairs, dw=dw, strip=lies, cells=cells, blocks=blocks),
    ]


# ---------------------------------------------------------------- operands


@intrinsic
def _turn_pixels(_context: Any, way: Any, source: Any, step: Any, count: Any, target: Any, channel: Any) -> Any:
    """32 positions of 16 channels, `channel` bytes apart, of `count` pixels that lie `step` bytes apart; then zeros."""
    number = way.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _, source, step, count, target, channel = arguments
        start, width = b.inttoptr(source, POINTER), ir.Constant(I64, LANES)
        behind = at(b, start, b.mul(step, width))
        low = transpose(b, load_rows(b, spaced_rows(b, start, step), count, width))
        high = transpose(b, load_rows(b, spaced_rows(b, behind, step), b.sub(count, width), width))
        ends = spaced_rows(b, b.inttoptr(target, POINTER), channel)
        for first, second, end in zip(low, high, ends, strict=True):
            b.store(halves(b, number, first, second), end).align = 2
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(number), *[types.intp] * 5), codegen


@intrinsic
def _pair_pixels(_context: Any, way: Any, source: Any, step: Any, count: Any, target: Any) -> Any:
    """Words of two pixels each, of `count` that lie `step` bytes apart; 0 stands for one that is not there."""
    number = way.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _, source, step, count, target = arguments
        start, end = pointers(b, (source, target))
        one, slots = ir.Constant(I64, 1), [variable(b, start), variable(b, end)]
        with Loop(b, b.lshr(count, one), slots, [b.shl(step, one), VECTOR_BYTES]):
            place, target = (b.load(slot, typ=POINTER) for slot in slots)
            store(b, words(b, number, load(b, place), load(b, place, step)), target)
        with b.if_then(b.icmp_signed("!=", b.and_(count, one), ir.Constant(I64, 0))):
            last = b.sub(count, one)
            source = at(b, start, b.mul(last, step))
            target = at(b, end, b.mul(b.lshr(last, one), ir.Constant(I64, VECTOR_BYTES)))
            store(b, words(b, number, load(b, source), constant(0)), target)
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(number), *[types.intp] * 4), codegen


@functools.cache
def _turned(way: int) -> Entry[...]:
    @entry
    def body(tid: int, nth: int, x: Ref, pixels: Size, lies: Lying, turned: Region, strip: Strip) -> None:
        channel = strip.length * 2
        for item in share(pixels.n * pixels.blocks, tid, nth):
            source = x + item // pixels.blocks * lies.image + item % pixels.blocks * lies.plane
            target = turned + item * 16 * channel
            zero(target, 16 * channel)
            for line in range(pixels.h):  # in order: a line's last store may go into the next one
                start, place = source + line * lies.line, target + (strip.first + line * strip.pitch) * 2
                for pixel in range(0, pixels.w, 32):
                    _turn_pixels(
                        way, start + pixel * lies.pixel, lies.pixel, pixels.w - pixel, place + pixel * 2, channel
                    )  # fmt: skip

    @body.touches
    def _(o: Any) -> list[Access]:
        return [_read(o.x, o.pixels, o.lies), of("write", o.turned)]

    return body


@functools.cache
def _paired(way: int) -> Entry[...]:
    @entry
    def body(tid: int, nth: int, dy: Ref, pixels: Size, lies: Lying, pairs: Region, strip: Strip) -> None:
        plane = strip.steps * 1024
        for item in share(pixels.n * pixels.blocks, tid, nth):
            source = dy + item // pixels.blocks * lies.image + item % pixels.blocks * lies.plane
            zero(pairs + item * plane, plane)
            for line in range(pixels.h):
                place = pairs + item * plane + line * strip.pitch * 32
                _pair_pixels(way, source + line * lies.line, lies.pixel, pixels.w, place)

    @body.touches
    def _(o: Any) -> list[Access]:
        return [_read(o.dy, o.pixels, o.lies), of("write", o.pairs)]

    return body


def _read(place: Ref, pixels: Size, lies: Lying) -> Access:
    planes = (pixels.n, lies.image), (pixels.blocks, lies.plane)
    return box("read", place, PIXEL, *planes, (pixels.h, lies.line), (pixels.w, lies.pixel))


# ---------------------------------------------------------------- sums


@functools.cache
def _sums(way: int) -> Entry[...]:
    """Tiles of two blocks of inputs by two of outputs, and what is left of them."""
    few = weight_rows(way)
    rows = 2 * few if few == TILE_ROWS else few

    @entry
    def body(
        tid: int, nth: int, turned: Read[Region], pairs: Read[Region], dw: Write[Region], strip: Strip, cells: Cells,
        blocks: Blocks,
    ) -> None:  # fmt: skip
        begin_tiles(way)
        channel, plane, ins, outs = strip.length * 2, strip.steps * 1024, blocks.ins, blocks.outs
        c_in = cells.kh * cells.kw * 1024
        c_out = ins * c_in
        across, down = (ins + 1) // 2, (outs + 1) // 2
        chunk = max(1, blocks.chunk // (4 * c_in))
        items = share(blocks.groups * down * across, tid, nth)
        for start in range(items.start, items.stop, chunk):
            for n in range(blocks.n):
                for first in range(0, strip.steps, blocks.band):
                    here, add = min(blocks.band, strip.steps - first), 0 if n + first > 0 else -1
                    for item in range(start, min(items.stop, start + chunk)):
                        i, rest = item % across * 2, item // across
                        o, group = rest % down * 2, rest // down
                        a_start = turned + ((n * blocks.groups + group) * ins + i) * 16 * channel
                        a_start += (strip.first - cells.before + first * 32) * 2
                        b = pairs + ((n * blocks.groups + group) * outs + o) * plane + first * 1024
                        c_start = dw + (group * outs + o) * c_out + i * c_in
                        channels = min(2, ins - i) * 16
                        for cell in range(cells.kh * cells.kw):
                            reach = cell // cells.kw * cells.down + cell % cells.kw * cells.across
                            for lane in range(0, channels, rows):
                                a, c = a_start + reach * 2 + lane * channel, c_start + cell * 1024
                                c += lane // 16 * c_in + lane % 16 * 64
                                if channels - lane >= rows:
                                    if o + 1 < outs:
                                        weight_tile(way, rows, 2, channel, a, b, c, plane, c_in, c_out, add, here)
                                    else:
                                        weight_tile(way, rows, 1, channel, a, b, c, plane, c_in, c_out, add, here)
                                elif o + 1 < outs:
                                    weight_tile(way, few, 2, channel, a, b, c, plane, c_in, c_out, add, here)
                                else:
                                    weight_tile(way, few, 1, channel, a, b, c, plane, c_in, c_out, add, here)
        end_tiles(way)

    return body
