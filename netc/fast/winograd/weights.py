"""The weights of Winograd convolution: from Caffe's order (out, in, size, size) to points, and their gradient back."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from netc.fast.convolution.geometry import BLOCK
from netc.fast.convolution.weights import collect_block, spread_block
from netc.fast.machine.access import Access, box, of
from netc.fast.machine.addresses import zero
from netc.fast.machine.emit import transpose_block
from netc.fast.machine.launch import Region
from netc.fast.machine.layout import PIXEL, blocks
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, entry
from netc.fast.winograd.emit import kernel_gradient_square, kernel_square
from netc.fast.winograd.points import Pieces, Points, point_count


@functools.cache
def weights_to_points(size: int) -> Entry[...]:
    """Weights, times a factor an output if there is one, to points; size: of a piece of their kernel.

    turned: for the data gradient, so the kernel is turned round and the channels are exchanged. scratch: for each
    thread a block of weights, and the same transposed.
    """

    @entry
    def body(
        tid: int, nth: int, source: Region, factor: Region, target: Points, scratch: Region, outs: int, ins: int,
        pieces: Pieces, turned: bool,
    ) -> None:  # fmt: skip
        side, parts = pieces.kernel, pieces.parts
        cells = side * side
        out_blocks, in_blocks = (outs + 15) // 16, (ins + 15) // 16
        straight = scratch + tid * 2 * cells * 1024
        other = straight + cells * 1024
        for item in share(out_blocks * in_blocks, tid, nth):
            ob, ib = item // in_blocks, item % in_blocks
            rows, columns = min(16, outs - ob * 16), min(16, ins - ib * 16) * cells
            if columns < 16 * cells:
                zero(straight, cells * 1024)
            start = source + (ob * 16 * ins + ib * 16) * cells * 4
            factors = factor + ob * 64 if factor else 0
            for part in range(0, columns, 16):  # [out][in, cell] to [in, cell][out]
                spread_block(
                    start + part * 4, ins * cells * 4, straight, part, cells, 64, cells * 64, rows,
                    min(16, columns - part), factors,
                )  # fmt: skip
            kernels, first, step, depth = straight, ob * parts * parts * in_blocks + ib, in_blocks, columns // cells
            if turned:
                kernels, first, step, depth = other, ib * parts * parts * out_blocks + ob, out_blocks, rows
                for cell in range(cells):  # [in, cell][out] to [out, last cell first][in]
                    last = cells - 1 - cell
                    transpose_block(straight + cell * 64, cells * 64, other + last * 64, cells * 64, 16, 16, 16)
            for lane in range((depth + 3) // 4 * 4):  # what is beyond is not multiplied
                for piece in range(parts * parts):
                    y, x = piece // parts * 4, piece % parts * 4
                    place = target.start + (first + piece * step) * 1024 + lane * 64
                    corner = kernels + (lane * cells + y * side + x) * 64
                    kernel_square(size, corner, side * 64, side - y, side - x, place, target.step)

    @body.touches
    def _(o: Any) -> Iterator[Access]:
        yield from (of("read", o.source), of("read", o.factor), of("scratch", o.scratch))
        target, (rows, columns) = o.target, (o.ins, o.outs) if o.turned else (o.outs, o.ins)
        dims = (point_count(size), target.step), (blocks(rows) * o.pieces.parts**2, blocks(columns) * BLOCK)
        yield box("write", target.start, (columns + 3) // 4 * 4 * PIXEL, *dims)

    return body


@functools.cache
def points_to_weights(size: int) -> Entry[...]:
    """Add gradients at points to those of the weights. scratch: for each thread two blocks of weights."""
    cells = size * size

    @entry
    def body(tid: int, nth: int, source: Points, target: Region, scratch: Region, outs: int, ins: int) -> None:
        out_blocks, in_blocks = (outs + 15) // 16, (ins + 15) // 16
        straight = scratch + tid * 2 * cells * 1024
        for item in share(out_blocks * in_blocks, tid, nth):
            ob, ib = item // in_blocks, item % in_blocks
            rows, columns = min(16, outs - ob * 16), min(16, ins - ib * 16) * cells
            for lane in range(columns // cells):
                place = source.start + item * 1024 + lane * 64
                kernel_gradient_square(size, place, source.step, straight + lane * cells * 64)
            start = target + (ob * 16 * ins + ib * 16) * cells * 4
            for part in range(0, columns, 16):  # [in, cell][out] to [out][in, cell]
                collect_block(
                    straight, part, cells, 64, cells * 64, start + part * 4, ins * cells * 4, rows,
                    min(16, columns - part),
                )  # fmt: skip

    @body.touches
    def _(o: Any) -> Iterator[Access]:
        yield from (of("update", o.target), of("scratch", o.scratch))
        dims = (point_count(size), o.source.step), (blocks(o.outs), blocks(o.ins) * BLOCK)
        yield box("read", o.source.start, o.ins * PIXEL, *dims)

    return body
