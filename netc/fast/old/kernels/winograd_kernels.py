"""The kernels of Winograd convolution; `winograd` makes their rows.

A chunk of `tiles` tiles is worked on at a time, tile t being number first + t of (image, tile row, tile column). Its
transformed bottoms lie as [point][channel block][tile][16], the products of these with the weights likewise, weights as
[point][out block][in block][16 in][16 out]; points (36 for 3 x 3 kernels, 64 for 5 x 5) are `step` bytes apart.
"""

from __future__ import annotations

import functools

from netc.fast.convolution.weights import collect_block, spread_block
from netc.fast.machine.emit import arg, tile, transpose_block
from netc.fast.machine.memory import zero
from netc.fast.old.kernels.winograd_emit import (
    bottom_square,
    kernel_gradient_square,
    kernel_square,
    top_gradient_square,
    top_square,
)
from netc.jit import Entry, entry, kernel

# ---------------------------------------------------------------- squares to points and back


@kernel
def _read(row: int, source: int, target: int, block_step: int, chunk: int, first: int, count: int, tops: int) -> None:
    """Transform tiles first..first+count-1 of one channel block; `target` is where tile `chunk` of it goes.

    tops: whether these are the tops of tiles (for the weight gradient), else the bottoms.
    """
    height, width, image, line, size = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 4), arg(row, 10)
    down, across = (height + 3) // 4, (width + 3) // 4
    n, rest = first // (down * across), first % (down * across)
    ty, tx = rest // across, rest % across
    for t in range(first - chunk, first - chunk + count):
        place = source + n * image + ty * 4 * line + tx * 256
        rows, columns = min(4, height - ty * 4), min(4, width - tx * 4)
        if tops == 0:
            if size == 3:
                bottom_square(3, place, line, rows + 2, columns + 2, target + t * 64, block_step)
            else:
                bottom_square(5, place, line, rows + 4, columns + 4, target + t * 64, block_step)
        elif size == 3:
            top_gradient_square(3, place, line, rows, columns, target + t * 64, block_step)
        else:
            top_gradient_square(5, place, line, rows, columns, target + t * 64, block_step)
        tx += 1
        if tx == across:
            tx = 0
            ty += 1
            if ty == down:
                ty = 0
                n += 1


@kernel
def _write(row: int, source: int, step: int, target: int, bias: int, chunk: int, first: int, count: int) -> None:
    """Transform products back into pixels: tiles first..first+count-1 of one channel block."""
    height, width, image, line = arg(row, 0), arg(row, 1), arg(row, 5), arg(row, 7)
    relu, size = arg(row, 9), arg(row, 10)
    add = arg(row, 8) - arg(row, 12) if arg(row, 8) != 0 else -1  # as far from each pixel as from the first
    down, across = (height + 3) // 4, (width + 3) // 4
    n, rest = first // (down * across), first % (down * across)
    ty, tx = rest // across, rest % across
    for t in range(first - chunk, first - chunk + count):
        place = target + n * image + ty * 4 * line + tx * 256
        rows, columns = min(4, height - ty * 4), min(4, width - tx * 4)
        if size == 3:
            top_square(3, source + t * 64, step, place, line, rows, columns, bias, add, relu)
        else:
            top_square(5, source + t * 64, step, place, line, rows, columns, bias, add, relu)
        tx += 1
        if tx == across:
            tx = 0
            ty += 1
            if ty == down:
                ty = 0
                n += 1


@entry
def read_squares(row: int, tid: int, nth: int) -> None:
    """Bottoms (or tops) of a chunk to points; threads share (channel block, tile)."""
    plane = arg(row, 3)
    source, target, blocks, step = arg(row, 11), arg(row, 12), arg(row, 13), arg(row, 14)
    chunk, tiles, room, tops = arg(row, 15), arg(row, 16), arg(row, 17), arg(row, 18)
    at, last = blocks * tiles * tid // nth, blocks * tiles * (tid + 1) // nth
    while at < last:
        block, t = at // tiles, at % tiles
        count = min(last - at, tiles - t)
        _read(row, source + block * plane, target + block * room * 64, step, chunk, chunk + t, count, tops)
        at += count


@entry
def write_squares(row: int, tid: int, nth: int) -> None:
    """Products of a chunk to tops; threads share (channel block, tile)."""
    plane = arg(row, 6)
    source, target, blocks, step = arg(row, 11), arg(row, 12), arg(row, 13), arg(row, 14)
    chunk, tiles, room, bias = arg(row, 15), arg(row, 16), arg(row, 17), arg(row, 18)
    at, last = blocks * tiles * tid // nth, blocks * tiles * (tid + 1) // nth
    while at < last:
        block, t = at // tiles, at % tiles
        count = min(last - at, tiles - t)
        shift = bias + block * 64 if bias != 0 else 0
        _write(row, source + block * room * 64, step, target + block * plane, shift, chunk, chunk + t, count)
        at += count


# ---------------------------------------------------------------- products


@functools.cache
def products(rows: int, vectors: int, odd: bool) -> Entry:
    """Points times weights, by `rows` tiles and `vectors` output blocks at a time (one more block if `odd`).

    `whole` blocks of input channels, then `rest` times 4 channels.

    Either all of a chunk at once, threads sharing (point, output blocks), between the kernels above; or each thread
    takes shares of `per` times `rows` tiles through all three, so that their points stay in its cache.
    """

    @entry
    def body(row: int, tid: int, nth: int) -> None:
        source, target, bias = arg(row, 11), arg(row, 12), arg(row, 13)
        weights, bottoms, results, own = arg(row, 14), arg(row, 15), arg(row, 16), arg(row, 17)
        ins, outs = arg(row, 18), arg(row, 19)
        weight_step, bottom_step, result_step = arg(row, 20), arg(row, 21), arg(row, 22)
        tiles, room, per = arg(row, 23), arg(row, 24), arg(row, 25)
        whole, rest = arg(row, 26), arg(row, 27)
        points = (arg(row, 10) + 3) * (arg(row, 10) + 3)
        groups = (outs + vectors - 1) // vectors
        units = (tiles + rows - 1) // rows
        first, last = points * groups * tid // nth, points * groups * (tid + 1) // nth
        unit, end, step = 0, units, units
        if per > 0:
            first, last, step = 0, points * groups, per
            unit, end = units * tid // nth, units * (tid + 1) // nth
            bottoms += tid * own
            results += tid * own
        while unit < end:
            here = min(step, end - unit)
            chunk, count = unit * rows, min(here * rows, tiles - unit * rows)
            if per > 0:
                for block in range(ins):
                    plane = source + block * arg(row, 3)
                    _read(row, plane, bottoms + block * room * 64, bottom_step, chunk, chunk, count, 0)
            for item in range(first, last):
                point, group = item // groups, item % groups
                a = bottoms + point * bottom_step
                b = weights + point * weight_step + group * vectors * ins * 1024
                c = results + point * result_step + group * vectors * room * 64
                for _ in range(here):
                    if odd and group == groups - 1:
                        tile(
                            rows, 1, 4, 64, a, b, c, 0, -1, 0, 64, 0, 0,
                            1, 0, 0, whole, room * 64, 1024, 4, 16, 256,
                        )  # fmt: skip
                        if rest > 0:
                            tile(
                                rows, 1, 4, 64, a + whole * room * 64, b + whole * 1024, c, 0, 0, 0, 64, 0, 0,
                                1, 0, 0, 1, 0, 0, rest, 16, 256,
                            )  # fmt: skip
                    else:
                        tile(
                            rows, vectors, 4, 64, a, b, c, 0, -1, 0, 64, ins * 1024, room * 64,
                            1, 0, 0, whole, room * 64, 1024, 4, 16, 256,
                        )  # fmt: skip
                        if rest > 0:
                            tile(
                                rows, vectors, 4, 64, a + whole * room * 64, b + whole * 1024, c, 0, 0, 0, 64,
                                ins * 1024, room * 64, 1, 0, 0, 1, 0, 0, rest, 16, 256,
                            )  # fmt: skip
                    a += rows * 64
                    c += rows * 64
            if per > 0:
                for block in range(outs):
                    plane = target + block * arg(row, 6)
                    shift = bias + block * 64 if bias != 0 else 0
                    _write(row, results + block * room * 64, result_step, plane, shift, chunk, chunk, count)
            unit += here

    return body


@functools.cache
def weight_products(lanes: int, vectors: int) -> Entry:
    """Gradients of transformed weights: sums over a chunk's tiles, added to those of the chunks before.

    Each sum is one thread's: they share (point, output blocks, input block).
    """
    parts = 16 // lanes

    @entry
    def body(row: int, tid: int, nth: int) -> None:
        bottoms, tops, sums = arg(row, 0), arg(row, 1), arg(row, 2)
        bottom_step, top_step, sum_step = arg(row, 3), arg(row, 4), arg(row, 5)
        ins, groups, tiles, room, add = arg(row, 6), arg(row, 7), arg(row, 8), arg(row, 9), arg(row, 10)
        points, channels = arg(row, 11), arg(row, 12)
        items = points * groups * ins
        for item in range(items * tid // nth, items * (tid + 1) // nth):
            i, rest = item % ins, item // ins
            group, point = rest % groups, rest // groups
            a = bottoms + point * bottom_step + i * room * 64
            b = tops + point * top_step + group * vectors * room * 64
            c = sums + point * sum_step + (group * vectors * ins + i) * 1024
            for part in range(min(parts, (channels - i * 16 + lanes - 1) // lanes)):
                tile(
                    lanes, vectors, 1, 4, a + part * lanes * 4, b, c + part * lanes * 64, 0, add, 0, 64,
                    room * 64, ins * 1024, 1, 0, 0, 1, 0, 0, tiles, 64, 64,
                )  # fmt: skip

    return body


# ---------------------------------------------------------------- weights


@entry
def weights_to_points(row: int, tid: int, nth: int) -> None:
    """Caffe's (out, in, size, size), times a factor an output, to points.

    turned: for the data gradient, so the kernel is turned round and the channels are exchanged.
    """
    source, target, step, size = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 4)
    outs, ins, turned, factor = arg(row, 5), arg(row, 6), arg(row, 7), arg(row, 8)
    out_blocks, in_blocks = (outs + 15) // 16, (ins + 15) // 16
    cells = size * size
    scratch = arg(row, 3) + tid * 2 * cells * 1024
    other = scratch + cells * 1024
    items = out_blocks * in_blocks
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        ob, ib = item // in_blocks, item % in_blocks
        rows, columns = min(16, outs - ob * 16), min(16, ins - ib * 16) * cells
        if columns < 16 * cells:
            zero(scratch, cells * 1024)
        start = source + (ob * 16 * ins + ib * 16) * cells * 4
        factors = factor + ob * 64 if factor != 0 else 0
        for part in range(0, columns, 16):  # [out][in, cell] to [in, cell][out]
            spread_block(
                start + part * 4, ins * cells * 4, scratch, part, cells, 64, cells * 64, rows,
                min(16, columns - part), factors,
            )  # fmt: skip
        kernels, place = scratch, target + item * 1024
        if turned != 0:
            kernels, place = other, target + (ib * out_blocks + ob) * 1024
            for cell in range(cells):  # [in, cell][out] to [out, last cell first][in]
                last = cells - 1 - cell
                transpose_block(scratch + cell * 64, cells * 64, other + last * 64, cells * 64, 16, 16, 16)
        depth = min(16, outs - ob * 16) if turned != 0 else columns // cells
        for lane in range((depth + 3) // 4 * 4):  # what is beyond is not multiplied
            if size == 3:
                kernel_square(3, kernels + lane * cells * 64, place + lane * 64, step)
            else:
                kernel_square(5, kernels + lane * cells * 64, place + lane * 64, step)


@entry
def points_to_weights(row: int, tid: int, nth: int) -> None:
    """Add gradients at points to those of Caffe's (out, in, size, size)."""
    source, target, step, size = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 4)
    outs, ins = arg(row, 5), arg(row, 6)
    out_blocks, in_blocks = (outs + 15) // 16, (ins + 15) // 16
    cells = size * size
    scratch = arg(row, 3) + tid * 2 * cells * 1024
    items = out_blocks * in_blocks
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        ob, ib = item // in_blocks, item % in_blocks
        rows, columns = min(16, outs - ob * 16), min(16, ins - ib * 16) * cells
        for lane in range(columns // cells):
            place = source + item * 1024 + lane * 64
            if size == 3:
                kernel_gradient_square(3, place, step, scratch + lane * cells * 64)
            else:
                kernel_gradient_square(5, place, step, scratch + lane * cells * 64)
        start = target + (ob * 16 * ins + ib * 16) * cells * 4
        for part in range(0, columns, 16):  # [in, cell][out] to [out][in, cell]
            collect_block(
                scratch, part, cells, 64, cells * 64, start + part * 4, ins * cells * 4, rows, min(16, columns - part)
            )  # fmt: skip
