"""Convolution by products of bfloat16 numbers: forward and data gradient by `pair_tile`, which are one kernel.

The source is a bfloat16 copy of a blob, whose halo is wide enough on the left for both sides: a line's right halo is
the next one's left. So all lines of a plane are one long line, which is cut into tiles wherever lines end; the sums
between two lines of the target are thrown away. Where pixels are not side by side (a stride) each line is a run by
itself; a convolution of 1 x 1 with a stride has a copy of the pixels that it sees. Weights lie as
[group][target block][block of 32 of the source][kh][kw][16 words][16 of the target] (`weights.pack_pairs`).

Each sum runs over source blocks, cells and words in one order, in one thread: threads share pixels and target blocks.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from netc.fast.convolution.geometry import Conv, Taps
from netc.fast.convolution.lines import (
    LARGE_WEIGHTS,
    Lying,
    block_runs,
    divided,
    read_by_channel,
    read_pixels,
    spot_of,
    target_pixels,
)
from netc.fast.machine.access import Access
from netc.fast.machine.activation import IDENTITY, Activation, code
from netc.fast.machine.bf16 import BLOCK, CHANNELS, SLACK
from netc.fast.machine.bf16_tiles import (
    TILE_ROWS,
    begin_tiles,
    end_tiles,
    finish_pixels,
    pair_tile,
    room_for_sums,
    tile_rows,
)
from netc.fast.machine.emit import LANES
from netc.fast.machine.launch import NOTHING, Launch, Ref, Region, together
from netc.fast.machine.layout import NO_BLOB, PIXEL, Blocked, Halo
from netc.fast.machine.operands import Entry, entry

VECTORS = 2  # target blocks of a tile


class Sums(NamedTuple):
    """What a launch does: of each group of n images all `ins` blocks of 32 of the source; of its `outs` blocks of the
    target `parts` runs of as many as a tile has, from block `first` on. kh, kw: the kernel. A plane has `runs` of
    `length` pixels, `step` bytes apart in the source, and `pitch` pixels from a line to the next in each. With `large`
    weights these are read once over all images."""

    n: int
    groups: int
    ins: int
    outs: int
    first: int
    parts: int
    kh: int
    kw: int
    runs: int
    length: int
    step: int
    pitch: int
    large: int


def supported(conv: Conv) -> bool:
    """Whether the kernels here can run it: whole blocks of 32 inputs, or one group of no less than half of one; and
    pixels no further apart than what tiles may read behind the last one (`machine.bf16.SLACK`)."""
    ins, outs = conv.inputs // conv.groups, conv.outputs // conv.groups
    near = thinned(conv)[0].stride[1] * 2 * TILE_ROWS * PIXEL <= SLACK
    return near and ins >= LANES and (conv.groups == 1 or ins % CHANNELS == 0 == outs % LANES)


def supports_copy(conv: Conv) -> bool:
    """Whether forward can write the bfloat16 copy of its top, too: no block of 32 has outputs of two groups."""
    return conv.groups == 1 or conv.outputs // conv.groups % CHANNELS == 0


def thinned(conv: Conv) -> tuple[Conv, tuple[int, int]]:
    """The convolution as forward runs it, and of how many lines and pixels its copy of the bottom has one."""
    if conv.kernel == (1, 1) and conv.pad == (0, 0) and conv.stride != (1, 1):
        return replace(conv, size=conv.out, stride=(1, 1)), conv.stride
    return conv, (1, 1)


def copy_halo(halo: Halo) -> Halo:
    """The halo of a copy: enough on the left for both sides, and a line more, whose left is the last one's right."""
    across = max(halo.left, halo.right)
    return Halo(halo.top, across, halo.bottom + (1 if across else 0), 0)


def forward(
    way: int, x: Blocked, weights: Region, bias: Region, y: Blocked, copy: Blocked, conv: Conv,
    activation: Activation = IDENTITY, add: Blocked = NO_BLOB,
) -> list[Launch]:  # fmt: skip
    """y = x * weights + bias (+ add, which lies as y does), then the activation; and the bfloat16 copy of that.

    Either of y and its copy may be NO_BLOB. x: the copy of the bottom.
    """
    assert not add.inner or (add.line, add.plane, add.image) == (y.line, y.plane, y.image)
    lies = Lying(y.image, y.plane, y.line, PIXEL)
    taps = conv.taps(0), conv.taps(1)
    return together(sums(way, x, weights, bias, y.inner, lies, copy, conv, taps, activation, add.inner))


def data_gradient(way: int, dy: Blocked, weights: Region, dx: Blocked, conv: Conv, add: bool = False) -> list[Launch]:
    """dx (+)= what dy gives it; weights are packed the other way round. dy: the copy of the top's diff."""
    lies, added, found = Lying(dx.image, dx.plane, dx.line, PIXEL), dx.inner if add else NOTHING, []
    for down in conv.back_taps(0):
        for across in conv.back_taps(1):
            phase = sums(
                way, dy, weights, NOTHING, dx.inner, lies, NO_BLOB, conv.adjoint, (down, across), IDENTITY, added
            )
            found += phase
    return together(found)


def sums(
    way: int, source: Blocked, weights: Region, bias: Region, y: Ref, lies: Lying, copy: Blocked, conv: Conv,
    taps: tuple[Taps, Taps], activation: Activation, add: Ref,
) -> list[Launch]:  # fmt: skip
    """The sums of `conv` (as seen from its target) for all of the target's positions that the taps say.

    y: the target's first pixel, false where there is none; lies: how it lies.
    """
    down, across = taps
    ins = -(-conv.in_blocks // 2)
    large = conv.groups * conv.out_blocks * ins * conv.cells * BLOCK > LARGE_WEIGHTS
    pitch = source.line // PIXEL
    if down.step == across.step == 1 and pitch >= across.positions:
        runs, length = 1, (down.positions - 1) * pitch + across.positions
    else:
        runs, length, pitch = down.positions, across.positions, across.positions
    found = []
    for first, count, vectors in block_runs(conv.out_blocks, VECTORS):
        kernel = _runs(way, tile_rows(way, vectors), vectors, across.step * PIXEL)
        size = Sums(
            source.n, conv.groups, ins, conv.out_blocks, first, count, *conv.kernel, runs, length,
            down.step * source.line, pitch, large,
        )  # fmt: skip
        launch = kernel(
            source=source.inner, planes=Lying(source.image, source.plane, source.line, PIXEL), weights=weights,
            bias=bias, y=y, lies=lies, add=add, copy=copy.inner,
            twin=Lying(copy.image, copy.plane, copy.line, PIXEL), down=down, across=across, sums=size,
            activation=activation,
        )  # fmt: skip
        found.append(launch)
    return found


@functools.cache
def _runs(way: int, rows: int, vectors: int, a_row: int) -> Entry[...]:
    """Runs of pixels, `a_row` bytes apart, cut into tiles of `rows` pixels by `vectors` blocks."""
    few = TILE_ROWS if rows > TILE_ROWS else rows  # of a tile at the end of a run, if they are enough

    @entry
    def body(
        tid: int, nth: int, source: Ref, planes: Lying, weights: Region, bias: Region, y: Ref, lies: Lying, add: Ref,
        copy: Ref, twin: Lying, down: Taps, across: Taps, sums: Sums, activation: Activation,
    ) -> None:  # fmt: skip
        begin_tiles(way)
        b_in = sums.kh * sums.kw * 1024
        b_out = sums.ins * b_in
        b_down, b_across = down.skip * sums.kw * 1024, across.skip * 1024
        a_down, a_across = down.reach * planes.line, across.reach * 64
        corner = source + down.first * planes.line + across.first * 64
        block = weights + (down.cell * sums.kw + across.cell) * 1024
        start = down.start * lies.line + across.start * lies.pixel
        y_line, y_pixel = down.stride * lies.line, across.stride * lies.pixel
        more = add - y if add else -1
        c = room_for_sums()
        tiles = (sums.length + rows - 1) // rows
        spots, outs = sums.n * sums.runs * tiles, sums.parts * sums.groups
        begin, end, first_spot, spots = divided(spots, outs, tid, nth, sums.large and sums.n % nth == 0)
        for item in range(begin, end):
            spot, out = spot_of(item, first_spot, spots, outs, sums.large)
            n, place = spot // (sums.runs * tiles), spot % (sums.runs * tiles)
            run, pixel = place // tiles, place % tiles * rows
            group, out = out // sums.parts, sums.first + out % sums.parts * vectors
            a = corner + n * planes.image + group * sums.ins * planes.plane + run * sums.step + pixel * a_row
            out += group * sums.outs
            b, here = block + out * b_out, min(rows, sums.length - pixel)
            if here > few:
                pair_tile(
                    way, rows, vectors, a_row, a, b, c, b_out, sums.ins, planes.plane, b_in, down.taps, a_down, b_down,
                    across.taps, a_across, b_across,
                )  # fmt: skip
            else:
                pair_tile(
                    way, few, vectors, a_row, a, b, c, b_out, sums.ins, planes.plane, b_in, down.taps, a_down, b_down,
                    across.taps, a_across, b_across,
                )  # fmt: skip
            bias_at, below = bias + out * 64 if bias else 0, code(activation, out * 64)
            y_plane = y + start + n * lies.image + out * lies.plane if y else 0
            copy_plane = copy + n * twin.image + out // 2 * twin.plane if copy else 0
            line, x, done = run + pixel // sums.pitch, pixel % sums.pitch, 0
            while done < here:
                count = min(here - done, across.positions - x)
                if count > 0:
                    finish_pixels(
                        way, vectors, c + done * vectors * 64, count, bias_at, more, below,
                        y_plane + line * y_line + x * y_pixel if y else 0, y_pixel, lies.plane,
                        copy_plane + line * twin.line + x * 64 if copy else 0,
                    )  # fmt: skip
                done += sums.pitch - x
                line, x = line + 1, 0
        end_tiles(way)

    @body.touches
    def _(o: Any) -> Iterator[Access]:
        s, down, across, outs = o.sums, o.down, o.across, o.sums.parts * vectors
        yield read_pixels(o.source, o.planes, PIXEL, s.n, s, down, across)
        yield from read_by_channel(o, BLOCK, outs)
        yield target_pixels("read", o.add, o.lies, s.n, s, outs, down, across)
        yield target_pixels("write", o.y, o.lies, s.n, s, outs, down, across)
        pairs = s._replace(first=s.first // 2, outs=s.outs // 2)
        yield target_pixels("write", o.copy, o.twin, s.n, pairs, -(-outs // 2), down, across)

    return body
