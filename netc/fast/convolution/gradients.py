"""Gradients of packed weights and biases: each block is one sum, over images and then lines, in one thread."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

from netc.fast.convolution.geometry import Conv, Taps
from netc.fast.convolution.lines import TARGET_PIXELS, block_runs
from netc.fast.machine.access import Access, box
from netc.fast.machine.emit import F32, I64, LANES, tile, tile_budget, variable
from netc.fast.machine.launch import Launch, Region, together
from netc.fast.machine.layout import PIXEL, Blocked, Plain
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, Read, Write, entry
from netc.jit import intrinsic, ir
from netc.jit import numba_types as types


class Tiles(NamedTuple):
    """What a launch does: of each group all `ins` blocks (or channels) of x; of its `outs` blocks of dy `parts` runs
    of as many as a tile has, from block `first` on; `band` lines at a time."""

    groups: int
    ins: int
    outs: int
    first: int
    parts: int
    band: int


def weight_gradient(x: Blocked, dy: Blocked, dw: Region, conv: Conv) -> list[Launch]:
    """dw = the gradient of packed weights."""
    budget = tile_budget()
    lanes = 8 if budget >= 8 else 4 if budget >= 4 else 2
    most = max(1, budget // lanes if budget < 28 else 2)
    return together([
        _blocks(lanes, vectors)(x=x, dy=dy, dw=dw, down=conv.taps(0), across=conv.taps(1), tiles=tiles)
        for tiles, vectors in _tiles(conv, conv.in_blocks, dy, most)
    ])  # fmt: skip


def weight_gradient_first(x: Plain, dy: Blocked, dw: Region, conv: Conv) -> list[Launch]:
    """dw = the gradient of a first layer's packed weights: the tile's rows are the columns of the kernel."""
    (_, kw), (_, dilation) = conv.kernel, conv.dilation
    most = max(1, min(4, tile_budget() // kw))
    return together([
        _columns(kw, vectors, dilation * 4)(x=x, dy=dy, dw=dw, down=conv.taps(0), across=conv.taps(1), tiles=tiles)
        for tiles, vectors in _tiles(conv, conv.inputs, dy, most)
    ])  # fmt: skip


def _tiles(conv: Conv, ins: int, dy: Blocked, most: int) -> Iterator[tuple[Tiles, int]]:
    """The launches, and how many blocks of dy a tile of each has."""
    band = max(1, min(dy.h, TARGET_PIXELS // dy.w))
    for first, count, vectors in block_runs(conv.out_blocks, most):
        yield Tiles(conv.groups, ins, conv.out_blocks, first, count, band), vectors


@functools.cache
def _blocks(lanes: int, vectors: int) -> Entry[...]:
    """Tiles of `lanes` input channels by `vectors` output blocks, summed over the pixels of a band of lines."""
    parts = LANES // lanes

    @entry
    def body(tid: int, nth: int, x: Blocked, dy: Blocked, dw: Region, down: Taps, across: Taps, tiles: Tiles) -> None:
        corner = x.inner + down.first * x.line + across.first * 64
        a_line, a_pixel = down.step * x.line, across.step * 64
        c_in = down.taps * across.taps * 1024
        c_out = tiles.ins * c_in
        for item in share(tiles.groups * tiles.parts * tiles.ins * down.taps, tid, nth):
            ky, rest = item % down.taps, item // down.taps
            i, rest = rest % tiles.ins, rest // tiles.ins
            block, group = tiles.first + rest % tiles.parts * vectors, rest // tiles.parts
            a_start = corner + (group * tiles.ins + i) * x.plane + ky * down.reach * x.line
            b_start = dy.inner + (group * tiles.outs + block) * dy.plane
            c_start = dw + (group * tiles.outs + block) * c_out + i * c_in + ky * across.taps * 1024
            add = -1
            for n in range(dy.n):
                for top in range(0, dy.h, tiles.band):
                    here = min(tiles.band, dy.h - top)
                    a = a_start + n * x.image + top * a_line
                    b = b_start + n * dy.image + top * dy.line
                    for kx in range(across.taps):
                        for part in range(parts):
                            tile(
                                lanes, vectors, 1, 4, a + kx * across.reach * 64 + part * lanes * 4, b,
                                c_start + kx * 1024 + part * lanes * 64, 0, add, 0, 64, dy.plane, c_out,
                                1, 0, 0, here, a_line, dy.line, dy.w, a_pixel, 64,
                            )  # fmt: skip
                    add = 0

    @body.touches
    def _(o: Any) -> list[Access]:
        return _touched(o, vectors, PIXEL, 16 * PIXEL)

    return body


@functools.cache
def _columns(columns: int, vectors: int, a_row: int) -> Entry[...]:
    """Tiles of the kernel's `columns`, which are `a_row` bytes apart in x, by `vectors` output blocks."""

    @entry
    def body(tid: int, nth: int, x: Plain, dy: Blocked, dw: Region, down: Taps, across: Taps, tiles: Tiles) -> None:
        corner = x.inner + down.first * x.line + across.first * 4
        a_line, a_pixel = down.step * x.line, across.step * 4
        c_in = down.taps * columns * 64
        c_out = tiles.ins * c_in
        for item in share(tiles.parts * tiles.ins * down.taps, tid, nth):
            ky, rest = item % down.taps, item // down.taps
            i, block = rest % tiles.ins, tiles.first + rest // tiles.ins * vectors
            a_start = corner + i * x.plane + ky * down.reach * x.line
            b_start = dy.inner + block * dy.plane
            c = dw + block * c_out + i * c_in + ky * columns * 64
            add = -1
            for n in range(dy.n):
                for top in range(0, dy.h, tiles.band):
                    tile(
                        columns, vectors, 1, a_row, a_start + n * x.image + top * a_line,
                        b_start + n * dy.image + top * dy.line, c, 0, add, 0, 64, dy.plane, c_out,
                        1, 0, 0, min(tiles.band, dy.h - top), a_line, dy.line, dy.w, a_pixel, 64,
                    )  # fmt: skip
                    add = 0

    @body.touches
    def _(o: Any) -> list[Access]:
        return _touched(o, vectors, 4, PIXEL)

    return body


def _touched(o: Any, vectors: int, pixel: int, cell: int) -> list[Access]:
    """pixel: bytes of one of x; cell: bytes of the weights of a cell."""
    x, dy, down, across, tiles = o.x, o.dy, o.down, o.across, o.tiles
    groups, outs = tiles.groups, tiles.parts * vectors
    c_out = tiles.ins * down.taps * across.taps * cell
    return [
        box(
            "read", x.pixel(down.first, across.first), pixel, (dy.n, x.image), (groups * tiles.ins, x.plane),
            (down.taps, down.reach * x.line), (across.taps, across.reach * pixel),
            (dy.h, down.step * x.line), (dy.w, across.step * pixel),
        ),
        box(
            "read", dy.inner + tiles.first * dy.plane, dy.w * PIXEL, (dy.n, dy.image), (groups, tiles.outs * dy.plane),
            (outs, dy.plane), (dy.h, dy.line),
        ),
        box("write", o.dw + tiles.first * c_out, outs * c_out, (groups, tiles.outs * c_out)),
    ]  # fmt: skip


def bias_gradient(dy: Blocked, db: Region) -> Launch:
    """db = the sum of dy over images and pixels, 16 floats a block."""
    return _bias(dy=dy, db=db)


@entry
def _bias(tid: int, nth: int, dy: Read[Blocked], db: Write[Region]) -> None:
    one = _one()
    for block in share(dy.blocks, tid, nth):
        for n in range(dy.n):
            tile(
                1, 1, 1, 0, one, dy.inner + n * dy.image + block * dy.plane, db + block * 64, 0, -1 if n == 0 else 0,
                0, 0, 0, 0, 1, 0, 0, dy.h, 0, dy.line, dy.w, 0, 64,
            )  # fmt: skip


@intrinsic
def _one(_context: Any) -> Any:
    """The address of a float 1: a sum is a product with it."""

    def codegen(_context: Any, b: Any, _signature: Any, _arguments: Any) -> Any:
        return b.ptrtoint(variable(b, ir.Constant(F32, 1.0)), I64)

    return types.intp(), codegen
