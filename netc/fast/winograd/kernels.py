"""The kernels of Winograd convolution, all but those of its weights; `launches` launches them.

Pixels become `Points`, points are multiplied by weights, and the products become pixels again. A chunk of tiles is
worked on at a time, so that its points stay in a cache.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from netc.fast.convolution.geometry import BLOCK
from netc.fast.machine.access import Access, box, of
from netc.fast.machine.activation import Activation, code
from netc.fast.machine.emit import tile
from netc.fast.machine.launch import Region
from netc.fast.machine.layout import PIXEL, Blocked
from netc.fast.machine.lines import Spot, share
from netc.fast.machine.operands import Entry, entry, entry_with
from netc.fast.winograd.emit import bottom_square, top_gradient_square, top_square
from netc.fast.winograd.points import Pieces, Points, Tiles, point_count
from netc.jit import Kernel, kernel

# ---------------------------------------------------------------- pixels to points and back


@kernel(inline="always")
def _grid(tiles: Tiles) -> tuple[int, int]:
    """Lines of tiles of a phase, and tiles of a line."""
    cells = tiles.apart * 4
    return (tiles.h + cells - 1) // cells + tiles.more, (tiles.w + cells - 1) // cells + tiles.more


@kernel(inline="always")
def _spot(tiles: Tiles, number: int) -> Spot:
    """Where a tile is: phase of an image, line of tiles, tile of the line."""
    down, across = _grid(tiles)
    n, rest = number // (down * across), number % (down * across)
    return n, rest // across, rest % across


@kernel(inline="always")
def _phase(tiles: Tiles, n: int) -> tuple[int, int, int, int, int]:
    """Image, first line and column, and size of a phase."""
    if tiles.apart == 1:
        return n, 0, 0, tiles.h, tiles.w
    apart = tiles.apart
    image, number = n // (apart * apart), n % (apart * apart)
    top, left = number // apart, number % apart
    return image, top, left, (tiles.h - top + apart - 1) // apart, (tiles.w - left + apart - 1) // apart


def read(*operands: object) -> None:
    """In an entry, a kernel that `reader` makes: compiled once for all that call it."""


def write(*operands: object) -> None:
    """In an entry, a kernel that `writer` makes."""


@functools.cache
def reader(size: int, tops: int) -> Kernel:
    """Transform `count` tiles from number `first` on, of one plane of x, to points from address `target` on.

    tops: whether these are the tops of tiles (for the weight gradient), else the bottoms, whose windows have `beyond`
    more cells each way than one.
    """
    least = 1 if size == 4 or tops > 0 else size  # what `bottom_square` needs; there are no tops where there is less

    @kernel
    def read(
        source: int, x: Blocked, tiles: Tiles, beyond: int, target: int, points: Points, first: int, count: int
    ) -> None:
        down, across = _grid(tiles)
        n, ty, tx = _spot(tiles, first)
        image, top, left, h, w = _phase(tiles, n)
        line, pixel = x.line * tiles.apart, 64 * tiles.apart
        for t in range(count):
            place = source + image * x.image + top * x.line + left * 64 + ty * 4 * line + tx * 4 * pixel
            rows, columns = h + beyond - ty * 4, w + beyond - tx * 4
            if rows >= least and columns >= least:
                if tops > 0:
                    top_gradient_square(size, place, line, pixel, rows, columns, target + t * 64, points.step)
                else:
                    bottom_square(size, place, line, pixel, rows, columns, target + t * 64, points.step)
            tx += 1
            if tx == across:
                tx = 0
                ty += 1
                if ty == down:
                    ty = 0
                    n += 1
                    image, top, left, h, w = _phase(tiles, n)

    return read


@functools.cache
def writer(size: int) -> Kernel:
    """Transform the points of tiles to pixels of one plane of y.

    bias: the address of its 16 floats (0: none); add, below: as `top_square` takes them.
    """

    @kernel
    def write(
        source: int, points: Points, target: int, y: Blocked, tiles: Tiles, first: int, count: int, bias: int,
        add: int, below: int,
    ) -> None:  # fmt: skip
        down, across = _grid(tiles)
        n, ty, tx = _spot(tiles, first)
        image, top, left, h, w = _phase(tiles, n)
        line, pixel = y.line * tiles.apart, 64 * tiles.apart
        for t in range(count):
            place = target + image * y.image + top * y.line + left * 64 + ty * 4 * line + tx * 4 * pixel
            rows, columns = h - ty * 4, w - tx * 4
            if rows > 0 and columns > 0:
                top_square(size, source + t * 64, points.step, place, line, pixel, rows, columns, bias, add, below)
            tx += 1
            if tx == across:
                tx = 0
                ty += 1
                if ty == down:
                    ty = 0
                    n += 1
                    image, top, left, h, w = _phase(tiles, n)

    return write


@functools.cache
def read_squares(size: int, tops: int) -> Entry[...]:
    """Bottoms (or tops) of a chunk to points; threads share (channel block, tile)."""

    @entry_with(read=reader(size, tops))
    def body(tid: int, nth: int, x: Blocked, points: Points, tiles: Tiles, beyond: int) -> None:
        at, last = x.blocks * tiles.count * tid // nth, x.blocks * tiles.count * (tid + 1) // nth
        while at < last:
            block, t = at // tiles.count, at % tiles.count
            count = min(last - at, tiles.count - t)
            target = points.start + (block * points.room + t) * 64
            read(x.inner + block * x.plane, x, tiles, beyond, target, points, tiles.first + t, count)
            at += count

    @body.touches
    def _(o: Any) -> Iterator[Access]:
        yield from o.tiles.touched("read", o.x, o.beyond)
        yield o.points.touched("write", o.tiles.count)

    return body


@functools.cache
def write_squares(size: int) -> Entry[...]:
    """Products of a chunk to tops, plus bias and `add`, then the activation; threads share (channel block, tile)."""

    @entry_with(write=writer(size))
    def body(
        tid: int, nth: int, points: Points, y: Blocked, add: Blocked, bias: Region, tiles: Tiles,
        activation: Activation,
    ) -> None:  # fmt: skip
        more = add.inner - y.inner if add.inner else -1  # as far from each pixel as from the first
        at, last = y.blocks * tiles.count * tid // nth, y.blocks * tiles.count * (tid + 1) // nth
        while at < last:
            block, t = at // tiles.count, at % tiles.count
            count = min(last - at, tiles.count - t)
            source, shift = points.start + (block * points.room + t) * 64, bias + block * 64 if bias else 0
            plane, below = y.inner + block * y.plane, code(activation, block * 64)
            write(source, points, plane, y, tiles, tiles.first + t, count, shift, more, below)
            at += count

    @body.touches
    def _(o: Any) -> list[Access]:
        return [o.points.touched("read", o.tiles.with_tops), *_written(o)]

    return body


def _written(o: Any) -> list[Access]:
    by_channel = of("read", o.bias), of("read", o.activation.slopes)
    return [*o.tiles.touched("write", o.y), *o.tiles.touched("read", o.add), *by_channel]


# ---------------------------------------------------------------- products


@kernel(inline="always")
def _multiply(
    rows: int, vectors: int, a: int, b: int, c: int, channels: int, a_in: int, c_out: int, parts: int, down: int,
    across: int, a_down: int,
) -> None:  # fmt: skip
    """c = a * b for `rows` tiles (a literal) by `vectors` output blocks (another), over the first down x across of a
    kernel's pieces: whole blocks of input channels, then what is left, rounded up to 4."""
    whole, rest = channels // 16, (channels % 16 + 3) // 4
    b_across = (channels + 15) // 16 * 1024
    b_down = parts * b_across
    b_out = parts * b_down
    more = -1
    for j in range(down if whole > 0 else 0):
        tile(
            rows, vectors, 4, 64, a + j * a_down, b + j * b_down, c, 0, more, 0, 64, b_out, c_out,
            across, 64, b_across, whole, a_in, 1024, 4, 16, 256,
        )  # fmt: skip
        more = 0
    if rest > 0:
        tile(
            rows, vectors, 4, 64, a + whole * a_in, b + whole * 1024, c, 0, more, 0, 64, b_out, c_out,
            down, a_down, b_down, across, 64, b_across, rest, 16, 256,
        )  # fmt: skip


@functools.cache
def products(size: int, rows: int, vectors: int, odd: bool) -> Entry[...]:
    """Points times weights, by `rows` tiles and `vectors` output blocks at a time (one more block if `odd`).

    Either all of a chunk at once, threads sharing (point, output blocks), between the kernels above; or each thread
    takes shares of `per` times `rows` tiles through all three, in a workspace of its own: its part of `workspace`.
    """

    @entry_with(read=reader(size, 0), write=writer(size))
    def body(
        tid: int, nth: int, x: Blocked, weights: Points, y: Blocked, add: Blocked, bias: Region, bottoms: Points,
        results: Points, workspace: Region, tiles: Tiles, pieces: Pieces, per: int, activation: Activation,
    ) -> None:  # fmt: skip
        ins, outs, parts = x.blocks, y.blocks, pieces.parts
        side = size + 3
        points, beyond = side * side, pieces.kernel - 1
        runs = (outs + vectors - 1) // vectors
        units = (tiles.count + rows - 1) // rows
        more = add.inner - y.inner if add.inner else -1
        source, target = bottoms.start, results.start
        first, last = points * runs * tid // nth, points * runs * (tid + 1) // nth
        unit, end, step = 0, units, units
        a_in, c_out, a_down = bottoms.room * 64, results.room * 64, _grid(tiles)[1] * 64
        if per > 0:
            first, last, step = 0, points * runs, per
            unit, end = units * tid // nth, units * (tid + 1) // nth
            own = tid * points * (bottoms.step + results.step)
            source, target = source + own, target + own
        while unit < end:
            here = min(step, end - unit)
            chunk, count = unit * rows, min(here * rows, tiles.count - unit * rows)
            if per > 0:
                for block in range(ins):
                    plane, place = x.inner + block * x.plane, source + block * a_in
                    read(plane, x, tiles, beyond, place, bottoms, chunk, count)
            for item in range(first, last):
                point, run = item // runs, item % runs
                down = parts - 1 if pieces.short and point // side == side - 1 else parts  # what is left is 0
                across = parts - 1 if pieces.short and point % side == side - 1 else parts
                a = source + point * bottoms.step
                b = weights.start + point * weights.step + run * vectors * parts * parts * ins * 1024
                c = target + point * results.step + run * vectors * c_out
                for _ in range(here):
                    if odd and run == runs - 1:
                        _multiply(rows, 1, a, b, c, x.c, a_in, c_out, parts, down, across, a_down)
                    else:
                        _multiply(rows, vectors, a, b, c, x.c, a_in, c_out, parts, down, across, a_down)
                    a += rows * 64
                    c += rows * 64
            if per > 0:
                for block in range(outs):
                    plane, shift = y.inner + block * y.plane, bias + block * 64 if bias else 0
                    below = code(activation, block * 64)
                    write(target + block * c_out, results, plane, y, tiles, chunk, count, shift, more, below)
            unit += here

    @body.touches
    def _(o: Any) -> Iterator[Access]:
        weights, ins, count = o.weights, o.x.blocks, o.tiles.count
        depth, panels = (o.x.c + 3) // 4 * 4 * PIXEL, o.y.blocks * o.pieces.parts**2
        yield box("read", weights.start, depth, (point_count(size), weights.step), (panels, ins * BLOCK))
        if o.per > 0:
            yield of("scratch", o.workspace)
            yield from o.tiles.touched("read", o.x, size - 1)
            yield from _written(o)
        else:
            yield o.bottoms.touched("read", count + o.tiles.more * o.tiles.across)
            yield o.results.touched("scratch", -(-count // rows) * rows)  # what is more than has tops is garbage
            yield o.results.touched("write", o.tiles.with_tops)

    return body


@functools.cache
def weight_products(lanes: int, vectors: int) -> Entry[...]:
    """Gradients of transformed weights, by `lanes` input channels and `vectors` output blocks at a time: sums over a
    chunk's tiles, added to those of the chunks before if `add`.

    Each sum is one thread's: they share (point, output blocks, input block).
    """
    parts = 16 // lanes

    @entry
    def body(
        tid: int, nth: int, bottoms: Points, tops: Points, sums: Points, tiles: int, channels: int, add: bool
    ) -> None:
        ins, runs = bottoms.blocks, tops.blocks // vectors
        more = 0 if add else -1
        for item in share((sums.size + 3) * (sums.size + 3) * runs * ins, tid, nth):
            i, rest = item % ins, item // ins
            run, point = rest % runs, rest // runs
            a = bottoms.start + point * bottoms.step + i * bottoms.room * 64
            b = tops.start + point * tops.step + run * vectors * tops.room * 64
            c = sums.start + point * sums.step + (run * vectors * ins + i) * 1024
            for part in range(min(parts, (channels - i * 16 + lanes - 1) // lanes)):
                tile(
                    lanes, vectors, 1, 4, a + part * lanes * 4, b, c + part * lanes * 64, 0, more, 0, 64,
                    tops.room * 64, ins * 1024, 1, 0, 0, 1, 0, 0, tiles, 64, 64,
                )  # fmt: skip

    @body.touches
    def _(o: Any) -> list[Access]:
        sums, depth = o.sums, -(-o.channels // lanes) * lanes * PIXEL
        dims = (point_count(sums.size), sums.step), (o.tops.blocks, o.bottoms.blocks * BLOCK)
        made = box("update" if o.add else "write", sums.start, depth, *dims)
        return [o.bottoms.touched("read", o.tiles), o.tops.touched("read", o.tiles), made]

    return body
